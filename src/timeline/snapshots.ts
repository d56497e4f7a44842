/** Whole machines, saved and put back within the process. */
import { freedBytes, type CpuCore, type CpuState } from '../../cpu/index.ts';
import { ObjectGraph, type GraphImage } from './object-graph.ts';

/** A machine at one moment, for `Machine.restore`. Opaque. It can be restored any number of times, into its own machine. */
export interface Snapshot {
  /** Instructions retired until then, by all tasks. */
  readonly instructions: number;
  /** Machine.rounds then. */
  readonly rounds: number;
  /** Machine.position then; null: the machine does not count events. */
  readonly position: number | null;
  /** Bytes of host memory it takes, about: what it does not share with an earlier one of the machine. */
  readonly bytes: number;
}

export type Moment = Pick<Snapshot, 'instructions' | 'rounds' | 'position'>;

class SavedMachine implements Snapshot {
  readonly owner: Snapshots;
  readonly instructions: number;
  readonly rounds: number;
  readonly position: number | null;
  readonly bytes: number;
  readonly graph: GraphImage;
  readonly cpu: CpuState;

  constructor(owner: Snapshots, moment: Moment, graph: GraphImage, cpu: CpuState) {
    this.owner = owner;
    this.instructions = moment.instructions;
    this.rounds = moment.rounds;
    this.position = moment.position;
    this.graph = graph;
    this.cpu = cpu;
    this.bytes = graph.bytes + cpu.ram.bytes;
  }
}

/** Takes a machine's snapshots. One machine has one, for they share what they have in common. */
export class Snapshots {
  private readonly cpu: Required<Pick<CpuCore, 'save' | 'load'>>;
  private readonly graph: ObjectGraph;
  /** The state the machine was in last, as far as it was seen. */
  private last: CpuState | null = null;

  /**
   * `roots`: objects from which all of the machine's state can be reached, the cpu's and RAM's aside; `outside`: what is not
   * to be looked at. Throws Error when the cpu core cannot be saved.
   */
  constructor(cpu: CpuCore, roots: readonly object[], outside: readonly object[]) {
    if (!cpu.save || !cpu.load)
      throw new Error(
        "this cpu core cannot be saved: snapshots need 'jit' or 'interp' (BootOptions.cpu, --cpu)",
      );
    this.cpu = cpu as Required<CpuCore>;
    this.graph = new ObjectGraph(roots, [cpu, cpu.memory, cpu.memory.memory.buffer, ...outside]);
  }

  take(moment: Moment): Snapshot {
    const cpu = this.cpu.save(this.last);
    this.last = cpu;
    return new SavedMachine(this, moment, this.graph.take(), cpu);
  }

  restore(s: Snapshot): void {
    if (!(s instanceof SavedMachine) || s.owner !== this)
      throw new Error('the snapshot is of another machine');
    this.graph.put(s.graph);
    this.cpu.load(s.cpu);
    this.last = s.cpu;
  }

  /** Bytes that are given up with a snapshot, about, when those taken next before and after it stay. */
  static freed(s: Snapshot, ...others: readonly (Snapshot | undefined)[]): number {
    const { graph, cpu } = s as SavedMachine;
    const kept = others.filter((o): o is SavedMachine => o !== undefined);
    return (
      ObjectGraph.freed(graph, kept.map((o) => o.graph)) +
      freedBytes(cpu.ram, kept.map((o) => o.cpu.ram))
    ); // prettier-ignore
  }

  /** Objects of which classes a snapshot holds, for people. */
  static census(s: Snapshot): Map<string, number> {
    return ObjectGraph.census((s as SavedMachine).graph);
  }
}

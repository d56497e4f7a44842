/** Makes jobs for the compiler from what is known while the guest runs: decoded blocks, where jumps went, windows. */
import type { CodeArena, CodeSpace } from '../code-space.ts';
import { R, RECORD_SIZE } from '../layout.ts';
import type { Memory } from '../memory/memory.ts';
import { LARGE } from './heat.ts';
import { blockSpace, blocksNear, writeBlock, type CompileJob, type WindowExtent } from './job.ts';
import type { Places, Regions } from './regions.ts';

const PAGE = 4096;
/** Pages a job's windows are remembered of. */
const RECENT = 256;
/** Places an indirect jump is remembered to go to. */
const TARGETS = 64;

export interface JobOptions {
  readonly memory: Memory;
  readonly arena: CodeArena;
  /** Count the regions' exits. */
  readonly counts?: boolean;
  /** Is given a listing of each region, whose bytes come from `bytesOf`. */
  readonly onRegion?: ((listing: string) => void) | undefined;
  readonly bytesOf: (space: CodeSpace, pc: number) => Uint8Array;
  /** Of the running task. */
  stackPointer(): number;
  /** Its sticky flag for inexact results is set. */
  settled(): boolean;
  /** The window through which compiled code is to reach an address, −1: none. */
  windowOf(space: CodeSpace, address: number, write: boolean): number;
  /** All of them, by their numbers. */
  windows(): readonly WindowExtent[];
}

/** What is known of a space's code and goes into its jobs. */
export interface Known extends Places {
  /** As a job has it, with how many there were before. */
  readonly wandering: Map<number, number>;
}

export class Jobs {
  private readonly options: JobOptions;
  private readonly regions: Regions;
  private readonly firstSlot: number;
  /** Where the indirect jump at a record goes, with counts. */
  private readonly targets = new Map<number, Map<number, number>>();

  /** `firstSlot`: the place in the handlers' table from which on regions are. */
  constructor(options: JobOptions, regions: Regions, firstSlot: number) {
    this.options = options;
    this.regions = regions;
    this.firstSlot = firstSlot;
  }

  noteTarget(from: number, pc: number): void {
    let seen = this.targets.get(from);
    if (!seen) this.targets.set(from, (seen = new Map<number, number>()));
    if (seen.size < TARGETS || seen.has(pc)) seen.set(pc, (seen.get(pc) ?? 0) + 1);
  }

  /** Records are dropped. */
  reset(): void {
    this.targets.clear();
  }

  make(space: CodeSpace, known: Known, job: Pick<CompileJob, 'seeds' | 'keep' | 'slot'>): CompileJob {
    const { memory, arena, bytesOf, onRegion } = this.options;
    const { i32 } = memory;
    const near = blocksNear(
      memory.view,
      space,
      arena,
      [...job.seeds, ...job.keep],
      (rec) => this.targets.get(rec)?.keys() ?? [],
    );
    const blocks = blockSpace(near.size);
    const targets: [number, number[]][] = [];
    const bytes = new Map<number, Uint8Array>();
    const show = this.windowShower(space);
    let i = 0;
    for (const [pc, [head, end]] of near) {
      const regions = known.regions.get(pc);
      let elsewhere = false;
      for (const { compiled } of regions ?? [])
        elsewhere ||= compiled.instructions > LARGE && !compiled.copies.has(pc);
      const handler = this.regions.handlerOf(head);
      writeBlock(blocks, i++, { pc, head, end, handler, compiled: regions !== undefined, elsewhere });
      const seen = this.targets.get(end);
      if (seen) targets.push([end, [...seen].sort((a, b) => b[1] - a[1]).map(([to]) => to)]);
      for (let rec = head; rec <= end; rec += RECORD_SIZE) {
        // What runs compiled has shown its addresses before.
        if (!regions) show(addressAt(i32, rec + R.accessed));
        if (!onRegion) continue;
        const at = addressAt(i32, rec + R.pc);
        const first = bytesOf(space, at);
        bytes.set(at, first).set(at + first.length, bytesOf(space, at + first.length));
      }
    }
    return {
      ...job,
      firstSlot: this.firstSlot,
      blocks,
      targets,
      settled: this.options.settled(),
      stack: this.options.windowOf(space, this.options.stackPointer(), true),
      windows: this.options.windows(),
      wandering: [...known.wandering.keys()],
      bytes: onRegion ? bytes : null,
      pages: memory.memory.buffer.byteLength / 65536,
      counts: this.options.counts ?? false,
    };
  }

  /** Has the addresses it is given covered by windows, as long as there are any left. */
  private windowShower(space: CodeSpace): (address: number) => void {
    // What was asked for lately: most are asked for again and again.
    const recent = new Float64Array(RECENT);
    return (address) => {
      const page = Math.floor(address / PAGE);
      if (page === 0 || recent[page % RECENT] === page) return;
      recent[page % RECENT] = page;
      this.options.windowOf(space, address, false);
    };
  }
}

/** The guest address that lies at `at` in linear memory. */
export function addressAt(i32: Int32Array, at: number): number {
  return (i32[(at + 4) >> 2] >>> 0) * 4294967296 + (i32[at >> 2] >>> 0);
}

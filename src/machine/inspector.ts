/** Looks at what a machine holds: tasks, memory, registers, files, figures. Changes nothing. */
import type { CompilerStats } from '../../cpu/index.ts';
import type { Arch } from '../../kernel/ports.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { Assembly } from './assemble.ts';
import { fromBinary, readGuestFile } from './guest-files.ts';
import { readRegisters, type Registers } from './registers.ts';
import { entryPoint, isPositionIndependent, readSymbols } from './symbols.ts';
import { describeTask } from './waiting.ts';

export interface TaskInfo {
  readonly tid: number;
  readonly pid: number;
  /** comm: up to 15 bytes. */
  readonly name: string;
  readonly state: 'runnable' | 'parked' | 'stopped' | 'zombie' | 'dead';
  /** "101 (sh) in wait4 for children of 101". */
  readonly waiting: string;
  /** Instructions retired. */
  readonly instructions: number;
}

export interface MachineStats {
  /** Instructions retired by all tasks. */
  readonly instructions: number;
  /** Bytes of guest memory in use now. */
  readonly memory: number;
  /** What was compiled; null: nothing is, on this core. How it was used is counted with BootOptions.stats. */
  readonly compiler: CompilerStats | null;
}

export class Inspector {
  private readonly assembly: Assembly;
  private symbolTable: Map<string, number> | null = null;

  constructor(assembly: Assembly) {
    this.assembly = assembly;
  }

  get arch(): Arch {
    return this.assembly.kernel.options.arches[0];
  }

  get tasks(): TaskInfo[] {
    return [...this.assembly.kernel.processes.tasks.values()].map((t) => ({
      tid: t.tid, pid: t.pid, name: fromBinary(t.comm), state: t.state, waiting: describeTask(t), instructions: t.retired,
    })); // prettier-ignore
  }

  /** A task by number, or the first process's first. Throws RangeError. */
  task(tid?: number): Task {
    const { processes } = this.assembly.kernel;
    const t = tid === undefined ? processes.first?.leader : processes.task(tid);
    if (!t) throw new RangeError(`no such task in the guest: ${tid}`);
    return t;
  }

  /** A guest address, or that of a symbol of the program. Throws RangeError. */
  address(where: number | string): number {
    if (typeof where === 'number') return where;
    const { program } = this.assembly;
    this.symbolTable ??= readSymbols(program);
    const value = this.symbolTable.get(where);
    if (value === undefined) throw new RangeError(`no symbol '${where}' in the program`);
    return isPositionIndependent(program) ? value + this.assembly.entry - entryPoint(program) : value;
  }

  peek(where: number | string, length: number, tid?: number): Uint8Array {
    const address = this.address(where);
    const bytes = this.task(tid).mm.copyIn(address, length);
    if (bytes === null)
      throw new RangeError(`no readable memory at 0x${address.toString(16)} (${length} bytes)`);
    return bytes;
  }

  regs(tid?: number): Registers {
    return readRegisters(this.task(tid).regs);
  }

  readFile(path: string): Uint8Array {
    const { vfs, processes } = this.assembly.kernel;
    return readGuestFile(vfs, processes.first?.leader ?? null, path);
  }

  /** `instructions`: those retired by all tasks. */
  stats(instructions: number): MachineStats {
    const { kernel, loop } = this.assembly;
    return { instructions, memory: kernel.ram.used * 4096, compiler: loop.cpu.compilerStats ?? null };
  }
}

/** Lines for people: what ran, in `ms` of host time. */
export function statsLines(stats: MachineStats, ms: number): string[] {
  const { instructions, memory, compiler } = stats;
  const mips = instructions / 1000 / Math.max(ms, 0.001);
  const lines = [
    `${instructions} instructions in ${ms.toFixed(1)} ms (${mips.toFixed(1)} million a second), ${(memory / 2 ** 20).toFixed(1)} MiB in use`,
  ];
  if (!compiler) return lines;
  const { regions, bytes, milliseconds, evicted, failure, exits } = compiler;
  lines.push(
    `compiled ${regions} regions of ${compiler.instructions} instructions into ${bytes} bytes in ${milliseconds.toFixed(1)} ms`,
  );
  if (evicted > 0) lines.push(`${evicted} of them made room for others`);
  if (failure !== null) lines.push(`some code stays interpreted, the compiler failed: ${failure}`);
  if (!exits) return lines;
  const { instructions: inside, entered, ...causes } = exits;
  const share = ((100 * inside) / Math.max(instructions, 1)).toFixed(1);
  const list = Object.entries(causes).map(([cause, n]) => `${cause} ${n}`);
  lines.push(
    `${inside} instructions (${share} %) ran compiled, in ${entered} visits that ended by: ${list.join(', ')}`,
  );
  return lines;
}

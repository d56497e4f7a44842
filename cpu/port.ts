/** What the machine asks of a cpu core, whichever it is. */
import type { CpuDebug } from './debug.ts';
import type { CompilerStats } from './jit/compiler.ts';
import type { Memory } from './memory/memory.ts';
import type { RamImage } from './memory/ram-image.ts';
import type { PageTable } from './memory/page-table.ts';
import type { TaskRegs } from './regs.ts';

/** What a core holds, opaque to all but itself. */
export interface CpuState {
  readonly ram: RamImage;
}

export interface CpuCore {
  readonly memory: Memory;
  newRegs(): TaskRegs;
  newPageTable(): PageTable;
  /**
   * Runs until an exit, at most about `fuel` instructions. Returns an EXIT; `regs` are exact: pc at the instruction that
   * faulted, or behind the syscall or breakpoint.
   */
  run(regs: TaskRegs, table: PageTable, fuel: number): number;
  /** Instructions retired by the last `run`. */
  readonly retired: number;
  /** After a fault: what was accessed, and PROT_READ (1), PROT_WRITE (2) or PROT_EXEC (4). */
  readonly faultAddress: bigint;
  readonly faultAccess: number;
  /** What its compiler did, if it has one. */
  readonly compilerStats?: CompilerStats | null;
  /** Breakpoints and the like; absent where the core has none. Asking for it makes `run` a little slower from then on. */
  readonly debug?: CpuDebug;
  /**
   * Everything in guest RAM and the running task's registers, as long as nothing runs. `previous`: an earlier one, to share
   * with. Absent: this core cannot.
   */
  save?(previous: CpuState | null): CpuState;
  /** Puts it back. The objects of tasks and address spaces are their owner's to put back, before this. */
  load?(state: CpuState): void;
}

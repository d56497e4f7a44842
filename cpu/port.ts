/** What the machine asks of a cpu core, whichever it is. */
import type { CpuDebug } from './debug.ts';
import type { CompilerStats } from './jit/compiler.ts';
import type { Memory } from './memory/memory.ts';
import type { PageTable } from './memory/page-table.ts';
import type { TaskRegs } from './regs.ts';

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
}

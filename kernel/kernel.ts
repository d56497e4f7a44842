/**
 * The kernel's root object: every mechanism hangs off it, and a machine has exactly one. `src/machine` drives it:
 * pick a task, run the cpu, hand the exit back here.
 */
import type { Clock, CpuFactory, Entropy, Limits, Ram } from './ports.ts';
import type { Scheduler } from './task/scheduler.ts';
import type { ProcessTable } from './task/process-table.ts';
import type { Timers } from './time/timers.ts';
import type { FutexTable } from './futex/futex.ts';
import type { Vfs } from './fs/vfs.ts';
import type { NetStack } from './net/stack.ts';
import type { Tracer } from './trace/tracer.ts';

export interface KernelPorts {
  readonly ram: Ram;
  readonly cpu: CpuFactory;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly limits: Limits;
}

/** The mechanisms, one field each. Built in `boot.ts`; handlers reach them as `t.kernel.NAME`. */
export interface Kernel extends KernelPorts {
  readonly scheduler: Scheduler;
  readonly processes: ProcessTable;
  readonly timers: Timers;
  readonly futexes: FutexTable;
  readonly vfs: Vfs;
  readonly net: NetStack;
  /** Sees every call's entry and exit and every signal; null when nobody watches. */
  tracer: Tracer | null;
}

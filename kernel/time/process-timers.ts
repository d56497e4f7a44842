/** Timers of one process: setitimer(2) and timer_create(2). Mechanism in itimer.ts and posix-timer.ts. */
import type { ThreadGroup } from '../task/thread-group.ts';
import type { Timers } from './timers.ts';
import type { CpuItimer, RealItimer } from './itimer.ts';
import type { PosixTimer } from './posix-timer.ts';

export class ProcessTimers {
  /** ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF; made when first set. */
  real: RealItimer | null = null;
  virtual: CpuItimer | null = null;
  prof: CpuItimer | null = null;
  readonly posix = new Map<number, PosixTimer>();
  /** Id the next timer_create tries first: ids are not reused at once. */
  nextId = 0;
  /** Earliest process CPU time (ns) at which a CPU timer of the process goes off; Infinity: none is armed. */
  cpuDue = Infinity;

  /** timer_delete of all (execve, exit). */
  deletePosix(timers: Timers): void {
    for (const t of this.posix.values()) t.disarm(timers);
    this.posix.clear();
  }

  /** The process is gone. */
  release(timers: Timers): void {
    this.deletePosix(timers);
    if (this.real !== null) timers.cancel(this.real);
    this.real = this.virtual = this.prof = null;
    this.cpuDue = Infinity;
  }
}

/** The process's timers, made when it sets its first. */
export function timersOf(g: ThreadGroup): ProcessTimers {
  return (g.timers ??= new ProcessTimers());
}

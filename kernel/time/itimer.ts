/** Interval timers of setitimer(2) (kernel/time/itimer.c). */
import { SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU, SI_KERNEL } from '../signal/numbers.ts';
import { sendToGroup } from '../signal/send.ts';
import { RLIMIT_CPU } from '../task/rlimits.ts';
import type { ThreadGroup } from '../task/thread-group.ts';
import { processCpuTime } from './cpu-time.ts';
import { timersOf } from './process-timers.ts';
import { Timer, type Timers } from './timers.ts';

export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;

/** RLIMIT_CPU counts seconds. */
const NS = 1e9;

/** ITIMER_REAL and alarm(2): SIGALRM on the monotonic clock. */
export class RealItimer extends Timer {
  readonly group: ThreadGroup;
  /** Nanoseconds; 0: one shot. */
  interval = 0;
  /** The date of the next (or, while it fires, this) expiry. */
  private due = Infinity;

  constructor(group: ThreadGroup) {
    super();
    this.group = group;
  }

  /** Arms for a monotonic time; Infinity disarms. */
  set(timers: Timers, at: number): void {
    this.due = at;
    timers.arm(this, at);
  }

  override fire(now: number): void {
    sendToGroup(this.group, { signo: SIGALRM, code: SI_KERNEL });
    if (this.interval === 0) return;
    // The period runs from the date it was due; periods nobody saw are skipped.
    const periods = Math.floor((now - this.due) / this.interval) + 1;
    this.set(this.group.leader.kernel.timers, this.due + periods * this.interval);
  }
}

/** ITIMER_VIRTUAL and ITIMER_PROF: on the process's retired instructions. */
export class CpuItimer {
  readonly which: number;
  /** Process CPU time in nanoseconds when it goes off; Infinity: disarmed. */
  due = Infinity;
  interval = 0;

  constructor(which: number) {
    this.which = which;
  }
}

/**
 * Sends the signals of CPU-time timers that are due: called for the task that just ran, before it returns to user
 * mode (run_posix_cpu_timers). The common case is two comparisons.
 */
export function checkCpuTimers(g: ThreadGroup): void {
  const p = g.timers;
  if (p === null || p.cpuDue === Infinity) return;
  const now = processCpuTime(g);
  if (now < p.cpuDue) return;
  for (const it of [p.virtual, p.prof]) {
    if (it === null || it.due > now) continue;
    sendToGroup(g, { signo: it.which === ITIMER_PROF ? SIGPROF : SIGVTALRM, code: SI_KERNEL });
    it.due =
      it.interval > 0 ? it.due + (Math.floor((now - it.due) / it.interval) + 1) * it.interval : Infinity;
  }
  for (const t of p.posix.values()) t.checkCpu();
  checkCpuLimit(g, now);
  updateCpuDue(g);
}

/** Recomputes `cpuDue` after a CPU timer was set or went off. */
export function updateCpuDue(g: ThreadGroup): void {
  const p = g.timers;
  if (p === null) return;
  let due = Math.min(p.virtual?.due ?? Infinity, p.prof?.due ?? Infinity);
  due = Math.min(due, g.rlimits[RLIMIT_CPU].cur * NS, g.rlimits[RLIMIT_CPU].max * NS);
  const now = processCpuTime(g);
  for (const t of p.posix.values()) due = Math.min(due, now + t.cpuLeft());
  p.cpuDue = due;
}

/** RLIMIT_CPU was set or inherited: have the limit noticed. */
export function armCpuLimit(g: ThreadGroup): void {
  if (g.rlimits[RLIMIT_CPU].cur === Infinity) return;
  timersOf(g);
  updateCpuDue(g);
}

/** SIGKILL at the hard limit; SIGXCPU at the soft one, which then moves on by a second (check_process_timers). */
function checkCpuLimit(g: ThreadGroup, now: number): void {
  const limit = g.rlimits[RLIMIT_CPU];
  if (now >= limit.max * NS) sendToGroup(g, { signo: SIGKILL, code: SI_KERNEL });
  else if (now >= limit.cur * NS) {
    sendToGroup(g, { signo: SIGXCPU, code: SI_KERNEL });
    g.rlimits[RLIMIT_CPU] = { cur: limit.cur + 1, max: limit.max };
  }
}

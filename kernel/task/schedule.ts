/**
 * Schedules that are looked for, recorded and repeated: who decides in place of the scheduler. The scheduler stays as it is
 * (round-robin, a quantum each); a policy puts tasks off the cpu earlier, and says who comes next.
 */
import type { Task } from './task.ts';

/** Where a task is to be put off the cpu before its quantum ends. */
export interface Stop {
  /**
   * At its first preemption point (a taken backward branch, call or return, or the end of a system call) with at least so
   * many instructions retired, counted from its start.
   */
  readonly at: number;
  /** Instructions to go on from there, one by one. */
  readonly steps: number;
}

export interface SchedulePolicy {
  /** Its stops at which nobody else goes on are to look only: a run without them is the same. */
  readonly watches?: boolean;
  /** `t` has the cpu, until it has retired `end` instructions at most: where it is to stop before; null: nowhere. */
  plan(t: Task, end: number, queue: readonly Task[]): Stop | null;
  /** `t` came to the stop that was planned: who of the others goes on (index in `queue`), −1: `t` itself. */
  preempt(t: Task, stop: Stop, queue: readonly Task[]): number;
  /** `last` gave the cpu up, or its quantum ended (then it is last in `queue`): who of two or more goes on. */
  choose(last: Task, queue: readonly Task[]): number;
}

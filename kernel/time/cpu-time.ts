/**
 * CPU time is counted in retired instructions, so that it is the same in every run of a schedule. One instruction counts
 * as one nanosecond: never more than the time that passed, whichever tier of the cpu ran it.
 */
import type { Task } from '../task/task.ts';
import type { ThreadGroup } from '../task/thread-group.ts';

export const NS_PER_INSTRUCTION = 1;
/** clock_t of times(2) and siginfo: USER_HZ. */
export const CLOCK_TICK_NS = 10_000_000;

/** CPU time of one thread, nanoseconds. */
export function threadCpuTime(t: Task): number {
  return t.retired * NS_PER_INSTRUCTION;
}

/** CPU time of a process, exited threads included, nanoseconds. */
export function processCpuTime(g: ThreadGroup): number {
  let n = g.deadUsage.retired;
  for (const t of g.tasks) n += t.retired;
  return n * NS_PER_INSTRUCTION;
}

/** The same in clock ticks. Instructions are the user's: the kernel retires none. */
export function cpuTicks(g: ThreadGroup): { user: number; system: number } {
  return { user: Math.floor(processCpuTime(g) / CLOCK_TICK_NS), system: 0 };
}

/** Clocks by clockid_t: what they say, and which operations they have (kernel/time/posix-timers.c's k_clock tables). */
import { EINVAL, EOPNOTSUPP } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import type { TimerBase } from './posix-timer.ts';
import { processCpuTime, threadCpuTime } from './cpu-time.ts';

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME_ID = 2;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const CLOCK_MONOTONIC_RAW = 4;
export const CLOCK_REALTIME_COARSE = 5;
export const CLOCK_MONOTONIC_COARSE = 6;
export const CLOCK_BOOTTIME = 7;
export const CLOCK_REALTIME_ALARM = 8;
export const CLOCK_BOOTTIME_ALARM = 9;
export const CLOCK_TAI = 11;
export const TIMER_ABSTIME = 1;

/** Coarse clocks advance with the tick: 250 Hz. */
export const TICK_NS = 4_000_000;

/** What a clock is made of. */
export type Clock =
  | { readonly kind: 'realtime' | 'monotonic'; readonly coarse?: boolean; readonly sleeps: boolean }
  | Extract<TimerBase, { kind: 'process' | 'thread' }>;

const REALTIME: Clock = { kind: 'realtime', sleeps: true };
const MONOTONIC: Clock = { kind: 'monotonic', sleeps: true };
const RAW: Clock = { kind: 'monotonic', sleeps: false };
const REALTIME_COARSE: Clock = { kind: 'realtime', coarse: true, sleeps: false };
const MONOTONIC_COARSE: Clock = { kind: 'monotonic', coarse: true, sleeps: false };

/** The clock a task means by an id; -EINVAL when there is none. */
export function clockOf(t: Task, id: number): Clock | number {
  if (id < 0) return cpuClock(t, id);
  switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_TAI: // no leap seconds: TAI is at offset 0 until NTP sets it
    case CLOCK_REALTIME_ALARM:
      return REALTIME;
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME: // the machine is never suspended
    case CLOCK_BOOTTIME_ALARM:
      return MONOTONIC;
    case CLOCK_MONOTONIC_RAW:
      return RAW;
    case CLOCK_REALTIME_COARSE:
      return REALTIME_COARSE;
    case CLOCK_MONOTONIC_COARSE:
      return MONOTONIC_COARSE;
    case CLOCK_PROCESS_CPUTIME_ID:
      return { kind: 'process', group: t.group };
    case CLOCK_THREAD_CPUTIME_ID:
      return { kind: 'thread', task: t };
  }
  return -EINVAL;
}

/** clock_getcpuclockid(3) and pthread_getcpuclockid(3) ids: the complement of a pid or tid, and three bits of kind. */
function cpuClock(t: Task, id: number): Clock | number {
  if ((id & 3) === 3) return -EINVAL; // CLOCKFD: no such device here
  const pid = ~(id >> 3);
  if ((id & 4) !== 0) {
    const task = pid === 0 ? t : t.kernel.processes.task(pid);
    return task !== undefined && task.group === t.group ? { kind: 'thread', task } : -EINVAL;
  }
  if (pid === 0 || pid === t.tid) return { kind: 'process', group: t.group };
  const group = t.kernel.processes.group(pid);
  return group !== undefined ? { kind: 'process', group } : -EINVAL;
}

/** Nanoseconds the clock shows. */
export function readClock(t: Task, c: Clock): bigint | number {
  switch (c.kind) {
    case 'process':
      return processCpuTime(c.group);
    case 'thread':
      return threadCpuTime(c.task);
    case 'realtime': {
      const now = t.kernel.timers.realtime();
      return c.coarse ? now - (now % BigInt(TICK_NS)) : now;
    }
    case 'monotonic': {
      const now = Math.floor(t.kernel.clock.monotonic());
      return c.coarse ? now - (now % TICK_NS) : now;
    }
  }
}

/** The clock as a timer's base, or -EOPNOTSUPP for those that only show the time. */
export function timerBase(c: Clock): TimerBase | number {
  if (c.kind === 'process' || c.kind === 'thread') return c;
  return c.sleeps ? { kind: c.kind } : -EOPNOTSUPP;
}

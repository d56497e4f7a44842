/** Reading and setting clocks, and sleeping on them. */
import {
  EFAULT, EINVAL, EOPNOTSUPP, EPERM, ERESTARTNOHAND, ERESTART_RESTARTBLOCK,
} from '../abi/errno.ts'; // prettier-ignore
import { showRealtime } from '../mm/image.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { park, type SysResult } from '../wait.ts';
import {
  CLOCK_REALTIME, CLOCK_THREAD_CPUTIME_ID, TICK_NS, TIMER_ABSTIME, clockOf, readClock,
} from './clocks.ts'; // prettier-ignore
import { readTimespec, readTimespecExact, writeTimespec, writeTimeval } from './timespec.ts';

const CAP_SYS_TIME = 1n << 25n;
const TIME_ERROR = 5;
const STA_UNSYNC = 0x40;
const TIMEX_SIZE = 208;
const ADJ_OFFSET_SINGLESHOT = 0x0001;
const ADJ_OFFSET_READONLY = 0x2000;
const ADJ_ADJTIME = 0x8000;

/** clock_gettime(2). */
export function clock_gettime(t: Task, a: Args): number {
  const clock = clockOf(t, a.i32(0));
  return typeof clock === 'number' ? clock : writeTimespec(t.mm, a.ptr(1), readClock(t, clock));
}

/** clock_getres(2). The result may be thrown away: NULL is allowed. */
export function clock_getres(t: Task, a: Args): number {
  const clock = clockOf(t, a.i32(0));
  if (typeof clock === 'number') return clock;
  if (a.ptr(1) === 0) return 0;
  return writeTimespec(t.mm, a.ptr(1), 'coarse' in clock && clock.coarse === true ? TICK_NS : 1);
}

/** clock_settime(2): only CLOCK_REALTIME moves. */
export function clock_settime(t: Task, a: Args): number {
  const id = a.i32(0);
  const clock = clockOf(t, id);
  if (typeof clock === 'number') return clock;
  if (clock.kind === 'process' || clock.kind === 'thread') {
    const at = readTimespecExact(t.mm, a.ptr(1));
    return at === -EFAULT ? -EFAULT : -EPERM;
  }
  if (id !== CLOCK_REALTIME) return -EINVAL;
  const at = readTimespecExact(t.mm, a.ptr(1));
  return typeof at === 'number' ? at : setRealtime(t, at);
}

function setRealtime(t: Task, at: bigint): number {
  if ((t.creds.capEffective & CAP_SYS_TIME) === 0n) return -EPERM;
  // The date of boot must not be before 1970 (do_settimeofday64).
  if (at < BigInt(Math.floor(t.kernel.clock.monotonic()))) return -EINVAL;
  t.kernel.timers.setRealtime(at);
  showRealtime(t.kernel.memory, t.kernel.clock.realtimeOffset);
  return 0;
}

/** gettimeofday(2). The kernel's time zone is UTC. */
export function gettimeofday(t: Task, a: Args): number {
  if (a.ptr(0) !== 0 && writeTimeval(t.mm, a.ptr(0), t.kernel.timers.realtime()) !== 0) return -EFAULT;
  return a.ptr(1) === 0 ? 0 : t.mm.copyOut(a.ptr(1), new Uint8Array(8));
}

/** settimeofday(2). A time zone alone is accepted and changes nothing. */
export function settimeofday(t: Task, a: Args): number {
  let at: bigint | null = null;
  if (a.ptr(0) !== 0) {
    const v = t.mm.viewIn(a.ptr(0), 16);
    if (v === null) return -EFAULT;
    const usec = v.getBigInt64(8, true);
    if (usec < 0n || usec > 1_000_000n) return -EINVAL;
    at = v.getBigInt64(0, true) * 1_000_000_000n + usec * 1000n;
    if (v.getBigInt64(0, true) < 0n) return -EINVAL;
  }
  if (a.ptr(1) !== 0 && t.mm.copyIn(a.ptr(1), 8) === null) return -EFAULT;
  if ((t.creds.capEffective & CAP_SYS_TIME) === 0n) return -EPERM;
  return at === null ? 0 : setRealtime(t, at);
}

/** time(2). */
export function time(t: Task, a: Args): number {
  const seconds = Number(t.kernel.timers.realtime() / 1_000_000_000n);
  if (a.ptr(0) !== 0 && t.mm.putU64(a.ptr(0), seconds) !== 0) return -EFAULT;
  return seconds;
}

/** adjtimex(2): reads; the clock is not ours to discipline. */
export function adjtimex(t: Task, a: Args): number {
  return adjust(t, a.ptr(0));
}

/** clock_adjtime(2). */
export function clock_adjtime(t: Task, a: Args): number {
  const id = a.i32(0);
  const clock = clockOf(t, id);
  if (typeof clock === 'number') return clock;
  if (t.mm.copyIn(a.ptr(1), TIMEX_SIZE) === null) return -EFAULT;
  return id === CLOCK_REALTIME ? adjust(t, a.ptr(1)) : -EOPNOTSUPP;
}

function adjust(t: Task, address: number): number {
  const bytes = t.mm.copyIn(address, TIMEX_SIZE);
  if (bytes === null) return -EFAULT;
  const v = new DataView(bytes.buffer, bytes.byteOffset);
  const modes = v.getUint32(0, true);
  // timekeeping_validate_timex: adjtime's own form first; its read-only one is for everybody.
  if (modes & ADJ_ADJTIME && !(modes & ADJ_OFFSET_SINGLESHOT)) return -EINVAL;
  if (modes !== 0 && !(modes & ADJ_ADJTIME && modes & ADJ_OFFSET_READONLY)) return -EPERM;
  const now = t.kernel.timers.realtime();
  bytes.fill(0);
  v.setBigInt64(24, 16_000_000n, true); // maxerror, esterror: never synchronised
  v.setBigInt64(32, 16_000_000n, true);
  v.setInt32(40, STA_UNSYNC, true);
  v.setBigInt64(48, 2n, true); // constant
  v.setBigInt64(56, 1n, true); // precision
  v.setBigInt64(64, 32_768_000n, true); // tolerance
  v.setBigInt64(72, now / 1_000_000_000n, true);
  v.setBigInt64(80, (now % 1_000_000_000n) / 1000n, true);
  v.setBigInt64(88, 10_000n, true); // tick
  return t.mm.copyOut(address, bytes) !== 0 ? -EFAULT : TIME_ERROR;
}

/** nanosleep(2). */
export function nanosleep(t: Task, a: Args): SysResult {
  return t.parked !== null ? wake(t, a.ptr(1)) : sleep(t, a.ptr(0));
}

/** clock_nanosleep(2). */
export function clock_nanosleep(t: Task, a: Args): SysResult {
  const id = a.i32(0);
  const absolute = (a.i32(1) & TIMER_ABSTIME) !== 0;
  if (t.parked !== null && !(absolute && t.woken === 'event')) return wake(t, absolute ? 0 : a.ptr(3));
  const clock = clockOf(t, id);
  if (typeof clock === 'number') return clock;
  if (id === CLOCK_THREAD_CPUTIME_ID || clock.kind === 'process' || clock.kind === 'thread')
    return -EOPNOTSUPP;
  if (!clock.sleeps) return -EOPNOTSUPP;
  if (!absolute) return sleep(t, a.ptr(2));
  const at = readTimespecExact(t.mm, a.ptr(2));
  if (typeof at === 'number') return at;
  const { timers } = t.kernel;
  const onRealtime = clock.kind === 'realtime';
  const deadline = onRealtime ? timers.realtimeToMonotonic(at) : Number(at);
  if (deadline <= t.kernel.clock.monotonic()) return 0;
  // A jump of the clock wakes the sleeper, who works out the deadline again.
  return park({ on: onRealtime ? timers.clockWasSet : [], deadline, interrupted: ERESTARTNOHAND });
}

function sleep(t: Task, request: number): SysResult {
  const ns = readTimespec(t.mm, request);
  if (ns < 0) return ns;
  return park({ on: [], deadline: t.kernel.clock.monotonic() + ns, interrupted: ERESTART_RESTARTBLOCK });
}

/** The sleep ended. What is left of a relative one is told when a signal ended it. */
function wake(t: Task, remainder: number): SysResult {
  const p = t.parked!;
  if (t.woken === 'timeout') return 0;
  if (t.woken === 'event') return p; // restart_syscall: the rest of it
  const left = p.deadline - t.kernel.clock.monotonic();
  if (left <= 0) return 0;
  if (remainder !== 0 && writeTimespec(t.mm, remainder, left) !== 0) return -EFAULT;
  return -p.interrupted;
}

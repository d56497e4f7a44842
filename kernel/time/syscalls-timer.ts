/** Interval timers (alarm, setitimer, getitimer) and POSIX timers (timer_create and friends). */
import { EAGAIN, EFAULT, EINVAL } from '../abi/errno.ts';
import { NSIG, SIGALRM } from '../signal/numbers.ts';
import { sigqueueAllowed } from '../signal/send.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { ThreadGroup } from '../task/thread-group.ts';
import { TIMER_ABSTIME, clockOf, timerBase } from './clocks.ts';
import { processCpuTime } from './cpu-time.ts';
import {
  CpuItimer, ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL, RealItimer, updateCpuDue,
} from './itimer.ts'; // prettier-ignore
import {
  PosixTimer, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID,
} from './posix-timer.ts'; // prettier-ignore
import { timersOf } from './process-timers.ts';
import { SECOND, readTimespec, readTimespecExact, readTimeval } from './timespec.ts';

/** Interval and time left, nanoseconds; left 0: disarmed. */
interface Setting {
  readonly interval: number;
  readonly left: number;
}

function cpuItimer(g: ThreadGroup, which: number): CpuItimer | null {
  return (which === ITIMER_VIRTUAL ? g.timers?.virtual : g.timers?.prof) ?? null;
}

/** What an interval timer is set to. An armed one that is due this instant has a microsecond left. */
function getItimer(t: Task, which: number): Setting | number {
  const g = t.group;
  if (which === ITIMER_REAL) {
    const it = g.timers?.real ?? null;
    if (it === null) return { interval: 0, left: 0 };
    if (it.deadline === Infinity) return { interval: it.interval, left: 0 };
    return { interval: it.interval, left: Math.max(1000, it.deadline - t.kernel.clock.monotonic()) };
  }
  if (which !== ITIMER_VIRTUAL && which !== ITIMER_PROF) return -EINVAL;
  const it = cpuItimer(g, which);
  if (it === null) return { interval: 0, left: 0 };
  if (it.due === Infinity) return { interval: it.interval, left: 0 };
  return { interval: it.interval, left: Math.max(1000, it.due - processCpuTime(g)) };
}

function setItimer(t: Task, which: number, s: Setting): void {
  const g = t.group;
  const p = timersOf(g);
  if (which === ITIMER_REAL) {
    p.real ??= new RealItimer(g);
    p.real.interval = s.interval;
    p.real.set(t.kernel.timers, s.left === 0 ? Infinity : t.kernel.clock.monotonic() + s.left);
    return;
  }
  let it = cpuItimer(g, which);
  if (it === null) {
    it = new CpuItimer(which);
    if (which === ITIMER_VIRTUAL) p.virtual = it;
    else p.prof = it;
  }
  it.interval = s.interval;
  it.due = s.left === 0 ? Infinity : processCpuTime(g) + s.left;
  updateCpuDue(g);
}

function writeItimerval(t: Task, address: number, s: Setting): number {
  return writePair(t, address, s, 1000);
}

/** Two timespecs (unit 1) or timevals (unit 1000): interval, then value. */
function writePair(t: Task, address: number, s: Setting, unit: number): number {
  const v = new DataView(new ArrayBuffer(32));
  [s.interval, s.left].forEach((ns, i) => {
    const whole = Math.floor(ns);
    v.setBigInt64(16 * i, BigInt(Math.floor(whole / SECOND)), true);
    v.setBigInt64(16 * i + 8, BigInt(Math.floor((whole % SECOND) / unit)), true);
  });
  return t.mm.copyOut(address, new Uint8Array(v.buffer));
}

/** getitimer(2). */
export function getitimer(t: Task, a: Args): number {
  const s = getItimer(t, a.i32(0));
  return typeof s === 'number' ? s : writeItimerval(t, a.ptr(1), s);
}

/** setitimer(2). A NULL new value disarms, as Linux still allows. */
export function setitimer(t: Task, a: Args): number {
  const which = a.i32(0);
  let next: Setting = { interval: 0, left: 0 };
  if (a.ptr(1) !== 0) {
    if (t.mm.viewIn(a.ptr(1), 32) === null) return -EFAULT;
    const interval = readTimeval(t.mm, a.ptr(1));
    const left = readTimeval(t.mm, a.ptr(1) + 16);
    if (interval < 0 || left < 0) return -EINVAL;
    next = { interval, left };
  }
  const old = getItimer(t, which);
  if (typeof old === 'number') return old;
  setItimer(t, which, next);
  return a.ptr(2) === 0 ? 0 : writeItimerval(t, a.ptr(2), old);
}

/** alarm(2): seconds that were left, rounded to the nearest but never to 0. */
export function alarm(t: Task, a: Args): number {
  const old = getItimer(t, ITIMER_REAL) as Setting;
  setItimer(t, ITIMER_REAL, { interval: 0, left: a.u32(0) * SECOND });
  const usec = Math.floor((old.left % SECOND) / 1000);
  const seconds = Math.floor(old.left / SECOND);
  return (seconds === 0 && usec > 0) || usec >= 500_000 ? seconds + 1 : seconds;
}

/** timer_create(2). */
export function timer_create(t: Task, a: Args): number {
  let notify = SIGEV_SIGNAL;
  let signo = SIGALRM;
  let value: bigint | null = null;
  let tid = 0;
  if (a.ptr(1) !== 0) {
    const v = t.mm.viewIn(a.ptr(1), 64);
    if (v === null) return -EFAULT;
    value = v.getBigUint64(0, true);
    signo = v.getInt32(8, true);
    notify = v.getInt32(12, true);
    tid = v.getInt32(16, true);
  }
  const clock = clockOf(t, a.i32(0));
  if (typeof clock === 'number') return clock;
  const base = timerBase(clock);
  if (typeof base === 'number') return base;
  if (!sigqueueAllowed(t)) return -EAGAIN;
  let target: Task | null = null;
  switch (notify) {
    case SIGEV_THREAD_ID: {
      const found = t.kernel.processes.task(tid);
      if (found?.group !== t.group || signo < 1 || signo > NSIG) return -EINVAL;
      target = found;
      break;
    }
    case SIGEV_SIGNAL:
    case SIGEV_THREAD:
      if (signo < 1 || signo > NSIG) return -EINVAL;
      break;
    case SIGEV_NONE:
      break;
    default:
      return -EINVAL;
  }
  const p = timersOf(t.group);
  while (p.posix.has(p.nextId)) p.nextId++;
  const id = p.nextId;
  if (t.mm.putU32(a.ptr(2), id) !== 0) return -EFAULT;
  p.nextId = (id + 1) & 0x7fffffff;
  const timer = new PosixTimer({
    id,
    group: t.group,
    base,
    notify,
    signo,
    value: value ?? BigInt(id),
    target,
  });
  p.posix.set(id, timer);
  return 0;
}

const find = (t: Task, id: number): PosixTimer | undefined => t.group.timers?.posix.get(id);

function remaining(t: Task, timer: PosixTimer): Setting {
  const left = timer.left(t.kernel.clock.monotonic());
  if (left === Infinity) return { interval: timer.interval, left: 0 };
  return { interval: timer.interval, left: Math.max(timer.notify === SIGEV_NONE ? 0 : 1, left) };
}

/** timer_settime(2). */
export function timer_settime(t: Task, a: Args): number {
  const spec = a.ptr(2);
  if (spec === 0) return -EINVAL;
  if (t.mm.viewIn(spec, 32) === null) return -EFAULT;
  const interval = readTimespec(t.mm, spec);
  const at = readTimespecExact(t.mm, spec + 16);
  if (interval < 0 || typeof at === 'number') return -EINVAL;
  const timer = find(t, a.i32(0));
  if (timer === undefined) return -EINVAL;
  const old = remaining(t, timer);
  timer.set(t.kernel, at, interval, (a.i32(1) & TIMER_ABSTIME) !== 0);
  if (timer.onCpu) updateCpuDue(t.group);
  return a.ptr(3) === 0 ? 0 : writePair(t, a.ptr(3), old, 1);
}

/** timer_gettime(2). */
export function timer_gettime(t: Task, a: Args): number {
  const timer = find(t, a.i32(0));
  return timer === undefined ? -EINVAL : writePair(t, a.ptr(1), remaining(t, timer), 1);
}

/** timer_getoverrun(2). */
export function timer_getoverrun(t: Task, a: Args): number {
  return find(t, a.i32(0))?.overrun ?? -EINVAL;
}

/** timer_delete(2). */
export function timer_delete(t: Task, a: Args): number {
  const timer = find(t, a.i32(0));
  if (timer === undefined) return -EINVAL;
  timer.disarm(t.kernel.timers);
  t.group.timers!.posix.delete(timer.id);
  updateCpuDue(t.group);
  return 0;
}

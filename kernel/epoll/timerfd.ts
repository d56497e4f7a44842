/** timerfd (fs/timerfd.c): expirations counted until they are read. */
import { EAGAIN, EBADF, ECANCELED, EFAULT, EINVAL, EPERM } from '../abi/errno.ts';
import { File, O_CLOEXEC, O_NONBLOCK, O_RDWR, POLLIN, installFile } from '../fs/file.ts';
import type { Inode } from '../fs/inode.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { Timer } from '../time/timers.ts';
import type { Timers } from '../time/timers.ts';
import type { WaitQueue, Waiter } from '../wait.ts';

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const CLOCK_BOOTTIME = 7;
const CLOCK_REALTIME_ALARM = 8;
const CLOCK_BOOTTIME_ALARM = 9;

export const TFD_TIMER_ABSTIME = 1;
export const TFD_TIMER_CANCEL_ON_SET = 2;
const CAP_WAKE_ALARM = 35n;
const KTIME_SEC_MAX = 9223372036n;

/** struct itimerspec in nanoseconds. */
export interface TimerSpec {
  readonly interval: bigint;
  readonly value: bigint;
}

class Expiry extends Timer {
  private readonly file: TimerFd;
  constructor(file: TimerFd) {
    super();
    this.file = file;
  }
  /** Periods are counted from when it was due, however late that was noticed. */
  fire(_now: number, due: number): void {
    this.file.expire(due);
  }
}

export class TimerFd extends File implements Waiter {
  readonly name = 'anon_inode:[timerfd]';
  readonly clockid: number;
  private readonly timers: Timers;
  private readonly timer = new Expiry(this);
  private readonly now: () => number;
  private interval = 0;
  /** Expirations not yet read. */
  private ticks = 0n;
  /** The timer went off and, if periodic, is not armed again before someone looks (ctx->expired). */
  private expired = false;
  /** Monotonic time of the last expiry, from which periods are counted. */
  private last = 0;
  private settimeFlags = 0;
  /** TFD_TIMER_CANCEL_ON_SET is in force; clock changes seen so far. */
  private mightCancel = false;
  private seenChanges = 0;

  constructor(t: Task, clockid: number, inode: Inode | null, flags: number) {
    super(O_RDWR | flags, inode, 'timerfd');
    this.clockid = clockid;
    this.timers = t.kernel.timers;
    this.now = () => t.kernel.clock.monotonic();
  }

  private get realtime(): boolean {
    return this.clockid === CLOCK_REALTIME || this.clockid === CLOCK_REALTIME_ALARM;
  }

  /** The timer went off; `due`: when it was to. */
  expire(due: number): void {
    this.expired = true;
    this.last = due;
    this.ticks++;
    this.waiters.wake(POLLIN);
  }

  /** CLOCK_REALTIME was set (timerfd_clock_was_set). */
  wake(_queue: WaitQueue): void {
    if (!this.mightCancel || this.seenChanges === this.timers.clockChanges) return;
    this.ticks++;
    this.waiters.wake(POLLIN);
  }

  /** Counts the periods gone by since the expiry and arms for the next (hrtimer_forward_now). */
  private rearm(): bigint {
    if (!this.expired || this.interval === 0) return 0n;
    const periods = Math.floor((this.now() - this.last) / this.interval);
    this.last += periods * this.interval;
    this.expired = false;
    this.timers.arm(this.timer, this.last + this.interval);
    return BigInt(periods);
  }

  /** timerfd_canceled: a clock change since the last look, once. */
  private canceled(): boolean {
    if (!this.mightCancel || this.seenChanges === this.timers.clockChanges) return false;
    this.seenChanges = this.timers.clockChanges;
    return true;
  }

  /** What is left and the interval; a periodic timer that went off is counted up to now. */
  get(): TimerSpec {
    this.ticks += this.rearm();
    const left = this.timer.deadline === Infinity ? 0 : Math.max(0, this.timer.deadline - this.now());
    return { interval: BigInt(this.interval), value: BigInt(Math.ceil(left)) };
  }

  /** 0, or -ECANCELED when the clock was set under a timer that is to be told. */
  set(flags: number, spec: TimerSpec): number {
    this.setupCancel(flags);
    this.timers.cancel(this.timer);
    this.settimeFlags = flags & (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
    this.expired = false;
    this.ticks = 0n;
    this.interval = Number(spec.interval);
    if (spec.value === 0n) return 0;
    const now = this.now();
    const absolute = (flags & TFD_TIMER_ABSTIME) !== 0;
    let at: number;
    if (absolute && this.realtime) at = this.timers.realtimeToMonotonic(spec.value);
    else at = absolute ? Number(spec.value) : now + Number(spec.value);
    if (at <= now) this.expire(at);
    else if (absolute && this.realtime) this.timers.armRealtime(this.timer, spec.value);
    else this.timers.arm(this.timer, at);
    return this.canceled() ? -ECANCELED : 0;
  }

  private setupCancel(flags: number): void {
    const both = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    const wanted = this.realtime && (flags & both) === both;
    if (wanted && !this.mightCancel) {
      this.seenChanges = this.timers.clockChanges;
      this.timers.clockWasSet.add(this);
    } else if (!wanted && this.mightCancel) this.timers.clockWasSet.remove(this);
    this.mightCancel = wanted;
  }

  override poll(): number {
    return this.ticks > 0n ? POLLIN : 0;
  }

  override read(buf: IoBuf, _t: Task): number {
    if (buf.length < 8) return -EINVAL;
    if (this.canceled()) {
      this.ticks = 0n;
      this.expired = false;
      return -ECANCELED;
    }
    if (this.ticks === 0n) return -EAGAIN;
    const ticks = this.ticks + this.rearm();
    this.ticks = 0n;
    this.expired = false;
    buf.put(new Uint8Array(BigUint64Array.of(ticks).buffer));
    return 8;
  }

  override fdinfo(): string {
    const { value, interval } = this.get();
    const pair = (ns: bigint): string => `(${ns / 1_000_000_000n}, ${ns % 1_000_000_000n})`;
    const flags = this.settimeFlags === 0 ? '00' : `0${this.settimeFlags.toString(8)}`;
    return (
      `clockid: ${this.clockid}\nticks: ${this.ticks}\nsettime flags: ${flags}\n` +
      `it_value: ${pair(value)}\nit_interval: ${pair(interval)}\n`
    );
  }

  override release(): void {
    this.timers.cancel(this.timer);
    this.timers.clockWasSet.remove(this);
  }
}

/** timerfd_create(2). */
export function timerfd_create(t: Task, a: Args): number {
  const clockid = a.i32(0);
  const flags = a.i32(1);
  const known = [CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM];
  if (flags & ~(O_CLOEXEC | O_NONBLOCK) || !known.includes(clockid)) return -EINVAL;
  const alarm = clockid === CLOCK_REALTIME_ALARM || clockid === CLOCK_BOOTTIME_ALARM;
  if (alarm && !((t.creds.capEffective >> CAP_WAKE_ALARM) & 1n)) return -EPERM;
  const file = new TimerFd(t, clockid, t.kernel.pseudo.anonInode, flags & O_NONBLOCK);
  return installFile(t, file, (flags & O_CLOEXEC) !== 0);
}

/** Reads struct itimerspec: -EFAULT, or -EINVAL for times out of range (itimerspec64_valid). Seconds saturate. */
function readSpec(t: Task, address: number): TimerSpec | number {
  const v = t.mm.viewIn(address, 32);
  if (!v) return -EFAULT;
  const ns: bigint[] = [];
  for (const at of [0, 16]) {
    const sec = v.getBigInt64(at, true);
    const nsec = v.getBigInt64(at + 8, true);
    if (sec < 0n || nsec < 0n || nsec >= 1_000_000_000n) return -EINVAL;
    ns.push((sec > KTIME_SEC_MAX ? KTIME_SEC_MAX : sec) * 1_000_000_000n + nsec);
  }
  return { interval: ns[0], value: ns[1] };
}

function writeSpec(t: Task, address: number, spec: TimerSpec): number {
  const words = BigInt64Array.of(
    spec.interval / 1_000_000_000n,
    spec.interval % 1_000_000_000n,
    spec.value / 1_000_000_000n,
    spec.value % 1_000_000_000n,
  );
  return t.mm.copyOut(address, new Uint8Array(words.buffer));
}

/** timerfd_settime(2). */
export function timerfd_settime(t: Task, a: Args): number {
  const flags = a.i32(1);
  const spec = readSpec(t, a.ptr(2));
  if (spec === -EFAULT) return -EFAULT;
  if (typeof spec === 'number' || flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) return -EINVAL;
  const file = t.fds.opened(a.i32(0));
  if (!file) return -EBADF;
  if (!(file instanceof TimerFd)) return -EINVAL;
  const old = file.get();
  const r = file.set(flags, spec);
  if (r < 0) return r;
  return a.ptr(3) !== 0 && writeSpec(t, a.ptr(3), old) < 0 ? -EFAULT : 0;
}

/** timerfd_gettime(2). */
export function timerfd_gettime(t: Task, a: Args): number {
  const file = t.fds.opened(a.i32(0));
  if (!file) return -EBADF;
  if (!(file instanceof TimerFd)) return -EINVAL;
  return writeSpec(t, a.ptr(1), file.get()) < 0 ? -EFAULT : 0;
}

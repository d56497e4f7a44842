/** Timers of timer_create(2) (kernel/time/posix-timers.c). */
import { SI_TIMER } from '../signal/numbers.ts';
import { take } from '../signal/queue.ts';
import { sendSignal, sendToGroup } from '../signal/send.ts';
import type { SignalQueue, TimerSignal } from '../signal/state.ts';
import type { Kernel } from '../kernel.ts';
import type { Task } from '../task/task.ts';
import type { ThreadGroup } from '../task/thread-group.ts';
import { processCpuTime, threadCpuTime } from './cpu-time.ts';
import { Timer, type Timers } from './timers.ts';

export const SIGEV_SIGNAL = 0;
export const SIGEV_NONE = 1;
export const SIGEV_THREAD = 2;
export const SIGEV_THREAD_ID = 4;
/** DELAYTIMER_MAX: getoverrun never says more. */
export const DELAYTIMER_MAX = 0x7fffffff;

/** What a timer runs on. */
export type TimerBase =
  | { readonly kind: 'realtime' }
  /** CLOCK_MONOTONIC, CLOCK_BOOTTIME. */
  | { readonly kind: 'monotonic' }
  | { readonly kind: 'process'; readonly group: ThreadGroup }
  | { readonly kind: 'thread'; readonly task: Task };

export class PosixTimer extends Timer {
  readonly id: number;
  readonly group: ThreadGroup;
  readonly base: TimerBase;
  readonly notify: number;
  readonly signo: number;
  readonly value: bigint;
  /** SIGEV_THREAD_ID: the thread that gets the signal. */
  readonly target: Task | null;
  /** Nanoseconds; 0: one shot. */
  interval = 0;
  /** Next expiry, nanoseconds of CPU time or of the monotonic clock. */
  private due = Infinity;
  /** TIMER_ABSTIME on CLOCK_REALTIME: the date it goes off, whatever is done to the clock. */
  private date: bigint | null = null;
  /** Expiries since the signal in the queue was queued. */
  private missed = 0;
  private queued: TimerSignal | null = null;
  /** it_overrun_last: what timer_getoverrun says. */
  overrun = 0;

  constructor(init: {
    id: number;
    group: ThreadGroup;
    base: TimerBase;
    notify: number;
    signo: number;
    value: bigint;
    target: Task | null;
  }) {
    super();
    this.id = init.id;
    this.group = init.group;
    this.base = init.base;
    this.notify = init.notify;
    this.signo = init.signo;
    this.value = init.value;
    this.target = init.target;
  }

  get onCpu(): boolean {
    return this.base.kind === 'process' || this.base.kind === 'thread';
  }

  /** Its CPU clock now, nanoseconds. */
  cpuNow(): number {
    if (this.base.kind === 'process') return processCpuTime(this.base.group);
    return this.base.kind === 'thread' ? threadCpuTime(this.base.task) : 0;
  }

  /** CPU nanoseconds until it goes off; Infinity when it is not an armed CPU timer. */
  cpuLeft(): number {
    return this.onCpu && this.due !== Infinity ? Math.max(0, this.due - this.cpuNow()) : Infinity;
  }

  checkCpu(): void {
    if (this.onCpu && this.due <= this.cpuNow()) this.expired(this.cpuNow());
  }

  /** Nanoseconds until the next expiry; Infinity when disarmed. `now` is Clock.monotonic. */
  left(now: number): number {
    if (this.onCpu) return this.cpuLeft();
    return this.deadline === Infinity ? Infinity : this.deadline - now;
  }

  /** timer_settime: `at` nanoseconds from now, or on its clock when absolute; 0 disarms. */
  set(kernel: Kernel, at: bigint, interval: number, absolute: boolean): void {
    const { timers } = kernel;
    this.disarm(timers);
    this.interval = interval;
    this.date = null;
    if (at === 0n) return;
    const ns = Number(at);
    if (this.onCpu) this.due = absolute ? ns : this.cpuNow() + ns;
    else if (absolute && this.base.kind === 'realtime') {
      this.date = at;
      this.due = timers.realtimeToMonotonic(at);
      timers.armRealtime(this, at);
    } else {
      this.due = absolute ? ns : kernel.clock.monotonic() + ns;
      timers.arm(this, this.due);
    }
  }

  override fire(now: number): void {
    const { timers } = this.group.leader.kernel;
    if (this.date !== null) this.due = timers.realtimeToMonotonic(this.date);
    const before = this.due;
    this.expired(now);
    if (this.due === Infinity) return;
    if (this.date === null) timers.arm(this, this.due);
    else {
      this.date += BigInt(this.due - before);
      timers.armRealtime(this, this.date);
    }
  }

  /** Disarms and takes back a signal that is still queued (timer_settime, timer_delete). */
  disarm(timers: Timers): void {
    timers.cancel(this);
    this.due = Infinity;
    this.missed = 0;
    this.overrun = 0;
    if (this.queued === null) return;
    const q = this.queue();
    if (q.infos.includes(this.queued)) take(q, this.signo);
    this.queued = null;
  }

  private queue(): SignalQueue {
    return this.target !== null ? this.target.pending : this.group.pending;
  }

  /** Counts the expiries up to `now` and queues the signal, one at most: later ones are its overrun. */
  private expired(now: number): void {
    let count = 1;
    if (this.interval > 0) {
      count = Math.floor((now - this.due) / this.interval) + 1;
      this.due += count * this.interval;
    } else {
      this.due = Infinity;
    }
    if (this.notify === SIGEV_NONE) return;
    if (this.queued !== null && this.queue().infos.includes(this.queued)) {
      this.missed += count;
      this.queued.overrun = Math.min(this.missed, DELAYTIMER_MAX);
      return;
    }
    this.missed = count - 1;
    const info: TimerSignal = {
      signo: this.signo,
      code: SI_TIMER,
      timerId: this.id,
      overrun: Math.min(this.missed, DELAYTIMER_MAX),
      value: this.value,
    };
    this.queued = info;
    if (this.target === null) sendToGroup(this.group, info);
    else if (this.target.state !== 'dead' && this.target.state !== 'zombie') sendSignal(this.target, info);
  }

  /** Its signal was taken from the queue: from now on timer_getoverrun tells of this delivery. */
  delivered(info: TimerSignal): void {
    if (this.queued !== info) return;
    this.overrun = info.overrun;
    this.queued = null;
    this.missed = 0;
  }
}

/** To be called with every SI_TIMER signal that is dequeued (posixtimer_rearm). */
export function timerSignalDelivered(g: ThreadGroup, info: TimerSignal): void {
  if (info.timerId !== undefined) g.timers?.posix.get(info.timerId)?.delivered(info);
}

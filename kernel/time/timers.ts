/**
 * Everything that goes off at a time and is not a parked task's own deadline: interval timers, POSIX timers, timerfds,
 * network timeouts. One heap of monotonic deadlines; the machine asks `next` how long it may idle and calls `expire`.
 */
import type { Clock } from '../ports.ts';
import { WaitQueue } from '../wait.ts';

/** Something that can be armed. Subclasses say what happens; `fire` may arm the same timer again. */
export abstract class Timer {
  /** Monotonic nanoseconds; Infinity while not armed. Set by Timers. */
  deadline = Infinity;
  /** Absolute CLOCK_REALTIME expiry in nanoseconds when that is what it waits for: follows changes of the clock. */
  realtime: bigint | null = null;
  /** Place in the heap, -1 when not armed. Owned by Timers. */
  slot = -1;
  /** Arming order: equal deadlines fire in it. Owned by Timers. */
  order = 0;
  /** The deadline `due` passed. `now` is Clock.monotonic. The timer is no longer armed. */
  abstract fire(now: number, due: number): void;
}

/** The next nanosecond, or past 2^53 of them (104 days) the next number: a date that can be reached. */
const after = (t: number): number => t + Math.max(1, t * Number.EPSILON);

export class Timers {
  private readonly heap: Timer[] = [];
  private readonly onRealtime = new Set<Timer>();
  private order = 0;
  /** `now` of the expire under way. */
  private expiring = -Infinity;
  private readonly clock: Clock;
  /** Woken when CLOCK_REALTIME jumps: absolute sleeps look again, TFD_TIMER_CANCEL_ON_SET timers are cancelled. */
  readonly clockWasSet = new WaitQueue('clock change');
  /** How often CLOCK_REALTIME was set. */
  clockChanges = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Earliest deadline, monotonic nanoseconds; Infinity when nothing is armed. */
  next(): number {
    return this.heap.length > 0 ? this.heap[0].deadline : Infinity;
  }

  /** Fires what is due at `now`, earliest first. What is armed meanwhile for a time already past waits for the next call. */
  expire(now: number): void {
    this.expiring = now;
    while (this.next() <= now) {
      const t = this.heap[0];
      const due = t.deadline;
      this.cancel(t);
      t.fire(now, due);
    }
    this.expiring = -Infinity;
  }

  /** Arms (or rearms) for a monotonic time. */
  arm(t: Timer, deadline: number): void {
    this.cancel(t);
    if (deadline === Infinity) return;
    t.deadline = deadline > this.expiring ? deadline : after(this.expiring);
    t.order = this.order++;
    t.slot = this.heap.length;
    this.heap.push(t);
    this.up(t.slot);
  }

  /** Arms for an absolute CLOCK_REALTIME time, nanoseconds since 1970. */
  armRealtime(t: Timer, at: bigint): void {
    this.arm(t, this.realtimeToMonotonic(at));
    t.realtime = at;
    this.onRealtime.add(t);
  }

  /** Disarms; harmless when it is not armed. */
  cancel(t: Timer): void {
    if (t.realtime !== null) {
      t.realtime = null;
      this.onRealtime.delete(t);
    }
    t.deadline = Infinity;
    const i = t.slot;
    if (i < 0) return;
    t.slot = -1;
    const last = this.heap.pop()!;
    if (last === t) return;
    this.place(last, i);
    this.up(i);
    this.down(last.slot);
  }

  /** Sets CLOCK_REALTIME (clock_settime): absolute realtime timers keep their date, everything else its distance. */
  setRealtime(now: bigint): void {
    this.clock.setRealtimeOffset(now - BigInt(Math.floor(this.clock.monotonic())));
    this.clockChanges++;
    for (const t of [...this.onRealtime]) {
      const at = t.realtime!;
      this.armRealtime(t, at);
    }
    this.clockWasSet.wake();
  }

  /** CLOCK_REALTIME, nanoseconds since 1970. */
  realtime(): bigint {
    return BigInt(Math.floor(this.clock.monotonic())) + this.clock.realtimeOffset;
  }

  /** Monotonic deadline of a realtime date as the clocks stand now; dates past 2^53 ns of uptime never come. */
  realtimeToMonotonic(at: bigint): number {
    const d = Number(at - this.clock.realtimeOffset);
    return d > Number.MAX_SAFE_INTEGER ? Infinity : d;
  }

  private before(a: Timer, b: Timer): boolean {
    return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);
  }

  private place(t: Timer, i: number): void {
    this.heap[i] = t;
    t.slot = i;
  }

  private up(i: number): void {
    const t = this.heap[i];
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.before(t, this.heap[parent])) break;
      this.place(this.heap[parent], i);
      i = parent;
    }
    this.place(t, i);
  }

  private down(i: number): void {
    const t = this.heap[i];
    for (;;) {
      let child = 2 * i + 1;
      if (child >= this.heap.length) break;
      if (child + 1 < this.heap.length && this.before(this.heap[child + 1], this.heap[child])) child++;
      if (!this.before(this.heap[child], t)) break;
      this.place(this.heap[child], i);
      i = child;
    }
    this.place(t, i);
  }
}

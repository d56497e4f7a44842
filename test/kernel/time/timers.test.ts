import { describe, expect, it } from 'vitest';
import { Timer, Timers } from '../../../kernel/time/timers.ts';
import { FakeClock } from '../fakes.ts';

/** Arms itself again each time, for as long ago as it wishes. */
class Again extends Timer {
  fired = 0;
  private readonly timers: Timers;
  private readonly interval: number;
  constructor(timers: Timers, interval: number) {
    super();
    this.timers = timers;
    this.interval = interval;
  }
  fire(_now: number, due: number): void {
    if (++this.fired > 1000) throw new Error('it fires for ever');
    this.timers.arm(this, due + this.interval);
  }
}

describe('a timer that arms itself again', () => {
  // 2^53 ns are 104 days: a virtual clock is there after one long sleep.
  it.each([1000, 2 ** 52, 2 ** 53, 2 ** 60])('fires once in one expire, at %d ns', (now) => {
    const clock = new FakeClock();
    clock.now = now;
    const timers = new Timers(clock);
    const [fast, late] = [new Again(timers, 1), new Again(timers, -5)];
    timers.arm(fast, now - 1);
    timers.arm(late, now - 1);
    timers.expire(now);
    expect([fast.fired, late.fired]).toEqual([1, 1]);
    expect(timers.next()).toBeGreaterThan(now);
    // Time reaches it.
    timers.expire(timers.next());
    expect(late.fired).toBe(2);
  });
});

import { describe, expect, it } from 'vitest';
import { epollRows as rows } from '../../../kernel/epoll/rows.ts';
import { Timers } from '../../../kernel/time/timers.ts';
import { IoBuf } from '../../../kernel/mm/iobuf.ts';
import { EAGAIN, ECANCELED, EFAULT, EINVAL, EPERM } from '../../../kernel/abi/errno.ts';
import { TestTask, testKernel } from './harness.ts';

const REALTIME = 0, MONOTONIC = 1, ABSTIME = 1, CANCEL_ON_SET = 2; // prettier-ignore

function setup(uid = 0) {
  const kernel = testKernel();
  const timers = new Timers(kernel.clock);
  (kernel as { timers: Timers }).timers = timers;
  const clock = kernel.clock as { realtimeOffset: bigint; setRealtimeOffset(o: bigint): void };
  clock.setRealtimeOffset = (o) => (clock.realtimeOffset = o);
  const t = new TestTask(kernel, { uid });
  const spec = (value: number, interval = 0) => {
    const at = t.alloc(32);
    t.mem.putU64(at, Math.floor(interval / 1e9));
    t.mem.putU64(at + 8, interval % 1e9);
    t.mem.putU64(at + 16, Math.floor(value / 1e9));
    t.mem.putU64(at + 24, value % 1e9);
    return at;
  };
  const read = (fd: number): bigint | number => {
    const out = new Uint8Array(8);
    const n = t.task.fds.get(fd)!.read(IoBuf.of(out), t.task);
    return n < 0 ? n : new DataView(out.buffer).getBigUint64(0, true);
  };
  const pass = (ns: number) => {
    kernel.now += ns;
    timers.expire(kernel.now);
  };
  const left = (fd: number): [value: number, interval: number] => {
    const at = t.alloc(32);
    expect(t.call(rows.timerfd_gettime, fd, at)).toBe(0);
    const ns = (o: number) => Number(t.mem.u64(at + o)) * 1e9 + Number(t.mem.u64(at + o + 8));
    return [ns(16), ns(0)];
  };
  return {
    kernel,
    timers,
    t,
    spec,
    read,
    pass,
    left,
    make: (c = MONOTONIC) => t.call(rows.timerfd_create, c, 0) as number,
  };
}

describe('timerfd', () => {
  it('counts periods from when it was due, however late that is noticed', () => {
    const s = setup();
    const fd = s.make();
    s.t.call(rows.timerfd_settime, fd, 0, s.spec(100, 100), 0);
    s.pass(1950); // nobody looked at the clock for 19 periods
    expect(s.read(fd)).toBe(19n);
    expect(s.left(fd)).toEqual([50, 100]);
  });

  it('counts expirations of a periodic timer until they are read', () => {
    const s = setup();
    const fd = s.make();
    expect(s.t.call(rows.timerfd_settime, fd, 0, s.spec(100, 30), 0)).toBe(0);
    expect(s.read(fd)).toBe(-EAGAIN);
    expect(s.left(fd)).toEqual([100, 30]);
    s.pass(99);
    expect(s.t.task.fds.get(fd)!.poll()).toBe(0);
    s.pass(1);
    expect(s.t.task.fds.get(fd)!.poll()).toBe(1);
    s.pass(65);
    expect(s.read(fd)).toBe(3n); // at 100, 130 and 160
    expect(s.left(fd)).toEqual([25, 30]);
    s.pass(25);
    expect(s.read(fd)).toBe(1n);
  });
  it('fires once without an interval, and is disarmed by zero', () => {
    const s = setup();
    const fd = s.make();
    s.t.call(rows.timerfd_settime, fd, 0, s.spec(10), 0);
    s.pass(50);
    expect(s.left(fd)).toEqual([0, 0]);
    expect(s.read(fd)).toBe(1n);
    s.pass(50);
    expect(s.read(fd)).toBe(-EAGAIN);
    s.t.call(rows.timerfd_settime, fd, 0, s.spec(10, 5), 0);
    const old = s.t.alloc(32);
    s.kernel.now += 4;
    expect(s.t.call(rows.timerfd_settime, fd, 0, s.spec(0, 5), old)).toBe(0);
    expect([s.t.mem.u64(old + 8), s.t.mem.u64(old + 24)]).toEqual([5n, 6n]);
    s.pass(100);
    expect(s.read(fd)).toBe(-EAGAIN);
    expect(s.timers.next()).toBe(Infinity);
  });
  it('takes absolute times, also past ones', () => {
    const s = setup();
    const fd = s.make();
    s.t.call(rows.timerfd_settime, fd, ABSTIME, s.spec(s.kernel.now - 10), 0);
    expect(s.read(fd)).toBe(1n);
    s.t.call(rows.timerfd_settime, fd, ABSTIME, s.spec(s.kernel.now + 10), 0);
    s.pass(9);
    expect(s.read(fd)).toBe(-EAGAIN);
    s.pass(1);
    expect(s.read(fd)).toBe(1n);
  });
  it('is cancelled by a change of the clock when it asked for that', () => {
    const s = setup();
    const fd = s.make(REALTIME);
    s.t.call(rows.timerfd_settime, fd, ABSTIME | CANCEL_ON_SET, s.spec(1e12), 0);
    s.timers.setRealtime(5n);
    expect(s.t.task.fds.get(fd)!.poll()).toBe(1);
    expect(s.read(fd)).toBe(-ECANCELED);
    expect(s.read(fd)).toBe(-EAGAIN);
    const plain = s.make(REALTIME);
    s.t.call(rows.timerfd_settime, plain, ABSTIME, s.spec(1e12), 0);
    s.timers.setRealtime(10n ** 12n - 5n);
    expect(s.read(plain)).toBe(-EAGAIN);
    s.pass(5);
    expect(s.read(plain)).toBe(1n);
  });
  it('refuses bad arguments', () => {
    const s = setup(1000);
    expect(s.make(33)).toBe(-EINVAL);
    expect(s.make(8)).toBe(-EPERM);
    expect(s.t.call(rows.timerfd_create, MONOTONIC, 1)).toBe(-EINVAL);
    const fd = s.make();
    expect(s.t.call(rows.timerfd_settime, fd, 0, 8, 0)).toBe(-EFAULT);
    expect(s.t.call(rows.timerfd_settime, fd, 4, s.spec(1), 0)).toBe(-EINVAL);
    const bad = s.spec(1);
    s.t.mem.putU64(bad + 24, 1e9);
    expect(s.t.call(rows.timerfd_settime, fd, 0, bad, 0)).toBe(-EINVAL);
    expect(s.t.task.fds.get(fd)!.read(IoBuf.of(new Uint8Array(7)), s.t.task)).toBe(-EINVAL);
  });
});

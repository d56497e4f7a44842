import { describe, expect, it } from 'vitest';
import { epollRows as rows } from '../../../kernel/epoll/rows.ts';
import { EBADF, EFAULT, EINVAL, ERESTARTNOHAND, ERESTART_RESTARTBLOCK } from '../../../kernel/abi/errno.ts';
import { FakeFile, TestTask, testKernel } from './harness.ts';

const IN = 1, OUT = 4, ERR = 8, HUP = 16, NVAL = 32; // prettier-ignore

function setup() {
  const kernel = testKernel();
  const t = new TestTask(kernel, { nofile: 1024 });
  const file = (events = 0) => {
    const f = new FakeFile(events);
    return { f, fd: t.install(f) };
  };
  const pollfds = (...list: [fd: number, events: number][]) => {
    const at = t.alloc(8 * list.length);
    list.forEach(([fd, events], i) => {
      t.mem.putU32(at + 8 * i, fd >>> 0);
      t.mem.putU16(at + 8 * i + 4, events);
      t.mem.putU16(at + 8 * i + 6, 0xeeee);
    });
    return at;
  };
  const revents = (at: number, n: number) =>
    Array.from({ length: n }, (_, i) => t.mem.u32(at + 8 * i + 4) >>> 16);
  const set = (...fds: number[]) => {
    const at = t.alloc(128);
    for (const fd of fds) t.mem.u8[at - 0x10000 + (fd >> 3)] |= 1 << (fd & 7);
    return at;
  };
  const members = (at: number) => {
    const out = [];
    for (let fd = 0; fd < 1024; fd++) if (t.mem.u8[at - 0x10000 + (fd >> 3)] & (1 << (fd & 7))) out.push(fd);
    return out;
  };
  const time = (sec: number, frac: number) => {
    const at = t.alloc(16);
    t.mem.putU64(at, BigInt.asUintN(64, BigInt(sec)));
    t.mem.putU64(at + 8, BigInt.asUintN(64, BigInt(frac)));
    return at;
  };
  return { kernel, t, file, pollfds, revents, set, members, time };
}

describe('poll', () => {
  it('fills in revents: asked for, ERR and HUP unasked, NVAL for what is not open', () => {
    const s = setup();
    const a = s.file(IN | OUT | HUP);
    const at = s.pollfds([a.fd, IN], [-1, IN], [99, IN], [a.fd, OUT]);
    expect(s.t.call(rows.poll, at, 4, 0)).toBe(3);
    expect(s.revents(at, 4)).toEqual([IN | HUP, 0, NVAL, OUT | HUP]);
  });
  it('waits for the deadline set at first, and leaves revents zero', () => {
    const s = setup();
    const a = s.file();
    const at = s.pollfds([a.fd, IN]);
    expect(s.t.call(rows.poll, at, 1, 10)).toBe('parked');
    s.kernel.now += 3e6;
    a.f.become(OUT);
    expect(s.t.woken).toBe(true);
    expect(s.t.resume()).toBe('parked');
    expect(s.t.parkedOn!.deadline).toBe(1000 + 10e6);
    expect(s.t.resume('timeout')).toBe(0);
    expect(s.revents(at, 1)).toEqual([0]);
    expect(s.t.call(rows.poll, at, 1, -1)).toBe('parked');
    expect(s.t.resume('signal')).toBe(-ERESTART_RESTARTBLOCK);
  });
  it('checks RLIMIT_NOFILE before memory', () => {
    const s = setup();
    expect(s.t.call(rows.poll, 8, 1025, 0)).toBe(-EINVAL);
    expect(s.t.call(rows.poll, 8, 1024, 0)).toBe(-EFAULT);
    expect(s.t.call(rows.poll, 8, 0, 0)).toBe(0);
  });
});

describe('ppoll', () => {
  it('writes back the time left, and restores the mask', () => {
    const s = setup();
    const a = s.file();
    const at = s.pollfds([a.fd, IN]);
    const tmo = s.time(2, 500);
    const mask = s.t.alloc(8);
    s.t.mem.putU64(mask, 0x200n);
    s.t.task.sigmask = 1n;
    expect(s.t.call(rows.ppoll, at, 1, tmo, mask, 8)).toBe('parked');
    expect(s.t.task.sigmask).toBe(0x200n);
    s.kernel.now += 1e9;
    a.f.become(IN);
    expect(s.t.resume()).toBe(1);
    expect([s.t.mem.u64(tmo), s.t.mem.u64(tmo + 8)]).toEqual([1n, 500n]);
    expect(s.t.task.sigmask).toBe(1n);
  });
  it('refuses bad times and mask sizes', () => {
    const s = setup();
    expect(s.t.call(rows.ppoll, 0, 0, s.time(0, 1e9), 0, 8)).toBe(-EINVAL);
    expect(s.t.call(rows.ppoll, 0, 0, s.time(-1, 0), 0, 8)).toBe(-EINVAL);
    expect(s.t.call(rows.ppoll, 0, 0, s.time(0, 0), s.t.alloc(8), 7)).toBe(-EINVAL);
    expect(s.t.call(rows.ppoll, 0, 0, 8, 0, 8)).toBe(-EFAULT);
  });
});

describe('select', () => {
  it('replaces the sets with what is ready', () => {
    const s = setup();
    const a = s.file(IN | OUT);
    const b = s.file(0x40 | HUP | ERR);
    const r = s.set(a.fd, b.fd);
    const w = s.set(a.fd, b.fd);
    const e = s.set(a.fd);
    const tv = s.time(1, 5);
    expect(s.t.call(rows.select, 10, r, w, e, tv)).toBe(4);
    expect([s.members(r), s.members(w), s.members(e)]).toEqual([[a.fd, b.fd], [a.fd, b.fd], []]);
    expect([s.t.mem.u64(tv), s.t.mem.u64(tv + 8)]).toEqual([1n, 5n]);
  });
  it('times out with empty sets and no time left; a signal leaves the sets and notes the time', () => {
    const s = setup();
    const a = s.file();
    const r = s.set(a.fd);
    const tv = s.time(0, 2_500_000);
    expect(s.t.call(rows.select, a.fd + 1, r, 0, 0, tv)).toBe('parked');
    s.kernel.now += 1e9;
    expect(s.t.resume('signal')).toBe(-ERESTARTNOHAND);
    expect([s.t.mem.u64(tv), s.t.mem.u64(tv + 8)]).toEqual([1n, 500_000n]);
    expect(s.members(r)).toEqual([a.fd]);
    expect(s.t.call(rows.select, a.fd + 1, r, 0, 0, tv)).toBe('parked');
    s.kernel.now += 2e9;
    expect(s.t.resume('timeout')).toBe(0);
    expect(s.members(r)).toEqual([]);
    expect([s.t.mem.u64(tv), s.t.mem.u64(tv + 8)]).toEqual([0n, 0n]);
  });
  it('refuses descriptors that are not open, but only below the table size', () => {
    const s = setup();
    expect(s.t.call(rows.select, 256, s.set(255), 0, 0, s.time(0, 0))).toBe(-EBADF);
    expect(s.t.call(rows.select, 1024, s.set(900), 0, 0, s.time(0, 0))).toBe(0);
    expect(s.t.call(rows.select, -1, 0, 0, 0, 0)).toBe(-EINVAL);
    expect(s.t.call(rows.select, 1, 8, 0, 0, 0)).toBe(-EFAULT);
  });
  it('pselect6 takes its mask from a struct', () => {
    const s = setup();
    const a = s.file(IN);
    const mask = s.t.alloc(8);
    const arg = s.t.alloc(16);
    s.t.mem.putU64(arg, mask);
    s.t.mem.putU64(arg + 8, 8);
    expect(s.t.call(rows.pselect6, a.fd + 1, s.set(a.fd), 0, 0, 0, arg)).toBe(1);
    s.t.mem.putU64(arg + 8, 16);
    expect(s.t.call(rows.pselect6, a.fd + 1, s.set(a.fd), 0, 0, 0, arg)).toBe(-EINVAL);
  });
});

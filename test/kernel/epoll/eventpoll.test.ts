import { describe, expect, it } from 'vitest';
import { epollRows as rows } from '../../../kernel/epoll/rows.ts';
import type { EventPoll } from '../../../kernel/epoll/eventpoll.ts';
import { EBADF, EEXIST, EFAULT, EINTR, EINVAL, ELOOP, ENOENT, EPERM } from '../../../kernel/abi/errno.ts';
import { FakeFile, TestTask, testKernel } from './harness.ts';

const IN = 1, OUT = 4, ERR = 8, HUP = 16; // prettier-ignore
const ET = 0x80000000, ONESHOT = 0x40000000, EXCLUSIVE = 0x10000000; // prettier-ignore
const ADD = 1, DEL = 2, MOD = 3; // prettier-ignore

function setup(arch: 'x86_64' | 'aarch64' = 'x86_64') {
  const kernel = testKernel();
  const t = new TestTask(kernel, { arch });
  const ep = t.call(rows.epoll_create1, 0) as number;
  const data = arch === 'x86_64' ? 4 : 8;
  const size = data + 8;
  const event = (events: number, value: number): number => {
    const at = t.alloc(16);
    t.mem.putU32(at, events);
    t.mem.putU64(at + data, value);
    return at;
  };
  const out = t.alloc(16 * 64);
  const ctl = (op: number, fd: number, events = 0, value = fd, on = ep) =>
    t.call(rows.epoll_ctl, on, op, fd, event(events, value));
  const got = (n: number): [number, number][] =>
    Array.from({ length: n }, (_, i) => [
      t.mem.u32(out + i * size),
      Number(t.mem.u64(out + i * size + data)),
    ]);
  /** Events as [mask, data] pairs, or -errno, or 'parked'. */
  const wait = (timeout = 0, max = 64, on = ep) => {
    const n = t.call(rows.epoll_wait, on, out, max, timeout);
    return typeof n === 'number' && n >= 0 ? got(n) : n;
  };
  const resume = (reason?: 'event' | 'timeout' | 'signal') => {
    const n = t.resume(reason);
    return typeof n === 'number' && n >= 0 ? got(n) : n;
  };
  const file = (events = 0) => {
    const f = new FakeFile(events);
    return { f, fd: t.install(f) };
  };
  return { kernel, t, ep, ctl, wait, resume, file, event, out };
}

describe('epoll', () => {
  it.each(['x86_64', 'aarch64'] as const)('lays struct epoll_event out as on %s', (arch) => {
    const s = setup(arch);
    const { f, fd } = s.file();
    expect(s.ctl(ADD, fd, IN | ET, 77)).toBe(0);
    s.t.mem.u8.fill(0xee, s.out - 0x10000, s.out - 0x10000 + 32);
    f.become(IN);
    expect(s.wait()).toEqual([[IN, 77]]);
    const size = arch === 'x86_64' ? 12 : 16;
    expect(s.t.mem.u8[s.out - 0x10000 + size]).toBe(0xee);
  });

  it('reports level-triggered readiness until it passes', () => {
    const s = setup();
    const { f, fd } = s.file(IN | OUT);
    s.ctl(ADD, fd, IN);
    expect(s.wait()).toEqual([[IN, fd]]);
    expect(s.wait()).toEqual([[IN, fd]]);
    f.events = 0;
    expect(s.wait()).toEqual([]);
    f.become(IN);
    expect(s.wait()).toEqual([[IN, fd]]);
  });

  it('reports an edge once for each wakeup, with all that is ready', () => {
    const s = setup();
    const { f, fd } = s.file(IN | OUT);
    s.ctl(ADD, fd, IN | OUT | ET);
    expect(s.wait()).toEqual([[IN | OUT, fd]]);
    expect(s.wait()).toEqual([]);
    f.become(IN | OUT, IN);
    expect(s.wait()).toEqual([[IN | OUT, fd]]);
    f.waiters.wake(0x2); // POLLPRI: not asked for
    expect(s.wait()).toEqual([]);
  });

  it('disables a ONESHOT item until it is modified', () => {
    const s = setup();
    const { f, fd } = s.file(IN);
    s.ctl(ADD, fd, IN | ONESHOT);
    expect(s.wait()).toEqual([[IN, fd]]);
    f.become(IN | HUP);
    expect(s.wait()).toEqual([]);
    expect(s.ctl(MOD, fd, OUT | ONESHOT, 9)).toBe(0);
    expect(s.wait()).toEqual([[HUP, 9]]);
  });

  it('always reports ERR and HUP', () => {
    const s = setup();
    const { fd } = s.file(ERR | HUP | IN);
    s.ctl(ADD, fd, 0);
    expect(s.wait()).toEqual([[ERR | HUP, fd]]);
  });

  it('serves a full ready list in turns', () => {
    const s = setup();
    const fds = [s.file(IN).fd, s.file(IN).fd, s.file(IN).fd];
    for (const fd of fds) s.ctl(ADD, fd, IN);
    const seen = [];
    for (let i = 0; i < 6; i++) seen.push((s.wait(0, 1) as [number, number][])[0][1]);
    expect(seen).toEqual([...fds, ...fds]);
  });

  it('parks, and wakes for an event, a timeout and a signal', () => {
    const s = setup();
    const { f, fd } = s.file();
    s.ctl(ADD, fd, IN);
    expect(s.wait(-1)).toBe('parked');
    expect(s.t.parkedOn!.deadline).toBe(Infinity);
    f.become(OUT);
    expect(s.t.woken).toBe(false);
    f.become(IN);
    expect(s.t.woken).toBe(true);
    expect(s.resume()).toEqual([[IN, fd]]);
    f.events = 0;
    expect(s.wait(5)).toBe('parked');
    expect(s.t.parkedOn!.deadline).toBe(1000 + 5e6);
    expect(s.resume('timeout')).toEqual([]);
    expect(s.wait(5)).toBe('parked');
    expect(s.resume('signal')).toBe(-EINTR);
  });

  it('wakes one of the tasks waiting on the same instance', () => {
    const s = setup();
    const { f, fd } = s.file();
    s.ctl(ADD, fd, IN | ET);
    const other = new TestTask(s.kernel, { pid: 101 });
    (other.task as { fds: unknown }).fds = s.t.task.fds;
    expect(s.wait(-1)).toBe('parked');
    expect(other.call(rows.epoll_wait, s.ep, other.alloc(64), 4, -1)).toBe('parked');
    f.become(IN);
    expect([s.t.woken, other.woken]).toEqual([true, false]);
  });

  it('gives an event to one of several EXCLUSIVE instances that has a waiter', () => {
    const s = setup();
    const { f, fd } = s.file();
    const ep2 = s.t.call(rows.epoll_create1, 0) as number;
    s.ctl(ADD, fd, IN | EXCLUSIVE);
    s.ctl(ADD, fd, IN | EXCLUSIVE, fd, ep2);
    expect(s.wait(-1, 64, ep2)).toBe('parked');
    f.become(IN); // the first instance has nobody waiting, so the second is tried too
    expect(s.t.woken).toBe(true);
  });

  it('refuses what Linux refuses, in its order', () => {
    const s = setup();
    const { t } = s;
    const { fd } = s.file();
    const e = s.event(IN, 1);
    expect(t.call(rows.epoll_ctl, s.ep, ADD, fd, 8)).toBe(-EFAULT);
    expect(t.call(rows.epoll_ctl, 99, ADD, fd, e)).toBe(-EBADF);
    expect(t.call(rows.epoll_ctl, s.ep, ADD, 99, e)).toBe(-EBADF);
    expect(t.call(rows.epoll_ctl, s.ep, ADD, s.ep, e)).toBe(-EINVAL);
    expect(t.call(rows.epoll_ctl, fd, ADD, s.ep, e)).toBe(-EINVAL);
    expect(t.call(rows.epoll_ctl, s.ep, DEL, fd, 0)).toBe(-ENOENT);
    expect(s.ctl(MOD, fd, IN)).toBe(-ENOENT);
    expect(s.ctl(ADD, fd, IN)).toBe(0);
    expect(s.ctl(ADD, fd, IN)).toBe(-EEXIST);
    expect(t.call(rows.epoll_ctl, s.ep, 9, fd, e)).toBe(-EINVAL);
    expect(t.call(rows.epoll_ctl, s.ep, DEL, fd, 0)).toBe(0);
    expect(s.ctl(ADD, fd, IN | EXCLUSIVE | 0x2000)).toBe(-EINVAL);
    expect(s.ctl(ADD, fd, IN | EXCLUSIVE)).toBe(0);
    expect(s.ctl(MOD, fd, IN)).toBe(-EINVAL);
    const regular = new FakeFile();
    Object.defineProperty(regular, 'pollable', { value: false });
    expect(s.ctl(ADD, t.install(regular), IN)).toBe(-EPERM);
    expect(t.call(rows.epoll_wait, s.ep, s.out, 0, 0)).toBe(-EINVAL);
    expect(t.call(rows.epoll_wait, 99, s.out, 1, 0)).toBe(-EBADF);
    expect(t.call(rows.epoll_wait, fd, s.out, 1, 0)).toBe(-EINVAL);
    expect(t.call(rows.epoll_create, 0)).toBe(-EINVAL);
    expect(t.call(rows.epoll_create1, 1)).toBe(-EINVAL);
  });

  it('keeps items by file and descriptor, until the last descriptor goes', () => {
    const s = setup();
    const { t } = s;
    const { f, fd } = s.file(IN);
    const dup = t.install(f);
    s.ctl(ADD, fd, IN, 1);
    s.ctl(ADD, dup, IN, 2);
    expect(s.wait()).toEqual([[IN, 1], [IN, 2]]); // prettier-ignore
    t.task.fds.close(fd, t.task);
    expect(s.wait()).toEqual([[IN, 1], [IN, 2]]); // prettier-ignore
    t.task.fds.close(dup, t.task);
    expect(s.wait()).toEqual([]);
    expect(f.waiters.empty).toBe(true);
  });

  it('leaves an event it could not store at the head of the list', () => {
    const s = setup();
    const a = s.file(IN);
    const b = s.file(IN);
    s.ctl(ADD, a.fd, IN);
    s.ctl(ADD, b.fd, IN);
    const end = 0x10000 + 0x40000;
    expect(s.t.call(rows.epoll_wait, s.ep, end - 4, 4, 0)).toBe(-EFAULT);
    expect(s.t.call(rows.epoll_wait, s.ep, end - 12, 4, 0)).toBe(1);
    expect(s.wait(0, 1)).toEqual([[IN, b.fd]]);
  });

  it('nests, refusing loops and chains of more than five', () => {
    const s = setup();
    const { t } = s;
    const make = () => t.call(rows.epoll_create1, 0) as number;
    const { f, fd } = s.file();
    const eps = [s.ep, ...Array.from({ length: 7 }, make)];
    expect(s.ctl(ADD, fd, IN)).toBe(0);
    const up = [];
    for (let i = 1; i < 8; i++) up.push(s.ctl(ADD, eps[i - 1], IN, i, eps[i]));
    expect(up).toEqual([0, 0, 0, 0, -ELOOP, 0, 0]);
    expect(s.ctl(ADD, eps[3], IN, 0, s.ep)).toBe(-ELOOP);
    expect(s.wait(-1, 4, eps[4])).toBe('parked');
    f.become(IN);
    expect(s.t.woken).toBe(true);
    expect(s.resume()).toEqual([[IN, 4]]);
    const down = Array.from({ length: 8 }, make);
    const results = [];
    for (let i = 1; i < 8; i++) results.push(s.ctl(ADD, down[i], IN, i, down[i - 1]));
    expect(results).toEqual([0, 0, 0, 0, -ELOOP, 0, 0]);
  });

  it('restores the signal mask unless it was interrupted', () => {
    const s = setup();
    const set = s.t.alloc(8);
    s.t.mem.putU64(set, 0xffffffffffffffffn);
    s.t.task.sigmask = 2n;
    expect(s.t.call(rows.epoll_pwait, s.ep, s.out, 4, 0, set, 4)).toBe(-EINVAL);
    expect(s.t.call(rows.epoll_pwait, s.ep, s.out, 4, -1, set, 8)).toBe('parked');
    expect(s.t.task.sigmask).toBe(0xfffffffffffbfeffn); // all but KILL and STOP
    expect(s.t.resume('signal')).toBe(-EINTR);
    expect(s.t.task.sigmask).not.toBe(2n);
    expect(s.t.call(rows.epoll_pwait, s.ep, s.out, 4, 0, 0, 8)).toBe(0);
  });

  it('handles 10,000 descriptors without looking at those that are idle', () => {
    const s = setup();
    let polls = 0;
    const files = Array.from({ length: 10_000 }, () => {
      const f = new FakeFile();
      f.poll = () => (polls++, f.events);
      s.ctl(ADD, s.t.install(f), IN | ET);
      return f;
    });
    polls = 0;
    files[1234].become(IN);
    files[9999].become(IN);
    expect((s.wait() as unknown[]).length).toBe(2);
    expect(polls).toBe(2);
    expect((s.t.task.fds.get(s.ep) as EventPoll).find(files[5], 6)).toBeDefined();
  });
});

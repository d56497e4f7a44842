/** epoll_create, epoll_ctl and epoll_wait in their variants (fs/eventpoll.c). */
import { EBADF, EFAULT, EINTR, EINVAL, EPERM } from '../abi/errno.ts';
import { installFile } from '../fs/file.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { park } from '../wait.ts';
import type { SysResult } from '../wait.ts';
import { EPOLL_CTL_DEL, EventPoll } from './eventpoll.ts';
import type { EpollEvent } from './eventpoll.ts';
import { restoreSigmask, setUserSigmask } from './sigmask.ts';
import { deadlineFrom, deadlineMs } from './timeout.ts';

const EPOLL_CLOEXEC = 0o2000000;
const MAX_ADDRESS = 2 ** 47;

/** struct epoll_event is packed on x86_64 only (EPOLL_PACKED). */
export function epollEventLayout(t: Task): { size: number; data: number } {
  return t.regs.arch === 'x86_64' && t.kernel.behaviour.epollPacked
    ? { size: 12, data: 4 }
    : { size: 16, data: 8 };
}

/** epoll_create(2). The size has had no meaning since 2.6.8, but must be positive. */
export function epoll_create(t: Task, a: Args): SysResult {
  if (a.i32(0) <= 0) return -EINVAL;
  return installFile(t, EventPoll.of(t.kernel), false);
}

/** epoll_create1(2). */
export function epoll_create1(t: Task, a: Args): SysResult {
  const flags = a.i32(0);
  if (flags & ~EPOLL_CLOEXEC) return -EINVAL;
  return installFile(t, EventPoll.of(t.kernel), (flags & EPOLL_CLOEXEC) !== 0);
}

/** epoll_ctl(2). EPOLL_CTL_DEL does not look at the event pointer; every other operation, even a wrong one, reads it. */
export function epoll_ctl(t: Task, a: Args): SysResult {
  const op = a.i32(1);
  const fd = a.i32(2);
  let event: EpollEvent = { events: 0, lo: 0, hi: 0 };
  if (op !== EPOLL_CTL_DEL) {
    const { size, data } = epollEventLayout(t);
    const v = t.mm.viewIn(a.ptr(3), size);
    if (!v) return -EFAULT;
    event = {
      events: v.getInt32(0, true) & t.kernel.behaviour.epollEvents,
      lo: v.getUint32(data, true),
      hi: v.getUint32(data + 4, true),
    };
  }
  const ep = t.fds.opened(a.i32(0));
  const file = t.fds.opened(fd);
  if (!ep || !file) return -EBADF;
  if (!(ep instanceof EventPoll)) return file.pollable || t.kernel.behaviour.epollAnyFile ? -EINVAL : -EPERM;
  return ep.ctl(op, file, fd, event);
}

function waitFor(t: Task, a: Args, deadline: number): SysResult {
  const events = a.ptr(1);
  const max = a.i32(2);
  const ep = t.fds.opened(a.i32(0));
  if (!ep) return -EBADF;
  const { size, data } = epollEventLayout(t);
  if (max <= 0 || max > Math.floor(0x7fffffff / size)) return -EINVAL;
  if (events + max * size > MAX_ADDRESS) return -EFAULT;
  if (!(ep instanceof EventPoll)) return -EINVAL;

  // In place, and the two members only, as __put_user does: no bytes are put together for it.
  const n = ep.harvest(max, (i, revents, item) => {
    const at = events + i * size;
    if (t.mm.putU32(at, revents) < 0 || t.mm.putU32(at + data, item.lo) < 0) return -EFAULT;
    return t.mm.putU32(at + data + 4, item.hi);
  });
  if (n !== 0) return n;
  if (t.woken === 'timeout' || deadline <= t.kernel.clock.monotonic()) return 0;
  return park({ on: ep.sleepers, deadline, interrupted: EINTR, exclusive: true });
}

/** epoll_wait(2). */
export function epoll_wait(t: Task, a: Args): SysResult {
  return waitFor(t, a, t.parked ? t.parked.deadline : deadlineMs(t, a.i32(3)));
}

function waitMasked(t: Task, a: Args, deadline: number): SysResult {
  if (!t.parked) {
    const r = setUserSigmask(t, a.ptr(4), a.size(5));
    if (r < 0) return r;
  }
  const r = waitFor(t, a, deadline);
  if (typeof r === 'number') restoreSigmask(t);
  return r;
}

/** epoll_pwait(2). */
export function epoll_pwait(t: Task, a: Args): SysResult {
  return waitMasked(t, a, t.parked ? t.parked.deadline : deadlineMs(t, a.i32(3)));
}

/** epoll_pwait2(2): the timeout is a struct timespec. */
export function epoll_pwait2(t: Task, a: Args): SysResult {
  const deadline = t.parked ? t.parked.deadline : deadlineFrom(t, a.ptr(3), 'timespec');
  if (deadline < 0) return deadline;
  return waitMasked(t, a, deadline);
}

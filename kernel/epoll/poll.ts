/** poll, ppoll, select and pselect6 (fs/select.c). */
import { EBADF, EFAULT, EINTR, EINVAL, ERESTARTNOHAND, ERESTART_RESTARTBLOCK } from '../abi/errno.ts';
import {
  POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM,
} from '../fs/file.ts'; // prettier-ignore
import type { File } from '../fs/file.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { park } from '../wait.ts';
import type { SysResult, WaitQueue } from '../wait.ts';
import { restoreSigmask, setUserSigmask } from './sigmask.ts';
import { deadlineFrom, deadlineMs, writeLeft } from './timeout.ts';
import type { TimeFormat } from './timeout.ts';

const RLIMIT_NOFILE = 7;
const POLLFD_SIZE = 8;

/** POLLIN_SET, POLLOUT_SET and POLLEX_SET: what select's three sets stand for. */
const IN_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
const OUT_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;
const EX_SET = POLLPRI;

function expired(t: Task, deadline: number): boolean {
  return t.woken === 'timeout' || deadline <= t.kernel.clock.monotonic();
}

function look(t: Task, file: File): number {
  const { readiness } = t.kernel.behaviour;
  return readiness === null ? file.poll() : readiness(file);
}

/** One pass over the array; parks when nothing is ready and there is time left. */
function pollOnce(t: Task, fds: number, nfds: number, deadline: number, interrupted: number): SysResult {
  if (nfds > t.group.rlimits[RLIMIT_NOFILE].cur) return -EINVAL;
  const bytes = nfds === 0 ? new Uint8Array(0) : t.mm.copyIn(fds, nfds * POLLFD_SIZE);
  if (!bytes) return -EFAULT;
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const queues: WaitQueue[] = [];
  let count = 0;
  for (let at = 0; at < bytes.length; at += POLLFD_SIZE) {
    const fd = v.getInt32(at, true);
    let revents = 0;
    if (fd >= 0) {
      const file = t.fds.opened(fd);
      if (file) {
        revents = look(t, file) & (v.getUint16(at + 4, true) | POLLERR | POLLHUP);
        queues.push(file.waiters);
      } else revents = POLLNVAL;
    }
    v.setUint16(at + 6, revents, true);
    if (revents) count++;
  }
  if (count === 0 && !expired(t, deadline)) return park({ on: queues, deadline, interrupted });
  if (bytes.length && t.mm.copyOut(fds, bytes) < 0) return -EFAULT;
  return count;
}

/** poll(2). */
export function poll(t: Task, a: Args): SysResult {
  const deadline = t.parked ? t.parked.deadline : deadlineMs(t, a.i32(2));
  return pollOnce(t, a.ptr(0), a.u32(1), deadline, ERESTART_RESTARTBLOCK);
}

/**
 * poll_select_finish: the mask comes back unless a signal ended the wait, and the caller's timeout is replaced by what
 * is left of it. A wait that could not note the time left must not be restarted.
 */
function finish(t: Task, r: SysResult, timeout: number, deadline: number, format: TimeFormat): SysResult {
  if (typeof r !== 'number' && t.woken !== 'signal') return r;
  const noted = writeLeft(t, timeout, deadline, format);
  if (typeof r !== 'number') return noted < 0 ? -EINTR : r;
  restoreSigmask(t);
  return r;
}

/** ppoll(2). */
export function ppoll(t: Task, a: Args): SysResult {
  const timeout = a.ptr(2);
  let deadline: number;
  if (t.parked) deadline = t.parked.deadline;
  else {
    deadline = deadlineFrom(t, timeout, 'timespec');
    if (deadline < 0) return deadline;
    const r = setUserSigmask(t, a.ptr(3), a.size(4));
    if (r < 0) return r;
  }
  const r = pollOnce(t, a.ptr(0), a.u32(1), deadline, ERESTARTNOHAND);
  return finish(t, r, timeout, deadline, 'timespec');
}

/** How many descriptors the table has room for (fdt->max_fds): bits of fd_sets beyond are not looked at. */
function tableRoom(t: Task): number {
  const open = t.fds.list();
  const highest = open.length ? open[open.length - 1] : 0;
  let room = 256; // what a child of a shell starts with
  while (room <= highest) room *= 2;
  return room;
}

function selectOnce(t: Task, a: Args, deadline: number): SysResult {
  let n = a.i32(0);
  if (n < 0) return -EINVAL;
  n = Math.min(n, tableRoom(t));
  // Sets are arrays of unsigned long, read and written whole.
  const size = Math.ceil(n / 64) * 8;
  const sets: (Uint8Array | null)[] = [];
  for (const i of [1, 2, 3]) {
    const p = a.ptr(i);
    const bytes = p === 0 || size === 0 ? null : t.mm.copyIn(p, size);
    if (!bytes && p !== 0 && size !== 0) return -EFAULT;
    sets.push(bytes);
  }
  const results = sets.map((s) => (s ? new Uint8Array(size) : null));
  const masks = [IN_SET, OUT_SET, EX_SET];
  const queues: WaitQueue[] = [];
  let count = 0;
  for (let fd = 0; fd < n; fd++) {
    const byte = fd >> 3;
    const bit = 1 << (fd & 7);
    if (!sets.some((s) => s && s[byte] & bit)) continue;
    const file = t.fds.opened(fd);
    if (!file) return -EBADF;
    const ready = look(t, file);
    queues.push(file.waiters);
    for (let i = 0; i < 3; i++) {
      if (!sets[i] || !(sets[i]![byte] & bit) || !(ready & masks[i])) continue;
      results[i]![byte] |= bit;
      count++;
    }
  }
  if (count === 0 && !expired(t, deadline))
    return park({ on: queues, deadline, interrupted: ERESTARTNOHAND });
  for (let i = 0; i < 3; i++) {
    const out = results[i];
    if (out && t.mm.copyOut(a.ptr(i + 1), out) < 0) return -EFAULT;
  }
  return count;
}

/** select(2). */
export function select(t: Task, a: Args): SysResult {
  const timeout = a.ptr(4);
  const deadline = t.parked ? t.parked.deadline : deadlineFrom(t, timeout, 'timeval');
  if (deadline < 0) return deadline;
  return finish(t, selectOnce(t, a, deadline), timeout, deadline, 'timeval');
}

/** pselect6(2): the sixth argument points to a struct of the sigset's address and its size. */
export function pselect6(t: Task, a: Args): SysResult {
  const timeout = a.ptr(4);
  let deadline: number;
  if (t.parked) deadline = t.parked.deadline;
  else {
    let mask = 0;
    let size = 0;
    const sig = a.ptr(5);
    if (sig !== 0) {
      const v = t.mm.viewIn(sig, 16);
      if (!v) return -EFAULT;
      mask = Number(v.getBigUint64(0, true));
      size = Number(v.getBigUint64(8, true));
    }
    deadline = deadlineFrom(t, timeout, 'timespec');
    if (deadline < 0) return deadline;
    const r = setUserSigmask(t, mask, size);
    if (r < 0) return r;
  }
  return finish(t, selectOnce(t, a, deadline), timeout, deadline, 'timespec');
}

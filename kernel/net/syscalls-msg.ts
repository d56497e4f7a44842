/** sendmsg, recvmsg and their many-message forms. */
import { EAGAIN, EFAULT, EINVAL, EMSGSIZE } from '../abi/errno.ts';
import { IoBuf } from '../mm/iobuf.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { SysResult } from '../wait.ts';
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_CMSG_COMPAT,
  MSG_DONTWAIT,
  MSG_TRUNC,
  MSG_WAITALL,
  MSG_WAITFORONE,
} from './constants.ts';
import { dropFiles, readControl, writeControl } from './control.ts';
import type { Received, Socket } from './socket.ts';
import { RECEIVE_MAX, readAddress, socketAt } from './syscalls.ts';
import { progressOf, receive, send } from './wait.ts';
import type { Progress } from './wait.ts';
import { deadlineFrom, writeLeft } from '../epoll/timeout.ts';

const MSGHDR = 56;
/** struct mmsghdr: a msghdr, the result, padding. */
const MMSGHDR = 64;
const UIO_MAXIOV = 1024;
const MAX_RW_COUNT = 0x7ffff000;
/** Upper half of a 64-bit length: beyond any memory. */
const SSIZE_MAX = 2 ** 63;

interface MsgHdr {
  readonly at: number;
  readonly name: number;
  readonly nameLength: number;
  readonly iov: number;
  readonly iovLength: number;
  readonly control: number;
  readonly controlLength: number;
}

function readHeader(t: Task, at: number): MsgHdr | number {
  const v = t.mm.viewIn(at, MSGHDR);
  if (!v) return -EFAULT;
  const num = (o: number): number => Number(v.getBigUint64(o, true));
  const nameLength = v.getInt32(8, true);
  if (nameLength < 0) return -EINVAL;
  const h = {
    at,
    name: num(0),
    nameLength: num(0) === 0 ? 0 : Math.min(nameLength, 128),
    iov: num(16),
    iovLength: num(24),
    control: num(32),
    controlLength: num(40),
  };
  return h.iovLength > UIO_MAXIOV ? -EMSGSIZE : h;
}

/** The scattered buffer of a message; `most` bytes of it. */
function gather(t: Task, h: MsgHdr, forWrite: boolean, most: number): IoBuf | number {
  if (h.iovLength === 0) return new IoBuf([]);
  const v = t.mm.viewIn(h.iov, 16 * h.iovLength);
  if (!v) return -EFAULT;
  const chunks: Uint8Array[] = [];
  let room = Math.min(MAX_RW_COUNT, most);
  for (let i = 0; i < h.iovLength; i++) {
    const base = Number(v.getBigUint64(16 * i, true));
    const length = Number(v.getBigUint64(16 * i + 8, true));
    if (length >= SSIZE_MAX) return -EINVAL;
    const n = Math.min(length, room);
    if (n === 0) continue;
    const part = t.mm.iov(base, n, forWrite);
    if (typeof part === 'number') return part;
    if (part.length < n && !forWrite && chunks.length === 0 && part.length === 0) return -EFAULT;
    chunks.push(...part.chunks);
    room -= part.length;
    if (part.length < n) break;
  }
  return new IoBuf(chunks);
}

function sendOne(t: Task, s: Socket, at: number, flags: number, p: Progress): SysResult {
  const h = readHeader(t, at);
  if (typeof h === 'number') return h;
  let to: Uint8Array | null = null;
  if (h.name !== 0 && h.nameLength > 0) {
    const raw = readAddress(t, h.name, h.nameLength);
    if (typeof raw === 'number') return raw;
    to = raw;
  }
  const buf = gather(t, h, false, Infinity);
  if (typeof buf === 'number') return buf;
  const control = p.done > 0 ? null : readControl(t, h.control, h.controlLength, s.family === AF_UNIX);
  if (typeof control === 'number') return control;
  const r = send(t, s, buf, { to, control, flags }, p);
  // What no message carries away is given back; a wait reads it again.
  const carried = typeof r === 'number' ? r > 0 || (r === 0 && !s.stream) : (r.data as Progress).done > 0;
  if (!carried) dropFiles(control);
  return r;
}

/** sendmsg(2). */
export function sendmsg(t: Task, a: Args): SysResult {
  if (a.i32(2) & MSG_CMSG_COMPAT) return -EINVAL;
  const s = socketAt(t, a.i32(0));
  return typeof s === 'number' ? s : sendOne(t, s, a.ptr(1), a.i32(2), progressOf(t));
}

/** sendmmsg(2): stops at the first that fails or would wait, once one was sent. */
export function sendmmsg(t: Task, a: Args): SysResult {
  const flags = a.i32(3);
  if (flags & MSG_CMSG_COMPAT) return -EINVAL;
  const s = socketAt(t, a.i32(0));
  if (typeof s === 'number') return s;
  const count = Math.min(a.u32(2), UIO_MAXIOV);
  let p = progressOf(t);
  for (; p.index < count; p = { done: 0, index: p.index + 1 }) {
    const at = a.ptr(1) + MMSGHDR * p.index;
    const r = sendOne(t, s, at, flags, p);
    if (typeof r !== 'number') return t.woken === 'signal' && p.index > 0 ? p.index : r;
    if (r < 0) return p.index || r;
    if (t.mm.putU32(at + MSGHDR, r) < 0) return p.index || -EFAULT;
  }
  return count;
}

function receiveOne(t: Task, s: Socket, at: number, flags: number, p: Progress): SysResult {
  const h = readHeader(t, at);
  if (typeof h === 'number') return h;
  const buf = gather(t, h, true, flags & MSG_WAITALL ? Infinity : RECEIVE_MAX);
  if (typeof buf === 'number') return buf;
  const r: Received = {
    from: null,
    control: null,
    flags: flags & (MSG_CMSG_CLOEXEC | MSG_CMSG_COMPAT),
    full: 0,
  };
  const n = receive(t, s, buf, flags, r, p);
  if (typeof n !== 'number' || n < 0) return n;
  if (h.name !== 0) {
    const raw = r.from ?? new Uint8Array(0);
    if (t.mm.copyOut(h.name, raw.subarray(0, h.nameLength)) < 0) return -EFAULT;
    t.mm.putU32(at + 8, raw.length);
  }
  let used = 0;
  if (r.control) {
    const c = writeControl(t, h.control, h.control === 0 ? 0 : h.controlLength, r.control, flags);
    used = c.used;
    r.flags |= c.flags;
  }
  if (t.mm.putU32(at + 48, r.flags >>> 0) < 0) return -EFAULT;
  t.mm.putU64(at + 40, used);
  return flags & MSG_TRUNC && r.full > n ? r.full : n;
}

/** recvmsg(2). */
export function recvmsg(t: Task, a: Args): SysResult {
  if (a.i32(2) & MSG_CMSG_COMPAT) return -EINVAL;
  const s = socketAt(t, a.i32(0));
  return typeof s === 'number' ? s : receiveOne(t, s, a.ptr(1), a.i32(2), progressOf(t));
}

/** recvmmsg(2): the timeout is looked at only after each message, as its BUGS section says. */
export function recvmmsg(t: Task, a: Args): SysResult {
  const flags = a.i32(3);
  if (flags & MSG_CMSG_COMPAT) return -EINVAL;
  const limit = deadlineFrom(t, a.ptr(4), 'timespec');
  if (limit < 0) return limit;
  const s = socketAt(t, a.i32(0));
  if (typeof s === 'number') return s;
  const count = Math.min(a.u32(2), UIO_MAXIOV);
  let p = progressOf(t);
  for (; p.index < count; p = { done: 0, index: p.index + 1 }) {
    const at = a.ptr(1) + MMSGHDR * p.index;
    const one = flags & MSG_WAITFORONE && p.index > 0 ? flags | MSG_DONTWAIT : flags;
    const r = receiveOne(t, s, at, one & ~MSG_WAITFORONE, p);
    if (typeof r !== 'number') return t.woken === 'signal' && p.index > 0 ? p.index : r;
    if (r < 0) {
      if (p.index > 0 && r !== -EAGAIN) s.error = -r;
      return p.index || r;
    }
    if (t.mm.putU32(at + MSGHDR, r) < 0) return p.index || -EFAULT;
    if (limit <= t.kernel.clock.monotonic()) {
      p = { done: 0, index: p.index + 1 };
      break;
    }
  }
  return writeLeft(t, a.ptr(4), limit, 'timespec') < 0 ? -EFAULT : p.index;
}

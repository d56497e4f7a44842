/** socket(2) and the calls that name, connect and set up sockets (net/socket.c). */
import {
  EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EMFILE, ENOTSOCK, EOPNOTSUPP, ERANGE, ERESTARTSYS,
} from '../abi/errno.ts'; // prettier-ignore
import { installFile } from '../fs/file.ts';
import { IoBuf } from '../mm/iobuf.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { park } from '../wait.ts';
import type { SysResult } from '../wait.ts';
import type { Control } from './control.ts';
import { dropFiles } from './control.ts';
import {
  AF_UNIX,
  MSG_TRUNC,
  MSG_WAITALL,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_TYPE_MASK,
  SOL_SOCKET,
  SO_PEERGROUPS,
} from './constants.ts';
import { Socket } from './socket.ts';
import { getSocketOption, setSocketOption } from './sockopt.ts';
import { TcpSocket } from './tcp.ts';
import { UnixSocket } from './unix.ts';
import { receive, send, progressOf, waitOn } from './wait.ts';

const RLIMIT_NOFILE = 7;
/** sizeof(struct sockaddr_storage). */
const SOCKADDR_MAX = 128;
/** Longest option value that is looked at. */
const OPTION_MAX = 65536;
const MAX_RW_COUNT = 0x7ffff000;
/** A receive fills at most this much of a buffer at once, so that a huge one is not made present for nothing. */
export const RECEIVE_MAX = 1 << 20;
const MAX_ADDRESS = 2 ** 47;

/** The socket behind a descriptor: -EBADF, -ENOTSOCK. */
export function socketAt(t: Task, fd: number): Socket | number {
  const file = t.fds.opened(fd);
  if (!file) return -EBADF;
  return file instanceof Socket ? file : -ENOTSOCK;
}

/** Copies a sockaddr in (move_addr_to_kernel). */
export function readAddress(t: Task, address: number, length: number): Uint8Array | number {
  if (length < 0 || length > SOCKADDR_MAX) return -EINVAL;
  if (length === 0) return new Uint8Array(0);
  return t.mm.copyIn(address, length) ?? -EFAULT;
}

/** Writes a sockaddr, cut to the caller's length, and its real length (move_addr_to_user). */
export function writeAddress(t: Task, raw: Uint8Array, address: number, lengthAt: number): number {
  const room = t.mm.i32(lengthAt);
  if (room === null) return -EFAULT;
  if (room < 0) return -EINVAL;
  if (t.mm.copyOut(address, raw.subarray(0, room)) < 0) return -EFAULT;
  return t.mm.putU32(lengthAt, raw.length) < 0 ? -EFAULT : 0;
}

function install(t: Task, s: Socket, flags: number): number {
  s.flags |= flags & SOCK_NONBLOCK;
  const fd = installFile(t, s, (flags & SOCK_CLOEXEC) !== 0);
  if (fd < 0) {
    s.uncharge();
    s.release();
  }
  return fd;
}

/** socket(2). */
export function socket(t: Task, a: Args): SysResult {
  const type = a.i32(1);
  const flags = type & ~SOCK_TYPE_MASK;
  if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) return -EINVAL;
  const s = t.kernel.net.create(t, a.i32(0), type & SOCK_TYPE_MASK, a.i32(2));
  return typeof s === 'number' ? s : install(t, s, flags);
}

/** socketpair(2): AF_UNIX only. */
export function socketpair(t: Task, a: Args): SysResult {
  const type = a.i32(1);
  const flags = type & ~SOCK_TYPE_MASK;
  if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) return -EINVAL;
  const limit = t.group.rlimits[RLIMIT_NOFILE].cur;
  const first = t.fds.lowest(0, limit);
  if (first < 0 || t.fds.lowest(first + 1, limit) < 0) return -EMFILE;
  const sv = t.mm.iov(a.ptr(3), 8, true);
  if (typeof sv === 'number' || sv.length < 8) return -EFAULT;
  const made = t.kernel.net.create(t, a.i32(0), type & SOCK_TYPE_MASK, a.i32(2));
  if (typeof made === 'number') return made;
  made.release();
  if (made.family !== AF_UNIX) return -EOPNOTSUPP;
  const pair = UnixSocket.pair(t, t.kernel.net, made.type);
  const fds = pair.map((s) => install(t, s, flags));
  t.mm.copyOut(a.ptr(3), new Uint8Array(Int32Array.from(fds).buffer));
  return 0;
}

/** bind(2). */
export function bind(t: Task, a: Args): SysResult {
  const s = socketAt(t, a.i32(0));
  if (typeof s === 'number') return s;
  const raw = readAddress(t, a.ptr(1), a.i32(2));
  return typeof raw === 'number' ? raw : s.bind(t, raw);
}

/** connect(2). */
export function connect(t: Task, a: Args): SysResult {
  const s = socketAt(t, a.i32(0));
  if (typeof s === 'number') return s;
  const raw = readAddress(t, a.ptr(1), a.i32(2));
  if (typeof raw === 'number') return raw;
  const r = s.connect(t, raw, s.nonblocking);
  if (r !== -EAGAIN || s.nonblocking) return r;
  const tcp = s instanceof TcpSocket;
  if (t.woken === 'timeout') return tcp ? s.connectTimedOut() : -EAGAIN;
  const ns = tcp ? s.connectTimeout : s.options.sndtimeo;
  const deadline = t.parked ? t.parked.deadline : t.kernel.clock.monotonic() + ns;
  return park({
    on: s.waiters,
    deadline,
    interrupted: s.options.sndtimeo === Infinity ? ERESTARTSYS : EINTR,
  });
}

/** listen(2). */
export function listen(t: Task, a: Args): SysResult {
  const s = socketAt(t, a.i32(0));
  return typeof s === 'number' ? s : s.listen(t, a.i32(1));
}

function acceptOne(t: Task, a: Args, flags: number): SysResult {
  if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) return -EINVAL;
  const s = socketAt(t, a.i32(0));
  if (typeof s === 'number') return s;
  if (t.fds.lowest(0, t.group.rlimits[RLIMIT_NOFILE].cur) < 0) return -EMFILE;
  const child = s.accept(t);
  if (child === -EAGAIN && !s.nonblocking)
    return waitOn(t, s, s.options.rcvtimeo, { done: 0, index: 0 }, true);
  if (typeof child === 'number') return child;
  if (a.ptr(1) !== 0) {
    const peer = child.getname(true);
    const raw = typeof peer === 'number' ? new Uint8Array(2) : peer;
    const r = writeAddress(t, raw, a.ptr(1), a.ptr(2));
    if (r < 0) {
      child.release();
      return r;
    }
  }
  return install(t, child, flags);
}

/** accept(2). */
export function accept(t: Task, a: Args): SysResult {
  return acceptOne(t, a, 0);
}
/** accept4(2). */
export function accept4(t: Task, a: Args): SysResult {
  return acceptOne(t, a, a.i32(3));
}

function name(t: Task, a: Args, peer: boolean): SysResult {
  const s = socketAt(t, a.i32(0));
  if (typeof s === 'number') return s;
  const raw = s.getname(peer);
  return typeof raw === 'number' ? raw : writeAddress(t, raw, a.ptr(1), a.ptr(2));
}
/** getsockname(2). */
export function getsockname(t: Task, a: Args): SysResult {
  return name(t, a, false);
}
/** getpeername(2). */
export function getpeername(t: Task, a: Args): SysResult {
  return name(t, a, true);
}

/** shutdown(2). */
export function shutdown(t: Task, a: Args): SysResult {
  const s = socketAt(t, a.i32(0));
  return typeof s === 'number' ? s : s.shutdown(a.i32(1));
}

/** setsockopt(2). */
export function setsockopt(t: Task, a: Args): SysResult {
  const length = a.i32(4);
  if (length < 0) return -EINVAL;
  const s = socketAt(t, a.i32(0));
  if (typeof s === 'number') return s;
  const value = length === 0 ? new Uint8Array(0) : t.mm.copyIn(a.ptr(3), Math.min(length, OPTION_MAX));
  if (!value) return -EFAULT;
  const level = a.i32(1);
  return level === SOL_SOCKET
    ? setSocketOption(s, t, a.i32(2), value)
    : s.setOption(t, level, a.i32(2), value);
}

/** getsockopt(2): the value is cut to the length asked for, which becomes the length written. */
export function getsockopt(t: Task, a: Args): SysResult {
  const s = socketAt(t, a.i32(0));
  if (typeof s === 'number') return s;
  const length = t.mm.i32(a.ptr(4));
  if (length === null) return -EFAULT;
  if (length < 0) return -EINVAL;
  const level = a.i32(1);
  const v =
    level === SOL_SOCKET ? getSocketOption(s, t, a.i32(2), length) : s.getOption(t, level, a.i32(2), length);
  if (typeof v === 'number') return v;
  if (level === SOL_SOCKET && a.i32(2) === SO_PEERGROUPS && length < v.length)
    return t.mm.putU32(a.ptr(4), v.length) < 0 ? -EFAULT : -ERANGE;
  const out = v.subarray(0, length);
  if (t.mm.copyOut(a.ptr(3), out) < 0) return -EFAULT;
  return t.mm.putU32(a.ptr(4), out.length) < 0 ? -EFAULT : 0;
}

/** One buffer of the caller, as import_single_range checks it. */
function buffer(t: Task, address: number, length: number, forWrite: boolean, most: number): IoBuf | number {
  if (address + length > MAX_ADDRESS) return -EFAULT;
  const n = Math.min(length, MAX_RW_COUNT, most);
  return n === 0 ? new IoBuf([]) : t.mm.iov(address, n, forWrite);
}

/** sendto(2). */
export function sendto(t: Task, a: Args): SysResult {
  const buf = buffer(t, a.ptr(1), a.size(2), false, Infinity);
  if (typeof buf === 'number') return buf;
  const s = socketAt(t, a.i32(0));
  if (typeof s === 'number') return s;
  let to: Uint8Array | null = null;
  if (a.ptr(4) !== 0) {
    const raw = readAddress(t, a.ptr(4), a.i32(5));
    if (typeof raw === 'number') return raw;
    to = raw;
  }
  return send(t, s, buf, { to, control: null, flags: a.i32(3) }, progressOf(t));
}

/** recvfrom(2). */
export function recvfrom(t: Task, a: Args): SysResult {
  const flags = a.i32(3);
  const most = flags & MSG_WAITALL ? Infinity : RECEIVE_MAX;
  const buf = buffer(t, a.ptr(1), a.size(2), true, most);
  if (typeof buf === 'number') return buf;
  const s = socketAt(t, a.i32(0));
  if (typeof s === 'number') return s;
  const r = { from: null, control: null, flags: 0, full: 0 };
  const n = receive(t, s, buf, flags, r, progressOf(t));
  return finishReceive(t, n, flags, r, a.ptr(4), a.ptr(5));
}

/** What a receive adds: the sender's address, MSG_TRUNC's real length, and files nobody wants. */
export function finishReceive(
  t: Task,
  n: SysResult,
  flags: number,
  r: { from: Uint8Array | null; control: Control | null; full: number },
  address: number,
  lengthAt: number,
): SysResult {
  dropFiles(r.control);
  if (typeof n !== 'number' || n < 0) return n;
  if (address !== 0) {
    const e = r.from ? writeAddress(t, r.from, address, lengthAt) : noAddress(t, lengthAt);
    if (e < 0) return e;
  }
  return flags & MSG_TRUNC && r.full > n ? r.full : n;
}

function noAddress(t: Task, lengthAt: number): number {
  return writeAddress(t, new Uint8Array(0), 0, lengthAt);
}

/** Moving bytes between files inside the kernel: sendfile, copy_file_range, splice, tee, vmsplice. */
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  EISDIR,
  EOVERFLOW,
  ERESTARTSYS,
  ESPIPE,
  EXDEV,
} from '../abi/errno.ts';
import { IoBuf } from '../mm/iobuf.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { park, type Park, type SysResult } from '../wait.ts';
import { O_APPEND, POLLHUP, POLLIN, POLLOUT, type File } from './file.ts';
import { S_IFBLK, S_IFDIR, S_IFMT, S_IFREG } from './inode.ts';
import { IN_ACCESS, IN_MODIFY } from './notify.ts';
import { notify } from './open.ts';
import { MAX_RW_COUNT, importIovec } from './syscalls-rw.ts';

/** Bytes moved at a time. */
const PIECE = 65536;

/** What a call that waits in the middle has moved so far. */
interface CopyProgress {
  readonly moved: number;
}

function progress(t: Task): number {
  return t.parked === null ? 0 : (t.parked.data as CopyProgress).moved;
}

function waitOn(file: File, moved: number): Park {
  const data: CopyProgress = { moved };
  return park({ on: file.waiters, interrupted: ERESTARTSYS, data });
}

const typeOf = (file: File): number => (file.inode === null ? 0 : file.inode.mode & S_IFMT);

/**
 * Without splice_read and splice_write: directories, and the files of anonymous inodes (eventfd, epoll, signalfd, timerfd,
 * pidfd, inotify).
 */
const unspliceable = (file: File): boolean => typeOf(file) === 0 || typeOf(file) === S_IFDIR;

function told(t: Task, file: File, mask: number): void {
  if (t.kernel.notify.active && file.path !== null) notify(t, file.path, mask);
}

/** A loff_t behind a pointer: undefined for NULL, -EFAULT. */
function offsetAt(t: Task, address: number): number | undefined | null {
  if (address === 0) return undefined;
  const v = t.mm.viewIn(address, 8);
  return v === null ? null : Number(v.getBigInt64(0, true));
}

/**
 * Moves up to `count` bytes from a seekable file to any file. `from`: where to read (undefined: its position).
 * Returns how many, -errno, or undefined when `out` would have to wait before anything moved.
 */
function pump(
  t: Task,
  input: File,
  out: File,
  from: number,
  to: number | undefined,
  count: number,
): { moved: number; error: number } {
  const scratch = new Uint8Array(Math.min(count, PIECE));
  let moved = 0;
  while (moved < count) {
    const piece = IoBuf.of(scratch.subarray(0, Math.min(scratch.length, count - moved)));
    const n = input.pread(piece, from + moved, t);
    if (n <= 0) return { moved, error: n };
    const data = n === piece.length ? piece : piece.slice(0, n);
    const put = to === undefined ? out.write(data, t) : out.pwrite(data, to + moved, t);
    if (put <= 0) return { moved, error: put };
    moved += put;
    if (put < n && !out.writesAll) return { moved, error: 0 };
  }
  return { moved, error: 0 };
}

/** sendfile(2): from a file to anything. The offset is written back whatever came of it. */
export function sendfile(t: Task, a: Args): SysResult {
  const offsetPtr = a.ptr(2);
  const offset = offsetAt(t, offsetPtr);
  if (offset === null) return -EFAULT;
  const r = sendFrom(t, a, offset);
  if (typeof r !== 'number' || offset === undefined) return r;
  return t.mm.putU64(offsetPtr, BigInt.asUintN(64, BigInt(offset + Math.max(r, 0)))) < 0 ? -EFAULT : r;
}

function sendFrom(t: Task, a: Args, offset: number | undefined): SysResult {
  const out = t.fds.opened(a.i32(0));
  const input = t.fds.opened(a.i32(1));
  if (input === undefined || !input.readable) return -EBADF;
  if (offset !== undefined && typeOf(input) !== S_IFREG && typeOf(input) !== S_IFBLK) return -ESPIPE;
  if (offset !== undefined && offset < 0) return -EINVAL;
  if (out === undefined || !out.writable) return -EBADF;
  if (typeOf(input) !== S_IFREG && typeOf(input) !== S_IFBLK) return -EINVAL;
  if (out.flags & O_APPEND || unspliceable(out)) return -EINVAL;
  const count = Math.min(a.size(3), MAX_RW_COUNT);
  const before = progress(t);
  const start = (offset ?? input.pos) + before;
  const { moved, error } = pump(t, input, out, start, undefined, count - before);
  const total = before + moved;
  if (error === -EAGAIN && !out.nonblocking && t.woken !== 'signal') return waitOn(out, total);
  if (total === 0) return error === -EAGAIN && t.woken === 'signal' ? -ERESTARTSYS : error;
  if (offset === undefined) input.pos += total;
  told(t, input, IN_ACCESS);
  told(t, out, IN_MODIFY);
  return total;
}

/** copy_file_range(2): between regular files of one file system. */
export function copyFileRange(t: Task, a: Args): number {
  const input = t.fds.opened(a.i32(0));
  if (input === undefined) return -EBADF;
  const out = t.fds.opened(a.i32(2));
  if (out === undefined) return -EBADF;
  const inOffset = offsetAt(t, a.ptr(1));
  const outOffset = offsetAt(t, a.ptr(3));
  if (inOffset === null || outOffset === null) return -EFAULT;
  if (a.u32(5) !== 0) return -EINVAL;
  if (typeOf(input) === S_IFDIR || typeOf(out) === S_IFDIR) return -EISDIR;
  if (typeOf(input) !== S_IFREG || typeOf(out) !== S_IFREG) return -EINVAL;
  if (!input.readable || !out.writable || out.flags & O_APPEND) return -EBADF;
  const from = inOffset ?? input.pos;
  const to = outOffset ?? out.pos;
  // Offsets are added to as unsigned numbers: those that wrap are told first (generic_copy_file_checks).
  if ((from < 0 && from + a.size(4) >= 0) || (to < 0 && to + a.size(4) >= 0)) return -EOVERFLOW;
  if (from < 0 || to < 0) return -EINVAL;
  if (input.inode!.fs !== out.inode!.fs) return -EXDEV;
  let count = a.size(4);
  if (from + count > 2 ** 63 || to + count > 2 ** 63) return -EOVERFLOW;
  count = Math.min(count, Math.max(input.inode!.size - from, 0), MAX_RW_COUNT);
  if (input.inode === out.inode && to + count > from && from + count > to) return -EINVAL;
  if (count === 0) return 0;
  const { moved, error } = pump(t, input, out, from, to, count);
  if (moved === 0) return error;
  if (inOffset === undefined) input.pos = from + moved;
  else if (t.mm.putU64(a.ptr(1), from + moved) < 0) return -EFAULT;
  if (outOffset === undefined) out.pos = to + moved;
  else if (t.mm.putU64(a.ptr(3), to + moved) < 0) return -EFAULT;
  told(t, input, IN_ACCESS);
  told(t, out, IN_MODIFY);
  return moved;
}

const SPLICE_F_NONBLOCK = 2;
const SPLICE_F_ALL = 15;

/** A pipe end that has nothing (or no room): 0 at the end of the data, -EAGAIN, or the wait. */
function emptyPipe(t: Task, file: File, nonblock: boolean): SysResult {
  if ((file.poll() & (POLLHUP | POLLIN)) === POLLHUP) return 0;
  return waitForPipe(t, file, nonblock);
}
function waitForPipe(t: Task, file: File, nonblock: boolean): SysResult {
  if (nonblock) return -EAGAIN;
  return t.woken === 'signal' ? -ERESTARTSYS : waitOn(file, 0);
}

/** Takes `n` bytes off a pipe the ordinary way, so that writers are woken as by a read. */
function consume(t: Task, file: File, n: number): void {
  const scratch = new Uint8Array(Math.min(n, PIECE));
  let left = n;
  while (left > 0) {
    const got = file.read(IoBuf.of(scratch.subarray(0, Math.min(left, PIECE))), t);
    if (got <= 0) return;
    left -= got;
  }
}

/** splice(2). One side at least is a pipe. */
export function splice(t: Task, a: Args): SysResult {
  const count = Math.min(a.size(4), MAX_RW_COUNT);
  const flags = a.u32(5);
  if (flags & ~SPLICE_F_ALL) return -EINVAL;
  if (count === 0) return 0;
  const input = t.fds.opened(a.i32(0));
  if (input === undefined) return -EBADF;
  const out = t.fds.opened(a.i32(2));
  if (out === undefined) return -EBADF;
  const from = input.pipe;
  const to = out.pipe;
  if ((from !== null && a.ptr(1) !== 0) || (to !== null && a.ptr(3) !== 0)) return -ESPIPE;
  const inOffset = offsetAt(t, a.ptr(1));
  const outOffset = offsetAt(t, a.ptr(3));
  if (inOffset === null || outOffset === null) return -EFAULT;
  if (!input.readable || !out.writable) return -EBADF;
  if (from === null && to === null) return -EINVAL;
  if (from !== null && from === to) return -EINVAL;
  if (unspliceable(input) || unspliceable(out)) return -EINVAL;
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  if (from === null) return fileToPipe(t, a, input, out, inOffset, count, nonblock);
  return pipeToAny(t, a, input, out, outOffset, count, nonblock);
}

function fileToPipe(
  t: Task,
  a: Args,
  input: File,
  out: File,
  offset: number | undefined,
  count: number,
  nonblock: boolean,
): SysResult {
  if (offset !== undefined && offset < 0) return -EINVAL;
  const wait = nonblock || out.nonblocking;
  const room = out.pipe!.freeSlots * 4096;
  if (room === 0 && out.poll() & POLLOUT) return -EAGAIN;
  if (room === 0) return waitForPipe(t, out, wait);
  const scratch = new Uint8Array(Math.min(count, room, PIECE));
  const buf = IoBuf.of(scratch);
  const n = offset === undefined ? input.read(buf, t) : input.pread(buf, offset, t);
  if (n === -EAGAIN && !input.nonblocking && !nonblock) return waitForPipe(t, input, false);
  if (n <= 0) return n;
  const put = out.write(n === buf.length ? buf : buf.slice(0, n), t);
  if (put < 0) {
    if (offset === undefined) input.pos -= n;
    return put;
  }
  if (offset !== undefined && t.mm.putU64(a.ptr(1), offset + put) < 0) return -EFAULT;
  told(t, input, IN_ACCESS);
  return put;
}

function pipeToAny(
  t: Task,
  a: Args,
  input: File,
  out: File,
  offset: number | undefined,
  count: number,
  nonblock: boolean,
): SysResult {
  if (offset !== undefined && offset < 0) return -EINVAL;
  if (out.pipe === null && out.flags & O_APPEND) return -EINVAL;
  const pipe = input.pipe!;
  if (pipe.empty) return emptyPipe(t, input, nonblock || input.nonblocking);
  const room = out.pipe === null ? PIECE : out.pipe.freeSlots * 4096;
  if (room === 0) return waitForPipe(t, out, nonblock || out.nonblocking);
  const data = pipe.peek(Math.min(count, room, PIECE));
  const put = offset === undefined ? out.write(data, t) : out.pwrite(data, offset, t);
  if (put === -EAGAIN && !out.nonblocking && !nonblock) return waitForPipe(t, out, false);
  if (put <= 0) return put;
  consume(t, input, put);
  if (offset !== undefined && t.mm.putU64(a.ptr(3), offset + put) < 0) return -EFAULT;
  told(t, out, IN_MODIFY);
  return put;
}

/** tee(2): copies from pipe to pipe without taking. */
export function tee(t: Task, a: Args): SysResult {
  const count = Math.min(a.size(2), MAX_RW_COUNT);
  const flags = a.u32(3);
  if (flags & ~SPLICE_F_ALL) return -EINVAL;
  if (count === 0) return 0;
  const input = t.fds.opened(a.i32(0));
  const out = t.fds.opened(a.i32(1));
  if (input === undefined) return -EBADF;
  if (out === undefined) return -EBADF;
  if (!input.readable || !out.writable) return -EBADF;
  if (input.pipe === null || out.pipe === null || input.pipe === out.pipe) return -EINVAL;
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  if (input.pipe.empty) return emptyPipe(t, input, nonblock || input.nonblocking);
  const room = out.pipe.freeSlots * 4096;
  if (room === 0) return waitForPipe(t, out, nonblock || out.nonblocking);
  // Copied first: writing may hand the reader of `out` a page that `in` still holds.
  return out.write(IoBuf.of(input.pipe.peek(Math.min(count, room)).bytes()), t);
}

/** vmsplice(2): user memory into a pipe, or out of it. Pages are copied, which a program cannot tell. */
export function vmsplice(t: Task, a: Args): SysResult {
  const flags = a.u32(3);
  if (flags & ~SPLICE_F_ALL) return -EINVAL;
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  if (file.pipe === null) return -EBADF;
  const toPipe = file.writable;
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0 || file.nonblocking;
  const buf = importIovec(t, a.ptr(1), a.size(2), 1 << 20, !toPipe);
  if (typeof buf === 'number') return buf;
  if (buf.length === 0) return 0;
  if (!toPipe) {
    if (file.pipe.empty) return emptyPipe(t, file, nonblock);
    return file.read(buf, t);
  }
  const n = file.write(buf, t);
  return n === -EAGAIN ? waitForPipe(t, file, nonblock) : n;
}

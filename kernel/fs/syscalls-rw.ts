/** read(2), write(2) and their vector and positioned forms; lseek(2); fsync(2) and friends. */
import { EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EOPNOTSUPP, ERESTARTSYS, ESPIPE } from '../abi/errno.ts';
import { IoBuf } from '../mm/iobuf.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { park, type SysResult } from '../wait.ts';
import { O_APPEND, type File } from './file.ts';
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK } from './inode.ts';
import { IN_ACCESS, IN_MODIFY } from './notify.ts';
import { notify } from './open.ts';
import { RegularFile } from './regular-file.ts';

/** Longest transfer of one call (MAX_RW_COUNT). */
export const MAX_RW_COUNT = 0x7ffff000;
export const UIO_MAXIOV = 1024;
/** End of user addresses (TASK_SIZE_MAX): access_ok fails past it whatever is mapped. */
const USER_END = 0x7ffffffff000;
/** Bytes looked at in one go: what a huge count costs before a short transfer shows how much there is. */
const PIECE = 1 << 22;

/** [address, address + length) can be user memory at all. */
function accessOk(address: number, length: number): boolean {
  return address + length <= USER_END;
}

/** Bytes a read can deliver at most, so that a huge count does not make the caller's whole buffer present. */
function readLimit(file: File, pos: number, length: number): number {
  if (file instanceof RegularFile) return Math.min(length, Math.max(file.inode.size - pos, 0));
  const type = file.inode === null ? 0 : file.inode.mode & S_IFMT;
  return type === S_IFCHR || type === S_IFBLK ? length : Math.min(length, PIECE);
}

/** The caller's buffer for reading `length` bytes at `pos`, or -EFAULT. */
function readBuffer(t: Task, file: File, pos: number, address: number, length: number): IoBuf | number {
  if (!accessOk(address, length)) return -EFAULT;
  return t.mm.iov(address, readLimit(file, pos, Math.min(length, MAX_RW_COUNT)), true);
}

/** What a blocking read that found nothing answers: the wait, or how it ended. */
export function waitToRead(t: Task, file: File): SysResult {
  if (file.nonblocking) return -EAGAIN;
  const parked = t.parked;
  if (parked === null) {
    const deadline = file.readDeadline(t);
    const socket = file.inode !== null && (file.inode.mode & S_IFMT) === S_IFSOCK;
    const interrupted = socket && deadline !== Infinity ? EINTR : ERESTARTSYS;
    return park({ on: file.waiters, deadline, interrupted });
  }
  if (t.woken === 'signal') return -parked.interrupted;
  if (t.woken === 'timeout') return -EAGAIN;
  return park({ on: file.waiters, deadline: file.readDeadline(t), interrupted: parked.interrupted });
}

/** What a write in progress has done before it had to wait. */
interface WriteProgress {
  readonly written: number;
}

function readInto(t: Task, file: File, buf: IoBuf, offset: number): SysResult {
  const n = offset < 0 ? file.read(buf, t) : file.pread(buf, offset, t);
  if (n === -EAGAIN) return waitToRead(t, file);
  if (n > 0 && t.kernel.notify.active && file.path !== null) notify(t, file.path, IN_ACCESS);
  return n;
}

/**
 * Writes `buf` and waits as the file does: `writesAll` files take every byte, the others what they take at once.
 */
function writeFrom(t: Task, file: File, buf: IoBuf, offset: number): SysResult {
  let done = t.parked !== null ? (t.parked.data as WriteProgress).written : 0;
  for (;;) {
    const rest = done === 0 ? buf : buf.slice(done);
    const n = offset < 0 ? file.write(rest, t) : file.pwrite(rest, offset + done, t);
    if (n > 0) {
      done += n;
      if (done < buf.length && file.writesAll) continue;
    } else if (n === -EAGAIN && !file.nonblocking) {
      if (t.woken === 'signal') return done > 0 ? done : -t.parked!.interrupted;
      if (t.woken === 'timeout') return done > 0 ? done : -EAGAIN;
      const data: WriteProgress = { written: done };
      const deadline = t.parked !== null ? t.parked.deadline : file.writeDeadline(t);
      // Only sockets have one (SO_SNDTIMEO), and a timed wait is not begun again (sock_intr_errno).
      return park({
        on: file.waiters,
        deadline,
        interrupted: deadline === Infinity ? ERESTARTSYS : EINTR,
        data,
      });
    } else if (done === 0) return n;
    if (done > 0 && t.kernel.notify.active && file.path !== null) notify(t, file.path, IN_MODIFY);
    return done;
  }
}

/** read(2). An empty blocking file parks the task; waking runs this again. */
export function read(t: Task, a: Args): SysResult {
  const file = t.fds.opened(a.i32(0));
  if (file === undefined || !file.readable) return -EBADF;
  const buf = readBuffer(t, file, file.pos, a.ptr(1), a.size(2));
  return typeof buf === 'number' ? buf : readInto(t, file, buf, -1);
}

/** write(2). */
export function write(t: Task, a: Args): SysResult {
  const file = t.fds.opened(a.i32(0));
  if (file === undefined || !file.writable) return -EBADF;
  const address = a.ptr(1);
  const length = a.size(2);
  if (!accessOk(address, length)) return -EFAULT;
  const buf = t.mm.iov(address, Math.min(length, MAX_RW_COUNT), false);
  return typeof buf === 'number' ? buf : writeFrom(t, file, buf, -1);
}

/** Whether positioned calls work on the file at all (FMODE_PREAD): checked before its access mode. */
function positioned(file: File): boolean {
  const type = file.inode === null ? 0 : file.inode.mode & S_IFMT;
  return type !== 0 && type !== S_IFIFO && type !== S_IFSOCK;
}

/** pread64(2). */
export function pread64(t: Task, a: Args): SysResult {
  const offset = a.i64(3);
  if (offset < 0) return -EINVAL;
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  if (!file.readable) return positioned(file) ? -EBADF : -ESPIPE;
  const buf = readBuffer(t, file, offset, a.ptr(1), a.size(2));
  return typeof buf === 'number' ? buf : readInto(t, file, buf, offset);
}

/** pwrite64(2). */
export function pwrite64(t: Task, a: Args): SysResult {
  const offset = a.i64(3);
  if (offset < 0) return -EINVAL;
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  if (!file.writable) return positioned(file) ? -EBADF : -ESPIPE;
  if (!accessOk(a.ptr(1), a.size(2))) return -EFAULT;
  const buf = t.mm.iov(a.ptr(1), Math.min(a.size(2), MAX_RW_COUNT), false);
  return typeof buf === 'number' ? buf : writeFrom(t, file, buf, offset);
}

/**
 * The memory of struct iovec[count] as one buffer of at most `limit` bytes, cut where it cannot be accessed. -EFAULT
 * when not even its first byte can, -EINVAL for bad counts and lengths (import_iovec).
 */
export function importIovec(
  t: Task,
  address: number,
  count: number,
  limit: number,
  forWrite: boolean,
): IoBuf | number {
  if (count > UIO_MAXIOV) return -EINVAL;
  if (count === 0) return new IoBuf([]);
  const v = t.mm.viewIn(address, 16 * count);
  if (v === null) return -EFAULT;
  for (let i = 0; i < count; i++) {
    const length = v.getUint32(16 * i + 12, true) * 4294967296 + v.getUint32(16 * i + 8, true);
    const base = v.getUint32(16 * i + 4, true) * 4294967296 + v.getUint32(16 * i, true);
    if (length >= 2 ** 63) return -EINVAL;
    if (!accessOk(base, length)) return -EFAULT;
  }
  const chunks: Uint8Array[] = [];
  let left = Math.min(limit, MAX_RW_COUNT);
  for (let i = 0; i < count && left > 0; i++) {
    const base = v.getUint32(16 * i + 4, true) * 4294967296 + v.getUint32(16 * i, true);
    const length = Math.min(
      v.getUint32(16 * i + 12, true) * 4294967296 + v.getUint32(16 * i + 8, true),
      left,
    );
    if (length === 0) continue;
    const part = t.mm.iov(base, length, forWrite);
    if (typeof part === 'number') {
      if (chunks.length === 0) return part;
      break;
    }
    for (const c of part.chunks) chunks.push(c);
    left -= part.length;
    if (part.length < length) break;
  }
  return new IoBuf(chunks);
}

function vector(t: Task, a: Args, forWrite: boolean, offset: number): SysResult {
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  if (!(forWrite ? file.writable : file.readable)) {
    return offset >= 0 && !positioned(file) ? -ESPIPE : -EBADF;
  }
  const limit = forWrite ? MAX_RW_COUNT : readLimit(file, offset < 0 ? file.pos : offset, MAX_RW_COUNT);
  const buf = importIovec(t, a.ptr(1), a.size(2), limit, !forWrite);
  if (typeof buf === 'number') return buf;
  return forWrite ? writeFrom(t, file, buf, offset) : readInto(t, file, buf, offset);
}

/** readv(2). */
export function readv(t: Task, a: Args): SysResult {
  return vector(t, a, false, -1);
}
/** writev(2). */
export function writev(t: Task, a: Args): SysResult {
  return vector(t, a, true, -1);
}
/** preadv(2): on 64-bit kernels the offset is all in the low argument. */
export function preadv(t: Task, a: Args): SysResult {
  const offset = a.i64(3);
  return offset < 0 ? -EINVAL : vector(t, a, false, offset);
}
export function pwritev(t: Task, a: Args): SysResult {
  const offset = a.i64(3);
  return offset < 0 ? -EINVAL : vector(t, a, true, offset);
}

const RWF_HIPRI = 1;
const RWF_DSYNC = 2;
const RWF_SYNC = 4;
const RWF_NOWAIT = 8;
const RWF_APPEND = 16;

function vector2(t: Task, a: Args, forWrite: boolean): SysResult {
  const offset = a.i64(3);
  const flags = a.u32(5);
  if (offset < -1) return -EINVAL;
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND)) return -EOPNOTSUPP;
  // FMODE_NOWAIT: neither tmpfs nor pipes of 6.1 have it.
  if (flags & RWF_NOWAIT) return -EOPNOTSUPP;
  if (!forWrite || !(flags & RWF_APPEND) || file.flags & O_APPEND) return vector(t, a, forWrite, offset);
  if (offset === -1) {
    file.flags |= O_APPEND;
    const r = vector(t, a, true, -1);
    file.flags &= ~O_APPEND;
    return r;
  }
  return vector(t, a, true, file.inode?.size ?? 0);
}

/** preadv2(2): an offset of −1 means the file's position. */
export function preadv2(t: Task, a: Args): SysResult {
  return vector2(t, a, false);
}
export function pwritev2(t: Task, a: Args): SysResult {
  return vector2(t, a, true);
}

/** lseek(2). */
export function lseek(t: Task, a: Args): number {
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  const whence = a.u32(2);
  return whence > 4 ? -EINVAL : file.lseek(a.i64(1), whence, t);
}

/** fsync(2) and fdatasync(2): what is in memory is as safe as it gets; host files are flushed. */
export function fsync(t: Task, a: Args): number {
  const file = t.fds.opened(a.i32(0));
  return file === undefined ? -EBADF : file.fsync();
}

/** sync(2). */
export function sync(t: Task): number {
  for (const m of t.kernel.vfs.mounts) m.fs.sync?.();
  return 0;
}

/** syncfs(2). */
export function syncfs(t: Task, a: Args): number {
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  return file.inode?.fs.sync?.() ?? 0;
}

/** sync_file_range(2). */
export function syncFileRange(t: Task, a: Args): number {
  const offset = a.i64(1);
  const bytes = a.i64(2);
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  if (a.u32(3) & ~7) return -EINVAL;
  if (offset < 0 || bytes < 0) return -EINVAL;
  const type = file.inode === null ? 0 : file.inode.mode & S_IFMT;
  return type === S_IFIFO || type === 0 || type === S_IFCHR ? -ESPIPE : 0;
}

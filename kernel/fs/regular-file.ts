/** An open regular file: position, append, limits. What holds the bytes is the inode's business. */
import { EBADF, EFBIG, EINVAL, EISDIR, ENXIO } from '../abi/errno.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import type { Task } from '../task/task.ts';
import { SI_USER } from '../signal/numbers.ts';
import { sendSignal } from '../signal/send.ts';
import { File, O_APPEND } from './file.ts';
import type { Inode } from './inode.ts';

/** Largest offset a file can have here: Linux's is 2^63 − 1, ours what a number holds exactly. */
export const MAX_FILE_SIZE = Number.MAX_SAFE_INTEGER;

export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

// fallocate(2).
export const FALLOC_FL_KEEP_SIZE = 1;
export const FALLOC_FL_PUNCH_HOLE = 2;
export const FALLOC_FL_ZERO_RANGE = 16;

const RLIMIT_FSIZE = 1;
const SIGXFSZ = 25;

/** send_sig(SIGXFSZ, current, 0): as if the task had sent it to itself. */
function sendOwn(t: Task): void {
  sendSignal(t, { signo: SIGXFSZ, code: SI_USER, pid: t.group.pid, uid: t.creds.uid });
}

/** How many of `length` bytes at `pos` the limits allow; -EFBIG (and SIGXFSZ) when none (generic_write_checks). */
export function writableLength(t: Task, pos: number, length: number): number {
  const limit = t.group.rlimits[RLIMIT_FSIZE]?.cur ?? Infinity;
  if (limit !== Infinity) {
    if (pos >= limit) {
      sendOwn(t);
      return -EFBIG;
    }
    length = Math.min(length, limit - pos);
  }
  if (pos >= MAX_FILE_SIZE) return -EFBIG;
  return Math.min(length, MAX_FILE_SIZE - pos);
}

/** The same for ftruncate and fallocate (inode_newsize_ok). */
export function sizeAllowed(t: Task | null, oldSize: number, size: number): number {
  if (t === null || size <= oldSize) return 0;
  const limit = t.group.rlimits[RLIMIT_FSIZE]?.cur ?? Infinity;
  if (size > limit) {
    sendOwn(t);
    return -EFBIG;
  }
  return 0;
}

/** A file with bytes at offsets. Subclasses move bytes; the access mode was checked by the VFS's callers. */
export abstract class RegularFile extends File {
  override readonly inode: Inode;

  constructor(flags: number, inode: Inode) {
    super(flags, inode, 'file');
    this.inode = inode;
  }

  get name(): string {
    return this.path === null ? '' : this.path.name;
  }

  /** Moves bytes at `offset`; up to `buf.length` read, 0 at the end. */
  protected abstract readAt(buf: IoBuf, offset: number): number;
  /** Stores `length` bytes of `buf` at `offset`, growing the file; how many, or -errno. */
  protected abstract writeAt(buf: IoBuf, offset: number, length: number): number;
  /** Next data or hole at or after `offset` (which lies before the end). */
  protected seekData(offset: number, data: boolean): number {
    return data ? offset : this.inode.size;
  }

  override read(buf: IoBuf, _t: Task): number {
    const n = this.readAt(buf, this.pos);
    if (n > 0) this.pos += n;
    return n;
  }
  override pread(buf: IoBuf, offset: number, _t: Task): number {
    return this.readAt(buf, offset);
  }
  override write(buf: IoBuf, t: Task): number {
    const at = this.flags & O_APPEND ? this.inode.size : this.pos;
    const n = this.store(buf, at, t);
    if (n > 0) this.pos = at + n;
    return n;
  }
  /** With O_APPEND, Linux appends whatever the offset (pwrite(2), BUGS). */
  override pwrite(buf: IoBuf, offset: number, t: Task): number {
    return this.store(buf, this.flags & O_APPEND ? this.inode.size : offset, t);
  }
  private store(buf: IoBuf, at: number, t: Task): number {
    if (buf.length === 0) return 0;
    const n = writableLength(t, at, buf.length);
    if (n < 0) return n;
    const done = this.writeAt(buf, at, n);
    if (done > 0 && this.inode.mode & 0o6000) this.inode.dropSetid(t);
    return done;
  }

  override lseek(offset: number, whence: number, _t: Task): number {
    const size = this.inode.size;
    let to: number;
    if (whence === SEEK_SET) to = offset;
    else if (whence === SEEK_CUR) to = this.pos + offset;
    else if (whence === SEEK_END) to = size + offset;
    else if (whence === SEEK_DATA || whence === SEEK_HOLE) {
      if (offset < 0 || offset >= size) return -ENXIO;
      to = this.seekData(offset, whence === SEEK_DATA);
      if (to >= size) {
        if (whence === SEEK_DATA) return -ENXIO;
        to = size;
      }
    } else return -EINVAL;
    if (to < 0) return -EINVAL;
    return (this.pos = to);
  }

  override fsync(): number {
    return 0;
  }

  override ftruncate(length: number, t: Task): number {
    const err = sizeAllowed(t, this.inode.size, length);
    return err < 0 ? err : this.inode.truncate(length);
  }
}

/** An open directory; getdents walks a snapshot taken at the start (rewinddir takes another). */
export class DirFile extends File {
  override readonly inode: Inode;
  /** Names still to be told, from position `pos`; null until the first getdents. */
  snapshot: { name: string; ino: number; type: number }[] | null = null;

  constructor(flags: number, inode: Inode) {
    super(flags, inode, 'directory');
    this.inode = inode;
  }
  get name(): string {
    return this.path === null ? '' : this.path.name;
  }
  override read(): number {
    return -EISDIR;
  }
  override pread(): number {
    return -EISDIR;
  }
  override write(): number {
    return -EBADF;
  }
  override pwrite(): number {
    return -EBADF;
  }
  override lseek(offset: number, whence: number): number {
    let to = offset;
    if (whence === SEEK_CUR) to += this.pos;
    else if (whence !== SEEK_SET) return -EINVAL;
    if (to < 0) return -EINVAL;
    if (to === 0) this.snapshot = null;
    return (this.pos = to);
  }
  override fsync(): number {
    return 0;
  }
}

/** O_PATH: a place and nothing else; every operation on bytes is EBADF. */
export class PathFile extends File {
  override readonly inode: Inode;
  constructor(flags: number, inode: Inode) {
    super(flags, inode, 'path');
    this.inode = inode;
  }
  get name(): string {
    return this.path === null ? '' : this.path.name;
  }
  override poll(): number {
    return 0x20; // POLLNVAL
  }
  override read(): number {
    return -EBADF;
  }
  override write(): number {
    return -EBADF;
  }
  override pread(): number {
    return -EBADF;
  }
  override pwrite(): number {
    return -EBADF;
  }
  override lseek(): number {
    return -EBADF;
  }
  override ioctl(): number {
    return -EBADF;
  }
  override mmap(): number {
    return -EBADF;
  }
  override fsync(): number {
    return -EBADF;
  }
  override ftruncate(): number {
    return -EBADF;
  }
  override fallocate(): number {
    return -EBADF;
  }
}

/** An open file description (struct file): what file descriptors point at, shared by dup and fork. */
import { EBADF, EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM, ENOTTY, EOPNOTSUPP, ESPIPE } from '../abi/errno.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import type { Task } from '../task/task.ts';
import { WaitQueue, type SysResult, type Waiter } from '../wait.ts';
import type { Path } from './dentry.ts';
import type { Inode } from './inode.ts';
import { releasePosixLocks } from './locks.ts';
import { FD_COST, FILE_COST, type KernelMemory } from '../mm/kernel-memory.ts';
import type { MemObject } from '../mm/mem-object.ts';
import type { Pipe } from './pipe/pipe.ts';
import { NO_OWNER, type FileOwner } from './owner.ts';

export const POLLIN = 0x1;
export const POLLPRI = 0x2;
export const POLLOUT = 0x4;
export const POLLERR = 0x8;
export const POLLHUP = 0x10;
export const POLLNVAL = 0x20;
export const POLLRDNORM = 0x40;
export const POLLRDBAND = 0x80;
export const POLLWRNORM = 0x100;
export const POLLWRBAND = 0x200;
export const POLLRDHUP = 0x2000;

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_ACCMODE = 3;
// Status and creation flags with x86_64's values; `flags.ts` converts aarch64's at the border.
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_DSYNC = 0o10000;
export const O_ASYNC = 0o20000;
export const O_DIRECT = 0o40000;
export const O_LARGEFILE = 0o100000;
export const O_DIRECTORY = 0o200000;
export const O_NOFOLLOW = 0o400000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
export const O_SYNC = 0o4010000;
export const O_PATH = 0o10000000;
export const O_TMPFILE = 0o20200000;

export const F_SETPIPE_SZ = 1031;
export const F_GETPIPE_SZ = 1032;

/** What an epoll instance leaves on a file it watches, so that the last close takes the file out of it. */
export interface FileWatch {
  /** The open file description is going away. */
  fileGone(): void;
}

export abstract class File {
  /** O_* status flags: access mode, O_APPEND, O_NONBLOCK… (not O_CLOEXEC: that is the descriptor's). */
  flags: number;
  /** Bytes from the start, for files that have a position. */
  pos = 0;
  /** Descriptors (and SCM_RIGHTS messages, mappings…) that hold it; `release` runs when the last lets go. */
  refs = 0;
  /** Woken when what `poll` says may have changed. */
  readonly waiters: WaitQueue;
  /** Where it was opened; null for what has no place in the tree (pipes, sockets…). Set by the VFS. */
  path: Path | null = null;
  /** The VFS's own clean-up when the last reference goes (write counts, locks, inotify). */
  closed: ((file: File) => void) | null = null;
  /** F_SETOWN: whom SIGIO goes to; and which signal instead (F_SETSIG). */
  owner: FileOwner = NO_OWNER;
  ownerSignal = 0;
  /** What F_GETFL shows where a quirk of F_SETFL keeps it. */
  shownFlags: number | null = null;
  /** With O_ASYNC: what passes events on to the owner. */
  async: Waiter | null = null;
  /** F_NOTIFY: ends it. */
  dnotify: (() => void) | null = null;
  /** What /proc/PID/fd/N links to: a path, or "pipe:[7]", "socket:[8]", "anon_inode:[eventfd]". */
  abstract get name(): string;
  /** What strace -yy shows instead: "TCP:[127.0.0.1:80->127.0.0.1:4711]". */
  traceName?(): string;
  readonly inode: Inode | null;
  /** Epoll items on this file (struct file's f_ep). */
  watches: Set<FileWatch> | null = null;
  /** Where it counts, from its first descriptor on. */
  private account: KernelMemory | null = null;
  /** Bytes it counts for. */
  protected get cost(): number {
    return FILE_COST;
  }

  constructor(flags: number, inode: Inode | null, what: string) {
    this.flags = flags;
    this.inode = inode;
    this.waiters = new WaitQueue(what);
  }

  get readable(): boolean {
    return (this.flags & O_ACCMODE) !== O_WRONLY;
  }
  get writable(): boolean {
    return (this.flags & O_ACCMODE) !== O_RDONLY;
  }
  get nonblocking(): boolean {
    return (this.flags & O_NONBLOCK) !== 0;
  }

  /** Whether it has a poll method at all: epoll_ctl refuses files that have none (regular files, directories) with EPERM. */
  get pollable(): boolean {
    const type = this.inode ? this.inode.mode & 0o170000 : 0;
    return type !== 0o100000 && type !== 0o040000;
  }
  /**
   * A blocking write goes on (parking, -ERESTARTSYS when nothing was written yet, else the count) until every byte
   * is taken: pipes, stream sockets, terminals. `write` itself takes what fits and returns -EAGAIN when nothing does.
   */
  get writesAll(): boolean {
    return false;
  }
  /** Monotonic nanoseconds at which a read that found nothing (-EAGAIN) is to be tried a last time (tty VTIME). */
  readDeadline(_t: Task): number {
    return Infinity;
  }
  /** The same for a write that found no room (SO_SNDTIMEO). */
  writeDeadline(_t: Task): number {
    return Infinity;
  }

  /** Ready events, a POLL* mask. Regular files are always ready. */
  poll(): number {
    return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  }
  /** Reads at the position (and moves it). Bytes, 0 at the end, -EAGAIN when it would have to wait, or -errno. */
  read(_buf: IoBuf, _t: Task): number {
    return -EINVAL;
  }
  write(_buf: IoBuf, _t: Task): number {
    return -EINVAL;
  }
  /** At an offset, leaving the position alone; -ESPIPE where there is no such thing. */
  pread(_buf: IoBuf, _offset: number, _t: Task): number {
    return -ESPIPE;
  }
  pwrite(_buf: IoBuf, _offset: number, _t: Task): number {
    return -ESPIPE;
  }
  lseek(_offset: number, _whence: number, _t: Task): number {
    return -ESPIPE;
  }
  ioctl(_t: Task, _cmd: number, _arg: number): SysResult {
    return -ENOTTY;
  }
  /** fcntl(2) commands that only some files know: F_SETPIPE_SZ and F_GETPIPE_SZ of pipes, F_ADD_SEALS of memfds… */
  fcntl(_t: Task, cmd: number, _arg: number): number {
    return cmd === F_SETPIPE_SZ || cmd === F_GETPIPE_SZ ? -EBADF : -EINVAL;
  }
  /** The pipe behind it, for splice(2) and tee(2); null for everything else. */
  get pipe(): Pipe | null {
    return null;
  }
  /** The object behind mmap(2) of this file, or -errno. */
  mmap(_t: Task, _prot: number, _flags: number): MemObject | number {
    return -ENODEV;
  }
  /** Shared mappings of it can never become writable (a memfd's seals). */
  get writeSealed(): boolean {
    return false;
  }
  fsync(): number {
    return -EINVAL;
  }
  ftruncate(_length: number, _t: Task): number {
    return -EINVAL;
  }
  /** fallocate(2) after the VFS's checks; `mode` as given. */
  fallocate(_mode: number, _offset: number, _length: number, _t: Task): number {
    return -EOPNOTSUPP;
  }
  /** A descriptor to it was closed (flush): POSIX locks of the process go here. */
  flush(_t: Task | null): number {
    return 0;
  }
  /** Lines after pos, flags, mnt_id and ino in /proc/PID/fdinfo/N. */
  fdinfo(): string {
    return '';
  }
  /** The last reference is gone. */
  release(): void {}

  retain(): this {
    this.refs++;
    return this;
  }
  /** Counts it against what the kernel may hold. False: there is no room (alloc_empty_file's ENFILE). */
  charge(kmem: KernelMemory): boolean {
    if (this.account !== null) return true;
    if (!kmem.charge(this.cost)) return false;
    this.account = kmem;
    return true;
  }
  uncharge(): void {
    this.account?.uncharge(this.cost);
    this.account = null;
  }
  drop(): void {
    if (--this.refs !== 0) return;
    this.uncharge();
    if (this.watches) for (const w of [...this.watches]) w.fileGone();
    this.closed?.(this);
    this.release();
  }
}

export const RLIMIT_NOFILE = 7;

/** Puts a file at the lowest free descriptor below RLIMIT_NOFILE: -EMFILE when there is none, -ENFILE, -ENOMEM. */
export function installFile(t: Task, file: File, cloexec: boolean): number {
  const fd = t.fds.lowest(0, t.group.rlimits[RLIMIT_NOFILE].cur);
  if (fd < 0) return -EMFILE;
  if (!t.fds.reserve(t.kernel.kmem)) return -ENOMEM;
  if (!file.charge(t.kernel.kmem)) return -ENFILE;
  t.fds.set(fd, file, cloexec, t);
  return fd;
}

export interface Descriptor {
  readonly file: File;
  cloexec: boolean;
}

/** Descriptors paid for at a time. */
const FD_BLOCK = 64;

/** A process's descriptors (files_struct); shared by CLONE_FILES. Owner: tasks, counted in `users`. */
export class FdTable {
  private slots: (Descriptor | undefined)[] = [];
  /** No number below it is free. */
  private hint = 0;
  users = 1;
  private count = 0;
  /** Slots paid for, in blocks; where. */
  private paid = 0;
  private account: KernelMemory | null = null;

  /** Room for one more descriptor (expand_files). False: the kernel may hold no more. */
  reserve(kmem: KernelMemory, more = 1): boolean {
    const blocks = Math.ceil((this.count + more) / FD_BLOCK) * FD_BLOCK;
    if (blocks <= this.paid) return true;
    if (!kmem.charge((blocks - this.paid) * FD_COST)) return false;
    this.account = kmem;
    this.paid = blocks;
    return true;
  }

  /** Whatever is there, O_PATH included (fdget_raw). */
  get(fd: number): File | undefined {
    return this.slots[fd]?.file;
  }
  /** What was opened for use: a descriptor with O_PATH names a place and is EBADF for all else (fdget). */
  opened(fd: number): File | undefined {
    const file = this.slots[fd]?.file;
    return file !== undefined && file.flags & O_PATH ? undefined : file;
  }
  descriptor(fd: number): Descriptor | undefined {
    return this.slots[fd];
  }
  /** Lowest free number from `from`; -1 when `limit` is reached. */
  lowest(from: number, limit: number): number {
    const whole = from <= this.hint;
    for (let fd = Math.max(from, this.hint); fd < limit; fd++) {
      if (this.slots[fd] !== undefined) continue;
      if (whole) this.hint = fd;
      return fd;
    }
    return -1;
  }
  /** Puts the file at exactly `fd`, closing what was there; takes a reference. */
  set(fd: number, file: File, cloexec: boolean, t: Task | null): void {
    file.retain();
    const old = this.slots[fd];
    this.slots[fd] = { file, cloexec };
    if (!old) this.count++;
    if (old) this.let(old.file, t);
  }
  close(fd: number, t: Task | null): number {
    const d = this.slots[fd];
    if (!d) return -EBADF;
    this.slots[fd] = undefined;
    this.count--;
    if (fd < this.hint) this.hint = fd;
    return this.let(d.file, t);
  }
  /** One descriptor less: POSIX locks of this process on the file go, whichever descriptor made them (fcntl(2)). */
  private let(file: File, t: Task | null): number {
    if (file.inode?.locks) releasePosixLocks(file, this);
    const r = file.flush(t);
    file.drop();
    return r;
  }
  /** A copy for a new process (dup_fd); null when there is no memory for it. */
  clone(kmem: KernelMemory): FdTable | null {
    const out = new FdTable();
    if (!out.reserve(kmem, this.count)) return null;
    return this.copyTo(out);
  }
  /** Whether `clone` would succeed. */
  copyable(kmem: KernelMemory): boolean {
    return kmem.used + (this.count + FD_BLOCK) * FD_COST <= kmem.max;
  }
  /** The copy exec needs when it is too late to fail; it is paid for with its next descriptor. */
  cloneUnpaid(): FdTable {
    return this.copyTo(new FdTable());
  }
  private copyTo(out: FdTable): FdTable {
    out.count = this.count;
    this.slots.forEach((d, fd) => {
      if (!d) return;
      d.file.retain();
      out.slots[fd] = { file: d.file, cloexec: d.cloexec };
    });
    return out;
  }
  closeOnExec(t: Task | null): void {
    this.slots.forEach((d, fd) => {
      if (d?.cloexec) this.close(fd, t);
    });
  }
  closeAll(t: Task | null): void {
    this.slots.forEach((_d, fd) => this.close(fd, t));
    this.slots = [];
    this.hint = 0;
    this.account?.uncharge(this.paid * FD_COST);
    this.account = null;
    this.paid = 0;
  }
  /** Open numbers, ascending. */
  list(): number[] {
    const out: number[] = [];
    this.slots.forEach((d, fd) => {
      if (d) out.push(fd);
    });
    return out;
  }
}

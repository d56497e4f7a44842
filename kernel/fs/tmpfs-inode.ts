/**
 * Files and folders of a tmpfs. Contents are guest RAM frames (file-pages.ts); names, modes, times and attributes live
 * here and count against the same quota.
 */
import {
  EEXIST,
  EINVAL,
  EISDIR,
  ENODATA,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  ENXIO,
  EBUSY,
  EPERM,
} from '../abi/errno.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import { frameReserve } from '../mm/memory.ts';
import type { MemObject, ObjectMapper } from '../mm/mem-object.ts';
import { PAGE_SIZE } from '../ports.ts';
import type { Task } from '../task/task.ts';
import type { Park } from '../wait.ts';
import type { Path } from './dentry.ts';
import { FilePages } from './file-pages.ts';
import type { File } from './file.ts';
import {
  Inode,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type DirEntry,
} from './inode.ts';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, MAX_FILE_SIZE, sizeAllowed } from './regular-file.ts';
import { openSpecial } from './special.ts';
import {
  F_SEAL_EXEC,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  TmpfsFile,
} from './tmpfs-file.ts';
import type { Tmpfs } from './tmpfs.ts';

/** Room one name and its inode take from the quota, so that a guest making empty files without end is stopped too. */
export const INODE_COST = 1024;
/** Longest symlink target that takes no room of its own (SHORT_SYMLINK_LEN). */
const SHORT_TARGET = 128;
/** Largest extended attributes one inode may hold together. */
const MAX_XATTR = 65536;

export class TmpfsInode extends Inode implements MemObject {
  override readonly fs: Tmpfs;
  readonly ino: number;
  mode: number;
  readonly id: number;
  readonly mappers = new Set<ObjectMapper>();
  readonly shmem = true;
  /** Directories: their names, in the order they were made. */
  names: Map<string, TmpfsInode> | null = null;
  /** Directories: where ".." leads. */
  parent: TmpfsInode | null = null;
  /** Regular files: the contents. */
  readonly pages: FilePages | null = null;
  /** F_SEAL_*: ordinary files are sealed against sealing. */
  seals = F_SEAL_SEAL;
  /** O_TMPFILE without O_EXCL: linkat may give it a name although it has none. */
  linkable = false;
  protected length = 0;
  private target = '';
  private xattrs: Map<string, Uint8Array> | null = null;
  /** Open files and mappings; with no link left, the last of them frees the contents. */
  private holders = 0;
  private gone = false;
  /** Bytes of the quota it has beyond INODE_COST and its contents: further names, a long target, attributes. */
  owed = 0;

  constructor(fs: Tmpfs, ino: number, mode: number, uid: number, gid: number) {
    super();
    this.fs = fs;
    this.ino = ino;
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.id = fs.deps.newObjectId();
    this.atime = this.mtime = this.ctime = fs.deps.now();
    this.btime = this.ctime;
    if ((mode & S_IFMT) === S_IFREG) this.pages = new FilePages(fs.deps.ram, fs.deps.quota);
    else if ((mode & S_IFMT) === S_IFDIR) this.names = new Map<string, TmpfsInode>();
  }

  /** Directories count 20 bytes a name, "." and ".." included (BOGO_DIRENT_SIZE). */
  get size(): number {
    return this.names !== null ? 20 * (this.names.size + 2) : this.length;
  }
  override get blocks(): number {
    return this.pages !== null ? this.pages.count * (PAGE_SIZE / 512) : 0;
  }

  open(t: Task | null, flags: number, at: Path): File | number | Park {
    if (this.pages !== null) return new TmpfsFile(flags, this);
    if (t === null) return -ENXIO;
    return openSpecial(this, t, flags, at);
  }

  /** Takes bytes from the quota, or gives some back. False: it is used up. */
  private charge(bytes: number): boolean {
    const { quota } = this.fs.deps;
    if (bytes > 0 && quota.used + bytes > quota.max) return false;
    quota.used += bytes;
    this.owed += bytes;
    return true;
  }

  // Names.

  override lookup(name: string): Inode | number {
    if (this.names === null) return -ENOTDIR;
    return this.names.get(name) ?? -ENOENT;
  }

  override entries(): DirEntry[] | number {
    if (this.names === null) return -ENOTDIR;
    const out: DirEntry[] = [
      { name: '.', ino: this.ino, type: S_IFDIR },
      { name: '..', ino: this.parent!.ino, type: S_IFDIR },
    ];
    // Newest first, as tmpfs lists them (dcache_readdir walks d_subdirs).
    const names = [...this.names];
    for (let i = names.length - 1; i >= 0; i--) {
      const [name, inode] = names[i];
      out.push({ name, ino: inode.ino, type: inode.mode & S_IFMT });
    }
    return out;
  }

  /** A new inode named here, owned by the caller; a setgid directory hands its group on (inode_init_owner). */
  private make(name: string, mode: number, t: Task | null): TmpfsInode | number {
    if (this.names === null) return -ENOTDIR;
    if (this.names.has(name)) return -EEXIST;
    let gid = t?.creds.fsgid ?? 0;
    if (this.mode & 0o2000) {
      gid = this.gid;
      if ((mode & S_IFMT) === S_IFDIR) mode |= 0o2000;
    }
    const inode = this.fs.newInode(mode, t?.creds.fsuid ?? 0, gid);
    if (inode === null) return -ENOSPC;
    this.names.set(name, inode);
    this.touchDir();
    return inode;
  }

  override mknod(name: string, mode: number, rdev: number, t: Task | null): Inode | number {
    const inode = this.make(name, mode, t);
    if (typeof inode !== 'number') inode.rdev = rdev;
    return inode;
  }

  override mkdir(name: string, mode: number, t: Task | null): Inode | number {
    const inode = this.make(name, S_IFDIR | mode, t);
    if (typeof inode === 'number') return inode;
    inode.parent = this;
    inode.nlink = 2;
    this.nlink++;
    return inode;
  }

  override symlink(name: string, target: string, t: Task | null): Inode | number {
    const { quota } = this.fs.deps;
    const long = target.length > SHORT_TARGET ? target.length : 0;
    if (quota.used + INODE_COST + long > quota.max) return -ENOSPC;
    const inode = this.make(name, S_IFLNK | 0o777, t);
    if (typeof inode === 'number') return inode;
    inode.charge(long);
    inode.target = target;
    inode.length = target.length;
    return inode;
  }

  override link(name: string, target: Inode): number {
    if (this.names === null) return -ENOTDIR;
    if (this.names.has(name)) return -EEXIST;
    const inode = target as TmpfsInode;
    // The first name came with the inode (shmem_link counts each further one as an inode).
    if (inode.nlink > 0 && !inode.charge(INODE_COST)) return -ENOSPC;
    this.names.set(name, inode);
    inode.nlink++;
    inode.ctime = this.now();
    this.touchDir();
    return 0;
  }

  override unlink(name: string): number {
    const inode = this.names?.get(name);
    if (inode === undefined) return -ENOENT;
    if (inode.names !== null) return -EISDIR;
    this.names!.delete(name);
    this.touchDir();
    inode.dropLink();
    return 0;
  }

  override rmdir(name: string): number {
    const inode = this.names?.get(name);
    if (inode === undefined) return -ENOENT;
    if (inode.names === null) return -ENOTDIR;
    if (inode.names.size > 0) return -ENOTEMPTY;
    this.names!.delete(name);
    this.nlink--;
    this.touchDir();
    inode.nlink--; // its own "."
    inode.dropLink();
    return 0;
  }

  override rename(name: string, toDir: Inode, toName: string, flags: number): number {
    const to = toDir as TmpfsInode;
    const inode = this.names?.get(name);
    if (inode === undefined || to.names === null) return -ENOENT;
    const old = to.names.get(toName);
    if (flags & RENAME_EXCHANGE) {
      if (old === undefined) return -ENOENT;
      this.names!.set(name, old);
      to.names.set(toName, inode);
      if (this !== to) {
        moveParent(inode, this, to);
        moveParent(old, to, this);
      }
      old.ctime = this.now();
    } else {
      if (old !== undefined) {
        if (flags & RENAME_NOREPLACE) return -EEXIST;
        if (old === inode) return 0;
        if (old.names !== null && old.names.size > 0) return -ENOTEMPTY;
        to.names.delete(toName);
        if (old.names !== null) {
          to.nlink--;
          old.nlink--;
        }
        old.dropLink();
      }
      this.names!.delete(name);
      to.names.set(toName, inode);
      if (this !== to) moveParent(inode, this, to);
    }
    inode.ctime = this.now();
    this.touchDir();
    if (to !== this) to.touchDir();
    return 0;
  }

  /** linkat(2) of an O_TMPFILE file gives it its first name; everything else loses one here. */
  private dropLink(): void {
    this.nlink--;
    if (this.names === null && this.nlink > 0) this.charge(-INODE_COST);
    this.ctime = this.now();
    this.reap();
  }

  /** An open file or a mapping holds the contents. */
  hold(): void {
    this.holders++;
  }
  unhold(): void {
    this.holders--;
    this.reap();
  }
  private reap(): void {
    if (this.nlink > 0 || this.holders > 0 || this.gone) return;
    this.gone = true;
    this.pages?.free(0, Infinity);
    this.fs.freed(this);
  }

  override readlink(): string | number {
    return (this.mode & S_IFMT) === S_IFLNK ? this.target : -EINVAL;
  }

  // Attributes.

  private now(): bigint {
    return this.fs.deps.now();
  }
  private touchDir(): void {
    this.mtime = this.ctime = this.now();
  }
  override chmod(mode: number): number {
    if (this.seals & F_SEAL_EXEC && (this.mode ^ mode) & 0o111) return -EPERM;
    this.mode = (this.mode & S_IFMT) | (mode & 0o7777);
    this.ctime = this.now();
    return 0;
  }
  override chown(uid: number, gid: number): number {
    if (uid !== -1) this.uid = uid;
    if (gid !== -1) this.gid = gid;
    this.ctime = this.now();
    return 0;
  }
  override utimes(atime: bigint | null, mtime: bigint | null): number {
    if (atime !== null) this.atime = atime;
    if (mtime !== null) this.mtime = mtime;
    this.ctime = this.now();
    return 0;
  }

  override getxattr(name: string): Uint8Array | number {
    return this.xattrs?.get(name) ?? -ENODATA;
  }
  /** `flags`: XATTR_CREATE 1, XATTR_REPLACE 2. */
  override setxattr(name: string, value: Uint8Array, flags: number): number {
    const have = this.xattrs?.has(name) ?? false;
    if (flags & 1 && have) return -EEXIST;
    if (flags & 2 && !have) return -ENODATA;
    const all = (this.xattrs ??= new Map<string, Uint8Array>());
    let bytes = name.length + value.length;
    for (const [k, v] of all) if (k !== name) bytes += k.length + v.length;
    if (bytes > MAX_XATTR) return -ENOSPC;
    const before = have ? name.length + all.get(name)!.length : 0;
    if (!this.charge(name.length + value.length - before)) return -ENOSPC;
    all.set(name, value);
    this.ctime = this.now();
    return 0;
  }
  override listxattr(): string[] | number {
    return this.xattrs === null ? [] : [...this.xattrs.keys()];
  }
  override removexattr(name: string): number {
    const value = this.xattrs?.get(name);
    if (value === undefined) return -ENODATA;
    this.xattrs!.delete(name);
    this.charge(-(name.length + value.length));
    this.ctime = this.now();
    return 0;
  }

  // Contents.

  override truncate(length: number): number {
    if (this.pages === null) return this.names !== null ? -EISDIR : -EINVAL;
    if (length < this.length && this.seals & F_SEAL_SHRINK) return -EPERM;
    if (length > this.length && this.seals & F_SEAL_GROW) return -EPERM;
    if (length < this.length) {
      const keep = Math.ceil(length / PAGE_SIZE);
      this.pages.zero(length, Math.min(keep * PAGE_SIZE, this.length));
      this.dropPages(keep, Infinity);
    }
    this.clearTail(length);
    this.length = length;
    this.touch();
    return 0;
  }

  /** The file grows to `to`: what mappings wrote past its end in the last page was never part of it. */
  private clearTail(to: number): void {
    const { length } = this;
    if (to > length && length % PAGE_SIZE !== 0) {
      this.pages!.zero(length, Math.min(to, Math.ceil(length / PAGE_SIZE) * PAGE_SIZE));
    }
  }

  private dropPages(start: number, end: number): void {
    for (const m of this.mappers) m.dropped(this, start, end);
    this.pages!.free(start, end);
  }

  /** Contents or size changed. */
  touch(): void {
    const now = this.fs.deps.now();
    this.mtime = now;
    this.ctime = now;
  }

  read(buf: IoBuf, offset: number): number {
    const n = Math.min(buf.length, this.length - offset);
    if (n <= 0) return 0;
    this.pages!.read(buf, offset, n);
    return n;
  }

  write(buf: IoBuf, offset: number, length: number): number {
    if (this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_GROW)) {
      if (this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) return -EPERM;
      if (offset + length > this.length) {
        // Page by page: one that would end beyond is not written at all (shmem_write_begin).
        const whole = Math.floor(this.length / PAGE_SIZE) * PAGE_SIZE;
        if (offset >= whole) return -EPERM;
        length = whole - offset;
      }
    }
    this.clearTail(offset);
    const n = this.pages!.write(buf, offset, length);
    if (n <= 0) return n;
    if (offset + n > this.length) this.length = offset + n;
    this.touch();
    if (this.mappers.size > 0) {
      const start = Math.floor(offset / PAGE_SIZE);
      const end = Math.ceil((offset + n) / PAGE_SIZE);
      for (const m of this.mappers) m.changed?.(this, start, end);
    }
    return n;
  }

  /** fallocate(2): KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE (shmem has no ZERO_RANGE; refused by the caller there). */
  fallocate(mode: number, offset: number, length: number, t: Task): number {
    const end = offset + length;
    const pages = this.pages!;
    if (mode & FALLOC_FL_PUNCH_HOLE) {
      if (this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) return -EPERM;
      const first = Math.ceil(offset / PAGE_SIZE);
      const last = Math.floor(end / PAGE_SIZE);
      if (first > last) pages.zero(offset, end);
      else {
        pages.zero(offset, first * PAGE_SIZE);
        pages.zero(last * PAGE_SIZE, end);
        if (last > first) this.dropPages(first, last);
      }
      this.touch();
      return 0;
    }
    if (end > MAX_FILE_SIZE) return -ENOSPC;
    const err = sizeAllowed(t, this.length, end);
    if (err < 0) return err;
    if (this.seals & F_SEAL_GROW && end > this.length) return -EPERM;
    // All or nothing, before anything is taken: a hostile length costs no time.
    const first = Math.floor(offset / PAGE_SIZE);
    const last = Math.ceil(end / PAGE_SIZE);
    const { quota } = this.fs.deps;
    if ((last - first - pages.count) * PAGE_SIZE > quota.max - quota.used) return -ENOSPC;
    const fresh: number[] = [];
    for (let i = first; i < last; i++) {
      if (pages.get(i) >= 0) continue;
      const frame = pages.ensure(i);
      if (frame < 0) {
        for (const f of fresh) pages.free(f, f + 1);
        return -ENOSPC;
      }
      fresh.push(i);
    }
    if (!(mode & FALLOC_FL_KEEP_SIZE) && end > this.length) {
      this.clearTail(end);
      this.length = end;
    }
    this.touch();
    return 0;
  }

  seek(offset: number, data: boolean): number {
    const end = Math.ceil(this.length / PAGE_SIZE);
    const index = Math.floor(offset / PAGE_SIZE);
    const at = this.pages!.seek(index, end, data);
    return at === index ? offset : at * PAGE_SIZE;
  }

  // MemObject: what mappings see.

  frame(index: number): number {
    if (this.pages === null || index * PAGE_SIZE >= this.length) return -1;
    const have = this.pages.get(index);
    if (have >= 0) return have;
    const { ram, quota } = this.fs.deps;
    const frame = this.pages.ensure(index);
    if (frame >= 0) return frame;
    return quota.max - quota.used < PAGE_SIZE || ram.total - ram.used > frameReserve(ram) ? -1 : -2;
  }
  peek(index: number): number {
    return this.pages === null || index * PAGE_SIZE >= this.length ? -1 : this.pages.get(index);
  }
  /** madvise MADV_REMOVE. */
  punch(start: number, end: number): number {
    if (this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) return -EPERM;
    this.dropPages(start, end);
    this.touch();
    return 0;
  }
  retain(): void {
    this.hold();
  }
  release(): void {
    this.unhold();
  }
  sync(): number {
    return 0;
  }
  /** The name it was last mapped by. */
  mappedAt: Path | null = null;
  get name(): string {
    return this.mappedAt === null ? '' : this.mappedAt.name;
  }
  get dev(): number {
    return this.fs.dev;
  }

  /** F_ADD_SEALS. Writable shared mappings forbid F_SEAL_WRITE (`writableMaps`). */
  addSeals(seals: number): number {
    if (seals & ~63) return -EINVAL;
    if (this.seals & F_SEAL_SEAL) return -EPERM;
    // What may be executed must not change afterwards either.
    if (seals & F_SEAL_EXEC && this.mode & 0o111)
      seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
    if (seals & F_SEAL_WRITE && !(this.seals & F_SEAL_WRITE))
      for (const m of this.mappers) if (m.mayWrite?.(this)) return -EBUSY;
    this.seals |= seals;
    return 0;
  }
}

function moveParent(inode: TmpfsInode, from: TmpfsInode, to: TmpfsInode): void {
  if (inode.names === null) return;
  inode.parent = to;
  from.nlink--;
  to.nlink++;
}

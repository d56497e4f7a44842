/**
 * One file of an overlay (overlay.ts), whichever layer holds it. It is a tmpfs inode that may have a lower one under
 * it: names, owner, mode and times are its own from the start, so what Linux calls copy-up is only ever the contents
 * of a regular file, and the file stays the same inode through it: descriptors, locks and watches notice nothing.
 */
import { ENOSPC, ENOTEMPTY } from '../abi/errno.ts';
import { IoBuf } from '../mm/iobuf.ts';
import type { MemObject } from '../mm/mem-object.ts';
import { PAGE_SIZE } from '../ports.ts';
import type { Task } from '../task/task.ts';
import type { Park } from '../wait.ts';
import type { Path } from './dentry.ts';
import { O_ACCMODE, O_RDONLY, type File } from './file.ts';
import type { HostFile } from './host-file.ts';
import type { HostInode } from './host-fs.ts';
import { type DirEntry, type Inode, RENAME_EXCHANGE, S_IFLNK, S_IFMT } from './inode.ts';
import type { OverlayFs } from './overlay.ts';
import { TmpfsFile } from './tmpfs-file.ts';
import { INODE_COST, TmpfsInode } from './tmpfs-inode.ts';

/** Bytes copied up at once. */
const CHUNK = 256 * PAGE_SIZE;

export class OverlayInode extends TmpfsInode {
  declare readonly fs: OverlayFs;
  /**
   * The host's file behind it; null when there is none, as with everything the guest made. A directory the guest made
   * where a lower one was removed has none either: Linux's "opaque".
   */
  lower: HostInode | null = null;
  /** It differs from `lower`: it is held by the file system (`OverlayFs.changed`) and its room is counted. */
  changed = false;
  /** Regular files: the contents are still the lower file's. */
  below = false;
  /** Directories: names that are in `lower` and not here any more (whiteouts). `names` has those that are only here. */
  private hidden: Set<string> | null = null;

  /** Puts it over a file of the lower layer. */
  cover(lower: HostInode): void {
    this.lower = lower;
    this.mode = lower.mode;
    this.uid = lower.uid;
    this.gid = lower.gid;
    this.nlink = lower.nlink;
    this.rdev = lower.rdev;
    this.atime = lower.atime;
    this.mtime = lower.mtime;
    this.ctime = lower.ctime;
    this.btime = lower.btime;
    this.below = this.pages !== null;
  }

  override get size(): number {
    const { lower } = this;
    if (lower === null || (this.pages !== null && !this.below)) return super.size;
    return lower.size;
  }
  override get blocks(): number {
    return this.lower === null || (this.pages !== null && !this.below) ? super.blocks : this.lower.blocks;
  }

  /**
   * Before the first change: from now on it takes room, and is kept. 0 or -ENOSPC. `force`: removing a name must not
   * fail for want of room.
   */
  private own(force = false): number {
    const { lower } = this;
    if (lower === null || this.changed) return 0;
    const { quota } = this.fs.deps;
    // tmpfs counts each name of a file.
    const further = this.names === null ? INODE_COST * Math.max(this.nlink - 1, 0) : 0;
    if (!force && quota.used + INODE_COST + further > quota.max) return -ENOSPC;
    quota.used += INODE_COST + further;
    this.owed += further;
    this.changed = true;
    this.fs.keep(this, lower);
    return 0;
  }

  // Names.

  override lookup(name: string): OverlayInode | number {
    const mine = super.lookup(name);
    if (typeof mine !== 'number') return mine as OverlayInode;
    if (this.lower === null || this.names === null || this.hidden?.has(name)) return mine;
    const found = this.lower.lookup(name);
    return typeof found === 'number' ? found : this.fs.over(found as HostInode, this);
  }

  override entries(): DirEntry[] | number {
    const out = super.entries();
    if (typeof out === 'number' || this.lower === null) return out;
    const below = this.lower.entries();
    if (typeof below === 'number') return below;
    for (const e of below) {
      if (e.name === '.' || e.name === '..' || this.hidden?.has(e.name) || this.names!.has(e.name)) continue;
      out.push(e);
    }
    return out;
  }

  private get empty(): boolean {
    const list = this.entries();
    return typeof list !== 'number' && list.length === 2;
  }

  /** Takes a lower name into `names`, so that it can be moved or removed there. */
  private pull(name: string): void {
    if (this.lower === null || this.names === null || this.names.has(name)) return;
    const inode = this.lookup(name);
    if (typeof inode === 'number') return;
    this.own(true);
    inode.own(true);
    this.names.set(name, inode);
    this.hide(name);
  }

  /** The lower layer's name counts no more, whatever happens to the one in `names`. */
  private hide(name: string): void {
    (this.hidden ??= new Set<string>()).add(name);
  }

  override mknod(name: string, mode: number, rdev: number, t: Task | null): Inode | number {
    const err = this.own();
    return err < 0 ? err : super.mknod(name, mode, rdev, t);
  }
  override mkdir(name: string, mode: number, t: Task | null): Inode | number {
    const err = this.own();
    return err < 0 ? err : super.mkdir(name, mode, t);
  }
  override symlink(name: string, target: string, t: Task | null): Inode | number {
    const err = this.own();
    return err < 0 ? err : super.symlink(name, target, t);
  }
  override link(name: string, target: Inode): number {
    const err = this.own() || (target as OverlayInode).own();
    return err < 0 ? err : super.link(name, target);
  }
  override unlink(name: string): number {
    this.pull(name);
    return super.unlink(name);
  }
  override rmdir(name: string): number {
    const victim = this.lookup(name);
    if (typeof victim === 'number') return victim;
    if (victim.names !== null) {
      if (!victim.empty) return -ENOTEMPTY;
      victim.nlink = 2; // some hosts count a directory's links otherwise
    }
    this.pull(name);
    return super.rmdir(name);
  }
  override rename(name: string, toDir: Inode, toName: string, flags: number): number {
    const to = toDir as OverlayInode;
    const old = to.lookup(toName);
    const replaced = !(flags & RENAME_EXCHANGE) && typeof old !== 'number' && old.names !== null;
    if (replaced && !old.empty) return -ENOTEMPTY;
    const err = this.own() || to.own();
    if (err < 0) return err;
    if (replaced) old.nlink = 2;
    this.pull(name);
    to.pull(toName);
    return super.rename(name, toDir, toName, flags);
  }

  override readlink(): string | number {
    return this.lower !== null && (this.mode & S_IFMT) === S_IFLNK ? this.lower.readlink() : super.readlink();
  }

  // Attributes.

  override chmod(mode: number): number {
    return this.own() || super.chmod(mode);
  }
  override chown(uid: number, gid: number): number {
    return this.own() || super.chown(uid, gid);
  }
  override utimes(atime: bigint | null, mtime: bigint | null): number {
    return this.own() || super.utimes(atime, mtime);
  }
  override setxattr(name: string, value: Uint8Array, flags: number): number {
    return this.own() || super.setxattr(name, value, flags);
  }

  // Contents.

  override open(t: Task | null, flags: number, at: Path): File | number | Park {
    if (this.pages === null) return super.open(t, flags, at);
    if (!this.below) return new OverlayFile(flags, this, null);
    if ((flags & O_ACCMODE) !== O_RDONLY) {
      const err = this.copyUp(this.lower!.size);
      return err < 0 ? err : new OverlayFile(flags, this, null);
    }
    const file = this.lower!.open(t, O_RDONLY, null);
    return typeof file === 'number' ? file : new OverlayFile(flags, this, file);
  }

  override truncate(length: number): number {
    if (this.below) {
      const err = this.copyUp(Math.min(length, this.lower!.size));
      if (err < 0) return err;
    }
    return super.truncate(length);
  }

  /** The first `length` bytes of the lower file become its own contents. 0, -ENOSPC, or why they cannot be read. */
  private copyUp(length: number): number {
    const err = this.own();
    if (err < 0) return err;
    if (length > 0) {
      const from = this.lower!.open(null, O_RDONLY, null);
      if (typeof from === 'number') return from;
      const done = this.copyFrom(from, length);
      from.release();
      if (done < 0) {
        this.pages!.free(0, Infinity);
        return done;
      }
    }
    this.length = length;
    this.below = false;
    return 0;
  }

  private copyFrom(from: HostFile, length: number): number {
    const { quota } = this.fs.deps;
    // A file that cannot fit is refused before it is read; its holes are not known.
    if (this.lower!.blocks * 512 > quota.max - quota.used && length > quota.max - quota.used) return -ENOSPC;
    const bytes = new Uint8Array(Math.min(CHUNK, Math.ceil(length / PAGE_SIZE) * PAGE_SIZE));
    for (let at = 0; at < length;) {
      const chunk = bytes.subarray(0, Math.min(bytes.length, length - at));
      const n = from.pread(IoBuf.of(chunk), at);
      if (n < 0) return n;
      if (n === 0) return 0; // shorter than it was: zeros
      const r = this.store(chunk.subarray(0, n), at);
      if (r < 0) return r;
      at += n;
    }
    return 0;
  }

  /** Stores what is not all zero: holes stay holes. */
  private store(bytes: Uint8Array, offset: number): number {
    let start = 0; // of what is to be written
    let at = 0;
    const flush = (end: number): number => {
      for (let pos = start; pos < end;) {
        const n = this.pages!.write(IoBuf.of(bytes.subarray(pos, end)), offset + pos, end - pos);
        if (n <= 0) return n || -ENOSPC;
        pos += n;
      }
      return 0;
    };
    while (at < bytes.length) {
      const end = Math.min(at + PAGE_SIZE - ((offset + at) % PAGE_SIZE), bytes.length);
      let zero = true;
      for (let i = at; i < end && zero; i++) zero = bytes[i] === 0;
      if (zero) {
        const err = flush(at);
        if (err < 0) return err;
        start = end;
      }
      at = end;
    }
    return flush(bytes.length);
  }
}

/** An open regular file of an overlay. */
export class OverlayFile extends TmpfsFile {
  declare readonly inode: OverlayInode;
  /** The lower file, held for as long as this is open: mappings made through it may still be of its pages. */
  private readonly from: HostFile | null;

  constructor(flags: number, inode: OverlayInode, from: HostFile | null) {
    super(flags, inode);
    this.from = from;
  }

  protected override readAt(buf: IoBuf, offset: number): number {
    if (!this.inode.below || this.from === null) return super.readAt(buf, offset);
    const n = this.inode.lower!.readCached(this, buf, offset);
    return n >= 0 ? n : this.from.pread(buf, offset);
  }
  protected override seekData(offset: number, data: boolean): number {
    if (this.inode.below) return data ? offset : this.inode.size;
    return super.seekData(offset, data);
  }
  /** As on Linux, a mapping made before the copy-up goes on showing the lower file. */
  override mmap(t: Task, prot: number, flags: number): MemObject | number {
    return this.inode.below ? this.inode.lower!.pages(this) : super.mmap(t, prot, flags);
  }
  override release(): void {
    this.from?.release();
    super.release();
  }
}

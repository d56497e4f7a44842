/**
 * A folder of the host mounted in the guest (`-v host:guest[:ro]`). The VFS walks names and symlinks itself; here each
 * inode is a name in a held directory, asked anew at each look-up, since the host may change anything at any time.
 */
import {
  EACCES,
  EEXIST,
  EINVAL,
  EIO,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EPERM,
  EROFS,
} from '../abi/errno.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import { IdlePages } from '../mm/idle-pages.ts';
import type { Memory } from '../mm/memory.ts';
import { PageCacheObject, type Backing } from '../mm/objects.ts';
import type { Task } from '../task/task.ts';
import type { Path } from './dentry.ts';
import { O_ACCMODE, O_RDONLY } from './file.ts';
import type { HostDir, HostFs, HostHandle, HostStat } from './host-port.ts';
import {
  Inode,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type DirEntry,
  type FileSystem,
  type FsStat,
} from './inode.ts';
import { HostFile } from './host-file.ts';

/** Shown by statfs; the host's own type says nothing to a guest. V9FS_MAGIC, as for folders shared with a VM. */
const HOSTFS_MAGIC = 0x01021997;
/** Inodes remembered, and directories held open on the host. */
const MAX_INODES = 16384;
const MAX_DIRS = 128;
/** Files of a stable folder that stay open on the host when the guest has closed them. */
const MAX_IDLE_FILES = 64;
/** Files of a stable folder up to this size are read by way of their pages, which stay. */
const MAX_CACHED_FILE = 65536;

export interface HostFsOptions {
  readonly dev: number;
  readonly memory: Memory;
  readonly readOnly?: boolean;
  /**
   * Nobody changes the folder: pages of its files stay in memory when nothing maps them (while there is room), and files
   * just closed stay open on the host.
   */
  readonly stable?: boolean;
  readonly type?: string;
}

export class HostFileSystem implements FileSystem {
  readonly type: string;
  readonly dev: number;
  readonly magic = HOSTFS_MAGIC;
  readonly readOnly: boolean;
  readonly host: HostFs;
  readonly memory: Memory;
  readonly idle: IdlePages | null;
  readonly stable: boolean;
  readonly root: HostInode;
  /** By device and inode number of the host, least recently looked up first. */
  private readonly inodes = new Map<string, HostInode>();
  /** Directories held open, least recently used first. */
  private readonly dirs = new Set<HostInode>();
  /** Files nobody has open but the host, least recently closed first. */
  private readonly idleFiles = new Set<HostInode>();

  constructor(host: HostFs, options: HostFsOptions) {
    this.host = host;
    this.type = options.type ?? '9p';
    this.dev = options.dev;
    this.memory = options.memory;
    this.readOnly = options.readOnly ?? false;
    this.stable = options.stable ?? false;
    this.idle = this.stable ? new IdlePages(options.memory) : null;
    const st = host.stat(host.root, '');
    const stat = typeof st === 'number' ? GONE : st;
    this.root = new HostInode(this, null, '', stat);
    this.inodes.set(key(stat), this.root);
  }

  /** The inode of a name just looked up: the same object for the same object of the host. */
  inode(parent: HostInode, name: string, st: HostStat): HostInode {
    const k = key(st);
    let inode = this.inodes.get(k);
    if (inode !== undefined && (inode.mode & S_IFMT) === (st.mode & S_IFMT)) {
      this.inodes.delete(k);
      if (inode !== this.root) inode.found(parent, name);
      inode.update(st);
    } else inode = new HostInode(this, parent, name, st);
    this.inodes.set(k, inode);
    if (this.inodes.size > MAX_INODES) {
      for (const [old, i] of this.inodes) {
        if (i === this.root || i.held) continue;
        this.inodes.delete(old);
        break;
      }
    }
    return inode;
  }

  /** A directory was used: the one unused longest is let go when there are too many. */
  usedDir(inode: HostInode): void {
    this.dirs.delete(inode);
    this.dirs.add(inode);
    if (this.dirs.size <= MAX_DIRS) return;
    for (const old of this.dirs) {
      this.dirs.delete(old);
      old.letGo();
      return;
    }
  }
  forgetDir(inode: HostInode): void {
    this.dirs.delete(inode);
  }

  /** Of a stable folder: the guest has closed the file. */
  unusedFile(inode: HostInode): void {
    this.idleFiles.add(inode);
    if (this.idleFiles.size <= MAX_IDLE_FILES) return;
    for (const old of this.idleFiles) {
      this.idleFiles.delete(old);
      old.letFileGo();
      return;
    }
  }
  usedFile(inode: HostInode): void {
    this.idleFiles.delete(inode);
  }

  statfs(): FsStat {
    const s = this.host.statfs();
    return typeof s === 'number' ? { bsize: 4096, blocks: 0, bfree: 0, files: 0, ffree: 0 } : s;
  }
}

const key = (st: HostStat): string => `${st.dev}:${st.ino}`;
const GONE: HostStat = {
  dev: 0, ino: 0, mode: S_IFDIR, nlink: 0, uid: 0, gid: 0, rdev: 0, size: 0, blocks: 0, atime: 0n, mtime: 0n, ctime: 0n,
  btime: 0n,
}; // prettier-ignore

export class HostInode extends Inode implements Backing {
  override readonly fs: HostFileSystem;
  readonly ino: number;
  /** What the host knows the object by: its device and inode number. */
  readonly key: string;
  mode: number;
  private parent: HostInode | null;
  private name: string;
  private bytes = 0;
  private sectors = 0;
  /** The directory held open; -1: not now. */
  private dir: HostDir = -1;
  /** Open files on it: the newest serves size, truncate and the page cache. */
  private readonly handles = new Map<HostHandle, boolean>();
  /** Of a stable folder: the one handle its readers share, and how many they are. */
  private shared: HostHandle = -1;
  private readers = 0;
  private cache: PageCacheObject | null = null;
  /** The host could not read it when its pages were filled. */
  private unreadable = false;

  constructor(fs: HostFileSystem, parent: HostInode | null, name: string, st: HostStat) {
    super();
    this.fs = fs;
    this.parent = parent;
    this.name = name;
    this.ino = st.ino;
    this.key = key(st);
    this.mode = st.mode;
    if (parent === null) this.dir = fs.host.root;
    this.update(st);
  }

  /** It was found under this name. */
  found(parent: HostInode, name: string): void {
    if (this.dir >= 0 && (this.parent !== parent || this.name !== name)) this.letGo();
    this.parent = parent;
    this.name = name;
  }

  update(st: HostStat): void {
    this.mode = st.mode;
    this.nlink = st.nlink;
    this.uid = st.uid;
    this.gid = st.gid;
    this.rdev = st.rdev;
    this.bytes = st.size;
    this.sectors = st.blocks;
    this.atime = st.atime;
    this.mtime = st.mtime;
    this.ctime = st.ctime;
    this.btime = st.btime;
  }

  /** What the host says now, for stat and after a change. */
  override refresh(): void {
    const h = this.anyHandle();
    const { host } = this.fs;
    const st =
      h >= 0
        ? host.fstat(h)
        : this.dir >= 0
          ? host.stat(this.dir, '')
          : this.at((dir, name) => host.stat(dir, name));
    // By its name another object may be found by now.
    if (typeof st !== 'number' && key(st) === this.key) this.update(st);
  }

  /** The host may have given its name to another directory and this one a new name: only the host knows. */
  override dead(_dropped: boolean): boolean {
    const dir = this.holdDir();
    if (dir === -ENOENT || dir === -ENOTDIR || dir === -ELOOP) return true;
    this.refresh();
    return this.nlink === 0;
  }

  /** The cache may not forget it: it is open, mapped or a held directory. */
  get held(): boolean {
    return this.handles.size > 0 || this.dir >= 0;
  }

  /** Calls with the directory that holds this name; the root is '' in itself. */
  private at<T>(fn: (dir: HostDir, name: string) => T | number): T | number {
    if (this.parent === null) return fn(this.fs.host.root, '');
    const dir = this.parent.holdDir();
    return dir < 0 ? dir : fn(dir, this.name);
  }

  /** This directory, held open. */
  holdDir(): HostDir {
    if (this.parent === null) return this.fs.host.root;
    if (this.dir < 0) {
      const up = this.parent.holdDir();
      if (up < 0) return up;
      const dir = this.fs.host.openDir(up, this.name);
      if (dir < 0) return dir;
      const st = this.fs.host.stat(dir, '');
      if (typeof st === 'number' || st.ino !== this.ino) {
        // Another directory took the name: whoever still holds this one holds nothing.
        this.fs.host.closeDir(dir);
        return -ENOENT;
      }
      this.dir = dir;
    }
    this.fs.usedDir(this);
    return this.dir;
  }

  letGo(): void {
    if (this.parent === null || this.dir < 0) return;
    this.fs.forgetDir(this);
    this.fs.host.closeDir(this.dir);
    this.dir = -1;
  }

  private anyHandle(): HostHandle {
    for (const h of this.handles.keys()) return h;
    return -1;
  }
  private writableHandle(): HostHandle {
    for (const [h, writable] of this.handles) if (writable) return h;
    return -1;
  }

  get size(): number {
    const h = this.fs.stable ? -1 : this.anyHandle();
    if (h >= 0) {
      const st = this.fs.host.fstat(h);
      if (typeof st !== 'number') this.bytes = st.size;
    }
    return this.bytes;
  }
  override get blocks(): number {
    return this.sectors;
  }

  // Directories.

  override lookup(name: string): Inode | number {
    const dir = this.holdDir();
    if (dir < 0) return dir;
    const st = this.fs.host.stat(dir, name);
    return typeof st === 'number' ? st : this.fs.inode(this, name, st);
  }

  override listable(): boolean {
    const dir = this.holdDir();
    return dir !== -EACCES && (dir < 0 || this.fs.host.listable?.(dir) !== false);
  }

  override entries(): DirEntry[] | number {
    const dir = this.holdDir();
    if (dir < 0) return dir;
    const list = this.fs.host.list(dir);
    if (typeof list === 'number') return list;
    const out: DirEntry[] = [
      { name: '.', ino: this.ino, type: S_IFDIR },
      { name: '..', ino: this.parent?.ino ?? this.ino, type: S_IFDIR },
    ];
    for (const e of list) {
      // The host's listing has no inode numbers: one stat each, and what is gone meanwhile is left out.
      const st = this.fs.host.stat(dir, e.name);
      if (typeof st !== 'number') out.push({ name: e.name, ino: st.ino, type: st.mode & S_IFMT });
    }
    return out;
  }

  /** Runs a change in this directory and looks the new name up. */
  private make(name: string, t: Task | null, fn: (dir: HostDir) => number): Inode | number {
    if (this.fs.readOnly) return -EROFS;
    const dir = this.holdDir();
    if (dir < 0) return dir;
    const r = fn(dir);
    if (r < 0) return r;
    const inode = this.lookup(name);
    if (inode instanceof HostInode) inode.adopt(t);
    return inode;
  }

  /** New files belong to the guest's user where the host lets us say so (it does when ring3 runs as root). */
  private adopt(t: Task | null): void {
    if (t === null || (t.creds.fsuid === this.uid && t.creds.fsgid === this.gid)) return;
    this.at((dir, name) => this.fs.host.chown(dir, name, t.creds.fsuid, t.creds.fsgid));
    this.refresh();
  }

  override mknod(name: string, mode: number, _rdev: number, t: Task | null): Inode | number {
    if ((mode & S_IFMT) !== S_IFREG) return this.fs.readOnly ? -EROFS : -EPERM;
    return this.make(name, t, (dir) => {
      const h = this.fs.host.open(dir, name, { write: true, create: mode & 0o7777 });
      if (h < 0) return h;
      this.fs.host.close(h);
      return this.fs.host.chmod(dir, name, mode & 0o7777); // the host's umask does not count
    });
  }
  override mkdir(name: string, mode: number, t: Task | null): Inode | number {
    return this.make(name, t, (dir) => {
      const r = this.fs.host.mkdir(dir, name, mode & 0o7777);
      return r < 0 ? r : this.fs.host.chmod(dir, name, mode & 0o7777);
    });
  }
  override symlink(name: string, target: string, t: Task | null): Inode | number {
    return this.make(name, t, (dir) => this.fs.host.symlink(dir, name, target));
  }

  /** A change to one name in this directory. */
  private changed(fn: (dir: HostDir) => number): number {
    if (this.fs.readOnly) return -EROFS;
    const dir = this.holdDir();
    return dir < 0 ? dir : fn(dir);
  }

  override link(name: string, target: Inode): number {
    const from = target as HostInode;
    const r = this.changed((dir) => {
      const done = from.at((fromDir, fromName) => this.fs.host.link(fromDir, fromName, dir, name));
      return done;
    });
    if (r === 0) from.refresh();
    return r;
  }
  override unlink(name: string): number {
    const victim = this.lookup(name);
    const r = this.changed((dir) => this.fs.host.unlink(dir, name));
    if (r === 0 && victim instanceof HostInode) victim.nlink = Math.max(victim.nlink - 1, 0);
    return r;
  }
  override rmdir(name: string): number {
    const victim = this.lookup(name);
    const r = this.changed((dir) => this.fs.host.rmdir(dir, name));
    if (r === 0 && victim instanceof HostInode) {
      victim.nlink = 0;
      victim.letGo();
    }
    return r;
  }
  override rename(name: string, toDir: Inode, toName: string, flags: number): number {
    if (flags & RENAME_EXCHANGE) return -EINVAL;
    const to = toDir as HostInode;
    const inode = this.lookup(name);
    if (typeof inode === 'number') return inode;
    return this.changed((dir) => {
      const dest = to.holdDir();
      if (dest < 0) return dest;
      if (flags & RENAME_NOREPLACE && typeof this.fs.host.stat(dest, toName) !== 'number') return -EEXIST;
      const r = this.fs.host.rename(dir, name, dest, toName);
      if (r === 0 && inode instanceof HostInode) inode.found(to, toName);
      return r;
    });
  }

  override readlink(): string | number {
    if ((this.mode & S_IFMT) !== S_IFLNK) return -EINVAL;
    return this.at((dir, name) => this.fs.host.readlink(dir, name));
  }

  // Attributes.

  private attribute(fn: (dir: HostDir, name: string) => number): number {
    if (this.fs.readOnly) return -EROFS;
    const r = this.at(fn);
    if (r === 0) this.refresh();
    return r;
  }
  override chmod(mode: number): number {
    return this.attribute((dir, name) => this.fs.host.chmod(dir, name, mode & 0o7777));
  }
  override chown(uid: number, gid: number): number {
    return this.attribute((dir, name) => this.fs.host.chown(dir, name, uid, gid));
  }
  override utimes(atime: bigint | null, mtime: bigint | null): number {
    return this.attribute((dir, name) =>
      this.fs.host.utimes(dir, name, atime ?? this.atime, mtime ?? this.mtime),
    );
  }

  // Contents.

  open(_t: Task | null, flags: number, _at: Path | null): HostFile | number {
    const type = this.mode & S_IFMT;
    if (type === S_IFDIR) return -EISDIR;
    // FIFOs, sockets and devices of the host are not the guest's.
    if (type !== S_IFREG) return -ENXIO;
    const write = (flags & O_ACCMODE) !== O_RDONLY;
    if (write && this.fs.readOnly) return -EROFS;
    const share = this.fs.stable && !write;
    if (share && this.shared >= 0) {
      if (this.readers++ === 0) this.fs.usedFile(this);
      return new HostFile(flags, this, this.shared);
    }
    const h = this.at((dir, name) => this.fs.host.open(dir, name, { write }));
    if (h < 0) return h;
    const st = this.fs.host.fstat(h);
    if (typeof st === 'number' || st.ino !== this.ino) {
      this.fs.host.close(h);
      return typeof st === 'number' ? st : -ENOENT; // the name means another file by now
    }
    this.handles.set(h, write);
    if (share) {
      this.shared = h;
      this.readers = 1;
      this.update(st);
    }
    return new HostFile(flags, this, h);
  }

  closed(h: HostHandle): void {
    if (h !== this.shared) this.close(h);
    else if (--this.readers === 0) this.fs.unusedFile(this);
  }
  letFileGo(): void {
    const h = this.shared;
    this.shared = -1;
    this.close(h);
  }
  private close(h: HostHandle): void {
    this.handles.delete(h);
    this.fs.host.close(h);
  }

  override truncate(length: number): number {
    if ((this.mode & S_IFMT) === S_IFDIR) return -EISDIR;
    if (this.fs.readOnly) return -EROFS;
    let h = this.writableHandle();
    const own = h < 0;
    if (own) {
      h = this.at((dir, name) => this.fs.host.open(dir, name, { write: true }));
      if (h < 0) return h;
    }
    const r = this.fs.host.truncate(h, length);
    if (own) this.fs.host.close(h);
    if (r === 0) {
      this.bytes = length;
      this.cache?.truncated(length);
    }
    return r;
  }

  /** Backing: the page cache fills from here. A file that cannot be read any more reads as zeros. */
  read(offset: number, into: Uint8Array): void {
    const h = this.anyHandle();
    if (h < 0) return;
    let done = 0;
    while (done < into.length) {
      const n = this.fs.host.read(h, into.subarray(done), offset + done);
      if (n < 0) this.unreadable = true;
      if (n <= 0) return;
      done += n;
    }
  }
  write(offset: number, bytes: Uint8Array): number {
    const h = this.writableHandle();
    if (h < 0) return -EIO;
    for (let at = 0; at < bytes.length;) {
      const n = this.fs.host.write(h, bytes.subarray(at), offset + at);
      if (n <= 0) return n || -EIO;
      at += n;
    }
    return 0;
  }
  /** Where the file has holes, the host must have room for what is written into them: it is asked at the first write. */
  reserve(offset: number, bytes: Uint8Array): boolean {
    const h = this.writableHandle();
    const st = h < 0 ? h : this.fs.host.fstat(h);
    if (typeof st === 'number' || st.blocks * 512 >= st.size) return true;
    return this.write(offset, bytes) === 0;
  }

  /** The pages mappings share; made when first needed, by way of `file`, whose name they get. */
  pages(file: { readonly name: string }): PageCacheObject {
    return (this.cache ??= new PageCacheObject(this.fs.memory, this, {
      name: file.name,
      dev: this.fs.dev,
      ino: this.ino,
      idle: this.fs.idle,
    }));
  }
  get mapped(): PageCacheObject | null {
    return this.cache;
  }

  /** Reads by way of the pages, where that is worth it. −1: ask the host. */
  readCached(file: { readonly name: string }, buf: IoBuf, offset: number): number {
    if (!this.fs.stable || this.bytes > MAX_CACHED_FILE) return -1;
    const pages = this.pages(file);
    pages.retain();
    let done = 0;
    for (const chunk of buf.chunks) {
      const n = pages.read(offset + done, chunk);
      if (n < 0) {
        done = done > 0 ? done : -1;
        break;
      }
      done += n;
      if (n < chunk.length) break;
    }
    if (this.unreadable) {
      // Zeros are for mappings; a read says why.
      this.unreadable = false;
      pages.forget();
      done = -1;
    }
    pages.release();
    return done;
  }
}

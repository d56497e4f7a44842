/** The virtual file system: the mount table, and what a name stands for. Opening is in open.ts, changing names in names.ts. */
import { EBADF, EBUSY, EINVAL, ELOOP, ENOENT, ENOTDIR } from '../abi/errno.ts';
import type { Clock, Limits, Ram } from '../ports.ts';
import type { Task } from '../task/task.ts';
import { Dentry, MNT_RELATIME, Mount, Path } from './dentry.ts';
import { S_IFDIR, S_IFMT, type FileSystem, type Inode } from './inode.ts';
import type { FileQuota } from './file-pages.ts';
import type { HostFileSystem } from './host-fs.ts';
import { OverlayFs } from './overlay.ts';
import { Tmpfs, type TmpfsDeps } from './tmpfs.ts';
import { RESOLVE_BENEATH, RESOLVE_IN_ROOT, Walk } from './walk.ts';

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EACCESS = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;

/** Options of `lookup`. */
export const LOOKUP_FOLLOW = 1;
/** Only a directory will do. */
export const LOOKUP_DIRECTORY = 2;
/** An empty name means `dirfd` itself. */
export const LOOKUP_EMPTY = 4;

/** A process's view of the tree (fs_struct); shared by CLONE_FS. Owner: tasks, counted in `users`. */
export class FsContext {
  root: Path;
  cwd: Path;
  umask: number;
  users = 1;

  constructor(root: Path, cwd: Path = root, umask = 0o022) {
    this.root = root;
    this.cwd = cwd;
    this.umask = umask;
  }

  clone(): FsContext {
    return new FsContext(this.root, this.cwd, this.umask);
  }
}

/** CONFIG_HZ=250. */
const TICK = 4_000_000;

/** What the file systems need of the machine. */
export interface VfsDeps {
  readonly ram: Ram;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Asks caches to give memory back; whether they did. */
  readonly shrink?: () => boolean;
}

/** Makes a file system for mount(2): `source` and `data` as given. */
export type FsFactory = (t: Task, source: string, data: string) => FileSystem | number;

export class Vfs {
  /** /proc/sys/fs/lease-break-time, in seconds. */
  leaseBreakTime = 45;
  /** Stands around what the machine's owner reads of files, when the machine is recorded or replayed: no guest asked for it. */
  aside: ((path: string, read: () => Uint8Array) => Uint8Array) | null = null;
  /** What mount(2) can mount besides tmpfs and bind mounts, by type. */
  readonly fsTypes = new Map<string, FsFactory>();
  private readonly tmpfsDeps: TmpfsDeps;
  /** The root of everything. */
  readonly root: Path;
  /** Every mount with a place in the tree, oldest first. */
  readonly mounts: Mount[] = [];
  private nextMountId = 20;
  private nextMinor = 2;
  private nextObjectId = -1;

  private readonly clock: Clock;
  /** The present at the last tick, and the monotonic time of that tick. */
  private tick = -Infinity;
  private tickTime = 0n;

  /** The root is a tmpfs unless `makeRoot` gives another file system. */
  constructor(deps: VfsDeps, makeRoot?: (vfs: Vfs) => FileSystem, source?: string) {
    this.clock = deps.clock;
    this.tmpfsDeps = {
      ram: deps.ram,
      quota: { used: 0, max: deps.limits.maxFileBytes, shrink: deps.shrink },
      now: () => this.now(),
      newObjectId: () => this.nextObjectId--,
    };
    const rootFs = makeRoot?.(this) ?? this.newTmpfs(0o755);
    source ??= rootFs.type;
    const root = new Mount(
      this.nextMountId++,
      rootFs,
      new Dentry('', null, rootFs.root),
      null,
      MNT_RELATIME,
      source,
    );
    this.mounts.push(root);
    this.root = new Path(root, root.root);
  }

  /** Realtime nanoseconds at tick resolution, as Linux stamps files (ktime_get_coarse_real_ts64). */
  now(): bigint {
    const mono = this.clock.monotonic();
    if (mono - this.tick >= TICK || mono < this.tick) {
      this.tick = mono;
      this.tickTime = BigInt(Math.floor(mono)) + this.clock.realtimeOffset;
    }
    return this.tickTime;
  }

  /** A new, empty tmpfs; all of them share the machine's file quota. */
  newTmpfs(mode = 0o1777, type = 'tmpfs'): Tmpfs {
    return new Tmpfs(this.tmpfsDeps, this.newDev(), { mode, type });
  }

  /** Changes over `lower` that stay in memory; they count against the same quota. `steady`: see OverlayFs. */
  newOverlay(lower: HostFileSystem, steady = false): OverlayFs {
    return new OverlayFs(this.tmpfsDeps, this.newDev(), lower, steady);
  }

  /** st_dev for a file system without a device: makedev(0, minor). */
  newDev(): number {
    const minor = this.nextMinor++;
    return (minor & 0xff) + (minor >>> 8) * 0x100000;
  }

  /** Identities for the MemObjects of files: negative, so that they never meet those of anonymous memory. */
  newObjectId(): number {
    return this.nextObjectId--;
  }

  /** Bytes all in-memory files hold, and may hold. */
  get quota(): FileQuota {
    return this.tmpfsDeps.quota;
  }

  /** A place for an object that has no name in the tree: what a magic link to a pipe jumps to. */
  anonPath(inode: Inode, name: string): Path {
    const d = new Dentry(name, null, inode);
    return new Path(new Mount(0, inode.fs, d, null, 0, 'none'), d);
  }

  /** Where a name's resolution starts: `dirfd` only matters for relative names. */
  startOf(t: Task | null, dirfd: number, path: string): Path | number {
    if (t === null) return this.root;
    if (path.charCodeAt(0) === 47) return t.fs.root;
    if (dirfd === AT_FDCWD) return t.fs.cwd;
    const file = t.fds.get(dirfd);
    if (!file) return -EBADF;
    const at = file.path;
    if (at === null) return -ENOTDIR;
    return at;
  }

  /** Begins a resolution; the empty name is the caller's business. */
  walk(t: Task | null, dirfd: number, path: string, resolve = 0): Walk | number {
    if (path === '') return -ENOENT;
    // With RESOLVE_BENEATH and RESOLVE_IN_ROOT an absolute name starts at `dirfd` too.
    const scoped = resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT);
    const start = this.startOf(t, dirfd, scoped ? '.' : path);
    if (typeof start === 'number') return start;
    return new Walk(t, t === null ? this.root : t.fs.root, start, path, resolve);
  }

  /** What `path` stands for, or -errno. `flags`: LOOKUP_*. */
  lookup(t: Task | null, dirfd: number, path: string, flags = LOOKUP_FOLLOW, resolve = 0): Path | number {
    if (path === '' && flags & LOOKUP_EMPTY) {
      if (dirfd === AT_FDCWD || t === null) return t === null ? this.root : t.fs.cwd;
      const file = t.fds.get(dirfd);
      if (!file) return -EBADF;
      if (file.path !== null) return file.path;
      return file.inode === null ? -ENOENT : this.anonPath(file.inode, file.name);
    }
    const w = this.walk(t, dirfd, path, resolve);
    if (typeof w === 'number') return w;
    let err = w.toParent();
    if (err === 0) err = w.last((flags & LOOKUP_FOLLOW) !== 0);
    if (err < 0) return err;
    if ((w.slash || flags & LOOKUP_DIRECTORY) && (w.dentry.inode.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
    return w.here;
  }

  /** The same from the root of everything, following symlinks: for the kernel's own use. */
  find(path: string): Path | number {
    return this.lookup(null, AT_FDCWD, path);
  }

  /** Mounts `fs` on the directory (or, for a file system whose root is a file, the file) at `where`. */
  mount(
    where: string | Path,
    fs: FileSystem,
    options: { flags?: number; source?: string; root?: Dentry } = {},
  ): Mount | number {
    const at = typeof where === 'string' ? this.find(where) : where;
    if (typeof at === 'number') return at;
    const root = options.root ?? new Dentry('', null, fs.root);
    const isDir = (root.inode.mode & S_IFMT) === S_IFDIR;
    if (isDir !== ((at.inode.mode & S_IFMT) === S_IFDIR)) return -ENOTDIR;
    const m = new Mount(
      this.nextMountId++,
      fs,
      root,
      at,
      options.flags ?? MNT_RELATIME,
      options.source ?? fs.type,
    );
    (at.dentry.mounts ??= []).push(m);
    this.mounts.push(m);
    return m;
  }

  /** Hangs an existing mount elsewhere (MS_MOVE). */
  moveMount(m: Mount, at: Path): number {
    for (let p: Path | null = at; p !== null; p = p.mnt.at) if (p.mnt === m) return -ELOOP;
    detach(m);
    m.at = at;
    (at.dentry.mounts ??= []).push(m);
    return 0;
  }

  /** pivot_root(2), its conditions checked: `fresh` goes where `old` was, `old` to `put`. */
  pivot(old: Mount, fresh: Mount, put: Path): void {
    const { at } = old;
    detach(fresh);
    fresh.at = at;
    if (at !== null) {
      detach(old);
      (at.dentry.mounts ??= []).push(fresh);
    }
    old.at = put;
    (put.dentry.mounts ??= []).push(old);
  }

  /** Takes a mount away. Open files keep it alive; `lazy` (MNT_DETACH) takes what is mounted below along. */
  umount(m: Mount, lazy = false): number {
    if (m.at === null) return -EINVAL;
    const below = this.mounts.filter((c) => c.at !== null && c.at.mnt === m);
    if (below.length > 0 && !lazy) return -EBUSY;
    for (const c of below) this.umount(c, true);
    detach(m);
    this.mounts.splice(this.mounts.indexOf(m), 1);
    m.at = null;
    return 0;
  }

  /** Whether something is mounted on this name in whichever mount: it can be neither removed nor renamed. */
  isMountPoint(d: Dentry): boolean {
    return d.mounts !== null;
  }
}

/** Uncovers what a mount covers. */
function detach(m: Mount): void {
  const d = m.at!.dentry;
  const list = d.mounts!;
  list.splice(list.indexOf(m), 1);
  if (list.length === 0) d.mounts = null;
}

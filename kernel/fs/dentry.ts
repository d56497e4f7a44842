/**
 * Names in the tree: dentries, mounts, and a place in the tree (struct path). A dentry keeps its place when it is
 * renamed, so a working directory or an open file knows its present name, as in Linux.
 */
import { S_IFDIR, type FileSystem, type Inode } from './inode.ts';

/** One name of one inode. `parent` of a file system's root dentry is itself. */
export class Dentry {
  name: string;
  parent: Dentry;
  readonly inode: Inode;
  /** Names looked up in this directory. Authoritative only where the file system says so (`FileSystem.dcache`). */
  children: Map<string, Dentry> | null = null;
  /** Unlinked, removed, or replaced by rename. */
  deleted = false;
  /** Mounts whose mount point this is, in whichever parent mount. */
  mounts: Mount[] | null = null;

  constructor(name: string, parent: Dentry | null, inode: Inode) {
    this.name = name;
    this.parent = parent ?? this;
    this.inode = inode;
  }

  /** IS_DEADDIR, for a directory. */
  get dead(): boolean {
    return this.inode.dead(this.deleted);
  }

  get isRoot(): boolean {
    return this.parent === this;
  }

  /** The child of that name if known, without asking the file system. */
  child(name: string): Dentry | undefined {
    return this.children?.get(name);
  }

  /** Records a name the file system has just answered or made. */
  add(name: string, inode: Inode): Dentry {
    const d = new Dentry(name, this, inode);
    const children = (this.children ??= new Map<string, Dentry>());
    const { fs } = inode;
    if (!fs.dcache) {
      if (children.size >= MAX_UNCACHED) this.prune();
    } else if (fs.prunes && children.size % MAX_UNCACHED === MAX_UNCACHED - 1) this.prune();
    children.set(name, d);
    return d;
  }

  /** A file in this directory that has no name (O_TMPFILE): shown as "name (deleted)". */
  unnamed(name: string, inode: Inode): Dentry {
    const d = new Dentry(name, this, inode);
    d.deleted = true;
    return d;
  }

  /** The name is gone. */
  drop(): void {
    if (this.parent.children?.get(this.name) === this) this.parent.children.delete(this.name);
    this.deleted = true;
  }

  /** rename(2): takes the new name; whoever had it is dropped. */
  move(dir: Dentry, name: string): void {
    if (this.parent.children?.get(this.name) === this) this.parent.children.delete(this.name);
    dir.child(name)?.drop();
    this.parent = dir;
    this.name = name;
    (dir.children ??= new Map<string, Dentry>()).set(name, this);
  }

  /** RENAME_EXCHANGE. */
  exchange(other: Dentry): void {
    const { parent, name } = other;
    other.parent = this.parent;
    other.name = this.name;
    this.parent = parent;
    this.name = name;
    this.parent.children?.set(this.name, this);
    other.parent.children?.set(other.name, other);
  }

  /** Whether `dir` is this dentry or above it, within one file system. */
  within(dir: Dentry): boolean {
    if (this === dir) return true;
    for (let d = this.parent; ; d = d.parent) {
      if (d === dir) return true;
      if (d.isRoot) return false;
    }
  }

  /** Forgets names that nothing hangs on. */
  private prune(): void {
    for (const [name, d] of this.children!) {
      if (d.mounts !== null || (d.children !== null && d.children.size > 0)) continue;
      // An authoritative name must stay one object while somebody may stand on it.
      if (d.inode.fs.dcache && (d.inode.type === S_IFDIR || d.inode.opens > 0)) continue;
      this.children!.delete(name);
    }
  }
}

/** Names kept for one directory of a file system whose names change by themselves (proc, host). */
const MAX_UNCACHED = 1024;

export const MNT_READONLY = 1;
export const MNT_NOSUID = 2;
export const MNT_NODEV = 4;
export const MNT_NOEXEC = 8;
export const MNT_NOATIME = 1024;
export const MNT_NODIRATIME = 2048;
export const MNT_RELATIME = 1 << 21;

/** A file system (or part of one: a bind mount) at a place in the tree. */
export class Mount {
  /** mount id, as in /proc/self/mountinfo and statx. */
  readonly id: number;
  readonly fs: FileSystem;
  readonly root: Dentry;
  /** What it covers; null for the root of everything and for mounts nobody can reach by name (pipes, sockets). */
  at: Path | null;
  /** MNT_*: the MS_* values of mount(2). */
  flags: number;
  /** First field of /proc/mounts. */
  readonly source: string;

  constructor(id: number, fs: FileSystem, root: Dentry, at: Path | null, flags: number, source: string) {
    this.id = id;
    this.fs = fs;
    this.root = root;
    this.at = at;
    this.flags = flags;
    this.source = source;
  }

  get readOnly(): boolean {
    return (this.flags & MNT_READONLY) !== 0 || this.fs.readOnly === true;
  }
}

/** A place in the tree. Immutable. */
export class Path {
  readonly mnt: Mount;
  readonly dentry: Dentry;

  constructor(mnt: Mount, dentry: Dentry) {
    this.mnt = mnt;
    this.dentry = dentry;
  }

  get inode(): Inode {
    return this.dentry.inode;
  }

  same(other: Path): boolean {
    return this.dentry === other.dentry && this.mnt === other.mnt;
  }

  /** Absolute name as seen from the top of everything; " (deleted)" is added as /proc shows it. */
  get name(): string {
    const p = pathName(this, null);
    return this.dentry.deleted ? `${p} (deleted)` : p;
  }
}

/** The name of `path` below `root` (null: the real root), starting with "/"; "(unreachable)…" when it is not below. */
export function pathName(path: Path, root: Path | null): string {
  let out = '';
  let mnt = path.mnt;
  let d = path.dentry;
  for (;;) {
    if (root !== null && d === root.dentry && mnt === root.mnt) return out || '/';
    if (d === mnt.root) {
      if (mnt.at === null) break;
      d = mnt.at.dentry;
      mnt = mnt.at.mnt;
      continue;
    }
    if (d.isRoot) break; // below a bind mount's root: not reachable by name
    out = `/${d.name}${out}`;
    d = d.parent;
  }
  if (mnt.at === null && d === mnt.root && d.name !== '') return d.name; // "pipe:[7]", "/memfd:x"
  return root === null ? out || '/' : `(unreachable)${out || '/'}`;
}

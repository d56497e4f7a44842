/**
 * Path resolution, after path_resolution(7) and Linux's fs/namei.c: one `Walk` is one name being looked up. Errors are
 * found in Linux's order: search permission of each directory before the name, ELOOP at the 41st symlink.
 */
import { EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import { Path, type Dentry, type Mount } from './dentry.ts';
import { S_IFDIR, S_IFLNK, S_IFMT } from './inode.ts';

// openat2(2) `resolve`.
export const RESOLVE_NO_XDEV = 1;
export const RESOLVE_NO_MAGICLINKS = 2;
export const RESOLVE_NO_SYMLINKS = 4;
export const RESOLVE_BENEATH = 8;
export const RESOLVE_IN_ROOT = 16;
export const RESOLVE_CACHED = 32;
const SCOPED = RESOLVE_BENEATH | RESOLVE_IN_ROOT;

/** Symlinks followed in one resolution (MAXSYMLINKS). */
const MAX_LINKS = 40;
export const NAME_MAX = 255;
export const PATH_MAX = 4096;

/** What the last component is. 'root': the name was all slashes. */
export type LastKind = 'name' | 'dot' | 'dotdot' | 'root';

export class Walk {
  readonly t: Task | null;
  readonly root: Path;
  readonly resolve: number;
  /** Where the walk stands: the parent of `name` after `toParent`, the object itself after a successful `last`. */
  mnt: Mount;
  dentry: Dentry;
  /** Last component, once `toParent` is through. Symlinks followed by `last` replace it. */
  name = '';
  kind: LastKind = 'root';
  /** The last component was followed by a slash. */
  slash = false;
  /** After `last` gave -ENOENT: the parent exists and only `name` does not. */
  missing = false;
  /** `last` ended by jumping through a magic link: the object has no parent here. */
  jumped = false;
  /** Parent of the object, after `last`. */
  parentMnt: Mount;
  parentDentry: Dentry;
  private links = 0;
  private readonly path: string;

  constructor(t: Task | null, root: Path, start: Path, path: string, resolve: number) {
    this.t = t;
    this.resolve = resolve;
    this.root = resolve & SCOPED ? start : root;
    this.path = path;
    const at = path.charCodeAt(0) === SLASH ? this.root : start;
    this.mnt = this.parentMnt = at.mnt;
    this.dentry = this.parentDentry = at.dentry;
  }

  /** Where it stands. */
  get here(): Path {
    return new Path(this.mnt, this.dentry);
  }
  get parent(): Path {
    return new Path(this.parentMnt, this.parentDentry);
  }

  /** Walks to the directory that holds the last component. */
  toParent(): number {
    if (this.path.charCodeAt(0) === SLASH && this.resolve & RESOLVE_BENEATH) return -EXDEV;
    return this.run(this.path);
  }

  /**
   * Looks the last component up. `follow`: a symlink there is followed (a trailing slash always does). 0, or -errno;
   * with -ENOENT see `missing`.
   */
  last(follow: boolean): number {
    for (;;) {
      this.missing = false;
      this.parentMnt = this.mnt;
      this.parentDentry = this.dentry;
      if (this.kind !== 'name') {
        const err = this.kind === 'dotdot' ? this.up() : 0;
        this.dentry.inode.refresh(); // no file system was asked for it by name
        return err;
      }
      const slash = this.slash;
      const r = this.component(this.name, follow || slash, true);
      if (typeof r === 'number') {
        if (this.dentry.isRoot) this.dentry.inode.refresh();
        return r;
      }
      const err = this.run(slash ? `${r}/` : r);
      if (err < 0) return err;
    }
  }

  /** Follows all components of `rest` but the last. */
  private run(rest: string): number {
    let i = 0;
    for (;;) {
      while (rest.charCodeAt(i) === SLASH) i++;
      if (i >= rest.length) {
        this.kind = 'root';
        this.name = '';
        this.slash = false;
        return 0;
      }
      const dir = this.dentry.inode;
      if ((dir.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
      if (this.t !== null) {
        const err = dir.access(this.t, 1);
        if (err < 0) return err;
      }
      const slashAt = rest.indexOf('/', i);
      const end = slashAt < 0 ? rest.length : slashAt;
      const name = i === 0 && end === rest.length ? rest : rest.slice(i, end);
      let next = end;
      while (rest.charCodeAt(next) === SLASH) next++;
      const kind = name === '.' ? 'dot' : name === '..' ? 'dotdot' : 'name';
      if (next >= rest.length) {
        this.name = name;
        this.kind = kind;
        this.slash = next > end;
        return 0;
      }
      i = next;
      if (kind === 'dot') continue;
      if (kind === 'dotdot') {
        const err = this.up();
        if (err < 0) return err;
        continue;
      }
      const r = this.component(name, true, false);
      if (typeof r === 'string') {
        rest = r + rest.slice(end);
        i = 0;
      } else if (r < 0) return r;
    }
  }

  /** Steps into `name`. A symlink to follow gives its target (absolute ones put the walk at the root first). */
  private component(name: string, follow: boolean, last: boolean): string | number {
    const found = lookupChild(this.dentry, name, this.t);
    if (typeof found === 'number') {
      this.missing = last && found === -ENOENT;
      return found;
    }
    const inode = found.inode;
    if (follow && (inode.mode & S_IFMT) === S_IFLNK) {
      if (++this.links > MAX_LINKS || this.resolve & RESOLVE_NO_SYMLINKS) return -ELOOP;
      const jump = inode.magicLink(this.t);
      if (typeof jump === 'number') return jump;
      if (jump !== null) {
        if (this.resolve & RESOLVE_NO_MAGICLINKS) return -ELOOP;
        if (this.resolve & RESOLVE_NO_XDEV && jump.mnt !== this.mnt) return -EXDEV;
        if (this.resolve & SCOPED) return -EXDEV;
        this.mnt = jump.mnt;
        this.dentry = jump.dentry;
        this.jumped = last;
        return 0;
      }
      const target = inode.readlink(this.t);
      if (typeof target === 'number') return target;
      if (target === '') return -ENOENT;
      if (target.charCodeAt(0) === SLASH) {
        if (this.resolve & RESOLVE_BENEATH) return -EXDEV;
        if (this.resolve & RESOLVE_NO_XDEV && this.root.mnt !== this.mnt) return -EXDEV;
        this.mnt = this.root.mnt;
        this.dentry = this.root.dentry;
      }
      return target;
    }
    this.dentry = found;
    return found.mounts === null ? 0 : this.cross();
  }

  /** "..": stays at the root, steps out of mounts. */
  private up(): number {
    for (;;) {
      if (this.dentry === this.root.dentry && this.mnt === this.root.mnt) {
        return this.resolve & RESOLVE_BENEATH ? -EXDEV : 0;
      }
      if (this.dentry !== this.mnt.root) {
        this.dentry = this.dentry.parent;
        return this.dentry.mounts === null ? 0 : this.cross();
      }
      const at: Path | null = this.mnt.at;
      if (at === null) return 0;
      if (this.resolve & RESOLVE_NO_XDEV) return -EXDEV;
      this.mnt = at.mnt;
      this.dentry = at.dentry;
    }
  }

  /** Onto whatever is mounted here. */
  private cross(): number {
    for (let m = mountAt(this.mnt, this.dentry); m !== null; m = mountAt(this.mnt, this.dentry)) {
      if (this.resolve & RESOLVE_NO_XDEV) return -EXDEV;
      this.mnt = m;
      this.dentry = m.root;
    }
    return 0;
  }
}

const SLASH = 47;

/** The mount whose mount point is this place, the newest when several are stacked. */
export function mountAt(mnt: Mount, dentry: Dentry): Mount | null {
  const all = dentry.mounts;
  if (all === null) return null;
  for (let i = all.length - 1; i >= 0; i--) if (all[i].at!.mnt === mnt) return all[i];
  return null;
}

/** One name in one directory, through the dentries where the file system allows it. */
export function lookupChild(dir: Dentry, name: string, t: Task | null): Dentry | number {
  const known = dir.children?.get(name);
  if (known !== undefined && (dir.inode.fs.dcache === true || known.mounts !== null)) return known;
  if (name.length > NAME_MAX) return -ENAMETOOLONG;
  if (dir.deleted && dir.inode.fs.dcache === true) return -ENOENT;
  const inode = dir.inode.lookup(name, t);
  if (typeof inode === 'number') {
    known?.drop();
    return inode;
  }
  if (known !== undefined) {
    if (known.inode === inode) return known;
    known.drop();
  }
  return dir.add(name, inode);
}

/** EACCES for a search the caller may not make; used where a handle is used without a walk. */
export function maySearch(t: Task | null, dir: Dentry): number {
  if ((dir.inode.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
  return t !== null && dir.inode.access(t, 1) < 0 ? -EACCES : 0;
}

/**
 * Making, removing and moving names: mkdir, mknod, symlink, link, unlink, rmdir, rename (fs/namei.c). The order in
 * which errors are found is Linux's; a name's symlink at the end is never followed here.
 */
import {
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  EXDEV,
} from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import type { Dentry, Path } from './dentry.ts';
import {
  CAP_DAC_READ_SEARCH,
  CAP_FOWNER,
  CAP_MKNOD,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  capable,
  type Inode,
} from './inode.ts';
import { IN_ATTRIB, IN_CREATE, IN_DELETE, IN_ISDIR } from './notify.ts';
import { TmpfsInode } from './tmpfs-inode.ts';
import { AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, LOOKUP_EMPTY, LOOKUP_FOLLOW, type Vfs } from './vfs.ts';
import { lookupChild, type Walk } from './walk.ts';

const isDir = (inode: Inode): boolean => (inode.mode & S_IFMT) === S_IFDIR;

/** Finds the parent of a name to be made; the name must not exist (filename_create). */
function newName(vfs: Vfs, t: Task | null, dirfd: number, path: string, wantDir: boolean): Walk | number {
  const w = vfs.walk(t, dirfd, path);
  if (typeof w === 'number') return w;
  const err = w.toParent();
  if (err < 0) return err;
  if (w.kind !== 'name') return -EEXIST;
  const found = lookupChild(w.dentry, w.name, t);
  if (typeof found !== 'number') return -EEXIST;
  if (found !== -ENOENT) return found;
  if (w.slash && !wantDir) return -ENOENT;
  return w.mnt.readOnly ? -EROFS : w;
}

/** may_create: the directory still exists and the caller may write to it. */
function mayCreate(t: Task | null, dir: Dentry): number {
  if (dir.dead) return -ENOENT;
  return t === null ? 0 : dir.inode.access(t, 3);
}

/** may_delete: permission, the sticky bit, and that the victim is (or is not) a directory. */
function mayDelete(t: Task | null, dir: Dentry, victim: Dentry, wantDir: boolean): number {
  const inode = victim.inode;
  if (t !== null) {
    const err = dir.inode.access(t, 3);
    if (err < 0) return err;
    const c = t.creds;
    if (
      dir.inode.mode & 0o1000 &&
      c.fsuid !== inode.uid &&
      c.fsuid !== dir.inode.uid &&
      !capable(c, CAP_FOWNER)
    ) {
      return -EPERM;
    }
  }
  if (wantDir) {
    if (!isDir(inode)) return -ENOTDIR;
    if (victim.isRoot) return -EBUSY;
  } else if (isDir(inode)) return -EISDIR;
  return dir.dead ? -ENOENT : 0;
}

function created(t: Task | null, dir: Dentry, name: string, inode: Inode): Inode {
  dir.add(name, inode);
  if (t?.kernel.notify.active) {
    t.kernel.notify.entry(isDir(inode) ? IN_CREATE | IN_ISDIR : IN_CREATE, dir.inode, name, inode);
  }
  return inode;
}

/** mkdir(2). The new directory, or -errno. */
export function mkdirAt(vfs: Vfs, t: Task | null, dirfd: number, path: string, mode: number): Inode | number {
  const w = newName(vfs, t, dirfd, path, true);
  if (typeof w === 'number') return w;
  const err = mayCreate(t, w.dentry);
  if (err < 0) return err;
  // Only the permission bits and the sticky bit of `mode` count (vfs_mkdir).
  const made = w.dentry.inode.mkdir(w.name, mode & 0o1777 & ~(t?.fs.umask ?? 0), t);
  return typeof made === 'number' ? made : created(t, w.dentry, w.name, made);
}

/** mknod(2), and bind(2) of AF_UNIX names (S_IFSOCK). `rdev` as stat shows it. The new inode, or -errno. */
export function mknodAt(
  vfs: Vfs,
  t: Task | null,
  dirfd: number,
  path: string,
  mode: number,
  rdev: number,
): Inode | number {
  const type = mode & S_IFMT || S_IFREG;
  if (type === S_IFDIR) return -EPERM;
  if (![S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK].includes(type)) return -EINVAL;
  const w = newName(vfs, t, dirfd, path, false);
  if (typeof w === 'number') return w;
  const err = mayCreate(t, w.dentry);
  if (err < 0) return err;
  const device = type === S_IFCHR || type === S_IFBLK;
  const whiteout = type === S_IFCHR && rdev === 0;
  if (device && !whiteout && t !== null && !capable(t.creds, CAP_MKNOD)) return -EPERM;
  const bits = mode & 0o7777 & ~(t?.fs.umask ?? 0);
  const made = w.dentry.inode.mknod(w.name, type | bits, device ? rdev : 0, t);
  return typeof made === 'number' ? made : created(t, w.dentry, w.name, made);
}

/** symlink(2). */
export function symlinkAt(vfs: Vfs, t: Task | null, target: string, dirfd: number, path: string): number {
  if (target === '') return -ENOENT;
  const w = newName(vfs, t, dirfd, path, false);
  if (typeof w === 'number') return w;
  const err = mayCreate(t, w.dentry);
  if (err < 0) return err;
  const made = w.dentry.inode.symlink(w.name, target, t);
  if (typeof made === 'number') return made;
  created(t, w.dentry, w.name, made);
  return 0;
}

/** linkat(2). */
export function linkAt(
  vfs: Vfs,
  t: Task | null,
  oldDirfd: number,
  oldPath: string,
  newDirfd: number,
  newPath: string,
  flags: number,
): number {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  if (flags & AT_EMPTY_PATH && t !== null && !capable(t.creds, CAP_DAC_READ_SEARCH)) return -ENOENT;
  const look = (flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
  const old = vfs.lookup(t, oldDirfd, oldPath, look);
  if (typeof old === 'number') return old;
  const w = newName(vfs, t, newDirfd, newPath, false);
  if (typeof w === 'number') return w;
  if (old.mnt !== w.mnt) return -EXDEV;
  const err = mayCreate(t, w.dentry);
  if (err < 0) return err;
  const inode = old.inode;
  if (isDir(inode)) return -EPERM;
  if (inode.nlink === 0 && !(inode instanceof TmpfsInode && inode.linkable)) return -ENOENT;
  const done = w.dentry.inode.link(w.name, inode, t);
  if (done < 0) return done;
  // O_TMPFILE's leave to be linked is for once (I_LINKABLE).
  if (inode instanceof TmpfsInode) inode.linkable = false;
  if (t?.kernel.notify.active) t.kernel.notify.event(IN_ATTRIB, inode, null, '');
  created(t, w.dentry, w.name, inode);
  return 0;
}

/** unlink(2). */
export const unlinkAt = (vfs: Vfs, t: Task | null, dirfd: number, path: string): number =>
  removeAt(vfs, t, dirfd, path, false);

/** rmdir(2). */
export const rmdirAt = (vfs: Vfs, t: Task | null, dirfd: number, path: string): number =>
  removeAt(vfs, t, dirfd, path, true);

function removeAt(vfs: Vfs, t: Task | null, dirfd: number, path: string, directory: boolean): number {
  const w = vfs.walk(t, dirfd, path);
  if (typeof w === 'number') return w;
  let err = w.toParent();
  if (err < 0) return err;
  if (w.kind !== 'name') {
    if (!directory) return -EISDIR;
    return w.kind === 'dotdot' ? -ENOTEMPTY : w.kind === 'dot' ? -EINVAL : -EBUSY;
  }
  if (w.mnt.readOnly) return -EROFS;
  const dir = w.dentry;
  const victim = lookupChild(dir, w.name, t);
  if (typeof victim === 'number') return victim;
  if (w.slash && !directory) return isDir(victim.inode) ? -EISDIR : -ENOTDIR;
  err = mayDelete(t, dir, victim, directory);
  if (err < 0) return err;
  if (vfs.isMountPoint(victim)) return -EBUSY;
  err = directory ? dir.inode.rmdir(w.name, t) : dir.inode.unlink(w.name, t);
  if (err < 0) return err;
  victim.drop();
  removed(t, dir, w.name, victim.inode);
  return 0;
}

/** inotify after unlink and rmdir: the link count changed, the name is gone, and with its last holder the object. */
function removed(t: Task | null, dir: Dentry, name: string, inode: Inode): void {
  if (!t?.kernel.notify.active) return;
  const n = t.kernel.notify;
  if (isDir(inode)) n.gone(inode);
  else n.event(IN_ATTRIB, inode, null, '');
  n.entry(isDir(inode) ? IN_DELETE | IN_ISDIR : IN_DELETE, dir.inode, name, inode);
  if (!isDir(inode) && inode.nlink <= 0 && inode.opens === 0) n.gone(inode);
}

/** renameat2(2). */
export function renameAt(
  vfs: Vfs,
  t: Task | null,
  oldDirfd: number,
  oldPath: string,
  newDirfd: number,
  newPath: string,
  flags: number,
): number {
  if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) return -EINVAL;
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if (exchange && flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) return -EINVAL;
  const from = vfs.walk(t, oldDirfd, oldPath);
  if (typeof from === 'number') return from;
  let err = from.toParent();
  if (err < 0) return err;
  const to = vfs.walk(t, newDirfd, newPath);
  if (typeof to === 'number') return to;
  err = to.toParent();
  if (err < 0) return err;
  if (from.mnt !== to.mnt) return -EXDEV;
  if (from.kind !== 'name') return -EBUSY;
  if (to.kind !== 'name') return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
  if (from.mnt.readOnly) return -EROFS;
  const source = lookupChild(from.dentry, from.name, t);
  if (typeof source === 'number') return source;
  const found = lookupChild(to.dentry, to.name, t);
  if (typeof found === 'number' && found !== -ENOENT) return found;
  const target = typeof found === 'number' ? null : found;
  const sourceIsDir = isDir(source.inode);
  if (flags & RENAME_NOREPLACE && target !== null) return -EEXIST;
  if (exchange) {
    if (target === null) return -ENOENT;
    if (!isDir(target.inode) && to.slash) return -ENOTDIR;
  }
  if (!sourceIsDir && (from.slash || (!exchange && to.slash))) return -ENOTDIR;
  if (to.dentry.within(source)) return -EINVAL; // a directory into itself
  if (target !== null && from.dentry.within(target)) return exchange ? -EINVAL : -ENOTEMPTY;
  if (source === target || (target !== null && source.inode === target.inode)) return 0;

  err = mayDelete(t, from.dentry, source, sourceIsDir);
  if (err < 0) return err;
  if (target === null) err = mayCreate(t, to.dentry);
  else err = mayDelete(t, to.dentry, target, exchange ? isDir(target.inode) : sourceIsDir);
  if (err < 0) return err;
  if (from.dentry !== to.dentry && t !== null) {
    // A directory's ".." changes: that is a write to it.
    if (sourceIsDir && (err = source.inode.access(t, 2)) < 0) return err;
    if (exchange && isDir(target!.inode) && (err = target!.inode.access(t, 2)) < 0) return err;
  }
  if (vfs.isMountPoint(source) || (target !== null && vfs.isMountPoint(target))) return -EBUSY;
  err = from.dentry.inode.rename(from.name, to.dentry.inode, to.name, flags & ~RENAME_WHITEOUT, t);
  if (err < 0) return err;
  if (exchange) source.exchange(target!);
  else source.move(to.dentry, to.name);
  if (flags & RENAME_WHITEOUT) from.dentry.inode.mknod(from.name, S_IFCHR, 0, t);
  if (t?.kernel.notify.active) {
    t.kernel.notify.moved(source.inode, from.dentry.inode, from.name, to.dentry.inode, to.name);
    if (target !== null && !exchange) removedByRename(t, target.inode);
  }
  return 0;
}

function removedByRename(t: Task, inode: Inode): void {
  const n = t.kernel.notify;
  if (!isDir(inode)) n.event(IN_ATTRIB, inode, null, '');
  if (inode.nlink <= 0 && inode.opens === 0) n.gone(inode);
}

/** readlink(2) of a place that is a symlink. */
export function readlinkOf(t: Task | null, at: Path): string | number {
  return at.inode.readlink(t);
}

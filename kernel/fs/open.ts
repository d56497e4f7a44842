/** open(2): flags, creation, permission, and what kind of File results (fs/namei.c path_openat, fs/open.c). */
import {
  EACCES,
  EAGAIN,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  EROFS,
  ETXTBSY,
} from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import type { Park } from '../wait.ts';
import { MNT_NODEV, MNT_NOEXEC, Path } from './dentry.ts';
import {
  File,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_LARGEFILE,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
} from './file.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, ownsInode, type Inode } from './inode.ts';
import { breakLease, releaseLease } from './leases.ts';
import { releaseFileLocks } from './locks.ts';
import { IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_CREATE, IN_MODIFY, IN_OPEN } from './notify.ts';
import { DirFile, PathFile } from './regular-file.ts';
import { Tmpfs } from './tmpfs.ts';
import type { Vfs } from './vfs.ts';
import { RESOLVE_CACHED, type Walk } from './walk.ts';

const __O_TMPFILE = 0o20000000;
const ALL_FLAGS = 0o37777703 | O_ACCMODE;
/** What stays with O_PATH. */
const PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
/** Flags that are not remembered in the file. */
const TRANSIENT = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;

/**
 * Opens a name for a task (null: for the kernel itself, as root). `flags` have x86_64's values; `mode` is what O_CREAT
 * makes, before the umask. The File is not yet in a descriptor table and has no reference.
 */
export function openPath(
  vfs: Vfs,
  t: Task | null,
  dirfd: number,
  path: string,
  flags: number,
  mode = 0,
  resolve = 0,
): File | number | Park {
  if (flags & O_PATH) flags &= PATH_FLAGS;
  else flags = (flags & ALL_FLAGS) | O_LARGEFILE;
  const create = (flags & O_CREAT) !== 0;
  const tmpfile = (flags & __O_TMPFILE) !== 0;
  if (tmpfile) {
    if ((flags & O_TMPFILE) !== O_TMPFILE || create) return -EINVAL;
    if ((flags & O_ACCMODE) === O_RDONLY) return -EINVAL;
  }
  if (resolve & RESOLVE_CACHED && (flags & (O_TRUNC | O_CREAT) || tmpfile)) return -EAGAIN;
  const w = vfs.walk(t, dirfd, path, resolve);
  if (typeof w === 'number') return w;
  let err = w.toParent();
  if (err < 0) return err;
  if (create && w.slash && w.kind === 'name') return -EISDIR;
  const follow = !(flags & O_NOFOLLOW) && !(create && flags & O_EXCL);
  err = w.last(follow);
  let created = false;
  if (err === -ENOENT && create && w.missing) {
    if (w.slash) return -EISDIR;
    err = createFile(vfs, t, w, mode);
    if (err < 0) return err;
    created = true;
  } else if (err < 0) return err;
  else if (create && flags & O_EXCL) return -EEXIST;
  const at = w.here;
  const inode = at.inode;
  const type = inode.mode & S_IFMT;
  if (create && !created && type === S_IFDIR) return -EISDIR;
  if ((w.slash || flags & O_DIRECTORY) && type !== S_IFDIR) return -ENOTDIR;
  if (tmpfile) return openTmpfile(vfs, t, at, flags, mode);
  if (flags & O_PATH) return finish(vfs, t, new PathFile(flags & ~O_CLOEXEC, inode), at);
  if (!created) {
    err = mayOpen(t, at, flags);
    if (err < 0) return err;
  }
  return openInode(vfs, t, at, flags, created);
}

/**
 * Opens what is already found: execve, /proc/PID/fd, openat. The permission checks were made. `counted`: a writer keeps
 * the file from being executed (ETXTBSY); memfd_create's own does not (alloc_file takes no write access).
 */
export function openInode(
  vfs: Vfs,
  t: Task | null,
  at: Path,
  flags: number,
  created = false,
  counted = true,
): File | number | Park {
  const inode = at.inode;
  const type = inode.mode & S_IFMT;
  const write = (flags & O_ACCMODE) !== O_RDONLY;
  if (type === S_IFREG && (write || flags & O_TRUNC)) {
    if (at.mnt.readOnly && !created) return -EROFS;
    if (inode.writers < 0) return -ETXTBSY;
  }
  if (inode.leases !== null && t !== null) {
    const broken = breakLease(t, inode, write || (flags & O_TRUNC) !== 0, flags);
    if (broken !== 0) return broken;
  }
  if (type === S_IFREG && flags & O_TRUNC && !created) {
    const err = inode.truncate(0);
    if (err < 0) return err;
    if (t !== null && inode.mode & 0o6000) inode.dropSetid(t);
    if (t?.kernel.notify.active) notify(t, at, IN_MODIFY);
  }
  if (type === S_IFDIR && !inode.listable()) return -EACCES;
  if (type === S_IFDIR) return finish(vfs, t, new DirFile(flags & ~TRANSIENT, inode), at);
  // A terminal asks for O_NOCTTY, and forgets it.
  const file = inode.open(t, flags & ~(type === S_IFCHR ? TRANSIENT & ~O_NOCTTY : TRANSIENT), at);
  if (!(file instanceof File)) return file;
  file.flags &= ~O_NOCTTY;
  const writer = type === S_IFREG && write && counted;
  if (writer) inode.writers++;
  return finish(vfs, t, file, at, writer);
}

function finish(vfs: Vfs, t: Task | null, file: File, at: Path, writer = false): File {
  file.path ??= at;
  const kernel = t?.kernel;
  const open = (file.flags & O_PATH) === 0;
  if (open) at.inode.opens++;
  file.closed = (f) => {
    if (writer) at.inode.writers--;
    if (open) at.inode.opens--;
    if (at.inode.locks !== null) releaseFileLocks(f);
    if (at.inode.leases !== null) releaseLease(f);
    f.dnotify?.();
    if (kernel?.notify.active && open) {
      kernel.notify.event(
        f.writable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE,
        at.inode,
        at.dentry.isRoot ? null : at.dentry.parent.inode,
        at.dentry.name,
        at.dentry.deleted,
      );
      if (at.inode.nlink <= 0 && at.inode.opens === 0) kernel.notify.gone(at.inode);
    }
  };
  if (t?.kernel.notify.active && !(file.flags & O_PATH)) notify(t, at, IN_OPEN);
  return file;
}

/** Tells inotify of something that happened to the object at `at`. */
export function notify(t: Task, at: Path, mask: number): void {
  const d = at.dentry;
  t.kernel.notify.event(mask, at.inode, d.isRoot ? null : d.parent.inode, d.name, d.deleted);
}

/** The new regular file of O_CREAT, in the parent the walk ended at. */
function createFile(vfs: Vfs, t: Task | null, w: Walk, mode: number): number {
  const dir = w.dentry;
  // may_o_create comes before the read-only mount is noticed; a deleted directory takes no names.
  if (t !== null) {
    const err = dir.inode.access(t, 3);
    if (err < 0) return err;
  }
  if (w.mnt.readOnly) return -EROFS;
  if (dir.dead) return -ENOENT;
  const inode = dir.inode.mknod(w.name, S_IFREG | (mode & 0o7777 & ~(t?.fs.umask ?? 0)), 0, t);
  if (typeof inode === 'number') return inode;
  w.dentry = dir.add(w.name, inode);
  if (t?.kernel.notify.active) t.kernel.notify.entry(IN_CREATE, dir.inode, w.name, inode);
  return 0;
}

/** may_open: what the type, the mount and the modes forbid. */
function mayOpen(t: Task | null, at: Path, flags: number): number {
  const inode = at.inode;
  const type = inode.mode & S_IFMT;
  const acc = flags & O_ACCMODE;
  let mask = acc === O_RDONLY ? 4 : acc === O_WRONLY ? 2 : 6; // O_ACCMODE (3) asks for both
  if (flags & O_TRUNC) mask |= 2;
  if (type === S_IFLNK) return -ELOOP;
  if (type === S_IFDIR && mask & 2) return -EISDIR;
  if ((type === S_IFBLK || type === S_IFCHR) && at.mnt.flags & MNT_NODEV) return -EACCES;
  if (mask & 2 && at.mnt.fs.readOnly && (type === S_IFREG || type === S_IFDIR)) return -EROFS;
  if (t !== null) {
    const err = inode.access(t, mask);
    if (err < 0) return err;
    if (flags & O_NOATIME && !ownsInode(t, inode)) return -EPERM;
  }
  return 0;
}

/** O_TMPFILE: a nameless file in the directory's file system, which linkat may name later unless O_EXCL. */
function openTmpfile(vfs: Vfs, t: Task | null, at: Path, flags: number, mode: number): File | number {
  const fs = at.mnt.fs;
  if (t !== null) {
    const err = at.inode.access(t, 3);
    if (err < 0) return err;
  }
  if (at.mnt.readOnly) return -EROFS;
  if (!(fs instanceof Tmpfs)) return -EOPNOTSUPP;
  const inode = fs.anonymous(S_IFREG | (mode & 0o7777 & ~(t?.fs.umask ?? 0)), t);
  if (typeof inode === 'number') return inode;
  inode.linkable = !(flags & O_EXCL);
  const d = at.dentry.unnamed(`#${inode.ino}`, inode);
  const place = new Path(at.mnt, d);
  const file = inode.open(t, flags & ~TRANSIENT & ~O_TMPFILE, place);
  if (!(file instanceof File)) return -EINVAL;
  inode.writers++;
  return finish(vfs, t, file, place, true);
}

/**
 * Opens a program for execve and its interpreter: a regular file the caller may execute, on a mount that allows it.
 * While the returned File is held, opening it for writing fails (`denyWrites`).
 */
export function openExec(vfs: Vfs, t: Task | null, at: Path): File | number {
  const inode: Inode = at.inode;
  const type = inode.mode & S_IFMT;
  if (type === S_IFLNK) return -ELOOP;
  if (type !== S_IFREG || at.mnt.flags & MNT_NOEXEC) return -EACCES;
  if (t !== null) {
    const err = inode.access(t, 1);
    if (err < 0) return err;
  }
  if (inode.writers > 0) return -ETXTBSY;
  const file = openInode(vfs, t, at, O_RDONLY | O_LARGEFILE);
  return file instanceof File ? file : typeof file === 'number' ? file : -EBUSY;
}

/** A running program's file cannot be opened for writing; the returned function ends that. */
export function denyWrites(file: File): () => void {
  const inode = file.inode;
  if (inode === null || inode.writers > 0) return () => {};
  inode.writers--;
  return () => {
    inode.writers++;
  };
}

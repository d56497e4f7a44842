/** mkdir, rmdir, link, unlink, symlink, mknod, rename; chdir, chroot, umask. Decoding only: see names.ts. */
import { EACCES, EBADF, EINVAL, ENOTDIR, EPERM } from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { CAP_SYS_CHROOT, S_IFDIR, S_IFMT, capable } from './inode.ts';
import { linkAt, mkdirAt, mknodAt, renameAt, rmdirAt, symlinkAt, unlinkAt } from './names.ts';
import { getname } from './syscalls-open.ts';
import { lookupArg } from './syscalls-stat.ts';
import { AT_FDCWD, AT_REMOVEDIR, LOOKUP_DIRECTORY, LOOKUP_FOLLOW } from './vfs.ts';

function doMkdir(t: Task, dirfd: number, address: number, mode: number): number {
  const path = getname(t, address);
  if (typeof path === 'number') return path;
  const r = mkdirAt(t.kernel.vfs, t, dirfd, path, mode);
  return typeof r === 'number' ? r : 0;
}
export function mkdir(t: Task, a: Args): number {
  return doMkdir(t, AT_FDCWD, a.ptr(0), a.u32(1));
}
export function mkdirat(t: Task, a: Args): number {
  return doMkdir(t, a.i32(0), a.ptr(1), a.u32(2));
}

function doMknod(t: Task, dirfd: number, address: number, mode: number, dev: number): number {
  const path = getname(t, address);
  if (typeof path === 'number') return path;
  const r = mknodAt(t.kernel.vfs, t, dirfd, path, mode, dev);
  return typeof r === 'number' ? r : 0;
}
export function mknod(t: Task, a: Args): number {
  return doMknod(t, AT_FDCWD, a.ptr(0), a.u32(1) & 0xffff, a.u32(2));
}
export function mknodat(t: Task, a: Args): number {
  return doMknod(t, a.i32(0), a.ptr(1), a.u32(2) & 0xffff, a.u32(3));
}

function doUnlink(t: Task, dirfd: number, address: number, isDir: boolean): number {
  const path = getname(t, address);
  if (typeof path === 'number') return path;
  return (isDir ? rmdirAt : unlinkAt)(t.kernel.vfs, t, dirfd, path);
}
export function rmdir(t: Task, a: Args): number {
  return doUnlink(t, AT_FDCWD, a.ptr(0), true);
}
export function unlink(t: Task, a: Args): number {
  return doUnlink(t, AT_FDCWD, a.ptr(0), false);
}
export function unlinkat(t: Task, a: Args): number {
  const flags = a.u32(2);
  if (flags & ~AT_REMOVEDIR) return -EINVAL;
  return doUnlink(t, a.i32(0), a.ptr(1), (flags & AT_REMOVEDIR) !== 0);
}

function doSymlink(t: Task, targetAt: number, dirfd: number, address: number): number {
  const target = getname(t, targetAt);
  if (typeof target === 'number') return target;
  const path = getname(t, address);
  if (typeof path === 'number') return path;
  return symlinkAt(t.kernel.vfs, t, target, dirfd, path);
}
export function symlink(t: Task, a: Args): number {
  return doSymlink(t, a.ptr(0), AT_FDCWD, a.ptr(1));
}
export function symlinkat(t: Task, a: Args): number {
  return doSymlink(t, a.ptr(0), a.i32(1), a.ptr(2));
}

type TwoNames = (
  t: Task,
  oldDirfd: number,
  oldAt: number,
  newDirfd: number,
  newAt: number,
  flags: number,
) => number;

const doLink: TwoNames = (t, oldDirfd, oldAt, newDirfd, newAt, flags) => {
  const from = getname(t, oldAt);
  if (typeof from === 'number') return from;
  const to = getname(t, newAt);
  if (typeof to === 'number') return to;
  return linkAt(t.kernel.vfs, t, oldDirfd, from, newDirfd, to, flags);
};
export function link(t: Task, a: Args): number {
  return doLink(t, AT_FDCWD, a.ptr(0), AT_FDCWD, a.ptr(1), 0);
}
export function linkat(t: Task, a: Args): number {
  return doLink(t, a.i32(0), a.ptr(1), a.i32(2), a.ptr(3), a.u32(4));
}

const doRename: TwoNames = (t, oldDirfd, oldAt, newDirfd, newAt, flags) => {
  const from = getname(t, oldAt);
  if (typeof from === 'number') return from;
  const to = getname(t, newAt);
  if (typeof to === 'number') return to;
  return renameAt(t.kernel.vfs, t, oldDirfd, from, newDirfd, to, flags);
};
export function rename(t: Task, a: Args): number {
  return doRename(t, AT_FDCWD, a.ptr(0), AT_FDCWD, a.ptr(1), 0);
}
export function renameat(t: Task, a: Args): number {
  return doRename(t, a.i32(0), a.ptr(1), a.i32(2), a.ptr(3), 0);
}
export function renameat2(t: Task, a: Args): number {
  return doRename(t, a.i32(0), a.ptr(1), a.i32(2), a.ptr(3), a.u32(4));
}

/** chdir(2). */
export function chdir(t: Task, a: Args): number {
  const at = lookupArg(t, AT_FDCWD, a.ptr(0), LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  if (typeof at === 'number') return at;
  const err = at.inode.access(t, 1);
  if (err < 0) return err;
  t.fs.cwd = at;
  return 0;
}

/** fchdir(2). */
export function fchdir(t: Task, a: Args): number {
  const file = t.fds.get(a.i32(0));
  if (file === undefined) return -EBADF;
  if (file.path === null || (file.path.inode.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
  if (file.path.inode.access(t, 1) < 0) return -EACCES;
  t.fs.cwd = file.path;
  return 0;
}

/** chroot(2). The working directory stays. */
export function chroot(t: Task, a: Args): number {
  const at = lookupArg(t, AT_FDCWD, a.ptr(0), LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  if (typeof at === 'number') return at;
  const err = at.inode.access(t, 1);
  if (err < 0) return err;
  if (!capable(t.creds, CAP_SYS_CHROOT)) return -EPERM;
  t.fs.root = at;
  return 0;
}

/** umask(2): the old one. */
export function umask(t: Task, a: Args): number {
  const old = t.fs.umask;
  t.fs.umask = a.u32(0) & 0o777;
  return old;
}

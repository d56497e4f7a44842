/** Asking about files: stat and its family, statfs, access, readlink, getdents, getcwd. */
import { EACCES, EBADF, EFAULT, EINVAL, ENOENT, ENOTDIR, ERANGE, EROFS } from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import type { Credentials } from '../task/creds.ts';
import type { Task } from '../task/task.ts';
import {
  direntLength,
  dirent64Length,
  encodeStat,
  encodeStatfs,
  encodeStatx,
  putDirent,
  putDirent64,
} from './abi-stat.ts';
import { MNT_NOEXEC, pathName, type Mount, type Path } from './dentry.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, type DirEntry, type Inode } from './inode.ts';
import { DirFile } from './regular-file.ts';
import { getname } from './syscalls-open.ts';
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_SYMLINK_NOFOLLOW,
  LOOKUP_EMPTY,
  LOOKUP_FOLLOW,
} from './vfs.ts';

const MAY_EXEC = 1;
const MAY_WRITE = 2;

/** Looks up a path argument of the caller. */
export function lookupArg(t: Task, dirfd: number, address: number, flags: number): Path | number {
  const path = getname(t, address);
  return typeof path === 'number' ? path : t.kernel.vfs.lookup(t, dirfd, path, flags);
}

function putStat(t: Task, inode: Inode, address: number): number {
  return t.mm.copyOut(address, encodeStat(t.regs.arch, inode)) < 0 ? -EFAULT : 0;
}

/** stat(2). */
export function stat(t: Task, a: Args): number {
  const at = lookupArg(t, AT_FDCWD, a.ptr(0), LOOKUP_FOLLOW);
  return typeof at === 'number' ? at : putStat(t, at.inode, a.ptr(1));
}

/** lstat(2). */
export function lstat(t: Task, a: Args): number {
  const at = lookupArg(t, AT_FDCWD, a.ptr(0), 0);
  return typeof at === 'number' ? at : putStat(t, at.inode, a.ptr(1));
}

/** fstat(2). */
export function fstat(t: Task, a: Args): number {
  const file = t.fds.get(a.i32(0));
  if (file === undefined) return -EBADF;
  if (file.inode === null) return -EBADF;
  file.inode.refresh(); // found by a descriptor, not by a name just looked up
  return putStat(t, file.inode, a.ptr(1));
}

/** newfstatat(2). An empty path with AT_EMPTY_PATH is fstat. */
export function newfstatat(t: Task, a: Args): number {
  const flags = a.u32(3);
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) return -EINVAL;
  const look = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
  const at = lookupArg(t, a.i32(0), a.ptr(1), flags & AT_EMPTY_PATH ? look | LOOKUP_EMPTY : look);
  return typeof at === 'number' ? at : putStat(t, at.inode, a.ptr(2));
}

const AT_STATX_SYNC_TYPE = 0x6000;
const STATX__RESERVED = 0x80000000;

/** statx(2). */
export function statx(t: Task, a: Args): number {
  const flags = a.u32(2);
  const mask = a.u32(3);
  if (mask & STATX__RESERVED) return -EINVAL;
  if ((flags & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return -EINVAL;
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) return -EINVAL;
  const look = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
  const at = lookupArg(t, a.i32(0), a.ptr(1), flags & AT_EMPTY_PATH ? look | LOOKUP_EMPTY : look);
  if (typeof at === 'number') return at;
  const bytes = encodeStatx(at.inode, at.mnt, at.dentry === at.mnt.root);
  return t.mm.copyOut(a.ptr(4), bytes) < 0 ? -EFAULT : 0;
}

function putStatfs(t: Task, mnt: Mount | null, inode: Inode, address: number): number {
  return t.mm.copyOut(address, encodeStatfs(mnt, inode)) < 0 ? -EFAULT : 0;
}

/** statfs(2). */
export function statfs(t: Task, a: Args): number {
  const at = lookupArg(t, AT_FDCWD, a.ptr(0), LOOKUP_FOLLOW);
  return typeof at === 'number' ? at : putStatfs(t, at.mnt, at.inode, a.ptr(1));
}

/** fstatfs(2). */
export function fstatfs(t: Task, a: Args): number {
  const file = t.fds.get(a.i32(0));
  if (file === undefined || file.inode === null) return -EBADF;
  return putStatfs(t, file.path?.mnt ?? null, file.inode, a.ptr(1));
}

/** access(2), faccessat(2), faccessat2(2): by the real ids unless AT_EACCESS. */
function checkAccess(t: Task, dirfd: number, address: number, mode: number, flags: number): number {
  if (mode & ~7) return -EINVAL;
  if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  const saved = t.creds;
  if (!(flags & AT_EACCESS)) t.creds = realCredentials(saved);
  try {
    const look =
      (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
    const at = lookupArg(t, dirfd, address, look);
    if (typeof at === 'number') return at;
    const inode = at.inode;
    const type = inode.mode & S_IFMT;
    if (mode & MAY_EXEC && type === S_IFREG && at.mnt.flags & MNT_NOEXEC) return -EACCES;
    const err = inode.access(t, mode);
    if (err < 0) return err;
    const stored = type === S_IFREG || type === S_IFDIR || type === S_IFLNK;
    return mode & MAY_WRITE && stored && at.mnt.readOnly ? -EROFS : 0;
  } finally {
    t.creds = saved;
  }
}

/** access_override_creds: the real ids as file system ids, and root's capabilities only for real root. */
function realCredentials(c: Credentials): Credentials {
  if (c.fsuid === c.uid && c.fsgid === c.gid) {
    if (c.uid === 0 ? c.capEffective === c.capPermitted : c.capEffective === 0n) return c;
  }
  return { ...c, fsuid: c.uid, fsgid: c.gid, capEffective: c.uid === 0 ? c.capPermitted : 0n };
}

export function access(t: Task, a: Args): number {
  return checkAccess(t, AT_FDCWD, a.ptr(0), a.u32(1), 0);
}
/** The system call has no flags argument: glibc emulates them. */
export function faccessat(t: Task, a: Args): number {
  return checkAccess(t, a.i32(0), a.ptr(1), a.u32(2), 0);
}
export function faccessat2(t: Task, a: Args): number {
  return checkAccess(t, a.i32(0), a.ptr(1), a.u32(2), a.u32(3));
}

/** readlink(2): not NUL-terminated, cut at the buffer. */
function doReadlink(t: Task, dirfd: number, nameAt: number, out: number, size: number): number {
  if (size <= 0) return -EINVAL;
  const name = getname(t, nameAt);
  if (typeof name === 'number') return name;
  const at = t.kernel.vfs.lookup(t, dirfd, name, LOOKUP_EMPTY);
  if (typeof at === 'number') return at;
  const target =
    (at.inode.mode & S_IFMT) === S_IFLNK ? at.inode.readlink(t) : name === '' ? -ENOENT : -EINVAL;
  if (typeof target === 'number') return target;
  if (name === '' && dirfd === AT_FDCWD) return -ENOENT;
  const n = Math.min(size, target.length);
  const bytes = new Uint8Array(n);
  for (let i = 0; i < n; i++) bytes[i] = target.charCodeAt(i);
  return t.mm.copyOut(out, bytes) < 0 ? -EFAULT : n;
}

export function readlink(t: Task, a: Args): number {
  return doReadlink(t, AT_FDCWD, a.ptr(0), a.ptr(1), a.i32(2));
}
export function readlinkat(t: Task, a: Args): number {
  return doReadlink(t, a.i32(0), a.ptr(1), a.ptr(2), a.i32(3));
}

/** Most bytes of entries packed in one call, however large the caller's buffer. */
const MAX_DENTS = 1 << 20;

/** dir_emit_dots: what every directory lists first, where the file system leaves it to the VFS. */
function withDots(file: DirFile, list: DirEntry[]): DirEntry[] {
  if (list[0]?.name === '.') return list;
  const { inode, path } = file;
  const parent = path?.dentry.parent.inode ?? inode;
  const dots = [
    { name: '.', ino: inode.ino, type: S_IFDIR },
    { name: '..', ino: parent.ino, type: S_IFDIR },
  ];
  return dots.concat(list);
}

/** getdents64(2) and getdents(2). The position is an index into the listing taken when reading began. */
function listDirectory(t: Task, fd: number, address: number, size: number, old: boolean): number {
  const file = t.fds.opened(fd);
  if (file === undefined) return -EBADF;
  if (!(file instanceof DirFile)) return -ENOTDIR;
  if (file.snapshot === null) {
    if (file.path?.dentry.dead) return -ENOENT;
    const list = file.inode.entries(t);
    if (typeof list === 'number') return list;
    file.snapshot = withDots(file, list);
  }
  const list = file.snapshot;
  const out = new Uint8Array(Math.min(size, MAX_DENTS));
  const v = new DataView(out.buffer);
  let used = 0;
  let i = file.pos;
  while (i < list.length) {
    const e = list[i];
    const length = old ? direntLength(e.name) : dirent64Length(e.name);
    if (used + length > out.length) break;
    (old ? putDirent : putDirent64)(v, used, e.name, e.ino, i + 1, e.type);
    used += length;
    i++;
  }
  if (used === 0) return i < list.length ? -EINVAL : 0;
  if (t.mm.copyOut(address, out.subarray(0, used)) < 0) return -EFAULT;
  file.pos = i;
  return used;
}

export function getdents64(t: Task, a: Args): number {
  return listDirectory(t, a.i32(0), a.ptr(1), a.u32(2), false);
}
export function getdents(t: Task, a: Args): number {
  return listDirectory(t, a.i32(0), a.ptr(1), a.u32(2), true);
}

/** getcwd(2): the length with its NUL. */
export function getcwd(t: Task, a: Args): number {
  const { cwd, root } = t.fs;
  if (cwd.dentry.dead) return -ENOENT;
  const name = pathName(cwd, root);
  if (name.length + 1 > a.size(1)) return -ERANGE;
  const bytes = new Uint8Array(name.length + 1);
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i);
  return t.mm.copyOut(a.ptr(0), bytes) < 0 ? -EFAULT : bytes.length;
}

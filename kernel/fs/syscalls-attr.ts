/** Changing files' attributes: modes, owners, times, sizes, extended attributes. */
import {
  E2BIG,
  EACCES,
  EBADF,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  ENODATA,
  ENODEV,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
  EROFS,
  ESPIPE,
  ETXTBSY,
} from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { Path } from './dentry.ts';
import { O_PATH, type File } from './file.ts';
import type { SysResult } from '../wait.ts';
import { breakLease } from './leases.ts';
import {
  CAP_CHOWN,
  CAP_FSETID,
  CAP_SYS_ADMIN,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  capable,
  ownsInode,
  type Inode,
} from './inode.ts';
import { IN_ATTRIB, IN_MODIFY } from './notify.ts';
import { notify } from './open.ts';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  MAX_FILE_SIZE,
  sizeAllowed,
} from './regular-file.ts';
import { lookupArg } from './syscalls-stat.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, LOOKUP_EMPTY, LOOKUP_FOLLOW } from './vfs.ts';

/** Where a descriptor's object is, for the f… forms of calls; objects without a mount are never read-only. */
interface Target {
  readonly inode: Inode;
  readonly path: Path | null;
}

function fdTarget(t: Task, fd: number, allowPath = false): Target | number {
  const file = t.fds.get(fd);
  if (file === undefined || file.inode === null || (file.flags & O_PATH && !allowPath)) return -EBADF;
  return { inode: file.inode, path: file.path };
}

function pathTarget(t: Task, dirfd: number, address: number, look: number): Target | number {
  const at = lookupArg(t, dirfd, address, look);
  return typeof at === 'number' ? at : { inode: at.inode, path: at };
}

/** Runs the change unless the mount is read-only, and tells inotify. */
function change(t: Task, target: Target | number, fn: (inode: Inode) => number): number {
  if (typeof target === 'number') return target;
  if (target.path?.mnt.readOnly) return -EROFS;
  const r = fn(target.inode);
  if (r === 0 && target.path !== null && t.kernel.notify.active) notify(t, target.path, IN_ATTRIB);
  return r;
}

const inGroup = (t: Task, gid: number): boolean => t.creds.fsgid === gid || t.creds.groups.includes(gid);

function doChmod(t: Task, target: Target | number, mode: number): number {
  return change(t, target, (inode) => {
    if (!ownsInode(t, inode)) return -EPERM;
    if ((inode.mode & S_IFMT) === S_IFLNK) return -EOPNOTSUPP;
    let bits = mode & 0o7777;
    if (bits & 0o2000 && !inGroup(t, inode.gid) && !capable(t.creds, CAP_FSETID)) bits &= ~0o2000;
    return inode.chmod(bits);
  });
}
export function chmod(t: Task, a: Args): number {
  return doChmod(t, pathTarget(t, AT_FDCWD, a.ptr(0), LOOKUP_FOLLOW), a.u32(1));
}
export function fchmod(t: Task, a: Args): number {
  return doChmod(t, fdTarget(t, a.i32(0)), a.u32(1));
}
/** fchmodat(2): the system call of 6.1 has no flags argument. */
export function fchmodat(t: Task, a: Args): number {
  return doChmod(t, pathTarget(t, a.i32(0), a.ptr(1), LOOKUP_FOLLOW), a.u32(2));
}

/** chown_common: −1 leaves an id alone; set-id bits of files go. */
function doChown(t: Task, target: Target | number, uid: number, gid: number): number {
  return change(t, target, (inode) => {
    const c = t.creds;
    const privileged = capable(c, CAP_CHOWN);
    if (!privileged) {
      if (uid !== -1 && (c.fsuid !== inode.uid || uid !== inode.uid)) return -EPERM;
      if (gid !== -1 && (c.fsuid !== inode.uid || (!inGroup(t, gid) && gid !== inode.gid))) return -EPERM;
    }
    if (uid === -1 && gid === -1) return 0;
    const bits = inode.mode & 0o7777;
    const drop = bits & 0o10 ? 0o6000 : 0o4000;
    const r = inode.chown(uid, gid);
    if (r === 0 && (inode.mode & S_IFMT) !== S_IFDIR && bits & drop) inode.chmod(bits & ~drop);
    return r;
  });
}
const id = (a: Args, n: number): number => (a.i32(n) === -1 ? -1 : a.u32(n));

export function chown(t: Task, a: Args): number {
  return doChown(t, pathTarget(t, AT_FDCWD, a.ptr(0), LOOKUP_FOLLOW), id(a, 1), id(a, 2));
}
export function lchown(t: Task, a: Args): number {
  return doChown(t, pathTarget(t, AT_FDCWD, a.ptr(0), 0), id(a, 1), id(a, 2));
}
export function fchown(t: Task, a: Args): number {
  return doChown(t, fdTarget(t, a.i32(0)), id(a, 1), id(a, 2));
}
export function fchownat(t: Task, a: Args): number {
  const flags = a.u32(4);
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  const look = (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
  return doChown(t, pathTarget(t, a.i32(0), a.ptr(1), look), id(a, 2), id(a, 3));
}

const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

interface Times {
  /** null: leave alone. */
  readonly atime: bigint | null;
  readonly mtime: bigint | null;
  /** Both are the present moment: whoever may write may ask for that. */
  readonly touch: boolean;
}

/** Two struct timespec, or the present when the pointer is NULL. */
function readTimespecs(t: Task, address: number): Times | number {
  const now = t.kernel.vfs.now();
  if (address === 0) return { atime: now, mtime: now, touch: true };
  const v = t.mm.viewIn(address, 32);
  if (v === null) return -EFAULT;
  const times: (bigint | null)[] = [];
  const nsecs: bigint[] = [];
  for (const at of [0, 16]) {
    const nsec = v.getBigInt64(at + 8, true);
    nsecs.push(nsec);
    if (nsec === BigInt(UTIME_NOW)) times.push(now);
    else if (nsec === BigInt(UTIME_OMIT)) times.push(null);
    else if (nsec < 0n || nsec > 999_999_999n) return -EINVAL;
    else times.push(v.getBigInt64(at, true) * 1_000_000_000n + nsec);
  }
  const touch = nsecs[0] === BigInt(UTIME_NOW) && nsecs[1] === BigInt(UTIME_NOW);
  return { atime: times[0], mtime: times[1], touch };
}

/** Two struct timeval (utimes, futimesat). */
function readTimevals(t: Task, address: number): Times | number {
  const now = t.kernel.vfs.now();
  if (address === 0) return { atime: now, mtime: now, touch: true };
  const v = t.mm.viewIn(address, 32);
  if (v === null) return -EFAULT;
  const times: bigint[] = [];
  for (const at of [0, 16]) {
    const usec = v.getBigInt64(at + 8, true);
    if (usec < 0n || usec >= 1_000_000n) return -EINVAL;
    times.push(v.getBigInt64(at, true) * 1_000_000_000n + usec * 1000n);
  }
  return { atime: times[0], mtime: times[1], touch: false };
}

function doUtimes(t: Task, target: Target | number, times: Times): number {
  return change(t, target, (inode) => {
    if (!ownsInode(t, inode)) {
      if (!times.touch) return -EPERM;
      if (inode.access(t, 2) < 0) return -EACCES;
    }
    return inode.utimes(times.atime, times.mtime);
  });
}

/** utimensat(2). A NULL path means the descriptor itself. */
export function utimensat(t: Task, a: Args): number {
  const times = readTimespecs(t, a.ptr(2));
  if (typeof times === 'number') return times;
  if (times.atime === null && times.mtime === null) return 0;
  const flags = a.u32(3);
  if (a.ptr(1) === 0 && a.i32(0) !== AT_FDCWD) {
    return flags !== 0 ? -EINVAL : doUtimes(t, fdTarget(t, a.i32(0)), times);
  }
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  const look = (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
  return doUtimes(t, pathTarget(t, a.i32(0), a.ptr(1), look), times);
}

function doTimevals(t: Task, dirfd: number, name: number, timesAt: number): number {
  const times = readTimevals(t, timesAt);
  if (typeof times === 'number') return times;
  if (name === 0 && dirfd !== AT_FDCWD) return doUtimes(t, fdTarget(t, dirfd), times);
  return doUtimes(t, pathTarget(t, dirfd, name, LOOKUP_FOLLOW), times);
}
export function utimes(t: Task, a: Args): number {
  return doTimevals(t, AT_FDCWD, a.ptr(0), a.ptr(1));
}
export function futimesat(t: Task, a: Args): number {
  return doTimevals(t, a.i32(0), a.ptr(1), a.ptr(2));
}
/** utime(2): whole seconds. */
export function utime(t: Task, a: Args): number {
  let times: Times;
  if (a.ptr(1) === 0) {
    const now = t.kernel.vfs.now();
    times = { atime: now, mtime: now, touch: true };
  } else {
    const v = t.mm.viewIn(a.ptr(1), 16);
    if (v === null) return -EFAULT;
    const ns = 1_000_000_000n;
    times = { atime: v.getBigInt64(0, true) * ns, mtime: v.getBigInt64(8, true) * ns, touch: false };
  }
  return doUtimes(t, pathTarget(t, AT_FDCWD, a.ptr(0), LOOKUP_FOLLOW), times);
}

/** truncate(2). */
export function truncate(t: Task, a: Args): SysResult {
  const length = a.i64(1);
  if (length < 0) return -EINVAL;
  const at = lookupArg(t, AT_FDCWD, a.ptr(0), LOOKUP_FOLLOW);
  if (typeof at === 'number') return at;
  const inode = at.inode;
  const type = inode.mode & S_IFMT;
  if (type === S_IFDIR) return -EISDIR;
  if (type !== S_IFREG) return -EINVAL;
  if (at.mnt.readOnly) return -EROFS;
  let err = inode.access(t, 2);
  if (err < 0) return err;
  if (inode.writers < 0) return -ETXTBSY;
  const broken = breakLease(t, inode, true, 0);
  if (broken !== 0) return broken;
  err = sizeAllowed(t, inode.size, length);
  if (err < 0) return err;
  err = inode.truncate(length);
  if (err === 0 && inode.mode & 0o6000) inode.dropSetid(t);
  if (err === 0 && t.kernel.notify.active) notify(t, at, IN_MODIFY);
  return err;
}

/** ftruncate(2). */
export function ftruncate(t: Task, a: Args): number {
  const length = a.i64(1);
  if (length < 0) return -EINVAL;
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  if (!file.writable || !isRegular(file)) return -EINVAL;
  const err = file.ftruncate(length, t);
  if (err === 0 && file.inode!.mode & 0o6000) file.inode!.dropSetid(t);
  if (err === 0 && t.kernel.notify.active && file.path !== null) notify(t, file.path, IN_MODIFY);
  return err;
}

const isRegular = (file: File): boolean => file.inode !== null && (file.inode.mode & S_IFMT) === S_IFREG;

/** fallocate(2). */
export function fallocate(t: Task, a: Args): number {
  const mode = a.i32(1);
  const offset = a.i64(2);
  const length = a.i64(3);
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  if (offset < 0 || length <= 0) return -EINVAL;
  const known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | 8 | 32 | 64;
  if (mode & ~known) return -EOPNOTSUPP;
  if ((mode & 18) === 18) return -EOPNOTSUPP;
  if (mode & FALLOC_FL_PUNCH_HOLE && !(mode & FALLOC_FL_KEEP_SIZE)) return -EOPNOTSUPP;
  if (mode & 8 && mode & ~8) return -EINVAL; // COLLAPSE_RANGE stands alone
  if (mode & 32 && mode & ~32) return -EINVAL; // INSERT_RANGE too
  if (!file.writable) return -EBADF;
  const type = file.inode === null ? 0 : file.inode.mode & S_IFMT;
  if (type === S_IFIFO) return -ESPIPE;
  if (type === S_IFDIR) return -EISDIR;
  if (type !== S_IFREG) return -ENODEV;
  if (offset + length > MAX_FILE_SIZE) return -EFBIG;
  return file.fallocate(mode, offset, length, t);
}

/** fadvise64(2): advice is checked and ignored. */
export function fadvise64(t: Task, a: Args): number {
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  const type = file.inode === null ? 0 : file.inode.mode & S_IFMT;
  if (type === S_IFIFO) return -ESPIPE;
  if (a.i64(2) < 0) return -EINVAL;
  return a.u32(3) > 5 ? -EINVAL : 0;
}

/** readahead(2). */
export function readahead(t: Task, a: Args): number {
  const file = t.fds.opened(a.i32(0));
  if (file === undefined || !file.readable) return -EBADF;
  return isRegular(file) ? 0 : -EINVAL;
}

// Extended attributes: xattr(7).

const XATTR_NAME_MAX = 255;
const XATTR_SIZE_MAX = 65536;
const NAMESPACES: ReadonlySet<string> = new Set(['user.', 'trusted.', 'security.']);

/** security.capability must be a struct vfs_cap_data of revision 2 or 3 (cap_convert_nscap). */
function validCapabilities(value: Uint8Array): boolean {
  return (value.length === 20 && value[3] === 2) || (value.length === 24 && value[3] === 3);
}

function attrName(t: Task, address: number): string | number {
  const name = t.mm.cstring(address, XATTR_NAME_MAX + 1);
  if (typeof name === 'number') return name === -EFAULT ? -EFAULT : -ERANGE;
  return name === '' ? -ERANGE : name;
}

/** xattr_permission: which namespaces the caller may use on this file. 0 or -errno. */
function mayUse(t: Task, inode: Inode, name: string, write: boolean): number {
  // xattr_resolve_name: a namespace alone names nothing.
  if (NAMESPACES.has(name)) return -EINVAL;
  if (name.startsWith('trusted.')) {
    return capable(t.creds, CAP_SYS_ADMIN) ? 0 : write ? -EPERM : -ENODATA;
  }
  if (name.startsWith('security.')) {
    return write && !capable(t.creds, CAP_SYS_ADMIN) ? -EPERM : 0;
  }
  if (!name.startsWith('user.')) return -EOPNOTSUPP;
  const type = inode.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFDIR) return write ? -EPERM : -ENODATA;
  if (type === S_IFDIR && inode.mode & 0o1000 && write && !ownsInode(t, inode)) return -EPERM;
  return inode.access(t, write ? 2 : 4);
}

function setAttr(
  t: Task,
  target: Target | number,
  nameAt: number,
  valueAt: number,
  size: number,
  flags: number,
): number {
  if (flags & ~3) return -EINVAL;
  const name = attrName(t, nameAt);
  if (typeof name === 'number') return name;
  if (size > XATTR_SIZE_MAX) return -E2BIG;
  const value = size === 0 ? new Uint8Array(0) : t.mm.copyIn(valueAt, size);
  if (value === null) return -EFAULT;
  return change(t, target, (inode) => {
    const err = mayUse(t, inode, name, true);
    if (err === 0 && name === 'security.capability' && !validCapabilities(value)) return -EINVAL;
    return err < 0 ? err : inode.setxattr(name, value.slice(), flags);
  });
}

function getAttr(t: Task, target: Target | number, nameAt: number, valueAt: number, size: number): number {
  const name = attrName(t, nameAt);
  if (typeof name === 'number') return name;
  if (typeof target === 'number') return target;
  const err = mayUse(t, target.inode, name, false);
  if (err < 0) return err;
  const value = target.inode.getxattr(name);
  if (typeof value === 'number') return value;
  if (size === 0) return value.length;
  if (value.length > size) return -ERANGE;
  return t.mm.copyOut(valueAt, value) < 0 ? -EFAULT : value.length;
}

function listAttr(t: Task, target: Target | number, listAt: number, size: number): number {
  if (typeof target === 'number') return target;
  const names = target.inode.listxattr();
  if (typeof names === 'number') return names;
  const shown = names.filter((n) => !n.startsWith('trusted.') || capable(t.creds, CAP_SYS_ADMIN));
  const text = shown.map((n) => `${n}\0`).join('');
  if (size === 0) return text.length;
  if (text.length > size) return -ERANGE;
  const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
  return t.mm.copyOut(listAt, bytes) < 0 ? -EFAULT : text.length;
}

function removeAttr(t: Task, target: Target | number, nameAt: number): number {
  const name = attrName(t, nameAt);
  if (typeof name === 'number') return name;
  return change(t, target, (inode) => {
    const err = mayUse(t, inode, name, true);
    return err < 0 ? err : inode.removexattr(name);
  });
}

const followed = (t: Task, a: Args): Target | number => pathTarget(t, AT_FDCWD, a.ptr(0), LOOKUP_FOLLOW);
const notFollowed = (t: Task, a: Args): Target | number => pathTarget(t, AT_FDCWD, a.ptr(0), 0);
const byFd = (t: Task, a: Args): Target | number => fdTarget(t, a.i32(0));

export const setxattr = (t: Task, a: Args): number =>
  setAttr(t, followed(t, a), a.ptr(1), a.ptr(2), a.size(3), a.i32(4));
export const lsetxattr = (t: Task, a: Args): number =>
  setAttr(t, notFollowed(t, a), a.ptr(1), a.ptr(2), a.size(3), a.i32(4));
export const fsetxattr = (t: Task, a: Args): number =>
  setAttr(t, byFd(t, a), a.ptr(1), a.ptr(2), a.size(3), a.i32(4));
export const getxattr = (t: Task, a: Args): number =>
  getAttr(t, followed(t, a), a.ptr(1), a.ptr(2), a.size(3));
export const lgetxattr = (t: Task, a: Args): number =>
  getAttr(t, notFollowed(t, a), a.ptr(1), a.ptr(2), a.size(3));
export const fgetxattr = (t: Task, a: Args): number => getAttr(t, byFd(t, a), a.ptr(1), a.ptr(2), a.size(3));
export const listxattr = (t: Task, a: Args): number => listAttr(t, followed(t, a), a.ptr(1), a.size(2));
export const llistxattr = (t: Task, a: Args): number => listAttr(t, notFollowed(t, a), a.ptr(1), a.size(2));
export const flistxattr = (t: Task, a: Args): number => listAttr(t, byFd(t, a), a.ptr(1), a.size(2));
export const removexattr = (t: Task, a: Args): number => removeAttr(t, followed(t, a), a.ptr(1));
export const lremovexattr = (t: Task, a: Args): number => removeAttr(t, notFollowed(t, a), a.ptr(1));
export const fremovexattr = (t: Task, a: Args): number => removeAttr(t, byFd(t, a), a.ptr(1));

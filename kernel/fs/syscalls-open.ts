/** open(2) and its family; close(2), dup(2), close_range(2). */
import { E2BIG, EBADF, EFAULT, EINVAL, EMFILE, ENOMEM } from '../abi/errno.ts';
import type { Arch } from '../ports.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { SysResult } from '../wait.ts';
import {
  File,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_LARGEFILE,
  O_NOFOLLOW,
  O_PATH,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  RLIMIT_NOFILE,
  installFile,
} from './file.ts';
import { openPath } from './open.ts';
import { AT_FDCWD } from './vfs.ts';
import { RESOLVE_BENEATH, RESOLVE_IN_ROOT } from './walk.ts';

/** A path argument: the string, or -EFAULT or -ENAMETOOLONG. An empty one is for the caller to judge. */
export function getname(t: Task, address: number): string | number {
  return t.mm.cstring(address, 4096);
}

/** The flags whose values differ on aarch64, in x86_64's values and aarch64's. */
const AARCH64_FLAGS: readonly (readonly [x86: number, arm: number])[] = [
  [O_DIRECTORY, 0o40000],
  [O_NOFOLLOW, 0o100000],
  [O_DIRECT, 0o200000],
  [O_LARGEFILE, 0o400000],
];
const X86_ONLY = O_DIRECTORY | O_NOFOLLOW | O_DIRECT | O_LARGEFILE;
const ARM_ONLY = 0o740000;

/** open flags as the guest gives them → x86_64's values, which the kernel uses throughout. */
export function openFlagsIn(arch: Arch, flags: number): number {
  if (arch === 'x86_64') return flags;
  let out = flags & ~ARM_ONLY;
  for (const [x86, arm] of AARCH64_FLAGS) if (flags & arm) out |= x86;
  return out;
}

/** The way back (fcntl F_GETFL). */
export function openFlagsOut(arch: Arch, flags: number): number {
  if (arch === 'x86_64') return flags;
  let out = flags & ~X86_ONLY;
  for (const [x86, arm] of AARCH64_FLAGS) if (flags & x86) out |= arm;
  return out;
}

/** The common end: a descriptor for what the name stands for. */
function openFd(
  t: Task,
  dirfd: number,
  address: number,
  flags: number,
  mode: number,
  resolve = 0,
): SysResult {
  const path = getname(t, address);
  if (typeof path === 'number') return path;
  // A descriptor must be free before anything is created or truncated.
  if (t.fds.lowest(0, t.group.rlimits[RLIMIT_NOFILE].cur) < 0) return -EMFILE;
  const file = openPath(t.kernel.vfs, t, dirfd, path, flags, mode, resolve);
  if (!(file instanceof File)) return file;
  const fd = installFile(t, file, (flags & O_CLOEXEC) !== 0);
  if (fd < 0) file.retain().drop();
  return fd;
}

/** open(2). */
export function open(t: Task, a: Args): SysResult {
  return openFd(t, AT_FDCWD, a.ptr(0), openFlagsIn(t.regs.arch, a.i32(1)), a.u32(2) & 0o7777);
}
/** openat(2). */
export function openat(t: Task, a: Args): SysResult {
  return openFd(t, a.i32(0), a.ptr(1), openFlagsIn(t.regs.arch, a.i32(2)), a.u32(3) & 0o7777);
}
/** creat(2). */
export function creat(t: Task, a: Args): SysResult {
  return openFd(t, AT_FDCWD, a.ptr(0), O_CREAT | O_WRONLY | O_TRUNC, a.u32(1) & 0o7777);
}

const OPEN_HOW_SIZE = 24;
const VALID_OPEN_FLAGS = 0o37777703 | O_ACCMODE;

/** openat2(2): unknown flags are refused and resolution can be confined. */
export function openat2(t: Task, a: Args): SysResult {
  const size = a.size(3);
  if (size < OPEN_HOW_SIZE) return -EINVAL;
  if (size > 4096) return -E2BIG;
  const bytes = t.mm.copyIn(a.ptr(2), size);
  if (bytes === null) return -EFAULT;
  for (let i = OPEN_HOW_SIZE; i < size; i++) if (bytes[i] !== 0) return -E2BIG;
  const how = new DataView(bytes.buffer, bytes.byteOffset, size);
  if (how.getUint32(4, true) !== 0 || how.getUint32(12, true) !== 0 || how.getUint32(20, true) !== 0) {
    return -EINVAL;
  }
  const flags = openFlagsIn(t.regs.arch, how.getUint32(0, true));
  const mode = how.getUint32(8, true);
  const resolve = how.getUint32(16, true);
  if (flags & ~VALID_OPEN_FLAGS) return -EINVAL;
  if (resolve & ~0x3f) return -EINVAL;
  if (resolve & RESOLVE_BENEATH && resolve & RESOLVE_IN_ROOT) return -EINVAL;
  const creates = (flags & O_CREAT) !== 0 || (flags & O_TMPFILE) === O_TMPFILE;
  if (creates ? mode & ~0o7777 : mode !== 0) return -EINVAL;
  if (flags & O_PATH && flags & ~(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)) return -EINVAL;
  return openFd(t, a.i32(0), a.ptr(1), flags, mode, resolve);
}

/** close(2). Restart codes of a file's flush become EINTR: the descriptor is gone whatever it says. */
export function close(t: Task, a: Args): number {
  return t.fds.close(a.i32(0), t);
}

const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;

/** close_range(2). */
export function closeRange(t: Task, a: Args): number {
  const first = a.u32(0);
  const last = a.u32(1);
  const flags = a.u32(2);
  if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) return -EINVAL;
  if (first > last) return -EINVAL;
  if (flags & CLOSE_RANGE_UNSHARE && t.fds.users > 1) {
    const own = t.fds.clone(t.kernel.kmem);
    if (own === null) return -ENOMEM;
    t.fds.users--;
    t.fds = own;
  }
  for (const fd of t.fds.list()) {
    if (fd < first || fd > last) continue;
    if (flags & CLOSE_RANGE_CLOEXEC) t.fds.descriptor(fd)!.cloexec = true;
    else t.fds.close(fd, t);
  }
  return 0;
}

/** dup(2). */
export function dup(t: Task, a: Args): number {
  const file = t.fds.get(a.i32(0));
  return file === undefined ? -EBADF : dupFrom(t, file, 0, false);
}

/** The lowest free number from `from`, with the file (F_DUPFD). */
export function dupFrom(t: Task, file: File, from: number, cloexec: boolean): number {
  const limit = t.group.rlimits[RLIMIT_NOFILE].cur;
  if (from >= limit) return -EINVAL;
  const fd = t.fds.lowest(from, limit);
  if (fd < 0) return -EMFILE;
  if (!t.fds.reserve(t.kernel.kmem)) return -ENOMEM;
  t.fds.set(fd, file, cloexec, t);
  return fd;
}

/** dup2(2): the same descriptor twice is no error. */
export function dup2(t: Task, a: Args): number {
  const oldfd = a.u32(0);
  const newfd = a.u32(1);
  if (oldfd === newfd) return t.fds.get(oldfd) === undefined ? -EBADF : oldfd;
  return dupTo(t, oldfd, newfd, false);
}

/** dup3(2). */
export function dup3(t: Task, a: Args): number {
  const flags = openFlagsIn(t.regs.arch, a.i32(2));
  if (flags & ~O_CLOEXEC) return -EINVAL;
  if (a.u32(0) === a.u32(1)) return -EINVAL;
  return dupTo(t, a.u32(0), a.u32(1), (flags & O_CLOEXEC) !== 0);
}

function dupTo(t: Task, oldfd: number, newfd: number, cloexec: boolean): number {
  if (newfd >= t.group.rlimits[RLIMIT_NOFILE].cur) return -EBADF;
  const file = t.fds.get(oldfd);
  if (file === undefined) return -EBADF;
  if (!t.fds.reserve(t.kernel.kmem)) return -ENOMEM;
  t.fds.set(newfd, file, cloexec, t);
  return newfd;
}

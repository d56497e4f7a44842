/** fcntl(2) and flock(2). */
import {
  EAGAIN,
  EBADF,
  EDEADLK,
  EFAULT,
  EINVAL,
  ENOLCK,
  EOVERFLOW,
  EPERM,
  ERESTARTSYS,
} from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { park, type SysResult } from '../wait.ts';
import { O_APPEND, O_ASYNC, O_DIRECT, O_NOATIME, O_NONBLOCK, O_PATH, type File } from './file.ts';
import { ownsInode } from './inode.ts';
import {
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
  FileLocks,
  wouldDeadlock,
  type LockOwner,
  type LockWait,
} from './locks.ts';
import { setNotify } from './anon/dnotify.ts';
import { getLease, setLease } from './leases.ts';
import { getOwnerEx, setAsync, setOwner, setOwnerEx } from './sigio.ts';
import { dupFrom, openFlagsIn, openFlagsOut } from './syscalls-open.ts';

export const F_DUPFD = 0;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_GETLK = 5;
export const F_SETLK = 6;
export const F_SETLKW = 7;
export const F_SETOWN = 8;
export const F_GETOWN = 9;
export const F_SETSIG = 10;
export const F_GETSIG = 11;
export const F_SETOWN_EX = 15;
export const F_GETOWN_EX = 16;
export const F_OFD_GETLK = 36;
export const F_OFD_SETLK = 37;
export const F_OFD_SETLKW = 38;
export const F_SETLEASE = 1024;
export const F_GETLEASE = 1025;
export const F_NOTIFY = 1026;
export const F_DUPFD_CLOEXEC = 1030;

const FD_CLOEXEC = 1;
/** What F_SETFL can change (SETFL_MASK). */
const SETFL = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;

/** fcntl(2). */
export function fcntl(t: Task, a: Args): SysResult {
  const fd = a.i32(0);
  const cmd = a.u32(1);
  const d = t.fds.descriptor(fd);
  if (d === undefined) return -EBADF;
  const { file } = d;
  if (file.flags & O_PATH && ![F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL].includes(cmd))
    return -EBADF;
  switch (cmd) {
    case F_DUPFD:
      return dupFrom(t, file, a.u32(2), false);
    case F_DUPFD_CLOEXEC:
      return dupFrom(t, file, a.u32(2), true);
    case F_GETFD:
      return d.cloexec ? FD_CLOEXEC : 0;
    case F_SETFD:
      d.cloexec = (a.u32(2) & FD_CLOEXEC) !== 0;
      return 0;
    case F_GETFL:
      return openFlagsOut(t.regs.arch, file.flags);
    case F_SETFL:
      return setFlags(t, file, fd, openFlagsIn(t.regs.arch, a.i32(2)));
    case F_GETLK:
    case F_OFD_GETLK:
      return getLock(t, file, a.ptr(2), cmd === F_OFD_GETLK);
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return setLock(t, file, cmd, a.ptr(2));
    case F_SETOWN:
      return setOwner(t, file, a.i32(2));
    case F_GETOWN:
      return file.owner.who;
    case F_SETOWN_EX:
      return setOwnerEx(t, file, a.ptr(2));
    case F_GETOWN_EX:
      return getOwnerEx(t, file, a.ptr(2));
    case F_SETSIG:
      if (a.ptr(2) > 64) return -EINVAL;
      file.ownerSignal = a.u32(2);
      return 0;
    case F_GETSIG:
      return file.ownerSignal;
    case F_GETLEASE:
      return getLease(t, file);
    case F_SETLEASE:
      return setLease(t, file, fd, a.i32(2));
    case F_NOTIFY:
      return setNotify(t, file, fd, a.u32(2));
    default:
      return file.fcntl(t, cmd, a.ptr(2));
  }
}

function setFlags(t: Task, file: File, fd: number, flags: number): number {
  if ((flags ^ file.flags) & O_NOATIME && flags & O_NOATIME && file.inode && !ownsInode(t, file.inode)) {
    return -EPERM;
  }
  if ((flags ^ file.flags) & O_ASYNC) setAsync(t, file, fd, (flags & O_ASYNC) !== 0);
  file.flags = (file.flags & ~SETFL) | (flags & SETFL);
  return 0;
}

interface FlockStruct {
  type: number;
  start: number;
  end: number;
  pid: number;
}

/** struct flock (64-bit: the same on both architectures) with its range made absolute, or -errno. */
function readFlock(t: Task, file: File, address: number): FlockStruct | number {
  const v = t.mm.viewIn(address, 32);
  if (v === null) return -EFAULT;
  const type = v.getInt16(0, true);
  const whence = v.getInt16(2, true);
  const l_start = Number(v.getBigInt64(8, true));
  const l_len = Number(v.getBigInt64(16, true));
  const pid = v.getInt32(24, true);
  let start: number;
  if (whence === 0) start = 0;
  else if (whence === 1) start = file.pos;
  else if (whence === 2) start = file.inode?.size ?? 0;
  else return -EINVAL;
  if (l_start > 2 ** 63 - 1024 - start) return -EOVERFLOW;
  start += l_start;
  if (start < 0) return -EINVAL;
  let end = l_len === 0 ? Infinity : start + l_len;
  if (l_len > 0 && end > 2 ** 63) return -EOVERFLOW;
  if (l_len < 0) {
    if (start + l_len < 0) return -EINVAL;
    end = start;
    start += l_len;
  }
  if (type !== F_RDLCK && type !== F_WRLCK && type !== F_UNLCK) return -EINVAL;
  return { type, start, end, pid };
}

/** F_GETLK: what stands in the way, or l_type F_UNLCK and the rest untouched. */
function getLock(t: Task, file: File, address: number, ofd: boolean): number {
  const want = readFlock(t, file, address);
  if (typeof want === 'number') return want;
  // posix F_GETLK refuses F_UNLCK; OFD wants l_pid 0.
  if (!ofd && want.type === F_UNLCK) return -EINVAL;
  if (ofd && want.pid !== 0) return -EINVAL;
  const blocker = file.inode?.locks?.conflict(ofd ? file : t.fds, want.type, want.start, want.end) ?? null;
  const bytes = t.mm.copyIn(address, 32);
  if (bytes === null) return -EFAULT;
  const v = new DataView(bytes.buffer, bytes.byteOffset, 32);
  if (blocker === null) v.setInt16(0, F_UNLCK, true);
  else {
    v.setInt16(0, blocker.type, true);
    v.setInt16(2, 0, true);
    v.setBigInt64(8, BigInt(blocker.start), true);
    v.setBigInt64(16, blocker.end === Infinity ? 0n : BigInt(blocker.end - blocker.start), true);
    v.setInt32(24, blocker.pid, true);
  }
  return t.mm.copyOut(address, bytes) < 0 ? -EFAULT : 0;
}

/** F_SETLK, F_SETLKW and their OFD forms. */
function setLock(t: Task, file: File, cmd: number, address: number): SysResult {
  const ofd = cmd === F_OFD_SETLK || cmd === F_OFD_SETLKW;
  const waits = cmd === F_SETLKW || cmd === F_OFD_SETLKW;
  const want = readFlock(t, file, address);
  if (typeof want === 'number') return want;
  if (want.type === F_RDLCK && !file.readable) return -EBADF;
  if (want.type === F_WRLCK && !file.writable) return -EBADF;
  if (ofd && want.pid !== 0) return -EINVAL;
  const inode = file.inode;
  if (inode === null) return -EBADF;
  const owner: LockOwner = ofd ? file : t.fds;
  const locks = (inode.locks ??= new FileLocks(t.kernel.kmem));
  if (want.type !== F_UNLCK) {
    const blocker = locks.conflict(owner, want.type, want.start, want.end);
    if (blocker !== null) {
      if (!waits) return -EAGAIN;
      if (!ofd && wouldDeadlock(t, owner, blocker.owner)) return -EDEADLK;
      if (t.woken === 'signal') return -t.parked!.interrupted;
      const data: LockWait = { kind: ofd ? 'ofd-lock' : 'posix-lock', owner, blocker: blocker.owner };
      return park({ on: locks.waiters, interrupted: ERESTARTSYS, data });
    }
  }
  // An unlock may split a lock, too, but is never refused: it cannot go on for long.
  if (want.type !== F_UNLCK && !locks.room) return -ENOLCK;
  locks.set(owner, ofd ? -1 : t.pid, want.type, want.start, want.end);
  if (locks.empty) inode.locks = null;
  return 0;
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
const LOCK_MAND = 32;

/** flock(2). Changing the kind of lock gives the old one up first, as Linux does. */
export function flock(t: Task, a: Args): SysResult {
  const file = t.fds.opened(a.i32(0));
  const op = a.u32(1);
  const kind = op & ~LOCK_NB;
  if (kind & LOCK_MAND) return 0;
  if (kind !== LOCK_SH && kind !== LOCK_EX && kind !== LOCK_UN) return -EINVAL;
  if (file === undefined) return -EBADF;
  const inode = file.inode;
  if (inode === null) return -EBADF;
  if (kind === LOCK_UN) {
    inode.locks?.flock(file, F_UNLCK, 0);
    if (inode.locks?.empty) inode.locks = null;
    return 0;
  }
  if (!file.readable && !file.writable) return -EBADF;
  const type = kind === LOCK_EX ? F_WRLCK : F_RDLCK;
  const locks = (inode.locks ??= new FileLocks(t.kernel.kmem));
  if (locks.flockConflict(file, type)) {
    const had = locks.flocks.get(file);
    if (had !== undefined && had.type !== type) locks.flock(file, F_UNLCK, 0);
    if (op & LOCK_NB) return -EAGAIN;
    if (t.woken === 'signal') return -t.parked!.interrupted;
    return park({ on: locks.waiters, interrupted: ERESTARTSYS });
  }
  if (!locks.room) return -ENOLCK;
  locks.flock(file, type, t.pid);
  return 0;
}

/** fork, vfork, clone, clone3, unshare. */
import { E2BIG, EBADF, EFAULT, EINTR, EINVAL, ENOMEM, EPERM, ESRCH, EUSERS } from '../abi/errno.ts';
import { namespaceType } from '../fs/proc/ns-dir.ts';
import { exitSem } from '../ipc/sem.ts';
import { SIGCHLD } from '../signal/numbers.ts';
import type { Args } from '../syscall/args.ts';
import { park, type SysResult } from '../wait.ts';
import {
  CLONE_CLEAR_SIGHAND, CLONE_DETACHED, CLONE_FILES, CLONE_FS, CLONE_INTO_CGROUP, CLONE_NEWNS, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_PARENT,
  CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_SIGHAND, CLONE_SYSVSEM, CLONE_THREAD, CLONE_VFORK, CLONE_VM, CSIGNAL,
  NAMESPACES, copyProcess, type CloneArgs,
} from './clone.ts'; // prettier-ignore
import { CAP_SYS_ADMIN, CAP_SYS_CHROOT, hasCapability } from './creds.ts';
import { PidFile } from './pidfd.ts';
import type { Task } from './task.ts';

const NOTHING: CloneArgs = {
  flags: 0, clearSighand: false, exitSignal: SIGCHLD, stack: 0, tls: 0n, pidfd: 0, parentTid: 0, childTid: 0,
}; // prettier-ignore

/** Makes the child; a vfork caller then waits for it to exit or exec. */
function start(t: Task, a: CloneArgs): SysResult {
  if (t.parked !== null) return awaitVfork(t, t.parked.data as number);
  const child = copyProcess(t, a);
  if (typeof child === 'number') return child;
  return child.vforkDone === null ? child.tid : awaitVfork(t, child.tid);
}

/** A killable wait: only the end of the process breaks it off. */
function awaitVfork(t: Task, tid: number): SysResult {
  const done = t.kernel.processes.task(tid)?.vforkDone ?? null;
  if (done === null) return tid;
  return park({ on: done, interrupted: EINTR, data: tid, uninterruptible: true });
}

/** fork(2). */
export function fork(t: Task): SysResult {
  return start(t, NOTHING);
}

/** vfork(2). */
export function vfork(t: Task): SysResult {
  return start(t, { ...NOTHING, flags: CLONE_VFORK | CLONE_VM });
}

/** clone(2). The last two arguments are (child_tid, tls) on x86_64 and (tls, child_tid) on aarch64. */
export function clone(t: Task, a: Args): SysResult {
  const flags = a.u32(0);
  const x86 = t.regs.arch === 'x86_64';
  if ((flags & CLONE_PIDFD) !== 0 && (flags & CLONE_PARENT_SETTID) !== 0) return -EINVAL; // one pointer for both
  return start(t, {
    flags: (flags & ~CSIGNAL) >>> 0,
    clearSighand: false,
    exitSignal: flags & CSIGNAL,
    stack: a.ptr(1),
    tls: a.big(x86 ? 4 : 3),
    pidfd: a.ptr(2),
    parentTid: a.ptr(2),
    childTid: a.ptr(x86 ? 3 : 4),
  });
}

const CLONE_ARGS_SIZE_VER0 = 64;
const CLONE_ARGS_SIZE_VER2 = 88;

/** clone3(2). */
export function clone3(t: Task, a: Args): SysResult {
  if (t.parked !== null) return awaitVfork(t, t.parked.data as number);
  const size = a.size(1);
  if (size > 4096) return -E2BIG;
  if (size < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  const bytes = t.mm.copyIn(a.ptr(0), size);
  if (bytes === null) return -EFAULT;
  // copy_struct_from_user: fields this kernel does not know must be zero.
  if (bytes.subarray(CLONE_ARGS_SIZE_VER2).some((b) => b !== 0)) return -E2BIG;
  const padded = new Uint8Array(CLONE_ARGS_SIZE_VER2);
  padded.set(bytes.subarray(0, CLONE_ARGS_SIZE_VER2));
  const v = new DataView(padded.buffer);
  const num = (at: number): number => Number(v.getBigUint64(at, true));
  const allFlags = v.getBigUint64(0, true);
  const exitSignal = v.getBigUint64(32, true);
  const [stack, stackSize, setTid, setTidSize, cgroup] = [num(40), num(48), num(64), num(72), num(80)];
  if (setTidSize > 32 || (setTid === 0) !== (setTidSize === 0)) return -EINVAL;
  if (exitSignal > 64n) return -EINVAL;
  const known = BigInt(0xffffffff) | BigInt(CLONE_CLEAR_SIGHAND) | BigInt(CLONE_INTO_CGROUP);
  const intoCgroup = (allFlags & BigInt(CLONE_INTO_CGROUP)) !== 0n;
  if (intoCgroup && (cgroup > 0x7fffffff || size < CLONE_ARGS_SIZE_VER2)) return -EINVAL;
  const tids = setTid === 0 ? null : t.mm.viewIn(setTid, 4 * setTidSize);
  if (setTid !== 0 && tids === null) return -EFAULT;
  if ((allFlags & ~known) !== 0n) return -EINVAL;
  const flags = Number(allFlags & 0xffffffffn);
  const clearSighand = (allFlags & BigInt(CLONE_CLEAR_SIGHAND)) !== 0n;
  if ((flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME))) !== 0) return -EINVAL;
  if (clearSighand && (flags & CLONE_SIGHAND) !== 0) return -EINVAL;
  if ((flags & (CLONE_THREAD | CLONE_PARENT)) !== 0 && exitSignal !== 0n) return -EINVAL;
  if ((stack === 0) !== (stackSize === 0)) return -EINVAL;
  if (stack + stackSize > 0x7ffffffff000) return -EINVAL;
  if ((flags & CLONE_NEWTIME) !== 0) return -EINVAL;
  if ((flags & CLONE_PIDFD) !== 0 && (flags & CLONE_PARENT_SETTID) !== 0 && num(8) === num(24))
    return -EINVAL;
  if (intoCgroup) return -EBADF; // no descriptor is a cgroup's
  if (setTidSize > 1) return -EINVAL; // there is one pid namespace
  return start(t, {
    flags,
    clearSighand,
    exitSignal: Number(exitSignal),
    stack: stack === 0 ? 0 : stack + stackSize,
    tls: v.getBigUint64(56, true),
    pidfd: num(8),
    childTid: num(16),
    parentTid: num(24),
    ...(tids === null ? {} : { tid: tids.getInt32(0, true) }),
  });
}

/** unshare(2), for what a task can stop sharing without namespaces. */
export function unshare(t: Task, a: Args): number {
  const flags = a.u32(0);
  const known =
    CLONE_THREAD | CLONE_FS | CLONE_SIGHAND | CLONE_VM | CLONE_FILES | CLONE_SYSVSEM | NAMESPACES | CLONE_NEWTIME; // prettier-ignore
  if ((flags & ~known) !== 0) return -EINVAL;
  if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) !== 0 && t.group.live > 1) return -EINVAL;
  if ((flags & (CLONE_SIGHAND | CLONE_VM)) !== 0 && (t.sighand.users > 1 || t.mm.users > 1)) return -EINVAL;
  if ((flags & (NAMESPACES | CLONE_NEWTIME)) !== 0) return hasCapability(t, CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
  if ((flags & CLONE_SYSVSEM) !== 0) exitSem(t);
  if ((flags & CLONE_FS) !== 0 && t.fs.users > 1) {
    t.fs.users--;
    t.fs = t.fs.clone();
  }
  if ((flags & CLONE_FILES) !== 0 && t.fds.users > 1) {
    const shared = t.fds;
    const own = shared.clone(t.kernel.kmem);
    if (own === null) return -ENOMEM;
    t.fds = own;
    shared.users--;
  }
  return 0;
}

/** setns(2): there is one namespace of each kind, and whoever may enters it again. */
export function setns(t: Task, a: Args): number {
  const file = t.fds.opened(a.i32(0));
  if (file === undefined) return -EBADF;
  let kinds = a.u32(1);
  const type = namespaceType(file);
  if (type !== null) {
    if (kinds !== 0 && kinds !== type) return -EINVAL;
    kinds = type;
  } else if (!(file instanceof PidFile) || kinds === 0 || (kinds & ~(NAMESPACES | CLONE_NEWTIME)) !== 0) {
    return -EINVAL;
  } else if (file.group.live === 0) return -ESRCH;
  // A user namespace cannot be entered again: that would give back dropped capabilities.
  if ((kinds & CLONE_NEWUSER) !== 0) return -EINVAL;
  if (!hasCapability(t, CAP_SYS_ADMIN)) return -EPERM;
  if ((kinds & CLONE_NEWNS) !== 0) {
    if (!hasCapability(t, CAP_SYS_CHROOT)) return -EPERM;
    if (t.fs.users > 1) return -EINVAL;
    t.fs.root = t.fs.cwd = t.kernel.vfs.root;
  }
  // timens_install: for a process of one thread.
  if ((kinds & CLONE_NEWTIME) !== 0 && t.group.live > 1) return -EUSERS;
  return 0;
}

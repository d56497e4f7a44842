/** exit, wait4, waitid. */
import { ECHILD, EFAULT, EBADF, EAGAIN, EINVAL, ERESTARTSYS, ESRCH } from '../abi/errno.ts';
import {
  CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, SIGCHLD, SIGCONT,
} from '../signal/numbers.ts'; // prettier-ignore
import type { Args } from '../syscall/args.ts';
import { KEEP_REGS, park, type SysResult } from '../wait.ts';
import { exitGroup, exitTask } from './exit.ts';
import { PidFile } from './pidfd.ts';
import type { Task } from './task.ts';
import type { Usage } from './thread-group.ts';
import { type ThreadGroup } from './thread-group.ts';
import { accountChild, processUsage, rusageBytes } from './usage.ts';

export const WNOHANG = 1;
export const WUNTRACED = 2;
export const WSTOPPED = 2;
export const WEXITED = 4;
export const WCONTINUED = 8;
export const WNOWAIT = 0x1000000;
export const __WNOTHREAD = 0x20000000;
export const __WALL = 0x40000000;
export const __WCLONE = 0x80000000;

const P_ALL = 0;
const P_PID = 1;
const P_PGID = 2;
const P_PIDFD = 3;

/** exit(2): this thread only. */
export function exit(t: Task, a: Args): SysResult {
  exitTask(t, (a.i32(0) & 0xff) << 8);
  return KEEP_REGS;
}

/** exit_group(2). */
export function exit_group(t: Task, a: Args): SysResult {
  exitGroup(t, (a.i32(0) & 0xff) << 8);
  return KEEP_REGS;
}

/** Which children a wait is for. */
type Choice = (g: ThreadGroup) => boolean;

/** A child's change of state. */
interface Change {
  readonly pid: number;
  readonly uid: number;
  readonly code: number;
  /** siginfo's si_status: exit code or signal. */
  readonly status: number;
  /** As wait4 stores it. */
  readonly waitStatus: number;
  readonly usage: Usage;
}

/** do_wait: one change of an eligible child, 0 when none has changed yet, -ECHILD when there is no such child. */
function findChange(t: Task, choice: Choice, options: number): Change | number {
  let eligible = false;
  for (const g of t.group.children) {
    if (!choice(g)) continue;
    if ((options & __WALL) === 0 && (g.exitSignal !== SIGCHLD) !== ((options & __WCLONE) !== 0)) continue;
    if ((options & __WNOTHREAD) !== 0 && g.parentThread !== t) continue;
    eligible = true;
    const keep = (options & WNOWAIT) !== 0;
    const uid = g.leader.creds.uid;
    if (g.zombie !== null && g.shownPid === 0) {
      if ((options & WEXITED) === 0) continue;
      const status = g.zombie;
      const signo = status & 0x7f;
      const usage = processUsage(g);
      usage.add(g.childUsage);
      if (!keep) {
        accountChild(t.group, g);
        t.kernel.processes.forget(g);
      }
      return {
        pid: g.pid, uid, waitStatus: status, usage,
        code: signo === 0 ? CLD_EXITED : status & 0x80 ? CLD_DUMPED : CLD_KILLED,
        status: signo === 0 ? status >> 8 : signo,
      }; // prettier-ignore
    }
    if (g.stopReport !== 0 && (options & WSTOPPED) !== 0) {
      const signo = g.stopReport;
      if (!keep) g.stopReport = 0;
      return { pid: g.pid, uid, waitStatus: (signo << 8) | 0x7f, usage: processUsage(g), code: CLD_STOPPED, status: signo }; // prettier-ignore
    }
    if (g.continueReport && (options & WCONTINUED) !== 0) {
      if (!keep) g.continueReport = false;
      return {
        pid: g.pid,
        uid,
        waitStatus: 0xffff,
        usage: processUsage(g),
        code: CLD_CONTINUED,
        status: SIGCONT,
      };
    }
  }
  return eligible ? 0 : -ECHILD;
}

/** wait4(2). */
export function wait4(t: Task, a: Args): SysResult {
  const pid = a.i32(0);
  const options = a.u32(2);
  if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)) !== 0) return -EINVAL;
  if (pid === -0x80000000) return -ESRCH;
  const pgrp = pid === 0 ? t.group.pgrp : -pid;
  const choice: Choice = pid === -1 ? () => true : pid > 0 ? (g) => g.pid === pid : (g) => g.pgrp === pgrp;
  const c = findChange(t, choice, options | WEXITED);
  if (typeof c === 'number') {
    if (c < 0 || (options & WNOHANG) !== 0) return c;
    return park({ on: t.group.childEvents, interrupted: ERESTARTSYS });
  }
  if (a.ptr(1) !== 0 && t.mm.putU32(a.ptr(1), c.waitStatus) !== 0) return -EFAULT;
  if (a.ptr(3) !== 0 && t.mm.copyOut(a.ptr(3), rusageBytes(c.usage)) !== 0) return -EFAULT;
  return c.pid;
}

/** waitid(2). */
export function waitid(t: Task, a: Args): SysResult {
  const id = a.i32(1);
  const options = a.u32(3);
  if (
    (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)) !==
      0 ||
    (options & (WEXITED | WSTOPPED | WCONTINUED)) === 0
  ) {
    return -EINVAL;
  }
  let choice: Choice;
  let nonblock = (options & WNOHANG) !== 0;
  switch (a.i32(0)) {
    case P_ALL:
      choice = () => true;
      break;
    case P_PID:
      if (id <= 0) return -EINVAL;
      choice = (g) => g.pid === id;
      break;
    case P_PGID: {
      if (id < 0) return -EINVAL;
      const pgrp = id === 0 ? t.group.pgrp : id;
      choice = (g) => g.pgrp === pgrp;
      break;
    }
    case P_PIDFD: {
      if (id < 0) return -EINVAL;
      const file = t.fds.opened(id);
      if (!(file instanceof PidFile)) return -EBADF;
      choice = (g) => g === file.group;
      nonblock ||= file.nonblocking;
      break;
    }
    default:
      return -EINVAL;
  }
  const c = findChange(t, choice, options);
  if (typeof c === 'number') {
    if (c === 0 && !nonblock) return park({ on: t.group.childEvents, interrupted: ERESTARTSYS });
    // Linux fills in zeros even when it fails.
    const err = c === 0 && (options & WNOHANG) === 0 ? -EAGAIN : c;
    return writeInfo(t, a.ptr(2), null) < 0 ? -EFAULT : err;
  }
  if (a.ptr(4) !== 0 && t.mm.copyOut(a.ptr(4), rusageBytes(c.usage)) !== 0) return -EFAULT;
  return writeInfo(t, a.ptr(2), c);
}

/** The six fields of siginfo_t that waitid sets; the rest of the 128 bytes is left alone. */
function writeInfo(t: Task, address: number, c: Change | null): number {
  if (address === 0) return 0;
  const out = new Uint8Array(12);
  const v = new DataView(out.buffer);
  if (c !== null) {
    v.setInt32(0, SIGCHLD, true);
    v.setInt32(8, c.code, true);
  }
  const rest = new Uint8Array(12);
  const w = new DataView(rest.buffer);
  if (c !== null) {
    w.setInt32(0, c.pid, true);
    w.setUint32(4, c.uid, true);
    w.setInt32(8, c.status, true);
  }
  return t.mm.copyOut(address, out) !== 0 || t.mm.copyOut(address + 16, rest) !== 0 ? -EFAULT : 0;
}

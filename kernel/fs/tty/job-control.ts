/** Job control's checks: who may read and change a terminal (__tty_check_change, tiocspgrp and their like). */
import { EFAULT, EINVAL, EIO, ENOTTY, EPERM, ERESTARTSYS, ESRCH } from '../../abi/errno.ts';
import { isOrphanedPgrp } from '../../signal/job-control.ts';
import { sigbit, SIGTTIN, SIG_IGN, SI_KERNEL } from '../../signal/numbers.ts';
import { sendToPgrp } from '../../signal/send.ts';
import type { Task } from '../../task/task.ts';
import type { Tty } from './tty.ts';

export const CAP_SYS_ADMIN = 1n << 21n;

/**
 * Whether a process may go on with what only the foreground group may do. 0; -EIO; or -ERESTARTSYS, its group having
 * been sent `signo` (SIGTTIN or SIGTTOU).
 */
export function checkForeground(t: Task, tty: Tty, signo: number): number {
  if (t.group.tty !== tty || tty.pgrp === 0 || t.group.pgrp === tty.pgrp) return 0;
  const ignored = (t.sigmask & sigbit(signo)) !== 0n || t.sighand.actions[signo - 1].handler === SIG_IGN;
  if (ignored) return signo === SIGTTIN ? -EIO : 0;
  if (isOrphanedPgrp(t.kernel, t.group.pgrp)) return -EIO;
  sendToPgrp(t.kernel, t.group.pgrp, { signo, code: SI_KERNEL });
  return -ERESTARTSYS;
}

const isLeader = (t: Task): boolean => t.group.session === t.group.pid;
const isAdmin = (t: Task): boolean => (t.creds.capEffective & CAP_SYS_ADMIN) !== 0n;

/** An open(2) without O_NOCTTY: a session leader without a terminal takes a free one. */
export function adoptOnOpen(t: Task, tty: Tty, readable: boolean): void {
  if (isLeader(t) && t.group.tty === null && tty.session === 0 && readable) tty.adopt(t.group);
}

/** TIOCSCTTY. `steal`: its argument is 1. */
export function setControlling(t: Task, tty: Tty, steal: boolean, readable: boolean): number {
  const g = t.group;
  if (isLeader(t) && tty.session === g.session) return 0;
  if (!isLeader(t) || g.tty !== null) return -EPERM;
  if (tty.session !== 0) {
    if (!steal || !isAdmin(t)) return -EPERM;
    tty.release(tty.session);
  }
  if (!readable && !isAdmin(t)) return -EPERM;
  tty.adopt(g);
  return 0;
}

/** TIOCNOTTY. */
export function giveUpControlling(t: Task, tty: Tty): number {
  if (t.group.tty !== tty) return -ENOTTY;
  if (isLeader(t)) tty.sessionEnded(t.group, false);
  t.group.tty = null;
  return 0;
}

/** TIOCGPGRP and TIOCGSID; `master`: asked on a pty's master side. */
export function getPgrp(t: Task, tty: Tty, arg: number, master: boolean): number {
  if (!master && t.group.tty !== tty) return -ENOTTY;
  return t.mm.putU32(arg, tty.pgrp);
}
export function getSession(t: Task, tty: Tty, arg: number, master: boolean): number {
  if ((!master && t.group.tty !== tty) || tty.session === 0) return -ENOTTY;
  return t.mm.putU32(arg, tty.session);
}

/** TIOCSPGRP (tcsetpgrp(3)). */
export function setPgrp(t: Task, tty: Tty, arg: number, signo: number): number {
  const may = checkForeground(t, tty, signo);
  if (may < 0) return may === -EIO ? -ENOTTY : may;
  const pgrp = t.mm.i32(arg);
  if (pgrp === null) return -EFAULT;
  if (pgrp < 0) return -EINVAL;
  const { session } = t.group;
  if (t.group.tty !== tty || tty.session !== session) return -ENOTTY;
  const members = t.kernel.processes.pgrp(pgrp);
  if (members.length === 0) return -ESRCH;
  if (members[0].session !== session) return -EPERM;
  tty.pgrp = pgrp;
  return 0;
}

/** Process groups and sessions (credentials(7), setpgid(2), setsid(2)). */
import { EACCES, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from './task.ts';
import type { ThreadGroup } from './thread-group.ts';

/** setpgid(2). */
export function setpgid(t: Task, a: Args): number {
  const k = t.kernel;
  const self = t.group;
  const pid = a.i32(0) === 0 ? self.pid : a.i32(0);
  const pgid = a.i32(1) === 0 ? pid : a.i32(1);
  if (pgid < 0) return -EINVAL;
  const g = k.processes.group(pid);
  if (g === undefined) return k.processes.task(pid) === undefined ? -ESRCH : -EINVAL;
  if (g.parent === self) {
    if (g.session !== self.session) return -EPERM;
    if (g.execed) return -EACCES;
  } else if (g !== self) {
    return -ESRCH;
  }
  if (g.session === g.pid) return -EPERM;
  if (pgid !== pid && !k.processes.pgrp(pgid).some((p) => p.session === self.session)) return -EPERM;
  g.pgrp = pgid;
  return 0;
}

/** The process of any thread id; 0 is the caller's. */
function processOf(t: Task, pid: number): ThreadGroup | undefined {
  return pid === 0 ? t.group : t.kernel.processes.task(pid)?.group;
}

/** getpgid(2). */
export function getpgid(t: Task, a: Args): number {
  return processOf(t, a.i32(0))?.pgrp ?? -ESRCH;
}
/** getpgrp(2). */
export function getpgrp(t: Task): number {
  return t.group.pgrp;
}
/** getsid(2). */
export function getsid(t: Task, a: Args): number {
  return processOf(t, a.i32(0))?.session ?? -ESRCH;
}

/** setsid(2). */
export function setsid(t: Task): number {
  const g = t.group;
  if (g.session === g.pid || t.kernel.processes.pgrp(g.pid).length > 0) return -EPERM;
  g.session = g.pid;
  g.pgrp = g.pid;
  g.tty = null;
  return g.pid;
}

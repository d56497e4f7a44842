/** Descriptors of processes (pidfd_open(2)). */
import { EBADF, EFAULT, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import { TaskDir } from '../fs/proc/process-dir.ts';
import { File, O_NONBLOCK, O_PATH, O_RDWR, POLLIN, POLLRDNORM, installFile } from '../fs/file.ts';
import { SI_TKILL, SI_USER } from '../signal/numbers.ts';
import { checkKill, sendToGroup } from '../signal/send.ts';
import { decodeSigInfo, SIGINFO_SIZE } from '../signal/siginfo.ts';
import type { SigInfo } from '../signal/state.ts';
import type { Args } from '../syscall/args.ts';
import { CAP_SYS_PTRACE, hasCapability } from './creds.ts';
import type { Task } from './task.ts';
import type { ThreadGroup } from './thread-group.ts';

export class PidFile extends File {
  readonly group: ThreadGroup;
  /** Passes the process's exit on to whoever polls. */
  private readonly relay = { wake: (): void => this.waiters.wake(POLLIN | POLLRDNORM) };

  constructor(group: ThreadGroup, flags: number) {
    super(flags, null, `exit of ${group.pid}`);
    this.group = group;
    group.exited.add(this.relay);
  }

  override get name(): string {
    return 'anon_inode:[pidfd]';
  }
  /** NSpid too: there is one namespace. A process that was waited for has no number any more. */
  override fdinfo(): string {
    const { pid, leader } = this.group;
    const known = leader.kernel.processes.group(pid) === this.group ? pid : -1;
    return `Pid:\t${known}\nNSpid:\t${known}\n`;
  }
  override poll(): number {
    return this.group.live === 0 ? POLLIN | POLLRDNORM : 0;
  }
  override release(): void {
    this.group.exited.remove(this.relay);
  }
}

export function pidfdCreate(g: ThreadGroup, flags = 0): PidFile {
  return new PidFile(g, O_RDWR | flags);
}

/** pidfd_open(2). */
export function pidfd_open(t: Task, a: Args): number {
  const flags = a.u32(1);
  if ((flags & ~O_NONBLOCK) !== 0) return -EINVAL;
  const pid = a.i32(0);
  if (pid <= 0) return -EINVAL;
  const g = t.kernel.processes.group(pid);
  if (g === undefined) return t.kernel.processes.task(pid) === undefined ? -ESRCH : -EINVAL;
  return installFile(t, pidfdCreate(g, flags), true);
}

/** The process a descriptor stands for: a pidfd, or an open /proc/PID (pidfd_to_pid). */
function processOf(file: File): ThreadGroup | null {
  if (file instanceof PidFile) return file.group;
  const dir = (file.flags & O_PATH) === 0 ? file.inode : null;
  return dir instanceof TaskDir && dir.whole ? dir.task.group : null;
}

/** pidfd_send_signal(2). */
export function pidfd_send_signal(t: Task, a: Args): number {
  if (a.u32(3) !== 0) return -EINVAL;
  const file = t.fds.opened(a.i32(0));
  const g = file && processOf(file);
  if (!g) return -EBADF;
  const signo = a.i32(1);
  let info: SigInfo = { signo, code: SI_USER, pid: t.group.pid, uid: t.creds.uid };
  if (a.ptr(2) !== 0) {
    const v = t.mm.viewIn(a.ptr(2), SIGINFO_SIZE);
    if (v === null) return -EFAULT;
    if (v.getInt32(0, true) !== signo) return -EINVAL;
    const given = decodeSigInfo(v, signo);
    if (g !== t.group && (given.code >= 0 || given.code === SI_TKILL)) return -EPERM;
    info = given;
  }
  if (g.zombie !== null && t.kernel.processes.group(g.pid) !== g) return -ESRCH;
  const denied = checkKill(t, g.leader, signo);
  if (denied !== 0) return denied;
  return signo === 0 ? 0 : sendToGroup(g, info);
}

/** pidfd_getfd(2). */
export function pidfd_getfd(t: Task, a: Args): number {
  if (a.u32(2) !== 0) return -EINVAL;
  const file = t.fds.opened(a.i32(0));
  if (!(file instanceof PidFile)) return -EBADF;
  const g = file.group;
  if (g.live === 0) return -ESRCH;
  if (!mayAccess(t, g)) return -EPERM;
  const wanted = g.leader.fds.get(a.i32(1));
  if (wanted === undefined) return -EBADF;
  return installFile(t, wanted, true);
}

/** ptrace_may_access(PTRACE_MODE_ATTACH_REALCREDS), without security modules. */
export function mayAccess(t: Task, g: ThreadGroup): boolean {
  if (g === t.group || hasCapability(t, CAP_SYS_PTRACE)) return true;
  const c = t.creds;
  const d = g.leader.creds;
  const sameUser = c.uid === d.euid && c.uid === d.suid && c.uid === d.uid;
  const sameGroup = c.gid === d.egid && c.gid === d.sgid && c.gid === d.gid;
  return sameUser && sameGroup && g.dumpable === 1;
}

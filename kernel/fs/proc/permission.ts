/** Who may look into a process (ptrace(2), "Ptrace access mode checking"), and who owns its files here. */
import type { Task } from '../../task/task.ts';
import type { Inode } from '../inode.ts';

const CAP_SYS_PTRACE = 1n << 19n;

/** PTRACE_MODE_READ_FSCREDS. */
export function mayInspect(t: Task, target: Task): boolean {
  if (t.group === target.group) return true;
  if ((t.creds.capEffective & CAP_SYS_PTRACE) !== 0n) return true;
  const { fsuid, fsgid } = t.creds;
  const d = target.creds;
  const same =
    fsuid === d.euid &&
    fsuid === d.suid &&
    fsuid === d.uid &&
    fsgid === d.egid &&
    fsgid === d.sgid &&
    fsgid === d.gid;
  return same && target.group.dumpable === 1;
}

/** Files of a process belong to its effective user; of one that is not dumpable, to root. */
export function ownedBy(inode: Inode, task: Task): void {
  const own = task.group.dumpable === 1;
  inode.uid = own ? task.creds.euid : 0;
  inode.gid = own ? task.creds.egid : 0;
}

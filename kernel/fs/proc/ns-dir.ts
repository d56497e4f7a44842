/** /proc/PID/ns: the namespaces, all of them the initial ones (namespaces(7), ioctl_ns(2)). */
import { EFAULT, EINVAL, ENOTTY, EPERM } from '../../abi/errno.ts';
import type { Kernel } from '../../kernel.ts';
import {
  CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS,
} from '../../task/clone.ts'; // prettier-ignore
import type { Task } from '../../task/task.ts';
import { PseudoInode, realtime } from '../anon/pseudo-fs.ts';
import type { Path } from '../dentry.ts';
import { File, installFile, O_RDONLY } from '../file.ts';
import { S_IFREG } from '../inode.ts';
import { GeneratedDir, GeneratedLink, type GeneratedFs } from './generated.ts';
import { ownedBy } from './permission.ts';

interface Namespace {
  readonly kind: string;
  /** Its CLONE_NEW*. */
  readonly type: number;
  readonly ino: number;
}

const of = (kind: string, type: number, ino: number): Namespace => ({ kind, type, ino });
/** Numbers of the initial namespaces (include/linux/proc_ns.h); the two without a fixed one follow on. */
const CGROUP = of('cgroup', CLONE_NEWCGROUP, 0xeffffffb);
const IPC = of('ipc', CLONE_NEWIPC, 0xefffffff);
const MNT = of('mnt', CLONE_NEWNS, 0xf0000000);
const NET = of('net', CLONE_NEWNET, 0xf0000098);
const PID = of('pid', CLONE_NEWPID, 0xeffffffc);
const TIME = of('time', CLONE_NEWTIME, 0xeffffffa);
const USER = of('user', CLONE_NEWUSER, 0xeffffffd);
const UTS = of('uts', CLONE_NEWUTS, 0xeffffffe);
const LINKS: readonly (readonly [name: string, ns: Namespace])[] = [
  ['cgroup', CGROUP], ['ipc', IPC], ['mnt', MNT], ['net', NET], ['pid', PID], ['pid_for_children', PID],
  ['time', TIME], ['time_for_children', TIME], ['user', USER], ['uts', UTS],
]; // prettier-ignore

const NS_GET_USERNS = 0xb701;
const NS_GET_PARENT = 0xb702;
const NS_GET_NSTYPE = 0xb703;
const NS_GET_OWNER_UID = 0xb704;

/** An open namespace: a handle, and what ioctl_ns(2) tells of it. */
class NamespaceFile extends File {
  private readonly ns: Namespace;
  private readonly at: Path;

  constructor(kernel: Kernel, ns: Namespace) {
    const at = pathOf(kernel, ns);
    super(O_RDONLY, at.inode, 'namespace');
    this.ns = ns;
    this.at = at;
    this.path = at;
  }
  get name(): string {
    return this.at.name;
  }
  get type(): number {
    return this.ns.type;
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    const { kind, type } = this.ns;
    switch (cmd) {
      case NS_GET_USERNS:
        // The initial one has none above it that anybody could be shown.
        return kind === 'user' ? -EPERM : installFile(t, new NamespaceFile(t.kernel, USER), true);
      case NS_GET_PARENT:
        return kind === 'user' || kind === 'pid' ? -EPERM : -EINVAL;
      case NS_GET_NSTYPE:
        return type;
      case NS_GET_OWNER_UID:
        if (kind !== 'user') return -EINVAL;
        return t.mm.putU32(arg, 0) < 0 ? -EFAULT : 0;
      default:
        return -ENOTTY;
    }
  }
}

/** CLONE_NEW* of the namespace a file is a handle of, or null. */
export const namespaceType = (file: File): number | null =>
  file instanceof NamespaceFile ? file.type : null;

/** Where a namespace's link leads: its inode in nsfs. */
function pathOf(kernel: Kernel, ns: Namespace): Path {
  const { pseudo, vfs } = kernel;
  let inode = pseudo.namespaces.get(ns.ino);
  if (!inode) {
    inode = new PseudoInode(pseudo.nsfs, ns.ino, S_IFREG | 0o444, 0, 0, realtime(kernel));
    inode.reopen = (): File => new NamespaceFile(kernel, ns);
    pseudo.namespaces.set(ns.ino, inode);
  }
  return vfs.anonPath(inode, `${ns.kind}:[${ns.ino}]`);
}

export class NsDir extends GeneratedDir {
  constructor(fs: GeneratedFs, task: Task) {
    super(fs, 0o511, fs.kernel.pseudo.nextIno());
    ownedBy(this, task);
    for (const [name, ns] of LINKS) {
      const text = (): string => `${ns.kind}:[${ns.ino}]`;
      this.add(name, new GeneratedLink(fs, text, () => pathOf(fs.kernel, ns), fs.kernel.pseudo.nextIno()));
    }
  }
}

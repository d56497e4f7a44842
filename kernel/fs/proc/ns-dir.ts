/** /proc/PID/ns: the namespaces, all of them the initial ones (namespaces(7)). */
import type { Task } from '../../task/task.ts';
import { GeneratedDir, GeneratedLink, type GeneratedFs } from './generated.ts';
import { ownedBy } from './permission.ts';

/** Numbers of the initial namespaces (include/linux/proc_ns.h); the two without a fixed one follow on. */
const NAMESPACES: readonly (readonly [name: string, kind: string, ino: number])[] = [
  ['cgroup', 'cgroup', 0xeffffffb],
  ['ipc', 'ipc', 0xefffffff],
  ['mnt', 'mnt', 0xf0000000],
  ['net', 'net', 0xf0000098],
  ['pid', 'pid', 0xeffffffc],
  ['pid_for_children', 'pid', 0xeffffffc],
  ['time', 'time', 0xeffffffa],
  ['time_for_children', 'time', 0xeffffffa],
  ['user', 'user', 0xeffffffd],
  ['uts', 'uts', 0xeffffffe],
];

export class NsDir extends GeneratedDir {
  constructor(fs: GeneratedFs, task: Task) {
    super(fs, 0o511, fs.kernel.pseudo.nextIno());
    ownedBy(this, task);
    for (const [name, kind, ino] of NAMESPACES) {
      this.add(name, new GeneratedLink(fs, () => `${kind}:[${ino}]`, null, fs.kernel.pseudo.nextIno()));
    }
  }
}

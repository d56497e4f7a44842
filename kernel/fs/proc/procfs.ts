/** procfs: the root of /proc (proc(5), fs/proc/root.c). */
import { EIO, ENOENT } from '../../abi/errno.ts';
import type { Kernel } from '../../kernel.ts';
import type { Task } from '../../task/task.ts';
import { S_IFDIR, type DirEntry, type Inode } from '../inode.ts';
import { keysText, keyUsersText } from '../../keys/keyctl.ts';
import { GeneratedDir, GeneratedFile, GeneratedFs, GeneratedLink, type Content } from './generated.ts';
import { locksText } from './locks-file.ts';
import { netDir, type ProcNetSource } from './net-files.ts';
import { TaskDir } from './process-dir.ts';
import {
  cpuinfoText, devicesText, filesystemsText, loadavgText, meminfoText, statFileText, SWAPS, uptimeText, versionText,
  vmstatText,
} from './system-files.ts'; // prettier-ignore
import { sysctlTree } from './sysctl.ts';

const PROC_SUPER_MAGIC = 0x9fa0;
const ROOT_INO = 1;
/** Nothing is allocated in slabs. */
const SLABINFO =
  'slabinfo - version: 2.1\n' +
  '# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n';

export class ProcFs extends GeneratedFs {
  /** Where /proc/net's tables come from; the network stack sets it. */
  net: ProcNetSource | null = null;

  constructor(kernel: Kernel, dev: number) {
    super(kernel, 'proc', dev, PROC_SUPER_MAGIC);
    this.root = new ProcRoot(this);
  }
}

class ProcRoot extends GeneratedDir {
  private readonly kernel: Kernel;
  private readonly net: GeneratedDir;
  private readonly made = new Map<Task, TaskDir>();

  constructor(fs: ProcFs) {
    super(fs, 0o555, ROOT_INO);
    const k = (this.kernel = fs.kernel);
    this.net = netDir(fs, () => fs.net);
    // As readers of these links: null is the kernel itself, which has no /proc/self.
    this.add('self', new GeneratedLink(fs, (t) => (t === null ? -ENOENT : String(t.pid))));
    this.add('thread-self', new GeneratedLink(fs, (t) => (t === null ? -ENOENT : `${t.pid}/task/${t.tid}`)));
    this.add('mounts', new GeneratedLink(fs, () => 'self/mounts'));
    this.add('net', new GeneratedLink(fs, () => 'self/net'));
    this.add('sys', sysctlTree(fs, k));
    this.file('cmdline', () => 'ring3\n');
    this.file('consoles', () => '');
    this.file('cpuinfo', () => cpuinfoText(k));
    this.file('devices', () => devicesText(k));
    this.file('diskstats', () => '');
    this.file('filesystems', () => filesystemsText(k));
    this.file('interrupts', () => '');
    this.file('key-users', (t) => keyUsersText(t));
    this.file('keys', (t) => keysText(t));
    this.file('loadavg', () => loadavgText(k));
    this.file('locks', () => locksText(k));
    this.file('meminfo', () => meminfoText(k));
    this.file('misc', () => '');
    this.file('modules', () => '');
    this.file('partitions', () => 'major minor  #blocks  name\n\n');
    this.file('stat', () => statFileText(k));
    this.file('swaps', () => SWAPS);
    this.file('uptime', () => uptimeText(k));
    this.file('version', () => versionText(k));
    this.file('vmstat', () => vmstatText(k));
    this.add('slabinfo', new GeneratedFile(fs, 0o400, () => SLABINFO, { refusal: -EIO }));
    const sysvipc = this.add('sysvipc', new GeneratedDir(fs));
    for (const [name, header] of SYSVIPC)
      sysvipc.add(name, new GeneratedFile(fs, 0o444, () => header + k.ipc.lines(name)));
  }

  private file(name: string, text: (t: Task) => Content): void {
    this.add(name, new GeneratedFile(this.fs, 0o444, text, { refusal: -EIO }));
  }

  protected override dynamic(name: string): Inode | number {
    if (!/^[1-9]\d{0,9}$/.test(name)) return -ENOENT;
    const pid = Number(name);
    // A thread's number leads to its process's directory too, though it is not listed.
    const task = this.kernel.processes.task(pid);
    const g = this.kernel.processes.group(pid) ?? task?.group;
    return g ? this.dirOf(task ?? g.leader) : -ENOENT;
  }

  private dirOf(task: Task): Inode {
    let dir = this.made.get(task);
    if (!dir) {
      const { processes } = this.kernel;
      if (this.made.size > 2 * processes.groups.size)
        for (const old of this.made.keys()) if (processes.task(old.tid) !== old) this.made.delete(old);
      this.made.set(task, (dir = new TaskDir(this.fs, task, true, this.net)));
    }
    dir.refreshOwner();
    return dir;
  }

  protected override dynamicEntries(): DirEntry[] {
    const pids = [...this.kernel.processes.groups.entries()].sort((a, b) => a[0] - b[0]);
    this.nlink = 4 + pids.length;
    return pids.map(([pid, g]) => ({ name: String(pid), ino: this.dirOf(g.leader).ino, type: S_IFDIR }));
  }
}

const SYSVIPC: readonly (readonly ['shm' | 'sem' | 'msg', string])[] = [
  ['msg', '       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n'],
  ['sem', '       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n'],
  ['shm', '       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n'],
]; // prettier-ignore

/** /proc/PID and /proc/PID/task/TID (proc(5), fs/proc/base.c). */
import { EACCES, EINVAL, ENOENT, EPERM, ESRCH } from '../../abi/errno.ts';
import { COREDUMP_FILTER_MASK } from '../../coredump/segments.ts';
import type { AddressSpace } from '../../mm/address-space.ts';
import type { Task } from '../../task/task.ts';
import type { Path } from '../dentry.ts';
import { S_IFDIR, type DirEntry, type Inode } from '../inode.ts';
import { FdDir, FdInfoDir } from './fd-dirs.ts';
import {
  GeneratedDir,
  GeneratedFile,
  GeneratedLink,
  type Accept,
  type Content,
  type GeneratedFs,
} from './generated.ts';
import { mapsText, smapsRollupText, smapsText } from './memory-files.ts';
import { mountinfoText, mountstatsText, mountsText } from './mount-files.ts';
import { NsDir } from './ns-dir.ts';
import { mayInspect, ownedBy } from './permission.ts';
import { ProcMemFile } from './proc-mem.ts';
import {
  limitsText,
  memoryOf,
  statmText,
  statText,
  statusText,
  stateOf,
  syscallText,
} from './status-files.ts';

const CAP_SYS_RESOURCE = 1n << 24n;
/** What /proc/PID/cmdline and environ show at most. */
const MAX_STRINGS = 1 << 20;

/** The directory of one thread; `whole`: of a process, with task/ and the process's own numbers. */
export class TaskDir extends GeneratedDir {
  readonly task: Task;
  readonly whole: boolean;

  constructor(fs: GeneratedFs, task: Task, whole: boolean, net: Inode) {
    super(fs, 0o555, fs.kernel.pseudo.nextIno());
    this.task = task;
    this.whole = whole;
    ownedBy(this, task);
    this.fill(net);
  }

  /** Follows the process's credentials: its files are its effective user's. */
  refreshOwner(): void {
    const { uid, gid } = this;
    ownedBy(this, this.task);
    if (uid === this.uid && gid === this.gid) return;
    for (const [name, inode] of this.children) if (name !== 'net') ownedBy(inode, this.task);
  }

  override lookup(name: string, t: Task | null): Inode | number {
    const inode = super.lookup(name, t);
    if (inode instanceof ThreadsDir) inode.refresh(); // stat shows how many threads there are
    return inode;
  }

  private file(
    name: string,
    perm: number,
    text: (t: Task) => Content,
    accept?: Accept,
    secret = false,
  ): void {
    const { fs, task } = this;
    const mayOpen = secret ? (t: Task) => (mayInspect(t, task) ? 0 : -EACCES) : undefined;
    this.own(name, new GeneratedFile(fs, perm, text, { ino: fs.kernel.pseudo.nextIno(), accept, mayOpen }));
  }
  private symlinkTo(name: string, text: () => string | number, to: () => Path | number): void {
    const { fs, task } = this;
    const guarded =
      <T>(get: () => T | number) =>
      (t: Task | null) =>
        t !== null && !mayInspect(t, task) ? -EACCES : get();
    this.own(name, new GeneratedLink(fs, guarded(text), guarded(to), fs.kernel.pseudo.nextIno()));
  }
  private own<T extends Inode>(name: string, inode: T): T {
    ownedBy(inode, this.task);
    return this.add(name, inode);
  }

  /** Its address space, for files that are empty when there is none. */
  private withMemory(text: (mm: AddressSpace) => Content): () => Content {
    return () => {
      const mm = memoryOf(this.task);
      return mm === null ? '' : text(mm);
    };
  }

  private fill(net: Inode): void {
    const { task: x, fs, whole } = this;
    const g = x.group;
    this.file('stat', 0o444, (t) => statText(x, whole, mayInspect(t, x)));
    this.file('status', 0o444, () => statusText(x));
    this.file('statm', 0o444, () => statmText(x));
    this.file('maps', 0o444, this.withMemory(mapsText), undefined, true);
    this.file('smaps', 0o444, this.withMemory(smapsText), undefined, true);
    if (whole) this.file('smaps_rollup', 0o444, this.withMemory(smapsRollupText), undefined, true);
    this.file('cmdline', 0o444, () => this.cmdline());
    this.file(
      'environ',
      0o400,
      this.withMemory((mm) => strings(mm, mm.envStart, mm.envEnd)),
      undefined,
      true,
    );
    this.file(
      'auxv',
      0o400,
      this.withMemory((mm) => mm.auxv),
      undefined,
      true,
    );
    this.file(
      'comm',
      0o644,
      () => `${x.comm}\n`,
      (text, t) => this.setComm(text, t),
    );
    this.file('cgroup', 0o444, () => '0::/\n');
    this.file('cpuset', 0o444, () => '/\n');
    this.file('limits', 0o444, () => limitsText(x));
    this.file('io', 0o400, () => IO_TEXT, undefined, true);
    this.file('mounts', 0o444, () => mountsText(x));
    this.file('mountinfo', 0o444, () => mountinfoText(x));
    if (whole) this.file('mountstats', 0o400, () => mountstatsText(x));
    this.file('wchan', 0o444, () => (stateOf(x) === 'S' ? 'do_wait' : '0'));
    this.file('syscall', 0o400, () => syscallText(x), undefined, true);
    this.file('stack', 0o400, () => '', undefined, true);
    this.file(
      'personality',
      0o400,
      () => `${x.attrs.personality.toString(16).padStart(8, '0')}\n`,
      undefined,
      true,
    );
    this.file('schedstat', 0o444, () => `${x.retired} 0 ${x.voluntarySwitches + x.involuntarySwitches}\n`);
    this.file('oom_score', 0o444, () => `${Math.min(2000, 666 + Math.floor((g.oomScoreAdj * 2) / 3))}\n`);
    this.file('oom_adj', 0o644, () => `${Math.trunc((g.oomScoreAdj * 17) / 1000)}\n`);
    this.file(
      'oom_score_adj',
      0o644,
      () => `${g.oomScoreAdj}\n`,
      (text, t) => this.setOomScoreAdj(text, t),
    );
    this.file(
      'loginuid',
      0o644,
      () => '4294967295',
      () => -EPERM,
    );
    this.file('sessionid', 0o444, () => '4294967295');
    for (const map of ['uid_map', 'gid_map', 'projid_map']) {
      this.file(
        map,
        0o644,
        () => '         0          0 4294967295\n',
        () => -EPERM,
      );
    }
    if (whole) {
      this.file(
        'setgroups',
        0o644,
        () => 'allow\n',
        () => -EPERM,
      );
      this.file('autogroup', 0o644, () => `/autogroup-${g.session} nice 0\n`);
      this.file(
        'coredump_filter',
        0o644,
        this.withMemory((mm) => `${mm.coredumpFilter.toString(16).padStart(8, '0')}\n`),
        (text) => this.setCoredumpFilter(text),
      );
      this.file('timers', 0o444, () => '');
      this.file(
        'timerslack_ns',
        0o666,
        () => `${x.attrs.timerSlack}\n`,
        (text) => this.setTimerSlack(text),
      );
    }
    this.symlinkTo(
      'exe',
      () => this.exeName(),
      () => this.exe(),
    );
    this.symlinkTo(
      'cwd',
      () => (gone(x) ? -ENOENT : x.fs.cwd.name),
      () => (gone(x) ? -ENOENT : x.fs.cwd),
    );
    this.symlinkTo(
      'root',
      () => (gone(x) ? -ENOENT : x.fs.root.name),
      () => (gone(x) ? -ENOENT : x.fs.root),
    );
    this.add('fd', new FdDir(fs, x));
    this.add('fdinfo', new FdInfoDir(fs, x));
    this.add('ns', new NsDir(fs, x));
    this.add('net', net);
    this.own('mem', new ProcMemFile(fs, x));
    if (whole) this.add('task', new ThreadsDir(fs, x, net));
  }

  private cmdline(): Content {
    const mm = memoryOf(this.task);
    if (mm === null || mm.argEnd <= mm.argStart) return '';
    const args = strings(mm, mm.argStart, mm.argEnd);
    // setproctitle: a program that overwrote the last NUL goes on into the environment (get_mm_cmdline).
    if (args.length === 0 || args[args.length - 1] === 0) return args;
    const all = strings(mm, mm.argStart, Math.max(mm.argEnd, mm.envEnd));
    const nul = all.indexOf(0);
    return nul < 0 ? all : all.subarray(0, nul);
  }

  private setComm(text: string, t: Task): number {
    if (t.group !== this.task.group) return -EINVAL;
    this.task.comm = text.replace(/[\0\n][^]*$/, '').slice(0, 15);
    return 0;
  }

  private setOomScoreAdj(text: string, t: Task): number {
    const n = parseDecimal(text);
    if (n === null || n < -1000 || n > 1000) return -EINVAL;
    const g = this.task.group;
    if (n < g.oomScoreAdj && (t.creds.capEffective & CAP_SYS_RESOURCE) === 0n) return -EACCES;
    g.oomScoreAdj = n;
    return 0;
  }

  private setCoredumpFilter(text: string): number {
    const n = parseUnsigned(text);
    if (n === null) return -EINVAL;
    const mm = memoryOf(this.task);
    if (mm === null) return -ESRCH;
    mm.coredumpFilter = n & COREDUMP_FILTER_MASK;
    return 0;
  }

  private setTimerSlack(text: string): number {
    const n = parseDecimal(text);
    if (n === null || n < 0) return -EINVAL;
    this.task.attrs.timerSlack = n === 0 ? 50_000 : n;
    return 0;
  }

  private exe(): Path | number {
    return gone(this.task) ? -ENOENT : (this.task.group.exe ?? -ENOENT);
  }
  private exeName(): string | number {
    const at = this.exe();
    return typeof at === 'number' ? at : at.name;
  }
}

const IO_TEXT =
  'rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n';

const gone = (t: Task): boolean => t.state === 'zombie' || t.state === 'dead';

/** Bytes [start, end) of a process, as far as they can be read. */
function strings(mm: AddressSpace, start: number, end: number): Uint8Array {
  const length = Math.min(end - start, MAX_STRINGS);
  if (length <= 0) return new Uint8Array(0);
  const buf = mm.iov(start, length, false);
  return typeof buf === 'number' ? new Uint8Array(0) : buf.bytes();
}

/** kstrtol in base 10 of what was written; null: no number. */
export function parseDecimal(text: string): number | null {
  const s = text.trim();
  return /^[+-]?\d{1,15}$/.test(s) ? Number(s) : null;
}

/** kstrtouint with base 0: decimal, 0x… or 0…; null: no number. */
function parseUnsigned(text: string): number | null {
  const s = text.trim();
  if (!/^\+?(0[xX][0-9a-fA-F]{1,8}|0[0-7]{0,11}|[1-9]\d{0,9})$/.test(s)) return null;
  const digits = s.replace('+', '');
  const n = /^0\d/.test(digits) ? parseInt(digits, 8) : Number(digits);
  return n < 2 ** 32 ? n : null;
}

/** /proc/PID/task. */
class ThreadsDir extends GeneratedDir {
  private readonly leader: Task;
  private readonly net: Inode;
  private readonly made = new Map<Task, TaskDir>();

  constructor(fs: GeneratedFs, leader: Task, net: Inode) {
    super(fs, 0o555, fs.kernel.pseudo.nextIno());
    this.leader = leader;
    this.net = net;
    ownedBy(this, leader);
  }
  override refresh(): void {
    this.nlink = 2 + this.leader.group.tasks.size;
  }
  protected override dynamic(name: string): Inode | number {
    for (const t of this.leader.group.tasks) if (String(t.tid) === name) return this.dirOf(t);
    return -ENOENT;
  }
  private dirOf(t: Task): TaskDir {
    let dir = this.made.get(t);
    if (!dir) {
      const { tasks } = this.leader.group;
      if (this.made.size > 2 * tasks.size)
        for (const old of this.made.keys()) if (!tasks.has(old)) this.made.delete(old);
      this.made.set(t, (dir = new TaskDir(this.fs, t, false, this.net)));
    }
    return dir;
  }
  protected override dynamicEntries(): DirEntry[] {
    const live = [...this.leader.group.tasks].sort((a, b) => a.tid - b.tid);
    return live.map((t) => ({ name: String(t.tid), ino: this.dirOf(t).ino, type: S_IFDIR }));
  }
}

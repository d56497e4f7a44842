/** Core dumps: whether a process leaves one, and where (core(5), do_coredump of fs/coredump.c). */
import { AT_FDCWD } from '../fs/vfs.ts';
import { File, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } from '../fs/file.ts';
import { S_IFMT, S_IFREG } from '../fs/inode.ts';
import { unlinkAt } from '../fs/names.ts';
import { openPath } from '../fs/open.ts';
import { IoBuf } from '../mm/iobuf.ts';
import type { SigInfo } from '../signal/state.ts';
import { RLIMIT_CORE } from '../task/rlimits.ts';
import type { Task } from '../task/task.ts';
import { writeElfCore } from './elf-core.ts';
import { coreName } from './name.ts';
import type { CoreSink } from './settings.ts';

/** No shorter core file is begun (min_coredump). */
const MIN_COREDUMP = 4096;
/** Dumpable for root alone (suid_dumpable 2). */
const SUID_DUMP_ROOT = 2;

/**
 * Writes the core of the process that dies of `info`; `t` took the signal. True: WCOREDUMP, also when the file had no
 * room for all of it.
 */
export function dumpCore(t: Task, info: SigInfo): boolean {
  const { dumpable, rlimits } = t.group;
  if (dumpable === 0) return false;
  const { core } = t.kernel.options;
  if (core !== null) {
    const sink = core.open(coreName(t, core.pattern, info.signo));
    if (sink === null) return false;
    writeElfCore(t, info, sink, Infinity);
    return true;
  }
  const { pattern } = t.kernel.coredump;
  if (pattern.startsWith('|')) {
    t.kernel.reportOnce('core pipe', `core_pattern '${pattern}': core files are not piped to programs here`);
    return false;
  }
  const limit = rlimits[RLIMIT_CORE].cur;
  if (limit < MIN_COREDUMP) return false;
  const { creds } = t;
  // Nobody but root is to read what a program with more rights than its user had in memory.
  if (dumpable === SUID_DUMP_ROOT) t.creds = { ...creds, fsuid: 0 };
  try {
    const file = create(t, coreName(t, pattern, info.signo), dumpable === SUID_DUMP_ROOT);
    if (file === null) return false;
    writeElfCore(t, info, new FileSink(file, t), limit);
    return true;
  } finally {
    t.creds = creds;
  }
}

/** A fresh file of the dying process's own; null: there is none to be had. */
function create(t: Task, name: string, private_: boolean): File | null {
  const { vfs } = t.kernel;
  if (private_ && !name.startsWith('/')) return null;
  if (!private_) unlinkAt(vfs, t, AT_FDCWD, name);
  const file = openPath(vfs, t, AT_FDCWD, name, O_CREAT | O_RDWR | O_NOFOLLOW | O_EXCL, 0o600);
  if (!(file instanceof File)) return null;
  file.retain();
  const inode = file.inode!;
  const sound =
    inode.nlink <= 1 &&
    (inode.mode & S_IFMT) === S_IFREG &&
    (inode.mode & 0o677) === 0o600 &&
    inode.uid === t.creds.fsuid;
  if (sound) return file;
  file.drop();
  return null;
}

class FileSink implements CoreSink {
  private readonly file: File;
  private readonly task: Task;

  constructor(file: File, task: Task) {
    this.file = file;
    this.task = task;
  }

  write(bytes: Uint8Array, at: number): boolean {
    for (let done = 0; done < bytes.length;) {
      const n = this.file.pwrite(IoBuf.of(bytes.subarray(done)), at + done, this.task);
      if (n <= 0) return false;
      done += n;
    }
    return true;
  }

  close(): void {
    this.file.drop();
  }
}

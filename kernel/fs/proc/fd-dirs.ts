/** /proc/PID/fd and fdinfo: a process's descriptors as links, and what is known of each (proc(5)). */
import { EACCES, ENOENT } from '../../abi/errno.ts';
import type { Task } from '../../task/task.ts';
import { O_CLOEXEC, O_PATH, type File } from '../file.ts';
import { openFlagsOut } from '../syscalls-open.ts';
import { S_IFLNK, S_IFREG, type DirEntry, type Inode } from '../inode.ts';
import { GeneratedDir, GeneratedFile, GeneratedLink, type GeneratedFs } from './generated.ts';
import { mayInspect, ownedBy } from './permission.ts';

/** st_size of a descriptor's link, whatever its text (proc_fd_instantiate). */
const FD_LINK_SIZE = 64;

/** A descriptor number as a directory entry names it, or −1. */
function fdOf(name: string): number {
  return /^(0|[1-9]\d{0,9})$/.test(name) ? Number(name) : -1;
}

/** Entries made for descriptors; each stays the same inode while the same file is open there. */
abstract class DescriptorDir<T extends Inode> extends GeneratedDir {
  protected readonly task: Task;
  private readonly made = new Map<number, { file: File; inode: T }>();

  constructor(fs: GeneratedFs, task: Task, perm: number) {
    super(fs, perm, fs.kernel.pseudo.nextIno());
    this.task = task;
    ownedBy(this, task);
  }
  protected abstract make(fd: number, file: File): T;
  protected abstract readonly kind: number;

  protected override dynamic(name: string, t: Task | null): Inode | number {
    const fd = fdOf(name);
    const file = fd < 0 ? undefined : this.task.fds.get(fd);
    if (!file) {
      this.made.delete(fd);
      return -ENOENT;
    }
    if (t !== null && !mayInspect(t, this.task)) return -EACCES;
    const old = this.made.get(fd);
    if (old?.file === file) return old.inode;
    const inode = this.make(fd, file);
    ownedBy(inode, this.task);
    this.made.set(fd, { file, inode });
    return inode;
  }
  protected override dynamicEntries(t: Task | null): DirEntry[] | number {
    if (t !== null && !mayInspect(t, this.task)) return -EACCES;
    const open = this.task.fds.list();
    for (const fd of this.made.keys()) if (!this.task.fds.get(fd)) this.made.delete(fd);
    return open.map((fd) => ({
      name: String(fd),
      ino: (this.dynamic(String(fd), null) as Inode).ino,
      type: this.kind,
    }));
  }
  /** proc_fd_permission: a process may always look at its own. */
  override access(t: Task, mask: number): number {
    return t.group === this.task.group ? 0 : super.access(t, mask);
  }
}

export class FdDir extends DescriptorDir<GeneratedLink> {
  protected readonly kind = S_IFLNK;

  constructor(fs: GeneratedFs, task: Task) {
    super(fs, task, 0o500);
  }
  protected make(fd: number, file: File): GeneratedLink {
    const jump = () => {
      const now = this.task.fds.get(fd);
      if (!now) return -ENOENT;
      if (now.path !== null) return now.path;
      return now.inode === null ? -ENOENT : this.fs.kernel.vfs.anonPath(now.inode, now.name);
    };
    const text = () => this.task.fds.get(fd)?.name ?? -ENOENT;
    const link = new GeneratedLink(this.fs, text, jump, this.fs.kernel.pseudo.nextIno());
    link.mode = S_IFLNK | (file.readable ? 0o500 : 0) | (file.writable ? 0o300 : 0);
    if (file.flags & O_PATH) link.mode = S_IFLNK;
    link.shownSize = FD_LINK_SIZE;
    return link;
  }
}

export class FdInfoDir extends DescriptorDir<GeneratedFile> {
  protected readonly kind = S_IFREG;

  constructor(fs: GeneratedFs, task: Task) {
    super(fs, task, 0o555);
  }
  protected make(fd: number): GeneratedFile {
    const ino = this.fs.kernel.pseudo.nextIno();
    return new GeneratedFile(this.fs, 0o444, () => this.text(fd), { ino });
  }
  private text(fd: number): string | number {
    const d = this.task.fds.descriptor(fd);
    if (!d) return -ENOENT;
    const { file } = d;
    const flags = openFlagsOut(this.task.regs.arch, file.flags | (d.cloexec ? O_CLOEXEC : 0));
    return (
      `pos:\t${file.pos}\nflags:\t0${flags.toString(8)}\n` +
      `mnt_id:\t${file.path?.mnt.id ?? 0}\nino:\t${file.inode?.ino ?? 0}\n${file.fdinfo()}`
    );
  }
}

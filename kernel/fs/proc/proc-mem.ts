/** /proc/PID/mem: a process's memory as a file (proc(5)). */
import { EACCES, EIO, EINVAL } from '../../abi/errno.ts';
import type { IoBuf } from '../../mm/iobuf.ts';
import type { Task } from '../../task/task.ts';
import { File } from '../file.ts';
import { S_IFREG } from '../inode.ts';
import { GeneratedInode, type GeneratedFs } from './generated.ts';
import { mayInspect } from './permission.ts';
import { memoryOf } from './status-files.ts';

/** Bytes moved in one go. */
const CHUNK = 65536;

export class ProcMemFile extends GeneratedInode {
  readonly task: Task;
  constructor(fs: GeneratedFs, task: Task) {
    super(fs, S_IFREG | 0o600, fs.kernel.pseudo.nextIno());
    this.task = task;
  }
  override open(t: Task | null, flags: number): File | number {
    return t !== null && !mayInspect(t, this.task) ? -EACCES : new OpenMem(this, flags);
  }
}

class OpenMem extends File {
  override readonly inode: ProcMemFile;
  constructor(inode: ProcMemFile, flags: number) {
    super(flags, inode, 'proc mem');
    this.inode = inode;
  }
  get name(): string {
    return this.path === null ? 'proc mem' : this.path.name;
  }
  override read(buf: IoBuf): number {
    const n = this.pread(buf, this.pos);
    if (n > 0) this.pos += n;
    return n;
  }
  override write(buf: IoBuf): number {
    const n = this.pwrite(buf, this.pos);
    if (n > 0) this.pos += n;
    return n;
  }
  override pread(buf: IoBuf, offset: number): number {
    const mm = memoryOf(this.inode.task);
    if (mm === null || buf.length === 0) return 0;
    const from = mm.iov(offset, Math.min(buf.length, CHUNK), false);
    return typeof from === 'number' ? -EIO : buf.put(from.bytes());
  }
  override pwrite(buf: IoBuf, offset: number): number {
    const mm = memoryOf(this.inode.task);
    if (mm === null || buf.length === 0) return 0;
    const bytes = buf.slice(0, Math.min(buf.length, CHUNK)).bytes();
    const to = mm.iov(offset, bytes.length, true);
    if (typeof to === 'number') return -EIO;
    return mm.copyOut(offset, bytes.subarray(0, to.length)) < 0 ? -EIO : to.length;
  }
  /** mem_lseek: any position, as the address it is. */
  override lseek(offset: number, whence: number): number {
    if (whence > 1) return -EINVAL;
    return (this.pos = whence === 0 ? offset : this.pos + offset);
  }
}

/** Open files of a tmpfs, and the seals of memfd_create(2). */
import { EOPNOTSUPP, EPERM } from '../abi/errno.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import type { MemObject } from '../mm/mem-object.ts';
import type { Task } from '../task/task.ts';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, RegularFile } from './regular-file.ts';
import type { TmpfsInode } from './tmpfs-inode.ts';

export const F_ADD_SEALS = 1033;
export const F_GET_SEALS = 1034;
export const F_SEAL_SEAL = 1;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
export const F_SEAL_WRITE = 8;
export const F_SEAL_FUTURE_WRITE = 16;
export const F_SEAL_EXEC = 32;

/** An open tmpfs file. */
export class TmpfsFile extends RegularFile {
  override readonly inode: TmpfsInode;

  constructor(flags: number, inode: TmpfsInode) {
    super(flags, inode);
    this.inode = inode;
    inode.hold();
  }
  protected readAt(buf: IoBuf, offset: number): number {
    return this.inode.read(buf, offset);
  }
  protected writeAt(buf: IoBuf, offset: number, length: number): number {
    return this.inode.write(buf, offset, length);
  }
  protected override seekData(offset: number, data: boolean): number {
    return this.inode.seek(offset, data);
  }
  override get writeSealed(): boolean {
    return (this.inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0;
  }
  override mmap(_t: Task, prot: number, flags: number): MemObject | number {
    // Shared and writable (MAP_SHARED 1, PROT_WRITE 2) under a write seal: shmem_mmap.
    if (flags & 1 && prot & 2 && this.writeSealed) return -EPERM;
    this.inode.mappedAt = this.path;
    return this.inode;
  }
  override fallocate(mode: number, offset: number, length: number, t: Task): number {
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) return -EOPNOTSUPP;
    return this.inode.fallocate(mode, offset, length, t);
  }
  override fcntl(t: Task, cmd: number, arg: number): number {
    if (cmd === F_GET_SEALS) return this.inode.seals;
    if (cmd === F_ADD_SEALS) return this.writable ? this.inode.addSeals(arg) : -EPERM;
    return super.fcntl(t, cmd, arg);
  }
  override release(): void {
    this.inode.unhold();
  }
}

/**
 * The in-memory file system (mm/shmem.c): the root, /tmp, /dev/shm, and the nameless files of memfd_create. Its files are
 * in tmpfs-inode.ts.
 */
import { ENOSPC } from '../abi/errno.ts';
import { PAGE_SIZE, type Ram } from '../ports.ts';
import type { Task } from '../task/task.ts';
import type { FileQuota } from './file-pages.ts';
import { S_IFDIR, type FileSystem, type FsStat } from './inode.ts';
import { INODE_COST, TmpfsInode } from './tmpfs-inode.ts';

export const TMPFS_MAGIC = 0x01021994;

export interface TmpfsDeps {
  readonly ram: Ram;
  /** Shared by every tmpfs of the machine. */
  readonly quota: FileQuota;
  /** Realtime nanoseconds at tick resolution. */
  readonly now: () => bigint;
  /** Identities for MemObject. */
  readonly newObjectId: () => number;
}

export class Tmpfs implements FileSystem {
  readonly type: string;
  readonly dev: number;
  readonly magic: number = TMPFS_MAGIC;
  readonly dcache = true;
  readonly root: TmpfsInode;
  readonly deps: TmpfsDeps;
  protected nextIno = 1;
  inodes = 0;

  constructor(deps: TmpfsDeps, dev: number, options: { mode?: number; type?: string } = {}) {
    this.deps = deps;
    this.dev = dev;
    this.type = options.type ?? 'tmpfs';
    this.root = this.newInode(S_IFDIR | (options.mode ?? 0o1777), 0, 0)!;
    this.root.nlink = 2;
    this.root.parent = this.root;
  }

  /** null: the quota is used up. */
  newInode(mode: number, uid: number, gid: number): TmpfsInode | null {
    const { quota } = this.deps;
    if (quota.used + INODE_COST > quota.max) return null;
    quota.used += INODE_COST;
    this.inodes++;
    return this.build(mode, uid, gid);
  }

  protected build(mode: number, uid: number, gid: number): TmpfsInode {
    return new TmpfsInode(this, this.nextIno++, mode, uid, gid);
  }

  /** A file without a name: memfd_create, O_TMPFILE. Sealable until `seals` says otherwise. */
  anonymous(mode: number, t: Task | null): TmpfsInode | number {
    const inode = this.newInode(mode, t?.creds.fsuid ?? 0, t?.creds.fsgid ?? 0);
    if (inode === null) return -ENOSPC;
    inode.nlink = 0;
    return inode;
  }

  /** The last link, open file and mapping of an inode are gone. */
  freed(inode: TmpfsInode): void {
    this.deps.quota.used -= INODE_COST + inode.owed;
    this.inodes--;
  }

  statfs(): FsStat {
    const { quota } = this.deps;
    const blocks = Math.floor(quota.max / PAGE_SIZE);
    const bfree = Math.max(Math.floor((quota.max - quota.used) / PAGE_SIZE), 0);
    const ffree = Math.max(Math.floor((quota.max - quota.used) / INODE_COST), 0);
    return { bsize: PAGE_SIZE, blocks, bfree, files: this.inodes + ffree, ffree };
  }
}

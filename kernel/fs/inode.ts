/** Inodes and the directory tree as the VFS sees them; each file system subclasses Inode. */
import { EACCES, EINVAL, ENODATA, ENOTDIR, EOPNOTSUPP, EPERM, EROFS } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import type { File } from './file.ts';

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

/** One mounted (or mountable) file system. */
export interface FileSystem {
  /** "tmpfs", "proc", "ring3host"… as /proc/mounts shows it. */
  readonly type: string;
  /** st_dev. */
  readonly dev: number;
  readonly root: Inode;
  /** statfs(2) f_type. */
  readonly magic: number;
  readonly readOnly?: boolean;
}

export interface DirEntry {
  readonly name: string;
  readonly ino: number;
  /** S_IFMT bits. */
  readonly type: number;
}

/** Names are binary strings: one char a byte. Methods return -errno on failure. */
export abstract class Inode {
  abstract readonly fs: FileSystem;
  abstract readonly ino: number;
  /** S_IFMT type and permission bits. */
  abstract mode: number;
  uid = 0;
  gid = 0;
  nlink = 1;
  rdev = 0;
  /** Realtime nanoseconds. */
  atime = 0n;
  mtime = 0n;
  ctime = 0n;
  /** Bytes. */
  abstract get size(): number;
  get blocks(): number {
    return Math.ceil(this.size / 512);
  }
  get type(): number {
    return this.mode & S_IFMT;
  }

  /** Opens the object; for O_CREAT the VFS created it before. */
  abstract open(t: Task | null, flags: number, path: string): File | number;

  // Directories.
  lookup(_name: string, _t: Task | null): Inode | number {
    return -ENOTDIR;
  }
  entries(_t: Task | null): DirEntry[] | number {
    return -ENOTDIR;
  }
  /** Makes a regular file, fifo, socket or device node. */
  mknod(_name: string, _mode: number, _rdev: number, _t: Task | null): Inode | number {
    return -EROFS;
  }
  mkdir(_name: string, _mode: number, _t: Task | null): Inode | number {
    return -EROFS;
  }
  symlink(_name: string, _target: string, _t: Task | null): Inode | number {
    return -EROFS;
  }
  link(_name: string, _target: Inode, _t: Task | null): number {
    return -EROFS;
  }
  unlink(_name: string, _t: Task | null): number {
    return -EROFS;
  }
  rmdir(_name: string, _t: Task | null): number {
    return -EROFS;
  }
  /** Moves an entry within this file system. `flags`: RENAME_NOREPLACE, RENAME_EXCHANGE. */
  rename(_name: string, _toDir: Inode, _toName: string, _flags: number, _t: Task | null): number {
    return -EROFS;
  }

  readlink(_t: Task | null): string | number {
    return -EINVAL;
  }
  truncate(_length: number): number {
    return -EINVAL;
  }
  chmod(_mode: number): number {
    return -EPERM;
  }
  chown(_uid: number, _gid: number): number {
    return -EPERM;
  }
  /** null leaves a time alone. */
  utimes(_atime: bigint | null, _mtime: bigint | null): number {
    return -EPERM;
  }
  getxattr(_name: string): Uint8Array | number {
    return -ENODATA;
  }
  setxattr(_name: string, _value: Uint8Array, _flags: number): number {
    return -EOPNOTSUPP;
  }
  listxattr(): string[] | number {
    return [];
  }
  removexattr(_name: string): number {
    return -ENODATA;
  }
  /** Permission check of the VFS: `mask` of 4 read, 2 write, 1 execute. Overridden only where a fs has its own rules. */
  access(t: Task, mask: number): number {
    const c = t.creds;
    if (c.fsuid === 0) {
      if (mask & 1 && this.type === S_IFREG && !(this.mode & 0o111)) return -EACCES;
      return 0;
    }
    let bits = this.mode & 7;
    if (c.fsuid === this.uid) bits = (this.mode >> 6) & 7;
    else if (c.fsgid === this.gid || c.groups.includes(this.gid)) bits = (this.mode >> 3) & 7;
    return (bits & mask) === mask ? 0 : -EACCES;
  }
}

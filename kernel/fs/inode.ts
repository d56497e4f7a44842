/** Inodes and the directory tree as the VFS sees them; each file system subclasses Inode. */
import { EACCES, EINVAL, ENODATA, ENOTDIR, EOPNOTSUPP, EPERM, EROFS } from '../abi/errno.ts';
import type { Credentials } from '../task/creds.ts';
import type { Task } from '../task/task.ts';
import type { Park } from '../wait.ts';
import type { Path } from './dentry.ts';
import type { File } from './file.ts';
import type { FileLocks } from './locks.ts';
import type { PipeShared } from './pipe/pipe-file.ts';
import type { Leases } from './leases.ts';

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

// renameat2(2).
export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;

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
  /**
   * True: names only change through the VFS, so a name looked up once needs no second lookup. File systems whose
   * names come and go by themselves (proc, host folders) leave it out and are asked each time; `lookup` must then
   * return the same Inode object for as long as the object is the same.
   */
  readonly dcache?: boolean;
  /** With `dcache`: names of files that are not in use may be forgotten, since `lookup` finds the same object again. */
  readonly prunes?: boolean;
  /** statfs(2); without it, the zeros a pseudo file system reports. */
  statfs?(): FsStat;
  /** Its own mount options in /proc/mounts, after "rw": "mode=620,ptmxmode=000". */
  mountOptions?(): string;
  /** Writes everything back (sync, syncfs). */
  sync?(): number;
}

/** What statfs(2) tells, in units of `bsize`. */
export interface FsStat {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly files: number;
  readonly ffree: number;
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
  /** Birth time as statx tells it; null where the file system has none. */
  btime: bigint | null = null;
  /** POSIX, OFD and flock locks; null until the first one. */
  locks: FileLocks | null = null;
  /** F_SETLEASE's; null until the first one. */
  leases: Leases | null = null;
  /** The pipe behind a FIFO; null until it is first opened. */
  pipe: PipeShared | null = null;
  /** Open files on it, O_PATH ones aside: inotify's watches outlive its last name while there are any. */
  opens = 0;
  /** Open writers (> 0), or running programs that forbid them (< 0): ETXTBSY. */
  writers = 0;
  /** Bytes. */
  abstract get size(): number;
  /** st_blocks: 512 bytes each, of the storage it takes. None where contents are made when they are read. */
  get blocks(): number {
    return 0;
  }
  /** Brings the attributes up to date where something outside may have changed them: before stat tells them. */
  refresh(): void {}
  /** A directory that is in no other any more: it takes no names and has none. `dropped`: its own name is gone. */
  dead(dropped: boolean): boolean {
    return dropped;
  }
  /** st_blksize. */
  get blksize(): number {
    return 4096;
  }
  get type(): number {
    return this.mode & S_IFMT;
  }

  /**
   * Opens the object; for O_CREAT the VFS created it before. A Park (opening a FIFO waits for the other side) goes back
   * to the dispatcher and the open is tried again from the start. FIFOs, device nodes and sockets of any file system
   * call `openSpecial` of special.ts. The VFS opens directories itself (DirFile), and sets `File.path` afterwards.
   */
  abstract open(t: Task | null, flags: number, at: Path): File | number | Park;

  // Directories.
  lookup(_name: string, _t: Task | null): Inode | number {
    return -ENOTDIR;
  }
  entries(_t: Task | null): DirEntry[] | number {
    return -ENOTDIR;
  }
  /** Whether whoever keeps the directory would list it, beyond what its mode allows. */
  listable(): boolean {
    return true;
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
  /**
   * A symlink that is followed by jumping to an object and not by its text (/proc/PID/fd/N, exe, cwd, root): where to,
   * or -errno. null: follow the text. An object without a place in the tree goes through `Vfs.anonPath`.
   */
  magicLink(_t: Task | null): Path | number | null {
    return null;
  }
  truncate(_length: number): number {
    return -EINVAL;
  }
  /** A write by someone unprivileged takes S_ISUID, and S_ISGID of a group-executable file, away (file_remove_privs). */
  dropSetid(t: Task): void {
    if (capable(t.creds, CAP_FSETID)) return;
    const gone = this.mode & 0o10 ? 0o6000 : 0o4000;
    if (this.mode & gone) this.chmod(this.mode & 0o7777 & ~gone);
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
    const mode = this.mode;
    let bits = mode;
    if (c.fsuid === this.uid) bits = mode >> 6;
    else if (c.fsgid === this.gid || c.groups.includes(this.gid)) bits = mode >> 3;
    if ((bits & mask) === mask) return 0;
    if ((mode & S_IFMT) === S_IFDIR) {
      if (!(mask & 2) && capable(c, CAP_DAC_READ_SEARCH)) return 0;
      return capable(c, CAP_DAC_OVERRIDE) ? 0 : -EACCES;
    }
    if (mask === 4 && capable(c, CAP_DAC_READ_SEARCH)) return 0;
    if ((!(mask & 1) || mode & 0o111) && capable(c, CAP_DAC_OVERRIDE)) return 0;
    return -EACCES;
  }
}

export const CAP_CHOWN = 0;
export const CAP_DAC_OVERRIDE = 1;
export const CAP_DAC_READ_SEARCH = 2;
export const CAP_FOWNER = 3;
export const CAP_FSETID = 4;
export const CAP_SYS_CHROOT = 18;
export const CAP_SYS_ADMIN = 21;
export const CAP_MKNOD = 27;

/** Whether the effective set holds capability `cap`. */
export function capable(c: Credentials, cap: number): boolean {
  return ((c.capEffective >> BigInt(cap)) & 1n) === 1n;
}

/** inode_owner_or_capable: who may change modes, times and the like. */
export function ownsInode(t: Task | null, inode: Inode): boolean {
  return t === null || t.creds.fsuid === inode.uid || capable(t.creds, CAP_FOWNER);
}

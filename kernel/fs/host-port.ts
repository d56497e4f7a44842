/**
 * Files of the outside world, as the kernel asks for them. Every call names one component in a directory the port
 * holds open, so nothing the guest or the host does to names can lead out of the folder: implementations never follow
 * a symlink and never take "..". Names are binary strings; results are values or -errno (Linux numbers).
 */

/** A directory the port holds: opaque; negative where one was asked for is an -errno. */
export type HostDir = number;
/** An open file of the host, likewise. */
export type HostHandle = number;

export interface HostStat {
  readonly dev: number;
  readonly ino: number;
  /** S_IFMT type and permissions. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blocks: number;
  /** Realtime nanoseconds. */
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
  readonly btime: bigint;
}

export interface HostEntry {
  readonly name: string;
  /** S_IFMT bits; 0 when the host does not say. */
  readonly type: number;
}

/** `create`: O_CREAT|O_EXCL with this mode. */
export interface HostOpen {
  readonly write: boolean;
  readonly create?: number;
}

export interface HostFs {
  /** The folder itself; held for the port's life. */
  readonly root: HostDir;
  /** Opens a directory; -ENOTDIR (or -ELOOP) when the name is anything else, a symlink included. */
  openDir(parent: HostDir, name: string): HostDir;
  closeDir(dir: HostDir): void;
  /** As lstat. An empty name is the directory itself. */
  stat(dir: HostDir, name: string): HostStat | number;
  list(dir: HostDir): HostEntry[] | number;
  /** False: `list` would be refused (EACCES), though the directory is held. */
  listable?(dir: HostDir): boolean;
  readlink(dir: HostDir, name: string): string | number;

  /** A regular file only: FIFOs, sockets and devices of the host are never opened (-ENXIO). */
  open(dir: HostDir, name: string, how: HostOpen): HostHandle;
  close(file: HostHandle): void;
  fstat(file: HostHandle): HostStat | number;
  read(file: HostHandle, into: Uint8Array, offset: number): number;
  write(file: HostHandle, bytes: Uint8Array, offset: number): number;
  truncate(file: HostHandle, length: number): number;
  fsync(file: HostHandle): number;

  mkdir(dir: HostDir, name: string, mode: number): number;
  symlink(dir: HostDir, name: string, target: string): number;
  link(fromDir: HostDir, fromName: string, dir: HostDir, name: string): number;
  unlink(dir: HostDir, name: string): number;
  rmdir(dir: HostDir, name: string): number;
  rename(fromDir: HostDir, fromName: string, dir: HostDir, name: string): number;
  chmod(dir: HostDir, name: string, mode: number): number;
  /** −1 leaves an id alone. Never follows a symlink. */
  chown(dir: HostDir, name: string, uid: number, gid: number): number;
  utimes(dir: HostDir, name: string, atime: bigint, mtime: bigint): number;
  /** Room on the device, for statfs(2). */
  statfs(): { bsize: number; blocks: number; bfree: number; files: number; ffree: number } | number;
}

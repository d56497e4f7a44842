/**
 * The host's files for guests (`-v`, `--root`), over node:fs or anything shaped like it (a memfs volume). On Linux a
 * directory is a descriptor opened with O_NOFOLLOW from its parent's, and every name is used as /proc/self/fd/N/NAME:
 * whatever happens to names meanwhile, no call leaves the folder. Elsewhere a directory is a path that must still be
 * its own real path each time it is used.
 */
import * as nodeFs from 'node:fs';
import { EACCES, EBADF, EINVAL, EIO, ELOOP, ENOENT, ENOTDIR, ENXIO, ERRNO } from '../../kernel/abi/errno.ts';
import type {
  HostDir,
  HostEntry,
  HostFs,
  HostHandle,
  HostOpen,
  HostStat,
} from '../../kernel/fs/host-port.ts';
import { HeldOpen } from './held.ts';

/** The part of node:fs that is used. memfs volumes have it too. */
export type FsLike = Pick<
  typeof nodeFs,
  | 'accessSync' | 'chmodSync' | 'closeSync' | 'fstatSync' | 'fsyncSync' | 'ftruncateSync' | 'lchownSync' | 'linkSync' | 'lstatSync'
  | 'lutimesSync' | 'mkdirSync' | 'openSync' | 'readSync' | 'readdirSync' | 'readlinkSync' | 'realpathSync'
  | 'renameSync' | 'rmdirSync' | 'statSync' | 'statfsSync' | 'symlinkSync' | 'unlinkSync' | 'writeSync'
>; // prettier-ignore

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = nodeFs.constants;
const O_PATH = 0o10000000;
const DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_PATH;

/** A binary string (one char a byte) as the bytes of a path. */
const raw = (s: string): Buffer => Buffer.from(s, 'latin1');

export interface NodeHostFsOptions {
  /** Another file system than the host's: a memfs volume. */
  readonly fs?: FsLike;
}

export class NodeHostFs implements HostFs {
  readonly root: HostDir;
  private readonly fs: FsLike;
  private readonly byDescriptor: boolean;
  private readonly held: HeldOpen;

  /** `folder` must be a directory (its own symlinks are followed once, now); throws the host's error if it is not. */
  constructor(folder: string, options: NodeHostFsOptions = {}) {
    this.fs = options.fs ?? nodeFs;
    this.byDescriptor = options.fs === undefined && process.platform === 'linux';
    this.held = new HeldOpen(this.fs);
    const real = this.fs.realpathSync(folder);
    const path = Buffer.from(real).toString('latin1');
    if (this.byDescriptor) {
      this.root = this.held.add(this.fs.openSync(real, DIR_FLAGS), DIR_FLAGS);
    } else {
      if (!this.fs.lstatSync(real).isDirectory()) {
        throw Object.assign(new Error(`not a directory: ${folder}`), { code: 'ENOTDIR' });
      }
      this.root = this.held.add(-1, 0, path === '/' ? '' : path);
    }
  }

  /** Gives the folder and all directories and files back. */
  dispose(): void {
    this.held.dispose();
  }

  /** For snapshots: what is open. The folder and its files are not the machine's. */
  saveState(): unknown {
    return this.held.save();
  }
  restoreState(state: unknown): void {
    this.held.restore(state);
  }

  /** Path of a name in a held directory. An empty name is the directory itself. */
  private path(dir: HostDir, name: string): Buffer {
    const d = this.held.get(dir);
    if (d === undefined || (this.byDescriptor && d.fd < 0))
      throw Object.assign(new Error('closed directory'), { code: 'ENOENT' });
    if (name.includes('/') || name === '..' || name.includes('\0')) {
      throw Object.assign(new Error('not one component'), { code: 'EINVAL' });
    }
    if (d.fd < 0 && d.path !== '') {
      const now = this.fs.realpathSync(raw(d.path), { encoding: 'latin1' });
      if (now !== d.path) throw Object.assign(new Error('moved'), { code: 'ELOOP' });
    }
    // "/." so that a held directory is looked at and not the descriptor's own link.
    return raw(name === '' ? `${d.path}/.` : `${d.path}/${name}`);
  }

  openDir(parent: HostDir, name: string): HostDir {
    return attempt(() => {
      const path = this.path(parent, name);
      if (this.byDescriptor) {
        return this.held.add(this.fs.openSync(path, DIR_FLAGS | O_NOFOLLOW), DIR_FLAGS | O_NOFOLLOW);
      }
      const st = this.fs.lstatSync(path);
      if (!st.isDirectory()) return st.isSymbolicLink() ? -ELOOP : -ENOTDIR;
      return this.held.add(-1, 0, path.toString('latin1'));
    });
  }

  closeDir(dir: HostDir): void {
    this.held.close(dir);
  }

  stat(dir: HostDir, name: string): HostStat | number {
    return attempt(() => {
      const st = this.fs.lstatSync(this.path(dir, name), { bigint: true, throwIfNoEntry: false });
      return st === undefined ? -ENOENT : hostStat(st);
    });
  }

  list(dir: HostDir): HostEntry[] | number {
    return attempt(() => {
      const path = this.path(dir, '');
      const entries = this.fs.readdirSync(path, { encoding: 'latin1', withFileTypes: true });
      return entries.map((e) => ({ name: e.name, type: direntType(e) }));
    });
  }

  listable(dir: HostDir): boolean {
    return attempt(() => (this.fs.accessSync(this.path(dir, ''), nodeFs.constants.R_OK), 0)) !== -EACCES;
  }

  readlink(dir: HostDir, name: string): string | number {
    return attempt(() => this.fs.readlinkSync(this.path(dir, name), { encoding: 'latin1' }));
  }

  open(dir: HostDir, name: string, how: HostOpen): HostHandle {
    return attempt(() => {
      const path = this.path(dir, name);
      // O_NONBLOCK: a FIFO put in the file's place must not stop the machine.
      let flags = (how.write ? O_RDWR : O_RDONLY) | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0);
      const making = how.create === undefined ? 0 : O_CREAT | O_EXCL;
      let fd = attempt(() => this.fs.openSync(path, flags | making, how.create));
      // Writable but not readable: what is written is all that is wanted then.
      if (fd === -EACCES && how.write) {
        flags = (flags & ~O_RDWR) | O_WRONLY;
        fd = this.fs.openSync(path, flags | making, how.create);
      }
      if (fd < 0) return fd;
      if (!this.fs.fstatSync(fd).isFile()) {
        this.fs.closeSync(fd);
        return -ENXIO;
      }
      return this.held.add(fd, flags, this.byDescriptor ? undefined : path.toString('latin1'));
    });
  }

  /** Calls with a held file's descriptor. */
  private onFile<T>(file: HostHandle, fn: (fd: number) => T): T | number {
    const fd = this.held.get(file)?.fd ?? -1;
    return fd < 0 ? -EBADF : attempt(() => fn(fd));
  }

  close(file: HostHandle): void {
    this.held.close(file);
  }
  fstat(file: HostHandle): HostStat | number {
    return this.onFile(file, (fd) => hostStat(this.fs.fstatSync(fd, { bigint: true })));
  }
  read(file: HostHandle, into: Uint8Array, offset: number): number {
    return this.onFile(file, (fd) => this.fs.readSync(fd, into, 0, into.length, offset));
  }
  write(file: HostHandle, bytes: Uint8Array, offset: number): number {
    return this.onFile(file, (fd) => this.fs.writeSync(fd, bytes, 0, bytes.length, offset));
  }
  truncate(file: HostHandle, length: number): number {
    return this.onFile(file, (fd) => (this.fs.ftruncateSync(fd, length), 0));
  }
  fsync(file: HostHandle): number {
    return this.onFile(file, (fd) => (this.fs.fsyncSync(fd), 0));
  }

  mkdir(dir: HostDir, name: string, mode: number): number {
    return attempt(() => (this.fs.mkdirSync(this.path(dir, name), mode), 0));
  }
  symlink(dir: HostDir, name: string, target: string): number {
    return attempt(() => (this.fs.symlinkSync(raw(target), this.path(dir, name)), 0));
  }
  link(fromDir: HostDir, fromName: string, dir: HostDir, name: string): number {
    return attempt(() => (this.fs.linkSync(this.path(fromDir, fromName), this.path(dir, name)), 0));
  }
  unlink(dir: HostDir, name: string): number {
    return attempt(() => (this.fs.unlinkSync(this.path(dir, name)), 0));
  }
  rmdir(dir: HostDir, name: string): number {
    return attempt(() => (this.fs.rmdirSync(this.path(dir, name)), 0));
  }
  rename(fromDir: HostDir, fromName: string, dir: HostDir, name: string): number {
    return attempt(() => {
      const [from, to] = [this.path(fromDir, fromName), this.path(dir, name)];
      this.fs.renameSync(from, to);
      if (!this.byDescriptor) this.moved(from.toString('latin1'), to.toString('latin1'));
      return 0;
    });
  }
  /** What is held below a renamed directory lies elsewhere now. */
  private moved(from: string, to: string): void {
    for (const d of this.held.values())
      if (d.path === from || d.path.startsWith(`${from}/`)) d.path = to + d.path.slice(from.length);
  }
  chmod(dir: HostDir, name: string, mode: number): number {
    return attempt(() => {
      const path = this.path(dir, name);
      if (!this.byDescriptor) {
        if (this.fs.lstatSync(path).isSymbolicLink()) return -ELOOP;
        this.fs.chmodSync(path, mode);
        return 0;
      }
      // chmod(2) follows symlinks: hold the object itself first.
      const fd = this.fs.openSync(path, O_PATH | O_NOFOLLOW);
      try {
        this.fs.chmodSync(`/proc/self/fd/${fd}`, mode);
        return 0;
      } finally {
        this.fs.closeSync(fd);
      }
    });
  }
  chown(dir: HostDir, name: string, uid: number, gid: number): number {
    return attempt(() => (this.fs.lchownSync(this.path(dir, name), uid, gid), 0));
  }
  /** node:fs takes times as doubles in seconds: good to a microsecond. */
  utimes(dir: HostDir, name: string, atime: bigint, mtime: bigint): number {
    const seconds = (ns: bigint): number => Number(ns / 1000n) / 1e6;
    return attempt(() => (this.fs.lutimesSync(this.path(dir, name), seconds(atime), seconds(mtime)), 0));
  }
  statfs(): { bsize: number; blocks: number; bfree: number; files: number; ffree: number } | number {
    return attempt(() => {
      const s = this.fs.statfsSync(this.path(this.root, ''));
      return { bsize: s.bsize, blocks: s.blocks, bfree: s.bfree, files: s.files, ffree: s.ffree };
    });
  }
}

/** Runs a host call; its exception becomes the Linux errno of the same name. */
function attempt<T>(fn: () => T): T | number {
  try {
    return fn();
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    if (code === 'ERR_INVALID_ARG_VALUE' || code === 'ERR_OUT_OF_RANGE') return -EINVAL;
    for (const n in ERRNO) if (ERRNO[n][0] === code) return -Number(n);
    if (code === undefined) throw e;
    return -EIO;
  }
}

function hostStat(s: nodeFs.BigIntStats): HostStat {
  return {
    dev: Number(s.dev),
    ino: Number(s.ino),
    mode: Number(s.mode),
    nlink: Number(s.nlink),
    uid: Number(s.uid),
    gid: Number(s.gid),
    rdev: Number(s.rdev),
    size: Number(s.size),
    blocks: Number(s.blocks),
    atime: s.atimeNs,
    mtime: s.mtimeNs,
    ctime: s.ctimeNs,
    btime: s.birthtimeNs,
  };
}

function direntType(e: nodeFs.Dirent): number {
  if (e.isFile()) return 0o100000;
  if (e.isDirectory()) return 0o040000;
  if (e.isSymbolicLink()) return 0o120000;
  if (e.isFIFO()) return 0o010000;
  if (e.isSocket()) return 0o140000;
  if (e.isCharacterDevice()) return 0o020000;
  if (e.isBlockDevice()) return 0o060000;
  return 0;
}

/** The files of an image as the kernel asks for a host's: read-only. */
import { EBADF, EINVAL, ELOOP, ENOENT, ENOTDIR, ENXIO, EROFS } from '../../kernel/abi/errno.ts';
import type {
  HostDir,
  HostEntry,
  HostFs,
  HostHandle,
  HostOpen,
  HostStat,
} from '../../kernel/fs/host-port.ts';
import type { Configured, ImageConfig } from './config.ts';
import { S_IFLNK, S_IFMT, S_IFREG, type Node, type Tree } from './tree.ts';

const BLOCK = 4096;

export class ImageFs implements HostFs, Configured {
  /** Snapshots leave it alone. */
  readonly rewinds = false;
  readonly root: HostDir;
  private readonly tree: Tree;
  /** Directories and files by ino: there is nothing to give back. */
  private readonly nodes = new Map<number, Node>();

  /** How the image is run; empty for an archive of files. */
  readonly config: ImageConfig;

  constructor(tree: Tree, config: ImageConfig = {}) {
    this.config = config;
    this.tree = tree;
    this.root = tree.root.ino;
    this.nodes.set(this.root, tree.root);
  }

  text(path: string): string | null {
    return this.tree.text(path);
  }

  private at(dir: HostDir, name: string): Node | null {
    const d = this.nodes.get(dir);
    if (name === '') return d ?? null;
    return d?.children?.get(name) ?? null;
  }

  openDir(parent: HostDir, name: string): HostDir {
    const n = this.at(parent, name);
    if (n === null) return -ENOENT;
    if (!n.children) return (n.mode & S_IFMT) === S_IFLNK ? -ELOOP : -ENOTDIR;
    this.nodes.set(n.ino, n);
    return n.ino;
  }
  closeDir(): void {}

  stat(dir: HostDir, name: string): HostStat | number {
    const n = this.at(dir, name);
    return n === null ? -ENOENT : status(n);
  }

  list(dir: HostDir): HostEntry[] | number {
    const children = this.nodes.get(dir)?.children;
    return children ? [...children].map(([name, n]) => ({ name, type: n.mode & S_IFMT })) : -ENOTDIR;
  }

  readlink(dir: HostDir, name: string): string | number {
    const n = this.at(dir, name);
    if (n === null) return -ENOENT;
    return (n.mode & S_IFMT) === S_IFLNK ? n.target : -EINVAL;
  }

  open(dir: HostDir, name: string, how: HostOpen): HostHandle {
    const n = this.at(dir, name);
    if (how.write || how.create !== undefined) return -EROFS;
    if (n === null) return -ENOENT;
    if ((n.mode & S_IFMT) !== S_IFREG) return (n.mode & S_IFMT) === S_IFLNK ? -ELOOP : -ENXIO;
    this.nodes.set(n.ino, n);
    return n.ino;
  }
  close(): void {}

  fstat(file: HostHandle): HostStat | number {
    const n = this.nodes.get(file);
    return n ? status(n) : -EBADF;
  }

  read(file: HostHandle, into: Uint8Array, offset: number): number {
    const n = this.nodes.get(file);
    if (!n) return -EBADF;
    const length = Math.min(into.length, n.size - offset);
    return length <= 0 ? 0 : this.tree.blob.read(into.subarray(0, length), n.offset + offset);
  }

  write(): number {
    return -EROFS;
  }
  truncate(): number {
    return -EROFS;
  }
  fsync(): number {
    return 0;
  }
  mkdir(): number {
    return -EROFS;
  }
  symlink(): number {
    return -EROFS;
  }
  link(): number {
    return -EROFS;
  }
  unlink(): number {
    return -EROFS;
  }
  rmdir(): number {
    return -EROFS;
  }
  rename(): number {
    return -EROFS;
  }
  chmod(): number {
    return -EROFS;
  }
  chown(): number {
    return -EROFS;
  }
  utimes(): number {
    return -EROFS;
  }

  statfs(): { bsize: number; blocks: number; bfree: number; files: number; ffree: number } {
    return { bsize: BLOCK, blocks: Math.ceil(this.tree.blob.end / BLOCK), bfree: 0, files: 0, ffree: 0 };
  }
}

function status(n: Node): HostStat {
  return {
    dev: 0, ino: n.ino, mode: n.mode, nlink: n.nlink, uid: n.uid, gid: n.gid, rdev: n.rdev, size: n.size,
    blocks: Math.ceil(n.size / 512), atime: n.mtime, mtime: n.mtime, ctime: n.mtime, btime: n.mtime,
  }; // prettier-ignore
}

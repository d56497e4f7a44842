/** /dev: a tmpfs with the nodes and links a Linux system starts with. */
import type { Kernel } from '../../kernel.ts';
import type { Inode, FileSystem } from '../inode.ts';
import { S_IFCHR, S_IFDIR } from '../inode.ts';
import type { Ttys } from '../tty/ttys.ts';
import { makedev } from './devices.ts';

const TTY_GID = 5;

const NODES: readonly (readonly [name: string, mode: number, major: number, minor: number, gid: number])[] = [
  ['null', 0o666, 1, 3, 0],
  ['zero', 0o666, 1, 5, 0],
  ['full', 0o666, 1, 7, 0],
  ['random', 0o666, 1, 8, 0],
  ['urandom', 0o666, 1, 9, 0],
  ['tty', 0o666, 5, 0, TTY_GID],
  ['console', 0o600, 5, 1, 0],
  ['ptmx', 0o666, 5, 2, TTY_GID],
];
const LINKS: readonly (readonly [name: string, target: string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
];

/**
 * Fills an empty tmpfs as /dev, mounts it there, and devpts and `shm` below it. The directory /dev must exist.
 * 0 or -errno.
 */
export function mountDev(kernel: Kernel, dev: FileSystem, shm: FileSystem, ttys: Ttys): number {
  const { root } = dev;
  for (const [name, mode, major, minor, gid] of NODES) {
    const node = root.mknod(name, S_IFCHR | mode, makedev(major, minor), null);
    if (typeof node === 'number') return node;
    node.mode = S_IFCHR | mode;
    node.gid = gid;
  }
  for (const [name, target] of LINKS) {
    const link = root.symlink(name, target, null);
    if (typeof link === 'number') return link;
  }
  for (const name of ['pts', 'shm']) {
    const dir: Inode | number = root.mkdir(name, S_IFDIR | 0o755, null);
    if (typeof dir === 'number') return dir;
  }
  const { vfs } = kernel;
  const mounts = [vfs.mount('/dev', dev), vfs.mount('/dev/pts', ttys.devpts), vfs.mount('/dev/shm', shm)];
  return mounts.find((m): m is number => typeof m === 'number') ?? 0;
}

/** File systems that are never mounted: the homes of pipes, sockets and anonymous inodes, and inode numbers for all. */
import type { Kernel } from '../../kernel.ts';
import type { Task } from '../../task/task.ts';
import { Inode, S_IFDIR, type FileSystem } from '../inode.ts';
import type { File } from '../file.ts';
import type { Park } from '../../wait.ts';
import { ENXIO } from '../../abi/errno.ts';

const PIPEFS_MAGIC = 0x50495045;
const SOCKFS_MAGIC = 0x534f434b;
const ANON_INODE_FS_MAGIC = 0x09041934;
const NSFS_MAGIC = 0x6e736673;

/** Realtime in nanoseconds since 1970, for inode times. */
export function realtime(k: { clock: Kernel['clock'] }): bigint {
  return BigInt(Math.floor(k.clock.monotonic())) + k.clock.realtimeOffset;
}

/** An inode of a pseudo file system: no name, no directory, opened only by the call that makes it. */
export class PseudoInode extends Inode {
  readonly fs: FileSystem;
  readonly ino: number;
  mode: number;
  /** Opening it anew through /proc/PID/fd; null: ENXIO, as for sockets. */
  reopen: ((t: Task, flags: number) => File | number | Park) | null = null;

  constructor(fs: FileSystem, ino: number, mode: number, uid: number, gid: number, now: bigint) {
    super();
    this.fs = fs;
    this.ino = ino;
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.atime = this.mtime = this.ctime = now;
  }
  get size(): number {
    return 0;
  }
  override open(t: Task | null, flags: number): File | number | Park {
    return this.reopen && t ? this.reopen(t, flags) : -ENXIO;
  }
  override chmod(mode: number): number {
    this.mode = this.type | (mode & 0o7777);
    return 0;
  }
  override chown(uid: number, gid: number): number {
    if (uid >= 0) this.uid = uid;
    if (gid >= 0) this.gid = gid;
    return 0;
  }
  override utimes(atime: bigint | null, mtime: bigint | null): number {
    if (atime !== null) this.atime = atime;
    if (mtime !== null) this.mtime = mtime;
    return 0;
  }
}

/** A file system without names: its root is never reached. */
class Hidden implements FileSystem {
  readonly dev: number;
  readonly type: string;
  readonly magic: number;
  readonly root: PseudoInode;
  constructor(dev: number, type: string, magic: number) {
    this.dev = dev;
    this.type = type;
    this.magic = magic;
    this.root = new PseudoInode(this, 1, S_IFDIR | 0o555, 0, 0, 0n);
  }
}

/** One per kernel. */
export class PseudoFs {
  private readonly clock: Kernel['clock'];
  private inodes = 0;
  readonly pipefs: FileSystem;
  readonly sockfs: FileSystem;
  readonly anonfs: FileSystem;
  readonly nsfs: FileSystem;
  /** Namespaces by number. */
  readonly namespaces = new Map<number, PseudoInode>();
  /** The one inode all eventfds, epolls, timerfds… share. Its mode has no type bits, as Linux's has none. */
  readonly anonInode: PseudoInode;

  /** `newDev`: the next st_dev of major 0 (Vfs.newDev). */
  constructor(clock: Kernel['clock'], newDev: () => number) {
    this.clock = clock;
    this.anonfs = new Hidden(newDev(), 'anon_inodefs', ANON_INODE_FS_MAGIC);
    this.sockfs = new Hidden(newDev(), 'sockfs', SOCKFS_MAGIC);
    this.pipefs = new Hidden(newDev(), 'pipefs', PIPEFS_MAGIC);
    this.nsfs = new Hidden(newDev(), 'nsfs', NSFS_MAGIC);
    this.anonInode = this.inode(this.anonfs, 0o600, 0, 0);
  }

  /** Next inode number without a file system of its own to count in. */
  nextIno(): number {
    return ++this.inodes;
  }
  private eventfds = 0;
  nextEventfdId(): number {
    return ++this.eventfds;
  }
  inode(fs: FileSystem, mode: number, uid: number, gid: number): PseudoInode {
    return new PseudoInode(fs, this.nextIno(), mode, uid, gid, realtime({ clock: this.clock }));
  }
}

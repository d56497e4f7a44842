/** devpts: /dev/pts, where every pseudo-terminal's slave has its name (Documentation/filesystems/devpts.rst). */
import { EACCES, ENOENT, EPERM } from '../../abi/errno.ts';
import type { Task } from '../../task/task.ts';
import type { Park } from '../../wait.ts';
import { realtime } from '../anon/pseudo-fs.ts';
import { makedev } from '../dev/devices.ts';
import type { Path } from '../dentry.ts';
import type { File } from '../file.ts';
import { Inode, ownsInode, S_IFCHR, S_IFDIR, type DirEntry, type FileSystem } from '../inode.ts';
import { openSpecial } from '../special.ts';
import type { Kernel } from '../../kernel.ts';

const DEVPTS_SUPER_MAGIC = 0x1cd1;
const ROOT_INO = 1;
const PTMX_INO = 2;
/** Slave N has inode N + 3. */
const FIRST_INO = 3;
/** UNIX98 pty slaves. */
export const PTS_MAJOR = 136;
/** mount options of Debian: gid=5,mode=620,ptmxmode=000. */
const TTY_GID = 5;
const SLAVE_MODE = 0o620;

export class DevPts implements FileSystem {
  readonly type = 'devpts';
  readonly magic = DEVPTS_SUPER_MAGIC;
  readonly dev: number;
  readonly kernel: Kernel;
  readonly root: DevPtsRoot;
  readonly slaves = new Map<number, DevPtsNode>();

  constructor(kernel: Kernel, dev: number) {
    this.kernel = kernel;
    this.dev = dev;
    this.root = new DevPtsRoot(this);
  }

  /** A new slave, owned by whoever opened the master. */
  add(index: number, uid: number): DevPtsNode {
    const node = new DevPtsNode(this, FIRST_INO + index, SLAVE_MODE, makedev(PTS_MAJOR, index));
    node.uid = uid;
    node.gid = TTY_GID;
    this.slaves.set(index, node);
    return node;
  }
  mountOptions(): string {
    return `gid=${TTY_GID},mode=${SLAVE_MODE.toString(8)},ptmxmode=000`;
  }
  remove(index: number): void {
    this.slaves.delete(index);
  }
}

class DevPtsRoot extends Inode {
  readonly fs: DevPts;
  readonly ino = ROOT_INO;
  mode = S_IFDIR | 0o755;
  private readonly ptmx: DevPtsNode;

  constructor(fs: DevPts) {
    super();
    this.fs = fs;
    this.nlink = 2;
    this.atime = this.mtime = this.ctime = realtime(fs.kernel);
    this.ptmx = new DevPtsNode(fs, PTMX_INO, 0, makedev(5, 2));
  }
  get size(): number {
    return 0;
  }
  open(): number {
    return -EACCES; // the VFS opens directories itself
  }
  override lookup(name: string): Inode | number {
    if (name === 'ptmx') return this.ptmx;
    if (!/^(0|[1-9]\d{0,6})$/.test(name)) return -ENOENT;
    return this.fs.slaves.get(Number(name)) ?? -ENOENT;
  }
  override entries(): DirEntry[] {
    const out = [{ name: 'ptmx', ino: PTMX_INO, type: S_IFCHR }];
    for (const [n, node] of this.fs.slaves) out.unshift({ name: String(n), ino: node.ino, type: S_IFCHR });
    return out;
  }
  override mknod(): number {
    return -EPERM;
  }
}

class DevPtsNode extends Inode {
  readonly fs: DevPts;
  readonly ino: number;
  mode: number;

  constructor(fs: DevPts, ino: number, perm: number, rdev: number) {
    super();
    this.fs = fs;
    this.ino = ino;
    this.mode = S_IFCHR | perm;
    this.rdev = rdev;
    this.atime = this.mtime = this.ctime = realtime(fs.kernel);
  }
  get size(): number {
    return 0;
  }
  open(t: Task | null, flags: number, at: Path): File | number | Park {
    return openSpecial(this, t, flags, at);
  }
  override chmod(mode: number, t?: Task): number {
    if (t && !ownsInode(t, this)) return -EPERM;
    this.mode = this.type | (mode & 0o7777);
    this.ctime = realtime(this.fs.kernel);
    return 0;
  }
  override chown(uid: number, gid: number): number {
    if (uid >= 0) this.uid = uid;
    if (gid >= 0) this.gid = gid;
    this.ctime = realtime(this.fs.kernel);
    return 0;
  }
  override utimes(atime: bigint | null, mtime: bigint | null): number {
    if (atime !== null) this.atime = atime;
    if (mtime !== null) this.mtime = mtime;
    return 0;
  }
}

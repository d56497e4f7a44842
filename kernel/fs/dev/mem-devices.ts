/** The memory devices: null, zero, full, random, urandom (null(4), full(4), random(4)). */
import { EFAULT, EINVAL, ENODEV, ENOSPC, ENOTTY, EPERM } from '../../abi/errno.ts';
import type { Kernel } from '../../kernel.ts';
import type { IoBuf } from '../../mm/iobuf.ts';
import type { MemObject } from '../../mm/mem-object.ts';
import { AnonObject } from '../../mm/objects.ts';
import type { Task } from '../../task/task.ts';
import { File } from '../file.ts';
import type { Inode } from '../inode.ts';
import type { Devices } from './devices.ts';

const MEM_MAJOR = 1;

/** Shared by all of them: any position is fine and means nothing. */
abstract class MemDevice extends File {
  get name(): string {
    return this.path === null ? this.waiters.what : this.path.name;
  }
  override get pollable(): boolean {
    return false;
  }
  override pread(buf: IoBuf, _offset: number, t: Task): number {
    return this.read(buf, t);
  }
  override pwrite(buf: IoBuf, _offset: number, t: Task): number {
    return this.write(buf, t);
  }
  /** null_lseek: always at 0. */
  override lseek(): number {
    return (this.pos = 0);
  }
  override write(buf: IoBuf, _t: Task): number {
    return buf.length;
  }
}

class NullDevice extends MemDevice {
  override read(): number {
    return 0;
  }
}

class ZeroDevice extends MemDevice {
  override read(buf: IoBuf): number {
    buf.fill(0);
    return buf.length;
  }
  /** Fresh zero pages: shared by those who inherit the mapping, by nobody else (mmap_zero). */
  override mmap(t: Task): MemObject | number {
    return new AnonObject(t.mm.memory, Number.MAX_SAFE_INTEGER, { name: '/dev/zero' });
  }
}

class FullDevice extends ZeroDevice {
  override mmap(): number {
    return -ENODEV;
  }
  override write(buf: IoBuf): number {
    return buf.length === 0 ? 0 : -ENOSPC;
  }
}

const RNDGETENTCNT = 0x80045200;
const RNDADDTOENTCNT = 0x40045201;
const RNDADDENTROPY = 0x40085203;
const RNDZAPENTCNT = 0x5204;
const RNDCLEARPOOL = 0x5206;
const RNDRESEEDCRNG = 0x5207;
const POOL_BITS = 256;
const CAP_SYS_ADMIN = 1n << 21n;

/** random and urandom are one since 5.18, but for a start-up wait that never happens here. */
class RandomDevice extends MemDevice {
  private readonly entropy: Kernel['entropy'];
  constructor(entropy: Kernel['entropy'], flags: number, inode: Inode, what: string) {
    super(flags, inode, what);
    this.entropy = entropy;
  }
  override get pollable(): boolean {
    return true;
  }
  override read(buf: IoBuf): number {
    for (const c of buf.chunks) this.entropy.fill(c);
    return buf.length;
  }
  override ioctl(t: Task, cmd: number, arg: number): number {
    const admin = (t.creds.capEffective & CAP_SYS_ADMIN) !== 0n;
    switch (cmd) {
      case RNDGETENTCNT:
        return t.mm.putU32(arg, POOL_BITS);
      case RNDADDTOENTCNT: {
        if (!admin) return -EPERM;
        const n = t.mm.i32(arg);
        return n === null ? -EFAULT : n < 0 ? -EINVAL : 0;
      }
      case RNDADDENTROPY: {
        if (!admin) return -EPERM;
        const head = t.mm.viewIn(arg, 8);
        return head === null
          ? -EFAULT
          : head.getInt32(0, true) < 0 || head.getInt32(4, true) < 0
            ? -EINVAL
            : 0;
      }
      case RNDZAPENTCNT:
      case RNDCLEARPOOL:
      case RNDRESEEDCRNG:
        return admin ? 0 : -EPERM;
      default:
        return -ENOTTY;
    }
  }
}

export function addMemDevices(devices: Devices, entropy: Kernel['entropy']): void {
  devices.name(MEM_MAJOR, 'mem');
  devices.add(MEM_MAJOR, 3, (inode, _t, flags) => new NullDevice(flags, inode, '/dev/null'));
  devices.add(MEM_MAJOR, 5, (inode, _t, flags) => new ZeroDevice(flags, inode, '/dev/zero'));
  devices.add(MEM_MAJOR, 7, (inode, _t, flags) => new FullDevice(flags, inode, '/dev/full'));
  devices.add(MEM_MAJOR, 8, (inode, _t, flags) => new RandomDevice(entropy, flags, inode, '/dev/random'));
  devices.add(MEM_MAJOR, 9, (inode, _t, flags) => new RandomDevice(entropy, flags, inode, '/dev/urandom'));
}

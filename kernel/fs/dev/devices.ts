/** Character devices by number (Documentation/admin-guide/devices.txt): what opening a device node reaches. */
import { ENXIO } from '../../abi/errno.ts';
import type { Task } from '../../task/task.ts';
import type { Park } from '../../wait.ts';
import type { Path } from '../dentry.ts';
import type { File } from '../file.ts';
import type { Inode } from '../inode.ts';

/** dev_t as stat shows it (glibc's gnu_dev_makedev for numbers that fit 32 bits). */
export function makedev(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}
export const devMajor = (dev: number): number => (dev >>> 8) & 0xfff;
export const devMinor = (dev: number): number => (dev & 0xff) | ((dev >>> 12) & 0xfff00);

/** Opens one minor of a driver. */
export type DeviceOpen = (inode: Inode, t: Task, flags: number, at: Path) => File | number | Park;

/** The driver table of a kernel. */
export class Devices {
  private readonly byNumber = new Map<number, DeviceOpen>();
  private readonly byMajor = new Map<number, DeviceOpen>();
  /** Names by major, for /proc/devices. */
  readonly names: [major: number, name: string][] = [];

  /** One device. */
  add(major: number, minor: number, open: DeviceOpen): void {
    this.byNumber.set(makedev(major, minor), open);
  }
  /** Every minor of a major that has no entry of its own. */
  addMajor(major: number, open: DeviceOpen): void {
    this.byMajor.set(major, open);
  }
  name(major: number, name: string): void {
    this.names.push([major, name]);
    this.names.sort((a, b) => a[0] - b[0]);
  }

  open(inode: Inode, t: Task, flags: number, at: Path): File | number | Park {
    const open = this.byNumber.get(inode.rdev) ?? this.byMajor.get(devMajor(inode.rdev));
    return open ? open(inode, t, flags, at) : -ENXIO;
  }
}

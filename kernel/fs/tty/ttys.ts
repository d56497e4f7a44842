/** Every terminal of a machine, and the device nodes that lead to them: tty, console, ptmx, pts/N. */
import { EBUSY, EIO, ENOSPC, ENXIO } from '../../abi/errno.ts';
import type { Kernel } from '../../kernel.ts';
import type { Task } from '../../task/task.ts';
import { devMinor, makedev } from '../dev/devices.ts';
import { O_ACCMODE, O_NOCTTY, O_WRONLY, type File } from '../file.ts';
import type { Inode } from '../inode.ts';
import { DevPts, PTS_MAJOR } from './devpts.ts';
import { HostTty, type HostTerminal } from './host-port.ts';
import { adoptOnOpen, CAP_SYS_ADMIN } from './job-control.ts';
import { Pty, PtyMasterFile } from './pty.ts';
import { TtyFile } from './tty-file.ts';
import type { Tty } from './tty.ts';

/** /proc/sys/kernel/pty/max. */
export const PTY_MAX = 4096;

export class Ttys {
  readonly kernel: Kernel;
  readonly devpts: DevPts;
  /** The machine's own terminal, when the host has one. */
  console: HostTty | null = null;
  private readonly ptys = new Map<number, Pty>();

  constructor(kernel: Kernel, dev: number) {
    this.kernel = kernel;
    this.devpts = new DevPts(kernel, dev);
    const { devices } = kernel;
    devices.name(5, '/dev/tty');
    devices.name(5, '/dev/console');
    devices.name(5, '/dev/ptmx');
    devices.name(128, 'ptm');
    devices.name(136, 'pts');
    devices.add(5, 0, (inode, t, flags) => this.openCurrent(inode, t, flags));
    devices.add(5, 1, (inode, t, flags) => this.openConsole(inode, t, flags));
    devices.add(5, 2, (inode, t, flags) => this.openMaster(inode, t, flags));
    devices.addMajor(PTS_MAJOR, (inode, t, flags) => this.openSlave(inode, t, flags));
  }

  /** The host's terminal becomes /dev/pts/0 and /dev/console. Called at boot. */
  attachHost(port: HostTerminal, uid: number): Tty {
    const index = this.freeIndex();
    this.console = new HostTty(this.kernel, port, index);
    this.devpts.add(index, uid);
    return this.console.tty;
  }

  /** Makes the console the controlling terminal of the first process, as getty does. */
  static login(tty: Tty, t: Task): void {
    tty.adopt(t.group);
  }

  /** In use, for /proc/sys/kernel/pty/nr. */
  get count(): number {
    return this.ptys.size;
  }

  private freeIndex(): number {
    for (let i = 0; ; i++) if (!this.devpts.slaves.has(i)) return i;
  }

  /** /dev/tty: the caller's controlling terminal. */
  private openCurrent(inode: Inode, t: Task, flags: number): File | number {
    const { tty } = t.group;
    return tty === null ? -ENXIO : this.openTty(tty, inode, t, flags | O_NOCTTY);
  }

  private openConsole(inode: Inode, t: Task, flags: number): File | number {
    return this.console === null ? -ENXIO : this.openTty(this.console.tty, inode, t, flags | O_NOCTTY);
  }

  private openMaster(inode: Inode, t: Task, flags: number): File | number {
    if (this.ptys.size >= PTY_MAX) return -ENOSPC;
    const index = this.freeIndex();
    const pty = new Pty(this.kernel, index, makedev(PTS_MAJOR, index));
    this.ptys.set(index, pty);
    this.devpts.add(index, t.creds.fsuid);
    return new PtyMasterFile(pty, flags & ~O_NOCTTY, inode, () => {
      this.ptys.delete(index);
      this.devpts.remove(index);
    });
  }

  private openSlave(inode: Inode, t: Task, flags: number): File | number {
    const index = devMinor(inode.rdev);
    const tty = this.console?.tty;
    if (tty && tty.rdev === inode.rdev) return this.openTty(tty, inode, t, flags);
    const pty = this.ptys.get(index);
    return pty ? this.openTty(pty.tty, inode, t, flags) : -EIO;
  }

  /** Opens a terminal that is there, through whichever node. */
  openTty(tty: Tty, inode: Inode, t: Task, flags: number): File | number {
    if (tty.exclusive && (t.creds.capEffective & CAP_SYS_ADMIN) === 0n) return -EBUSY;
    const kept = flags & ~O_NOCTTY;
    const pty = tty.driver instanceof Pty ? tty.driver : null;
    const file = pty ? pty.openSlave(inode, kept) : new TtyFile(tty, kept, inode);
    if (typeof file === 'number') return file;
    if (!(flags & O_NOCTTY)) adoptOnOpen(t, tty, (flags & O_ACCMODE) !== O_WRONLY);
    return file;
  }
}

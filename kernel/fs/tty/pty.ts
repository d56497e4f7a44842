/** Pseudo-terminals (pty(7)): a Tty whose other side is a file, the master. After drivers/tty/pty.c. */
import { EAGAIN, EFAULT, EINVAL, EIO, EMFILE } from '../../abi/errno.ts';
import type { Kernel } from '../../kernel.ts';
import type { IoBuf } from '../../mm/iobuf.ts';
import { SIGINT, SIGQUIT, SIGTSTP } from '../../signal/numbers.ts';
import type { Task } from '../../task/task.ts';
import {
  File, installFile, O_CLOEXEC, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM,
} from '../file.ts'; // prettier-ignore
import type { Inode } from '../inode.ts';
import { BufferedOutput } from './buffered-output.ts';
import * as io from './ioctls.ts';
import { ttyIoctl, type TtySide } from './tty-ioctl.ts';
import { TIOCPKT_START, TIOCPKT_STOP, TIOCPKT_DOSTOP, TIOCPKT_NOSTOP, Tty, type TtyDriver } from './tty.ts';
import { TtyFile } from './tty-file.ts';

/** Output a master may leave unread before writers of the slave wait. */
const OUTPUT_LIMIT = 12288;

/** Both sides of one pseudo-terminal. */
export class Pty extends BufferedOutput implements TtyDriver {
  readonly kernel: Kernel;
  readonly index: number;
  readonly tty: Tty;
  readonly pty = true;
  master!: PtyMasterFile;
  /** TIOCSPTLCK: a new slave cannot be opened until unlockpt(3). */
  locked = true;
  slaves = 0;
  /** The slave was open and is no more: the master reads EIO and polls POLLHUP. */
  slaveClosed = false;
  /** TIOCPKT, and the status bits its next read shows. */
  packetMode = false;
  packetStatus = 0;

  constructor(kernel: Kernel, index: number, rdev: number) {
    super(OUTPUT_LIMIT);
    this.kernel = kernel;
    this.index = index;
    this.tty = new Tty(kernel, this, rdev, `/dev/pts/${index}`);
  }

  /** The master can read `output`. */
  protected delivered(): void {
    this.master.waiters.wake(POLLIN | POLLRDNORM);
  }
  inputDrained(): void {
    this.master.waiters.wake(POLLOUT | POLLWRNORM);
  }
  packet(bits: number): void {
    if (!this.packetMode) return;
    // Opposite states replace each other.
    if (bits & (TIOCPKT_STOP | TIOCPKT_START)) this.packetStatus &= ~(TIOCPKT_STOP | TIOCPKT_START);
    if (bits & (TIOCPKT_DOSTOP | TIOCPKT_NOSTOP)) this.packetStatus &= ~(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
    this.packetStatus |= bits;
    this.master.waiters.wake(POLLPRI | POLLIN | POLLRDNORM);
  }

  openSlave(inode: Inode, flags: number): TtyFile | number {
    if (this.locked) return -EIO;
    this.slaves++;
    this.slaveClosed = false;
    return new TtyFile(this.tty, flags, inode, () => this.closeSlave());
  }

  private closeSlave(): void {
    if (--this.slaves > 0) return;
    this.slaveClosed = true;
    this.master.waiters.wake(0);
  }
}

export class PtyMasterFile extends File implements TtySide {
  readonly pty: Pty;
  readonly master = true;
  private readonly onClose: () => void;

  constructor(pty: Pty, flags: number, inode: Inode, onClose: () => void) {
    super(flags, inode, '/dev/ptmx');
    this.pty = pty;
    pty.master = this;
    this.onClose = onClose;
  }
  get tty(): Tty {
    return this.pty.tty;
  }
  get name(): string {
    return this.path === null ? '/dev/ptmx' : this.path.name;
  }
  override get writesAll(): boolean {
    return true;
  }

  override poll(): number {
    const { pty } = this;
    let events = 0;
    if (pty.output.length > 0) events |= POLLIN | POLLRDNORM;
    if (pty.packetStatus !== 0) events |= POLLPRI | POLLIN | POLLRDNORM;
    if (pty.slaveClosed) events |= POLLHUP;
    if (this.tty.inputRoom > 0) events |= POLLOUT | POLLWRNORM;
    return events;
  }

  override read(buf: IoBuf, _t: Task): number {
    if (buf.length === 0) return 0;
    const { pty } = this;
    if (pty.packetStatus !== 0) {
      buf.put(Uint8Array.of(pty.packetStatus));
      pty.packetStatus = 0;
      return 1;
    }
    if (pty.output.length === 0) return pty.slaveClosed ? -EIO : -EAGAIN;
    let at = 0;
    if (pty.packetMode) at = buf.put(Uint8Array.of(0));
    const bytes = pty.output.take(Math.min(buf.length - at, 4095));
    buf.put(bytes, at);
    this.tty.outputDrained();
    return at + bytes.length;
  }

  override write(buf: IoBuf, _t: Task): number {
    if (buf.length === 0) return 0;
    const n = this.tty.receive(buf.slice(0, Math.min(buf.length, this.tty.inputRoom)).bytes());
    return n > 0 ? n : -EAGAIN;
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    const { pty } = this;
    switch (cmd) {
      case io.TIOCGPTN:
        return t.mm.putU32(arg, pty.index);
      case io.TIOCSPTLCK: {
        const lock = t.mm.i32(arg);
        if (lock === null) return -EFAULT;
        pty.locked = lock !== 0;
        return 0;
      }
      case io.TIOCGPTLCK:
        return t.mm.putU32(arg, pty.locked ? 1 : 0);
      case io.TIOCPKT: {
        const on = t.mm.i32(arg);
        if (on === null) return -EFAULT;
        if (on !== 0 && !pty.packetMode) pty.packetStatus = 0;
        pty.packetMode = on !== 0;
        return 0;
      }
      case io.TIOCGPKT:
        return t.mm.putU32(arg, pty.packetMode ? 1 : 0);
      case io.TIOCSIG:
        if (arg !== SIGINT && arg !== SIGQUIT && arg !== SIGTSTP) return -EINVAL;
        this.tty.sendForeground(arg);
        return 0;
      case io.TIOCGPTPEER:
        return this.openPeer(t, arg);
      default:
        return ttyIoctl(t, this, cmd, arg);
    }
  }

  /** TIOCGPTPEER: opens the slave without going through a name. */
  private openPeer(t: Task, flags: number): number {
    const at = t.kernel.vfs.find(`/dev/pts/${this.pty.index}`);
    if (typeof at === 'number') return at;
    const file = this.pty.openSlave(at.inode, flags & ~O_CLOEXEC);
    if (typeof file === 'number') return file;
    file.path = at;
    const fd = installFile(t, file, (flags & O_CLOEXEC) !== 0);
    if (fd === -EMFILE) file.release();
    return fd;
  }

  pendingInput(): number {
    return this.pty.output.length;
  }
  flushInput(): void {
    this.pty.output.clear();
    this.tty.outputDrained();
  }
  flushOutput(): void {
    this.tty.flushInput();
  }

  override release(): void {
    this.onClose();
    this.tty.hangup();
  }
}

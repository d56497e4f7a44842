/** An open terminal: /dev/pts/N, /dev/tty, /dev/console. After n_tty_read, n_tty_write and n_tty_poll. */
import { EAGAIN, EIO, ENOTTY } from '../../abi/errno.ts';
import type { IoBuf } from '../../mm/iobuf.ts';
import { SIGTTIN, SIGTTOU } from '../../signal/numbers.ts';
import type { Task } from '../../task/task.ts';
import { File, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../file.ts';
import type { Inode } from '../inode.ts';
import { TIOCSPGRP } from './ioctls.ts';
import { checkForeground } from './job-control.ts';
import { EXTPROC, ICANON, TOSTOP, VMIN, VTIME } from './termios.ts';
import { HUNG_UP, ttyIoctl, type TtySide } from './tty-ioctl.ts';
import type { Tty } from './tty.ts';

/** VTIME counts tenths of a second. */
const TENTH = 100_000_000;
/** Bytes of one write looked at in one go. */
const WRITE_CHUNK = 65536;

export class TtyFile extends File implements TtySide {
  readonly tty: Tty;
  readonly master = false;
  /** The line was hung up while this was open: it stays dead. */
  hungUp = false;
  private readonly onClose: (() => void) | null;

  constructor(tty: Tty, flags: number, inode: Inode, onClose: (() => void) | null = null) {
    super(flags, inode, tty.name);
    this.tty = tty;
    this.onClose = onClose;
    tty.files.add(this);
  }

  get name(): string {
    return this.path === null ? this.tty.name : this.path.name;
  }
  override get writesAll(): boolean {
    return true;
  }

  override poll(): number {
    if (this.hungUp) return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
    let events = 0;
    if (this.tty.ldisc.pollIn) events |= POLLIN | POLLRDNORM;
    if (this.tty.room() > 0) events |= POLLOUT | POLLWRNORM;
    return events;
  }

  override read(buf: IoBuf, t: Task): number {
    if (this.hungUp) return 0;
    const may = checkForeground(t, this.tty, SIGTTIN);
    if (may < 0) return may;
    if (buf.length === 0) return 0;
    const { ldisc } = this.tty;
    if (!this.canonical) {
      const wait = this.rawWait(buf.length, t);
      if (wait <= 0) return wait;
    }
    const bytes = ldisc.read(Math.min(buf.length, 65536));
    if (bytes === null) return -EAGAIN;
    buf.put(bytes);
    this.tty.drained();
    return bytes.length;
  }

  private get canonical(): boolean {
    return (this.tty.termios.lflag & (ICANON | EXTPROC)) === ICANON;
  }

  /** Whether a raw read has what it waits for: 1 yes, 0 it ends empty, -EAGAIN. Bytes stay buffered until VMIN are there. */
  private rawWait(length: number, t: Task): number {
    const { cc } = this.tty.termios;
    const min = cc[VMIN];
    const have = this.tty.ldisc.available;
    if (min === 0) {
      if (have > 0) return 1;
      return cc[VTIME] === 0 || t.woken === 'timeout' ? 0 : -EAGAIN;
    }
    if (have >= Math.min(min, length)) return 1;
    if (have === 0) return -EAGAIN;
    // Fewer than VMIN: VTIME ran out between bytes, a signal came, or nobody wants to wait.
    return this.nonblocking || t.woken === 'timeout' || t.woken === 'signal' ? 1 : -EAGAIN;
  }

  override readDeadline(t: Task): number {
    const { cc } = this.tty.termios;
    if (this.canonical || cc[VTIME] === 0) return Infinity;
    const time = cc[VTIME] * TENTH;
    const now = t.kernel.clock.monotonic();
    if (cc[VMIN] === 0) return t.parked ? t.parked.deadline : now + time;
    if (this.tty.ldisc.available === 0) return Infinity;
    return (t.parked ? this.tty.lastInput : now) + time;
  }

  override write(buf: IoBuf, t: Task): number {
    if (this.hungUp) return -EIO;
    if (this.tty.termios.lflag & TOSTOP) {
      const may = checkForeground(t, this.tty, SIGTTOU);
      if (may < 0) return may;
    }
    let done = 0;
    while (done < buf.length) {
      const chunk = buf.slice(done, Math.min(buf.length, done + WRITE_CHUNK)).bytes();
      const n = this.tty.write(chunk);
      done += n;
      if (n < chunk.length) break;
    }
    return done > 0 || buf.length === 0 ? done : -EAGAIN;
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    if (this.hungUp) return cmd === TIOCSPGRP ? -ENOTTY : HUNG_UP;
    return ttyIoctl(t, this, cmd, arg);
  }
  pendingInput(): number {
    return this.tty.ldisc.readable;
  }
  flushInput(): void {
    this.tty.flushInput();
  }
  flushOutput(): void {
    this.tty.flushOutput();
  }

  override release(): void {
    this.tty.files.delete(this);
    this.onClose?.();
  }
}

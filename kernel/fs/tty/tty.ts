/**
 * A terminal: modes, window size, job control, the line discipline, and the driver on its other side (a pty master or
 * the host's terminal). Owner: its driver; open files come and go.
 */
import type { Kernel } from '../../kernel.ts';
import type { ThreadGroup } from '../../task/thread-group.ts';
import { SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGWINCH, SI_KERNEL } from '../../signal/numbers.ts';
import { sendToGroup, sendToPgrp } from '../../signal/send.ts';
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../file.ts';
import { LineDiscipline, type LineDisciplineOwner } from './line-discipline.ts';
import { ByteQueue } from './byte-queue.ts';
import {
  copyTermios,
  defaultTermios,
  VSTART,
  VSTOP,
  IXON,
  EXTPROC,
  type Termios,
  type WinSize,
} from './termios.ts';
import type { TtyFile } from './tty-file.ts';

/** The other side of a terminal. */
export interface TtyDriver {
  /** Bytes it takes now. */
  room(): number;
  /** Takes output (never more than `room`). */
  put(bytes: Uint8Array): void;
  /** Drops output that has not been handed over since the last `deliver`. */
  flush(): void;
  /** One operation on the terminal is over: hand its output over. */
  deliver(): void;
  /** Typed bytes it holds back may fit now. */
  inputDrained(): void;
  /** Packet mode status bits (TIOCPKT_*), for a pty whose master asked for them. */
  packet(bits: number): void;
  /** A pty slave: leaving sessions do not hang it up. */
  readonly pty: boolean;
}

export const TIOCPKT_FLUSHREAD = 1;
export const TIOCPKT_FLUSHWRITE = 2;
export const TIOCPKT_STOP = 4;
export const TIOCPKT_START = 8;
export const TIOCPKT_NOSTOP = 16;
export const TIOCPKT_DOSTOP = 32;
export const TIOCPKT_IOCTL = 64;

/** Typed bytes held for a line discipline that is full, as the tty layer's flip buffers do. */
const INPUT_LIMIT = 16384;

export class Tty implements LineDisciplineOwner {
  readonly kernel: Kernel;
  readonly driver: TtyDriver;
  /** dev_t: 136:N for /dev/pts/N. */
  readonly rdev: number;
  /** "/dev/pts/3". */
  readonly name: string;
  termios: Termios = defaultTermios();
  winsize: WinSize = { rows: 0, cols: 0, xpixel: 0, ypixel: 0 };
  /** Session whose controlling terminal it is, and its foreground group; 0: none. */
  session = 0;
  pgrp = 0;
  stopped = false;
  stoppedByCall = false;
  /** TIOCEXCL. */
  exclusive = false;
  readonly ldisc: LineDiscipline;
  readonly files = new Set<TtyFile>();
  /** When input last came, monotonic ns: VTIME's timer between bytes. */
  lastInput = 0;
  private readonly input = new ByteQueue();

  constructor(kernel: Kernel, driver: TtyDriver, rdev: number, name: string) {
    this.kernel = kernel;
    this.driver = driver;
    this.rdev = rdev;
    this.name = name;
    this.ldisc = new LineDiscipline(this);
  }

  /** Bytes came from the other side. Returns how many were taken. */
  receive(bytes: Uint8Array): number {
    const n = Math.min(bytes.length, this.inputRoom);
    if (n > 0) this.input.push(bytes.slice(0, n));
    this.lastInput = this.kernel.clock.monotonic();
    this.pump();
    return n;
  }
  get inputRoom(): number {
    return INPUT_LIMIT - this.input.length;
  }

  /** Feeds held bytes to the line discipline. */
  private pump(): void {
    while (this.input.length > 0 && this.ldisc.accepts) {
      const chunk = this.input.peek();
      const n = this.ldisc.receive(chunk);
      if (n === 0) break;
      this.input.drop(n);
    }
    this.driver.deliver();
    if (this.ldisc.fresh) {
      this.ldisc.fresh = false;
      this.wake(POLLIN | POLLRDNORM);
    }
  }

  /** A read took bytes: held ones move up. */
  drained(): void {
    const held = this.input.length;
    if (held === 0) return;
    this.pump();
    if (this.input.length < held) this.driver.inputDrained();
  }

  /** Output of a write(2): as many bytes of it as are taken now. */
  write(bytes: Uint8Array): number {
    this.ldisc.echo.flush(this.termios);
    const n = this.ldisc.out.write(bytes, this.termios, this);
    this.driver.deliver();
    return n;
  }

  // OutputSink, for the line discipline.
  room(): number {
    return this.stopped ? 0 : this.driver.room();
  }
  put(bytes: Uint8Array): void {
    this.driver.put(bytes);
  }

  /** The other side took output: more fits. */
  outputDrained(): void {
    if (this.stopped) return;
    this.ldisc.echo.flush(this.termios);
    this.driver.deliver();
    this.wake(POLLOUT | POLLWRNORM);
  }

  signal(what: 'intr' | 'quit' | 'susp'): void {
    this.sendForeground(what === 'intr' ? SIGINT : what === 'quit' ? SIGQUIT : SIGTSTP);
  }
  sendForeground(signo: number): void {
    if (this.pgrp > 0) sendToPgrp(this.kernel, this.pgrp, { signo, code: SI_KERNEL });
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.driver.packet(TIOCPKT_STOP);
  }
  start(): void {
    if (!this.stopped || this.stoppedByCall) return;
    this.stopped = false;
    this.driver.packet(TIOCPKT_START);
    this.wake(POLLOUT | POLLWRNORM);
  }
  /** TCOOFF and TCOON. */
  suspendOutput(off: boolean): void {
    if (off) {
      this.stoppedByCall = true;
      this.stop();
      return;
    }
    if (!this.stoppedByCall) return;
    this.stoppedByCall = false;
    this.start();
    this.outputDrained();
  }

  flushOutput(): void {
    this.ldisc.echo.discard();
    this.driver.flush();
    this.driver.packet(TIOCPKT_FLUSHWRITE);
    this.wake(POLLOUT | POLLWRNORM);
  }
  flushInput(): void {
    this.ldisc.flush();
    this.input.clear();
    this.driver.packet(TIOCPKT_FLUSHREAD);
    this.driver.inputDrained();
  }

  setTermios(next: Termios): void {
    const old = this.termios;
    this.termios = copyTermios(next);
    this.ldisc.modesChanged(old);
    if (!(next.iflag & IXON) && old.iflag & IXON && !this.stoppedByCall) this.start();
    const flow = (t: Termios): boolean =>
      (t.iflag & IXON) !== 0 && t.cc[VSTOP] === 0o23 && t.cc[VSTART] === 0o21;
    if (flow(old) !== flow(next)) this.driver.packet(flow(next) ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP);
    if ((old.lflag ^ next.lflag) & EXTPROC || next.lflag & EXTPROC) this.driver.packet(TIOCPKT_IOCTL);
    this.ldisc.fresh = false;
    // What may be read changed with the modes.
    this.wake(POLLIN | POLLRDNORM);
  }

  /** A new window size: the foreground group hears of it if it differs. */
  resize(next: WinSize): void {
    const now = this.winsize;
    if (
      now.rows === next.rows &&
      now.cols === next.cols &&
      now.xpixel === next.xpixel &&
      now.ypixel === next.ypixel
    ) {
      return;
    }
    this.winsize = { ...next };
    this.sendForeground(SIGWINCH);
  }

  /** It becomes the controlling terminal of a session leader (__proc_set_tty). */
  adopt(g: ThreadGroup): void {
    this.session = g.session;
    this.pgrp = g.pgrp;
    g.tty = this;
  }

  /** A session leader gives it up (TIOCNOTTY, exit): the whole session loses it. */
  sessionEnded(g: ThreadGroup, exiting = true): void {
    if (exiting && !this.driver.pty) {
      this.hangup();
    } else if (this.pgrp > 0) {
      this.sendForeground(SIGHUP);
      if (!exiting) this.sendForeground(SIGCONT);
    }
    this.release(g.session);
  }

  /** No process of the session has it any more. */
  release(session: number): void {
    if (this.session === session) this.session = this.pgrp = 0;
    for (const g of this.kernel.processes.groups.values())
      if (g.session === session && g.tty === this) g.tty = null;
  }

  /** The line is gone (__tty_hangup): open files are dead, the session leader gets SIGHUP and SIGCONT. */
  hangup(): void {
    for (const f of this.files) f.hungUp = true;
    const { session, pgrp } = this;
    for (const g of [...this.kernel.processes.groups.values()]) {
      if (session === 0 || g.session !== session) continue;
      if (g.tty === this) g.tty = null;
      if (g.pid === session) {
        sendToGroup(g, { signo: SIGHUP, code: SI_KERNEL });
        sendToGroup(g, { signo: SIGCONT, code: SI_KERNEL });
      }
    }
    if (pgrp > 0) sendToPgrp(this.kernel, pgrp, { signo: SIGHUP, code: SI_KERNEL });
    this.session = this.pgrp = 0;
    this.ldisc.flush();
    this.input.clear();
    this.termios = defaultTermios();
    this.wake(0);
    this.files.clear();
  }

  wake(events: number): void {
    for (const f of this.files) f.waiters.wake(events);
  }
}

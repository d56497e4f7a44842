/** ioctl(2) on terminals, either side of a pty (ioctl_tty(2); drivers/tty/tty_io.c and tty_ioctl.c). */
import { EFAULT, EINVAL, EIO, ENOTTY, EPERM } from '../../abi/errno.ts';
import { SIGTTOU } from '../../signal/numbers.ts';
import type { Task } from '../../task/task.ts';
import * as io from './ioctls.ts';
import {
  CAP_SYS_ADMIN, checkForeground, getPgrp, getSession, giveUpControlling, setControlling, setPgrp,
} from './job-control.ts'; // prettier-ignore
import {
  decodeTermios, decodeWinSize, encodeTermios, encodeWinSize, TERMIOS2_SIZE, TERMIOS_SIZE, TERMIO_SIZE, VSTART, VSTOP,
} from './termios.ts'; // prettier-ignore
import type { Tty } from './tty.ts';

const TCIFLUSH = 0;
const TCOFLUSH = 1;
const TCIOFLUSH = 2;

/** What differs between the two sides of a terminal. */
export interface TtySide {
  readonly tty: Tty;
  /** The master side of a pty: modes are the other side's, and job control does not apply. */
  readonly master: boolean;
  readonly readable: boolean;
  /** FIONREAD. */
  pendingInput(): number;
  /** TCFLSH of each direction as seen from this side. */
  flushInput(): void;
  flushOutput(): void;
}

/** -ENOTTY for what no terminal knows: the caller may know more. */
export function ttyIoctl(t: Task, side: TtySide, cmd: number, arg: number): number {
  const { tty } = side;
  switch (cmd) {
    case io.TCGETS:
      return t.mm.copyOut(arg, encodeTermios(tty.termios, TERMIOS_SIZE));
    case io.TCGETS2:
      return t.mm.copyOut(arg, encodeTermios(tty.termios, TERMIOS2_SIZE));
    case io.TCGETA:
      return t.mm.copyOut(arg, encodeTermios(tty.termios, TERMIO_SIZE));
    case io.TCSETS:
    case io.TCSETSW:
    case io.TCSETSF:
      return setModes(t, side, arg, TERMIOS_SIZE, cmd === io.TCSETSF);
    case io.TCSETS2:
    case io.TCSETSW2:
    case io.TCSETSF2:
      return setModes(t, side, arg, TERMIOS2_SIZE, cmd === io.TCSETSF2);
    case io.TCSETA:
    case io.TCSETAW:
    case io.TCSETAF:
      return setModes(t, side, arg, TERMIO_SIZE, cmd === io.TCSETAF);
    case io.TIOCGWINSZ:
      return t.mm.copyOut(arg, encodeWinSize(tty.winsize));
    case io.TIOCSWINSZ: {
      const v = t.mm.viewIn(arg, 8);
      if (v === null) return -EFAULT;
      tty.resize(decodeWinSize(v));
      return 0;
    }
    case io.TIOCGPGRP:
      return getPgrp(t, tty, arg, side.master);
    case io.TIOCSPGRP:
      return setPgrp(t, tty, arg, SIGTTOU);
    case io.TIOCGSID:
      return getSession(t, tty, arg, side.master);
    case io.TIOCSCTTY:
      return side.master ? -EINVAL : setControlling(t, tty, arg === 1, side.readable);
    case io.TIOCNOTTY:
      return giveUpControlling(t, tty);
    case io.FIONREAD:
      return t.mm.putU32(arg, side.pendingInput());
    case io.TIOCOUTQ:
      return t.mm.putU32(arg, 0);
    case io.TIOCEXCL:
      tty.exclusive = true;
      return 0;
    case io.TIOCNXCL:
      tty.exclusive = false;
      return 0;
    case io.TIOCGEXCL:
      return t.mm.putU32(arg, tty.exclusive ? 1 : 0);
    case io.TIOCGETD:
      return t.mm.putU32(arg, 0);
    case io.TIOCSETD: {
      const may = checkForeground(t, tty, SIGTTOU);
      if (may < 0) return may;
      const disc = t.mm.i32(arg);
      return disc === null ? -EFAULT : disc === 0 ? 0 : -EINVAL; // N_TTY is the only one
    }
    case io.TIOCGDEV:
      return t.mm.putU32(arg, tty.rdev);
    case io.TIOCSTI:
      return fakeInput(t, tty, arg);
    case io.TIOCVHANGUP:
      if ((t.creds.capEffective & CAP_SYS_ADMIN) === 0n) return -EPERM;
      tty.hangup();
      return 0;
    case io.TCXONC:
      return flow(t, tty, arg);
    case io.TCFLSH:
      return flush(t, side, arg);
    case io.TCSBRK:
    case io.TCSBRKP: // no line to break: only the check and the wait for output remain
    case io.TIOCSBRK:
    case io.TIOCCBRK:
      return side.master ? 0 : checkForeground(t, tty, SIGTTOU);
    default:
      return -ENOTTY;
  }
}

function setModes(t: Task, side: TtySide, arg: number, size: number, flushInput: boolean): number {
  const { tty } = side;
  const may = side.master ? 0 : checkForeground(t, tty, SIGTTOU);
  if (may < 0) return may;
  const bytes = t.mm.copyIn(arg, size);
  if (bytes === null) return -EFAULT;
  if (flushInput) tty.flushInput();
  tty.setTermios(decodeTermios(bytes, tty.termios));
  return 0;
}

/** TIOCSTI: a byte as if it had been typed. */
function fakeInput(t: Task, tty: Tty, arg: number): number {
  if (t.group.tty !== tty && (t.creds.capEffective & CAP_SYS_ADMIN) === 0n) return -EPERM;
  const byte = t.mm.copyIn(arg, 1);
  if (byte === null) return -EFAULT;
  tty.receive(byte);
  return 0;
}

function flow(t: Task, tty: Tty, arg: number): number {
  const may = checkForeground(t, tty, SIGTTOU);
  if (may < 0) return may;
  switch (arg) {
    case 0: // TCOOFF
    case 1: // TCOON
      tty.suspendOutput(arg === 0);
      return 0;
    case 2: // TCIOFF
    case 3: // TCION
      sendControl(tty, tty.termios.cc[arg === 2 ? VSTOP : VSTART]);
      return 0;
    default:
      return -EINVAL;
  }
}

/** Tells the other side to stop or go on sending. */
function sendControl(tty: Tty, c: number): void {
  if (c === 0 || tty.driver.room() < 1) return;
  tty.driver.put(Uint8Array.of(c));
  tty.driver.deliver();
}

function flush(t: Task, side: TtySide, arg: number): number {
  const may = side.master ? 0 : checkForeground(t, side.tty, SIGTTOU);
  if (may < 0) return may;
  if (arg !== TCIFLUSH && arg !== TCOFLUSH && arg !== TCIOFLUSH) return -EINVAL;
  if (arg !== TCOFLUSH) side.flushInput();
  if (arg !== TCIFLUSH) side.flushOutput();
  return 0;
}

/** Every ioctl on a line that was hung up. */
export const HUNG_UP = -EIO;

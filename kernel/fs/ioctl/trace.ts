/** ioctl(2) in a trace: the command's name and its argument, as strace 6.1 prints them. */
import type { Args } from '../../syscall/args.ts';
import type { Task } from '../../task/task.ts';
import { special } from '../../trace/args.ts';
import type { Table } from '../../trace/tables.ts';
import { addrText, enumText, hexText, quoteBytes, traceFormat } from '../../trace/text.ts';
import * as io from '../tty/ioctls.ts';
import { decodeWinSize } from '../tty/termios.ts';
import { IOCTL_NAMES } from './names.ts';
import { termiosText } from './trace-termios.ts';

const DIRECTIONS = ['_IOC_NONE', '_IOC_WRITE', '_IOC_READ', '_IOC_READ|_IOC_WRITE'];

function commandText(cmd: number): string {
  const name = IOCTL_NAMES.get(cmd);
  if (name !== undefined) return name;
  const part = (shift: number, bits: number): string => hexText((cmd >>> shift) & ((1 << bits) - 1));
  return `_IOC(${DIRECTIONS[cmd >>> 30]}, ${part(8, 8)}, ${part(0, 8)}, ${part(16, 14)})`;
}

/** Commands without an argument. */
const NONE: ReadonlySet<number> = new Set([
  io.TIOCNOTTY, io.TIOCEXCL, io.TIOCNXCL, io.TIOCSBRK, io.TIOCCBRK, io.TIOCCONS, io.TIOCVHANGUP, io.FIOCLEX, io.FIONCLEX,
]); // prettier-ignore
/** An int the caller gives, by reference: `[1]`. */
const INT_IN: ReadonlySet<number> = new Set([
  io.FIONBIO, io.FIOASYNC, io.TIOCSPTLCK, io.TIOCPKT, io.TIOCSPGRP, io.TIOCSETD, 0x541a, 0x8901, 0x8902,
]); // prettier-ignore
/** An int the kernel fills in. */
const INT_OUT: ReadonlySet<number> = new Set([
  io.FIONREAD, io.TIOCOUTQ, io.TIOCGPTN, io.TIOCGPGRP, io.TIOCGSID, io.TIOCGETD,
]); // prettier-ignore
/** A plain int. */
const INT_VALUE: ReadonlySet<number> = new Set([io.TIOCSCTTY, io.TCSBRK, io.TCSBRKP, 0x40049409]);
const SETS: ReadonlyMap<number, number> = new Map([
  [io.TCSETS, 36], [io.TCSETSW, 36], [io.TCSETSF, 36], [io.TCSETS2, 44], [io.TCSETSW2, 44], [io.TCSETSF2, 44],
  [io.TCSETA, 18], [io.TCSETAW, 18], [io.TCSETAF, 18],
]); // prettier-ignore
const GETS: ReadonlyMap<number, number> = new Map([[io.TCGETS, 36], [io.TCGETS2, 44], [io.TCGETA, 18]]); // prettier-ignore
/** Commands whose NULL argument reads as 0: strace has no decoder for them. */
const PLAIN = [
  [1, 'FIBMAP'], [0x5600, ''], [0x5603, ''], [io.FIOQSIZE, ''], [0x541e, ''],
] as const satisfies Table; // prettier-ignore

const XONC = [
  [0, 'TCOOFF'],
  [1, 'TCOON'],
  [2, 'TCIOFF'],
  [3, 'TCION'],
] as const satisfies Table;
const FLSH = [
  [0, 'TCIFLUSH'],
  [1, 'TCOFLUSH'],
  [2, 'TCIOFLUSH'],
] as const satisfies Table;

function argText(t: Task, a: Args, ret: number | null): string {
  const cmd = a.u32(1);
  const arg = a.ptr(2);
  const raw = Number.isSafeInteger(arg) ? addrText(arg) : addrText(a.big(2));
  const ok = ret !== null && ret >= 0;
  if (NONE.has(cmd)) return '';
  if (INT_VALUE.has(cmd)) return String(a.i32(2));
  const set = SETS.get(cmd);
  const get = GETS.get(cmd);
  if (set !== undefined || (get !== undefined && ok)) {
    const bytes = t.mm.copyIn(arg, set ?? get!);
    return bytes === null ? raw : termiosText(bytes, traceFormat(t).verbose);
  }
  if (INT_IN.has(cmd) || (INT_OUT.has(cmd) && ok)) {
    const n = t.mm.i32(arg);
    return n === null ? raw : `[${n}]`;
  }
  switch (cmd) {
    case io.TIOCGWINSZ:
    case io.TIOCSWINSZ: {
      const v = cmd === io.TIOCSWINSZ || ok ? t.mm.viewIn(arg, 8) : null;
      if (v === null) return raw;
      const w = decodeWinSize(v);
      return `{ws_row=${w.rows}, ws_col=${w.cols}, ws_xpixel=${w.xpixel}, ws_ypixel=${w.ypixel}}`;
    }
    case io.TCXONC:
      return enumText(a.i32(2), XONC, 'TC???');
    case io.TCFLSH:
      return enumText(a.i32(2), FLSH, 'TC???');
    case io.TIOCSTI: {
      const c = t.mm.copyIn(arg, 1);
      return c === null ? raw : quoteBytes(c, 1);
    }
    case io.TIOCSIG:
    case io.TIOCGPTPEER:
      return hexText(a.u32(2));
  }
  if (arg === 0 && (!IOCTL_NAMES.has(cmd) || PLAIN.some(([c]) => c === cmd))) return '0';
  return raw;
}

export const ioctlCommand = special('op', (_t, a) => commandText(a.u32(1)));
export const ioctlArg = special('argp', (t, a, _i, ret) => argText(t, a, ret), { out: true });

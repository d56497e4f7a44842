/** struct termios: the modes of a terminal (termios(3), asm-generic/termbits.h). */

// Indices of c_cc.
export const VINTR = 0;
export const VQUIT = 1;
export const VERASE = 2;
export const VKILL = 3;
export const VEOF = 4;
export const VTIME = 5;
export const VMIN = 6;
export const VSWTC = 7;
export const VSTART = 8;
export const VSTOP = 9;
export const VSUSP = 10;
export const VEOL = 11;
export const VREPRINT = 12;
export const VDISCARD = 13;
export const VWERASE = 14;
export const VLNEXT = 15;
export const VEOL2 = 16;
const NCCS = 19;

// c_iflag
export const IGNBRK = 0o1;
export const BRKINT = 0o2;
export const IGNPAR = 0o4;
export const PARMRK = 0o10;
export const INPCK = 0o20;
export const ISTRIP = 0o40;
export const INLCR = 0o100;
export const IGNCR = 0o200;
export const ICRNL = 0o400;
export const IUCLC = 0o1000;
export const IXON = 0o2000;
export const IXANY = 0o4000;
export const IXOFF = 0o10000;
export const IMAXBEL = 0o20000;
export const IUTF8 = 0o40000;

// c_oflag
export const OPOST = 0o1;
export const OLCUC = 0o2;
export const ONLCR = 0o4;
export const OCRNL = 0o10;
export const ONOCR = 0o20;
export const ONLRET = 0o40;
export const TABDLY = 0o14000;
export const XTABS = 0o14000;

// c_cflag
export const CBAUD = 0o10017;
export const B38400 = 0o17;
export const CSIZE = 0o60;
export const CS8 = 0o60;
export const CREAD = 0o200;
export const PARENB = 0o400;
export const HUPCL = 0o2000;

// c_lflag
export const ISIG = 0o1;
export const ICANON = 0o2;
export const ECHO = 0o10;
export const ECHOE = 0o20;
export const ECHOK = 0o40;
export const ECHONL = 0o100;
export const NOFLSH = 0o200;
export const TOSTOP = 0o400;
export const ECHOCTL = 0o1000;
export const ECHOPRT = 0o2000;
export const ECHOKE = 0o4000;
export const IEXTEN = 0o100000;
export const EXTPROC = 0o200000;

export interface Termios {
  iflag: number;
  oflag: number;
  cflag: number;
  lflag: number;
  line: number;
  readonly cc: Uint8Array;
  ispeed: number;
  ospeed: number;
}

/** tty_std_termios with the pty driver's c_cflag (no HUPCL). */
export function defaultTermios(): Termios {
  const cc = new Uint8Array(NCCS);
  cc.set([3, 0o34, 0o177, 0o25, 4, 0, 1, 0, 0o21, 0o23, 0o32, 0, 0o22, 0o17, 0o27, 0o26, 0]);
  return {
    iflag: ICRNL | IXON,
    oflag: OPOST | ONLCR,
    cflag: B38400 | CS8 | CREAD,
    lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
    line: 0,
    cc,
    ispeed: 38400,
    ospeed: 38400,
  };
}

/** A master's side: nothing is cooked there. */
export function masterTermios(): Termios {
  const t = defaultTermios();
  t.iflag = t.oflag = t.lflag = 0;
  return t;
}

export function copyTermios(from: Termios): Termios {
  return { ...from, cc: from.cc.slice() };
}

/** struct termios of TCGETS (36 bytes) and struct termios2 of TCGETS2 (44: the speeds follow). */
export const TERMIOS_SIZE = 36;
export const TERMIOS2_SIZE = 44;
/** struct termio of TCGETA: 16-bit flags, eight control characters. */
export const TERMIO_SIZE = 18;

export function encodeTermios(t: Termios, size: number): Uint8Array {
  const out = new Uint8Array(size);
  const v = new DataView(out.buffer);
  if (size === TERMIO_SIZE) {
    [t.iflag, t.oflag, t.cflag, t.lflag].forEach((f, i) => v.setUint16(2 * i, f & 0xffff, true));
    out[8] = t.line;
    out.set(t.cc.subarray(0, 8), 9);
    return out;
  }
  [t.iflag, t.oflag, t.cflag, t.lflag].forEach((f, i) => v.setUint32(4 * i, f, true));
  out[16] = t.line;
  out.set(t.cc, 17);
  if (size >= TERMIOS2_SIZE) {
    v.setUint32(36, t.ispeed, true);
    v.setUint32(40, t.ospeed, true);
  }
  return out;
}

/** Bits of c_cflag's CBAUD to bits a second, B0…B38400 and B57600… */
const SPEEDS = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
const HIGH_SPEEDS = [
  0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000,
  3000000, 3500000, 4000000,
];

/** `old` gives what the smaller structures do not carry. */
export function decodeTermios(bytes: Uint8Array, old: Termios): Termios {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const t = copyTermios(old);
  if (bytes.length === TERMIO_SIZE) {
    const low = (now: number, i: number): number => ((now & ~0xffff) | v.getUint16(2 * i, true)) >>> 0;
    t.iflag = low(t.iflag, 0);
    t.oflag = low(t.oflag, 1);
    t.cflag = low(t.cflag, 2);
    t.lflag = low(t.lflag, 3);
    t.line = bytes[8]!;
    t.cc.set(bytes.subarray(9, 17));
    return t;
  }
  t.iflag = v.getUint32(0, true);
  t.oflag = v.getUint32(4, true);
  t.cflag = v.getUint32(8, true);
  t.lflag = v.getUint32(12, true);
  t.line = bytes[16]!;
  t.cc.set(bytes.subarray(17, 36));
  if (bytes.length >= TERMIOS2_SIZE && (t.cflag & CBAUD) === BOTHER) {
    t.ispeed = v.getUint32(36, true);
    t.ospeed = v.getUint32(40, true);
  } else {
    const code = t.cflag & CBAUD;
    t.ispeed = t.ospeed = (code & 0o10000 ? HIGH_SPEEDS : SPEEDS)[code & 0o17]!;
  }
  return t;
}
const BOTHER = 0o10000;

export interface WinSize {
  rows: number;
  cols: number;
  xpixel: number;
  ypixel: number;
}

export function encodeWinSize(w: WinSize): Uint8Array {
  return new Uint8Array(new Uint16Array([w.rows, w.cols, w.xpixel, w.ypixel]).buffer);
}
export function decodeWinSize(v: DataView): WinSize {
  return {
    rows: v.getUint16(0, true),
    cols: v.getUint16(2, true),
    xpixel: v.getUint16(4, true),
    ypixel: v.getUint16(6, true),
  };
}

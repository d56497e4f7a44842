/** struct termios as strace 6.1 prints it, with its own order of flags. */
import { decodeTermios, defaultTermios, type Termios } from '../tty/termios.ts';
import type { Table } from '../../trace/tables.ts';

const IFLAGS = [
  [0o1, 'IGNBRK'], [0o2, 'BRKINT'], [0o4, 'IGNPAR'], [0o10, 'PARMRK'], [0o20, 'INPCK'], [0o40, 'ISTRIP'],
  [0o100, 'INLCR'], [0o200, 'IGNCR'], [0o400, 'ICRNL'], [0o1000, 'IUCLC'], [0o2000, 'IXON'], [0o4000, 'IXANY'],
  [0o10000, 'IXOFF'], [0o20000, 'IMAXBEL'], [0o40000, 'IUTF8'],
] as const satisfies Table; // prettier-ignore
const OFLAGS = [
  [0o1, 'OPOST'], [0o2, 'OLCUC'], [0o4, 'ONLCR'], [0o10, 'OCRNL'], [0o20, 'ONOCR'], [0o40, 'ONLRET'], [0o100, 'OFILL'],
  [0o200, 'OFDEL'],
] as const satisfies Table; // prettier-ignore
const CFLAGS = [
  [0o100, 'CSTOPB'], [0o200, 'CREAD'], [0o400, 'PARENB'], [0o1000, 'PARODD'], [0o2000, 'HUPCL'], [0o4000, 'CLOCAL'],
  [0o10000000000, 'CMSPAR'], [0o20000000000, 'CRTSCTS'],
] as const satisfies Table; // prettier-ignore
const LFLAGS = [
  [0o1, 'ISIG'], [0o2, 'ICANON'], [0o4, 'XCASE'], [0o10, 'ECHO'], [0o20, 'ECHOE'], [0o40, 'ECHOK'], [0o100, 'ECHONL'],
  [0o200, 'NOFLSH'], [0o100000, 'IEXTEN'], [0o1000, 'ECHOCTL'], [0o2000, 'ECHOPRT'], [0o4000, 'ECHOKE'],
  [0o10000, 'FLUSHO'], [0o40000, 'PENDIN'], [0o400, 'TOSTOP'], [0o200000, 'EXTPROC'],
] as const satisfies Table; // prettier-ignore
const BAUD: readonly string[] = [
  'B0', 'B50', 'B75', 'B110', 'B134', 'B150', 'B200', 'B300', 'B600', 'B1200', 'B1800', 'B2400', 'B4800', 'B9600',
  'B19200', 'B38400',
]; // prettier-ignore
const HIGH_BAUD: readonly string[] = [
  'BOTHER', 'B57600', 'B115200', 'B230400', 'B460800', 'B500000', 'B576000', 'B921600', 'B1000000', 'B1152000',
  'B1500000', 'B2000000', 'B2500000', 'B3000000', 'B3500000', 'B4000000',
]; // prettier-ignore
const CC: readonly string[] = [
  'VINTR', 'VQUIT', 'VERASE', 'VKILL', 'VEOF', 'VTIME', 'VMIN', 'VSWTC', 'VSTART', 'VSTOP', 'VSUSP', 'VEOL', 'VREPRINT',
  'VDISCARD', 'VWERASE', 'VLNEXT', 'VEOL2',
]; // prettier-ignore
const N_LINE: readonly string[] = ['N_TTY', 'N_SLIP', 'N_MOUSE', 'N_PPP'];

const hex = (n: number): string => (n === 0 ? '0' : `0x${n.toString(16)}`);

/** Names of set bits, what is left in hexadecimal; nothing at all for 0. */
function bits(value: number, table: Table): string {
  const names: string[] = [];
  let rest = value >>> 0;
  for (const [bit, name] of table) {
    if ((rest & bit) === 0) continue;
    names.push(name);
    rest = (rest & ~bit) >>> 0;
  }
  if (rest !== 0) names.push(hex(rest));
  return names.join('|');
}

const baud = (code: number): string => (code & 0o10000 ? HIGH_BAUD : BAUD)[code & 0o17];

function outputFlags(o: number): string {
  const delays = [
    `NL${(o >> 8) & 1}`,
    `CR${(o >> 9) & 3}`,
    ['TAB0', 'TAB1', 'TAB2', 'XTABS'][(o >> 11) & 3],
    `BS${(o >> 13) & 1}`,
    `VT${(o >> 14) & 1}`,
    `FF${(o >> 15) & 1}`,
  ];
  return `${delays.join('|')}|${bits(o & ~0o177400, OFLAGS)}`;
}

function controlFlags(c: number): string {
  const input = (c >>> 16) & 0o10017;
  const parts = [baud(c & 0o10017)];
  if (input !== 0) parts.push(`${baud(input)}<<IBSHIFT`);
  parts.push(`CS${5 + ((c >> 4) & 3)}`);
  const known = 0o10017 | (0o10017 << 16) | 0o60;
  return `${parts.join('|')}|${bits(c & ~known, CFLAGS)}`;
}

/** `size` is the structure's: 18 (termio), 36 or 44. */
export function termiosText(bytes: Uint8Array, verbose: boolean): string {
  const blank: Termios = { ...defaultTermios(), iflag: 0, oflag: 0, cflag: 0, lflag: 0 };
  const t = decodeTermios(bytes, blank);
  const head =
    `{c_iflag=${bits(t.iflag, IFLAGS)}, c_oflag=${outputFlags(t.oflag)}, ` +
    `c_cflag=${controlFlags(t.cflag)}, c_lflag=${bits(t.lflag, LFLAGS)}, `;
  if (!verbose) return `${head}...}`;
  const cc = bytes.length === 18 ? t.cc.subarray(0, 8) : t.cc;
  const chars = Array.from(cc, (c, i) => `[${CC[i] ?? i}]=${hex(c)}`).join(', ');
  const speeds = bytes.length >= 44 ? `, c_ispeed=${t.ispeed}, c_ospeed=${t.ospeed}` : '';
  return `${head}c_line=${N_LINE[t.line] ?? `${hex(t.line)} /* N_??? */`}, c_cc=[${chars}]${speeds}}`;
}

/** Writes values as strace does: strings, addresses, flags, sets. Pure functions, no regular expressions. */
import { S_IFBLK, S_IFCHR, S_IFMT, type Inode } from '../fs/inode.ts';
import type { Task } from '../task/task.ts';
import { signalName, type Table } from './tables.ts';
import { DEFAULT_FORMAT, type TraceFormat } from './tracer.ts';

/** The options of the trace this task is in. */
export function traceFormat(t: Task): TraceFormat {
  return t.kernel.tracer?.format ?? DEFAULT_FORMAT;
}

/** C's %#x: 0 stays `0`. */
export function hexText(n: number | bigint): string {
  return n === 0 || n === 0n ? '0' : '0x' + n.toString(16);
}

/** An address: NULL for 0. */
export function addrText(n: number | bigint): string {
  return n === 0 || n === 0n ? 'NULL' : '0x' + n.toString(16);
}

/** A file mode without its type: %#03o. */
export function octalText(mode: number): string {
  return mode === 0 ? '000' : '0' + mode.toString(8).padStart(2, '0');
}

/** ORed bits; what no entry names follows in hexadecimal. `unknown` ("MAP_???") comments a value with no known bit. */
export function flagsText(value: number, table: Table, unknown?: string): string {
  let rest = value >>> 0;
  let out = '';
  if (rest === 0) {
    for (const [v, name] of table) if (v === 0) return name;
    return '0';
  }
  for (const [v, name] of table) {
    const bits = v >>> 0;
    if (bits !== 0 && (rest & bits) >>> 0 === bits) {
      out = out === '' ? name : out + '|' + name;
      rest = (rest & ~bits) >>> 0;
      if (rest === 0) return out;
    }
  }
  if (out === '') return unknown === undefined ? hexText(rest) : `${hexText(rest)} /* ${unknown} */`;
  return out + '|' + hexText(rest);
}

/** One value; a number no entry names in hexadecimal, commented with `unknown` ("FUTEX_???"). */
export function enumText(value: number, table: Table, unknown?: string): string {
  for (const [v, name] of table) if (v === value) return name;
  const raw = hexText(value < 0 ? value >>> 0 : value);
  return unknown === undefined ? raw : `${raw} /* ${unknown} */`;
}

const ESCAPE: readonly string[] = Array.from({ length: 256 }, (_, c) => {
  if (c === 0x22) return '\\"';
  if (c === 0x5c) return '\\\\';
  if (c >= 0x20 && c < 0x7f) return String.fromCharCode(c);
  const named = { 9: '\\t', 10: '\\n', 11: '\\v', 12: '\\f', 13: '\\r' }[c];
  return named ?? '\\' + c.toString(8);
});
/** The same where a digit follows: an octal escape takes all three digits. */
const ESCAPE_BEFORE_DIGIT: readonly string[] = ESCAPE.map((e, c) =>
  e.length > 1 && e.charCodeAt(1) >= 0x30 && e.charCodeAt(1) <= 0x37
    ? '\\' + c.toString(8).padStart(3, '0')
    : e,
);
const HEX: readonly string[] = Array.from({ length: 256 }, (_, c) => '\\x' + c.toString(16).padStart(2, '0'));

/** Only octal digits need it: `\\18` is unambiguous. */
const isOctal = (c: number | undefined): boolean => c !== undefined && c >= 0x30 && c <= 0x37;

function wantsHex(bytes: Uint8Array, n: number, hex: 0 | 1 | 2): boolean {
  if (hex === 2) return true;
  if (hex === 0) return false;
  for (let i = 0; i < n; i++) {
    const c = bytes[i];
    if (c > 0x7e || (c < 0x20 && (c < 9 || c > 13))) return true;
  }
  return false;
}

/** The first `n` bytes between quotes, without truncation marks. */
export function quoteBytes(bytes: Uint8Array, n: number, hex: 0 | 1 | 2 = 0): string {
  let out = '"';
  if (hex !== 0 && wantsHex(bytes, n, hex)) {
    for (let i = 0; i < n; i++) out += HEX[bytes[i]];
    return out + '"';
  }
  for (let i = 0; i < n; i++) {
    const c = bytes[i];
    out += c < 0x20 && i + 1 < n && isOctal(bytes[i + 1]) ? ESCAPE_BEFORE_DIGIT[c] : ESCAPE[c];
  }
  return out + '"';
}

/** A binary string (one char a byte) between quotes. */
export function quoteText(s: string, hex: 0 | 1 | 2 = 0): string {
  let plain = hex === 0;
  for (let i = 0; plain && i < s.length; i++) {
    const c = s.charCodeAt(i);
    plain = c >= 0x20 && c < 0x7f && c !== 0x22 && c !== 0x5c;
  }
  if (plain) return '"' + s + '"';
  const bytes = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) bytes[i] = s.charCodeAt(i);
  return quoteBytes(bytes, bytes.length, hex);
}

/** Guest bytes quoted and cut at -s; an address where they cannot be read. */
export function bytesText(t: Task, address: number, length: number): string {
  if (address === 0) return 'NULL';
  const f = traceFormat(t);
  const n = Math.min(length, f.strsize);
  if (n <= 0) return length > 0 ? '""...' : '""';
  const bytes = t.mm.copyIn(address, n);
  if (bytes === null) return addrText(address);
  return length > n ? quoteBytes(bytes, n, f.hex) + '...' : quoteBytes(bytes, n, f.hex);
}

/** A NUL-terminated guest string cut at -s. */
export function stringText(t: Task, address: number): string {
  if (address === 0) return 'NULL';
  const f = traceFormat(t);
  const s = t.mm.cstring(address, f.strsize + 1);
  if (typeof s === 'string') return quoteText(s, f.hex);
  const bytes = t.mm.copyIn(address, f.strsize);
  return bytes === null ? addrText(address) : quoteBytes(bytes, bytes.length, f.hex) + '...';
}

/** A NUL-terminated guest path: never cut before PATH_MAX. */
export function pathText(t: Task, address: number): string {
  if (address === 0) return 'NULL';
  const f = traceFormat(t);
  const s = t.mm.cstring(address, 4096);
  if (typeof s === 'string') return quoteText(s, f.hex);
  const bytes = t.mm.copyIn(address, 4095);
  return bytes === null ? addrText(address) : quoteBytes(bytes, bytes.length, f.hex) + '...';
}

/** A descriptor, with its path under -y. */
export function fdText(t: Task, fd: number): string {
  const f = traceFormat(t);
  if (f.fds === 0) return String(fd);
  const file = t.fds.get(fd);
  if (file === undefined) return String(fd);
  const special = f.fds === 2 ? file.traceName?.() : undefined;
  if (special !== undefined) return `${fd}<${special}>`;
  const gone = file.name.endsWith(DELETED);
  const path = pathInBrackets(gone ? file.name.slice(0, -DELETED.length) : file.name);
  return `${fd}<${path}${f.fds === 2 ? deviceText(file.inode) : ''}>${gone ? DELETED.slice(1) : ''}`;
}

/** How the kernel ends the name of an open file that has no name any more; strace writes it behind the brackets. */
const DELETED = ' (deleted)';

/** Which device it is, as -yy adds to the path: `<char 1:3>`. */
function deviceText(inode: Inode | null): string {
  const type = inode === null ? 0 : inode.mode & S_IFMT;
  if (inode === null || (type !== S_IFCHR && type !== S_IFBLK)) return '';
  const dev = inode.rdev;
  return `<${type === S_IFCHR ? 'char' : 'block'} ${(dev >>> 8) & 0xfff}:${(dev & 0xff) | ((dev >>> 12) & 0xfff00)}>`;
}

/** Inside <…>, strace escapes angle brackets as well. */
export function pathInBrackets(s: string): string {
  let out = '';
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i) & 255;
    out +=
      c === 0x3c || c === 0x3e
        ? '\\' + c.toString(8)
        : isOctal(s.charCodeAt(i + 1))
          ? ESCAPE_BEFORE_DIGIT[c]
          : ESCAPE[c];
  }
  return out;
}

/** AT_FDCWD or a descriptor. */
export function dirfdText(t: Task, fd: number): string {
  if (fd !== -100) return fdText(t, fd);
  return traceFormat(t).fds === 0 ? 'AT_FDCWD' : `AT_FDCWD<${pathInBrackets(t.fs.cwd.name)}>`;
}

const RT_NAMES = (signo: number): string => signalName(signo).slice(3);

/** 64-bit signal set: `[INT CHLD]`, or `~[…]` when at least two thirds are in it. */
export function sigsetText(set: bigint): string {
  let count = 0;
  for (let s = set; s !== 0n; s &= s - 1n) count++;
  let out = '[';
  const invert = count >= Math.floor((64 * 2) / 3);
  if (invert) {
    set = ~set & 0xffffffffffffffffn;
    out = '~[';
  }
  let first = true;
  for (let n = 1; n <= 64 && set !== 0n; n++) {
    const bit = 1n << BigInt(n - 1);
    if ((set & bit) === 0n) continue;
    set &= ~bit;
    out += (first ? '' : ' ') + RT_NAMES(n);
    first = false;
  }
  return out + ']';
}

/** {tv_sec=1, tv_nsec=0} of the 16 bytes at an address; null when they cannot be read. */
export function timespecText(t: Task, address: number, unit: 'nsec' | 'usec' = 'nsec'): string | null {
  const v = t.mm.viewIn(address, 16);
  if (v === null) return null;
  return `{tv_sec=${v.getBigInt64(0, true)}, tv_${unit}=${v.getBigInt64(8, true)}}`;
}

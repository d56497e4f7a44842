/** Constructors of trace argument types: the vocabulary rows are written in. They read as strace 6.1 prints. */
import type { UserMemory } from '../mm/user-memory.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { ArgType } from './arg-types.ts';
import { signalName, type Table } from './tables.ts';
import {
  addrText, bytesText, dirfdText, enumText, fdText, flagsText, hexText, octalText, pathText, quoteBytes, sigsetText,
  stringText, timespecText, traceFormat,
} from './text.ts'; // prettier-ignore

export type { ArgType } from './arg-types.ts';
export type { Table } from './tables.ts';

interface OutOption {
  /** The kernel writes it: printed when the call has returned, as an address when it failed. */
  readonly out?: boolean;
}

const arg = (name: string, format: ArgType['format'], out = false): ArgType =>
  out ? { name, out: true, format } : { name, format };

/** Signed 64 bits in decimal, exact. */
const longText = (a: Args, i: number): string => {
  const n = a.i64(i);
  return Number.isSafeInteger(n) ? String(n) : BigInt.asIntN(64, a.big(i)).toString();
};
const ulongText = (a: Args, i: number): string => {
  const n = a.ptr(i);
  return Number.isSafeInteger(n) ? String(n) : a.big(i).toString();
};

/** `int`, decimal. */
export const int = (name: string): ArgType => arg(name, (_t, a, i) => String(a.i32(i)));
/** `unsigned int`, decimal. */
export const uint = (name: string): ArgType => arg(name, (_t, a, i) => String(a.u32(i)));
/** `long`, decimal. */
export const long = (name: string): ArgType => arg(name, (_t, a, i) => longText(a, i));
/** `unsigned long`, decimal. */
export const ulong = (name: string): ArgType => arg(name, (_t, a, i) => ulongText(a, i));
/** `unsigned long`, hexadecimal (%#lx). */
export const hex = (name: string): ArgType =>
  arg(name, (_t, a, i) => (Number.isSafeInteger(a.ptr(i)) ? hexText(a.ptr(i)) : hexText(a.big(i))));
/** `size_t`, decimal. */
export const size = (name: string): ArgType => arg(name, (_t, a, i) => ulongText(a, i));
/** `loff_t`, decimal. */
export const off = (name: string): ArgType => arg(name, (_t, a, i) => longText(a, i));
/** An address that is only shown. */
export const ptr = (name: string): ArgType => arg(name, (_t, a, i) => ptrText(a, i));

const ptrText = (a: Args, i: number): string => {
  const p = a.ptr(i);
  return Number.isSafeInteger(p) ? addrText(p) : addrText(a.big(i));
};

/** A file descriptor. */
export const fd = (name: string): ArgType => ({ name, kind: 'fd', format: (t, a, i) => fdText(t, a.i32(i)) });
/** A directory's descriptor, or AT_FDCWD. */
export const dirfd = (name: string): ArgType => arg(name, (t, a, i) => dirfdText(t, a.i32(i)));
/** A NUL-terminated path the caller gives: shown whole. */
export const path = (name: string): ArgType => ({
  name,
  kind: 'path',
  format: (t, a, i) => pathText(t, a.ptr(i)),
});
/** A NUL-terminated string that is no path: cut at -s. */
export const str = (name: string): ArgType => arg(name, (t, a, i) => stringText(t, a.ptr(i)));
/** Bytes the caller gives; their number is argument `lenArg`. */
export const inBytes = (name: string, lenArg: number): ArgType =>
  arg(name, (t, a, i) => bytesText(t, a.ptr(i), a.size(lenArg)));
/** Bytes the kernel fills in; their number is the result. */
export const outBytes = (name: string): ArgType =>
  arg(name, (t, a, i, ret) => (ret === null || ret < 0 ? ptrText(a, i) : bytesText(t, a.ptr(i), ret)), true);
/** A file mode: 0644. */
export const octal = (name: string): ArgType => arg(name, (_t, a, i) => octalText(a.u32(i)));
/** ORed bits. `unknown`: strace's comment when no bit is known, as "MAP_???". */
export const flags = (name: string, table: Table, unknown?: string): ArgType =>
  arg(name, (_t, a, i) => flagsText(a.u32(i), table, unknown));
/** One value of a table. `unknown`: strace's comment on any other, as "SEEK_???". */
export const enumOf = (name: string, table: Table, unknown?: string): ArgType =>
  arg(name, (_t, a, i) => enumText(a.i32(i), table, unknown));
/** A signal number. */
export const sig = (name: string): ArgType => arg(name, (_t, a, i) => signalName(a.i32(i)));
/** A process or thread id. */
export const pid = (name: string): ArgType => arg(name, (_t, a, i) => String(a.i32(i)));

/**
 * A structure behind a pointer. `fmt` is called with a readable address and returns the text, or null when it met
 * memory it cannot read; NULL, unreadable and (for `out`) failed calls print the pointer.
 */
export function struct(
  name: string,
  fmt: (m: UserMemory, addr: number, t: Task, a: Args, ret: number | null) => string | null,
  { out = false }: OutOption = {},
): ArgType {
  return arg(
    name,
    (t, a, i, ret) => {
      const address = a.ptr(i);
      if (address === 0) return 'NULL';
      if (out && (ret === null || ret < 0)) return ptrText(a, i);
      if (typeof t.mm.iov(address, 1, false) === 'number') return ptrText(a, i);
      return fmt(t.mm, address, t, a, ret) ?? ptrText(a, i);
    },
    out,
  );
}

/** sigset_t of eight bytes. `sizeArg`: the argument that says so; a set that is said to be shorter stays an address. */
export const sigset = (name: string, option: OutOption & { readonly sizeArg?: number } = {}): ArgType =>
  struct(
    name,
    (m, address, _t, a) => {
      if (option.sizeArg !== undefined && a.size(option.sizeArg) < 8) return null;
      const set = m.u64(address);
      return set === null ? null : sigsetText(set);
    },
    option,
  );
/** struct timespec. */
export const timespec = (name: string, option: OutOption = {}): ArgType =>
  struct(name, (_m, address, t) => timespecText(t, address), option);
/** struct timeval. */
export const timeval = (name: string, option: OutOption = {}): ArgType =>
  struct(name, (_m, address, t) => timespecText(t, address, 'usec'), option);
/** An int behind a pointer: `[3]`. */
export const intPtr = (name: string, option: OutOption = {}): ArgType =>
  struct(
    name,
    (m, address) => {
      const n = m.i32(address);
      return n === null ? null : `[${n}]`;
    },
    option,
  );

/** struct iovec[args[countArg]]; with `out`, only as many bytes as the result says are shown. */
export function iovec(name: string, countArg: number, option: OutOption = {}): ArgType {
  return struct(
    name,
    (_m, address, t, a, ret) => iovecText(t, address, a.size(countArg), option.out ? (ret ?? 0) : Infinity),
    option,
  );
}

/** iovecs as `[{iov_base="hello", iov_len=5}]`; at most `bytes` bytes of content. */
export function iovecText(t: Task, address: number, count: number, bytes: number): string | null {
  const f = traceFormat(t);
  if (count === 0) return '[]';
  const shown = f.verbose ? Math.min(count, 1024) : Math.min(count, f.strsize);
  let out = '[';
  for (let k = 0; k < shown; k++) {
    const v = t.mm.viewIn(address + 16 * k, 16);
    if (v === null) return k === 0 ? null : `${out}, ... /* ${addrText(address + 16 * k)} */]`;
    const base = Number(v.getBigUint64(0, true));
    const length = Number(v.getBigUint64(8, true));
    const content = Math.min(length, bytes);
    bytes -= content;
    out += `${k === 0 ? '' : ', '}{iov_base=${bytesText(t, base, content)}, iov_len=${v.getBigUint64(8, true)}}`;
  }
  return out + (shown < count ? ', ...]' : ']');
}

/** Everything else. `fmt` may return '' to leave the argument out. */
export const special = (
  name: string,
  fmt: (t: Task, a: Args, i: number, ret: number | null) => string,
  { out = false }: OutOption = {},
): ArgType => arg(name, fmt, out);

/** Bytes of a struct field quoted up to their NUL (utsname, sun_path…), without guest memory. */
export function fieldText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return quoteBytes(bytes, end < 0 ? bytes.length : end);
}

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
import { type Decoded, decodeText, flagNames, namedWords, textOfBinary, valueNames } from './values.ts';

export type { AnyArgType, ArgType } from './arg-types.ts';
export type { Table } from './tables.ts';

interface OutOption {
  /** The kernel writes it: printed when the call has returned, as an address when it failed. */
  readonly out?: boolean;
}

type Format = ArgType['format'];
type Value<V> = (t: Task, a: Args, i: number, ret: number | null) => V;

const arg = <N extends string, V>(name: N, format: Format, value: Value<V>, out = false): ArgType<N, V> =>
  out ? { name, out: true, format, value } : { name, format, value };

/** Signed 64 bits in decimal, exact. */
const longText = (a: Args, i: number): string => {
  const n = a.i64(i);
  return Number.isSafeInteger(n) ? String(n) : BigInt.asIntN(64, a.big(i)).toString();
};
const ulongText = (a: Args, i: number): string => {
  const n = a.ptr(i);
  return Number.isSafeInteger(n) ? String(n) : a.big(i).toString();
};
const i32: Value<number> = (_t, a, i) => a.i32(i);
const u32: Value<number> = (_t, a, i) => a.u32(i);
const i64: Value<number> = (_t, a, i) => a.i64(i);
const u64: Value<number> = (_t, a, i) => a.ptr(i);

/** `int`, decimal. */
export const int = <N extends string>(name: N) => arg(name, (_t, a, i) => String(a.i32(i)), i32);
/** `unsigned int`, decimal. */
export const uint = <N extends string>(name: N) => arg(name, (_t, a, i) => String(a.u32(i)), u32);
/** `long`, decimal. */
export const long = <N extends string>(name: N) => arg(name, (_t, a, i) => longText(a, i), i64);
/** `unsigned long`, decimal. */
export const ulong = <N extends string>(name: N) => arg(name, (_t, a, i) => ulongText(a, i), u64);
/** `unsigned long`, hexadecimal (%#lx). */
export const hex = <N extends string>(name: N) =>
  arg(name, (_t, a, i) => (Number.isSafeInteger(a.ptr(i)) ? hexText(a.ptr(i)) : hexText(a.big(i))), u64);
/** `size_t`, decimal. */
export const size = <N extends string>(name: N) => arg(name, (_t, a, i) => ulongText(a, i), u64);
/** `loff_t`, decimal. */
export const off = <N extends string>(name: N) => arg(name, (_t, a, i) => longText(a, i), i64);
/** An address that is only shown. */
export const ptr = <N extends string>(name: N) => arg(name, (_t, a, i) => ptrText(a, i), u64);

const ptrText = (a: Args, i: number): string => {
  const p = a.ptr(i);
  return Number.isSafeInteger(p) ? addrText(p) : addrText(a.big(i));
};

/** A file descriptor. */
export const fd = <N extends string>(name: N): ArgType<N, number> => ({
  name,
  kind: 'fd',
  format: (t, a, i) => fdText(t, a.i32(i)),
  value: i32,
});
/** A directory's descriptor, or AT_FDCWD. */
export const dirfd = <N extends string>(name: N) => arg(name, (t, a, i) => dirfdText(t, a.i32(i)), i32);
/** A NUL-terminated path the caller gives: shown whole. */
export const path = <N extends string>(name: N): ArgType<N, string | null> => ({
  name,
  kind: 'path',
  format: (t, a, i) => pathText(t, a.ptr(i)),
  value: (t, a, i) => stringValue(t, a.ptr(i)),
});
/** A NUL-terminated string that is no path: cut at -s. */
export const str = <N extends string>(name: N) =>
  arg(
    name,
    (t, a, i) => stringText(t, a.ptr(i)),
    (t, a, i) => stringValue(t, a.ptr(i)),
  );
/** Bytes the caller gives; their number is argument `lenArg`. */
export const inBytes = <N extends string>(name: N, lenArg: number) =>
  arg(
    name,
    (t, a, i) => bytesText(t, a.ptr(i), a.size(lenArg)),
    (t, a, i) => bytesValue(t, a.ptr(i), a.size(lenArg)),
  );
/** Bytes the kernel fills in; their number is the result. */
export const outBytes = <N extends string>(name: N) =>
  arg(
    name,
    (t, a, i, ret) => (ret === null || ret < 0 ? ptrText(a, i) : bytesText(t, a.ptr(i), ret)),
    (t, a, i, ret) => (ret === null || ret < 0 ? null : bytesValue(t, a.ptr(i), ret)),
    true,
  );
/** A file mode: 0644. */
export const octal = <N extends string>(name: N) => arg(name, (_t, a, i) => octalText(a.u32(i)), u32);

/** ORed bits. `unknown`: strace's comment when no bit is known, as "MAP_???". */
export const flags = <N extends string, const T extends Table>(name: N, table: T, unknown?: string) => {
  const word = namedWords<T[number][1]>(flagNames(table));
  const text = (a: Args, i: number): string => flagsText(a.u32(i), table, unknown);
  return arg(
    name,
    (_t, a, i) => text(a, i),
    (_t, a, i) => word(a.u32(i), text(a, i)),
  );
};
/** One value of a table. `unknown`: strace's comment on any other, as "SEEK_???". */
export const enumOf = <N extends string, const T extends Table>(name: N, table: T, unknown?: string) => {
  const word = namedWords<T[number][1]>(valueNames(table));
  const text = (a: Args, i: number): string => enumText(a.i32(i), table, unknown);
  return arg(
    name,
    (_t, a, i) => text(a, i),
    (_t, a, i) => word(a.i32(i), text(a, i)),
  );
};
/** A signal number. */
export const sig = <N extends string>(name: N) =>
  arg(
    name,
    (_t, a, i) => signalName(a.i32(i)),
    (_t, a, i) => signalName(a.i32(i)),
  );
/** A process or thread id. */
export const pid = <N extends string>(name: N) => arg(name, (_t, a, i) => String(a.i32(i)), i32);

/**
 * A structure behind a pointer. `fmt` is called with a readable address and returns the text, or null when it met
 * memory it cannot read; NULL, unreadable and (for `out`) failed calls print the pointer.
 */
export function struct<N extends string, V = Decoded>(
  name: N,
  fmt: (m: UserMemory, addr: number, t: Task, a: Args, ret: number | null) => string | null,
  { out = false }: OutOption = {},
): ArgType<N, V | null> {
  const content = (t: Task, a: Args, i: number, ret: number | null): string | null => {
    const address = a.ptr(i);
    if (address === 0 || (out && (ret === null || ret < 0))) return null;
    if (typeof t.mm.iov(address, 1, false) === 'number') return null;
    return fmt(t.mm, address, t, a, ret);
  };
  return arg(
    name,
    (t, a, i, ret) => (a.ptr(i) === 0 ? 'NULL' : (content(t, a, i, ret) ?? ptrText(a, i))),
    (t, a, i, ret) => {
      const text = content(t, a, i, ret);
      return text === null ? null : (decodeText(text) as V);
    },
    out,
  );
}

/** The value of a pointer to a string: null when it cannot be read. */
function stringValue(t: Task, address: number): string | null {
  const s = address === 0 ? -1 : t.mm.cstring(address, 65536);
  return typeof s === 'string' ? textOfBinary(s) : null;
}

/** A copy of guest bytes: null when they cannot be read. */
function bytesValue(t: Task, address: number, length: number): Uint8Array | null {
  if (address === 0 && length > 0) return null;
  if (length > MOST_BYTES && typeof t.mm.iov(address + length - 1, 1, false) === 'number') return null;
  return length === 0 ? new Uint8Array() : t.mm.copyIn(address, length);
}
/** Lengths are the guest's: longer ones are believed only when there is something at their end. */
const MOST_BYTES = 2 ** 20;

/** Names of the signals in a set. */
export const signalsIn = (set: bigint): string[] =>
  Array.from({ length: 64 }, (_, i) => i + 1)
    .filter((n) => (set >> BigInt(n - 1)) & 1n)
    .map(signalName);

/** sigset_t of eight bytes. `sizeArg`: the argument that says so; a set that is said to be shorter stays an address. */
export const sigset = <N extends string>(
  name: N,
  option: OutOption & { readonly sizeArg?: number } = {},
): ArgType<N, readonly string[] | null> => ({
  ...struct(
    name,
    (m, address, _t, a) => {
      if (option.sizeArg !== undefined && a.size(option.sizeArg) < 8) return null;
      const set = m.u64(address);
      return set === null ? null : sigsetText(set);
    },
    option,
  ),
  value: (t, a, i, ret) => {
    if (a.ptr(i) === 0 || (option.out && (ret === null || ret < 0))) return null;
    const set = t.mm.u64(a.ptr(i));
    return set === null ? null : signalsIn(set);
  },
});

/** struct timespec as a value. */
export interface Timespec {
  readonly tv_sec: number;
  readonly tv_nsec: number;
}
/** struct timeval as a value. */
export interface Timeval {
  readonly tv_sec: number;
  readonly tv_usec: number;
}

/** struct timespec. */
export const timespec = <N extends string>(name: N, option: OutOption = {}) =>
  struct<N, Timespec>(name, (_m, address, t) => timespecText(t, address), option);
/** struct timeval. */
export const timeval = <N extends string>(name: N, option: OutOption = {}) =>
  struct<N, Timeval>(name, (_m, address, t) => timespecText(t, address, 'usec'), option);
/** An int behind a pointer: `[3]`. */
export const intPtr = <N extends string>(name: N, option: OutOption = {}): ArgType<N, number | null> => ({
  ...struct(
    name,
    (m, address) => {
      const n = m.i32(address);
      return n === null ? null : `[${n}]`;
    },
    option,
  ),
  value: (t, a, i, ret) => (option.out && (ret === null || ret < 0) ? null : t.mm.i32(a.ptr(i))),
});

/** struct iovec[args[countArg]]; with `out`, only as many bytes as the result says are shown. */
export function iovec<N extends string>(
  name: N,
  countArg: number,
  option: OutOption = {},
): ArgType<N, readonly Uint8Array[] | null> {
  return {
    ...struct(
      name,
      (_m, address, t, a, ret) => iovecText(t, address, a.size(countArg), option.out ? (ret ?? 0) : Infinity),
      option,
    ),
    value: (t, a, i, ret) =>
      option.out && (ret === null || ret < 0)
        ? null
        : iovecValue(t, a.ptr(i), a.size(countArg), option.out ? ret! : Infinity),
  };
}

/** The pieces of an iovec array, at most `bytes` in all; null when they cannot be read. */
export function iovecValue(t: Task, address: number, count: number, bytes: number): Uint8Array[] | null {
  const pieces: Uint8Array[] = [];
  for (let k = 0; k < Math.min(count, 1024); k++) {
    const v = t.mm.viewIn(address + 16 * k, 16);
    if (v === null) return null;
    const length = Math.min(Number(v.getBigUint64(8, true)), bytes);
    bytes -= length;
    const piece = bytesValue(t, Number(v.getBigUint64(0, true)), length);
    if (piece === null) return null;
    pieces.push(piece);
  }
  return pieces;
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
export const special = <N extends string>(
  name: N,
  fmt: (t: Task, a: Args, i: number, ret: number | null) => string,
  { out = false }: OutOption = {},
): ArgType<N> => (out ? { name, out: true, format: fmt } : { name, format: fmt });

/** The same with a value of its own. */
export const valued = <N extends string, V>(name: N, fmt: Format, value: Value<V>, option: OutOption = {}) =>
  arg(name, fmt, value, option.out);

/** Bytes of a struct field quoted up to their NUL (utsname, sun_path…), without guest memory. */
export function fieldText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return quoteBytes(bytes, end < 0 ? bytes.length : end);
}

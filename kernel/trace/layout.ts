/** Structures in guest memory as values: where each field is, and how it reads. Their types follow from that. */
import type { Task } from '../task/task.ts';
import type { ArgType } from './arg-types.ts';
import { signalsIn, struct } from './args.ts';
import type { Table } from './tables.ts';
import { enumText, flagsText } from './text.ts';
import { flagNames, namedWords, textOfBinary, valueNames } from './values.ts';

/** Reads a field of the structure that begins at `at`. */
export type Field<V> = (v: DataView, at: number, t: Task) => V;

export interface Layout<S> {
  /** Bytes. */
  readonly size: number;
  readonly read: Field<S>;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type ValuesOf<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer V> ? V : never };
/** What a layout's structure is as a value. */
export type ValueOf<L> = L extends Layout<infer S> ? S : never;

export function layout<F extends Fields>(size: number, fields: F): Layout<ValuesOf<F>> {
  const entries = Object.entries(fields);
  const read: Field<ValuesOf<F>> = (v, at, t) =>
    Object.fromEntries(entries.map(([name, field]) => [name, field(v, at, t)])) as ValuesOf<F>;
  return { size, read };
}

export const i16 =
  (offset: number): Field<number> =>
  (v, at) =>
    v.getInt16(at + offset, true);
export const u16 =
  (offset: number): Field<number> =>
  (v, at) =>
    v.getUint16(at + offset, true);
export const i32 =
  (offset: number): Field<number> =>
  (v, at) =>
    v.getInt32(at + offset, true);
export const u32 =
  (offset: number): Field<number> =>
  (v, at) =>
    v.getUint32(at + offset, true);
/** 64 bits, and addresses; beyond 2^53 the nearest number there is. */
export const i64 =
  (offset: number): Field<number> =>
  (v, at) =>
    Number(v.getBigInt64(at + offset, true));
export const u64 =
  (offset: number): Field<number> =>
  (v, at) =>
    Number(v.getBigUint64(at + offset, true));
/** 64 bits, all of them. */
export const bits64 =
  (offset: number): Field<bigint> =>
  (v, at) =>
    v.getBigUint64(at + offset, true);
/** A resource limit: Infinity when there is none. */
export const limit =
  (offset: number): Field<number> =>
  (v, at) => {
    const n = v.getBigUint64(at + offset, true);
    return n === (1n << 64n) - 1n ? Infinity : Number(n);
  };
/** The names of the signals in a set. */
export const signals =
  (offset: number): Field<readonly string[]> =>
  (v, at) =>
    signalsIn(v.getBigUint64(at + offset, true));
/** A string, up to its NUL. */
export const chars =
  (offset: number, length: number): Field<string> =>
  (v, at) => {
    const bytes = new Uint8Array(v.buffer, v.byteOffset + at + offset, length);
    const end = bytes.indexOf(0);
    return textOfBinary(String.fromCharCode(...bytes.subarray(0, end < 0 ? length : end)));
  };
/** A structure within. */
export const part =
  <S>(offset: number, inner: Layout<S>): Field<S> =>
  (v, at, t) =>
    inner.read(v, at + offset, t);

/** ORed bits, of 32 or 16. */
export const bits = <const T extends Table>(offset: number, table: T, width: 16 | 32 = 32) => {
  const word = namedWords<T[number][1]>(flagNames(table));
  return (v: DataView, at: number) => {
    const value = width === 16 ? v.getUint16(at + offset, true) : v.getUint32(at + offset, true);
    return word(value, flagsText(value, table));
  };
};
/** One value of a table. */
export const oneOf = <const T extends Table>(offset: number, table: T) => {
  const word = namedWords<T[number][1]>(valueNames(table));
  return (v: DataView, at: number) => {
    const value = v.getInt32(at + offset, true);
    return word(value, enumText(value, table));
  };
};

/** The structure at an address; null when it cannot be read. */
export function readAt<S>(t: Task, address: number, what: Layout<S>): S | null {
  if (address === 0) return null;
  const v = t.mm.viewIn(address, what.size);
  return v === null ? null : what.read(v, 0, t);
}

/** As many of them as can be read; null when none can. `stride`: bytes from one to the next. */
export function readArray<S>(
  t: Task,
  address: number,
  count: number,
  what: Layout<S>,
  stride = what.size,
): readonly S[] | null {
  const all: S[] = [];
  for (let i = 0; i < Math.min(count, MOST); i++) {
    const one = readAt(t, address + i * stride, what);
    if (one === null) return i === 0 ? null : all;
    all.push(one);
  }
  return address === 0 ? null : all;
}
/** Counts are the guest's. */
const MOST = 65536;

/** A structure behind a pointer, with `fmt` for its text. */
export const structure = <N extends string, S>(
  name: N,
  fmt: Parameters<typeof struct>[1],
  what: Layout<S>,
  option: { readonly out?: boolean } = {},
): ArgType<N, S | null> => ({
  ...struct(name, fmt, option),
  value: (t, a, i, ret) =>
    option.out === true && (ret === null || ret < 0) ? null : readAt(t, a.ptr(i), what),
});

/** struct timespec and struct timeval. */
export const TIMESPEC = layout(16, { tv_sec: i64(0), tv_nsec: i64(8) });
export const TIMEVAL = layout(16, { tv_sec: i64(0), tv_usec: i64(8) });
export const ITIMERSPEC = layout(32, { it_interval: part(0, TIMESPEC), it_value: part(16, TIMESPEC) });
export const ITIMERVAL = layout(32, { it_interval: part(0, TIMEVAL), it_value: part(16, TIMEVAL) });

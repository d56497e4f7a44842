/** What the vector instructions' definitions share: shapes of operands, lane constants, saturation, narrow and wide. */
import type { Val } from '../../../builder.ts';
import type { A64Builder } from '../builder.ts';
import type { Fields, Reg } from '../define.ts';
import { A } from '../layout.ts';

/** log2 of a lane's bytes. */
export type Size = 0 | 1 | 2 | 3;

/** Lanes in a whole register (q 1), in its low half (0), or one alone (−1, a scalar). */
export interface Shape {
  readonly size: Size;
  readonly q: -1 | 0 | 1;
}

export const vectorShape = (f: Fields): Shape => ({ size: f['size'] as Size, q: f['Q'] as 0 | 1 });
export const scalarShape = (f: Fields): Shape => ({ size: f['size'] as Size, q: -1 });

/** WebAssembly's names. */
export const LANES = ['i8x16', 'i16x8', 'i32x4', 'i64x2'] as const;
export const width = (size: Size): number => 8 << size;

/** A lane operation by name. */
export const lanes = (b: A64Builder, size: Size, name: string, ...args: Val[]): Val =>
  b.op(`${LANES[size]}.${name}`, ...args);

/** The same number in every lane. */
export function constant(b: A64Builder, size: Size, value: bigint): Val {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = Number((value >> BigInt((i % (1 << size)) * 8)) & 0xffn);
  return b.v128(bytes);
}
export const zero = (b: A64Builder): Val => b.v128(new Uint8Array(16));
export const ones = (b: A64Builder): Val => b.v128(new Uint8Array(16).fill(255));
/** The most negative number, the highest bit. */
export const lowest = (b: A64Builder, size: Size): Val => constant(b, size, 1n << BigInt(width(size) - 1));

// ---- operands
//
// Registers are read no wider and written no narrower than need be: a processor cannot take a load's bytes from two
// stores that have not reached its cache yet, and waits.

/** An operand's lanes; what is not part of the shape is zero, and so saturates nowhere. */
export function read(b: A64Builder, r: Reg, s: Shape): Val {
  if (s.q === 1) return b.v(r);
  if (s.q === 0 || s.size === 3) return b.loadReg('v128.load64_zero', r);
  if (s.size === 2) return b.loadReg('v128.load32_zero', r);
  return b.lane('i32x4.replace_lane', 0, zero(b), b.loadReg(`i32.load${width(s.size)}_u`, r));
}

/** Writes a result; what is not part of the shape becomes zero. */
export function write(b: A64Builder, r: Reg, v: Val, s: Shape): void {
  if (s.q >= 0) b.setVq(r, v, s.q);
  else b.setLow(r, b.lane('i64x2.extract_lane', 0, v), width(s.size));
}

/** Register i of a list. */
export const listed = (r: Reg, i: number): Reg => ({ ...r, behind: i });

// ---- lanes

/** Lanes of `size` by their numbers, 0… in x, then y's. */
export function pick(b: A64Builder, size: Size, x: Val, y: Val, numbers: readonly number[]): Val {
  const n = 1 << size;
  const bytes = numbers.flatMap((l) => Array.from({ length: n }, (_, i) => l * n + i));
  while (bytes.length < 16) bytes.push(0);
  return b.shuffle(x, y, bytes);
}

const count = (size: Size): number => 16 >> size;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Even (part 0) or odd (1) lanes of x, then of y. */
export const alternate = (b: A64Builder, size: Size, x: Val, y: Val, part: 0 | 1): Val =>
  pick(b, size, x, y, range(count(size)).map((i) => 2 * i + part)); // prettier-ignore

/** The pairs' first (part 0) or second (1) lanes of two vectors of a shape. */
export function pairwise(b: A64Builder, s: Shape, x: Val, y: Val, part: 0 | 1): Val {
  if (s.q === 1) return alternate(b, s.size, x, y, part);
  const half = count(s.size) / 2;
  return pick(b, s.size, x, y, range(half).map((i) => (2 * i < half ? 2 * i + part : count(s.size) + 2 * i - half + part))); // prettier-ignore
}

/** Lower (q 0) or upper half of x, each lane twice as wide. `size`: the narrow one. */
export const widen = (b: A64Builder, size: Size, q: number, sign: 's' | 'u', x: Val): Val =>
  b.op(`${LANES[size + 1]}.extend_${q ? 'high' : 'low'}_${LANES[size]}_${sign}`, x);
/** An operand only half of which will be used: the lower (q 0) or the upper. */
export const readHalf = (b: A64Builder, r: Reg, q: number): Val =>
  q ? b.v(r) : b.loadReg('v128.load64_zero', r);
/** The product of halves. */
export const widenMul = (b: A64Builder, size: Size, q: number, sign: 's' | 'u', x: Val, y: Val): Val =>
  b.op(`${LANES[size + 1]}.extmul_${q ? 'high' : 'low'}_${LANES[size]}_${sign}`, x, y);

/** The low (part 0) or high (1) halves of x's lanes in the low 64 bits. `size`: the narrow one. */
export const halves = (b: A64Builder, size: Size, x: Val, part: 0 | 1): Val => alternate(b, size, x, x, part);

/** A narrow result: into the low half, the upper one cleared (q 0), or the upper, the lower kept (q 1); or a scalar. */
export function writeNarrow(b: A64Builder, r: Reg, v: Val, s: Shape): void {
  if (s.q === 1) b.setV(r, pick(b, 3, b.loadReg('v128.load64_zero', r), v, [0, 2]));
  else write(b, r, v, s);
}

export const greaterU = (b: A64Builder, size: Size, x: Val, y: Val, orEqual = false): Val => {
  const name = orEqual ? 'ge' : 'gt';
  if (size < 3) return lanes(b, size, `${name}_u`, x, y);
  const top = lowest(b, 3);
  return b.op(`i64x2.${name}_s`, b.op('v128.xor', x, top), b.op('v128.xor', y, top));
};

// ---- saturation

/** Sets FPSR.QC when any bit of the mask is set. */
export function saturated(b: A64Builder, mask: Val): void {
  b.if(b.op('v128.any_true', mask), () => {
    b.setState('i32.store', A.fpsr, b.or(b.getState('i32.load', A.fpsr), 1 << 27));
  });
}

/** x + y or x − y, saturating, sets QC. */
export function saturating(
  b: A64Builder,
  size: Size,
  name: 'add' | 'sub',
  sign: 's' | 'u',
  x: Val,
  y: Val,
): Val {
  const plain = lanes(b, size, name, x, y);
  if (size < 2) {
    const r = lanes(b, size, `${name}_sat_${sign}`, x, y);
    saturated(b, b.op('v128.xor', r, plain));
    return r;
  }
  const top = (v: Val): Val => lanes(b, size, 'shr_s', v, b.i32(width(size) - 1));
  const and = (p: Val, q: Val): Val => b.op('v128.and', p, q);
  const or = (p: Val, q: Val): Val => b.op('v128.or', p, q);
  const xor = (p: Val, q: Val): Val => b.op('v128.xor', p, q);
  if (sign === 's') {
    const over = top(
      and(name === 'add' ? xor(x, plain) : xor(x, y), name === 'add' ? xor(y, plain) : xor(x, plain)),
    );
    saturated(b, over);
    return b.op('v128.bitselect', xor(top(plain), lowest(b, size)), plain, over);
  }
  if (name === 'add') {
    const carry = top(or(and(x, y), b.op('v128.andnot', or(x, y), plain)));
    saturated(b, carry);
    return or(plain, carry);
  }
  const borrow = top(or(b.op('v128.andnot', y, x), and(plain, b.op('v128.not', xor(x, y)))));
  saturated(b, borrow);
  return b.op('v128.andnot', plain, borrow);
}

/** Lanes of `size` + 1 brought into what `size` holds, sets QC. su: signed ones into unsigned. */
export function clamp(b: A64Builder, size: Size, kind: 's' | 'u' | 'su', x: Val): Val {
  const wide = (size + 1) as Size;
  const bits = BigInt(width(size));
  const high = constant(b, wide, (1n << (kind === 's' ? bits - 1n : bits)) - 1n);
  const low = kind === 's' ? constant(b, wide, -(1n << (bits - 1n))) : zero(b);
  const smaller = (p: Val, q: Val): Val => {
    if (wide < 3) return lanes(b, wide, kind === 'u' ? 'min_u' : 'min_s', p, q);
    return b.op('v128.bitselect', q, p, kind === 'u' ? greaterU(b, 3, p, q) : b.op('i64x2.gt_s', p, q));
  };
  const larger = (p: Val, q: Val): Val =>
    wide < 3 ? lanes(b, wide, 'max_s', p, q) : b.op('v128.bitselect', q, p, b.op('i64x2.lt_s', p, q));
  let r = smaller(x, high);
  if (kind !== 'u') r = larger(r, low);
  saturated(b, b.op('v128.xor', r, x));
  return r;
}

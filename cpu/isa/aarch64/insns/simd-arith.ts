/** AdvSIMD integer operations on three vectors of the same shape. Arm ARM C4.1.96, "AdvSIMD (scalar) three same". */
import type { Val } from '../../../builder.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition, type Fields } from '../define.ts';
import {
  constant,
  greaterU,
  lanes,
  lowest,
  ones,
  pairwise,
  alternate,
  read,
  saturated,
  saturating,
  scalarShape,
  vectorShape,
  width,
  widenMul,
  write,
  zero,
  type Shape,
  type Size,
} from './simd-lanes.ts';

/** `old`: the destination's value before. */
export type Ternary = (b: A64Builder, x: Val, y: Val, s: Shape, old: () => Val) => Val;

const bitwise =
  (name: string): Ternary =>
  (b, x, y) =>
    b.op(`v128.${name}`, x, y);

const direct =
  (name: string): Ternary =>
  (b, x, y, s) =>
    lanes(b, s.size, name, x, y);

/** x + y halved with one more bit in between. */
const halvingAdd =
  (sign: 's' | 'u'): Ternary =>
  (b, x, y, { size }) =>
    lanes(
      b,
      size,
      'add',
      b.op('v128.and', x, y),
      lanes(b, size, `shr_${sign}`, b.op('v128.xor', x, y), b.i32(1)),
    );

/** (x + y + 1) halved. */
const roundingHalvingAdd =
  (sign: 's' | 'u'): Ternary =>
  (b, x, y, { size }) => {
    if (sign === 'u' && size < 2) return lanes(b, size, 'avgr_u', x, y);
    const half = lanes(b, size, `shr_${sign}`, b.op('v128.xor', x, y), b.i32(1));
    return lanes(b, size, 'sub', b.op('v128.or', x, y), half);
  };

/** x − y is (x ^ y) − 2 (~x & y). */
const halvingSub =
  (sign: 's' | 'u'): Ternary =>
  (b, x, y, { size }) =>
    lanes(
      b,
      size,
      'sub',
      lanes(b, size, `shr_${sign}`, b.op('v128.xor', x, y), b.i32(1)),
      b.op('v128.andnot', y, x),
    );

const saturatingOp =
  (name: 'add' | 'sub', sign: 's' | 'u'): Ternary =>
  (b, x, y, { size }) =>
    saturating(b, size, name, sign, x, y);

const higher =
  (orEqual: boolean): Ternary =>
  (b, x, y, { size }) =>
    greaterU(b, size, x, y, orEqual);

const test: Ternary = (b, x, y, { size }) => lanes(b, size, 'ne', b.op('v128.and', x, y), zero(b));

export const absoluteDifference = (b: A64Builder, size: Size, sign: 's' | 'u', x: Val, y: Val): Val =>
  lanes(b, size, 'sub', lanes(b, size, `max_${sign}`, x, y), lanes(b, size, `min_${sign}`, x, y));

const difference =
  (sign: 's' | 'u', accumulate: boolean): Ternary =>
  (b, x, y, { size }, old) => {
    const d = absoluteDifference(b, size, sign, x, y);
    return accumulate ? lanes(b, size, 'add', old(), d) : d;
  };

/** Low halves of products; bytes by pairs in 16-bit lanes. */
export function multiply(b: A64Builder, size: Size, x: Val, y: Val): Val {
  if (size > 0) return lanes(b, size, 'mul', x, y);
  const upper = constant(b, 1, 0xff00n);
  const even = b.op('v128.andnot', b.op('i16x8.mul', x, y), upper);
  const odd = b.op('i16x8.mul', b.op('i16x8.shr_u', x, b.i32(8)), b.op('v128.and', y, upper));
  return b.op('v128.or', even, odd);
}

const multiplyAdd =
  (name: 'add' | 'sub'): Ternary =>
  (b, x, y, { size }, old) =>
    lanes(b, size, name, old(), multiply(b, size, x, y));

/** The high half of 2 x y, saturating: only the lowest number squared is too big. */
export function doublingHigh(b: A64Builder, size: Size, round: boolean, x: Val, y: Val): Val {
  const min = lowest(b, size);
  const over = b.op('v128.and', lanes(b, size, 'eq', x, min), lanes(b, size, 'eq', y, min));
  saturated(b, over);
  if (size === 1) {
    if (round) return b.op('i16x8.q15mulr_sat_s', x, y);
    const half = (q: number): Val => b.op('i32x4.shr_s', widenMul(b, 1, q, 's', x, y), b.i32(15));
    return b.op('i16x8.narrow_i32x4_s', half(0), half(1));
  }
  const half = (q: number): Val => {
    const p = widenMul(b, 2, q, 's', x, y);
    return b.op('i64x2.shr_s', round ? b.op('i64x2.add', p, constant(b, 3, 1n << 30n)) : p, b.i32(31));
  };
  return b.op('v128.xor', alternate(b, 2, half(0), half(1), 0), over);
}

/** Products of polynomials over {0, 1} in lanes of `size`: low halves. Eight bits of y count. */
export function polynomial(b: A64Builder, size: Size, x: Val, y: Val): Val {
  const top = width(size) - 1;
  let r = zero(b);
  for (let i = 0; i < 8; i++) {
    const on = lanes(b, size, 'shr_s', lanes(b, size, 'shl', y, b.i32(top - i)), b.i32(top));
    r = b.op('v128.xor', r, b.op('v128.and', lanes(b, size, 'shl', x, b.i32(i)), on));
  }
  return r;
}

const pairs =
  (name: string): Ternary =>
  (b, x, y, s) =>
    lanes(b, s.size, name, pairwise(b, s, x, y, 0), pairwise(b, s, x, y, 1));

/** SSHL… UQRSHL: helpers, by lane size. */
const shiftBy =
  (name: string): Ternary =>
  (b, x, y, { size }) =>
    b.callHelper(`${name}${width(size)}`, x, y)!;

const ALL = [0, 1, 2, 3];
const SMALL = [0, 1, 2];

/** Name, U, opcode, sizes, operation, sizes of the scalar form. */
const SAME: readonly [string, 0 | 1, string, readonly number[], Ternary, (readonly number[])?][] = [
  ['shadd', 0, '00000', SMALL, halvingAdd('s')], ['uhadd', 1, '00000', SMALL, halvingAdd('u')],
  ['sqadd', 0, '00001', ALL, saturatingOp('add', 's'), ALL], ['uqadd', 1, '00001', ALL, saturatingOp('add', 'u'), ALL],
  ['srhadd', 0, '00010', SMALL, roundingHalvingAdd('s')], ['urhadd', 1, '00010', SMALL, roundingHalvingAdd('u')],
  ['shsub', 0, '00100', SMALL, halvingSub('s')], ['uhsub', 1, '00100', SMALL, halvingSub('u')],
  ['sqsub', 0, '00101', ALL, saturatingOp('sub', 's'), ALL], ['uqsub', 1, '00101', ALL, saturatingOp('sub', 'u'), ALL],
  ['cmgt', 0, '00110', ALL, direct('gt_s'), [3]], ['cmhi', 1, '00110', ALL, higher(false), [3]],
  ['cmge', 0, '00111', ALL, direct('ge_s'), [3]], ['cmhs', 1, '00111', ALL, higher(true), [3]],
  ['sshl', 0, '01000', ALL, shiftBy('sshl'), [3]], ['ushl', 1, '01000', ALL, shiftBy('ushl'), [3]],
  ['sqshl', 0, '01001', ALL, shiftBy('sqshl'), ALL], ['uqshl', 1, '01001', ALL, shiftBy('uqshl'), ALL],
  ['srshl', 0, '01010', ALL, shiftBy('srshl'), [3]], ['urshl', 1, '01010', ALL, shiftBy('urshl'), [3]],
  ['sqrshl', 0, '01011', ALL, shiftBy('sqrshl'), ALL], ['uqrshl', 1, '01011', ALL, shiftBy('uqrshl'), ALL],
  ['smax', 0, '01100', SMALL, direct('max_s')], ['umax', 1, '01100', SMALL, direct('max_u')],
  ['smin', 0, '01101', SMALL, direct('min_s')], ['umin', 1, '01101', SMALL, direct('min_u')],
  ['sabd', 0, '01110', SMALL, difference('s', false)], ['uabd', 1, '01110', SMALL, difference('u', false)],
  ['saba', 0, '01111', SMALL, difference('s', true)], ['uaba', 1, '01111', SMALL, difference('u', true)],
  ['add', 0, '10000', ALL, direct('add'), [3]], ['sub', 1, '10000', ALL, direct('sub'), [3]],
  ['cmtst', 0, '10001', ALL, test, [3]], ['cmeq', 1, '10001', ALL, direct('eq'), [3]],
  ['mla', 0, '10010', SMALL, multiplyAdd('add')], ['mls', 1, '10010', SMALL, multiplyAdd('sub')],
  ['mul', 0, '10011', SMALL, (b, x, y, { size }) => multiply(b, size, x, y)],
  ['pmul', 1, '10011', [0], (b, x, y) => polynomial(b, 0, x, y)],
  ['smaxp', 0, '10100', SMALL, pairs('max_s')], ['umaxp', 1, '10100', SMALL, pairs('max_u')],
  ['sminp', 0, '10101', SMALL, pairs('min_s')], ['uminp', 1, '10101', SMALL, pairs('min_u')],
  ['sqdmulh', 0, '10110', [1, 2], (b, x, y, { size }) => doublingHigh(b, size, false, x, y), [1, 2]],
  ['sqrdmulh', 1, '10110', [1, 2], (b, x, y, { size }) => doublingHigh(b, size, true, x, y), [1, 2]],
  ['addp', 0, '10111', ALL, pairs('add')],
]; // prettier-ignore

/** Bitwise: U, size. */
const LOGICAL: readonly [string, 0 | 1, string, Ternary][] = [
  ['and', 0, '00', bitwise('and')], ['bic', 0, '01', bitwise('andnot')],
  ['orr', 0, '10', bitwise('or')], ['orn', 0, '11', (b, x, y) => b.op('v128.or', x, b.op('v128.xor', y, ones(b)))],
  ['eor', 1, '00', bitwise('xor')], ['bsl', 1, '01', (b, x, y, _s, old) => b.op('v128.bitselect', x, y, old())],
  ['bit', 1, '10', (b, x, y, _s, old) => b.op('v128.bitselect', x, old(), y)],
  ['bif', 1, '11', (b, x, y, _s, old) => b.op('v128.bitselect', old(), x, y)],
]; // prettier-ignore

/** `shape` from the fields the definition's handlers are made for. */
const ternary = (
  name: string,
  encoding: string,
  shape: (f: Fields) => Shape,
  f: Ternary,
  by: string,
  where: (f: Fields) => boolean,
): Definition =>
  insn(name, encoding, 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
    const s = shape(b.f);
    write(b, vd, f(b, read(b, vn, s), read(b, vm, s), s, () => read(b, vd, s)), s);
  }, { by, where }); // prettier-ignore

/** One lane of 64 bits has no vector form. */
export const wholeRegister = (f: Fields): boolean => f['size'] < 3 || f['Q'] === 1;

export const simdArith: readonly Definition[] = [
  ...SAME.flatMap(([name, U, opcode, sizes, f, scalar]) => [
    ternary(`${name} (vector)`, `0 Q ${U} 01110 size:2 1 Vm ${opcode} 1 Vn Vd`, vectorShape, f, 'Q size',
      (v) => sizes.includes(v['size']) && wholeRegister(v)),
    ...(scalar
      ? [ternary(`${name} (scalar)`, `01 ${U} 11110 size:2 1 Vm ${opcode} 1 Vn Vd`, scalarShape, f, 'size', (v) => scalar.includes(v['size']))]
      : []),
  ]),
  ...LOGICAL.map(([name, U, size, f]) =>
    ternary(`${name} (vector)`, `0 Q ${U} 01110 ${size} 1 Vm 00011 1 Vn Vd`, (v) => ({ size: 0, q: v['Q'] as 0 | 1 }), f, 'Q', () => true)),
]; // prettier-ignore

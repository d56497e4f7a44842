/** AdvSIMD operations on one vector, and across its lanes. Arm ARM C4.1.96, "two-register miscellaneous", "across lanes". */
import type { Val } from '../../../builder.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition, type Fields } from '../define.ts';
import { wholeRegister } from './simd-arith.ts';
import {
  LANES,
  clamp,
  constant,
  halves,
  lanes,
  lowest,
  pick,
  read,
  readHalf,
  saturated,
  saturating,
  scalarShape,
  vectorShape,
  widen,
  width,
  write,
  writeNarrow,
  zero,
  type Shape,
  type Size,
} from './simd-lanes.ts';

type Unary = (b: A64Builder, x: Val, s: Shape, old: () => Val) => Val;

/** Elements of `s.size` in the reverse order within each 8 << container bits. */
const reverse =
  (container: Size): Unary =>
  (b, x, { size }) => {
    const n = 1 << (container - size);
    return pick(b, size, x, x, Array.from({ length: 16 >> size }, (_, i) => (i & ~(n - 1)) + (n - 1 - (i & (n - 1))))); // prettier-ignore
  };

/** Leading zeros of the numbers 0…15 of four bits. */
const NIBBLE_ZEROS = [4, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
const NIBBLE_REVERSED = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];

/** A table look-up for the upper and the lower four bits of every byte. */
function nibbles(b: A64Builder, table: readonly number[], x: Val): [high: Val, low: Val] {
  const t = b.v128(table);
  const high = b.op('i8x16.shr_u', x, b.i32(4));
  const low = b.op('v128.and', x, constant(b, 0, 15n));
  return [b.op('i8x16.swizzle', t, high), b.op('i8x16.swizzle', t, low)];
}

/** Leading zeros: of the upper half, and of the lower one where that is all zeros. */
function leadingZeros(b: A64Builder, size: Size, x: Val): Val {
  const join = (at: Size, high: Val, low: Val, half: number): Val =>
    lanes(b, at, 'add', high, b.op('v128.and', low, lanes(b, at, 'eq', high, constant(b, at, BigInt(half)))));
  if (size === 0) return join(0, ...nibbles(b, NIBBLE_ZEROS, x), 4);
  const half = width(size) / 2;
  const inner = leadingZeros(b, (size - 1) as Size, x);
  const low = b.op('v128.and', inner, constant(b, size, (1n << BigInt(half)) - 1n));
  return join(size, lanes(b, size, 'shr_u', inner, b.i32(half)), low, half);
}

const leadingSigns: Unary = (b, x, { size }) => {
  const signs = lanes(b, size, 'shr_s', x, b.i32(width(size) - 1));
  return lanes(b, size, 'sub', leadingZeros(b, size, b.op('v128.xor', x, signs)), constant(b, size, 1n));
};

const reverseBits: Unary = (b, x) => {
  const [high, low] = nibbles(b, NIBBLE_REVERSED, x);
  return b.op('v128.or', high, b.op('i8x16.shl', low, b.i32(4)));
};

/** Sums of neighbours, twice as wide. */
function addPairs(b: A64Builder, size: Size, sign: 's' | 'u', x: Val): Val {
  if (size < 2) return b.op(`${LANES[size + 1]}.extadd_pairwise_${LANES[size]}_${sign}`, x);
  const shift = (v: Val): Val => b.op(`i64x2.shr_${sign}`, v, b.i32(32));
  return b.op('i64x2.add', shift(x), shift(b.op('i64x2.shl', x, b.i32(32))));
}

const pairSums =
  (sign: 's' | 'u', accumulate: boolean): Unary =>
  (b, x, { size }, old) => {
    const r = addPairs(b, size, sign, x);
    return accumulate ? lanes(b, (size + 1) as Size, 'add', old(), r) : r;
  };

const direct =
  (name: string): Unary =>
  (b, x, { size }) =>
    lanes(b, size, name, x);

/** SQABS, SQNEG: the lowest number's opposite is too big. */
const saturatingDirect =
  (name: 'abs' | 'neg'): Unary =>
  (b, x, { size }) => {
    const over = lanes(b, size, 'eq', x, lowest(b, size));
    saturated(b, over);
    return b.op('v128.xor', lanes(b, size, name, x), over);
  };

/**
 * SUQADD adds an unsigned number to a signed one, USQADD a signed to an unsigned: with the sign bit of the one turned
 * over, it is an addition of the other kind.
 */
const mixedAdd =
  (sign: 's' | 'u'): Unary =>
  (b, x, s, old) => {
    // Only lanes of the shape: others would no longer be zero.
    const top = s.q === 1 ? lowest(b, s.size) : inShape(b, s, lowest(b, s.size));
    const flip = (v: Val): Val => b.op('v128.xor', v, top);
    return flip(saturating(b, s.size, 'add', sign === 's' ? 'u' : 's', flip(old()), x));
  };

/** Lanes outside of the shape cleared. */
function inShape(b: A64Builder, s: Shape, v: Val): Val {
  const bytes = s.q === 0 ? 8 : 1 << s.size;
  return b.op('v128.and', v, b.v128(Array.from({ length: 16 }, (_, i) => (i < bytes ? 255 : 0)))); // prettier-ignore
}

const compare =
  (name: string): Unary =>
  (b, x, { size }) =>
    lanes(b, size, name, x, zero(b));

const ALL = [0, 1, 2, 3];
const SMALL = [0, 1, 2];

/** Name, U, opcode, sizes, operation, sizes of the scalar form. */
const SAME: readonly [string, 0 | 1, string, readonly number[], Unary, (readonly number[])?][] = [
  ['rev64', 0, '00000', SMALL, reverse(3)], ['rev32', 1, '00000', [0, 1], reverse(2)], ['rev16', 0, '00001', [0], reverse(1)],
  ['saddlp', 0, '00010', SMALL, pairSums('s', false)], ['uaddlp', 1, '00010', SMALL, pairSums('u', false)],
  ['sadalp', 0, '00110', SMALL, pairSums('s', true)], ['uadalp', 1, '00110', SMALL, pairSums('u', true)],
  ['suqadd', 0, '00011', ALL, mixedAdd('s'), ALL], ['usqadd', 1, '00011', ALL, mixedAdd('u'), ALL],
  ['cls', 0, '00100', SMALL, leadingSigns], ['clz', 1, '00100', SMALL, (b, x, { size }) => leadingZeros(b, size, x)],
  ['cnt', 0, '00101', [0], direct('popcnt')], ['not', 1, '00101', [0], (b, x) => b.op('v128.not', x)], ['rbit', 1, '00101', [1], reverseBits],
  ['sqabs', 0, '00111', ALL, saturatingDirect('abs'), ALL], ['sqneg', 1, '00111', ALL, saturatingDirect('neg'), ALL],
  ['cmgt', 0, '01000', ALL, compare('gt_s'), [3]], ['cmge', 1, '01000', ALL, compare('ge_s'), [3]],
  ['cmeq', 0, '01001', ALL, compare('eq'), [3]], ['cmle', 1, '01001', ALL, compare('le_s'), [3]],
  ['cmlt', 0, '01010', ALL, compare('lt_s'), [3]],
  ['abs', 0, '01011', ALL, direct('abs'), [3]], ['neg', 1, '01011', ALL, direct('neg'), [3]],
]; // prettier-ignore

/** Name, U, opcode, how it saturates. */
const NARROW: readonly [string, 0 | 1, string, 's' | 'u' | 'su' | null][] = [
  ['xtn', 0, '10010', null], ['sqxtun', 1, '10010', 'su'], ['sqxtn', 0, '10100', 's'], ['uqxtn', 1, '10100', 'u'],
]; // prettier-ignore

const oneVector: readonly Definition[] = [
  ...SAME.flatMap(([name, U, opcode, sizes, f, scalar]) => {
    const make = (what: string, encoding: string, shape: (v: Fields) => Shape, by: string, where: (v: Fields) => boolean): Definition =>
      insn(what, encoding, 'w:Vd r:Vn', (b, vd, vn) => {
        const s = shape(b.f);
        write(b, vd, f(b, read(b, vn, s), s, () => read(b, vd, s)), s);
      }, { by, where });
    const zeroed = opcode.startsWith('010') && opcode !== '01011' ? ' zero' : '';
    return [
      make(`${name}${zeroed} (vector)`, `0 Q ${U} 01110 size:2 10000 ${opcode} 10 Vn Vd`, vectorShape, 'Q size',
        (v) => sizes.includes(v['size']) && wholeRegister(v)),
      ...(scalar
        ? [make(`${name}${zeroed} (scalar)`, `01 ${U} 11110 size:2 10000 ${opcode} 10 Vn Vd`, scalarShape, 'size', (v) => scalar.includes(v['size']))]
        : []),
    ];
  }),
  ...NARROW.flatMap(([name, U, opcode, saturation]) => {
    const narrow = (b: A64Builder, size: Size, v: Val): Val => halves(b, size, saturation ? clamp(b, size, saturation, v) : v, 0);
    return [
      insn(name, `0 Q ${U} 01110 size:2 10000 ${opcode} 10 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
        const s = vectorShape(b.f);
        writeNarrow(b, vd, narrow(b, s.size, b.v(vn)), s);
      }, { by: 'Q size', where: (v) => v['size'] < 3 }),
      ...(saturation
        ? [insn(`${name} (scalar)`, `01 ${U} 11110 size:2 10000 ${opcode} 10 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
            const s = scalarShape(b.f);
            writeNarrow(b, vd, narrow(b, s.size, read(b, vn, { size: (s.size + 1) as Size, q: -1 })), s);
          }, { by: 'size', where: (v) => v['size'] < 3 })]
        : []),
    ];
  }),
  insn('shll', '0 Q 1 01110 size:2 10000 10011 10 Vn Vd', 'w:Vd r:Vn', (b, vd, vn) => {
    const size = b.f['size'] as Size;
    b.setV(vd, lanes(b, (size + 1) as Size, 'shl', widen(b, size, b.f['Q'], 'u', readHalf(b, vn, b.f['Q'])), b.i32(width(size))));
  }, { by: 'Q size', where: (v) => v['size'] < 3 }),
]; // prettier-ignore

// ---- across lanes

/** All lanes folded into the first: halves on each other. */
function fold(b: A64Builder, size: Size, name: string, v: Val): Val {
  let r = v;
  for (let n = 8 >> size; n > 0; n >>= 1) {
    const from = n;
    r = lanes(b, size, name, r, pick(b, size, r, r, Array.from({ length: 16 >> size }, (_, i) => (i + from) % (16 >> size)))); // prettier-ignore
  }
  return r;
}

/** The sum of all lanes, of 32 or 64 bits. */
function sum(b: A64Builder, size: Size, sign: 's' | 'u', v: Val): Val {
  let r = v;
  for (let s = size; s < 2; s++) r = addPairs(b, s, sign, r);
  return fold(b, 2, 'add', r);
}

const across = (name: string, U: number, opcode: string, f: (b: A64Builder, v: Val, s: Shape) => Val, resultWider: number): Definition =>
  insn(name, `0 Q ${U} 01110 size:2 11000 ${opcode} 10 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
    const s = vectorShape(b.f);
    // Twice the low half changes no extreme; sums have zeros.
    const v = s.q === 0 && opcode.endsWith('1010') ? b.loadReg('v128.load64_splat', vn) : read(b, vn, s);
    b.setLow(vd, b.lane('i64x2.extract_lane', 0, f(b, v, s)), width(s.size) << resultWider);
  }, { by: 'Q size', where: (v) => v['size'] < 2 || (v['size'] === 2 && v['Q'] === 1) }); // prettier-ignore

const acrossLanes: readonly Definition[] = [
  ...([['s', 0], ['u', 1]] as const).flatMap(([sign, U]) => [
    across(`${sign}addlv`, U, '00011', (b, v, { size }) =>
      size === 2 ? fold(b, 3, 'add', addPairs(b, 2, sign, v)) : sum(b, size, sign, v), 1),
    across(`${sign}maxv`, U, '01010', (b, v, { size }) => fold(b, size, `max_${sign}`, v), 0),
    across(`${sign}minv`, U, '11010', (b, v, { size }) => fold(b, size, `min_${sign}`, v), 0),
  ]),
  across('addv', 0, '11011', (b, v, { size }) => sum(b, size, 'u', v), 0),
  insn('addp (scalar)', '01 0 11110 11 11000 11011 10 Vn Vd', 'w:Vd r:Vn', (b, vd, vn) => {
    b.setLow(vd, b.add(b.low(vn, 64), b.loadReg('i64.load', vn, 8)), 64);
  }),
]; // prettier-ignore

export const simdUnary: readonly Definition[] = [...oneVector, ...acrossLanes];

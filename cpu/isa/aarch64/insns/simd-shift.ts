/** AdvSIMD shifts by immediate and by register. Arm ARM C4.1.96, "AdvSIMD (scalar) shift by immediate". */
import type { Val } from '../../../builder.ts';
import type { Helper } from '../../../interp/helpers.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';
import {
  LANES,
  clamp,
  constant,
  greaterU,
  halves,
  lanes,
  lowest,
  ones,
  read,
  readHalf,
  saturated,
  widen,
  width,
  write,
  writeNarrow,
  zero,
  type Shape,
  type Size,
} from './simd-lanes.ts';

// ---- by register

/**
 * Every lane of x shifted left by the signed byte in y's lane, right where it is negative. WebAssembly shifts all lanes
 * by one amount: so bit by bit of the amounts, 1, 2, 4… places.
 */
function byRegister(size: Size, sign: 's' | 'u', saturate: boolean, round: boolean): Helper<A64Builder> {
  const bits = width(size);
  const steps = 3 + size;
  const op = (b: A64Builder, name: string, ...args: Val[]): Val => lanes(b, size, name, ...args);
  /** Lanes whose amount has bit k set. */
  const bit = (b: A64Builder, amount: Val, k: number): Val =>
    op(b, 'shr_s', op(b, 'shl', amount, b.i32(bits - 1 - k)), b.i32(bits - 1));
  return {
    name: `${sign}${saturate ? 'q' : ''}${round ? 'r' : ''}shl${bits}`,
    params: ['v128', 'v128'],
    result: 'v128',
    build: (b, x, y) => {
      const n = size === 0 ? y : op(b, 'shr_s', op(b, 'shl', y, b.i32(bits - 8)), b.i32(bits - 8));
      const right = op(b, 'lt_s', n, zero(b));

      let left = x;
      let over = zero(b);
      for (let k = 0; k < steps; k++) {
        const on = bit(b, n, k);
        const t = op(b, 'shl', left, b.i32(1 << k));
        if (saturate) {
          const lost = op(b, 'ne', op(b, `shr_${sign}`, t, b.i32(1 << k)), left);
          over = b.op('v128.or', over, b.op('v128.and', on, lost));
        }
        left = b.op('v128.bitselect', t, left, on);
      }
      const gone = op(b, 'gt_s', n, constant(b, size, BigInt(bits - 1)));
      left = b.op('v128.andnot', left, gone);
      if (saturate) {
        over = b.op('v128.or', over, b.op('v128.and', gone, op(b, 'ne', x, zero(b))));
        over = b.op('v128.andnot', over, right);
        saturated(b, over);
        const signs = op(b, 'shr_s', x, b.i32(bits - 1));
        const limit = sign === 'u' ? ones(b) : b.op('v128.xor', b.op('v128.not', signs), lowest(b, size));
        left = b.op('v128.bitselect', limit, left, over);
      }

      // Rounding: one place less, then the last with what it shifts out.
      const m = round ? b.op('v128.not', n) : op(b, 'neg', n);
      let r = x;
      for (let k = 0; k < steps; k++)
        r = b.op('v128.bitselect', op(b, `shr_${sign}`, r, b.i32(1 << k)), r, bit(b, m, k));
      const past = greaterU(b, size, m, constant(b, size, BigInt(bits - 1)));
      r =
        sign === 'u'
          ? b.op('v128.andnot', r, past)
          : b.op('v128.bitselect', op(b, 'shr_s', x, b.i32(bits - 1)), r, past);
      if (round) r = roundLast(b, size, sign, r);
      b.fn.return(b.op('v128.bitselect', r, left, right));
    },
  };
}

/** Shifts right by one, rounding. */
function roundLast(b: A64Builder, size: Size, sign: 's' | 'u', v: Val): Val {
  const out = b.op('v128.and', v, constant(b, size, 1n));
  return lanes(b, size, 'add', lanes(b, size, `shr_${sign}`, v, b.i32(1)), out);
}

export const simdShiftHelpers: readonly Helper<A64Builder>[] = ([0, 1, 2, 3] as const).flatMap((size) =>
  (['s', 'u'] as const).flatMap((sign) =>
    [false, true].flatMap((saturate) =>
      [false, true].map((round) => byRegister(size, sign, saturate, round)),
    ),
  ),
);

// ---- by immediate

/** Right by the record's 1…bits; the rounding bit first. */
function right(b: A64Builder, size: Size, sign: 's' | 'u', round: boolean, x: Val): Val {
  const most = lanes(b, size, `shr_${sign}`, x, b.sub(b.small(), 1));
  return round ? roundLast(b, size, sign, most) : lanes(b, size, `shr_${sign}`, most, b.i32(1));
}

type Shift = (b: A64Builder, x: Val, s: Shape, old: () => Val) => Val;

const shiftRight =
  (sign: 's' | 'u', round: boolean, accumulate: boolean): Shift =>
  (b, x, { size }, old) => {
    const r = right(b, size, sign, round, x);
    return accumulate ? lanes(b, size, 'add', old(), r) : r;
  };

const left: Shift = (b, x, { size }) => lanes(b, size, 'shl', x, b.small());

/** SRI, SLI: the places shifted in keep the destination's bits. */
const insertRight: Shift = (b, x, { size }, old) =>
  b.op('v128.bitselect', right(b, size, 'u', false, x), old(), right(b, size, 'u', false, ones(b)));
const insertLeft: Shift = (b, x, s, old) =>
  b.op('v128.bitselect', left(b, x, s, old), old(), left(b, ones(b), s, old));

const saturatingLeft =
  (sign: 's' | 'u'): Shift =>
  (b, x, s, old) => {
    const r = left(b, x, s, old);
    const over = lanes(b, s.size, 'ne', lanes(b, s.size, `shr_${sign}`, r, b.small()), x);
    saturated(b, over);
    if (sign === 'u') return b.op('v128.or', r, over);
    const signs = lanes(b, s.size, 'shr_s', x, b.i32(width(s.size) - 1));
    const limit = b.op('v128.xor', b.op('v128.not', signs), lowest(b, s.size));
    return b.op('v128.bitselect', limit, r, over);
  };

/** SQSHLU: signed into unsigned. */
const saturatingLeftUnsigned: Shift = (b, x, s, old) => {
  const r = left(b, x, s, old);
  const negative = lanes(b, s.size, 'shr_s', x, b.i32(width(s.size) - 1));
  const over = b.op('v128.or', lanes(b, s.size, 'ne', lanes(b, s.size, 'shr_u', r, b.small()), x), negative);
  saturated(b, over);
  return b.op('v128.andnot', b.op('v128.or', r, over), negative);
};

const IMMH = ['0001 imm:3', '001 imm:4', '01 imm:5', '1 imm:6'] as const;
const SIZES = [0, 1, 2, 3] as const;
const NAMES = 'bhsd';

/** Name, U, opcode, direction, operation, sizes of the scalar form. */
const SAME: readonly [string, 0 | 1, string, 'shiftLeft' | 'shiftRight', Shift, readonly number[]][] = [
  ['sshr', 0, '00000', 'shiftRight', shiftRight('s', false, false), [3]], ['ushr', 1, '00000', 'shiftRight', shiftRight('u', false, false), [3]],
  ['ssra', 0, '00010', 'shiftRight', shiftRight('s', false, true), [3]], ['usra', 1, '00010', 'shiftRight', shiftRight('u', false, true), [3]],
  ['srshr', 0, '00100', 'shiftRight', shiftRight('s', true, false), [3]], ['urshr', 1, '00100', 'shiftRight', shiftRight('u', true, false), [3]],
  ['srsra', 0, '00110', 'shiftRight', shiftRight('s', true, true), [3]], ['ursra', 1, '00110', 'shiftRight', shiftRight('u', true, true), [3]],
  ['sri', 1, '01000', 'shiftRight', insertRight, [3]],
  ['shl', 0, '01010', 'shiftLeft', left, [3]], ['sli', 1, '01010', 'shiftLeft', insertLeft, [3]],
  ['sqshlu', 1, '01100', 'shiftLeft', saturatingLeftUnsigned, SIZES],
  ['sqshl', 0, '01110', 'shiftLeft', saturatingLeft('s'), SIZES], ['uqshl', 1, '01110', 'shiftLeft', saturatingLeft('u'), SIZES],
]; // prettier-ignore

/** Name, U, opcode, sign of the shift, rounding, saturation, whether there is a scalar form. */
const NARROW: readonly [string, 0 | 1, string, 's' | 'u', boolean, 's' | 'u' | 'su' | null][] = [
  ['shrn', 0, '10000', 'u', false, null], ['rshrn', 0, '10001', 'u', true, null],
  ['sqshrun', 1, '10000', 's', false, 'su'], ['sqrshrun', 1, '10001', 's', true, 'su'],
  ['sqshrn', 0, '10010', 's', false, 's'], ['sqrshrn', 0, '10011', 's', true, 's'],
  ['uqshrn', 1, '10010', 'u', false, 'u'], ['uqrshrn', 1, '10011', 'u', true, 'u'],
]; // prettier-ignore

const WIDE: readonly [string, 0 | 1, 's' | 'u'][] = [['sshll', 0, 's'], ['ushll', 1, 'u']]; // prettier-ignore

export const simdShift: readonly Definition[] = SIZES.flatMap((size) => [
  ...SAME.flatMap(([name, U, opcode, direction, f, scalar]) => [
    insn(`${name} ${NAMES[size]} (vector, immediate)`, `0 Q ${U} 011110 ${IMMH[size]} ${opcode} 1 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
      const s: Shape = { size, q: b.f['Q'] as 0 | 1 };
      write(b, vd, f(b, read(b, vn, s), s, () => read(b, vd, s)), s);
    }, { by: 'Q', small: direction, where: (v) => size < 3 || v['Q'] === 1 }),
    ...(scalar.includes(size)
      ? [insn(`${name} ${NAMES[size]} (scalar, immediate)`, `01 ${U} 111110 ${IMMH[size]} ${opcode} 1 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
          const s: Shape = { size, q: -1 };
          write(b, vd, f(b, read(b, vn, s), s, () => read(b, vd, s)), s);
        }, { small: direction })]
      : []),
  ]),
  ...(size === 3 ? [] : NARROW.flatMap(([name, U, opcode, sign, round, saturation]) => {
    const wide = (size + 1) as Size;
    // At most half the wide lanes' bits: one shift will do.
    const narrow = (b: A64Builder, v: Val): Val => {
      const r = round ? right(b, wide, sign, true, v) : lanes(b, wide, `shr_${sign}`, v, b.small());
      return halves(b, size, saturation ? clamp(b, size, saturation, r) : r, 0);
    };
    return [
      insn(`${name} ${NAMES[size]}`, `0 Q ${U} 011110 ${IMMH[size]} ${opcode} 1 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
        writeNarrow(b, vd, narrow(b, b.v(vn)), { size, q: b.f['Q'] as 0 | 1 });
      }, { by: 'Q', small: 'shiftRight' }),
      ...(saturation
        ? [insn(`${name} ${NAMES[size]} (scalar)`, `01 ${U} 111110 ${IMMH[size]} ${opcode} 1 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
            writeNarrow(b, vd, narrow(b, read(b, vn, { size: wide, q: -1 })), { size, q: -1 });
          }, { small: 'shiftRight' })]
        : []),
    ];
  })),
  ...(size === 3 ? [] : WIDE.map(([name, U, sign]) =>
    insn(`${name} ${NAMES[size]}`, `0 Q ${U} 011110 ${IMMH[size]} 10100 1 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
      b.setV(vd, b.op(`${LANES[size + 1]}.shl`, widen(b, size, b.f['Q'], sign, readHalf(b, vn, b.f['Q'])), b.small()));
    }, { by: 'Q', small: 'shiftLeft' }))),
]); // prettier-ignore

/** Packed integer arithmetic: MMX, SSE2, SSSE3, SSE4.1. One row an operation; MMX forms work on the low 64 bits. */
import type { Val } from '../../../builder.ts';
import { S } from '../../../layout.ts';
import type { Operand, X86Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';
import { imm32, iota } from './sse-move.ts';
import { waitX87 } from './x87.ts';

type Binary = (b: X86Builder, x: Val, y: Val) => Val;

const op =
  (name: string): Binary =>
  (b, x, y) =>
    b.op(name, x, y);

/** Operands of the second as first: PANDN is ~dst & src, wasm's andnot is a & ~b. */
const swapped =
  (name: string): Binary =>
  (b, x, y) =>
    b.op(name, y, x);

const words = (b: X86Builder, x: Val, y: Val, lanes: readonly number[]): Val =>
  b.shuffle(
    x,
    y,
    lanes.flatMap((l) => [2 * l, 2 * l + 1]),
  );
const dwords = (b: X86Builder, x: Val, y: Val, lanes: readonly number[]): Val =>
  b.shuffle(
    x,
    y,
    lanes.flatMap((l) => [4 * l, 4 * l + 1, 4 * l + 2, 4 * l + 3]),
  );

const EVEN_WORDS = [0, 2, 4, 6, 8, 10, 12, 14];
const ODD_WORDS = [1, 3, 5, 7, 9, 11, 13, 15];
const EVEN_DWORDS = [0, 2, 4, 6];
const ODD_DWORDS = [1, 3, 5, 7];

/** Upper halves of 16 × 16 products. */
function mulHigh(b: X86Builder, x: Val, y: Val, sign: 's' | 'u'): Val {
  const low = b.op(`i32x4.extmul_low_i16x8_${sign}`, x, y);
  const high = b.op(`i32x4.extmul_high_i16x8_${sign}`, x, y);
  return words(b, low, high, ODD_WORDS);
}

/** Rounded (x · y) >> 15, wrapping: PMULHRSW. */
function mulRound(b: X86Builder, x: Val, y: Val): Val {
  const half = (name: string): Val => {
    const p = b.op('i32x4.shr_s', b.op(name, x, y), b.i32(14));
    return b.op('i32x4.shr_s', b.op('i32x4.add', p, b.op('i32x4.splat', b.i32(1))), b.i32(1));
  };
  return words(b, half('i32x4.extmul_low_i16x8_s'), half('i32x4.extmul_high_i16x8_s'), EVEN_WORDS);
}

function maddUnsignedSigned(b: X86Builder, x: Val, y: Val): Val {
  const product = (part: 'low' | 'high'): Val =>
    b.op('i16x8.mul', b.op(`i16x8.extend_${part}_i8x16_u`, x), b.op(`i16x8.extend_${part}_i8x16_s`, y));
  const [low, high] = [product('low'), product('high')];
  return b.op('i16x8.add_sat_s', words(b, low, high, EVEN_WORDS), words(b, low, high, ODD_WORDS));
}

function sumAbsoluteDifferences(b: X86Builder, x: Val, y: Val): Val {
  const d = b.op('i8x16.sub', b.op('i8x16.max_u', x, y), b.op('i8x16.min_u', x, y));
  const s = b.op('i32x4.extadd_pairwise_i16x8_u', b.op('i16x8.extadd_pairwise_i8x16_u', d));
  const low = b.op('v128.and', s, b.op('i64x2.splat', b.i64(0xffffffff)));
  return b.op('i64x2.add', low, b.op('i64x2.shr_u', s, b.i32(32)));
}

/** PSIGN: x negated, zeroed or kept by the sign of y. */
const sign =
  (type: string): Binary =>
  (b, x, y) => {
    const zero = b.v128(new Uint8Array(16));
    const negated = b.op('v128.bitselect', b.op(`${type}.neg`, x), x, b.op(`${type}.lt_s`, y, zero));
    return b.op('v128.andnot', negated, b.op(`${type}.eq`, y, zero));
  };

const horizontal =
  (name: string, lanes: 'w' | 'd'): Binary =>
  (b, x, y) => {
    const pick = lanes === 'w' ? words : dwords;
    const [even, odd] = lanes === 'w' ? [EVEN_WORDS, ODD_WORDS] : [EVEN_DWORDS, ODD_DWORDS];
    return b.op(name, pick(b, x, y, even), pick(b, x, y, odd));
  };

const shuffleBytes: Binary = (b, x, y) =>
  b.op('i8x16.swizzle', x, b.op('v128.and', y, b.op('i8x16.splat', b.i32(0x8f))));

const mulEven =
  (signed: boolean): Binary =>
  (b, x, y) => {
    const widen = (v: Val): Val =>
      signed
        ? b.op('i64x2.shr_s', b.op('i64x2.shl', v, b.i32(32)), b.i32(32))
        : b.op('v128.and', v, b.op('i64x2.splat', b.i64(0xffffffff)));
    return b.op('i64x2.mul', widen(x), widen(y));
  };

/** Opcode after 0F, name, operation: both MMX (no prefix) and SSE (66), same meaning on each half. */
const BOTH: readonly [string, string, Binary][] = [
  ['FC', 'paddb', op('i8x16.add')], ['FD', 'paddw', op('i16x8.add')], ['FE', 'paddd', op('i32x4.add')], ['D4', 'paddq', op('i64x2.add')],
  ['EC', 'paddsb', op('i8x16.add_sat_s')], ['ED', 'paddsw', op('i16x8.add_sat_s')], ['DC', 'paddusb', op('i8x16.add_sat_u')], ['DD', 'paddusw', op('i16x8.add_sat_u')],
  ['F8', 'psubb', op('i8x16.sub')], ['F9', 'psubw', op('i16x8.sub')], ['FA', 'psubd', op('i32x4.sub')], ['FB', 'psubq', op('i64x2.sub')],
  ['E8', 'psubsb', op('i8x16.sub_sat_s')], ['E9', 'psubsw', op('i16x8.sub_sat_s')], ['D8', 'psubusb', op('i8x16.sub_sat_u')], ['D9', 'psubusw', op('i16x8.sub_sat_u')],
  ['DB', 'pand', op('v128.and')], ['DF', 'pandn', swapped('v128.andnot')], ['EB', 'por', op('v128.or')], ['EF', 'pxor', op('v128.xor')],
  ['74', 'pcmpeqb', op('i8x16.eq')], ['75', 'pcmpeqw', op('i16x8.eq')], ['76', 'pcmpeqd', op('i32x4.eq')],
  ['64', 'pcmpgtb', op('i8x16.gt_s')], ['65', 'pcmpgtw', op('i16x8.gt_s')], ['66', 'pcmpgtd', op('i32x4.gt_s')],
  ['E0', 'pavgb', op('i8x16.avgr_u')], ['E3', 'pavgw', op('i16x8.avgr_u')],
  ['DA', 'pminub', op('i8x16.min_u')], ['DE', 'pmaxub', op('i8x16.max_u')], ['EA', 'pminsw', op('i16x8.min_s')], ['EE', 'pmaxsw', op('i16x8.max_s')],
  ['D5', 'pmullw', op('i16x8.mul')], ['E5', 'pmulhw', (b, x, y) => mulHigh(b, x, y, 's')], ['E4', 'pmulhuw', (b, x, y) => mulHigh(b, x, y, 'u')],
  ['F4', 'pmuludq', mulEven(false)], ['F5', 'pmaddwd', op('i32x4.dot_i16x8_s')], ['F6', 'psadbw', sumAbsoluteDifferences],
]; // prettier-ignore

/** After 0F38; the SSSE3 ones. */
const BOTH38: readonly [string, string, Binary][] = [
  ['04', 'pmaddubsw', maddUnsignedSigned], ['0B', 'pmulhrsw', mulRound],
  ['08', 'psignb', sign('i8x16')], ['09', 'psignw', sign('i16x8')], ['0A', 'psignd', sign('i32x4')],
  ['1C', 'pabsb', (b, _x, y) => b.op('i8x16.abs', y)], ['1D', 'pabsw', (b, _x, y) => b.op('i16x8.abs', y)], ['1E', 'pabsd', (b, _x, y) => b.op('i32x4.abs', y)],
]; // prettier-ignore

/** Those whose 64-bit form is not the low half of the 128-bit one: it takes both halves from two 64-bit operands. */
const HALVED38: readonly [string, string, Binary][] = [
  ['01', 'phaddw', horizontal('i16x8.add', 'w')], ['02', 'phaddd', horizontal('i32x4.add', 'd')], ['03', 'phaddsw', horizontal('i16x8.add_sat_s', 'w')],
  ['05', 'phsubw', horizontal('i16x8.sub', 'w')], ['06', 'phsubd', horizontal('i32x4.sub', 'd')], ['07', 'phsubsw', horizontal('i16x8.sub_sat_s', 'w')],
]; // prettier-ignore

/** SSE4: 66 forms alone. */
const SSE4: readonly [string, string, Binary][] = [
  ['0F 38 38', 'pminsb', op('i8x16.min_s')], ['0F 38 39', 'pminsd', op('i32x4.min_s')], ['0F 38 3A', 'pminuw', op('i16x8.min_u')], ['0F 38 3B', 'pminud', op('i32x4.min_u')],
  ['0F 38 3C', 'pmaxsb', op('i8x16.max_s')], ['0F 38 3D', 'pmaxsd', op('i32x4.max_s')], ['0F 38 3E', 'pmaxuw', op('i16x8.max_u')], ['0F 38 3F', 'pmaxud', op('i32x4.max_u')],
  ['0F 38 28', 'pmuldq', mulEven(true)], ['0F 38 40', 'pmulld', op('i32x4.mul')], ['0F 38 29', 'pcmpeqq', op('i64x2.eq')], ['0F 38 37', 'pcmpgtq', op('i64x2.gt_s')],
  ['0F 38 2B', 'packusdw', op('i16x8.narrow_i32x4_u')],
]; // prettier-ignore

/** Packing and interleaving: 66 forms by opcode after 0F; `mmx` gives the 64-bit form from both operands. */
const PACKS: readonly [string, string, Binary, Binary][] = [
  ['63', 'packsswb', op('i8x16.narrow_i16x8_s'), op('i8x16.narrow_i16x8_s')],
  ['6B', 'packssdw', op('i16x8.narrow_i32x4_s'), op('i16x8.narrow_i32x4_s')],
  ['67', 'packuswb', op('i8x16.narrow_i16x8_u'), op('i8x16.narrow_i16x8_u')],
];

const INTERLEAVE: readonly [string, string, number[], number[]][] = [
  ['60', 'punpcklbw', interleave(1, 0, 16), interleave(1, 0, 8)], ['61', 'punpcklwd', interleave(2, 0, 16), interleave(2, 0, 8)], ['62', 'punpckldq', interleave(4, 0, 16), interleave(4, 0, 8)],
  ['68', 'punpckhbw', interleave(1, 8, 16), interleave(1, 4, 8)], ['69', 'punpckhwd', interleave(2, 8, 16), interleave(2, 4, 8)], ['6A', 'punpckhdq', interleave(4, 8, 16), interleave(4, 4, 8)],
]; // prettier-ignore

/** Shuffle lanes that interleave elements of `size` bytes of x and y from byte `from`, making `total` bytes. */
function interleave(size: number, from: number, total: number): number[] {
  const out: number[] = [];
  for (let at = from; out.length < total; at += size) {
    for (let i = 0; i < size; i++) out.push(at + i);
    for (let i = 0; i < size; i++) out.push(16 + at + i);
  }
  while (out.length < 16) out.push(0);
  return out;
}

/** An MMX operand widened to v128, upper half 0. */
function wide(b: X86Builder, v: Val): Val {
  return b.lane('i64x2.replace_lane', 0, b.v128(new Uint8Array(16)), v);
}

/**
 * Any MMX instruction puts the x87 unit into MMX use: TOP 0, all registers valid (SDM vol. 1, 9.5.1). Before that, and before
 * it touches memory, it takes a pending x87 exception (`waitX87`; SDM vol. 3, table 6-2).
 */
export function enterMmx(b: X86Builder): void {
  b.setState('i32.store', S.fpuTop, b.i32(0));
  b.setState('i32.store', S.fpuTags, b.i32(0xff));
}

function mmx(b: X86Builder, dst: Operand, src: Operand, f: Binary): void {
  waitX87(b);
  const r = f(b, wide(b, b.readMmx(dst)), wide(b, b.readMmx(src)));
  enterMmx(b);
  b.writeMmx(dst, b.lane('i64x2.extract_lane', 0, r));
}

/** Two 64-bit operands side by side, for operations across both. */
function mmxPair(b: X86Builder, dst: Operand, src: Operand, f: (pair: Val) => Val): void {
  waitX87(b);
  const x = wide(b, b.readMmx(dst));
  const pair = b.lane('i64x2.replace_lane', 1, x, b.readMmx(src));
  const r = f(pair);
  enterMmx(b);
  b.writeMmx(dst, b.lane('i64x2.extract_lane', 0, r));
}

function sse(name: string, encoding: string, f: Binary): Definition {
  return insn(name, `66 ${encoding} /r Vdq Wdq`, 'rw r', (b, dst, src) => {
    b.writeXmm(dst, f(b, b.readXmm(dst), b.readXmm(src)));
  });
}

function mmxForm(name: string, encoding: string, f: Binary): Definition {
  return insn(`${name} mmx`, `NP ${encoding} /r Pq Qq`, 'rw r', (b, dst, src) => {
    mmx(b, dst, src, f);
  });
}

// ---- shifts

/** Shift by a count that may pass the width: then zero, or all sign bits. */
function shiftBy(b: X86Builder, type: string, kind: 'shl' | 'shr_u' | 'shr_s', v: Val, count: Val): Val {
  const width = type === 'i16x8' ? 16 : type === 'i32x4' ? 32 : 64;
  const big = b.geU(count, width);
  if (kind === 'shr_s') return b.op(`${type}.shr_s`, v, b.wrap(b.select(big, b.i64(width - 1), count)));
  return b.select(big, b.v128(new Uint8Array(16)), b.op(`${type}.${kind}`, v, b.wrap(count)));
}

const SHIFTS: readonly [name: string, type: string, kind: 'shl' | 'shr_u' | 'shr_s', regOp: string, immOp: string, digit: number][] = [
  ['psllw', 'i16x8', 'shl', 'F1', '71', 6], ['pslld', 'i32x4', 'shl', 'F2', '72', 6], ['psllq', 'i64x2', 'shl', 'F3', '73', 6],
  ['psrlw', 'i16x8', 'shr_u', 'D1', '71', 2], ['psrld', 'i32x4', 'shr_u', 'D2', '72', 2], ['psrlq', 'i64x2', 'shr_u', 'D3', '73', 2],
  ['psraw', 'i16x8', 'shr_s', 'E1', '71', 4], ['psrad', 'i32x4', 'shr_s', 'E2', '72', 4],
]; // prettier-ignore

const low64 = (b: X86Builder, v: Val): Val => b.lane('i64x2.extract_lane', 0, v);

/** (x:y) >> 8·imm, low 16 bytes; lanes of wasm's swizzle past 15 read as zero. */
function alignRight(b: X86Builder, x: Val, y: Val, bytes: 8 | 16): Val {
  const raw = imm32(b);
  const n = b.op('i8x16.splat', b.select(b.gtU(raw, 2 * bytes), b.i32(2 * bytes), raw));
  const from = b.op('i8x16.add', iota(b), n);
  if (bytes === 8) return b.op('i8x16.swizzle', b.lane('i64x2.replace_lane', 1, y, low64(b, x)), from);
  const other = b.op('i8x16.sub', from, b.op('i8x16.splat', b.i32(16)));
  return b.op('v128.or', b.op('i8x16.swizzle', y, from), b.op('i8x16.swizzle', x, other));
}

function multipleSad(b: X86Builder, x: Val, y: Val): Val {
  const i = imm32(b);
  const offset = b.op('i8x16.splat', b.and(i, 4));
  const block = b.op('i8x16.splat', b.shl(b.and(i, 3), 2));
  let sum = b.v128(new Uint8Array(16));
  for (let k = 0; k < 4; k++) {
    // Words: byte x[offset + lane + k] and byte y[block + k]; the odd byte of each word is out of range, so zero.
    const lanes = b.v128(Array.from({ length: 16 }, (_, j) => (j & 1 ? 0x80 : (j >> 1) + k)));
    const same = b.v128(Array.from({ length: 16 }, (_, j) => (j & 1 ? 0x80 : k)));
    const p = b.op('i8x16.swizzle', x, b.op('i8x16.add', lanes, offset));
    const q = b.op('i8x16.swizzle', y, b.op('i8x16.add', same, block));
    sum = b.op('i16x8.add', sum, b.op('i16x8.sub', b.op('i16x8.max_u', p, q), b.op('i16x8.min_u', p, q)));
  }
  return sum;
}

/** Smallest word and its position: minima of (word << 16 | index). */
function minPosition(b: X86Builder, v: Val): Val {
  const index = (first: number): Val => b.v128([0, 1, 2, 3].flatMap((i) => [first + i, 0, 0, 0]));
  const keyed = (part: 'low' | 'high', first: number): Val =>
    b.op('v128.or', b.op('i32x4.shl', b.op(`i32x4.extend_${part}_i16x8_u`, v), b.i32(16)), index(first));
  let m = b.op('i32x4.min_u', keyed('low', 0), keyed('high', 4));
  m = b.op('i32x4.min_u', m, dwords(b, m, m, [2, 3, 0, 1]));
  m = b.op('i32x4.min_u', m, dwords(b, m, m, [1, 0, 3, 2]));
  const k = b.lane('i32x4.extract_lane', 0, m);
  const packed = b.or(b.shrU(k, 16), b.shl(b.and(k, 7), 16));
  return b.lane('i32x4.replace_lane', 0, b.v128(new Uint8Array(16)), packed);
}

export const sseInt: readonly Definition[] = [
  ...BOTH.flatMap(([code, name, f]) => [sse(name, `0F ${code}`, f), mmxForm(name, `0F ${code}`, f)]),
  ...BOTH38.flatMap(([code, name, f]) => [sse(name, `0F 38 ${code}`, f), mmxForm(name, `0F 38 ${code}`, f)]),
  ...SSE4.map(([code, name, f]) => sse(name, code, f)),
  // Bitwise operations on floats are the integer ones.
  ...([['54', 'and', op('v128.and')], ['55', 'andn', swapped('v128.andnot')], ['56', 'or', op('v128.or')], ['57', 'xor', op('v128.xor')]] as const).flatMap(
    ([code, name, f]) =>
      ([['NP', 'ps'], ['66', 'pd']] as const).map(([p, suffix]) =>
        insn(`${name}${suffix}`, `${p} 0F ${code} /r Vdq Wdq`, 'rw r', (b, dst, src) => {
          b.writeXmm(dst, f(b, b.readXmm(dst), b.readXmm(src)));
        }),
      ),
  ),
  sse('pshufb', '0F 38 00', shuffleBytes),
  insn('pshufb mmx', 'NP 0F 38 00 /r Pq Qq', 'rw r', (b, dst, src) => {
    // Three index bits; bit 7 clears.
    mmx(b, dst, src, (_, x, y) => b.op('i8x16.swizzle', x, b.op('v128.and', y, b.op('i8x16.splat', b.i32(0x87)))));
  }),
  ...HALVED38.flatMap(([code, name, f]) => [
    sse(name, `0F 38 ${code}`, f),
    insn(`${name} mmx`, `NP 0F 38 ${code} /r Pq Qq`, 'rw r', (b, dst, src) => {
      mmxPair(b, dst, src, (pair) => f(b, pair, pair));
    }),
  ]),
  ...PACKS.flatMap(([code, name, f, half]) => [
    sse(name, `0F ${code}`, f),
    insn(`${name} mmx`, `NP 0F ${code} /r Pq Qq`, 'rw r', (b, dst, src) => {
      mmxPair(b, dst, src, (pair) => half(b, pair, pair));
    }),
  ]),
  ...INTERLEAVE.flatMap(([code, name, lanes, half]) => [
    sse(name, `0F ${code}`, (b, x, y) => b.shuffle(x, y, lanes)),
    insn(`${name} mmx`, `NP 0F ${code} /r Pq Q${name.includes('kl') ? 'd' : 'q'}`, 'rw r', (b, dst, src) => {
      mmx(b, dst, src, (_, x, y) => b.shuffle(x, y, half));
    }),
  ]),
  sse('punpcklqdq', '0F 6C', (b, x, y) => b.shuffle(x, y, interleave(8, 0, 16))),
  sse('punpckhqdq', '0F 6D', (b, x, y) => b.shuffle(x, y, interleave(8, 8, 16))),
  ...([['14', 'unpckl', 0], ['15', 'unpckh', 8]] as const).flatMap(([code, name, from]) => [
    insn(`${name}ps`, `NP 0F ${code} /r Vdq Wdq`, 'rw r', (b, dst, src) => {
      b.writeXmm(dst, b.shuffle(b.readXmm(dst), b.readXmm(src), interleave(4, from, 16)));
    }),
    insn(`${name}pd`, `66 0F ${code} /r Vdq Wdq`, 'rw r', (b, dst, src) => {
      b.writeXmm(dst, b.shuffle(b.readXmm(dst), b.readXmm(src), interleave(8, from, 16)));
    }),
  ]),

  ...SHIFTS.flatMap(([name, type, kind, regOp, immOp, digit]) => [
    insn(name, `66 0F ${regOp} /r Vdq Wdq`, 'rw r', (b, dst, src) => {
      b.writeXmm(dst, shiftBy(b, type, kind, b.readXmm(dst), low64(b, b.readXmm(src))));
    }),
    insn(`${name} imm`, `66 0F ${immOp} /${digit} Udq Ib`, 'rw r', (b, dst) => {
      b.writeXmm(dst, shiftBy(b, type, kind, b.readXmm(dst), b.imm()));
    }),
    insn(`${name} mmx`, `NP 0F ${regOp} /r Pq Qq`, 'rw r', (b, dst, src) => {
      mmx(b, dst, src, (_, x, y) => shiftBy(b, type, kind, x, low64(b, y)));
    }),
    insn(`${name} mmx imm`, `NP 0F ${immOp} /${digit} Nq Ib`, 'rw r', (b, dst) => {
      waitX87(b);
      const r = shiftBy(b, type, kind, wide(b, b.readMmx(dst)), b.imm());
      enterMmx(b);
      b.writeMmx(dst, low64(b, r));
    }),
  ]),

  insn('palignr', '66 0F 3A 0F /r Vdq Wdq Ib', 'rw r r', (b, dst, src) => {
    b.writeXmm(dst, alignRight(b, b.readXmm(dst), b.readXmm(src), 16));
  }),
  insn('palignr mmx', 'NP 0F 3A 0F /r Pq Qq Ib', 'rw r r', (b, dst, src) => {
    mmx(b, dst, src, (_, x, y) => alignRight(b, x, y, 8));
  }),
  insn('mpsadbw', '66 0F 3A 42 /r Vdq Wdq Ib', 'rw r r', (b, dst, src) => {
    b.writeXmm(dst, multipleSad(b, b.readXmm(dst), b.readXmm(src)));
  }),
  insn('phminposuw', '66 0F 38 41 /r Vdq Wdq', 'w r', (b, dst, src) => {
    b.writeXmm(dst, minPosition(b, b.readXmm(src)));
  }),
  insn('ptest', '66 0F 38 17 /r Vdq Wdq', 'r r', (b, x, y) => {
    const u = b.readXmm(x);
    const v = b.readXmm(y);
    const zf = b.eqz(b.op('v128.any_true', b.op('v128.and', v, u)));
    const cf = b.eqz(b.op('v128.any_true', b.op('v128.andnot', v, u)));
    b.setArithFlags(b.or(b.shl(zf, 6), cf));
  }),

  // MMX moves and what only MMX has.
  insn('movd to mmx', 'NP 0F 6E /r Pq Ey', 'w r', (b, dst, src) => {
    waitX87(b);
    const v = b.read(src);
    enterMmx(b);
    b.writeMmx(dst, v);
  }),
  insn('movd from mmx', 'NP 0F 7E /r Ey Pq', 'w r', (b, dst, src) => {
    waitX87(b);
    b.write(dst, b.readMmx(src));
    enterMmx(b);
  }),
  insn('movq mmx', ['NP 0F 6F /r Pq Qq', 'NP 0F 7F /r Qq Pq'], 'w r', (b, dst, src) => {
    waitX87(b);
    const v = b.readMmx(src);
    if (dst.kind === 'mem') {
      b.writeMmx(dst, v);
      enterMmx(b);
    } else {
      enterMmx(b);
      b.writeMmx(dst, v);
    }
  }),
  insn('movntq', 'NP 0F E7 /r Mq Pq', 'w r', (b, dst, src) => {
    waitX87(b);
    b.write(dst, b.readMmx(src));
    enterMmx(b);
  }),
  insn('movq2dq', 'F3 0F D6 /r Vdq Nq', 'w r', (b, dst, src) => {
    waitX87(b);
    enterMmx(b);
    b.writeXmm(dst, wide(b, b.readMmx(src)));
  }),
  insn('movdq2q', 'F2 0F D6 /r Pq Udq', 'w r', (b, dst, src) => {
    waitX87(b);
    const v = low64(b, b.readXmm(src));
    enterMmx(b);
    b.writeMmx(dst, v);
  }),
  insn('pmovmskb mmx', 'NP 0F D7 /r Gd Nq', 'w r', (b, dst, src) => {
    waitX87(b);
    const m = b.op('i8x16.bitmask', wide(b, b.readMmx(src)));
    enterMmx(b);
    b.write(dst, b.extU(m));
  }),
  insn('pshufw', 'NP 0F 70 /r Pq Qq Ib', 'w r r', (b, dst, src) => {
    waitX87(b);
    const v = b.readMmx(src);
    const i = b.imm();
    let r = b.i64(0);
    for (let k = 0; k < 4; k++) {
      const from = b.shl(b.and(b.shrU(i, 2 * k), 3), 4);
      r = b.or(r, b.shl(b.and(b.shrU(v, from), 0xffff), 16 * k));
    }
    enterMmx(b);
    b.writeMmx(dst, r);
  }),
  insn('pinsrw mmx', 'NP 0F C4 /r Pq Ew Ib', 'rw r r', (b, dst, src) => {
    waitX87(b);
    const shift = b.shl(b.and(b.imm(), 3), 4);
    const v = b.read(src);
    const r = b.or(b.and(b.readMmx(dst), b.not(b.shl(b.i64(0xffff), shift))), b.shl(v, shift));
    enterMmx(b);
    b.writeMmx(dst, r);
  }),
  insn('pextrw mmx', 'NP 0F C5 /r Gd Nq Ib', 'w r r', (b, dst, src) => {
    waitX87(b);
    const v = b.and(b.shrU(b.readMmx(src), b.shl(b.and(b.imm(), 3), 4)), 0xffff);
    enterMmx(b);
    b.write(dst, v);
  }),
  insn('maskmovq', 'NP 0F F7 /r Pq Nq', 'r r', (b, value, mask) => {
    waitX87(b);
    const v = b.readMmx(value);
    const m = b.readMmx(mask);
    const rdi = b.add(b.gpr(7), b.stringSegment());
    const selected = (i: number, then: () => void): void => {
      b.if(b.and(b.wrap(b.shrU(m, 8 * i + 7)), 1), then);
    };
    for (let i = 0; i < 8; i++)
      selected(i, () => {
        b.translate(b.add(rdi, i), 1, 'w');
      });
    for (let i = 0; i < 8; i++)
      selected(i, () => {
        b.store('i64.store8', b.add(rdi, i), b.shrU(v, 8 * i), 1);
      });
    enterMmx(b);
  }),
  insn('emms', 'NP 0F 77', '', (b) => {
    waitX87(b);
    b.setState('i32.store', S.fpuTop, b.i32(0));
    b.setState('i32.store', S.fpuTags, b.i32(0));
  }),
]; // prettier-ignore

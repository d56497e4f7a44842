/** SSE moves, shuffles, inserts and extracts. SDM vol. 2. */
import type { Val } from '../../../builder.ts';
import type { Operand, X86Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';

const zero = (b: X86Builder): Val => b.v128(new Uint8Array(16));

/** The immediate as i32. */
export const imm32 = (b: X86Builder): Val => b.wrap(b.imm());

/** 0, 1, 2 … 15. */
export const iota = (b: X86Builder): Val => b.v128(Array.from({ length: 16 }, (_, i) => i));

/** Byte indices for i8x16.swizzle that pick four 32-bit lanes by the 2-bit fields of `fields` (i32). */
function pickLanes(b: X86Builder, fields: Val): Val {
  let v = b.op('i32x4.splat', b.and(fields, 3));
  for (let i = 1; i < 4; i++) v = b.lane('i32x4.replace_lane', i, v, b.and(b.shrU(fields, 2 * i), 3));
  const scaled = b.op('i32x4.mul', v, b.op('i32x4.splat', b.i32(0x04040404)));
  return b.op('i32x4.add', scaled, b.op('i32x4.splat', b.i32(0x03020100)));
}

/** The same for four 16-bit lanes, in the low half (upper half 0). */
function pickWords(b: X86Builder, fields: Val): Val {
  let v = zero(b);
  for (let i = 0; i < 4; i++) v = b.lane('i16x8.replace_lane', i, v, b.and(b.shrU(fields, 2 * i), 3));
  const scaled = b.op('i16x8.mul', v, b.op('i16x8.splat', b.i32(0x0202)));
  return b.op('i16x8.add', scaled, b.op('i16x8.splat', b.i32(0x0100)));
}

/** All-ones lanes where the bit of the same number is set in `bits` (i32). */
export function laneMask(b: X86Builder, lanes: 2 | 4 | 8, bits: Val): Val {
  if (lanes === 8) {
    const each = b.v128(bytesOf(Uint16Array.from([1, 2, 4, 8, 16, 32, 64, 128])));
    return b.op('i16x8.eq', b.op('v128.and', b.op('i16x8.splat', bits), each), each);
  }
  const fields = lanes === 4 ? [1, 2, 4, 8] : [1, 1, 2, 2];
  const each = b.v128(bytesOf(Uint32Array.from(fields)));
  return b.op('i32x4.eq', b.op('v128.and', b.op('i32x4.splat', bits), each), each);
}

function bytesOf(a: Uint16Array | Uint32Array): Uint8Array {
  return new Uint8Array(a.buffer);
}

const low64 = (b: X86Builder, v: Val): Val => b.lane('i64x2.extract_lane', 0, v);
const high64 = (b: X86Builder, v: Val): Val => b.lane('i64x2.extract_lane', 1, v);

/** dst.low stays, dst.high = value. */
const withHigh = (b: X86Builder, v: Val, high: Val): Val => b.lane('i64x2.replace_lane', 1, v, high);
const withLow = (b: X86Builder, v: Val, low: Val): Val => b.lane('i64x2.replace_lane', 0, v, low);

function copy(b: X86Builder, dst: Operand, src: Operand): void {
  b.writeXmm(dst, b.readXmm(src));
}

/** Full-register moves: prefix, load and store opcode, aligned or not. */
const FULL_MOVES: readonly [string, string, string, string, boolean][] = [
  ['movups', 'NP', '10', '11', false], ['movupd', '66', '10', '11', false], ['movdqu', 'F3', '6F', '7F', false],
  ['movaps', 'NP', '28', '29', true], ['movapd', '66', '28', '29', true], ['movdqa', '66', '6F', '7F', true],
]; // prettier-ignore

/** pmovsx/pmovzx: name, opcode, source size, widening steps. */
const WIDEN: readonly [string, number, string, string[]][] = [
  ['bw', 0, 'q', ['i16x8.extend_low_i8x16']],
  ['bd', 1, 'd', ['i16x8.extend_low_i8x16', 'i32x4.extend_low_i16x8']],
  ['bq', 2, 'w', ['i16x8.extend_low_i8x16', 'i32x4.extend_low_i16x8', 'i64x2.extend_low_i32x4']],
  ['wd', 3, 'q', ['i32x4.extend_low_i16x8']],
  ['wq', 4, 'd', ['i32x4.extend_low_i16x8', 'i64x2.extend_low_i32x4']],
  ['dq', 5, 'q', ['i64x2.extend_low_i32x4']],
];

export const sseMove: readonly Definition[] = [
  ...FULL_MOVES.flatMap(([name, p, load, store, aligned]) => {
    const w = aligned ? 'Wdq' : 'Wu';
    return [insn(name, [`${p} 0F ${load} /r Vdq ${w}`, `${p} 0F ${store} /r ${w} Vdq`], 'w r', (b, dst, src) => {
        copy(b, dst, src);
      })];
  }),
  insn('lddqu', 'F2 0F F0 /r Vdq Mu', 'w r', (b, dst, src) => {
        copy(b, dst, src);
      }),
  insn('movntdqa', '66 0F 38 2A /r Vdq Mu', 'w r', (b, dst, src) => {
    b.raiseIf(b.nez(b.and(b.wrap(b.ea(src)), 15)), 'protection');
    copy(b, dst, src);
  }),
  ...(['NP 0F 2B', '66 0F 2B', '66 0F E7'] as const).map((e, i) =>
    insn(['movntps', 'movntpd', 'movntdq'][i], `${e} /r Mu Vdq`, 'w r', (b, dst, src) => {
      b.raiseIf(b.nez(b.and(b.wrap(b.ea(dst)), 15)), 'protection');
      copy(b, dst, src);
    }),
  ),

  // Scalar moves: register to register merges, from memory clears the rest.
  insn('movss', ['F3 0F 10 /r Vdq Wd', 'F3 0F 11 /r Wd Vdq'], 'w r', (b, dst, src) => {
    if (dst.kind === 'mem' || src.kind === 'mem') copy(b, dst, src);
    else b.writeXmm(dst, b.shuffle(b.readXmm(src), b.readXmm(dst), [0, 1, 2, 3, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31]));
  }),
  insn('movsd', ['F2 0F 10 /r Vdq Wq', 'F2 0F 11 /r Wq Vdq'], 'w r', (b, dst, src) => {
    if (dst.kind === 'mem' || src.kind === 'mem') copy(b, dst, src);
    else b.writeXmm(dst, withLow(b, b.readXmm(dst), low64(b, b.readXmm(src))));
  }),
  insn('movq', ['F3 0F 7E /r Vdq Wq', '66 0F D6 /r Wq Vdq'], 'w r', (b, dst, src) => {
    if (dst.kind === 'mem' || src.kind === 'mem') copy(b, dst, src);
    else b.writeXmm(dst, withLow(b, zero(b), low64(b, b.readXmm(src))));
  }),
  insn('movd to xmm', '66 0F 6E /r Vdq Ey', 'w r', (b, dst, src) => {
    b.writeXmm(dst, withLow(b, zero(b), b.read(src)));
  }),
  insn('movd from xmm', '66 0F 7E /r Ey Vdq', 'w r', (b, dst, src) => {
    b.write(dst, low64(b, b.readXmm(src)));
  }),
  insn('movlps', ['NP 0F 12 /r Vdq Mq', '66 0F 12 /r Vdq Mq'], 'rw r', (b, dst, src) => {
    b.writeXmm(dst, withLow(b, b.readXmm(dst), b.read(src)));
  }),
  insn('movlps store', ['NP 0F 13 /r Mq Vdq', '66 0F 13 /r Mq Vdq'], 'w r', (b, dst, src) => {
    b.write(dst, low64(b, b.readXmm(src)));
  }),
  insn('movhlps', 'NP 0F 12 /r Vdq Udq', 'rw r', (b, dst, src) => {
    b.writeXmm(dst, withLow(b, b.readXmm(dst), high64(b, b.readXmm(src))));
  }),
  insn('movhps', ['NP 0F 16 /r Vdq Mq', '66 0F 16 /r Vdq Mq'], 'rw r', (b, dst, src) => {
    b.writeXmm(dst, withHigh(b, b.readXmm(dst), b.read(src)));
  }),
  insn('movhps store', ['NP 0F 17 /r Mq Vdq', '66 0F 17 /r Mq Vdq'], 'w r', (b, dst, src) => {
    b.write(dst, high64(b, b.readXmm(src)));
  }),
  insn('movlhps', 'NP 0F 16 /r Vdq Udq', 'rw r', (b, dst, src) => {
    b.writeXmm(dst, withHigh(b, b.readXmm(dst), low64(b, b.readXmm(src))));
  }),
  insn('movmskps', 'NP 0F 50 /r Gd Udq', 'w r', (b, dst, src) => {
    b.write(dst, b.extU(b.op('i32x4.bitmask', b.readXmm(src))));
  }),
  insn('movmskpd', '66 0F 50 /r Gd Udq', 'w r', (b, dst, src) => {
    b.write(dst, b.extU(b.op('i64x2.bitmask', b.readXmm(src))));
  }),
  insn('pmovmskb', '66 0F D7 /r Gd Udq', 'w r', (b, dst, src) => {
    b.write(dst, b.extU(b.op('i8x16.bitmask', b.readXmm(src))));
  }),
  insn('movddup', 'F2 0F 12 /r Vdq Wq', 'w r', (b, dst, src) => {
    b.writeXmm(dst, b.op('i64x2.splat', low64(b, b.readXmm(src))));
  }),
  insn('movsldup', 'F3 0F 12 /r Vdq Wdq', 'w r', (b, dst, src) => {
    const v = b.readXmm(src);
    b.writeXmm(dst, b.shuffle(v, v, [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]));
  }),
  insn('movshdup', 'F3 0F 16 /r Vdq Wdq', 'w r', (b, dst, src) => {
    const v = b.readXmm(src);
    b.writeXmm(dst, b.shuffle(v, v, [4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15]));
  }),
  insn('maskmovdqu', '66 0F F7 /r Vdq Udq', 'r r', (b, value, mask) => {
    // Byte by byte: bytes not selected are neither written nor checked.
    const v = b.readXmm(value);
    const m = b.op('i8x16.bitmask', b.readXmm(mask));
    const rdi = b.add(b.gpr(7), b.stringSegment());
    // All selected bytes are translated before the first is written: a fault leaves no trace.
    const selected = (i: number, then: () => void): void => {
      b.if(b.and(b.shrU(m, i), 1), then);
    };
    for (let i = 0; i < 16; i++)
      selected(i, () => {
        b.translate(b.add(rdi, i), 1, 'w');
      });
    for (let i = 0; i < 16; i++)
      selected(i, () => {
        b.store('i32.store8', b.add(rdi, i), b.lane('i8x16.extract_lane_u', i, v), 1);
      });
  }),

  // Shuffles.
  insn('shufps', 'NP 0F C6 /r Vdq Wdq Ib', 'rw r r', (b, dst, src) => {
    const pick = pickLanes(b, imm32(b));
    const x = b.op('i8x16.swizzle', b.readXmm(dst), pick);
    const y = b.op('i8x16.swizzle', b.readXmm(src), pick);
    b.writeXmm(dst, b.shuffle(x, y, [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31]));
  }),
  insn('shufpd', '66 0F C6 /r Vdq Wdq Ib', 'rw r r', (b, dst, src) => {
    const i = imm32(b);
    const x = b.readXmm(dst);
    const y = b.readXmm(src);
    const low = b.select(b.and(i, 1), high64(b, x), low64(b, x));
    const high = b.select(b.and(i, 2), high64(b, y), low64(b, y));
    b.writeXmm(dst, withHigh(b, b.op('i64x2.splat', low), high));
  }),
  insn('pshufd', '66 0F 70 /r Vdq Wdq Ib', 'w r r', (b, dst, src) => {
    b.writeXmm(dst, b.op('i8x16.swizzle', b.readXmm(src), pickLanes(b, imm32(b))));
  }),
  insn('pshuflw', 'F2 0F 70 /r Vdq Wdq Ib', 'w r r', (b, dst, src) => {
    const v = b.readXmm(src);
    b.writeXmm(dst, withLow(b, v, low64(b, b.op('i8x16.swizzle', v, pickWords(b, imm32(b))))));
  }),
  insn('pshufhw', 'F3 0F 70 /r Vdq Wdq Ib', 'w r r', (b, dst, src) => {
    const v = b.readXmm(src);
    const pick = b.op('i8x16.add', pickWords(b, imm32(b)), b.op('i8x16.splat', b.i32(8)));
    b.writeXmm(dst, withHigh(b, v, low64(b, b.op('i8x16.swizzle', v, pick))));
  }),
  insn('pslldq', '66 0F 73 /7 Udq Ib', 'rw r', (b, dst) => {
    const n = b.op('i8x16.splat', b.select(b.gtU(imm32(b), 15), b.i32(16), imm32(b)));
    b.writeXmm(dst, b.op('i8x16.swizzle', b.readXmm(dst), b.op('i8x16.sub', iota(b), n)));
  }),
  insn('psrldq', '66 0F 73 /3 Udq Ib', 'rw r', (b, dst) => {
    const n = b.op('i8x16.splat', b.select(b.gtU(imm32(b), 15), b.i32(16), imm32(b)));
    b.writeXmm(dst, b.op('i8x16.swizzle', b.readXmm(dst), b.op('i8x16.add', iota(b), n)));
  }),
  ...WIDEN.flatMap(([name, n, size, steps]) =>
    (['s', 'z'] as const).map((sign) =>
      insn(`pmov${sign}x${name}`, `66 0F 38 ${((sign === 's' ? 0x20 : 0x30) + n).toString(16).toUpperCase()} /r Vdq W${size}`, 'w r', (b, dst, src) => {
        let v = b.readXmm(src);
        for (const s of steps) v = b.op(`${s}_${sign === 's' ? 's' : 'u'}`, v);
        b.writeXmm(dst, v);
      }),
    ),
  ),

  // Inserts, extracts, blends (SSE2, SSE4.1).
  insn('pinsrw', '66 0F C4 /r Vdq Ew Ib', 'rw r r', (b, dst, src) => {
    insertAt(b, dst, b.read(src), 2);
  }),
  // The register form names a 32-bit register: no ah…bh there.
  insn('pinsrb', ['66 0F 3A 20 /r Vdq Rd Ib', '66 0F 3A 20 /r Vdq Mb Ib'], 'rw r r', (b, dst, src) => {
    insertAt(b, dst, b.read(src), 1);
  }),
  insn('pinsrd', '66 0F 3A 22 /r Vdq Ey Ib', 'rw r r', (b, dst, src) => {
    insertAt(b, dst, b.read(src), src.bits / 8);
  }),
  insn('pextrw', '66 0F C5 /r Gd Udq Ib', 'w r r', (b, dst, src) => {
    b.write(dst, extractAt(b, src, 2));
  }),
  insn('pextrw mem', '66 0F 3A 15 /r Ew Vdq Ib', 'w r r', (b, dst, src) => {
    writeWide(b, dst, extractAt(b, src, 2));
  }),
  insn('pextrb', ['66 0F 3A 14 /r Rd Vdq Ib', '66 0F 3A 14 /r Mb Vdq Ib'], 'w r r', (b, dst, src) => {
    writeWide(b, dst, extractAt(b, src, 1));
  }),
  insn('pextrd', '66 0F 3A 16 /r Ey Vdq Ib', 'w r r', (b, dst, src) => {
    b.write(dst, extractAt(b, src, dst.bits / 8));
  }),
  insn('extractps', '66 0F 3A 17 /r Ed Vdq Ib', 'w r r', (b, dst, src) => {
    b.write(dst, extractAt(b, src, 4));
  }),
  insn('insertps', '66 0F 3A 21 /r Vdq Wd Ib', 'rw r r', (b, dst, src) => {
    const i = imm32(b);
    const v = b.readXmm(src);
    const value = src.kind === 'mem' ? v : b.op('i8x16.swizzle', v, pickLanes(b, b.shrU(i, 6)));
    const into = laneMask(b, 4, b.shl(b.i32(1), b.and(b.shrU(i, 4), 3)));
    const lane0 = b.op('i32x4.splat', b.lane('i32x4.extract_lane', 0, value));
    const merged = b.op('v128.bitselect', lane0, b.readXmm(dst), into);
    b.writeXmm(dst, b.op('v128.andnot', merged, laneMask(b, 4, b.and(i, 15))));
  }),
  ...([['pblendw', '0E', 8], ['blendps', '0C', 4], ['blendpd', '0D', 2]] as const).map(([name, op, lanes]) =>
    insn(name, `66 0F 3A ${op} /r Vdq Wdq Ib`, 'rw r r', (b, dst, src) => {
      b.writeXmm(dst, b.op('v128.bitselect', b.readXmm(src), b.readXmm(dst), laneMask(b, lanes, imm32(b))));
    }),
  ),
  // The mask is xmm0: each lane's sign bit.
  ...([['pblendvb', '10', 'i8x16', 7], ['blendvps', '14', 'i32x4', 31], ['blendvpd', '15', 'i64x2', 63]] as const).map(([name, op, type, sign]) =>
    insn(name, `66 0F 38 ${op} /r Vdq Wdq`, 'rw r', (b, dst, src) => {
      const mask = b.op(`${type}.shr_s`, b.xmm(0), b.i32(sign));
      b.writeXmm(dst, b.op('v128.bitselect', b.readXmm(src), b.readXmm(dst), mask));
    }),
  ),
]; // prettier-ignore

/** Where lane `imm` begins in an xmm register. */
function laneStart(b: X86Builder, bytes: number): Val {
  return b.mul(b.and(imm32(b), 16 / bytes - 1), bytes);
}

function insertAt(b: X86Builder, dst: Operand, value: Val, bytes: number): void {
  const store = bytes === 8 ? 'i64.store' : `i64.store${bytes * 8}`;
  b.storeReg(store, dst, value, laneStart(b, bytes));
}

function extractAt(b: X86Builder, src: Operand, bytes: number): Val {
  const load = bytes === 8 ? 'i64.load' : `i64.load${bytes * 8}_u`;
  return b.loadReg(load, src, laneStart(b, bytes));
}

/** A register destination of PEXTRB and PEXTRW takes the zero-extended value whole. */
function writeWide(b: X86Builder, dst: Operand, value: Val): void {
  if (dst.kind === 'mem') b.write(dst, value);
  else b.storeReg('i64.store', dst, value, b.i32(0));
}

/** SSE4.2 strings and CRC32, AES-NI, PCLMULQDQ. SDM vol. 2. */
import type { Val } from '../../../builder.ts';
import type { Helper } from '../../../interp/helpers.ts';
import { CRC32C } from '../../../tables.ts';
import {
  AES_INVERSE_SHIFT_ROWS,
  AES_SHIFT_ROWS,
  inverseMixColumns,
  mixColumns,
  reordered,
} from '../../common.ts';
import { CF, OF, RCX, SF, ZF, type Operand, type X86Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';
import { imm32, laneMask } from './sse-move.ts';

const zero = (b: X86Builder): Val => b.v128(new Uint8Array(16));

/** Bit of every element: bytes give 16 of them, words 8. */
const bitmask = (b: X86Builder, words: boolean, v: Val): Val =>
  b.op(words ? 'i16x8.bitmask' : 'i8x16.bitmask', v);

/**
 * PCMPxSTRx (SDM vol. 2, "Imm8 control byte operation"): (x, y, imm, valid elements of x, of y) → IntRes2. One function for
 * bytes, one for words.
 */
function compareStrings(words: boolean): Helper<X86Builder> {
  const n = words ? 8 : 16;
  const t = words ? 'i16x8' : 'i8x16';
  const full = (1 << n) - 1;
  return {
    name: words ? 'pcmpstr_w' : 'pcmpstr_b',
    params: ['v128', 'v128', 'i32', 'i32', 'i32'],
    result: 'i32',
    build: (b, x, y, imm, lenX, lenY) => {
      const upTo = (len: Val): Val => b.sub(b.shl(b.i32(1), len), 1);
      const validX = upTo(lenX);
      const validY = upTo(lenY);
      const res = b.var('i32', b.i32(0));
      const i = b.var('i32', b.i32(0));
      /** Element i of x in every lane of a vector. */
      const element = (at: Val): Val => {
        const index = words ? b.op('i16x8.splat', b.add(b.mul(at, 0x0202), 0x0100)) : b.op('i8x16.splat', at);
        return b.op('i8x16.swizzle', x, index);
      };
      const eachOfX = (step: number, body: () => void): void => {
        b.set(i, b.i32(0));
        b.block((exit) => {
          b.loop((again) => {
            b.brIf(exit, b.gtS(b.add(b.get(i), step), lenX));
            body();
            b.set(i, b.add(b.get(i), step));
            b.br(again);
          });
        });
      };
      const or = (m: Val): void => {
        b.set(res, b.or(b.get(res), m));
      };
      b.switch(
        b.and(b.shrU(imm, 2), 3),
        [
          () => {
            eachOfX(1, () => {
              or(bitmask(b, words, b.op(`${t}.eq`, element(b.get(i)), y)));
            });
            b.set(res, b.and(b.get(res), validY));
          },
          () => {
            eachOfX(2, () => {
              const low = element(b.get(i));
              const high = element(b.add(b.get(i), 1));
              const within = (s: 's' | 'u'): Val =>
                b.op('v128.and', b.op(`${t}.ge_${s}`, y, low), b.op(`${t}.le_${s}`, y, high));
              or(bitmask(b, words, b.select(b.and(imm, 2), within('s'), within('u'))));
            });
            b.set(res, b.and(b.get(res), validY));
          },
          () => {
            const both = b.and(validX, validY);
            const neither = b.and(b.not(b.or(validX, validY)), full);
            b.set(res, b.or(b.and(bitmask(b, words, b.op(`${t}.eq`, x, y)), both), neither));
          },
        ],
        () => {
          b.set(res, b.i32(full));
          eachOfX(1, () => {
            // Positions whose element would lie past the end are not looked at.
            const hit = b.and(bitmask(b, words, b.op(`${t}.eq`, element(b.get(i)), y)), validY);
            const past = b.and(b.not(b.shrU(b.i32(full), b.get(i))), full);
            b.set(res, b.and(b.get(res), b.or(b.shrU(hit, b.get(i)), past)));
          });
        },
      );
      const negate = b.select(b.and(imm, 0x20), validY, b.i32(full));
      b.fn.return(b.select(b.and(imm, 0x10), b.xor(b.get(res), negate), b.get(res)));
    },
  };
}

/** Valid elements up to the terminating zero. */
function implicitLength(b: X86Builder, words: boolean, v: Val): Val {
  const zeros = bitmask(b, words, b.op(words ? 'i16x8.eq' : 'i8x16.eq', v, zero(b)));
  return b.ctz(b.or(zeros, 1 << (words ? 8 : 16)));
}

/** |rax| or |rdx|, at most the number of elements. */
function explicitLength(b: X86Builder, words: boolean, reg: number): Val {
  // Without REX.W the registers are 32 bits wide.
  const raw = b.bits === 64 ? b.gpr(reg) : b.sext(b.gpr(reg, 32), 32);
  const size = b.select(b.ltS(raw, 0), b.neg(raw), raw);
  const n = words ? 8 : 16;
  return b.wrap(b.select(b.gtU(size, n), b.i64(n), size));
}

function strings(b: X86Builder, xo: Operand, yo: Operand, explicit: boolean, index: boolean): void {
  const x = b.readXmm(xo);
  const y = b.readXmm(yo);
  const imm = imm32(b);
  const run = (words: boolean): void => {
    const n = words ? 8 : 16;
    const lenX = explicit ? explicitLength(b, words, 0) : implicitLength(b, words, x);
    const lenY = explicit ? explicitLength(b, words, 2) : implicitLength(b, words, y);
    const r = b.callHelper(words ? 'pcmpstr_w' : 'pcmpstr_b', x, y, imm, lenX, lenY)!;
    const any = b.nez(r);
    if (index) {
      const first = b.ctz(b.or(r, 1 << n));
      const last = b.select(any, b.sub(b.i32(31), b.clz(r)), b.i32(n));
      b.setGpr(RCX, b.extU(b.select(b.and(imm, 0x40), last, first)));
    } else {
      const bits = b.lane('i32x4.replace_lane', 0, zero(b), r);
      b.setXmm(0, b.select(b.and(imm, 0x40), expand(b, words, r), bits));
    }
    const flag = (cond: Val, mask: number): Val => b.shl(cond, Math.log2(mask));
    const f = b.or(
      b.or(flag(any, CF), flag(b.ltU(lenY, n), ZF)),
      b.or(flag(b.ltU(lenX, n), SF), flag(b.and(r, 1), OF)),
    );
    b.setArithFlags(f);
  };
  b.if(
    b.and(imm, 1),
    () => {
      run(true);
    },
    () => {
      run(false);
    },
  );
}

/** A mask of all-ones elements from bits. */
function expand(b: X86Builder, words: boolean, bits: Val): Val {
  if (words) return laneMask(b, 8, bits);
  const halves = b.shuffle(
    b.op('i8x16.splat', bits),
    b.op('i8x16.splat', b.shrU(bits, 8)),
    [0, 0, 0, 0, 0, 0, 0, 0, 16, 16, 16, 16, 16, 16, 16, 16],
  );
  const each = b.v128([1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);
  return b.op('i8x16.eq', b.op('v128.and', halves, each), each);
}

/** CRC-32C over the low `bytes` of a value. */
const crc32c: Helper<X86Builder> = {
  name: 'crc32c',
  params: ['i32', 'i64', 'i32'],
  result: 'i32',
  build: (b, crc, data, bytes) => {
    const c = b.var('i32', crc);
    const d = b.var('i64', data);
    const n = b.var('i32', bytes);
    b.loop((again) => {
      const slot = b.shl(b.and(b.xor(b.get(c), b.wrap(b.get(d))), 0xff), 2);
      b.set(c, b.xor(b.shrU(b.get(c), 8), b.rawLoad('i32.load', slot, CRC32C)));
      b.set(d, b.shrU(b.get(d), 8));
      b.set(n, b.sub(b.get(n), 1));
      b.brIf(again, b.get(n));
    });
    b.fn.return(b.get(c));
  },
};

export const sse42Helpers: readonly Helper<X86Builder>[] = [
  compareStrings(false),
  compareStrings(true),
  crc32c,
];

export const sse42: readonly Definition[] = [
  ...([['pcmpestrm', '60', true, false], ['pcmpestri', '61', true, true], ['pcmpistrm', '62', false, false], ['pcmpistri', '63', false, true]] as const).map(
    ([name, code, explicit, index]) =>
      insn(name, `66 0F 3A ${code} /r Vdq Wu Ib${explicit ? ' .y' : ''}`, 'r r r', (b, x, y) => {
        strings(b, x, y, explicit, index);
      }),
  ),
  insn('crc32', ['F2 0F 38 F0 /r Gy Eb', 'F2 0F 38 F1 /r Gy Ev'], 'rw r', (b, dst, src) => {
    const crc = b.wrap(b.read(dst));
    b.write(dst, b.extU(b.callHelper('crc32c', crc, b.read(src), b.i32(src.bits / 8))!));
  }),
  insn('aesenc', '66 0F 38 DC /r Vdq Wdq', 'rw r', (b, dst, src) => {
    const key = b.readXmm(src);
    const s = b.callHelper('aes_sub', reordered(b, b.readXmm(dst), AES_SHIFT_ROWS))!;
    b.writeXmm(dst, b.op('v128.xor', mixColumns(b, s), key));
  }),
  insn('aesenclast', '66 0F 38 DD /r Vdq Wdq', 'rw r', (b, dst, src) => {
    const key = b.readXmm(src);
    b.writeXmm(dst, b.op('v128.xor', b.callHelper('aes_sub', reordered(b, b.readXmm(dst), AES_SHIFT_ROWS))!, key));
  }),
  insn('aesdec', '66 0F 38 DE /r Vdq Wdq', 'rw r', (b, dst, src) => {
    const key = b.readXmm(src);
    const s = b.callHelper('aes_inv_sub', reordered(b, b.readXmm(dst), AES_INVERSE_SHIFT_ROWS))!;
    b.writeXmm(dst, b.op('v128.xor', inverseMixColumns(b, s), key));
  }),
  insn('aesdeclast', '66 0F 38 DF /r Vdq Wdq', 'rw r', (b, dst, src) => {
    const key = b.readXmm(src);
    b.writeXmm(dst, b.op('v128.xor', b.callHelper('aes_inv_sub', reordered(b, b.readXmm(dst), AES_INVERSE_SHIFT_ROWS))!, key));
  }),
  insn('aesimc', '66 0F 38 DB /r Vdq Wdq', 'w r', (b, dst, src) => {
    b.writeXmm(dst, inverseMixColumns(b, b.readXmm(src)));
  }),
  insn('aeskeygenassist', '66 0F 3A DF /r Vdq Wdq Ib', 'w r r', (b, dst, src) => {
    const s = b.callHelper('aes_sub', b.readXmm(src))!;
    // Words 1 and 3, plain and rotated right by a byte, the rotated ones with the round constant.
    const picked = reordered(b, s, [4, 5, 6, 7, 5, 6, 7, 4, 12, 13, 14, 15, 13, 14, 15, 12]);
    const rcon = b.extU(imm32(b));
    b.writeXmm(dst, b.op('v128.xor', picked, b.op('i64x2.splat', b.shl(rcon, 32))));
  }),
  insn('pclmulqdq', '66 0F 3A 44 /r Vdq Wdq Ib', 'rw r r', (b, dst, src) => {
    const i = imm32(b);
    const half = (v: Val, bit: number): Val =>
      b.select(b.and(i, bit), b.lane('i64x2.extract_lane', 1, v), b.lane('i64x2.extract_lane', 0, v));
    b.writeXmm(dst, b.callHelper('clmul', half(b.readXmm(dst), 1), half(b.readXmm(src), 0x10))!);
  }),
]; // prettier-ignore

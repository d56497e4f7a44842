/** MUL, IMUL, DIV, IDIV. SDM vol. 2. */
import type { Val } from '../../../builder.ts';
import { multiplyHigh } from '../../common.ts';
import type { Helper } from '../../../interp/helpers.ts';
import { AF, CF, OF, PF, RAX, RDX, SF, ZF, type Operand, type X86Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';

const MUL_UNDEFINED = SF | ZF | AF | PF;
const DIV_UNDEFINED = CF | OF | SF | ZF | AF | PF;

/** CF = OF = `overflow` (i32); the undefined ones as the result's. */
function mulFlags(b: X86Builder, low: Val, overflow: Val, bits: number): void {
  b.flagsShift(low, overflow, overflow, bits);
}

function mulWide(b: X86Builder, o: Operand, signed: boolean): void {
  const { bits } = o;
  const read = (v: Val): Val => (signed ? b.sext(v, bits) : v);
  const x = read(b.gpr(RAX, bits));
  const y = read(b.read(o));
  const low = b.mul(x, y);
  if (bits === 64) {
    const high = b.callHelper(signed ? 'mulhi_s' : 'mulhi_u', x, y)!;
    b.setGpr(RAX, low);
    b.setGpr(RDX, high);
    mulFlags(b, low, signed ? b.ne(high, b.shrS(low, 63)) : b.nez(high), 64);
    return;
  }
  if (bits === 8) b.setGpr(RAX, low, 16);
  else {
    b.setGpr(RAX, low, bits);
    b.setGpr(RDX, b.shrU(low, bits), bits);
  }
  const fits = signed ? b.eq(b.sext(low, bits), low) : b.eq(b.zext(low, bits), low);
  mulFlags(b, low, b.eqz(fits), bits);
}

function imul(b: X86Builder, dst: Operand, x: Val, y: Val): void {
  const low = b.mul(x, y);
  const overflow =
    dst.bits === 64
      ? b.ne(b.callHelper('mulhi_s', x, y)!, b.shrS(low, 63))
      : b.ne(b.sext(low, dst.bits), low);
  b.write(dst, low);
  mulFlags(b, low, overflow, dst.bits);
}

function divide(b: X86Builder, o: Operand, signed: boolean): void {
  const { bits } = o;
  const d = signed ? b.sext(b.read(o), bits) : b.read(o);
  b.raiseIf(b.eqz(d), 'divide');
  if (bits === 64) {
    divide64(b, d, signed);
    return;
  }
  let n: Val;
  if (bits === 8) n = signed ? b.sext(b.gpr(RAX, 16), 16) : b.gpr(RAX, 16);
  else {
    const pair = b.or(b.shl(b.gpr(RDX, bits), bits), b.gpr(RAX, bits));
    n = signed ? b.sext(pair, bits * 2) : pair;
  }
  // Only −2^63 / −1 traps the host, and its quotient would not fit anyway.
  if (signed && bits === 32) b.raiseIf(b.and(b.eq(n, -(1n << 63n)), b.eq(d, -1)), 'divide');
  const q = signed ? b.divS(n, d) : b.divU(n, d);
  const r = signed ? b.remS(n, d) : b.remU(n, d);
  const fits = signed ? b.eq(b.sext(q, bits), q) : b.eq(b.zext(q, bits), q);
  b.raiseIf(b.eqz(fits), 'divide');
  if (bits === 8) b.setGpr(RAX, b.or(b.zext(q, 8), b.shl(b.zext(r, 8), 8)), 16);
  else {
    b.setGpr(RAX, q, bits);
    b.setGpr(RDX, r, bits);
  }
}

function divide64(b: X86Builder, d: Val, signed: boolean): void {
  const low = b.gpr(RAX);
  const high = b.gpr(RDX);
  const done = (q: Val, r: Val): void => {
    b.setGpr(RAX, q);
    b.setGpr(RDX, r);
  };
  if (!signed) {
    b.raiseIf(b.geU(high, d), 'divide');
    b.if(
      b.eqz(high),
      () => {
        done(b.divU(low, d), b.remU(low, d));
      },
      () => {
        const q = b.callHelper('udiv128', high, low, d)!;
        done(q, b.sub(low, b.mul(q, d)));
      },
    );
    return;
  }
  b.if(
    b.and(b.eq(high, b.shrS(low, 63)), b.ne(low, -(1n << 63n))),
    () => {
      done(b.divS(low, d), b.remS(low, d));
    },
    () => {
      const negative = b.ltS(high, 0);
      const nLow = b.select(negative, b.neg(low), low);
      const nHigh = b.select(negative, b.sub(b.not(high), b.neg(b.extU(b.eqz(low)))), high);
      const dAbs = b.select(b.ltS(d, 0), b.neg(d), d);
      b.raiseIf(b.geU(nHigh, dAbs), 'divide');
      const q = b.callHelper('udiv128', nHigh, nLow, dAbs)!;
      const minus = b.ne(negative, b.ltS(d, 0));
      // |q| may reach 2^63 only when the quotient is negative.
      b.raiseIf(b.gtU(q, b.select(minus, b.i64(1n << 63n), b.i64((1n << 63n) - 1n))), 'divide');
      const r = b.sub(nLow, b.mul(q, dAbs));
      done(b.select(minus, b.neg(q), q), b.select(negative, b.neg(r), r));
    },
  );
}

export const muldiv: readonly Definition[] = [
  insn('mul', ['F6 /4 Eb', 'F7 /4 Ev'], 'r', (b, o) => {
    mulWide(b, o, false);
  }, { undefinedFlags: MUL_UNDEFINED }),
  insn('imul', ['F6 /5 Eb', 'F7 /5 Ev'], 'r', (b, o) => {
    mulWide(b, o, true);
  }, { undefinedFlags: MUL_UNDEFINED }),
  insn('imul2', '0F AF /r Gv Ev', 'rw r', (b, dst, src) => {
    imul(b, dst, b.readS(dst), b.readS(src));
  }, { undefinedFlags: MUL_UNDEFINED }),
  insn('imul3', ['69 /r Gv Ev Iz', '6B /r Gv Ev Ibs'], 'w r r', (b, dst, src, k) => {
    imul(b, dst, b.readS(src), b.readS(k));
  }, { undefinedFlags: MUL_UNDEFINED }),
  insn('div', ['F6 /6 Eb', 'F7 /6 Ev'], 'r', (b, o) => {
    divide(b, o, false);
  }, { undefinedFlags: DIV_UNDEFINED }),
  insn('idiv', ['F6 /7 Eb', 'F7 /7 Ev'], 'r', (b, o) => {
    divide(b, o, true);
  }, { undefinedFlags: DIV_UNDEFINED }),
]; // prettier-ignore

/** (high · 2^64 + low) / d for high < d: schoolbook division with two 32-bit quotient digits (Knuth, TAOCP 4.3.1 D). */
const udiv128: Helper<X86Builder> = {
  name: 'udiv128',
  params: ['i64', 'i64', 'i64'],
  result: 'i64',
  build: (b, high, low, d) => {
    const s = b.clz(d);
    const v = b.shl(d, s);
    const [vh, vl] = [b.shrU(v, 32), b.zext(v, 32)];
    // (x >> 1) >> (63 − s) is x >> (64 − s), also for s = 0.
    const u = b.or(b.shl(high, s), b.shrU(b.shrU(low, 1), b.sub(b.i64(63), s)));
    const ul = b.shl(low, s);
    const digit = (rest: Val, next: Val): [Val, Val] => {
      const q = b.var('i64', b.divU(rest, vh));
      const r = b.var('i64', b.remU(rest, vh));
      // At most two corrections; past 32 bits of remainder none can be needed.
      for (let i = 0; i < 2; i++) {
        const tooBig = b.or(
          b.geU(b.get(q), 1n << 32n),
          b.gtU(b.mul(b.get(q), vl), b.or(b.shl(b.get(r), 32), next)),
        );
        b.if(b.and(b.ltU(b.get(r), 1n << 32n), tooBig), () => {
          b.set(q, b.sub(b.get(q), 1));
          b.set(r, b.add(b.get(r), vh));
        });
      }
      const quotient = b.get(q);
      return [quotient, b.sub(b.or(b.shl(rest, 32), next), b.mul(quotient, v))];
    };
    const [q1, rest] = digit(u, b.shrU(ul, 32));
    const [q0] = digit(rest, b.zext(ul, 32));
    b.fn.return(b.or(b.shl(q1, 32), q0));
  },
};

export const muldivHelpers: readonly Helper<X86Builder>[] = [...multiplyHigh, udiv128];

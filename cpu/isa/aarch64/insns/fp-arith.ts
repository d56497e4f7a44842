/**
 * Exact floating-point arithmetic: the host's own operation where it is certain to be right, flags included; soft-float
 * (float/fp.ts) for the rest.
 *
 * With rounding to nearest and no flush-to-zero it is right when the result is finite and, where it could have lost
 * bits to underflow, not near the denormals. Once FPSR.IXC is set nothing else need be known: that is what handlers ask
 * first (`settled`). Until then shared functions find out whether the result is exact.
 */
import type { Val } from '../../../builder.ts';
import { IXC } from '../../../float/arm-float.ts';
import { fpOp, type FpOp, type FpType } from '../../../float/fp-ops.ts';
import type { Helper } from '../../../interp/helpers.ts';
import {
  double,
  doubleLike,
  exponentOutside,
  fusedMultiplyAdd,
  inexact,
  midRange,
  sumError,
  toOdd,
  type ScalarType,
} from '../../error-free.ts';
import type { Speculation } from '../../../facts.ts';
import type { A64Builder } from '../builder.ts';
import type { Reg } from '../define.ts';
import { A, FZ, RMODE } from '../layout.ts';

export type { ScalarType };

/** FPCR and FPSR side by side. */
function controlIs(b: A64Builder, clear: number): Val {
  const ixc = BigInt(IXC) << 32n;
  return b.eq(b.and(b.getState('i64.load', A.fpcr), ixc | BigInt(clear)), ixc);
}
/** Rounding to nearest, nothing flushed, IXC set already. */
export function settled(b: A64Builder): Val {
  const now = (): Val => controlIs(b, FZ | RMODE);
  const guess = supposing(b);
  return guess ? guess.atEntry('settled', 'i32', now) : now();
}
/** What an instruction may leave to the interpreter, unless that happens often. */
export function supposing(b: A64Builder): Speculation | null {
  const guess = b.speculation;
  return guess && !guess.failed && !guess.facts.tentative ? guess : null;
}
/** To be called where FPCR or FPSR was written. */
export function controlChanged(b: A64Builder): void {
  b.speculation?.renew('settled', 'i32', () => controlIs(b, FZ | RMODE));
}
/** The same where neither operands nor result are denormal. */
export const settledNormal = (b: A64Builder): Val => controlIs(b, RMODE);
/** Rounding to nearest. */
export function nearest(b: A64Builder): Val {
  return b.eqz(b.and(b.getState('i32.load', A.fpcr), RMODE));
}
/** Nothing is flushed. */
export function unflushed(b: A64Builder): Val {
  return b.eqz(b.and(b.getState('i32.load', A.fpcr), FZ));
}
/** FPCR.RMode as i32. */
export function roundingMode(b: A64Builder): Val {
  return b.and(b.shrU(b.getState('i32.load', A.fpcr), 22), 3);
}
/** Sets FPSR's flags (i32). */
export function raise(b: A64Builder, flags: Val): void {
  b.setState('i32.store', A.fpsr, b.or(b.getState('i32.load', A.fpsr), flags));
}
export function raiseInexact(b: A64Builder, lost: Val): void {
  raise(b, b.shl(lost, 4));
}

export function soft(b: A64Builder, op: FpOp, t: FpType, x: Val, y?: Val, z?: Val): Val {
  return b.callHost('fp', b.i32(fpOp(op, t)), x, y ?? b.i64(0), z ?? b.i64(0))!;
}

export const bitsOf = (t: ScalarType): 32 | 64 => (t === 'f64' ? 64 : 32);
export const konst = (b: A64Builder, t: ScalarType, n: number): Val => (t === 'f64' ? b.f64(n) : b.f32(n));
/** A number as its bits in an i64, and back. */
export function toBits(b: A64Builder, v: Val): Val {
  return v.type === 'f64' ? b.op('i64.reinterpret_f64', v) : b.extU(b.op('i32.reinterpret_f32', v));
}
export function fromBits(b: A64Builder, t: ScalarType, bits: Val): Val {
  return t === 'f64' ? b.op('f64.reinterpret_i64', bits) : b.op('f32.reinterpret_i32', b.wrap(bits));
}
export const scalar = (b: A64Builder, t: ScalarType, r: Reg): Val => (t === 'f64' ? b.f64v(r) : b.f32v(r));
/** Writes a scalar result and clears the rest of the register. */
export function setScalar(b: A64Builder, r: Reg, v: Val): void {
  if (b.speculation) {
    // Registers are values there: made at once it does not depend on what was in it.
    const shape = v.type === 'f64' ? 'f64x2' : 'f32x4';
    b.storeReg('v128.store', r, b.lane(`${shape}.replace_lane`, 0, b.v128(new Uint8Array(16)), v));
    return;
  }
  if (v.type === 'f64') b.storeReg('f64.store', r, v);
  else b.storeReg('i64.store', r, toBits(b, v));
  b.storeReg('i64.store', r, b.i64(0), 8);
}

/** Smallest magnitude that a rounded result cannot have come to from a tiny one. */
export const SAFE = { f32: 2 ** -125, f64: 2 ** -1021 } as const;

export function finite(b: A64Builder, t: ScalarType, v: Val): Val {
  return b.op(`${t}.lt`, b.op(`${t}.abs`, v), konst(b, t, Infinity));
}
export function safe(b: A64Builder, t: ScalarType, v: Val): Val {
  const a = b.op(`${t}.abs`, v);
  return b.and(b.op(`${t}.ge`, a, konst(b, t, SAFE[t])), b.op(`${t}.lt`, a, konst(b, t, Infinity)));
}

/** No denormal, and no NaN: what flush-to-zero leaves alone. */
export function ordinary(b: A64Builder, t: ScalarType, v: Val): Val {
  const normal = b.op(`${t}.ge`, b.op(`${t}.abs`, v), konst(b, t, t === 'f64' ? 2 ** -1022 : 2 ** -126));
  return b.or(normal, b.op(`${t}.eq`, v, konst(b, t, 0)));
}
/** Whether one is infinite. With such an operand all results but NaN are exact. */
export function anyInfinite(b: A64Builder, t: ScalarType, ...operands: readonly Val[]): Val {
  const is = (v: Val): Val => b.op(`${t}.eq`, b.op(`${t}.abs`, v), konst(b, t, Infinity));
  return operands.map(is).reduce((x, y) => b.or(x, y));
}
const isNumber = (b: A64Builder, t: ScalarType, v: Val): Val => b.op(`${t}.eq`, v, v);
/** Operands that are not flushed. */
function kept(b: A64Builder, t: ScalarType, ...operands: readonly Val[]): Val {
  return operands.reduce((ok, v) => b.and(ok, ordinary(b, t, v)), b.i32(1));
}

export type Binary = 'add' | 'sub' | 'mul' | 'div';

/** Whether the host's result is Arm's when nothing is flushed. Sums are exact where they are tiny; roots never are. */
function certain(b: A64Builder, op: Binary | 'sqrt', t: ScalarType, x: Val, y: Val, r: Val): Val {
  if (op === 'mul' || op === 'div') {
    const isZero = (v: Val): Val => b.op(`${t}.eq`, v, konst(b, t, 0));
    const exact = op === 'mul' ? b.or(isZero(x), isZero(y)) : b.and(isZero(x), finite(b, t, y));
    return b.or(safe(b, t, r), b.and(isZero(r), exact));
  }
  return finite(b, t, r);
}

/** x op y. `helper`: what to call where the fast path is not certain. */
export function arithmetic(
  b: A64Builder,
  op: Binary | 'sqrt',
  t: ScalarType,
  x: Val,
  y: Val,
  helper: FpOp = op,
): Val {
  const fast = op === 'sqrt' ? b.op(`${t}.sqrt`, x) : b.op(`${t}.${op}`, x, y);
  const guess = supposing(b);
  if (guess) {
    guess.leaveIf(b.eqz(settled(b)));
    // Sums are exact where they are tiny, denormals among them.
    const rounded = op === 'mul' || op === 'div';
    b.fn.if(exponentOutside(b, t, fast, rounded ? 2 : 0), () => {
      if (rounded) guess.leaveIf(b.eqz(certain(b, op, t, x, y, fast)));
      else guess.leaveIf(b.i32(1));
    });
    return fast;
  }
  const out = b.var(t, fast);
  const ok = op === 'mul' || op === 'div' ? safe(b, t, fast) : finite(b, t, fast);
  b.if(b.eqz(b.and(settled(b), ok)), () => {
    b.set(out, fromBits(b, t, b.callHelper(`${helper}_${t}`, toBits(b, x), toBits(b, y))!));
  });
  return b.get(out);
}

/** The same from and to bits, with the test for exactness; special cases of FMULX are soft-float's. */
function arithmeticHelper(op: Binary | 'sqrt', t: ScalarType, name: FpOp = op): Helper<A64Builder> {
  return {
    name: `${name}_${t}`,
    params: ['i64', 'i64'],
    result: 'i64',
    build: (b, xBits, yBits) => {
      b.if(nearest(b), () => {
        const x = fromBits(b, t, xBits);
        const y = fromBits(b, t, yBits);
        const r = op === 'sqrt' ? b.op(`${t}.sqrt`, x) : b.op(`${t}.${op}`, x, y);
        const operands = op === 'sqrt' ? [x] : [x, y];
        const allKept = b.or(unflushed(b), kept(b, t, ...operands));
        b.if(b.and(b.and(allKept, isNumber(b, t, r)), anyInfinite(b, t, ...operands)), () => {
          b.fn.return(toBits(b, r));
        });
        const normal = b.or(safe(b, t, r), b.op(`${t}.eq`, r, konst(b, t, 0)));
        const flushless = b.and(allKept, b.or(unflushed(b), normal));
        b.if(b.and(flushless, certain(b, op, t, x, y, r)), () => {
          b.if(b.and(b.getState('i32.load', A.fpsr), IXC), () => {
            b.fn.return(toBits(b, r));
          });
          const lost = inexact(b, t, op, x, y, r);
          b.if(b.geS(lost, 0), () => {
            raiseInexact(b, lost);
            b.fn.return(toBits(b, r));
          });
        });
      });
      b.fn.return(soft(b, name, t, xBits, yBits));
    },
  };
}

/** addend + x · y in double precision. */
const fmaDouble: Helper<A64Builder> = {
  name: 'mulAdd_f64',
  params: ['i64', 'i64', 'i64'],
  result: 'i64',
  build: (b, aBits, xBits, yBits) => {
    b.if(nearest(b), () => {
      const [a, x, y] = [aBits, xBits, yBits].map((v) => b.op('f64.reinterpret_i64', v));
      const flushless = b.or(unflushed(b), kept(b, 'f64', a, x, y));
      const modest = b.and(flushless, b.op('f64.lt', b.op('f64.abs', a), b.f64(2 ** 1000)));
      b.if(b.and(b.and(midRange(b, xBits), midRange(b, yBits)), modest), () => {
        const { value, lost } = fusedMultiplyAdd(b, a, x, y);
        b.if(b.eqz(b.and(b.getState('i32.load', A.fpsr), IXC)), () => {
          raiseInexact(b, lost());
        });
        b.fn.return(toBits(b, value));
      });
      // Nothing to round: a product that is zero (NaN when its other factor is not finite), or an infinity.
      const product = b.op('f64.mul', x, y);
      const sum = b.op('f64.add', a, product);
      const isZero = (v: Val): Val => b.op('f64.eq', v, b.f64(0));
      const none = b.and(b.and(isZero(product), b.or(isZero(x), isZero(y))), finite(b, 'f64', a));
      const infinite = b.and(isNumber(b, 'f64', sum), anyInfinite(b, 'f64', a, x, y));
      b.if(b.and(flushless, b.or(none, infinite)), () => {
        b.fn.return(toBits(b, sum));
      });
    });
    b.fn.return(soft(b, 'mulAdd', 'f64', aBits, xBits, yBits));
  },
};

/** Both lanes at once, when both are ordinary. */
const fmaDoubles: Helper<A64Builder> = {
  name: 'mulAdd_f64x2',
  params: ['v128', 'v128', 'v128'],
  result: 'v128',
  build: (b, a, x, y) => {
    const between = (v: Val, least: number, most: number): Val => {
      const m = double(b, 'abs', v);
      const below = double(b, 'lt', m, doubleLike(b, v, most));
      return least ? b.op('v128.and', below, double(b, 'ge', m, doubleLike(b, v, least))) : below;
    };
    const [p, q, r] = [between(x, 2 ** -400, 2 ** 400), between(y, 2 ** -400, 2 ** 400), between(a, 0, 2 ** 1000)];
    b.if(b.and(settled(b), b.op('i64x2.all_true', b.op('v128.and', b.op('v128.and', p, q), r))), () => {
      b.fn.return(fusedMultiplyAdd(b, a, x, y).value);
    });
    let out = a;
    for (const i of [0, 1]) {
      const lane = (v: Val): Val => b.lane('i64x2.extract_lane', i, v);
      out = b.lane('i64x2.replace_lane', i, out, b.callHelper('mulAdd_f64', lane(a), lane(x), lane(y))!);
    }
    b.fn.return(out);
  },
}; // prettier-ignore

/** In single precision: the product is exact in a double, the sum rounded to odd there. */
const fmaSingle: Helper<A64Builder> = {
  name: 'mulAdd_f32',
  params: ['i64', 'i64', 'i64'],
  result: 'i64',
  build: (b, aBits, xBits, yBits) => {
    b.if(nearest(b), () => {
      const singles = [aBits, xBits, yBits].map((v) => fromBits(b, 'f32', v));
      const [a, x, y] = singles.map((v) => b.op('f64.promote_f32', v));
      const product = b.op('f64.mul', x, y);
      const sum = b.op('f64.add', a, product);
      const rest = sumError(b, a, product, sum);
      const r = b.op('f32.demote_f64', toOdd(b, sum, rest));
      const flushless = b.or(unflushed(b), kept(b, 'f32', ...singles));
      b.if(b.and(b.and(flushless, isNumber(b, 'f64', sum)), anyInfinite(b, 'f32', ...singles)), () => {
        b.fn.return(toBits(b, b.op('f32.demote_f64', sum)));
      });
      b.if(b.and(flushless, b.or(safe(b, 'f32', r), b.op('f64.eq', sum, b.f64(0)))), () => {
        b.if(b.eqz(b.and(b.getState('i32.load', A.fpsr), IXC)), () => {
          raiseInexact(b, b.or(b.op('f64.ne', rest, b.f64(0)), b.op('f64.ne', b.op('f64.promote_f32', r), sum)));
        });
        b.fn.return(toBits(b, r));
      });
    });
    b.fn.return(soft(b, 'mulAdd', 'f32', aBits, xBits, yBits));
  },
}; // prettier-ignore

/** The 29 bits of a double that a float drops are exactly half of its last place: where rounding twice goes wrong. */
export const HALF = { mask: 0x1fffffffn, value: 0x10000000n } as const;

/** a + x · y, rounded once. */
export function mulAdd(b: A64Builder, t: ScalarType, a: Val, x: Val, y: Val): Val {
  if (b.fuses) {
    const v = t === 'f64' ? 'f64x2' : 'f32x4';
    const [A, X, Y] = [a, x, y].map((q) => b.op(`${v}.splat`, q));
    const r = b.lane(`${v}.extract_lane`, 0, b.op(`${v}.relaxed_madd`, X, Y, A));
    const supposed = supposing(b);
    if (supposed) {
      supposed.leaveIf(b.eqz(settled(b)));
      b.fn.if(exponentOutside(b, t, r, 2), () => {
        const isZero = (q: Val): Val => b.op(`${t}.eq`, q, konst(b, t, 0));
        const none = b.and(b.and(isZero(r), isZero(a)), b.or(isZero(x), isZero(y)));
        supposed.leaveIf(b.eqz(none));
      });
      return r;
    }
    const out = b.var(t, r);
    b.if(b.eqz(b.and(settled(b), safe(b, t, r))), () => {
      b.set(out, fromBits(b, t, b.callHelper(`mulAdd_${t}`, toBits(b, a), toBits(b, x), toBits(b, y))!));
    });
    return b.get(out);
  }
  const guess = supposing(b);
  if (guess && t === 'f64') {
    const large = b.eqz(b.op('f64.lt', b.op('f64.abs', a), b.f64(2 ** 1000)));
    for (const needed of [settled(b), midRange(b, toBits(b, x)), midRange(b, toBits(b, y))])
      guess.leaveIf(b.eqz(needed));
    guess.leaveIf(large);
    return fusedMultiplyAdd(b, a, x, y).value;
  }
  if (t === 'f64')
    return b.op('f64.reinterpret_i64', b.callHelper('mulAdd_f64', toBits(b, a), toBits(b, x), toBits(b, y))!);
  const wide = (v: Val): Val => b.op('f64.promote_f32', v);
  const sum = b.op('f64.add', wide(a), b.op('f64.mul', wide(x), wide(y)));
  const r = b.op('f32.demote_f64', sum);
  const apart = b.ne(b.and(b.op('i64.reinterpret_f64', sum), HALF.mask), HALF.value);
  const ok = b.and(b.and(settled(b), safe(b, 'f32', r)), apart);
  if (guess) {
    guess.leaveIf(b.eqz(ok));
    return r;
  }
  const out = b.var('f32', r);
  b.if(b.eqz(ok), () => {
    b.set(out, fromBits(b, t, b.callHelper('mulAdd_f32', toBits(b, a), toBits(b, x), toBits(b, y))!));
  });
  return b.get(out);
}

/** Bits of a half (i64) to a single; special ones by soft-float. Nothing is lost and denormals are never flushed. */
export function halfToSingle(b: A64Builder, half: Val): Val {
  const h = b.wrap(half);
  // The exponent and fraction in their new places, and the exponents' difference made good by a product.
  const magnitude = b.op('f32.reinterpret_i32', b.shl(b.and(h, 0x7fff), 13));
  const sign = b.op('f32.reinterpret_i32', b.shl(h, 16));
  const out = b.var('f32', b.op('f32.copysign', b.op('f32.mul', magnitude, b.f32(2 ** 112)), sign));
  b.if(b.eq(b.and(h, 0x7c00), 0x7c00), () => {
    b.set(out, fromBits(b, 'f32', soft(b, 'toSingle', 'f16', half)));
  });
  return b.get(out);
}

/** Bits of a single (i64) to those of a half: normal results and zeros here. */
export function singleToHalf(b: A64Builder, single: Val): Val {
  const s = b.wrap(single);
  const magnitude = b.and(s, 0x7fffffff);
  const sign = b.and(b.shrU(s, 16), 0x8000);
  // From twice the smallest normal half to what still rounds to the largest.
  const inRange = b.ltU(b.sub(magnitude, 0x39000000), 0x477ff000 - 0x39000000);
  const exact = b.eqz(b.and(s, 0x1fff));
  const ok = b.or(b.and(inRange, b.or(exact, settledNormal(b))), b.eqz(magnitude));
  const rounded = b.shrU(b.add(magnitude, b.add(b.and(b.shrU(s, 13), 1), 0xfff)), 13);
  const value = b.select(inRange, b.sub(rounded, 112 << 10), b.i32(0));
  const out = b.var('i64', b.extU(b.or(value, sign)));
  b.if(b.eqz(ok), () => {
    b.set(out, soft(b, 'toHalf', 'f32', single));
  });
  return b.get(out);
}

/** To an integral value, by a rounding mode 0…4 of FPRounding. Keeps the sign of zero. */
export function integral(b: A64Builder, t: ScalarType, x: Val, rounding: number): Val {
  if (rounding < 4) return b.op(`${t}.${(['nearest', 'ceil', 'floor', 'trunc'] as const)[rounding]}`, x);
  const whole = b.op(`${t}.trunc`, x);
  const far = b.op(`${t}.ge`, b.op(`${t}.abs`, b.op(`${t}.sub`, x, whole)), konst(b, t, 0.5));
  return b.select(far, b.op(`${t}.add`, whole, b.op(`${t}.copysign`, konst(b, t, 1), x)), whole);
}

export const fpHelpers: readonly Helper<A64Builder>[] = [
  ...(['add', 'sub', 'mul', 'div', 'sqrt'] as const).flatMap((op) => [
    arithmeticHelper(op, 'f32'),
    arithmeticHelper(op, 'f64'),
  ]),
  arithmeticHelper('mul', 'f32', 'mulx'),
  arithmeticHelper('mul', 'f64', 'mulx'),
  fmaSingle,
  fmaDouble,
  fmaDoubles,
];

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
import { inexact, midRange, productError, sumError, type ScalarType } from '../../error-free.ts';
import type { A64Builder } from '../builder.ts';
import type { Reg } from '../define.ts';
import { A } from '../layout.ts';

export type { ScalarType };

const FZ = 0x01000000;
const RMODE = 0x00c00000;

/** Rounding to nearest, nothing flushed, IXC set already. */
export function settled(b: A64Builder): Val {
  // FPCR and FPSR side by side.
  const both = b.getState('i64.load', A.fpcr);
  const ixc = BigInt(IXC) << 32n;
  return b.eq(b.and(both, ixc | BigInt(FZ | RMODE)), ixc);
}
/** Rounding to nearest, nothing flushed. */
export function plain(b: A64Builder): Val {
  return b.eqz(b.and(b.getState('i32.load', A.fpcr), FZ | RMODE));
}
/** Nothing flushed: what does not round needs no more. */
export function unflushed(b: A64Builder): Val {
  return b.eqz(b.and(b.getState('i32.load', A.fpcr), FZ));
}
/** FPCR.RMode as i32. */
export function roundingMode(b: A64Builder): Val {
  return b.and(b.shrU(b.getState('i32.load', A.fpcr), 22), 3);
}
export function raiseInexact(b: A64Builder, lost: Val): void {
  b.setState('i32.store', A.fpsr, b.or(b.getState('i32.load', A.fpsr), b.shl(lost, 4)));
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

export type Binary = 'add' | 'sub' | 'mul' | 'div';

/** Whether the host's result is Arm's, given `plain`. Sums are exact where they are tiny; roots never are. */
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
      b.if(plain(b), () => {
        const x = fromBits(b, t, xBits);
        const y = fromBits(b, t, yBits);
        const r = op === 'sqrt' ? b.op(`${t}.sqrt`, x) : b.op(`${t}.${op}`, x, y);
        b.if(certain(b, op, t, x, y, r), () => {
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

/** s with its last bit set when something not zero, of the sign of `rest`, was lost: round to odd. */
function toOdd(b: A64Builder, s: Val, rest: Val): Val {
  const bits = toBits(b, s);
  // Truncated toward zero where the rest has the other sign, then the bit set.
  const away = b.ltS(b.xor(bits, toBits(b, rest)), 0);
  const odd = b.or(b.sub(bits, b.extU(away)), 1);
  const exact = b.or(b.op('f64.eq', rest, b.f64(0)), b.wrap(b.and(bits, 1)));
  return b.op('f64.reinterpret_i64', b.select(exact, bits, odd));
}

/** addend + x · y in double precision: Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums" (2008). */
const fmaDouble: Helper<A64Builder> = {
  name: 'mulAdd_f64',
  params: ['i64', 'i64', 'i64'],
  result: 'i64',
  build: (b, aBits, xBits, yBits) => {
    b.if(plain(b), () => {
      const [a, x, y] = [aBits, xBits, yBits].map((v) => b.op('f64.reinterpret_i64', v));
      const modest = b.op('f64.lt', b.op('f64.abs', a), b.f64(2 ** 1000));
      b.if(b.and(b.and(midRange(b, xBits), midRange(b, yBits)), modest), () => {
        const high = b.op('f64.mul', x, y);
        const low = productError(b, x, y, high);
        const t = b.op('f64.add', a, low);
        const tLow = sumError(b, a, low, t);
        const v = b.op('f64.add', high, t);
        const vLow = sumError(b, high, t, v);
        const z = b.op('f64.add', tLow, vLow);
        const odd = toOdd(b, z, sumError(b, tLow, vLow, z));
        const r = b.op('f64.add', v, odd);
        b.if(b.eqz(b.and(b.getState('i32.load', A.fpsr), IXC)), () => {
          // Inexact when either rounding lost something: an odd z cannot be all of it.
          const lostInZ = b.op('f64.ne', sumError(b, tLow, vLow, z), b.f64(0));
          raiseInexact(b, b.or(lostInZ, b.op('f64.ne', sumError(b, v, odd, r), b.f64(0))));
        });
        b.fn.return(toBits(b, r));
      });
      const product = b.op('f64.mul', x, y);
      const isZero = (v: Val): Val => b.op('f64.eq', v, b.f64(0));
      // NaN when the other factor is not finite.
      b.if(b.and(b.and(isZero(product), b.or(isZero(x), isZero(y))), finite(b, 'f64', a)), () => {
        b.fn.return(toBits(b, b.op('f64.add', a, product)));
      });
    });
    b.fn.return(soft(b, 'mulAdd', 'f64', aBits, xBits, yBits));
  },
};

/** In single precision: the product is exact in a double, the sum rounded to odd there. */
const fmaSingle: Helper<A64Builder> = {
  name: 'mulAdd_f32',
  params: ['i64', 'i64', 'i64'],
  result: 'i64',
  build: (b, aBits, xBits, yBits) => {
    b.if(plain(b), () => {
      const [a, x, y] = [aBits, xBits, yBits].map((v) => b.op('f64.promote_f32', fromBits(b, 'f32', v)));
      const product = b.op('f64.mul', x, y);
      const sum = b.op('f64.add', a, product);
      const rest = sumError(b, a, product, sum);
      const r = b.op('f32.demote_f64', toOdd(b, sum, rest));
      b.if(b.or(safe(b, 'f32', r), b.op('f64.eq', sum, b.f64(0))), () => {
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
  if (t === 'f64')
    return b.op('f64.reinterpret_i64', b.callHelper('mulAdd_f64', toBits(b, a), toBits(b, x), toBits(b, y))!);
  const wide = (v: Val): Val => b.op('f64.promote_f32', v);
  const sum = b.op('f64.add', wide(a), b.op('f64.mul', wide(x), wide(y)));
  const r = b.op('f32.demote_f64', sum);
  const out = b.var('f32', r);
  const apart = b.ne(b.and(b.op('i64.reinterpret_f64', sum), HALF.mask), HALF.value);
  b.if(b.eqz(b.and(b.and(settled(b), safe(b, 'f32', r)), apart)), () => {
    b.set(out, fromBits(b, t, b.callHelper('mulAdd_f32', toBits(b, a), toBits(b, x), toBits(b, y))!));
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
];

/**
 * Error-free transformations: what the host's rounding to nearest lost, as another number (Dekker 1971, Knuth TAOCP
 * 4.2.2). They tell whether a result is exact without any of the host's flags.
 */
import type { Builder, Val } from '../builder.ts';

export type ScalarType = 'f32' | 'f64';
export type Arithmetic = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';

/** Bits of the fraction, and the largest biased exponent. */
const FORMAT = { f32: { fraction: 23, max: 0xff, bits: 'i32' }, f64: { fraction: 52, max: 0x7ff, bits: 'i64' } } as const; // prettier-ignore
/** i32: the biased exponent of a number is below `least`, or that of an infinity or NaN. */
export function exponentOutside(b: Builder, t: ScalarType, v: Val, least: number): Val {
  const { fraction, max, bits } = FORMAT[t];
  const shifted = b.shrU(b.op(`${bits}.reinterpret_${t}`, v), fraction);
  const exponent = b.and(t === 'f64' ? b.wrap(shifted) : shifted, max);
  return b.geU(b.sub(exponent, least), max - least);
}

/** |v| within 2^±400: products of halves neither overflow nor lose bits. */
export function midRange(b: Builder, bits: Val): Val {
  const e = b.and(b.wrap(b.shrU(bits, 52)), 0x7ff);
  return b.ltU(b.sub(e, 1023 - 400), 800);
}

/** An f64 operation, or the same on both lanes of an f64x2. */
export const double = (b: Builder, name: string, ...args: [Val, ...Val[]]): Val =>
  b.op(`${args[0].type === 'v128' ? 'f64x2' : 'f64'}.${name}`, ...args);
/** A constant of the type of `like`. */
export const doubleLike = (b: Builder, like: Val, n: number): Val =>
  like.type === 'v128' ? b.v128(new Uint8Array(new Float64Array([n, n]).buffer)) : b.f64(n);

/** x · y − p exactly, by Veltkamp splitting; zero iff p is the exact product. f64 or f64x2. */
export function productError(b: Builder, x: Val, y: Val, p: Val): Val {
  const split = (v: Val): [Val, Val] => {
    const c = double(b, 'mul', v, doubleLike(b, v, 134217729));
    const high = double(b, 'sub', c, double(b, 'sub', c, v));
    return [high, double(b, 'sub', v, high)];
  };
  const [xh, xl] = split(x);
  const [yh, yl] = split(y);
  const mul = (u: Val, v: Val): Val => double(b, 'mul', u, v);
  let e = double(b, 'sub', mul(xh, yh), p);
  e = double(b, 'add', e, mul(xh, yl));
  e = double(b, 'add', e, mul(xl, yh));
  return double(b, 'add', e, mul(xl, yl));
}

/** i32: the result `r` of `op` on x, y is inexact; or −1 when this cannot tell. */
export function inexact(b: Builder, t: ScalarType, op: Arithmetic, x: Val, y: Val, r: Val): Val {
  const zero = b.f64(0);
  if (t === 'f32') {
    // In double precision products of two floats are exact; a sum's error is itself a double.
    const [X, Y, R] = [x, y, r].map((v) => b.op('f64.promote_f32', v)) as [Val, Val, Val];
    switch (op) {
      case 'mul':
        return b.op('f64.ne', b.op('f64.mul', X, Y), R);
      case 'div':
        return b.op('f64.ne', b.op('f64.mul', R, Y), X);
      case 'sqrt':
        return b.op('f64.ne', b.op('f64.mul', R, R), X);
      default:
        return b.or(
          b.op(
            'f64.ne',
            sumError(
              b,
              X,
              op === 'sub' ? b.op('f64.neg', Y) : Y,
              b.op(op === 'sub' ? 'f64.sub' : 'f64.add', X, Y),
            ),
            zero,
          ),
          b.op('f64.ne', b.op(op === 'sub' ? 'f64.sub' : 'f64.add', X, Y), R),
        );
    }
  }
  const bits = (v: Val): Val => b.op('i64.reinterpret_f64', v);
  const sure = (ok: Val, lost: Val): Val => b.select(ok, lost, b.i32(-1));
  switch (op) {
    case 'add':
    case 'sub':
      return b.op('f64.ne', sumError(b, x, op === 'sub' ? b.op('f64.neg', y) : y, r), zero);
    case 'mul': {
      const ok = b.and(b.and(midRange(b, bits(x)), midRange(b, bits(y))), b.i32(1));
      const trivial = b.or(b.op('f64.eq', x, zero), b.op('f64.eq', y, zero));
      return b.select(trivial, b.i32(0), sure(ok, b.op('f64.ne', productError(b, x, y, r), zero)));
    }
    case 'div': {
      const p = b.op('f64.mul', r, y);
      const ok = b.and(b.and(midRange(b, bits(x)), midRange(b, bits(y))), midRange(b, bits(r)));
      const lost = b.or(b.op('f64.ne', p, x), b.op('f64.ne', productError(b, r, y, p), zero));
      return b.select(b.op('f64.eq', x, zero), b.i32(0), sure(ok, lost));
    }
    default: {
      const p = b.op('f64.mul', r, r);
      const lost = b.or(b.op('f64.ne', p, x), b.op('f64.ne', productError(b, r, r, p), zero));
      return b.select(b.op('f64.eq', x, zero), b.i32(0), sure(midRange(b, bits(x)), lost));
    }
  }
}

/** x + y − s exactly (s = x ⊕ y): Knuth's two-sum. f64 or f64x2. */
export function sumError(b: Builder, x: Val, y: Val, s: Val): Val {
  const yy = double(b, 'sub', s, x);
  const xx = double(b, 'sub', s, yy);
  return double(b, 'add', double(b, 'sub', x, xx), double(b, 'sub', y, yy));
}

/**
 * s made odd in its last place when s (x ⊕ y) lost `rest`: rounding to odd, after which another rounding to fewer bits
 * gives what rounding once would have given. f64 or f64x2.
 */
export function toOdd(b: Builder, s: Val, rest: Val): Val {
  const exact = double(b, 'eq', rest, doubleLike(b, rest, 0));
  if (s.type === 'v128') {
    const away = b.op('i64x2.shr_s', b.op('v128.xor', s, rest), b.i32(63));
    const odd = b.op('v128.or', b.op('i64x2.add', s, away), b.op('i64x2.splat', b.i64(1)));
    return b.op('v128.bitselect', s, odd, exact);
  }
  const bits = b.op('i64.reinterpret_f64', s);
  // One less where it was rounded away from zero, then odd: both neighbours of what was lost are not.
  const away = b.shrS(b.xor(bits, b.op('i64.reinterpret_f64', rest)), 63);
  return b.select(exact, s, b.op('f64.reinterpret_i64', b.or(b.add(bits, away), 1)));
}

/**
 * a + x · y rounded once: Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums" (2008). Products must
 * neither overflow nor come near the denormals. `lost`: whether it is inexact, i32 (f64 only). f64 or f64x2.
 */
export function fusedMultiplyAdd(b: Builder, a: Val, x: Val, y: Val): { value: Val; lost: () => Val } {
  const high = double(b, 'mul', x, y);
  const low = productError(b, x, y, high);
  const t = double(b, 'add', a, low);
  const tLow = sumError(b, a, low, t);
  const v = double(b, 'add', high, t);
  const vLow = sumError(b, high, t, v);
  const z = double(b, 'add', tLow, vLow);
  const rest = sumError(b, tLow, vLow, z);
  const odd = toOdd(b, z, rest);
  const value = double(b, 'add', v, odd);
  const zero = (): Val => b.f64(0);
  // An inexact z ends below the last place of any sum with v.
  const lost = (): Val =>
    b.or(b.op('f64.ne', rest, zero()), b.op('f64.ne', sumError(b, v, odd, value), zero()));
  return { value, lost };
}

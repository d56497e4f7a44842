/**
 * Error-free transformations: what the host's rounding to nearest lost, as another number (Dekker 1971, Knuth TAOCP
 * 4.2.2). They tell whether a result is exact without any of the host's flags.
 */
import type { Builder, Val } from '../builder.ts';

export type ScalarType = 'f32' | 'f64';
export type Arithmetic = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';

/** |v| within 2^±400: products of halves neither overflow nor lose bits. */
export function midRange(b: Builder, bits: Val): Val {
  const e = b.and(b.wrap(b.shrU(bits, 52)), 0x7ff);
  return b.ltU(b.sub(e, 1023 - 400), 800);
}

/** x · y − p exactly, by Veltkamp splitting; zero iff p is the exact product. */
export function productError(b: Builder, x: Val, y: Val, p: Val): Val {
  const split = (v: Val): [Val, Val] => {
    const c = b.op('f64.mul', v, b.f64(134217729));
    const high = b.op('f64.sub', c, b.op('f64.sub', c, v));
    return [high, b.op('f64.sub', v, high)];
  };
  const [xh, xl] = split(x);
  const [yh, yl] = split(y);
  const mul = (u: Val, v: Val): Val => b.op('f64.mul', u, v);
  let e = b.op('f64.sub', mul(xh, yh), p);
  e = b.op('f64.add', e, mul(xh, yl));
  e = b.op('f64.add', e, mul(xl, yh));
  return b.op('f64.add', e, mul(xl, yl));
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

/** x + y − s exactly (s = x ⊕ y): Knuth's two-sum. */
export function sumError(b: Builder, x: Val, y: Val, s: Val): Val {
  const yy = b.op('f64.sub', s, x);
  const xx = b.op('f64.sub', s, yy);
  return b.op('f64.add', b.op('f64.sub', x, xx), b.op('f64.sub', y, yy));
}

/**
 * Exact scalar SSE arithmetic as shared functions on bit patterns: the host's own operation where it is certain to be
 * right, flags included; soft-float (float/sse.ts) for the rest.
 *
 * It is right when rounding is to nearest, nothing is flushed, all exceptions are masked, operands and result are
 * normal or exact zeros, and either PE is set already or the result is known to be exact (error-free transforms:
 * Dekker 1971, Knuth TAOCP 4.2.2).
 */
import type { Val } from '../../../builder.ts';
import type { Helper } from '../../../interp/helpers.ts';
import type { X86Builder } from '../builder.ts';
import { PE } from '../../../float/soft-float.ts';
import { SSE_OP, sseOp, type SseOp } from '../../../float/sse-ops.ts';
import { S } from '../../../layout.ts';

export type ScalarType = 'f32' | 'f64';

/** MXCSR bits that must be as after reset for the fast path: FZ, RC, DAZ clear, all masks set. */
export const MXCSR_MODE = 0xffc0;
export const MXCSR_PLAIN = 0x1f80;

const bitsType = { f32: 'i32', f64: 'i64' } as const;

/** Normal, or zero: exponent neither all ones nor (zero with a fraction). `bits` is i64. */
function normalOrZero(b: X86Builder, t: ScalarType, bits: Val): Val {
  const [shift, max] = t === 'f64' ? [52, 0x7ff] : [23, 0xff];
  const e = b.and(b.wrap(b.shrU(bits, shift)), max);
  const magnitude = t === 'f64' ? b.shl(bits, 1) : b.and(bits, 0x7fffffff);
  return b.or(b.ltU(b.sub(e, 1), max - 1), b.eqz(magnitude));
}

/** |v| within 2^±400: products of halves neither overflow nor lose bits. */
function midRange(b: X86Builder, bits: Val): Val {
  const e = b.and(b.wrap(b.shrU(bits, 52)), 0x7ff);
  return b.ltU(b.sub(e, 1023 - 400), 800);
}

/** x · y − p exactly, by Veltkamp splitting; zero iff p is the exact product. */
function productError(b: X86Builder, x: Val, y: Val, p: Val): Val {
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
function inexact(b: X86Builder, t: ScalarType, op: SseOp, x: Val, y: Val, r: Val): Val {
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
function sumError(b: X86Builder, x: Val, y: Val, s: Val): Val {
  const yy = b.op('f64.sub', s, x);
  const xx = b.op('f64.sub', s, yy);
  return b.op('f64.add', b.op('f64.sub', x, xx), b.op('f64.sub', y, yy));
}

function arithmetic(op: 'add' | 'sub' | 'mul' | 'div' | 'sqrt', t: ScalarType): Helper<X86Builder> {
  return {
    name: `${op}_${t}`,
    params: ['i64', 'i64'],
    result: 'i64',
    build: (b, xBits, yBits) => {
      const mxcsr = b.getState('i32.load', S.mxcsr);
      const value = (v: Val): Val =>
        t === 'f64' ? b.op('f64.reinterpret_i64', v) : b.op('f32.reinterpret_i32', b.wrap(v));
      b.if(b.eq(b.and(mxcsr, MXCSR_MODE), MXCSR_PLAIN), () => {
        const x = value(xBits);
        const y = value(yBits);
        const r = op === 'sqrt' ? b.op(`${t}.sqrt`, x) : b.op(`${t}.${op}`, x, y);
        const raw = b.op(`${bitsType[t]}.reinterpret_${t}`, r);
        const rBits = t === 'f64' ? raw : b.extU(raw);
        let ok = b.and(normalOrZero(b, t, rBits), normalOrZero(b, t, xBits));
        if (op !== 'sqrt') ok = b.and(ok, normalOrZero(b, t, yBits));
        const z = t === 'f64' ? b.f64(0) : b.f32(0);
        const isZero = (v: Val): Val => b.op(`${t}.eq`, v, z);
        // A zero product or quotient of nonzero operands has underflowed.
        if (op === 'mul') ok = b.and(ok, b.or(b.eqz(isZero(r)), b.or(isZero(x), isZero(y))));
        if (op === 'div') ok = b.and(ok, b.and(b.or(b.eqz(isZero(r)), isZero(x)), b.eqz(isZero(y))));
        b.if(ok, () => {
          b.if(b.and(mxcsr, PE), () => {
            b.fn.return(rBits);
          });
          const lost = inexact(b, t, op, x, y, r);
          b.if(b.geS(lost, 0), () => {
            b.setState('i32.store', S.mxcsr, b.or(mxcsr, b.shl(lost, 5)));
            b.fn.return(rBits);
          });
        });
      });
      b.fn.return(b.callHost('sse', b.i32(sseOp(SSE_OP[op], t)), xBits, yBits)!);
    },
  };
}

export const sseHelpers: readonly Helper<X86Builder>[] = (
  ['add', 'sub', 'mul', 'div', 'sqrt'] as const
).flatMap((op) => [arithmetic(op, 'f32'), arithmetic(op, 'f64')]);

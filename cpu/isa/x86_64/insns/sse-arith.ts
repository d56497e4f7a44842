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
import { MXCSR_MODE, MXCSR_PLAIN, SSE_OP, sseOp } from '../../../float/sse-ops.ts';
import { S } from '../../../layout.ts';
import { inexact, type ScalarType } from '../../error-free.ts';

export type { ScalarType };

const bitsType = { f32: 'i32', f64: 'i64' } as const;

/** Normal, or zero: exponent neither all ones nor (zero with a fraction). `bits` is i64. */
function normalOrZero(b: X86Builder, t: ScalarType, bits: Val): Val {
  const [shift, max] = t === 'f64' ? [52, 0x7ff] : [23, 0xff];
  const e = b.and(b.wrap(b.shrU(bits, shift)), max);
  const magnitude = t === 'f64' ? b.shl(bits, 1) : b.and(bits, 0x7fffffff);
  return b.or(b.ltU(b.sub(e, 1), max - 1), b.eqz(magnitude));
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

/** SSE conversions between integers and the two formats, and rounding to integral values, lane by lane. SDM vol. 1 ch. 11. */
import type { Val } from '../../../builder.ts';
import { PE } from '../../../float/soft-float.ts';
import { MXCSR_MODE, MXCSR_PLAIN, SSE_OP, sseOp } from '../../../float/sse-ops.ts';
import { S } from '../../../layout.ts';
import type { X86Builder } from '../builder.ts';
import type { ScalarType } from './sse-arith.ts';

/** Soft-float's answer for one lane. */
export function host(b: X86Builder, op: number, t: ScalarType, x: Val, y: Val): Val {
  return b.callHost('sse', b.i32(sseOp(op, t)), x, y)!;
}

function setFlags(b: X86Builder, flags: Val): void {
  b.setState('i32.store', S.mxcsr, b.or(b.getState('i32.load', S.mxcsr), flags));
}

/** i32: nothing is flushed, no exception is unmasked, rounding is to nearest. */
export const plainMode = (b: X86Builder): Val =>
  b.eq(b.and(b.getState('i32.load', S.mxcsr), MXCSR_MODE), MXCSR_PLAIN);

/** MXCSR.RC as i32. */
const roundingControl = (b: X86Builder): Val => b.and(b.shrU(b.getState('i32.load', S.mxcsr), 13), 3);

/** Rounds an f64 to an integer by an RC field (0 nearest, 1 down, 2 up, 3 toward zero). */
function roundF64(b: X86Builder, x: Val, rc: Val): Val {
  const out = b.var('f64');
  b.switch(
    rc,
    (['nearest', 'floor', 'ceil'] as const).map((n) => () => {
      b.set(out, b.op(`f64.${n}`, x));
    }),
    () => {
      b.set(out, b.op('f64.trunc', x));
    },
  );
  return b.get(out);
}

/** One lane (bits, i64) to a signed integer of `bits`, as i64. */
export function toInt(b: X86Builder, t: ScalarType, lane: Val, bits: 32 | 64, truncate: boolean): Val {
  const x =
    t === 'f64'
      ? b.op('f64.reinterpret_i64', lane)
      : b.op('f64.promote_f32', b.op('f32.reinterpret_i32', b.wrap(lane)));
  const r = truncate ? b.op('f64.trunc', x) : roundF64(b, x, roundingControl(b));
  const limit = 2 ** (bits - 1);
  const inRange = b.and(b.op('f64.ge', r, b.f64(-limit)), b.op('f64.lt', r, b.f64(limit)));
  const out = b.var('i64');
  const exact = b.op('f64.eq', r, x);
  b.if(
    b.and(inRange, b.or(exact, plainMode(b))),
    () => {
      b.if(b.eqz(exact), () => {
        setFlags(b, b.i32(PE));
      });
      b.set(out, b.op('i64.trunc_sat_f64_s', r));
    },
    () => {
      const op =
        bits === 32
          ? truncate
            ? SSE_OP.toInt32Truncate
            : SSE_OP.toInt32
          : truncate
            ? SSE_OP.toInt64Truncate
            : SSE_OP.toInt64;
      b.set(out, host(b, op, t, lane, b.i64(0)));
    },
  );
  return b.get(out);
}

/** A signed integer (i64) to float bits. Integers a float holds exactly raise nothing. */
export function fromInt(b: X86Builder, t: ScalarType, i: Val): Val {
  const bits = t === 'f64' ? 53 : 24;
  const out = b.var('i64');
  const small = b.leU(b.add(i, 1n << BigInt(bits)), 1n << BigInt(bits + 1));
  b.if(
    small,
    () => {
      b.set(
        out,
        t === 'f64'
          ? b.op('i64.reinterpret_f64', b.op('f64.convert_i64_s', i))
          : b.extU(b.op('i32.reinterpret_f32', b.op('f32.convert_i64_s', i))),
      );
    },
    () => {
      b.set(out, host(b, SSE_OP.fromInt, t, i, b.i64(0)));
    },
  );
  return b.get(out);
}

/** Float bits of one format to the other. */
export function convert(b: X86Builder, from: ScalarType, lane: Val): Val {
  const out = b.var('i64');
  const slow = (): void => {
    b.set(out, host(b, SSE_OP.convert, from, lane, b.i64(0)));
  };
  if (from === 'f32') {
    const x = b.op('f32.reinterpret_i32', b.wrap(lane));
    const a = b.op('f32.abs', x);
    const normal = b.and(b.op('f32.ge', a, b.f32(2 ** -126)), b.op('f32.lt', a, b.f32(Infinity)));
    b.if(b.or(normal, b.op('f32.eq', a, b.f32(0))), () => {
      b.set(out, b.op('i64.reinterpret_f64', b.op('f64.promote_f32', x)));
    }, slow); // prettier-ignore
  } else {
    const x = b.op('f64.reinterpret_i64', lane);
    const r = b.op('f32.demote_f64', x);
    const a = b.op('f32.abs', r);
    const normal = b.and(b.op('f32.ge', a, b.f32(2 ** -126)), b.op('f32.lt', a, b.f32(Infinity)));
    const exact = b.op('f64.eq', b.op('f64.promote_f32', r), x);
    b.if(b.and(b.or(normal, b.op('f64.eq', x, b.f64(0))), b.or(exact, plainMode(b))), () => {
      b.if(b.eqz(exact), () => {
        setFlags(b, b.i32(PE));
      });
      b.set(out, b.extU(b.op('i32.reinterpret_f32', r)));
    }, slow); // prettier-ignore
  }
  return b.get(out);
}

/** ROUNDxx on one lane; `control` is the immediate (i32). */
export function roundLane(b: X86Builder, t: ScalarType, lane: Val, control: Val): Val {
  const rc = b.select(b.and(control, 4), roundingControl(b), b.and(control, 3));
  const out = b.var('i64');
  const x =
    t === 'f64'
      ? b.op('f64.reinterpret_i64', lane)
      : b.op('f64.promote_f32', b.op('f32.reinterpret_i32', b.wrap(lane)));
  const isNan = b.op('f64.ne', x, x);
  b.if(
    b.and(b.eqz(isNan), plainMode(b)),
    () => {
      const r = roundF64(b, x, rc);
      b.if(b.and(b.op('f64.ne', r, x), b.eqz(b.and(control, 8))), () => {
        setFlags(b, b.i32(PE));
      });
      b.set(
        out,
        t === 'f64'
          ? b.op('i64.reinterpret_f64', r)
          : b.extU(b.op('i32.reinterpret_f32', b.op('f32.demote_f64', r))),
      );
    },
    () => {
      b.set(out, host(b, SSE_OP.round, t, lane, b.extU(b.or(rc, b.and(control, 8)))));
    },
  );
  return b.get(out);
}

/** SSE operations the fast paths leave: soft-float under MXCSR. */
import { SSE_OP, sseOpIsDouble } from './sse-ops.ts';
import * as soft from './soft-float.ts';

export interface SseResult {
  value: bigint;
  /** Exception flags this operation raised. */
  flags: number;
}

const ENV: soft.Env = {
  rounding: 0,
  flushToZero: false,
  denormalsAreZero: false,
  masked: 0,
  flags: 0,
  precision: 0,
};

/** `op` as sseOp makes it; operands and result are bit patterns in the low bits. */
export function sseOperation(op: number, a: bigint, b: bigint, mxcsr: number): SseResult {
  const f = sseOpIsDouble(op) ? soft.F64 : soft.F32;
  const env: soft.Env = {
    ...ENV,
    rounding: (mxcsr >> 13) & 3,
    flushToZero: (mxcsr & 0x8000) !== 0,
    denormalsAreZero: (mxcsr & 0x40) !== 0,
    masked: (mxcsr >> 7) & 0x3f,
  };
  const width = sseOpIsDouble(op) ? 64 : 32;
  a = BigInt.asUintN(op === SSE_OP.fromInt ? 64 : width, a);
  b = BigInt.asUintN(width, b);
  const value = compute(op & 0xff, f, env, op, a, b);
  return { value, flags: env.flags };
}

function compute(kind: number, f: soft.Format, env: soft.Env, op: number, a: bigint, b: bigint): bigint {
  switch (kind) {
    case SSE_OP.add:
    case SSE_OP.sub:
      return soft.add(f, env, a, b, kind === SSE_OP.sub, soft.sseNan);
    case SSE_OP.mul:
      return soft.mul(f, env, a, b, soft.sseNan);
    case SSE_OP.div:
      return soft.div(f, env, a, b, soft.sseNan);
    case SSE_OP.sqrt:
      return soft.sqrt(f, env, a, soft.sseNan);
    case SSE_OP.min:
    case SSE_OP.max:
      return soft.minMax(f, env, a, b, kind === SSE_OP.max);
    case SSE_OP.compareQuiet:
    case SSE_OP.compareSignaling:
      return BigInt(soft.compare(f, env, a, b, kind === SSE_OP.compareSignaling));
    case SSE_OP.round:
      env.rounding = Number(b & 3n);
      return soft.roundToIntegral(f, env, a, (b & 8n) !== 0n, soft.sseNan);
    case SSE_OP.toInt32:
    case SSE_OP.toInt32Truncate:
      return soft.toInteger(f, env, a, 32, kind === SSE_OP.toInt32Truncate);
    case SSE_OP.toInt64:
    case SSE_OP.toInt64Truncate:
      return soft.toInteger(f, env, a, 64, kind === SSE_OP.toInt64Truncate);
    case SSE_OP.fromInt:
      return soft.fromInteger(f, env, BigInt.asIntN(64, a));
    case SSE_OP.convert:
      return soft.convert(f, sseOpIsDouble(op) ? soft.F32 : soft.F64, env, a);
    default:
      throw new Error(`no SSE operation ${kind}`);
  }
}

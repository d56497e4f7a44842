/** aarch64's floating-point operations that the fast paths leave: soft-float under FPCR. */
import * as arm from './arm-float.ts';
import { CONVERT_ODD, CURRENT, EXACT, FP_OP, UNSIGNED, WIDE, fpTypeOf } from './fp-ops.ts';
import { F16, F32, F64, type Format } from './soft-float.ts';

const FORMATS = { f16: F16, f32: F32, f64: F64 } as const;
const WIDTHS = { f16: 16, f32: 32, f64: 64 } as const;

export interface FpResult {
  value: bigint;
  /** FPSR's bits this operation raised. */
  flags: number;
}

/** `op` as fpOp makes it; operands and result are bit patterns in the low bits. */
export function fpOperation(op: number, a: bigint, b: bigint, c: bigint, fpcr: number): FpResult {
  const type = fpTypeOf(op);
  const env: arm.ArmEnv = {
    rounding: (fpcr >> 22) & 3,
    flush: (fpcr & 0x01000000) !== 0,
    defaultNan: (fpcr & 0x02000000) !== 0,
    alternativeHalf: (fpcr & 0x04000000) !== 0,
    flags: 0,
  };
  return { value: compute(op & 0xff, FORMATS[type], WIDTHS[type], env, a, b, c), flags: env.flags };
}

function compute(
  kind: number,
  f: Format,
  width: number,
  env: arm.ArmEnv,
  a: bigint,
  b: bigint,
  c: bigint,
): bigint {
  const x = BigInt.asUintN(width, a);
  const y = BigInt.asUintN(width, b);
  const mode = Number(b & 0xffn);
  const rounding = mode & CURRENT ? env.rounding : mode & 7;
  switch (kind) {
    case FP_OP.add:
    case FP_OP.sub:
      return arm.add(f, env, x, y, kind === FP_OP.sub);
    case FP_OP.mul:
    case FP_OP.mulx:
      return arm.mul(f, env, x, y, kind === FP_OP.mulx);
    case FP_OP.div:
      return arm.div(f, env, x, y);
    case FP_OP.sqrt:
      return arm.sqrt(f, env, x);
    case FP_OP.mulAdd:
      return arm.mulAdd(f, env, x, y, BigInt.asUintN(width, c));
    case FP_OP.max:
    case FP_OP.min:
      return arm.minMax(f, env, x, y, kind === FP_OP.max, false);
    case FP_OP.maxnm:
    case FP_OP.minnm:
      return arm.minMax(f, env, x, y, kind === FP_OP.maxnm, true);
    case FP_OP.recps:
    case FP_OP.rsqrts:
      return arm.step(f, env, x, y, kind === FP_OP.rsqrts);
    case FP_OP.compareQuiet:
    case FP_OP.compareSignaling:
      return BigInt(arm.compare(f, env, x, y, kind === FP_OP.compareSignaling));
    case FP_OP.roundInt:
      return arm.roundInt(f, env, x, rounding, (mode & EXACT) !== 0);
    case FP_OP.toFixed:
      return arm.toFixed(f, env, x, mode & WIDE ? 64 : 32, (mode & UNSIGNED) !== 0, Number(c), rounding);
    case FP_OP.fromFixed:
      return arm.fromFixed(f, env, mode & UNSIGNED ? BigInt.asUintN(64, a) : BigInt.asIntN(64, a), Number(c));
    case FP_OP.toHalf:
      return arm.convert(f, F16, env, x);
    case FP_OP.toSingle:
      return arm.convert(f, F32, env, x, mode & CONVERT_ODD ? arm.ODD : env.rounding);
    case FP_OP.toDouble:
      return arm.convert(f, F64, env, x);
    case FP_OP.recpe:
      return arm.recpe(f, env, x);
    case FP_OP.rsqrte:
      return arm.rsqrte(f, env, x);
    case FP_OP.recpx:
      return arm.recpx(f, env, x);
    case FP_OP.urecpe:
    case FP_OP.ursqrte:
      return BigInt(arm.unsignedEstimate(Number(x), kind === FP_OP.ursqrte));
    default:
      throw new Error(`no floating-point operation ${kind}`);
  }
}

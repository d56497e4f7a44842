/**
 * IEEE 754 arithmetic on bit patterns as the Arm ARM's pseudocode has it (shared/functions/float): its NaN rules, default
 * NaN, flush-to-zero, underflow before rounding, saturating conversions and cumulative flags. Slow and plain, as
 * soft-float.ts for x86: generated code comes here when the host's arithmetic cannot give the answer with its flags.
 */
import { bitLength, F16, isqrt, type Format } from './soft-float.ts';

/** FPSR's cumulative flags. */
export const IOC = 1;
export const DZC = 2;
export const OFC = 4;
export const UFC = 8;
export const IXC = 16;
export const IDC = 128;

/** FPRounding: FPCR.RMode's four, and those only instructions name. */
export const NEAREST = 0;
export const UP = 1;
export const DOWN = 2;
export const ZERO = 3;
export const AWAY = 4;
export const ODD = 5;

export interface ArmEnv {
  readonly rounding: number;
  /** FPCR.FZ: denormal operands and results of single and double precision are zero. */
  readonly flush: boolean;
  /** FPCR.DN: every NaN result is the default one. */
  readonly defaultNan: boolean;
  /** FPCR.AHP: half precision without infinities and NaNs. */
  readonly alternativeHalf: boolean;
  /** FPSR bits raised. */
  flags: number;
}

/** An operand: sign · sig · 2^exp, or a special. */
interface Unpacked {
  kind: 'zero' | 'finite' | 'infinity' | 'quiet' | 'signaling';
  sign: 0 | 1;
  sig: bigint;
  exp: number;
  bits: bigint;
}

const fractionBits = (f: Format): bigint => BigInt(f.precision - 1);
const maxExponent = (f: Format): number => 2 ** f.exponentBits - 1;
const bias = (f: Format): number => 2 ** (f.exponentBits - 1) - 1;
const signBit = (f: Format, sign: number): bigint => BigInt(sign) << BigInt(f.precision - 1 + f.exponentBits);
const quietBit = (f: Format): bigint => 1n << BigInt(f.precision - 2);

const zero = signBit;
const infinity = (f: Format, sign: number): bigint =>
  signBit(f, sign) | (BigInt(maxExponent(f)) << fractionBits(f));
const defaultNan = (f: Format): bigint => infinity(f, 0) | quietBit(f);
const maxNormal = (f: Format, sign: number): bigint => infinity(f, sign) - 1n;
/** sig · 2^exp with a value the format holds. */
const exactly = (f: Format, sign: number, exponent: number, fraction: bigint): bigint =>
  signBit(f, sign) | (BigInt(exponent + bias(f)) << fractionBits(f)) | fraction;

/** FPUnpack. */
function unpack(f: Format, env: ArmEnv, bits: bigint): Unpacked {
  const fraction = bits & ((1n << fractionBits(f)) - 1n);
  const e = Number((bits >> fractionBits(f)) & BigInt(maxExponent(f)));
  const sign = Number(bits >> BigInt(f.precision - 1 + f.exponentBits)) as 0 | 1;
  const u: Unpacked = { kind: 'finite', sign, sig: fraction, exp: 0, bits };
  if (e === 0) {
    u.exp = 1 - bias(f) - (f.precision - 1);
    if (fraction === 0n) u.kind = 'zero';
    else if (env.flush && f !== F16) {
      env.flags |= IDC;
      u.kind = 'zero';
      u.sig = 0n;
    }
  } else if (e === maxExponent(f) && !(f === F16 && env.alternativeHalf)) {
    u.kind = fraction === 0n ? 'infinity' : fraction & quietBit(f) ? 'quiet' : 'signaling';
  } else {
    u.sig = fraction | (1n << fractionBits(f));
    u.exp = e - bias(f) - (f.precision - 1);
  }
  return u;
}

const isNan = (u: Unpacked): boolean => u.kind === 'quiet' || u.kind === 'signaling';

/** FPProcessNaN. */
function processNan(f: Format, env: ArmEnv, u: Unpacked): bigint {
  if (u.kind === 'signaling') env.flags |= IOC;
  return env.defaultNan ? defaultNan(f) : u.bits | quietBit(f);
}

/** FPProcessNaNs, FPProcessNaNs3: the first signaling one, else the first quiet one; null when there is none. */
function processNans(f: Format, env: ArmEnv, ...operands: readonly Unpacked[]): bigint | null {
  const nan = operands.find((u) => u.kind === 'signaling') ?? operands.find((u) => u.kind === 'quiet');
  return nan ? processNan(f, env, nan) : null;
}

function invalid(f: Format, env: ArmEnv): bigint {
  env.flags |= IOC;
  return defaultNan(f);
}

/** v · 2^−shift as an integer. `sticky`: v is a little more than it says. */
function shiftRound(v: bigint, shift: number, sticky: boolean, rounding: number, sign: number): { value: bigint; inexact: boolean } {
  if (shift <= 0) {
    // Callers with something sticky keep more digits than they need.
    return { value: v << BigInt(-shift), inexact: sticky };
  }
  const value = v >> BigInt(shift);
  const dropped = v - (value << BigInt(shift));
  const inexact = dropped !== 0n || sticky;
  if (!inexact) return { value, inexact };
  const half = 1n << BigInt(shift - 1);
  const odd = (value & 1n) === 1n;
  let up = false;
  switch (rounding) {
    case NEAREST:
      up = dropped > half || (dropped === half && (sticky || odd));
      break;
    case AWAY:
      up = dropped >= half;
      break;
    case UP:
      up = sign === 0;
      break;
    case DOWN:
      up = sign === 1;
      break;
    case ODD:
      up = !odd;
  }
  return { value: up ? value + 1n : value, inexact };
} // prettier-ignore

/** FPRound of ± sig · 2^exp (plus a little more if sticky), sig not zero. */
function round(f: Format, env: ArmEnv, sign: number, sig: bigint, exp: number, sticky = false, rounding = env.rounding): bigint {
  const least = 1 - bias(f);
  const top = exp + bitLength(sig) - 1;
  const tiny = top < least;
  if (tiny && env.flush && f !== F16) {
    env.flags |= UFC;
    return zero(f, sign);
  }
  const lowest = Math.max(top, least) - (f.precision - 1);
  const { value, inexact } = shiftRound(sig, lowest - exp, sticky, rounding, sign);
  if (tiny && inexact) env.flags |= UFC;
  // The leading one, where there is one, adds to the exponent; so does a carry out of the fraction.
  const exponent = tiny ? 0 : top + bias(f) - 1;
  const magnitude = (BigInt(exponent) << fractionBits(f)) + value;
  if (f === F16 && env.alternativeHalf) {
    if (magnitude >> 15n) {
      env.flags |= IOC;
      return signBit(f, sign) | 0x7fffn;
    }
  } else if (magnitude >= infinity(f, 0)) {
    env.flags |= OFC | IXC;
    return overflowed(f, rounding, sign);
  }
  if (inexact) env.flags |= IXC;
  return signBit(f, sign) | magnitude;
} // prettier-ignore

function overflowed(f: Format, rounding: number, sign: number): bigint {
  const toInfinity =
    rounding === NEAREST || rounding === AWAY || (rounding === UP && sign === 0) || (rounding === DOWN && sign === 1);
  return toInfinity ? infinity(f, sign) : maxNormal(f, sign);
} // prettier-ignore

/** A sum of two signed values v · 2^exp, rounded; an exact zero has the sign `zeroSign`, or the rounding mode's. */
function roundSum(f: Format, env: ArmEnv, v: bigint, vExp: number, w: bigint, wExp: number, zeroSign: number): bigint {
  const exp = v === 0n ? wExp : w === 0n ? vExp : Math.min(vExp, wExp);
  const sum = (v === 0n ? 0n : v << BigInt(vExp - exp)) + (w === 0n ? 0n : w << BigInt(wExp - exp));
  if (sum === 0n) return zero(f, zeroSign);
  return round(f, env, sum < 0n ? 1 : 0, sum < 0n ? -sum : sum, exp);
} // prettier-ignore

const signed = (sign: number, sig: bigint): bigint => (sign ? -sig : sig);
/** The sign of an exact zero sum of numbers that are not zeros of one sign. */
const cancelled = (env: ArmEnv): number => (env.rounding === DOWN ? 1 : 0);
/** A copy with the other sign: negation comes before the NaN rules. */
const negated = (f: Format, u: Unpacked): Unpacked => ({
  ...u,
  sign: u.sign ? 0 : 1,
  bits: u.bits ^ signBit(f, 1),
});

/** FPAdd, FPSub. */
export function add(f: Format, env: ArmEnv, a: bigint, b: bigint, subtract: boolean): bigint {
  const x = unpack(f, env, a);
  const y = unpack(f, env, b);
  const nan = processNans(f, env, x, y);
  if (nan !== null) return nan;
  const ySign = y.sign ^ (subtract ? 1 : 0);
  if (x.kind === 'infinity' || y.kind === 'infinity') {
    if (x.kind === y.kind && x.sign !== ySign) return invalid(f, env);
    return infinity(f, x.kind === 'infinity' ? x.sign : ySign);
  }
  const same = x.kind === 'zero' && y.kind === 'zero' && x.sign === ySign;
  return roundSum(f, env, signed(x.sign, x.sig), x.exp, signed(ySign, y.sig), y.exp, same ? x.sign : cancelled(env));
} // prettier-ignore

const zeroTimesInfinity = (x: Unpacked, y: Unpacked): boolean =>
  (x.kind === 'zero' && y.kind === 'infinity') || (x.kind === 'infinity' && y.kind === 'zero');

/** FPMul; FPMulX, where zero times infinity is two. */
export function mul(f: Format, env: ArmEnv, a: bigint, b: bigint, extended: boolean): bigint {
  const x = unpack(f, env, a);
  const y = unpack(f, env, b);
  const nan = processNans(f, env, x, y);
  if (nan !== null) return nan;
  const sign = x.sign ^ y.sign;
  if (zeroTimesInfinity(x, y)) return extended ? exactly(f, sign, 1, 0n) : invalid(f, env);
  if (x.kind === 'infinity' || y.kind === 'infinity') return infinity(f, sign);
  if (x.kind === 'zero' || y.kind === 'zero') return zero(f, sign);
  return round(f, env, sign, x.sig * y.sig, x.exp + y.exp);
}

/** FPDiv. */
export function div(f: Format, env: ArmEnv, a: bigint, b: bigint): bigint {
  const x = unpack(f, env, a);
  const y = unpack(f, env, b);
  const nan = processNans(f, env, x, y);
  if (nan !== null) return nan;
  const sign = x.sign ^ y.sign;
  if (x.kind === y.kind && x.kind !== 'finite') return invalid(f, env);
  if (x.kind === 'infinity') return infinity(f, sign);
  if (y.kind === 'zero') {
    env.flags |= DZC;
    return infinity(f, sign);
  }
  if (x.kind === 'zero' || y.kind === 'infinity') return zero(f, sign);
  const extra = 2 * f.precision + 2 + Math.max(0, bitLength(y.sig) - bitLength(x.sig));
  const n = x.sig << BigInt(extra);
  return round(f, env, sign, n / y.sig, x.exp - y.exp - extra, n % y.sig !== 0n);
}

/** FPSqrt. */
export function sqrt(f: Format, env: ArmEnv, a: bigint): bigint {
  const x = unpack(f, env, a);
  if (isNan(x)) return processNan(f, env, x);
  if (x.kind === 'zero') return zero(f, x.sign);
  if (x.sign) return invalid(f, env);
  if (x.kind === 'infinity') return infinity(f, 0);
  let extra = Math.max(0, 2 * f.precision + 4 - bitLength(x.sig));
  if ((x.exp - extra) & 1) extra++;
  const n = x.sig << BigInt(extra);
  const root = isqrt(n);
  return round(f, env, 0, root, (x.exp - extra) / 2, root * root !== n);
}

/** FPMulAdd: addend + a · b, rounded once. */
export function mulAdd(f: Format, env: ArmEnv, addend: bigint, a: bigint, b: bigint): bigint {
  const z = unpack(f, env, addend);
  const x = unpack(f, env, a);
  const y = unpack(f, env, b);
  const undefinedProduct = zeroTimesInfinity(x, y);
  if (z.kind === 'quiet' && undefinedProduct) return invalid(f, env);
  const nan = processNans(f, env, z, x, y);
  if (nan !== null) return nan;
  const sign = x.sign ^ y.sign;
  const infinite = x.kind === 'infinity' || y.kind === 'infinity';
  if (undefinedProduct || (z.kind === 'infinity' && infinite && z.sign !== sign)) return invalid(f, env);
  if (z.kind === 'infinity') return infinity(f, z.sign);
  if (infinite) return infinity(f, sign);
  const product = signed(sign, x.sig * y.sig);
  const same = z.kind === 'zero' && product === 0n && z.sign === sign;
  return roundSum(f, env, signed(z.sign, z.sig), z.exp, product, x.exp + y.exp, same ? sign : cancelled(env));
} // prettier-ignore

/** FPRecipStepFused: 2 − a · b. FPRSqrtStepFused: (3 − a · b) / 2. */
export function step(f: Format, env: ArmEnv, a: bigint, b: bigint, root: boolean): bigint {
  const x = negated(f, unpack(f, env, a));
  const y = unpack(f, env, b);
  const nan = processNans(f, env, x, y);
  if (nan !== null) return nan;
  if (zeroTimesInfinity(x, y)) return root ? exactly(f, 0, 0, quietBit(f)) : exactly(f, 0, 1, 0n);
  const sign = x.sign ^ y.sign;
  if (x.kind === 'infinity' || y.kind === 'infinity') return infinity(f, sign);
  const half = root ? 1 : 0;
  return roundSum(f, env, root ? 3n : 2n, -half, signed(sign, x.sig * y.sig), x.exp + y.exp - half, cancelled(env));
} // prettier-ignore

/** Order of two operands that are no NaNs: negative, zero or positive. */
function order(x: Unpacked, y: Unpacked): number {
  const rank = (u: Unpacked): number =>
    u.kind === 'zero' ? 0 : (u.kind === 'infinity' ? 2 : 1) * (u.sign ? -1 : 1);
  const [p, q] = [rank(x), rank(y)];
  if (p !== q || Math.abs(p) !== 1) return p - q;
  const exp = Math.min(x.exp, y.exp);
  const d = (x.sig << BigInt(x.exp - exp)) - (y.sig << BigInt(y.exp - exp));
  return (d < 0n ? -1 : d > 0n ? 1 : 0) * (x.sign ? -1 : 1);
}

/** FPMax, FPMin; FPMaxNum and FPMinNum, where a number comes before a quiet NaN. */
export function minMax(f: Format, env: ArmEnv, a: bigint, b: bigint, max: boolean, number: boolean): bigint {
  let x = unpack(f, env, a);
  let y = unpack(f, env, b);
  if (number && (x.kind === 'quiet') !== (y.kind === 'quiet')) {
    const neutral: Unpacked = { ...x, kind: 'infinity', sign: max ? 1 : 0, bits: infinity(f, max ? 1 : 0) };
    if (x.kind === 'quiet') x = neutral;
    else y = neutral;
  }
  const nan = processNans(f, env, x, y);
  if (nan !== null) return nan;
  const o = order(x, y);
  const chosen = (max ? o > 0 : o < 0) ? x : y;
  if (chosen.kind !== 'zero') return chosen.bits;
  return zero(f, o !== 0 ? chosen.sign : max ? x.sign & y.sign : x.sign | y.sign);
}

/** FPCompare: NZCV, 3 when unordered. `signaling`: quiet NaNs are invalid too. */
export function compare(f: Format, env: ArmEnv, a: bigint, b: bigint, signaling: boolean): number {
  const x = unpack(f, env, a);
  const y = unpack(f, env, b);
  if (isNan(x) || isNan(y)) {
    if (signaling || x.kind === 'signaling' || y.kind === 'signaling') env.flags |= IOC;
    return 3;
  }
  const o = order(x, y);
  return o < 0 ? 8 : o > 0 ? 2 : 6;
}

/** FPRoundInt. `exact`: raises IXC when the value changes. */
export function roundInt(f: Format, env: ArmEnv, a: bigint, rounding: number, exact: boolean): bigint {
  const x = unpack(f, env, a);
  if (isNan(x)) return processNan(f, env, x);
  if (x.kind === 'zero') return zero(f, x.sign);
  if (x.kind === 'infinity' || x.exp >= 0) return x.bits;
  const r = shiftRound(x.sig, -x.exp, false, rounding, x.sign);
  if (r.inexact && exact) env.flags |= IXC;
  if (r.value === 0n) return zero(f, x.sign);
  return round(f, { ...env, flags: 0 }, x.sign, r.value, 0);
}

/** FPToFixed: to an integer of `bits` with `fraction` of them behind the point, saturating. */
export function toFixed(
  f: Format,
  env: ArmEnv,
  a: bigint,
  bits: number,
  unsigned: boolean,
  fraction: number,
  rounding: number,
): bigint {
  const x = unpack(f, env, a);
  const most = unsigned ? (1n << BigInt(bits)) - 1n : (1n << BigInt(bits - 1)) - 1n;
  const least = unsigned ? 0n : -most - 1n;
  const saturated = (sign: number): bigint => {
    env.flags |= IOC;
    return BigInt.asUintN(bits, sign ? least : most);
  };
  if (x.kind === 'zero') return 0n;
  if (isNan(x)) {
    env.flags |= IOC;
    return 0n;
  }
  const exp = x.exp + fraction;
  if (x.kind === 'infinity' || exp > 64) return saturated(x.sign);
  const r = shiftRound(x.sig, -exp, false, rounding, x.sign);
  const v = signed(x.sign, r.value);
  if (v > most || v < least) return saturated(x.sign);
  if (r.inexact) env.flags |= IXC;
  return BigInt.asUintN(bits, v);
}

/** FixedToFP. */
export function fromFixed(f: Format, env: ArmEnv, v: bigint, fraction: number): bigint {
  if (v === 0n) return zero(f, 0);
  return round(f, env, v < 0n ? 1 : 0, v < 0n ? -v : v, -fraction);
}

/** FPConvert. */
export function convert(from: Format, to: Format, env: ArmEnv, a: bigint, rounding = env.rounding): bigint {
  const x = unpack(from, env, a);
  const noSpecials = to === F16 && env.alternativeHalf;
  if (isNan(x)) {
    if (x.kind === 'signaling' || noSpecials) env.flags |= IOC;
    if (noSpecials) return zero(to, x.sign);
    if (env.defaultNan) return defaultNan(to);
    const shift = BigInt(to.precision - from.precision);
    const payload = shift >= 0n ? x.sig << shift : x.sig >> -shift;
    return infinity(to, x.sign) | quietBit(to) | payload;
  }
  if (x.kind === 'zero') return zero(to, x.sign);
  if (x.kind === 'infinity') {
    if (!noSpecials) return infinity(to, x.sign);
    env.flags |= IOC;
    return signBit(to, x.sign) | 0x7fffn;
  }
  return round(to, env, x.sign, x.sig, x.exp, false, rounding);
}

/** RecipEstimate of a 9-bit fixed-point number 256…511. */
function recipEstimate(a: number): number {
  return Math.floor((Math.floor(2 ** 19 / (a * 2 + 1)) + 1) / 2);
}

/** RecipSqrtEstimate of 128…511. */
function rsqrtEstimate(a: number): number {
  const scaled = a < 256 ? a * 2 + 1 : ((a >> 1) * 2 + 1) * 2;
  let b = 512;
  while (scaled * (b + 1) * (b + 1) < 2 ** 28) b++;
  return Math.floor((b + 1) / 2);
}

/** URECPE, URSQRTE. */
export function unsignedEstimate(v: number, root: boolean): number {
  if (v < (root ? 2 ** 30 : 2 ** 31)) return 0xffffffff;
  const top = v >>> 23;
  return (root ? rsqrtEstimate(top) : recipEstimate(top)) * 2 ** 23;
}

/** FPRecipEstimate. */
export function recpe(f: Format, env: ArmEnv, a: bigint): bigint {
  const x = unpack(f, env, a);
  if (isNan(x)) return processNan(f, env, x);
  if (x.kind === 'infinity') return zero(f, x.sign);
  if (x.kind === 'zero') {
    env.flags |= DZC;
    return infinity(f, x.sign);
  }
  const top = x.exp + bitLength(x.sig) - 1;
  if (top < -bias(f) - 1) {
    env.flags |= OFC | IXC;
    return overflowed(f, env.rounding, x.sign);
  }
  if (env.flush && top >= bias(f) - 1) {
    env.flags |= UFC;
    return zero(f, x.sign);
  }
  const length = BigInt(bitLength(x.sig));
  const scaled = Number(length > 9n ? x.sig >> (length - 9n) : x.sig << (9n - length));
  const estimate = BigInt(recipEstimate(scaled));
  // 2^−top−1 · estimate / 256: a denormal for the largest operands, truncated.
  const exponent = -top - 1 + bias(f);
  const shift = fractionBits(f) - 8n;
  if (exponent > 0) return signBit(f, x.sign) | (BigInt(exponent - 1) << fractionBits(f)) + (estimate << shift);
  return signBit(f, x.sign) | ((estimate << shift) >> BigInt(1 - exponent));
} // prettier-ignore

/** FPRSqrtEstimate. */
export function rsqrte(f: Format, env: ArmEnv, a: bigint): bigint {
  const x = unpack(f, env, a);
  if (isNan(x)) return processNan(f, env, x);
  if (x.kind === 'zero') {
    env.flags |= DZC;
    return infinity(f, x.sign);
  }
  if (x.sign) return invalid(f, env);
  if (x.kind === 'infinity') return zero(f, 0);
  const length = bitLength(x.sig);
  const top = x.exp + length - 1;
  // An even power of two apart: a significand of 9 bits in [256, 512), or of 8 where the exponent is odd.
  const odd = (top + bias(f)) & 1;
  const keep = odd ? 8 : 9;
  const scaled = Number(length > keep ? x.sig >> BigInt(length - keep) : x.sig << BigInt(keep - length));
  const exponent = (3 * bias(f) - 1 - (top + bias(f))) >> 1;
  const estimate = BigInt(rsqrtEstimate(scaled) & 255);
  return (BigInt(exponent) << fractionBits(f)) | (estimate << (fractionBits(f) - 8n));
}

/** FPRecpX. */
export function recpx(f: Format, env: ArmEnv, a: bigint): bigint {
  const x = unpack(f, env, a);
  if (isNan(x)) return processNan(f, env, x);
  const e = Number((a >> fractionBits(f)) & BigInt(maxExponent(f)));
  const inverse = e === 0 ? maxExponent(f) - 1 : maxExponent(f) - e;
  return signBit(f, x.sign) | (BigInt(inverse) << fractionBits(f));
}

/**
 * IEEE 754 binary arithmetic on bit patterns, exact, in every rounding mode, with x86's exception flags and NaN rules
 * (SDM vol. 1, ch. 4 and 11). Slow and plain: generated code comes here only when hardware arithmetic cannot give the
 * answer with its flags (special values, directed rounding, flush-to-zero, x87's 80 bits).
 */

/** Exception flags, at their places in MXCSR and the x87 status word. */
export const IE = 1;
export const DE = 2;
export const ZE = 4;
export const OE = 8;
export const UE = 16;
export const PE = 32;

export interface Format {
  /** Bits of the significand, hidden one included. */
  readonly precision: number;
  readonly exponentBits: number;
  /** 80-bit extended keeps its leading bit explicitly. */
  readonly explicit: boolean;
}
export const F16: Format = { precision: 11, exponentBits: 5, explicit: false };
export const F32: Format = { precision: 24, exponentBits: 8, explicit: false };
export const F64: Format = { precision: 53, exponentBits: 11, explicit: false };
export const F80: Format = { precision: 64, exponentBits: 15, explicit: true };

/** Rounding control, as MXCSR.RC and the x87 control word encode it. */
export const NEAREST = 0;
export const DOWN = 1;
export const UP = 2;
export const ZERO = 3;

export interface Env {
  rounding: number;
  /** Results too small become zero (MXCSR.FZ). */
  flushToZero: boolean;
  /** Denormal operands count as zero (MXCSR.DAZ). */
  denormalsAreZero: boolean;
  /** Exceptions that are masked: a masked underflow is only one when inexact. */
  masked: number;
  /** Flags raised since they were last cleared. */
  flags: number;
  /** An operand was denormal before it was widened to this format (x87 memory operands). */
  denormalOperand?: boolean;
  /** x87 precision control: round the significand to this many bits (exponent range unchanged); 0: the format's. */
  precision: number;
}

/** sign · sig · 2^exp, or a special. NaNs keep their fraction left-aligned to 63 bits below the leading one. */
export interface Unpacked {
  kind: 'zero' | 'finite' | 'inf' | 'nan' | 'invalid';
  sign: 0 | 1;
  exp: number;
  sig: bigint;
  denormal: boolean;
  /** NaN: quiet. */
  quiet: boolean;
}

const bias = (f: Format): number => (1 << (f.exponentBits - 1)) - 1;
const ONE = 1n;

export function unpack(f: Format, bits: bigint): Unpacked {
  const fractionBits = f.explicit ? f.precision : f.precision - 1;
  const fraction = bits & ((ONE << BigInt(fractionBits)) - ONE);
  const e = Number((bits >> BigInt(fractionBits)) & ((ONE << BigInt(f.exponentBits)) - ONE));
  const sign = Number((bits >> BigInt(fractionBits + f.exponentBits)) & ONE) as 0 | 1;
  const max = (1 << f.exponentBits) - 1;
  const lead = ONE << BigInt(f.precision - 1);
  const u: Unpacked = { kind: 'finite', sign, exp: 0, sig: 0n, denormal: false, quiet: false };
  if (e === max) {
    const low = fraction & (lead - ONE);
    if (f.explicit && !(fraction & lead))
      u.kind = 'invalid'; // pseudo-infinity, pseudo-NaN
    else if (low === 0n) u.kind = 'inf';
    else {
      u.kind = 'nan';
      u.sig = low << BigInt(64 - f.precision);
      u.quiet = (low & (lead >> ONE)) !== 0n;
    }
    return u;
  }
  if (e === 0) {
    if (fraction === 0n) u.kind = 'zero';
    else {
      u.denormal = true;
      u.sig = fraction;
      u.exp = 1 - bias(f) - (f.precision - 1);
    }
    return u;
  }
  if (f.explicit && !(fraction & lead)) {
    u.kind = 'invalid'; // unnormal
    return u;
  }
  u.sig = f.explicit ? fraction : fraction | lead;
  u.exp = e - bias(f) - (f.precision - 1);
  return u;
}

function pack(f: Format, sign: number, e: number, fraction: bigint): bigint {
  const fractionBits = f.explicit ? f.precision : f.precision - 1;
  return (
    (BigInt(sign) << BigInt(fractionBits + f.exponentBits)) | (BigInt(e) << BigInt(fractionBits)) | fraction
  );
}

export function infinity(f: Format, sign: number): bigint {
  return pack(f, sign, (1 << f.exponentBits) - 1, f.explicit ? ONE << 63n : 0n);
}
export function zeroBits(f: Format, sign: number): bigint {
  return pack(f, sign, 0, 0n);
}
/** The default NaN: negative, quiet, no payload. */
export function defaultNan(f: Format): bigint {
  const quiet = ONE << BigInt(f.precision - 2);
  return pack(f, 1, (1 << f.exponentBits) - 1, f.explicit ? (ONE << 63n) | quiet : quiet);
}
function packNan(f: Format, u: Unpacked): bigint {
  const payload = (u.sig >> BigInt(64 - f.precision)) | (ONE << BigInt(f.precision - 2));
  return pack(f, u.sign, (1 << f.exponentBits) - 1, f.explicit ? payload | (ONE << 63n) : payload);
}

export const bitLength = (v: bigint): number => {
  const hex = v.toString(16);
  return hex.length * 4 - (Math.clz32(parseInt(hex[0], 16)) - 28);
};

/** Whether rounding goes away from zero. `rest` compares the dropped part with half: −1 less, 0 equal, 1 more. */
function roundsUp(rounding: number, sign: number, odd: boolean, inexact: boolean, rest: number): boolean {
  if (!inexact) return false;
  switch (rounding) {
    case NEAREST:
      return rest > 0 || (rest === 0 && odd);
    case DOWN:
      return sign === 1;
    case UP:
      return sign === 0;
    default:
      return false;
  }
}

/** v · 2^−shift rounded; tells whether anything was lost and whether it went up. */
function shiftRound(
  v: bigint,
  shift: number,
  sticky: boolean,
  rounding: number,
  sign: number,
): { value: bigint; inexact: boolean; up: boolean } {
  if (shift <= 0) {
    const value = v << BigInt(-shift);
    const up = roundsUp(rounding, sign, (value & ONE) === ONE, sticky, -1);
    return { value: up ? value + ONE : value, inexact: sticky, up };
  }
  const value = v >> BigInt(shift);
  const dropped = v & ((ONE << BigInt(shift)) - ONE);
  const half = ONE << BigInt(shift - 1);
  const rest = dropped > half || (dropped === half && sticky) ? 1 : dropped === half ? 0 : -1;
  const inexact = dropped !== 0n || sticky;
  const up = roundsUp(rounding, sign, (value & ONE) === ONE, inexact, rest);
  return { value: up ? value + ONE : value, inexact, up };
}

/** Rounds sig · 2^exp (plus a little more when sticky) into the format. sig is not zero. `env.up` is set for x87's C1. */
export function round(
  f: Format,
  env: Env & { up?: boolean },
  sign: number,
  sig: bigint,
  exp: number,
  sticky = false,
): bigint {
  const precision = env.precision || f.precision;
  const length = bitLength(sig);
  const emin = 1 - bias(f);
  const e = exp + length - 1; // exponent of the leading bit
  let r = shiftRound(sig, length - precision, sticky, env.rounding, sign);
  let top = e;
  if (bitLength(r.value) > precision) {
    r.value >>= ONE;
    top++;
  }
  env.up = r.up;
  if (top < emin) {
    // Tiny after rounding with unbounded exponent (SDM vol. 1, 4.9.1.5). Denormal: fewer bits.
    const unmasked = !(env.masked & UE);
    if (env.flushToZero && !unmasked) {
      env.flags |= UE | PE;
      env.up = false;
      return zeroBits(f, sign);
    }
    if (f.explicit && unmasked) return wrapped(f, env, sign, r, top + WRAP, precision, UE);
    const lsb = emin - (f.precision - 1);
    const shift = lsb - exp;
    // Precision control rounds at the same bit of the significand whether its leading bit is set or not.
    const cut = f.precision - precision;
    r = shiftRound(sig, shift + cut, sticky, env.rounding, sign);
    r.value <<= BigInt(cut);
    env.up = r.up;
    if (r.inexact) env.flags |= PE | UE;
    else if (unmasked) env.flags |= UE;
    const lead = ONE << BigInt(f.precision - 1);
    if (r.value >= lead) return pack(f, sign, 1, f.explicit ? r.value : r.value - lead);
    return pack(f, sign, 0, r.value);
  }
  if (f.explicit && top > bias(f) && !(env.masked & OE))
    return wrapped(f, env, sign, r, top - WRAP, precision, OE);
  if (r.inexact) env.flags |= PE;
  if (top > bias(f)) {
    env.flags |= OE | PE;
    const toInfinity =
      env.rounding === NEAREST ||
      (env.rounding === UP && sign === 0) ||
      (env.rounding === DOWN && sign === 1);
    env.up = toInfinity;
    if (toInfinity) return infinity(f, sign);
    const all = (ONE << BigInt(precision)) - ONE;
    const full = all << BigInt(f.precision - precision);
    return pack(
      f,
      sign,
      (1 << f.exponentBits) - 2,
      f.explicit ? full : full & ((ONE << BigInt(f.precision - 1)) - ONE),
    );
  }
  const significand = r.value << BigInt(f.precision - precision);
  return pack(
    f,
    sign,
    top + bias(f),
    f.explicit ? significand : significand - (ONE << BigInt(f.precision - 1)),
  );
}

/** x87's results of unmasked overflow and underflow keep their digits: the exponent is off by this (SDM vol. 1, 8.5.4). */
const WRAP = 24576;

function wrapped(
  f: Format,
  env: Env & { up?: boolean },
  sign: number,
  r: { value: bigint; inexact: boolean },
  top: number,
  precision: number,
  flag: number,
): bigint {
  env.flags |= flag | (r.inexact ? PE : 0);
  if (top > bias(f) || top < 1 - bias(f)) {
    // Too far off even so: FSCALE.
    env.flags |= PE;
    env.up = top > 0;
    return top > 0 ? infinity(f, sign) : zeroBits(f, sign);
  }
  return pack(f, sign, top + bias(f), r.value << BigInt(f.precision - precision));
}

/** Prepares an operand: DAZ applied, DE noted by the caller. */
function operand(f: Format, env: Env, bits: bigint): Unpacked {
  const u = unpack(f, bits);
  if (u.denormal && env.denormalsAreZero) return { ...u, kind: 'zero', denormal: false, sig: 0n };
  return u;
}

/** Result for operands of which one at least is NaN (or unsupported), by SSE's rule; null when none is. */
export type NanRule = (f: Format, x: Unpacked, y: Unpacked | null) => bigint;

/** SSE: the first operand's NaN if it is one, else the second's. */
export const sseNan: NanRule = (f, x, y) => (x.kind === 'nan' ? packNan(f, x) : packNan(f, y!));

/** x87: the larger significand of two NaNs; a quiet one before a signaling one (SDM vol. 1, table 4-7). */
export const x87Nan: NanRule = (f, x, y) => {
  if (!y || y.kind !== 'nan') return packNan(f, x);
  if (x.kind !== 'nan') return packNan(f, y);
  if (x.quiet !== y.quiet) return packNan(f, x.quiet ? x : y);
  const quieted = (u: Unpacked): bigint => u.sig | (ONE << 62n);
  const [a, b] = [quieted(x), quieted(y)];
  if (a !== b) return packNan(f, a > b ? x : y);
  return packNan(f, x.sign === 0 ? x : y);
};

function invalid(f: Format, env: Env): bigint {
  env.flags |= IE;
  return defaultNan(f);
}

function nanResult(f: Format, env: Env, rule: NanRule, x: Unpacked, y: Unpacked | null): bigint | null {
  if (x.kind === 'invalid' || y?.kind === 'invalid') return invalid(f, env);
  if (x.kind !== 'nan' && y?.kind !== 'nan') return null;
  if ((x.kind === 'nan' && !x.quiet) || (y?.kind === 'nan' && !y.quiet)) env.flags |= IE;
  return rule(f, x, y);
}

function noteDenormals(env: Env, x: Unpacked, y: Unpacked | null): void {
  if (x.denormal || y?.denormal || env.denormalOperand) env.flags |= DE;
}

/** x + y (or x − y). */
export function add(f: Format, env: Env, a: bigint, b: bigint, subtract: boolean, rule: NanRule): bigint {
  const x = operand(f, env, a);
  const y = operand(f, env, b);
  const nan = nanResult(f, env, rule, x, y);
  if (nan !== null) return nan;
  const ySign = (subtract ? 1 - y.sign : y.sign) as 0 | 1;
  if (x.kind === 'inf' || y.kind === 'inf') {
    if (x.kind === 'inf' && y.kind === 'inf' && x.sign !== ySign) return invalid(f, env);
    noteDenormals(env, x, y);
    return infinity(f, x.kind === 'inf' ? x.sign : ySign);
  }
  noteDenormals(env, x, y);
  const exp = Math.min(x.kind === 'zero' ? y.exp : x.exp, y.kind === 'zero' ? x.exp : y.exp);
  const value = (u: Unpacked, sign: number): bigint => {
    if (u.kind === 'zero') return 0n;
    const v = u.sig << BigInt(u.exp - exp);
    return sign ? -v : v;
  };
  const sum = value(x, x.sign) + value(y, ySign);
  if (sum === 0n) {
    const both = x.kind === 'zero' && y.kind === 'zero' && x.sign === ySign;
    return zeroBits(f, both ? x.sign : env.rounding === DOWN ? 1 : 0);
  }
  return round(f, env, sum < 0n ? 1 : 0, sum < 0n ? -sum : sum, exp);
}

export function mul(f: Format, env: Env, a: bigint, b: bigint, rule: NanRule): bigint {
  const x = operand(f, env, a);
  const y = operand(f, env, b);
  const nan = nanResult(f, env, rule, x, y);
  if (nan !== null) return nan;
  const sign = x.sign ^ y.sign;
  if (x.kind === 'inf' || y.kind === 'inf') {
    if (x.kind === 'zero' || y.kind === 'zero') return invalid(f, env);
    noteDenormals(env, x, y);
    return infinity(f, sign);
  }
  noteDenormals(env, x, y);
  if (x.kind === 'zero' || y.kind === 'zero') return zeroBits(f, sign);
  return round(f, env, sign, x.sig * y.sig, x.exp + y.exp);
}

export function div(f: Format, env: Env, a: bigint, b: bigint, rule: NanRule): bigint {
  const x = operand(f, env, a);
  const y = operand(f, env, b);
  const nan = nanResult(f, env, rule, x, y);
  if (nan !== null) return nan;
  const sign = x.sign ^ y.sign;
  if (x.kind === 'inf') {
    if (y.kind === 'inf') return invalid(f, env);
    noteDenormals(env, x, y);
    return infinity(f, sign);
  }
  if (y.kind === 'inf') {
    noteDenormals(env, x, y);
    return zeroBits(f, sign);
  }
  if (y.kind === 'zero') {
    if (x.kind === 'zero') return invalid(f, env);
    env.flags |= ZE;
    return infinity(f, sign);
  }
  noteDenormals(env, x, y);
  if (x.kind === 'zero') return zeroBits(f, sign);
  const extra = Math.max(0, 2 * f.precision + 2 + bitLength(y.sig) - bitLength(x.sig));
  const n = x.sig << BigInt(extra);
  return round(f, env, sign, n / y.sig, x.exp - y.exp - extra, n % y.sig !== 0n);
}

/** Integer square root, rounded down. */
export function isqrt(n: bigint): bigint {
  if (n < 2n) return n;
  let x = ONE << BigInt((bitLength(n) + 1) >> 1);
  for (;;) {
    const y = (x + n / x) >> ONE;
    if (y >= x) return x;
    x = y;
  }
}

export function sqrt(f: Format, env: Env, a: bigint, rule: NanRule): bigint {
  const x = operand(f, env, a);
  const nan = nanResult(f, env, rule, x, null);
  if (nan !== null) return nan;
  if (x.kind === 'zero') return zeroBits(f, x.sign);
  if (x.sign) return invalid(f, env);
  if (x.kind === 'inf') return infinity(f, 0);
  noteDenormals(env, x, null);
  let extra = Math.max(0, 2 * f.precision + 4 - bitLength(x.sig));
  if ((x.exp - extra) & 1) extra++;
  const n = x.sig << BigInt(extra);
  const root = isqrt(n);
  return round(f, env, 0, root, (x.exp - extra) / 2, root * root !== n);
}

/** Ordering: −1, 0, 1, or 2 for unordered. `signaling`: quiet NaNs are invalid too. */
export function compare(f: Format, env: Env, a: bigint, b: bigint, signaling: boolean): -1 | 0 | 1 | 2 {
  const x = operand(f, env, a);
  const y = operand(f, env, b);
  if (x.kind === 'invalid' || y.kind === 'invalid') {
    env.flags |= IE;
    return 2;
  }
  if (x.kind === 'nan' || y.kind === 'nan') {
    if (signaling || (x.kind === 'nan' && !x.quiet) || (y.kind === 'nan' && !y.quiet)) env.flags |= IE;
    return 2;
  }
  noteDenormals(env, x, y);
  const order = compareFinite(x, y);
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

function compareFinite(x: Unpacked, y: Unpacked): number {
  const rank = (u: Unpacked): number =>
    u.kind === 'zero' ? 0 : (u.kind === 'inf' ? 2 : 1) * (u.sign ? -1 : 1);
  const [p, q] = [rank(x), rank(y)];
  if (p !== q || p === 0 || Math.abs(p) === 2) return p - q;
  const exp = Math.min(x.exp, y.exp);
  const d = (x.sig << BigInt(x.exp - exp)) - (y.sig << BigInt(y.exp - exp));
  const s = d < 0n ? -1 : d > 0n ? 1 : 0;
  return x.sign ? -s : s;
}

/** Rounds to an integral value in the same format. `quietInexact`: no PE (ROUNDSD's bit 3). */
export function roundToIntegral(
  f: Format,
  env: Env,
  a: bigint,
  quietInexact: boolean,
  rule: NanRule,
): bigint {
  const x = operand(f, env, a);
  const nan = nanResult(f, env, rule, x, null);
  if (nan !== null) return nan;
  if (x.kind === 'zero') return zeroBits(f, x.sign);
  if (x.kind === 'inf') return infinity(f, x.sign);
  if (f.explicit) noteDenormals(env, x, null);
  if (x.exp >= 0) return a;
  const r = shiftRound(x.sig, -x.exp, false, env.rounding, x.sign);
  (env as { up?: boolean }).up = r.up;
  if (r.inexact && !quietInexact) env.flags |= PE;
  if (r.value === 0n) return zeroBits(f, x.sign);
  const quiet: Env = { ...env, flags: 0, precision: 0 };
  return round(f, quiet, x.sign, r.value, 0);
}

/** To a signed integer of `bits`; out of range gives the integer indefinite (sign bit alone) and IE. */
export function toInteger(f: Format, env: Env, a: bigint, bits: number, truncate: boolean): bigint {
  const x = operand(f, env, a);
  const indefinite = ONE << BigInt(bits - 1);
  if (x.kind === 'zero') return 0n;
  if (x.kind !== 'finite') {
    env.flags |= IE;
    return indefinite;
  }
  // Anything with an exponent this large is out of range; do not build the huge integer.
  if (x.exp > 64) {
    env.flags |= IE;
    return indefinite;
  }
  const r =
    x.exp >= 0
      ? { value: x.sig << BigInt(x.exp), inexact: false, up: false }
      : shiftRound(x.sig, -x.exp, false, truncate ? ZERO : env.rounding, x.sign);
  const v = x.sign ? -r.value : r.value;
  if (v >= indefinite || v < -indefinite) {
    env.flags |= IE;
    return indefinite;
  }
  (env as { up?: boolean }).up = r.up;
  if (r.inexact) env.flags |= PE;
  return BigInt.asUintN(bits, v);
}

export function fromInteger(f: Format, env: Env, v: bigint): bigint {
  if (v === 0n) return zeroBits(f, 0);
  return round(f, env, v < 0n ? 1 : 0, v < 0n ? -v : v, 0);
}

/** Converts between formats. */
export function convert(from: Format, to: Format, env: Env, a: bigint): bigint {
  const x = operand(from, env, a);
  if (x.kind === 'invalid') return invalid(to, env);
  if (x.kind === 'nan') {
    if (!x.quiet) env.flags |= IE;
    return packNan(to, x);
  }
  noteDenormals(env, x, null);
  if (x.kind === 'zero') return zeroBits(to, x.sign);
  if (x.kind === 'inf') return infinity(to, x.sign);
  return round(to, env, x.sign, x.sig, x.exp);
}

/** SSE MIN and MAX: the second operand whenever the order does not decide. */
export function minMax(f: Format, env: Env, a: bigint, b: bigint, max: boolean): bigint {
  const order = compare(f, env, a, b, true);
  const flush = (bits: bigint): bigint => {
    const u = operand(f, env, bits);
    return u.kind === 'zero' ? zeroBits(f, u.sign) : bits;
  };
  return order !== 2 && (max ? order > 0 : order < 0) ? flush(a) : flush(b);
}

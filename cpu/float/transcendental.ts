/**
 * Elementary functions for x87 in fixed point: BITS fraction bits, far more than the 64 a result keeps, so that rounding
 * to 80 bits is right but for the rarest ties.
 */
import { isqrt } from './soft-float.ts';

export const BITS = 200;
const B = BigInt(BITS);
export const ONE = 1n << B;

const mul = (a: bigint, b: bigint): bigint => (a * b) >> B;
const div = (a: bigint, b: bigint): bigint => (a << B) / b;

/** Constants, worked out once by whoever holds the object. */
export class Constants {
  private piValue: bigint | null = null;
  private ln2Value: bigint | null = null;

  /** Machin: π = 16 atan(1/5) − 4 atan(1/239). */
  get pi(): bigint {
    return (this.piValue ??= 16n * atanInverse(5n) - 4n * atanInverse(239n));
  }
  /** ln 2 = 2 atanh(1/3). */
  get ln2(): bigint {
    return (this.ln2Value ??= 2n * atanhSeries(ONE / 3n));
  }
}

function atanInverse(n: bigint): bigint {
  let term = ONE / n;
  let sum = term;
  const n2 = n * n;
  for (let k = 3n, sign = -1n; term !== 0n; k += 2n, sign = -sign) {
    term /= n2;
    sum += (sign * term) / k;
  }
  return sum;
}

/** A series' running term has died out: BigInt shifts round down, so a negative one stops at −1. */
const spent = (v: bigint): boolean => v === 0n || v === -1n;

/** atanh x for |x| well below 1. */
function atanhSeries(x: bigint): bigint {
  const x2 = mul(x, x);
  let power = x;
  let sum = x;
  for (let k = 3n; !spent(power); k += 2n) {
    power = mul(power, x2);
    sum += power / k;
  }
  return sum;
}

/** ln x for x near 1 (the caller took the exponent out). */
export function ln(x: bigint): bigint {
  return 2n * atanhSeries(div(x - ONE, x + ONE));
}

/** e^x − 1 for |x| ≤ 1. */
export function expm1(x: bigint): bigint {
  let term = x;
  let sum = x;
  for (let k = 2n; !spent(term); k++) {
    term = mul(term, x) / k;
    sum += term;
  }
  return sum;
}

/** sin and cos for |x| ≤ 1. */
export function sinCos(x: bigint): [bigint, bigint] {
  const x2 = mul(x, x);
  const series = (first: bigint, from: bigint): bigint => {
    let term = first;
    let sum = first;
    for (let k = from; !spent(term); k += 2n) {
      term = -mul(term, x2) / (k * (k + 1n));
      sum += term;
    }
    return sum;
  };
  return [series(x, 2n), series(ONE, 1n)];
}

/** atan x for 0 ≤ x ≤ 1: halved three times by atan x = 2 atan(x / (1 + √(1 + x²))), then the series. */
export function atan(x: bigint): bigint {
  for (let i = 0; i < 3; i++) x = div(x, ONE + isqrt((ONE + mul(x, x)) << B));
  const x2 = mul(x, x);
  let power = x;
  let sum = x;
  for (let k = 3n, sign = -1n; power !== 0n; k += 2n, sign = -sign) {
    power = mul(power, x2);
    sum += (sign * power) / k;
  }
  return 8n * sum;
}

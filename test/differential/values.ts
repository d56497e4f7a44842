/** Operand values worth trying: edges as often as noise. They are written as 32-bit words, which costs little. */
import type { Random } from '../support/random.ts';

/** 64 bits for a general register or integer lanes. */
export function integer64(out: Int32Array, at: number, r: Random): void {
  const w = r.u32();
  const k = (w >>> 8) & 63;
  let lo = 0;
  let hi = 0;
  const bit = (): void => {
    if (k < 32) lo = 1 << k;
    else hi = 1 << (k - 32);
  };
  switch (w & 15) {
    case 0:
      break;
    case 1:
      lo = hi = -1;
      break;
    case 2:
      bit();
      break;
    case 3:
      bit();
      lo = ~lo;
      hi = ~hi;
      break;
    case 4: // 2^k − 1
      lo = k >= 32 ? -1 : (1 << k) - 1;
      hi = k > 32 ? (1 << (k - 32)) - 1 : 0;
      break;
    case 5: // −2^k
      lo = k >= 32 ? 0 : -1 << k;
      hi = k > 32 ? -1 << (k - 32) : -1;
      break;
    case 6:
      lo = (w >>> 16) & 0xff;
      break;
    case 7:
      lo = (w << 8) >> 24;
      hi = lo >> 31;
      break;
    case 8:
      lo = hi = 0x7f7f7f7f + (k & 3) * 0x01010101;
      break;
    case 9:
      lo = r.u32();
      break;
    case 10:
      lo = r.u32() | 0;
      hi = lo >> 31;
      break;
    case 11:
      lo = r.u32() & r.u32();
      hi = r.u32() & r.u32();
      break;
    case 12: // few bits
      lo = r.u32();
      hi = r.u32();
      hi = k < 32 ? hi >>> k : 0;
      lo = k < 32 ? lo : lo >>> (k - 32);
      break;
    case 13: // halves and bytes at their ends
      lo = k & 1 ? 0x80008000 : 0x7fff7fff;
      hi = k & 2 ? 0x80808080 : 0x7f7f7f7f;
      break;
    default:
      lo = r.u32();
      hi = r.u32();
  }
  out[at] = lo;
  out[at + 1] = hi;
}

const F32 = new Uint32Array([
  0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xffbfffff, 1,
  0x807fffff, 0x00800000, 0x7f7fffff, 0x3f000000, 0x4b000001, 0x4f000000, 0xcf000000, 0x5f000000, 0xbf000001, 0x3fc00000,
  0x4effffff, 0x34000000, 0x3effffff, 0x477fe000, 0x477ff000, 0x38800000, 0x33800000, 0x33000000,
]); // prettier-ignore
const F64 = new BigUint64Array([
  0n, 0x8000000000000000n, 0x3ff0000000000000n, 0xbff0000000000000n, 0x7ff0000000000000n, 0xfff0000000000000n,
  0x7ff8000000000000n, 0xfff8000000000001n, 0x7ff0000000000001n, 0xfff7ffffffffffffn, 1n, 0x800fffffffffffffn,
  0x0010000000000000n, 0x7fefffffffffffffn, 0x3fe0000000000000n, 0x4330000000000001n, 0x43e0000000000000n,
  0xc3e0000000000000n, 0x41dfffffffc00000n, 0xc1e0000000200000n, 0x3ff8000000000000n, 0x36a0000000000000n,
  0x47efffffe0000000n, 0x380fffffffffffffn, 0x3fd5555555555555n, 0x400921fb54442d18n, 0x43f0000000000000n,
  0x40effc0000000000n, 0x40effe0000000000n,
]); // prettier-ignore
const F64_WORDS = new Int32Array(F64.buffer);

/** A single-precision number's bits. */
export function float32(r: Random): number {
  const w = r.u32();
  if ((w & 3) === 0) return r.u32();
  if ((w & 3) === 1) return 0x3f800000 + ((r.u32() | 0) >> ((w >>> 8) & 15)); // near one, more or less
  return F32[(w >>> 8) % F32.length] ^ ((w & 4) << 29);
}

/** A double-precision number's bits. */
export function float64(out: Int32Array, at: number, r: Random): void {
  const w = r.u32();
  if ((w & 3) === 0) {
    out[at] = r.u32();
    out[at + 1] = r.u32();
  } else if ((w & 3) === 1) {
    const shift = (w >>> 8) & 15;
    const hi = r.u32() | 0;
    out[at] = r.u32();
    out[at + 1] = 0x3ff00000 + (hi >> shift);
  } else {
    const i = 2 * ((w >>> 8) % F64.length);
    out[at] = F64_WORDS[i];
    out[at + 1] = F64_WORDS[i + 1] ^ ((w & 4) << 29);
  }
}

/** 64 bits of a vector register. `floats`: numbers mostly. */
export function vectorWord(out: Int32Array, at: number, r: Random, floats: boolean): void {
  const w = r.u32();
  const kind = (w >>> 1) & 3;
  if (!floats && w & 1) integer64(out, at, r);
  else if (kind === 0) {
    out[at] = float32(r);
    out[at + 1] = float32(r);
  } else if (kind === 1 || (kind === 3 && floats)) float64(out, at, r);
  else if (kind === 2) integer64(out, at, r);
  else {
    out[at] = r.u32();
    out[at + 1] = r.u32();
  }
}

/** Bits of exponent and fraction: half, single, double precision. */
const FORMATS = [[5, 10], [8, 23], [11, 52]] as const; // prettier-ignore

/**
 * Numbers of one format throughout `words` words that meet: equal or neighbouring ones, products, quotients and sums
 * at the format's ends, and few enough bits for exact and halfway results.
 */
export function relatedNumbers(out: Int32Array, at: number, words: number, r: Random, halves: boolean): void {
  const [exponentBits, fractionBits] = FORMATS[halves ? r.below(3) : 1 + r.below(2)];
  const width = 1 + exponentBits + fractionBits;
  const max = 2 ** exponentBits - 1;
  const bias = max >> 1;
  const center = r.chance(0.4) ? r.below(max) : r.pick([0, 1, bias, bias + fractionBits, max - 1]);
  const highBits = Math.max(fractionBits - 32, 0);
  const allHigh = 2 ** highBits - 1;
  const allLow = fractionBits >= 32 ? -1 : 2 ** fractionBits - 1;
  const [sharedLow, sharedHigh] = [r.u32(), r.u32()];
  let [lo, hi] = [0, 0];
  const fraction = (): void => {
    lo = r.u32();
    hi = highBits > 0 ? r.u32() : 0;
    switch (r.below(8)) {
      case 0:
        lo = hi = 0;
        break;
      case 1:
        lo = hi = -1;
        break;
      case 2:
      case 6: {
        const clear = r.chance(0.5) ? fractionBits >> 1 : r.below(fractionBits);
        if (clear >= 32) lo = 0;
        else lo &= -1 << clear;
        if (clear > 32) hi &= -1 << (clear - 32);
        break;
      }
      case 3:
        [lo, hi] = [sharedLow, sharedHigh];
        break;
      case 4:
        [lo, hi] = [sharedLow + r.below(5) - 2, sharedHigh];
        break;
      case 5:
        [lo, hi] = [r.below(4), 0];
        break;
      default:
    }
    lo &= allLow;
    hi &= allHigh;
  };
  const places = [center, center, bias, 2 * bias - center, bias - center, max - 1 + bias - center];
  const halfWords = width / 16;
  for (let i = 0; i < 2 * words; i += halfWords) {
    const near = r.chance(0.7) ? r.below(3) - 1 : r.below(2 * fractionBits + 4) - fractionBits - 2;
    const e = r.chance(0.05) ? max : Math.min(Math.max(r.pick(places) + near, 0), max - 1);
    if ((e === max || e === 0) && r.chance(0.3)) lo = hi = 0;
    else fraction();
    const sign = r.below(2);
    const word = at + (i >> 1);
    if (width === 64) {
      out[word] = lo;
      out[word + 1] = (sign << 31) | (e << 20) | hi;
    } else if (width === 32) out[word] = (sign << 31) | (e << 23) | lo;
    else {
      const half = (sign << 15) | (e << 10) | lo;
      out[word] = i & 1 ? (out[word] & 0xffff) | (half << 16) : half;
    }
  }
}

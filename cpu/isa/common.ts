/** Functions that handlers of both architectures share. */
import type { Val } from '../builder.ts';
import type { GuestBuilder } from '../guest-builder.ts';
import type { Helper } from '../interp/helpers.ts';
import { AES_INVERSE_SBOX, AES_SBOX } from '../tables.ts';

/** Upper 64 bits of a 64 × 64 product, from four 32-bit ones. */
const mulhiU: Helper<GuestBuilder> = {
  name: 'mulhi_u',
  params: ['i64', 'i64'],
  result: 'i64',
  build: (b, x, y) => {
    const lo = (v: Val): Val => b.zext(v, 32);
    const hi = (v: Val): Val => b.shrU(v, 32);
    const [xl, xh, yl, yh] = [lo(x), hi(x), lo(y), hi(y)];
    const mid1 = b.add(b.mul(xh, yl), hi(b.mul(xl, yl)));
    const mid2 = b.add(b.mul(xl, yh), lo(mid1));
    b.fn.return(b.add(b.add(b.mul(xh, yh), hi(mid1)), hi(mid2)));
  },
};

const mulhiS: Helper<GuestBuilder> = {
  name: 'mulhi_s',
  params: ['i64', 'i64'],
  result: 'i64',
  build: (b, x, y) => {
    const u = b.callHelper('mulhi_u', x, y)!;
    b.fn.return(b.sub(b.sub(u, b.and(b.shrS(x, 63), y)), b.and(b.shrS(y, 63), x)));
  },
};

export const multiplyHigh: readonly Helper<GuestBuilder>[] = [mulhiU, mulhiS];

// ---- AES (FIPS 197) and polynomials

/** Every byte through a 256-byte table. */
function substitute(name: string, table: number): Helper<GuestBuilder> {
  return {
    name,
    params: ['v128'],
    result: 'v128',
    build: (b, v) => {
      let r = v;
      for (let i = 0; i < 16; i++)
        r = b.lane(
          'i8x16.replace_lane',
          i,
          r,
          b.rawLoad('i32.load8_u', b.lane('i8x16.extract_lane_u', i, v), table),
        );
      b.fn.return(r);
    },
  };
}

/**
 * 32 × 32 bits without carries, in i64. Of numbers with every fourth bit alone, an ordinary product's sums of at most 8
 * stay within four bits, whose lowest is the parity.
 */
function clmul32(b: GuestBuilder, x: Val, y: Val): Val {
  const parts = (v: Val): Val[] => [0, 1, 2, 3].map((i) => b.and(v, 0x11111111 * 2 ** i));
  const [xs, ys] = [parts(x), parts(y)];
  return [0, 1, 2, 3]
    .map((k) => {
      const products = xs.map((p, i) => b.mul(p, ys[(k - i) & 3]));
      const parity = products.reduce((p, q) => b.xor(p, q));
      return b.and(parity, BigInt.asIntN(64, 0x1111111111111111n << BigInt(k)));
    })
    .reduce((p, q) => b.or(p, q));
}

/** 64 × 64 bits without carries: low and high halves. */
const clmul: Helper<GuestBuilder> = {
  name: 'clmul',
  params: ['i64', 'i64'],
  result: 'v128',
  build: (b, x, y) => {
    const upper = (v: Val): Val => b.shrU(v, 32);
    const low = clmul32(b, x, y);
    const high = clmul32(b, upper(x), upper(y));
    // Karatsuba: the sums' product is all four.
    const all = clmul32(b, b.xor(x, upper(x)), b.xor(y, upper(y)));
    const middle = b.xor(b.xor(all, low), high);
    const halves = [b.xor(low, b.shl(middle, 32)), b.xor(high, upper(middle))] as const;
    b.fn.return(b.lane('i64x2.replace_lane', 1, b.op('i64x2.splat', halves[0]), halves[1]));
  },
};

/** AES's S-box and its inverse, and the polynomial product. */
export const ciphers: readonly Helper<GuestBuilder>[] = [
  substitute('aes_sub', AES_SBOX),
  substitute('aes_inv_sub', AES_INVERSE_SBOX),
  clmul,
];

export const AES_SHIFT_ROWS = [0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11];
export const AES_INVERSE_SHIFT_ROWS = [0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3];
/** Bytes of each column rotated by one. */
const ROTATE = [1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12];

/** Bytes in another order. */
export const reordered = (b: GuestBuilder, v: Val, lanes: readonly number[]): Val => b.shuffle(v, v, lanes);

/** Every byte times x in GF(2^8) with AES's polynomial. */
function xtime(b: GuestBuilder, v: Val): Val {
  const carry = b.op('i8x16.shr_s', v, b.i32(7));
  const reduced = b.op('v128.and', carry, b.op('i8x16.splat', b.i32(0x1b)));
  return b.op('v128.xor', b.op('i8x16.shl', v, b.i32(1)), reduced);
}

/** 2·a0 ⊕ 3·a1 ⊕ a2 ⊕ a3 in each column. */
export function mixColumns(b: GuestBuilder, v: Val): Val {
  const r1 = reordered(b, v, ROTATE);
  const r2 = reordered(b, r1, ROTATE);
  const r3 = reordered(b, r2, ROTATE);
  const xor = (p: Val, q: Val): Val => b.op('v128.xor', p, q);
  return xor(xor(xtime(b, xor(v, r1)), r1), xor(r2, r3));
}

/** The inverse is a pre-multiplication by (4, 0, 5, 0)… and a forward mix. */
export function inverseMixColumns(b: GuestBuilder, v: Val): Val {
  const two = reordered(b, reordered(b, v, ROTATE), ROTATE);
  const four = xtime(b, xtime(b, b.op('v128.xor', v, two)));
  return mixColumns(b, b.op('v128.xor', v, four));
}

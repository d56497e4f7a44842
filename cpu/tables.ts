/** Constant tables that generated code reads, and where they lie in linear memory. */
import { TABLES } from './layout.ts';

export const CRC32C = TABLES;
export const AES_SBOX = TABLES + 1024;
export const AES_INVERSE_SBOX = TABLES + 1280;

/** Fills the tables in; once, when the cpu is made. */
export function writeTables(u8: Uint8Array, view: DataView): void {
  // CRC-32C (Castagnoli), reflected: polynomial 82F63B78.
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
    view.setInt32(CRC32C + 4 * i, c, true);
  }
  // The AES S-box (FIPS 197, 5.1.1): the inverse in GF(2^8), then an affine map. p runs over powers of 3, q of 1/3.
  let p = 1;
  let q = 1;
  do {
    p = (p ^ (p << 1) ^ (p & 0x80 ? 0x11b : 0)) & 0xff;
    q ^= q << 1;
    q ^= q << 2;
    q ^= q << 4;
    q &= 0xff;
    if (q & 0x80) q ^= 0x09;
    const r = (n: number): number => ((q << n) | (q >> (8 - n))) & 0xff;
    const s = q ^ r(1) ^ r(2) ^ r(3) ^ r(4) ^ 0x63;
    u8[AES_SBOX + p] = s;
    u8[AES_INVERSE_SBOX + s] = p;
  } while (p !== 1);
  u8[AES_SBOX] = 0x63;
  u8[AES_INVERSE_SBOX + 0x63] = 0;
}

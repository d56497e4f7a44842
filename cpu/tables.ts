/** Constant tables that generated code reads, and where they lie in linear memory. */
import { TABLES } from './layout.ts';

export const CRC32C = TABLES;
export const CRC32 = TABLES + 1536;
export const AES_SBOX = TABLES + 1024;
export const AES_INVERSE_SBOX = TABLES + 1280;

/** Fills the tables in; once, when the cpu is made. */
export function writeTables(u8: Uint8Array, view: DataView): void {
  // Reflected: CRC-32C (Castagnoli) has the polynomial 82F63B78, CRC-32 (IEEE 802.3) EDB88320.
  for (const [table, polynomial] of [[CRC32C, 0x82f63b78], [CRC32, 0xedb88320]] as const) {
    for (let i = 0; i < 256; i++) {
      let c = i;
      for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ polynomial : c >>> 1;
      view.setInt32(table + 4 * i, c, true);
    }
  } // prettier-ignore
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

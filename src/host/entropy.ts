/** Random bytes: the host's, or a generator started from a seed. */
import type { Entropy } from '../../kernel/ports.ts';

/** The host's generator, drawn in blocks. */
export class HostEntropy implements Entropy {
  private readonly block = new Uint8Array(4096);
  private at = 4096;

  fill(out: Uint8Array): void {
    for (let i = 0; i < out.length; i += 65536) crypto.getRandomValues(out.subarray(i, i + 65536));
  }

  below(n: number): number {
    if (n <= 1) return 0;
    // Rejection keeps every value equally likely; 2^48 is far above any n asked for, so it is rare.
    const limit = Math.floor(2 ** 48 / n) * n;
    for (;;) {
      if (this.at + 6 > this.block.length) {
        crypto.getRandomValues(this.block);
        this.at = 0;
      }
      const b = this.block;
      const i = this.at;
      this.at += 6;
      const low = b[i] | (b[i + 1] << 8) | (b[i + 2] << 16);
      const high = b[i + 3] | (b[i + 4] << 8) | (b[i + 5] << 16);
      const x = high * 2 ** 24 + low;
      if (x < limit) return x % n;
    }
  }
}

/** xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018), seeded by text. */
export class SeededEntropy implements Entropy {
  private readonly s = new Uint32Array(4);

  constructor(seed: number | string) {
    // FNV-1a over the text, then splitmix32 to fill the state: near seeds must give unrelated streams.
    let h = 0x811c9dc5;
    for (const c of String(seed)) h = Math.imul(h ^ c.codePointAt(0)!, 0x01000193);
    for (let i = 0; i < 4; i++) {
      h = (h + 0x9e3779b9) | 0;
      let z = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.s[i] = z ^ (z >>> 15);
    }
    if (this.s.every((x) => x === 0)) this.s[0] = 1;
  }

  private next(): number {
    const s = this.s;
    const x = Math.imul(s[1], 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  fill(out: Uint8Array): void {
    let word = 0;
    for (let i = 0; i < out.length; i++) {
      if (i % 4 === 0) word = this.next();
      out[i] = word & 255;
      word >>>= 8;
    }
  }

  below(n: number): number {
    if (n <= 1) return 0;
    const limit = Math.floor(2 ** 32 / n) * n;
    for (;;) {
      const x = this.next();
      if (x < limit) return x % n;
    }
  }
}

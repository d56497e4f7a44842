/** The six arguments of one system call, captured at entry (a restarted call sees the same ones). */
export class Args {
  /** lo0, hi0, lo1, hi1 … as signed 32-bit halves. */
  readonly words = new Int32Array(12);

  /** `int`: the low 32 bits, signed. */
  i32(n: number): number {
    return this.words[2 * n];
  }
  /** `unsigned int`: the low 32 bits. */
  u32(n: number): number {
    return this.words[2 * n] >>> 0;
  }
  /** A pointer or `unsigned long`; values past 2^53 lose low bits, and no such address is ever mapped. */
  ptr(n: number): number {
    return (this.words[2 * n + 1] >>> 0) * 4294967296 + (this.words[2 * n] >>> 0);
  }
  /** `size_t`: as `ptr`. */
  size(n: number): number {
    return this.ptr(n);
  }
  /** `long` / `loff_t`, signed; exact within ±2^53. */
  i64(n: number): number {
    return this.words[2 * n + 1] * 4294967296 + (this.words[2 * n] >>> 0);
  }
  /** All 64 bits, unsigned. */
  big(n: number): bigint {
    return (BigInt(this.words[2 * n + 1] >>> 0) << 32n) | BigInt(this.words[2 * n] >>> 0);
  }
  copyFrom(other: Args): void {
    this.words.set(other.words);
  }
}

/** Numbers for fuzzing: the same for the same seed. */
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed * 2654435761 + 0x9e3779b9 || 1;
    for (let i = 0; i < 4; i++) this.u32();
  }

  /** xorshift32. */
  u32(): number {
    let x = this.state | 0;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }
  below(n: number): number {
    return this.u32() % n;
  }
  chance(p: number): boolean {
    return this.u32() < p * 4294967296;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }
  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
}

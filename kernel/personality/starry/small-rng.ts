/** The bytes of Rust's `SmallRng::from_seed([0; 32])` (rand 0.8, 64 bits): xoshiro256++ begun by SplitMix64 from 0. */

const MASK = (1n << 64n) - 1n;
const rotl = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (64n - k))) & MASK;

function* splitMix64(): Generator<bigint> {
  for (let state = 0n; ;) {
    state = (state + 0x9e3779b97f4a7c15n) & MASK;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    yield z ^ (z >> 31n);
  }
}

/** The first `length` bytes. A tail of four bytes or fewer is the upper half of one more number, as next_u32 has it. */
export function zeroSeeded(length: number): Uint8Array {
  const seeds = splitMix64();
  const s = [0, 1, 2, 3].map(() => seeds.next().value as bigint);
  const next = (): bigint => {
    const result = (rotl((s[0] + s[3]) & MASK, 23n) + s[0]) & MASK;
    const t = (s[1] << 17n) & MASK;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45n);
    return result;
  };
  const v = new DataView(new ArrayBuffer(length + 8));
  for (let at = 0; at < length; at += 8) {
    if (length - at > 4) v.setBigUint64(at, next(), true);
    else v.setUint32(at, Number(next() >> 32n), true);
  }
  return new Uint8Array(v.buffer, 0, length);
}

import { describe, expect, it } from 'vitest';
import { Memory } from '../../../cpu/memory/memory.ts';

const FRAME = 4096;
const MIB = 256;
const RESERVED = 5 * FRAME;

const setup = (mib = 4) => new Memory(mib << 20, RESERVED);

/** Frames in use, as (frame, length) runs in bytes/4096. */
function runs(m: Memory): [number, number][] {
  const out: [number, number][] = [];
  for (let i = 0; i < m.u8.length / FRAME; i++) {
    if (m.refs(i * FRAME) === 0) continue;
    const last = out.at(-1);
    if (last && last[0] + last[1] === i) last[1]++;
    else out.push([i, 1]);
  }
  return out;
}

/** The same numbers every time. */
function random(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return (x >>> 8) % n;
  };
}

describe('Memory', () => {
  it('takes frames without a place from the top, dense', () => {
    const m = setup();
    const top = m.u8.length / FRAME;
    expect([1, 3, 16, 1, 100].map((n) => m.alloc(n) / FRAME)).toEqual([
      top - 1,
      top - 4,
      top - 20,
      top - 21,
      top - 121,
    ]);
    m.release((top - 1) * FRAME);
    m.release((top - 3) * FRAME);
    m.release((top - 2) * FRAME);
    expect(m.alloc(2) / FRAME).toBe(top - 2);
    expect(m.alloc(2) / FRAME).toBe(top - 123);
    expect(m.alloc(1) / FRAME).toBe(top - 3);
    expect(runs(m)).toEqual([[top - 123, 123]]);
    expect(m.used).toBe(123);
  });

  it('takes exactly the frames asked for, and others when one of them is taken', () => {
    const m = setup();
    const at = 40 * FRAME;
    expect(m.alloc(4, at)).toBe(at);
    expect(m.alloc(1, at + 4 * FRAME)).toBe(at + 4 * FRAME);
    expect(m.alloc(4, at - 2 * FRAME)).toBe(m.u8.length - 4 * FRAME);
    expect(m.alloc(1, 4 * FRAME)).toBe(m.u8.length - 5 * FRAME); // below the first
    expect(m.alloc(2, m.u8.length - FRAME)).toBe(m.u8.length - 7 * FRAME); // past the last
    expect(m.refs(at - FRAME)).toBe(0);
    m.release(at);
    expect(m.alloc(1, at)).toBe(at);
  });

  it('keeps places apart, lowest first, and gives them again', () => {
    const m = setup();
    const a = m.place(100);
    const b = m.place(1);
    const c = m.place(64);
    expect([a, b, c].map((p) => p / FRAME)).toEqual([16, 16 + 112, 16 + 128]);
    expect(m.used).toBe(0);
    m.unplace(a, 100);
    expect(m.place(113)).toBe(c + 64 * FRAME);
    expect(m.place(112)).toBe(a);
    // What is allocated outlives its place, and keeps others out.
    m.alloc(1, b);
    m.unplace(b, 1);
    expect(m.place(16)).not.toBe(b);
    m.release(b);
    expect(m.place(16)).toBe(b);
    expect(() => m.unplace(0, 1)).toThrow();
  });

  it('extends a place where nothing is in the way', () => {
    const m = setup();
    const a = m.place(32);
    expect(m.place(64, a + 32 * FRAME)).toBe(a + 32 * FRAME);
    expect(m.place(16, a + 80 * FRAME)).toBe(-1);
    m.alloc(1, a + 100 * FRAME);
    expect(m.place(16, a + 96 * FRAME)).toBe(-1);
    m.unplace(a, 96);
    expect(m.place(96)).toBe(a);
  });

  it('leaves the last eighth to what has no place', () => {
    const m = setup(4);
    expect(m.place(4 * MIB)).toBe(-1);
    let placed = 0;
    while (m.place(16) >= 0) placed += 16;
    expect(placed).toBeGreaterThanOrEqual(3.4 * MIB);
    expect(placed).toBeLessThanOrEqual(3.5 * MIB);
  });

  it('hands out every frame, places or not, and all again once they are free', () => {
    const m = setup(2);
    const place = m.place(200);
    for (let round = 0; round < 2; round++) {
      m.alloc(7, place + 20 * FRAME);
      const seen = new Set<number>();
      for (let f = m.alloc(1); f >= 0; f = m.alloc(1)) seen.add(f);
      expect(seen.size).toBe(m.total - 7);
      expect(m.used).toBe(m.total);
      expect(m.alloc(1, place)).toBe(-1);
      expect(runs(m)).toEqual([[5, m.total]]);
      for (const [from, n] of runs(m)) for (let i = from; i < from + n; i++) m.release(i * FRAME);
      expect(m.used).toBe(0);
    }
    m.unplace(place, 200);
    expect(m.alloc(m.total)).toBe(RESERVED);
    expect(m.alloc(1)).toBe(-1);
  });

  it('finds a run whenever there is one, and only zeroes', () => {
    const m = setup(1);
    const next = random(1);
    const held: [number, number][] = [];
    const free = (): number => {
      let longest = 0;
      let n = 0;
      for (let i = RESERVED / FRAME; i < m.u8.length / FRAME; i++) {
        n = m.refs(i * FRAME) === 0 ? n + 1 : 0;
        longest = Math.max(longest, n);
      }
      return longest;
    };
    for (let step = 0; step < 1500; step++) {
      if (next(2) === 0 && held.length > 0) {
        const [[at, n]] = held.splice(next(held.length), 1);
        for (let i = 0; i < n; i++) m.release(at + i * FRAME);
        continue;
      }
      const n = 1 + next(next(3) === 0 ? 90 : 6);
      const longest = free();
      const hint = next(3) === 0 ? next(m.u8.length / FRAME) * FRAME : -1;
      const at = m.alloc(n, hint);
      expect(at >= 0).toBe(n <= longest);
      if (at < 0) continue;
      for (let i = 0; i < n; i++) expect(m.refs(at + i * FRAME)).toBe(1);
      expect(m.u8.subarray(at, at + n * FRAME).every((b) => b === 0)).toBe(true);
      m.u8.fill(0xaa, at, at + n * FRAME);
      held.push([at, n]);
    }
    expect(m.used).toBe(held.reduce((sum, [, n]) => sum + n, 0));
  });
});

import { describe, expect, it } from 'vitest';
import { IoBuf } from '../../../kernel/mm/iobuf.ts';
import { ByteQueue } from '../../../kernel/net/byte-queue.ts';

describe('ByteQueue', () => {
  const bytes = (n: number, first = 0): Uint8Array => Uint8Array.from({ length: n }, (_, i) => first + i);

  it('goes on in the chunk it emptied, behind what it gave away', () => {
    const q = new ByteQueue();
    q.pushBytes(bytes(10));
    const given = q.take(100);
    expect(q.memory).toBe(0);
    q.pushBytes(bytes(10, 100));
    const more = q.take(100);
    expect([...given]).toEqual([...bytes(10)]);
    expect([...more]).toEqual([...bytes(10, 100)]);
    expect(more.buffer).toBe(given.buffer);
  });

  it('gives back in one piece what came in one and fits in a chunk', () => {
    const q = new ByteQueue();
    for (let i = 0; i < 50; i++) {
      q.pushBytes(bytes(300));
      expect(q.take(65536)).toHaveLength(300);
      expect(q.length).toBe(0);
    }
  });

  it('counts what its chunks take while something is unread', () => {
    const q = new ByteQueue();
    q.pushBytes(bytes(5000));
    expect(q.memory).toBe(5000);
    q.pushBytes(bytes(1));
    expect(q.memory).toBe(5000 + 2048);
    q.skip(5000);
    expect(q.memory).toBe(2048);
    q.skip(1);
    expect(q.memory).toBe(0);
    expect(q.take(10)).toHaveLength(0);
  });

  it('hands out what was put in, in order, whatever the portions', () => {
    let seed = 7;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return (seed >>> 8) % n;
    };
    const q = new ByteQueue();
    let put = 0;
    let got = 0;
    const check = (part: Uint8Array): void => {
      for (const b of part) if (b !== got++ % 251) throw new Error(`byte ${got - 1} is ${b}`);
    };
    const taken: [Uint8Array, string][] = [];
    for (let i = 0; i < 4000; i++) {
      const n = random(random(8) === 0 ? 9000 : 120);
      if (random(2) === 0) {
        q.pushBytes(Uint8Array.from({ length: n }, () => put++ % 251));
      } else if (random(2) === 0) {
        const part = q.take(n);
        taken.push([part, part.join()]);
        check(part);
      } else {
        const into = new Uint8Array(n);
        const peeked = new Uint8Array(n);
        q.pull(IoBuf.of(peeked), true);
        const k = q.pull(IoBuf.of(into));
        expect(peeked).toEqual(into);
        check(into.subarray(0, k));
      }
      expect(q.length).toBe(put - got);
    }
    for (const [part, was] of taken) expect(part.join()).toBe(was);
  });
});

/** Everything a guest can pile up in a tmpfs takes room, and gives it back. */
import { describe, expect, it } from 'vitest';
import { ENOSPC } from '../../../kernel/abi/errno.ts';
import { Harness } from '../harness.ts';

const TEXT = 0x100;

describe('tmpfs room', () => {
  const make = (): {
    h: Harness;
    free: () => number;
    repeat: (name: string, limit: number, ...args: (string | number)[]) => number[];
  } => {
    const h = new Harness({ limits: { maxFileBytes: 1 << 20 } });
    const t = h.init;
    const at = h.scratch(t);
    const free = (): number => h.kernel.shmem.statfs().bfree;
    /** Calls with `#` in strings counted up, until it fails: all results. */
    const repeat = (name: string, limit: number, ...args: (string | number)[]): number[] => {
      const results: number[] = [];
      for (let n = 0; n < limit && (results.at(-1) ?? 0) >= 0; n++) {
        let place = at;
        const words = args.map((a) => {
          if (typeof a === 'number') return a;
          const text = a.replace('#', String(n));
          place += text.length + 1 + TEXT;
          return h.poke(t, place - text.length - 1, text);
        });
        results.push(h.call(t, name, ...words)!);
      }
      return results;
    };
    return { h, free, repeat };
  };

  it('runs out for long symlink targets, further names and attributes', () => {
    for (const [name, args] of [
      ['symlink', ['t'.repeat(4000), '/tmp/l#']],
      ['link', ['/tmp/file', '/tmp/l#']],
      ['setxattr', ['/tmp/file', `user.${'n'.repeat(200)}#`, 'x', 1, 0]],
    ] as const) {
      const { h, repeat } = make();
      h.file('/tmp/file', 'x');
      const results = repeat(name, 100_000, ...args);
      expect(results.at(-1), name).toBe(-ENOSPC);
      expect(results.length, name).toBeLessThan((1 << 20) / 500);
    }
  });

  it('comes back when they go', () => {
    const { h, free, repeat } = make();
    h.file('/tmp/file', 'x');
    const before = free();
    expect(repeat('symlink', 50, 't'.repeat(4000), '/tmp/s#')).not.toContain(-ENOSPC);
    expect(repeat('link', 50, '/tmp/file', '/tmp/l#')).not.toContain(-ENOSPC);
    expect(repeat('setxattr', 20, '/tmp/file', `user.${'n'.repeat(200)}#`, 'x', 1, 0)).not.toContain(-ENOSPC);
    expect(free()).toBeLessThan(before - 50);
    repeat('unlink', 50, '/tmp/s#');
    repeat('unlink', 50, '/tmp/l#');
    repeat('removexattr', 20, '/tmp/file', `user.${'n'.repeat(200)}#`);
    expect(free()).toBe(before);
  });
});

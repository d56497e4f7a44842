import { describe, expect, it } from 'vitest';
import { VVAR_PAGES } from '../../../loader/vdso.ts';
import { Harness } from '../harness.ts';

describe('[vvar]', () => {
  it('follows clock_settime for processes that run already', () => {
    const h = new Harness();
    const t = h.init;
    const word = (): bigint | null => t.mm.u64(t.mm.vdso - VVAR_PAGES * 4096);
    expect(word()).toBe(h.kernel.clock.realtimeOffset);
    const at = h.scratch(t);
    t.mm.putU64(at, 2_000_000_000);
    t.mm.putU64(at + 8, 5);
    expect(h.call(t, 'clock_settime', 0, at)).toBe(0);
    expect(word()).toBe(2_000_000_000_000_000_005n - BigInt(h.kernel.clock.monotonic()));
    expect(t.mm.putU64(t.mm.vdso - VVAR_PAGES * 4096, 0)).toBeLessThan(0);
  });
});

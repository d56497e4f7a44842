import { describe, expect, it } from 'vitest';
import { EBADF, EFAULT } from '../../../kernel/abi/errno.ts';
import { Harness } from '../harness.ts';

describe("sendfile's offset", () => {
  it('is written back whatever was sent, which memory that cannot be written refuses', () => {
    const h = new Harness();
    const t = h.init;
    const at = h.scratch(t);
    h.file('/in', 'abcdef');
    const input = h.call(t, 'open', h.poke(t, at, '/in'), 0)!;
    const out = h.call(t, 'open', h.poke(t, at, '/out'), 0o102, 0o644)!;
    t.mm.putU64(at + 512, 2);
    expect(h.call(t, 'sendfile', out, input, at + 512, 3)).toBe(3);
    expect(t.mm.u64(at + 512)).toBe(5n);
    expect(h.call(t, 'sendfile', out, input, at + 512, 3)).toBe(1);
    expect(t.mm.u64(at + 512)).toBe(6n);
    expect(h.call(t, 'sendfile', out, input, at + 512, 3)).toBe(0);
    expect(h.call(t, 'lseek', input, 0, 1)).toBe(0);
    // Nothing is left to send, and the call fails all the same.
    expect(h.call(t, 'mprotect', at, 4096, 1)).toBe(0);
    expect(h.call(t, 'sendfile', out, input, at + 512, 3)).toBe(-EFAULT);
    expect(h.call(t, 'sendfile', 99, input, at + 512, 3)).toBe(-EFAULT);
    expect(h.call(t, 'sendfile', 99, input, 0, 3)).toBe(-EBADF);
  });
});

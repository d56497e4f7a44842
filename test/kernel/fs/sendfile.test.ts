import { describe, expect, it } from 'vitest';
import { EBADF, EFAULT, EINVAL } from '../../../kernel/abi/errno.ts';
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

describe('files without splice_read and splice_write', () => {
  it('are refused at once, however empty the pipe', () => {
    const h = new Harness();
    const t = h.init;
    const at = h.scratch(t);
    expect(h.call(t, 'pipe', at)).toBe(0);
    const [r, w] = [t.mm.i32(at)!, t.mm.i32(at + 4)!];
    const eventfd = h.call(t, 'eventfd2', 1, 0)!;
    const others = [
      h.call(t, 'epoll_create1', 0)!,
      h.call(t, 'timerfd_create', 1, 0)!,
      h.call(t, 'pidfd_open', t.pid, 0)!,
    ];
    for (const fd of [eventfd, ...others]) {
      expect(h.call(t, 'splice', r, 0, fd, 0, 8, 0)).toBe(-EINVAL);
      expect(h.call(t, 'splice', fd, 0, w, 0, 8, 0)).toBe(-EINVAL);
    }
    const dir = h.call(t, 'open', h.poke(t, at, '/'), 0)!;
    expect(h.call(t, 'splice', dir, 0, w, 0, 8, 0)).toBe(-EINVAL);
    h.file('/in', 'abcdefgh');
    const input = h.call(t, 'open', h.poke(t, at, '/in'), 0)!;
    expect(h.call(t, 'sendfile', eventfd, input, 0, 8)).toBe(-EINVAL);
    expect(h.call(t, 'splice', input, 0, w, 0, 8, 0)).toBe(8);
    expect(h.call(t, 'splice', input, 0, r, 0, 8, 0)).toBe(-EBADF);
  });
});

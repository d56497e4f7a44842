import { describe, expect, it } from 'vitest';
import { EBADF, EINVAL, EPERM, ESRCH } from '../../../kernel/abi/errno.ts';
import { Harness } from '../harness.ts';

const NEWNS = 0x20000;
const NEWUTS = 0x4000000;
const NEWUSER = 0x10000000;
const NEWNET = 0x40000000;

function setUp() {
  const h = new Harness();
  const t = h.init;
  const at = h.scratch(t);
  const open = (path: string): number => h.call(t, 'open', h.poke(t, at, path), 0)!;
  return { h, t, at, open };
}

describe('setns', () => {
  it('enters the namespace one is in', () => {
    const { h, t, at, open } = setUp();
    expect(h.call(t, 'setns', open('/proc/self/ns/net'), 0)).toBe(0);
    expect(h.call(t, 'setns', open('/proc/self/ns/net'), NEWNET)).toBe(0);
    expect(h.call(t, 'setns', h.call(t, 'pidfd_open', t.pid, 0)!, NEWNET | NEWUTS)).toBe(0);
    // A mount namespace is entered at its root.
    h.call(t, 'mkdir', h.poke(t, at, '/jail'), 0o755);
    const mnt = open('/proc/self/ns/mnt');
    expect(h.call(t, 'chroot', h.poke(t, at, '/jail'))).toBe(0);
    expect(h.call(t, 'setns', mnt, NEWNS)).toBe(0);
    expect(h.call(t, 'access', h.poke(t, at, '/jail'), 0)).toBe(0);
  });

  it('is refused as Linux refuses it', () => {
    const { h, t, open } = setUp();
    const net = open('/proc/self/ns/net');
    const user = open('/proc/self/ns/user');
    const pidfd = h.call(t, 'pidfd_open', t.pid, 0)!;
    expect(h.call(t, 'setns', 99, 0)).toBe(-EBADF);
    expect(h.call(t, 'setns', open('/prog'), 0)).toBe(-EINVAL);
    expect(h.call(t, 'setns', net, NEWUTS)).toBe(-EINVAL);
    expect(h.call(t, 'setns', net, -1)).toBe(-EINVAL);
    expect(h.call(t, 'setns', user, NEWUSER)).toBe(-EINVAL);
    expect(h.call(t, 'setns', pidfd, 0)).toBe(-EINVAL);
    const child = h.call(t, 'fork')!;
    const dead = h.call(t, 'pidfd_open', child, 0)!;
    h.call(h.kernel.processes.task(child)!, 'exit', 0);
    expect(h.call(t, 'setns', dead, NEWNET)).toBe(-ESRCH);
    t.creds = { ...t.creds, capEffective: 0n };
    expect(h.call(t, 'setns', net, NEWUTS)).toBe(-EINVAL);
    expect(h.call(t, 'setns', net, 0)).toBe(-EPERM);
  });
});

describe('sysinfo', () => {
  it('has the load of /proc/loadavg', () => {
    const { h, t, at, open } = setUp();
    h.call(t, 'fork');
    const fd = open('/proc/loadavg');
    const n = h.call(t, 'read', fd, at + 512, 64)!;
    const text = String.fromCharCode(...t.mm.copyIn(at + 512, n)!);
    expect(h.call(t, 'sysinfo', at + 1024)).toBe(0);
    expect(text.split(' ')[0]).toBe((Number(t.mm.u64(at + 1024 + 8)!) / 65536).toFixed(2));
    expect(text).toMatch(/^1\.00 /);
  });
});

import { describe, expect, it } from 'vitest';
import { EFAULT, EINVAL, ENOENT } from '../../../kernel/abi/errno.ts';
import { Harness } from '../harness.ts';

describe('sysfs', () => {
  it('numbers the types of file systems', () => {
    const h = new Harness();
    const t = h.init;
    const at = h.scratch(t);
    const count = h.call(t, 'sysfs', 3)!;
    const names = Array.from({ length: count }, (_, i) => {
      expect(h.call(t, 'sysfs', 2, i, at)).toBe(0);
      return t.mm.cstring(at) as string;
    });
    expect(names).toEqual(expect.arrayContaining(['proc', 'tmpfs', 'sysfs', 'devpts', 'overlay']));
    names.forEach((name, i) => expect(h.call(t, 'sysfs', 1, h.poke(t, at, name))).toBe(i));
    expect(h.call(t, 'sysfs', 1, h.poke(t, at, 'ext9'))).toBe(-EINVAL);
    expect(h.call(t, 'sysfs', 1, h.poke(t, at, ''))).toBe(-ENOENT);
    expect(h.call(t, 'sysfs', 1, 8)).toBe(-EFAULT);
    expect(h.call(t, 'sysfs', 2, count, at)).toBe(-EINVAL);
    expect(h.call(t, 'sysfs', 2, 0, 8)).toBe(-EFAULT);
    expect(h.call(t, 'sysfs', 4)).toBe(-EINVAL);
  });
});

describe('ustat', () => {
  it('tells what is free on the file system with this number', () => {
    const h = new Harness();
    const t = h.init;
    const at = h.scratch(t);
    expect(h.call(t, 'stat', h.poke(t, at, '/'), at + 256)).toBe(0);
    const dev = Number(t.mm.u64(at + 256)!);
    t.mm.putU64(at + 512 + 32, 0x55);
    expect(h.call(t, 'ustat', dev, at + 512)).toBe(0);
    expect(h.call(t, 'statfs', at, at + 1024)).toBe(0);
    expect(BigInt(t.mm.i32(at + 512)!)).toBe(t.mm.u64(at + 1024 + 24));
    expect(t.mm.u64(at + 512 + 8)).toBe(t.mm.u64(at + 1024 + 48));
    expect(t.mm.u64(at + 512 + 32)).toBe(0x55n);
    expect(h.call(t, 'ustat', 0xffffffff, at + 512)).toBe(-EINVAL);
    expect(h.call(t, 'ustat', dev, 8)).toBe(-EFAULT);
  });
});

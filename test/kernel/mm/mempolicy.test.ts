import { describe, expect, it } from 'vitest';
import { EFAULT, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, EPERM, ESRCH } from '../../../kernel/abi/errno.ts';
import { Harness } from '../harness.ts';

const PAGE = 4096;
const PREFERRED = 1;
const BIND = 2;
const INTERLEAVE = 3;
const LOCAL = 4;
const STATIC = 0x8000;
const F_NODE = 1;
const F_ADDR = 2;
const F_MEMS_ALLOWED = 4;

/** A task with the mask {0} in its memory, and room for answers. */
function setUp() {
  const h = new Harness();
  const t = h.init;
  const mask = h.scratch(t);
  const mode = mask + 256;
  const nodes = mask + 512;
  t.mm.putU64(mask, 1);
  t.mm.putU64(nodes, 0xffff);
  const get = (address = 0, flags = 0): [number, number | null, bigint | null] => {
    const result = h.call(t, 'get_mempolicy', mode, nodes, 65, address, flags)!;
    return [result, t.mm.i32(mode), t.mm.u64(nodes)];
  };
  const map = (pages: number): number => h.call(t, 'mmap', 0, pages * PAGE, 3, 0x22, -1, 0)!;
  return { h, t, mask, mode, nodes, get, map };
}

describe("a task's memory policy", () => {
  it('is kept and told back, and goes on in children', () => {
    const { h, t, mask, nodes, get } = setUp();
    expect(get()).toEqual([0, 0, 0n]);
    expect(h.call(t, 'set_mempolicy', BIND | STATIC, mask, 65)).toBe(0);
    expect(get()).toEqual([0, BIND | STATIC, 1n]);
    const pid = h.call(t, 'clone', 17, 0, 0, 0, 0)!;
    const child = h.kernel.processes.task(pid)!;
    expect(h.call(child, 'get_mempolicy', mask + 256, nodes, 65, 0, 0)).toBe(0);
    expect(child.mm.i32(mask + 256)).toBe(BIND | STATIC);
    expect(h.call(t, 'set_mempolicy', PREFERRED, 0, 0)).toBe(0);
    expect(get()).toEqual([0, LOCAL, 0n]);
    expect(h.call(t, 'set_mempolicy', 0, 0, 0)).toBe(0);
    expect(get()).toEqual([0, 0, 0n]);
    expect(get(0, F_MEMS_ALLOWED)).toEqual([0, 0, 1n]);
  });

  it('is refused as Linux refuses it', () => {
    const { h, t, mask, mode, nodes, get } = setUp();
    const set = (m: number, at = mask, bits = 65) => h.call(t, 'set_mempolicy', m, at, bits);
    expect(set(0)).toBe(-EINVAL);
    expect(set(LOCAL)).toBe(-EINVAL);
    expect(set(BIND, 0, 0)).toBe(-EINVAL);
    expect(set(6)).toBe(-EINVAL);
    expect(set(PREFERRED | 0xc000)).toBe(-EINVAL);
    expect(set(INTERLEAVE | 0x2000)).toBe(-EINVAL);
    expect(set(BIND, 8)).toBe(-EFAULT);
    t.mm.putU64(mask, 2); // there is no node 1
    expect(set(BIND)).toBe(-EINVAL);
    expect(set(BIND, mask, 2)).toBe(-EINVAL); // one bit of it
    expect(set(BIND, mask, 40_000)).toBe(-EINVAL);
    expect(get(16, F_ADDR)[0]).toBe(-EFAULT);
    expect(get(16)[0]).toBe(-EINVAL);
    expect(get(0, F_NODE)[0]).toBe(-EINVAL);
    expect(get(0, F_MEMS_ALLOWED | F_NODE)[0]).toBe(-EINVAL);
    expect(h.call(t, 'get_mempolicy', mode, nodes, 0, 0, 0)).toBe(-EINVAL);
  });
});

describe('mbind', () => {
  it('gives a range a policy of its own: areas split and join', () => {
    const { h, t, mask, get, map } = setUp();
    const at = map(4);
    const bind = (from: number, pages: number, mode: number, given = mask) =>
      h.call(t, 'mbind', at + from * PAGE, pages * PAGE, mode, given, given === 0 ? 0 : 65, 0);
    expect(bind(1, 2, BIND)).toBe(0);
    expect(get(at, F_ADDR)).toEqual([0, 0, 0n]);
    expect(get(at + PAGE, F_ADDR)).toEqual([0, BIND, 1n]);
    expect(get(at + 3 * PAGE, F_ADDR)).toEqual([0, 0, 0n]);
    expect(t.mm.vmas.containing(at + PAGE)).toMatchObject({ start: at + PAGE, end: at + 3 * PAGE });
    expect(bind(0, 4, 0, 0)).toBe(0);
    expect(t.mm.vmas.containing(at)!.end).toBeGreaterThanOrEqual(at + 4 * PAGE);
    expect(get(at, F_ADDR | F_NODE)).toEqual([0, 0, 0n]);
  });

  it('is refused as Linux refuses it', () => {
    const { h, t, mask, map } = setUp();
    const at = map(4);
    h.call(t, 'munmap', at + PAGE, PAGE);
    expect(h.call(t, 'mbind', at, 3 * PAGE, BIND, mask, 65, 0)).toBe(-EFAULT);
    expect(h.call(t, 'mbind', at + 1, PAGE, BIND, mask, 65, 0)).toBe(-EINVAL);
    expect(h.call(t, 'mbind', at, PAGE, BIND, mask, 65, 8)).toBe(-EINVAL);
    expect(h.call(t, 'mbind', at, PAGE, BIND, 8, 65, 0)).toBe(-EFAULT);
    expect(h.call(t, 'mbind', at, 0, BIND, mask, 65, 0)).toBe(0);
    t.creds = { ...t.creds, capEffective: 0n };
    expect(h.call(t, 'mbind', at, PAGE, BIND, mask, 65, 4)).toBe(-EPERM);
    expect(h.call(t, 'set_mempolicy_home_node', at, PAGE, 0, 0)).toBe(-EOPNOTSUPP);
    expect(h.call(t, 'mbind', at, PAGE, BIND, mask, 65, 0)).toBe(0);
    expect(h.call(t, 'set_mempolicy_home_node', at, PAGE, 0, 0)).toBe(0);
    expect(h.call(t, 'set_mempolicy_home_node', at, PAGE, 1, 0)).toBe(-EINVAL);
  });
});

describe('pages of one node', () => {
  it('are on node 0, not there yet, or not mapped', () => {
    const { h, t, mask, map } = setUp();
    const at = map(2048);
    t.mm.putU8(at, 1); // which brings neighbours in too
    const pages = mask + 1024;
    const status = mask + 2048;
    [at, at + 1500 * PAGE, 4096].forEach((p, i) => t.mm.putU64(pages + 8 * i, p));
    expect(h.call(t, 'move_pages', 0, 3, pages, 0, status, 0)).toBe(0);
    expect([0, 4, 8].map((i) => t.mm.i32(status + i))).toEqual([0, -ENOENT, -EFAULT]);
    t.mm.putU32(mask + 3072, 1);
    expect(h.call(t, 'move_pages', 0, 1, pages, mask + 3072, status, 2)).toBe(-ENODEV);
    expect(h.call(t, 'move_pages', 99, 1, pages, 0, status, 0)).toBe(-ESRCH);
    expect(h.call(t, 'move_pages', 0, 2 ** 40, 8, 0, status, 0)).toBe(-EFAULT);
    expect(h.call(t, 'migrate_pages', 0, 65, mask, mask)).toBe(0);
    t.mm.putU64(mask, 2);
    expect(h.call(t, 'migrate_pages', 0, 65, mask, mask)).toBe(-EINVAL);
  });
});

describe('PR_SET_VMA_ANON_NAME', () => {
  it('names a part of an area', () => {
    const { h, t, mask, map } = setUp();
    const at = map(3);
    const name = h.poke(t, mask + 64, 'heap of mine');
    expect(h.call(t, 'prctl', 0x53564d41, 0, at + PAGE, PAGE, name)).toBe(0);
    expect(t.mm.vmas.containing(at + PAGE)).toMatchObject({ start: at + PAGE, end: at + 2 * PAGE, name: '[anon:heap of mine]' }); // prettier-ignore
    expect(t.mm.vmas.containing(at)!.name).toBeNull();
    expect(h.call(t, 'prctl', 0x53564d41, 0, at, 3 * PAGE, 0)).toBe(0);
    expect(t.mm.vmas.containing(at + PAGE)!.name).toBeNull();
    h.poke(t, name, 'no [brackets]');
    expect(h.call(t, 'prctl', 0x53564d41, 0, at, PAGE, name)).toBe(-EINVAL);
  });
});

describe('PR_SET_TIMERSLACK', () => {
  it("goes back to what the parent's was", () => {
    const { h, t } = setUp();
    expect(h.call(t, 'prctl', 29, 70_000)).toBe(0);
    const child = h.kernel.processes.task(h.call(t, 'clone', 17, 0, 0, 0, 0)!)!;
    expect(h.call(child, 'prctl', 29, 5)).toBe(0);
    expect(h.call(child, 'prctl', 29, 0)).toBe(0);
    expect(h.call(child, 'prctl', 30)).toBe(70_000);
    expect(h.call(t, 'prctl', 29, 0)).toBe(0);
    expect(h.call(t, 'prctl', 30)).toBe(50_000);
  });
});

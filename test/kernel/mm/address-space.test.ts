import { describe, expect, it } from 'vitest';
import { EEXIST, EFAULT, ENOMEM } from '../../../kernel/abi/errno.ts';
import { AddressSpace } from '../../../kernel/mm/address-space.ts';
import {
  MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_PRIVATE, MAP_SHARED, RLIMIT_STACK,
} from '../../../kernel/mm/flags.ts'; // prettier-ignore
import type { IoBuf } from '../../../kernel/mm/iobuf.ts';
import { Memory } from '../../../kernel/mm/memory.ts';
import { AnonObject, PageCacheObject } from '../../../kernel/mm/objects.ts';
import { PAGE_SIZE, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE } from '../../../kernel/ports.ts';
import type { FakePageTable } from '../fakes.ts';
import { FakeCpu, FakeRam } from '../fakes.ts';

const RW = PROT_READ | PROT_WRITE;
const ANON = MAP_PRIVATE | MAP_ANONYMOUS;

function setup(frames = 2048) {
  const ram = new FakeRam(frames);
  const memory = new Memory(ram);
  const mm = AddressSpace.create({ cpu: new FakeCpu(), memory }, 'x86_64');
  return { ram, memory, mm };
}

/** A file of `bytes` whose writeback goes back there. */
function fileOf(memory: Memory, bytes: Uint8Array) {
  const backing = {
    size: bytes.length,
    read: (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)),
    write: (offset: number, page: Uint8Array) => {
      bytes.set(page, offset);
      return 0;
    },
  };
  return { backing, object: new PageCacheObject(memory, backing, { name: '/f', dev: 1, ino: 7 }) };
}

describe('AddressSpace', () => {
  it('maps top-down below mmap_base, merges neighbours and splits on munmap', () => {
    const { mm } = setup();
    const a = mm.map({ length: 2 * PAGE_SIZE, prot: RW, flags: ANON });
    expect(a).toBe(0x7ffff7ffd000);
    const b = mm.map({ length: PAGE_SIZE, prot: RW, flags: ANON });
    expect(b).toBe(a - PAGE_SIZE);
    expect(mm.vmas.count).toBe(1);
    expect(mm.unmap(a, a + PAGE_SIZE)).toBe(0);
    expect(mm.vmas.all().map((v) => [v.start, v.end])).toEqual([
      [b, a],
      [a + PAGE_SIZE, a + 2 * PAGE_SIZE],
    ]);
    expect(mm.map({ length: PAGE_SIZE, prot: RW, flags: ANON })).toBe(a);
    expect(mm.totalVm).toBe(3);
  });

  it('demand-zeroes, and refuses what the area does not allow', () => {
    const { mm } = setup();
    const a = mm.map({ length: PAGE_SIZE, prot: PROT_READ, flags: ANON });
    expect(mm.u32(a + 4)).toBe(0);
    expect(mm.putU32(a, 1)).toBe(-EFAULT);
    expect(mm.handleFault(a, PROT_WRITE)).toEqual({ signo: 11, code: 2 });
    expect(mm.handleFault(a + PAGE_SIZE, PROT_READ)).toEqual({ signo: 11, code: 1 });
    expect(mm.handleFault(0x8000_0000_0000, PROT_READ)).toEqual({ signo: 11, code: 0x80 });
    const none = mm.map({ length: 2 ** 40, prot: PROT_NONE, flags: ANON });
    expect(none).toBeGreaterThan(0);
    expect(mm.handleFault(none, PROT_READ)).toEqual({ signo: 11, code: 2 });
  });

  it('keeps frames contiguous over a fault run and reads across pages', () => {
    const { mm, ram } = setup();
    const a = mm.map({ length: 40 * PAGE_SIZE, prot: RW, flags: ANON });
    const bytes = Uint8Array.from({ length: 3 * PAGE_SIZE }, (_, i) => i * 7);
    expect(mm.copyOut(a + 100, bytes)).toBe(0);
    expect(mm.copyIn(a + 100, bytes.length)).toEqual(bytes);
    const buf = mm.iov(a + 100, bytes.length, false) as IoBuf;
    expect(buf.chunks.length).toBe(1);
    expect(mm.putU64(a + PAGE_SIZE - 3, 0x1122334455667788n)).toBe(0);
    expect(mm.u64(a + PAGE_SIZE - 3)).toBe(0x1122334455667788n);
    expect(mm.putU64(a, -2)).toBe(0);
    expect(mm.u64(a)).toBe(0xfffffffffffffffen);
    mm.release();
    expect(ram.used).toBe(0);
    const table = mm.pageTable as FakePageTable;
    expect(table.destroyed).toBe(true);
    // What was decoded of a page is kept for the next process only if the cpu hears of the end before the page goes.
    expect(table.mappedAtEnd).toBeGreaterThan(0);
  });

  it('cuts iov at the first byte that cannot be accessed and copyOut writes all or nothing', () => {
    const { mm } = setup();
    const a = mm.map({ length: 3 * PAGE_SIZE, prot: RW, flags: ANON });
    mm.unmap(a + PAGE_SIZE, a + 2 * PAGE_SIZE);
    expect((mm.iov(a + 10, 2 * PAGE_SIZE, true) as IoBuf).length).toBe(PAGE_SIZE - 10);
    expect(mm.iov(a + PAGE_SIZE, 1, false)).toBe(-EFAULT);
    expect(mm.copyOut(a + PAGE_SIZE - 2, Uint8Array.of(1, 2, 3))).toBe(-EFAULT);
    expect(mm.u32(a + PAGE_SIZE - 4)).toBe(0);
    expect(mm.cstring(a + PAGE_SIZE - 4, 4096)).toBe('');
    mm.copyOut(a + PAGE_SIZE - 4, Uint8Array.of(0x61, 0xe9, 0x63, 0x64));
    expect(mm.cstring(a + PAGE_SIZE - 4)).toBe(-EFAULT);
    expect(mm.cstring(a + PAGE_SIZE - 4, 2)).toBe(-36);
    mm.putU8(a + PAGE_SIZE - 1, 0);
    expect(mm.cstring(a + PAGE_SIZE - 4)).toBe('a\xe9c');
  });

  it('copies on write after fork, and the last owner writes again without a copy', () => {
    const { mm, ram } = setup();
    const a = mm.map({ length: 4 * PAGE_SIZE, prot: RW, flags: ANON });
    mm.putU32(a, 1);
    const frame = mm.pageTable.frame(a);
    const used = ram.used;
    const child = mm.fork();
    expect(ram.used).toBe(used);
    expect(child.u32(a)).toBe(1);
    child.putU32(a, 2);
    expect([mm.u32(a), child.u32(a)]).toEqual([1, 2]);
    expect(mm.pageTable.frame(a)).toBe(frame);
    child.release();
    expect(ram.used).toBe(used);
    expect(mm.pageTable.prot(a) & PROT_WRITE).toBe(0);
    mm.putU32(a, 3);
    expect(mm.pageTable.frame(a)).toBe(frame);
    expect(ram.used).toBe(used);
    mm.release();
    expect(ram.used).toBe(0);
  });

  it('shares MAP_SHARED memory over fork, under one futex key', () => {
    const { mm } = setup();
    const a = mm.map({ length: PAGE_SIZE, prot: RW, flags: MAP_SHARED | MAP_ANONYMOUS });
    const p = mm.map({ length: PAGE_SIZE, prot: RW, flags: ANON });
    const child = mm.fork();
    child.putU32(a + 8, 42);
    expect(mm.u32(a + 8)).toBe(42);
    expect(mm.futexKey(a + 8)).toBe(child.futexKey(a + 8));
    expect(mm.futexKey(a + 8)).not.toBe(mm.futexKey(a + 12));
    expect(mm.futexKey(p)).not.toBe(child.futexKey(p));
    expect(mm.futexKey(p)).toBe(mm.futexKey(p, true));
    expect(mm.futexKey(0x1000)).toBe(-EFAULT);
  });

  it('reads file pages, copies private writes, writes shared ones back, and gives SIGBUS past the end', () => {
    const { mm, memory, ram } = setup();
    const bytes = new Uint8Array(PAGE_SIZE + 10).fill(5);
    const { object, backing } = fileOf(memory, bytes);
    const length = 3 * PAGE_SIZE;
    const priv = mm.map({ length, prot: RW, flags: MAP_PRIVATE, object });
    const shared = mm.map({ length, prot: RW, flags: MAP_SHARED, object });
    expect(mm.u32(priv)).toBe(0x05050505);
    mm.putU32(priv, 1);
    expect(mm.u32(shared)).toBe(0x05050505);
    mm.putU32(shared + PAGE_SIZE, 9);
    expect(mm.u32(priv + PAGE_SIZE)).toBe(9);
    expect(mm.u32(shared + PAGE_SIZE + 12)).toBe(0);
    expect(mm.handleFault(shared + 2 * PAGE_SIZE, PROT_READ)).toEqual({ signo: 7, code: 2 });
    expect(bytes[PAGE_SIZE]).toBe(5);
    object.sync(0, Infinity);
    expect(bytes[PAGE_SIZE]).toBe(9);
    expect(bytes.length).toBe(PAGE_SIZE + 10);
    backing.size = 100;
    object.truncated(100);
    expect(mm.handleFault(shared + PAGE_SIZE, PROT_READ)).toEqual({ signo: 7, code: 2 });
    expect(mm.handleFault(priv + PAGE_SIZE, PROT_READ)).toEqual({ signo: 7, code: 2 });
    expect([mm.u32(priv), mm.u32(shared), mm.u32(shared + 100)]).toEqual([1, 0x05050505, 0]);
    mm.release();
    expect(ram.used).toBe(0);
  });

  it('grows a stack down to its limit and keeps the guard gap', () => {
    const { mm } = setup();
    const rlimits = Array.from({ length: 16 }, () => ({ cur: Infinity, max: Infinity }));
    rlimits[RLIMIT_STACK].cur = 1 << 20;
    mm.owner = { rlimits };
    const top = 0x7ffffffff000;
    mm.map({ start: top - PAGE_SIZE, length: PAGE_SIZE, prot: RW, flags: ANON | MAP_FIXED | MAP_GROWSDOWN });
    expect(mm.handleFault(top - 0x10000, PROT_WRITE)).toBe(0);
    expect(mm.vmas.at(0)!.start).toBe(top - 0x10000);
    expect(mm.handleFault(top - (1 << 20) - 1, PROT_WRITE)).toEqual({ signo: 11, code: 1 });
    const below = top - 0x10000 - 300 * PAGE_SIZE;
    mm.map({ start: below, length: PAGE_SIZE, prot: RW, flags: ANON | MAP_FIXED });
    rlimits[RLIMIT_STACK].cur = Infinity;
    expect(mm.handleFault(below + 256 * PAGE_SIZE, PROT_WRITE)).toEqual({ signo: 11, code: 1 });
    expect(mm.handleFault(below + 257 * PAGE_SIZE, PROT_WRITE)).toBe(0);
  });

  it('refuses to map over others with MAP_FIXED_NOREPLACE, and more than there is', () => {
    const { mm } = setup();
    const a = mm.map({ length: PAGE_SIZE, prot: RW, flags: ANON });
    const flags = ANON | MAP_FIXED_NOREPLACE;
    expect(mm.map({ start: a, length: PAGE_SIZE, prot: RW, flags })).toBe(-EEXIST);
    expect(mm.map({ length: 4096 * PAGE_SIZE, prot: RW, flags: ANON })).toBe(-ENOMEM);
  });

  it('asks for a kill, and throws nothing, when RAM is exhausted', () => {
    const { mm } = setup(8);
    const a = mm.map({ length: 8 * PAGE_SIZE, prot: RW, flags: ANON });
    const results = Array.from({ length: 8 }, (_, i) => mm.handleFault(a + i * PAGE_SIZE, PROT_WRITE));
    expect(results.filter((r) => r === 0).length).toBe(7);
    expect(results.at(-1)).toEqual({ signo: 9, code: 0x80 });
    expect(mm.oom).toBe(true);
  });

  it('tells the cpu about kernel writes to executable pages', () => {
    const { mm } = setup();
    const a = mm.map({ length: PAGE_SIZE, prot: RW | PROT_EXEC, flags: ANON });
    mm.copyOut(a + 5, Uint8Array.of(1, 2));
    expect((mm.pageTable as FakePageTable).writes).toEqual([[a + 5, PAGE_SIZE - 5]]);
  });

  it('frees shared anonymous memory with its last mapping', () => {
    const { mm, ram, memory } = setup();
    const object = new AnonObject(memory, 2 * PAGE_SIZE);
    const a = mm.map({ length: 3 * PAGE_SIZE, prot: RW, flags: MAP_SHARED, object });
    mm.putU32(a, 1);
    expect(mm.handleFault(a + 2 * PAGE_SIZE, PROT_READ)).toEqual({ signo: 7, code: 2 });
    mm.unmap(a, a + PAGE_SIZE);
    expect(ram.used).toBe(2);
    mm.unmap(a, a + 3 * PAGE_SIZE);
    expect(ram.used).toBe(0);
  });
});

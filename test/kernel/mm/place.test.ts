/** Where pages lie in RAM: one mapping is one run there, whatever the order its pages come in. */
import { describe, expect, it } from 'vitest';
import { FilePages } from '../../../kernel/fs/file-pages.ts';
import { AddressSpace } from '../../../kernel/mm/address-space.ts';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_GROWSDOWN, MAP_PRIVATE } from '../../../kernel/mm/flags.ts';
import { IoBuf } from '../../../kernel/mm/iobuf.ts';
import { mmRows } from '../../../kernel/mm/rows.ts';
import { PAGE_SIZE, PROT_NONE, PROT_READ, PROT_WRITE } from '../../../kernel/ports.ts';
import type { Task } from '../../../kernel/task/task.ts';
import { args, fakeObject } from './fake-mm-task.ts';
import { realPorts } from './real-ram.ts';

const RW = PROT_READ | PROT_WRITE;
const ANON = MAP_PRIVATE | MAP_ANONYMOUS;
const MIB = 2 ** 20;

function setup(mebibytes = 128) {
  const ports = realPorts(mebibytes);
  const mm = AddressSpace.create(ports, 'x86_64');
  const map = (pages: number, start = 0): number =>
    mm.map({ start, length: pages * PAGE_SIZE, prot: RW, flags: start ? ANON | MAP_FIXED : ANON });
  return { ...ports, mm, map };
}

/** Pages of [start, end) that are there, and the runs they form: neighbours in both the guest and in RAM. */
function layout(mm: AddressSpace, start: number, end: number): { pages: number; runs: number } {
  let pages = 0;
  let runs = 0;
  let delta = NaN;
  let next = -1;
  mm.pageTable.forEach(start, end, (page, frame) => {
    if (page !== next || frame - page !== delta) runs++;
    delta = frame - page;
    next = page + PAGE_SIZE;
    pages++;
  });
  return { pages, runs };
}

/** 0 … n-1 in an order that has nothing to do with them. */
function shuffled(n: number): number[] {
  const list = Array.from({ length: n }, (_, i) => i);
  let x = 1;
  for (let i = n - 1; i > 0; i--) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    const k = (x >>> 8) % (i + 1);
    [list[i], list[k]] = [list[k], list[i]];
  }
  return list;
}

function touch(mm: AddressSpace, start: number, order: Iterable<number>, value = 1): void {
  for (const i of order) if (mm.putU32(start + i * PAGE_SIZE, value) < 0) throw new Error(`page ${i}`);
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Whether nothing is set apart any more: a place may be as large as there can be one. */
function allGivenBack({ ram }: { ram: { total: number; used: number; place(n: number): number } }): boolean {
  return ram.used === 0 && ram.place(Math.floor((ram.total * 7) / 8 / 16 - 2) * 16) >= 0;
}

describe('the place of a mapping', () => {
  it.each([
    ['in order', upTo(64 * 256)],
    ['backwards', upTo(64 * 256).reverse()],
    ['in any order', shuffled(64 * 256)],
  ])('64 MiB touched %s are one run', (_, order) => {
    const s = setup();
    const a = s.map(64 * 256);
    touch(s.mm, a, order);
    expect(layout(s.mm, a, a + 64 * MIB)).toEqual({ pages: 64 * 256, runs: 1 });
    s.mm.release();
    expect(allGivenBack(s)).toBe(true);
  });

  it('several that are filled in turn are one run each', () => {
    const s = setup();
    const list = [0, 1, 2].map((i) => s.map(2000, 0x10000000 + i * 0x1000000));
    for (const i of shuffled(2000)) for (const a of list) touch(s.mm, a, [i]);
    for (const a of list) expect(layout(s.mm, a, a + 2000 * PAGE_SIZE)).toEqual({ pages: 2000, runs: 1 });
  });

  it('the heap grows in one run, .data and .bss before it, whatever else is mapped meanwhile', () => {
    const s = setup();
    const { mm } = s;
    const t = { mm } as unknown as Task;
    const base = 0x400000;
    const object = fakeObject(s.memory, new Uint8Array(3 * PAGE_SIZE).fill(7));
    mm.map({ start: base, length: 3 * PAGE_SIZE, prot: RW, flags: MAP_PRIVATE | MAP_FIXED, object });
    touch(mm, base, [2]);
    s.map(5, base + 3 * PAGE_SIZE);
    mm.startBrk = mm.brk = base + 8 * PAGE_SIZE;
    touch(mm, base, [6, 0, 1, 3, 4, 5, 7]);
    for (let i = 0; i < 100; i++) {
      mmRows.brk.run(t, args(mm.brk + 7 * PAGE_SIZE));
      touch(mm, mm.brk - 7 * PAGE_SIZE, [3, 6, 0, 1, 2, 4, 5]);
      const other = s.map(3, 0x70000000 + i * 0x10000);
      touch(mm, other, [1, 0, 2]);
    }
    expect(layout(mm, base, mm.brk)).toEqual({ pages: 708, runs: 1 });
    expect(mm.u32(base + 4)).toBe(0x07070707);
    mm.release();
    expect(s.ram.used).toBe(0);
  });

  it('a heap that outgrows its room goes on in few runs', () => {
    const s = setup();
    const { mm } = s;
    const t = { mm } as unknown as Task;
    mm.startBrk = mm.brk = 0x1000000;
    let at = mm.brk;
    for (let i = 0; i < 60; i++) {
      mmRows.brk.run(t, args(mm.brk + MIB));
      for (; at < mm.brk; at += 5 * PAGE_SIZE) touch(mm, at, [0]);
      touch(mm, s.map(20, 0x70000000 + i * 0x100000), [7]);
    }
    const { runs } = layout(mm, mm.startBrk, mm.brk);
    expect(runs).toBeLessThanOrEqual(4);
    mm.release();
    expect(allGivenBack(s)).toBe(true);
  });

  it('a stack grows down in one run', () => {
    const s = setup();
    const { mm } = s;
    const top = 0x7ffffffff000;
    const flags = ANON | MAP_FIXED | MAP_GROWSDOWN;
    mm.map({ start: top - 33 * PAGE_SIZE, length: 33 * PAGE_SIZE, prot: RW, flags });
    for (let i = 1; i <= 240; i++) {
      touch(mm, top - i * PAGE_SIZE, [0]);
      if (i % 20 === 0) touch(mm, s.map(10, 0x10000000 + i * 0x100000), [0]);
    }
    expect(layout(mm, top - 240 * PAGE_SIZE, top)).toEqual({ pages: 240, runs: 1 });
  });

  it('mappings put below one another are one run', () => {
    const s = setup();
    let low = 0;
    const high = s.map(1) + PAGE_SIZE;
    for (let i = 0; i < 60; i++) {
      low = s.map(1 + (i % 7));
      touch(s.mm, low, [i % (1 + (i % 7))]);
      if (i % 10 === 0) touch(s.mm, s.map(1, 0x10000000 + i * 0x10000), [0]);
    }
    touch(s.mm, low, upTo((high - low) / PAGE_SIZE));
    expect(layout(s.mm, low, high).runs).toBe(1);
  });

  it('memory set aside without rights is room for what is made of it', () => {
    const s = setup();
    const { mm } = s;
    const a = mm.map({ start: 0x10000000, length: 8 * MIB, prot: PROT_NONE, flags: ANON | MAP_FIXED });
    for (let i = 0; i < 30; i++) {
      mmRows.mprotect.run({ mm } as unknown as Task, args(a + i * 10 * PAGE_SIZE, 10 * PAGE_SIZE, RW));
      touch(mm, a + i * 10 * PAGE_SIZE, shuffled(10));
      touch(mm, s.map(1, 0x20000000 + i * 0x10000), [0]);
    }
    expect(layout(mm, a, a + 8 * MIB)).toEqual({ pages: 300, runs: 1 });
  });

  it('both sides of a fork copy into one run', () => {
    const s = setup();
    const a = s.map(3000);
    touch(s.mm, a, shuffled(3000));
    const child = s.mm.fork();
    touch(child, a, shuffled(3000), 2);
    expect(layout(child, a, a + 3000 * PAGE_SIZE)).toEqual({ pages: 3000, runs: 1 });
    expect(layout(s.mm, a, a + 3000 * PAGE_SIZE).runs).toBe(1);
    const second = s.mm.fork();
    touch(s.mm, a, shuffled(3000), 3);
    expect(layout(s.mm, a, a + 3000 * PAGE_SIZE)).toEqual({ pages: 3000, runs: 1 });
    expect([s.mm, child, second].map((mm) => mm.u32(a + 1234 * PAGE_SIZE))).toEqual([3, 2, 1]);
    for (const mm of [s.mm, child, second]) mm.release();
    expect(allGivenBack(s)).toBe(true);
  });

  it('mremap takes the place along', () => {
    const s = setup();
    const { mm } = s;
    const t = { mm, creds: { capEffective: 0n } } as unknown as Task;
    let a = s.map(4);
    touch(mm, a, [0, 1, 2, 3]);
    for (let pages = 4; pages < 4096; pages *= 2) {
      const flags = ANON | MAP_FIXED;
      mm.map({ start: a + pages * PAGE_SIZE, length: PAGE_SIZE, prot: PROT_READ, flags }); // in the way
      const to = mmRows.mremap.run(t, args(a, pages * PAGE_SIZE, 2 * pages * PAGE_SIZE, 1));
      expect(to).not.toBe(a);
      a = to;
      touch(mm, a, shuffled(2 * pages));
    }
    expect(layout(mm, a, a + 4096 * PAGE_SIZE)).toEqual({ pages: 4096, runs: 1 });
    mm.release();
    expect(allGivenBack(s)).toBe(true);
  });

  it('more than there is RAM for gets every frame, zeroed, and then none', () => {
    const s = setup(8);
    const { mm, ram } = s;
    const pages = ram.total;
    for (let round = 0; round < 2; round++) {
      const maps = [s.map(100), s.map(pages), s.map(pages, 0x10000000)];
      touch(mm, maps[0], [50]);
      const seen = new Set<number>();
      let left = true;
      for (const i of shuffled(pages))
        for (const a of maps) {
          const p = a + (a === maps[0] ? i % 100 : i) * PAGE_SIZE;
          if (!left || mm.pageTable.frame(p) >= 0) continue;
          left = mm.handleFault(p, PROT_WRITE) === 0;
          if (!left) continue;
          const frame = mm.pageTable.frame(p);
          expect(seen.has(frame)).toBe(false);
          seen.add(frame);
          const bytes = ram.u8.subarray(frame, frame + PAGE_SIZE);
          expect(bytes.indexOf(0x55)).toBe(-1);
          bytes.fill(0x55);
        }
      expect(left).toBe(false);
      expect(s.memory.spare).toBe(0);
      mm.unmap(0, mm.taskSize);
      expect(mm.rss).toBe(0);
    }
    mm.release();
    expect(allGivenBack(s)).toBe(true);
  });
});

describe('the place of a file', () => {
  it('mapped and read in any order, it is one run', () => {
    const s = setup();
    const { mm } = s;
    const object = fakeObject(s.memory, new Uint8Array(2000 * PAGE_SIZE).fill(3));
    const flags = MAP_PRIVATE;
    const a = mm.map({ length: 2000 * PAGE_SIZE, prot: PROT_READ, flags, object });
    const other = s.map(500);
    for (const i of shuffled(2000)) {
      expect(mm.u32(a + i * PAGE_SIZE)).toBe(0x03030303);
      touch(mm, other, [i % 500]);
    }
    expect(layout(mm, a, a + 2000 * PAGE_SIZE)).toEqual({ pages: 2000, runs: 1 });
    mm.release();
    expect(allGivenBack(s)).toBe(true);
  });

  it('written piece by piece beside another, it is few runs', () => {
    const { ram } = realPorts(32);
    const quota = { used: 0, max: Infinity };
    const files = [new FilePages(ram, quota), new FilePages(ram, quota)];
    const piece = new Uint8Array(3000).fill(9);
    for (let pos = 0; pos < 4 * MIB; pos += piece.length)
      for (const f of files) expect(f.write(new IoBuf([piece]), pos, piece.length)).toBe(piece.length);
    for (const f of files) {
      let runs = 0;
      for (let i = 0; i < f.count; i++) if (i === 0 || f.get(i) !== f.get(i - 1) + PAGE_SIZE) runs++;
      expect(f.count).toBe(1025);
      expect(runs).toBeLessThanOrEqual(8);
      f.free(0, Infinity);
    }
    expect(allGivenBack({ ram })).toBe(true);
  });
});

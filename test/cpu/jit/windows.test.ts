/** Windows: how far they reach, as pages come, go, move and change their rights. */
import { describe, expect, it } from 'vitest';
import { Windows, type Anchor } from '../../../cpu/jit/windows.ts';
import { W, WINDOWS, WINDOW_BYTES, PTE_CODE } from '../../../cpu/layout.ts';
import { Memory } from '../../../cpu/memory/memory.ts';
import { PageTable } from '../../../cpu/memory/page-table.ts';
import { Random } from '../../support/random.ts';

const PAGE = 4096;
const BASE = 0x7f00_0000_0000;

class World {
  readonly memory = new Memory(8 << 20, 1 << 20);
  readonly anchors: Anchor[] = [];
  readonly table: PageTable;
  readonly windows: Windows;
  readonly frames: number;

  constructor() {
    const changed = (table: PageTable, page: number): void => {
      if (table === this.table) this.windows.changed(page);
    };
    this.table = this.newTable(changed);
    this.windows = new Windows(this.memory, this.table, this.anchors);
    this.frames = this.memory.alloc(64);
  }

  newTable(changed: (table: PageTable, page: number) => void): PageTable {
    return new PageTable(this.memory, {
      flush: changed,
      added: changed,
      codeChanged: () => undefined,
      codeRemapped: () => undefined,
      isCodeFrame: () => false,
      destroyed: () => undefined,
    });
  }

  /** Page i of the guest on frame k. */
  map(i: number, k: number, prot = 3): void {
    this.table.set(BASE + i * PAGE, this.frames + k * PAGE, prot);
  }

  /** First and one past the last page of a window as compiled code sees it, and the frame of the first; null: empty. */
  seen(n: number): readonly [number, number, number] | null {
    const at = WINDOWS + n * WINDOW_BYTES;
    const { view } = this.memory;
    const lo = Number(view.getBigUint64(at + W.lo, true));
    const bytes = Number(view.getBigUint64(at + W.limits, true));
    [2, 4, 8, 16].forEach((size, k) => {
      const limit = Number(view.getBigUint64(at + W.limits + 8 * (k + 1), true));
      expect(limit).toBe(Math.max(0, bytes - (size - 1)));
    });
    if (bytes === 0) return null;
    const linear = ((lo | 0) + view.getInt32(at + W.delta, true)) >>> 0;
    return [(lo - BASE) / PAGE, (lo - BASE + bytes) / PAGE, (linear - this.frames) / PAGE];
  }
}

function world(write = true): World {
  const w = new World();
  for (let i = 2; i < 8; i++) w.map(i, i);
  w.anchors.push({ page: BASE + 4 * PAGE, write });
  w.windows.activate();
  return w;
}

describe('a window', () => {
  it('is the run around its anchor that is contiguous here and there', () => {
    const w = world();
    expect(w.seen(0)).toEqual([2, 8, 2]);
    w.map(8, 20); // elsewhere in RAM
    expect(w.seen(0)).toEqual([2, 8, 2]);
    w.map(1, 1);
    w.map(0, 0, 1); // read-only
    expect(w.seen(0)).toEqual([1, 8, 1]);
  });

  it('grows over pages that come, through a run that was there before', () => {
    const w = world();
    w.map(9, 9);
    expect(w.seen(0)).toEqual([2, 8, 2]);
    w.map(8, 8);
    expect(w.seen(0)).toEqual([2, 10, 2]);
  });

  it('shrinks to the part with its anchor', () => {
    const w = world();
    w.table.protect(BASE + 6 * PAGE, 1);
    expect(w.seen(0)).toEqual([2, 6, 2]);
    w.table.clear(BASE + 2 * PAGE, BASE + 3 * PAGE);
    expect(w.seen(0)).toEqual([3, 6, 3]);
    w.table.protect(BASE + 6 * PAGE, 3);
    expect(w.seen(0)).toEqual([3, 8, 3]);
  });

  it('of readable pages keeps what cannot be written', () => {
    const w = world(false);
    w.table.protect(BASE + 6 * PAGE, 1);
    expect(w.seen(0)).toEqual([2, 8, 2]);
    w.table.protect(BASE + 6 * PAGE, 4);
    expect(w.seen(0)).toEqual([2, 6, 2]);
  });

  it('for writing leaves out pages whose code was decoded', () => {
    const w = world();
    w.table.markCode(BASE + 5 * PAGE);
    expect(w.table.raw(BASE + 5 * PAGE) & PTE_CODE).not.toBe(0);
    expect(w.seen(0)).toEqual([2, 5, 2]);
    w.table.unmarkCode(BASE + 5 * PAGE);
    expect(w.seen(0)).toEqual([2, 8, 2]);
  });

  it('is empty without its anchor, and there again with it', () => {
    const w = world();
    w.table.clear(BASE + 4 * PAGE, BASE + 5 * PAGE);
    expect(w.seen(0)).toBeNull();
    expect(w.windows.find(BASE + 3 * PAGE, true)).toBe(-1);
    w.map(4, 4);
    expect(w.seen(0)).toEqual([2, 8, 2]);
  });

  it('goes with its anchor when that is copied', () => {
    const w = world();
    w.map(4, 40);
    expect(w.seen(0)).toEqual([4, 5, 40]);
    w.map(5, 41);
    expect(w.seen(0)).toEqual([4, 6, 40]);
  });

  it("is each address space's own, by the program's anchors", () => {
    const w = world();
    const other = w.newTable(() => undefined);
    other.set(BASE + 4 * PAGE, w.frames + 50 * PAGE, 3);
    const theirs = new Windows(w.memory, other, w.anchors);
    w.windows.active = false;
    theirs.activate();
    expect(w.seen(0)).toEqual([4, 5, 50]);
    w.map(8, 8); // not shown while the other one runs
    expect(w.seen(0)).toEqual([4, 5, 50]);
    theirs.active = false;
    w.windows.activate();
    expect(w.seen(0)).toEqual([2, 9, 2]);
    w.anchors.push({ page: BASE + 4 * PAGE, write: false });
    w.windows.activate();
    expect(w.seen(1)).toEqual([2, 9, 2]);
    expect(w.windows.find(BASE + 8 * PAGE, true)).toBe(0);
  });

  it('stays what a fresh look would give, whatever happens to pages', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const r = new Random(seed);
      const w = new World();
      for (let n = 0; n < 4; n++) w.anchors.push({ page: BASE + r.below(12) * PAGE, write: r.chance(0.5) });
      w.windows.activate();
      for (let step = 0; step < 80; step++) {
        const i = r.below(12);
        const page = BASE + i * PAGE;
        const kind = r.below(6);
        if (kind === 0) w.table.clear(page, page + PAGE);
        else if (kind === 1) w.table.protect(page, r.pick([0, 1, 3, 3, 5]));
        else if (kind === 2) w.table.markCode(page);
        else if (kind === 3) w.table.unmarkCode(page);
        else w.map(i, r.chance(0.7) ? i : r.below(60), r.pick([1, 3, 3, 3]));
        const kept = w.anchors.map((_, n) => w.seen(n));
        const fresh = new Windows(w.memory, w.table, w.anchors);
        fresh.activate();
        const want = w.anchors.map((_, n) => w.seen(n));
        w.windows.activate();
        expect(kept, `seed ${seed}, step ${step}`).toEqual(want);
      }
    }
  });
});

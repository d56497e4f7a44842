/**
 * Windows: runs of pages contiguous in the guest and in RAM that allow the same access. Compiled code reaches memory
 * through the few windows its program uses by a subtraction, a comparison and an addition. Which windows there are is
 * known by an address in each, for all processes of a program; how far they reach is each address space's own, and kept
 * up to date as pages come and go.
 */
import {
  PTE_CODE,
  PTE_PRESENT,
  PTE_WATCH,
  W,
  WINDOWS,
  WINDOW_BYTES,
  WINDOW_COUNT,
  WINDOW_SIZES,
} from '../layout.ts';
import type { Memory } from '../memory/memory.ts';
import type { PageTable } from '../memory/page-table.ts';

const PAGE = 4096;
const READ = 1;
const WRITE = 2;

/** An address that is in the window, page-aligned, and whether the window is of pages that can be written. */
export interface Anchor {
  readonly page: number;
  readonly write: boolean;
}

interface Window {
  readonly anchor: Anchor;
  /** Guest addresses; empty when equal. */
  lo: number;
  hi: number;
  /** RAM offset of lo. */
  frame: number;
}

/** The windows of one address space. */
export class Windows {
  private readonly memory: Memory;
  private readonly table: PageTable;
  /** The program's, which may grow. */
  private readonly anchors: readonly Anchor[];
  readonly list: Window[] = [];
  /** Its windows are the ones in memory. */
  active = false;

  constructor(memory: Memory, table: PageTable, anchors: readonly Anchor[]) {
    this.memory = memory;
    this.table = table;
    this.anchors = anchors;
  }

  /** Makes these the windows compiled code sees. */
  activate(): void {
    this.active = true;
    for (let i = 0; i < WINDOW_COUNT; i++) {
      if (i < this.list.length) this.publish(i);
      else if (i < this.anchors.length) this.add(i);
      else this.memory.u8.fill(0, WINDOWS + i * WINDOW_BYTES, WINDOWS + (i + 1) * WINDOW_BYTES);
    }
  }

  /** Number of the window that holds the page, −1: none. */
  find(page: number, write: boolean): number {
    this.grow();
    return this.list.findIndex((w) => (w.anchor.write || !write) && page >= w.lo && page < w.hi);
  }

  private grow(): void {
    while (this.list.length < this.anchors.length) this.add(this.list.length);
  }

  private add(i: number): void {
    const anchor = this.anchors[i];
    this.list[i] = { anchor, lo: anchor.page, hi: anchor.page, frame: 0 };
    this.reach(i);
  }

  private allows(entry: number, write: boolean): boolean {
    const need = PTE_PRESENT | (write ? WRITE | READ : READ);
    return (entry & (need | PTE_WATCH)) === need && !(write && entry & PTE_CODE);
  }

  /** Stretches a window as far as it goes both ways. */
  private reach(i: number): void {
    const w = this.list[i];
    const { table } = this;
    const { write } = w.anchor;
    if (w.lo === w.hi) {
      const e = table.raw(w.anchor.page);
      if (!this.allows(e, write)) {
        this.publish(i);
        return;
      }
      w.lo = w.anchor.page;
      w.hi = w.lo + PAGE;
      w.frame = (e & ~(PAGE - 1)) >>> 0;
    }
    for (;;) {
      const e = table.raw(w.hi);
      if (!this.allows(e, write) || (e & ~(PAGE - 1)) >>> 0 !== w.frame + (w.hi - w.lo)) break;
      w.hi += PAGE;
    }
    while (w.lo >= PAGE) {
      const e = table.raw(w.lo - PAGE);
      if (!this.allows(e, write) || (e & ~(PAGE - 1)) >>> 0 !== w.frame - PAGE) break;
      w.lo -= PAGE;
      w.frame -= PAGE;
    }
    this.publish(i);
  }

  private publish(i: number): void {
    if (!this.active) return;
    const w = this.list[i];
    const at = WINDOWS + i * WINDOW_BYTES;
    const { view } = this.memory;
    const set = (field: number, value: number): void => {
      view.setUint32(field, value % 4294967296, true);
      view.setUint32(field + 4, value / 4294967296, true);
    };
    set(at + W.lo, w.lo);
    view.setInt32(at + W.delta, (w.frame - w.lo) | 0, true);
    WINDOW_SIZES.forEach((size, k) => {
      set(at + W.limits + 8 * k, Math.max(0, w.hi - w.lo - (size - 1)));
    });
  }

  /** The entry of a page changed: it came, went, moved or has other rights. */
  changed(page: number): void {
    for (let i = 0; i < this.list.length; i++) {
      const w = this.list[i];
      if (page < w.lo - PAGE || page > w.hi) continue;
      const inside = page >= w.lo && page < w.hi;
      const e = this.table.raw(page);
      const fits =
        this.allows(e, w.anchor.write) &&
        (w.lo === w.hi || (e & ~(PAGE - 1)) >>> 0 === w.frame + (page - w.lo));
      if (inside === fits && w.lo !== w.hi) continue;
      if (inside) {
        // What is left is the part with the anchor.
        const { anchor } = w;
        if (page === anchor.page) {
          // It may have moved (copied after a fork), with or without its neighbours.
          w.hi = w.lo = page;
          this.reach(i);
          continue;
        }
        if (page < anchor.page) {
          w.frame += page + PAGE - w.lo;
          w.lo = page + PAGE;
        } else w.hi = page;
        this.publish(i);
      } else if (fits) this.reach(i);
    }
  }
}

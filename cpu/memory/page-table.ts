/**
 * A guest address space as the cpu sees it: four levels of 512 entries in linear memory, walked by generated code when
 * its TLB misses and by the kernel through this class. Tables are 2 KiB, entries i32; the last level holds
 * frame | PTE_PRESENT | protection. Table frames come from the same RAM as everything else.
 */
import { PTE_CODE, PTE_PRESENT, PTE_WATCH } from '../layout.ts';
import type { Memory } from './memory.ts';

const TABLE_BYTES = 2048;
const PAGE = 4096;
const SPAN3 = 512 * PAGE; // bytes under one last-level table
const SPAN2 = 512 * SPAN3;
const SPAN1 = 512 * SPAN2;
export const ADDRESS_END = 2 ** 47;

/** Told when what compiled or cached code relies on changes. Implemented by the cpu. */
export interface PageTableOwner {
  /** A page that was not mapped is. */
  added?(table: PageTable, page: number): void;
  /** The mapping or protection of a page the TLB may hold changed. */
  flush(table: PageTable, page: number): void;
  /** Bytes of decoded code changed in place. */
  codeChanged(table: PageTable, start: number, end: number): void;
  /** A page with decoded code is mapped differently now, or no longer executable. */
  codeRemapped(table: PageTable, page: number): void;
  /** Whether code was decoded from a frame: whoever maps it writable must have its writes noticed. */
  isCodeFrame(frame: number): boolean;
  /** Nobody will run in it again; its pages are still mapped. */
  abandoned?(table: PageTable): void;
  destroyed(table: PageTable): void;
}

export class PageTable {
  /** Linear address of the first-level table. */
  readonly root: number;
  private readonly memory: Memory;
  private readonly owner: PageTableOwner;
  /** Set by the kernel: maps an executable page that was not touched yet, if it is one. */
  prefault: ((page: number) => void) | null = null;
  /** Set by the kernel: calls back for every page, of any address space, through which this one's bytes may be written. */
  writers: ((page: number, fn: (table: PageTable, page: number) => void) => void) | null = null;
  /** Pages a debugger watches. */
  private watched: ReadonlySet<number> | null = null;
  private frames: number[] = [];
  private free: number[] = [];

  constructor(memory: Memory, owner: PageTableOwner) {
    this.memory = memory;
    this.owner = owner;
    this.root = this.newTable();
  }

  private newTable(): number {
    const reuse = this.free.pop();
    if (reuse !== undefined) {
      this.memory.u8.fill(0, reuse, reuse + TABLE_BYTES);
      return reuse;
    }
    const frame = this.memory.alloc(1);
    if (frame < 0) throw new OutOfMemory();
    this.frames.push(frame);
    this.free.push(frame + TABLE_BYTES);
    return frame;
  }

  /** i32 index of the page's entry, making tables on the way when asked; −1 when there is none. */
  private entry(page: number, create: boolean): number {
    const { i32 } = this.memory;
    let table = this.root;
    for (let span = SPAN1; span >= SPAN3; span /= 512) {
      const slot = (table >>> 2) + (Math.floor(page / span) & 511);
      let next = i32[slot];
      if (next === 0) {
        if (!create) return -1;
        next = this.newTable();
        i32[slot] = next;
      }
      table = next;
    }
    return (table >>> 2) + (Math.floor(page / PAGE) & 511);
  }

  /** The page's entry, 0: none. */
  raw(page: number): number {
    const i = this.entry(page, false);
    return i < 0 ? 0 : this.memory.i32[i];
  }

  set(page: number, frame: number, prot: number): void {
    const i = this.entry(page, true);
    const { i32 } = this.memory;
    const old = i32[i];
    i32[i] = frame | PTE_PRESENT | (prot & 7) | this.codeBit(frame, prot);
    if (this.watched?.has(page)) i32[i] |= PTE_WATCH;
    if (old !== 0) {
      this.owner.flush(this, page);
      if (old & PTE_CODE) this.owner.codeRemapped(this, page);
    } else this.owner.added?.(this, page);
  }

  /** A shared page with decoded code somewhere that can be written here. */
  private codeBit(frame: number, prot: number): number {
    return prot & 2 && this.memory.refs(frame) > 1 && this.owner.isCodeFrame(frame) ? PTE_CODE : 0;
  }

  frame(page: number): number {
    const e = this.raw(page);
    return e === 0 ? -1 : (e & ~(PAGE - 1)) >>> 0;
  }

  prot(page: number): number {
    return this.raw(page) & 7;
  }

  protect(page: number, prot: number): void {
    const i = this.entry(page, false);
    if (i < 0) return;
    const { i32 } = this.memory;
    const old = i32[i];
    if (old === 0 || (old & 7) === prot) return;
    // A page that stops being executable loses its decoded code; else the code stays good.
    if (old & PTE_CODE && !(prot & 4)) {
      i32[i] = (old & ~(7 | PTE_CODE)) | prot;
      this.owner.codeRemapped(this, page);
    } else i32[i] = (old & ~7) | prot | this.codeBit((old & ~(PAGE - 1)) >>> 0, prot);
    this.owner.flush(this, page);
  }

  clear(start: number, end: number): void {
    const { i32 } = this.memory;
    this.walk(start, end, (i, page) => {
      const old = i32[i];
      i32[i] = 0;
      this.owner.flush(this, page);
      if (old & PTE_CODE) this.owner.codeRemapped(this, page);
    });
  }

  forEach(start: number, end: number, fn: (page: number, frame: number, prot: number) => void): void {
    const { i32 } = this.memory;
    this.walk(start, end, (i, page) => {
      const e = i32[i];
      fn(page, (e & ~(PAGE - 1)) >>> 0, e & 7);
    });
  }

  /** Visits mapped pages, skipping whole absent tables. */
  private walk(start: number, end: number, fn: (index: number, page: number) => void): void {
    const { i32 } = this.memory;
    let page = start;
    while (page < end) {
      let table = this.root;
      let span = SPAN1;
      for (; span >= SPAN3; span /= 512) {
        const next = i32[(table >>> 2) + (Math.floor(page / span) & 511)];
        if (next === 0) break;
        table = next;
      }
      if (span >= SPAN3) {
        page = (Math.floor(page / span) + 1) * span;
        continue;
      }
      const stop = Math.min(end, (Math.floor(page / SPAN3) + 1) * SPAN3);
      for (; page < stop; page += PAGE) {
        const i = (table >>> 2) + (Math.floor(page / PAGE) & 511);
        if (i32[i] !== 0) fn(i, page);
      }
    }
  }

  /** Marks a page whose bytes were decoded, here or elsewhere, so that writes to it are noticed. */
  markCode(page: number): void {
    const i = this.entry(page, false);
    if (i < 0) return;
    const { i32 } = this.memory;
    if (i32[i] & PTE_CODE) return;
    i32[i] |= PTE_CODE;
    this.owner.flush(this, page);
  }

  /** The page's decoded code is gone: writes are ordinary again. */
  unmarkCode(page: number): void {
    const i = this.entry(page, false);
    if (i < 0) return;
    this.memory.i32[i] &= ~PTE_CODE;
    this.owner.flush(this, page);
  }

  /** From now on accesses to these pages, and no others, are the debugger's to see. */
  watch(pages: ReadonlySet<number> | null): void {
    const mark = (page: number, bit: number): void => {
      const i = this.entry(page, false);
      if (i < 0 || this.memory.i32[i] === 0) return;
      this.memory.i32[i] = (this.memory.i32[i] & ~PTE_WATCH) | bit;
      this.owner.flush(this, page);
    };
    const before = this.watched;
    this.watched = pages;
    before?.forEach((page) => {
      if (!pages?.has(page)) mark(page, 0);
    });
    pages?.forEach((page) => {
      mark(page, PTE_WATCH);
    });
  }

  isCode(page: number): boolean {
    return (this.raw(page) & PTE_CODE) !== 0;
  }

  written(address: number, length: number): void {
    const end = address + length;
    for (let page = Math.floor(address / PAGE) * PAGE; page < end; page += PAGE)
      if (this.isCode(page))
        this.owner.codeChanged(this, Math.max(page, address), Math.min(page + PAGE, end));
  }

  /** Nobody will run in it again: what was decoded of its pages is good for the next who maps the same ones. */
  abandon(): void {
    this.owner.abandoned?.(this);
  }

  destroy(): void {
    this.owner.destroyed(this);
    for (const f of this.frames) this.memory.release(f);
    this.frames = [];
  }
}

/** RAM is exhausted while the machine needs a frame for itself. */
export class OutOfMemory extends Error {
  constructor() {
    super('out of guest RAM for page tables: raise --max-memory');
  }
}

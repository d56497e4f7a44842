/**
 * One guest address space on an engine of its own: which pages are mapped there, and how they follow the page table.
 * Pages come in when the engine first misses them, in runs that are contiguous on both sides; what the kernel changes
 * is taken out before the engine runs again.
 */
import type { Memory } from '../memory/memory.ts';
import { ADDRESS_END, type PageTable } from '../memory/page-table.ts';
import type { UnicornEngine } from './api.ts';

const PAGE = 4096;
/** Longest run mapped at once: one changed page takes its whole run out. */
const MAX_RUN = 128 * PAGE;
/**
 * Runs an engine has at most: one that comes makes all later changes slower, and with 1,024 sections Unicorn 2.0.1 ends
 * the process (phys_section_add). Over the first number the oldest go before the next run, until KEPT are left; at the
 * second the engine is left for that.
 */
const KEPT = 192;
const MAX_RUNS = 256;
const FULL = 512;

/** A mapped run. */
interface Run {
  readonly start: number;
  readonly end: number;
  readonly frame: number;
  /** As the page table has it. */
  readonly prot: number;
  /** Mapped without write permission, because its frame is executed through another page. */
  readonly guarded: boolean;
}

/** Pages through which a frame is executed. Unicorn sees only stores through the same page. */
export class CodeViews {
  private readonly byFrame = new Map<number, { space: UnicornSpace; page: number }[]>();

  has(frame: number): boolean {
    return this.byFrame.has(frame);
  }

  of(frame: number): readonly { space: UnicornSpace; page: number }[] {
    return this.byFrame.get(frame) ?? [];
  }

  add(frame: number, space: UnicornSpace, page: number): void {
    const views = this.byFrame.get(frame);
    if (views) views.push({ space, page });
    else this.byFrame.set(frame, [{ space, page }]);
  }

  remove(frame: number, space: UnicornSpace, page: number): void {
    const rest = this.of(frame).filter((v) => v.space !== space || v.page !== page);
    if (rest.length > 0) this.byFrame.set(frame, rest);
    else this.byFrame.delete(frame);
  }
}

/** What became of an access the engine could not make. */
export type Filled = 'mapped' | 'again' | 'denied';

export class UnicornSpace {
  readonly engine: UnicornEngine;
  private readonly memory: Memory;
  private readonly table: PageTable;
  /** By each page it holds. */
  private readonly runs = new Map<number, Run>();
  /** Each once, the oldest first. */
  private readonly byAge = new Set<Run>();
  /** Pages to take out before the next run. */
  private readonly changed = new Set<number>();
  /** Pages whose code the kernel wrote. */
  private readonly rewritten: [start: number, end: number][] = [];
  /** Without shared memory: what each page held when it was last the same on both sides. */
  private readonly copies: Map<number, Uint8Array> | null;
  private marking = false;
  /** Guarded pages to be written. */
  private readonly wanted: number[] = [];
  /** Shared by all spaces, as is `spaceOf`. */
  private readonly views: CodeViews;
  private readonly spaceOf: (table: PageTable) => UnicornSpace | undefined;

  constructor(
    engine: UnicornEngine,
    memory: Memory,
    table: PageTable,
    views: CodeViews,
    spaceOf: (table: PageTable) => UnicornSpace | undefined,
  ) {
    this.engine = engine;
    this.memory = memory;
    this.table = table;
    this.views = views;
    this.spaceOf = spaceOf;
    this.copies = engine.map_linear ? null : new Map();
  }

  flush(page: number): void {
    if (!this.marking && this.runs.has(page)) this.changed.add(page);
  }

  rewrite(start: number, end: number): void {
    this.rewritten.push([start, end]);
  }

  /** Before the engine runs: brings it up to date with what the kernel did. */
  enter(): void {
    if (this.byAge.size > MAX_RUNS) {
      for (const run of this.byAge) {
        if (this.byAge.size <= KEPT) break;
        this.unmap(run);
      }
    }
    if (this.changed.size > 0) {
      for (const page of this.changed) this.drop(page);
      this.changed.clear();
    }
    if (this.copies) this.copyIn(this.copies);
    else
      for (const [start, end] of this.rewritten)
        if (this.runs.has(start - (start % PAGE))) this.engine.ctl_remove_cache(start, end);
    this.rewritten.length = 0;
    for (const page of this.wanted.splice(0)) this.release(page);
  }

  /** After the engine ran: what it wrote becomes the guest's memory. */
  leave(): void {
    if (this.copies) this.copyOut(this.copies);
  }

  /** Maps what the page table allows at a page the engine misses. 'again': leave the engine first. */
  fill(address: number, access: number): Filled {
    const page = address - (address % PAGE);
    if (page >= ADDRESS_END) return 'denied';
    const { table } = this;
    const frame = table.frame(page);
    const prot = table.prot(page);
    if (frame < 0 || !(readable(prot) & access)) return 'denied';
    if (this.byAge.size >= FULL) return 'again';
    const present = this.runs.get(page);
    if (present && !(present.guarded && access === 2)) return 'denied';
    if (this.executedElsewhere(page, frame, prot)) {
      if (access === 2) {
        this.wanted.push(page);
        return 'again';
      }
      this.map({ start: page, end: page + PAGE, frame, prot, guarded: true });
      return 'mapped';
    }
    const goes = (at: number): boolean =>
      !this.runs.has(at) &&
      table.frame(at) === frame + at - page &&
      table.prot(at) === prot &&
      !this.executedElsewhere(at, frame + at - page, prot);
    let start = page;
    let end = page + PAGE;
    while (end - start < MAX_RUN && end < ADDRESS_END && goes(end)) end += PAGE;
    while (end - start < MAX_RUN && start > 0 && goes(start - PAGE)) start -= PAGE;
    // Each run more makes every later change of the map slower, so neighbours are joined.
    const before = this.runs.get(start - PAGE);
    const after = this.runs.get(end);
    let from = frame + start - page;
    if (
      before?.prot === prot &&
      !before.guarded &&
      before.frame + start - before.start === from &&
      end - before.start <= MAX_RUN
    ) {
      this.unmap(before);
      start = before.start;
      from = before.frame;
    }
    if (
      after?.prot === prot &&
      !after.guarded &&
      after.frame === from + end - start &&
      after.end - start <= MAX_RUN
    ) {
      this.unmap(after);
      end = after.end;
    }
    this.map({ start, end, frame: from, prot, guarded: false });
    return 'mapped';
  }

  private executedElsewhere(page: number, frame: number, prot: number): boolean {
    return (prot & 2) !== 0 && this.views.of(frame).some((v) => v.page !== page || v.space !== this);
  }

  /** Gives a guarded page its write permission; who executes the frame maps it anew. */
  private release(page: number): void {
    const frame = this.table.frame(page);
    const prot = this.table.prot(page);
    if (frame < 0 || !(prot & 2)) return;
    for (const view of this.views.of(frame).slice()) view.space.drop(view.page);
    this.drop(page);
    this.map({ start: page, end: page + PAGE, frame, prot, guarded: false });
  }

  close(): void {
    for (const run of this.byAge) this.forgetCode(run);
    this.runs.clear();
    this.byAge.clear();
    this.engine.close();
  }

  private map(run: Run): void {
    const { engine, memory } = this;
    const { start, end, frame, prot, guarded } = run;
    const perms = guarded ? readable(prot) & ~2 : readable(prot);
    if (engine.map_linear) engine.map_linear(start, end - start, perms, frame);
    else {
      engine.mem_map(start, end - start, perms);
      for (let at = start; at < end; at += PAGE) {
        const bytes = memory.u8.slice(frame + at - start, frame + at - start + PAGE);
        engine.mem_write(at, bytes);
        this.copies!.set(at, bytes);
      }
    }
    for (let at = start; at < end; at += PAGE) this.runs.set(at, run);
    this.byAge.add(run);
    if (prot & 4) this.noteCode(run);
  }

  /** Stores of the engine through these pages are seen by it; the kernel's, and those through other pages, are not. */
  private noteCode(run: Run): void {
    const { table } = this;
    this.marking = true;
    for (let page = run.start; page < run.end; page += PAGE) {
      table.markCode(page);
      const frame = run.frame + page - run.start;
      this.views.add(frame, this, page);
      if (this.memory.refs(frame) < 2) continue;
      table.writers?.(page, (t, p) => {
        if ((t === table && p === page) || t.frame(p) !== frame) return;
        t.markCode(p);
        this.spaceOf(t)?.drop(p);
      });
    }
    this.marking = false;
  }

  private drop(page: number): void {
    const run = this.runs.get(page);
    if (run) this.unmap(run);
  }

  private unmap(run: Run): void {
    const { start, end } = run;
    // Translated code is known by place in Unicorn's RAM, and places are used again.
    if (run.prot & 4) this.engine.ctl_remove_cache(start, end);
    this.forgetCode(run);
    this.engine.mem_unmap(start, end - start);
    this.byAge.delete(run);
    for (let at = start; at < end; at += PAGE) {
      this.runs.delete(at);
      this.copies?.delete(at);
    }
  }

  private forgetCode(run: Run): void {
    if (!(run.prot & 4)) return;
    for (let page = run.start; page < run.end; page += PAGE)
      this.views.remove(run.frame + page - run.start, this, page);
  }

  private copyIn(copies: Map<number, Uint8Array>): void {
    const { u8 } = this.memory;
    for (const [page, copy] of copies) {
      const run = this.runs.get(page)!;
      const at = run.frame + page - run.start;
      if (same(u8, at, copy)) continue;
      copy.set(u8.subarray(at, at + PAGE));
      if (run.prot & 4) this.engine.ctl_remove_cache(page, page + PAGE);
      this.engine.mem_write(page, copy);
    }
  }

  private copyOut(copies: Map<number, Uint8Array>): void {
    const { u8 } = this.memory;
    for (const [page, copy] of copies) {
      const run = this.runs.get(page)!;
      if (!(run.prot & 2) || run.guarded) continue;
      const bytes = this.engine.mem_read(page, PAGE);
      if (same(bytes, 0, copy)) continue;
      copy.set(bytes);
      u8.set(bytes, run.frame + page - run.start);
    }
  }
}

/** What Linux's protections mean on both architectures: a page that can be written or executed can be read. */
function readable(prot: number): number {
  return prot & 6 ? prot | 1 : prot;
}

/** Whether a page of `bytes` at `at` (a multiple of 4) equals `copy`. */
function same(bytes: Uint8Array, at: number, copy: Uint8Array): boolean {
  const a = new Uint32Array(bytes.buffer, bytes.byteOffset + at, PAGE / 4);
  const b = new Uint32Array(copy.buffer, copy.byteOffset, PAGE / 4);
  for (let i = 0; i < PAGE / 4; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Decoded code: an arena of records, and per address space the map from guest pc to block. */
import { FIXED_END, R, RECORD_SIZE } from './layout.ts';
import { JUMP_CACHE_ENTRIES } from './interp/helpers.ts';
import type { Anchor } from './jit/windows.ts';
import type { Memory } from './memory/memory.ts';
import type { PageTable } from './memory/page-table.ts';

const PAGE = 4096;
const MAX_BLOCK = 64;

/** `Translator.decode`: the bytes are no instruction, or more bytes are needed than were given. */
export const UNDEFINED = -1;
export const NEED_MORE = -2;

/** `CodeArena.fit`: all of it, or never. */
export const FITS = -1;
export const DIFFERS = -2;

/** Numbers of the handlers every architecture has. */
export interface CommonIds {
  readonly stop: number;
  readonly stale: number;
  /** Goes on at link1: a block that was cut. */
  readonly end: number;
}

/** An architecture's decoder and how it writes records. */
export interface Translator {
  readonly ids: CommonIds;
  /** Handler that raises the undefined-instruction exception. */
  readonly undefinedHandler: number;
  /** Bytes of the longest instruction. */
  readonly maxLength: number;
  /** Decodes the instruction at bytes[at] (`end` − at may be read), guest address `pc`: its length, UNDEFINED or NEED_MORE. */
  decode(bytes: Uint8Array, at: number, end: number, pc: number): number;
  // What decode found last:
  /** It says itself where to go on. */
  readonly ends: boolean;
  readonly name: string;
  /** Writes its records at `at`; returns the address behind them. `count`: of its place in the block, from 1. */
  write(at: number, pc: number, count: number): number;
  /** If it is a conditional branch and the record at `rec` a compare: makes that record both. */
  fuse(rec: number): void;
}

/** A page of guest code as it was decoded: which frame it was, and while nobody runs it a checksum of its bytes. */
export interface Claim {
  readonly frame: number;
  sum: number;
}

/** Page, frame and checksum of a claim. */
export type SavedClaim = readonly [page: number, frame: number, sum: number];

/**
 * Decoded blocks and the pages they came from. Address spaces that map the same frames at the same places share one: a
 * forked child, the next process of the same program. Whoever changes such a mapping leaves the space to the others.
 */
export class CodeSpace {
  /** Address spaces that run on it. Empty: kept for the next process of the program. */
  readonly users = new Set<PageTable>();
  claims = new Map<number, Claim>();
  /** Guest pc → head record. */
  readonly blocks = new Map<number, number>();
  /** Guest page → pcs of blocks with code on it. */
  readonly pages = new Map<number, Set<number>>();
  /** Linear address of its jump cache. */
  jumpCache: number;
  /** Link fields that are set, as indices of 32-bit words: the ways that were taken since `forgetWays`. */
  readonly links: number[] = [];
  /** A debugger's: cut where its breakpoints are, so no other address space may run on it. */
  own = false;
  /** Where compiled code's windows are. */
  readonly anchors: Anchor[] = [];

  constructor(jumpCache: number) {
    this.jumpCache = jumpCache;
  }

  /** Unlinks all blocks: what is linked a while later is what runs now. */
  forgetWays(i32: Int32Array): void {
    for (const at of this.links) i32[at] = 0;
    this.links.length = 0;
  }
}

/** Bytes of an instruction that lie on two pages. */
const SPLIT = new Uint8Array(32);

export class CodeArena {
  private readonly memory: Memory;
  private readonly translator: Translator;
  readonly start: number;
  private readonly end: number;
  private next: number;
  /** First records of all blocks, ascending. */
  private readonly heads: number[] = [];
  /** A record that only looks its own pc up: what empty jump-cache entries point at. */
  private readonly empty: number;
  /** Frame → where code was decoded from it. */
  private readonly codeFrames = new Map<number, Map<CodeSpace, Set<number>>>();

  constructor(memory: Memory, translator: Translator, bytes: number) {
    this.memory = memory;
    this.translator = translator;
    this.empty = FIXED_END;
    this.start = FIXED_END + 64;
    this.end = FIXED_END + bytes;
    this.next = this.start;
    memory.i32[(this.empty + R.handler) >> 2] = translator.ids.stale;
    memory.view.setBigInt64(this.empty + R.pc, -1n, true);
  }

  get used(): number {
    return this.next - this.start;
  }

  /** Room for one more block? If not, the owner drops everything and calls `reset`. */
  get full(): boolean {
    return this.next + (MAX_BLOCK * 2 + 2) * RECORD_SIZE > this.end;
  }

  reset(): void {
    this.next = this.start;
    this.heads.length = 0;
    this.codeFrames.clear();
  }

  /** Where a record's block begins in `heads`. */
  private indexOf(rec: number): number {
    const { heads } = this;
    let lo = 0;
    for (let hi = heads.length; hi - lo > 1;) {
      const mid = (lo + hi) >>> 1;
      if (heads[mid] <= rec) lo = mid;
      else hi = mid;
    }
    return lo;
  }
  /** First record of the block a record belongs to. */
  headOf(rec: number): number {
    return this.heads[this.indexOf(rec)];
  }
  /** The address behind a block's last record. */
  endOf(rec: number): number {
    return this.heads[this.indexOf(rec) + 1] ?? this.next;
  }

  isCodeFrame(frame: number): boolean {
    return this.codeFrames.has(frame);
  }

  /** Nobody will run on the space again. */
  forget(space: CodeSpace): void {
    for (const [page, claim] of space.claims) this.unclaim(space, page, claim.frame);
  }

  private unclaim(space: CodeSpace, page: number, frame: number): void {
    const spaces = this.codeFrames.get(frame);
    const pages = spaces?.get(space);
    if (!spaces || !pages?.delete(page) || pages.size > 0) return;
    spaces.delete(space);
    if (spaces.size === 0) this.codeFrames.delete(frame);
  }

  clearJumpCache(at: number): void {
    const { i32 } = this.memory;
    i32.fill(-1, at >>> 2, (at + JUMP_CACHE_ENTRIES * 16) >>> 2);
    for (let i = 0; i < JUMP_CACHE_ENTRIES; i++) i32[(at >>> 2) + i * 4 + 2] = this.empty;
  }

  cacheJump(at: number, pc: number, rec: number): void {
    const lo = pc | 0;
    const slot = (at >> 2) + ((lo ^ (lo >>> 11)) & (JUMP_CACHE_ENTRIES - 1)) * 4;
    const { i32 } = this.memory;
    i32[slot] = lo;
    i32[slot + 1] = Math.floor(pc / 4294967296);
    i32[slot + 2] = rec;
  }

  /**
   * Decodes the block at `pc`. Returns its head record, or −1 when the byte at `faultAddress` cannot be fetched.
   * Instructions past the first that cannot be fetched or decoded just end the block.
   */
  decodeBlock(space: CodeSpace, table: PageTable, pc: number): number {
    const { translator } = this;
    const head = this.next;
    let at = pc;
    let count = 0;
    let last = -1; // the record before, which a branch may be fused to
    const cut = this.cutsOf === null ? null : this.cutsOf(table);
    for (;;) {
      if (cut !== null && count > 0 && cut(at)) break;
      const length = count === 0 ? this.decodeFirst(table, at) : this.decodeAt(table, at);
      if (length === NEED_MORE) {
        if (count === 0) return -1;
        break;
      }
      count++;
      if (length === UNDEFINED) {
        this.bare(translator.undefinedHandler, at, count);
        this.next += RECORD_SIZE;
        return this.finish(space, table, pc, at + 1, head);
      }
      if (last >= 0) translator.fuse(last);
      this.next = translator.write(this.next, at, count);
      last = this.next - RECORD_SIZE;
      at += length;
      if (translator.ends) return this.finish(space, table, pc, at, head);
      if (count === MAX_BLOCK) break;
    }
    this.bare(translator.ids.end, at, count);
    storeInteger(this.memory.i32, this.next + R.imm, at);
    this.next += RECORD_SIZE;
    return this.finish(space, table, pc, at, head);
  }

  private finish(space: CodeSpace, table: PageTable, pc: number, end: number, head: number): number {
    space.blocks.set(pc, head);
    this.heads.push(head);
    for (let page = Math.floor(pc / PAGE) * PAGE; page < end; page += PAGE) {
      if (!space.claims.has(page)) {
        const frame = table.frame(page);
        space.claims.set(page, { frame, sum: 0 });
        this.claimFrame(space, page, frame);
        table.markCode(page);
        this.markWriters(table, page, frame);
        for (const other of space.users)
          if (other !== table && !claimPage(other, page, frame)) this.onDisagree(other);
      }
      let set = space.pages.get(page);
      if (!set) space.pages.set(page, (set = new Set()));
      set.add(pc);
    }
    return head;
  }

  private claimFrame(space: CodeSpace, page: number, frame: number): void {
    let spaces = this.codeFrames.get(frame);
    if (!spaces) this.codeFrames.set(frame, (spaces = new Map<CodeSpace, Set<number>>()));
    const pages = spaces.get(space);
    if (pages) pages.add(page);
    else spaces.set(space, new Set([page]));
  }

  /** The same bytes may be written through other pages, here or in another process. */
  private markWriters(table: PageTable, page: number, frame: number): void {
    if (this.memory.refs(frame) < 2) return;
    table.writers?.(page, (other, at) => {
      if (other.frame(at) === frame) other.markCode(at);
    });
  }

  /** Where a debugger wants blocks to end. Set by the cpu. */
  cutsOf: ((table: PageTable) => ((pc: number) => boolean) | null) | null = null;

  /** An address space that shares the code has something else on a page just decoded: it must leave. Set by the cpu. */
  onDisagree: (table: PageTable) => void = () => undefined;

  /** Blocks at these addresses are about to be dropped. Set by the cpu. */
  onInvalidate: (space: CodeSpace, pcs: ReadonlySet<number>) => void = () => undefined;

  /**
   * FITS if `table` maps every page of the space just as it was decoded, which are marked as code then; the first page
   * where no code is mapped yet; or DIFFERS.
   */
  fit(space: CodeSpace, table: PageTable): number {
    for (const [page, claim] of space.claims) {
      if (!(table.prot(page) & 4)) {
        table.prefault?.(page);
        if (!(table.prot(page) & 4)) return page;
      }
      if (table.frame(page) !== claim.frame) return DIFFERS;
    }
    const idle = space.users.size === 0;
    // Nobody guarded the bytes while no one ran them.
    if (idle)
      for (const claim of space.claims.values()) if (this.checksum(claim.frame) !== claim.sum) return DIFFERS;
    for (const [page, claim] of space.claims) {
      table.markCode(page);
      if (idle) this.markWriters(table, page, claim.frame);
    }
    return FITS;
  }

  /** The last user is gone. */
  seal(space: CodeSpace): void {
    for (const claim of space.claims.values()) claim.sum = this.checksum(claim.frame);
  }

  private checksum(frame: number): number {
    const { i32 } = this.memory;
    let sum = 0;
    for (let i = frame >>> 2, end = i + PAGE / 4; i < end; i++)
      sum = (Math.imul(sum, 0x01000193) ^ i32[i]) | 0;
    return sum;
  }

  /** Address of the byte that stopped `decodeAt` with NEED_MORE. */
  faultAddress = 0;

  /** Bytes of the instruction at `pc`; 0 where there is none. */
  lengthAt(table: PageTable, pc: number): number {
    return Math.max(0, this.decodeAt(table, pc));
  }

  /**
   * The instruction a task is about to execute: its pages are mapped if they can be. Else whether there is a fault would
   * depend on who shares the decoded code.
   */
  private decodeFirst(table: PageTable, pc: number): number {
    let n = this.decodeAt(table, pc);
    for (let pages = 0; n === NEED_MORE && pages < 2; pages++) {
      const page = this.faultAddress - (this.faultAddress % PAGE);
      table.prefault?.(page);
      if (!(table.prot(page) & 4)) break;
      n = this.decodeAt(table, pc);
    }
    return n;
  }

  private decodeAt(table: PageTable, pc: number): number {
    const page = Math.floor(pc / PAGE) * PAGE;
    if (!(table.prot(page) & 4)) {
      this.faultAddress = pc;
      return NEED_MORE;
    }
    const frame = table.frame(page);
    const offset = pc - page;
    const { u8 } = this.memory;
    const n = this.translator.decode(u8, frame + offset, frame + PAGE, pc);
    if (n !== NEED_MORE) return n;
    // It goes on on the next page.
    const nextPage = page + PAGE;
    if (!(table.prot(nextPage) & 4)) {
      this.faultAddress = nextPage;
      return NEED_MORE;
    }
    const first = PAGE - offset;
    SPLIT.set(u8.subarray(frame + offset, frame + PAGE));
    const other = table.frame(nextPage);
    const { maxLength } = this.translator;
    SPLIT.set(u8.subarray(other, other + maxLength), first);
    return this.translator.decode(SPLIT, 0, first + maxLength, pc);
  }

  /** A record with a handler, pc and count alone. */
  private bare(handler: number, pc: number, count: number): void {
    bareRecord(this.memory, this.next, handler, pc, count);
  }

  /**
   * Decodes the one instruction at `pc` to `at`, followed by a stop record. Returns its length, UNDEFINED or NEED_MORE.
   * Nothing is cached, no branch is linked.
   */
  decodeSingle(table: PageTable, pc: number, at: number): number {
    const n = this.decodeFirst(table, pc);
    if (n < 0) return n;
    const saved = this.next;
    this.next = this.translator.write(at, pc, 1);
    this.bare(this.translator.ids.stop, pc + n, 0);
    this.next = saved;
    return n;
  }

  /** The bytes of a frame changed: every block decoded from it looks itself up again. Returns whether there was one. */
  frameChanged(frame: number): boolean {
    let any = false;
    for (const [space, pages] of [...(this.codeFrames.get(frame) ?? [])])
      for (const page of [...pages]) any = this.invalidate(space, page) || any;
    return any;
  }

  /** Makes every block on a page look itself up again; returns whether there was one. */
  private dropBlocks(space: CodeSpace, page: number): boolean {
    let any = false;
    const { i32 } = this.memory;
    const set = space.pages.get(page);
    if (!set) return false;
    this.onInvalidate(space, set);
    for (const pc of set) {
      const rec = space.blocks.get(pc);
      if (rec === undefined) continue;
      i32[(rec + R.handler) >> 2] = this.translator.ids.stale;
      space.blocks.delete(pc);
      any = true;
    }
    space.pages.delete(page);
    return any;
  }

  /**
   * The spaces there are, after memory was put back as it was: each gets the claims it had then. `changed`: frames that hold
   * other bytes now; `sealed`: spaces nobody had been running on, whose bytes nobody guarded; `dropped`: all other code of
   * theirs is gone. What was decoded of the same bytes stays.
   */
  rewind(
    saved: readonly { readonly space: CodeSpace; readonly claims: readonly SavedClaim[] }[],
    changed: ReadonlySet<number>,
    sealed: ReadonlySet<CodeSpace>,
    dropped: (space: CodeSpace) => boolean,
  ): void {
    this.codeFrames.clear();
    for (const { space, claims } of saved) {
      const before = space.claims;
      space.claims = new Map(claims.map(([page, frame, sum]) => [page, { frame, sum }]));
      for (const [page, { frame }] of space.claims) this.claimFrame(space, page, frame);
      if (dropped(space)) {
        space.links.length = 0;
        space.blocks.clear();
        space.pages.clear();
        continue;
      }
      for (const [page, claim] of before) {
        const same =
          space.claims.get(page)?.frame === claim.frame &&
          (sealed.has(space) ? this.checksum(claim.frame) === claim.sum : !changed.has(claim.frame));
        if (!same) this.dropBlocks(space, page);
      }
    }
  }

  /** Makes every block on a page look itself up again, and gives the page up; returns whether there was a block. */
  invalidate(space: CodeSpace, page: number): boolean {
    const any = this.dropBlocks(space, page);
    const claim = space.claims.get(page);
    if (claim) {
      space.claims.delete(page);
      this.unclaim(space, page, claim.frame);
      for (const user of space.users) {
        user.unmarkCode(page);
        this.unmarkWriters(user, page, claim.frame);
      }
    }
    if (any) this.clearJumpCache(space.jumpCache);
    return any;
  }

  /** The same for the block that begins at `pc`; whatever goes on there must look it up. */
  dropBlock(space: CodeSpace, pc: number): boolean {
    const rec = space.blocks.get(pc);
    if (rec === undefined) return false;
    const { i32 } = this.memory;
    this.onInvalidate(space, new Set([pc]));
    i32[(rec + R.handler) >> 2] = this.translator.ids.stale;
    space.blocks.delete(pc);
    space.forgetWays(i32);
    this.clearJumpCache(space.jumpCache);
    return true;
  }

  private unmarkWriters(table: PageTable, page: number, frame: number): void {
    if (this.codeFrames.has(frame) || this.memory.refs(frame) < 2 || table.frame(page) !== frame) return;
    table.writers?.(page, (other, at) => {
      if (other.frame(at) === frame) other.unmarkCode(at);
    });
  }
}

/** Marks a page of another address space as code if it is the same frame there. */
function claimPage(table: PageTable, page: number, frame: number): boolean {
  if (table.frame(page) < 0) table.prefault?.(page);
  if (table.frame(page) !== frame || !(table.prot(page) & 4)) return false;
  table.markCode(page);
  return true;
}

/** Writes a record with a handler, pc and count alone. */
export function bareRecord(memory: Memory, at: number, handler: number, pc: number, count: number): void {
  const { u8, i32, view } = memory;
  u8.fill(0, at, at + RECORD_SIZE);
  i32[(at + R.handler) >> 2] = handler;
  view.setUint16(at + R.count, count, true);
  storeInteger(i32, at + R.pc, pc);
}

/** Stores an exact integer as 64 bits: without a bigint, of which a decoder would make several an instruction. */
export function storeInteger(i32: Int32Array, at: number, value: number): void {
  i32[at >> 2] = value | 0;
  i32[(at >> 2) + 1] = Math.floor(value / 4294967296);
}

/**
 * Which decoded code each address space runs on: its own, or what another one decoded of the same pages. Code nobody runs on
 * any more is kept for a while, for the next process of the program.
 */
import { CodeSpace, DIFFERS, FITS, type CodeArena, type SavedClaim } from './code-space.ts';
import { JUMP_CACHE_ENTRIES } from './interp/helpers.ts';
import type { Memory } from './memory/memory.ts';
import type { PageTable } from './memory/page-table.ts';

const PAGE = 4096;
const JUMP_CACHE_PAGES = (JUMP_CACHE_ENTRIES * 16) / PAGE;
/** Programs whose decoded code is kept after their last process. */
const MAX_IDLE = 16;
/** How many of the others are looked at for code to share. */
const LOOKED_AT = 4;

/** Who runs on which code, and the pages it was decoded from; not the code itself. */
export interface SavedSpaces {
  readonly used: readonly (readonly [PageTable, CodeSpace])[];
  readonly idle: readonly CodeSpace[];
  readonly wished: readonly (readonly [PageTable, readonly (readonly [CodeSpace, number])[]])[];
  readonly spaces: readonly { readonly space: CodeSpace; readonly claims: readonly SavedClaim[] }[];
}

export class CodeSpaces {
  private readonly memory: Memory;
  private readonly arena: CodeArena;
  private readonly onDrop: (space: CodeSpace) => void;
  private used = new Map<PageTable, CodeSpace>();
  /** Code no address space runs on now, oldest first. */
  private idle: CodeSpace[] = [];
  /**
   * Code an address space could share as soon as a page with it is mapped: a dynamic program's libraries come while it
   * runs already.
   */
  private wished = new Map<PageTable, Map<CodeSpace, number>>();
  /** Jump cache of every address space that found no RAM for one of its own; empty whenever another one runs. */
  private sharedCache: number;

  /** `onDrop`: nobody will run on a space again. */
  constructor(memory: Memory, arena: CodeArena, onDrop: (space: CodeSpace) => void) {
    this.memory = memory;
    this.arena = arena;
    this.onDrop = onDrop;
    this.sharedCache = memory.allocOwn(JUMP_CACHE_PAGES);
  }

  /** Must an address space have code of its own? Set by a debugger. */
  isOwn: (table: PageTable) => boolean = () => false;

  /** Whose code each address space runs on. */
  users(): ReadonlyMap<PageTable, CodeSpace> {
    return new Map(this.used);
  }

  of(table: PageTable): CodeSpace | undefined {
    return this.used.get(table);
  }

  /**
   * Code for an address space that runs for the first time, at `pc`: what another one decoded of the same pages (`last`, which
   * ran before it, is its parent most likely), or none yet.
   */
  take(table: PageTable, pc: number, last: CodeSpace | null): CodeSpace {
    const own = this.isOwn(table);
    const space = own ? this.make() : (this.find(table, pc, last) ?? this.make());
    space.own = own;
    this.use(table, space);
    return space;
  }

  /** Takes an address space off its code, which stays for its other users or for a while. False: it had none. */
  leave(table: PageTable): boolean {
    const space = this.used.get(table);
    if (!space) return false;
    this.used.delete(table);
    this.wished.delete(table);
    this.release(table, space);
    return true;
  }

  /** Puts an address space on other code. */
  move(table: PageTable, to: CodeSpace): void {
    const from = this.used.get(table);
    this.wished.delete(table);
    this.use(table, to);
    if (from) this.release(table, from);
  }

  /** Execution goes on in a space. */
  entered(space: CodeSpace): void {
    if (space.jumpCache === this.sharedCache) this.arena.clearJumpCache(space.jumpCache);
  }

  /** Code of another address space that has become the same for `table`, which is about to run on a new page. */
  better(table: PageTable): CodeSpace | null {
    const wished = this.wished.get(table);
    if (!wished) return null;
    for (const [space, missing] of wished) {
      if (!(table.prot(missing) & 4)) {
        table.prefault?.(missing);
        if (!(table.prot(missing) & 4)) continue;
      }
      const gone = space.users.size === 0 && !this.idle.includes(space);
      const next = gone ? DIFFERS : this.arena.fit(space, table);
      if (next === FITS) return space;
      if (next === DIFFERS) wished.delete(space);
      else wished.set(space, next);
    }
    if (wished.size === 0) this.wished.delete(table);
    return null;
  }

  /** All decoded code is about to be dropped: the spaces in use become empty. */
  dropCode(): void {
    for (const space of this.idle.splice(0)) this.drop(space);
    this.wished.clear();
    for (const [table, space] of this.used) {
      for (const page of space.claims.keys()) table.unmarkCode(page);
      space.links.length = 0;
      space.blocks.clear();
      space.pages.clear();
      space.claims.clear();
      this.arena.clearJumpCache(space.jumpCache);
    }
  }

  /**
   * What there is now. It is part of the machine's state, for a process that begins on code of another one has the pages
   * mapped that this was decoded from, which the guest can count.
   */
  save(): SavedSpaces {
    const spaces = new Set([...this.used.values(), ...this.idle]);
    return {
      used: [...this.used],
      idle: [...this.idle],
      wished: [...this.wished].map(([table, wishes]) => [table, [...wishes]]),
      spaces: [...spaces].map((space) => ({
        space,
        claims: [...space.claims].map(([page, { frame, sum }]) => [page, frame, sum]),
      })),
    };
  }

  /** Puts it back, after memory (`changed`: frames with other bytes now). Decoded code stays where it is still right. */
  load(saved: SavedSpaces, changed: ReadonlySet<number>): void {
    const kept = new Set(saved.spaces.map(({ space }) => space));
    const now = new Set([...this.used.values(), ...this.idle]);
    const sealed = new Set(this.idle);
    for (const space of now) if (!kept.has(space)) this.onDrop(space);
    this.arena.rewind(saved.spaces, changed, sealed, (space) => !now.has(space));
    this.used = new Map(saved.used);
    this.idle = [...saved.idle];
    this.wished = new Map(saved.wished.map(([table, wishes]) => [table, new Map(wishes)]));
    for (const space of kept) space.users.clear();
    for (const [table, space] of saved.used) space.users.add(table);
    this.sharedCache = this.memory.allocOwn(JUMP_CACHE_PAGES);
    for (const space of kept) {
      const cache = this.memory.allocOwn(JUMP_CACHE_PAGES);
      space.jumpCache = cache < 0 ? this.sharedCache : cache;
      this.arena.clearJumpCache(space.jumpCache);
    }
  }

  private use(table: PageTable, space: CodeSpace): void {
    const i = this.idle.indexOf(space);
    if (i >= 0) this.idle.splice(i, 1);
    space.users.add(table);
    this.used.set(table, space);
  }

  private release(table: PageTable, space: CodeSpace): void {
    space.users.delete(table);
    if (space.users.size > 0) return;
    if (space.own) {
      this.drop(space);
      return;
    }
    this.arena.seal(space);
    this.idle.push(space);
    if (this.idle.length > MAX_IDLE) this.drop(this.idle.shift()!);
  }

  private drop(space: CodeSpace): void {
    this.arena.forget(space);
    this.onDrop(space);
    if (space.jumpCache === this.sharedCache) return;
    this.memory.releaseOwn(space.jumpCache, JUMP_CACHE_PAGES);
  }

  private find(table: PageTable, pc: number, last: CodeSpace | null): CodeSpace | null {
    const page = Math.floor(pc / PAGE) * PAGE;
    const tried = new Set<CodeSpace>();
    const wished = new Map<CodeSpace, number>();
    let found: CodeSpace | null = null;
    // The parent's first, then what is kept.
    for (const space of [
      ...(last ? [last] : []),
      ...[...this.used.values()].slice(-LOOKED_AT),
      ...this.idle,
    ]) {
      if (tried.has(space) || space.own || !space.claims.has(page)) continue;
      tried.add(space);
      const missing = this.arena.fit(space, table);
      if (missing === FITS) {
        if (space.users.size > 0) return space;
        if (!found || space.claims.size > found.claims.size) found = space;
      } else if (missing !== DIFFERS) wished.set(space, missing);
    }
    if (wished.size > 0) this.wished.set(table, wished);
    return found;
  }

  private make(): CodeSpace {
    let cache = this.memory.allocOwn(JUMP_CACHE_PAGES);
    while (cache < 0 && this.idle.length > 0) {
      this.drop(this.idle.shift()!);
      cache = this.memory.allocOwn(JUMP_CACHE_PAGES);
    }
    if (cache < 0) cache = this.sharedCache;
    this.arena.clearJumpCache(cache);
    return new CodeSpace(cache);
  }
}

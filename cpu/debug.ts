/**
 * Debugging facilities of a cpu: stops at addresses, at accesses to ranges of memory and after exactly so many
 * instructions, the same whether code is interpreted or compiled. A stop is not an event of the guest's: who stops at one
 * and runs on has the same run as without, instruction for instruction and slice for slice.
 *
 * Blocks are cut in front of a breakpoint and none begins at it, so every way there leads through the look-up of decoded
 * blocks, and no compiled region has the place inside. Pages with watched bytes are out of reach of TLB and windows, so
 * each access to them is made by `Cpu.stepSlowly`, which asks here. A cpu without a debugger has one comparison a run.
 */
import { EXIT } from './layout.ts';
import type { PageTable } from './memory/page-table.ts';
import type { TaskRegs } from './regs.ts';

const PAGE = 4096;
/** Instructions that may run between two looks at the count: a block. */
export const LONGEST_BLOCK = 64;
/** How far beyond its fuel code may run that is not watched block by block: no such way without a backward branch or call. */
const OVERSHOOT = 1 << 16;

/** Which accesses a watched range is about. An instruction that changes a place in place (`add [rbx], 1`) writes. */
export type WatchKind = 'read' | 'write' | 'access';

/** An access to a watched range. */
export interface WatchHit {
  /** What the instruction accessed. */
  readonly address: number;
  readonly size: number;
  readonly write: boolean;
  /** The watched range. */
  readonly watch: Watch;
}

/** Bytes [start, end) of an address space. */
export interface Watch {
  readonly start: number;
  readonly end: number;
  readonly kind: WatchKind;
  /** The task stops at the instruction, which had no effect yet, and not behind it. */
  readonly before: boolean;
}

/** Why the cpu came back with EXIT.debug. */
export type DebugStop =
  /** The pc is at a breakpoint; the instruction there did not run. */
  | { readonly kind: 'break'; readonly address: number }
  /** Watched memory was accessed. `pc`: of the instruction, which is done unless the watch stops before it. */
  | { readonly kind: 'watch'; readonly pc: number; readonly hits: readonly WatchHit[] }
  /** As many instructions as were asked for are done. */
  | { readonly kind: 'count' };

/** What a cpu lets its debugger do. */
export interface DebuggedCore {
  retired: number;
  /** Runs as if nobody was debugging, except for stops. */
  go(regs: TaskRegs, table: PageTable, fuel: number): number;
  /** The same block by block, coming back (EXIT.debug) before more than `most` instructions are done. */
  goBlockwise(regs: TaskRegs, table: PageTable, fuel: number, most: number): number;
  /** One instruction: EXIT.stop when it is done. */
  step(regs: TaskRegs, table: PageTable): number;
  /** The last instruction done alone is one at which a task without fuel is preempted. */
  readonly preempts: boolean;
  /** The last instruction is a repeated one with more to do. */
  readonly unfinished: boolean;
  /** Takes an address space off the decoded code it shares with others. */
  isolate(table: PageTable): void;
  /** Drops decoded code: the blocks on the page of an address, or only the one that begins there. */
  dropCode(table: PageTable, address: number, onlyHead: boolean): void;
}

interface Places {
  /** How often each breakpoint was set. */
  readonly breaks: Map<number, number>;
  /** Stops at each instruction in [start, end). */
  readonly ranges: { readonly start: number; readonly end: number }[];
  /** Addresses blocks are cut at; remain when breakpoints go, for they come back. */
  readonly cuts: Set<number>;
  readonly watches: Watch[];
}

export interface SavedStops {
  readonly passing: readonly (readonly [TaskRegs, { readonly pc: number; readonly muted: boolean }])[];
  readonly owing: TaskRegs | null;
}

export class CpuDebug {
  /** What the last EXIT.debug was about. */
  stop: DebugStop = { kind: 'count' };
  /** Accesses to watched bytes by the instruction under way. For the cpu. */
  readonly hits: WatchHit[] = [];
  private readonly core: DebuggedCore;
  private readonly places = new Map<PageTable, Places>();
  /** The task that stops after `left` instructions. */
  private counted: TaskRegs | null = null;
  private left = Infinity;
  /** Tasks that stopped at an instruction that is not done: as they go on, what stopped them does not do so again. */
  private readonly passing = new Map<TaskRegs, { readonly pc: number; readonly muted: boolean }>();
  private muted = false;
  /** A task that stopped where it would have been preempted. */
  private owing: TaskRegs | null = null;

  constructor(core: DebuggedCore) {
    this.core = core;
  }

  // ---- what stops

  /** Stops tasks that come to an address. Setting one twice asks for it to be removed twice. */
  addBreak(table: PageTable, address: number): void {
    const p = this.at(table);
    const n = p.breaks.get(address) ?? 0;
    p.breaks.set(address, n + 1);
    if (n > 0) return;
    const known = p.cuts.has(address);
    p.cuts.add(address);
    this.core.dropCode(table, address, known);
  }

  /** Whether there was one. */
  removeBreak(table: PageTable, address: number): boolean {
    const breaks = this.places.get(table)?.breaks;
    const n = breaks?.get(address) ?? 0;
    if (!breaks || n === 0) return false;
    if (n > 1) breaks.set(address, n - 1);
    else breaks.delete(address);
    return true;
  }

  /** Stops tasks at every instruction that begins in [start, end). */
  addBreakRange(table: PageTable, start: number, end: number): void {
    this.at(table).ranges.push({ start, end });
    this.dropRange(table, start, end);
  }

  removeBreakRange(table: PageTable, start: number, end: number): boolean {
    const ranges = this.places.get(table)?.ranges ?? [];
    const i = ranges.findIndex((r) => r.start === start && r.end === end);
    if (i < 0) return false;
    ranges.splice(i, 1);
    this.dropRange(table, start, end);
    return true;
  }

  /** Stops tasks that access bytes of a range. What the kernel writes for them (read(2)) is not seen here. */
  addWatch(table: PageTable, watch: Watch): void {
    this.at(table).watches.push(watch);
    this.showWatched(table);
  }

  removeWatch(table: PageTable, watch: Watch): boolean {
    const watches = this.places.get(table)?.watches ?? [];
    const i = watches.findIndex(
      (w) => w.start === watch.start && w.end === watch.end && w.kind === watch.kind && w.before === watch.before,
    ); // prettier-ignore
    if (i < 0) return false;
    watches.splice(i, 1);
    this.showWatched(table);
    return true;
  }

  /** The same stops in another address space: a forked child's, or again in one whose page tables were restored. */
  copy(from: PageTable, to: PageTable): void {
    const p = this.places.get(from);
    if (!p) return;
    if (from !== to) this.clear(to);
    const { breaks, ranges, watches } = p;
    this.places.set(to, {
      breaks: new Map(breaks),
      ranges: [...ranges],
      cuts: new Set(breaks.keys()),
      watches: [...watches],
    });
    this.core.isolate(to);
    this.showWatched(to);
  }

  /** Removes all stops of an address space. */
  clear(table: PageTable): void {
    const p = this.places.get(table);
    if (!p) return;
    this.places.delete(table);
    table.watch(null);
    this.core.isolate(table); // code that was cut is no longer used
  }

  /** Stops a task when it has done exactly `n` more instructions; Infinity: no longer. One task at a time. */
  stopAfter(regs: TaskRegs, n: number): void {
    this.counted = n === Infinity ? null : regs;
    this.left = n;
  }

  /** What is still to be done of `stopAfter`, 0 when it is or nothing was asked for. */
  get remaining(): number {
    return this.counted ? this.left : 0;
  }

  /** A task is somewhere else than where it stopped: if it runs on from that address it is stopped there again. */
  moved(regs: TaskRegs): void {
    this.passing.delete(regs);
    if (this.owing === regs) this.owing = null;
  }

  // ---- for the cpu

  /** Must every arrival at an address be looked up? */
  breaksAt(table: PageTable, pc: number): boolean {
    const p = this.places.get(table);
    return p !== undefined && (p.breaks.has(pc) || inRange(p.ranges, pc));
  }

  /** Does a block end in front of an address? null: no block of this address space does. */
  cutsOf(table: PageTable): ((pc: number) => boolean) | null {
    const p = this.places.get(table);
    if (!p || (p.cuts.size === 0 && p.ranges.length === 0)) return null;
    return (pc) => p.cuts.has(pc) || inRange(p.ranges, pc);
  }

  isolated(table: PageTable): boolean {
    return this.places.has(table);
  }

  /** Is somebody to know of an access before it is made? */
  accessed(table: PageTable, address: number, size: number, write: boolean): boolean {
    const watches = this.places.get(table)?.watches;
    if (!watches || this.muted) return false;
    let before = false;
    for (const watch of watches) {
      if (address >= watch.end || address + size <= watch.start) continue;
      if (watch.kind !== 'access' && (watch.kind === 'write') !== write) continue;
      this.hits.push({ address, size, write, watch });
      before ||= watch.before;
    }
    return before;
  }

  destroyed(table: PageTable): void {
    this.places.delete(table);
  }
  released(regs: TaskRegs): void {
    this.moved(regs);
    if (this.counted === regs) this.counted = null;
  }

  /** `Cpu.run` with a debugger. */
  run(regs: TaskRegs, table: PageTable, fuel: number): number {
    const { core } = this;
    const limited = this.counted === regs;
    if (!limited && !this.places.has(table) && this.owing !== regs) return core.go(regs, table, fuel);
    const start = this.left;
    let done = 0;
    const leave = (exit: number): number => {
      core.retired = done;
      if (limited) this.left = start - done;
      return exit;
    };
    const stopped = (stop: DebugStop): number => {
      this.stop = stop;
      this.hits.length = 0;
      const muted = stop.kind === 'watch' && stop.hits.some((h) => h.watch.before);
      if (stop.kind === 'break' || muted || (stop.kind === 'watch' && core.unfinished))
        this.passing.set(regs, { pc: regs.pc, muted });
      return leave(EXIT.debug);
    };
    this.hits.length = 0;
    if (this.owing === regs) {
      this.owing = null;
      return leave(EXIT.preempt);
    }
    for (;;) {
      const left = limited ? start - done : Infinity;
      if (left <= 0) {
        this.counted = null;
        return stopped({ kind: 'count' });
      }
      const { pc } = regs;
      const passing = this.passing.get(regs);
      if (passing) this.passing.delete(regs);
      const passes = passing?.pc === pc;
      if (passes || left <= LONGEST_BLOCK) {
        if (!passes && this.breaksAt(table, pc)) return stopped({ kind: 'break', address: pc });
        this.muted = passes && passing.muted;
        const exit = core.step(regs, table);
        this.muted = false;
        done += core.retired;
        const out = exit === EXIT.stop && core.preempts && fuel - done < 0;
        if (this.hits.length > 0 && (exit === EXIT.stop || exit === EXIT.debug)) {
          if (out) this.owing = regs;
          return stopped({ kind: 'watch', pc, hits: this.hits.slice() });
        }
        this.hits.length = 0;
        if (exit === EXIT.fault && passes) this.passing.set(regs, passing); // a page comes, and it is tried again
        if (exit !== EXIT.stop) return leave(exit);
        if (!out) continue;
        if (!limited || done < start) return leave(EXIT.preempt);
        this.owing = regs;
        continue;
      }
      const near = left <= Math.max(fuel - done, 0) + OVERSHOOT;
      const exit = near
        ? core.goBlockwise(regs, table, fuel - done, left)
        : core.go(regs, table, fuel - done);
      done += core.retired;
      if (exit !== EXIT.debug) return leave(exit);
      if (this.hits.length > 0) {
        if (core.preempts && fuel - done < 0) this.owing = regs;
        return stopped({ kind: 'watch', pc: this.watchPc, hits: this.hits.slice() });
      }
      if (this.breaksAt(table, regs.pc)) return stopped({ kind: 'break', address: regs.pc });
    }
  }

  /** The instruction that accessed watched bytes in `go`. For the cpu. */
  watchPc = 0;

  /** Where tasks stand beside their registers. What stops them is the debugger's own, and no part of the machine's state. */
  save(): SavedStops {
    return { passing: [...this.passing], owing: this.owing };
  }

  /**
   * The machine is in another state; `restored` comes next. `recoded`: address spaces whose decoded code is other than before.
   */
  load(saved: SavedStops | null, recoded: (table: PageTable) => boolean): void {
    this.passing.clear();
    for (const [regs, at] of saved?.passing ?? []) this.passing.set(regs, at);
    this.owing = saved?.owing ?? null;
    this.counted = null;
    this.hits.length = 0;
    for (const table of this.places.keys()) if (recoded(table)) this.core.isolate(table);
  }

  /**
   * Of the address spaces there are now, which have run or not, each looks as it was saved: what is watched in it now is shown.
   * Those that `keeps` says false of lose their stops, without a touch: their page tables may be something else's memory.
   */
  restored(live: Iterable<PageTable>, keeps: (table: PageTable) => boolean): void {
    for (const table of this.places.keys()) if (!keeps(table)) this.places.delete(table);
    for (const table of live) this.showWatched(table);
  }

  /** Whether an address space has stops, or had some. */
  has(table: PageTable): boolean {
    return this.places.has(table);
  }

  private at(table: PageTable): Places {
    let p = this.places.get(table);
    if (!p) {
      this.places.set(table, (p = { breaks: new Map(), ranges: [], cuts: new Set(), watches: [] }));
      this.core.isolate(table);
    }
    return p;
  }

  private dropRange(table: PageTable, start: number, end: number): void {
    // Code is sparse and ranges may be large: an address space's code all at once.
    if (end - start > 256 * PAGE) this.core.isolate(table);
    else for (let page = start - (start % PAGE); page < end; page += PAGE) this.core.dropCode(table, page, false);
  } // prettier-ignore

  private showWatched(table: PageTable): void {
    const watches = this.places.get(table)?.watches ?? [];
    const pages = new Set<number>();
    for (const { start, end } of watches)
      for (let page = start - (start % PAGE); page < end; page += PAGE) pages.add(page);
    table.watch(pages.size > 0 ? pages : null);
  }
}

const inRange = (ranges: readonly { start: number; end: number }[], pc: number): boolean =>
  ranges.some((r) => pc >= r.start && pc < r.end);

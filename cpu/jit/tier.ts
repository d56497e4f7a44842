/**
 * Finds hot code and puts compiled regions in its place. The interpreter is sampled: it stops every `slice` instructions
 * at a backward branch, call or return, which are the places regions begin at. Nothing here changes what a guest sees.
 */
import type { CodeSpace } from '../code-space.ts';
import {
  COUNTERS,
  EXIT_CAUSES,
  LEARN,
  LEARN_SITES,
  MISSES,
  MISS_COUNT,
  MISS_RECORDS,
  R,
  REGION_SLOTS,
  type ExitCause,
} from '../layout.ts';
import type { Memory } from '../memory/memory.ts';
import type { CompiledRegion, CompileRequest } from './compile.ts';

/** How many times the samples a place asks for that is part of a region but not where one begins. */
const WITHIN = 4;
/** Places an indirect jump is remembered to go to. */
const TARGETS = 64;

export type CompileRegion = (request: CompileRequest) => CompiledRegion | null;

/** When code is hot. */
export interface Heat {
  /** Instructions between samples while code is interpreted. */
  readonly slice: number;
  /** The same where compiled code runs. */
  readonly longest: number;
  /** Samples that make a place hot; each time it was compiled twice as many are asked. */
  readonly samples: number;
  /** Samples before anything is compiled: a short program is over before the compiler is loaded. */
  readonly warmUp?: number;
  /** Interpreted instructions that pay for compiling one; none: whatever is hot is compiled. */
  readonly cost?: number;
}

/** Compiling an instruction takes a quarter of the time in which so many of them are interpreted. */
const COST = 30_000;
export const HEAT: Heat = { slice: 10_000, longest: 1 << 17, samples: 12, warmUp: 300, cost: COST };

export interface TierOptions {
  /** Count the regions' exits. */
  readonly counts?: boolean;
  /** Is given a listing of each region, whose bytes come from `bytesOf`. */
  readonly onRegion?: ((listing: string) => void) | undefined;
  readonly bytesOf: (space: CodeSpace, pc: number) => Uint8Array;
  readonly heat: Heat;
  readonly memory: Memory;
  /** The interpreter's exports: its table, and the helpers regions call. */
  readonly interpreter: WebAssembly.Exports;
  readonly host: Readonly<Record<string, (...args: never[]) => unknown>>;
  /** Fetches the compiler the first time something is hot. */
  readonly compiler: () => CompileRegion;
  /** The window through which compiled code is to reach an address, −1: none. */
  windowOf(space: CodeSpace, address: number, write: boolean): number;
}

interface Region {
  readonly slot: number;
  readonly space: CodeSpace;
  readonly seeds: readonly number[];
  readonly compiled: CompiledRegion;
  /** While it learns which windows its accesses use: samples until it is compiled for good. 0: it is. */
  learning: number;
  /** Samples of its indirect jumps going where it does not, and how many of them make it be compiled again. */
  strays: number;
  /** Accesses that missed their window. */
  missed: number;
  /** Samples in its middle: by place, and in all since it was compiled. */
  readonly wanted: Map<number, number>;
  wishes: number;
  readonly patience: number;
}

/** Samples after which the ways taken since they were forgotten are a picture of what runs, and until which it is good. */
const SETTLED = 2;
const FRESH = 24;
/** Samples a region gets to see what it accesses. */
const LEARNING = 2;
/** Missed accesses for each of a region's instructions that cost as much as compiling it; and how often one site is to be seen. */
const MISSES_PER = 100;
const OFTEN = 3;
/** Compiled instructions that count as one interpreted. */
const COMPILED_SPEED = 8;
/** And one more for so many instructions that will be compiled again. */
const LEARNING_PER = 64;
/** Instructions of a region that others do not repeat. */
const LARGE = 300;
/** Patience of a region whose jumps always find somewhere new. */
const ENOUGH = 1000;

/** What is known of a space's code. */
interface Profile {
  readonly samples: Map<number, number>;
  /** Regions a block is part of, by guest address. */
  readonly regions: Map<number, Set<Region>>;
  /** Windows that accesses were seen to use, by learning cells' keys. */
  readonly windows: Map<number, number>;
  /** Regions by the records of their indirect jumps. */
  readonly sites: Map<number, Set<Region>>;
  /** Guest addresses where nothing could be compiled, or often enough. */
  readonly done: Map<number, number>;
  /** How often an instruction's record was among the last misses. */
  readonly misses: Map<number, number>;
  /** Instructions (their records) with accesses that no window serves. */
  readonly wandering: Set<number>;
  /** Samples since the ways taken were forgotten. */
  sinceForgotten: number;
}

/** What was compiled, and how it was used. */
export interface CompilerStats {
  /** Regions made, and how many of them are in use. */
  readonly regions: number;
  readonly live: number;
  /** Guest instructions in all of them (one in two regions counts twice), and their bytes of WebAssembly. */
  readonly instructions: number;
  readonly bytes: number;
  /** Time spent making them, loading the compiler included. */
  readonly milliseconds: number;
  /** How often each cause took execution out of a region, and instructions retired inside; null when not counted. */
  readonly exits: Readonly<Record<ExitCause, number>> | null;
}

export class Tier {
  /** Instructions between samples, on average. */
  private average: number;
  private random = 1;
  /** Samples so far. */
  private taken = 0;
  /** Instructions that ran less those that compiling cost. */
  private credit = 0;
  private readonly made = { regions: 0, instructions: 0, bytes: 0, milliseconds: 0 };
  private readonly options: TierOptions;
  private readonly table: WebAssembly.Table;
  private readonly free: number[] = [];
  private profiles = new WeakMap<CodeSpace, Profile>();
  private readonly live = new Set<Region>();
  /** Handlers of head records whose place a region took. */
  private readonly replaced = new Map<number, number>();
  /** Where the indirect jump at a record goes, with counts. */
  private readonly targets = new Map<number, Map<number, number>>();
  /** Learning cells by access: record × 4 + which of the instruction's. */
  private readonly cells = new Map<number, number>();
  private compile: CompileRegion | null = null;
  private readonly now: () => number;

  constructor(options: TierOptions, now: () => number) {
    this.options = options;
    this.average = options.heat.slice;
    this.now = now;
    this.table = options.interpreter['table'] as WebAssembly.Table;
    for (let slot = this.table.length - 1; slot >= this.table.length - REGION_SLOTS; slot--)
      this.free.push(slot);
  }

  get stats(): CompilerStats {
    const { view } = this.options.memory;
    const count = (i: number): number => Number(view.getBigUint64(COUNTERS + 8 * i, true));
    const exits = Object.fromEntries(EXIT_CAUSES.map((c, i) => [c, count(i)])) as Record<ExitCause, number>;
    return { ...this.made, live: this.live.size, exits: this.options.counts ? exits : null };
  }

  private profile(space: CodeSpace): Profile {
    let p = this.profiles.get(space);
    if (!p)
      this.profiles.set(
        space,
        (p = {
          samples: new Map(),
          regions: new Map(),
          sites: new Map(),
          windows: new Map(),
          done: new Map(),
          misses: new Map(),
          wandering: new Set(),
          sinceForgotten: Infinity,
        }),
      );
    return p;
  }

  /**
   * Compiling is paid for by what ran so far, so that it stays a fraction of the whole. Counted in instructions and not in
   * time: a run compiles the same on a slower host.
   */
  private get affordable(): boolean {
    return this.credit >= 0;
  }

  /** Instructions until the next sample: never the same number, or loops of a fitting length would hide from it. */
  get slice(): number {
    this.random = (Math.imul(this.random, 1103515245) + 12345) & 0x7fffffff; // ANSI C's rand
    return (this.average >> 1) + ((this.random >>> 8) % this.average);
  }

  /** Execution is about to go from the record `from` to `pc`. */
  sample(space: CodeSpace, from: number, pc: number): void {
    const p = this.profile(space);
    if (this.taken++ < (this.options.heat.warmUp ?? 0)) return;
    this.noteTarget(from, pc);
    p.sinceForgotten++;
    const inside = p.regions.get(pc);
    const head = space.blocks.get(pc);
    const compiled = head !== undefined && this.replaced.has(head);
    this.credit += compiled ? this.average / COMPILED_SPEED : this.average;
    if (inside && this.affordable)
      for (const region of [...inside])
        if (region.learning > 0 && --region.learning === 0) this.improve(region, p, region.patience);
    for (const region of [...(p.sites.get(from) ?? [])])
      if (
        !region.compiled.indirect.get(from)!.includes(pc) &&
        ++region.strays >= region.patience &&
        region.patience < ENOUGH &&
        this.affordable
      )
        this.improve(region, p, region.patience * 2);
    this.lookAtMisses(p);
    if (compiled) {
      this.average = Math.min(this.average * 2, this.options.heat.longest);
      return;
    }
    if (!inside) this.average = this.options.heat.slice;
    const n = (p.samples.get(pc) ?? 0) + 1;
    p.samples.set(pc, n);
    const around = largest(inside);
    if (around && !around.seeds.includes(pc)) {
      this.want(around, p, pc);
      return;
    }
    const enough = this.options.heat.samples * 2 ** (p.done.get(pc) ?? 0);
    if (n < enough || head === undefined || !this.affordable) return;
    // What is compiled is what runs now: the ways taken since a little while ago.
    if (p.sinceForgotten > FRESH) {
      space.forgetWays(this.options.memory.i32);
      p.sinceForgotten = 0;
    }
    if (p.sinceForgotten < SETTLED) return;
    p.samples.set(pc, 0);
    p.done.set(pc, (p.done.get(pc) ?? 0) + 1);
    if (around)
      this.enter(around); // another region that began here is gone
    else this.make(space, p, pc);
  }

  /** A region is reached in its middle: when that was often enough it gets entries for all such places at once. */
  private want(region: Region, p: Profile, pc: number): void {
    region.wanted.set(pc, (region.wanted.get(pc) ?? 0) + 1);
    if (++region.wishes < region.patience * WITHIN || !this.affordable) return;
    const { samples } = this.options.heat;
    const often = [...region.wanted].filter(([, n]) => n > Math.min(2, samples - 1)).map(([to]) => to);
    region.wishes = 0;
    if (often.length > 0) this.improve(region, p, region.patience * 2, [...region.seeds, ...often]);
  }

  /** Accesses that keep missing their window go through the TLB once enough was lost to pay for compiling again. */
  private lookAtMisses(p: Profile): void {
    const { i32 } = this.options.memory;
    const count = i32[MISS_COUNT >> 2];
    i32[MISS_COUNT >> 2] = 0;
    if (count < MISSES) return;
    for (let i = 0; i < MISSES; i++) {
      const rec = i32[(MISS_RECORDS >> 2) + i];
      const times = (p.misses.get(rec) ?? 0) + 1;
      p.misses.set(rec, times);
      // A copy: a region compiled again takes the old one's place in the set, and would be looked at for ever.
      for (const region of [...this.live]) {
        if (!region.compiled.records.some(([first, last]) => rec >= first && rec <= last)) continue;
        region.missed += count / MISSES;
        if (region.missed < region.compiled.instructions * MISSES_PER || !this.affordable) continue;
        for (const [r, n] of p.misses) if (n >= OFTEN) p.wandering.add(r);
        this.improve(region, p, region.patience);
      }
    }
  }

  private noteTarget(from: number, pc: number): void {
    let seen = this.targets.get(from);
    if (!seen) this.targets.set(from, (seen = new Map<number, number>()));
    if (seen.size < TARGETS || seen.has(pc)) seen.set(pc, (seen.get(pc) ?? 0) + 1);
  }

  private make(space: CodeSpace, p: Profile, pc: number): void {
    let learns = 0;
    const compiled = this.build(space, [pc], new Set(), (rec, n) => {
      if (p.wandering.has(rec)) return null;
      const window = p.windows.get(rec * 4 + n);
      if (window !== undefined) return { window };
      learns = LEARNING;
      return this.learningCell(rec, n);
    });
    if (!compiled) return;
    const { samples } = this.options.heat;
    const { instructions } = compiled.compiled;
    if (learns) learns += Math.floor((samples / HEAT.samples) * (instructions / LEARNING_PER));
    const patience = samples + Math.floor(instructions / LEARNING_PER);
    this.install({ ...compiled, space, seeds: [pc], learning: learns, ...unused(), patience }, p);
  }

  /** Compiles a region again with the windows its accesses were seen to use, and what else was learnt since. */
  private improve(region: Region, p: Profile, patience: number, seeds = region.seeds): void {
    const { space } = region;
    const { view } = this.options.memory;
    this.remove(region, p);
    const compiled = this.build(space, seeds, new Set(region.compiled.blocks), (rec, n, access) => {
      if (p.wandering.has(rec)) return null;
      const key = rec * 4 + n;
      const cell = this.cells.get(key);
      const address = cell === undefined ? 0 : Number(view.getBigUint64(cell, true));
      if (address > 0 && !p.windows.has(key)) {
        const window = this.options.windowOf(space, address, access === 'w');
        if (window >= 0) p.windows.set(key, window);
      }
      const window = p.windows.get(key);
      return window === undefined ? null : { window };
    });
    if (compiled) this.install({ ...compiled, space, seeds, learning: 0, ...unused(), patience }, p);
    for (const other of this.live) if (other.learning > 0) return;
    this.cells.clear();
  }

  private learningCell(rec: number, n: number): { learn: number } | null {
    const key = rec * 4 + n;
    let cell = this.cells.get(key);
    if (cell === undefined) {
      if (this.cells.size === LEARN_SITES) return null;
      cell = LEARN + 8 * this.cells.size;
      this.options.memory.view.setBigUint64(cell, 0n, true);
      this.cells.set(key, cell);
    }
    return { learn: cell };
  }

  private build(
    space: CodeSpace,
    seeds: readonly number[],
    keep: ReadonlySet<number>,
    site: CompileRequest['site'],
  ): { slot: number; compiled: CompiledRegion } | null {
    const slot = this.free.pop();
    if (slot === undefined) return null;
    const { memory, interpreter, host } = this.options;
    const start = this.now();
    this.compile ??= this.options.compiler();
    const { regions } = this.profile(space);
    const compiled = this.compile({
      code: {
        view: memory.view,
        blocks: space.blocks,
        handlerOf: (rec) => this.replaced.get(rec) ?? memory.view.getUint16(rec + R.handler, true),
        targetsOf: (rec) => {
          const seen = this.targets.get(rec);
          return seen ? [...seen].sort((a, b) => b[1] - a[1]).map(([to]) => to) : [];
        },
        isElsewhere: (pc) => {
          for (const region of regions.get(pc) ?? []) if (region.compiled.instructions > LARGE) return true;
          return false;
        },
      },
      seeds,
      keep,
      slot,
      bytesOf: this.options.onRegion && ((pc) => this.options.bytesOf(space, pc)),
      pages: memory.memory.buffer.byteLength / 65536,
      site,
      counts: this.options.counts ?? false,
    });
    if (!compiled) {
      this.free.push(slot);
      return null;
    }
    if (compiled.listing !== undefined) this.options.onRegion?.(compiled.listing);
    const module = new WebAssembly.Module(compiled.bytes as Uint8Array<ArrayBuffer>);
    const helper: Record<string, unknown> = {};
    for (const [kind, name] of compiled.imports) if (kind === 'helper') helper[name] = interpreter[name];
    const instance = new WebAssembly.Instance(module, {
      env: { memory: memory.memory, table: this.table },
      host: host,
      helper: helper as WebAssembly.ModuleImports,
    });
    this.table.set(slot, instance.exports['region']);
    this.credit -= compiled.instructions * (this.options.heat.cost ?? 0);
    this.made.regions++;
    this.made.instructions += compiled.instructions;
    this.made.bytes += compiled.bytes.length;
    this.made.milliseconds += this.now() - start;
    return { slot, compiled };
  }

  private install(region: Region, p: Profile): void {
    this.live.add(region);
    this.enter(region);
    for (const pc of region.compiled.blocks) addTo(p.regions, pc, region);
    for (const rec of region.compiled.indirect.keys()) addTo(p.sites, rec, region);
  }

  /** Lets execution enter a region. */
  private enter(region: Region): void {
    const { memory } = this.options;
    for (const { head, id } of region.compiled.entries) {
      // The newest region knows most: it takes what another one began with.
      if (!this.replaced.has(head)) this.replaced.set(head, memory.view.getUint16(head + R.handler, true));
      memory.view.setUint16(head + R.handler, region.slot, true);
      memory.view.setUint16(head + R.entry, id, true);
    }
  }

  /** Code at these addresses is no longer what was decoded. To be called before their records change. */
  invalidated(space: CodeSpace, pcs: ReadonlySet<number>): void {
    const p = this.profiles.get(space);
    if (!p) return;
    for (const pc of pcs) for (const region of [...(p.regions.get(pc) ?? [])]) this.remove(region, p);
  }

  private remove(region: Region, p: Profile): void {
    const { view } = this.options.memory;
    for (const { head } of region.compiled.entries) {
      const handler = this.replaced.get(head);
      if (handler === undefined || view.getUint16(head + R.handler, true) !== region.slot) continue;
      this.replaced.delete(head);
      view.setUint16(head + R.handler, handler, true);
      view.setUint16(head + R.entry, 0, true);
    }
    for (const pc of region.compiled.blocks) removeFrom(p.regions, pc, region);
    for (const rec of region.compiled.indirect.keys()) removeFrom(p.sites, rec, region);
    this.live.delete(region);
    this.table.set(region.slot, null);
    this.free.push(region.slot);
  }

  /** Nobody will run on the space again. */
  forget(space: CodeSpace): void {
    const p = this.profiles.get(space);
    if (!p) return;
    for (const region of [...this.live]) if (region.space === space) this.remove(region, p);
    this.profiles.delete(space);
  }

  /** All decoded code is dropped, records included. */
  reset(): void {
    for (const { slot } of this.live) {
      this.table.set(slot, null);
      this.free.push(slot);
    }
    this.profiles = new WeakMap(); // what they know is by record
    this.live.clear();
    this.replaced.clear();
    this.targets.clear();
    this.cells.clear();
  }
}

function addTo(map: Map<number, Set<Region>>, key: number, region: Region): void {
  const set = map.get(key);
  if (set) set.add(region);
  else map.set(key, new Set([region]));
}

function removeFrom(map: Map<number, Set<Region>>, key: number, region: Region): void {
  const set = map.get(key);
  if (set?.delete(region) && set.size === 0) map.delete(key);
}

function largest(regions: ReadonlySet<Region> | undefined): Region | null {
  let found: Region | null = null;
  for (const r of regions ?? [])
    if (!found || r.compiled.instructions > found.compiled.instructions) found = r;
  return found;
}

/** What a region just compiled has seen of its use. */
const unused = (): Pick<Region, 'strays' | 'missed' | 'wanted' | 'wishes'> => ({
  strays: 0,
  missed: 0,
  wanted: new Map(),
  wishes: 0,
});

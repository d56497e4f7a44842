/**
 * Finds hot code and puts compiled regions in its place. The interpreter is sampled: it stops every `slice` instructions
 * at a backward branch, call or return, which are the places regions begin at. Nothing here changes what a guest sees.
 */
import type { CodeSpace } from '../code-space.ts';
import {
  COUNTERS,
  CROSSINGS,
  CROSSING_COUNT,
  CROSSING_SIZE,
  EXIT_CAUSES,
  LEAK_COUNT,
  LEAK_RECORDS,
  MISSES,
  MISS_COUNT,
  MISS_RECORDS,
  R,
  REGION_SLOTS,
  type ExitCause,
} from '../layout.ts';
import type { BackgroundCompiler, Compiled, CompilerStats, CompileRegion } from './compiler.ts';
import {
  BROAD,
  COMPILED_SPEED,
  CROSSINGS_PER,
  ENOUGH,
  FRESH,
  KEPT,
  LEAKS,
  LEAKS_ALONG,
  LEAKS_SHARED,
  LEAST,
  LIKELY,
  LOOKS,
  MISSES_PER,
  OFTEN,
  OVERHEAD,
  PATIENCE_PER,
  REGAINED,
  EARLY,
  SETTLED,
  SHARE,
  SMALL,
  WASTED,
  WASTED_MOST,
  type Heat,
} from './heat.ts';
import { blockAddresses, copyRecords, type CompileJob } from './job.ts';
import { addressAt, Jobs, type JobOptions, type Known } from './jobs.ts';
import { LIMITS } from './region.ts';
import { Regions, type Region } from './regions.ts';

/** Jobs that wait for another thread. */
const QUEUE = 3;

export interface TierOptions extends JobOptions {
  readonly heat: Heat;
  /** The interpreter's exports: its table, and the helpers regions call. */
  readonly interpreter: WebAssembly.Exports;
  readonly host: Readonly<Record<string, (...args: never[]) => unknown>>;
  /** Fetches the compiler the first time something is hot. */
  readonly compiler: () => CompileRegion;
  /** The same in another thread, to be used instead; null: there are none here. */
  readonly background?: (() => BackgroundCompiler | null) | undefined;
}

/** What is known of a space's code. */
interface Profile extends Known {
  readonly samples: Map<number, number>;
  /** Guest addresses where nothing could be compiled, or often enough. */
  readonly done: Map<number, number>;
  /** How often an instruction's record was among the last misses. */
  readonly misses: Map<number, number>;
  /** Those that were it often, and are to be wandering when a region is next compiled for its misses. */
  readonly suspects: Set<number>;
  /** How often a place was reached from a region while it was interpreted, about. */
  readonly leaks: Map<number, number>;
  /** Samples since the ways taken were forgotten. */
  sinceForgotten: number;
  /** How often what is hot must be seen, as a power of two: a guest that keeps writing code compiles it in vain. */
  wasted: number;
}

/** A job and what becomes of its result. */
interface Pending {
  readonly job: CompileJob;
  readonly space: CodeSpace;
  readonly seeds: readonly number[];
  /** The regions it is to replace. */
  readonly old: readonly Region[];
  readonly patience: number;
  /** Blocks it may hold. */
  readonly near: ReadonlySet<number>;
  /** Those of them that are reached first. */
  readonly likely: ReadonlySet<number>;
  /** Its code changed meanwhile. */
  stale: boolean;
}

export class Tier {
  /** Instructions between samples, on average. */
  private average: number;
  private random = 1;
  /** Samples so far. */
  private taken = 0;
  /** Instructions that ran less those that compiling cost. */
  private credit = 0;
  private failure: string | null = null;
  private readonly made = { regions: 0, instructions: 0, bytes: 0, milliseconds: 0 };
  private readonly options: TierOptions;
  private readonly regions: Regions;
  private readonly jobs: Jobs;
  private profiles = new WeakMap<CodeSpace, Profile>();
  private compile: CompileRegion | null = null;
  private background: BackgroundCompiler | null = null;
  /** Places whose regions were too large to be compiled before the thread has come up. */
  private readonly large = new Set<number>();
  /** How often one was compiled, or tried to be, before. */
  private early = 0;
  /** What is being compiled in another thread, oldest first. */
  private readonly pending: Pending[] = [];
  private readonly now: () => number;

  constructor(options: TierOptions, now: () => number) {
    this.options = options;
    this.average = options.heat.slice;
    this.now = now;
    const table = options.interpreter['table'] as WebAssembly.Table;
    this.regions = new Regions({
      memory: options.memory,
      table,
      slots: REGION_SLOTS,
      bytes: options.heat.bytes ?? KEPT,
      placesOf: (space) => this.profiles.get(space),
      // What was hot may be so again: it is asked no more of than the first time.
      onEvicted: ({ space, seeds }) => {
        for (const pc of seeds) this.profiles.get(space)?.done.delete(pc);
      },
    });
    this.jobs = new Jobs(options, this.regions, table.length - REGION_SLOTS);
  }

  get stats(): CompilerStats {
    const { view } = this.options.memory;
    const count = (i: number): number => Number(view.getBigUint64(COUNTERS + 8 * i, true));
    const exits = Object.fromEntries(EXIT_CAUSES.map((c, i) => [c, count(i)])) as Record<ExitCause, number>;
    return {
      ...this.made,
      evicted: this.regions.evicted,
      failure: this.failure,
      exits: this.options.counts ? exits : null,
    };
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
          done: new Map(),
          misses: new Map(),
          suspects: new Set(),
          leaks: new Map(),
          wandering: new Map(),
          sinceForgotten: Infinity,
          wasted: 0,
        }),
      );
    return p;
  }

  /**
   * Is there time to compile something? It is paid for by what ran so far, so that it stays a fraction of the whole:
   * counted in instructions and not in time, so that a run compiles the same on a slower host.
   */
  private get affordable(): boolean {
    return this.credit >= 0 && this.pending.length < QUEUE;
  }

  /** Instructions until the next sample: never the same number, or loops of a fitting length would hide from it. */
  get slice(): number {
    this.random = (Math.imul(this.random, 1103515245) + 12345) & 0x7fffffff; // ANSI C's rand
    return (this.average >> 1) + ((this.random >>> 8) % this.average);
  }

  /** Execution is about to go from the record `from` to `pc`. */
  sample(space: CodeSpace, from: number, pc: number): void {
    const p = this.profile(space);
    const { warmUp = 0 } = this.options.heat;
    if (++this.taken <= warmUp) return;
    this.poll();
    this.jobs.noteTarget(from, pc);
    p.sinceForgotten++;
    const head = space.blocks.get(pc);
    const compiled = head !== undefined && this.regions.begins(head);
    this.credit += compiled ? this.average / COMPILED_SPEED : this.average;
    const jumping = p.sites.get(from);
    if (jumping) this.lookAtStrays([...jumping], p, from, pc);
    this.lookAtMisses(p);
    this.lookAtLeaks(space, p);
    this.lookAtCrossings(p);
    if (compiled) {
      p.wasted = Math.max(0, p.wasted - REGAINED);
      if (this.regions.unsettled > 0 && this.affordable && this.options.settled())
        for (const region of p.regions.get(pc) ?? [])
          if (region.compiled.unsettled && !region.compiled.copies.has(pc)) {
            this.improve(region, p, region.patience);
            break;
          }
      this.average = Math.min(this.average * 2, this.options.heat.longest);
      return;
    }
    this.average = this.options.heat.slice;
    const n = (p.samples.get(pc) ?? 0) + 1;
    p.samples.set(pc, n);
    const around = this.around(p, pc);
    if (around && !around.seeds.includes(pc)) {
      this.want(around, p, pc);
      return;
    }
    if (this.isPending(space, pc)) return;
    const enough = this.options.heat.samples * 2 ** ((p.done.get(pc) ?? 0) + Math.floor(p.wasted));
    // A program that does a bit of everything is over soon, or will be hot somewhere later.
    if (warmUp > 0 && this.taken < BROAD && n < Math.max(LEAST, (this.taken - warmUp) * SHARE)) return;
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
      this.regions.enter(around); // another region that began here is gone
    else this.make(space, p, [pc]);
  }

  /** Is a region being compiled that begins here, or is likely to hold the place? */
  private isPending(space: CodeSpace, pc: number): boolean {
    return this.pending.some((job) => job.space === space && (job.seeds.includes(pc) || job.likely.has(pc)));
  }

  /** The largest region a block is part of by itself. */
  private around(p: Profile, pc: number): Region | null {
    let found: Region | null = null;
    for (const region of p.regions.get(pc) ?? []) {
      const { copies, instructions } = region.compiled;
      if (!copies.has(pc) && (!found || instructions > found.compiled.instructions)) found = region;
    }
    return found;
  }

  /** An indirect jump of these regions goes to `pc`. When that was often enough new to one it is compiled again. */
  private lookAtStrays(regions: readonly Region[], p: Profile, from: number, pc: number): void {
    for (const region of regions)
      if (
        !region.compiled.indirect.get(from)!.includes(pc) &&
        ++region.strays >= region.patience &&
        region.patience < ENOUGH &&
        this.affordable
      )
        this.improve(region, p, region.patience * 2);
  }

  /** A region is reached in its middle: when that was often enough it gets entries for all such places at once. */
  private want(region: Region, p: Profile, pc: number): void {
    region.wanted.set(pc, (region.wanted.get(pc) ?? 0) + 1);
    if (++region.wishes < region.patience || !this.affordable) return;
    const { samples } = this.options.heat;
    const often = [...region.wanted].filter(([, n]) => n > Math.min(2, samples - 1)).map(([to]) => to);
    region.wishes = 0;
    if (often.length > 0) this.improve(region, p, region.patience * 2, [...region.seeds, ...often]);
  }

  /** Suppositions that keep failing are given up once enough was lost to pay for compiling again. */
  private lookAtMisses(p: Profile): void {
    const { i32 } = this.options.memory;
    const count = i32[MISS_COUNT >> 2];
    i32[MISS_COUNT >> 2] = 0;
    if (count < MISSES) return;
    for (let k = 0; k < LOOKS; k++) {
      const rec = i32[(MISS_RECORDS >> 2) + ((this.taken + k) % MISSES)];
      const seen = (p.misses.get(rec) ?? 0) + 1;
      p.misses.set(rec, seen);
      if (seen === OFTEN) p.suspects.add(rec);
      const pc = addressAt(i32, this.options.arena.headOf(rec - (rec % 4)) + R.pc);
      // A copy: a region compiled again takes the old one's place in the set, and would be looked at for ever.
      for (const region of [...(p.regions.get(pc) ?? [])]) {
        region.missed += count / LOOKS;
        if (region.missed < region.compiled.instructions * MISSES_PER || !this.affordable) continue;
        for (const r of p.suspects) p.wandering.set(r, p.wandering.size);
        p.suspects.clear();
        // Nothing would be different unless it was compiled before this was known.
        if ((p.wandering.get(rec) ?? -1) < region.knew) continue;
        this.improve(region, p, region.patience);
      }
    }
  }

  /** Ways out of regions to interpreted code: no sample may ever fall there, if it is back in a region soon. */
  private lookAtLeaks(space: CodeSpace, p: Profile): void {
    const { i32 } = this.options.memory;
    const count = i32[LEAK_COUNT >> 2];
    i32[LEAK_COUNT >> 2] = 0;
    if (count < MISSES) return;
    for (let k = 0; k < LOOKS; k++) {
      const pc = addressAt(i32, i32[(LEAK_RECORDS >> 2) + ((this.taken + k) % MISSES)] + R.pc);
      const n = (p.leaks.get(pc) ?? 0) + count / LOOKS;
      p.leaks.set(pc, n);
      if (n < LEAKS) continue;
      const region = this.around(p, pc);
      const size = region ? region.compiled.instructions / LEAKS_SHARED : 0;
      if (n < LEAKS * (1 + size) * 2 ** (p.done.get(pc) ?? 0) || !this.affordable) continue;
      const head = space.blocks.get(pc);
      if (head === undefined || this.regions.begins(head) || this.isPending(space, pc)) continue;
      const places = [pc, ...this.alsoLeaking(space, p, pc, region)];
      for (const at of places) {
        p.leaks.delete(at);
        p.done.set(at, (p.done.get(at) ?? 0) + 1);
      }
      if (region) this.improve(region, p, region.patience, [...region.seeds, ...places]);
      else this.make(space, p, places);
    }
  }

  /** Two regions that keep going to each other become one, if that is not too long. */
  private lookAtCrossings(p: Profile): void {
    const { i32 } = this.options.memory;
    const count = i32[CROSSING_COUNT >> 2];
    i32[CROSSING_COUNT >> 2] = 0;
    if (count < MISSES) return;
    for (let k = 0; k < LOOKS; k++) {
      const at = (CROSSINGS + ((this.taken + k) % MISSES) * CROSSING_SIZE) >> 2;
      const to = this.regions.beginning(i32[at]);
      const from = this.regions.at(i32[at + 1]);
      if (!from || !to || from === to || from.space !== to.space) continue;
      const n = (from.crossings.get(to) ?? 0) + count / LOOKS;
      from.crossings.set(to, n);
      const size = from.compiled.instructions + to.compiled.instructions;
      if (size > LIMITS.instructions || n < size * CROSSINGS_PER || !this.affordable) continue;
      from.crossings.delete(to);
      this.improve(from, p, from.patience, [...from.seeds, ...to.seeds], to);
    }
  }

  /** Other places of the same region, or of none, that are reached often enough to be compiled along with `pc`. */
  private alsoLeaking(space: CodeSpace, p: Profile, pc: number, region: Region | null): number[] {
    const found: number[] = [];
    for (const [at, n] of p.leaks) {
      if (at === pc || n < LEAKS / LEAKS_ALONG || this.around(p, at) !== region) continue;
      const head = space.blocks.get(at);
      if (head === undefined || this.regions.begins(head) || this.isPending(space, at)) continue;
      found.push(at);
    }
    return found;
  }

  private make(space: CodeSpace, p: Profile, seeds: readonly number[]): void {
    const job = this.job(space, p, seeds, []);
    if (!job) return;
    this.start(job, { space, seeds, old: [], patience: 0 });
  }

  /** Compiles a region again with what was seen since, and another one along with it. */
  private improve(
    region: Region,
    p: Profile,
    patience: number,
    seeds = region.seeds,
    other: Region | null = null,
  ): void {
    const { space, compiled } = region;
    const old = other ? [region, other] : [region];
    if (this.pending.some((job) => job.old.some((r) => old.includes(r)))) return;
    const keep = other ? [...compiled.blocks, ...other.compiled.blocks] : compiled.blocks;
    const job = this.job(space, p, [...new Set(seeds)], keep);
    if (job) this.start(job, { space, seeds: job.seeds, old, patience });
  }

  /** null: all slots are taken, or it has to wait for the thread. */
  private job(
    space: CodeSpace,
    p: Profile,
    seeds: readonly number[],
    keep: readonly number[],
  ): CompileJob | null {
    if (
      this.background &&
      !this.background.ready &&
      (this.early >= EARLY || seeds.some((pc) => this.large.has(pc)))
    )
      return null;
    const slot = this.regions.takeSlot();
    if (slot === null) return null;
    return this.jobs.make(space, p, { seeds, keep, slot });
  }

  private start(job: CompileJob, what: Omit<Pending, 'job' | 'near' | 'likely' | 'stale'>): void {
    const pending: Pending = {
      ...what,
      job,
      near: blockAddresses(job),
      likely: blockAddresses(job, LIKELY),
      stale: false,
    };
    // Until the thread has come up small regions are compiled here: a loop that is all there is shall not wait for it.
    this.background ??= this.options.background?.() ?? null;
    if (this.background?.ready) {
      this.large.clear();
      this.pending.push(pending);
      this.background.post(job, copyRecords(this.options.memory.u8, job));
      return;
    }
    const start = this.now();
    this.compile ??= this.options.compiler();
    const most = this.background ? SMALL : Infinity;
    if (this.background) this.early++;
    const region = this.compile({ ...job, view: this.options.memory.view, most });
    if (!region && this.background) {
      for (const pc of job.seeds) {
        this.large.add(pc);
        this.profiles.get(what.space)?.done.delete(pc);
      }
    }
    const module = region && new WebAssembly.Module(region.bytes as Uint8Array<ArrayBuffer>);
    this.finish(pending, { region, module, milliseconds: this.now() - start });
  }

  private poll(): void {
    while (this.pending.length > 0) {
      const compiled = this.background!.poll();
      if (!compiled) return;
      this.finish(this.pending.shift()!, compiled);
    }
  }

  private finish({ job, space, seeds, old, patience, stale }: Pending, compiled: Compiled): void {
    const { region, module } = compiled;
    this.made.milliseconds += compiled.milliseconds;
    this.failure = compiled.failure ?? this.failure;
    if (region) this.credit -= (region.instructions + OVERHEAD) * (this.options.heat.cost ?? 0);
    const p = this.profiles.get(space);
    const lost = old.length > 1 && region && !isWithin(job.keep, new Set(region.blocks));
    if (lost) old[0].crossings.set(old[1], -Infinity);
    if (!region || !module || stale || lost || !p) {
      this.regions.giveSlot(job.slot);
      return;
    }
    if (region.listing !== undefined) this.options.onRegion?.(region.listing);
    const { memory, interpreter, host } = this.options;
    const helper: Record<string, unknown> = {};
    for (const [kind, name] of region.imports) if (kind === 'helper') helper[name] = interpreter[name];
    const instance = new WebAssembly.Instance(module, {
      env: { memory: memory.memory },
      host: host,
      helper: helper as WebAssembly.ModuleImports,
    });
    this.made.regions++;
    this.made.instructions += region.instructions;
    this.made.bytes += region.bytes.length;
    for (const r of old) this.regions.remove(r);
    const { samples } = this.options.heat;
    const { bytes, listing: _, ...rest } = region;
    this.regions.install(
      {
        slot: job.slot, space, seeds, compiled: rest, size: bytes.length,
        patience: old.length > 0 ? patience : samples + Math.floor(region.instructions / PATIENCE_PER),
        strays: 0, missed: 0, wanted: new Map(), wishes: 0, knew: job.wandering.length, crossings: new WeakMap(),
      },
      instance.exports['region'],
    ); // prettier-ignore
  }

  /** Code at these addresses is no longer what was decoded. To be called before their records change. */
  invalidated(space: CodeSpace, pcs: ReadonlySet<number>): void {
    const p = this.profiles.get(space);
    if (!p) return;
    const { pending } = this;
    for (const pc of pcs) {
      for (const region of [...(p.regions.get(pc) ?? [])]) {
        this.regions.remove(region);
        p.wasted = Math.min(WASTED_MOST, p.wasted + WASTED);
      }
      for (const job of pending) if (job.space === space && job.near.has(pc)) job.stale = true;
    }
  }

  /** Nobody will run on the space again. */
  forget(space: CodeSpace): void {
    if (!this.profiles.has(space)) return;
    this.regions.forget(space);
    for (const job of this.pending) if (job.space === space) job.stale = true;
    this.profiles.delete(space);
  }

  /** All decoded code is dropped, records included. */
  reset(): void {
    this.regions.reset();
    for (const job of this.pending) job.stale = true;
    this.profiles = new WeakMap(); // what they know is by record
    this.jobs.reset();
  }

  /** Execution goes past all that was compiled until `resume`. */
  suspend(): void {
    this.regions.suspend();
  }
  resume(): void {
    this.regions.resume();
  }
}

const isWithin = (some: readonly number[], all: ReadonlySet<number>): boolean =>
  some.every((x) => all.has(x));

/** The compiled regions there are, in place of the interpreted blocks they begin with. */
import { R } from '../layout.ts';
import type { CodeSpace } from '../code-space.ts';
import type { Memory } from '../memory/memory.ts';
import type { CompiledRegion } from './compile.ts';

/** What is known of a region once its code is in the table. */
export interface Region {
  readonly slot: number;
  readonly space: CodeSpace;
  readonly seeds: readonly number[];
  readonly compiled: Omit<CompiledRegion, 'bytes' | 'listing'>;
  /** Bytes of its WebAssembly. */
  readonly size: number;
  /** Samples of its indirect jumps going where it does not, and how many of them make it be compiled again. */
  strays: number;
  /** Instructions left to the interpreter because something was not as supposed. */
  missed: number;
  /** Samples in its middle: by place, and in all since it was compiled. */
  readonly wanted: Map<number, number>;
  wishes: number;
  readonly patience: number;
  /** How many wandering instructions were known when it was compiled. */
  readonly knew: number;
  /** How often execution went from it to others, about. */
  readonly crossings: WeakMap<Region, number>;
}

/** Regions of one address space's code. */
export interface Places {
  /** By the guest addresses of their blocks. */
  readonly regions: Map<number, Set<Region>>;
  /** By the records of their indirect jumps. */
  readonly sites: Map<number, Set<Region>>;
}

/** A block whose record leads into a region. */
interface Head {
  /** What interprets it. */
  readonly handler: number;
  region: Region;
  id: number;
}

export interface RegionsOptions {
  readonly memory: Memory;
  /** The interpreter's table; its last `slots` places are for regions. */
  readonly table: WebAssembly.Table;
  readonly slots: number;
  /** Bytes of WebAssembly kept: what was compiled first goes first. */
  readonly bytes: number;
  /** Of the code a region belongs to; undefined: nothing is known of it any more. */
  readonly placesOf: (space: CodeSpace) => Places | undefined;
  /** A region went to make room. */
  readonly onEvicted: (region: Region) => void;
}

export class Regions {
  private readonly options: RegionsOptions;
  private readonly free: number[] = [];
  /** Oldest first. */
  private readonly live = new Set<Region>();
  private readonly bySlot = new Map<number, Region>();
  private readonly heads = new Map<number, Head>();
  private suspended = false;
  /** Of the regions there are. */
  private bytes = 0;
  evicted = 0;
  /** How many there are whose arithmetic could be faster once results are known to have been inexact. */
  unsettled = 0;

  constructor(options: RegionsOptions) {
    this.options = options;
    const { length } = options.table;
    for (let slot = length - 1; slot >= length - options.slots; slot--) this.free.push(slot);
  }

  at(slot: number): Region | null {
    return this.bySlot.get(slot) ?? null;
  }

  /** The region that begins with the block at this record. */
  beginning(head: number): Region | null {
    return this.heads.get(head)?.region ?? null;
  }

  /** Does a region begin with the block at this record? */
  begins(head: number): boolean {
    return this.heads.has(head);
  }

  /** Handler that interprets the first instruction of a block. */
  handlerOf(head: number): number {
    return this.heads.get(head)?.handler ?? this.options.memory.view.getUint16(head + R.handler, true);
  }

  /** A place in the table; null: all are taken by what is being compiled. */
  takeSlot(): number | null {
    const oldest = this.free.length > 0 ? undefined : first(this.live);
    if (oldest) this.evict(oldest);
    return this.free.pop() ?? null;
  }

  giveSlot(slot: number): void {
    this.free.push(slot);
  }

  install(region: Region, code: unknown): void {
    this.options.table.set(region.slot, code);
    this.live.add(region);
    this.bySlot.set(region.slot, region);
    this.bytes += region.size;
    if (region.compiled.unsettled) this.unsettled++;
    this.enter(region);
    const places = this.options.placesOf(region.space);
    if (places) {
      for (const pc of region.compiled.blocks) addTo(places.regions, pc, region);
      for (const rec of region.compiled.indirect.keys()) addTo(places.sites, rec, region);
    }
    for (let old = first(this.live); old && old !== region && this.bytes > this.options.bytes; old = first(this.live))
      this.evict(old);
  } // prettier-ignore

  private evict(region: Region): void {
    this.remove(region);
    this.evicted++;
    this.options.onEvicted(region);
  }

  /** Lets execution enter a region. The newest one knows most: it takes what another one began with. */
  enter(region: Region, only?: number): void {
    for (const { pc, head, id } of region.compiled.entries) {
      if (only !== undefined && pc !== only) continue;
      this.heads.set(head, { handler: this.handlerOf(head), region, id });
      if (!this.suspended) this.write(head, region.slot, id);
    }
  }

  private write(head: number, handler: number, entry: number): void {
    const { view } = this.options.memory;
    view.setUint16(head + R.handler, handler, true);
    view.setUint16(head + R.entry, entry, true);
  }

  remove(region: Region): void {
    if (!this.live.delete(region)) return;
    this.bySlot.delete(region.slot);
    for (const { head } of region.compiled.entries) {
      const taken = this.heads.get(head);
      if (taken?.region !== region) continue;
      this.heads.delete(head);
      this.write(head, taken.handler, 0);
    }
    const places = this.options.placesOf(region.space);
    if (places) {
      for (const pc of region.compiled.blocks) removeFrom(places.regions, pc, region);
      // Another one that begins at the same place takes over.
      for (const { pc } of region.compiled.entries)
        for (const other of places.regions.get(pc) ?? []) this.enter(other, pc);
      for (const rec of region.compiled.indirect.keys()) removeFrom(places.sites, rec, region);
    }
    this.bytes -= region.size;
    if (region.compiled.unsettled) this.unsettled--;
    this.options.table.set(region.slot, null);
    this.free.push(region.slot);
  }

  /** Nobody will run on the space again. */
  forget(space: CodeSpace): void {
    for (const region of [...this.live]) if (region.space === space) this.remove(region);
  }

  /** Execution goes past all regions until `resume`. */
  suspend(): void {
    this.suspended = true;
    for (const [head, { handler }] of this.heads) this.write(head, handler, 0);
  }
  resume(): void {
    this.suspended = false;
    for (const [head, { region, id }] of this.heads) this.write(head, region.slot, id);
  }

  /** All decoded code is dropped, records included. */
  reset(): void {
    for (const { slot } of this.live) {
      this.options.table.set(slot, null);
      this.free.push(slot);
    }
    this.live.clear();
    this.bySlot.clear();
    this.heads.clear();
    this.bytes = this.unsettled = 0;
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const value of set) return value;
  return undefined;
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

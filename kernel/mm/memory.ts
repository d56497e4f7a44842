/** What all address spaces share: RAM with someone to ask when it runs out, and the vm.* settings. */
import type { MemObject } from './mem-object.ts';
import type { Ram } from '../ports.ts';

/** Gives frames back under pressure; returns how many. */
export type Shrinker = () => number;

export class Memory {
  readonly ram: Ram;
  /** vm.max_map_count. */
  maxMapCount = 65530;
  private readonly shrinkers = new Set<Shrinker>();
  private readonly specials = new Map<string, MemObject>();
  private ids = 0;

  constructor(ram: Ram) {
    this.ram = ram;
  }

  /** A number nobody had before: identity of address spaces, objects and owners of private pages. */
  nextId(): number {
    return ++this.ids;
  }

  /** As Ram.alloc, after asking the caches to shrink when there is nothing left. */
  alloc(count: number): number {
    const frame = this.ram.alloc(count);
    if (frame >= 0 || this.shrinkers.size === 0) return frame;
    for (const shrink of this.shrinkers) if (shrink() > 0) break;
    return this.ram.alloc(count);
  }

  /** Frames nobody uses. */
  get free(): number {
    return this.ram.total - this.ram.used;
  }

  /** Little is left: allocate only what is asked for. */
  get tight(): boolean {
    return this.free < this.ram.total / 16;
  }

  /** __vm_enough_memory with vm.overcommit_memory=0: only what could never be had is refused. */
  enough(pages: number): boolean {
    return pages <= this.ram.total;
  }

  /** An object there is one of for the whole machine, kept for good (the vDSO). */
  special(name: string, make: () => MemObject): MemObject {
    let object = this.specials.get(name);
    if (!object) {
      object = make();
      object.retain();
      this.specials.set(name, object);
    }
    return object;
  }

  addShrinker(s: Shrinker): void {
    this.shrinkers.add(s);
  }
  removeShrinker(s: Shrinker): void {
    this.shrinkers.delete(s);
  }
}

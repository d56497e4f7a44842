/** What all address spaces share: RAM with someone to ask when it runs out, and the vm.* settings. */
import { LINUX, type Behaviour } from '../personality/behaviour.ts';
import type { MemObject } from './mem-object.ts';
import { PAGE_SIZE, type Ram } from '../ports.ts';
import { KernelMemory, kernelMemoryFor } from './kernel-memory.ts';

/** Gives frames back under pressure; returns how many. */
export type Shrinker = () => number;

/** Frames that neither programs nor files get: page tables and registers come from the same RAM and cannot wait. */
export const frameReserve = (ram: Ram): number => Math.min(64, ram.total >> 6);

export class Memory {
  readonly ram: Ram;
  /** What the kernel holds for its guests outside of RAM. */
  readonly kmem: KernelMemory;
  private readonly reserve: number;
  /** What a personality turns. */
  ways: Behaviour = LINUX;
  /** vm.max_map_count. */
  maxMapCount = 65530;
  private readonly shrinkers = new Set<Shrinker>();
  private readonly specials = new Map<string, MemObject>();
  private ids = 0;

  constructor(ram: Ram) {
    this.ram = ram;
    this.kmem = new KernelMemory(kernelMemoryFor(ram.total * PAGE_SIZE));
    this.reserve = frameReserve(ram);
  }

  /** A number nobody had before: identity of address spaces, objects and owners of private pages. */
  nextId(): number {
    return ++this.ids;
  }

  /** As Ram.alloc, after asking the caches to shrink when there is nothing left. */
  alloc(count: number, at = -1): number {
    const frame = this.spare >= count ? this.ram.alloc(count, at) : -1;
    if (frame >= 0 || !this.shrink()) return frame;
    return this.spare >= count ? this.ram.alloc(count, at) : -1;
  }

  /** Asks the caches for frames; whether there are more now. */
  shrink(): boolean {
    for (const shrink of this.shrinkers) if (shrink() > 0) return true;
    return false;
  }

  /** Frames nobody uses. */
  get free(): number {
    return this.ram.total - this.ram.used;
  }

  /** Frames that may still be handed out; negative when the reserve is being used. */
  get spare(): number {
    return this.free - this.reserve;
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

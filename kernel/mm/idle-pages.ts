/**
 * Pages of files that nothing maps any more, kept for the next program that does: the same frames hold the same bytes,
 * so what the cpu decoded from them is still good. Only for files that do not change by themselves.
 */
import type { Memory } from './memory.ts';

/** What is kept: it can give its pages up. */
export interface IdleObject {
  /** Frees the pages. */
  forget(): void;
}

/** One part in so many of RAM may be kept idle. */
const SHARE = 8;

export class IdlePages {
  private readonly memory: Memory;
  private readonly max: number;
  /** Pages by object, least recently used first. */
  private readonly objects = new Map<IdleObject, number>();
  private total = 0;

  constructor(memory: Memory) {
    this.memory = memory;
    this.max = Math.floor(memory.ram.total / SHARE);
    memory.addShrinker(() => this.shrink());
  }

  /** Nothing maps the object now. False: its pages are not kept. */
  put(object: IdleObject, pages: number): boolean {
    if (pages === 0 || pages > this.max || this.memory.tight) return false;
    this.objects.set(object, pages);
    this.total += pages;
    for (const [oldest] of this.objects) {
      if (this.total <= this.max) break;
      this.take(oldest);
      oldest.forget();
    }
    return true;
  }

  /** It is mapped again. */
  take(object: IdleObject): void {
    const pages = this.objects.get(object);
    if (pages === undefined) return;
    this.objects.delete(object);
    this.total -= pages;
  }

  /** Gives everything back: somebody needs it. */
  private shrink(): number {
    const freed = this.total;
    for (const object of this.objects.keys()) object.forget();
    this.objects.clear();
    this.total = 0;
    return freed;
  }
}

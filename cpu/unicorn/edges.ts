/**
 * Makes faults of stores precise. Unicorn stores in pieces (a byte each across two pages, eight bytes each of a vector or
 * a pair), and a piece that faults undoes none before it and stops none behind it. Only near the border between a page
 * that can be written and one that cannot do pieces of one store meet both, so stores there are noted with what they
 * replaced; when the instruction faults, that is put back.
 */
import type { Memory } from '../memory/memory.ts';
import { UC, type UnicornEngine } from './api.ts';

const PAGE = 4096;
/** No store here is wider but FXSAVE's: ST1 of four registers. */
const WIDTH = 64;
/** An address no page is at. */
const NOWHERE = 2 ** 47 - 1;

interface Edge {
  /** Which side can be written. */
  readonly above: boolean;
  readonly hook: unknown;
}

interface Replaced {
  /** Linear address. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

export class Edges {
  private readonly engine: UnicornEngine;
  private readonly memory: Memory;
  /** Where the page at a guest address lies in linear memory; −1: the engine may not write it. */
  private readonly writable: (page: number) => number;
  private readonly edges = new Map<number, Edge>();
  /** Borders between runs that came or went. */
  private readonly touched = new Set<number>();
  /** Of the instruction with the number `instruction`, in order. */
  private readonly replaced: Replaced[] = [];
  private instruction = -1;

  constructor(engine: UnicornEngine, memory: Memory, writable: (page: number) => number) {
    this.engine = engine;
    this.memory = memory;
    this.writable = writable;
    // Code translated while there is no such hook never asks for one.
    this.hook(NOWHERE, NOWHERE);
  }

  private hook(begin: number, end: number): unknown {
    return this.engine.hook_add(UC.HOOK_MEM_WRITE, this.onStore, null, begin, end);
  }

  /** What is mapped on a side of this border changed. */
  touch(border: number): void {
    this.touched.add(border);
  }

  /** The map is complete again. */
  settle(): void {
    for (const border of this.touched) {
      const below = this.writable(border - PAGE) >= 0;
      const above = this.writable(border) >= 0;
      const edge = this.edges.get(border);
      if (edge && below !== above && edge.above === above) continue;
      if (edge) {
        this.engine.hook_del(edge.hook);
        this.edges.delete(border);
      }
      if (below === above) continue;
      const from = above ? border : border - WIDTH;
      this.edges.set(border, { above, hook: this.hook(from, from + WIDTH - 1) });
    }
    this.touched.clear();
  }

  private readonly onStore = (
    _engine: UnicornEngine,
    _type: number,
    address: number | bigint,
    size: number,
  ): boolean => {
    this.note(Number(address), size);
    return true;
  };

  /** A store is about to be made. */
  note(address: number, size: number): void {
    const instruction = this.engine.instructions!();
    if (instruction !== this.instruction) this.forget();
    this.instruction = instruction;
    for (let at = address, left = size; left > 0;) {
      const offset = at % PAGE;
      const n = Math.min(left, PAGE - offset);
      const page = this.writable(at - offset);
      if (page >= 0)
        this.replaced.push({
          at: page + offset,
          bytes: this.memory.u8.slice(page + offset, page + offset + n),
        });
      at += n;
      left -= n;
    }
  }

  /** Nothing of it is to be put back any more: counting begins anew. */
  forget(): void {
    this.replaced.length = 0;
    this.instruction = -1;
  }

  /** The instruction with this number, the last one begun, faulted. */
  undo(instruction: number): void {
    if (instruction !== this.instruction) return;
    for (const { at, bytes } of this.replaced.reverse()) this.memory.u8.set(bytes, at);
    this.forget();
  }
}

/**
 * Lets one instruction make accesses that the TLB cannot serve: a crossing one goes through a buffer that looks like one
 * page to the handler, a write to a page with decoded code goes straight to its frame. Entries live in the slot of the
 * access's first page under the tag of its last one, where no other access looks.
 */
import { APART, BOUNCE, S, STATE, TLB_ENTRIES, TLB_READ, TLB_WRITE } from './layout.ts';
import type { Memory } from './memory/memory.ts';
import { ADDRESS_END, type PageTable } from './memory/page-table.ts';

const PAGE = 4096;
export class Bounce {
  private readonly memory: Memory;
  private readonly table: PageTable;
  private readonly entries: number[] = [];
  private readonly copies: { from: number; length: number; address: number }[] = [];
  private readonly changed: [number, number][] = [];
  private buffer = BOUNCE;

  constructor(memory: Memory, table: PageTable) {
    this.memory = memory;
    this.table = table;
  }

  /**
   * Makes `size` bytes at `address` reachable; returns −1, or the first address that may not be accessed so. `tag`: ignored
   * upper bits of the address, as the upper half of a TLB tag has them.
   */
  serve(address: number, size: number, access: number, tag = 0): number {
    const { table } = this;
    const { i32, u8 } = this.memory;
    const first = address - (address % PAGE);
    const lastPage = address + size - 1 - ((address + size - 1) % PAGE);
    const need = access & 3;
    for (let page = first; page <= lastPage; page += PAGE)
      if (page >= ADDRESS_END || (table.prot(page) & need) !== need) return Math.max(page, address);
    const write = (need & 2) !== 0;
    if (write) this.changed.push([address, address + size]);
    if (first === lastPage) {
      this.enter(write, first, first, table.frame(first) - first, tag);
      return -1;
    }
    // As much on both sides of the border as any access of this size can reach.
    const at = this.buffer;
    this.buffer += 2 * PAGE;
    const low = table.frame(first) + PAGE - size;
    u8.copyWithin(at + PAGE - size, low, low + size);
    const high = table.frame(lastPage);
    u8.copyWithin(at + PAGE, high, high + size);
    const from = at + (address - first);
    if (access & APART) {
      this.memory.view.setBigUint64(STATE + S.apartAddress, BigInt(address), true);
      i32[(STATE + S.apartAt) >> 2] = from;
      return -1;
    }
    this.enter(write, first, lastPage, at - first, tag);
    if (write) this.copies.push({ from, length: size, address });
    return -1;
  }

  private enter(write: boolean, first: number, page: number, delta: number, tag: number): void {
    const { i32 } = this.memory;
    const slot = (Math.floor(first / PAGE) & (TLB_ENTRIES - 1)) << 4;
    const entry = ((write ? TLB_WRITE : TLB_READ) + slot) >> 2;
    this.entries.push(entry);
    i32[entry] = page | 0;
    i32[entry + 1] = Math.floor(page / 4294967296) | tag;
    i32[entry + 2] = delta;
  }

  /** The instruction ran, or cannot: the TLB is ordinary again. */
  close(): void {
    const { i32 } = this.memory;
    for (const e of this.entries) i32[e] = -1;
    i32[(STATE + S.apartAt) >> 2] = 0;
  }

  /** Brings what was written to buffers to memory; the ranges that changed. */
  commit(): readonly (readonly [number, number])[] {
    const { u8 } = this.memory;
    const { table } = this;
    for (const c of this.copies) {
      const page = c.address - (c.address % PAGE);
      const split = page + PAGE - c.address;
      u8.copyWithin(table.frame(page) + (c.address - page), c.from, c.from + split);
      u8.copyWithin(table.frame(page + PAGE), c.from + split, c.from + c.length);
    }
    return this.changed;
  }
}

/** A set of addresses, as ranges. */
import type { Range } from '../events.ts';

export class RangeSet {
  private list: Range[] = [];

  add(start: number, end: number): void {
    if (end <= start) return;
    const rest: Range[] = [];
    for (const r of this.list) {
      if (r.end < start || r.start > end) rest.push(r);
      else {
        start = Math.min(start, r.start);
        end = Math.max(end, r.end);
      }
    }
    rest.push({ start, end });
    this.list = rest.sort((a, b) => a.start - b.start);
  }

  /** Whether all of [start, end) is in it. */
  covers(start: number, end: number): boolean {
    return this.list.some((r) => r.start <= start && end <= r.end);
  }

  /** Whether any of [start, end) is in it. */
  meets(start: number, end: number): boolean {
    return this.list.some((r) => r.start < end && start < r.end);
  }

  copy(): RangeSet {
    const out = new RangeSet();
    out.list = [...this.list];
    return out;
  }
}

export const hex = (n: number): string => `0x${n.toString(16)}`;
export const rangeText = (r: Range): string => `[${hex(r.start)}, ${hex(r.end)}]`;

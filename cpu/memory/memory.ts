/**
 * Guest RAM: one WebAssembly memory of fixed size. It is only reserved: the host commits a page when it is first
 * touched, so a large maximum costs nothing. Frames are counted; a frame no one holds is free.
 *
 * What belongs together should lie together, so that compiled code reaches all of it through one window: frames can be
 * asked for at an exact place, and `place` finds a stretch for them to grow in, lowest first. Everything else is taken
 * from the top down, out of the way.
 */
import { putCounts, putImage, takeImage, type RamImage } from './ram-image.ts';

const FRAME = 4096;
/** Frames in a granule, which is what places are made of. */
const GRANULE = 16;
/** In `busy`: the granule is part of a place. */
const PLACED = 32;
/** Searches from the top remember where they got to for runs of at least 1, 2, 4 … frames. */
const CLASSES = 7;
const LONGEST = 1 << (CLASSES - 1);

export class Memory {
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly view: DataView;
  readonly total: number;
  used = 0;
  private readonly counts: Uint32Array;
  /** Frames that were handed out before; others are still zero. */
  private readonly touched: Uint8Array;
  /** By granule: frames in use, and PLACED. 0 can become part of a place. */
  private readonly busy: Uint8Array;
  private readonly first: number;
  /** Frames `allocOwn` gave. */
  private readonly own = new Set<number>();
  /** By class: no run of that many free frames ends above this frame. */
  private readonly tops = new Int32Array(CLASSES);
  /** Lowest of `tops`. */
  private lowestTop: number;
  /** Places begin below this granule: the rest is for what has none. */
  private readonly placeEnd: number;
  /** No granule below it can become part of a place. */
  private open = 0;
  /** There are not so many granules in a row for a place. */
  private lacking = Infinity;

  /** `bytes` of linear memory in all (a multiple of 64 KiB, at most 4 GiB); frames start at `reserved`. */
  constructor(bytes: number, reserved: number) {
    const pages = Math.ceil(bytes / 65536);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.u8 = new Uint8Array(this.memory.buffer);
    this.i32 = new Int32Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
    this.first = Math.ceil(reserved / FRAME);
    const frames = (pages * 65536) / FRAME;
    this.total = frames - this.first;
    this.counts = new Uint32Array(frames);
    this.touched = new Uint8Array(frames);
    this.busy = new Uint8Array(frames / GRANULE);
    for (let i = 0; i < this.first; i++) this.busy[(i / GRANULE) | 0]++;
    this.tops.fill(frames);
    this.lowestTop = frames;
    this.placeEnd = Math.ceil((this.first + (this.total - this.total / 8)) / GRANULE);
  }

  /**
   * Takes frames for what can be made again (caches): images leave them out. As `alloc`.
   */
  allocOwn(count: number): number {
    const at = this.alloc(count);
    if (at < 0) return -1;
    for (let i = 0; i < count; i++) this.own.add(at / FRAME + i);
    return at;
  }
  releaseOwn(at: number, count: number): void {
    for (let i = 0; i < count; i++) {
      this.own.delete(at / FRAME + i);
      this.release(at + i * FRAME);
    }
  }

  /** All that is in use, beside what `allocOwn` gave. `previous`: an earlier one, to share what did not change with. */
  save(previous: RamImage | null): RamImage {
    const places = this.busy.map((b) => b & PLACED);
    return takeImage({ i32: this.i32, counts: this.counts }, places, this.own, previous);
  }

  /**
   * Puts everything back as it was. What `allocOwn` gave is free afterwards. Returns the byte offsets of frames that hold
   * other bytes than before.
   */
  load(image: RamImage): Set<number> {
    const { counts, busy } = this;
    const changed = new Set<number>();
    putImage({ i32: this.i32, counts }, image, (frame) => changed.add(frame * FRAME));
    putCounts(counts, image);
    this.own.clear();
    busy.set(image.places);
    this.used = 0;
    for (let i = 0; i < counts.length; i++) {
      if (counts[i] === 0 && i >= this.first) continue;
      busy[(i / GRANULE) | 0]++;
      if (i >= this.first) this.used++;
    }
    // What searches remember was true of other frames.
    this.tops.fill(counts.length);
    this.lowestTop = counts.length;
    this.open = 0;
    this.lacking = Infinity;
    return changed;
  }

  alloc(count: number, at = -1): number {
    let i = at / FRAME;
    if (at < 0 || !this.isFree(i, count)) i = this.fromTop(count);
    if (i < 0) return -1;
    const { counts, touched, busy } = this;
    const end = i + count;
    let clear = -1;
    for (let k = i; k < end; k++) {
      counts[k] = 1;
      busy[(k / GRANULE) | 0]++;
      if (touched[k] !== 0) {
        if (clear < 0) clear = k;
      } else {
        touched[k] = 1;
        if (clear >= 0) this.u8.fill(0, clear * FRAME, k * FRAME);
        clear = -1;
      }
    }
    if (clear >= 0) this.u8.fill(0, clear * FRAME, end * FRAME);
    this.used += count;
    return i * FRAME;
  }

  private isFree(i: number, count: number): boolean {
    const { counts } = this;
    if (i < this.first || i + count > counts.length) return false;
    for (const end = i + count; i < end; i++) if (counts[i] !== 0) return false;
    return true;
  }

  /** The highest run of `count` free frames: what has no place stays dense. −1: there is none. */
  private fromTop(count: number): number {
    const { counts, busy, tops, first } = this;
    const size = Math.min(31 - Math.clz32(count), CLASSES - 1);
    const enough = 1 << size;
    let highest = -1;
    let found = -1;
    let end = tops[size];
    while (found < 0 && end - count >= first) {
      if (counts[end - 1] !== 0) {
        // Over the used frames, a whole granule at once where it can be.
        const g = ((end - 1) / GRANULE) | 0;
        end = (busy[g] & (PLACED - 1)) === GRANULE ? g * GRANULE : end - 1;
        continue;
      }
      const low = end - count;
      let i = end - 1;
      while (i > low && counts[i - 1] === 0) i--;
      if (i === low) found = low;
      if (highest < 0 && end - i >= enough) highest = i === low ? low : end;
      end = i;
    }
    tops[size] = highest < 0 ? end : highest; // where this stopped there was no room for `count`, but maybe for less
    if (tops[size] < this.lowestTop) this.lowestTop = tops[size];
    return found;
  }

  retain(frame: number): void {
    this.counts[frame / FRAME]++;
  }

  release(frame: number): void {
    const i = frame / FRAME;
    const n = this.counts[i];
    if (n === 0) throw new Error(`frame ${frame.toString(16)} released twice`);
    this.counts[i] = n - 1;
    if (n > 1) return;
    this.used--;
    const granule = (i / GRANULE) | 0;
    if (--this.busy[granule] === 0) this.opened(granule);
    if (i + LONGEST > this.lowestTop) this.raise(i);
  }

  /** Frame `i` is free: runs it is part of end at most so far above it. */
  private raise(i: number): void {
    const { tops, counts } = this;
    let lowest = counts.length;
    for (let size = 0; size < CLASSES; size++) {
      const end = Math.min(i + (1 << size), counts.length);
      if (end > tops[size]) tops[size] = end;
      if (tops[size] < lowest) lowest = tops[size];
    }
    this.lowestTop = lowest;
  }

  refs(frame: number): number {
    return this.counts[frame / FRAME];
  }

  /**
   * Sets a stretch apart for `count` frames, the lowest or the one at byte offset `at`, and returns its offset, or −1.
   * Nothing is allocated: other places keep out of it, and frames without one come from above.
   */
  place(count: number, at = -1): number {
    const { busy } = this;
    const length = Math.ceil(count / GRANULE);
    if (length >= this.lacking) return -1;
    if (at >= 0) {
      const from = at / (FRAME * GRANULE);
      if (from % 1 !== 0 || from + length > this.placeEnd) return -1;
      for (let g = from; g < from + length; g++) if (busy[g] !== 0) return -1;
      return this.take(from, length);
    }
    let g = this.open;
    while (g < this.placeEnd && busy[g] !== 0) g++;
    this.open = g;
    for (let from = g; g < this.placeEnd; g++) {
      if (busy[g] !== 0) from = g + 1;
      else if (g + 1 - from === length) return this.take(from, length);
    }
    this.lacking = length;
    return -1;
  }

  private take(from: number, length: number): number {
    this.busy.fill(PLACED, from, from + length);
    return from * FRAME * GRANULE;
  }

  /** Gives `count` frames' worth of a place back, whatever was allocated there. */
  unplace(at: number, count: number): void {
    const { busy } = this;
    const from = at / (FRAME * GRANULE);
    const end = from + Math.ceil(count / GRANULE);
    let lowest = -1;
    for (let g = from; g < end; g++) {
      if (!(busy[g] & PLACED)) throw new Error(`no place at ${at.toString(16)}`);
      if ((busy[g] -= PLACED) === 0 && lowest < 0) lowest = g;
    }
    if (lowest >= 0) this.opened(lowest);
  }

  /** A granule can become part of a place. */
  private opened(granule: number): void {
    if (granule < this.open) this.open = granule;
    this.lacking = Infinity;
  }
}

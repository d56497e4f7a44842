/**
 * The contents of one in-memory file: guest RAM frames, found by page index. read(2), write(2) and every mapping see
 * the same frames, so MAP_SHARED is coherent and program text is shared without a copy. Pages never written take no
 * memory, whatever the file's size says.
 */
import { ENOSPC } from '../abi/errno.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import { frameReserve } from '../mm/memory.ts';
import { Place, unused } from '../mm/place.ts';
import { PAGE_SIZE, type Ram } from '../ports.ts';

/** What all files of a machine may hold together (Limits.maxFileBytes). */
export interface FileQuota {
  used: number;
  readonly max: number;
  /** Asks caches for memory when there is none left; whether that helped. */
  readonly shrink?: () => boolean;
}

/** Page indexes per chunk of the two-level table: 2 MiB of file. */
const CHUNK = 512;
/** Frames taken at once, so that files written in order are contiguous in RAM and map as few windows. */
const RUN = 64;
/** Pages set apart together in RAM, so that pages written one by one are contiguous too: from so few to so many. */
const LEAST_APART = 16;
const MOST_APART = 1024;

export class FilePages {
  private readonly ram: Ram;
  private readonly quota: FileQuota;
  /** Frame number + 1, 0 for a hole, by chunk. Chunks grow, so a small file has a small table. */
  private readonly chunks = new Map<number, Int32Array>();
  /** Allocated pages. */
  count = 0;
  /** Where the pages written last lie in RAM, and those after them will. */
  private place: Place | null = null;

  constructor(ram: Ram, quota: FileQuota) {
    this.ram = ram;
    this.quota = quota;
  }

  /** The frame of a page, or -1 for a hole. */
  get(index: number): number {
    const chunk = this.chunks.get(index < CHUNK ? 0 : Math.floor(index / CHUNK));
    if (chunk === undefined) return -1;
    const n = chunk[index % CHUNK];
    return n === undefined || n === 0 ? -1 : ((n - 1) >>> 0) * PAGE_SIZE;
  }

  /** The frame of a page, made of zeros where there was a hole; -ENOSPC. `ahead`: pages the caller will fill after it. */
  ensure(index: number, ahead = 1): number {
    const have = this.get(index);
    if (have >= 0) return have;
    let n = 1;
    while (n < ahead && n < RUN && this.get(index + n) < 0) n++;
    const room = Math.floor((this.quota.max - this.quota.used) / PAGE_SIZE);
    if (room <= 0) return -ENOSPC;
    n = Math.min(n, room);
    let spare = this.spare;
    if (spare <= 0 && this.quota.shrink?.()) spare = this.spare;
    if (spare <= 0) return -ENOSPC;
    n = Math.min(n, spare);
    this.prepare(index, n);
    if (this.place?.has(index * PAGE_SIZE)) n = Math.min(n, this.place.end / PAGE_SIZE - index);
    let frame = this.ram.alloc(n, this.spot(index, n));
    if (frame < 0 && n > 1) frame = this.ram.alloc((n = 1));
    if (frame < 0) return -ENOSPC;
    for (let i = 0; i < n; i++) this.put(index + i, frame + i * PAGE_SIZE);
    return frame;
  }

  /** Has a place for the page that is about to be written, and for those after it. */
  private prepare(index: number, n: number): void {
    const start = index * PAGE_SIZE;
    const end = start + n * PAGE_SIZE;
    const { place } = this;
    if (place?.has(start) && end <= place.end) return;
    if (this.count === 0 && n < LEAST_APART) return; // most files are small
    // As much as there is before it, on from there or aligned.
    let apart = LEAST_APART;
    while (apart < MOST_APART && apart * 2 <= index) apart *= 2;
    const onward = index > 0 && this.get(index - 1) >= 0;
    if (place && (place.has(start) || (onward && place.end === start)))
      if (place.grow(Math.max(apart * PAGE_SIZE, end - place.end), false) || place.has(start)) return;
    const from = onward ? index : index - (index % apart);
    this.place = Place.make(this.ram, from * PAGE_SIZE, Math.max(end, (from + apart) * PAGE_SIZE));
    this.place?.retain();
    place?.release();
  }

  /** Where in RAM `n` pages should lie; −1: anywhere. */
  private spot(index: number, n: number): number {
    const start = index * PAGE_SIZE;
    if (this.place?.has(start)) return this.place.spot(start);
    const before = this.get(index - 1);
    return before >= 0 && unused(this.ram, before + PAGE_SIZE, n) ? before + PAGE_SIZE : -1;
  }

  /** Frames that files may still take. */
  private get spare(): number {
    return this.ram.total - this.ram.used - frameReserve(this.ram);
  }

  private put(index: number, frame: number): void {
    const key = Math.floor(index / CHUNK);
    const i = index % CHUNK;
    let chunk = this.chunks.get(key);
    if (chunk === undefined || chunk.length <= i) {
      let length = chunk === undefined ? 4 : chunk.length;
      while (length <= i) length *= 4;
      const grown = new Int32Array(Math.min(length, CHUNK));
      if (chunk) grown.set(chunk);
      this.chunks.set(key, (chunk = grown));
    }
    chunk[i] = frame / PAGE_SIZE + 1;
    this.count++;
    this.quota.used += PAGE_SIZE;
  }

  /** Frees the pages in [start, end). */
  free(start: number, end: number): void {
    if (this.count === 0) return;
    for (const [key, chunk] of this.chunks) {
      const base = key * CHUNK;
      if (base + CHUNK <= start || base >= end) continue;
      const from = Math.max(start - base, 0);
      const to = Math.min(end - base, chunk.length);
      for (let i = from; i < to; i++) {
        const n = chunk[i];
        if (n === 0) continue;
        this.ram.release(((n - 1) >>> 0) * PAGE_SIZE);
        chunk[i] = 0;
        this.count--;
        this.quota.used -= PAGE_SIZE;
      }
      if (from === 0 && to === chunk.length) this.chunks.delete(key);
    }
    if (this.count > 0) return;
    this.place?.release();
    this.place = null;
  }

  /** Zeroes bytes [start, end) of the pages that exist. */
  zero(start: number, end: number): void {
    let pos = start;
    while (pos < end) {
      const index = Math.floor(pos / PAGE_SIZE);
      const off = pos - index * PAGE_SIZE;
      const n = Math.min(PAGE_SIZE - off, end - pos);
      const frame = this.get(index);
      if (frame >= 0) this.ram.u8.fill(0, frame + off, frame + off + n);
      pos += n;
    }
  }

  /** First page at or after `index` that has (`data`) or lacks (hole) memory, or `end`. */
  seek(index: number, end: number, data: boolean): number {
    if (!data) {
      let i = index;
      while (i < end && this.get(i) >= 0) i++;
      return i;
    }
    let best = end;
    for (const [key, chunk] of this.chunks) {
      const base = key * CHUNK;
      if (base >= best || base + chunk.length <= index) continue;
      for (let i = Math.max(index - base, 0); i < chunk.length && base + i < best; i++) {
        if (chunk[i] !== 0) {
          best = base + i;
          break;
        }
      }
    }
    return best;
  }

  /** Copies `length` bytes from `pos` into the buffer; holes read as zeros. The caller has cut it at the size. */
  read(buf: IoBuf, pos: number, length: number): void {
    const u8 = this.ram.u8;
    let done = 0;
    for (const chunk of buf.chunks) {
      let at = 0;
      const want = Math.min(chunk.length, length - done);
      while (at < want) {
        const p = pos + done + at;
        const index = Math.floor(p / PAGE_SIZE);
        const off = p - index * PAGE_SIZE;
        const n = Math.min(PAGE_SIZE - off, want - at);
        const frame = this.get(index);
        if (frame < 0) chunk.fill(0, at, at + n);
        else if (chunk.buffer === u8.buffer) {
          const to = chunk.byteOffset - u8.byteOffset + at;
          u8.copyWithin(to, frame + off, frame + off + n);
        } else chunk.set(u8.subarray(frame + off, frame + off + n), at);
        at += n;
      }
      done += want;
      if (done >= length) return;
    }
  }

  /** Stores up to `length` bytes of the buffer at `pos`; how many fitted, or -ENOSPC when none did. */
  write(buf: IoBuf, pos: number, length: number): number {
    const u8 = this.ram.u8;
    let done = 0;
    for (const chunk of buf.chunks) {
      let at = 0;
      const want = Math.min(chunk.length, length - done);
      while (at < want) {
        const p = pos + done + at;
        const index = Math.floor(p / PAGE_SIZE);
        const off = p - index * PAGE_SIZE;
        const n = Math.min(PAGE_SIZE - off, want - at);
        const frame = this.ensure(index, Math.ceil((off + length - done - at) / PAGE_SIZE));
        if (frame < 0) return done + at > 0 ? done + at : frame;
        if (chunk.buffer === u8.buffer) {
          const from = chunk.byteOffset - u8.byteOffset + at;
          u8.copyWithin(frame + off, from, from + n);
        } else u8.set(n === chunk.length ? chunk : chunk.subarray(at, at + n), frame + off);
        at += n;
      }
      done += want;
      if (done >= length) break;
    }
    return done;
  }
}

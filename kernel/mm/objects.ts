/** Memory objects: shared anonymous memory, and the cached pages of a file. */
import { EINVAL } from '../abi/errno.ts';
import { PAGE_SIZE } from '../ports.ts';
import type { IdlePages } from './idle-pages.ts';
import type { MemObject, ObjectMapper } from './mem-object.ts';
import type { Memory } from './memory.ts';
import { Place, unused } from './place.ts';

/** Pages brought in together, aligned: neighbours in the object are neighbours in RAM. */
const RUN = 16;

export const PAST_END = -1;
export const NO_RAM = -2;

/** An object made of frames by index. Holds one reference to each. */
export abstract class PagedObject implements MemObject {
  readonly id: number;
  readonly mappers = new Set<ObjectMapper>();
  abstract readonly tracksDirty: boolean;
  abstract readonly shmem: boolean;
  abstract readonly name: string;
  abstract readonly dev: number;
  abstract readonly ino: number;
  protected readonly memory: Memory;
  protected readonly pages = new Map<number, number>();
  private users = 0;
  private place: Place | null = null;

  constructor(memory: Memory) {
    this.memory = memory;
    this.id = memory.nextId();
  }

  /** Bytes; pages that start at or past it do not exist. */
  abstract get size(): number;
  /** Brings bytes of new frames in; they are zero before. `offset` is a multiple of the page size. */
  protected abstract fill(offset: number, into: Uint8Array): void;

  peek(index: number): number {
    return this.pages.get(index) ?? -1;
  }

  frame(index: number, _forWrite = false): number {
    const known = this.pages.get(index);
    if (known !== undefined) return known;
    const count = Math.ceil(this.size / PAGE_SIZE);
    if (index < 0 || index >= count) return PAST_END;
    let from = index;
    let to = index + 1;
    if (!this.memory.tight) {
      const block = index - (index % RUN);
      while (from > block && !this.pages.has(from - 1)) from--;
      while (to < Math.min(block + RUN, count) && !this.pages.has(to)) to++;
    }
    let run = this.memory.alloc(to - from, this.spot(from, to, count));
    if (run < 0) {
      from = index;
      to = index + 1;
      run = this.memory.alloc(1);
      if (run < 0) return NO_RAM;
    }
    this.fill(from * PAGE_SIZE, this.memory.ram.u8.subarray(run, run + (to - from) * PAGE_SIZE));
    for (let i = from; i < to; i++) this.pages.set(i, run + (i - from) * PAGE_SIZE);
    return run + (index - from) * PAGE_SIZE;
  }

  /** Where in RAM pages [from, to) of `count` should lie: as in the object. −1: anywhere. */
  private spot(from: number, to: number, count: number): number {
    const { memory } = this;
    const { ram } = memory;
    if (!this.place && count > RUN && count <= ram.total >> 2 && !memory.tight) {
      this.place = Place.make(ram, 0, count * PAGE_SIZE);
      this.place?.retain();
    }
    if (this.place && to * PAGE_SIZE <= this.place.end) return this.place.spot(from * PAGE_SIZE);
    const before = this.pages.get(from - 1);
    return before !== undefined && unused(ram, before + PAGE_SIZE, to - from) ? before + PAGE_SIZE : -1;
  }

  retain(): void {
    this.users++;
  }

  release(): void {
    if (--this.users === 0) this.unused();
  }

  /** The last holder is gone. */
  protected unused(): void {
    this.drop(0, Infinity);
  }

  /** Frees pages [from, to) of the object; mappings keep theirs. */
  protected drop(from: number, to: number): void {
    for (const [i, frame] of this.pages) {
      if (i < from || i >= to) continue;
      this.memory.ram.release(frame);
      this.pages.delete(i);
    }
    if (this.pages.size > 0) return;
    this.place?.release();
    this.place = null;
  }

  /** Takes pages [from, to) out of every mapping. */
  protected unmap(from: number, to: number, evenPrivate: boolean): void {
    for (const mm of this.mappers) mm.dropped(this, from, to, evenPrivate);
  }

  sync(_startIndex: number, _endIndex: number): number {
    return 0;
  }

  punch(_start: number, _end: number): number {
    return -EINVAL;
  }

  /** The bytes of a cached page, for tests and for reading what was mapped. */
  bytes(index: number): Uint8Array | null {
    const frame = this.pages.get(index);
    return frame === undefined ? null : this.memory.ram.u8.subarray(frame, frame + PAGE_SIZE);
  }

  /**
   * Copies bytes from `offset` on, bringing pages in. Returns how many, fewer at the end; NO_RAM when there is no room for
   * the first of them.
   */
  read(offset: number, dst: Uint8Array): number {
    const length = Math.min(dst.length, this.size - offset);
    let pos = 0;
    while (pos < length) {
      const at = (offset + pos) % PAGE_SIZE;
      const frame = this.frame((offset + pos - at) / PAGE_SIZE);
      if (frame < 0) return pos > 0 ? pos : NO_RAM;
      const n = Math.min(PAGE_SIZE - at, length - pos);
      dst.set(this.memory.ram.u8.subarray(frame + at, frame + at + n), pos);
      pos += n;
    }
    return pos;
  }

  /** Overlays `dst`, the bytes from `offset` on, with what cached pages hold (read(2) after a mapped write). */
  readCached(offset: number, dst: Uint8Array): void {
    this.eachCached(offset, dst.length, (page, at, n, pos) => dst.set(page.subarray(at, at + n), pos));
  }

  /** Copies `src` into the cached pages it covers (write(2) to a mapped file). */
  writeCached(offset: number, src: Uint8Array): void {
    this.eachCached(offset, src.length, (page, at, n, pos) => page.set(src.subarray(pos, pos + n), at));
  }

  private eachCached(
    offset: number,
    length: number,
    fn: (page: Uint8Array, at: number, n: number, pos: number) => void,
  ): void {
    if (this.pages.size === 0) return;
    let pos = 0;
    while (pos < length) {
      const at = (offset + pos) % PAGE_SIZE;
      const n = Math.min(PAGE_SIZE - at, length - pos);
      const page = this.bytes((offset + pos - at) / PAGE_SIZE);
      if (page) fn(page, at, n, pos);
      pos += n;
    }
  }

  /** The size became `size`: later pages leave every mapping (also private copies), the last one's tail is zero. */
  protected cut(size: number): void {
    const first = Math.ceil(size / PAGE_SIZE);
    this.unmap(first, Infinity, true);
    this.drop(first, Infinity);
    if (size % PAGE_SIZE) this.bytes(first - 1)?.fill(0, size % PAGE_SIZE);
  }
}

/** MAP_SHARED|MAP_ANONYMOUS, System V shared memory, memfd, and files that live in RAM alone. Zero until written. */
export class AnonObject extends PagedObject {
  readonly tracksDirty = false;
  readonly shmem = true;
  readonly name: string;
  readonly dev: number;
  readonly ino: number;
  private length: number;

  constructor(memory: Memory, size: number, init: { name?: string; dev?: number; ino?: number } = {}) {
    super(memory);
    this.length = size;
    this.name = init.name ?? '/dev/zero (deleted)';
    this.dev = init.dev ?? 1;
    this.ino = init.ino ?? this.id;
  }

  get size(): number {
    return this.length;
  }

  protected fill(): void {}

  truncate(size: number): void {
    if (size < this.length) this.cut(size);
    this.length = size;
  }

  override punch(startIndex: number, endIndex: number): number {
    this.unmap(startIndex, endIndex, false);
    this.drop(startIndex, endIndex);
    return 0;
  }
}

/** Where a file's bytes really are. */
export interface Backing {
  readonly size: number;
  /** Reads bytes from `offset` (a multiple of the page size) into zeroed memory; may be several pages. */
  read(offset: number, into: Uint8Array): void;
  /** Takes mapped writes back; `bytes` ends at the file's end. 0 or -errno. Absent: nothing is ever written back. */
  write?(offset: number, bytes: Uint8Array): number;
  /** A page is about to be written: false when there will be no room to take it back (page_mkwrite). */
  reserve?(offset: number, bytes: Uint8Array): boolean;
  /** fallocate(FALLOC_FL_PUNCH_HOLE) on the bytes themselves. */
  punch?(offset: number, length: number): number;
}

/**
 * Pages of a file while it is mapped. The file system keeps the bytes; it calls `readCached` after its own read,
 * `writeCached` after its own write and `truncated` after a change of size, so mappings and calls see the same.
 */
export class PageCacheObject extends PagedObject {
  readonly tracksDirty = true;
  readonly shmem: boolean;
  readonly name: string;
  readonly dev: number;
  readonly ino: number;
  private readonly backing: Backing;
  private readonly dirty = new Set<number>();
  /** Takes the pages when nothing maps them any more; null: they go. */
  private readonly idle: IdlePages | null;

  constructor(
    memory: Memory,
    backing: Backing,
    init: { name: string; dev: number; ino: number; shmem?: boolean; idle?: IdlePages | null },
  ) {
    super(memory);
    this.backing = backing;
    this.name = init.name;
    this.dev = init.dev;
    this.ino = init.ino;
    this.shmem = init.shmem ?? false;
    this.idle = init.idle ?? null;
  }

  get size(): number {
    return this.backing.size;
  }

  protected fill(offset: number, into: Uint8Array): void {
    this.backing.read(offset, into);
  }

  override frame(index: number, forWrite: boolean): number {
    const frame = super.frame(index, forWrite);
    // Stays dirty while some mapping may write to it unseen; `sync` writes it again each time.
    if (!forWrite || frame < 0 || this.dirty.has(index)) return frame;
    const at = index * PAGE_SIZE;
    const page = this.bytes(index)!.subarray(0, Math.min(PAGE_SIZE, this.backing.size - at));
    if (this.backing.reserve?.(at, page) === false) return PAST_END;
    this.dirty.add(index);
    return frame;
  }

  override sync(startIndex: number, endIndex: number): number {
    const { size } = this.backing;
    let failed = 0;
    if (!this.backing.write) return 0;
    for (const i of this.dirty) {
      const page = this.bytes(i);
      if (i < startIndex || i >= endIndex || !page) continue;
      const length = Math.min(PAGE_SIZE, size - i * PAGE_SIZE);
      if (length > 0) failed ||= this.backing.write(i * PAGE_SIZE, page.subarray(0, length));
    }
    return failed;
  }

  override punch(startIndex: number, endIndex: number): number {
    if (!this.backing.punch) return -EINVAL;
    this.unmap(startIndex, endIndex, false);
    this.drop(startIndex, endIndex);
    return this.backing.punch(startIndex * PAGE_SIZE, (endIndex - startIndex) * PAGE_SIZE);
  }

  /** The file has a new size (before the backing's bytes beyond it are read again). */
  truncated(size: number): void {
    this.cut(size);
    const first = Math.ceil(size / PAGE_SIZE);
    for (const i of this.dirty) if (i >= first) this.dirty.delete(i);
  }

  override retain(): void {
    this.idle?.take(this);
    super.retain();
  }

  protected override unused(): void {
    this.sync(0, Infinity);
    this.dirty.clear();
    if (!this.idle?.put(this, this.pages.size)) super.unused();
  }

  forget(): void {
    super.unused();
  }
}

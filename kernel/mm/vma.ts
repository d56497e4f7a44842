/** Mapped areas (vm_area_struct) and the ordered set of them. Policy only: the page table holds the pages. */
import type { File } from '../fs/file.ts';
import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } from '../ports.ts';
import type { MemObject } from './mem-object.ts';
import { samePolicy, type MemPolicy } from './mempolicy.ts';
import type { Place } from './place.ts';

// vm_flags, Linux 6.1 include/linux/mm.h. The first three equal PROT_*.
export const VM_READ = 1;
export const VM_WRITE = 2;
export const VM_EXEC = 4;
export const VM_SHARED = 8;
export const VM_MAYREAD = 0x10;
export const VM_MAYWRITE = 0x20;
export const VM_MAYEXEC = 0x40;
export const VM_MAYSHARE = 0x80;
export const VM_GROWSDOWN = 0x100;
export const VM_PFNMAP = 0x400;
/**
 * The file is a program or library (MAP_DENYWRITE): nobody is expected to write it, so pages around a written private
 * one may be copied with it.
 */
export const VM_DENYWRITE = 0x800;
/** Bit 31 in Linux, which would make flags negative here; this one is VM_UFFD_WP's. */
export const VM_MERGEABLE = 0x1000;
export const VM_LOCKED = 0x2000;
export const VM_IO = 0x4000;
export const VM_SEQ_READ = 0x8000;
export const VM_RAND_READ = 0x10000;
export const VM_DONTCOPY = 0x20000;
export const VM_DONTEXPAND = 0x40000;
export const VM_LOCKONFAULT = 0x80000;
export const VM_ACCOUNT = 0x100000;
export const VM_NORESERVE = 0x200000;
export const VM_WIPEONFORK = 0x2000000;
export const VM_DONTDUMP = 0x4000000;
export const VM_HUGEPAGE = 0x20000000;
export const VM_NOHUGEPAGE = 0x40000000;

export const VM_ACCESS = VM_READ | VM_WRITE | VM_EXEC;
export const VM_MAYALL = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
/** Areas with any of these are neither merged nor grown (VM_SPECIAL). */
const VM_SPECIAL = VM_IO | VM_DONTEXPAND | VM_PFNMAP;

export class Vma {
  start: number;
  /** First byte after it. */
  end: number;
  /** VM_*. */
  flags: number;
  /**
   * Page number of `start`: in the object, or for private anonymous areas the address they were made at, which is
   * what decides whether two that meet after mremap may merge.
   */
  pgoff: number;
  readonly object: MemObject | null;
  readonly file: File | null;
  /** Identity of the private pages' owner once one was written (struct anon_vma); 0 before. */
  anonVma = 0;
  /** Where its private pages are meant to lie in RAM. Others may have the same. */
  place: Place | null = null;
  /** mbind's; null: the task's. */
  policy: MemPolicy | null = null;
  /** "[vdso]", "[anon:x]": for areas without a file. */
  name: string | null;

  constructor(
    start: number,
    end: number,
    flags: number,
    pgoff: number,
    object: MemObject | null,
    file: File | null,
    name: string | null,
  ) {
    this.start = start;
    this.end = end;
    this.flags = flags;
    this.pgoff = pgoff;
    this.object = object;
    this.file = file;
    this.name = name;
  }

  /** The same mapping over part of its range. */
  part(start: number, end: number): Vma {
    const pgoff = this.pgoff + (start - this.start) / PAGE_SIZE;
    const v = new Vma(start, end, this.flags, pgoff, this.object, this.file, this.name);
    v.anonVma = this.anonVma;
    v.place = this.place;
    v.policy = this.policy;
    return v;
  }

  get pages(): number {
    return (this.end - this.start) / PAGE_SIZE;
  }

  get private(): boolean {
    return (this.flags & VM_SHARED) === 0;
  }

  /** Index in the object of the page at `address`. */
  index(address: number): number {
    return this.pgoff + (address - this.start) / PAGE_SIZE;
  }

  /** Protection of a page as the processor enforces it: what may be written or executed may be read. */
  get prot(): number {
    const p = this.flags & VM_ACCESS;
    return p & (PROT_WRITE | PROT_EXEC) ? p | PROT_READ : p;
  }

  /** Whether `next`, which starts where this ends, is the same mapping going on (can_vma_merge_after). */
  continuesIn(next: Vma): boolean {
    return (
      this.end === next.start &&
      this.flags === next.flags &&
      this.object === next.object &&
      this.file === next.file &&
      this.name === next.name &&
      (this.flags & VM_SPECIAL) === 0 &&
      this.pgoff + this.pages === next.pgoff &&
      samePolicy(this.policy, next.policy) &&
      (this.anonVma === 0 || next.anonVma === 0 || this.anonVma === next.anonVma)
    );
  }
}

/** Areas in address order; they never overlap. */
export class VmaSet {
  private readonly list: Vma[] = [];
  /** Index of the last hit: neighbouring faults and calls ask for the same area. */
  private last = 0;

  get count(): number {
    return this.list.length;
  }

  at(i: number): Vma | undefined {
    return this.list[i];
  }

  /** Index of the first area that ends above `address`; `count` when there is none. */
  indexOf(address: number): number {
    const { list } = this;
    const hit = this.last;
    if (hit < list.length && address < list[hit].end && (hit === 0 || address >= list[hit - 1].end))
      return hit;
    let lo = 0;
    let hi = list.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (list[mid].end > address) hi = mid;
      else lo = mid + 1;
    }
    this.last = lo;
    return lo;
  }

  /** find_vma: the first area that ends above `address`; it may start above it too. */
  find(address: number): Vma | undefined {
    return this.list[this.indexOf(address)];
  }

  /** The area that contains `address`. */
  containing(address: number): Vma | undefined {
    const v = this.find(address);
    return v !== undefined && v.start <= address ? v : undefined;
  }

  /** Whether any area has a byte in [start, end). */
  intersects(start: number, end: number): boolean {
    const v = this.find(start);
    return v !== undefined && v.start < end;
  }

  /** Areas with a byte in [start, end), lowest first. A copy: the set may change meanwhile. */
  within(start: number, end: number): Vma[] {
    const from = this.indexOf(start);
    let to = from;
    while (to < this.list.length && this.list[to].start < end) to++;
    return this.list.slice(from, to);
  }

  all(): readonly Vma[] {
    return this.list;
  }

  insert(v: Vma): void {
    this.list.splice(this.indexOf(v.start), 0, v);
  }

  /** Removes the areas that lie wholly in [start, end). */
  removeWithin(start: number, end: number): void {
    const from = this.indexOf(start);
    let to = from;
    while (to < this.list.length && this.list[to].end <= end) to++;
    this.list.splice(from, to - from);
  }

  remove(v: Vma): void {
    const i = this.indexOf(v.start);
    if (this.list[i] === v) this.list.splice(i, 1);
  }

  clear(): void {
    this.list.length = 0;
  }
}

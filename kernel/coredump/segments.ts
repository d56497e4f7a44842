/** Which memory a core file has: vma_dump_size of fs/coredump.c, and /proc/PID/coredump_filter. */
import type { AddressSpace } from '../mm/address-space.ts';
import { VM_DONTDUMP, VM_IO, VM_PFNMAP, VM_READ, VM_SHARED, type Vma } from '../mm/vma.ts';
import { PAGE_SIZE } from '../ports.ts';

// Bits of coredump_filter (core(5)).
const ANON_PRIVATE = 1;
const ANON_SHARED = 2;
const MAPPED_PRIVATE = 4;
const MAPPED_SHARED = 8;
const ELF_HEADERS = 16;
/** Bits it has; those of huge pages and DAX are kept and mean nothing here. */
export const COREDUMP_FILTER_MASK = 0x1ff;

/** "\x7fELF", little-endian. */
const ELF_MAGIC = 0x464c457f;

/** Bytes of an area that go into the file, from its start. */
export function dumpSize(mm: AddressSpace, v: Vma): number {
  const whole = v.end - v.start;
  const filter = mm.coredumpFilter;
  if (v.name === '[vdso]' || v.name === '[vvar]') return whole;
  if (v.flags & (VM_DONTDUMP | VM_IO)) return 0;
  if (v.flags & VM_SHARED) {
    const named = (v.file?.inode?.nlink ?? 0) > 0;
    return filter & (named ? MAPPED_SHARED : ANON_SHARED) ? whole : 0;
  }
  if (v.anonVma !== 0 && filter & ANON_PRIVATE) return whole;
  if (v.object === null) return 0;
  if (filter & MAPPED_PRIVATE) return whole;
  if (!(filter & ELF_HEADERS) || v.pgoff !== 0 || !(v.flags & VM_READ)) return 0;
  if (((v.file?.inode?.mode ?? 0) & 0o111) !== 0) return PAGE_SIZE;
  const frame = dumpedFrame(mm, v, v.start);
  return frame >= 0 && mm.memory.ram.view.getUint32(frame, true) === ELF_MAGIC ? PAGE_SIZE : 0;
}

/** The frame a page has, or gets from its file; −1: it was never touched, and reads zero (get_dump_page). */
export function dumpedFrame(mm: AddressSpace, v: Vma, page: number): number {
  const { object } = v;
  const frame = mm.pageTable.frame(page);
  if (frame >= 0 || object === null || v.flags & VM_PFNMAP) return frame;
  const index = v.index(page);
  // What is in RAM alone and was never touched is not made for this.
  return object.shmem && object.peek ? object.peek(index) : Math.max(-1, object.frame(index, false));
}

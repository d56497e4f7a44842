/** madvise(2) and mincore(2), msync(2). */
import { EACCES, EBUSY, EFAULT, EINVAL, ENOMEM, EPERM } from '../abi/errno.ts';
import { PAGE_SIZE, PROT_READ, PROT_WRITE } from '../ports.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { AddressSpace } from './address-space.ts';
import { PAGE_MASK, sizeArg } from './layout.ts';
import {
  VM_DONTCOPY, VM_DONTDUMP, VM_DONTEXPAND, VM_HUGEPAGE, VM_IO, VM_LOCKED, VM_MAYSHARE, VM_MERGEABLE, VM_NOHUGEPAGE, VM_PFNMAP,
  VM_RAND_READ, VM_SEQ_READ, VM_SHARED, VM_WIPEONFORK, VM_WRITE, type Vma,
} from './vma.ts'; // prettier-ignore

const MADV_WILLNEED = 3;
const MADV_DONTNEED = 4;
const MADV_FREE = 8;
const MADV_REMOVE = 9;
const MADV_DONTFORK = 10;
const MADV_DOFORK = 11;
const MADV_MERGEABLE = 12;
const MADV_UNMERGEABLE = 13;
const MADV_HUGEPAGE = 14;
const MADV_NOHUGEPAGE = 15;
const MADV_DONTDUMP = 16;
const MADV_DODUMP = 17;
const MADV_WIPEONFORK = 18;
const MADV_KEEPONFORK = 19;
const MADV_COLD = 20;
const MADV_PAGEOUT = 21;
const MADV_POPULATE_READ = 22;
const MADV_POPULATE_WRITE = 23;
const MADV_DONTNEED_LOCKED = 24;
const MADV_COLLAPSE = 25;
const MADV_HWPOISON = 100;
const MADV_SOFT_OFFLINE = 101;
const CAP_SYS_ADMIN = 1n << 21n;

/** New flags of an area for advice that only changes flags, -errno, or null for other advice. */
function adviseFlags(v: Vma, advice: number): number | null {
  const f = v.flags;
  switch (advice) {
    case 0: // MADV_NORMAL
      return f & ~(VM_RAND_READ | VM_SEQ_READ);
    case 1: // MADV_RANDOM
      return (f & ~VM_SEQ_READ) | VM_RAND_READ;
    case 2: // MADV_SEQUENTIAL
      return (f & ~VM_RAND_READ) | VM_SEQ_READ;
    case MADV_DONTFORK:
      return f | VM_DONTCOPY;
    case MADV_DOFORK:
      return f & VM_IO ? -EINVAL : f & ~VM_DONTCOPY;
    case MADV_WIPEONFORK:
      return v.object || f & VM_SHARED ? -EINVAL : f | VM_WIPEONFORK;
    case MADV_KEEPONFORK:
      return f & ~VM_WIPEONFORK;
    case MADV_DONTDUMP:
      return f | VM_DONTDUMP;
    case MADV_DODUMP:
      return f & (VM_IO | VM_DONTEXPAND | VM_PFNMAP) ? -EINVAL : f & ~VM_DONTDUMP;
    case MADV_MERGEABLE:
      return f & (VM_SHARED | VM_MAYSHARE | VM_PFNMAP | VM_IO | VM_DONTEXPAND) ? f : f | VM_MERGEABLE;
    case MADV_UNMERGEABLE:
      return f & ~VM_MERGEABLE;
    case MADV_HUGEPAGE:
      return f & (VM_IO | VM_PFNMAP) ? -EINVAL : (f & ~VM_NOHUGEPAGE) | VM_HUGEPAGE;
    case MADV_NOHUGEPAGE:
      return (f & ~VM_HUGEPAGE) | VM_NOHUGEPAGE;
    default:
      return null;
  }
}

/** Advice on [start, end) of one area. */
function adviseArea(mm: AddressSpace, v: Vma, start: number, end: number, advice: number): number {
  switch (advice) {
    case MADV_WILLNEED:
      return 0;
    case MADV_COLD:
    case MADV_PAGEOUT:
      return v.flags & (VM_LOCKED | VM_PFNMAP) ? -EINVAL : 0;
    case MADV_DONTNEED:
      if (v.flags & (VM_LOCKED | VM_PFNMAP)) return -EINVAL;
      mm.zap(v, start, end);
      return 0;
    case MADV_DONTNEED_LOCKED:
      if (v.flags & VM_PFNMAP) return -EINVAL;
      mm.zap(v, start, end);
      return 0;
    case MADV_FREE:
      if (v.object) return -EINVAL;
      if (v.flags & (VM_LOCKED | VM_PFNMAP)) return -EINVAL;
      // Linux takes the pages when it needs them: so does this.
      if (mm.memory.tight) mm.zap(v, start, end);
      return 0;
    case MADV_REMOVE: {
      if (v.flags & VM_LOCKED) return -EINVAL;
      if (!v.object) return -EINVAL;
      if ((v.flags & (VM_SHARED | VM_WRITE)) !== (VM_SHARED | VM_WRITE)) return -EACCES;
      return v.object.punch?.(v.index(start), v.index(end)) ?? -EINVAL;
    }
    default: {
      const flags = adviseFlags(v, advice);
      if (flags === null) return -EINVAL;
      // Bit 31 is unused in flags, so a negative value is an errno.
      if (flags < 0) return flags;
      return setAreaFlags(mm, start, end, flags);
    }
  }
}

/** Gives [start, end), which lies in one area, these flags; splits and merges. */
export function setAreaFlags(mm: AddressSpace, start: number, end: number, flags: number): number {
  const v = mm.vmas.containing(start)!;
  if (flags === v.flags) return 0;
  const err = mm.split(start) || mm.split(end);
  if (err < 0) return err;
  mm.setFlags(mm.vmas.containing(start)!, flags);
  mm.merge(start, end);
  return 0;
}

const isKnown = (advice: number): boolean =>
  (advice >= 0 && advice <= MADV_DONTNEED) || (advice >= MADV_FREE && advice <= MADV_COLLAPSE);

export function madvise(t: Task, a: Args): number {
  const { mm } = t;
  const start = a.ptr(0);
  const size = a.size(1);
  const advice = a.i32(2);
  const poison = advice === MADV_HWPOISON || advice === MADV_SOFT_OFFLINE;
  if (!isKnown(advice) && !poison) return -EINVAL;
  if (a.u32(0) & PAGE_MASK) return -EINVAL;
  const length = sizeArg(a, 1);
  if ((size !== 0 && length === 0) || start + length >= 2 ** 64) return -EINVAL;
  if (length === 0) return 0;
  if (poison) return (t.creds.capEffective & CAP_SYS_ADMIN) === 0n ? -EPERM : -EINVAL;
  const end = start + length;
  if (advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE)
    return madvisePopulate(mm, start, end, advice);
  if (advice === MADV_COLLAPSE) return mm.vmas.intersects(start, end) ? -EINVAL : -ENOMEM;

  // Holes are an error, but what is mapped is done all the same.
  let hole = 0;
  let at = start;
  while (at < end) {
    const v = mm.vmas.find(at);
    if (!v) return -ENOMEM;
    if (at < v.start) {
      hole = -ENOMEM;
      at = v.start;
      if (at >= end) break;
    }
    const until = Math.min(end, v.end);
    const r = adviseArea(mm, v, at, until, advice);
    if (r < 0) return r;
    at = until;
  }
  return hole;
}

function madvisePopulate(mm: AddressSpace, start: number, end: number, advice: number): number {
  const access = advice === MADV_POPULATE_READ ? PROT_READ : PROT_WRITE;
  for (let at = start; at < end;) {
    const v = mm.vmas.containing(at);
    if (!v) return -ENOMEM;
    const allowed = v.flags & access; // what get_user_pages asks, not what the processor implies
    if (!allowed || v.flags & (VM_IO | VM_PFNMAP)) return -EINVAL;
    const until = Math.min(end, v.end);
    const r = mm.populate(at, until, access);
    if (r < 0) return r;
    at = until;
  }
  return 0;
}

/** mincore(2): a byte per page, bit 0 set when touching it would not wait. */
export function mincore(t: Task, a: Args): number {
  const { mm } = t;
  const start = a.ptr(0);
  const size = a.size(1);
  const vec = a.ptr(2);
  const { taskSize } = mm.layout;
  if (a.u32(0) & PAGE_MASK) return -EINVAL;
  if (!(start + size <= taskSize)) return -ENOMEM;
  const pages = Math.ceil(size / PAGE_SIZE);
  if (!(vec + pages <= taskSize)) return -EFAULT;
  // A page of answers at a time, as Linux does: a fault or a hole later keeps what was written.
  for (let done = 0; done < pages;) {
    const n = Math.min(PAGE_SIZE, pages - done);
    const out = new Uint8Array(n);
    let filled = 0;
    while (filled < n) {
      const at = start + (done + filled) * PAGE_SIZE;
      const v = mm.vmas.containing(at);
      if (!v) break;
      for (let p = at; p < v.end && filled < n; p += PAGE_SIZE, filled++) {
        const here = mm.pageTable.frame(p) >= 0 || (v.object?.peek?.(v.index(p)) ?? -1) >= 0;
        out[filled] = here ? 1 : 0;
      }
    }
    if (filled === 0) return -ENOMEM;
    if (mm.copyOut(vec + done, out.subarray(0, filled)) < 0) return -EFAULT;
    done += filled;
  }
  return 0;
}

const MS_ASYNC = 1;
const MS_INVALIDATE = 2;
const MS_SYNC = 4;

export function msync(t: Task, a: Args): number {
  const { mm } = t;
  const start = a.ptr(0);
  const flags = a.u32(2);
  if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) return -EINVAL;
  if (a.u32(0) & PAGE_MASK) return -EINVAL;
  if (flags & MS_ASYNC && flags & MS_SYNC) return -EINVAL;
  const length = sizeArg(a, 1);
  if (start + length >= 2 ** 64) return -ENOMEM;
  const end = start + length;
  let hole = 0;
  for (let at = start; at < end;) {
    const v = mm.vmas.find(at);
    if (!v || v.start >= end) return -ENOMEM;
    if (at < v.start) {
      // Linux finds out first when writing is asked for: MS_ASYNC alone stops here.
      if (flags === MS_ASYNC) return -ENOMEM;
      hole = -ENOMEM;
      at = v.start;
    }
    if (flags & MS_INVALIDATE && v.flags & VM_LOCKED) return -EBUSY;
    const until = Math.min(end, v.end);
    if (flags & MS_SYNC && v.object && v.flags & VM_MAYSHARE) {
      const err = v.object.sync(v.index(at), v.index(until));
      if (err < 0) return err;
    }
    at = until;
  }
  return hole;
}

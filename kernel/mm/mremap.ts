/** mremap(2): resizing and moving an area (mm/mremap.c of 6.1). */
import { EAGAIN, EFAULT, EINVAL, ENOMEM } from '../abi/errno.ts';
import { PAGE_SIZE } from '../ports.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { AddressSpace } from './address-space.ts';
import { MAP_FIXED } from './flags.ts';
import { sizeArg } from './layout.ts';
import { CAP_SYS_RAWIO } from './syscalls-map.ts';
import {
  VM_ACCOUNT,
  VM_DONTEXPAND,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_MAYSHARE,
  VM_PFNMAP,
  VM_SHARED,
  type Vma,
} from './vma.ts';

export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;
export const MREMAP_DONTUNMAP = 4;

export function mremap(t: Task, a: Args): number {
  const { mm } = t;
  const start = a.ptr(0);
  const flags = a.ptr(3);
  if (flags > 7) return -EINVAL;
  if (flags & MREMAP_FIXED && !(flags & MREMAP_MAYMOVE)) return -EINVAL;
  if (flags & MREMAP_DONTUNMAP && !(flags & MREMAP_MAYMOVE)) return -EINVAL;
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  const oldLength = sizeArg(a, 1);
  const length = sizeArg(a, 2);
  if (flags & MREMAP_DONTUNMAP && oldLength !== length) return -EINVAL;
  if (length === 0 || length > mm.layout.taskSize) return -EINVAL;
  if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !targetFits(mm, start, oldLength, a.ptr(4), length))
    return -EINVAL;
  const v = mm.vmas.containing(start);
  if (!v) return -EFAULT;
  mm.mapsLow = (t.creds.capEffective & CAP_SYS_RAWIO) !== 0n;
  if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
    return mremapTo(mm, start, oldLength, a.ptr(4), length, flags);

  if (oldLength >= length) {
    if (oldLength > length && start + oldLength > mm.layout.taskSize) return -EINVAL;
    const r = oldLength === length ? 0 : mm.unmap(start + length, start + oldLength);
    return r < 0 ? r : start;
  }
  const err = resizable(mm, v, start, oldLength, length, flags);
  if (err < 0) return err;
  if (oldLength === v.end - start) {
    const end = start + length;
    if (!mm.vmas.intersects(v.end, end) && end <= mm.layout.taskSize) {
      const more = length - oldLength;
      if (v.flags & VM_ACCOUNT && !mm.memory.enough(more / PAGE_SIZE)) return -ENOMEM;
      const from = v.end;
      mm.resize(v, v.start, end);
      if (v.flags & VM_LOCKED && !(v.flags & VM_LOCKONFAULT)) mm.populate(from, end);
      mm.merge(v.start, v.end);
      return start;
    }
  }
  if (!(flags & MREMAP_MAYMOVE)) return -ENOMEM;
  const to = mm.unmappedArea(0, length, 0);
  return to < 0 ? to : move(mm, v, start, oldLength, length, to, flags);
}

/** Whether the new place is one, and apart from the old. */
function targetFits(mm: AddressSpace, start: number, oldLength: number, to: number, length: number): boolean {
  const { taskSize } = mm.layout;
  if (to % PAGE_SIZE !== 0 || length > taskSize || to > taskSize - length) return false;
  return start + oldLength <= to || to + length <= start;
}

/** MREMAP_FIXED and MREMAP_DONTUNMAP. */
function mremapTo(
  mm: AddressSpace,
  start: number,
  oldLength: number,
  to: number,
  length: number,
  flags: number,
): number {
  // Checked first, as since 6.17: 6.1 had unmapped things by then.
  const bad = resizable(mm, mm.vmas.containing(start)!, start, Math.min(oldLength, length), length, flags);
  if (bad < 0) return bad;
  if (mm.vmas.count + 2 >= mm.memory.maxMapCount - 3 || !mm.payAreas(4)) return -ENOMEM;
  if (flags & MREMAP_FIXED) {
    const r = mm.unmap(to, to + length);
    if (r < 0) return r;
  }
  if (oldLength > length) {
    const r = mm.unmap(start + length, start + oldLength);
    if (r < 0) return r;
    oldLength = length;
  }
  const v = mm.vmas.containing(start);
  if (!v) return -EFAULT;
  const err = resizable(mm, v, start, oldLength, length, flags);
  if (err < 0) return err;
  if (flags & MREMAP_DONTUNMAP && !mm.mayExpand(v.flags, oldLength / PAGE_SIZE)) return -ENOMEM;
  const at = mm.unmappedArea(to, length, flags & MREMAP_FIXED ? MAP_FIXED : 0);
  return at < 0 ? at : move(mm, v, start, oldLength, length, at, flags);
}

/** vma_to_resize: 0 or -errno. */
function resizable(
  mm: AddressSpace,
  v: Vma,
  start: number,
  oldLength: number,
  length: number,
  flags: number,
): number {
  // Old length 0 makes a second mapping of shared pages; private ones have none to share.
  if (oldLength === 0 && !(v.flags & (VM_SHARED | VM_MAYSHARE))) return -EINVAL;
  if (flags & MREMAP_DONTUNMAP && v.flags & (VM_DONTEXPAND | VM_PFNMAP)) return -EINVAL;
  if (oldLength > v.end - start) return -EFAULT;
  if (length <= oldLength) return 0;
  if (v.flags & (VM_DONTEXPAND | VM_PFNMAP)) return -EFAULT;
  const more = (length - oldLength) / PAGE_SIZE;
  if (v.flags & VM_LOCKED && !mm.mayLock(more)) return -EAGAIN;
  return mm.mayExpand(v.flags, more) ? 0 : -ENOMEM;
}

/** move_vma: the pages go along; what was there goes away unless MREMAP_DONTUNMAP. */
function move(
  mm: AddressSpace,
  v: Vma,
  start: number,
  oldLength: number,
  length: number,
  to: number,
  flags: number,
): number {
  if (mm.vmas.count >= mm.memory.maxMapCount - 3 || !mm.payAreas(4)) return -ENOMEM;
  if (mm.memory.spare < Math.min(mm.rss, oldLength / 2 ** 21)) return -ENOMEM; // page tables
  const dontUnmap = (flags & MREMAP_DONTUNMAP) !== 0;
  if (v.flags & VM_ACCOUNT && !mm.memory.enough(length / PAGE_SIZE)) return -ENOMEM;
  const copy = v.part(start, start + oldLength);
  copy.start = to;
  copy.end = to + length;
  copy.place = null;
  if (
    !dontUnmap &&
    v.place?.users === (v.place === mm.lastPlace ? 2 : 1) &&
    v.start === start &&
    v.end === start + oldLength
  ) {
    // The frames stay where they are, so the place goes along.
    copy.place = v.place;
    v.place.base += to - start;
  }
  // Untouched anonymous memory may merge with its new neighbours.
  if (!copy.object && copy.anonVma === 0) copy.pgoff = to / PAGE_SIZE;
  if (dontUnmap) {
    const old = v;
    if (old.flags & (VM_LOCKED | VM_LOCKONFAULT)) mm.setFlags(old, old.flags & ~(VM_LOCKED | VM_LOCKONFAULT));
  }
  mm.link(copy);
  mm.movePages(start, start + oldLength, to);
  if (dontUnmap) {
    if (v.start === start && v.end === start + oldLength) v.anonVma = 0;
  } else if (oldLength > 0) mm.unmap(start, start + oldLength);
  if (copy.flags & VM_LOCKED && !(copy.flags & VM_LOCKONFAULT)) mm.populate(to + oldLength, to + length);
  mm.merge(to, to + length);
  return to;
}

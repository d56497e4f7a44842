/** mmap, munmap, mprotect, mremap, brk and remap_file_pages: decode, check as mm/mmap.c does, delegate. */
import {
  EACCES, EAGAIN, EBADF, EINVAL, ENOMEM, ENOSPC, EOPNOTSUPP, EOVERFLOW, EPERM,
} from '../abi/errno.ts'; // prettier-ignore
import { MNT_NOEXEC } from '../fs/dentry.ts';
import type { File } from '../fs/file.ts';
import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } from '../ports.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { MapRequest } from './address-space.ts';
import {
  MAP_ANONYMOUS, MAP_DENYWRITE, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGETLB, MAP_LOCKED, MAP_PRIVATE, MAP_SHARED,
  MAP_SHARED_VALIDATE, MAP_SYNC, MAP_TYPE, MAP_POPULATE, MAP_NONBLOCK, MAP_NORESERVE, MAP_STACK, MAP_32BIT,
  RLIMIT_DATA, RLIMIT_MEMLOCK,
} from './flags.ts'; // prettier-ignore
import { PAGE_MASK, pageUp, sizeArg } from './layout.ts';
import type { MemObject } from './mem-object.ts';
import { VM_EXEC, VM_LOCKED, VM_MAYEXEC, VM_MAYWRITE, VM_READ, VM_SHARED, VM_WRITE } from './vma.ts';
import { mprotectRange, PROT_GROWSDOWN, PROT_GROWSUP } from './mprotect.ts';

const PROT_SEM = 8;
const MAP_EXECUTABLE = 0x1000;
/** Flags MAP_SHARED has always ignored when it did not know them; MAP_SHARED_VALIDATE refuses others. */
const LEGACY_MAP_MASK =
  MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED |
  MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT | (63 << 26); // prettier-ignore

const CAP_IPC_LOCK = 1n << 14n;
export const CAP_SYS_RAWIO = 1n << 17n;

/** Remembers whether the caller may lock without limit, and says whether it may lock at all (can_do_mlock). */
export function canLock(t: Task): boolean {
  t.mm.locksFreely = (t.creds.capEffective & CAP_IPC_LOCK) !== 0n;
  return t.mm.locksFreely || t.mm.rlimit(RLIMIT_MEMLOCK) !== 0;
}

/** mmap(2). The order of checks is ksys_mmap_pgoff's, then do_mmap's. */
export function mmap(t: Task, a: Args): number {
  const { mm } = t;
  const prot = a.u32(2);
  let flags = a.u32(3);
  if (a.u32(5) & PAGE_MASK) return -EINVAL;
  let file: File | null = null;
  if (!(flags & MAP_ANONYMOUS)) {
    file = t.fds.opened(a.i32(4)) ?? null;
    if (!file) return -EBADF;
    if (flags & MAP_HUGETLB) return -EINVAL;
  } else if (flags & MAP_HUGETLB) {
    // No huge pages are reserved; sizes x86_64 does not have are refused first.
    return [0, 21, 30].includes((flags >>> 26) & 63) ? -ENOMEM : -EINVAL;
  }
  const size = a.size(1);
  if (size === 0) return -EINVAL;
  if (flags & MAP_FIXED_NOREPLACE) flags |= MAP_FIXED;
  const length = sizeArg(a, 1);
  if (length === 0) return -ENOMEM;
  const offset = a.i64(5);
  // pgoff + pages must not wrap: offsets past 2^63 do with any length that reaches the end.
  if (offset < 0 && offset + length > 0) return -EOVERFLOW;
  if (mm.vmas.count > mm.memory.maxMapCount || !mm.payAreas(2)) return -ENOMEM;
  mm.mapsLow = (t.creds.capEffective & CAP_SYS_RAWIO) !== 0n;
  const start = mm.unmappedArea(a.ptr(0), length, flags);
  if (start < 0) return start;
  if (flags & MAP_LOCKED) {
    if (!canLock(t)) return -EPERM;
    if (!mm.mayLock(length / PAGE_SIZE)) return -EAGAIN;
  }
  if (file) return mapFile(t, file, start, length, prot, flags, offset);
  const type = flags & MAP_TYPE;
  if (type !== MAP_SHARED && type !== MAP_PRIVATE) return -EINVAL;
  if (type === MAP_SHARED && flags & MAP_GROWSDOWN) return -EINVAL;
  return mm.mapAt(start, length, { length, prot, flags });
}

/** The file half of do_mmap. */
function mapFile(
  t: Task,
  file: File,
  start: number,
  length: number,
  prot: number,
  flags: number,
  offset: number,
): number {
  const { mm } = t;
  // file_mmap_ok: s_maxbytes is 2^63 - 1.
  if (offset < 0 || offset + length >= 2 ** 63) return -EOVERFLOW;
  let remove = 0;
  const type = flags & MAP_TYPE;
  if (type === MAP_SHARED || type === MAP_SHARED_VALIDATE) {
    if (type === MAP_SHARED_VALIDATE && flags & ~(LEGACY_MAP_MASK | MAP_FIXED_NOREPLACE | MAP_SYNC))
      return -EOPNOTSUPP;
    // No file here can be mapped with MAP_SYNC (DAX).
    if (type === MAP_SHARED_VALIDATE && flags & MAP_SYNC) return -EOPNOTSUPP;
    if (prot & PROT_WRITE && !file.writable) return -EACCES;
    if (!file.writable) remove |= VM_MAYWRITE | VM_SHARED;
    else if (file.writeSealed) remove |= VM_MAYWRITE;
  } else if (type !== MAP_PRIVATE) return -EINVAL;
  if (!file.readable) return -EACCES;
  if (file.path && file.path.mnt.flags & MNT_NOEXEC) {
    if (prot & PROT_EXEC) return -EPERM;
    remove |= VM_MAYEXEC;
  }
  if (flags & MAP_GROWSDOWN) return -EINVAL;
  const object = file.mmap(t, prot, flags);
  if (typeof object === 'number') return object;
  return heldMap(object, () =>
    mm.mapAt(start, length, { length, prot, flags, object, file, offset, remove }),
  );
}

/** Keeps a fresh object alive while it is mapped, and frees it if that failed. */
function heldMap(object: MemObject, map: () => number): number {
  object.retain();
  const r = map();
  object.release();
  return r;
}

/** munmap(2). */
export function munmap(t: Task, a: Args): number {
  const start = a.ptr(0);
  const length = sizeArg(a, 1);
  const { taskSize } = t.mm.layout;
  if (a.u32(0) & PAGE_MASK || start > taskSize || a.size(1) > taskSize - start) return -EINVAL;
  if (length === 0) return -EINVAL;
  return t.mm.unmap(start, start + length);
}

/** mprotect(2); pkey_mprotect(2) with pkey −1. */
export function mprotect(t: Task, a: Args): number {
  const start = a.ptr(0);
  const size = a.size(1);
  const grows = a.u32(2) & (PROT_GROWSDOWN | PROT_GROWSUP);
  const prot = a.u32(2) & ~(PROT_GROWSDOWN | PROT_GROWSUP);
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP) || a.u32(0) & PAGE_MASK) return -EINVAL;
  if (size === 0) return 0;
  const end = start + sizeArg(a, 1);
  if (end === start || end >= 2 ** 64) return -ENOMEM;
  if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM)) return -EINVAL;
  return mprotectRange(t.mm, start, end, prot & (PROT_READ | PROT_WRITE | PROT_EXEC), grows);
}

/** No protection keys on this processor: only "no key" works. */
export function pkeyMprotect(t: Task, a: Args): number {
  return a.i32(3) === -1 ? mprotect(t, a) : -EINVAL;
}
export function pkeyAlloc(_t: Task, a: Args): number {
  if (a.ptr(0) !== 0 || a.ptr(1) > 3) return -EINVAL;
  return -ENOSPC;
}
export function pkeyFree(): number {
  return -EINVAL;
}

/** brk(2): the new break, or the old one when it cannot be. */
export function brk(t: Task, a: Args): number {
  const { mm } = t;
  const to = a.ptr(0);
  if (to < mm.startBrk) return mm.brk;
  if (to - mm.startBrk + (mm.endData - mm.startData) > mm.rlimit(RLIMIT_DATA)) return mm.brk;
  const from = pageUp(mm.brk);
  const end = pageUp(to);
  if (end < from) {
    if (mm.unmap(end, from) < 0) return mm.brk;
  } else if (end > from) {
    if (end > mm.layout.taskSize) return mm.brk;
    const length = end - from;
    // One page of distance to what follows (and the guard gap of a stack).
    if (!mm.roomFor(from, length + PAGE_SIZE)) return mm.brk;
    const req: MapRequest = {
      start: from, length, prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
      apart: from === pageUp(mm.startBrk),
    }; // prettier-ignore
    if (mm.map(req) < 0) return mm.brk;
  }
  return (mm.brk = to);
}

/** remap_file_pages(2), which Linux emulates with mmap since 4.0. */
export function remapFilePages(t: Task, a: Args): number {
  const { mm } = t;
  const start = a.ptr(0) - (a.ptr(0) % PAGE_SIZE);
  const length = a.size(1) - (a.size(1) % PAGE_SIZE);
  const pgoff = a.ptr(3);
  if (a.ptr(2) !== 0 || length === 0 || start + length >= 2 ** 64 || pgoff + length / PAGE_SIZE >= 2 ** 64)
    return -EINVAL;
  const v = mm.vmas.containing(start);
  if (!v || !(v.flags & VM_SHARED) || !v.object) return -EINVAL;
  for (let end = v.end; start + length > end;) {
    const next = mm.vmas.containing(end);
    if (!next || next.object !== v.object || next.file !== v.file || next.flags !== v.flags) return -EINVAL;
    end = next.end;
  }
  const prot = v.flags & (VM_READ | VM_WRITE | VM_EXEC);
  const flags =
    MAP_SHARED |
    MAP_FIXED |
    MAP_POPULATE |
    (a.u32(4) & MAP_NONBLOCK) |
    (v.flags & VM_LOCKED ? MAP_LOCKED : 0);
  if (!Number.isSafeInteger(pgoff * PAGE_SIZE)) return -EOVERFLOW;
  const { object, file } = v;
  const r = heldMap(object, () => {
    file?.retain();
    const done = mm.map({ start, length, prot, flags, object, file, offset: pgoff * PAGE_SIZE });
    file?.drop();
    return done;
  });
  return r < 0 ? r : 0;
}

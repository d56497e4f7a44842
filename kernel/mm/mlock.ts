/** mlock and its family (mm/mlock.c). Nothing is ever swapped here: the counts and limits are what shows. */
import { EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM } from '../abi/errno.ts';
import { PAGE_SIZE } from '../ports.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { AddressSpace } from './address-space.ts';
import { RLIMIT_MEMLOCK } from './flags.ts';
import { pageDown } from './layout.ts';
import { setAreaFlags } from './madvise.ts';
import { canLock } from './syscalls-map.ts';
import { VM_DONTEXPAND, VM_IO, VM_LOCKED, VM_LOCKONFAULT, VM_PFNMAP } from './vma.ts';

/** End of the pages that [address, address+length) touches; the sum of offset and length wraps as in Linux. */
function endArg(a: Args): number {
  const start = pageDown(a.ptr(0));
  const length = BigInt.asUintN(64, a.big(1) + BigInt(a.ptr(0) - start) + 4095n) & ~4095n;
  return start + Number(length);
}

const MLOCK_ONFAULT = 1;
const MCL_CURRENT = 1;
const MCL_FUTURE = 2;
const MCL_ONFAULT = 4;

const lockFlags = (onFault: boolean): number => (onFault ? VM_LOCKED | VM_LOCKONFAULT : VM_LOCKED);

/** apply_vma_lock_flags: 0, or -ENOMEM at the first hole with what came before done. */
function setLocked(mm: AddressSpace, start: number, end: number, flags: number): number {
  for (let at = start; at < end;) {
    const v = mm.vmas.containing(at);
    if (!v) return -ENOMEM;
    const until = Math.min(end, v.end);
    if (!(v.flags & (VM_IO | VM_PFNMAP | VM_DONTEXPAND))) {
      const r = setAreaFlags(mm, at, until, (v.flags & ~(VM_LOCKED | VM_LOCKONFAULT)) | flags);
      if (r < 0) return r;
    }
    at = until;
  }
  return 0;
}

function lockedIn(mm: AddressSpace, start: number, end: number): number {
  let n = 0;
  for (const v of mm.vmas.within(start, end))
    if (v.flags & VM_LOCKED) n += Math.min(end, v.end) - Math.max(start, v.start);
  return n / PAGE_SIZE;
}

function lockRange(t: Task, a: Args, onFault: boolean): number {
  const { mm } = t;
  if (!canLock(t)) return -EPERM;
  const start = pageDown(a.ptr(0));
  const end = endArg(a);
  if (a.size(1) !== 0 && end >= 2 ** 64) return -EINVAL;
  const pages = (end - start) / PAGE_SIZE;
  if (!mm.mayLock(pages) && !mm.mayLock(pages - lockedIn(mm, start, end))) return -ENOMEM;
  const r = setLocked(mm, start, end, lockFlags(onFault));
  if (r < 0 || onFault) return r;
  return populateError(mm.populate(start, end));
}

/** __mlock_posix_error_return. */
const populateError = (r: number): number => (r === -EFAULT ? -ENOMEM : r === -ENOMEM ? -EAGAIN : r);

export function mlock(t: Task, a: Args): number {
  return lockRange(t, a, false);
}

export function mlock2(t: Task, a: Args): number {
  if (a.u32(2) & ~MLOCK_ONFAULT) return -EINVAL;
  return lockRange(t, a, (a.u32(2) & MLOCK_ONFAULT) !== 0);
}

export function munlock(t: Task, a: Args): number {
  const start = pageDown(a.ptr(0));
  const end = endArg(a);
  if (a.size(1) !== 0 && end >= 2 ** 64) return -EINVAL;
  return setLocked(t.mm, start, end, 0);
}

export function mlockall(t: Task, a: Args): number {
  const { mm } = t;
  const flags = a.u32(0);
  if (flags === 0 || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags === MCL_ONFAULT)
    return -EINVAL;
  if (!canLock(t)) return -EPERM;
  if (flags & MCL_CURRENT && !mm.locksFreely && mm.totalVm * PAGE_SIZE > mm.rlimit(RLIMIT_MEMLOCK))
    return -ENOMEM;
  const lock = lockFlags((flags & MCL_ONFAULT) !== 0);
  mm.defFlags = flags & MCL_FUTURE ? lock : 0;
  if (!(flags & MCL_CURRENT)) return 0;
  for (const v of mm.vmas.within(0, mm.layout.taskSize)) {
    if (mm.vmas.containing(v.start) !== v) continue; // merged into its neighbour meanwhile
    setLocked(mm, v.start, v.end, lock);
  }
  // Areas that cannot be touched (PROT_NONE) do not fail the call.
  if (lock === VM_LOCKED) for (const v of mm.vmas.within(0, mm.layout.taskSize)) mm.populate(v.start, v.end);
  return 0;
}

export function munlockall(t: Task): number {
  const { mm } = t;
  mm.defFlags = 0;
  for (const v of mm.vmas.within(0, mm.layout.taskSize)) {
    if (mm.vmas.containing(v.start) === v) setLocked(mm, v.start, v.end, 0);
  }
  return 0;
}

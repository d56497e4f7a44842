/** Changing the protection of a range (mm/mprotect.c). */
import { EACCES, EINVAL, ENOMEM } from '../abi/errno.ts';
import { PAGE_SIZE } from '../ports.ts';
import type { AddressSpace } from './address-space.ts';
import { VM_ACCESS, VM_ACCOUNT, VM_GROWSDOWN, VM_LOCKED, VM_NORESERVE, VM_SHARED, VM_WRITE } from './vma.ts';

export const PROT_GROWSDOWN = 0x01000000;
export const PROT_GROWSUP = 0x02000000;

/** Pages before a failure keep their new protection, as in Linux. */
export function mprotectRange(
  mm: AddressSpace,
  start: number,
  end: number,
  prot: number,
  grows: number,
): number {
  const first = mm.vmas.find(start);
  if (!first) return -ENOMEM;
  if (grows & PROT_GROWSDOWN) {
    if (first.start >= end) return -ENOMEM;
    start = first.start;
    if (!(first.flags & VM_GROWSDOWN)) return -EINVAL;
  } else if (first.start > start) return -ENOMEM;
  else if (grows & PROT_GROWSUP) return -EINVAL; // no area grows upwards here
  let at = start;
  while (at < end) {
    const v = mm.vmas.containing(at);
    if (!v) return -ENOMEM;
    const until = Math.min(end, v.end);
    let flags = (v.flags & ~VM_ACCESS) | prot;
    // Rights the mapping may never have: VM_MAY* are four bits up.
    if (flags & ~(flags >> 4) & VM_ACCESS) return -EACCES;
    if (flags !== v.flags) {
      const pages = (until - at) / PAGE_SIZE;
      if (flags & VM_WRITE) {
        // RLIMIT_DATA: private pages that become writable count from now on.
        if (!mm.mayExpand(flags, pages) && mm.mayExpand(v.flags, pages)) return -ENOMEM;
        if (!(v.flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE))) {
          if (!mm.memory.enough(pages)) return -ENOMEM;
          flags |= VM_ACCOUNT;
        }
      } else if (v.flags & VM_ACCOUNT && !v.object && v.anonVma === 0) flags &= ~VM_ACCOUNT; // never written
      const err = mm.split(at) || mm.split(until);
      if (err < 0) return err;
      const part = mm.vmas.containing(at)!;
      mm.setFlags(part, flags);
      mm.reprotect(part, at, until);
      if (flags & VM_LOCKED && flags & VM_WRITE) mm.populate(at, until);
      mm.merge(at, until);
    }
    at = until;
  }
  return 0;
}

/** PR_SET_VMA_ANON_NAME: names for anonymous memory in /proc/PID/maps (madvise_set_anon_name). */
import { EBADF, EINVAL, ENAMETOOLONG, ENOMEM } from '../abi/errno.ts';
import { PAGE_SIZE } from '../ports.ts';
import type { AddressSpace } from './address-space.ts';
import { pageUp } from './layout.ts';

const ANON_VMA_NAME_MAX_LEN = 80;

/** `name` is the address of a string, or 0 to take the name away. */
export function setAnonName(mm: AddressSpace, start: number, length: number, name: number): number {
  let text: string | null = null;
  if (name !== 0) {
    const s = mm.cstring(name, ANON_VMA_NAME_MAX_LEN);
    if (typeof s === 'number') return s === -ENAMETOOLONG ? -EINVAL : s;
    if (!/^[\x20-\x7e]*$/.test(s) || /[\\`$[\]]/.test(s)) return -EINVAL;
    text = `[anon:${s}]`;
  }
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  const end = start + pageUp(length);
  if (!Number.isSafeInteger(end)) return -EINVAL;
  if (end === start) return 0;
  const err = mm.split(start) || mm.split(end);
  if (err < 0) return err;
  let at = start;
  let missing = false;
  for (const v of mm.vmas.within(start, end)) {
    if (v.start > at) missing = true;
    if (v.file !== null) return -EBADF;
    v.name = text;
    at = v.end;
  }
  mm.merge(start, end);
  return missing || at < end ? -ENOMEM : 0;
}

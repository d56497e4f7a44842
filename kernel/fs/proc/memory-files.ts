/** /proc/PID/{maps,smaps,statm…}: an address space in text (proc(5), fs/proc/task_mmu.c). */
import { formatArea } from '../../mm/format.ts';
import type { AddressSpace } from '../../mm/address-space.ts';
import {
  VM_ACCOUNT, VM_DONTCOPY, VM_DONTDUMP, VM_DONTEXPAND, VM_EXEC, VM_GROWSDOWN, VM_HUGEPAGE, VM_IO, VM_LOCKED,
  VM_MAYEXEC, VM_MAYREAD, VM_MAYSHARE, VM_MAYWRITE, VM_NOHUGEPAGE, VM_NORESERVE, VM_PFNMAP, VM_RAND_READ, VM_READ,
  VM_SEQ_READ, VM_SHARED, VM_WIPEONFORK, VM_WRITE, type Vma,
} from '../../mm/vma.ts'; // prettier-ignore

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');

/** Column where the name of an area begins. */
const NAME_COLUMN = 73;
const header = (mm: AddressSpace, v: Vma): string => `${formatArea(mm, v)}\n`;

export function mapsText(mm: AddressSpace): string[] {
  return mm.vmas.all().map((v) => header(mm, v));
}

interface Residency {
  rss: number;
  sharedClean: number;
  sharedDirty: number;
  privateClean: number;
  privateDirty: number;
  anonymous: number;
  /** In 1/4096 pages. */
  pss: number;
  pssDirty: number;
  locked: number;
}

const noPages = (): Residency => ({
  rss: 0, sharedClean: 0, sharedDirty: 0, privateClean: 0, privateDirty: 0, anonymous: 0, pss: 0, pssDirty: 0, locked: 0,
}); // prettier-ignore

/** Counts the pages an area has in memory. A page is dirty when it is anonymous or was made writable. */
function residency(mm: AddressSpace, v: Vma): Residency {
  const r = noPages();
  mm.pageTable.forEach(v.start, v.end, (page, frame) => {
    const object = v.object;
    // Mapped by the object's own frame, or a private page (copied or anonymous).
    const ofObject = object !== null && object.peek?.(v.index(page)) === frame;
    const holders = mm.memory.ram.refs(frame) - (ofObject ? 1 : 0);
    const shared = holders > 1;
    const dirty = !ofObject || (object.shmem ?? false);
    r.rss++;
    if (!ofObject) r.anonymous++;
    const share = 4096 / Math.max(1, holders);
    r.pss += share;
    if (dirty) r.pssDirty += share;
    if (v.flags & VM_LOCKED) r.locked += share;
    r[shared ? (dirty ? 'sharedDirty' : 'sharedClean') : dirty ? 'privateDirty' : 'privateClean']++;
  });
  return r;
}

const VM_FLAG_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [VM_READ, 'rd'], [VM_WRITE, 'wr'], [VM_EXEC, 'ex'], [VM_SHARED, 'sh'], [VM_MAYREAD, 'mr'], [VM_MAYWRITE, 'mw'],
  [VM_MAYEXEC, 'me'], [VM_MAYSHARE, 'ms'], [VM_GROWSDOWN, 'gd'], [VM_PFNMAP, 'pf'], [VM_LOCKED, 'lo'], [VM_IO, 'io'],
  [VM_SEQ_READ, 'sr'], [VM_RAND_READ, 'rr'], [VM_DONTCOPY, 'dc'], [VM_DONTEXPAND, 'de'], [VM_ACCOUNT, 'ac'],
  [VM_NORESERVE, 'nr'], [VM_WIPEONFORK, 'wf'], [VM_DONTDUMP, 'dd'], [VM_HUGEPAGE, 'hg'], [VM_NOHUGEPAGE, 'nh'],
]; // prettier-ignore

const kib = (pages: number): string => String(Math.floor(pages * 4)).padStart(8);
const kb = (name: string, pages: number): string => `${`${name}:`.padEnd(16)}${kib(pages)} kB\n`;

function counts(r: Residency): string {
  return (
    kb('Shared_Clean', r.sharedClean) +
    kb('Shared_Dirty', r.sharedDirty) +
    kb('Private_Clean', r.privateClean) +
    kb('Private_Dirty', r.privateDirty) +
    kb('Referenced', r.rss) +
    kb('Anonymous', r.anonymous) +
    kb('LazyFree', 0) +
    kb('AnonHugePages', 0) +
    kb('ShmemPmdMapped', 0) +
    kb('FilePmdMapped', 0) +
    kb('Shared_Hugetlb', 0) +
    kb('Private_Hugetlb', 0) +
    kb('Swap', 0) +
    kb('SwapPss', 0) +
    kb('Locked', r.locked / 4096)
  );
}

export function smapsText(mm: AddressSpace): string[] {
  return mm.vmas.all().map((v) => {
    const r = residency(mm, v);
    const names = VM_FLAG_NAMES.filter(([bit]) => v.flags & bit).map(([, name]) => `${name} `);
    return (
      header(mm, v) +
      kb('Size', v.pages) +
      kb('KernelPageSize', 1) +
      kb('MMUPageSize', 1) +
      kb('Rss', r.rss) +
      kb('Pss', r.pss / 4096) +
      kb('Pss_Dirty', r.pssDirty / 4096) +
      counts(r) +
      `THPeligible:    0\n` +
      `VmFlags: ${names.join('')}\n`
    );
  });
}

export function smapsRollupText(mm: AddressSpace): string {
  const areas = mm.vmas.all();
  if (areas.length === 0) return '';
  const sum = noPages();
  let anon = 0;
  let file = 0;
  let shmem = 0;
  for (const v of areas) {
    const r = residency(mm, v);
    for (const k of Object.keys(sum) as (keyof Residency)[]) sum[k] += r[k];
    if (v.object === null) anon += r.pss;
    else if (v.object.shmem) shmem += r.pss;
    else file += r.pss;
  }
  const range = `${hex(areas[0].start, 8)}-${hex(areas[areas.length - 1].end, 8)} ---p 00000000 00:00 0 `;
  return (
    `${range.padEnd(NAME_COLUMN)}[rollup]\n` +
    kb('Rss', sum.rss) +
    kb('Pss', sum.pss / 4096) +
    kb('Pss_Dirty', sum.pssDirty / 4096) +
    kb('Pss_Anon', anon / 4096) +
    kb('Pss_File', file / 4096) +
    kb('Pss_Shmem', shmem / 4096) +
    counts(sum)
  );
}

/** Resident pages by kind, in pages. */
export function residentKinds(mm: AddressSpace): { anon: number; file: number; shmem: number } {
  const out = { anon: 0, file: 0, shmem: 0 };
  for (const v of mm.vmas.all()) {
    mm.pageTable.forEach(v.start, v.end, (page, frame) => {
      const o = v.object;
      if (o === null || o.peek?.(v.index(page)) !== frame) out.anon++;
      else if (o.shmem) out.shmem++;
      else out.file++;
    });
  }
  return out;
}

/** What /proc/PID/{maps,smaps,stat,statm,status} say about an address space. */
import { PAGE_SIZE } from '../ports.ts';
import type { AddressSpace } from './address-space.ts';
import {
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_MAYSHARE,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  type Vma,
} from './vma.ts';

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');

/** dev as MAJOR:MINOR, two hexadecimal digits at least; `dev` is encoded as st_dev is. */
function devText(dev: number): string {
  const major = Math.floor(dev / 256) & 0xfff;
  const minor = (dev & 0xff) | ((Math.floor(dev / 4096) >>> 0) & 0xfff00);
  return `${hex(major, 2)}:${hex(minor, 2)}`;
}

/** Name column: the file's path with newlines escaped, "[heap]", "[stack]", or nothing. */
function areaName(mm: AddressSpace, v: Vma): string {
  if (v.name !== null) return v.name;
  if (v.file) return v.file.name.replaceAll('\n', '\\012');
  if (v.object) return v.object.name.replaceAll('\n', '\\012');
  if (v.start < mm.brk && v.end > mm.startBrk) return '[heap]';
  if (v.start <= mm.startStack && v.end >= mm.startStack) return '[stack]';
  return '';
}

/** One line of /proc/PID/maps, without its newline (show_map_vma). */
export function formatArea(mm: AddressSpace, v: Vma): string {
  const f = v.flags;
  const perms =
    (f & VM_READ ? 'r' : '-') +
    (f & VM_WRITE ? 'w' : '-') +
    (f & VM_EXEC ? 'x' : '-') +
    (f & VM_MAYSHARE ? 's' : 'p');
  const backed = v.object !== null && v.name === null;
  const offset = backed ? v.pgoff * PAGE_SIZE : 0;
  const dev = backed ? devText(v.object.dev) : '00:00';
  const line = `${hex(v.start, 8)}-${hex(v.end, 8)} ${perms} ${hex(offset, 8)} ${dev} ${backed ? v.object.ino : 0} `;
  const name = areaName(mm, v);
  return name === '' ? line : line.padEnd(73) + name;
}

export function formatMaps(mm: AddressSpace): string {
  let out = '';
  for (const v of mm.vmas.all()) out += `${formatArea(mm, v)}\n`;
  return out;
}

export interface PageCounts {
  anon: number;
  file: number;
  shmem: number;
}

/** Present pages of [start, end) of an area by kind. */
export function countPages(mm: AddressSpace, v: Vma): PageCounts {
  const n: PageCounts = { anon: 0, file: 0, shmem: 0 };
  const { object } = v;
  mm.pageTable.forEach(v.start, v.end, (page, frame) => {
    if (!object || (v.private && v.anonVma !== 0 && object.peek?.(v.index(page)) !== frame)) n.anon++;
    else if (object.shmem) n.shmem++;
    else n.file++;
  });
  return n;
}

/** Totals in bytes for status (VmSize, VmRSS…) and in pages for statm. */
export interface MemoryTotals {
  readonly size: number;
  readonly peak: number;
  readonly rss: number;
  readonly peakRss: number;
  readonly rssAnon: number;
  readonly rssFile: number;
  readonly rssShmem: number;
  /** Private writable memory, stack, executable file mappings, locked. */
  readonly data: number;
  readonly stack: number;
  readonly exec: number;
  readonly locked: number;
}

export function memoryTotals(mm: AddressSpace): MemoryTotals {
  const sum: PageCounts = { anon: 0, file: 0, shmem: 0 };
  for (const v of mm.vmas.all()) {
    const n = countPages(mm, v);
    sum.anon += n.anon;
    sum.file += n.file;
    sum.shmem += n.shmem;
  }
  const bytes = (pages: number): number => pages * PAGE_SIZE;
  return {
    size: bytes(mm.totalVm), peak: bytes(mm.maxVm), rss: bytes(mm.rss), peakRss: bytes(mm.maxRss),
    rssAnon: bytes(sum.anon), rssFile: bytes(sum.file), rssShmem: bytes(sum.shmem), data: bytes(mm.dataVm),
    stack: bytes(mm.stackVm), exec: bytes(mm.execVm), locked: bytes(mm.lockedVm),
  }; // prettier-ignore
}

/** /proc/PID/smaps. Pages shared with other processes are counted as Shared by their frame's references. */
export function formatSmaps(mm: AddressSpace): string {
  let out = '';
  for (const v of mm.vmas.all()) {
    const n = countPages(mm, v);
    let clean = 0;
    let dirty = 0;
    let pss = 0;
    let own = 0;
    mm.pageTable.forEach(v.start, v.end, (page, frame) => {
      const holders = mm.ram.refs(frame) - (v.object?.peek?.(v.index(page)) === frame ? 1 : 0);
      pss += PAGE_SIZE / Math.max(1, holders);
      if (holders <= 1) own++;
      else if (v.flags & VM_WRITE) dirty++;
      else clean++;
    });
    const rss = n.anon + n.file + n.shmem;
    const kb = (name: string, value: number): string =>
      `${`${name}:`.padEnd(16)}${String(Math.floor(value / 1024)).padStart(8)} kB\n`;
    const pages = (name: string, count: number): string => kb(name, count * PAGE_SIZE);
    const ownDirty = v.flags & VM_WRITE || n.anon > 0 ? own : 0;
    out += `${formatArea(mm, v)}\n`;
    out += kb('Size', v.end - v.start) + kb('KernelPageSize', PAGE_SIZE) + kb('MMUPageSize', PAGE_SIZE);
    out += pages('Rss', rss) + kb('Pss', pss) + pages('Shared_Clean', clean) + pages('Shared_Dirty', dirty);
    out +=
      pages('Private_Clean', own - ownDirty) + pages('Private_Dirty', ownDirty) + pages('Referenced', rss);
    out += pages('Anonymous', n.anon) + kb('LazyFree', 0) + kb('AnonHugePages', 0) + kb('ShmemPmdMapped', 0);
    out +=
      kb('FilePmdMapped', 0) +
      kb('Shared_Hugetlb', 0) +
      kb('Private_Hugetlb', 0) +
      kb('Swap', 0) +
      kb('SwapPss', 0);
    out += pages('Locked', v.flags & VM_LOCKED ? rss : 0);
    out += `THPeligible:    ${'0'.padStart(8)}\nVmFlags: ${vmFlags(v.flags)}\n`;
  }
  return out;
}

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [VM_READ, 'rd'], [VM_WRITE, 'wr'], [VM_EXEC, 'ex'], [VM_SHARED, 'sh'], [0x10, 'mr'], [0x20, 'mw'], [0x40, 'me'],
  [0x80, 'ms'], [VM_GROWSDOWN, 'gd'], [0x400, 'pf'], [0x1000, 'mg'], [VM_LOCKED, 'lo'], [0x4000, 'io'], [0x8000, 'sr'],
  [0x10000, 'rr'], [0x20000, 'dc'], [0x40000, 'de'], [0x100000, 'ac'], [0x200000, 'nr'], [0x2000000, 'wf'],
  [0x4000000, 'dd'], [0x20000000, 'hg'], [0x40000000, 'nh'],
]; // prettier-ignore

const vmFlags = (flags: number): string =>
  FLAG_NAMES.filter(([bit]) => flags & bit)
    .map(([, name]) => `${name} `)
    .join('');

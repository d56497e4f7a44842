/** Areas as /proc/PID/maps shows them. */
import { PAGE_SIZE } from '../ports.ts';
import type { AddressSpace } from './address-space.ts';
import { VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE, type Vma } from './vma.ts';

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

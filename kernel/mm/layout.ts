/** Where Linux puts things in a process, without address randomisation (`setarch -R`). All values in bytes. */
import { PAGE_SIZE, type Arch } from '../ports.ts';
import type { Args } from '../syscall/args.ts';

export const PAGE_MASK = PAGE_SIZE - 1;
/** `vm.mmap_min_addr`. */
export const MMAP_MIN_ADDR = 65536;
/** `stack_guard_gap`: what a growing stack keeps free below itself. */
export const STACK_GUARD_GAP = 256 * PAGE_SIZE;

export interface Layout {
  /** First address that no user page has. */
  readonly taskSize: number;
  /** Top of the initial stack. */
  readonly stackTop: number;
  /** Where the bottom-up search starts when the top-down one found nothing. */
  readonly unmappedBase: number;
  /** ELF_ET_DYN_BASE: where a position-independent program with an interpreter goes. */
  readonly dynBase: number;
}

const X86_64: Layout = {
  taskSize: 0x7ffffffff000,
  stackTop: 0x7ffffffff000,
  unmappedBase: 0x2aaaaaaab000,
  dynBase: 0x555555554000,
};

/** Page tables hold 47 bits, so aarch64 programs get the layout of a 47-bit kernel. */
const AARCH64: Layout = {
  taskSize: 0x7ffffffff000,
  stackTop: 0x7ffffffff000,
  unmappedBase: 0x2aaaaaaab000,
  dynBase: 0x555555550000,
};

export const layoutOf = (arch: Arch): Layout => (arch === 'x86_64' ? X86_64 : AARCH64);

/** StarryOS's places: heap, stack above it, and the base of what can lie anywhere. */
export const STARRY_HEAP = { start: 0x3fa00000, end: 0x3fe00000 } as const;
export const STARRY_STACK_TOP = 0x40000000;
export const STARRY_BASE = 0x4000000;

/** arch_pick_mmap_layout: the stack limit (at least 128 MiB, at most 5/6 of everything) below the top. */
export function mmapBase(layout: Layout, stackLimit: number): number {
  const gap = Math.min(Math.max(stackLimit + STACK_GUARD_GAP, 128 * 1024 * 1024), (layout.taskSize / 6) * 5);
  return pageUp(layout.taskSize - gap);
}

export const pageDown = (n: number): number => n - (n % PAGE_SIZE);
export const pageUp = (n: number): number => pageDown(n + PAGE_MASK);

/** PAGE_ALIGN of a guest's size_t argument: the last page of 2^64 wraps to 0. Inexact, and huge, beyond 2^53. */
export function sizeArg(a: Args, n: number): number {
  if (a.words[2 * n + 1] === -1 && a.words[2 * n] >>> 0 > 0xfffff000) return 0;
  return pageUp(a.size(n));
}

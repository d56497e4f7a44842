/** Memory in StarryOS: axmem's list of areas below 1 GiB, and the calls on it. */
import { EBADF, EINVAL, ENOMEM } from '../../abi/errno.ts';
import type { AddressSpace } from '../../mm/address-space.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_TYPE,
} from '../../mm/flags.ts';
import { pageUp } from '../../mm/layout.ts';
import { mprotectRange } from '../../mm/mprotect.ts';
import { MREMAP_FIXED, MREMAP_MAYMOVE } from '../../mm/mremap.ts';
import { PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../ports.ts';
import type { Args } from '../../syscall/args.ts';
import type { Task } from '../../task/task.ts';
import type { SysResult } from '../../wait.ts';
import { panic } from '../panic.ts';
import type { Quirk, Wrap } from '../quirk.ts';
import { answers, argument, before, each, errno, withArg } from '../wrap.ts';

const SYSCALL = 'linux_syscall_api src/syscall_mem/imp.rs';
const AXMEM = 'Starry modules/axmem/src/lib.rs';
const MAX_HEAP_SIZE = 0x20000;
const AXMEM_RS = 'modules/axmem/src/lib.rs';
const ALIGNED = 'assertion failed: end.is_aligned_4k()';

/** mprotect of every mapped part of the range; what is not mapped does not matter. */
function protectWhatIsThere(mm: AddressSpace, start: number, end: number, prot: number): number {
  for (const v of mm.vmas.within(start, end)) {
    const r = mprotectRange(mm, Math.max(start, v.start), Math.min(end, v.end), prot, 0);
    if (r < 0) return r;
  }
  return 0;
}

/** brk is a number between the bottom of the heap and 128 KiB above; the memory is there from the start. */
function brk(t: Task, a: Args): number {
  const { mm } = t;
  const to = a.ptr(0);
  const bottom = mm.startBrk;
  if (to === 0 || to < bottom || to > bottom + MAX_HEAP_SIZE) return mm.brk;
  const from = pageUp(bottom);
  if (!mm.vmas.containing(from)) {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    const end = pageUp(bottom + MAX_HEAP_SIZE);
    const r = mm.map({ start: from, length: end - from, prot: PROT_READ | PROT_WRITE, flags, apart: true });
    if (r < 0) return mm.brk;
  }
  return (mm.brk = to);
}

const unalignedEnd = (length: (a: Args) => number, start: (a: Args) => number): Wrap =>
  before((t, a) => ((start(a) + length(a)) % PAGE_SIZE === 0 ? undefined : panic(t, AXMEM_RS, ALIGNED)));

/** Growing moves the area to the first free range; no flag is asked for that. MREMAP_FIXED is not there. */
const alwaysMoves: Wrap = (linux) => (t, a) => {
  const [from, old, length] = [a.ptr(0), pageUp(a.size(1)), pageUp(a.size(2))];
  if (a.u32(3) & MREMAP_FIXED) return panic(t, 'linux_syscall_api/src/syscall_mem/imp.rs', 'not implemented');
  if (length <= old || from % PAGE_SIZE !== 0) return linux(t, a);
  const to = t.mm.unmappedArea(0, length, 0);
  if (to < 0) return to;
  const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  const moved = (): SysResult => withArg((u, b) => withArg(linux, u, b, 4, to), t, a, 3, flags);
  return moved();
};

/**
 * The log of MediaServer -d, read literally: MAP_FIXED at the beginning of a PROT_NONE part takes all of that part
 * ("[VA:0x9ca000, VA:0x1337000]" where the arguments end at 0xfd1000), and MAP_FIXED inside what was taken so begins
 * at its end: "[VA:0x1337000, VA:0x1336000]", an area turned inside out, in which nothing is mapped.
 */
const inverted: Wrap = (linux) => (t, a) => {
  const { mm } = t;
  if (!(a.u32(3) & MAP_FIXED)) return linux(t, a);
  const start = a.ptr(0);
  const end = start + pageUp(a.size(1));
  const taken = mm.overtaken.find((o) => o.taken && o.start < start && start < o.end);
  if (taken) {
    if (end <= taken.end) return start;
    const offset = a.i64(5) + (taken.end - start);
    const shorter = (u: Task, b: Args): SysResult => withArg(linux, u, b, 1, end - taken.end);
    const r = withArg(
      (u, b) => withArg(shorter, u, b, 0, taken.end),
      t,
      a,
      5,
      a.u32(3) & MAP_ANONYMOUS ? 0 : offset,
    );
    return typeof r === 'number' && r >= 0 ? start : r;
  }
  const none = mm.overtaken.find((o) => o.start === start && o.end > end && !o.taken);
  if (!none) return linux(t, a);
  const r = withArg(linux, t, a, 1, none.end - start);
  if (r === start) none.taken = true;
  return r;
};

const protectsNone: Wrap = (linux) => (t, a) => {
  const r = linux(t, a);
  const start = a.ptr(0);
  if (r === 0 && a.u32(2) === 0) t.mm.overtaken.push({ start, end: start + pageUp(a.size(1)), taken: false });
  return r;
};

export const memoryQuirks: readonly Quirk[] = [
  {
    name: 'mmap-first-fit',
    group: 'memory',
    symptom:
      'mmap takes the lowest free range from 0x1000 up, below the last area only; a hint counts if nothing is below it',
    linux: 'downwards from below the stack; a free hint is taken; nothing below 64 KiB',
    source: `${AXMEM} find_free_area; the log: "found area [VA:0x1000, VA:0x1361000]"`,
    behaviour: { firstFit: true },
  },
  {
    name: 'low-stack-and-heap',
    group: 'memory',
    symptom:
      'the heap is at 0x3fa00000–0x3fe00000, the stack at 0x3fe00000–0x40000000 and does not grow; position-independent programs are at 0x4000000',
    linux: 'the heap follows the program, the stack ends below 2^47 and grows to its limit',
    source:
      'Starry modules/axprocess/src/api.rs load_app; the log: "[new region] user stack: [VA:0x3fe00000, VA:0x40000000]"',
    behaviour: { lowMemory: true },
  },
  {
    name: 'brk-128k',
    group: 'memory',
    symptom: 'brk moves within 128 KiB, and gives no memory back',
    linux: 'up to RLIMIT_DATA; what is below is unmapped',
    source: SYSCALL,
    calls: { brk: () => brk },
  },
  {
    name: 'prot-none-readable',
    group: 'memory',
    symptom: 'PROT_NONE memory can be read',
    linux: 'SIGSEGV',
    source: 'linux_syscall_api src/ctypes.rs (MappingFlags::USER stays)',
    calls: each(
      ['mmap', 'mprotect'],
      argument(2, (_t, a) => ((a.u32(2) & 7) === 0 ? a.u32(2) | PROT_READ : undefined)),
    ),
  },
  {
    name: 'mmap-inverted-area',
    group: 'memory',
    symptom:
      'MAP_FIXED over the first part of a PROT_NONE range takes all of it; the next one inside maps nothing',
    linux: 'exactly the pages asked for',
    source:
      'the log of MediaServer -d: "splitting for [VA:0x1337000, VA:0x1336000]" (its mmap lines say 0xfd1000: the transcript may be at fault, the source of 2024-11 splits right)',
    until: '2024-07-15',
    calls: { mmap: inverted, mprotect: protectsNone },
  },
  {
    name: 'unaligned-range-panic',
    group: 'memory',
    symptom: 'munmap of an unaligned address, mprotect whose range does not end on a page: panic',
    linux: 'EINVAL; the length is rounded up',
    source: `${AXMEM} split_for_area, mprotect`,
    calls: {
      munmap: unalignedEnd(
        (a) => pageUp(a.size(1)),
        (a) => a.ptr(0),
      ),
      mprotect: unalignedEnd(
        (a) => a.size(1),
        (a) => a.ptr(0),
      ),
    },
  },
  {
    name: 'mprotect-unmapped',
    group: 'memory',
    symptom: 'mprotect of what is not mapped returns 0',
    linux: 'ENOMEM',
    source: `${AXMEM} mprotect`,
    calls: {
      mprotect: (linux) => (t, a) => {
        const r = linux(t, a);
        return r === -ENOMEM
          ? protectWhatIsThere(t.mm, a.ptr(0), a.ptr(0) + pageUp(a.size(1)), a.u32(2) & 7)
          : r;
      },
    },
  },
  {
    name: 'mmap-length-zero',
    group: 'memory',
    symptom: 'mmap and munmap take a length of 0; mmap returns an address where nothing is',
    linux: 'EINVAL',
    source: SYSCALL,
    calls: {
      mmap: before((t, a) => (a.size(1) === 0 ? t.mm.unmappedArea(0, PAGE_SIZE, 0) : undefined)),
      munmap: before((_t, a) => (a.size(1) === 0 ? 0 : undefined)),
    },
  },
  {
    name: 'mmap-anonymous-offset',
    group: 'memory',
    symptom: 'an offset with MAP_ANONYMOUS is EINVAL',
    linux: 'it is ignored',
    source: SYSCALL,
    calls: { mmap: before((_t, a) => (a.u32(3) & MAP_ANONYMOUS && a.ptr(5) !== 0 ? -EINVAL : undefined)) },
  },
  {
    name: 'mmap-noreplace-dropped',
    group: 'memory',
    symptom: 'MAP_FIXED_NOREPLACE is not known: the address is a hint',
    linux: 'EEXIST when something is there',
    source: 'linux_syscall_api src/ctypes.rs MMAPFlags',
    calls: {
      mmap: argument(3, (_t, a) =>
        a.u32(3) & MAP_FIXED_NOREPLACE ? a.u32(3) & ~MAP_FIXED_NOREPLACE : undefined,
      ),
    },
  },
  {
    name: 'mmap-bad-fd-einval',
    group: 'memory',
    symptom: 'mmap of a descriptor that is not open is EINVAL',
    linux: 'EBADF',
    source: SYSCALL,
    calls: { mmap: errno(EBADF, EINVAL) },
  },
  {
    name: 'map-shared-private',
    group: 'memory',
    symptom: 'a MAP_SHARED mapping of a file is a copy: nobody else sees what is written',
    linux: 'it is the file',
    source: `${AXMEM} (MemBackend)`,
    calls: {
      mmap: argument(3, (_t, a) => {
        const flags = a.u32(3);
        if (flags & MAP_ANONYMOUS || !(flags & MAP_SHARED)) return undefined;
        return (flags & ~MAP_TYPE) | MAP_PRIVATE;
      }),
    },
  },
  {
    name: 'mremap-moves',
    group: 'memory',
    symptom: 'mremap always moves what it makes larger, MREMAP_MAYMOVE or not; MREMAP_FIXED panics',
    linux: 'in place where there is room',
    source: SYSCALL,
    calls: { mremap: alwaysMoves },
  },
  {
    name: 'memory-advice-ignored',
    group: 'memory',
    symptom:
      'madvise, mlock, membarrier and get_mempolicy return 0 and do nothing: MADV_DONTNEED keeps the pages',
    linux: 'they have their effects and check their arguments',
    source: 'linux_syscall_api src/syscall_mem/mod.rs',
    calls: each(['madvise', 'mlock', 'membarrier', 'get_mempolicy'], answers(0)),
  },
];

/** The areas of an address space: which ranges are mapped as what, how much there may be, and where room is. */
import { EEXIST, EINVAL, ENOMEM, EPERM } from '../abi/errno.ts';
import type { KernelPorts } from '../kernel.ts';
import { PAGE_SIZE, PROT_EXEC, PROT_WRITE, type Arch, type Entropy, type PageTable } from '../ports.ts';
import type { Rlimit } from '../task/thread-group.ts';
import { UserAccess } from './access.ts';
import {
  MAP_32BIT, MAP_FIXED, MAP_FIXED_NOREPLACE, RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIMIT_STACK,
} from './flags.ts'; // prettier-ignore
import { layoutOf, mmapBase, MMAP_MIN_ADDR, pageDown, STACK_GUARD_GAP, type Layout } from './layout.ts';
import type { FutexSpace } from '../futex/futex.ts';
import type { MemObject, ObjectMapper } from './mem-object.ts';
import { AREA_COST } from './kernel-memory.ts';
import type { Memory } from './memory.ts';
import { setPlace, type Place } from './place.ts';
import { VmaSet, VM_EXEC, VM_GROWSDOWN, VM_LOCKED, VM_SHARED, VM_WRITE, type Vma } from './vma.ts';

/** Stack limit when nobody says: Linux's default, 8 MiB. */
const DEFAULT_STACK = 8 * 1024 * 1024;

/** Whose limits count (mm->owner). */
export interface MemoryOwner {
  readonly rlimits: readonly Rlimit[];
}

/** What the kernel must offer for memory: RAM, the cpu's page tables, and the state all address spaces share. */
export type MemoryPorts = Pick<KernelPorts, 'cpu'> & { readonly memory: Memory };

/** Lengths whose searches are remembered. */
const MAX_SEARCHED = 32;

/** Areas are paid for this many at a time. */
const AREA_BLOCK = 64;

export abstract class Areas extends UserAccess implements ObjectMapper {
  readonly id: number;
  readonly arch: Arch;
  readonly layout: Layout;
  readonly memory: Memory;
  readonly vmas = new VmaSet();
  /** Areas that count, in blocks. */
  private areasPaid = 0;
  /** Mapped objects, with how many areas map each. */
  private readonly objects = new Map<MemObject, number>();
  /** By length: no free range of that many bytes ends above this address. Saves thousands of areas' worth of looking. */
  private readonly searched = new Map<number, number>();
  /** Who waits on its private futexes (owned by kernel/futex). */
  futexes: FutexSpace | null = null;
  /** With the quirk mmap-inverted-area: ranges without rights, and whether a fixed mapping took more of one than it asked for. */
  readonly overtaken: { readonly start: number; readonly end: number; taken: boolean }[] = [];
  /** A fork's copy: most do not live long, and grow little. */
  forked = false;
  /** The place made last: kept for what is mapped where an area was that is gone. */
  lastPlace: Place | null = null;
  protected readonly ports: MemoryPorts;
  owner: MemoryOwner | null;
  /** Tasks that use it (CLONE_VM). */
  users = 1;
  /** Set when a kernel access found no RAM: the dispatcher kills the task with SIGKILL. */
  oom = false;

  /** Highest address of the top-down search. */
  protected mmapBase: number;
  /** No stack limit: areas go upwards, as mmap_is_legacy has it. */
  protected bottomUp: boolean;
  startBrk = 0;
  brk = 0;
  /** Initial stack pointer. */
  startStack = 0;
  // For /proc/PID/{cmdline,environ,stat,auxv}.
  argStart = 0;
  argEnd = 0;
  envStart = 0;
  envEnd = 0;
  startCode = 0;
  endCode = 0;
  startData = 0;
  endData = 0;
  auxv: Uint8Array = new Uint8Array(0);
  /** /proc/PID/coredump_filter. */
  coredumpFilter = 0x33;
  /** Address of the vDSO, 0: none. */
  vdso = 0;
  /** VM_LOCKED / VM_LOCKONFAULT for mappings to come (mlockall MCL_FUTURE). */
  defFlags = 0;

  /** Its tasks have CAP_SYS_RAWIO: vm.mmap_min_addr does not count. Kept by mmap and mremap. */
  mapsLow = false;
  /** Its tasks have CAP_IPC_LOCK: RLIMIT_MEMLOCK does not count. Kept by the calls that lock. */
  locksFreely = false;

  // In pages, as mm_struct counts them.
  totalVm = 0;
  dataVm = 0;
  execVm = 0;
  stackVm = 0;
  lockedVm = 0;
  /** Pages present, now and at most. */
  rss = 0;
  maxRss = 0;
  maxVm = 0;
  minorFaults = 0;

  constructor(ports: MemoryPorts, arch: Arch, owner: MemoryOwner | null, layout: Layout = layoutOf(arch)) {
    super(ports.memory.ram, ports.cpu.newPageTable(arch), layout.taskSize);
    this.ports = ports;
    this.memory = ports.memory;
    this.id = ports.memory.nextId();
    this.arch = arch;
    this.layout = layout;
    this.owner = owner;
    const stack = this.stackLimit;
    this.bottomUp = stack === Infinity;
    this.mmapBase = mmapBase(layout, stack);
    // Code of a file is the same for everyone who maps it: the cpu may look before the guest gets there.
    this.pageTable.prefault = (page): void => {
      const v = this.vmas.find(page);
      if (v && page >= v.start && v.object && v.prot & PROT_EXEC) this.fault(page, PROT_EXEC);
    };
    this.pageTable.writers = (page, fn): void => {
      const v = this.vmas.containing(page);
      const object = v?.object;
      if (object?.mappers) for (const mm of object.mappers) mm.writers?.(object, v!.index(page), fn);
    };
  }

  abstract dropped(object: MemObject, start: number, end: number, truncated?: boolean): void;
  abstract changed(object: MemObject, start: number, end: number): void;
  abstract writers(object: MemObject, index: number, fn: (table: PageTable, page: number) => void): void;

  /** RLIMIT_STACK, or Linux's default when nobody owns this. */
  get stackLimit(): number {
    return this.owner ? this.rlimit(RLIMIT_STACK) : DEFAULT_STACK;
  }

  /** Address space randomisation of the mappings (28 bits of pages, below the stack's own 16 GiB). */
  randomize(entropy: Entropy): void {
    this.mmapBase -= 2 ** 34 + entropy.below(2 ** 28) * PAGE_SIZE;
  }

  /** Soft limit in bytes. */
  rlimit(which: number): number {
    return this.owner?.rlimits[which]?.cur ?? Infinity;
  }

  /** Adds an area and takes its references. */
  link(v: Vma): void {
    this.vmas.insert(v);
    this.account(v.flags, v.pages);
    if (v.object) {
      v.object.retain();
      v.object.mappers?.add(this);
      this.objects.set(v.object, (this.objects.get(v.object) ?? 0) + 1);
    }
    v.file?.retain();
    v.place?.retain();
  }

  /** Gives an area's references back; it is in the set no longer. */
  private unlink(v: Vma): void {
    if (v.object) {
      const n = this.objects.get(v.object)! - 1;
      if (n === 0) {
        this.objects.delete(v.object);
        v.object.mappers?.delete(this);
      } else this.objects.set(v.object, n);
      v.object.release();
    }
    v.file?.drop();
    v.place?.release();
  }

  private account(flags: number, pages: number): void {
    this.totalVm += pages;
    if (this.totalVm > this.maxVm) this.maxVm = this.totalVm;
    if (flags & VM_LOCKED) this.lockedVm += pages;
    if (flags & VM_GROWSDOWN) this.stackVm += pages;
    else if ((flags & (VM_WRITE | VM_SHARED)) === VM_WRITE) this.dataVm += pages;
    else if ((flags & (VM_EXEC | VM_WRITE)) === VM_EXEC) this.execVm += pages;
  }

  /** Changes an area's flags, keeping the counts. */
  setFlags(v: Vma, flags: number): void {
    this.account(v.flags, -v.pages);
    v.flags = flags;
    this.account(flags, v.pages);
  }

  /** Moves an area's borders (growing stack, brk, mremap), keeping the counts. */
  resize(v: Vma, start: number, end: number): void {
    this.account(v.flags, -v.pages);
    v.pgoff += (start - v.start) / PAGE_SIZE;
    v.start = start;
    v.end = end;
    this.account(v.flags, v.pages);
  }

  /** Whether the kernel may hold `more` areas than there are: processes times vm.max_map_count would be too many. */
  payAreas(more: number): boolean {
    const blocks = Math.ceil((this.vmas.count + more) / AREA_BLOCK) * AREA_BLOCK;
    if (blocks <= this.areasPaid) return true;
    if (!this.memory.kmem.charge((blocks - this.areasPaid) * AREA_COST)) return false;
    this.areasPaid = blocks;
    return true;
  }
  /** The address space is empty for good. */
  protected unpayAreas(): void {
    this.memory.kmem.uncharge(this.areasPaid * AREA_COST);
    this.areasPaid = 0;
    this.keepPlace(null);
  }

  keepPlace(place: Place | null): void {
    place?.retain();
    this.lastPlace?.release();
    this.lastPlace = place;
  }

  /** Makes `address` the border of two areas, if it is inside one: 0 or -errno. */
  split(address: number): number {
    const v = this.vmas.containing(address);
    if (!v || v.start === address) return 0;
    if (v.name === '[vdso]' || v.name === '[vvar]') return -EINVAL; // special_mapping_split
    if (this.vmas.count >= this.memory.maxMapCount || !this.payAreas(1)) return -ENOMEM;
    const upper = v.part(address, v.end);
    this.resize(v, v.start, address);
    this.link(upper);
    return 0;
  }

  /** Joins areas that are one mapping where they meet in [start, end], from the lowest up. */
  merge(start: number, end: number): void {
    let i = this.vmas.indexOf(start > 0 ? start - 1 : 0);
    for (;;) {
      const v = this.vmas.at(i);
      const next = this.vmas.at(i + 1);
      if (!v || !next || v.start > end || next.start > end) return;
      if (v.continuesIn(next)) {
        v.anonVma ||= next.anonVma;
        if (!v.place) setPlace(v, next.place);
        this.vmas.remove(next);
        this.account(next.flags, -next.pages);
        this.unlink(next);
        this.resize(v, v.start, next.end);
      } else i++;
    }
  }

  /** get_unmapped_area: an address for `length` bytes (a page multiple), or -errno. */
  unmappedArea(hint: number, length: number, flags: number): number {
    const { taskSize } = this;
    if (length > taskSize) return -ENOMEM;
    if (this.memory.ways.firstFit && !(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)))
      return this.firstFit(hint, length);
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
      if (hint > taskSize - length) return -ENOMEM;
      if (hint % PAGE_SIZE !== 0) return -EINVAL;
      if (hint < MMAP_MIN_ADDR && !this.mapsLow && !this.memory.ways.firstFit) return -EPERM;
      if (flags & MAP_FIXED_NOREPLACE && this.vmas.intersects(hint, hint + length)) return -EEXIST;
      return hint;
    }
    if (flags & MAP_32BIT && this.arch === 'x86_64') return this.low32(hint, length);
    if (hint > 0) {
      const at = Math.max(pageDown(hint), hint < PAGE_SIZE ? 0 : MMAP_MIN_ADDR); // round_hint_to_min
      const next = this.vmas.find(at);
      if (at > 0 && at <= taskSize - length && (!next || at + length <= gapEnd(next))) return at;
    }
    const top = this.bottomUp ? -ENOMEM : this.gapBelow(length);
    return top >= 0 ? top : this.gapAbove(this.layout.unmappedBase, taskSize, length);
  }

  /**
   * The range a list of areas in order of address gives: from the hint on, but each area passed puts the search behind itself,
   * whether it lies above the hint or not. Behind the last area nothing is looked for.
   */
  private firstFit(hint: number, length: number): number {
    let at = Math.max(hint, PAGE_SIZE);
    for (const v of this.vmas.all()) {
      if (at + length <= v.start) return pageDown(at);
      at = v.end;
    }
    return -ENOMEM;
  }

  /** MAP_32BIT: the second GiB, bottom-up; a hint may lie below it. */
  private low32(hint: number, length: number): number {
    const at = hint < PAGE_SIZE ? 0 : Math.max(pageDown(hint), MMAP_MIN_ADDR);
    const next = this.vmas.find(at);
    if (at > 0 && at <= 0x80000000 - length && (!next || at + length <= gapEnd(next))) return at;
    return this.gapAbove(0x40000000, 0x80000000, length);
  }

  /** Highest free range of `length` bytes that ends at or below mmap_base. */
  private gapBelow(length: number): number {
    const known = this.searched.get(length) ?? Infinity;
    let high = Math.min(this.mmapBase, known);
    let i = this.vmas.indexOf(high);
    let guarded = false;
    for (;;) {
      const above = this.vmas.at(i);
      const below = i > 0 ? this.vmas.at(i - 1)! : null;
      const start = below ? below.end : PAGE_SIZE;
      let end = above ? Math.min(high, above.start) : high;
      if (end - start >= length && above && gapEnd(above) < end) {
        // Big enough but for a guard gap: the search goes on below all of that (unmapped_area_topdown's retry).
        end = high = gapEnd(above);
        guarded = true;
      }
      if (end - start >= length) {
        if (!guarded) {
          if (this.searched.size >= MAX_SEARCHED) this.searched.clear();
          this.searched.set(length, end);
        }
        return end - length >= MMAP_MIN_ADDR ? end - length : -ENOMEM;
      }
      if (!below) return -ENOMEM;
      i--;
    }
  }

  /** [start, end) is free now: the range it is part of is worth looking at again. */
  private freed(end: number): void {
    if (this.searched.size === 0) return;
    const next = this.vmas.find(end);
    const top = next ? Math.max(end, next.start) : Infinity;
    for (const [length, high] of this.searched) if (top > high) this.searched.set(length, top);
  }

  /** Lowest free range of `length` bytes in [low, high). */
  private gapAbove(low: number, high: number, length: number): number {
    let i = this.vmas.indexOf(low);
    let start = low;
    for (;;) {
      const v = this.vmas.at(i);
      const end = v ? Math.min(high, gapEnd(v)) : high;
      if (end - start >= length) return start;
      if (!v || v.end >= high) return -ENOMEM;
      start = Math.max(start, v.end);
      i++;
    }
  }

  /** may_expand_vm: RLIMIT_AS and RLIMIT_DATA. */
  mayExpand(flags: number, pages: number): boolean {
    if ((this.totalVm + pages) * PAGE_SIZE > this.rlimit(RLIMIT_AS)) return false;
    const isData = (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) === VM_WRITE;
    return !isData || (this.dataVm + pages) * PAGE_SIZE <= this.rlimit(RLIMIT_DATA);
  }

  /** Whether nothing is in [start, start+length), guard gaps included. */
  roomFor(start: number, length: number): boolean {
    const next = this.vmas.find(start);
    return !next || start + length <= gapEnd(next);
  }

  /** Whether `pages` more may be locked. */
  mayLock(pages: number): boolean {
    return this.locksFreely || (this.lockedVm + pages) * PAGE_SIZE <= this.rlimit(RLIMIT_MEMLOCK);
  }

  /** Mapped pages in [start, end). */
  pagesIn(start: number, end: number): number {
    let n = 0;
    for (const v of this.vmas.within(start, end)) n += Math.min(end, v.end) - Math.max(start, v.start);
    return n / PAGE_SIZE;
  }

  /** munmap of whole pages: 0, or -ENOMEM when it would make too many areas. */
  unmap(start: number, end: number): number {
    if (!this.vmas.intersects(start, end)) return 0;
    const err = this.split(start) || this.split(end);
    if (err < 0) return err;
    const gone = this.vmas.within(start, end);
    this.vmas.removeWithin(start, end);
    this.freed(end);
    for (const v of gone) {
      this.zap(v, v.start, v.end);
      this.account(v.flags, -v.pages);
      this.unlink(v);
    }
    return 0;
  }

  /** Drops the pages in [start, end) of an area; they fault in anew. */
  zap(_v: Vma, start: number, end: number): void {
    const { ram, pageTable } = this;
    let n = 0;
    pageTable.forEach(start, end, (_page, frame) => {
      ram.release(frame);
      n++;
    });
    if (n === 0) return;
    this.rss -= n;
    pageTable.clear(start, end);
  }

  /** Moves the pages in [start, end) to `to` (move_page_tables). */
  movePages(start: number, end: number, to: number): void {
    const { pageTable } = this;
    const moved: number[] = [];
    pageTable.forEach(start, end, (page, frame, prot) => moved.push(page, frame, prot));
    if (moved.length === 0) return;
    pageTable.clear(start, end);
    for (let i = 0; i < moved.length; i += 3)
      pageTable.set(to + (moved[i] - start), moved[i + 1], moved[i + 2]);
  }

  /** Gives the pages in [start, end) of an area the protection the area has now. */
  reprotect(v: Vma, start: number, end: number): void {
    const { ram, pageTable } = this;
    const full = v.prot;
    const executable = (full & PROT_EXEC) !== 0;
    pageTable.forEach(start, end, (page, frame, prot) => {
      const now = this.keepsWrite(v, frame, ram.refs(frame)) ? full : full & ~PROT_WRITE;
      if (now !== prot) pageTable.protect(page, now);
      // Written while it could not be executed: decoded code of earlier times is stale.
      if (executable && !(prot & PROT_EXEC)) pageTable.written(page, PAGE_SIZE);
    });
  }

  /** Whether a page may be writable without a fault first: it is not shared with a copy, nor watched for dirt. */
  protected keepsWrite(v: Vma, _frame: number, refs: number): boolean {
    return v.private ? refs === 1 && v.anonVma !== 0 : !v.object!.tracksDirty;
  }
}

/** Where the free range below an area ends: a growing stack keeps its guard gap (vm_start_gap). */
const gapEnd = (v: Vma): number =>
  v.flags & VM_GROWSDOWN ? Math.max(0, v.start - STACK_GUARD_GAP) : v.start;

/** One process's memory (mm_struct): its areas, its page table, and what happens when a page is missing. */
import { AREA_COST } from './kernel-memory.ts';
import { EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM } from '../abi/errno.ts';
import type { File } from '../fs/file.ts';
import { PAGE_SIZE, PROT_WRITE, type Arch, type PageTable } from '../ports.ts';
import { Areas, type MemoryOwner, type MemoryPorts } from './areas.ts';
import {
  MAP_DENYWRITE, MAP_GROWSDOWN, MAP_LOCKED, MAP_NONBLOCK, MAP_NORESERVE, MAP_POPULATE, MAP_PRIVATE, MAP_TYPE, RLIMIT_STACK,
} from './flags.ts'; // prettier-ignore
import { formatMaps } from './format.ts';
import { type Layout, MMAP_MIN_ADDR, pageDown, pageUp, STACK_GUARD_GAP } from './layout.ts';
import type { MemObject } from './mem-object.ts';
import { AnonObject, NO_RAM } from './objects.ts';
import { placeFor, unused, type Place } from './place.ts';
import {
  Vma, VM_ACCESS, VM_ACCOUNT, VM_DENYWRITE, VM_DONTCOPY, VM_EXEC, VM_GROWSDOWN, VM_LOCKED, VM_LOCKONFAULT, VM_MAYALL, VM_MAYSHARE,
  VM_MAYWRITE, VM_NORESERVE, VM_SHARED, VM_WIPEONFORK, VM_WRITE,
} from './vma.ts'; // prettier-ignore

export type { MemoryOwner, MemoryPorts } from './areas.ts';

/** Pages an anonymous or file fault brings in together, aligned; more when memory is being filled in order. */
const FAULT_RUN = 16;
const FAULT_RUN_SEQUENTIAL = 64;
/** Pages copied together when a shared private page is written after fork. */
const COPY_RUN = 8;

/** The signal a fault becomes. Code 0x80 (SI_KERNEL) of SIGSEGV carries no address. */
export interface FaultSignal {
  readonly signo: number;
  readonly code: number;
}
const SEGV_MAPERR: FaultSignal = { signo: 11, code: 1 };
const SEGV_ACCERR: FaultSignal = { signo: 11, code: 2 };
/** An address that is not canonical: #GP on x86_64. */
const SEGV_KERNEL: FaultSignal = { signo: 11, code: 0x80 };
const BUS_ADRERR: FaultSignal = { signo: 7, code: 2 };
/** RAM is exhausted: the guest is killed as the OOM killer would. */
const OOM_KILL: FaultSignal = { signo: 9, code: 0x80 };

const OK = 0;
const MAPERR = 1;
const ACCERR = 2;
const BUS = 3;
const OOM = 4;

export interface MapRequest {
  /** Exactly here (MAP_FIXED or MAP_FIXED_NOREPLACE in `flags`), or a wish; 0: anywhere. */
  readonly start?: number;
  /** Bytes; rounded up to pages. */
  readonly length: number;
  /** PROT_*. */
  readonly prot: number;
  /** MAP_*. */
  readonly flags: number;
  /** What is mapped; null: anonymous memory. */
  readonly object?: MemObject | null;
  /** The open file it came through: gives the name, and is held as long as the mapping. */
  readonly file?: File | null;
  /** Bytes into the object, a multiple of the page size. */
  readonly offset?: number;
  /** Name of an area without a file: "[vdso]". */
  readonly name?: string | null;
  /** Does not join the area before it: the heap, which starts where the BSS ends. */
  readonly apart?: boolean;
  /** VM_* to add and to take away. */
  readonly add?: number;
  readonly remove?: number;
}

export class AddressSpace extends Areas {
  /** `layout`: of another kernel (48-bit addresses); it must suit the page table. */
  static create(
    ports: MemoryPorts,
    arch: Arch,
    owner: MemoryOwner | null = null,
    layout?: Layout,
  ): AddressSpace {
    return new AddressSpace(ports, arch, owner, layout);
  }

  /** Whether there is memory for its areas, and RAM for the page tables of a copy. */
  canFork(): boolean {
    const { spare, kmem } = this.memory;
    if (kmem.used + this.vmas.count * AREA_COST > kmem.max) return false;
    // At worst each page needs a 2 KiB table at each of three levels.
    if (spare > 2 * this.rss + 8) return true;
    let tables = 8;
    for (const bytes of [2 ** 21, 2 ** 30]) {
      let last = -1;
      this.pageTable.forEach(0, this.taskSize, (page) => {
        const at = Math.floor(page / bytes);
        if (at !== last) tables++;
        last = at;
      });
    }
    return spare > tables / 2;
  }

  /** A copy-on-write copy (dup_mmap). Pages of shared and unwritten file mappings come back by faults. */
  fork(owner: MemoryOwner | null = this.owner): AddressSpace {
    const child = new AddressSpace(this.ports, this.arch, owner, this.layout);
    child.forked = true;
    const { ram, pageTable } = this;
    const childTable = child.pageTable;
    for (const v of this.vmas.all()) {
      if (v.flags & VM_DONTCOPY) continue;
      const copy = v.part(v.start, v.end);
      copy.flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
      if (v.flags & VM_WIPEONFORK) copy.anonVma = 0;
      copy.place = null; // its copies get one of their own
      child.link(copy);
      if (!v.private || v.flags & VM_WIPEONFORK || (v.object && v.anonVma === 0)) continue;
      pageTable.forEach(v.start, v.end, (page, frame, prot) => {
        ram.retain(frame);
        childTable.set(page, frame, prot & ~PROT_WRITE);
        if (prot & PROT_WRITE) pageTable.protect(page, prot & ~PROT_WRITE);
        child.rss++;
      });
    }
    child.maxRss = child.rss;
    child.payAreas(0);
    for (const k of [
      'startBrk', 'brk', 'startStack', 'argStart', 'argEnd', 'envStart', 'envEnd', 'startCode', 'endCode',
      'startData', 'endData', 'vdso', 'coredumpFilter',
    ] as const) child[k] = this[k]; // prettier-ignore
    child.mmapBase = this.mmapBase;
    child.bottomUp = this.bottomUp;
    child.auxv = this.auxv;
    child.overtaken.push(...this.overtaken.map((o) => ({ ...o })));
    return child;
  }

  /** One more task uses it (CLONE_VM). */
  share(): this {
    this.users++;
    return this;
  }

  /** A task that used it is gone; the last one frees everything. */
  release(): void {
    if (--this.users > 0) return;
    this.pageTable.abandon(); // before its pages go: the next process of the program maps them again
    this.unmap(0, this.taskSize);
    this.pageTable.destroy();
    this.unpayAreas();
  }

  /** mmap for the kernel's own use and for handlers that have made their checks: the address, or -errno. */
  map(req: MapRequest): number {
    const length = pageUp(req.length);
    if (length <= 0) return req.length > 0 ? -ENOMEM : -EINVAL;
    if (this.vmas.count > this.memory.maxMapCount || !this.payAreas(2)) return -ENOMEM;
    const start = this.unmappedArea(req.start ?? 0, length, req.flags);
    return start < 0 ? start : this.mapAt(start, length, req);
  }

  /** mmap_region: maps [start, start+length), taking away what was there. */
  mapAt(start: number, length: number, req: MapRequest): number {
    const end = start + length;
    const shared = (req.flags & MAP_TYPE) !== MAP_PRIVATE;
    let flags = (req.prot & VM_ACCESS) | VM_MAYALL | this.defFlags | (req.add ?? 0);
    if (shared) flags |= VM_SHARED | VM_MAYSHARE;
    if (req.flags & MAP_GROWSDOWN) flags |= VM_GROWSDOWN;
    if (req.flags & MAP_LOCKED) flags |= VM_LOCKED;
    if (req.flags & MAP_DENYWRITE) flags |= VM_DENYWRITE;
    if (req.flags & MAP_NORESERVE) flags |= VM_NORESERVE;
    flags &= ~(req.remove ?? 0);
    const pages = length / PAGE_SIZE;
    if (flags & VM_LOCKED && !this.mayLock(pages)) return -EAGAIN;
    if (!this.mayExpand(flags, pages) && !this.mayExpand(flags, pages - this.pagesIn(start, end)))
      return -ENOMEM;
    let object = req.object ?? null;
    if ((flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) === VM_WRITE) {
      if (!this.memory.enough(pages)) return -ENOMEM;
      flags |= VM_ACCOUNT;
    }
    // shmem_acct_size: shared memory counts whatever its protection.
    if (shared && !object && !(flags & VM_NORESERVE) && !this.memory.enough(pages)) return -ENOMEM;
    const freed = this.unmap(start, end);
    if (freed < 0) return freed;
    const file = req.file ?? null;
    let pgoff = (req.offset ?? 0) / PAGE_SIZE;
    if (!object) {
      if (shared) object = new AnonObject(this.memory, length);
      else pgoff = start / PAGE_SIZE;
    }
    this.link(new Vma(start, end, flags, pgoff, object, file, req.name ?? null));
    this.merge(req.apart ? start + 1 : start, end);
    if (flags & VM_LOCKED || (req.flags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE) {
      if (!(flags & VM_LOCKONFAULT)) this.populate(start, end);
    }
    return start;
  }

  /** The cpu could not access `address` (PROT_READ, PROT_WRITE or PROT_EXEC): 0 when it can now. */
  handleFault(address: number, access: number): 0 | FaultSignal {
    const r = this.fault(address, access);
    if (r === OK) return 0;
    if (r === OOM) return OOM_KILL;
    if (r === BUS) return BUS_ADRERR;
    if (r === ACCERR) return SEGV_ACCERR;
    const canonical = address < 2 ** 47 || address >= 2 ** 64 - 2 ** 47;
    return canonical || this.arch !== 'x86_64' ? SEGV_MAPERR : SEGV_KERNEL;
  }

  /** As UserAccess asks: remembers that memory ran out while the kernel was copying. */
  protected override fault(address: number, access: number): number {
    if (!(address < this.taskSize)) return MAPERR;
    const v = this.vmas.find(address);
    if (!v) return MAPERR;
    if (address < v.start) {
      if (!(v.flags & VM_GROWSDOWN) || this.growDown(v, pageDown(address)) !== 0) return MAPERR;
    }
    const allowed = access === PROT_WRITE ? v.flags & VM_WRITE : v.prot & access;
    if (allowed === 0) return ACCERR;
    this.minorFaults++;
    const page = pageDown(address);
    const frame = this.pageTable.frame(page);
    let r: number;
    if (frame >= 0)
      r = access === PROT_WRITE ? this.writeFault(v, page, frame) : this.refresh(v, page, frame);
    else if (v.object) r = this.objectFault(v, page, access);
    else r = this.anonFault(v, page, access);
    if (r === OOM) this.oom = true;
    return r;
  }

  /** The page is there but its protection is stricter than its area's. */
  private refresh(v: Vma, page: number, frame: number): number {
    const keep = this.keepsWrite(v, frame, this.ram.refs(frame));
    this.pageTable.protect(page, keep ? v.prot : v.prot & ~PROT_WRITE);
    return OK;
  }

  private put(page: number, frame: number, prot: number): void {
    this.pageTable.set(page, frame, prot);
    if (++this.rss > this.maxRss) this.maxRss = this.rss;
  }

  /** The place of a new private page; none is made while memory is tight. */
  private placeOf(v: Vma, page: number): Place | null {
    if (!this.memory.tight) return placeFor(this, v, page);
    return v.place?.has(page) ? v.place : null;
  }

  /** New frames for private pages from `start` on: at their spot if it is free, else beside their neighbours. */
  private allocAt(v: Vma, start: number, pages: number, place: Place | null): number {
    const { ram, memory, pageTable } = this;
    if (place && !unused(ram, place.spot(start), pages)) {
      place = memory.tight ? null : placeFor(this, v, start, place);
      if (place && start + pages * PAGE_SIZE > place.end) place = null;
    }
    if (place) return memory.alloc(pages, place.spot(start));
    const before = start > v.start ? pageTable.frame(start - PAGE_SIZE) : -1;
    if (before >= 0 && unused(ram, before + PAGE_SIZE, pages)) return memory.alloc(pages, before + PAGE_SIZE);
    const after = pageTable.frame(start + pages * PAGE_SIZE);
    return memory.alloc(pages, after < 0 ? -1 : after - pages * PAGE_SIZE);
  }

  /** Demand zero: a run of new pages around `page`, contiguous in RAM. */
  private anonFault(v: Vma, page: number, access: number): number {
    const { pageTable, memory } = this;
    if (access === PROT_WRITE) this.prepareAnon(v);
    const place = this.placeOf(v, page);
    let start = page;
    let end = page + PAGE_SIZE;
    if (!memory.tight) {
      // Filled from below: probably goes on.
      const onward = page > v.start && pageTable.frame(page - PAGE_SIZE) >= 0;
      const span = (onward ? FAULT_RUN_SEQUENTIAL : FAULT_RUN) * PAGE_SIZE;
      const low = Math.max(v.start, place?.base ?? 0, page - (page % span));
      const high = Math.min(v.end, place?.end ?? Infinity, page - (page % span) + span);
      while (start > low && pageTable.frame(start - PAGE_SIZE) < 0) start -= PAGE_SIZE;
      while (end < high && pageTable.frame(end) < 0) end += PAGE_SIZE;
    }
    let run = this.allocAt(v, start, (end - start) / PAGE_SIZE, place);
    if (run < 0) {
      start = page;
      end = page + PAGE_SIZE;
      run = memory.alloc(1);
      if (run < 0) return OOM;
    }
    // An area that was only read owns no pages yet: its first write must be seen.
    const prot = v.anonVma !== 0 ? v.prot : v.prot & ~PROT_WRITE;
    for (let p = start; p < end; p += PAGE_SIZE) this.put(p, run + (p - start), prot);
    return OK;
  }

  /** A page of a file or of shared memory. Private writes copy; others map what the object has around it too. */
  private objectFault(v: Vma, page: number, access: number): number {
    // Page tables may be needed although the object's page is there.
    if (this.memory.spare < 0) return OOM;
    const object = v.object!;
    const frame = object.frame(v.index(page), access === PROT_WRITE && !v.private);
    if (frame < 0) return frame === NO_RAM ? OOM : BUS;
    const prot = this.objectProt(v, access === PROT_WRITE);
    this.ram.retain(frame);
    this.put(page, frame, prot);
    const span = FAULT_RUN * PAGE_SIZE;
    const low = Math.max(v.start, page - (page % span));
    const high = Math.min(v.end, page - (page % span) + span);
    const around = this.objectProt(v, false);
    for (let p = low; p < high; p += PAGE_SIZE) {
      if (this.pageTable.frame(p) >= 0) continue;
      const f = object.peek?.(v.index(p)) ?? -1;
      if (f < 0) continue;
      this.ram.retain(f);
      this.put(p, f, around);
    }
    return access === PROT_WRITE && v.private ? this.writeFault(v, page, frame) : OK;
  }

  private objectProt(v: Vma, written: boolean): number {
    if (v.private || (v.object!.tracksDirty && !written)) return v.prot & ~PROT_WRITE;
    return v.prot;
  }

  /** A write to a page that is mapped without the right: first write to a file page, or copy on write. */
  private writeFault(v: Vma, page: number, frame: number): number {
    const { ram, pageTable, memory } = this;
    if (!v.private) {
      const now = v.object!.frame(v.index(page), true);
      if (now < 0) return now === NO_RAM ? OOM : BUS;
      if (now !== frame) {
        ram.retain(now);
        pageTable.set(page, now, v.prot);
        ram.release(frame);
      } else pageTable.protect(page, v.prot);
      return OK;
    }
    this.prepareAnon(v);
    if (ram.refs(frame) === 1) {
      this.reclaim(v, page);
      return OK;
    }
    // Copy the shared pages around it too: neighbours stay contiguous, and the next write does not fault.
    const place = this.placeOf(v, page);
    const span = COPY_RUN * PAGE_SIZE;
    let start = page;
    let end = page + PAGE_SIZE;
    if (!memory.tight) {
      const low = Math.max(v.start, place?.base ?? 0, page - (page % span));
      const high = Math.min(v.end, place?.end ?? Infinity, page - (page % span) + span);
      // A file's page that was not written itself goes on showing what others write to the file.
      const shared = (p: number): boolean => {
        const f = pageTable.frame(p);
        if (f < 0 || ram.refs(f) === 1) return false;
        return !v.object || (v.flags & VM_DENYWRITE) !== 0 || v.object.peek?.(v.index(p)) !== f;
      };
      while (start > low && shared(start - PAGE_SIZE)) start -= PAGE_SIZE;
      while (end < high && shared(end)) end += PAGE_SIZE;
    }
    let run = this.allocAt(v, start, (end - start) / PAGE_SIZE, place);
    if (run < 0) {
      start = page;
      end = page + PAGE_SIZE;
      run = memory.alloc(1);
      if (run < 0) return OOM;
    }
    const { prot } = v;
    for (let p = start; p < end; p += PAGE_SIZE) {
      const from = pageTable.frame(p);
      const to = run + (p - start);
      ram.u8.copyWithin(to, from, from + PAGE_SIZE);
      pageTable.set(p, to, prot);
      ram.release(from);
    }
    return OK;
  }

  /** The other owners of these pages are gone: write permission comes back without a copy. */
  private reclaim(v: Vma, page: number): void {
    const { ram, pageTable } = this;
    const span = FAULT_RUN_SEQUENTIAL * PAGE_SIZE;
    const low = Math.max(v.start, page - (page % span));
    const high = Math.min(v.end, page - (page % span) + span);
    const { prot } = v;
    pageTable.forEach(low, high, (p, frame, now) => {
      if (now !== prot && ram.refs(frame) === 1) pageTable.protect(p, prot);
    });
  }

  /** anon_vma_prepare: an area about to own pages shares its neighbour's identity where they could be one. */
  private prepareAnon(v: Vma): void {
    if (v.anonVma !== 0) return;
    const i = this.vmas.indexOf(v.start);
    const next = this.vmas.at(i + 1);
    const prev = i > 0 ? this.vmas.at(i - 1) : undefined;
    const alike = (a: Vma, b: Vma): boolean =>
      a.end === b.start &&
      ((a.flags ^ b.flags) & ~VM_ACCESS) === 0 &&
      a.file === b.file &&
      a.object === b.object &&
      a.pgoff + a.pages === b.pgoff;
    if (next?.anonVma && alike(v, next)) v.anonVma = next.anonVma;
    else if (prev?.anonVma && alike(prev, v)) v.anonVma = prev.anonVma;
    else v.anonVma = this.memory.nextId();
  }

  /** expand_downwards: the stack reaches down to `page`. 0 or -ENOMEM. */
  private growDown(v: Vma, page: number): number {
    if (page < MMAP_MIN_ADDR) return -EPERM;
    const prev = this.vmas.at(this.vmas.indexOf(v.start) - 1);
    if (prev && !(prev.flags & VM_GROWSDOWN) && prev.flags & VM_ACCESS && page - prev.end < STACK_GUARD_GAP)
      return -ENOMEM;
    if (prev && page < prev.end) return -ENOMEM;
    const grow = (v.start - page) / PAGE_SIZE;
    if (v.end - page > this.rlimit(RLIMIT_STACK)) return -ENOMEM;
    if (!this.mayExpand(v.flags, grow)) return -ENOMEM;
    if (v.flags & VM_LOCKED && !this.mayLock(grow)) return -ENOMEM;
    if (!this.memory.enough(grow)) return -ENOMEM;
    this.resize(v, page, v.end);
    return 0;
  }

  /** Brings every page of [start, end) in, as far as they may be accessed. 0, -ENOMEM on a hole, -EFAULT. */
  populate(start: number, end: number, access = 0): number {
    for (let p = start; p < end;) {
      const v = this.vmas.containing(p);
      if (!v) return -ENOMEM;
      const how = access || ((v.flags & (VM_WRITE | VM_SHARED)) === VM_WRITE ? PROT_WRITE : v.prot & -v.prot);
      const until = Math.min(end, v.end);
      if (how === 0 || !(v.prot & how)) return -EFAULT;
      for (; p < until; p += PAGE_SIZE) {
        if (this.pageTable.prot(p) & how) continue;
        const r = this.fault(p, how);
        if (r !== OK) return r === OOM ? -ENOMEM : -EFAULT;
      }
    }
    return 0;
  }

  /** ObjectMapper: truncation and hole punching. */
  dropped(object: MemObject, from: number, to: number, truncated = to === Infinity): void {
    this.eachMapped(object, from, to, (v, low, high) => {
      if (!v.private || truncated || v.anonVma === 0) this.zap(v, low, high);
      else {
        const pages: number[] = [];
        this.pageTable.forEach(low, high, (page, frame) => {
          if (frame === object.peek?.(v.index(page))) pages.push(page);
        });
        for (const page of pages) this.zap(v, page, page + PAGE_SIZE);
      }
    });
  }

  /** ObjectMapper: code that was decoded from these pages is stale. */
  changed(object: MemObject, from: number, to: number): void {
    this.eachMapped(object, from, to, (v, low, high) => {
      if (v.flags & VM_EXEC) this.pageTable.written(low, high - low);
    });
  }

  /** ObjectMapper: where a page of the object may be written through this address space. */
  writers(object: MemObject, index: number, fn: (table: PageTable, page: number) => void): void {
    this.eachMapped(object, index, index + 1, (v, low) => {
      if (!v.private && v.flags & VM_MAYWRITE) fn(this.pageTable, low);
    });
  }

  /** Calls back for the part of each area that maps pages [from, to) of the object. */
  private eachMapped(
    object: MemObject,
    from: number,
    to: number,
    fn: (v: Vma, low: number, high: number) => void,
  ): void {
    for (const v of this.vmas.all()) {
      if (v.object !== object) continue;
      const low = Math.max(v.start, v.start + (from - v.pgoff) * PAGE_SIZE);
      const high = Math.min(v.end, v.start + (to - v.pgoff) * PAGE_SIZE);
      if (low < high) fn(v, low, high);
    }
  }

  /**
   * Identity of a futex word: `private`ly by address space and address; else by object and offset where the page is
   * shared. A missing page is -EFAULT.
   */
  futexKey(address: number, isPrivate = false): string | number {
    if (!(address < this.taskSize)) return -EFAULT;
    if (isPrivate) return `m${this.id}:${address}`;
    // FUTEX keys pin the page for writing, or for reading where it is a read-only file mapping.
    if (this.at(address, PROT_WRITE) < 0 && this.at(address, 1) < 0) return -EFAULT;
    const v = this.vmas.containing(address)!;
    // A read-only mapping of a shared file is keyed by the file, though VM_SHARED is off.
    if (!(v.flags & VM_MAYSHARE)) return `m${this.id}:${address}`;
    return `o${v.object!.id}:${v.index(pageDown(address)) * PAGE_SIZE + (address % PAGE_SIZE)}`;
  }

  /** /proc/PID/maps. */
  formatMaps(): string {
    return formatMaps(this);
  }

  /** ObjectMapper: what a sealed memfd must refuse. */
  mayWrite(object: MemObject): boolean {
    const both = VM_SHARED | VM_MAYWRITE;
    return this.vmas.all().some((v) => v.object === object && (v.flags & both) === both);
  }
}

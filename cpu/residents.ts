/**
 * Who is in the cpu: the task whose registers it has, and the address space it runs in. What it keeps of each address space
 * (TLB entries, decoded code, windows of compiled code) is given up here when what it was made from changes.
 */
import type { CodeArena, CodeSpace } from './code-space.ts';
import { CodeSpaces, type SavedSpaces } from './code-spaces.ts';
import type { CpuDebug, SavedStops } from './debug.ts';
import type { Tier } from './jit/tier.ts';
import { Windows } from './jit/windows.ts';
import { PTE_CODE, PTE_WATCH, S, STATE, TLB_ENTRIES, TLB_READ, TLB_WRITE, WINDOW_COUNT } from './layout.ts';
import type { Memory } from './memory/memory.ts';
import { ADDRESS_END, PageTable, type PageTableOwner } from './memory/page-table.ts';
import type { CpuState } from './port.ts';
import { RegisterBlocks, type TaskRegs } from './regs.ts';

const PAGE = 4096;

/** Decoded and compiled code is no part of it: what is wrong after a change of memory is dropped. */
interface SavedCpu extends CpuState {
  readonly blocks: readonly number[];
  readonly spaces: SavedSpaces;
  /** Whose registers are at STATE, and them. */
  readonly regs: TaskRegs | null;
  readonly context: Uint8Array;
  readonly table: PageTable | null;
  readonly space: CodeSpace | null;
  readonly stops: SavedStops | null;
}

/** The rest of the cpu. */
export interface ResidentsPort<R extends TaskRegs> {
  readonly memory: Memory;
  readonly arena: CodeArena;
  readonly tier: Tier | null;
  /** Bytes of registers and state that belong to a task. */
  contextSize(): number;
  makeRegs(block: number, onRelease: (regs: TaskRegs) => void): R;
  /** Another task's registers are in place. */
  switched(): void;
  debugger(): CpuDebug | null;
}

export class Residents<R extends TaskRegs> implements PageTableOwner {
  /** Snapshots of a machine leave it alone: `save` and `load` are for them. */
  readonly rewinds = false;
  regs: R | null = null;
  table: PageTable | null = null;
  space: CodeSpace | null = null;
  /** Changes whenever decoded code was dropped. */
  generation = 0;
  readonly spaces: CodeSpaces;
  private readonly cpu: ResidentsPort<R>;
  private readonly memory: Memory;
  private readonly arena: CodeArena;
  private readonly blocks: RegisterBlocks;
  /** Of address spaces that run compiled code. */
  private readonly windows = new Map<PageTable, Windows>();
  shown: Windows | null = null;

  constructor(cpu: ResidentsPort<R>) {
    this.cpu = cpu;
    const { memory, arena, tier } = cpu;
    this.memory = memory;
    this.arena = arena;
    this.blocks = new RegisterBlocks(memory);
    this.spaces = new CodeSpaces(memory, arena, (space) => {
      tier?.forget(space);
    });
    arena.onDisagree = (table): void => {
      this.detach(table);
    };
    this.flushTlb();
  }

  newRegs(): R {
    return this.cpu.makeRegs(this.blocks.take(this.cpu.contextSize()), (r) => {
      this.cpu.debugger()?.released(r);
      if (this.regs === r) this.regs = null;
      r.base = r.home;
      this.blocks.give(r.home);
    });
  }

  newPageTable(): PageTable {
    return new PageTable(this.memory, this);
  }

  // ---- what becomes of page tables

  added(table: PageTable, page: number): void {
    this.windows.get(table)?.changed(page);
  }

  flush(table: PageTable, page: number): void {
    this.windows.get(table)?.changed(page);
    if (table !== this.table) return;
    const { i32 } = this.memory;
    const lo = page | 0;
    const slot = (((lo >>> 12) & (TLB_ENTRIES - 1)) << 4) >> 2;
    for (const tlb of [TLB_READ, TLB_WRITE]) if (i32[(tlb >> 2) + slot] === lo) i32[(tlb >> 2) + slot] = -1;
  }

  codeChanged(table: PageTable, start: number, end: number): void {
    for (let page = Math.floor(start / PAGE) * PAGE; page < end; page += PAGE) {
      if (this.arena.frameChanged(table.frame(page))) this.generation++;
      table.unmarkCode(page);
    }
  }

  codeRemapped(table: PageTable, page: number): void {
    const space = this.spaces.of(table);
    if (!space?.claims.has(page)) return;
    if (space.users.size > 1) this.detach(table);
    else if (this.arena.invalidate(space, page)) this.generation++;
  }

  isCodeFrame(frame: number): boolean {
    return this.arena.isCodeFrame(frame);
  }

  abandoned(table: PageTable): void {
    this.detach(table);
  }

  destroyed(table: PageTable): void {
    this.cpu.debugger()?.destroyed(table);
    this.detach(table);
    if (this.table !== table) return;
    this.table = null;
    this.flushTlb();
  }

  // ---- decoded code

  /** Drops the blocks on the page of an address, or only the one that begins there. */
  dropCode(table: PageTable, address: number, onlyHead: boolean): void {
    const space = this.spaces.of(table);
    if (!space) return;
    if (onlyHead) this.arena.dropBlock(space, address);
    else this.arena.invalidate(space, address - (address % PAGE));
    this.generation++;
  }

  dropAllCode(): void {
    this.spaces.dropCode();
    this.arena.reset();
    this.cpu.tier?.reset();
    this.generation++;
  }

  /** Takes an address space off its decoded code, which stays for its other users or for a while. */
  detach(table: PageTable): void {
    if (!this.spaces.leave(table)) return;
    this.windows.delete(table);
    if (this.table === table) this.space = null;
    this.generation++;
  }

  /** The running address space goes on with the code of another one; what it had is kept for the next that begins so. */
  moveTo(space: CodeSpace, table: PageTable): void {
    this.windows.delete(table);
    this.spaces.move(table, space);
    this.generation++;
    this.space = space;
    this.show(space, table);
  }

  // ---- who runs

  activate(regs: R, table: PageTable): CodeSpace {
    const { u8, i32 } = this.memory;
    if (this.regs !== regs) {
      const size = this.cpu.contextSize();
      if (this.regs) {
        u8.copyWithin(this.regs.home, STATE, STATE + size);
        this.regs.base = this.regs.home;
      }
      u8.copyWithin(STATE, regs.home, regs.home + size);
      regs.base = STATE;
      this.regs = regs;
      this.cpu.switched();
    }
    if (this.table === table && this.space) return this.space;
    const space = this.spaces.of(table) ?? this.spaces.take(table, regs.pc, this.space);
    this.flushTlb();
    this.table = table;
    this.space = space;
    i32[(STATE + S.pageTable) >> 2] = table.root;
    this.show(space, table);
    return space;
  }

  private show(space: CodeSpace, table: PageTable): void {
    this.spaces.entered(space);
    this.memory.i32[(STATE + S.jumpCache) >> 2] = space.jumpCache;
    if (this.cpu.tier) this.showWindows(space, table);
  }

  private flushTlb(): void {
    this.memory.i32.fill(-1, TLB_READ >> 2, (TLB_WRITE + TLB_ENTRIES * 16) >> 2);
  }

  private showWindows(space: CodeSpace, table: PageTable): Windows {
    let w = this.windows.get(table);
    if (!w) this.windows.set(table, (w = new Windows(this.memory, table, space.anchors)));
    if (this.shown) this.shown.active = false;
    this.shown = w;
    w.activate();
    return w;
  }

  /** The window through which compiled code is to reach an address, −1: none. */
  windowOf(space: CodeSpace, address: number, write: boolean): number {
    const { table } = this;
    if (!table || address >= ADDRESS_END) return -1;
    const page = address - (address % PAGE);
    const entry = table.raw(page);
    const writable = (entry & 2) !== 0 && (entry & PTE_CODE) === 0;
    if (entry === 0 || entry & PTE_WATCH || (write && !writable)) return -1;
    const windows = this.showWindows(space, table);
    const known = windows.find(page, writable);
    if (known >= 0) return known;
    if (space.anchors.length === WINDOW_COUNT) return -1;
    space.anchors.push({ page, write: writable });
    windows.activate();
    return space.anchors.length - 1;
  }

  // ---- going back

  save(previous: CpuState | null): CpuState {
    const saved: SavedCpu = {
      ram: this.memory.save(previous?.ram ?? null),
      blocks: this.blocks.save(),
      spaces: this.spaces.save(),
      regs: this.regs,
      context: this.memory.u8.slice(STATE, STATE + this.cpu.contextSize()),
      table: this.table,
      space: this.space,
      stops: this.cpu.debugger()?.save() ?? null,
    };
    return saved;
  }

  load(state: CpuState): void {
    const saved = state as SavedCpu;
    const { memory } = this;
    const changed = memory.load(saved.ram);
    this.blocks.load(saved.blocks);
    const before = this.spaces.users();
    this.spaces.load(saved.spaces, changed);
    memory.u8.set(saved.context, STATE);
    this.regs = saved.regs as R | null;
    this.table = saved.table;
    this.space = saved.space;
    this.generation++;
    this.flushTlb();
    this.windows.clear();
    if (this.shown) this.shown.active = false;
    this.shown = null;
    const now = this.spaces.users();
    this.cpu.debugger()?.load(saved.stops, (table) => before.get(table) !== now.get(table));
    if (!this.table) return;
    memory.i32[(STATE + S.pageTable) >> 2] = this.table.root;
    if (this.space) this.show(this.space, this.table);
  }
}

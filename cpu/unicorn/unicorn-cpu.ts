/**
 * A cpu core on Unicorn. Every address space has an engine of its own (engines switch for free, mappings do not); a
 * task's registers are moved in before each run and out after it.
 *
 * Quirks of Unicorn 2.0.1 this works around, each found in its sources:
 * - A store that faults does not leave the instruction (store_helper returns after cpu_exit), so what follows the store,
 *   as PUSH's new rsp, still happens. The registers are therefore taken in the hook that learns of the fault.
 * - The instruction count is exact only with a count given to emu_start: that puts a hook before each instruction, which
 *   also keeps pc and flags in place for the memory hooks (issues 534, 1323, 1409: pc inexact in memory hooks).
 * - Unmapping leaves translated code behind, known by its place in Unicorn's RAM (see UnicornSpace.unmap).
 * - A block translated while its page is being mapped has no physical address, yet is kept by its virtual one
 *   (tb_find), where nothing finds it to drop it. So fetches leave the engine, and start again on a mapped page.
 * - Paging cannot translate: x86's handle_mmu_fault maps each address to itself. Hence one engine per address space.
 * - A store that crosses into a page that faults has written its first part by then; it writes the same when restarted.
 */
import { EXIT, STATE } from '../layout.ts';
import { Memory } from '../memory/memory.ts';
import { PageTable, type PageTableOwner } from '../memory/page-table.ts';
import type { CpuCore } from '../port.ts';
import { RegisterBlocks, type TaskRegs } from '../regs.ts';
import { UC, type RegisterBlock, type RegisterPlace, type UnicornEngine, type UnicornModule } from './api.ts';
import { CodeViews, UnicornSpace } from './space.ts';

const PAGE = 4096;
/** Beside EXIT: the instruction is to be started again. */
const AGAIN = -1;
/** The engine stopped, and no hook said why. */
const ENDED = -2;
/** Linear memory below it holds the registers on their way. */
const RESERVED = 0x10000;
const ACCESS: Readonly<Record<number, number>> = {
  [UC.MEM_READ_UNMAPPED]: 1,
  [UC.MEM_READ_PROT]: 1,
  [UC.MEM_WRITE_UNMAPPED]: 2,
  [UC.MEM_WRITE_PROT]: 2,
  [UC.MEM_FETCH_UNMAPPED]: 4,
  [UC.MEM_FETCH_PROT]: 4,
};

export interface UnicornOptions {
  readonly unicorn: UnicornModule;
  /** Linear memory in bytes. */
  readonly memoryBytes: number;
  /** Another core's memory to run in, instead of one of its own. */
  readonly memory?: Memory;
}

/** What an engine's hooks noted. */
interface Stop {
  exit: number;
  /** Instructions begun when it happened; −1: ask the engine. */
  begun: number;
}

export abstract class UnicornCpu<R extends TaskRegs> implements CpuCore, PageTableOwner {
  readonly tables: PageTableOwner = this;
  readonly memory: Memory;
  retired = 0;
  faultAddress = 0n;
  faultAccess = 0;

  private readonly unicorn: UnicornModule;
  private readonly spaces = new Map<PageTable, UnicornSpace>();
  private readonly blocks = new Map<UnicornEngine, RegisterBlock>();
  private readonly views = new CodeViews();
  /** Each engine's state in user mode, before anything ran. */
  private readonly contexts = new Map<UnicornEngine, unknown>();
  /** Engines that had an exception since. */
  private readonly interrupted = new Set<UnicornEngine>();
  private readonly registerBlocks: RegisterBlocks;
  private running: UnicornSpace | null = null;
  private block: RegisterBlock | null = null;
  private readonly stop: Stop = { exit: EXIT.stop, begun: -1 };
  /** Instructions begun in blocks, where the engine does not count. */
  private counted = 0;

  protected abstract readonly arch: number;
  protected abstract readonly mode: number;
  protected abstract readonly contextSize: number;
  /** Where each register lies in the context at STATE. */
  protected abstract readonly places: readonly RegisterPlace[];
  protected abstract makeRegs(block: number, onRelease: (regs: TaskRegs) => void): R;
  /** Puts what the context at STATE does not hold as Unicorn takes it there, and back. */
  protected abstract beforeRun(regs: R): void;
  protected abstract afterRun(regs: R): void;
  /** A new engine: cpu model, user mode, hooks of the architecture. */
  protected abstract prepare(engine: UnicornEngine): void;
  /** What an interrupt means; EXIT.stop: it was taken care of and the run goes on. */
  protected abstract interrupt(regs: R, intno: number): number;
  /** Instructions in `size` bytes of a block. */
  protected abstract blockLength(size: number): number;

  constructor(options: UnicornOptions) {
    this.unicorn = options.unicorn;
    this.memory = options.memory ?? new Memory(options.memoryBytes, RESERVED);
    this.registerBlocks = new RegisterBlocks(this.memory);
    this.unicorn.attach?.(this.memory.memory.buffer);
  }

  newRegs(): R {
    return this.makeRegs(this.registerBlocks.take(this.contextSize), (r) => {
      this.registerBlocks.give(r.home);
    });
  }

  newPageTable(): PageTable {
    return new PageTable(this.memory, this);
  }

  // ---- what page tables tell

  flush(table: PageTable, page: number): void {
    this.spaces.get(table)?.flush(page);
  }

  codeRemapped(table: PageTable, page: number): void {
    this.spaces.get(table)?.flush(page);
  }

  codeChanged(table: PageTable, start: number, end: number): void {
    for (let page = start - (start % PAGE); page < end; page += PAGE) {
      for (const view of this.views.of(table.frame(page)))
        view.space.rewrite(
          view.page + Math.max(start, page) - page,
          view.page + Math.min(end, page + PAGE) - page,
        );
    }
  }

  isCodeFrame(frame: number): boolean {
    return this.views.has(frame);
  }

  destroyed(table: PageTable): void {
    const space = this.spaces.get(table);
    if (!space) return;
    this.spaces.delete(table);
    this.blocks.delete(space.engine);
    space.engine.context_free(this.contexts.get(space.engine));
    this.contexts.delete(space.engine);
    this.interrupted.delete(space.engine);
    space.close();
  }

  // ---- engines

  private space(table: PageTable): UnicornSpace {
    const known = this.spaces.get(table);
    if (known) return known;
    const engine = new this.unicorn.Unicorn(this.arch, this.mode);
    this.prepare(engine);
    const context = engine.context_alloc();
    engine.context_save(context);
    this.contexts.set(engine, context);
    const space = new UnicornSpace(engine, this.memory, table, this.views, (t) => this.spaces.get(t));
    this.blocks.set(
      engine,
      engine.register_block?.(this.places) ?? oneByOne(engine, this.memory, this.places),
    );
    engine.hook_add(UC.HOOK_MEM_INVALID, (_: UnicornEngine, type: number, address: number | bigint) =>
      this.missed(type, BigInt.asUintN(64, BigInt(address))),
    );
    engine.hook_add(UC.HOOK_INTR, (e: UnicornEngine, intno: number) => {
      this.interrupted.add(e);
      this.note(this.onInterrupt(intno));
      e.emu_stop();
    });
    if (!engine.instructions) {
      engine.hook_add(UC.HOOK_BLOCK, (_: UnicornEngine, _address: number | bigint, size: number) => {
        this.counted += this.blockLength(size);
      });
    }
    this.spaces.set(table, space);
    return space;
  }

  /** The engine found no page, or not the right. True: there is one now. */
  private missed(type: number, address: bigint): boolean {
    // A store of several pieces goes on after its first piece failed.
    if (this.stop.exit !== EXIT.stop) return false;
    const access = ACCESS[type] ?? 1;
    const filled = address < 2n ** 47n ? this.running!.fill(Number(address), access) : 'denied';
    if (filled === 'mapped' && access !== 4) return true;
    if (filled !== 'denied') {
      this.note(AGAIN);
      if (access === 4) this.stop.begun++; // not counted yet
      return false;
    }
    this.faultAddress = address;
    this.faultAccess = access;
    this.note(EXIT.fault);
    if (access === 4) this.stop.begun++;
    return false;
  }

  private onInterrupt(intno: number): number {
    return this.interrupt(this.current!, intno);
  }

  private current: R | null = null;

  /** The run is over, and the registers are what they are now. */
  protected note(exit: number): void {
    if (this.stop.exit !== EXIT.stop) return;
    this.stop.exit = exit;
    this.stop.begun = this.begun();
    this.block!.read();
  }

  private begun(): number {
    return this.running!.engine.instructions?.() ?? this.counted;
  }

  run(regs: R, table: PageTable, fuel: number): number {
    const space = this.space(table);
    const { engine } = space;
    const { u8 } = this.memory;
    const { stop } = this;
    const block = this.blocks.get(engine)!;
    this.running = space;
    this.block = block;
    this.current = regs;
    const { pc } = regs;
    if (pc >= 2 ** 47) return this.end(0, EXIT.protection);
    if (pc % this.pcUnit !== 0) {
      this.faultAddress = BigInt(pc);
      return this.end(0, EXIT.alignment);
    }
    space.enter();
    // Unicorn never delivers an exception, so it takes the next one for a double fault (x86's check_exception).
    if (this.interrupted.delete(engine)) engine.context_restore(this.contexts.get(engine));
    u8.copyWithin(STATE, regs.base, regs.base + this.contextSize);
    this.beforeRun(regs);
    block.write();
    stop.exit = EXIT.stop;
    this.counted = 0;
    const budget = Math.max(1, fuel);
    let failed: unknown = null;
    try {
      engine.emu_start(pc, 0, 0, budget);
    } catch (e) {
      failed = e;
    }
    if (stop.exit === EXIT.stop) {
      const begun = this.begun();
      block.read();
      stop.begun = begun;
      // emu_start fails without a hook having said why only at an instruction it does not know.
      if (failed !== null) stop.exit = EXIT.undefined;
      else stop.exit = begun > budget ? EXIT.preempt : ENDED;
    }
    this.afterRun(regs);
    u8.copyWithin(regs.base, STATE, STATE + this.contextSize);
    this.storeFlags(regs);
    space.leave();
    this.running = null;
    this.current = null;
    const { exit, begun } = stop;
    switch (exit) {
      case EXIT.preempt:
        return this.end(Math.min(begun, budget), exit);
      case EXIT.breakpoint:
        return this.end(begun, exit);
      case EXIT.syscall:
        this.atSyscall(regs);
        return this.end(begun, exit);
      case ENDED:
        if (this.isSyscall(table, regs, engine)) {
          this.atSyscall(regs);
          return this.end(begun, EXIT.syscall);
        }
        // An engine that does not tell its count has used up its budget.
        if (!engine.instructions && regs.pc !== 0) return this.end(budget, EXIT.preempt);
        // Address 0 is where emu_start was told to end.
        this.faultAddress = 0n;
        this.faultAccess = 4;
        return this.end(begun, regs.pc === 0 ? EXIT.fault : EXIT.protection);
      case EXIT.fault:
        // A pc that is not aligned faults as such wherever it points.
        if (this.faultAccess !== 4 || regs.pc % this.pcUnit === 0) break;
        this.faultAddress = BigInt(regs.pc);
        return this.end(begun - 1, EXIT.alignment);
      case AGAIN:
        return this.end(begun - 1, EXIT.preempt);
      case EXIT.undefined:
      case EXIT.protection:
        if (regs.pc % this.pcUnit !== 0) {
          this.faultAddress = BigInt(regs.pc);
          return this.end(begun - 1, EXIT.alignment);
        }
        if (this.emulate(regs, table)) return this.end(begun, EXIT.preempt);
    }
    return this.end(begun - 1, exit);
  }

  /** The engine stopped of itself, and no hook said why: whether it was at a system call. */
  protected abstract isSyscall(table: PageTable, regs: R, engine: UnicornEngine): boolean;
  /** Carries out what Unicorn's cpu leaves to its kernel, as reading an ID register; `regs` is behind it then. */
  protected abstract emulate(regs: R, table: PageTable): boolean;

  /** The 32 bits of an instruction; an address that is not mapped reads as 0. */
  protected codeWord(table: PageTable, pc: number): number {
    let word = 0;
    for (let i = 3; i >= 0; i--) {
      const frame = table.frame(pc + i - ((pc + i) % PAGE));
      word = (word << 8) | (frame < 0 ? 0 : this.memory.u8[frame + ((pc + i) % PAGE)]);
    }
    return word >>> 0;
  }

  /** A pc is a multiple of it. */
  protected readonly pcUnit: number = 1;
  protected abstract storeFlags(regs: R): void;
  /** What the system-call instruction itself does to registers. */
  protected atSyscall(_regs: R): void {}

  private end(retired: number, exit: number): number {
    this.retired = Math.max(0, retired);
    return exit;
  }
}

/** Registers through calls for each, as unicorn.js has them; only those that changed are written. */
function oneByOne(engine: UnicornEngine, memory: Memory, places: readonly RegisterPlace[]): RegisterBlock {
  return {
    read(): void {
      for (const { id, at, size } of places) memory.u8.set(engine.reg_read(id, size).subarray(0, size), at);
    },
    write(): void {
      for (const { id, at, size } of places) engine.reg_write(id, memory.u8.slice(at, at + size));
    },
  };
}

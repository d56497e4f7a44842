/**
 * The x86_64 cpu: runs a task's registers in an address space until something needs the outside. Knows nothing of
 * Linux: it comes back with an EXIT and the registers exact.
 */
import { Bounce } from './bounce.ts';
import { CodeArena, CodeSpace } from './code-space.ts';
import {
  CONTEXT_SIZE,
  EXIT,
  FIXED_END,
  R,
  RECORD_SIZE,
  S,
  SINGLE,
  STATE,
  TLB_ENTRIES,
  TLB_READ,
  TLB_WRITE,
} from './layout.ts';
import { DE, IE, ZE } from './float/soft-float.ts';
import { sseOperation } from './float/sse.ts';
import { X87 } from './float/x87.ts';
import type { HOST_IMPORTS } from './interp/generate.ts';
import { type DecodeTables } from './interp/generate.ts';
import { JUMP_CACHE_ENTRIES } from './interp/helpers.ts';
import { RCX, ZF } from './isa/x86_64/builder.ts';
import { cpuid } from './isa/x86_64/cpuid.ts';
import { Decoder, UNDEFINED } from './isa/x86_64/decoder.ts';
import { X87_FXSAVE } from './isa/x86_64/x87-calls.ts';
import { Memory } from './memory/memory.ts';
import { OutOfMemory, PageTable, type PageTableOwner } from './memory/page-table.ts';
import { writeTables } from './tables.ts';
import { RFLAGS, X86Regs } from './x86-regs.ts';

const PAGE = 4096;
const JUMP_CACHE_PAGES = (JUMP_CACHE_ENTRIES * 16) / PAGE;
const STATE32 = STATE >> 2;
/** Programs whose decoded code is kept after their last process. */
const MAX_IDLE = 8;

export interface X86CpuOptions {
  readonly module: WebAssembly.Module;
  readonly isa: DecodeTables;
  /** Linear memory in bytes: guest RAM and what the cpu needs. */
  readonly memoryBytes: number;
  /** Bytes for decoded code. */
  readonly codeBytes?: number;
  /** Cpus CPUID tells of. */
  readonly cpus?: number;
  /** Time-stamp counter for RDTSC. */
  readonly tsc?: () => bigint;
}

export class X86Cpu implements PageTableOwner {
  readonly memory: Memory;
  private readonly arena: CodeArena;
  private readonly runFrom: (rec: number) => number;
  private readonly spaces = new Map<PageTable, CodeSpace>();
  /** Code no address space runs on now, oldest first. */
  private readonly idle: CodeSpace[] = [];
  private readonly freeBlocks: number[] = [];
  private readonly cpus: number;
  /** Jump cache of every address space that found no RAM for one of its own; empty whenever another one runs. */
  private readonly sharedCache: number;
  /** Changes whenever decoded code was dropped. */
  private generation = 0;
  private regs: X86Regs | null = null;
  private table: PageTable | null = null;
  private space: CodeSpace | null = null;

  private readonly x87: X87;

  /** Instructions retired by the last `run`. */
  retired = 0;
  /** After a fault: what was accessed, and PROT_READ (1), PROT_WRITE (2) or PROT_EXEC (4). */
  faultAddress = 0n;
  faultAccess = 0;

  constructor(options: X86CpuOptions) {
    const codeBytes =
      options.codeBytes ?? Math.min(32 << 20, Math.floor(options.memoryBytes / 8 / 65536) * 65536);
    this.memory = new Memory(options.memoryBytes, FIXED_END + codeBytes);
    this.cpus = options.cpus ?? 1;
    const tsc = options.tsc ?? ((): bigint => 0n);
    const host: Record<(typeof HOST_IMPORTS)[number]['name'], (...args: never[]) => unknown> = {
      cpuid: () => {
        this.doCpuid();
      },
      rdtsc: () => tsc(),
      sse: (op: number, a: bigint, b: bigint) => this.doSse(op, a, b),
      x87: (n: number) => this.doX87(n),
    };
    const instance = new WebAssembly.Instance(options.module, { env: { memory: this.memory.memory }, host });
    this.runFrom = instance.exports['run'] as (rec: number) => number;
    this.arena = new CodeArena(
      this.memory,
      new Decoder(options.isa.encodings),
      options.isa.ids,
      options.isa.undefinedHandler,
      codeBytes,
    );
    this.x87 = new X87(this.memory, STATE);
    this.arena.onDisagree = (table): void => {
      this.detach(table);
    };
    writeTables(this.memory.u8, this.memory.view);
    this.sharedCache = this.memory.alloc(JUMP_CACHE_PAGES);
    this.flushTlb();
  }

  // ---- what tasks and address spaces are made of

  newRegs(): X86Regs {
    let block = this.freeBlocks.pop();
    if (block === undefined) {
      const frame = this.memory.alloc(1);
      if (frame < 0) throw new OutOfMemory();
      for (let at = frame + CONTEXT_SIZE; at + CONTEXT_SIZE <= frame + PAGE; at += CONTEXT_SIZE)
        this.freeBlocks.push(at);
      block = frame;
    }
    return new X86Regs(this.memory, block, (r) => {
      if (this.regs === r) this.regs = null;
      r.base = r.home;
      this.freeBlocks.push(r.home);
    });
  }

  newPageTable(): PageTable {
    return new PageTable(this.memory, this);
  }

  flush(table: PageTable, page: number): void {
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
    const space = this.spaces.get(table);
    if (!space?.claims.has(page)) return;
    if (space.users.size > 1) this.detach(table);
    else if (this.arena.invalidate(space, page)) this.generation++;
  }

  isCodeFrame(frame: number): boolean {
    return this.arena.isCodeFrame(frame);
  }

  destroyed(table: PageTable): void {
    this.detach(table);
    if (this.table !== table) return;
    this.table = null;
    this.flushTlb();
  }

  /** Takes an address space off its decoded code, which stays for its other users or for a while. */
  private detach(table: PageTable): void {
    const space = this.spaces.get(table);
    if (!space) return;
    this.spaces.delete(table);
    space.users.delete(table);
    if (this.table === table) this.space = null;
    this.generation++;
    if (space.users.size > 0) return;
    this.arena.seal(space);
    this.idle.push(space);
    if (this.idle.length > MAX_IDLE) this.drop(this.idle.shift()!);
  }

  private drop(space: CodeSpace): void {
    this.arena.forget(space);
    if (space.jumpCache === this.sharedCache) return;
    for (let i = 0; i < JUMP_CACHE_PAGES; i++) this.memory.release(space.jumpCache + i * PAGE);
  }

  /** Code for an address space that runs for the first time: what another one decoded of the same pages, or none yet. */
  private attach(table: PageTable, pc: number): CodeSpace {
    const space = this.findSpace(table, pc) ?? this.newSpace();
    const i = this.idle.indexOf(space);
    if (i >= 0) this.idle.splice(i, 1);
    space.users.add(table);
    this.spaces.set(table, space);
    return space;
  }

  private findSpace(table: PageTable, pc: number): CodeSpace | null {
    const page = Math.floor(pc / PAGE) * PAGE;
    const tried = new Set<CodeSpace>();
    // The parent's first (the last one that ran), then what is kept.
    for (const space of [
      ...(this.space ? [this.space] : []),
      ...[...this.spaces.values()].slice(-4),
      ...this.idle,
    ]) {
      if (tried.has(space) || !space.claims.has(page)) continue;
      tried.add(space);
      if (this.arena.fits(space, table)) return space;
    }
    return null;
  }

  private newSpace(): CodeSpace {
    let cache = this.memory.alloc(JUMP_CACHE_PAGES);
    while (cache < 0 && this.idle.length > 0) {
      this.drop(this.idle.shift()!);
      cache = this.memory.alloc(JUMP_CACHE_PAGES);
    }
    if (cache < 0) cache = this.sharedCache;
    this.arena.clearJumpCache(cache);
    return new CodeSpace(cache);
  }

  private flushTlb(): void {
    this.memory.i32.fill(-1, TLB_READ >> 2, (TLB_WRITE + TLB_ENTRIES * 16) >> 2);
  }

  // ---- running

  private activate(regs: X86Regs, table: PageTable): CodeSpace {
    const { u8, i32 } = this.memory;
    if (this.regs !== regs) {
      if (this.regs) {
        u8.copyWithin(this.regs.home, STATE, STATE + CONTEXT_SIZE);
        this.regs.base = this.regs.home;
      }
      u8.copyWithin(STATE, regs.home, regs.home + CONTEXT_SIZE);
      regs.base = STATE;
      this.regs = regs;
    }
    if (this.table === table && this.space) return this.space;
    const space = this.spaces.get(table) ?? this.attach(table, regs.pc);
    this.flushTlb();
    this.table = table;
    this.space = space;
    if (space.jumpCache === this.sharedCache) this.arena.clearJumpCache(space.jumpCache);
    i32[(STATE + S.pageTable) >> 2] = table.root;
    i32[(STATE + S.jumpCache) >> 2] = space.jumpCache;
    return space;
  }

  /**
   * Runs until an exit, at most about `fuel` instructions (preemption happens at backward branches, calls and returns).
   * Returns an EXIT; `regs` are exact: pc at the instruction that faulted, or behind the syscall or breakpoint.
   */
  run(regs: X86Regs, table: PageTable, fuel: number): number {
    const space = this.activate(regs, table);
    const { i32 } = this.memory;
    const fuelAt = (STATE + S.fuel) >> 2;
    i32[fuelAt] = fuel;
    let rec: number;
    if (regs.resumeGeneration === this.generation && this.pcOf(regs.resumeRec) === regs.pc) {
      // Back into the middle of a block: its end will count all of it, so give back what was counted already.
      rec = regs.resumeRec;
      i32[fuelAt] += this.countOf(rec) - 1;
    } else rec = this.lookup(space, table, regs.pc);
    regs.resumeGeneration = -1;
    for (;;) {
      if (rec < 0) return this.leave(fuel, rec === -2 ? EXIT.protection : EXIT.fault);
      const exit = this.runFrom(rec);
      switch (exit) {
        case EXIT.lookup: {
          const patch = i32[(STATE + S.faultAccess) >> 2];
          const from = i32[(STATE + S.exitRec) >> 2];
          const generation = this.generation;
          const pc = regs.pc;
          rec = this.lookup(space, table, pc);
          if (rec < 0 || generation !== this.generation) break;
          if (patch > 0) i32[(from + patch) >> 2] = rec;
          else this.arena.cacheJump(space.jumpCache, pc, rec);
          break;
        }
        case EXIT.slow: {
          const at = i32[(STATE + S.exitRec) >> 2];
          const generation = this.generation;
          const pc = this.pcOf(at);
          const done = this.stepSlowly(regs, table, at);
          if (done !== EXIT.stop) return this.leaveMidBlock(regs, at, fuel, done);
          if (generation === this.generation && (this.unfinished || regs.pc === pc + this.singleLength)) {
            rec = this.unfinished ? at : this.behind(at, pc); // the block's end counts it
          } else {
            i32[fuelAt] -= this.countOf(at) - (this.unfinished ? 1 : 0);
            if (i32[fuelAt] < 0) return this.leave(fuel, EXIT.preempt);
            rec = this.lookup(space, table, regs.pc);
          }
          break;
        }
        case EXIT.fault: {
          const at = i32[(STATE + S.exitRec) >> 2];
          this.noteFault();
          return this.leaveMidBlock(regs, at, fuel, EXIT.fault);
        }
        case EXIT.syscall:
        case EXIT.breakpoint: {
          const at = i32[(STATE + S.exitRec) >> 2];
          i32[(STATE + S.rip) >> 2] = i32[(at + R.imm) >> 2]!;
          i32[(STATE + S.rip + 4) >> 2] = i32[(at + R.imm + 4) >> 2]!;
          return this.leave(fuel, exit);
        }
        case EXIT.preempt:
          return this.leave(fuel, exit);
        default:
          i32[(STATE + S.simdPending) >> 2] = 0;
          return this.leaveMidBlock(regs, i32[(STATE + S.exitRec) >> 2], fuel, exit);
      }
    }
  }

  private leave(fuel: number, exit: number): number {
    this.retired = fuel - this.memory.i32[(STATE + S.fuel) >> 2];
    return exit;
  }

  /** The instruction at `at` had no effect; the ones before it in its block count. */
  private leaveMidBlock(regs: X86Regs, at: number, fuel: number, exit: number): number {
    const { i32 } = this.memory;
    i32[(STATE + S.fuel) >> 2] -= this.countOf(at) - 1;
    regs.pc = this.pcOf(at);
    regs.resumeRec = at;
    regs.resumeGeneration = this.generation;
    return this.leave(fuel, exit);
  }

  private pcOf(rec: number): number {
    const { i32 } = this.memory;
    return (i32[(rec + R.pc + 4) >> 2] >>> 0) * 4294967296 + (i32[(rec + R.pc) >> 2] >>> 0);
  }

  private countOf(rec: number): number {
    return this.memory.view.getUint16(rec + R.count, true);
  }

  /** The record behind the instruction at `rec` (which a preparing record may precede). */
  private behind(rec: number, pc: number): number {
    do rec += RECORD_SIZE;
    while (this.pcOf(rec) === pc);
    return rec;
  }

  /** Block at `pc`; −1: fetch fault (faultAddress, faultAccess set), −2: no canonical address. */
  private lookup(space: CodeSpace, table: PageTable, pc: number): number {
    const known = space.blocks.get(pc);
    if (known !== undefined) return known;
    if (pc >= 2 ** 47) return -2;
    if (this.arena.full) this.dropAllCode();
    const rec = this.arena.decodeBlock(space, table, pc);
    if (rec >= 0) return rec;
    this.faultAddress = BigInt(this.arena.faultAddress);
    this.faultAccess = 4;
    return -1;
  }

  private dropAllCode(): void {
    for (const space of this.idle.splice(0)) this.drop(space);
    for (const [table, space] of this.spaces) {
      for (const page of space.claims.keys()) table.unmarkCode(page);
      space.blocks.clear();
      space.pages.clear();
      space.claims.clear();
      this.arena.clearJumpCache(space.jumpCache);
    }
    this.arena.reset();
    this.generation++;
  }

  /** Length of the instruction `stepSlowly` or `step` last decoded. */
  private singleLength = 0;
  /** `stepSlowly` did one element of a REP instruction that has more to do. */
  private unfinished = false;

  /**
   * Carries out one instruction whose access the TLB cannot serve: it crosses a page, or writes where decoded code lies.
   * Crossing accesses go through a bounce buffer that looks like one page to the handler; nothing is committed before
   * the whole instruction can complete. Of a REP instruction one element is done: what it wrote must be seen by the
   * next. Returns EXIT.stop when done (rip moved, unless `unfinished`), else the exit that stands in the way.
   */
  private stepSlowly(regs: X86Regs, table: PageTable, at: number): number {
    const { i32, view } = this.memory;
    const pc = this.pcOf(at);
    const n = this.arena.decodeSingle(table, pc, SINGLE);
    if (n < 0) return n === UNDEFINED ? EXIT.undefined : EXIT.fault;
    this.singleLength = n;
    this.unfinished = false;
    const { repeats } = this.arena.singleDefinition;
    const count = regs.get(RCX);
    if (repeats) regs.set(RCX, 1n);
    const fuel = i32[(STATE + S.fuel) >> 2];
    const bounce = new Bounce(this.memory, table);
    let exit: number = EXIT.slow;
    // Each round serves one more access of the instruction; none has more than three.
    for (let round = 0; exit === EXIT.slow && round < 4; round++) {
      const bad = bounce.serve(
        Number(view.getBigUint64(STATE + S.faultAddress, true)),
        i32[(STATE + S.faultSize) >> 2],
        i32[(STATE + S.faultAccess) >> 2],
      );
      if (bad >= 0) {
        this.faultAddress = BigInt(bad);
        this.faultAccess = i32[(STATE + S.faultAccess) >> 2] & 3;
        exit = EXIT.fault;
        break;
      }
      i32[(STATE + S.fuel) >> 2] = -1; // indirect jumps come back at once
      exit = this.runFrom(SINGLE);
      if (exit === EXIT.fault) this.noteFault();
    }
    i32[(STATE + S.fuel) >> 2] = fuel;
    bounce.close();
    const done = exit === EXIT.stop || exit === EXIT.lookup || exit === EXIT.preempt;
    if (repeats) regs.set(RCX, done ? count - 1n : count);
    if (!done) {
      if (exit === EXIT.slow)
        throw new Error(
          `accesses of ${this.arena.singleDefinition.name} at ${pc.toString(16)} fight for a TLB slot`,
        );
      return exit;
    }
    if (exit === EXIT.stop) {
      const equal =
        repeats === undefined ||
        repeats === 'rep' ||
        ((regs.num(RFLAGS) & ZF) !== 0) === (repeats === 'repe');
      this.unfinished = repeats !== undefined && count !== 1n && equal;
      regs.pc = this.unfinished ? pc : pc + n;
    }
    for (const [from, to] of bounce.commit()) table.written(from, to - from);
    return EXIT.stop;
  }

  private noteFault(): void {
    this.faultAddress = this.memory.view.getBigUint64(STATE + S.faultAddress, true);
    this.faultAccess = this.memory.i32[(STATE + S.faultAccess) >> 2] & 3;
  }

  /** Executes exactly one instruction. Returns EXIT.stop when it retired, else its exit (with its effects, if any). */
  step(regs: X86Regs, table: PageTable): number {
    this.activate(regs, table);
    regs.resumeGeneration = -1;
    this.retired = 0;
    const { i32 } = this.memory;
    const { pc } = regs;
    if (pc >= 2 ** 47) return EXIT.protection;
    let exit: number;
    do {
      this.unfinished = false;
      const n = this.arena.decodeSingle(table, pc, SINGLE);
      if (n === UNDEFINED) return EXIT.undefined;
      if (n < 0) {
        this.faultAddress = BigInt(this.arena.faultAddress);
        this.faultAccess = 4;
        return EXIT.fault;
      }
      this.singleLength = n;
      i32[(STATE + S.fuel) >> 2] = -1;
      exit = this.runFrom(SINGLE);
      if (exit === EXIT.slow) exit = this.stepSlowly(regs, table, i32[(STATE + S.exitRec) >> 2]);
      else if (exit === EXIT.lookup || exit === EXIT.preempt) exit = EXIT.stop;
      else if (exit === EXIT.fault) this.noteFault();
      else if (exit === EXIT.stop || exit === EXIT.syscall || exit === EXIT.breakpoint) regs.pc = pc + n;
      i32[(STATE + S.simdPending) >> 2] = 0;
    } while (this.unfinished);
    if (exit === EXIT.stop || exit === EXIT.syscall || exit === EXIT.breakpoint) this.retired = 1;
    return exit;
  }

  private doSse(op: number, a: bigint, b: bigint): bigint {
    const { i32 } = this.memory;
    const at = (STATE + S.mxcsr) >> 2;
    const mxcsr = i32[at];
    const { value, flags: raised } = sseOperation(op, a, b, mxcsr);
    // An unmasked exception of the operands comes before the operation: there is no result to be inexact or too small.
    const early = raised & (IE | DE | ZE);
    const flags = early & ~(mxcsr >> 7) ? early : raised;
    i32[at] = mxcsr | flags;
    if (flags & ~(mxcsr >> 7)) i32[(STATE + S.simdPending) >> 2] = 1;
    return value;
  }

  private doX87(op: number): number {
    if (op < X87_FXSAVE) return this.x87.execute(op);
    if (op === X87_FXSAVE) {
      this.x87.fxsave();
      return 1;
    }
    const mask = (op >> 4) & 7;
    // XRSTOR of a component the image does not hold: its initial values.
    if (mask & 4) this.x87.initialImage();
    return this.x87.fxrstor(mask & 3) ? 1 : 0;
  }

  private doCpuid(): void {
    const { i32 } = this.memory;
    const [a, b, c, d] = cpuid(i32[STATE32], i32[STATE32 + 2], 0, this.cpus);
    // rax, rbx, rcx, rdx: upper halves cleared.
    [a, c, d, b].forEach((v, reg) => {
      i32[STATE32 + reg * 2] = v;
      i32[STATE32 + reg * 2 + 1] = 0;
    });
  }
}

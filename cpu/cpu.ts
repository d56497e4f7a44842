/**
 * An interpreting cpu: runs a task's registers in an address space until something needs the outside. Knows nothing of
 * Linux: it comes back with an EXIT and the registers exact. Each architecture adds its registers, its translator and
 * what its generated code asks of the host.
 */
import { Bounce } from './bounce.ts';
import { CpuDebug, LONGEST_BLOCK, type DebuggedCore } from './debug.ts';
import { CodeArena, UNDEFINED, type CodeSpace, type Translator } from './code-space.ts';
import { EXIT, FIXED_END, R, RECORD_SIZE, S, SINGLE, STATE } from './layout.ts';
import type { BackgroundCompiler, CompileRegion, CompilerStats } from './jit/compiler.ts';
import { HEAT, type Heat } from './jit/heat.ts';
import { Tier } from './jit/tier.ts';
import { Memory } from './memory/memory.ts';
import type { PageTable, PageTableOwner } from './memory/page-table.ts';
import type { CpuState } from './port.ts';
import type { TaskRegs } from './regs.ts';
import { Residents } from './residents.ts';
import { writeTables } from './tables.ts';

const PAGE = 4096;
/** What a failed `lookup` means. */
const LOOKUP_EXIT = [0, EXIT.fault, EXIT.protection, EXIT.alignment, EXIT.debug];

export interface CpuOptions {
  /** The interpreter's module. */
  readonly module: WebAssembly.Module;
  /** Linear memory in bytes: guest RAM and what the cpu needs. */
  readonly memoryBytes: number;
  /** Bytes for decoded code. */
  readonly codeBytes?: number;
  /** Hot code is compiled: fetches the compiler when it is first needed. Absent: everything is interpreted. */
  readonly compiler?: () => CompileRegion;
  /** The same in another thread. */
  readonly background?: () => BackgroundCompiler | null;
  /** When code is hot. */
  readonly heat?: Heat;
  /** Count why compiled code was left. */
  readonly counts?: boolean;
  /** Is given a listing of each region that is compiled. */
  readonly onRegion?: (listing: string) => void;
  /** Called whenever running code is sampled, at the same instructions whatever was compiled while `average` is fixed. */
  readonly onSample?: (regs: TaskRegs, retired: number) => void;
}

/** What an architecture brings. */
export interface CpuParts {
  readonly translator: Translator;
  /** Functions the module imports from "host". */
  readonly host: Readonly<Record<string, (...args: never[]) => unknown>>;
}

export abstract class Cpu<R extends TaskRegs> implements DebuggedCore {
  readonly memory: Memory;
  private readonly arena: CodeArena;
  private readonly runFrom: (rec: number) => number;
  private readonly residents: Residents<R>;
  private readonly translator: Translator;
  /** The compiler's side, if there is one. */
  private readonly tier: Tier | null = null;
  /** The same while it is to be used. */
  private compiling: Tier | null = null;
  private readonly onSample: CpuOptions['onSample'];
  /** Fuel of the current `run` that the generated code was not given yet. */
  private reserve = 0;
  /** Instructions until the next sample, kept from run to run: a task that makes calls seldom runs for long. */
  private untilSample = 0;
  /** How many of these are beyond the end of the current `run`. */
  private beyond = 0;
  private debugger: CpuDebug | null = null;
  /** `goBlockwise`: how many instructions it may do; −1: this is another run. */
  private most = -1;

  /** Instructions retired by the last `run`. */
  retired = 0;
  /** After a fault: what was accessed, and PROT_READ (1), PROT_WRITE (2) or PROT_EXEC (4). */
  faultAddress = 0n;
  faultAccess = 0;

  /** Upper bits of a data address that do not count. */
  protected readonly tagBits: number = 0;
  /** Bits that must be clear in a pc. */
  protected readonly pcAlignment: number = 0;
  /** Bytes of registers and state that belong to a task. */
  protected abstract readonly contextSize: number;
  protected abstract makeRegs(block: number, onRelease: (regs: TaskRegs) => void): R;

  constructor(options: CpuOptions, parts: (memory: Memory) => CpuParts) {
    const codeBytes =
      options.codeBytes ?? Math.min(32 << 20, Math.floor(options.memoryBytes / 8 / 65536) * 65536);
    this.memory = new Memory(options.memoryBytes, FIXED_END + codeBytes);
    const { translator, host } = parts(this.memory);
    this.translator = translator;
    const instance = new WebAssembly.Instance(options.module, { env: { memory: this.memory.memory }, host });
    this.runFrom = instance.exports['run'] as (rec: number) => number;
    this.arena = new CodeArena(this.memory, translator, codeBytes);
    this.onSample = options.onSample;
    if (options.compiler) {
      const { compiler } = options;
      const tier = new Tier(
        {
          heat: options.heat ?? HEAT,
          counts: options.counts ?? false,
          onRegion: options.onRegion,
          bytesOf: (space, pc) => this.bytesOf(space, pc),
          memory: this.memory,
          interpreter: instance.exports,
          host,
          arena: this.arena,
          compiler,
          background: options.background,
          stackPointer: () => this.residents.regs?.sp ?? 0,
          settled: () => this.residents.regs?.settled ?? false,
          windows: () =>
            (this.residents.shown?.list ?? []).map(({ lo, hi, anchor }) => ({ lo, hi, write: anchor.write })),
          windowOf: (space, address, write) => this.residents.windowOf(space, address, write),
        },
        () => performance.now(),
      );
      this.tier = this.compiling = tier;
      this.arena.onInvalidate = (space, pcs): void => {
        tier.invalidated(space, pcs);
      };
    }
    writeTables(this.memory.u8, this.memory.view);
    this.residents = new Residents<R>({
      memory: this.memory,
      arena: this.arena,
      tier: this.tier,
      contextSize: () => this.contextSize,
      makeRegs: (block, onRelease) => this.makeRegs(block, onRelease),
      switched: () => this.switched(),
      debugger: () => this.debugger,
    });
  }

  /** Bytes of decoded code there are. */
  get decoded(): number {
    return this.arena.used;
  }

  get compilerStats(): CompilerStats | null {
    return this.tier?.stats ?? null;
  }

  /** Breakpoints and the like. Made when it is first asked for. */
  get debug(): CpuDebug {
    if (this.debugger) return this.debugger;
    this.residents.dropAllCode(); // ways between blocks were not noted
    const debug = new CpuDebug(this);
    this.arena.cutsOf = (table) => debug.cutsOf(table);
    this.residents.spaces.isOwn = (table) => debug.isolated(table);
    return (this.debugger = debug);
  }

  newRegs(): R {
    return this.residents.newRegs();
  }
  newPageTable(): PageTable {
    return this.residents.newPageTable();
  }
  /** Is told what becomes of page tables. */
  get tables(): PageTableOwner {
    return this.residents;
  }
  isolate(table: PageTable): void {
    this.residents.detach(table);
  }
  dropCode(table: PageTable, address: number, onlyHead: boolean): void {
    this.residents.dropCode(table, address, onlyHead);
  }
  save(previous: CpuState | null): CpuState {
    return this.residents.save(previous);
  }
  load(state: CpuState): void {
    this.residents.load(state);
  }

  /** Another task's registers are in place. */
  protected switched(): void {}

  /** The instruction at an address, as it lies in memory. */
  private bytesOf(space: CodeSpace, pc: number): Uint8Array {
    const [table] = space.users;
    const length = this.arena.lengthAt(table, pc);
    const at = (a: number): number => this.memory.u8[table.frame(a - (a % PAGE)) + (a % PAGE)];
    return Uint8Array.from({ length }, (_, i) => at(pc + i));
  }

  /**
   * Runs until an exit, at most about `fuel` instructions (preemption happens at backward branches, calls and returns).
   * Returns an EXIT; `regs` are exact: pc at the instruction that faulted, or behind the syscall or breakpoint.
   */
  run(regs: R, table: PageTable, fuel: number): number {
    return this.debugger === null ? this.go(regs, table, fuel) : this.debugger.run(regs, table, fuel);
  }

  /** For the debugger: `run` block by block until `most` instructions may be done within the next block. */
  goBlockwise(regs: R, table: PageTable, fuel: number, most: number): number {
    const space = this.residents.activate(regs, table);
    space.forgetWays(this.memory.i32);
    this.arena.clearJumpCache(space.jumpCache);
    this.tier?.suspend();
    this.compiling = null;
    this.most = most;
    try {
      return this.go(regs, table, fuel);
    } finally {
      this.most = -1;
      this.compiling = this.tier;
      this.tier?.resume();
    }
  }

  /** The next block is not to be begun. */
  private mayPass(fuel: number): boolean {
    if (this.most < 0) return false;
    const retired = fuel - this.reserve - this.memory.i32[(STATE + S.fuel) >> 2];
    return retired + LONGEST_BLOCK >= this.most;
  }

  /** `run` without a look at the debugger. */
  go(regs: R, table: PageTable, fuel: number): number {
    const { residents } = this;
    let space = residents.activate(regs, table);
    const { i32 } = this.memory;
    const fuelAt = (STATE + S.fuel) >> 2;
    const tier = this.compiling;
    if (tier && this.untilSample <= 0) this.untilSample = tier.slice;
    const given = tier ? Math.min(fuel, this.untilSample) : fuel;
    this.reserve = fuel - given;
    this.beyond = this.untilSample - given;
    i32[fuelAt] = given;
    let rec: number;
    if (regs.resumeGeneration === residents.generation && this.pcOf(regs.resumeRec) === regs.pc) {
      // Back into the middle of a block: its end will count all of it, so give back what was counted already.
      rec = regs.resumeRec;
      i32[fuelAt] += this.countOf(rec) - 1;
    } else rec = this.lookup(space, table, regs.pc);
    regs.resumeGeneration = -1;
    for (;;) {
      if (rec < 0) return this.leave(fuel, LOOKUP_EXIT[-rec]);
      space = residents.space ?? space; // `lookup` may have moved it
      const exit = this.runFrom(rec);
      switch (exit) {
        case EXIT.lookup: {
          const patch = i32[(STATE + S.faultAccess) >> 2];
          const from = i32[(STATE + S.exitRec) >> 2];
          const generation = residents.generation;
          const pc = regs.pc;
          rec = this.lookup(space, table, pc);
          if (rec < 0 || generation !== residents.generation) break;
          if (this.most >= 0) {
            if (this.mayPass(fuel)) return this.leave(fuel, EXIT.debug);
          } else if (patch > 0) {
            i32[(from + patch) >> 2] = rec;
            if (this.tier || this.debugger) space.links.push((from + patch) >> 2);
          } else this.arena.cacheJump(space.jumpCache, pc, rec);
          break;
        }
        case EXIT.slow: {
          const at = i32[(STATE + S.exitRec) >> 2];
          const generation = residents.generation;
          const pc = this.pcOf(at);
          const done = this.stepSlowly(regs, table, at);
          if (done !== EXIT.stop) return this.leaveMidBlock(regs, at, fuel, done);
          if (this.debugger !== null && this.debugger.hits.length > 0) {
            this.debugger.watchPc = pc;
            i32[fuelAt] -= this.countOf(at) - (this.unfinished ? 1 : 0);
            return this.leave(fuel, EXIT.debug);
          }
          if (generation === residents.generation && !this.branched) {
            rec = this.unfinished ? at : this.behind(at, pc); // the block's end counts it
          } else {
            i32[fuelAt] -= this.countOf(at) - (this.unfinished ? 1 : 0);
            if (this.preempts && i32[fuelAt] + this.reserve < 0) return this.leave(fuel, EXIT.preempt);
            if (this.mayPass(fuel)) return this.leave(fuel, EXIT.debug);
            rec = this.lookup(space, table, regs.pc);
          }
          break;
        }
        case EXIT.fault:
        case EXIT.alignment: {
          const at = i32[(STATE + S.exitRec) >> 2];
          this.noteFault();
          return this.leaveMidBlock(regs, at, fuel, exit);
        }
        case EXIT.syscall:
        case EXIT.breakpoint: {
          const at = i32[(STATE + S.exitRec) >> 2];
          i32[(STATE + S.rip) >> 2] = i32[(at + R.imm) >> 2]!;
          i32[(STATE + S.rip + 4) >> 2] = i32[(at + R.imm + 4) >> 2]!;
          return this.leave(fuel, exit);
        }
        case EXIT.preempt: {
          const { reserve } = this;
          this.onSample?.(regs, fuel - reserve - i32[fuelAt]);
          if (tier) tier.sample(space, i32[(STATE + S.exitRec) >> 2], regs.pc);
          if (!tier || i32[fuelAt] + reserve < 0 || reserve === 0) return this.leave(fuel, exit);
          const next = Math.max(tier.slice, -i32[fuelAt]);
          const more = Math.min(reserve, next);
          this.reserve -= more;
          this.beyond = next - more;
          i32[fuelAt] += more;
          rec = this.lookup(space, table, regs.pc);
          break;
        }
        default:
          return this.leaveMidBlock(regs, i32[(STATE + S.exitRec) >> 2], fuel, exit);
      }
    }
  }

  /** As `run`, past all compiled code. */
  interpret(regs: R, table: PageTable, fuel: number): number {
    this.tier?.suspend();
    this.compiling = null;
    try {
      return this.run(regs, table, fuel);
    } finally {
      this.compiling = this.tier;
      this.tier?.resume();
    }
  }

  private leave(fuel: number, exit: number): number {
    const left = this.memory.i32[(STATE + S.fuel) >> 2];
    this.retired = fuel - this.reserve - left;
    this.untilSample = this.beyond + left;
    return exit;
  }

  /** The instruction at `at` had no effect; the ones before it in its block count. */
  private leaveMidBlock(regs: R, at: number, fuel: number, exit: number): number {
    const { i32 } = this.memory;
    i32[(STATE + S.simdPending) >> 2] = 0;
    i32[(STATE + S.fuel) >> 2] -= this.countOf(at) - 1;
    regs.pc = this.pcOf(at);
    regs.resumeRec = at;
    regs.resumeGeneration = this.residents.generation;
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

  /** Block at `pc`; −1: fetch fault (faultAddress, faultAccess set), −2: no canonical address, −3: not aligned, −4: a breakpoint. */
  private lookup(space: CodeSpace, table: PageTable, pc: number): number {
    const known = space.blocks.get(pc);
    if (known !== undefined) return known;
    if (pc >= 2 ** 47) return -2;
    if (pc & this.pcAlignment) {
      this.faultAddress = BigInt(pc);
      return -3;
    }
    if (this.debugger !== null && this.debugger.breaksAt(table, pc)) return -4;
    if (this.arena.full) this.residents.dropAllCode();
    if (!space.claims.has(pc - (pc % PAGE))) {
      const better = this.residents.spaces.better(table);
      if (better) {
        this.residents.moveTo(better, table);
        return this.lookup(better, table, pc);
      }
    }
    const rec = this.arena.decodeBlock(space, table, pc);
    if (rec >= 0) return rec;
    this.faultAddress = BigInt(this.arena.faultAddress);
    this.faultAccess = 4;
    return -1;
  }

  /** `stepSlowly` did a branch: its block ends there, wherever it leads (a call to what follows it, say). */
  private branched = false;
  /** `stepSlowly` did one element of a REP instruction that has more to do. */
  unfinished = false;

  /**
   * Carries out one instruction whose access the TLB cannot serve: it crosses a page, or writes where decoded code lies.
   * Crossing accesses go through a bounce buffer that looks like one page to the handler; nothing is committed before
   * the whole instruction can complete. Of a REP instruction one element is done: what it wrote must be seen by the
   * next. Returns EXIT.stop when done (rip moved, unless `unfinished`), else the exit that stands in the way.
   */
  private stepSlowly(regs: R, table: PageTable, at: number): number {
    const { i32, view } = this.memory;
    const pc = this.pcOf(at);
    const n = this.arena.decodeSingle(table, pc, SINGLE);
    if (n < 0) return n === UNDEFINED ? EXIT.undefined : EXIT.fault;
    this.unfinished = false;
    const count = this.beginElement(regs);
    const fuel = i32[(STATE + S.fuel) >> 2];
    const bounce = new Bounce(this.memory, table);
    let exit: number = EXIT.slow;
    // Each round serves one more access of the instruction; none has more than three.
    for (let round = 0; exit === EXIT.slow && round < 4; round++) {
      const address = view.getBigUint64(STATE + S.faultAddress, true);
      const bare = BigInt.asUintN(64 - this.tagBits, address);
      if (this.debugger !== null && this.noticed(regs, table, pc, Number(bare))) {
        exit = EXIT.debug;
        break;
      }
      const bad = bounce.serve(
        Number(bare),
        i32[(STATE + S.faultSize) >> 2],
        i32[(STATE + S.faultAccess) >> 2],
        Number((address ^ bare) >> 32n) | 0,
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
    if (!done && exit !== EXIT.debug && this.debugger !== null) this.debugger.hits.length = 0;
    const more = this.endElement(regs, count, done);
    if (!done) {
      if (exit === EXIT.slow)
        throw new Error(`accesses of ${this.translator.name} at ${pc.toString(16)} fight for a TLB slot`);
      return exit;
    }
    this.branched = exit !== EXIT.stop;
    this.preempts = exit === EXIT.preempt;
    if (exit === EXIT.stop) {
      this.unfinished = more;
      regs.pc = this.unfinished ? pc : pc + n;
    }
    for (const [from, to] of bounce.commit()) table.written(from, to - from);
    return EXIT.stop;
  }

  /** Tells the debugger of the access in STATE; whether to stop before it. */
  private noticed(regs: R, table: PageTable, pc: number, address: number): boolean {
    const { i32 } = this.memory;
    const size = i32[(STATE + S.faultSize) >> 2];
    const write = (i32[(STATE + S.faultAccess) >> 2] & 2) !== 0;
    const debug = this.debugger!;
    debug.watchPc = pc;
    let before = debug.accessed(table, address, size, write);
    // The TLB entry for this access serves another one of the same page: nobody asks about that.
    const also = write ? null : this.alsoReads(regs, size);
    if (also !== null && also - (also % PAGE) === address - (address % PAGE) && also !== address)
      before = debug.accessed(table, also, size, false) || before;
    return before;
  }

  /** What the instruction decoded last reads besides, as many bytes; null: nothing. */
  protected alsoReads(_regs: R, _size: number): number | null {
    return null;
  }

  /** A repeated instruction is to do one element; returns what `endElement` needs. */
  protected beginElement(_regs: R): bigint {
    return 0n;
  }
  /** It did (or could not); returns whether there are more to do. */
  protected endElement(_regs: R, _count: bigint, _done: boolean): boolean {
    return false;
  }

  private noteFault(): void {
    this.faultAddress = BigInt.asUintN(
      64 - this.tagBits,
      this.memory.view.getBigUint64(STATE + S.faultAddress, true),
    );
    this.faultAccess = this.memory.i32[(STATE + S.faultAccess) >> 2] & 3;
  }

  /** The last instruction done alone, or the one that stopped a run at watched memory, is a preemption point. */
  preempts = false;

  /** Executes exactly one instruction. Returns EXIT.stop when it retired, else its exit (with its effects, if any). */
  step(regs: R, table: PageTable): number {
    this.residents.activate(regs, table);
    regs.resumeGeneration = -1;
    this.retired = 0;
    this.preempts = false;
    const { i32 } = this.memory;
    const { pc } = regs;
    if (pc >= 2 ** 47) return EXIT.protection;
    if (pc & this.pcAlignment) {
      this.faultAddress = BigInt(pc);
      return EXIT.alignment;
    }
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
      i32[(STATE + S.fuel) >> 2] = -1;
      exit = this.runFrom(SINGLE);
      this.preempts = exit === EXIT.preempt;
      if (exit === EXIT.slow) {
        exit = this.stepSlowly(regs, table, i32[(STATE + S.exitRec) >> 2]);
      } else if (exit === EXIT.lookup || exit === EXIT.preempt) exit = EXIT.stop;
      else if (exit === EXIT.fault || exit === EXIT.alignment) this.noteFault();
      else if (exit === EXIT.stop || exit === EXIT.syscall || exit === EXIT.breakpoint) regs.pc = pc + n;
      i32[(STATE + S.simdPending) >> 2] = 0;
    } while (this.unfinished && !this.debugger?.hits.length);
    const done = exit === EXIT.stop || exit === EXIT.syscall || exit === EXIT.breakpoint;
    if (done && !this.unfinished) this.retired = 1;
    return exit;
  }
}

/**
 * Two cores side by side: each stretch is run by the first, undone, and run by the second from the same state. Where
 * they disagree it is gone through instruction by instruction, and the first one after which they differ is named.
 */
import { EXIT } from './layout.ts';
import { PageTable, type PageTableOwner } from './memory/page-table.ts';
import type { Memory } from './memory/memory.ts';
import type { CompilerStats } from './jit/compiler.ts';
import type { CpuCore } from './port.ts';
import type { TaskRegs } from './regs.ts';

/** What lockstep asks of a core. Both work in one memory, or are the same one run in two ways. */
export type LockstepCore = CpuCore & {
  /** Is told what becomes of page tables that are not the core's own. */
  readonly tables: PageTableOwner;
};
/** The first one can also go one instruction. */
export type SteppingCore = LockstepCore & { step(regs: TaskRegs, table: PageTable): number };

/** Instructions a stretch has at most: what must be gone through singly when it differs. */
const STRETCH = 4096;
/** Where it is narrowed down by halves: compiled loops are to get going in it. */
const STRETCH_ALIKE = 16_384;
/** Instructions of the smallest stretch that are named. */
const NAMED = 24;

/** Rounds of REP instructions the second core may need more than the first counts, in a stretch. */
const ROUNDS = 1_000_000;

/** The cores differ. The message names the instruction and what it left on each side. */
export class LockstepDifference extends Error {}

interface Snapshot {
  readonly block: Uint8Array;
  readonly regs: readonly bigint[];
  readonly fp: Uint8Array;
  readonly ranges: readonly (readonly [start: number, bytes: Uint8Array])[];
  /** Pages that can be written, by their frames. */
  readonly pages: ReadonlyMap<number, number>;
}

interface Result {
  readonly exit: number;
  readonly retired: number;
  readonly fault: string;
  readonly after: Snapshot;
  /** What the core counted: with rounds, if it counts those. */
  readonly counted: number;
}

export interface LockstepOptions {
  readonly first: SteppingCore;
  readonly second: LockstepCore;
  /** Registers by number, and bytes of the floating-point image. */
  readonly names: readonly string[];
  readonly fpBytes: number;
  /** The second core counts each round of a REP instruction: counts are not compared. */
  readonly countsRounds: boolean;
  /** Bytes of the image that are not compared, [from, to). */
  readonly fpIgnored: readonly (readonly [number, number])[];
  /** Both stop after the same instructions when they are given the same fuel, and only the first can go one by one. */
  readonly alike?: boolean;
  /** Called before each stretch: time stands still in it, so that both cores see the same. */
  readonly tick?: () => void;
  /** Bits of a register that the instruction with these bytes leaves undefined: the first core's are taken. */
  readonly undefinedFlags?: { readonly register: string; of(code: ArrayLike<number>): number };
}

/** A core that interprets and compiles, as one that only interprets: what its compiled code is held against. */
export function interpreterOf(cpu: SteppingCore & { interpret: SteppingCore['run'] }): SteppingCore {
  const nothing = (): void => undefined; // the core itself is told as well
  return {
    get memory() {
      return cpu.memory;
    },
    get retired() {
      return cpu.retired;
    },
    get faultAddress() {
      return cpu.faultAddress;
    },
    get faultAccess() {
      return cpu.faultAccess;
    },
    newRegs: () => cpu.newRegs(),
    newPageTable: () => cpu.newPageTable(),
    run: (regs, table, fuel) => cpu.interpret(regs, table, fuel),
    step: (regs, table) => cpu.step(regs, table),
    tables: {
      flush: nothing,
      codeChanged: nothing,
      codeRemapped: nothing,
      isCodeFrame: () => false,
      destroyed: nothing,
    },
  };
}

export class LockstepCpu implements CpuCore, PageTableOwner {
  readonly memory: Memory;
  retired = 0;
  private readonly options: LockstepOptions;

  constructor(options: LockstepOptions) {
    this.options = options;
    this.memory = options.first.memory;
  }

  get faultAddress(): bigint {
    return this.options.first.faultAddress;
  }
  get faultAccess(): number {
    return this.options.first.faultAccess;
  }

  newRegs(): TaskRegs {
    return this.options.first.newRegs();
  }
  newPageTable(): PageTable {
    return new PageTable(this.memory, this);
  }

  /** Of the core that compiles, if one does. */
  get compilerStats(): CompilerStats | null {
    return this.options.second.compilerStats ?? null;
  }

  // What page tables tell goes to both.
  added(table: PageTable, page: number): void {
    this.options.first.tables.added?.(table, page);
    this.options.second.tables.added?.(table, page);
  }
  flush(table: PageTable, page: number): void {
    this.options.first.tables.flush(table, page);
    this.options.second.tables.flush(table, page);
  }
  codeChanged(table: PageTable, start: number, end: number): void {
    this.options.first.tables.codeChanged(table, start, end);
    this.options.second.tables.codeChanged(table, start, end);
  }
  codeRemapped(table: PageTable, page: number): void {
    this.options.first.tables.codeRemapped(table, page);
    this.options.second.tables.codeRemapped(table, page);
  }
  isCodeFrame(frame: number): boolean {
    return this.options.first.tables.isCodeFrame(frame) || this.options.second.tables.isCodeFrame(frame);
  }
  abandoned(table: PageTable): void {
    this.options.first.tables.abandoned?.(table);
    this.options.second.tables.abandoned?.(table);
  }
  destroyed(table: PageTable): void {
    this.options.first.tables.destroyed(table);
    this.options.second.tables.destroyed(table);
  }

  run(regs: TaskRegs, table: PageTable, fuel: number): number {
    this.options.tick?.();
    const { alike } = this.options;
    const before = this.take(regs, table);
    const given = Math.min(fuel, alike ? STRETCH_ALIKE : STRETCH);
    const one = this.first(regs, table, given);
    this.put(regs, table, before);
    if (alike) {
      if (this.differences(one, this.alike(regs, table, given)).length > 0)
        this.narrow(regs, table, before, given);
    } else {
      const two = this.whole(regs, table, before, one, this.second(regs, table, one));
      if (this.differences(one, two).length > 0) {
        this.find(regs, table, before, one);
        this.put(regs, table, one.after);
      }
    }
    this.retired = one.retired;
    return one.exit;
  }

  /** A stretch on the second core that stops where the first one does. */
  private alike(regs: TaskRegs, table: PageTable, fuel: number): Result {
    const { second } = this.options;
    const exit = second.run(regs, table, fuel);
    const { retired } = second;
    return { exit, retired, fault: faultOf(second, exit), after: this.take(regs, table), counted: retired };
  }

  /** Looks for the least fuel with which the cores differ; names what ran behind the last place where they did not. */
  private narrow(regs: TaskRegs, table: PageTable, before: Snapshot, fuel: number): never {
    const differ = (given: number): { one: Result; lines: string[] } => {
      this.put(regs, table, before);
      const one = this.first(regs, table, given);
      this.put(regs, table, before);
      return { one, lines: this.differences(one, this.alike(regs, table, given)) };
    };
    let agreed = 0;
    let least = fuel;
    while (least - agreed > 1) {
      const middle = (agreed + least) >>> 1;
      if (differ(middle).lines.length > 0) least = middle;
      else agreed = middle;
    }
    const from = agreed > 0 ? differ(agreed).one : null;
    const { one, lines } = differ(least);
    if (lines.length === 0)
      throw new LockstepDifference(
        `the cores differ within ${one.retired} instructions from ${hex(before.regs[this.pcIndex])}, but not each time`,
      );
    this.put(regs, table, from?.after ?? before);
    const steps: string[] = [];
    const count = one.retired - (from?.retired ?? 0);
    for (let i = 0; i < Math.min(count + 1, NAMED); i++) {
      steps.push(this.instructionAt(table, regs.pc));
      if (this.options.first.step(regs, table) !== EXIT.stop) break;
    }
    const more = count + 1 > NAMED ? `\n  and ${count + 1 - NAMED} more` : '';
    throw new LockstepDifference(
      `the cores differ after one of these instructions:\n  ${steps.join('\n  ')}${more}\nin\n  ${lines.join('\n  ')}`,
    );
  }

  private first(regs: TaskRegs, table: PageTable, fuel: number): Result {
    const { first } = this.options;
    const exit = first.run(regs, table, fuel);
    const { retired } = first;
    return { exit, retired, fault: faultOf(first, exit), after: this.take(regs, table), counted: retired };
  }

  /**
   * The second core may have made half of a store that then faulted (Unicorn does, across pages). The state before that
   * instruction is what counts: it is run up to there again.
   */
  private whole(regs: TaskRegs, table: PageTable, before: Snapshot, one: Result, two: Result): Result {
    const { second } = this.options;
    if (one.exit !== EXIT.fault || two.exit !== EXIT.fault || this.differences(one, two).length === 0)
      return two;
    this.put(regs, table, before);
    for (let left = two.counted, idle = 0; left > 0 && idle < 8;) {
      second.run(regs, table, left);
      idle = second.retired === 0 ? idle + 1 : 0;
      left -= second.retired;
    }
    return { ...two, after: this.take(regs, table) };
  }

  /** As far as the first one went. */
  private second(regs: TaskRegs, table: PageTable, one: Result): Result {
    const { second } = this.options;
    let retired = 0;
    let exit: number = EXIT.preempt;
    // An instruction that ends the stretch may not count: one more is tried then.
    const budget = one.exit === EXIT.preempt ? one.retired : one.retired + 1;
    // It may come back without having got anywhere (a page was missing).
    for (let idle = 0; exit === EXIT.preempt && retired < budget && idle < 8;) {
      exit = second.run(regs, table, budget - retired);
      idle = second.retired === 0 ? idle + 1 : 0;
      retired += second.retired;
    }
    let counted = retired;
    if (this.options.countsRounds) {
      for (let k = 0; exit === EXIT.preempt && k < ROUNDS; k++) {
        if (one.exit === EXIT.preempt && one.after.regs.every((v, i) => regs.get(i) === v)) break;
        exit = second.run(regs, table, 1);
        counted += second.retired;
      }
    }
    exit = reached(one.exit, exit, this.options.countsRounds || retired === one.retired);
    return { exit, retired, fault: faultOf(second, exit), after: this.take(regs, table), counted };
  }

  /** Goes through a stretch instruction by instruction; throws at the first one that differs in what is defined. */
  private find(regs: TaskRegs, table: PageTable, before: Snapshot, stretch: Result): void {
    const { first, second } = this.options;
    this.put(regs, table, before);
    let at = before;
    for (let i = 0; i <= stretch.retired; i++) {
      const { pc } = regs;
      const exit = first.step(regs, table);
      const stepped = exit === EXIT.stop ? EXIT.preempt : exit;
      const one: Result = { exit: stepped, retired: 1, fault: faultOf(first, exit), after: this.take(regs, table), counted: 1 };
      this.put(regs, table, at);
      let other = second.run(regs, table, 1);
      let counted = second.retired;
      const again = (): boolean =>
        second.retired === 0 || (this.options.countsRounds && regs.pc === pc && one.after.regs[this.pcIndex] !== BigInt(pc));
      for (let k = 0; k < ROUNDS && other === EXIT.preempt && again(); k++) {
        other = second.run(regs, table, 1);
        counted += second.retired;
      }
      other = reached(stepped, other, regs.pc !== pc);
      const result = { exit: other, retired: 1, fault: faultOf(second, other), after: this.take(regs, table), counted };
      const two = this.whole(regs, table, at, one, result);
      const lines = this.differences(one, two);
      if (lines.length > 0 && !this.undefinedOnly(table, pc, one, two))
        throw new LockstepDifference(this.describe(table, pc, lines));
      this.put(regs, table, one.after);
      at = one.after;
      if (stepped !== EXIT.preempt || i + 1 === stretch.retired) {
        // What went on from undefined flags may differ at the end of the stretch, but not from the first core's run.
        if (this.differences({ ...one, exit: stretch.exit, fault: stretch.fault, retired: stretch.retired }, stretch).length === 0) return;
        if (stepped !== EXIT.preempt) break;
      }
    }
    throw new LockstepDifference(
      `the cores differ after ${stretch.retired} instructions from 0x${Number(before.regs[this.pcIndex]).toString(16)}, but not when each is run alone`,
    );
  } // prettier-ignore

  private get pcIndex(): number {
    return Math.max(this.options.names.indexOf('rip'), this.options.names.indexOf('pc'));
  }

  /** Whether two results of one instruction differ in nothing but flags it leaves undefined. */
  private undefinedOnly(table: PageTable, pc: number, one: Result, two: Result): boolean {
    const loose = this.options.undefinedFlags;
    if (!loose) return false;
    const i = this.options.names.indexOf(loose.register);
    const defined = ~BigInt(loose.of(this.code(table, pc)));
    if ((one.after.regs[i] & defined) !== (two.after.regs[i] & defined)) return false;
    const regs = two.after.regs.with(i, one.after.regs[i]);
    return this.differences(one, { ...two, after: { ...two.after, regs } }).length === 0;
  }

  /** Up to 15 bytes, as far as they are mapped. */
  private code(table: PageTable, pc: number): number[] {
    const bytes: number[] = [];
    for (let i = 0; i < 15; i++) {
      const frame = table.frame(pc + i - ((pc + i) % 4096));
      if (frame < 0) break;
      bytes.push(this.memory.u8[frame + ((pc + i) % 4096)]);
    }
    return bytes;
  }

  private instructionAt(table: PageTable, pc: number): string {
    const bytes = this.code(table, pc).map((b) => b.toString(16).padStart(2, '0'));
    return `0x${pc.toString(16)} (${bytes.join(' ')})`;
  }

  private describe(table: PageTable, pc: number, lines: readonly string[]): string {
    return `the cores differ after the instruction at ${this.instructionAt(table, pc)}:\n  ${lines.join('\n  ')}`;
  }

  /** Registers, and the pages of this address space that can be written. */
  private take(regs: TaskRegs, table: PageTable): Snapshot {
    const { names, fpBytes } = this.options;
    const fp = new Uint8Array(fpBytes);
    regs.saveFp(fp);
    const ranges: [number, Uint8Array][] = [];
    let start = -1;
    let end = -1;
    const flush = (): void => {
      if (start >= 0) ranges.push([start, this.memory.u8.slice(start, end)]);
    };
    const pages = new Map<number, number>();
    table.forEach(0, 2 ** 47, (page, frame, prot) => {
      if (prot & 2) pages.set(frame, page);
    });
    for (const frame of [...pages.keys()].sort((a, b) => a - b)) {
      if (frame !== end) {
        flush();
        start = frame;
      }
      end = frame + 4096;
    }
    flush();
    return { block: regs.save(), regs: names.map((_, i) => regs.get(i)), fp, ranges, pages };
  }

  private put(regs: TaskRegs, table: PageTable, s: Snapshot): void {
    regs.load(s.block);
    for (const [start, bytes] of s.ranges) {
      for (let at = 0; at < bytes.length; at += 4096) {
        const page = bytes.subarray(at, at + 4096);
        const frame = start + at;
        if (!this.isCodeFrame(frame)) this.memory.u8.set(page, frame);
        else if (firstDifference(page, this.memory.u8.subarray(frame, frame + 4096)) >= 0) {
          // What was decoded meanwhile came from other bytes.
          this.memory.u8.set(page, frame);
          const address = s.pages.get(frame)!;
          this.codeChanged(table, address, address + 1);
        }
      }
    }
  }

  private differences(one: Result, two: Result): string[] {
    const { names, fpIgnored } = this.options;
    const out: string[] = [];
    if (one.exit !== two.exit) out.push(`ends by ${exitName(one.exit)} and by ${exitName(two.exit)}`);
    else if (one.fault !== two.fault) out.push(`faults at ${one.fault} and at ${two.fault}`);
    if (!this.options.countsRounds && one.retired !== two.retired)
      out.push(`${one.retired} and ${two.retired} instructions`);
    names.forEach((name, i) => {
      const [a, b] = [one.after.regs[i], two.after.regs[i]];
      if (a !== b) out.push(`${name}: ${hex(a)} and ${hex(b)}`);
    });
    one.after.fp.forEach((byte, i) => {
      if (byte === two.after.fp[i] || fpIgnored.some(([from, to]) => i >= from && i < to)) return;
      out.push(`floating-point image byte ${i}: ${hex(byte)} and ${hex(two.after.fp[i])}`);
    });
    one.after.ranges.forEach(([start, bytes], k) => {
      const other = two.after.ranges[k][1];
      const i = firstDifference(bytes, other);
      if (i < 0) return;
      out.push(`memory (frame ${hex(start + i - (i % 4096))} + ${hex(i % 4096)}): ${hex(bytes[i])} and ${hex(other[i])}`);
    });
    return out.slice(0, 12);
  } // prettier-ignore
}

const hex = (v: bigint | number): string => `0x${v.toString(16)}`;

/** Of two runs of bytes of one length, both multiples of four and aligned so; −1: they are equal. */
function firstDifference(one: Uint8Array, two: Uint8Array): number {
  const [a, b] = [one, two].map((x) => new Int32Array(x.buffer, x.byteOffset, x.length >> 2));
  for (let i = 0; i < a.length; i++)
    if (a[i] !== b[i]) return one.findIndex((byte, n) => n >= 4 * i && byte !== two[n]);
  return -1;
}

/** A core may look at the instruction behind its last one already, and fail to: it got as far as it was to. */
const reached = (first: number, second: number, all: boolean): number =>
  first === EXIT.preempt && second === EXIT.fault && all ? EXIT.preempt : second;

/** Where, and whether it was a fetch: of a read-modify-write one core says that it cannot be read, another written. */
const faultOf = (core: CpuCore, exit: number): string =>
  exit === EXIT.fault ? `0x${core.faultAddress.toString(16)}${core.faultAccess === 4 ? ' (fetch)' : ''}` : '';

const exitName = (exit: number): string =>
  Object.entries(EXIT).find(([, v]) => v === exit)?.[0] ?? String(exit);

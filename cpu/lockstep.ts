/**
 * Two cores side by side: each stretch is run by the first, undone, and run by the second from the same state. Where
 * they disagree it is gone through instruction by instruction, and the first one after which they differ is named.
 */
import { EXIT } from './layout.ts';
import { PageTable, type PageTableOwner } from './memory/page-table.ts';
import type { Memory } from './memory/memory.ts';
import type { CpuCore } from './port.ts';
import type { TaskRegs } from './regs.ts';

/** What lockstep asks of a core. Both work in one memory. */
export type LockstepCore = CpuCore & PageTableOwner;
/** The first one can also go one instruction. */
export type SteppingCore = LockstepCore & { step(regs: TaskRegs, table: PageTable): number };

/** Instructions a stretch has at most: what must be gone through singly when it differs. */
const STRETCH = 4096;

/** Rounds of REP instructions the second core may need more than the first counts, in a stretch. */
const ROUNDS = 1_000_000;

/** The cores differ. The message names the instruction and what it left on each side. */
export class LockstepDifference extends Error {}

interface Snapshot {
  readonly regs: readonly bigint[];
  readonly fp: Uint8Array;
  readonly ranges: readonly (readonly [start: number, bytes: Uint8Array])[];
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
  /** Called before each stretch: time stands still in it, so that both cores see the same. */
  readonly tick?: () => void;
  /** Bits of a register that the instruction with these bytes leaves undefined: the first core's are taken. */
  readonly undefinedFlags?: { readonly register: string; of(code: ArrayLike<number>): number };
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

  // What page tables tell goes to both.
  flush(table: PageTable, page: number): void {
    this.options.first.flush(table, page);
    this.options.second.flush(table, page);
  }
  codeChanged(table: PageTable, start: number, end: number): void {
    this.options.first.codeChanged(table, start, end);
    this.options.second.codeChanged(table, start, end);
  }
  codeRemapped(table: PageTable, page: number): void {
    this.options.first.codeRemapped(table, page);
    this.options.second.codeRemapped(table, page);
  }
  isCodeFrame(frame: number): boolean {
    return this.options.first.isCodeFrame(frame) || this.options.second.isCodeFrame(frame);
  }
  destroyed(table: PageTable): void {
    this.options.first.destroyed(table);
    this.options.second.destroyed(table);
  }

  run(regs: TaskRegs, table: PageTable, fuel: number): number {
    this.options.tick?.();
    const before = this.take(regs, table);
    const one = this.first(regs, table, Math.min(fuel, STRETCH));
    this.put(regs, before);
    const two = this.whole(regs, table, before, one, this.second(regs, table, one));
    if (this.differences(one, two).length > 0) {
      this.find(regs, table, before, one);
      this.put(regs, one.after);
    }
    this.retired = one.retired;
    return one.exit;
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
    this.put(regs, before);
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
    this.put(regs, before);
    let at = before;
    for (let i = 0; i <= stretch.retired; i++) {
      const { pc } = regs;
      const exit = first.step(regs, table);
      const stepped = exit === EXIT.stop ? EXIT.preempt : exit;
      const one: Result = { exit: stepped, retired: 1, fault: faultOf(first, exit), after: this.take(regs, table), counted: 1 };
      this.put(regs, at);
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
      this.put(regs, one.after);
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

  private describe(table: PageTable, pc: number, lines: readonly string[]): string {
    const bytes = this.code(table, pc).map((b) => b.toString(16).padStart(2, '0'));
    return `the cores differ after the instruction at 0x${pc.toString(16)} (${bytes.join(' ')}):\n  ${lines.join('\n  ')}`;
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
    const frames: number[] = [];
    table.forEach(0, 2 ** 47, (_page, frame, prot) => {
      if (prot & 2) frames.push(frame);
    });
    for (const frame of frames.sort((a, b) => a - b)) {
      if (frame >= start && frame < end) continue; // mapped twice
      if (frame !== end) {
        flush();
        start = frame;
      }
      end = frame + 4096;
    }
    flush();
    return { regs: names.map((_, i) => regs.get(i)), fp, ranges };
  }

  private put(regs: TaskRegs, s: Snapshot): void {
    s.regs.forEach((v, i) => {
      regs.set(i, v);
    });
    regs.loadFp(s.fp);
    for (const [start, bytes] of s.ranges) this.memory.u8.set(bytes, start);
  }

  private differences(one: Result, two: Result): string[] {
    const { names, fpIgnored } = this.options;
    const out: string[] = [];
    const hex = (v: bigint | number): string => `0x${v.toString(16)}`;
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
      if (bytes.length === other.length && bytes.every((b, i) => b === other[i])) return;
      const i = bytes.findIndex((b, n) => b !== other[n]);
      out.push(`memory (frame ${hex(start + i - (i % 4096))} + ${hex(i % 4096)}): ${hex(bytes[i])} and ${hex(other[i])}`);
    });
    return out.slice(0, 12);
  } // prettier-ignore
}

/** A core may look at the instruction behind its last one already, and fail to: it got as far as it was to. */
const reached = (first: number, second: number, all: boolean): number =>
  first === EXIT.preempt && second === EXIT.fault && all ? EXIT.preempt : second;

/** Where, and whether it was a fetch: of a read-modify-write one core says that it cannot be read, another written. */
const faultOf = (core: CpuCore, exit: number): string =>
  exit === EXIT.fault ? `0x${core.faultAddress.toString(16)}${core.faultAccess === 4 ? ' (fetch)' : ''}` : '';

const exitName = (exit: number): string =>
  Object.entries(EXIT).find(([, v]) => v === exit)?.[0] ?? String(exit);

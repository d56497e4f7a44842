/** A task's registers: a block of linear memory laid out as the cpu state, wherever it lies now. */
import type { Memory } from './memory/memory.ts';
import { OutOfMemory } from './memory/page-table.ts';

export abstract class TaskRegs {
  /** Linear address of the block: its own, or the cpu's state while it runs. Managed by the cpu. */
  base: number;
  readonly home: number;
  protected readonly memory: Memory;
  private readonly onRelease: (regs: TaskRegs) => void;
  /** Where to go on inside a block after a fault was handled: record and the code generation it belongs to. */
  resumeRec = 0;
  resumeGeneration = -1;

  constructor(memory: Memory, home: number, onRelease: (regs: TaskRegs) => void) {
    this.memory = memory;
    this.home = home;
    this.base = home;
    this.onRelease = onRelease;
    this.reset();
  }

  /** Bytes of the block. */
  protected abstract readonly size: number;
  /** Linear address of register `i`, 8 bytes; −1 for one that is computed (`getFlags`). */
  protected abstract at(i: number): number;
  protected abstract getFlags(): number;
  protected abstract setFlags(v: number): void;
  abstract reset(): void;
  abstract saveFp(out: Uint8Array): void;
  abstract loadFp(image: Uint8Array): void;
  abstract pc: number;
  abstract sp: number;
  /** Floating point rounds and flushes as the host does, and its sticky flag for inexact results is set. */
  abstract readonly settled: boolean;

  get(i: number): bigint {
    const at = this.at(i);
    return at < 0 ? BigInt(this.getFlags()) : this.memory.view.getBigUint64(at, true);
  }

  set(i: number, value: bigint): void {
    const at = this.at(i);
    if (at < 0) this.setFlags(Number(BigInt.asUintN(32, value)));
    else this.memory.view.setBigUint64(at, BigInt.asUintN(64, value), true);
  }

  num(i: number): number {
    const at = this.at(i);
    if (at < 0) return this.getFlags();
    const { i32 } = this.memory;
    return (i32[(at >>> 2) + 1] >>> 0) * 4294967296 + (i32[at >>> 2] >>> 0);
  }

  setNum(i: number, value: number): void {
    const at = this.at(i);
    if (at < 0) {
      this.setFlags(value);
      return;
    }
    const { i32 } = this.memory;
    i32[at >>> 2] = value | 0;
    i32[(at >>> 2) + 1] = Math.floor(value / 4294967296) | 0;
  }

  lo(i: number): number {
    const at = this.at(i);
    return at < 0 ? this.getFlags() : this.memory.i32[at >>> 2];
  }
  hi(i: number): number {
    const at = this.at(i);
    return at < 0 ? 0 : this.memory.i32[(at >>> 2) + 1];
  }

  protected field(offset: number): number {
    return this.memory.i32[(this.base + offset) >>> 2];
  }
  protected setField(offset: number, value: number): void {
    this.memory.i32[(this.base + offset) >>> 2] = value;
  }

  copyFrom(other: this): void {
    this.memory.u8.copyWithin(this.base, other.base, other.base + this.size);
  }

  /** Everything there is, also what no register shows (pending flags, the exclusive monitor). */
  save(): Uint8Array {
    return this.memory.u8.slice(this.base, this.base + this.size);
  }
  load(saved: Uint8Array): void {
    this.memory.u8.set(saved, this.base);
  }

  release(): void {
    this.onRelease(this);
  }
}

const FRAME = 4096;

/** Linear memory for the registers of tasks that do not run, several blocks to a frame. */
export class RegisterBlocks {
  private readonly memory: Memory;
  private readonly free: number[] = [];

  constructor(memory: Memory) {
    this.memory = memory;
  }

  /** Address of a block of `size` bytes, always the same size. Throws OutOfMemory. */
  take(size: number): number {
    const known = this.free.pop();
    if (known !== undefined) return known;
    const frame = this.memory.alloc(1);
    if (frame < 0) throw new OutOfMemory();
    for (let at = frame + size; at + size <= frame + FRAME; at += size) this.free.push(at);
    return frame;
  }

  give(block: number): void {
    this.free.push(block);
  }

  save(): readonly number[] {
    return [...this.free];
  }
  load(free: readonly number[]): void {
    this.free.splice(0, this.free.length, ...free);
  }
}

/** Runs the same cases on Unicorn and on the interpreter, and compares everything a program could see. */
import {
  A64Cpu,
  UnicornA64Cpu,
  UnicornX86Cpu,
  X86Cpu,
  type CpuCore,
  type UnicornModule,
} from '../../cpu/index.ts';
import { loadA64Core, loadCore } from '../../src/host/core-files.ts';
import { CODE, CoreRig, DATA, PAGE, STACK } from '../cpu/rig.ts';
import * as a64 from './a64-cases.ts';
import * as x86 from './x86-cases.ts';

const memoryBytes = 16 << 20;
const codeBytes = 4 << 20;
const INT3 = 0xcc;
const BRK = 0xd4200000;

/** A place in a state, by the name it has in a difference. */
interface Part {
  readonly name: string;
  readonly at: number;
  readonly size: number;
}
const parts = (name: string, count: number, at: number, size: number, step = size): Part[] =>
  Array.from({ length: count }, (_, i) => ({ name: `${name}${i}`, at: at + step * i, size }));

const X86_PARTS: readonly Part[] = [
  ...parts('r', 16, x86.AT.gpr, 8),
  { name: 'rflags', at: x86.AT.rflags, size: 8 },
  { name: 'rip', at: x86.AT.rip, size: 8 },
  { name: 'fpu control', at: x86.AT.fx, size: 2 },
  { name: 'fpu status', at: x86.AT.fx + 2, size: 2 },
  { name: 'fpu tags', at: x86.AT.fx + 4, size: 1 },
  { name: 'mxcsr', at: x86.AT.fx + 24, size: 4 },
  ...parts('st', 8, x86.AT.fx + 32, 10, 16),
  ...parts('xmm', 16, x86.AT.fx + 160, 16),
  ...parts('data', x86.DATA_BYTES / 16, x86.AT.data, 16),
  ...parts('stack', x86.STACK_BYTES / 8, x86.AT.stack, 8),
];
const A64_PARTS: readonly Part[] = [
  ...parts('x', 31, a64.AT.x, 8),
  { name: 'sp', at: a64.AT.sp, size: 8 },
  { name: 'nzcv', at: a64.AT.nzcv, size: 8 },
  { name: 'pc', at: a64.AT.pc, size: 8 },
  { name: 'fpcr', at: a64.AT.fpcr, size: 4 },
  { name: 'fpsr', at: a64.AT.fpsr, size: 4 },
  ...parts('v', 32, a64.AT.v, 16),
  ...parts('data', a64.DATA_BYTES / 16, a64.AT.data, 16),
];

/** One core with the cases' memory, and how a state goes in and comes out. */
abstract class CaseRig<C extends CpuCore> extends CoreRig<C> {
  constructor(cpu: C) {
    super(cpu);
    this.map(CODE, 1, 7);
    this.map(DATA, 2, 3);
    this.map(STACK, 2, 3);
  }
  abstract load(code: Uint8Array): void;
  protected abstract put(state: Uint8Array): void;
  protected abstract take(state: Uint8Array): void;

  /** Runs what is loaded from `input`; returns the exit, and leaves the state in `out`. */
  go(input: Uint8Array, out: Uint8Array): string {
    this.put(input);
    this.regs.pc = CODE;
    let exit = 'preempt';
    // A core may come back before it got anywhere, when a page was missing.
    for (let i = 0; exit === 'preempt' && i < 8; i++) exit = this.run(1000);
    this.take(out);
    return exit;
  }
  protected bytes(address: number, length: number): Uint8Array {
    const at = this.table.frame(address - (address % PAGE)) + (address % PAGE);
    return this.cpu.memory.u8.subarray(at, at + length);
  }
}

class X86Rig<C extends CpuCore> extends CaseRig<C> {
  private readonly data = this.bytes(DATA, x86.DATA_BYTES);
  private readonly stack = this.bytes(x86.RSP - x86.STACK_BYTES / 2, x86.STACK_BYTES / 2);
  private readonly stackEnd = this.bytes(x86.RSP, x86.STACK_BYTES / 2);

  load(code: Uint8Array): void {
    this.poke(CODE, [...code, ...new Uint8Array(16).fill(INT3)]);
  }
  protected put(s: Uint8Array): void {
    const v = new DataView(s.buffer, s.byteOffset, x86.STATE_BYTES);
    for (let i = 0; i < 16; i++) this.regs.set(i, v.getBigUint64(x86.AT.gpr + 8 * i, true));
    this.regs.set(17, v.getBigUint64(x86.AT.rflags, true));
    this.regs.loadFp(s.subarray(x86.AT.fx, x86.AT.fx + 512));
    const half = x86.STACK_BYTES / 2;
    this.data.set(s.subarray(x86.AT.data, x86.AT.data + x86.DATA_BYTES));
    this.stack.set(s.subarray(x86.AT.stack, x86.AT.stack + half));
    this.stackEnd.set(s.subarray(x86.AT.stack + half, x86.AT.stack + 2 * half));
  }
  protected take(s: Uint8Array): void {
    const v = new DataView(s.buffer, s.byteOffset, x86.STATE_BYTES);
    for (let i = 0; i < 16; i++) v.setBigUint64(x86.AT.gpr + 8 * i, this.regs.get(i), true);
    v.setBigUint64(x86.AT.rflags, this.regs.get(17), true);
    v.setBigUint64(x86.AT.rip, BigInt(this.regs.pc), true);
    this.regs.saveFp(s.subarray(x86.AT.fx, x86.AT.fx + 512));
    s.set(this.data, x86.AT.data);
    s.set(this.stack, x86.AT.stack);
    s.set(this.stackEnd, x86.AT.stack + x86.STACK_BYTES / 2);
  }
}

class A64Rig<C extends CpuCore> extends CaseRig<C> {
  private readonly pages = this.bytes(DATA, PAGE);
  private readonly pagesEnd = this.bytes(DATA + PAGE, PAGE);
  private readonly fp = new Uint8Array(528);

  constructor(cpu: C) {
    super(cpu);
    this.poke(CODE + 256, new Uint8Array(Uint32Array.from({ length: 32 }, (_, i) => 0x01234567 * (i + 1)).buffer)); // prettier-ignore
  }
  load(code: Uint8Array): void {
    this.poke(CODE, [...code, ...new Uint8Array(Uint32Array.of(BRK, BRK).buffer)]);
  }
  protected put(s: Uint8Array): void {
    const v = new DataView(s.buffer, s.byteOffset, a64.STATE_BYTES);
    for (let i = 0; i < 32; i++) this.regs.set(i, v.getBigUint64(a64.AT.x + 8 * i, true));
    this.regs.set(33, v.getBigUint64(a64.AT.nzcv, true));
    const f = new DataView(this.fp.buffer);
    f.setUint32(0, v.getUint32(a64.AT.fpsr, true), true);
    f.setUint32(4, v.getUint32(a64.AT.fpcr, true), true);
    this.fp.set(s.subarray(a64.AT.v, a64.AT.v + 512), 16);
    this.regs.loadFp(this.fp);
    this.pages.fill(0);
    this.pagesEnd.fill(0);
    const half = a64.DATA_BYTES / 2;
    this.pages.set(s.subarray(a64.AT.data, a64.AT.data + half), PAGE - half);
    this.pagesEnd.set(s.subarray(a64.AT.data + half, a64.AT.data + 2 * half));
  }
  protected take(s: Uint8Array): void {
    const v = new DataView(s.buffer, s.byteOffset, a64.STATE_BYTES);
    for (let i = 0; i < 32; i++) v.setBigUint64(a64.AT.x + 8 * i, this.regs.get(i), true);
    v.setBigUint64(a64.AT.nzcv, this.regs.get(33), true);
    v.setBigUint64(a64.AT.pc, BigInt(this.regs.pc), true);
    this.regs.saveFp(this.fp);
    const f = new DataView(this.fp.buffer);
    v.setUint32(a64.AT.fpsr, f.getUint32(0, true), true);
    v.setUint32(a64.AT.fpcr, f.getUint32(4, true), true);
    s.set(this.fp.subarray(16), a64.AT.v);
    const half = a64.DATA_BYTES / 2;
    s.set(this.pages.subarray(PAGE - half), a64.AT.data);
    s.set(this.pagesEnd.subarray(0, half), a64.AT.data + half);
  }
}

/** What differs: the part's name, Unicorn's value and ours. */
export interface Difference {
  readonly part: string;
  readonly unicorn: string;
  readonly ours: string;
}

export class Tandem {
  private readonly ours: CaseRig<CpuCore>;
  private readonly unicorn: CaseRig<CpuCore>;
  private readonly parts: readonly Part[];
  private readonly states: readonly [Uint8Array, Uint8Array];

  constructor(arch: 'x86_64' | 'aarch64', unicorn: UnicornModule) {
    const x = arch === 'x86_64';
    this.parts = x ? X86_PARTS : A64_PARTS;
    this.ours = x
      ? new X86Rig(new X86Cpu({ ...loadCore(), memoryBytes, codeBytes }))
      : new A64Rig(new A64Cpu({ ...loadA64Core(), memoryBytes, codeBytes }));
    this.unicorn = x
      ? new X86Rig(new UnicornX86Cpu({ unicorn, memoryBytes }))
      : new A64Rig(new UnicornA64Cpu({ unicorn, memoryBytes }));
    const bytes = x ? x86.STATE_BYTES : a64.STATE_BYTES;
    this.states = [new Uint8Array(bytes), new Uint8Array(bytes)];
  }

  /** A state that is all zero but for the parts given by name, and for what a program starts with. */
  state(set: Readonly<Record<string, bigint>>): Uint8Array {
    const out = new Uint8Array(this.states[0].length);
    const start: Record<string, bigint> =
      this.parts === X86_PARTS
        ? { rflags: 0x202n, 'fpu control': 0x37fn, mxcsr: 0x1f80n, r4: BigInt(x86.RSP) }
        : {};
    for (const [name, value] of Object.entries({ ...start, ...set })) {
      const part = this.parts.find((p) => p.name === name);
      if (!part) throw new Error(`a state has no ${name}`);
      for (let i = 0; i < part.size; i++) out[part.at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    }
    return out;
  }

  load(code: Uint8Array): void {
    this.ours.load(code);
    this.unicorn.load(code);
  }

  run(input: Uint8Array): Difference[] {
    const [a, b] = this.states;
    const [unicorn, ours] = [this.unicorn.go(input, a), this.ours.go(input, b)];
    if (unicorn !== ours) return [{ part: 'exit', unicorn, ours }];
    if (a.every((byte, i) => byte === b[i])) return [];
    const hex = (s: Uint8Array, p: Part): string =>
      Buffer.from(s.slice(p.at, p.at + p.size))
        .reverse()
        .toString('hex');
    return this.parts.flatMap((p) => {
      const [x, y] = [hex(a, p), hex(b, p)];
      return x === y ? [] : [{ part: p.name, unicorn: x, ours: y }];
    });
  }
}

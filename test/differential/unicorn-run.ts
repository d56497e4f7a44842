/** Runs the same cases on Unicorn and on the interpreter, and compares everything a program could see. */
import { EXIT, UnicornA64Cpu, UnicornX86Cpu, type UnicornModule } from '../../cpu/index.ts';
import { A64Target } from './a64-target.ts';
import type { A64Case } from './a64-generate.ts';
import type { Case, Field, Target } from './runner.ts';
import type { X86Case } from './x86-generate.ts';
import { X86Target } from './x86-target.ts';

const memoryBytes = 16 << 20;
const REGS = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
];

/** Names as unicorn-deviations.ts has them; null: not compared (the exit says it, or Unicorn has none). */
function partName({ name }: Field): string | null {
  if (/^(signal|fault address|x87 opcode)/.test(name)) return null;
  if (name.startsWith('zone+')) return `data${Number(name.slice(5)) / 16}`;
  const reg = REGS.indexOf(name);
  return reg >= 0 ? `r${reg}` : name.replace('x87', 'fpu');
}

/** What differs: the part's name, Unicorn's value and ours. */
export interface Difference {
  readonly part: string;
  readonly unicorn: string;
  readonly ours: string;
}

const exitName = (exit: number): string =>
  Object.entries(EXIT).find(([, n]) => n === exit)?.[0] ?? String(exit);

export class Tandem<C extends Case> {
  private readonly ours: Target<C>;
  private readonly unicorn: Target<C>;
  private readonly parts: readonly { readonly name: string; readonly at: number; readonly size: number }[];
  private readonly states: readonly [Uint8Array, Uint8Array];

  constructor(ours: Target<C>, unicorn: Target<C>) {
    this.ours = ours;
    this.unicorn = unicorn;
    this.parts = ours.fields.flatMap((f) => {
      const name = partName(f);
      return name === null ? [] : [{ name, at: f.at, size: f.bytes }];
    });
    this.states = [new Uint8Array(ours.stateBytes), new Uint8Array(ours.stateBytes)];
  }

  /** A state that is all zero but for the parts given by name. */
  state(set: Readonly<Record<string, bigint>>): Uint8Array {
    const out = new Uint8Array(this.ours.stateBytes);
    for (const [name, value] of Object.entries(set)) {
      const part = this.parts.find((p) => p.name === name);
      if (!part) throw new Error(`a state has no ${name}`);
      for (let i = 0; i < part.size; i++) out[part.at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    }
    return out;
  }

  load(c: C): void {
    for (const t of [this.ours, this.unicorn]) {
      t.reset();
      t.load(c);
    }
  }

  run(input: Uint8Array): Difference[] {
    const [a, b] = this.states;
    const [unicorn, ours] = [this.unicorn.run(input, a), this.ours.run(input, b)].map(exitName);
    if (unicorn !== ours) return [{ part: 'exit', unicorn, ours }];
    if (a.every((byte, i) => byte === b[i])) return [];
    const hex = (s: Uint8Array, at: number, size: number): string =>
      Buffer.from(s.slice(at, at + size))
        .reverse()
        .toString('hex');
    // A store across pages may have written its first part: unicorn.test.ts has a test of that.
    const memory = ours !== 'fault';
    return this.parts.flatMap(({ name, at, size }) => {
      if (!memory && name.startsWith('data')) return [];
      const [x, y] = [hex(a, at, size), hex(b, at, size)];
      return x === y ? [] : [{ part: name, unicorn: x, ours: y }];
    });
  }
}

export const x86Tandem = (unicorn: UnicornModule): Tandem<X86Case> =>
  new Tandem(new X86Target(), new X86Target(new UnicornX86Cpu({ unicorn, memoryBytes })));
export const a64Tandem = (unicorn: UnicornModule): Tandem<A64Case> =>
  new Tandem(new A64Target(), new A64Target(new UnicornA64Cpu({ unicorn, memoryBytes })));

/**
 * Generated instructions, on an oracle and on the cpu alone (no kernel): both start from the same states and must end
 * in the same ones. What differs is either forgiven by an entry of tolerances.ts, and counted, or a failure.
 */
import type { Random } from '../support/random.ts';
import { encode, execute, type Oracle, type Test } from './driver.ts';

/** A generated test. */
export interface Case extends Test {
  /** The definition's name; a sequence's names. */
  readonly name: string;
  readonly family: string;
  /** Instructions a run executes if it goes right through. */
  readonly instructions: number;
}

/** Part of a state, for people and for tolerances. */
export interface Field {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}

/** An architecture's cpu behind the driver's layout. */
export interface Target<C extends Case> {
  readonly stateBytes: number;
  readonly fields: readonly Field[];
  /** Bits of the state that mean anything, by 32-bit words: −1 or part of one. */
  readonly meaning: (c: C) => Int32Array;
  /** Draws a state, all zero until now, at word `at`. */
  draw(c: C, states: Int32Array, at: number, r: Random): void;
  /** Memory as the driver has it when it starts. */
  reset(): void;
  load(c: C): void;
  /** Runs what was loaded from `before`; `after` gets the state as the driver would write it. Returns the cpu's EXIT. */
  run(before: Uint8Array, after: Uint8Array): number;
  listing(c: C): string;
}

/** One execution that went differently. */
export interface Difference<C extends Case> {
  readonly c: C;
  readonly before: DataView;
  readonly theirs: DataView;
  /** A tolerance changes it to what it forgives. */
  readonly ours: DataView;
}

/** A known difference between an oracle and the cpu. */
export interface Tolerance<C extends Case> {
  readonly id: string;
  readonly applies: (c: C) => boolean;
  /** Takes over into `ours` what of `theirs` is as good. */
  readonly forgive: (d: Difference<C>) => void;
}

export interface Outcome {
  /** Executions, and instructions in them. */
  runs: number;
  instructions: number;
  readonly byFamily: Map<string, number>;
  /** Executions that a tolerance forgave. */
  readonly forgiven: Map<string, number>;
  readonly failures: string[];
  wrong: number;
  /** The case the last failure is of: one of each is enough. */
  shown: Case | null;
}

export const newOutcome = (): Outcome => ({
  runs: 0,
  instructions: 0,
  byFamily: new Map(),
  forgiven: new Map(),
  failures: [],
  wrong: 0,
  shown: null,
});

const count = (m: Map<string, number>, key: string, n: number): void => {
  m.set(key, (m.get(key) ?? 0) + n);
};

const copyOf = (v: DataView): DataView =>
  new DataView(v.buffer.slice(v.byteOffset, v.byteOffset + v.byteLength) as ArrayBuffer);

/** 0 where two states mean the same, else a number for how they differ. */
function fingerprint(d: Pick<Difference<Case>, 'theirs' | 'ours'>, meaning: Int32Array): number {
  let h = 0;
  for (let w = 0; w < meaning.length; w++) {
    const x = (d.theirs.getInt32(4 * w, true) ^ d.ours.getInt32(4 * w, true)) & meaning[w];
    if (x !== 0) h = (Math.imul(h, 0x01000193) ^ x ^ (w << 20)) | 1;
  }
  return h;
}

/** Failures that are described in full. */
const SHOWN = 8;

export class Runner<C extends Case> {
  readonly oracle: Oracle;
  readonly target: Target<C>;
  private readonly tolerances: readonly Tolerance<C>[];
  private readonly after: Uint8Array;

  constructor(oracle: Oracle, target: Target<C>, tolerances: readonly Tolerance<C>[]) {
    this.oracle = oracle;
    this.target = target;
    this.tolerances = tolerances;
    this.after = new Uint8Array(target.stateBytes);
  }

  /** Runs `cases` on both sides and adds what came out to `outcome`. */
  run(cases: readonly C[], r: Random, outcome: Outcome): void {
    const { target, after } = this;
    const { stateBytes } = target;
    const input = encode(cases, stateBytes);
    const states = new Int32Array(input.bytes.buffer);
    cases.forEach((c, i) => {
      for (let k = 0; k < c.runs; k++) target.draw(c, states, (input.states[i] + k * stateBytes) >> 2, r);
    });
    const runs = cases.reduce((n, c) => n + c.runs, 0);
    const theirs = execute(this.oracle, input.bytes, runs * stateBytes);
    const wordsOf = (b: Uint8Array): Int32Array =>
      new Int32Array(b.buffer, b.byteOffset, Math.floor(b.byteLength / 4));
    const [theirWords, ourWords] = [wordsOf(theirs), wordsOf(after)];
    const n = stateBytes / 4;
    let at = 0;
    target.reset();
    cases.forEach((c, i) => {
      target.load(c);
      const meaning = target.meaning(c);
      for (let k = 0; k < c.runs; k++, at += stateBytes) {
        const from = input.states[i] + k * stateBytes;
        target.run(input.bytes.subarray(from, from + stateBytes), after);
        const start = at >> 2;
        let differs = 0;
        for (let w = 0; w < n; w++) differs |= (theirWords[start + w] ^ ourWords[w]) & meaning[w];
        if (differs !== 0) {
          const d = {
            c,
            before: new DataView(input.bytes.buffer, from, stateBytes),
            theirs: new DataView(theirs.buffer, theirs.byteOffset + at, stateBytes),
            ours: new DataView(after.buffer),
          };
          this.judge(d, meaning, outcome);
        }
      }
      outcome.runs += c.runs;
      outcome.instructions += c.runs * c.instructions;
      count(outcome.byFamily, c.family, c.runs * c.instructions);
    });
  }

  /** Lines about what differs where it means anything. */
  private lines(d: Difference<C>, meaning: Int32Array): string[] {
    const out: string[] = [];
    for (const { name, at, bytes } of this.target.fields) {
      let [theirs, ours] = ['', ''];
      for (let i = bytes - 1; i >= 0; i--) {
        const mask = (meaning[(at + i) >> 2] >>> (8 * ((at + i) & 3))) & 255;
        theirs += (d.theirs.getUint8(at + i) & mask).toString(16).padStart(2, '0');
        ours += (d.ours.getUint8(at + i) & mask).toString(16).padStart(2, '0');
      }
      if (theirs !== ours) out.push(`${name}: ${theirs} on the oracle, ${ours} here`);
    }
    return out;
  }

  private judge(d: Difference<C>, meaning: Int32Array, outcome: Outcome): void {
    const original = copyOf(d.ours);
    let left = fingerprint(d, meaning);
    for (const t of this.tolerances) {
      if (!t.applies(d.c)) continue;
      t.forgive(d);
      const now = fingerprint(d, meaning);
      if (now !== left) count(outcome.forgiven, t.id, 1);
      left = now;
      if (left === 0) return;
    }
    outcome.wrong++;
    if (outcome.failures.length >= SHOWN || outcome.shown === d.c) return;
    outcome.shown = d.c;
    const hex = (v: DataView, f: Field): string => {
      let text = '';
      for (let i = f.bytes - 1; i >= 0; i--)
        text += v
          .getUint8(f.at + i)
          .toString(16)
          .padStart(2, '0');
      return text.replace(/^0+(?=.)/, '');
    };
    const before = this.target.fields
      .map((f) => `${f.name}=${hex(d.before, f)}`)
      .filter((text) => !text.endsWith('=0'));
    const code = d.c.code.map((b) => b.toString(16).padStart(2, '0')).join('');
    outcome.failures.push(
      `${d.c.name}: ${code}  ${this.target.listing(d.c)}\n  ${this.lines({ ...d, ours: original }, meaning)
        .slice(0, 8)
        .join('\n  ')}\n  before: ${before.join(' ')}`,
    );
  }
}

/** "1,234,567 instructions: …", by family and by tolerance. */
export function summary(title: string, o: Outcome): string {
  const number = (n: number): string => n.toLocaleString('en-US');
  const list = (m: Map<string, number>): string =>
    [...m]
      .sort((a, b) => b[1] - a[1])
      .map(([k, n]) => `| ${k} | ${number(n)} |`)
      .join('\n');
  return [
    `${title}: ${number(o.instructions)} instructions in ${number(o.runs)} executions, ${o.wrong} unexplained differences`,
    '',
    '| family | instructions |\n|---|---:|',
    list(o.byFamily),
    '',
    '| known difference (tolerances.ts) | executions |\n|---|---:|',
    list(o.forgiven),
  ].join('\n');
}

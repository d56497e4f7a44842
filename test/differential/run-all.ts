/** The tests that both architectures have: every definition by family, then sequences, so many instructions in all. */
import { appendFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Random } from '../support/random.ts';
import type { Oracle } from './driver.ts';
import {
  newOutcome,
  Runner,
  summary,
  type Case,
  type Outcome,
  type Target,
  type Tolerance,
} from './runner.ts';

const SEED = Number(process.env['RING3_DIFF_SEED'] ?? 1);
const ONLY = process.env['RING3_DIFF_ONLY'];
/** File that summaries are added to (scripts/differential.mjs). */
const REPORT = process.env['RING3_DIFF_REPORT'];

/** Executions of each generated instance, and instances run at once. */
const RUNS = 40;
const BATCH = 200;
/** Part of all instructions that is run in sequences. */
const IN_SEQUENCES = 0.2;

export interface Suite<D extends { readonly name: string }, C extends Case> {
  readonly name: string;
  readonly oracle: Oracle | string;
  readonly target: () => Target<C>;
  readonly tolerances: readonly Tolerance<C>[];
  readonly definitions: readonly D[];
  readonly family: (d: D) => string;
  readonly casesOf: (d: D, instances: number, runs: number, r: Random) => readonly C[];
  readonly sequences: { make(r: Random, runs: number): C | null };
  /** Instructions to execute. */
  readonly wanted: number;
}

/** Lets the test runner's messages through. */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const report = (o: Outcome): string => `${o.wrong} executions differ:\n${o.failures.join('\n')}\n`;

export function runAll<D extends { readonly name: string }, C extends Case>(s: Suite<D, C>): void {
  const defs = s.definitions.filter((d) => ONLY === undefined || new RegExp(ONLY).test(d.name));
  const families = [...new Set(defs.map(s.family))];
  const all = newOutcome();
  let runner: Runner<C> | null = null;
  const theRunner = (): Runner<C> => {
    if (typeof s.oracle === 'string') throw new Error(s.oracle);
    return (runner ??= new Runner(s.oracle, s.target(), s.tolerances));
  };
  /** Instances of each kind of each definition that make the number wanted. */
  let each = 0;
  const instances = (): number => {
    const kinds = s.definitions.reduce((n, d) => n + s.casesOf(d, 1, 1, new Random(1)).length, 0);
    return (each ||= Math.ceil((s.wanted * (1 - IN_SEQUENCES)) / (kinds * RUNS)));
  };

  it.each(families)('%s', async (family) => {
    const before = all.wrong;
    const r = new Random(SEED * 100_003 + families.indexOf(family));
    let batch: C[] = [];
    const run = async (): Promise<void> => {
      await breathe();
      theRunner().run(batch, r, all);
      batch = [];
    };
    for (const d of defs.filter((x) => s.family(x) === family))
      for (const c of s.casesOf(d, instances(), RUNS, r)) {
        batch.push(c);
        if (batch.length === BATCH) await run();
      }
    await run();
    const wrong = all.wrong - before;
    const text = report(all);
    all.failures.length = 0;
    expect(wrong, text).toBe(0);
  }, 24 * 3600_000); // prettier-ignore

  it.skipIf(ONLY !== undefined)('sequences', async () => {
    const before = all.wrong;
    const r = new Random(SEED * 100_003 - 1);
    const until = all.instructions + s.wanted * IN_SEQUENCES;
    while (all.instructions < until) {
      const cases: C[] = [];
      while (cases.length < BATCH) {
        const c = s.sequences.make(r, RUNS);
        if (c) cases.push(c);
      }
      await breathe();
      theRunner().run(cases, r, all);
    }
    const wrong = all.wrong - before;
    const text = report(all);
    all.failures.length = 0;
    expect(wrong, text).toBe(0);
  }, 24 * 3600_000); // prettier-ignore

  it.skipIf(ONLY !== undefined)(`executed ${s.wanted.toLocaleString('en-US')} instructions in all`, () => {
    const text = summary(s.name, all);
    console.log(text.split('\n')[0]);
    if (REPORT !== undefined && typeof s.oracle !== 'string')
      appendFileSync(REPORT, `## ${text.replace(': ', `: against ${s.oracle.name}, `)}\n\n`);
    expect(all.instructions).toBeGreaterThanOrEqual(s.wanted);
  });
}

/**
 * Random instructions interpreted and compiled: every encoding of every definition alone, and sequences. Each instance is
 * run from several states: first interpreted, then by a region that learns what it accesses, then by one with windows.
 * Nothing may differ, not even what the manuals leave undefined. To look into one definition: RING3_DIFF_ONLY='^shld'
 */
import { describe, expect, it } from 'vitest';
import { definitions as a64Definitions } from '../../cpu/isa/aarch64/instructions.ts';
import { definitions as x86Definitions } from '../../cpu/isa/x86_64/instructions.ts';
import { Random } from '../support/random.ts';
import * as a64 from './a64-generate.ts';
import { a64Pair, x86Pair, type CompiledPair } from './compiled-run.ts';
import type { Case } from './runner.ts';
import { a64Program, x86Program } from './programs.ts';
import * as x86 from './x86-generate.ts';

const SEED = Number(process.env['RING3_DIFF_SEED'] ?? 1);
const ONLY = new RegExp(process.env['RING3_DIFF_ONLY'] ?? '');
/** Instances of each encoding or definition, and states each is run from. */
const EACH = Number(process.env['RING3_DIFF_EACH'] ?? 1);
const RUNS = Number(process.env['RING3_DIFF_RUNS'] ?? 24);
const WANTED = Number(process.env['RING3_DIFF_COMPILED'] ?? 200_000);

/** Lets the test runner's messages through. */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Suite<C extends Case> {
  readonly pair: CompiledPair<C>;
  readonly cases: Iterable<C>;
  readonly sequence: (r: Random) => C | null;
}

async function compare<C extends Case>({ pair, cases, sequence }: Suite<C>): Promise<void> {
  const r = new Random(SEED);
  const failures: string[] = [];
  const run = async (c: C): Promise<void> => {
    await breathe();
    const failure = pair.run(c, r);
    if (failure !== null) failures.push(failure);
  };
  for (const c of cases) await run(c);
  while (ONLY.source === '(?:)' && pair.instructions < WANTED) {
    const c = sequence(r);
    if (c) await run(c);
  }
  console.log(
    `${pair.instructions} instructions through ${pair.regions} regions, ${failures.length} of ${pair.cases} cases differ, ${pair.uncompiled} were never compiled`,
  );
  // Those that write over themselves never are.
  expect(pair.uncompiled).toBeLessThan(pair.cases / 100 + 1);
  expect(failures, `${failures.length} differ:\n${failures.slice(0, 20).join('\n')}\n`).toEqual([]);
}

describe('compiled instructions do what interpreted ones do', () => {
  it('x86_64', async () => {
    const r = new Random(SEED);
    const sequences = new x86.Sequences(x86Definitions);
    const defs = x86Definitions.filter((d) => ONLY.test(d.name));
    const pair = x86Pair();
    await compare({
      pair,
      cases: defs.flatMap((d) => x86.casesOf(d, EACH, RUNS, r)),
      sequence: (random) => sequences.make(random, RUNS),
    });
    expect(defs.map((d) => d.name).filter((name) => !pair.emitted.has(name))).toEqual([]);
  }, 600_000); // prettier-ignore

  it('aarch64', async () => {
    const r = new Random(SEED);
    const sequences = new a64.Sequences(a64Definitions);
    const defs = a64Definitions.filter((d) => ONLY.test(d.name));
    const pair = a64Pair();
    await compare({
      pair,
      cases: defs.flatMap((d) => a64.casesOf(d, EACH, RUNS, r)),
      sequence: (random) => sequences.make(random, RUNS),
    });
    expect(defs.map((d) => d.name).filter((name) => !pair.emitted.has(name))).toEqual([]);
  }, 600_000); // prettier-ignore
});

/** Compiles what it has seen, at once, but lets it run for some rounds. */
const SLICE = Number(process.env['RING3_DIFF_SLICE'] ?? 60);
const SOON = { slice: SLICE, longest: SLICE, samples: 0 };
const PROGRAMS = Number(process.env['RING3_DIFF_PROGRAMS'] ?? 150);

async function programs<C extends Case>(pair: CompiledPair<C>, make: (r: Random) => C): Promise<void> {
  const failures: string[] = [];
  const r = new Random(SEED);
  for (let i = 0; i < PROGRAMS; i++) {
    await breathe();
    const seed = r.u32();
    const failure = pair.run(make(new Random(seed)), r, { fuel: 200 + r.below(4000), times: 1 + r.below(3) });
    if (failure !== null) failures.push(`${seed}: ${failure}`);
  }
  console.log(
    `${pair.instructions} instructions of ${PROGRAMS} programs through ${pair.regions} regions, ${failures.length} differ`,
  );
  expect(failures, `${failures.length} differ:\n${failures.slice(0, 5).join('\n')}\n`).toEqual([]);
}

describe('compiled programs do what interpreted ones do, at every sample', () => {
  it('x86_64', async () => {
    const sequences = new x86.Sequences(x86Definitions);
    await programs(x86Pair(SOON), (r) => x86Program(sequences, r, 6));
  }, 600_000);

  it('aarch64', async () => {
    const sequences = new a64.Sequences(a64Definitions);
    await programs(a64Pair(SOON), (r) => a64Program(sequences, r, 6));
  }, 600_000);
});

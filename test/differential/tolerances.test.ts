/** Every entry of tolerances.ts is needed: without it the oracle and the cpu do not agree, with it they do. */
import { describe, expect, it } from 'vitest';
import { definitions as a64Definitions } from '../../cpu/isa/aarch64/instructions.ts';
import { definitions as x86Definitions } from '../../cpu/isa/x86_64/instructions.ts';
import { Random } from '../support/random.ts';
import * as a64 from './a64-generate.ts';
import { A64Target } from './a64-target.ts';
import { processor, qemuAarch64, type Oracle } from './driver.ts';
import { newOutcome, Runner, type Case, type Outcome, type Target, type Tolerance } from './runner.ts';
import { A64_TOLERANCES, UNPREDICTABLE, VENDOR, X86_AVOIDED, X86_TOLERANCES } from './tolerances.ts';
import * as x86 from './x86-generate.ts';
import { X86Target } from './x86-target.ts';

const RUNS = 40;

function outcome<C extends Case>(
  oracle: Oracle,
  target: Target<C>,
  tolerances: readonly Tolerance<C>[],
  cases: readonly C[],
): Outcome {
  const o = newOutcome();
  const runner = new Runner(oracle, target, tolerances);
  const r = new Random(7);
  for (let at = 0; at < cases.length; at += 200) runner.run(cases.slice(at, at + 200), r, o);
  return o;
}

/** With all tolerances all is well; without this one it is not. */
function expectNeeded<C extends Case>(
  oracle: Oracle,
  target: Target<C>,
  all: readonly Tolerance<C>[],
  one: Tolerance<C>,
  cases: readonly C[],
): void {
  const whole = outcome(oracle, target, all, cases);
  expect(whole.wrong, whole.failures.join('\n')).toBe(0);
  expect(whole.forgiven.get(one.id)).toBeGreaterThan(0);
  const others = all.filter((t) => t !== one);
  expect(outcome(oracle, target, others, cases).wrong).toBeGreaterThan(0);
}

const native = processor();
if (typeof native === 'string') console.log(`Left out: whether tolerances are needed on x86_64: ${native}`);

describe.skipIf(typeof native === 'string')('x86_64 tolerances, each by itself', () => {
  const target = (): X86Target => new X86Target();

  it.each(X86_TOLERANCES.map((t) => [t.id, t] as const))('%s', (_id, t) => {
    const r = new Random(3);
    const defs = x86Definitions.filter((d) => x86.testable(d) && t.seenIn.test(d.name));
    expect(defs.length).toBeGreaterThan(0);
    const each = Math.max(4, Math.ceil(200 / defs.length));
    const cases = defs.flatMap((d) => x86.casesOf(d, each, RUNS, r)).filter((c) => t.applies(c));
    expectNeeded(native as Oracle, target(), X86_TOLERANCES, t, cases);
  });

  it.each(X86_AVOIDED.map((a) => [a.what, a] as const))('not generated: %s', (what, a) => {
    const cases = [x86.fixedCase(what, a.witness, 100)];
    expect(outcome(native as Oracle, target(), X86_TOLERANCES, cases).wrong).toBeGreaterThan(0);
  });

  it('flags are left undefined by definitions that an entry names, or agree', () => {
    const named = X86_TOLERANCES.filter((t) => t.id.startsWith('undefined flags'));
    const others = x86Definitions.filter(
      (d) => d.undefinedFlags && !named.some((t) => t.seenIn.test(d.name)),
    );
    // AF of these: every processor known clears it, as we do.
    const same = /^(or|and|xor|test)$/;
    const sameOnAmd = /^(ro[lr]|rc[lr]|bt[src]?)( |$)/;
    const names = others.map((d) => d.name).filter((n) => !same.test(n));
    expect(names.filter((n) => VENDOR !== 'AuthenticAMD' || !sameOnAmd.test(n))).toEqual([]);
  });
});

const qemu = qemuAarch64();
if (typeof qemu === 'string') console.log(`Left out: whether tolerances are needed on aarch64: ${qemu}`);

describe.skipIf(typeof qemu === 'string')('aarch64 tolerances, each by itself', () => {
  it.each(A64_TOLERANCES.map((t) => [t.id, t] as const))('%s', (_id, t) => {
    const r = new Random(3);
    const defs = a64Definitions.filter((d) => t.seenIn.test(d.name));
    const cases = defs.flatMap((d) => a64.casesOf(d, 8, RUNS, r));
    expectNeeded(qemu as Oracle, new A64Target(), A64_TOLERANCES, t, cases);
  });

  it.each(UNPREDICTABLE.map((u) => [u.what, u] as const))('not generated: %s', (_what, u) => {
    const r = new Random(3);
    const others = UNPREDICTABLE.filter((x) => x !== u);
    const cases = a64Definitions
      .filter((d) => u.seenIn.test(d.name))
      .flatMap((d) => a64.casesOf(d, 300, 4, r, others))
      .filter((c) => u.matches(c.words[0]));
    expect(cases.length).toBeGreaterThan(0);
    expect(outcome(qemu as Oracle, new A64Target(), A64_TOLERANCES, cases).wrong).toBeGreaterThan(0);
  });
});

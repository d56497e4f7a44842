/**
 * Sequences of instructions on this machine's processor and here: what one alone (cpu.test.ts) cannot show, such as flags
 * kept lazily and read later, compares fused with their branches, partial registers.
 */
import { describe, expect, it } from 'vitest';
import { listing } from './iced.ts';
import { CODE, makeSequence, Random, testableEncodings, type Case } from './x86-cases.ts';
import { compareBatch, CpuUnderTest, makeBatch, nativeDriver } from './x86-run.ts';

const SEED = Number(process.env['RING3_DIFF_SEED'] ?? 1);
const BATCHES = Number(process.env['RING3_DIFF_BATCHES'] ?? 20);
const RUNS = 20;

const native = nativeDriver();
if ('missing' in native)
  console.log(`Left out: instruction sequences against the processor: ${native.missing}`);

describe.skipIf('missing' in native)('sequences of instructions, natively and here', () => {
  it('end alike', async () => {
    if ('missing' in native) return;
    const encodings = testableEncodings().filter(
      (e) => e.map < 2 && !/^(x87|rep|[a-z]+ mmx|fwait|emms|xlat|popf)/.test(e.def.name),
    );
    const cpu = new CpuUnderTest();
    const failures: string[] = [];
    let executed = 0;
    for (let b = 0; b < BATCHES; b++) {
      await new Promise(setImmediate);
      const r = new Random(SEED * 1000 + b);
      const cases: Case[] = [];
      while (cases.length < 100) {
        const c = makeSequence(encodings, r);
        if (c) cases.push(c);
      }
      const result = compareBatch(native.path, cpu, makeBatch(cases, RUNS, SEED * 1000 + b));
      executed += result.executed;
      for (const m of result.mismatches)
        failures.push(
          `seed ${SEED}: ${Buffer.from(m.case.code).toString('hex')}\n  ${listing([...m.case.code], CODE)}\n  ${m.lines.slice(0, 6).join('\n  ')}`,
        );
    }
    expect(failures, `${failures.length} sequences differ:\n${failures.slice(0, 5).join('\n')}\n`).toEqual(
      [],
    );
    expect(executed).toBeGreaterThan(BATCHES * 100 * RUNS * 4);
  });
});

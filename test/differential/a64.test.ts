/** Every aarch64 definition, with random fields and operands, under qemu-aarch64 and here. */
import { describe, expect, it } from 'vitest';
import { makeCase, testable, type Case } from './a64-cases.ts';
import { a64Driver, A64UnderTest, compareBatch, makeBatch } from './a64-run.ts';
import { Random } from './x86-cases.ts';

const SEED = Number(process.env['RING3_DIFF_SEED'] ?? 1);
/** Instruction words a definition, and states a word. */
const WORDS = Number(process.env['RING3_DIFF_WORDS'] ?? 14);
const RUNS = Number(process.env['RING3_DIFF_RUNS'] ?? 80);
const FILTER = process.env['RING3_DIFF_FILTER'];

const driver = a64Driver();
if ('missing' in driver)
  console.log(`Left out: aarch64 instructions against qemu-aarch64: ${driver.missing}`);

describe.skipIf('missing' in driver)('aarch64 instructions, under qemu-aarch64 and here', () => {
  it('end alike', async () => {
    if ('missing' in driver) return;
    const cpu = new A64UnderTest();
    const defs = testable((d) => FILTER === undefined || new RegExp(FILTER).test(d.name));
    const failures: string[] = [];
    let executed = 0;
    const PER_BATCH = 8;
    for (let from = 0; from < defs.length; from += PER_BATCH) {
      await new Promise(setImmediate);
      const r = new Random(SEED * 100003 + from);
      const cases: Case[] = [];
      for (const def of defs.slice(from, from + PER_BATCH)) {
        let made = 0;
        for (let tries = 0; made < WORDS && tries < WORDS * 50; tries++) {
          const c = makeCase(def, r, (word) => cpu.decoder.decode(word, 0) && cpu.decoder.encoding.name === def.name);
          if (!c) continue;
          cases.push(c);
          made++;
        }
        if (made === 0) failures.push(`${def.name}: no instruction could be made`);
      }
      const result = compareBatch(driver.command, cpu, makeBatch(cases, RUNS, SEED * 100003 + from));
      executed += result.executed;
      for (const m of result.mismatches)
        failures.push(
          `${m.case.def.name}: ${m.case.words.map((w) => w.toString(16).padStart(8, '0')).join(' ')}\n  ${m.lines.slice(0, 6).join('\n  ')}`,
        );
    }
    expect(failures, `${failures.length} cases differ:\n${failures.slice(0, 12).join('\n')}\n`).toEqual([]);
    if (FILTER === undefined) console.log(`${executed} aarch64 instructions executed`);
    expect(executed).toBeGreaterThan(0);
  }, 600_000);
}); // prettier-ignore

/**
 * Every instruction definition against the processor this runs on: random operands, flags and memory, over a million
 * executions in all. To look into one: RING3_DIFF_ONLY='^shld' (a name), RING3_DIFF_SEED=7, RING3_DIFF_EACH=200
 * (instances of each encoding) npx vitest run test/differential/cpu.test.ts
 */
import { execFileSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { definitions, helpers } from '../../cpu/isa/x86_64/instructions.ts';
import { generate as generateModule } from '../../cpu/interp/generate.ts';
import { handlerSet, numberHandlers } from '../../cpu/isa/x86_64/handlers.ts';
import { guestPath, nativeReason } from '../support/guests.ts';
import { encodeTests } from './driver-format.ts';
import { describeCase, DirectRunner, executions, outOfRange } from './direct.ts';
import { generate, testable } from './gen-x86.ts';

const SEED = Number(process.env['RING3_DIFF_SEED'] ?? 1);
const EACH = Number(process.env['RING3_DIFF_EACH'] ?? 24);
const REPEATS = 40;
const SHOWN = 3;

const driver = guestPath('x86-driver');
const reason = nativeReason() ?? (driver ? null : 'guest x86-driver is not built');
if (reason) console.log(`Left out: instruction definitions against the processor: ${reason}`);

const only = process.env['RING3_DIFF_ONLY'];
const tested = definitions.filter((d) => testable(d) && (!only || new RegExp(only).test(d.name)));

describe.skipIf(reason !== null)('instructions, natively and here', () => {
  let runner: DirectRunner;
  let total = 0;

  beforeAll(() => {
    const bytes = generateModule(handlerSet(definitions, helpers), { pages: { min: 1, max: 65536 } });
    runner = new DirectRunner(
      new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>),
      numberHandlers(definitions),
    );
  });

  it.each(tested.map((d) => [d.name, d] as const))('%s', async (_name, def) => {
    await new Promise(setImmediate); // the test runner's messages get their turn

    const tests = generate([def], { seed: SEED, perEncoding: EACH, repeats: REPEATS });
    const failures: string[] = [];
    let wrong = 0;
    for (let at = 0; at < tests.length; at += 200) {
      const batch = tests.slice(at, at + 200);
      const dump = execFileSync(driver!, {
        input: encodeTests(batch, true),
        maxBuffer: 1 << 29,
        timeout: 20_000,
      });
      for (const { t, before, after } of executions(batch, dump)) {
        total++;
        if (outOfRange(t.code, before)) continue;
        const difference = runner.check(t, before, after);
        if (difference !== null && ++wrong <= SHOWN)
          failures.push(`${describeCase(t, before)}\n    ${difference}`);
      }
    }
    expect(failures, `${wrong} executions differ:\n${failures.join('\n')}\n`).toEqual([]);
  });

  it.skipIf(only !== undefined || EACH < 24)('executed a million instructions in all', () => {
    expect(total).toBeGreaterThanOrEqual(1_000_000);
  });
});

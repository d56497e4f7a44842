/**
 * x86_64 instructions on this machine's processor and here: every encoding of every definition alone, and sequences.
 * `npm run differential` runs as many as it is told. To look into one definition: RING3_DIFF_ONLY='^shld'
 * RING3_DIFF_SEED=7 npx vitest run test/differential/x86.test.ts
 */
import { describe } from 'vitest';
import { definitions } from '../../cpu/isa/x86_64/instructions.ts';
import { processor } from './driver.ts';
import { runAll } from './run-all.ts';
import { X86_TOLERANCES } from './tolerances.ts';
import { FAMILIES } from './x86-families.ts';
import { casesOf, Sequences, testable } from './x86-generate.ts';
import { X86Target } from './x86-target.ts';

const oracle = processor();
if (typeof oracle === 'string') console.log(`Left out: x86_64 instructions against the processor: ${oracle}`);

describe.skipIf(typeof oracle === 'string')('x86_64 instructions, on the processor and here', () => {
  runAll({
    name: 'x86_64',
    oracle,
    target: () => new X86Target(),
    tolerances: X86_TOLERANCES,
    definitions: definitions.filter(testable),
    family: (d) => FAMILIES.get(d)!,
    casesOf,
    sequences: new Sequences(definitions),
    wanted: Number(process.env['RING3_DIFF_X86'] ?? 1_000_000),
  });
});

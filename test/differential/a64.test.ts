/**
 * aarch64 instructions under qemu-aarch64 and here: every definition with random fields and operands, and sequences.
 * Variables as in x86.test.ts.
 */
import { describe } from 'vitest';
import { definitions } from '../../cpu/isa/aarch64/instructions.ts';
import { A64_FAMILIES } from './a64-families.ts';
import { casesOf, Sequences, testable } from './a64-generate.ts';
import { A64Target } from './a64-target.ts';
import { qemuAarch64 } from './driver.ts';
import { runAll } from './run-all.ts';
import { A64_TOLERANCES } from './tolerances.ts';

const oracle = qemuAarch64();
if (typeof oracle === 'string') console.log(`Left out: aarch64 instructions against qemu-aarch64: ${oracle}`);

describe.skipIf(typeof oracle === 'string')('aarch64 instructions, under qemu-aarch64 and here', () => {
  runAll({
    name: 'aarch64',
    oracle,
    target: () => new A64Target(),
    tolerances: A64_TOLERANCES,
    definitions: definitions.filter(testable),
    family: (d) => A64_FAMILIES.get(d)!,
    casesOf,
    sequences: new Sequences(definitions),
    wanted: Number(process.env['RING3_DIFF_A64'] ?? 1_000_000),
  });
});

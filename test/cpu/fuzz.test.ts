/** Random bytes as code, random registers, page tables that change: the cpu answers with an exit, whatever it meets. */
import { expect, it } from 'vitest';
import { Random } from '../support/random.ts';
import { CODE, DATA, PAGE, Rig, STACK } from './rig.ts';

const EXITS = new Set([
  'syscall',
  'fault',
  'preempt',
  'undefined',
  'divide',
  'protection',
  'breakpoint',
  'simd',
  'x87',
]);
const SEED = Number(process.env['RING3_FUZZ_SEED'] ?? 1);
const ROUNDS = Number(process.env['RING3_FUZZ_ROUNDS'] ?? 3_000);

it('survives random code', () => {
  const r = new Random(SEED);
  let rig = new Rig({ codeBytes: 1 << 20, memoryBytes: 64 << 20 }).usual();
  let retired = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if (round % 500 === 499) rig = new Rig({ codeBytes: 1 << 20, memoryBytes: 64 << 20 }).usual();
    const code = Array.from({ length: 2 * PAGE }, () => r.below(256));
    // Some of it without rare prefixes and with loops, so that runs get somewhere.
    if (r.chance(0.5)) for (let i = 40; i < code.length; i += 40) code.splice(i, 2, 0xeb, r.below(256));
    if (rig.table.frame(CODE) >= 0 && rig.table.frame(CODE + PAGE) >= 0) rig.poke(CODE, code);
    for (let i = 0; i < 16; i++)
      rig.regs.set(i, r.chance(0.6) ? BigInt(r.pick([CODE, DATA, DATA + PAGE, STACK + PAGE]) + r.below(64) - 32) : r.u64() >> BigInt(r.below(64)));
    rig.regs.setNum(17, r.u32() & 0x2440dd5);
    rig.regs.set(18, r.chance(0.5) ? 0n : BigInt(r.below(PAGE)));
    rig.regs.pc = CODE + r.below(PAGE);
    for (let runs = 0; runs < 12; runs++) {
      const exit = r.chance(0.1) ? rig.step() : rig.run(r.below(5_000));
      retired += rig.cpu.retired;
      if (exit !== 'stop' && !EXITS.has(exit)) expect.fail(`seed ${SEED} round ${round}: exit ${exit}`);
      if (rig.cpu.retired < 0) expect.fail(`seed ${SEED} round ${round}: retired ${rig.cpu.retired}`);
      if (exit === 'fault' || exit === 'undefined' || exit === 'protection' || exit === 'divide') rig.regs.pc = CODE + r.below(2 * PAGE);
    }
    const page = r.pick([CODE, CODE + PAGE, DATA, DATA + PAGE, DATA + 2 * PAGE, STACK]);
    switch (r.below(8)) {
      case 0:
        rig.table.protect(page, r.below(8));
        break;
      case 1:
        rig.table.clear(page, page + PAGE);
        break;
      case 2:
      case 3:
        rig.map(page, 1, r.pick([3, 5, 7, 7]));
        break;
      case 4:
        for (const p of [CODE, CODE + PAGE]) rig.map(p, 1, 7);
        break;
      case 5: {
        // A forked child that shares the frames.
        const child = rig.cpu.newPageTable();
        rig.table.forEach(0, 2 ** 47, (p, frame, prot) => {
          child.set(p, frame, prot);
        });
        if (r.chance(0.5)) rig.table.destroy();
        rig.table = child;
        break;
      }
      default:
    }
  }
  expect(retired).toBeGreaterThan(ROUNDS * 20);
}, 120_000); // prettier-ignore

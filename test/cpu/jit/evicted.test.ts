/** Compiled code that is kept is bounded: the oldest makes room, and comes back when it is hot again. */
import { expect, it } from 'vitest';
import { bytes, CODE, R, Rig } from '../rig.ts';

/** add eax, STEP; dec ecx; jnz again; syscall */
const loop = (step: number): number[] => [...bytes('83 c0'), step, ...bytes('ff c9 75 f9 0f 05')];
const LOOPS = [CODE, CODE + 64, CODE + 128];

function run(kept: number, rounds: number) {
  const rig = new Rig({ heat: { slice: 40, longest: 40, samples: 1, bytes: kept } }).usual();
  LOOPS.forEach((at, i) => {
    rig.poke(at, loop(i + 1));
  });
  rig.regs.setNum(R.rax, 0);
  for (let i = 0; i < rounds; i++) {
    rig.regs.setNum(R.rcx, 1000);
    rig.regs.pc = LOOPS[i % 3];
    expect(rig.run()).toBe('syscall');
    expect(rig.cpu.retired).toBe(3001);
  }
  expect(rig.regs.num(R.rax)).toBe((rounds / 3) * 6000);
  return rig.cpu.compilerStats!;
}

it('three loops in the room of one push each other out and are compiled again', () => {
  const { regions, evicted } = run(1, 12);
  expect(regions).toBe(12);
  expect(evicted).toBe(11);
});

it('with room for all each is compiled once', () => {
  expect(run(1 << 20, 12)).toMatchObject({ regions: 3, evicted: 0 });
});

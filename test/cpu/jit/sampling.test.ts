/** A task that makes a call every few hundred instructions is sampled, and its hot code compiled, like one that makes none. */
import { expect, it } from 'vitest';
import { bytes, CODE, R, Rig } from '../rig.ts';

it('samples come after as many instructions however short the runs are', () => {
  const listings: string[] = [];
  const heat = { slice: 1000, longest: 1000, samples: 3 };
  const rig = new Rig({ heat, onRegion: (text) => listings.push(text) }).usual();
  rig.poke(CODE, bytes('b9 64 00 00 00 ff c9 75 fc 0f 05')); // mov ecx, 100; again: dec ecx; jnz again; syscall
  for (let call = 0; call < 100; call++) {
    rig.regs.pc = CODE;
    rig.regs.setNum(R.rcx, 0);
    expect(rig.run()).toBe('syscall');
    expect(rig.cpu.retired).toBe(202);
  }
  expect(listings.length).toBeGreaterThan(0);
});

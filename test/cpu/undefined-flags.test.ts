/** What the definitions leave undefined and what the bytes tell of it. */
import { expect, it } from 'vitest';
import { undefinedFlags } from '../../cpu/index.ts';
import { definitions } from '../../cpu/isa/x86_64/instructions.ts';
import { casesOf, testable } from '../differential/x86-generate.ts';
import { Random } from '../support/random.ts';

it('is never more than what a definition says, and all of it but for shifts by one', () => {
  const r = new Random(1);
  let some = 0;
  for (const def of definitions.filter((d) => testable(d) && !d.encodings.some((e) => /0F 3[8A] /.test(e)))) {
    for (const c of casesOf(def, 8, 1, r)) {
      const at = c.code.findIndex((b) => (b & 0xfc) === 0xd0); // by one, or by CL
      const loose = at >= 0 || /^(sal|sh[lr]|sar|ro[lr]|rc[lr])/.test(def.name);
      const told = undefinedFlags(Uint8Array.from(c.code));
      const name = `${c.name}: ${Buffer.from(c.code).toString('hex')}`;
      if (loose) expect([name, told & ~(c.undefinedFlags | 0x810)]).toEqual([name, 0]);
      else expect([name, told]).toEqual([name, c.undefinedFlags]);
      if (told) some++;
    }
  }
  expect(some).toBeGreaterThan(100);
});

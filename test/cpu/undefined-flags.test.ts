/** What the definitions leave undefined and what the bytes tell of it. */
import { expect, it } from 'vitest';
import { undefinedFlags } from '../../cpu/index.ts';
import { makeCase, Random, testableEncodings } from '../differential/x86-cases.ts';

it('is never more than what a definition says, and all of it but for shifts by one', () => {
  const r = new Random(1);
  let some = 0;
  for (const e of testableEncodings()) {
    for (let i = 0; i < 20; i++) {
      const c = makeCase(e, r);
      if (!c || e.map > 1) continue;
      const at = c.code.findIndex((b) => (b & 0xfc) === 0xd0); // by one, or by CL
      const loose = at >= 0 || /^(sal|sh[lr]|sar|ro[lr]|rc[lr])/.test(e.def.name);
      const told = undefinedFlags(c.code);
      const name = `${c.what}: ${Buffer.from(c.code).toString('hex')}`;
      if (loose) expect([name, told & ~(c.undefinedFlags | 0x810)]).toEqual([name, 0]);
      else expect([name, told]).toEqual([name, c.undefinedFlags]);
      if (told) some++;
    }
  }
  expect(some).toBeGreaterThan(100);
});

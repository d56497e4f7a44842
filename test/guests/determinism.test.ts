/** The same seed gives the same run, byte for byte; another seed gives another. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestPath } from '../support/guests.ts';
import { runRing3, withFolder } from '../support/run.ts';

const racy = guestPath('racy-musl')!;
const threads = guestPath('threads-musl')!;
const signals = guestPath('signals-musl')!;

/** The trace and the output of one seeded run. */
async function traced(program: string, seed: string): Promise<string> {
  return withFolder(async (dir) => {
    const log = join(dir, 'trace');
    const r = await runRing3(
      program,
      [],
      { ring3: ['-f', '-ttt', '-T', '-o', log, '--seed', seed] },
      'strace',
    );
    return `${readFileSync(log, 'latin1')}\n--\n${r.stdout}\n--\n${r.stderr}\n--\n${r.status}`;
  });
}

describe('seeded runs', () => {
  it.each([
    ['racy', racy],
    ['threads', threads],
    ['signals', signals],
  ])('%s: three traces with one seed are the same bytes, times included', async (_name, program) => {
    const first = await traced(program, '42');
    expect(first.length).toBeGreaterThan(1000);
    expect(await traced(program, '42')).toBe(first);
    expect(await traced(program, '42')).toBe(first);
  });

  it('different seeds differ in a racy guest', async () => {
    const outputs = new Set<string>();
    for (const seed of ['1', '2', '3', '4', '5']) {
      const { stdout, status } = await runRing3(racy, [], { ring3: ['--seed', seed] });
      expect(status).toBe(0);
      expect([...stdout].sort().join('').trim()).toBe(
        'a'.repeat(40) + 'b'.repeat(40) + 'c'.repeat(40) + 'd'.repeat(40),
      );
      outputs.add(stdout);
    }
    expect(outputs.size).toBeGreaterThan(1);
  });
});

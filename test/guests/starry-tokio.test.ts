/** Rows of the table in docs/starry.md: what some quirks do to the tokio echo server. `node scripts/starry.mjs` makes all of them. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
// @ts-expect-error: a script without types
import { sentence, talk } from '../../scripts/starry.mjs';
import { type BootOptions, Machine } from '../../src/index.ts';
import { guestPath, rootPath } from '../support/guests.ts';

const program = guestPath('tokio-echo');
if (!program) console.log('Left out: the tokio echo server with quirks: it is not built here');

/** Those whose runs end by themselves. */
const ROWS = ['main-tid-follows-pid', 'low-stack-and-heap', 'getaffinity-empty', 'brk-128k'];

it.skipIf(!program)('tokio echo does what docs/starry.md says', async () => {
  const doc = readFileSync(rootPath('docs/starry.md'), 'utf8');
  const boot = (o: BootOptions): Promise<Machine> => Machine.boot(o);
  const runs = talk as (
    b: typeof boot,
    p: string,
    o: Partial<BootOptions>,
    patience: number,
  ) => Promise<unknown>;
  const words = sentence as (run: unknown, linux: unknown) => string;
  const linux = await runs(boot, program!, {}, 60_000);
  for (const quirk of ROWS) {
    const text = words(await runs(boot, program!, { quirks: [quirk] }, 60_000), linux);
    expect(doc).toContain(`| \`${quirk}\` | ${text.replaceAll('|', '\\|')} |`);
  }
});

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { here, native } from './native.ts';

// The oracle is strace itself: the same program, the same options, the same text.
const able =
  process.platform === 'linux' &&
  process.arch === 'x64' &&
  existsSync('/usr/bin/strace') &&
  existsSync('/usr/bin/musl-gcc');

describe.skipIf(!able)('the same text as strace', () => {
  let dir = '';
  let shapes = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'ring3-shapes-'));
    shapes = join(dir, 'shapes');
    execFileSync('musl-gcc', [
      '-static',
      '-O1',
      '-w',
      '-o',
      shapes,
      fileURLToPath(new URL('shapes.c', import.meta.url)),
    ]);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const parts = ['strings', 'flags', 'sets', 'structs', 'signals', 'segv', 'ill', 'term'];
  it.each(parts)('%s', async (part) => {
    const a = native(shapes, [part], []);
    const b = await here(shapes, [part], []);
    expect(b.tasks[0].split('\n')).toEqual(a.tasks[0].split('\n'));
    expect(b.tasks).toHaveLength(1);
  });

  it.each([
    ['-x'],
    ['-xx'],
    ['-v'],
    ['-s', '5'],
    ['-e', 'trace=%desc'],
    ['-Z'],
    ['-z'],
    ['-e', 'trace=!write,writev'],
  ])('with %s %s', async (...options) => {
    const given = options.filter((o) => o !== undefined);
    const a = native(shapes, ['strings'], given);
    const b = await here(shapes, ['strings'], given);
    expect(b.tasks[0].split('\n')).toEqual(a.tasks[0].split('\n'));
  });

  it.each(['-f', '-y', '-yy'])('of descriptors with %s', async (option) => {
    const a = native(shapes, ['descriptors'], [option]);
    const b = await here(shapes, ['descriptors'], [option]);
    expect(b.tasks[0].split('\n')).toEqual(a.tasks[0].split('\n'));
  });

  it('of children, each in its own file', async () => {
    const a = native(shapes, ['children'], []);
    const b = await here(shapes, ['children'], []);
    expect(b.tasks).toHaveLength(a.tasks.length);
    expect(b.tasks.slice(1)).toEqual(a.tasks.slice(1));
    // When the parent hears of a child's end is up to the scheduler: its lines are the same, SIGCHLD's place is not.
    const sorted = (t: string): string[] => t.split('\n').sort();
    expect(sorted(b.tasks[0])).toEqual(sorted(a.tasks[0]));
  });
});

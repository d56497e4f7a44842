/** The tutorial's commands, and that they print what it shows. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rootPath } from '../support/guests.ts';

const PAGE = readFileSync(rootPath('docs/tutorials/3-find-a-starryos-bug.md'), 'utf8');
const POLLER = '/tmp/ring3-poller';
let dir = '';

beforeAll(() => {
  const built = spawnSync(process.execPath, ['scripts/build.mjs', '--if-stale'], {
    cwd: rootPath('.'),
    encoding: 'utf8',
  });
  expect(built.stderr).toBe('');
  dir = mkdtempSync(join(tmpdir(), 'ring3-tutorial-'));
  writeFileSync(
    join(dir, 'ring3'),
    `#!/bin/sh\nexec "${process.execPath}" "${rootPath('dist/ring3.cjs')}" "$@"\n`,
    {
      mode: 0o755,
    },
  );
}, 120_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const sh = (command: string): string => {
  const env = { ...process.env, PATH: `${dir}:${process.env['PATH']}` };
  const r = spawnSync('sh', ['-c', `${command} 2>&1`], {
    cwd: rootPath('.'), encoding: 'utf8', timeout: 60_000, env,
  }); // prettier-ignore
  return r.stdout;
};

/** Commands of the page and what they print. */
const shown = [...PAGE.matchAll(/```console\n\$ (.*)\n([\s\S]*?)```/g)].map(([, command, output]) => ({
  command,
  output,
}));
const guests = shown.filter((s) => s.command.includes(POLLER));
const logs = shown.filter((s) => !s.command.includes(POLLER));

it.each(logs)('$command', ({ command, output }) => {
  expect(sh(command)).toBe(output);
});

const gcc = existsSync('/usr/bin/gcc') && process.arch === 'x64';
if (!gcc) console.log('Left out: the guest of the StarryOS tutorial: there is no gcc for x86_64');
/** Addresses, instruction counts and milliseconds are the compiler's and the machine's. */
const steady = (text: string): string =>
  text
    .replaceAll(/0x[0-9a-f]+/g, '0x#')
    .replaceAll(/\d+(\.\d+)?( instructions| ms| calls| lines| times|:)/g, '#$2');

it.skipIf(!gcc)(
  'its guest, on both kernels',
  () => {
    const [build] = /gcc -static .*/.exec(PAGE)!;
    const program = join(dir, 'poller');
    const own = (command: string): string => command.replaceAll(POLLER, program);
    expect(sh(own(build))).toBe('');
    expect(guests.length).toBe(2);
    const [diff, run] = guests;
    const marked = (text: string): string[] =>
      steady(text)
        .split('\n')
        .filter((l) => l.startsWith('> '));
    expect(marked(diff.output)).toHaveLength(2);
    expect(marked(sh(own(diff.command)))).toEqual(marked(diff.output));
    expect(sh(own(run.command))).toBe(run.output);
  },
  60_000,
);

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI } from '../support/run.ts';
import { rootPath } from '../support/guests.ts';

// What the tutorials show is run as it stands there. The folder lies in the repository, so that `ring3` is this package.
const dir = rootPath('build/tutorials');
const page = (name: string): string => readFileSync(rootPath(`docs/tutorials/${name}.md`), 'utf8');

interface Command {
  readonly command: string;
  readonly output: string;
}

/** The commands of a page's console blocks with their output; `[n]` at its end is an exit status. */
function commands(text: string): Command[] {
  const all: Command[] = [];
  for (const [, block] of text.matchAll(/^```console\n(.*?)^```$/gms)) {
    for (const part of block.split(/^\$ /m).slice(1)) {
      const end = part.indexOf('\n');
      all.push({ command: part.slice(0, end), output: part.slice(end + 1) });
    }
  }
  return all;
}

beforeAll(() => {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  symlinkSync(rootPath('guests'), join(dir, 'guests'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('run a program', () => {
  const all = commands(page('1-run-a-program'));
  it('has commands', () => expect(all.length).toBeGreaterThan(8));
  it.each(all)('$command', ({ command, output }) => {
    const shell = `npx() { shift; ${JSON.stringify(process.execPath)} ${JSON.stringify(CLI)} "$@"; }; { ${command}\n} 2>&1`;
    const r = spawnSync('bash', ['-c', shell], { cwd: dir, encoding: 'utf8', input: '' });
    const status = r.status === 0 ? '' : `[${r.status}]\n`;
    expect(r.stdout + status).toBe(output);
  });
});

describe("test a program's system calls", () => {
  const files = new Map(
    [...page('2-test-system-calls').matchAll(/^```js file=(\S+)\n(.*?)^```$/gms)].map((m) => [m[1], m[2]]),
  );
  const write = (name: string): string => {
    const path = join(dir, name);
    writeFileSync(path, files.get(name)!);
    return path;
  };

  it('in vitest', { timeout: 60_000 }, () => {
    write('number-lines.test.mjs');
    writeFileSync(
      join(dir, 'vitest.config.mjs'),
      'export default { test: { include: ["number-lines.test.mjs"] } };\n',
    );
    const vitest = rootPath('node_modules/vitest/vitest.mjs');
    const env = { ...process.env, CI: '1', NO_COLOR: '1' };
    delete (env as Record<string, string | undefined>)['VITEST'];
    const r = spawnSync(process.execPath, [vitest, 'run', '--root', dir, '--config', join(dir, 'vitest.config.mjs')], {
      cwd: dir, encoding: 'utf8', env,
    }); // prettier-ignore
    expect(`${r.stdout}${r.stderr}`).toMatch(/Tests {2}4 passed \(4\)/);
    expect(r.status).toBe(0);
  });

  it('in node:test', { timeout: 60_000 }, () => {
    const env = { ...process.env };
    delete env['NODE_OPTIONS'];
    const out = execFileSync(process.execPath, ['--test', '--test-reporter=tap', write('threads.test.mjs')], {
      cwd: dir,
      encoding: 'utf8',
      env,
    });
    expect(out).toMatch(/# pass 1\n/);
  });
});

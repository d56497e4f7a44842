/** `--cpu unicorn` and `--cpu lockstep`; more programs on the first are in test/guests/unicorn.test.ts. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadNativeUnicorn } from '../../src/host/unicorn-native.ts';
import { Machine } from '../../src/index.ts';
import { guestPath, rootPath } from '../support/guests.ts';
import { CLI, runRing3, withFolder } from '../support/run.ts';

const BUSYBOX = '/usr/bin/busybox';
const FAKE = rootPath('build/unicorn-js-fake.cjs');
const here = loadNativeUnicorn() !== null;
if (!here) console.log('Left out: guests on Unicorn: libunicorn2 or the package koffi is not here');

/** The same guest on both cores. */
async function both(program: string, args: readonly string[] = [], cpu = 'unicorn'): Promise<void> {
  const on = (core: string) => runRing3(program, args, { ring3: ['--cpu', core] });
  const [unicorn, interpreter] = [await on(cpu), await on('interp')];
  expect(unicorn).toEqual(interpreter);
}

/** C guests that are built for both architectures. */
const GUESTS = [
  'stdio',
  'threads',
  'signals',
  'fork-shm',
  'pipes',
  'sockets',
  'setjmp',
  'memory',
  'exec-chain',
];
const found = (['x86_64', 'aarch64'] as const).flatMap((arch) =>
  GUESTS.flatMap((name) => {
    const path = guestPath(arch === 'x86_64' ? `${name}-musl` : name, arch);
    return path ? [{ name: `${name} on ${arch}`, path }] : [];
  }),
);
const hello = guestPath('hello')!;
describe.skipIf(!here)('lockstep', () => {
  const ARM64_BUSYBOX = rootPath('build/arm64/root/bin/busybox');
  it.each([BUSYBOX, ARM64_BUSYBOX].filter(existsSync))('%s: ls -l / | sort', async (program) => {
    const r = await runRing3(program, ['sh', '-c', 'ls -l / | sort; echo $?'], {
      ring3: ['--cpu', 'lockstep'],
    });
    expect(r.stderr).toBe('');
    expect(r.stdout).toMatch(/ etc\n[^]*\n0\n$/);
    expect(r.status).toBe(0);
  });
});

describe.skipIf(!here)('the native Unicorn', () => {
  it('runs hello', () => both(hello));

  it('sees code written through another mapping, by the kernel and by itself', async () => {
    await both(guestPath('selfmod-musl')!);
  });

  it('faults as the interpreter does, but for what Unicorn lacks', async () => {
    const path = guestPath('segv-recover-musl')!;
    const lines = async (core: string) =>
      (await runRing3(path, [], { ring3: ['--cpu', core] })).stdout.split('\n');
    const [unicorn, interpreter] = [await lines('unicorn'), await lines('interp')];
    // A store across pages writes its first part; MOVAPS asks for no alignment; SSE raises no exceptions.
    const known = /^(nothing written before the fault|misaligned movaps|sse divide unmasked)/;
    expect(unicorn.filter((l) => !known.test(l))).toEqual(interpreter.filter((l) => !known.test(l)));
    expect(unicorn.filter((l) => known.test(l))).toHaveLength(3);
  });

  it('counts the same in every run with the same seed', async () => {
    const run = async (): Promise<{ out: string; instructions: number }> => {
      const machine = await Machine.boot({ program: guestPath('racy-musl')!, cpu: 'unicorn', seed: 5 });
      await machine.run();
      return { out: machine.stdout, instructions: machine.stats.instructions };
    };
    const first = await run();
    expect(first.instructions).toBeGreaterThan(10_000);
    expect(await run()).toEqual(first);
  });
});

describe.skipIf(!here)("a build with unicorn.js's interface", () => {
  beforeAll(async () => {
    await build({
      entryPoints: [rootPath('test/support/unicorn-js-fake.ts')],
      outfile: FAKE,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      define: { 'import.meta.url': 'fakeUrl' },
      banner: { js: "const fakeUrl = require('node:url').pathToFileURL(__filename).href;" },
      footer: { js: 'module.exports = module.exports.MUnicorn;' },
      logLevel: 'error',
    });
  });
  const cpu = `unicorn:${FAKE}`;

  it('runs hello', () => both(hello, [], cpu));
  it.each(found.filter((g) => /^(stdio|threads|signals|fork-shm|pipes)/.test(g.name)))('$name', ({ path }) =>
    both(path, [], cpu),
  );
});

describe('--cpu', () => {
  it('says in a line how to get a Unicorn when there is none', () =>
    withFolder(async (dir) => {
      cpSync(dirname(CLI), dir, { recursive: true }); // away from the packages
      const { stderr, status } = spawnSync(
        process.execPath,
        [join(dir, basename(CLI)), 'run', '--cpu', 'unicorn', hello],
        { encoding: 'utf8', env: {} },
      );
      expect(status).toBe(125);
      expect(stderr).toMatch(
        /^ring3: cpu: Unicorn is not here; get it with: apt-get install libunicorn2 [^\n]*\n$/,
      );
    }));
  it('says what a file that is no build of unicorn.js is', async () => {
    const r = await runRing3(hello, [], { ring3: ['--cpu', `unicorn:${CLI}.missing`] });
    expect(r.status).toBe(125);
    expect(r.stderr).toMatch(/^ring3: cpu: .*missing is no build of unicorn\.js: [^\n]*\n$/);
  });
  it('refuses other cores', async () => {
    const r = await runRing3(hello, [], { ring3: ['--cpu', 'bochs'] });
    expect(r.status).toBe(2);
    expect(r.stderr).toContain("'bochs'");
  });
});

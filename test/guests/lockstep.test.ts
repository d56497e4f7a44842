/** `--cpu lockstep:jit`: what is compiled, as early as it can be, against the interpreter. Against Unicorn: test/machine. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { guestPath, rootPath } from '../support/guests.ts';
import { runRing3 } from '../support/run.ts';

const BUSYBOX = '/usr/bin/busybox';

const NAMES = [
  'selfmod-musl',
  'floats-musl',
  'threads-musl',
  'signals-musl',
  'segv-recover-musl',
  'fork-shm-musl',
];
const found = ['x86_64', 'aarch64'].flatMap((arch) =>
  NAMES.flatMap((name) => {
    const path = guestPath(name, arch);
    return path ? [{ name: `${name} on ${arch}`, path }] : [];
  }),
);

describe('interpreter and compiler side by side', () => {
  it.each(found)('$name', async ({ path }) => {
    const on = (cpu: string) => runRing3(path, [], { ring3: ['--stats', '--seed', '1', '--cpu', cpu] });
    const [both, alone] = [await on('lockstep:jit'), await on('interp')];
    expect(both.stdout).toBe(alone.stdout);
    expect(both.status).toBe(alone.status);
    expect(both.stderr).not.toContain('differ');
    expect(Number(/compiled (\d+) regions/.exec(both.stderr)![1])).toBeGreaterThan(2);
  });

  const ARM64_BUSYBOX = rootPath('build/arm64/root/bin/busybox');
  it.each([BUSYBOX, ARM64_BUSYBOX].filter(existsSync))('%s: ls -l / | sort', async (program) => {
    const ring3 = ['--cpu', 'lockstep:jit'];
    const r = await runRing3(program, ['sh', '-c', 'ls -l / | sort; echo $?'], { ring3 });
    expect(r.stderr).toBe('');
    expect(r.stdout).toMatch(/ etc\n[^]*\n0\n$/);
    expect(r.status).toBe(0);
  });
});

/** The vDSO's functions tell the time without a system call, and tell the same time as the calls. */
import { describe, expect, it } from 'vitest';
import { guestPath } from '../support/guests.ts';
import { runRing3 } from '../support/run.ts';

const builds = ['x86_64', 'aarch64'].flatMap((arch) =>
  ['vdso', 'vdso-musl'].flatMap((name) => {
    const path = guestPath(name, arch);
    if (!path) console.log(`Left out: ${arch}/${name}: not built here`);
    return path ? [{ name: `${arch}/${name}`, path }] : [];
  }),
);

describe('vDSO', () => {
  it.each(builds)('$name asks the kernel nothing', async ({ path }) => {
    const { stdout, stderr, status } = await runRing3(path, ['many'], { ring3: ['-f'] }, 'strace');
    expect([stdout, status]).toEqual(['done\n', 0]);
    expect(stderr).toContain('"done');
    expect(stderr).not.toMatch(/^(clock_gettime|clock_getres|gettimeofday|time|getcpu)\(/m);
  });

  it.each(builds)('$name tells the time of the calls, by the virtual clock too', async ({ path }) => {
    for (const ring3 of [[], ['--seed', '7']]) {
      const { stdout, status } = await runRing3(path, [], { ring3 });
      expect(status).toBe(0);
      expect(stdout.match(/^clock \d+: 100 in order, resolution the same$/gm)).toHaveLength(7);
      expect(stdout).toContain('time: 1 1\ngetcpu: 0 1 1, 1\ncpu clocks: 0 0, none: -1 -1\n');
    }
  });
});

/** The guests that lie in the repository are what their sources build to. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { guestPath, rootPath } from '../support/guests.ts';
import { runRing3 } from '../support/run.ts';
import { toolchain } from '../../scripts/guests.mjs';

interface Manifest {
  readonly toolchain: Readonly<Record<string, string | null>>;
  readonly files: Readonly<Record<string, { source: string; libc: string; bytes: number }>>;
}

const ARCHES = ['x86_64', 'aarch64'] as const;
const folder = (arch: string): string => rootPath(`guests/prebuilt/${arch}/`);
const filesOf = (arch: string): string[] => readdirSync(folder(arch)).filter((f) => f !== 'MANIFEST.json');

describe.each(ARCHES)('prebuilt guests for %s', (arch) => {
  const dir = folder(arch);
  const manifest = JSON.parse(readFileSync(`${dir}MANIFEST.json`, 'utf8')) as Manifest;
  const here = toolchain(arch);
  const same = JSON.stringify(here) === JSON.stringify(manifest.toolchain);
  if (!same) {
    console.log(
      `Left out: byte comparison of prebuilt ${arch} guests: they were built with ${JSON.stringify(manifest.toolchain)}, here is ${JSON.stringify(here)}`,
    );
  }

  it('are the ones the manifest names', () => {
    expect(filesOf(arch).sort()).toEqual(Object.keys(manifest.files).sort());
    for (const [name, { bytes }] of Object.entries(manifest.files))
      expect(statSync(dir + name).size, name).toBe(bytes);
  });

  it.skipIf(!same).each(Object.keys(manifest.files))('%s rebuilds to the same bytes', (name) => {
    const built = guestPath(name, arch);
    expect(built).toBe(rootPath(`build/guests/${arch}/${name}`));
    expect(readFileSync(built!).equals(readFileSync(dir + name))).toBe(true);
  });

  it('run as they are', async () => {
    const hello = await runRing3(`${dir}hello`, []);
    expect(hello).toEqual({ stdout: 'Hello from ring 3\n', stderr: '', status: 0 });
    const stdio = await runRing3(`${dir}stdio-musl`, [], { stdin: 'one\ntwo\n' });
    expect(stdio).toEqual({
      stdout: '   1 one\n   2 two\n',
      stderr: '2 lines, 8 bytes, tty 0\n',
      status: 2,
    });
  });
});

describe('the repository', () => {
  it('holds less than a megabyte of them', () => {
    let bytes = 0;
    for (const arch of ARCHES) for (const f of filesOf(arch)) bytes += statSync(folder(arch) + f).size;
    expect(bytes).toBeLessThan(1 << 20);
  });
});

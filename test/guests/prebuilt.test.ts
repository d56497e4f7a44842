/** The guests that lie in the repository are what their sources build to. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { rootPath } from '../support/guests.ts';
import { toolchain } from '../../scripts/guests.mjs';

interface Manifest {
  readonly toolchain: Readonly<Record<string, string | null>>;
  readonly files: Readonly<Record<string, { source: string; libc: string; bytes: number }>>;
}

const dir = rootPath('guests/prebuilt/x86_64/');
const manifest = JSON.parse(readFileSync(`${dir}MANIFEST.json`, 'utf8')) as Manifest;
const here = toolchain();
const same = JSON.stringify(here) === JSON.stringify(manifest.toolchain);
if (!same) {
  console.log(
    `Left out: byte comparison of prebuilt guests: they were built with ${JSON.stringify(manifest.toolchain)}, here is ${JSON.stringify(here)}`,
  );
}

describe('prebuilt guests', () => {
  it('are the ones the manifest names, under a megabyte in all', () => {
    const files = readdirSync(dir).filter((f) => f !== 'MANIFEST.json');
    expect(files.sort()).toEqual(Object.keys(manifest.files).sort());
    const bytes = files.reduce((sum, f) => sum + statSync(dir + f).size, 0);
    expect(bytes).toBeLessThan(1 << 20);
  });

  it.skipIf(!same).each(Object.keys(manifest.files))('%s rebuilds to the same bytes', (name) => {
    const built = readFileSync(rootPath(`build/guests/x86_64/${name}`));
    expect(built.equals(readFileSync(dir + name))).toBe(true);
  });
});

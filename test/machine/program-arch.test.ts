/** The architecture of a machine, from what the program's name leads to in the folders the guest will see. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BootOptions } from '../../src/machine/options.ts';
import { findProgram } from '../../src/machine/program.ts';
import { chooseArch } from '../../src/machine/program-arch.ts';
import { tinyElf } from '../kernel/harness.ts';
import { withFolder } from '../support/run.ts';

const X86 = 62;
const ARM = 183;
const PATH = '/usr/bin:/bin';

function put(root: string, path: string, content: string | Uint8Array, mode = 0o755): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content, { mode });
}

const inRoot = (root: string, program: string, more: Partial<BootOptions> = {}): string =>
  chooseArch({ root, program, ...more }, null, PATH);

describe('the architecture', () => {
  it('is the program’s, inside the root, through its links', () =>
    withFolder((dir) => {
      const root = join(dir, 'root');
      put(root, 'usr/bin/arm', tinyElf(ARM));
      put(root, 'usr/bin/x86', tinyElf(X86));
      symlinkSync('usr/bin', join(root, 'bin'));
      symlinkSync('/usr/bin/arm', join(root, 'usr/bin/absolute'));
      symlinkSync('../../../../../usr/bin/arm', join(root, 'usr/bin/climbs'));
      // On the host this leads to an x86_64 program, in the guest to nothing.
      put(dir, 'outside', tinyElf(X86));
      symlinkSync(join(dir, 'outside'), join(root, 'usr/bin/outside'));
      symlinkSync('loop', join(root, 'usr/bin/loop'));
      expect(inRoot(root, '/usr/bin/arm')).toBe('aarch64');
      expect(inRoot(root, '/bin/arm')).toBe('aarch64');
      expect(inRoot(root, '/bin/x86')).toBe('x86_64');
      expect(inRoot(root, '/bin/absolute')).toBe('aarch64');
      expect(inRoot(root, '/bin/climbs')).toBe('aarch64');
      expect(inRoot(root, './arm', { cwd: '/usr/bin' })).toBe('aarch64');
      expect(inRoot(root, 'arm')).toBe('aarch64');
      for (const name of ['outside', 'loop', 'missing']) {
        expect(inRoot(root, `/bin/${name}`, { platform: 'linux/arm64' })).toBe('aarch64');
        expect(inRoot(root, `/bin/${name}`)).toBe('x86_64');
      }
      return Promise.resolve();
    }));

  it('of a bare name is that of the first executable on the PATH', () =>
    withFolder((root) => {
      put(root, 'usr/bin/tool', tinyElf(X86), 0o644);
      put(root, 'bin/tool', tinyElf(ARM));
      expect(inRoot(root, 'tool')).toBe('aarch64');
      return Promise.resolve();
    }));

  it('of a script is its interpreter’s, script after script', () =>
    withFolder((root) => {
      put(root, 'bin/sh', tinyElf(ARM));
      put(root, 'bin/wrap', '#! /bin/sh -e\n');
      put(root, 'script', '#!/bin/wrap\n');
      put(root, 'endless', '#!/endless\n');
      expect(inRoot(root, '/script')).toBe('aarch64');
      expect(inRoot(root, '/endless')).toBe('x86_64');
      return Promise.resolve();
    }));

  it('is found in mounts and given files too', () =>
    withFolder((dir) => {
      put(dir, 'tools/sh', tinyElf(ARM));
      put(dir, 'root/opt/sh', tinyElf(X86));
      const mounts = [
        { host: join(dir, 'tools'), guest: '/opt' },
        { host: join(dir, 'tools/sh'), guest: '/single' },
      ];
      const script = (text: string): string => {
        const options = {
          program: new TextEncoder().encode(text),
          mounts,
          files: { '/given': { data: tinyElf(ARM) } },
        };
        return chooseArch(options, findProgram(options), PATH);
      };
      expect(script('#!/opt/sh\n')).toBe('aarch64');
      expect(script('#!/single\n')).toBe('aarch64');
      expect(script('#!/given\n')).toBe('aarch64');
      expect(script('#!/opt/none\n')).toBe('x86_64');
      expect(inRoot(join(dir, 'root'), '/opt/sh')).toBe('x86_64');
      expect(inRoot(join(dir, 'root'), '/opt/sh', { mounts })).toBe('aarch64');
      return Promise.resolve();
    }));

  it('must be the one asked for', () => {
    const options = { program: tinyElf(ARM), platform: 'linux/amd64' } as const;
    expect(() => chooseArch(options, findProgram(options), PATH)).toThrow(
      '/bin/program is for aarch64, not for linux/amd64',
    );
  });
});

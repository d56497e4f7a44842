/** What the dynamic linker of this machine does, natively and out of a root of copies: LD_PRELOAD, dlopen, TLS, IFUNC, RELRO. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nativeReason, rootPath } from '../support/guests.ts';
import { addProgram } from '../support/root-folder.ts';
import { hostTool, runNative, runRing3, withFolder } from '../support/run.ts';

const GCC = hostTool('/usr/bin/gcc', 'gcc', 'the dynamic linker beside native runs');
const reason = nativeReason();

describe.skipIf(!GCC || reason !== null)('a dynamic program', () => {
  it('is preloaded, loads and unloads libraries, and has its relocations protected', () =>
    withFolder(async (dir) => {
      const build = (name: string, ...args: string[]): void =>
        void execFileSync(GCC!, ['-w', '-O1', '-pthread', ...args, rootPath(`guests/dynamic/${name}.c`)]);
      for (const name of ['library', 'preload'])
        build(name, '-shared', '-fPIC', '-o', join(dir, `${name}.so`));
      const program = join(dir, 'program');
      build('program', '-Wl,-z,relro,-z,now', '-o', program);

      const env = { LD_PRELOAD: './preload.so' };
      const native = await runNative('./program', [], { cwd: dir, env });
      expect(native.stdout).toContain('writing RELRO: signal 11\n');
      const root = join(dir, 'root');
      addProgram(root, program);
      const ring3 = ['--root', root, '-v', `${dir}:/work:ro`];
      expect(await runRing3('./program', [], { cwd: '/work', env, ring3 })).toEqual(native);
    }));
});

/** `ring3 preflight` on programs made here, each lacking one thing. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { elfNeeds } from '../../src/preflight/elf-needs.ts';
import { guestPath } from '../support/guests.ts';
import { CLI, hostTool, withFolder } from '../support/run.ts';
import { Random } from '../support/random.ts';

function preflight(...args: string[]): { text: string; status: number | null } {
  const r = spawnSync(process.execPath, [CLI, 'preflight', ...args], { encoding: 'utf8' });
  return { text: r.stdout + r.stderr, status: r.status };
}

describe('preflight', () => {
  it('of a static program: its calls, and nothing missing', () => {
    for (const arch of ['x86_64', 'aarch64']) {
      const { text, status } = preflight(guestPath('threads-musl', arch)!);
      expect(text).toContain(`looked at:\n  ${arch}\n`);
      expect(text).toMatch(/\n {2}\d\d+ different system calls found\n/);
      expect(text).toMatch(/nothing is missing\n$/);
      expect(status).toBe(0);
    }
  });

  it('says that there is no such program, or that it is none', () =>
    withFolder(async (dir) => {
      writeFileSync(join(dir, 'text'), 'hello');
      expect(preflight(join(dir, 'none'))).toMatchObject({ status: 1 });
      expect(preflight(join(dir, 'none')).text).toContain('no such file');
      expect(preflight(join(dir, 'text')).text).toContain('no 64-bit ELF program');
    }));

  const gcc =
    hostTool('/usr/bin/gcc', 'gcc', 'preflight of programs made here') !== null && process.arch === 'x64';
  it.runIf(gcc)('names a call that is not implemented, and a processor that is not there', () =>
    withFolder(async (dir) => {
      const source = join(dir, 'p.c');
      writeFileSync(
        source,
        'void _start(void) { long r; __asm__ volatile("mov $425, %%eax\\n\\tsyscall" : "=a"(r) :: "rcx", "r11"); for (;;); }',
      );
      const out = join(dir, 'p');
      execFileSync('gcc', ['-nostdlib', '-static', '-Wl,-z,x86-64-v4', '-o', out, source]);
      const { text, status } = preflight(out);
      expect(text).toContain('  system call io_uring_setup: not implemented\n');
      expect(text).toMatch(/ {2}x86-64-v4, which .*\/p is built for: no avx512f/);
      expect(status).toBe(1);
    }),
  );

  it.runIf(gcc)(
    'follows interpreter, libraries and links of a root, and names the library that is not there',
    () =>
      withFolder(async (dir) => {
        const at = (name: string): string => join(dir, name);
        writeFileSync(at('lib.c'), 'int f(void) { return 1; } int io_setup(int n, void *p) { return n; }');
        writeFileSync(
          at('p.c'),
          'int f(void); int io_setup(int, void *); int main(void) { return f() + io_setup(1, 0); }',
        );
        execFileSync('gcc', ['-shared', '-fPIC', '-o', at('libone.so'), at('lib.c')]);
        const link = ['-Wl,-rpath,$ORIGIN/../lib'];
        execFileSync('gcc', ['-o', at('p'), at('p.c'), `-L${dir}`, '-lone', ...link]);
        expect(preflight(at('p')).text).toContain('its interpreter; a dynamic program needs --root');
        for (const d of ['root', 'root/opt', 'root/opt/bin', 'root/opt/lib', 'root/lib64', 'root/lib'])
          mkdirSync(at(d));
        copyFileSync(at('p'), at('root/opt/bin/p'));
        symlinkSync('/opt/bin/p', at('root/p'));
        const before = preflight('--root', at('root'), '/p');
        expect(before.text).toContain('/lib64/ld-linux-x86-64.so.2: its interpreter, not in the root');
        expect(before.text).toContain('libc.so.6: a library that /p needs');
        const libs = {
          'lib64/ld-linux-x86-64.so.2': '/lib64/ld-linux-x86-64.so.2',
          'lib/libc.so.6': '/lib/x86_64-linux-gnu/libc.so.6',
        };
        for (const [to, from] of Object.entries(libs)) copyFileSync(from, at(`root/${to}`));
        const after = preflight('--root', at('root'), '/opt/bin/p');
        expect(after.text).not.toContain('libc.so.6: a library');
        expect(after.text).toContain('libone.so: a library that /opt/bin/p needs');
        expect(after.text).toContain('system call io_setup: not implemented');
      }),
  );

  it('reads any bytes without a fault', () => {
    const bytes = readFileSync(guestPath('threads-musl')!);
    const r = new Random(1);
    for (let i = 0; i < 300; i++) {
      const broken = new Uint8Array(bytes);
      for (let k = 0; k < 8; k++) broken[r.below(r.chance(0.5) ? 400 : broken.length)] = r.below(256);
      elfNeeds(broken.subarray(0, r.below(broken.length)));
    }
  });
});

#!/usr/bin/env node
// Assembles loader/vdso/*.S into loader/vdso/code.ts. Needs binutils for both architectures.
// Usage: node scripts/vdso.mjs [--print]   (prints instead of writing)
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const FUNCTIONS = {
  x86_64: ['clock_gettime', 'gettimeofday', 'clock_getres', 'time', 'getcpu'],
  aarch64: ['rt_sigreturn', 'clock_gettime', 'gettimeofday', 'clock_getres'],
};

function run(tool, ...args) {
  const r = spawnSync(tool, args, { encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`${tool}: ${r.error?.message ?? r.stderr}`);
  return r.stdout;
}

function assemble(arch, dir) {
  const tool = (name) => `/usr/bin/${arch}-linux-gnu-${name}`;
  const object = join(dir, `${arch}.o`);
  run(tool('as'), '-o', object, join(root, `loader/vdso/${arch}.S`));
  run(tool('objcopy'), '-O', 'binary', '-j', '.text', object, `${object}.bin`);
  const at = Object.fromEntries(
    run(tool('nm'), object)
      .split('\n')
      .map((line) => line.split(' '))
      .map(([value, , name]) => [name, Number.parseInt(value, 16)]),
  );
  const hex = readFileSync(`${object}.bin`).subarray(0, at.end).toString('hex');
  const lines = hex.match(/.{1,96}/g).map((line) => `    '${line}'`);
  const functions = FUNCTIONS[arch].map((name) => `${name}: ${at[name]}`).join(', ');
  return `  ${arch}: {\n    functions: { ${functions} },\n    hex:\n  ${lines.join(' +\n  ')},\n  },\n`;
}

const dir = mkdtempSync(join(tmpdir(), 'ring3-vdso-'));
try {
  const text =
    '/** Made by scripts/vdso.mjs from the assembly beside it: functions by offset, and their bytes. */\n' +
    `// prettier-ignore\nexport const VDSO_CODE = {\n${['x86_64', 'aarch64'].map((a) => assemble(a, dir)).join('')}} as const;\n`;
  if (process.argv.includes('--print')) process.stdout.write(text);
  else writeFileSync(join(root, 'loader/vdso/code.ts'), text);
} finally {
  rmSync(dir, { recursive: true });
}

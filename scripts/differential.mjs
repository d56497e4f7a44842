#!/usr/bin/env node
// Random instructions against this machine's processor (x86_64) and qemu-aarch64, as many as asked for, and A64 words
// against objdump. Says how many of each family agreed; with --record writes it to a file.
// Usage: node scripts/differential.mjs [--x86 N] [--a64 N] [--words N] [--seed N] [--record FILE]
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const REPORT = 'build/differential.md';
const { values } = parseArgs({
  options: {
    x86: { type: 'string' },
    a64: { type: 'string' },
    words: { type: 'string' },
    seed: { type: 'string', default: '1' },
    record: { type: 'string' },
  },
});
/** What is asked for: test file, and the variable that says how much. */
const PARTS = [
  ['x86', 'test/differential/x86.test.ts', 'RING3_DIFF_X86'],
  ['a64', 'test/differential/a64.test.ts', 'RING3_DIFF_A64'],
  ['words', 'test/differential/a64-decoder.test.ts', 'RING3_DECODER_WORDS'],
].filter(([option]) => values[option] !== undefined);
if (PARTS.length === 0) {
  console.log('Usage: npm run differential -- [--x86 N] [--a64 N] [--words N] [--seed N] [--record FILE]');
  process.exit(2);
}

const node = (...args) => spawnSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
node('scripts/build.mjs', '--cpu-only', '--if-stale');
node('scripts/guests.mjs', 'instruction-driver');
rmSync(REPORT, { force: true });
const env = { ...process.env, RING3_DIFF_SEED: values.seed, RING3_DIFF_REPORT: REPORT };
for (const [option, , variable] of PARTS) env[variable] = String(Number(values[option]));
const started = Date.now();
const files = PARTS.map(([, file]) => file);
const run = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...files], {
  stdio: 'inherit',
  env,
});
const minutes = ((Date.now() - started) / 60_000).toFixed(1);

const first = (command, ...args) => {
  const r = spawnSync(command, args, { encoding: 'utf8' });
  return r.status === 0 ? r.stdout.split('\n')[0] : null;
};
const found = existsSync(REPORT) ? readFileSync(REPORT, 'utf8').trim() : 'Nothing ran.';
const asked = PARTS.map(([option]) => `--${option} ${values[option]}`).join(' ');
const report = `# Differential runs

\`npm run differential -- ${asked} --seed ${values.seed}\`, ${new Date().toISOString().slice(0, 10)}, ${minutes} minutes, exit status ${run.status}.

${cpus()[0].model.trim()}, Linux ${release()}, Node ${process.version}${[first('qemu-aarch64', '--version'), first('aarch64-linux-gnu-objdump', '--version')].map((v) => (v ? `, ${v}` : '')).join('')}

${found}
`;
if (values.record) writeFileSync(values.record, report);
console.log(`\n${report}`);
process.exitCode = run.status ?? 1;

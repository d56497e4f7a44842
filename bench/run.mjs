#!/usr/bin/env node
// Side by side: native, qemu and ring3 on the same binaries, for both architectures. Medians over the runs, results in
// bench/RESULTS.md.
// Usage: node bench/run.mjs [--runs N] [--quick] [--no-write] [NAME…]
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const args = process.argv.slice(2);
const quick = args.includes('--quick');
const runsAt = args.indexOf('--runs');
const RUNS = runsAt >= 0 ? Number(args[runsAt + 1]) : quick ? 3 : 7;
const only = args.filter((a, i) => !a.startsWith('--') && i !== runsAt + 1);

const guestOf = (b, arch) => join('build/guests', arch, b.guest);
const qemuOf = (arch) => `/usr/bin/qemu-${arch}`;
const QEMU = qemuOf('x86_64');
const CLI = 'dist/ring3.cjs';
const trace = join(tmpdir(), `ring3-bench-${process.pid}.trace`);

/** `size`: the argument, chosen so that ring3 runs for about a second; `quick` takes a fifth. */
const BENCHES = [
  { name: 'sha256', guest: 'bench-sha256', size: 1500, unit: 'KiB', kind: 'loop' },
  { name: 'crc32', guest: 'bench-crc32', size: 120, unit: 'rounds', kind: 'loop' },
  { name: 'matrix', guest: 'bench-matrix', size: 40, unit: 'rounds', kind: 'loop' },
  { name: 'qsort', guest: 'bench-qsort', size: 300, unit: 'thousand', kind: 'loop' },
  { name: 'fib', guest: 'bench-fib', size: 29, unit: 'n', kind: 'loop', fixed: true },
  { name: 'strings', guest: 'bench-strings', size: 2000, unit: 'rounds', kind: 'loop' },
  { name: 'hello (start to end)', guest: 'hello', size: null, kind: 'start' },
  { name: 'getpid', guest: 'bench-getpid-loop', size: 2_000_000, unit: 'calls', kind: 'rate' },
  {
    name: 'futex ping-pong',
    guest: 'bench-futex-pingpong',
    size: 100_000,
    unit: 'round trips',
    kind: 'rate',
  },
  {
    name: 'traced write, to a file',
    guest: 'bench-write-lines',
    size: 200_000,
    unit: 'lines',
    kind: 'trace',
  },
];

function once(command, commandArgs) {
  const start = process.hrtime.bigint();
  const r = spawnSync(command, commandArgs, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: 120_000,
  });
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  if (r.status !== 0)
    throw new Error(`${command} ${commandArgs.join(' ')}: ${r.error ?? r.stderr ?? r.status}`);
  return { ms, stdout: r.stdout, stderr: r.stderr };
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

/** Median times of several commands, in milliseconds. They take turns: what disturbs the machine disturbs all. */
function timeInTurn(list) {
  const times = list.map(() => []);
  let last;
  for (let i = 0; i < RUNS; i++)
    last = list.map((c, k) => {
      const r = once(c[0], c.slice(1));
      times[k].push(r.ms);
      return r;
    });
  return list.map((_, k) => ({ ms: median(times[k]), stdout: last[k].stdout }));
}

/** The command of each side; null where this machine lacks it. */
function commands(b, size) {
  const native = guestOf(b, 'x86_64');
  const tail = (guest) => (size === null ? [guest] : [guest, String(size)]);
  const traced = b.kind === 'trace';
  const qemu = (arch) =>
    existsSync(qemuOf(arch)) && existsSync(guestOf(b, arch))
      ? [qemuOf(arch), ...(traced ? ['-strace', '-D', trace] : []), ...tail(guestOf(b, arch))]
      : null;
  const ring3 = (arch) =>
    existsSync(guestOf(b, arch))
      ? [process.execPath, CLI, ...(traced ? ['strace', '-o', trace] : ['run']), ...tail(guestOf(b, arch))]
      : null;
  return {
    native: !traced ? tail(native) : existsSync(STRACE) ? [STRACE, '-o', trace, ...tail(native)] : null,
    qemu: qemu('x86_64'),
    ring3: ring3('x86_64'),
    qemuArm: qemu('aarch64'),
    ring3Arm: ring3('aarch64'),
  };
}

const STRACE = '/usr/bin/strace';

function describeMachine() {
  const cpu = cpus();
  const qemu = existsSync(QEMU)
    ? spawnSync(QEMU, ['--version'], { encoding: 'utf8' }).stdout.split('\n')[0]
    : 'no qemu-x86_64';
  return `${cpu.length} × ${cpu[0].model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, Node ${process.version}, ${qemu}`;
}

const rows = [];
for (const b of BENCHES) {
  if (only.length > 0 && !only.some((o) => b.name.startsWith(o))) continue;
  const guest = guestOf(b, 'x86_64');
  if (!existsSync(guest)) {
    console.log(`${b.name}: left out: ${guest} is not built (npm run guests)`);
    continue;
  }
  const size = b.size === null || b.fixed || !quick ? b.size : Math.ceil(b.size / 5);
  const result = {};
  const sides = Object.entries(commands(b, size)).filter(([, c]) => c);
  // Start-up is part of a run, and most of a short one: rates are over the rest.
  const rated = b.kind === 'rate' || b.kind === 'trace';
  const empty = commands(b, 1);
  const runs = timeInTurn([...sides.map(([, c]) => c), ...(rated ? sides.map(([who]) => empty[who]) : [])]);
  sides.forEach(([who], i) => {
    result[who] = runs[i].ms;
    if (rated) result[`${who}Rate`] = size / ((runs[i].ms - runs[i + sides.length].ms) / 1000);
  });
  const outputs = new Set(runs.slice(0, sides.length).map((r) => r.stdout));
  if (outputs.size !== 1) throw new Error(`${b.name}: the outputs differ: ${[...outputs].join(' / ')}`);
  const speed = (arch) => {
    if (b.kind !== 'loop' || !existsSync(guestOf(b, arch))) return null;
    const { stderr } = once(process.execPath, [CLI, 'run', '--stats', guestOf(b, arch), String(size)]);
    const m = /(\d+) instructions in [\d.]+ ms \(([\d.]+) million a second\)/.exec(stderr);
    return m && Number(m[2]);
  };
  const mips = speed('x86_64');
  const mipsArm = speed('aarch64');
  rows.push({ ...b, size, ...result, mips, mipsArm });
  console.log(b.name, JSON.stringify(result), mips ?? '', mipsArm ?? '');
}
rmSync(trace, { force: true });

const ms = (v) => (v === undefined ? '–' : v < 10 ? v.toFixed(1) : v.toFixed(0));
const ratio = (a, b) => (a === undefined || b === undefined ? '–' : (a / b).toFixed(a / b < 10 ? 1 : 0));
const rate = (v) =>
  v === undefined ? '–' : v >= 1e6 ? `${(v / 1e6).toFixed(2)} M` : `${(v / 1e3).toFixed(0)} k`;

const text = `# Benchmark results

Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: medians of ${RUNS} runs taken in turn, the same
binaries in each column.
Machine: ${describeMachine()}. ring3's core here is the interpreter.

## Whole runs, start-up included (milliseconds)

| program | native | qemu-x86_64 | ring3 | ring3 / native | ring3 / qemu | million instructions a second |
|---|---|---|---|---|---|---|
${rows
  .filter((r) => r.kind === 'loop' || r.kind === 'start')
  .map(
    (r) =>
      `| ${r.name}${r.size === null ? '' : ` (${r.size} ${r.unit})`} | ${ms(r.native)} | ${ms(r.qemu)} | ${ms(r.ring3)} | ${ratio(r.ring3, r.native)} | ${ratio(r.ring3, r.qemu)} | ${r.mips ?? '–'} |`,
  )
  .join('\n')}

## The same programs for aarch64

| program | qemu-aarch64 | ring3 | ring3 / qemu | million instructions a second | beside x86_64 |
|---|---|---|---|---|---|
${rows
  .filter((r) => (r.kind === 'loop' || r.kind === 'start') && r.ring3Arm !== undefined)
  .map(
    (r) =>
      `| ${r.name} | ${ms(r.qemuArm)} | ${ms(r.ring3Arm)} | ${ratio(r.ring3Arm, r.qemuArm)} | ${r.mipsArm ?? '–'} | ${r.mips && r.mipsArm ? ratio(r.mipsArm, r.mips) : '–'} |`,
  )
  .join('\n')}

## Rates (a second, start-up taken off)

| what | native | qemu-x86_64 | ring3 | ring3 / native | ring3 / qemu | aarch64: qemu | ring3 |
|---|---|---|---|---|---|---|---|
${rows
  .filter((r) => r.kind === 'rate' || r.kind === 'trace')
  .map(
    (r) =>
      `| ${r.name} (${r.unit}) | ${rate(r.nativeRate)} | ${rate(r.qemuRate)} | ${rate(r.ring3Rate)} | ${ratio(r.ring3Rate, r.nativeRate)} | ${ratio(r.ring3Rate, r.qemuRate)} | ${rate(r.qemuArmRate)} | ${rate(r.ring3ArmRate)} |`,
  )
  .join('\n')}

"native" of the traced line is strace, qemu's is \`-strace\`; both write to a file, as ring3 does.
The bundle is ${(statSync('dist/cli.cjs').size / 1024).toFixed(0)} KiB of JavaScript, ${(statSync('dist/x86_64.wasm').size / 1024).toFixed(0)} and ${(statSync('dist/aarch64.wasm').size / 1024).toFixed(0)} KiB of WebAssembly.
`;
if (!args.includes('--no-write') && only.length === 0) writeFileSync('bench/RESULTS.md', text);
else console.log(text);

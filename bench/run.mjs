#!/usr/bin/env node
// Side by side: native, qemu, Unicorn and ring3 on the same binaries, for both architectures. Medians over the runs,
// results in bench/RESULTS.md. A WebAssembly build of Unicorn gets a column when its unicorn.js is given.
// Usage: node bench/run.mjs [--runs N] [--quick] [--no-write] [--unicorn FILE.js] [NAME…]
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const args = process.argv.slice(2);
const quick = args.includes('--quick');
/** The option's value, taken out of the arguments. */
function option(name) {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args.splice(at, 2)[1];
}
const RUNS = Number(option('--runs') ?? (quick ? 3 : 7));
const UNICORN_JS = option('--unicorn');
const only = args.filter((a) => !a.startsWith('--'));

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

const ARCHES = ['x86_64', 'aarch64'];
const STRACE = '/usr/bin/strace';

/** Whether a core can run here at all. */
const runs = (core) =>
  spawnSync(process.execPath, [CLI, 'run', '--cpu', core, guestOf({ guest: 'hello' }, 'x86_64')]).status ===
  0;

/** Who runs programs, in the order of the columns: a title, the core where it is ring3, and whether it is here. */
const SIDES = [
  { id: 'native', title: 'native' },
  { id: 'qemu', title: 'qemu' },
  { id: 'unicorn', title: 'Unicorn', core: 'unicorn' },
  { id: 'unicornJs', title: 'Unicorn (wasm)', core: `unicorn:${UNICORN_JS}`, absent: !UNICORN_JS },
  { id: 'interp', title: 'interpreter', core: 'interp' },
  { id: 'ring3', title: 'ring3', core: 'jit' },
].filter((s) => !s.absent && (!s.core || runs(s.core)));
if (!SIDES.some((s) => s.id === 'unicorn'))
  console.log('left out: Unicorn: libunicorn2 or the package koffi is not here');

/** The command of a side; null where this machine lacks it. */
function command(side, b, arch, size) {
  const guest = guestOf(b, arch);
  if (!existsSync(guest)) return null;
  const tail = size === null ? [guest] : [guest, String(size)];
  const traced = b.kind === 'trace';
  switch (side.id) {
    case 'native':
      if (arch !== 'x86_64') return null;
      if (!traced) return tail;
      return existsSync(STRACE) ? [STRACE, '-o', trace, ...tail] : null;
    case 'qemu':
      return existsSync(qemuOf(arch))
        ? [qemuOf(arch), ...(traced ? ['-strace', '-D', trace] : []), ...tail]
        : null;
    default: {
      // Copying all pages in and out at each call, it would take minutes.
      if (side.id === 'unicornJs' && b.kind !== 'loop' && b.kind !== 'start') return null;
      const options = [...(traced ? ['strace', '-o', trace] : ['run']), '--cpu', side.core];
      return [process.execPath, CLI, ...options, ...tail];
    }
  }
}

function describeMachine() {
  const cpu = cpus();
  const qemu = existsSync(QEMU)
    ? spawnSync(QEMU, ['--version'], { encoding: 'utf8' }).stdout.split('\n')[0]
    : 'no qemu-x86_64';
  return `${cpu.length} × ${cpu[0].model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, Node ${process.version}, ${qemu}`;
}

/** Millions of instructions a second, as `--stats` has them; null where that says little. */
function speed(side, b, arch, size) {
  if (!side.core || b.kind !== 'loop' || !existsSync(guestOf(b, arch))) return null;
  const options = ['run', '--stats', '--cpu', side.core];
  const { stderr } = once(process.execPath, [CLI, ...options, guestOf(b, arch), String(size)]);
  const m = /\(([\d.]+) million a second\)/.exec(stderr);
  return m && Number(m[1]);
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
  const all = ARCHES.flatMap((arch) => SIDES.map((side) => ({ arch, side })));
  const cells = all.filter(({ arch, side }) => command(side, b, arch, size));
  // Start-up is part of a run, and most of a short one: rates are over the rest.
  const rated = b.kind === 'rate' || b.kind === 'trace';
  const list = (n) => cells.map(({ arch, side }) => command(side, b, arch, n));
  const times = timeInTurn([...list(size), ...(rated ? list(1) : [])]);
  const row = { ...b, size, x86_64: {}, aarch64: {} };
  cells.forEach(({ arch, side }, i) => {
    const { ms } = times[i];
    const perSecond = rated ? size / ((ms - times[i + cells.length].ms) / 1000) : undefined;
    row[arch][side.id] = { ms, perSecond, mips: speed(side, b, arch, size) };
  });
  const outputs = new Set(times.slice(0, cells.length).map((r) => r.stdout));
  if (outputs.size !== 1) throw new Error(`${b.name}: the outputs differ: ${[...outputs].join(' / ')}`);
  rows.push(row);
  console.log(b.name, JSON.stringify({ x86_64: row.x86_64, aarch64: row.aarch64 }));
}
rmSync(trace, { force: true });

const ms = (c) => (c === undefined ? '–' : c.ms < 10 ? c.ms.toFixed(1) : c.ms.toFixed(0));
const ratio = (a, b) => (!a || !b ? '–' : (a / b).toFixed(a / b < 10 ? 1 : 0));
const rate = (c) =>
  c === undefined
    ? '–'
    : c.perSecond >= 1e6
      ? `${(c.perSecond / 1e6).toFixed(2)} M`
      : `${(c.perSecond / 1e3).toFixed(0)} k`;
const table = (head, lines) =>
  [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const isRun = (r) => r.kind === 'loop' || r.kind === 'start';
/** All sides that run anything of this architecture, and ring3 beside those that are not ring3. */
function runTable(arch) {
  const sides = SIDES.filter((s) => rows.some((r) => r[arch][s.id]));
  const others = sides.filter((s) => s.id !== 'ring3' && s.id !== 'interp');
  return table(
    ['program', ...sides.map((s) => s.title), ...others.map((s) => `ring3 / ${s.title}`)],
    rows
      .filter(isRun)
      .map((r) => [
        `${r.name}${r.size === null ? '' : ` (${r.size} ${r.unit})`}`,
        ...sides.map((s) => ms(r[arch][s.id])),
        ...others.map((s) => ratio(r[arch].ring3?.ms, r[arch][s.id]?.ms)),
      ]),
  );
}
function rateTable(arch) {
  const sides = SIDES.filter((s) => rows.some((r) => r[arch][s.id]));
  const others = sides.filter((s) => s.id !== 'ring3' && s.id !== 'interp');
  return table(
    ['what', ...sides.map((s) => s.title), ...others.map((s) => `ring3 / ${s.title}`)],
    rows
      .filter((r) => !isRun(r))
      .map((r) => [
        `${r.name} (${r.unit})`,
        ...sides.map((s) => rate(r[arch][s.id])),
        ...others.map((s) => ratio(r[arch].ring3?.perSecond, r[arch][s.id]?.perSecond)),
      ]),
  );
}
function speedTable() {
  const cores = SIDES.filter((s) => s.core);
  return table(
    [
      'program',
      ...ARCHES.flatMap((arch) => cores.map((s) => `${arch}: ${s.title}`)),
      'interpreter: aarch64 / x86_64',
    ],
    rows
      .filter((r) => r.kind === 'loop')
      .map((r) => [
        r.name,
        ...ARCHES.flatMap((arch) => cores.map((s) => r[arch][s.id]?.mips?.toFixed(0) ?? '–')),
        ratio(r.aarch64.interp?.mips, r.x86_64.interp?.mips),
      ]),
  );
}

const text = `# Benchmark results

Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: medians of ${RUNS} runs taken in turn, the same
binaries in each column.
Machine: ${describeMachine()}.

"ring3" is the default core (interpreter and compiler), "interpreter" is \`--cpu interp\`; "Unicorn" is ring3's kernel over
libunicorn (\`--cpu unicorn\`), which asks a hook before each instruction there.

## x86_64: whole runs, start-up included (milliseconds)

${runTable('x86_64')}

## aarch64: the same programs

${runTable('aarch64')}

## Millions of instructions a second

${speedTable()}

## x86_64: rates (a second, start-up taken off)

${rateTable('x86_64')}

## aarch64: rates

${rateTable('aarch64')}

"native" of the traced line is strace, qemu's is \`-strace\`; both write to a file, as ring3 does.
The bundle is ${(statSync('dist/cli.cjs').size / 1024).toFixed(0)} KiB of JavaScript, ${(statSync('dist/x86_64.wasm').size / 1024).toFixed(0)} and ${(statSync('dist/aarch64.wasm').size / 1024).toFixed(0)} KiB of WebAssembly.
`;
if (!args.includes('--no-write') && only.length === 0) writeFileSync('bench/RESULTS.md', text);
else console.log(text);

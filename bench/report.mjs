// The benchmark's tables.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { geomean } from './measure.mjs';
import { qemuOf } from './sides.mjs';

const dist = (name) => fileURLToPath(new URL(`../dist/${name}`, import.meta.url));
const seconds = (ms) => (ms < 100 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`);
const ratio = (a, b) => (a > 0 && b > 0 ? a / b : undefined);
const shown = (x) => (x === undefined ? '–' : x.toFixed(x < 10 ? 2 : 0));
const table = (head, lines) =>
  [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const wrong = (c) => (c?.differs === undefined ? '' : ' ✗');

function time(c, runs, clock) {
  if (!c) return '–';
  return `${seconds(c[clock])}${c.runs < runs ? ` (${c.runs})` : ''}${wrong(c)}`;
}
function rate(c) {
  if (!c) return '–';
  const text =
    c.perSecond >= 1e6
      ? `${(c.perSecond / 1e6).toFixed(2)} M`
      : `${(c.perSecond / 1e3).toFixed(c.perSecond < 1e4 ? 1 : 0)} k`;
  return text + wrong(c);
}

/** A program's line while the benchmark runs. */
export function line(row, arch, sides) {
  const times = sides
    .filter((s) => row[arch][s.id])
    .map((s) => {
      const c = row[arch][s.id];
      const differs = c.differs === undefined ? '' : ` DIFFERS: ${JSON.stringify(c.differs)}`;
      return `${s.id} ${seconds(c.ms)} (cpu ${seconds(c.cpu)})${differs}`;
    });
  return `${row.name} ${arch}: ${times.join(', ')}; jit/qemu ${shown(ratio(row[arch].jit?.ms, row[arch].qemu?.ms))}`;
}

/** What is divided by what, for the columns and the means. */
const RATIOS = [
  ['jit', 'native'],
  ['jit', 'qemu'],
  ['unicorn', 'jit'],
  ['core', 'jit'],
  ['interp', 'jit'],
];
const NAMES = {
  jit: 'jit',
  native: 'native',
  qemu: 'qemu',
  unicorn: 'Unicorn',
  core: 'ring3 on Unicorn',
  interp: 'interp',
};
const ratioOf = (r, arch, [a, b], clock) => ratio(r[arch][a]?.[clock], r[arch][b]?.[clock]);

/** Times of the programs, each ratio's geometric mean below. */
function times(rows, sides, arch, runs, clock) {
  const here = sides.filter((s) => rows.some((r) => r[arch][s.id]));
  const ratios = RATIOS.filter((q) => rows.some((r) => ratioOf(r, arch, q, clock) !== undefined));
  const means = ratios.map((q) =>
    geomean(rows.map((r) => ratioOf(r, arch, q, clock)).filter((x) => x !== undefined)),
  );
  return table(
    ['program', ...here.map((s) => s.title), ...ratios.map(([a, b]) => `${NAMES[a]} / ${NAMES[b]}`)],
    [
      ...rows.map((r) => [
        r.size === undefined ? r.name : `${r.name} (${r.size} ${r.unit})`,
        ...here.map((s) => time(r[arch][s.id], runs, clock)),
        ...ratios.map((q) => shown(ratioOf(r, arch, q, clock))),
      ]),
      ...(rows.length < 2
        ? []
        : [['**geometric mean**', ...here.map(() => ''), ...means.map((m) => `**${shown(m)}**`)]]),
    ],
  );
}

function rates(rows, sides, arch) {
  const here = sides.filter((s) => rows.some((r) => r[arch][s.id]));
  const others = here.filter((s) => s.id !== 'jit' && s.id !== 'interp');
  return table(
    ['what', ...here.map((s) => s.title), ...others.map((s) => `jit / ${s.title}`)],
    rows.map((r) => [
      `${r.name} (${r.unit})`,
      ...here.map((s) => rate(r[arch][s.id])),
      ...others.map((s) => shown(ratio(r[arch].jit?.perSecond, r[arch][s.id]?.perSecond))),
    ]),
  );
}

function speeds(rows, sides, arches) {
  const cores = sides.filter((s) => s.core);
  return table(
    ['program', ...arches.flatMap((arch) => cores.map((s) => `${arch}: ${s.title}`))],
    rows.map((r) => [
      r.name,
      ...arches.flatMap((arch) => cores.map((s) => r[arch][s.id]?.mips?.toFixed(0) ?? '–')),
    ]),
  );
}

function peaks(row, sides, arches) {
  const here = sides.filter((s) => arches.some((arch) => row[arch][s.id]?.peak));
  return table(
    ['peak resident memory, MiB', ...here.map((s) => s.title)],
    arches.map((arch) => [arch, ...here.map((s) => row[arch][s.id]?.peak?.toFixed(0) ?? '–')]),
  );
}

function machine() {
  const cpu = cpus();
  const qemu = existsSync(qemuOf('x86_64'))
    ? spawnSync(qemuOf('x86_64'), ['--version'], { encoding: 'utf8' }).stdout.split('\n')[0]
    : 'no qemu-x86_64';
  return `${cpu.length} × ${cpu[0].model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, Node ${process.version}, ${qemu}`;
}
const kib = (name) => (existsSync(dist(name)) ? (statSync(dist(name)).size / 1024).toFixed(0) : '?');

/** The whole text. */
export function report(rows, sides, arches, runs) {
  const of = (...kinds) => rows.filter((r) => kinds.includes(r.kind));
  const sections = [];
  const add = (title, kinds, make) => {
    const some = of(...kinds);
    if (some.length > 0) sections.push(`## ${title}\n\n${make(some)}`);
  };
  for (const arch of arches) {
    add(`${arch}: whole runs, start-up included`, ['loop', 'real'], (r) => times(r, sides, arch, runs, 'ms'));
    add(`${arch}: the same, processor time of all threads`, ['loop', 'real'], (r) =>
      times(r, sides, arch, runs, 'cpu'),
    );
  }
  for (const arch of arches)
    add(`${arch}: short programs`, ['start', 'applet'], (r) => times(r, sides, arch, runs, 'ms'));
  add('Memory of `hello`', ['start'], ([hello]) => peaks(hello, sides, arches));
  if (of('loop').some((r) => arches.some((arch) => r[arch].jit?.mips)))
    add('Millions of instructions a second', ['loop'], (r) => speeds(r, sides, arches));
  for (const arch of arches)
    add(`${arch}: rates (a second, start-up taken off)`, ['rate', 'trace'], (r) => rates(r, sides, arch));
  add('Servers (requests a second to 20 connections, once warm)', ['server'], (r) =>
    rates(r, sides, 'x86_64'),
  );
  return `# Benchmark results

Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: medians of ${runs} run${runs === 1 ? '' : 's'} taken in turn, the same
binaries in each column; (1) after a time means that it ran once, being longer than 20 s, and ✗ that it failed or its
output was not that of the first column.
Machine: ${machine()}.

"ring3 jit" is the default core (interpreter and compiler), "ring3 interp" is \`--cpu interp\`; "Unicorn" is
libunicorn 2 with nothing but a hook on system calls (bench/unicorn.c), "ring3 on Unicorn" ring3's kernel over it
(\`--cpu unicorn\`), which asks a hook before each instruction there. gzip and awk are Debian's static
busybox, lua, sqlite and openssl Debian's packages with their libraries.

${sections.join('\n\n')}

"native" of the traced line is strace, qemu's is \`-strace\`; both write to a file, as ring3 does.
The bundle is ${kib('cli.cjs')} KiB of JavaScript, ${kib('x86_64.wasm')} and ${kib('aarch64.wasm')} KiB of WebAssembly.
`;
}

#!/usr/bin/env node
// Side by side: native, qemu, Unicorn and ring3's cores on the same binaries, for both architectures. A full run writes
// bench/RESULTS.md; --quick is one run of each without Unicorn and the interpreter. With --keep the results go into a file of rows,
// in the place of what it had for the same program and side, and bench/RESULTS.md is made of all it has: hours of
// measuring can be done in parts.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fetchDebian } from './debian.mjs';
import { LONG_MS, inTurn, once, options, peakMemory, scratchFile } from './measure.mjs';
import { PROGRAMS, makeInputs } from './programs.mjs';
import { line, report } from './report.mjs';
import { ALL_SIDES, ARCHES, commandOf, sides } from './sides.mjs';

const given = options(
  'node bench/run.mjs [--quick] [--only NAME,NAME…] [--sides native,qemu,unicorn,core,interp,jit] [--arch ARCH]\n' +
    '       [--runs N] [--unicorn FILE.js] [--keep FILE.json] [--no-write]',
  {
    quick: { type: 'boolean', default: false },
    'no-write': { type: 'boolean', default: false },
    ...Object.fromEntries(
      ['only', 'sides', 'arch', 'runs', 'unicorn', 'keep'].map((name) => [name, { type: 'string' }]),
    ),
  },
);
const { quick } = given;
const RUNS = Number(given.runs ?? (quick ? 1 : 5));
const only = given.only?.split(',');
const arches = ARCHES.filter((a) => (given.arch ?? a) === a);
const standard = quick ? 'native,qemu,jit' : 'native,qemu,unicorn,core,interp,jit';
const SIDES = sides((given.sides ?? standard).split(','), given.unicorn);

for (const arch of arches) for (const p of fetchDebian(arch)) console.log(`left out: Debian package ${p}`);
makeInputs();

/** Millions of instructions a second, as `--stats` has them. */
function speed(command, side) {
  if (!side.core || quick) return null;
  const at = command.indexOf('run') + 1;
  const m = /\(([\d.]+) million a second\)/.exec(
    once([...command.slice(0, at), '--stats', ...command.slice(at)]).result,
  );
  return m && Number(m[1]);
}

const wanted = (p) =>
  only
    ? only.some((o) => p.name.startsWith(o) || p.name === `busybox ${o}`)
    : !quick || ['loop', 'real', 'start'].includes(p.kind);
const keep = given.keep;
/** By program: what was measured before, and now. */
const kept = new Map(
  keep && existsSync(keep) ? JSON.parse(readFileSync(keep, 'utf8')).map((r) => [r.name, r]) : [],
);
const rows = [];
for (const p of PROGRAMS.filter(wanted)) {
  const trace = scratchFile('trace');
  const cells = arches.flatMap((arch) =>
    SIDES.map((side) => ({ arch, side, command: commandOf(side, p, arch, p.size, trace) })),
  );
  const there = cells.filter((c) => c.command);
  if (there.length === 0) {
    console.log(`${p.name}: left out: not built (npm run guests)`);
    continue;
  }
  // Start-up is part of a run, and most of a short one: rates are over the rest.
  const rated = p.kind === 'rate' || p.kind === 'trace';
  const idle = rated ? there.map((c) => commandOf(c.side, p, c.arch, 1, trace)) : [];
  const times = inTurn([...there.map((c) => c.command), ...idle], RUNS);
  const row = { ...p, x86_64: {}, aarch64: {} };
  there.forEach(({ arch, side, command }, i) => {
    const t = times[i];
    const cell = { ms: t.ms, cpu: t.cpu, runs: t.runs };
    if (t.result !== times[0].result) cell.differs = t.result;
    if (rated) cell.perSecond = p.size / ((t.ms - times[i + there.length].ms) / 1000);
    else if (p.kind === 'server') cell.perSecond = t.rate;
    if (p.kind === 'loop' && t.ms < LONG_MS) cell.mips = speed(command, side);
    if (p.kind === 'start') cell.peak = peakMemory(command);
    row[arch][side.id] = cell;
    if (cell.differs !== undefined) process.exitCode = 1;
  });
  rows.push(row);
  for (const arch of arches) console.log(line(row, arch, SIDES));
  if (!keep) continue;
  const old = kept.get(row.name);
  kept.set(row.name, {
    ...row,
    x86_64: { ...old?.x86_64, ...row.x86_64 },
    aarch64: { ...old?.aarch64, ...row.aarch64 },
  });
  writeFileSync(keep, JSON.stringify([...kept.values()], null, 1));
}

if (keep) {
  const all = PROGRAMS.map((p) => kept.get(p.name)).filter((r) => r);
  const there = ALL_SIDES.filter((s) => all.some((r) => ARCHES.some((arch) => r[arch][s.id])));
  writeFileSync(new URL('RESULTS.md', import.meta.url), report(all, there, ARCHES, RUNS));
  process.exit();
}
const text = report(rows, SIDES, arches, RUNS);
if (quick || only || given['no-write'] || arches.length < ARCHES.length) console.log(`\n${text}`);
else writeFileSync(new URL('RESULTS.md', import.meta.url), text);

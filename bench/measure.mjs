// Runs commands in turn and takes their times.
import { parseArgs } from 'node:util';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { INPUTS } from './programs.mjs';

/** Runs longer than this are not repeated. */
export const LONG_MS = 20_000;
const LIMIT_MS = 300_000;

const scratch = mkdtempSync(join(tmpdir(), 'ring3-bench-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
export const scratchFile = (name) => join(scratch, name);

/** The shell's clock, seconds with three digits: the children's user and system time are not to be had in Node. */
const TIMED = 'TIMEFORMAT="%3R %3U %3S"; { time "$@" 2>&4; } 4>&2 2>"$TIMES"';

/**
 * One run of a command, standard input empty: `ms` on the wall's clock, `cpu` the user and system time of all its
 * threads, `rate` what a server's run says it is (bench/serve.mjs), `result` its output (or a hash) and exit status in one string.
 */
export function once(command) {
  const file = scratchFile('times');
  const start = process.hrtime.bigint();
  const r = spawnSync('/bin/bash', ['-c', TIMED, 'bash', ...command], {
    cwd: INPUTS,
    env: { PATH: process.env.PATH, LC_ALL: 'C', TIMES: file },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  if (r.error) {
    return { ms: Number(process.hrtime.bigint() - start) / 1e6, cpu: NaN, result: `no end: ${r.error.code}` };
  }
  const [wall, user, system] = readFileSync(file, 'latin1')
    .trim()
    .split('\n')
    .pop()
    .split(' ')
    .map((t) => Number(t) * 1000);
  let rate;
  const text = r.stdout.toString('latin1').replace(/^rate ([\d.]+)\n/, (_, n) => ((rate = Number(n)), ''));
  const output = text.length < 400 ? text : createHash('sha256').update(r.stdout).digest('hex');
  const failed = r.status === 0 ? '' : `exit ${r.status}, ${r.stderr.toString('latin1').slice(-300)}`;
  return { ms: wall, cpu: user + system, rate, result: output + failed };
}

export const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
export const geomean = (list) =>
  list.length === 0 ? undefined : Math.exp(list.reduce((sum, x) => sum + Math.log(x), 0) / list.length);

/**
 * Medians over `runs` rounds in which the commands take turns: what disturbs the machine disturbs all. A command
 * that takes long runs once, and never again once it has failed.
 */
export function inTurn(commands, runs) {
  const taken = commands.map(() => []);
  for (let i = 0; i < runs; i++)
    commands.forEach((command, k) => {
      const before = taken[k][0];
      if (before && (before.ms > LONG_MS || before.result !== taken[k].at(-1).result)) return;
      taken[k].push(once(command));
    });
  return taken.map((list) => ({
    ms: median(list.map((r) => r.ms)),
    cpu: median(list.map((r) => r.cpu)),
    rate: list[0].rate === undefined ? undefined : median(list.map((r) => r.rate ?? 0)),
    runs: list.length,
    result: list.at(-1).result,
  }));
}

/** Peak resident memory of a command in MiB, as GNU time has it; null without it. */
export function peakMemory(command) {
  const file = scratchFile('peak');
  const r = spawnSync('/usr/bin/time', ['-f', '%M', '-o', file, ...command], { cwd: INPUTS });
  return r.status === 0 ? Number(readFileSync(file, 'latin1')) / 1024 : null;
}

/** A script's options as util.parseArgs has them; `usage` for --help, and for what it does not know. */
export function options(usage, known) {
  try {
    const { values } = parseArgs({ options: { ...known, help: { type: 'boolean', short: 'h' } } });
    if (!values.help) return values;
  } catch (e) {
    console.error(e.message);
    process.exitCode = 2;
  }
  console.error(`usage: ${usage}`);
  process.exit();
}

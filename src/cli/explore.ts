/** `ring3 explore`: many schedules of one program, and what goes wrong under some of them. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { explore, type Exploration, type Failure, type Progress } from '../explore/explore.ts';
import type { Outcome } from '../explore/run.ts';
import { ExplorePool } from '../host/explore-pool.ts';
import { writeAll } from '../host/output.ts';
import { BootError } from '../machine/errors.ts';
import { exploreHelp } from './help.ts';
import { type MachineArgs, machineDefaults, machineOptions } from './machine-options.ts';
import { type OptionSpec, parseCount, parseOptions, UsageError } from './options.ts';
import { bootOptions, help, needProgram } from './run.ts';

export interface ExploreArgs extends MachineArgs {
  seeds: number;
  first: number;
  jobs: number;
  stdin: string | null;
  /** The machine's options as they were given, for the command that repeats a run. */
  kept: string[];
}

const SEEDS = 1000;
/** Exit status when no schedule makes a difference, and the program ends badly. */
const ALWAYS = 3;
/** Options of `run` that make no sense here. */
const WITHOUT = new Set(['--schedule', '--livelock', '--dump-regions', '--stats', '--interactive', '--tty', '--timeout', '--publish', '--core', '--gdb']); // prettier-ignore
/** Shown of an output that differs, and of seeds. */
const MOST_SEEDS = 12;

export function exploreOptions(): OptionSpec<ExploreArgs>[] {
  const own: OptionSpec<ExploreArgs>[] = [
    { names: ['-n', '--seeds'], arg: 'N', apply: (o, v) => (o.seeds = parseCount(v, '--seeds', 1, 1e9)), help: `schedules to try (${SEEDS})` },
    { names: ['--first'], arg: 'N', apply: (o, v) => (o.first = parseCount(v, '--first', 1, 1e9)), help: 'the number of the first one (1): to go on where another search ended' },
    { names: ['-j', '--jobs'], arg: 'J', apply: (o, v) => (o.jobs = parseCount(v, '--jobs', 1, 256)), help: 'runs at a time (one for each processor)' },
    { names: ['--stdin'], arg: 'FILE', apply: (o, v) => (o.stdin = v), help: 'what each run reads as standard input (nothing)' },
  ]; // prettier-ignore
  const machine = machineOptions(true);
  const timeout = machine.find((s) => s.names.includes('--timeout'))!;
  own.push({ ...timeout, help: 'a run hangs that takes longer than TIME of its own, virtual time\n(ten times the first run, and 1 s, at most a minute)' }); // prettier-ignore
  const rest = machine
    .filter((s) => !s.names.some((n) => WITHOUT.has(n)))
    .map((s): OptionSpec<ExploreArgs> => {
      if (s.names.includes('--help')) return s;
      const name = s.names.find((n) => n.startsWith('--'))!;
      return {
        ...s,
        apply: (o, v) => {
          s.apply(o, v);
          o.kept.push(...(s.arg === undefined ? [name] : [name, v]));
        },
      };
    });
  return [...own, ...rest];
}

export async function exploreCommand(argv: readonly string[]): Promise<number> {
  const args: ExploreArgs = {
    ...machineDefaults(), seeds: SEEDS, first: 1, jobs: availableParallelism(), stdin: null, kept: [],
  }; // prettier-ignore
  const specs = exploreOptions();
  const command = parseOptions(specs, argv, args, 'explore');
  if (args.help) return help(exploreHelp(specs));
  needProgram(command, 'explore', args);
  if (/^(unicorn|lockstep)/.test(args.cpu))
    throw new UsageError(`option '--cpu': ${args.cpu} cannot stop where a schedule says; give jit or interp`);
  const boot = {
    ...bootOptions(args, command, false),
    stdin: args.stdin === null ? null : readInput(args.stdin),
  };
  const bar = new Bar(args.seeds);
  let interrupted = false;
  const onInterrupt = (): void => {
    // A second one ends it at once.
    if (interrupted) process.exit(130);
    interrupted = true;
  };
  process.on('SIGINT', onInterrupt);
  const pool = new ExplorePool(boot, Math.min(args.jobs, args.seeds));
  try {
    const result = await explore(pool.run, {
      seeds: args.seeds,
      first: args.first,
      jobs: args.jobs,
      ...(args.timeout === null ? {} : { time: args.timeout }),
      progress: (p) => bar.show(p),
      stop: () => interrupted,
    });
    bar.clear();
    say(report(result, args, command));
    if (endsBadly(result)) return ALWAYS;
    return result.failures.length > 0 ? 1 : 0;
  } finally {
    bar.clear();
    process.off('SIGINT', onInterrupt);
    await pool.close();
  }
}

const say = (text: string): void => void writeAll(1, new TextEncoder().encode(text));

function readInput(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (e) {
    throw new BootError('setup', `option '--stdin': ${path} cannot be read (${(e as NodeJS.ErrnoException).code})`);
  }
} // prettier-ignore

/** The search's progress on standard error, where that is a terminal. */
class Bar {
  private readonly shown = process.stderr.isTTY;
  private readonly of: number;
  private width = 0;

  constructor(of: number) {
    this.of = of;
  }

  show(p: Progress): void {
    if (!this.shown) return;
    const cells = 30;
    const full = Math.round((cells * p.done) / Math.max(1, this.of));
    const text =
      p.phase === 'search'
        ? `[${'#'.repeat(full)}${'.'.repeat(cells - full)}] ${p.done}/${p.of} schedules, ${p.found} go wrong`
        : `making it short: ${p.of} decisions left after ${p.done} runs`;
    process.stderr.write(`\r${text.padEnd(this.width)}`);
    this.width = text.length;
  }

  clear(): void {
    if (this.width > 0) process.stderr.write(`\r${' '.repeat(this.width)}\r`);
    this.width = 0;
  }
}

/** Under every schedule in the same way: no fault of an order in which tasks run. */
const endsBadly = (r: Exploration): boolean =>
  r.outcomes === 1 && (r.usual.kind !== 'exit' || r.usual.status !== 0);

function report(r: Exploration, args: ExploreArgs, command: readonly string[]): string {
  const ends = r.outcomes === 1 ? 'all end alike' : `${r.outcomes} different ends`;
  const asked = args.seeds + 1;
  const cut = r.runs < asked ? ` of ${asked} (interrupted)` : '';
  const bad = endsBadly(r);
  const how = r.usual.kind === 'signal' ? `killed by ${r.usual.what}` : r.usual.what;
  const out = [`${r.runs}${cut} schedules, ${ends}; usual: ${r.usual.what}`];
  if (bad) out.push(`it ends badly under every schedule, whoever runs when: ${how}`);
  else if (r.failures.length === 0) out.push('nothing went wrong');
  for (const f of r.failures) out.push('', ...failureLines(f, r.usual, args, command));
  return `${out.join('\n')}\n`;
}

function failureLines(f: Failure, usual: Outcome, args: ExploreArgs, command: readonly string[]): string[] {
  const seeds = f.seeds.slice(0, MOST_SEEDS).join(' ') + (f.seeds.length > MOST_SEEDS ? ' …' : '');
  const out = [`${f.kind}: ${f.what}`, `  in ${f.seeds.length} of ${f.of} schedules: ${seeds}`];
  const decisions = `${f.decisions} decision${f.decisions === 1 ? '' : 's'}, ${f.preemptions} of them preemption${f.preemptions === 1 ? '' : 's'}`;
  out.push(f.decisions === 0 ? '  and without any decision of the search' : `  shortest: ${decisions} (of ${f.from}, after ${f.runs} runs)`);
  const input = args.stdin === null ? '/dev/null' : quote(args.stdin);
  const words = ['ring3', 'run', '--schedule', f.schedule, ...args.kept, ...command].map(quote).join(' ');
  out.push('  again:', `    ${words} < ${input}`);
  if (f.kind === 'output') out.push(...difference('stdout', usual.stdout, f.outcome.stdout), ...difference('stderr', usual.stderr, f.outcome.stderr));
  for (const line of f.outcome.explanation.slice(1)) out.push(`  ${line}`);
  return out;
} // prettier-ignore

/** The first line in which two outputs differ. */
function difference(name: string, usual: Uint8Array, other: Uint8Array): string[] {
  const [a, b] = [usual, other].map((x) => new TextDecoder().decode(x).split('\n'));
  const i = a.findIndex((line, k) => line !== b[k]);
  const at = i >= 0 ? i : a.length;
  if (i < 0 && a.length === b.length) return [];
  const show = (line: string | undefined): string => (line === undefined ? 'nothing' : JSON.stringify(line.slice(0, 200)));
  return [`  ${name}, line ${at + 1}: ${show(b[at])} in place of ${show(a[at])}`];
} // prettier-ignore

/** As a shell reads it back. */
const quote = (word: string): string =>
  /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

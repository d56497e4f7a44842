/** `ring3 diff`: two logs of the same program, or a log and a run here. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { syscalls } from '../../kernel/syscall/table.ts';
import { parseCallSet } from '../../kernel/trace/groups.ts';
import { diffLogs } from '../logs/diff/diff.ts';
import { diffReport } from '../logs/diff/report.ts';
import type { Log, LogFormat } from '../logs/events.ts';
import { readStrace } from '../logs/strace.ts';
import { loadRun, parseFormat } from './check.ts';
import { optionHelp, type OptionSpec, parseCount, parseOptions, UsageError } from './options.ts';

interface Args {
  all: boolean;
  context: number;
  trace: (name: string) => boolean;
  ignore: (name: string) => boolean;
  tasks: [number, number][];
  format: LogFormat | null;
  output: boolean;
  help: boolean;
}

/** Longest strings of a live run: what the other side shows is shorter. */
const STRINGS = '4096';

const OPTIONS: OptionSpec<Args>[] = [
  { names: ['-a', '--all'], apply: (o) => (o.all = true), help: 'every difference, not only the first' },
  { names: ['-C', '--context'], arg: 'N', apply: (o, v) => (o.context = parseCount(v, '-C', 0, 1000)), help: 'calls shown before and after (3)' },
  { names: ['-e', '--trace'], arg: 'SET', apply: (o, v) => (o.trace = callSet(v)), help: "compare only these calls, as strace's -e trace=" },
  { names: ['--ignore'], arg: 'SET', apply: (o, v) => (o.ignore = callSet(v)), help: 'leave these calls out' },
  { names: ['--task'], arg: 'A:B', apply: (o, v) => o.tasks.push(taskPair(v)), help: "compare task A of the first with task B of the second and no others;\nmay be repeated" },
  { names: ['--format'], arg: 'starry|strace', apply: (o, v) => (o.format = parseFormat(v)), help: 'what the files are, when their look is not to decide' },
  { names: ['--output'], apply: (o) => (o.output = true), help: "show what a program run here prints" },
  { names: ['-h', '--help'], apply: (o) => (o.help = true), help: 'this text' },
]; // prettier-ignore

function callSet(text: string): (name: string) => boolean {
  const filter = parseCallSet(text.replace(/^trace=/, ''), (name) => syscalls.has(name));
  if (typeof filter !== 'function') throw new UsageError(filter.error);
  return filter;
}

function taskPair(text: string): [number, number] {
  const m = /^(\d+):(\d+)$/.exec(text);
  if (!m) throw new UsageError(`option '--task': '${text}' is no pair of tasks; write 15:1003`);
  return [Number(m[1]), Number(m[2])];
}

export const diffHelp = (): string =>
  `Usage: ring3 diff [OPTIONS] A B
       ring3 diff [OPTIONS] A --run [STRACE-OPTIONS] PROG [ARGS...]
       ring3 diff [OPTIONS] --run [STRACE-OPTIONS] PROG [ARGS...] --with B

Compares the system calls of two runs of the same program and shows the first that differ, with what comes before and
after and what Linux's manual says. A and B are StarryOS logs or strace's text (- is standard input; FILE#3 is the third
run in a file of several); --run takes a run here instead, with the options of 'ring3 strace' (--personality, --root, --seed,
--timeout...), and --with --run another one. Tasks are paired in the order they are made. Addresses, pids, descriptors and times
may differ as long as they go together.

${optionHelp(OPTIONS)}

Exit status: 0 no difference, 1 a difference, 2 trouble.
`;

interface Side {
  readonly log: Log;
  readonly run: number | null;
}

export function diffCommand(argv: readonly string[]): { text: string; status: number } {
  const args: Args = {
    all: false, context: 3, trace: () => true, ignore: () => false, tasks: [], format: null, output: false, help: false,
  }; // prettier-ignore
  const runFirst = argv.indexOf('--run');
  // A run's own options are not ours.
  const rest = parseOptions(OPTIONS, runFirst < 0 ? argv : argv.slice(0, runFirst), args, 'diff');
  if (args.help) return { text: diffHelp(), status: 0 };
  if (runFirst >= 0) rest.push(...argv.slice(runFirst));
  const [first, second] = sides(rest);
  const a = side(first, args);
  const b = side(second, args);
  const result = (() => {
    try {
      return diffLogs(a.log, b.log, {
        ignore: (name) => !args.trace(name) || args.ignore(name),
        tasks: args.tasks,
        runs: [a.run, b.run],
      });
    } catch (e) {
      if (e instanceof RangeError) throw new UsageError(e.message);
      throw e;
    }
  })();
  if (result.pairs.every((p) => p.calls === 0))
    throw new UsageError('there is no call to compare: --trace, --ignore or --task leaves none');
  return { text: diffReport(a.log, b.log, result, args), status: result.first ? 1 : 0 };
}

/** The words of each side. */
function sides(words: readonly string[]): [string[], string[]] {
  const usage = 'write: ring3 diff A B, or ring3 diff A --run PROG';
  if (words.length === 0) throw new UsageError(`nothing to compare; ${usage}`);
  if (words[0] === '--run') {
    const at = words.indexOf('--with');
    if (at < 0)
      throw new UsageError(`the first side is a run; what to compare it with comes after --with: ${usage}`);
    return [words.slice(0, at), words.slice(at + 1)];
  }
  if (words.length === 1) throw new UsageError(`only one side to compare; ${usage}`);
  return [words.slice(0, 1), words.slice(1)];
}

function side(words: readonly string[], args: Args): Side {
  if (words.length === 0) throw new UsageError('nothing after --with; give a file or --run PROG');
  if (words[0] === '--run') return { log: liveRun(words.slice(1), args.output), run: null };
  if (words.length > 1)
    throw new UsageError(`'${words[1]}' is one too many; to compare with a run: ring3 diff A --run PROG`);
  return loadRun(words[0], args.format);
}

/** Runs `ring3 strace` with these words and reads its trace. */
function liveRun(words: readonly string[], output: boolean): Log {
  if (words.length === 0) throw new UsageError('no program after --run');
  const folder = mkdtempSync(join(tmpdir(), 'ring3-diff-'));
  const file = join(folder, 'trace');
  try {
    const self = process.argv[1];
    const options = ['strace', '-f', '-o', file, '-s', STRINGS, ...words];
    const r = spawnSync(process.execPath, [...process.execArgv, self, ...options], {
      stdio: ['inherit', output ? 2 : 'ignore', output ? 'inherit' : 'pipe'],
    });
    let text = '';
    try {
      text = readFileSync(file, 'latin1');
    } catch {
      // Nothing was traced: why is on its stderr.
    }
    const said = output ? '' : r.stderr.toString();
    const name = `run of ${words.join(' ')}`;
    if (text === '') throw new UsageError(`${name}: ${said.replace(/^ring3: /, '').trim() || 'there is no trace of it'}`);
    for (const line of said.split('\n')) if (line.startsWith('ring3: ')) process.stderr.write(`${line}\n`);
    return readStrace(text, name);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
} // prettier-ignore

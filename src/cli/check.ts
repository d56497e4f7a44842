/** `ring3 check`: what in a log is not as Linux does it. */
import { existsSync, readFileSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { checkLog } from '../logs/check/check.ts';
import { checkReport, replayReport } from '../logs/check/report.ts';
import { PersonalityError } from '../../kernel/personality/personality.ts';
import { replayMemory } from '../logs/replay.ts';
import type { Log, LogFormat } from '../logs/events.ts';
import { LogError, readLog } from '../logs/read.ts';
import { optionHelp, type OptionSpec, parseOptions, UsageError } from './options.ts';

interface Args {
  brief: boolean;
  noRemarks: boolean;
  json: boolean;
  format: LogFormat | null;
  personality: string | null;
  quirks: string[];
  noQuirks: string[];
  help: boolean;
}

const OPTIONS: OptionSpec<Args>[] = [
  { names: ['-b', '--brief'], apply: (o) => (o.brief = true), help: 'one line a finding' },
  { names: ['--no-remarks'], apply: (o) => (o.noRemarks = true), help: 'leave out what a program may never notice' },
  { names: ['--json'], apply: (o) => (o.json = true), help: 'the findings as JSON' },
  { names: ['--personality'], arg: 'NAME[@DATE]', apply: (o, v) => (o.personality = v), help: "instead: make LOG's calls on memory again on a kernel of this personality (linux,\nstarry, starry@2024-07) and compare what they return" },
  { names: ['--quirk'], arg: 'NAME', apply: (o, v) => o.quirks.push(v), help: 'the same with this quirk; may be repeated' },
  { names: ['--no-quirk'], arg: 'NAME', apply: (o, v) => o.noQuirks.push(v), help: 'the same without this quirk' },
  { names: ['--format'], arg: 'starry|strace', apply: (o, v) => (o.format = parseFormat(v)), help: "what LOG is, when its look is not to decide" },
  { names: ['-h', '--help'], apply: (o) => (o.help = true), help: 'this text' },
]; // prettier-ignore

export function parseFormat(text: string): LogFormat {
  if (text !== 'starry' && text !== 'strace')
    throw new UsageError(`option '--format': '${text}' is not one of starry, strace`);
  return text;
}

export const checkHelp = (): string =>
  `Usage: ring3 check [OPTIONS] LOG

Reads a StarryOS log or strace's text (- is standard input; FILE#3 is the third run in a file of several) and names each call whose result Linux 6.1 would not give,
areas of memory that cannot be, and tasks that go round in circles. It needs no program and runs none. What a log cannot
tell (what was mapped or open before it begins) is taken to be right.

${optionHelp(OPTIONS)}

Exit status: 0 nothing found, 1 something found, 2 trouble.
`;

/** A log from a file, or from standard input. Throws UsageError. */
export function loadLog(path: string, format: LogFormat | null): Log {
  let text: string;
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (e) {
    const { errno, message } = e as NodeJS.ErrnoException;
    const reason = getSystemErrorMap().get(errno ?? 0)?.[1] ?? message;
    throw new UsageError(`cannot read ${path}: ${reason}`);
  }
  try {
    return readLog(text, path === '-' ? 'standard input' : path, format);
  } catch (e) {
    if (e instanceof LogError) throw new UsageError(e.message);
    throw e;
  }
}

/** FILE, or FILE#N: the Nth run in it, as reports number them. Throws UsageError. */
export function loadRun(word: string, format: LogFormat | null): { log: Log; run: number | null } {
  const m = /^(.+)#(\d+)$/.exec(word);
  if (!m || existsSync(word)) return { log: loadLog(word, format), run: null };
  const log = loadLog(m[1], format);
  const run = Number(m[2]) - 1;
  if (!log.runs[run]) throw new UsageError(`${log.name} has no run ${m[2]}; it has ${log.runs.length}`);
  return { log, run };
}

/** A log of which only one run, or all (null), counts. */
export function only(log: Log, run: number | null): Log {
  if (run === null) return log;
  const own = log.runs[run];
  const unreadable = log.unreadable.filter((u) => u.line >= own.first && u.line <= own.last);
  return { ...log, name: `${log.name}#${run + 1}`, runs: [own], unreadable, lines: own.last - own.first + 1 };
}

export function checkCommand(argv: readonly string[]): { text: string; status: number } {
  const args: Args = {
    brief: false, noRemarks: false, json: false, format: null, personality: null, quirks: [], noQuirks: [], help: false,
  }; // prettier-ignore
  const rest = parseOptions(OPTIONS, argv, args, 'check');
  if (args.help) return { text: checkHelp(), status: 0 };
  if (rest.length === 0) throw new UsageError('no log given; write: ring3 check LOG');
  if (rest.length > 1)
    throw new UsageError(`'ring3 check' takes one log; '${rest[1]}' is one too many (options come first)`);
  const { log: whole, run } = loadRun(rest[0], args.format);
  const log = only(whole, run);
  if (args.personality !== null || args.quirks.length > 0 || args.noQuirks.length > 0)
    return replay(log, args);
  const result = checkLog(log);
  const found = result.findings.some((f) => f.kind !== 'remark');
  const text = args.json ? json(log, result.findings) : checkReport(log, result, args);
  return { text, status: found ? 1 : 0 };
}

function replay(log: Log, args: Args): { text: string; status: number } {
  const { personality, quirks, noQuirks } = args;
  const name = personality ?? 'linux';
  try {
    const calls = replayMemory(log, { name, quirks, noQuirks });
    if (calls.length === 0)
      throw new UsageError(`${log.name}: no call on memory (mmap, munmap, mprotect, mremap, brk) in it`);
    const text = args.json ? json(log, calls) : replayReport(log, name, calls);
    return { text, status: calls.every((c) => c.same) ? 0 : 1 };
  } catch (e) {
    if (e instanceof PersonalityError) throw new UsageError(e.message);
    throw e;
  }
}

/** Plain data: 64-bit values as decimal text. */
function json(log: Log, findings: readonly object[]): string {
  const plain = (_: string, v: unknown): unknown => (typeof v === 'bigint' ? v.toString() : v);
  const { name, format, lines, unreadable } = log;
  return `${JSON.stringify({ log: name, format, lines, unreadable, findings }, plain, 2)}\n`;
}

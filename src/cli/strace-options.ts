/** Options of `ring3 strace`: strace's own letters and long names, and the machine's under their long names. */
import { parseCallSet, type CallFilter } from '../../kernel/trace/groups.ts';
import type { CallStatus } from '../../kernel/trace/strace.ts';
import { sortKey, type SortKey } from '../../kernel/trace/summary.ts';
import { signalNumber } from '../../kernel/trace/tables.ts';
import { type MachineArgs, machineDefaults, machineOptions, parseInject } from './machine-options.ts';
import { type OptionSpec, parseCount, UsageError } from './options.ts';

export interface StraceArgs extends MachineArgs {
  /** 0, 1 (-f) or 2 (-ff). */
  follow: number;
  output: string | null;
  append: boolean;
  trace: CallFilter | null;
  signals: ((signo: number) => boolean) | null;
  status: ReadonlySet<CallStatus> | null;
  paths: string[];
  summary: 'only' | 'also' | null;
  sort: SortKey;
  timestamps: number;
  relative: boolean;
  durations: boolean;
  strsize: number;
  hex: number;
  fds: number;
  verbose: boolean;
  quiet: number;
  column: number;
  numbers: boolean;
  instructionPointer: boolean;
}

export const straceDefaults = (): StraceArgs => ({
  ...machineDefaults(),
  follow: 0, output: null, append: false, trace: null, signals: null, status: null, paths: [], summary: null,
  sort: 'time', timestamps: 0, relative: false, durations: false, strsize: 32, hex: 0, fds: 0, verbose: false,
  quiet: 0, column: 40, numbers: false, instructionPointer: false,
}); // prettier-ignore

const STATUSES: readonly CallStatus[] = ['successful', 'failed', 'unfinished', 'unavailable', 'detached'];

function parseSignals(text: string): (signo: number) => boolean {
  const negated = text.startsWith('!');
  const set = new Set<number>();
  let all = false;
  for (const item of (negated ? text.slice(1) : text).split(',')) {
    if (item === 'all') all = true;
    else if (item !== 'none') {
      const n = signalNumber(item);
      if (n < 0) throw new UsageError(`invalid signal '${item}'`);
      set.add(n);
    }
  }
  return (signo) => (all || set.has(signo)) !== negated;
}

function parseStatus(text: string): ReadonlySet<CallStatus> | null {
  const negated = text.startsWith('!');
  const set = new Set<CallStatus>();
  for (const item of (negated ? text.slice(1) : text).split(',')) {
    if (item === 'all') for (const s of STATUSES) set.add(s);
    else if (item !== 'none') {
      const s = STATUSES.find((name) => name === item);
      if (s === undefined)
        throw new UsageError(`invalid status '${item}'; it is one of ${STATUSES.join(', ')}`);
      set.add(s);
    }
  }
  const wanted = negated ? new Set(STATUSES.filter((s) => !set.has(s))) : set;
  return wanted.size === STATUSES.length ? null : wanted;
}

/** `-e EXPR`: trace= when no qualifier is named. */
function parseExpression(o: StraceArgs, text: string, known: (name: string) => boolean): void {
  const m = /^([a-z-]+)=(.*)$/s.exec(text);
  const [key, value] = m ? [m[1], m[2]] : ['trace', text];
  switch (key) {
    case 'trace':
    case 't': {
      const filter = parseCallSet(value, known, true);
      if (typeof filter !== 'function') throw new UsageError(filter.error);
      o.trace = filter;
      return;
    }
    case 'signal':
    case 'signals':
    case 's':
      o.signals = parseSignals(value);
      return;
    case 'status':
      o.status = parseStatus(value);
      return;
    case 'quiet':
    case 'silent':
    case 'silence':
    case 'q':
      o.quiet = value.split(',').some((v) => v === 'exit' || v === 'exits' || v === 'all') ? 2 : 1;
      return;
    case 'abbrev':
    case 'a':
    case 'verbose':
    case 'v':
      o.verbose = key.startsWith('a') ? value === 'none' : value !== 'none';
      return;
    case 'decode-fds':
    case 'decode-fd':
      o.fds = value === 'none' ? 0 : value === 'path' ? 1 : 2;
      return;
    case 'inject':
    case 'fault':
      o.inject.push(parseInject(value, `-e ${key}=`, key === 'fault'));
      return;
    default:
      throw new UsageError(
        `-e ${key}= is not supported; -e takes trace=, signal=, status=, quiet=, abbrev=, decode-fds=, inject=, fault=`,
      );
  }
}

/** `known`: whether a system call of this name exists. */
export function straceOptions(known: (name: string) => boolean): OptionSpec<StraceArgs>[] {
  const sort = (o: StraceArgs, v: string): void => {
    const key = sortKey(v);
    if (key === null)
      throw new UsageError(`invalid sort key '${v}'; it is one of time, calls, errors, name, avg-time, none`);
    o.sort = key;
  };
  const own: OptionSpec<StraceArgs>[] = [
    { names: ['-f', '--follow-forks'], apply: (o) => (o.follow = Math.min(2, o.follow + 1)), help: 'trace children and threads too; -ff with -o FILE: one file each, FILE.PID' },
    { names: ['--output-separately'], apply: (o) => (o.follow = 2), help: 'as -ff' },
    { names: ['-o', '--output'], arg: 'FILE', apply: (o, v) => (o.output = v), help: 'write the trace to FILE instead of stderr' },
    { names: ['-A', '--output-append-mode'], apply: (o) => (o.append = true), help: 'append to the file of -o' },
    { names: ['-e'], arg: 'EXPR', apply: (o, v) => parseExpression(o, v, known), help: 'trace=SET: names, %file %process %network %signal %ipc %desc %memory\n%creds %clock %stat …, /REGEX, !SET; signal=SET; status=SET; quiet=SET;\ninject=SET:WHAT, fault=SET: as --inject, --fault, into calls that are traced' },
    { names: ['--trace'], arg: 'SET', apply: (o, v) => parseExpression(o, `trace=${v}`, known), help: 'as -e trace=SET' },
    { names: ['--signal'], arg: 'SET', apply: (o, v) => (o.signals = parseSignals(v)), help: 'as -e signal=SET' },
    { names: ['--status'], arg: 'SET', apply: (o, v) => (o.status = parseStatus(v)), help: 'as -e status=SET' },
    { names: ['-P', '--trace-path'], arg: 'PATH', apply: (o, v) => o.paths.push(v), help: 'only calls that name PATH or a descriptor of it' },
    { names: ['-z', '--successful-only'], apply: (o) => (o.status = parseStatus('successful')), help: 'only calls that succeed' },
    { names: ['-Z', '--failed-only'], apply: (o) => (o.status = parseStatus('failed')), help: 'only calls that fail' },
    { names: ['-c', '--summary-only'], apply: (o) => (o.summary = summary(o, 'only')), help: 'count calls, errors and time; print only the table' },
    { names: ['-C', '--summary'], apply: (o) => (o.summary = summary(o, 'also')), help: 'print the table after the trace' },
    { names: ['-S', '--summary-sort-by'], arg: 'KEY', apply: sort, help: 'sort the table by time, calls, errors, name, avg-time or none' },
    { names: ['-w', '--summary-wall-clock'], apply: () => {}, help: 'accepted: the table shows time in the call either way' },
    { names: ['-t'], apply: (o) => (o.timestamps = Math.min(3, o.timestamps + 1)), help: 'time of day; -tt with microseconds; -ttt seconds since 1970' },
    { names: ['-r', '--relative-timestamps'], apply: (o) => (o.relative = true), help: 'time since the line before' },
    { names: ['-T', '--syscall-times'], apply: (o) => (o.durations = true), help: 'time spent in each call' },
    { names: ['-s', '--string-limit'], arg: 'N', apply: (o, v) => (o.strsize = parseCount(v, '-s', 0, 0x7fffffff)), help: 'longest string printed (32)' },
    { names: ['-x', '--strings-in-hex'], apply: (o) => (o.hex = Math.min(2, o.hex + 1)), help: 'strings with unprintable bytes in hexadecimal; -xx all strings' },
    { names: ['-y', '--decode-fds'], apply: (o) => (o.fds = Math.min(2, o.fds + 1)), help: 'paths with descriptors; -yy socket details too' },
    { names: ['-v', '--no-abbrev'], apply: (o) => (o.verbose = true), help: 'environments, structures and arrays in full' },
    { names: ['-q', '--quiet', '--silent'], apply: (o) => (o.quiet = Math.min(3, o.quiet + 1)), help: 'do not say which processes are attached; -qq nor how they exit' },
    { names: ['-a', '--columns'], arg: 'N', apply: (o, v) => (o.column = parseCount(v, '-a', 0, 1000)), help: 'column of the results (40)' },
    { names: ['-n', '--syscall-number'], apply: (o) => (o.numbers = true), help: "each call's number" },
    { names: ['-i', '--instruction-pointer'], apply: (o) => (o.instructionPointer = true), help: 'the instruction pointer at each call' },
    { names: ['-E'], arg: 'NAME[=VALUE]', apply: (o, v) => o.env.push(splitEnv(v)), help: 'as --env' },
    { names: ['-u'], arg: 'UID[:GID]', apply: (o, v) => (o.user = v), help: 'as --user' },
    { names: ['-h'], apply: (o) => (o.help = true), help: 'as --help' },
  ]; // prettier-ignore
  const rest = machineOptions(false).filter((s) => !['--interactive', '--tty'].includes(s.names[0]));
  return [...own, ...rest];
}

function summary<T extends 'only' | 'also'>(o: StraceArgs, wanted: T): T {
  if (o.summary === 'only' || o.summary === 'also') {
    if (o.summary !== wanted) throw new UsageError('-c and -C exclude each other; give one of them');
  }
  return wanted;
}

const splitEnv = (text: string): [string, string | null] => {
  const eq = text.indexOf('=');
  return eq < 0 ? [text, null] : [text.slice(0, eq), text.slice(eq + 1)];
};

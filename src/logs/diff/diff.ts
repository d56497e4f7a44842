/** Two logs of the same program, call by call. */
import { View, type Verdict } from '../check/finding.ts';
import { judge } from '../check/rules.ts';
import { LEAVES, type Log, type LogCall, type LogRun } from '../events.ts';
import { alignCalls, type CallPair, INCIDENTAL, pairTasks } from './align.ts';
import { type Mismatch, ProcessPair, World } from './correspond.ts';
import { manSays } from './says.ts';

export interface DiffOptions {
  /** Calls left out on both sides. */
  readonly ignore?: (name: string) => boolean;
  /** Tasks that belong together, when the order they appear in is not to decide. */
  readonly tasks?: readonly (readonly [a: number, b: number])[];
  /** Runs of the logs to compare, from 0. Default: the one with the most calls. */
  readonly runs?: readonly [a: number | null, b: number | null];
}

export type DifferenceKind =
  | 'result'
  | 'arguments'
  /** A call only one of them makes. */
  | 'only-a'
  | 'only-b'
  /** One of them never came back from it, and went on elsewhere. */
  | 'no-return';

export interface Difference {
  readonly kind: DifferenceKind;
  readonly tasks: readonly [a: number, b: number];
  readonly a: LogCall | null;
  readonly b: LogCall | null;
  /** "result: -1 EFAULT, 0". */
  readonly text: string;
  /** Another schedule or moment alone may explain it. */
  readonly soft: boolean;
  /** What Linux says of the side that is not its own, or of the call. */
  readonly linux: readonly { readonly side: 'a' | 'b' | null; readonly says: Verdict }[];
  /** Place in the pair's calls. */
  readonly index: number;
  readonly calls: readonly CallPair[];
}

export interface DiffResult {
  readonly a: LogRun;
  readonly b: LogRun;
  readonly pairs: readonly { readonly tasks: readonly [number, number]; readonly calls: number }[];
  /** In the order of the first log; soft ones too. */
  readonly differences: readonly Difference[];
  /** The first that is not soft. */
  readonly first: Difference | null;
  /** Tasks without a counterpart. */
  readonly alone: readonly { readonly side: 'a' | 'b'; readonly tid: number }[];
}

const longest = (log: Log): LogRun =>
  log.runs.reduce((best, r) => (r.calls.length > best.calls.length ? r : best), log.runs[0]);

/** Compares two logs. Throws RangeError for a run one of them does not have. */
export function diffLogs(a: Log, b: Log, options: DiffOptions = {}): DiffResult {
  const pick = (log: Log, n: number | null | undefined): LogRun => {
    if (n === null || n === undefined) return longest(log);
    const run = log.runs[n];
    if (!run) throw new RangeError(`${log.name} has no run ${n + 1}; it has ${log.runs.length}`);
    return run;
  };
  const [ra, rb] = [pick(a, options.runs?.[0]), pick(b, options.runs?.[1])];
  return diffRuns(ra, rb, options);
}

function diffRuns(a: LogRun, b: LogRun, options: DiffOptions): DiffResult {
  const world = new World();
  const pairs = pairTasks(a, b, options.tasks ?? []);
  const handlers = new Set([...handlerCalls(a), ...handlerCalls(b)]);
  for (const p of pairs) if (p.a > 0 && p.b > 0) world.pids.meet(p.a, p.b);
  const columns = pairs.map((p) => {
    const own = (run: LogRun, tid: number): LogCall[] =>
      run.calls.filter((c) => c.tid === tid && !options.ignore?.(c.name));
    const [callsA, callsB] = fromExec(own(a, p.a), own(b, p.b));
    // When a signal comes is nobody's decision: handlers' calls are apart from the program's.
    const part = (of: readonly LogCall[], handler: boolean): LogCall[] =>
      of.filter((c) => handlers.has(c) === handler);
    return [false, true].flatMap((h) => alignCalls(part(callsA, h), part(callsB, h)));
  });
  const sizes = pairs.map((p, i) => ({ tasks: [p.a, p.b] as [number, number], calls: columns[i].length }));
  const processes: ProcessPair[] = [];
  const process = (i: number): ProcessPair => {
    const { parent, sharesFiles } = pairs[i];
    if (parent === null) return (processes[i] ??= new ProcessPair());
    return (processes[i] ??= sharesFiles ? process(parent) : process(parent).copy());
  };
  const differences: Difference[] = [];
  // In the order of the first log: what one task learns of an address holds for the others from then on.
  for (const { i, index } of inOrder(columns)) {
    const calls = columns[i];
    const [x, y] = calls[index];
    const found = differenceOf(x, y, world, process(i), a, b, calls, index);
    const soft = found?.soft === true || (x !== null && handlers.has(x)) || (y !== null && handlers.has(y));
    if (found) differences.push({ ...found, soft, tasks: sizes[i].tasks, index, calls });
  }
  const paired = (side: 'a' | 'b'): Set<number> => new Set(pairs.map((p) => p[side]));
  const alone = (['a', 'b'] as const).flatMap((side) => {
    const run = side === 'a' ? a : b;
    const taken = paired(side);
    return run.tasks
      .filter((t) => !taken.has(t) && run.calls.some((c) => c.tid === t))
      .map((tid) => ({ side, tid }));
  });
  const first = differences.find((d) => !d.soft) ?? null;
  return { a, b, pairs: sizes, differences, first, alone };
}

/** Calls made by handlers of signals: from a signal to its rt_sigreturn. */
function handlerCalls(run: LogRun): LogCall[] {
  const since = new Map<number, LogCall[]>();
  const out: LogCall[] = [];
  for (const e of run.events) {
    if (e.type === 'signal') since.set(e.tid, []);
    else if (e.type === 'enter') {
      const calls = since.get(e.call.tid);
      calls?.push(e.call);
      if (e.call.name === 'rt_sigreturn' && calls) {
        out.push(...calls);
        since.delete(e.call.tid);
      }
    }
  }
  return out;
}

/** One log may have what the task did before it became the program: calls from the first execve on are compared. */
function fromExec(a: LogCall[], b: LogCall[]): [LogCall[], LogCall[]] {
  const exec = (calls: LogCall[]): number => calls.findIndex((c) => c.name === 'execve' && c.error === null);
  const [i, j] = [exec(a), exec(b)];
  return i < 0 || j < 0 || (i > 0 && j > 0) ? [a, b] : [a.slice(i), b.slice(j)];
}

/** Every place of every column, by its line in the first log; what only the second has comes after what is before it. */
function inOrder(columns: readonly (readonly CallPair[])[]): { i: number; index: number }[] {
  const places = columns.flatMap((calls, i) => {
    let line = 0;
    return calls.map(([x], index) => {
      if (x) line = x.exit ?? x.entry ?? line;
      return { i, index, line };
    });
  });
  return places.sort((x, y) => x.line - y.line);
}

type Found = Pick<Difference, 'kind' | 'a' | 'b' | 'text' | 'soft' | 'linux'>;

function differenceOf(
  x: LogCall | null,
  y: LogCall | null,
  world: World,
  process: ProcessPair,
  a: LogRun,
  b: LogRun,
  calls: readonly CallPair[],
  index: number,
): Found | null {
  if (x === null || y === null) {
    const only = (x ?? y)!;
    // The other log may simply end before.
    const side = x === null ? 0 : 1;
    const ended = calls.slice(index).every((pair) => pair[side] === null);
    const begins = calls.slice(0, index).every((pair) => pair[side] === null);
    const soft = INCIDENTAL.has(only.name) || ended || begins || process.trims(only, x ? 'a' : 'b');
    const text = ended
      ? 'the other log ends before'
      : begins
        ? 'the other log begins after it'
        : `only ${x ? 'the first' : 'the second'} makes this call`;
    return { kind: x ? 'only-a' : 'only-b', a: x, b: y, text, soft, linux: [] };
  }
  const m: Mismatch | null = world.compare(x, y, process);
  if (m) {
    const linux = m.part === 'result' ? linuxSays(x, y) : [];
    return { kind: m.part, a: x, b: y, text: `${m.part}: ${m.text}`, soft: m.soft, linux };
  }
  if ((x.exit === null) === (y.exit === null) || LEAVES.has(x.name)) return null;
  const [open, run] = x.exit === null ? [x, a] : [y, b];
  const later = run.calls.some((c) => (c.entry ?? 0) > (open.entry ?? 0) && c.tid !== open.tid);
  const text = `the ${open === x ? 'first' : 'second'} never came back from it`;
  return { kind: 'no-return', a: x, b: y, text, soft: !later, linux: later ? linuxSays(x, y) : [] };
} // prettier-ignore

function linuxSays(x: LogCall, y: LogCall): Difference['linux'] {
  const out: { side: 'a' | 'b' | null; says: Verdict }[] = [];
  for (const [side, c] of [['a', x], ['b', y]] as const) {
    const says = c.exit === null ? null : judge(new View(c));
    if (says) out.push({ side, says });
  }
  if (out.length > 0) return out;
  const failed = x.error !== null ? x : y;
  return [{ side: null, says: manSays(failed) }];
} // prettier-ignore

/** Tasks that go round in circles, and tasks that never got out of a call. */
import { callText, LEAVES, type LogCall, type LogRun } from '../events.ts';
import type { Findings } from './finding.ts';

/** Longest circle looked for, in calls. */
const MAX_PERIOD = 6;
/** Times round before it is one. */
const MIN_ROUNDS = 3;

/** Calls that report readiness or time: their success moves nothing. */
const IDLE = new Set([
  'epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'poll', 'ppoll', 'select', 'pselect6', 'sched_yield', 'clock_gettime',
  'gettimeofday', 'time', 'getpid', 'gettid',
]); // prettier-ignore
/** They do not return by their nature. */
const GONE = new Set([...LEAVES, 'execve', 'execveat']);
/** Errors that ask for the call to be made again later. */
const RETRY = new Set(['EINTR', 'EINPROGRESS']);

interface Circle {
  readonly from: number;
  readonly period: number;
  /** Calls in it, all rounds. */
  readonly length: number;
}

export function checkProgress(run: LogRun, findings: Findings, bad: ReadonlySet<LogCall>): void {
  for (const tid of run.tasks) {
    const calls = run.calls.filter((c) => c.tid === tid);
    const circle = findCircle(calls);
    if (circle) describeCircle(run, findings, calls, circle, bad);
  }
}

const key = (c: LogCall): string => `${c.name}(${c.args.join(', ')})`;
const isSame = (a: LogCall, b: LogCall): boolean =>
  key(a) === key(b) && (a.result === b.result || a.exit === null || b.exit === null);

/** The longest stretch in which the same calls come again and again with the same results, one of them an error. */
function findCircle(calls: readonly LogCall[]): Circle | null {
  let best: Circle | null = null;
  for (let period = 1; period <= MAX_PERIOD; period++) {
    let from = 0;
    for (let i = period; i <= calls.length; i++) {
      if (i < calls.length && isSame(calls[i], calls[i - period])) continue;
      const length = i - from;
      // A round that has begun counts: the log may end in it.
      if (length > (MIN_ROUNDS - 1) * period && stuck(calls.slice(from, from + period))) {
        if (!best || length > best.length) best = { from, period, length };
      }
      from = i - period + 1;
    }
  }
  return best;
}

/** Whether going round leads nowhere: something fails each time, and nothing is transferred. */
function stuck(round: readonly LogCall[]): boolean {
  const fails = round.some((c) => c.error !== null && !RETRY.has(c.error));
  return fails && round.every((c) => c.error !== null || c.exit === null || IDLE.has(c.name));
}

function describeCircle(
  run: LogRun,
  findings: Findings,
  calls: readonly LogCall[],
  { from, period, length }: Circle,
  bad: ReadonlySet<LogCall>,
): void {
  const round = calls.slice(from, from + period);
  const last = calls[from + length - 1];
  const first = round[0];
  const line = first.entry ?? first.exit ?? run.first;
  const until = last.exit ?? last.entry ?? run.last;
  const others = run.calls.filter((c) => c.tid !== first.tid);
  const between = others.filter((c) => within(c.entry, line, until) || within(c.exit, line, until));
  const waiting = waitingAt(run, first.tid, until);
  const cause = round.find((c) => bad.has(c));
  const why = [
    cause
      ? `${callText(cause)} is what Linux does not give, and the program tries again.`
      : 'Nothing changes from one round to the next.',
    others.length > 0 && between.length === 0 ? 'No other task runs meanwhile.' : '',
    ...waiting.map((c) => `Task ${c.tid} is in ${key(c)} since line ${c.entry}.`),
  ];
  findings.add(
    {
      rule: 'livelock', kind: 'progress', certain: cause !== undefined,
      linux: 'a round that ends',
      why: why.filter((s) => s !== '').join(' '),
      man: 'sched(7), Scheduling policies',
    },
    cause ?? first, line,
    `${who(first.tid)} repeats ${round.map(callText).join(', ')}: ${Math.ceil(length / period)} times, to line ${until}`,
    first.source, first.tid,
  ); // prettier-ignore
}

const within = (line: number | null, from: number, to: number): boolean =>
  line !== null && line > from && line < to;
const who = (tid: number): string => (tid === 0 ? 'the program' : `task ${tid}`);

/** Calls of other tasks that have begun by `line` and never returned. */
export function waitingAt(run: LogRun, but: number, line: number): LogCall[] {
  return run.calls.filter(
    (c) => c.tid !== but && c.exit === null && c.entry !== null && c.entry < line && !GONE.has(c.name),
  );
}

/**
 * Searches schedules of a program for crashes, hangs, and ends that differ from the usual, and makes what it finds short. Runs
 * come from a port, so that workers, or a test, can do them.
 */
import { LOOKS, placesOf, searchSchedule, type Terrain } from './policies.ts';
import type { Outcome, RunLimits } from './run.ts';
import type { SeenPlace } from './search.ts';
import { scheduleText, type Schedule } from './schedule.ts';
import { asSchedule, shrink } from './shrink.ts';

export type Runner = (schedule: string, limits: RunLimits) => Promise<Outcome>;

export type FailureKind = 'crash' | 'hang' | 'status' | 'output';

export interface Failure {
  readonly kind: FailureKind;
  /** One line. */
  readonly what: string;
  /** Seeds under which it happened, and runs in all. */
  readonly seeds: readonly number[];
  readonly of: number;
  /** The shortest schedule found, for `ring3 run --schedule`. */
  readonly schedule: string;
  /** Its decisions, and how many of them put a task off the cpu that could have run on. */
  readonly decisions: number;
  readonly preemptions: number;
  /** Decisions before it was made short, and runs that took. */
  readonly from: number;
  readonly runs: number;
  /** The run under that schedule. */
  readonly outcome: Outcome;
}

export interface Exploration {
  readonly runs: number;
  /** What most runs end with. */
  readonly usual: Outcome;
  /** Different ends seen. */
  readonly outcomes: number;
  readonly failures: readonly Failure[];
}

export interface ExploreOptions {
  /** How many schedules to try. */
  readonly seeds: number;
  /** The first one's number; default 1. */
  readonly first?: number;
  /** Runs at a time. */
  readonly jobs: number;
  /** Nanoseconds of the guest's own time a run may take. Default: 10 times that of the first run, and 1 s. */
  readonly time?: number;
  readonly progress?: (p: Progress) => void;
  /** Asked now and then: true ends the search; what was found so far is made short still. */
  readonly stop?: () => boolean;
}

export interface Progress {
  readonly phase: 'search' | 'shrink';
  /** Runs done; of how many (search), or decisions left (shrink). */
  readonly done: number;
  readonly of: number;
  /** Failing runs so far. */
  readonly found: number;
}

/** Calls in vain that end a run; few, as virtual time does not pass in them. */
const LIVELOCK_CALLS = 50_000;
const LEAST_TIME = 1e9;
/** Findings that are made short. */
const MOST_FAILURES = 8;

/** What makes two ends the same. */
function signature(o: Outcome): string {
  const text = (b: Uint8Array): string => String.fromCharCode(...b.subarray(0, 65536)) + `/${b.length}`;
  if (o.kind === 'hang') return `hang ${o.verdict}`;
  if (o.kind === 'signal') return `signal ${o.what}`;
  return `exit ${o.status} ${text(o.stdout)} ${text(o.stderr)}`;
}

interface Run {
  readonly seed: number;
  readonly outcome: Outcome;
}

export async function explore(run: Runner, options: ExploreOptions): Promise<Exploration> {
  const roomy: RunLimits = { time: options.time ?? 60e9, livelock: LIVELOCK_CALLS };
  const plain = await run('none', roomy);
  // One that never ends is not waited for longer still.
  const limits = { ...roomy, time: options.time ?? Math.min(LEAST_TIME + 10 * plain.time, roomy.time) };
  const terrain = await look(run, plain, limits, options.jobs);
  const runs: Run[] = [{ seed: 0, outcome: plain }];
  let next = options.first ?? 1;
  const end = next + options.seeds;
  const lane = async (): Promise<void> => {
    while (next < end && !options.stop?.()) {
      const seed = next++;
      const outcome = await run(searchSchedule(seed, terrain), limits);
      runs.push({ seed, outcome });
      options.progress?.({
        phase: 'search',
        done: runs.length - 1,
        of: options.seeds,
        found: differing(runs),
      });
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, options.jobs) }, lane));
  runs.sort((a, b) => a.seed - b.seed);

  const usual = usualOf(runs);
  const groups = new Map<string, Run[]>();
  for (const r of runs) {
    const kind = kindOf(r.outcome, usual);
    if (kind === null) continue;
    // However many outputs there are: that they differ is one fault.
    const key = kind === 'output' ? kind : signature(r.outcome);
    groups.set(key, [...(groups.get(key) ?? []), r]);
  }
  const failures: Failure[] = [];
  for (const group of [...groups.values()].slice(0, MOST_FAILURES)) {
    failures.push(await failure(run, limits, group, usual, runs.length, options));
  }
  return {
    runs: runs.length,
    usual,
    outcomes: new Set(runs.map((r) => signature(r.outcome))).size,
    failures,
  };
}

/** Runs it once more for each of LOOKS, to see where its tasks can be put off the cpu. */
async function look(run: Runner, plain: Outcome, limits: RunLimits, jobs: number): Promise<Terrain> {
  const seen: (readonly SeenPlace[])[] = [];
  // One at a time where runs are: each further machine at a time is one to be booted.
  for (let i = 0; i < LOOKS.length && plain.contention !== 0; i += Math.max(1, jobs)) {
    const runs = await Promise.all(LOOKS.slice(i, i + Math.max(1, jobs)).map((l) => run(l, limits)));
    seen.push(...runs.map((o) => o.places ?? []));
  }
  return { length: Math.max(1, plain.contention ?? plain.instructions), places: placesOf(seen) };
}

/** The end most runs have; of equals the one seen first. A hang is nobody's usual end unless there is no other. */
function usualOf(runs: readonly Run[]): Outcome {
  const counts = new Map<string, { n: number; outcome: Outcome }>();
  const ended = runs.filter((r) => r.outcome.kind === 'exit');
  for (const r of ended.length > 0 ? ended : runs) {
    const c = counts.get(signature(r.outcome));
    if (c) c.n++;
    else counts.set(signature(r.outcome), { n: 1, outcome: r.outcome });
  }
  return [...counts.values()].reduce((a, b) => (b.n > a.n ? b : a)).outcome;
}

const differing = (runs: readonly Run[]): number => {
  const usual = usualOf(runs);
  return runs.filter((r) => kindOf(r.outcome, usual) !== null).length;
};

function kindOf(o: Outcome, usual: Outcome): FailureKind | null {
  if (o.kind === 'hang') return 'hang';
  if (o.kind === 'signal') return 'crash';
  if (o.status !== usual.status) return 'status';
  return signature(o) === signature(usual) ? null : 'output';
}

async function failure(
  run: Runner, limits: RunLimits, group: readonly Run[], usual: Outcome, of: number, options: ExploreOptions,
): Promise<Failure> {
  // prettier-ignore
  const shortest = [...group].sort((a, b) => a.outcome.schedule.length - b.outcome.schedule.length)[0];
  const kind = kindOf(shortest.outcome, usual)!;
  const wanted = signature(shortest.outcome);
  const begun = asSchedule(shortest.outcome.schedule);
  const outcomes = new Map<string, Outcome>();
  const fails = async (s: Schedule): Promise<Schedule | null> => {
    const o = await run(scheduleText(s), limits);
    const same = kind === 'output' ? kindOf(o, usual) === 'output' : signature(o) === wanted;
    if (!same) return null;
    outcomes.set(o.schedule, o);
    return asSchedule(o.schedule);
  };
  const again = await fails(begun);
  if (again === null) {
    // Should not be: a schedule says all there is. Better told than hidden.
    return made(kind, `${whatOf(kind, shortest.outcome)} (not repeated by its schedule)`, group, of, begun, begun.length, 1, shortest.outcome);
  }
  const short = await shrink(begun, fails, {
    jobs: options.jobs,
    progress: (left, n) => options.progress?.({ phase: 'shrink', done: n, of: left, found: group.length }),
  });
  const last = outcomes.get(scheduleText(short.schedule)) ?? (await run(scheduleText(short.schedule), limits));
  return made(kind, whatOf(kind, last), group, of, short.schedule, begun.length, short.runs + 1, last);
} // prettier-ignore

function made(
  kind: FailureKind,
  what: string,
  group: readonly Run[],
  of: number,
  schedule: Schedule,
  from: number,
  runs: number,
  outcome: Outcome,
): Failure {
  // prettier-ignore
  return {
    kind, what, of, from, runs, outcome,
    seeds: group.map((r) => r.seed),
    schedule: scheduleText(schedule),
    decisions: schedule.length,
    preemptions: schedule.filter((d) => d.kind === 'preempt').length,
  }; // prettier-ignore
}

function whatOf(kind: FailureKind, o: Outcome): string {
  if (kind === 'output') return 'the output differs from the usual';
  if (kind === 'status') return `${o.what}, which is not the usual`;
  return kind === 'crash' ? `killed by ${o.what}` : o.what;
}

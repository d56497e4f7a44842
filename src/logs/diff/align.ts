/** Which task of the one run is which of the other, and which of their calls stand at the same place. */
import { births } from '../check/tasks.ts';
import type { LogCall, LogRun } from '../events.ts';

/** Calls looked ahead for a place where both go on together. */
const WINDOW = 400;
/** Calls that must agree there. */
const AGREE = 3;

export interface TaskPair {
  readonly a: number;
  readonly b: number;
  /** Index of the pair its parents are; null: the first. */
  readonly parent: number | null;
  readonly sharesFiles: boolean;
}

/** Pairs tasks: those given, the first ones, children in the order they were made, and the rest by appearance. */
export function pairTasks(
  a: LogRun,
  b: LogRun,
  given: readonly (readonly [a: number, b: number])[],
): TaskPair[] {
  const [kidsA, kidsB] = [children(a), children(b)];
  const pairs: TaskPair[] = [];
  const [takenA, takenB] = [new Set<number>(), new Set<number>()];
  const add = (x: number, y: number, parent: number | null, sharesFiles: boolean): void => {
    if (takenA.has(x) || takenB.has(y)) return;
    takenA.add(x);
    takenB.add(y);
    const index = pairs.push({ a: x, b: y, parent, sharesFiles }) - 1;
    const [ka, kb] = [kidsA.get(x) ?? [], kidsB.get(y) ?? []];
    for (let i = 0; i < Math.min(ka.length, kb.length); i++)
      add(ka[i].tid, kb[i].tid, index, ka[i].sharesFiles && kb[i].sharesFiles);
  };
  for (const [x, y] of given) add(x, y, null, false);
  if (given.length > 0) return pairs;
  const busy = (run: LogRun): number[] => run.tasks.filter((t) => run.calls.some((c) => c.tid === t));
  for (;;) {
    const x = busy(a).find((t) => !takenA.has(t));
    const y = busy(b).find((t) => !takenB.has(t));
    if (x === undefined || y === undefined) return pairs;
    add(x, y, null, pairs.length > 0);
  }
}

interface Child {
  readonly tid: number;
  readonly sharesFiles: boolean;
}

function children(run: LogRun): Map<number, Child[]> {
  const out = new Map<number, Child[]>();
  for (const [tid, b] of births(run)) {
    const list = out.get(b.parent) ?? [];
    list.push({ tid, sharesFiles: b.sharesFiles });
    out.set(b.parent, list);
  }
  return out;
}

/** Two calls at the same place; one of them null where the other run has none. */
export type CallPair = readonly [LogCall | null, LogCall | null];

/** Calls that come and go with the schedule, the clock or how a libc was built. */
export const INCIDENTAL: ReadonlySet<string> = new Set([
  'futex', 'sched_yield', 'restart_syscall', 'rt_sigreturn', 'clock_gettime', 'gettimeofday', 'time', 'getcpu', 'madvise',
]); // prettier-ignore

/**
 * Puts the calls of two tasks side by side, by their names. Incidental ones do not count for that: they are put beside
 * each other where they stand between the same two others.
 */
export function alignCalls(a: readonly LogCall[], b: readonly LogCall[]): CallPair[] {
  const main = (calls: readonly LogCall[]): LogCall[] => calls.filter((c) => !INCIDENTAL.has(c.name));
  const out: CallPair[] = [];
  let [i, j] = [0, 0];
  const between = (calls: readonly LogCall[], from: number, to: LogCall | null): LogCall[] => {
    const end = to === null ? calls.length : calls.indexOf(to, from);
    return calls.slice(from, end).filter((c) => INCIDENTAL.has(c.name));
  };
  for (const [x, y] of alignInOrder(main(a), main(b))) {
    if (x && y) {
      out.push(...alignInOrder(between(a, i, x), between(b, j, y)));
      [i, j] = [a.indexOf(x, i) + 1, b.indexOf(y, j) + 1];
    }
    out.push([x, y]);
  }
  out.push(...alignInOrder(between(a, i, null), between(b, j, null)));
  return out;
}

function alignInOrder(a: readonly LogCall[], b: readonly LogCall[]): CallPair[] {
  const out: CallPair[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (sort(a[i]) === sort(b[j])) {
      out.push([a[i++], b[j++]]);
      continue;
    }
    const [di, dj] = meeting(a, i, b, j);
    for (let k = 0; k < di; k++) out.push([a[i++], null]);
    for (let k = 0; k < dj; k++) out.push([null, b[j++]]);
  }
  while (i < a.length) out.push([a[i++], null]);
  while (j < b.length) out.push([null, b[j++]]);
  return out;
}

/** What must be the same for two calls to stand side by side. */
const sort = (c: LogCall): string => (c.name === 'futex' ? `futex ${c.args[1] ?? ''}` : c.name);

/** The fewest calls to pass over on each side so that the next ones agree. */
function meeting(
  a: readonly LogCall[],
  i: number,
  b: readonly LogCall[],
  j: number,
): [di: number, dj: number] {
  for (let sum = 1; sum <= WINDOW; sum++) {
    for (let di = 0; di <= sum; di++) {
      const dj = sum - di;
      if (agree(a, i + di, b, j + dj)) return [di, dj];
    }
  }
  return [1, 1];
}

function agree(a: readonly LogCall[], i: number, b: readonly LogCall[], j: number): boolean {
  if (i >= a.length || j >= b.length) return false;
  for (let k = 0; k < AGREE; k++) {
    if (i + k >= a.length || j + k >= b.length) return k > 0;
    if (sort(a[i + k]) !== sort(b[j + k])) return false;
  }
  return true;
}

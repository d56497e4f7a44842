/** Building blocks for quirks: what is done before, after or instead of Linux's handler. */
import type { Args } from '../syscall/args.ts';
import type { Handler } from '../syscall/define.ts';
import type { Task } from '../task/task.ts';
import type { Park, SysResult } from '../wait.ts';
import type { Wrap } from './quirk.ts';

/** At entry only: a result ends the call, undefined leaves it to Linux. */
export const before =
  (check: (t: Task, a: Args) => SysResult | undefined): Wrap =>
  (linux) =>
  (t, a) =>
    (t.parked === null ? check(t, a) : undefined) ?? linux(t, a);

/** Changes what the call returns in the end. */
export const after =
  (change: (t: Task, a: Args, result: number) => SysResult): Wrap =>
  (linux) =>
  (t, a) => {
    const r = linux(t, a);
    return typeof r === 'number' ? change(t, a, r) : r;
  };

/** Changes what the call waits for. */
export const waiting =
  (change: (t: Task, a: Args, park: Park) => SysResult): Wrap =>
  (linux) =>
  (t, a) => {
    const r = linux(t, a);
    return typeof r === 'number' ? r : change(t, a, r);
  };

/** In place of Linux's handler. */
export const instead =
  (run: Handler): Wrap =>
  () =>
    run;

/** Nothing happens, with this result. */
export const answers = (result: number): Wrap => instead(() => result);

/** One errno in place of another. */
export const errno = (from: number, to: number): Wrap => after((_t, _a, r) => (r === -from ? -to : r));

/** Calls `linux` with argument `n` changed; the registers, and so the trace, keep what the program passed. */
export function withArg(linux: Handler, t: Task, a: Args, n: number, value: number): SysResult {
  const { words } = a;
  const lo = words[2 * n];
  const hi = words[2 * n + 1];
  words[2 * n] = value;
  words[2 * n + 1] = Math.floor(value / 4294967296);
  const r = linux(t, a);
  words[2 * n] = lo;
  words[2 * n + 1] = hi;
  return r;
}

/** Changes argument `n` each time the handler runs; undefined leaves it. */
export const argument =
  (n: number, change: (t: Task, a: Args) => number | undefined): Wrap =>
  (linux) =>
  (t, a) => {
    const value = change(t, a);
    return value === undefined ? linux(t, a) : withArg(linux, t, a, n, value);
  };

/** One around the other, the first inside. */
export const both =
  (inner: Wrap, outer: Wrap): Wrap =>
  (linux, row) =>
    outer(inner(linux, row), row);

/** The same around several calls. */
export const each = (names: readonly string[], wrap: Wrap): Record<string, Wrap> =>
  Object.fromEntries(names.map((name) => [name, wrap]));

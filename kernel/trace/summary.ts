/** The table of `strace -c`. */

export type SortKey = 'time' | 'calls' | 'errors' | 'name' | 'none' | 'avg';

export interface CallCount {
  readonly name: string;
  /** Order of rows that compare equal: the system-call number. */
  readonly nr: number;
  calls: number;
  errors: number;
  /** Nanoseconds spent in the call. */
  time: number;
}

/** Sort keys as strace -S takes them; null: no such key. */
export function sortKey(name: string): SortKey | null {
  switch (name) {
    case 'time': case 'time-total': case 'total-time': case 'time-percent': return 'time';
    case 'calls': case 'count': return 'calls';
    case 'errors': case 'error': return 'errors';
    case 'name': case 'syscall': case 'syscall-name': return 'name';
    case 'avg-time': case 'time-avg': return 'avg';
    case 'none': case 'nothing': return 'none';
    default: return null;
  } // prettier-ignore
}

const average = (c: CallCount): number => (c.calls === 0 ? 0 : c.time / c.calls);

const ORDER: Readonly<Record<SortKey, (a: CallCount, b: CallCount) => number>> = {
  time: (a, b) => b.time - a.time,
  calls: (a, b) => b.calls - a.calls,
  errors: (a, b) => b.errors - a.errors,
  avg: (a, b) => average(b) - average(a),
  name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  none: () => 0,
};

const RULE = '------ ----------- ----------- --------- --------- ----------------\n';

const line = (
  percent: number,
  ns: number,
  usecsPerCall: number,
  calls: number,
  errors: number,
  name: string,
): string =>
  `${percent.toFixed(2).padStart(6)} ${(ns / 1e9).toFixed(6).padStart(11)} ${String(usecsPerCall).padStart(11)} ` +
  `${String(calls).padStart(9)} ${(errors === 0 ? '' : String(errors)).padStart(9)} ${name}\n`;

/** The whole table, as strace 6.1 prints it. */
export function summaryTable(counts: readonly CallCount[], sort: SortKey): string {
  const rows = counts
    .filter((c) => c.calls > 0)
    .sort((a, b) => a.nr - b.nr)
    .sort(ORDER[sort]);
  const total = { calls: 0, errors: 0, time: 0 };
  for (const c of rows) {
    total.calls += c.calls;
    total.errors += c.errors;
    total.time += c.time;
  }
  let out = `% time     seconds  usecs/call     calls    errors syscall\n${RULE}`;
  for (const c of rows) {
    const percent = total.time === 0 ? 0 : (100 * c.time) / total.time;
    out += line(percent, c.time, Math.floor(c.time / c.calls / 1000), c.calls, c.errors, c.name);
  }
  const mean = total.calls === 0 ? 0 : Math.floor(total.time / total.calls / 1000);
  return out + RULE + line(100, total.time, mean, total.calls, total.errors, 'total');
}

/** Two logs' differences, for people. */
import { describeLog, unreadableText } from '../check/report.ts';
import { callText, type Log, type LogCall } from '../events.ts';
import type { CallPair } from './align.ts';
import type { Difference, DiffResult } from './diff.ts';

export interface DiffReportOptions {
  /** Calls shown before and after. Default 3. */
  readonly context?: number;
  /** Every difference, not only the first. */
  readonly all?: boolean;
}

const WIDTH = 150;

export function diffReport(a: Log, b: Log, result: DiffResult, options: DiffReportOptions = {}): string {
  const { first, differences } = result;
  let out = `A  ${describeLog(a)}${runNote(a, result.a)}\nB  ${describeLog(b)}${runNote(b, result.b)}\n`;
  out += unreadableText(a, result.a) + unreadableText(b, result.b);
  for (const { side, tid } of result.alone) {
    out += `task ${tid} of ${side.toUpperCase()} has no counterpart\n`;
  }
  const soft = differences.filter((d) => d.soft).length;
  const calls = result.pairs.reduce((n, p) => n + p.calls, 0);
  const tasks = result.pairs.length === 1 ? '1 task' : `${result.pairs.length} tasks`;
  if (!first) {
    const but =
      soft > 0 ? ` but for ${soft} that another schedule or moment may explain (--all shows them)` : '';
    out += `\nNo difference in ${calls} calls of ${tasks}${but}.\n`;
    if (options.all) for (const d of differences) out += describe(d, options);
    return out;
  }
  if (options.all) {
    for (const d of differences) out += describe(d, options);
  } else out += `\nFirst difference:\n${describe(first, options)}`;
  const hard = differences.length - soft;
  out += `\n${hard} difference${hard === 1 ? '' : 's'} in ${calls} calls of ${tasks}`;
  if (soft > 0) out += `; ${soft} more that another schedule or moment may explain`;
  return `${out}${options.all || differences.length < 2 ? '' : ' (--all shows them)'}.\n`;
}

function runNote(log: Log, run: { readonly first: number; readonly last: number }): string {
  if (log.runs.length < 2) return '';
  const n = log.runs.findIndex((r) => r.first === run.first) + 1;
  return `; run ${n}, lines ${run.first} to ${run.last}`;
}

function describe(d: Difference, options: DiffReportOptions): string {
  const context = options.context ?? 3;
  const from = Math.max(0, d.index - context);
  const rows = d.calls.slice(from, d.index + context + 1);
  const tasks = d.tasks[0] === 0 && d.tasks[1] === 0 ? '' : ` of task ${d.tasks[0]} and ${d.tasks[1]}`;
  let out = `\ncall ${d.index + 1}${tasks}: ${d.text}${d.soft ? ' (another schedule or moment may explain it)' : ''}\n`;
  rows.forEach((pair, i) => (out += lines(pair, from + i === d.index)));
  for (const { side, says } of d.linux) {
    if (side === null) out += `  manual ${says.man}${says.why === '' ? '' : `: ${says.why}`}\n`;
    else out += `  Linux  not ${side.toUpperCase()}'s result: ${says.linux}. ${says.why} ${says.man}\n`;
  }
  return out;
}

/** Both calls where they differ to the eye, one line where they do not. */
function lines([a, b]: CallPair, here: boolean): string {
  const mark = here ? '>' : ' ';
  const [x, y] = [a && text(a), b && text(b)];
  if (!here && x === y && a) return `  ${place(a)} ${x}\n`;
  const one = (side: string, c: LogCall | null, t: string | null): string =>
    `${mark} ${side} ${c ? `${place(c)} ${t}` : '      (no call)'}\n`;
  return one('A', a, x) + one('B', b, y);
}

const place = (c: LogCall): string => `${c.exit ?? c.entry ?? 0}:`.padStart(6);
function text(c: LogCall): string {
  const t = callText(c);
  return t.length > WIDTH ? `${t.slice(0, WIDTH - 3)}...` : t;
}

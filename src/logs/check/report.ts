/** What `check` found, for people. */
import { callText, type Log, type LogRun } from '../events.ts';
import type { ReplayedCall } from '../replay.ts';
import { rangeText } from './ranges.ts';
import type { CheckResult } from './check.ts';
import type { Finding, FindingKind } from './finding.ts';

export interface ReportOptions {
  /** One line a finding. */
  readonly brief?: boolean;
  /** Leave out what a program may never notice. */
  readonly noRemarks?: boolean;
}

const KIND: Readonly<Record<FindingKind, readonly [one: string, many: string]>> = {
  result: ["result that is not Linux's", "results that are not Linux's"],
  state: ['impossible state', 'impossible states'],
  progress: ['livelock', 'livelocks'],
  remark: ['remark', 'remarks'],
};
/** Unreadable lines shown in full. */
const SHOWN = 5;
const FORMAT = { starry: 'StarryOS log', strace: 'strace text' } as const;

const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

/** The log in a line: what it is and how much of it there is. */
export function describeLog(log: Log): string {
  const calls = log.runs.reduce((n, r) => n + r.calls.length, 0);
  const runs = log.runs.length > 1 ? ` in ${log.runs.length} runs` : '';
  const tasks = new Set(log.runs.flatMap((r) => r.tasks.filter((t) => t !== 0))).size;
  const by = tasks > 0 ? ` by ${plural(tasks, 'task')}` : '';
  return `${log.name}: ${FORMAT[log.format]}, ${plural(log.lines, 'line')}, ${plural(calls, 'call')}${by}${runs}`;
}

/** What a kernel of ours with some personality returned, beside the log. */
export function replayReport(log: Log, name: string, calls: readonly ReplayedCall[]): string {
  const same = calls.filter((c) => c.same).length;
  let out = `${describeLog(log)}\nCalls on memory, made again on ${name}:\n`;
  for (const c of calls) {
    if (c.assumed) out += `      (mapped before the log begins: ${rangeText(c.assumed)})\n`;
    const line = `${c.call.exit ?? 0}:`.padStart(6);
    out += `${line} ${callText(c.call)}${c.same ? '' : `   <- ${name} returns ${c.ours}`}\n`;
  }
  return `${out}\n${same} of ${plural(calls.length, 'call')} return${same === 1 ? 's' : ''} what the log says.\n`;
}

/** Lines that could not be read, a few of them in full; those between two lines, or all. */
export function unreadableText(log: Log, within = { first: 0, last: Infinity }): string {
  const unreadable = log.unreadable.filter((u) => u.line >= within.first && u.line <= within.last);
  if (unreadable.length === 0) return '';
  const lines = unreadable.slice(0, SHOWN).map((u) => `  line ${u.line}: ${u.why}\n    ${u.text}\n`);
  const more = unreadable.length > SHOWN ? `  and ${unreadable.length - SHOWN} more\n` : '';
  return `${plural(unreadable.length, 'line')} could not be read:\n${lines.join('')}${more}`;
}

export function checkReport(log: Log, result: CheckResult, options: ReportOptions = {}): string {
  const shown = result.findings.filter((f) => !(options.noRemarks && f.kind === 'remark'));
  let out = `${describeLog(log)}\n${unreadableText(log)}`;
  log.runs.forEach((run, i) => {
    const own = shown.filter((f) => f.run === i);
    if (own.length === 0) return;
    if (log.runs.length > 1) out += `\n${runTitle(log, run, i)}\n`;
    for (const f of own) out += options.brief ? brief(f) : full(f, f === result.first[i]);
  });
  return `${out}\n${summary(log, shown, result)}`;
}

const runTitle = (log: Log, run: LogRun, i: number): string =>
  `--- run ${i + 1} of ${log.runs.length}: lines ${run.first} to ${run.last} ---`;

const brief = (f: Finding): string => `${f.line}: ${f.what}  [${f.rule}]\n`;

function full(f: Finding, isFirst: boolean): string {
  const rows: [string, string][] = [];
  if (squeeze(f.source) !== squeeze(f.what)) rows.push(['log', f.source.trim()]);
  rows.push(['Linux', `${f.linux}${f.certain ? '' : ' (in all but unusual circumstances)'}`]);
  rows.push(['why', f.why], ['see', f.man]);
  const again = f.lines.slice(1);
  if (again.length > 0) rows.push(['again', linesText(again)]);
  const mark = isFirst ? "   <- first result that is not Linux's" : '';
  return `\nline ${f.line}: ${f.what}${mark}\n${rows.map(([k, v]) => `  ${k.padEnd(6)} ${v}\n`).join('')}`;
}

const squeeze = (s: string): string => s.replace(/\s+/g, ' ').trim();

function linesText(lines: readonly number[]): string {
  const first = lines.slice(0, 8).join(', ');
  return lines.length > 8 ? `lines ${first} and ${lines.length - 8} more` : `line${lines.length > 1 ? 's' : ''} ${first}`;
} // prettier-ignore

function summary(log: Log, shown: readonly Finding[], result: CheckResult): string {
  if (shown.length === 0) {
    return 'Nothing in it that Linux would not do.\n';
  }
  const counts = (Object.keys(KIND) as FindingKind[]).flatMap((kind) => {
    const n = shown.filter((f) => f.kind === kind).length;
    return n === 0 ? [] : [plural(n, ...KIND[kind])];
  });
  const firsts = result.first.filter((f) => f !== null);
  const list = firsts.map((f) => {
    const where = log.runs.length > 1 ? `run ${f.run + 1}, line ${f.line}` : `line ${f.line}`;
    return `  ${where}: ${f.what}\n`;
  });
  const title = list.length > 1 ? "First result of each run that is not Linux's:" : "First result that is not Linux's:";
  return `${counts.join(', ')}.\n${list.length > 0 ? `${title}\n${list.join('')}` : ''}`;
} // prettier-ignore

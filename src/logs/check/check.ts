/** Reads through a log and says where it is not Linux's. */
import { callText, type KernelNote, type Log, type LogCall, type LogRun } from '../events.ts';
import { ModelKernel } from '../model/kernel.ts';
import { checkAreas } from './areas.ts';
import { type Finding, Findings, View } from './finding.ts';
import { FdModel } from './fds.ts';
import { checkFutexes } from './futexes.ts';
import { Identity } from './identity.ts';
import { hasWideAddresses, MemoryModel } from './mm.ts';
import { checkProgress } from './progress.ts';
import { judge } from './rules.ts';
import { births, strangers } from './tasks.ts';

export interface CheckResult {
  readonly findings: readonly Finding[];
  /** Of each run, the first call whose result is not Linux's; null: there is none. */
  readonly first: readonly (Finding | null)[];
}

/** Compares each call of a log with what Linux 6.1 does. Needs nothing but the log. */
export function checkLog(log: Log): CheckResult {
  const findings = new Findings();
  const model = new ModelKernel(log.arch);
  log.runs.forEach((run, i) => {
    findings.run = i;
    checkRun(run, findings, model);
  });
  const list = findings.list();
  const first = log.runs.map((_, i) => list.find((f) => f.run === i && f.kind === 'result') ?? null);
  return { findings: list, first };
}

function checkRun(run: LogRun, findings: Findings, model: ModelKernel): void {
  const born = births(run);
  // Every task that may share something with another must be in the log, and how it came to be.
  const alone = strangers(run, born).length <= 1 && [...born.keys()].every((tid) => run.tasks.includes(tid));
  const memory = new MemoryModel(model, findings, born, alone, hasWideAddresses(run.calls));
  const fds = new FdModel(findings, born, alone);
  const identity = new Identity(findings);
  /** Calls Linux would have answered otherwise. */
  const bad = new Set<LogCall>();
  for (const e of run.events) {
    if (e.type === 'exit') {
      const v = judge(new View(e.call));
      if (v) {
        bad.add(e.call);
        findings.add(v, e.call, e.line, callText(e.call), e.call.source, e.call.tid);
      }
      checkAreas(e.call, findings);
      memory.exit(e.call);
      fds.exit(e.call);
      identity.exit(e.call);
    } else if (e.type === 'note') checkNote(run, e.note, e.line, findings, memory);
  }
  checkFutexes(run, findings, alone && startsWithExec(run));
  checkProgress(run, findings, bad);
}

/** Whether all of a program is in the run, from its beginning. */
const startsWithExec = (run: LogRun): boolean => run.calls[0]?.name === 'execve';

function checkNote(
  run: LogRun,
  note: KernelNote,
  line: number,
  findings: Findings,
  memory: MemoryModel,
): void {
  if (note.kind === 'fault') {
    const lives = run.calls.some((c) => c.tid === note.tid && (c.entry ?? 0) > line);
    if (lives) memory.fault(note);
  } else if (note.kind === 'panic') {
    findings.add(
      {
        rule: 'panic', kind: 'state', linux: 'an error for the caller, or a signal',
        why: 'The kernel stopped; no system call may do that.', man: 'syscalls(2)',
      },
      null, line, note.text, note.text, note.tid,
    ); // prettier-ignore
  }
}

/** Who a task is: what execve makes of its pid. */
import { callText, type LogCall } from '../events.ts';
import type { Findings } from './finding.ts';

/** Tasks that have called execve, and so lead their process: their id is its pid. */
export class Identity {
  private readonly leaders = new Map<number, number>();
  private readonly findings: Findings;

  constructor(findings: Findings) {
    this.findings = findings;
  }

  exit(call: LogCall): void {
    const { tid, name, result } = call;
    if (tid === 0 || result === null) return;
    if (name === 'execve' && call.error === null) this.leaders.set(tid, call.exit ?? 0);
    const since = this.leaders.get(tid);
    if (name !== 'getpid' || since === undefined || Number(result) === tid) return;
    this.findings.add(
      {
        rule: 'leader-pid', linux: String(tid), once: true,
        why: `Task ${tid} called execve at line ${since}; whoever does that is the first thread of its process from then on, and its id is the pid.`,
        man: 'execve(2), DESCRIPTION; gettid(2)',
      },
      call, call.exit ?? 0, callText(call), call.source, tid,
    ); // prettier-ignore
  }
}

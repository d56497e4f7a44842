import type { MemPolicy } from '../mm/mempolicy.ts';

/** Per-task settings that clone copies and prctl, sched_* and friends change. Plain values, so a copy is a snapshot. */
export class TaskAttributes {
  noNewPrivs = false;
  keepCaps = false;
  /** Securebits (capabilities(7)). */
  securebits = 0;
  /** PR_SET_PDEATHSIG; not inherited. */
  parentDeathSignal = 0;
  /** personality(2). */
  personality = 0;
  /** SCHED_* policy, with SCHED_RESET_ON_FORK kept apart. Scheduling itself ignores it: see Scheduler. */
  policy = 0;
  resetOnFork = false;
  priority = 0;
  nice = 0;
  /** Bit n for CPU n. */
  affinity = 0n;
  ioprio = 0;
  /** Nanoseconds. */
  timerSlack = 50_000;
  /** What PR_SET_TIMERSLACK 0 goes back to: the slack of the parent when it was made. */
  defaultTimerSlack = 50_000;
  /** PR_SET_TSC, PR_MCE_KILL, PR_SET_THP_DISABLE… kept so that they read back. */
  tsc = 1;
  mceKill = 2;
  thpDisable = false;
  /** set_mempolicy(2): kept over exec too. */
  mempolicy: MemPolicy | null = null;
  unalign = 0;
  ioFlusher = false;
  /** Registered struct rseq; 0: none. Not inherited across CLONE_VM. */
  rseq = 0;
  rseqLength = 0;
  rseqSignature = 0;

  /** What a new task starts with; `sharesMemory`: CLONE_VM. */
  forChild(sharesMemory: boolean): TaskAttributes {
    const a = Object.assign(new TaskAttributes(), this);
    a.parentDeathSignal = 0;
    a.defaultTimerSlack = this.timerSlack;
    if (sharesMemory) a.rseq = a.rseqLength = a.rseqSignature = 0;
    if (this.resetOnFork) {
      a.resetOnFork = false;
      if (a.policy !== SCHED_OTHER) a.policy = SCHED_OTHER;
      a.priority = 0;
      a.nice = Math.max(a.nice, 0);
    }
    return a;
  }
}

const SCHED_OTHER = 0;

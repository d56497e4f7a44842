/** A process: the threads that share a pid (struct signal_struct). */
import { JobControl } from '../signal/state.ts';
import type { SignalQueue } from '../signal/state.ts';
import type { ProcessTimers } from '../time/process-timers.ts';
import { WaitQueue } from '../wait.ts';
import type { Tty } from '../fs/tty/tty.ts';
import type { Task } from './task.ts';
import type { Path } from '../fs/dentry.ts';
import type { Key } from '../keys/key.ts';

export interface Rlimit {
  cur: number;
  /** Infinity is RLIM64_INFINITY. */
  max: number;
}

/** What getrusage adds up. */
export class Usage {
  /** Instructions retired: user time in nanoseconds. */
  retired = 0;
  minorFaults = 0;
  voluntarySwitches = 0;
  involuntarySwitches = 0;
  /** Largest resident set, KiB. */
  maxRss = 0;

  add(o: Pick<Usage, 'retired' | 'minorFaults' | 'voluntarySwitches' | 'involuntarySwitches'>): void {
    this.retired += o.retired;
    this.minorFaults += o.minorFaults;
    this.voluntarySwitches += o.voluntarySwitches;
    this.involuntarySwitches += o.involuntarySwitches;
  }
}

export class ThreadGroup {
  readonly pid: number;
  leader!: Task;
  /** Its threads, in order of creation; a leader that left before the others stays in as a zombie. */
  readonly tasks = new Set<Task>();
  /** Threads that have not exited. */
  live = 0;
  /** The pid it believes to have, where a quirk gave it another; 0: its own. */
  shownPid = 0;
  parent: ThreadGroup | null;
  /** The thread of `parent` that made it (PR_SET_PDEATHSIG, __WNOTHREAD); null below init. */
  parentThread: Task | null = null;
  readonly children = new Set<ThreadGroup>();
  pgrp: number;
  session: number;
  /** Controlling terminal, if any (owned by the tty layer). */
  tty: Tty | null = null;
  /** Signals for any thread of the process. */
  readonly pending: SignalQueue;
  /** Indexed by RLIMIT_*. */
  rlimits: Rlimit[];
  /** Set by exit_group or a fatal signal: every thread leaves with this wait status. */
  groupExit: number | null = null;
  /** All threads are stopped by job control. */
  stopped = false;
  /** Stop signal wait(WUNTRACED) has yet to report; 0: none. */
  stopReport = 0;
  /** A SIGCONT wait(WCONTINUED) has yet to report. */
  continueReport = false;
  /** Wait status when every thread is gone and the parent has yet to wait; null while it lives. */
  zombie: number | null = null;
  /** Signal the parent gets when it dies; 0: none. A clone() child (not SIGCHLD) is for __WCLONE and __WALL only. */
  exitSignal = 0;
  /** It has called execve since fork (setpgid by the parent fails then). */
  execed = false;
  /** PR_SET_CHILD_SUBREAPER: orphans below it become its children. */
  subreaper = false;
  /** Usage of its dead threads, and of children waited for. */
  readonly deadUsage = new Usage();
  readonly childUsage = new Usage();
  /** PR_SET_DUMPABLE (it belongs to the mm; threads share it here). */
  dumpable = 1;
  oomScoreAdj = 0;
  /** KEY_SPEC_PROCESS_KEYRING, once there is one. */
  keyring: Key | null = null;
  /** MEMBARRIER_CMD_REGISTER_* it has asked for. */
  membarrier = 0;
  /** The group stop under way. Owned by kernel/signal. */
  readonly jobctl = new JobControl();
  /** Interval and POSIX timers; null until the first is made. Owned by kernel/time. */
  timers: ProcessTimers | null = null;
  /** Woken when a child changes state (wait4). */
  readonly childEvents: WaitQueue;
  /** Woken when this process exits (pidfd). */
  readonly exited: WaitQueue;
  /** /proc/PID/exe. */
  exe: Path | null = null;
  /** Monotonic nanoseconds at start. */
  startTime = 0;

  constructor(pid: number, parent: ThreadGroup | null, pending: SignalQueue, rlimits: Rlimit[]) {
    this.pid = pid;
    this.parent = parent;
    this.pgrp = parent ? parent.pgrp : pid;
    this.session = parent ? parent.session : pid;
    this.pending = pending;
    this.rlimits = rlimits;
    this.childEvents = new WaitQueue(`children of ${pid}`);
    this.exited = new WaitQueue(`exit of ${pid}`);
  }
}

/** A process: the threads that share a pid (struct signal_struct). */
import type { SignalQueue } from '../signal/state.ts';
import { WaitQueue } from '../wait.ts';
import type { Task } from './task.ts';
import type { Inode } from '../fs/inode.ts';

export interface Rlimit {
  cur: number;
  /** Infinity is RLIM64_INFINITY. */
  max: number;
}

export class ThreadGroup {
  readonly pid: number;
  leader!: Task;
  readonly tasks = new Set<Task>();
  parent: ThreadGroup | null;
  readonly children = new Set<ThreadGroup>();
  pgrp: number;
  session: number;
  /** Controlling terminal, if any (owned by the tty layer). */
  tty: object | null = null;
  /** Signals for any thread of the process. */
  readonly pending: SignalQueue;
  /** Indexed by RLIMIT_*. */
  rlimits: Rlimit[];
  /** Set by exit_group or a fatal signal: every thread leaves with this wait status. */
  groupExit: number | null = null;
  stopped = false;
  /** Woken when a child changes state (wait4). */
  readonly childEvents: WaitQueue;
  /** Woken when this process exits (pidfd). */
  readonly exited: WaitQueue;
  /** /proc/PID/exe. */
  exe: { inode: Inode | null; path: string } = { inode: null, path: '' };
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

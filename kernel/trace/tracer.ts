/** What a trace observer sees. The kernel holds at most one (`kernel.tracer`); null costs one comparison a call. */
import type { SigInfo } from '../signal/state.ts';
import type { Task } from '../task/task.ts';

/** How arguments are written, after strace's options of the same letter. */
export interface TraceFormat {
  /** -s: longest string printed, in bytes. */
  readonly strsize: number;
  /** 1: -x, strings with unprintable bytes in hexadecimal; 2: -xx, all strings. */
  readonly hex: 0 | 1 | 2;
  /** -v: structures, arrays and environments in full. */
  readonly verbose: boolean;
  /** 1: -y, paths with descriptors; 2: -yy, socket details too. */
  readonly fds: 0 | 1 | 2;
}

export const DEFAULT_FORMAT: TraceFormat = { strsize: 32, hex: 0, verbose: false, fds: 0 };

export interface Tracer {
  readonly format: TraceFormat;
  /** The machine's first program is loaded; nothing has run. `envpAddress`: where its environment lies. */
  start?(t: Task, path: string, argv: readonly string[], envp: readonly string[], envpAddress: number): void;
  /** A call begins: `row`, `nr` and `args` of the task are set. Not called again when a parked handler reruns. */
  enter(t: Task): void;
  /** It returned `result` (value, -errno, or a negative restart code the guest never sees). Called before a signal
   *  frame is built. For execve the new image is already in place. */
  exit(t: Task, result: number): void;
  /** Whether it shows the call a task is about to make: faults are injected into no other. Without it: all. */
  shows?(t: Task): boolean;
  /** Signals that would be dropped as ignored are to be queued and reported, with all that ptrace(2) changes by it. */
  seesIgnored?(t: Task): boolean;
  /** A signal is about to be acted on: handler, default action, or (with `seesIgnored`) none. */
  signal(t: Task, info: SigInfo): void;
  /** The task begins to leave, whatever it was doing: comes before what its end brings about, and before `exited`. */
  leaving?(t: Task): void;
  /** The task left with this exit code (0…255). A call it was in prints `= ?`. */
  exited(t: Task, code: number): void;
  /** The task died by a signal. */
  killed(t: Task, signo: number, core: boolean): void;
  /** The task stopped by a job-control signal. */
  stopped(t: Task, signo: number): void;
  /** `child` was made by clone, fork or vfork of `parent`. Called after it exists and before it runs. */
  attached(parent: Task, child: Task): void;
  /** `old`'s thread id became that of `t` by an execve of a thread that is not the leader. */
  superseded?(t: Task, oldTid: number): void;
  /** From here on it shows nothing twice, whatever earlier moment the machine (and the tracer with it) is put back to. */
  once?(): void;
}

/** What a machine tells of a run: the steps of `Machine.step` and the arguments of `Machine.on`. */
import type { SigInfo } from '../../kernel/signal/state.ts';
import type { Task } from '../../kernel/task/task.ts';
import { callEntry, callExit } from '../../kernel/trace/call-text.ts';
import { signalName } from '../../kernel/trace/tables.ts';
import { DEFAULT_FORMAT, type TraceFormat, type Tracer } from '../../kernel/trace/tracer.ts';
import type { ExitStatus } from './status.ts';

interface CallEvent {
  /** Thread and process id of the caller. */
  readonly tid: number;
  readonly pid: number;
  /** "read", or "syscall_0x1f4" for a number without a name. */
  readonly name: string;
  readonly nr: number;
  /** The six argument registers, unsigned. */
  readonly args: readonly bigint[];
  /** As strace prints it: `read(3, ` at entry, `read(3, "x", 1) = 1` at exit. */
  readonly text: string;
}

/** A task is about to make a call. */
export interface EnterEvent extends CallEvent {
  readonly type: 'enter';
}
/** A call returned. `result`: the value, or -errno (below −511: a restart code the guest does not see). */
export interface ExitEvent extends CallEvent {
  readonly type: 'exit';
  readonly result: number;
}
/** A signal is acted on. */
export interface SignalEvent {
  readonly type: 'signal';
  readonly tid: number;
  readonly pid: number;
  /** "SIGINT". */
  readonly signal: string;
  readonly info: SigInfo;
}
/** A task ended. */
export interface TaskEndEvent {
  readonly type: 'task-end';
  readonly tid: number;
  readonly pid: number;
  /** Exit code, or null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}
/** The first process is gone and the machine with it. */
export interface EndEvent {
  readonly type: 'end';
  readonly status: ExitStatus;
}

export type MachineEvent = EnterEvent | ExitEvent | SignalEvent | TaskEndEvent | EndEvent;

export interface Listeners {
  syscall: (e: EnterEvent | ExitEvent) => void;
  signal: (e: SignalEvent) => void;
  exit: (e: TaskEndEvent | EndEvent) => void;
}

/** The call a task is in, or about to make. */
export function enterEvent(t: Task): EnterEvent {
  return {
    type: 'enter',
    tid: t.tid,
    pid: t.pid,
    name: t.row?.name ?? `syscall_0x${(t.nr >>> 0).toString(16)}`,
    nr: t.nr,
    args: [0, 1, 2, 3, 4, 5].map((i) => t.args.big(i)),
    text: callEntry(t),
  };
}

/** A Tracer that makes events. `emit` hears each as it happens. */
export class EventTracer implements Tracer {
  readonly format: TraceFormat = DEFAULT_FORMAT;
  private readonly emit: (e: MachineEvent) => void;
  /** Calls to tell of, asked at their entry; null: all. */
  only: ((t: Task) => boolean) | null = null;
  /** Entry texts of the calls under way. */
  private readonly entered = new Map<Task, EnterEvent>();

  constructor(emit: (e: MachineEvent) => void) {
    this.emit = emit;
  }

  enter(t: Task): void {
    if (this.only !== null && !this.only(t)) return;
    const event = enterEvent(t);
    this.entered.set(t, event);
    this.emit(event);
  }

  exit(t: Task, result: number): void {
    const begun = this.entered.get(t);
    if (begun === undefined) return;
    this.entered.delete(t);
    if (result >= 2 ** 63) result -= 2 ** 64;
    this.emit({ ...begun, type: 'exit', result, text: begun.text + callExit(t, result, begun.text) });
  }

  signal(t: Task, info: SigInfo): void {
    this.emit({ type: 'signal', tid: t.tid, pid: t.pid, signal: signalName(info.signo), info });
  }

  exited(t: Task, code: number): void {
    this.entered.delete(t);
    this.emit({ type: 'task-end', tid: t.tid, pid: t.pid, code, signal: null });
  }

  killed(t: Task, signo: number): void {
    this.entered.delete(t);
    this.emit({ type: 'task-end', tid: t.tid, pid: t.pid, code: null, signal: signalName(signo) });
  }

  stopped(): void {}
  attached(): void {}
}

/** Passes everything on to several tracers, in order; the first one's format counts. */
export class TracerList implements Tracer {
  private readonly list: readonly Tracer[];
  private readonly mayDiffer: boolean;
  /**
   * `mayDiffer`: the guest may be traced as by ptrace, which it can notice: signals it ignores reach it, and only
   * calls that are shown are tampered with. Not where the run must be the same without tracers.
   */
  constructor(list: readonly Tracer[], mayDiffer = true) {
    this.list = list;
    this.mayDiffer = mayDiffer;
  }
  get format(): TraceFormat {
    return this.list[0].format;
  }
  shows(t: Task): boolean {
    if (!this.mayDiffer) return true;
    const choosy = this.list.filter((tracer) => tracer.shows);
    return choosy.length === 0 || choosy.some((tracer) => tracer.shows!(t));
  }
  seesIgnored(t: Task): boolean {
    return this.mayDiffer && this.list.some((tracer) => tracer.seesIgnored?.(t) ?? false);
  }
  enter(t: Task): void {
    for (const tracer of this.list) tracer.enter(t);
  }
  exit(t: Task, result: number): void {
    for (const tracer of this.list) tracer.exit(t, result);
  }
  signal(t: Task, info: SigInfo): void {
    for (const tracer of this.list) tracer.signal(t, info);
  }
  leaving(t: Task): void {
    for (const tracer of this.list) tracer.leaving?.(t);
  }
  exited(t: Task, code: number): void {
    for (const tracer of this.list) tracer.exited(t, code);
  }
  killed(t: Task, signo: number, core: boolean): void {
    for (const tracer of this.list) tracer.killed(t, signo, core);
  }
  stopped(t: Task, signo: number): void {
    for (const tracer of this.list) tracer.stopped(t, signo);
  }
  attached(parent: Task, child: Task): void {
    for (const tracer of this.list) tracer.attached(parent, child);
  }
  superseded(t: Task, oldTid: number): void {
    for (const tracer of this.list) tracer.superseded?.(t, oldTid);
  }
}

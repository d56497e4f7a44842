/** Signals of the guest's on their way through gdb: each is held until gdb says what becomes of it. */
import type { SignalGate } from '../../kernel/signal/gate.ts';
import { SIG_DFL, SIG_KERNEL_IGNORE, SIG_KERNEL_STOP, sigbit } from '../../kernel/signal/numbers.ts';
import { sendSignal } from '../../kernel/signal/send.ts';
import type { SigInfo } from '../../kernel/signal/state.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { Inferiors } from './inferiors.ts';
import { gdbSignal } from './signals.ts';

const SI_USER = 0;
const SIGKILL = 9;

export interface SignalStops {
  /** Whether gdb is to be asked. */
  arrives(t: Task, signo: number): boolean;
  /** The task's process ends of it. Whether the machine stops before. */
  kills(t: Task): boolean;
}

interface SavedSignals {
  readonly waiting: readonly (readonly [Task, SigInfo])[];
  readonly decided: readonly (readonly [Task, number])[];
}

export class HeldSignals implements SignalGate {
  private readonly inferiors: Inferiors;
  private readonly stops: SignalStops;
  private readonly waiting = new Map<Task, SigInfo>();
  /** What becomes of them: Linux's number, 0: nothing. */
  private readonly decided = new Map<Task, number>();
  /** Made by gdb: delivered without asking it. */
  private readonly own = new WeakSet<SigInfo>();
  /** gdb knows that they kill. */
  private deadly = new WeakSet<SigInfo>();
  /** gdb's numbers of those it does not want to hear of. */
  private passed: ReadonlySet<number> = new Set();

  constructor(inferiors: Inferiors, stops: SignalStops) {
    this.inferiors = inferiors;
    this.stops = stops;
  }

  /** QPassSignals */
  pass(numbers: Iterable<number>): void {
    this.passed = new Set(numbers);
  }

  held(t: Task): SigInfo | null {
    return this.waiting.get(t) ?? null;
  }

  judge(t: Task, info: SigInfo): SigInfo | null | 'pause' {
    if (!this.inferiors.has(t)) return info;
    if (this.deadly.has(info)) {
      this.waiting.delete(t);
      return info;
    }
    const verdict = this.verdict(t, info);
    if (verdict === null || verdict === 'pause' || !isDeadly(t, verdict) || !this.stops.kills(t)) return verdict;
    this.deadly.add(verdict);
    this.waiting.set(t, verdict);
    return 'pause';
  } // prettier-ignore

  private verdict(t: Task, info: SigInfo): SigInfo | null | 'pause' {
    if (info.signo === SIGKILL || this.own.has(info)) return info;
    const decision = this.decided.get(t);
    if (this.waiting.has(t) && decision !== undefined) {
      this.waiting.delete(t);
      this.decided.delete(t);
      if (decision === 0) return null;
      return decision === info.signo ? info : { signo: decision, code: SI_USER, pid: 0, uid: 0 };
    }
    if (this.passed.has(gdbSignal(info.signo)) || !this.stops.arrives(t, info.signo)) {
      this.waiting.delete(t);
      return info;
    }
    this.waiting.set(t, info);
    return 'pause';
  }

  /** What a thread takes along as it goes on: Linux's number, or 0. 'changed': it is not the signal there was. */
  resumes(t: Task, signo: number): 'as ever' | 'changed' {
    const waiting = this.waiting.get(t);
    if (waiting) {
      if (this.deadly.has(waiting)) return 'as ever';
      this.decided.set(t, signo);
      return signo === waiting.signo ? 'as ever' : 'changed';
    }
    if (signo === 0) return 'as ever';
    const info: SigInfo = { signo, code: SI_USER, pid: 0, uid: 0 };
    this.own.add(info);
    sendSignal(t, info);
    return 'changed';
  }

  /** gdb lets go of a process, or of all: what was held comes through. */
  release(pid: number | null): void {
    for (const [t, info] of [...this.waiting]) {
      if (pid !== null && t.pid !== pid) continue;
      this.waiting.delete(t);
      sendSignal(t, info);
    }
  }

  /** What is held is in no queue of the kernel's: part of the machine's state (Stateful). */
  saveState(): SavedSignals {
    return { waiting: [...this.waiting], decided: [...this.decided] };
  }
  restoreState({ waiting, decided }: SavedSignals): void {
    this.waiting.clear();
    this.decided.clear();
    for (const [t, info] of waiting) this.waiting.set(t, info);
    for (const [t, signo] of decided) this.decided.set(t, signo);
    this.deadly = new WeakSet();
  }
}

/** Its process does not survive it. */
const isDeadly = (t: Task, { signo }: SigInfo): boolean =>
  signo === SIGKILL ||
  (t.sighand.actions[signo - 1].handler === SIG_DFL &&
    (sigbit(signo) & (SIG_KERNEL_IGNORE | SIG_KERNEL_STOP)) === 0n);

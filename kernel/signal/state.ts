/** Signal state: dispositions, queues, the alternate stack. Mechanism in this folder's other files. */
import { WaitQueue } from '../wait.ts';

/** struct sigaction as the kernel keeps it. `handler` 0 is SIG_DFL, 1 SIG_IGN. */
export interface SigAction {
  handler: number;
  flags: number;
  restorer: number;
  mask: bigint;
}

/** siginfo_t, decoded. Only the fields its si_code uses are meaningful. */
export interface SigInfo {
  readonly signo: number;
  readonly code: number;
  readonly errno?: number;
  readonly pid?: number;
  readonly uid?: number;
  readonly status?: number;
  /** Full-width sigval for SI_QUEUE and timers. */
  readonly value?: bigint;
  /** si_addr of SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP; si_call_addr of SIGSYS. */
  readonly address?: bigint;
  /** Clock ticks (1/100 s), SIGCHLD. */
  readonly utime?: number;
  readonly stime?: number;
  readonly band?: number;
  readonly fd?: number;
  /** si_band and si_fd are what counts, whichever signal it is (F_SETSIG). */
  readonly poll?: boolean;
  readonly timerId?: number;
  readonly overrun?: number;
  /** SIGSYS: si_syscall and si_arch. */
  readonly syscall?: number;
  readonly arch?: number;
  /** The 32 bytes from offset 16 as rt_sigqueueinfo(2) was given them: delivered verbatim. */
  readonly raw?: Uint8Array;
}

/** A POSIX timer's signal while it is queued: overruns since are added at delivery. */
export interface TimerSignal extends SigInfo {
  overrun: number;
}

/** sigaltstack. size 0: none. */
export interface AltStack {
  sp: number;
  size: number;
  flags: number;
}

/** 64 dispositions, index signo − 1. `users` counts tasks sharing it. */
export class SignalHandlers {
  readonly actions: SigAction[];
  users = 1;
  /** Woken when any signal is queued for a task that shares this (signalfd's queue, as in Linux's sighand_struct). */
  readonly signalfd = new WaitQueue('signals');
  constructor(actions?: readonly SigAction[]) {
    this.actions = Array.from({ length: 64 }, (_, i) =>
      actions ? { ...actions[i] } : { handler: 0, flags: 0, restorer: 0, mask: 0n },
    );
  }
}

/** Pending signals: standard ones once, real-time ones queued in order. */
export class SignalQueue {
  /** In arrival order. A signal whose record could not be queued (RLIMIT_SIGPENDING) has its mask bit only. */
  readonly infos: SigInfo[] = [];
  /** Bit n−1 for signal n. */
  mask = 0n;
}

/** The group stop of a process that is under way (signal_struct's group_stop_count). */
export class JobControl {
  /** Threads that have yet to stop for the group stop under way. */
  stopCount = 0;
  /** The signal of the last group stop. */
  stopSignal = 0;
}

/** The last hardware fault of a task: thread.trap_nr, error_code and cr2, for the signal frame. */
export interface Trap {
  nr: number;
  error: number;
  address: bigint;
}

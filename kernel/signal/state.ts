/** Signal state: dispositions, queues, the alternate stack. Mechanism in this folder's other files. */

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
  /** si_addr of SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP. */
  readonly address?: bigint;
  readonly utime?: number;
  readonly stime?: number;
  readonly band?: number;
  readonly fd?: number;
  readonly timerId?: number;
  readonly overrun?: number;
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
  constructor(actions?: readonly SigAction[]) {
    this.actions = Array.from({ length: 64 }, (_, i) =>
      actions ? { ...actions[i]! } : { handler: 0, flags: 0, restorer: 0, mask: 0n },
    );
  }
}

/** Pending signals: standard ones once, real-time ones queued in order. */
export class SignalQueue {
  /** In arrival order. */
  readonly infos: SigInfo[] = [];
  /** Bit n−1 for signal n. */
  mask = 0n;
}

/** Signal numbers, sigaction flags and si_codes (asm-generic/signal.h, siginfo.h): the same on both architectures. */
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGSTKFLT = 16;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;
export const SIGRTMIN = 32;
/** Highest signal number (_NSIG): sets have 64 bits. */
export const NSIG = 64;

export const SIG_DFL = 0;
export const SIG_IGN = 1;

export const SA_NOCLDSTOP = 0x00000001;
export const SA_NOCLDWAIT = 0x00000002;
export const SA_SIGINFO = 0x00000004;
export const SA_UNSUPPORTED = 0x00000400;
export const SA_EXPOSE_TAGBITS = 0x00000800;
export const SA_RESTORER = 0x04000000;
export const SA_ONSTACK = 0x08000000;
export const SA_RESTART = 0x10000000;
export const SA_NODEFER = 0x40000000;
export const SA_RESETHAND = 0x80000000;

export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;

export const SS_ONSTACK = 1;
export const SS_DISABLE = 2;
export const SS_AUTODISARM = 0x80000000;

/** Sent by kill(2). */
export const SI_USER = 0;
/** Sent by the kernel. */
export const SI_KERNEL = 0x80;
export const SI_QUEUE = -1;
export const SI_TIMER = -2;
export const SI_MESGQ = -3;
export const SI_ASYNCIO = -4;
export const SI_SIGIO = -5;
export const SI_TKILL = -6;

export const ILL_ILLOPC = 1;
export const ILL_ILLOPN = 2;
export const FPE_INTDIV = 1;
export const FPE_INTOVF = 2;
export const FPE_FLTDIV = 3;
export const FPE_FLTOVF = 4;
export const FPE_FLTUND = 5;
export const FPE_FLTRES = 6;
export const FPE_FLTINV = 7;
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const BUS_ADRALN = 1;
export const BUS_ADRERR = 2;
export const BUS_OBJERR = 3;
export const TRAP_BRKPT = 1;
export const TRAP_TRACE = 2;
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_DUMPED = 3;
export const CLD_TRAPPED = 4;
export const CLD_STOPPED = 5;
export const CLD_CONTINUED = 6;
export const POLL_IN = 1;
export const SYS_SECCOMP = 1;

/** The set holding one signal. */
export const sigbit = (signo: number): bigint => 1n << BigInt(signo - 1);

const set = (...signals: number[]): bigint => signals.reduce((m, s) => m | sigbit(s), 0n);

/** Cannot be blocked, caught or ignored. */
export const SIG_KERNEL_ONLY = set(SIGKILL, SIGSTOP);
/** Default action: stop the process. */
export const SIG_KERNEL_STOP = set(SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU);
/** Default action: ignore. */
export const SIG_KERNEL_IGNORE = set(SIGCONT, SIGCHLD, SIGWINCH, SIGURG);
/** Default action: end the process with a core dump. */
export const SIG_KERNEL_COREDUMP = set(
  SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGXCPU, SIGXFSZ,
); // prettier-ignore
/** Raised by the instruction just run: dequeued before all others. */
export const SIG_SYNCHRONOUS = set(SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS);

/** Lowest signal number in a set that is not empty. */
export function lowestSignal(mask: bigint): number {
  const low = Number(mask & 0xffffffffn);
  if (low !== 0) return 32 - Math.clz32(low & -low);
  const high = Number((mask >> 32n) & 0xffffffffn);
  return 64 - Math.clz32(high & -high);
}

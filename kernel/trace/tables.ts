/** Names that traces print and that belong to no single module. Tables read as strace 6.1 prints them. */

/** Value and name, in the order strace tries them. */
export type Table = readonly (readonly [value: number, name: string])[];

/** A table of names counted from 0. */
export const numbered = <const N extends readonly string[]>(
  names: N,
): readonly (readonly [value: number, name: N[number]])[] => names.map((name, i) => [i, name] as const);

/** Index is the signal number; real-time ones by `signalName`. */
export const SIGNAL_NAMES: readonly string[] = [
  '0', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGUSR1',
  'SIGSEGV', 'SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGTERM', 'SIGSTKFLT', 'SIGCHLD', 'SIGCONT', 'SIGSTOP', 'SIGTSTP',
  'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGXCPU', 'SIGXFSZ', 'SIGVTALRM', 'SIGPROF', 'SIGWINCH', 'SIGIO', 'SIGPWR',
  'SIGSYS',
]; // prettier-ignore

/** As strace says it: SIGHUP…SIGSYS, SIGRTMIN (32), SIGRT_1 (33)… ; other numbers in decimal. */
export function signalName(signo: number): string {
  if (signo >= 0 && signo < 32) return SIGNAL_NAMES[signo];
  if (signo === 32) return 'SIGRTMIN';
  if (signo > 32 && signo <= 64) return `SIGRT_${signo - 32}`;
  return String(signo);
}

/** The number of a name with or without SIG, or of a decimal number; -1 when it is neither. */
export function signalNumber(name: string): number {
  if (/^[0-9]+$/.test(name)) return Number(name) <= 64 ? Number(name) : -1;
  const full = name.toUpperCase().startsWith('SIG') ? name.toUpperCase() : `SIG${name.toUpperCase()}`;
  if (full === 'SIGCLD') return 17;
  if (full === 'SIGPOLL') return 29;
  if (full === 'SIGIOT') return 6;
  for (let n = 1; n <= 64; n++) if (signalName(n) === full) return n;
  return -1;
}

/** si_code values that hold for every signal (include/uapi/asm-generic/siginfo.h). */
export const SI_CODES = [
  [0, 'SI_USER'], [0x80, 'SI_KERNEL'], [-1, 'SI_QUEUE'], [-2, 'SI_TIMER'], [-3, 'SI_MESGQ'], [-4, 'SI_ASYNCIO'],
  [-5, 'SI_SIGIO'], [-6, 'SI_TKILL'], [-7, 'SI_DETHREAD'], [-60, 'SI_ASYNCNL'],
] as const satisfies Table; // prettier-ignore

/** si_code values of one signal, by number. */
export const SIGNAL_CODES: Readonly<Record<number, Table>> = {
  4: [
    [1, 'ILL_ILLOPC'], [2, 'ILL_ILLOPN'], [3, 'ILL_ILLADR'], [4, 'ILL_ILLTRP'], [5, 'ILL_PRVOPC'],
    [6, 'ILL_PRVREG'], [7, 'ILL_COPROC'], [8, 'ILL_BADSTK'], [9, 'ILL_BADIADDR'],
  ],
  5: [[1, 'TRAP_BRKPT'], [2, 'TRAP_TRACE'], [3, 'TRAP_BRANCH'], [4, 'TRAP_HWBKPT'], [5, 'TRAP_UNK'], [6, 'TRAP_PERF']],
  7: [[1, 'BUS_ADRALN'], [2, 'BUS_ADRERR'], [3, 'BUS_OBJERR'], [4, 'BUS_MCEERR_AR'], [5, 'BUS_MCEERR_AO']],
  8: [
    [1, 'FPE_INTDIV'], [2, 'FPE_INTOVF'], [3, 'FPE_FLTDIV'], [4, 'FPE_FLTOVF'], [5, 'FPE_FLTUND'],
    [6, 'FPE_FLTRES'], [7, 'FPE_FLTINV'], [8, 'FPE_FLTSUB'], [14, 'FPE_FLTUNK'], [15, 'FPE_CONDTRAP'],
  ],
  11: [
    [1, 'SEGV_MAPERR'], [2, 'SEGV_ACCERR'], [3, 'SEGV_BNDERR'], [4, 'SEGV_PKUERR'], [5, 'SEGV_ACCADI'],
    [6, 'SEGV_ADIDERR'], [7, 'SEGV_ADIPERR'], [8, 'SEGV_MTEAERR'], [9, 'SEGV_MTESERR'],
  ],
  17: [
    [1, 'CLD_EXITED'], [2, 'CLD_KILLED'], [3, 'CLD_DUMPED'], [4, 'CLD_TRAPPED'], [5, 'CLD_STOPPED'],
    [6, 'CLD_CONTINUED'],
  ],
  29: [[1, 'POLL_IN'], [2, 'POLL_OUT'], [3, 'POLL_MSG'], [4, 'POLL_ERR'], [5, 'POLL_PRI'], [6, 'POLL_HUP']],
  31: [[1, 'SYS_SECCOMP'], [2, 'SYS_USER_DISPATCH']],
}; // prettier-ignore

export const SIGPROCMASK_HOW = [[0, 'SIG_BLOCK'], [1, 'SIG_UNBLOCK'], [2, 'SIG_SETMASK']] as const satisfies Table; // prettier-ignore

/** open(2) flags besides the access mode, x86_64 values. O_SYNC stands before its part O_DSYNC. */
export const OPEN_FLAGS = [
  [0o100, 'O_CREAT'], [0o200, 'O_EXCL'], [0o400, 'O_NOCTTY'], [0o1000, 'O_TRUNC'], [0o2000, 'O_APPEND'],
  [0o4000, 'O_NONBLOCK'], [0o4010000, 'O_SYNC'], [0o10000, 'O_DSYNC'], [0o40000, 'O_DIRECT'], [0o100000, 'O_LARGEFILE'],
  [0o400000, 'O_NOFOLLOW'], [0o1000000, 'O_NOATIME'], [0o2000000, 'O_CLOEXEC'], [0o10000000, 'O_PATH'],
  [0o20200000, 'O_TMPFILE'], [0o200000, 'O_DIRECTORY'], [0o20000000, '__O_TMPFILE'], [0o20000, 'FASYNC'],
] as const satisfies Table; // prettier-ignore

export const OPEN_ACCMODE = [[0, 'O_RDONLY'], [1, 'O_WRONLY'], [2, 'O_RDWR'], [3, 'O_ACCMODE']] as const satisfies Table; // prettier-ignore

export const ACCESS_MODES = [[0, 'F_OK'], [4, 'R_OK'], [2, 'W_OK'], [1, 'X_OK']] as const satisfies Table; // prettier-ignore

export const AT_FLAGS = [
  [0x100, 'AT_SYMLINK_NOFOLLOW'], [0x200, 'AT_REMOVEDIR'], [0x400, 'AT_SYMLINK_FOLLOW'], [0x800, 'AT_NO_AUTOMOUNT'],
  [0x1000, 'AT_EMPTY_PATH'], [0x8000, 'AT_RECURSIVE'],
] as const satisfies Table; // prettier-ignore

export const WHENCE = [
  [0, 'SEEK_SET'], [1, 'SEEK_CUR'], [2, 'SEEK_END'], [3, 'SEEK_DATA'], [4, 'SEEK_HOLE'],
] as const satisfies Table; // prettier-ignore

export const CLOCKS = [
  [0, 'CLOCK_REALTIME'], [1, 'CLOCK_MONOTONIC'], [2, 'CLOCK_PROCESS_CPUTIME_ID'], [3, 'CLOCK_THREAD_CPUTIME_ID'],
  [4, 'CLOCK_MONOTONIC_RAW'], [5, 'CLOCK_REALTIME_COARSE'], [6, 'CLOCK_MONOTONIC_COARSE'], [7, 'CLOCK_BOOTTIME'],
  [8, 'CLOCK_REALTIME_ALARM'], [9, 'CLOCK_BOOTTIME_ALARM'], [11, 'CLOCK_TAI'],
] as const satisfies Table; // prettier-ignore

export const MMAP_PROT = [
  [0, 'PROT_NONE'], [1, 'PROT_READ'], [2, 'PROT_WRITE'], [4, 'PROT_EXEC'], [8, 'PROT_SEM'],
  [0x01000000, 'PROT_GROWSDOWN'], [0x02000000, 'PROT_GROWSUP'],
] as const satisfies Table; // prettier-ignore

export const RESOURCES = [
  [0, 'RLIMIT_CPU'], [1, 'RLIMIT_FSIZE'], [2, 'RLIMIT_DATA'], [3, 'RLIMIT_STACK'], [4, 'RLIMIT_CORE'],
  [5, 'RLIMIT_RSS'], [6, 'RLIMIT_NPROC'], [7, 'RLIMIT_NOFILE'], [8, 'RLIMIT_MEMLOCK'], [9, 'RLIMIT_AS'],
  [10, 'RLIMIT_LOCKS'], [11, 'RLIMIT_SIGPENDING'], [12, 'RLIMIT_MSGQUEUE'], [13, 'RLIMIT_NICE'],
  [14, 'RLIMIT_RTPRIO'], [15, 'RLIMIT_RTTIME'],
] as const satisfies Table; // prettier-ignore

/** poll(2) events in strace's order. */
export const POLL_EVENTS = [
  [0x1, 'POLLIN'], [0x2, 'POLLPRI'], [0x4, 'POLLOUT'], [0x40, 'POLLRDNORM'], [0x100, 'POLLWRNORM'],
  [0x80, 'POLLRDBAND'], [0x200, 'POLLWRBAND'], [0x8, 'POLLERR'], [0x10, 'POLLHUP'], [0x20, 'POLLNVAL'],
  [0x2000, 'POLLRDHUP'],
] as const satisfies Table; // prettier-ignore

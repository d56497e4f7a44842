/** Decisions of mechanisms that a quirk may turn. Read as `kernel.behaviour.NAME`, never in a path that is hot. */
import type { File } from '../fs/file.ts';

export interface Behaviour {
  /** A task gives up the cpu when its quantum is used up, and to a forked child. */
  readonly preemptive: boolean;
  /** Dates count from 1970; else CLOCK_REALTIME is the time since boot. */
  readonly dates: boolean;
  /** The program is told of the vDSO. */
  readonly vdso: boolean;
  /** A futex must be aligned. */
  readonly futexAlignment: boolean;
  /** All futexes are one table, by address. */
  readonly futexByAddress: boolean;
  /** Robust lists are walked when a thread ends. */
  readonly robustLists: boolean;
  /** Bits of epoll_ctl's events that are kept; signed. */
  readonly epollEvents: number;
  /** epoll takes files that have no poll method. */
  readonly epollAnyFile: boolean;
  /** struct epoll_event is packed on x86_64. */
  readonly epollPacked: boolean;
  /** mmap takes the lowest free range. */
  readonly firstFit: boolean;
  /** Heap and stack lie fixed below 1 GiB. */
  readonly lowMemory: boolean;
  /** The auxiliary vector has all its entries, and real random bytes. */
  readonly fullAuxv: boolean;
  /** A process's first thread has a number of its own, its pid plus 1. */
  readonly mainTid: boolean;
  /** A dynamic program is given to its interpreter as an argument. */
  readonly linkerAsProgram: boolean;
  /** A signal that is ignored leaves its thread without handlers. */
  readonly ignoredDeafens: boolean;
  /** A signal that comes during a handler is lost. */
  readonly nestedDropped: boolean;
  /** Handlers run without sa_mask and the flags that change masks, dispositions and restarts. */
  readonly plainHandlers: boolean;
  /** A handler's siginfo has the signal's number only. */
  readonly emptySiginfo: boolean;
  /** A handler's ucontext has the pc only. */
  readonly ucontextPcOnly: boolean;
  /** A process's signals are its first thread's. */
  readonly leaderOnly: boolean;
  /** Stop signals stop and SIGCONT continues. */
  readonly jobControl: boolean;
  /** A write nobody can read raises SIGPIPE. */
  readonly sigpipe: boolean;
  /** Of several UDP sockets on a port the one bound first takes every datagram. */
  readonly udpFirst: boolean;
  /** A number without a name panics. */
  readonly unknownPanics: boolean;
  /** What poll and epoll see of a file; null: what it says itself. */
  readonly readiness: ((file: File) => number) | null;
}

export const LINUX: Behaviour = {
  preemptive: true,
  dates: true,
  vdso: true,
  futexAlignment: true,
  futexByAddress: false,
  robustLists: true,
  epollEvents: -1,
  epollAnyFile: false,
  epollPacked: true,
  firstFit: false,
  lowMemory: false,
  fullAuxv: true,
  mainTid: false,
  linkerAsProgram: false,
  ignoredDeafens: false,
  nestedDropped: false,
  plainHandlers: false,
  emptySiginfo: false,
  ucontextPcOnly: false,
  leaderOnly: false,
  jobControl: true,
  sigpipe: true,
  udpFirst: false,
  unknownPanics: false,
  readiness: null,
};

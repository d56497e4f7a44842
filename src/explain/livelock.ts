/**
 * Finds tasks that make the same calls with the same results over and over while nothing else gets on. Watches calls as a
 * tracer; a call that had an effect (bytes moved, something made, somebody woken) begins the watch anew.
 */
import type { Kernel } from '../../kernel/kernel.ts';
import type { Task } from '../../kernel/task/task.ts';
import { callEntry, callExit } from '../../kernel/trace/call-text.ts';
import { DEFAULT_FORMAT, type TraceFormat, type Tracer } from '../../kernel/trace/tracer.ts';
import { fromBinary } from '../machine/guest-files.ts';
import type { Livelock } from './types.ts';

/** Calls of a round, at most. */
const LONGEST_ROUND = 16;
/** A round must be seen this often before it is told of. */
const LEAST_ROUNDS = 50;
/** A task that computes this much between two rounds is getting on with something. */
const MOST_INSTRUCTIONS = 100_000;
/** Calls after the last effect before texts are kept. */
const QUIET = 64;
/** Texts kept for a task. */
const MOST_TEXTS = 4 * LONGEST_ROUND;

/** Calls that only look, whatever they return. */
const LOOKING: ReadonlySet<string> = new Set([
  'epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'poll', 'ppoll', 'select', 'pselect6', 'clock_gettime', 'clock_getres',
  'gettimeofday', 'time', 'times', 'getrusage', 'getpid', 'gettid', 'getppid', 'getuid', 'geteuid', 'getgid', 'getegid', 'getpgid',
  'getpgrp', 'getsid', 'getcpu', 'sched_yield', 'sched_getaffinity', 'stat', 'lstat', 'fstat', 'newfstatat', 'statx', 'access',
  'faccessat', 'faccessat2', 'readlink', 'readlinkat', 'getcwd', 'uname', 'sysinfo', 'rt_sigprocmask', 'rt_sigpending', 'nanosleep',
  'clock_nanosleep', 'getsockopt', 'getsockname', 'getpeername', 'getitimer', 'timer_gettime', 'timerfd_gettime', 'restart_syscall',
  'getrlimit', 'prlimit64', 'sigaltstack', 'mincore', 'membarrier',
]); // prettier-ignore

/** Calls that had no effect when they return 0: end of file, nobody to wake, no child to report. */
const NOTHING_AT_ZERO: ReadonlySet<string> = new Set([
  'read', 'readv', 'pread64', 'preadv', 'recvfrom', 'recvmsg', 'wait4', 'waitid', 'futex',
]); // prettier-ignore

const EPOLL_CTL_MOD = 3;
const F_GETFD = 1;
const F_GETFL = 3;

function hasEffect(t: Task, result: number): boolean {
  if (result < 0) return false;
  const name = t.row?.name ?? '';
  if (LOOKING.has(name)) return false;
  // FUTEX_WAIT that returns 0 was woken: by a call that counts itself.
  if (result === 0 && NOTHING_AT_ZERO.has(name)) return false;
  if (name === 'epoll_ctl') return t.args.i32(1) !== EPOLL_CTL_MOD;
  if (name === 'fcntl') return t.args.i32(1) !== F_GETFD && t.args.i32(1) !== F_GETFL;
  return true;
}

/** What was seen of one task since the last effect. */
class Watched {
  /** Signatures of the last calls, a ring. */
  readonly recent = new Int32Array(LONGEST_ROUND);
  calls = 0;
  /** By period: how many calls in a row equalled the one that many before. */
  readonly matched = new Int32Array(LONGEST_ROUND + 1);
  /** Instructions retired when the watch began and at the last call, and the most between two calls of late. */
  readonly begun: number;
  last: number;
  /** A call waited: it is no busy loop. */
  waited = false;
  readonly switches: number;
  readonly texts = new Map<number, string>();

  constructor(t: Task) {
    this.begun = this.last = t.retired;
    this.switches = t.voluntarySwitches;
  }

  /** The shortest period the last calls have. */
  period(): number {
    for (let p = 1; p <= LONGEST_ROUND; p++) if (this.matched[p] >= p * LEAST_ROUNDS) return p;
    return 0;
  }
}

export class LivelockDetector implements Tracer {
  readonly format: TraceFormat = DEFAULT_FORMAT;
  /** Calls since the last one that had an effect. */
  calls = 0;
  private readonly kernel: Kernel;
  private readonly limit: number;
  private readonly reached: () => void;
  private watched = new Map<Task, Watched>();
  /** When the watch began, guest time, and who could run then, with the instructions it had retired. */
  private since: number;
  private waiting = new Map<Task, number>();
  private readonly entries = new WeakMap<Task, string>();

  /** `reached` is called at `limit` calls in a row without an effect, if that is a livelock. */
  constructor(kernel: Kernel, limit = Infinity, reached: () => void = () => {}) {
    this.kernel = kernel;
    this.limit = limit;
    this.reached = reached;
    this.since = kernel.clock.monotonic();
    this.restart();
  }

  private restart(): void {
    this.calls = 0;
    this.since = this.kernel.clock.monotonic();
    if (this.watched.size > 0) this.watched = new Map();
    if (this.waiting.size > 0) this.waiting = new Map();
  }

  enter(t: Task): void {
    if (this.calls < QUIET) return;
    const w = this.watched.get(t);
    if (w && w.texts.size < MOST_TEXTS) this.entries.set(t, callEntry(t));
  }

  exit(t: Task, result: number): void {
    if (hasEffect(t, result)) {
      if (this.calls > 0) this.restart();
      return;
    }
    this.calls++;
    // Who stands in line when the watch has gone on for a while must get to run some time.
    if (this.calls === QUIET) {
      for (const o of this.kernel.processes.tasks.values()) {
        if (o !== t && o.state === 'runnable') this.waiting.set(o, o.retired);
      }
    }
    let w = this.watched.get(t);
    if (w === undefined) this.watched.set(t, (w = new Watched(t)));
    const signature = signatureOf(t, result);
    for (let p = 1; p <= LONGEST_ROUND; p++) {
      const before = w.calls >= p && w.recent[(w.calls - p) % LONGEST_ROUND] === signature;
      w.matched[p] = before ? w.matched[p] + 1 : 0;
    }
    w.recent[w.calls % LONGEST_ROUND] = signature;
    w.calls++;
    w.last = t.retired;
    const entry = this.entries.get(t);
    if (entry !== undefined) {
      this.entries.delete(t);
      if (!w.texts.has(signature)) w.texts.set(signature, entry + callExit(t, result, entry));
    }
    if (this.calls === this.limit) {
      if (this.found() !== null) this.reached();
      else this.restart();
    }
  }

  /** A livelock, if the calls since the last effect are one. */
  found(): Livelock | null {
    const loops: Livelock['loops'][number][] = [];
    let sleeps = true;
    for (const [t, w] of this.watched) {
      if (t.state === 'dead' || t.state === 'zombie') continue;
      const p = w.period();
      // Somebody makes calls without a pattern: who knows what for.
      if (p === 0) {
        if (w.calls >= LONGEST_ROUND * LEAST_ROUNDS) return null;
        continue;
      }
      const rounds = Math.floor(w.matched[p] / p) + 1;
      const instructions = Math.round((w.last - w.begun) / Math.max(1, w.calls / p));
      if (instructions > MOST_INSTRUCTIONS) return null;
      if (t.voluntarySwitches - w.switches < rounds) sleeps = false;
      const round: string[] = [];
      for (let i = p; i > 0; i--) {
        const text = w.texts.get(w.recent[(w.calls - i) % LONGEST_ROUND]);
        if (text !== undefined) round.push(text);
      }
      // Where a round begins is anybody's choice: with what fails.
      const failing = round.findIndex((text) => text.includes(' = -1 '));
      if (failing > 0) round.push(...round.splice(0, failing));
      loops.push({ tid: t.tid, name: fromBinary(t.comm), round, rounds, instructions });
    }
    if (loops.length === 0 || sleeps) return null;
    // Somebody got on without any call.
    for (const t of this.kernel.processes.tasks.values()) {
      const before = this.waiting.get(t);
      if (before !== undefined && !this.watched.has(t) && t.retired !== before) return null;
    }
    const starved = [...this.waiting].filter(([t, n]) => t.state === 'runnable' && t.retired === n).map(([t]) => t.tid);
    loops.sort((a, b) => b.rounds - a.rounds);
    return { calls: this.calls, nanoseconds: this.kernel.clock.monotonic() - this.since, loops, starved };
  } // prettier-ignore

  signal(): void {
    this.restart();
  }
  exited(): void {
    this.restart();
  }
  killed(): void {
    this.restart();
  }
  stopped(): void {}
  attached(): void {
    this.restart();
  }
}

/** Number, arguments and result in 32 bits (FNV-1a). */
function signatureOf(t: Task, result: number): number {
  let h = 0x811c9dc5;
  const add = (n: number): void => {
    h = Math.imul(h ^ n, 0x01000193);
  };
  add(t.nr);
  for (const w of t.args.words) add(w);
  add(result);
  add(Math.floor(result / 2 ** 32));
  return h;
}

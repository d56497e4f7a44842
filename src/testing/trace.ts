/** Traces to keep beside a test: what differs from build to build and run to run gets names in order of appearance. */
import type { Machine } from '../machine/machine.ts';
import { callFilter, type CallNames, type TaskChoice } from '../step/filter.ts';
import type { Task } from '../../kernel/task/task.ts';

export interface TraceRecorderOptions extends TaskChoice {
  /** Only these calls. Default: all. */
  readonly calls?: CallNames;
  /** False: lines as strace prints them. Default true. */
  readonly normalise?: boolean;
}

/** Collects a machine's calls, signals and ends, in the order they come to their end, until `stop`. */
export class TraceRecorder {
  private readonly entries: { readonly tid: number; readonly text: string }[] = [];
  private readonly normalise: boolean;
  private readonly ends: (() => void)[];

  constructor(machine: Machine, options: TraceRecorderOptions = {}) {
    this.normalise = options.normalise ?? true;
    const filter = callFilter(options.calls);
    const mine = (e: { tid: number; pid: number }): boolean =>
      (options.tid === undefined || e.tid === options.tid) &&
      (options.pid === undefined || e.pid === options.pid);
    const nobody = {} as Task;
    this.ends = [
      machine.on('syscall', (e) => {
        if (e.type === 'exit' && mine(e) && filter(nobody, e.name))
          this.entries.push({ tid: e.tid, text: e.text });
      }),
      machine.on('signal', (e) => {
        if (mine(e)) this.entries.push({ tid: e.tid, text: `--- ${e.signal} ---` });
      }),
      machine.on('exit', (e) => {
        if (e.type === 'end' || !mine(e)) return;
        const how = e.signal === null ? `exited with ${e.code}` : `killed by ${e.signal}`;
        this.entries.push({ tid: e.tid, text: `+++ ${how} +++` });
      }),
    ];
  }

  /** Hears no more. */
  stop(): void {
    for (const end of this.ends) end();
  }

  /** The lines so far; each begins with its task where there are several. */
  get lines(): string[] {
    const tids = [...new Set(this.entries.map((e) => e.tid))];
    const lines = this.entries.map(({ tid, text }) => (tids.length > 1 ? `[${tid}] ${text}` : text));
    return this.normalise ? normaliseTrace(lines, tids) : lines;
  }

  /** The same as one text, for `toMatchSnapshot`. */
  toString(): string {
    return this.lines.join('\n');
  }
}

/** Calls that give the time or random bytes: what they write is different every time. */
const CLOCKS =
  /^(?:\[\w+\] )?(?:clock_gettime|gettimeofday|time|times|getrusage|clock_adjtime|adjtimex|sysinfo)\(/;
/** Calls whose arguments or results are task ids. */
const TASKS =
  /^(?:\[\w+\] )?(?:clone3?|v?fork|[gs]etp?[pgts]?id|getpgrp|getpgid|setpgid|getsid|setsid|gettid|set_tid_address|t?kill|tgkill|rt_t?g?sigqueueinfo|wait4|waitid|[gs]etpriority|sched_\w+|prlimit64|pidfd_open|process_vm_\w+|kcmp|ptrace|ioctl)\(/;
/** Points in time, and not lengths of it. */
const DEADLINES = /TIMER_ABSTIME|FUTEX_WAIT_BITSET|FUTEX_LOCK_PI|futex_waitv|TFD_TIMER_ABSTIME|mq_timed/;

/**
 * Makes traces comparable: addresses become ADDR1, ADDR2 … (the same address the same name), the task ids given and those
 * that clone, fork and getpid return PID1 …, times of day and deadlines TIME, random bytes RANDOM. Sizes, flags, descriptors
 * and the contents of strings stay.
 */
export function normaliseTrace(lines: readonly string[], tids: readonly number[] = []): string[] {
  const pids = new Map<string, string>();
  const addresses = new Map<string, string>();
  const name = (map: Map<string, string>, prefix: string, key: string): string => {
    let n = map.get(key);
    if (n === undefined) map.set(key, (n = `${prefix}${map.size + 1}`));
    return n;
  };
  for (const tid of tids) name(pids, 'PID', String(tid));
  const learn =
    /^(?:\[\w+\] )?(?:clone3?|v?fork|get[pt]id|getppid|getpgrp|getpgid|getsid|setsid|set_tid_address|gettid)\(.*\) += (\d+)/;
  for (const l of lines) {
    const made = learn.exec(l);
    if (made && Number(made[1]) > 1) name(pids, 'PID', made[1]);
  }
  return lines.map((l) => {
    let s =
      l.startsWith('getrandom(') || /^\[\w+\] getrandom\(/.test(l)
        ? l.replace(/"(?:[^"\\]|\\.)*"(?:\.\.\.)?/, 'RANDOM')
        : l;
    const aboutTasks = TASKS.test(s);
    const timed = CLOCKS.test(s) || DEADLINES.test(s);
    s = outsideStrings(s, (part) =>
      part
        .replaceAll(/\b0x[0-9a-f]{5,16}\b/g, (a) => name(addresses, 'ADDR', a))
        .replaceAll(/tv_sec=(-?\d+), tv_([nu])sec=(-?\d+)/g, (all: string, sec: string, unit: string) =>
          timed || Number(sec) >= 100_000_000 ? `tv_sec=TIME, tv_${unit}sec=TIME` : all,
        )
        .replaceAll(/\b(st_[amc]time|stx_[abcm]time)=[^,}]*/g, '$1=TIME')
        .replaceAll(/\b(st_[amc]time_nsec)=\d+/g, '$1=TIME')
        .replaceAll(/\/\* \d{4}-\d\d-\d\dT[^*]*\*\//g, '/* TIME */')
        .replaceAll(
          /\b(si_pid|l_pid)=(\d+)/g,
          (all: string, field: string, n: string) => `${field}=${pids.get(n) ?? n}`,
        )
        .replaceAll(/\b\d+\b/g, (n: string) => (aboutTasks ? (pids.get(n) ?? n) : n)),
    );
    s = s.replace(/^\[(\d+)\]/, (all: string, n: string) => `[${pids.get(n) ?? n}]`);
    return s.replace(/^((?:\[\w+\] )?time\(.*\) +)= \d+.*$/, '$1= TIME').replace(/\) {2,}= /, ') = ');
  });
}

/** Changes what stands outside of quotes. */
function outsideStrings(text: string, change: (part: string) => string): string {
  return text
    .split(/("(?:[^"\\]|\\.)*")/)
    .map((part, i) => (i % 2 === 1 ? part : change(part)))
    .join('');
}

/** /proc/PID/{stat,status,statm,limits,io,…}: a task in text (proc(5), fs/proc/array.c). */
import { filterCount } from '../../seccomp/seccomp.ts';
import { SIGCHLD, SIG_DFL, SIG_IGN, sigbit } from '../../signal/numbers.ts';
import type { SignalQueue } from '../../signal/state.ts';
import type { Task } from '../../task/task.ts';
import type { ThreadGroup } from '../../task/thread-group.ts';
import { CLOCK_TICK_NS, cpuTicks } from '../../time/cpu-time.ts';
import type { AddressSpace } from '../../mm/address-space.ts';
import { residentKinds } from './memory-files.ts';

/** PF_RANDOMIZE and PF_FORKNOEXEC of task->flags. */
const PF_RANDOMIZE = 0x00400000;
const PF_FORKNOEXEC = 0x00000040;
const RLIMIT_RSS = 5;
const RLIMIT_SIGPENDING = 11;
/** RLIM_INFINITY as %lu. */
const UNLIMITED = '18446744073709551615';

/** A zombie has no memory any more. */
export function memoryOf(t: Task): AddressSpace | null {
  return t.state === 'zombie' || t.state === 'dead' ? null : t.mm;
}

export function stateOf(t: Task): 'R' | 'S' | 'D' | 'T' | 'Z' {
  switch (t.state) {
    case 'runnable':
      return 'R';
    case 'parked':
      return t.parked?.uninterruptible ? 'D' : 'S';
    case 'stopped':
      return 'T';
    default:
      return 'Z';
  }
}
const STATE_NAMES = { R: 'running', S: 'sleeping', D: 'disk sleep', T: 'stopped', Z: 'zombie' };

/** Ignored and caught signals, as sets. */
function dispositions(t: Task): { ignored: bigint; caught: bigint } {
  let ignored = 0n;
  let caught = 0n;
  t.sighand.actions.forEach((a, i) => {
    if (a.handler === SIG_IGN) ignored |= sigbit(i + 1);
    else if (a.handler !== SIG_DFL) caught |= sigbit(i + 1);
  });
  return { ignored, caught };
}

const hex64 = (n: bigint): string => n.toString(16).padStart(16, '0');
/** The first 31 signals, as /proc/PID/stat has them. */
const low31 = (n: bigint): bigint => n & 0x7fffffffn;

function parentPid(g: ThreadGroup): number {
  return g.parent?.pid ?? 0;
}

/** `whole`: the process's line; else one thread's. `may`: the reader may see addresses (ptrace_may_access). */
export function statText(t: Task, whole: boolean, may: boolean): string {
  const g = t.group;
  const mm = memoryOf(t);
  const { ignored, caught } = dispositions(t);
  const ticks = (ns: number): number => Math.floor(ns / CLOCK_TICK_NS);
  const child = g.childUsage;
  const time = whole ? cpuTicks(g) : { user: ticks(t.retired), system: 0 };
  let faults = t.minorFaults;
  if (whole) {
    faults = g.deadUsage.minorFaults;
    for (const o of g.tasks) faults += o.minorFaults;
  }
  const { nice, policy, priority } = t.attrs;
  const shown = mm !== null && may ? mm : null;
  const limit = g.rlimits[RLIMIT_RSS].cur;
  const fields = [
    t.tid,
    `(${t.comm})`,
    stateOf(t),
    parentPid(g),
    g.pgrp,
    g.session,
    g.tty?.rdev ?? 0,
    g.tty ? g.tty.pgrp : -1,
    PF_RANDOMIZE | (g.execed ? 0 : PF_FORKNOEXEC),
    faults,
    child.minorFaults,
    0,
    0,
    time.user,
    time.system,
    ticks(child.retired),
    0,
    policy === 1 || policy === 2 ? -1 - priority : 20 + nice,
    nice,
    g.tasks.size,
    0,
    ticks(whole ? g.startTime : t.startTime),
    mm === null ? 0 : mm.totalVm * 4096,
    mm === null ? 0 : mm.rss,
    limit === Infinity ? UNLIMITED : limit,
    shown?.startCode ?? (mm === null ? 0 : 1),
    shown?.endCode ?? (mm === null ? 0 : 1),
    shown?.startStack ?? 0,
    0, // esp and eip: only of a process being dumped
    0,
    low31(t.pending.mask | (whole ? g.pending.mask : 0n)),
    low31(t.sigmask),
    low31(ignored),
    low31(caught),
    may && stateOf(t) !== 'R' ? 1 : 0,
    0,
    0,
    g.exitSignal || (t === g.leader ? SIGCHLD : -1),
    0, // processor
    policy === 1 || policy === 2 ? priority : 0,
    policy,
    0,
    0,
    0,
    shown?.startData ?? 0,
    shown?.endData ?? 0,
    shown?.startBrk ?? 0,
    shown?.argStart ?? 0,
    shown?.argEnd ?? 0,
    shown?.envStart ?? 0,
    shown?.envEnd ?? 0,
    may ? t.exitCode : 0,
  ];
  return `${fields.join(' ')}\n`;
}

const kb = (name: string, kib: number): string => `${name}:\t${String(kib).padStart(8)} kB\n`;

function memoryStatus(mm: AddressSpace): string {
  const kinds = residentKinds(mm);
  const stack = mm.stackVm * 4;
  const text = Math.ceil((mm.endCode - mm.startCode) / 4096) * 4;
  return (
    kb('VmPeak', mm.maxVm * 4) +
    kb('VmSize', mm.totalVm * 4) +
    kb('VmLck', mm.lockedVm * 4) +
    kb('VmPin', 0) +
    kb('VmHWM', mm.maxRss * 4) +
    kb('VmRSS', mm.rss * 4) +
    kb('RssAnon', kinds.anon * 4) +
    kb('RssFile', kinds.file * 4) +
    kb('RssShmem', kinds.shmem * 4) +
    kb('VmData', mm.dataVm * 4) +
    kb('VmStk', stack) +
    kb('VmExe', text) +
    kb('VmLib', Math.max(0, mm.execVm * 4 - text)) +
    kb('VmPTE', 4 * (3 + Math.ceil(mm.rss / 512))) +
    kb('VmSwap', 0) +
    kb('HugetlbPages', 0)
  );
}

/** Bits of a set of CPUs as %*pb prints them: 32 at a time, separated by commas. */
export function cpuMask(mask: bigint, cpus: number): string {
  const words = Math.ceil(cpus / 32);
  const out: string[] = [];
  for (let i = words - 1; i >= 0; i--) {
    const word = (mask >> BigInt(32 * i)) & 0xffffffffn;
    const bits = i === words - 1 && cpus % 32 !== 0 ? cpus % 32 : 32;
    out.push(word.toString(16).padStart(Math.ceil(bits / 4), '0'));
  }
  return out.join(',');
}

/** The same as a list: "0-3,5". */
export function cpuList(mask: bigint): string {
  const out: string[] = [];
  for (let i = 0; mask >> BigInt(i) !== 0n; i++) {
    if (!((mask >> BigInt(i)) & 1n)) continue;
    let end = i;
    while ((mask >> BigInt(end + 1)) & 1n) end++;
    out.push(end > i ? `${i}-${end}` : String(i));
    i = end;
  }
  return out.join(',');
}

/** CPUs the machine has. */
export const allCpus = (cpus: number): bigint => (1n << BigInt(cpus)) - 1n;

const queued = (q: SignalQueue): number => q.infos.length;

export function statusText(t: Task): string {
  const g = t.group;
  const c = t.creds;
  const mm = memoryOf(t);
  const state = stateOf(t);
  const { ignored, caught } = dispositions(t);
  const { cpus } = t.kernel.options;
  const affinity = t.attrs.affinity & allCpus(cpus) || allCpus(cpus);
  const fds =
    mm === null ? 0 : Math.max(64, 2 ** Math.ceil(Math.log2(Math.max(1, ...t.fds.list().map((n) => n + 1)))));
  const dumping = mm === null ? '' : `CoreDumping:\t0\nTHP_enabled:\t${t.attrs.thpDisable ? 0 : 1}\n`;
  const sigq = [...g.tasks].reduce((n, o) => n + queued(o.pending), queued(g.pending));
  return (
    `Name:\t${escapeComm(t.comm)}\n` +
    `Umask:\t${t.fs.umask.toString(8).padStart(4, '0')}\n` +
    `State:\t${state} (${STATE_NAMES[state]})\n` +
    `Tgid:\t${g.pid}\nNgid:\t0\nPid:\t${t.tid}\nPPid:\t${parentPid(g)}\nTracerPid:\t0\n` +
    `Uid:\t${c.uid}\t${c.euid}\t${c.suid}\t${c.fsuid}\n` +
    `Gid:\t${c.gid}\t${c.egid}\t${c.sgid}\t${c.fsgid}\n` +
    `FDSize:\t${fds}\nGroups:\t${c.groups.map((n) => `${n} `).join('') || ' '}\n` +
    `NStgid:\t${g.pid}\nNSpid:\t${t.tid}\nNSpgid:\t${g.pgrp}\nNSsid:\t${g.session}\n` +
    (mm === null ? '' : memoryStatus(mm)) +
    dumping +
    `Threads:\t${g.tasks.size}\n` +
    `SigQ:\t${sigq}/${limitText(g.rlimits[RLIMIT_SIGPENDING].cur, UNLIMITED)}\n` +
    `SigPnd:\t${hex64(t.pending.mask)}\nShdPnd:\t${hex64(g.pending.mask)}\n` +
    `SigBlk:\t${hex64(t.sigmask)}\nSigIgn:\t${hex64(ignored)}\nSigCgt:\t${hex64(caught)}\n` +
    `CapInh:\t${hex64(c.capInheritable)}\nCapPrm:\t${hex64(c.capPermitted)}\nCapEff:\t${hex64(c.capEffective)}\n` +
    `CapBnd:\t${hex64(c.capBounding)}\nCapAmb:\t${hex64(c.capAmbient)}\n` +
    `NoNewPrivs:\t${t.attrs.noNewPrivs ? 1 : 0}\nSeccomp:\t${t.seccomp?.mode ?? 0}\nSeccomp_filters:\t${filterCount(t)}\n` +
    `Speculation_Store_Bypass:\tvulnerable\nSpeculationIndirectBranch:\talways enabled\n` +
    `Cpus_allowed:\t${cpuMask(affinity, cpus)}\nCpus_allowed_list:\t${cpuList(affinity)}\n` +
    `Mems_allowed:\t00000001\nMems_allowed_list:\t0\n` +
    `voluntary_ctxt_switches:\t${t.voluntarySwitches}\nnonvoluntary_ctxt_switches:\t${t.involuntarySwitches}\n`
  );
}

/** A name in /proc/PID/status: control characters and backslashes escaped. */
const escapeComm = (s: string): string => s.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

export function statmText(t: Task): string {
  const mm = memoryOf(t);
  if (mm === null) return '0 0 0 0 0 0 0\n';
  const { file, shmem } = residentKinds(mm);
  const text = Math.ceil((mm.endCode - mm.startCode) / 4096);
  return `${mm.totalVm} ${mm.rss} ${file + shmem} ${text} 0 ${mm.dataVm + mm.stackVm} 0\n`;
}

const LIMITS: readonly (readonly [name: string, unit: string])[] = [
  ['Max cpu time', 'seconds'], ['Max file size', 'bytes'], ['Max data size', 'bytes'], ['Max stack size', 'bytes'],
  ['Max core file size', 'bytes'], ['Max resident set', 'bytes'], ['Max processes', 'processes'],
  ['Max open files', 'files'], ['Max locked memory', 'bytes'], ['Max address space', 'bytes'],
  ['Max file locks', 'locks'], ['Max pending signals', 'signals'], ['Max msgqueue size', 'bytes'],
  ['Max nice priority', ''], ['Max realtime priority', ''], ['Max realtime timeout', 'us'],
]; // prettier-ignore

const limitText = (n: number, infinite: string): string => (n === Infinity ? infinite : String(n));

export function limitsText(t: Task): string {
  const row = (name: string, soft: string, hard: string, unit: string): string =>
    `${name.padEnd(25)} ${soft.padEnd(20)} ${hard.padEnd(20)} ${unit === '' ? '' : unit.padEnd(10)}\n`;
  let out = row('Limit', 'Soft Limit', 'Hard Limit', 'Units');
  LIMITS.forEach(([name, unit], i) => {
    const { cur, max } = t.group.rlimits[i];
    out += row(name, limitText(cur, 'unlimited'), limitText(max, 'unlimited'), unit);
  });
  return out;
}

/** /proc/PID/syscall: number, arguments, sp and pc of a waiting task. */
export function syscallText(t: Task): string {
  if (t.state !== 'parked') return 'running\n';
  const at = `0x${t.regs.sp.toString(16)} 0x${t.regs.pc.toString(16)}`;
  if (t.nr < 0) return `-1 ${at}\n`;
  const args = [0, 1, 2, 3, 4, 5].map((i) => `0x${t.args.big(i).toString(16)}`);
  return `${t.nr} ${args.join(' ')} ${at}\n`;
}

/** Limits, usage and priorities: prlimit64, getrusage, times, getpriority, ioprio_get… */
import { EACCES, EFAULT, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import { CLOCK_TICK_NS, cpuTicks } from '../time/cpu-time.ts';
import { CAP_SYS_ADMIN, CAP_SYS_NICE, CAP_SYS_RESOURCE, hasCapability } from './creds.ts';
import { RLIMIT_CPU, RLIMIT_NICE, RLIMIT_NOFILE, RLIM_NLIMITS } from './rlimits.ts';
import { armCpuLimit } from '../time/itimer.ts';
import type { Task } from './task.ts';
import type { Rlimit } from './thread-group.ts';
import { processUsage, rusageBytes, taskUsage } from './usage.ts';

const U64_MAX = (1n << 64n) - 1n;

function limitBytes(r: Rlimit): Uint8Array {
  const v = new DataView(new ArrayBuffer(16));
  v.setBigUint64(0, r.cur === Infinity ? U64_MAX : BigInt(r.cur), true);
  v.setBigUint64(8, r.max === Infinity ? U64_MAX : BigInt(r.max), true);
  return new Uint8Array(v.buffer);
}

function readLimit(t: Task, address: number): Rlimit | number {
  const v = t.mm.viewIn(address, 16);
  if (v === null) return -EFAULT;
  const value = (at: number): number => {
    const n = v.getBigUint64(at, true);
    return n === U64_MAX ? Infinity : Number(n);
  };
  return { cur: value(0), max: value(8) };
}

/** do_prlimit. */
function setLimit(t: Task, target: Task, resource: number, next: Rlimit): number {
  const old = target.group.rlimits[resource];
  if (next.cur > next.max) return -EINVAL;
  if (resource === RLIMIT_NOFILE && next.max > t.kernel.limits.maxFds) return -EPERM; // fs.nr_open
  if (next.max > old.max && !hasCapability(t, CAP_SYS_RESOURCE)) return -EPERM;
  target.group.rlimits[resource] = next;
  if (resource === RLIMIT_CPU) armCpuLimit(target.group);
  return 0;
}

/** getrlimit(2). */
export function getrlimit(t: Task, a: Args): number {
  const resource = a.u32(0);
  if (resource >= RLIM_NLIMITS) return -EINVAL;
  return t.mm.copyOut(a.ptr(1), limitBytes(t.group.rlimits[resource]));
}

/** setrlimit(2). */
export function setrlimit(t: Task, a: Args): number {
  const next = readLimit(t, a.ptr(1));
  if (typeof next === 'number') return next;
  const resource = a.u32(0);
  return resource >= RLIM_NLIMITS ? -EINVAL : setLimit(t, t, resource, next);
}

/** prlimit64(2). */
export function prlimit64(t: Task, a: Args): number {
  const pid = a.i32(0);
  const resource = a.u32(1);
  let next: Rlimit | null = null;
  if (a.ptr(2) !== 0) {
    const r = readLimit(t, a.ptr(2));
    if (typeof r === 'number') return r;
    next = r;
  }
  const target = pid === 0 ? t : t.kernel.processes.task(pid);
  if (target === undefined) return -ESRCH;
  if (target.group !== t.group) {
    const c = t.creds;
    const d = target.creds;
    const same =
      c.uid === d.euid && c.uid === d.suid && c.uid === d.uid && c.gid === d.egid && c.gid === d.sgid && c.gid === d.gid; // prettier-ignore
    if (!same && !hasCapability(t, CAP_SYS_RESOURCE)) return -EPERM;
  }
  if (resource >= RLIM_NLIMITS) return -EINVAL;
  const old = limitBytes(target.group.rlimits[resource]);
  if (next !== null) {
    const err = setLimit(t, target, resource, next);
    if (err < 0) return err;
  }
  return a.ptr(3) === 0 ? 0 : t.mm.copyOut(a.ptr(3), old);
}

/** getrusage(2). */
export function getrusage(t: Task, a: Args): number {
  const who = a.i32(0);
  if (who !== 0 && who !== -1 && who !== 1) return -EINVAL;
  const u = who === 0 ? processUsage(t.group) : who === 1 ? taskUsage(t) : t.group.childUsage;
  return t.mm.copyOut(a.ptr(1), rusageBytes(u));
}

/** times(2): clock ticks since boot; struct tms has four of them. */
export function times(t: Task, a: Args): number {
  if (a.ptr(0) !== 0) {
    const v = new DataView(new ArrayBuffer(32));
    v.setBigInt64(0, BigInt(cpuTicks(t.group).user), true);
    v.setBigInt64(16, BigInt(Math.floor(t.group.childUsage.retired / CLOCK_TICK_NS)), true);
    if (t.mm.copyOut(a.ptr(0), new Uint8Array(v.buffer)) !== 0) return -EFAULT;
  }
  return Math.floor(t.kernel.clock.monotonic() / CLOCK_TICK_NS);
}

/** PRIO_PROCESS, PRIO_PGRP, PRIO_USER; ioprio counts the same kinds from 1. Empty: nobody. */
function targets(t: Task, which: number, who: number): Task[] {
  const { processes } = t.kernel;
  const all = [...processes.tasks.values()];
  switch (which) {
    case 0: {
      const one = processes.task(who === 0 ? t.tid : who);
      return one === undefined ? [] : [one];
    }
    case 1:
      return all.filter((o) => o.group.pgrp === (who === 0 ? t.group.pgrp : who));
    default:
      return all.filter((o) => o.creds.uid === (who === 0 ? t.creds.uid : who));
  }
}

/** getpriority(2): 20 − nice, so that it is never negative. */
export function getpriority(t: Task, a: Args): number {
  const which = a.i32(0);
  if (which < 0 || which > 2) return -EINVAL;
  const found = targets(t, which, a.i32(1));
  return found.length === 0 ? -ESRCH : Math.max(...found.map((o) => 20 - o.attrs.nice));
}

/** setpriority(2). */
export function setpriority(t: Task, a: Args): number {
  const which = a.i32(0);
  if (which < 0 || which > 2) return -EINVAL;
  const nice = Math.max(-20, Math.min(19, a.i32(2)));
  let err = -ESRCH;
  for (const o of targets(t, which, a.i32(1))) {
    const mine = o.creds.uid === t.creds.euid || o.creds.euid === t.creds.euid;
    if (!mine && !hasCapability(t, CAP_SYS_NICE)) err = -EPERM;
    else if (nice < o.attrs.nice && !mayNice(o, nice) && !hasCapability(t, CAP_SYS_NICE)) err = -EACCES;
    else {
      o.attrs.nice = nice;
      if (err === -ESRCH) err = 0;
    }
  }
  return err;
}

/** can_nice: RLIMIT_NICE counts from 20 (nice 0) to 40 (nice −20). */
export function mayNice(t: Task, nice: number): boolean {
  return 20 - nice <= t.group.rlimits[RLIMIT_NICE].cur;
}

const IOPRIO_CLASS_SHIFT = 13;

/** ioprio_get(2). Among several, the highest priority; "none" counts as best-effort 4. */
export function ioprio_get(t: Task, a: Args): number {
  const which = a.i32(0);
  if (which < 1 || which > 3) return -EINVAL;
  const found = targets(t, which - 1, a.i32(1)).map((o) => o.attrs.ioprio);
  if (found.length === 0) return -ESRCH;
  const rank = (p: number): number => (p >> IOPRIO_CLASS_SHIFT === 0 ? (2 << IOPRIO_CLASS_SHIFT) | 4 : p);
  return found.reduce((best, p) => (rank(p) < rank(best) ? p : best));
}

/** ioprio_set(2). */
export function ioprio_set(t: Task, a: Args): number {
  const value = a.i32(2);
  const level = value & 7;
  switch (value >> IOPRIO_CLASS_SHIFT) {
    case 0:
      if ((value & 0x1fff) !== 0) return -EINVAL;
      break;
    case 1:
      if (!hasCapability(t, CAP_SYS_ADMIN) && !hasCapability(t, CAP_SYS_NICE)) return -EPERM;
      if (level !== (value & 0x1fff)) return -EINVAL;
      break;
    case 2:
      if (level !== (value & 0x1fff)) return -EINVAL;
      break;
    case 3:
      break;
    default:
      return -EINVAL;
  }
  const which = a.i32(0);
  if (which < 1 || which > 3) return -EINVAL;
  const found = targets(t, which - 1, a.i32(1));
  if (found.length === 0) return -ESRCH;
  for (const o of found) {
    const mine = o.creds.uid === t.creds.euid || o.creds.uid === t.creds.uid;
    if (!mine && !hasCapability(t, CAP_SYS_NICE)) return -EPERM;
    o.attrs.ioprio = value;
  }
  return 0;
}

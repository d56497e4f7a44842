/** Scheduling parameters (sched(7)). They are kept and read back; the scheduler itself is round-robin for all. */
import { E2BIG, EFAULT, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import { CAP_SYS_NICE, hasCapability } from './creds.ts';
import { RLIMIT_RTPRIO } from './rlimits.ts';
import { mayNice } from './syscalls-resource.ts';
import type { Task } from './task.ts';

const SCHED_OTHER = 0;
const SCHED_FIFO = 1;
const SCHED_RR = 2;
const SCHED_BATCH = 3;
const SCHED_IDLE = 5;
const SCHED_DEADLINE = 6;
const SCHED_RESET_ON_FORK = 0x40000000;

const SCHED_FLAG_RESET_ON_FORK = 1;
const SCHED_FLAG_KEEP_POLICY = 8;
const SCHED_FLAG_KEEP_PARAMS = 16;
const SCHED_ATTR_SIZE_VER0 = 48;
const SCHED_ATTR_SIZE_VER1 = 56;

const isRealtime = (policy: number): boolean => policy === SCHED_FIFO || policy === SCHED_RR;

function find(t: Task, pid: number): Task | undefined {
  return pid === 0 ? t : t.kernel.processes.task(pid);
}

function mayChange(t: Task, target: Task): boolean {
  const same = t.creds.euid === target.creds.euid || t.creds.euid === target.creds.uid;
  return same || hasCapability(t, CAP_SYS_NICE);
}

/** sched_yield(2). */
export function sched_yield(t: Task): number {
  t.kernel.scheduler.yield();
  return 0;
}

/** sched_getaffinity(2): bytes of the mask, 8 for up to 64 cpus. */
export function sched_getaffinity(t: Task, a: Args): number {
  const length = a.u32(1);
  if (length * 8 < t.kernel.options.cpus || length % 8 !== 0) return -EINVAL;
  const target = find(t, a.i32(0));
  if (target === undefined) return -ESRCH;
  const n = Math.min(length, 8);
  const v = new DataView(new ArrayBuffer(8));
  v.setBigUint64(0, affinity(target), true);
  return t.mm.copyOut(a.ptr(2), new Uint8Array(v.buffer, 0, n)) !== 0 ? -EFAULT : n;
}

/** 0 stands for "all", so that a fresh task needs no setting up. */
export function affinity(t: Task): bigint {
  return t.attrs.affinity !== 0n ? t.attrs.affinity : (1n << BigInt(t.kernel.options.cpus)) - 1n;
}

/** sched_setaffinity(2). */
export function sched_setaffinity(t: Task, a: Args): number {
  const bytes = t.mm.copyIn(a.ptr(2), Math.min(a.u32(1), 8));
  if (bytes === null) return -EFAULT;
  const target = find(t, a.i32(0));
  if (target === undefined) return -ESRCH;
  if (!mayChange(t, target)) return -EPERM;
  const padded = new DataView(new ArrayBuffer(8));
  new Uint8Array(padded.buffer).set(bytes);
  const mask = padded.getBigUint64(0, true) & ((1n << BigInt(t.kernel.options.cpus)) - 1n);
  if (mask === 0n) return -EINVAL;
  target.attrs.affinity = mask;
  return 0;
}

/** The checks and effect of __sched_setscheduler. `policy` may carry SCHED_RESET_ON_FORK; nice null: leave alone. */
function setScheduler(t: Task, target: Task, policy: number, priority: number, nice: number | null): number {
  const reset = (policy & SCHED_RESET_ON_FORK) !== 0;
  const base = policy & ~SCHED_RESET_ON_FORK;
  if (![SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE].includes(base)) return -EINVAL;
  if (priority < 0 || priority > 99 || isRealtime(base) !== priority > 0) return -EINVAL;
  const at = target.attrs;
  if (!hasCapability(t, CAP_SYS_NICE)) {
    if (nice !== null && !isRealtime(base) && nice < at.nice && !mayNice(target, nice)) return -EPERM;
    if (isRealtime(base)) {
      const limit = target.group.rlimits[RLIMIT_RTPRIO].cur;
      if (base !== at.policy && limit === 0) return -EPERM;
      if (priority > at.priority && priority > limit) return -EPERM;
    }
    if (at.policy === SCHED_IDLE && base !== SCHED_IDLE && !mayNice(target, at.nice)) return -EPERM;
    if (!mayChange(t, target)) return -EPERM;
    if (at.resetOnFork && !reset) return -EPERM;
  }
  at.policy = base;
  at.priority = priority;
  at.resetOnFork = reset;
  if (nice !== null) at.nice = Math.max(-20, Math.min(19, nice));
  return 0;
}

/** sched_setscheduler(2). */
export function sched_setscheduler(t: Task, a: Args): number {
  const policy = a.i32(1);
  if (policy < 0) return -EINVAL;
  return setParam(t, a.i32(0), policy, a.ptr(2));
}

/** sched_setparam(2). */
export function sched_setparam(t: Task, a: Args): number {
  return setParam(t, a.i32(0), null, a.ptr(1));
}

function setParam(t: Task, pid: number, policy: number | null, param: number): number {
  if (param === 0 || pid < 0) return -EINVAL;
  const priority = t.mm.i32(param);
  if (priority === null) return -EFAULT;
  const target = find(t, pid);
  if (target === undefined) return -ESRCH;
  const at = target.attrs;
  return setScheduler(
    t,
    target,
    policy ?? at.policy | (at.resetOnFork ? SCHED_RESET_ON_FORK : 0),
    priority,
    null,
  );
}

/** sched_getscheduler(2). */
export function sched_getscheduler(t: Task, a: Args): number {
  const pid = a.i32(0);
  if (pid < 0) return -EINVAL;
  const target = find(t, pid);
  if (target === undefined) return -ESRCH;
  return target.attrs.policy | (target.attrs.resetOnFork ? SCHED_RESET_ON_FORK : 0);
}

/** sched_getparam(2). */
export function sched_getparam(t: Task, a: Args): number {
  const pid = a.i32(0);
  if (a.ptr(1) === 0 || pid < 0) return -EINVAL;
  const target = find(t, pid);
  if (target === undefined) return -ESRCH;
  return t.mm.putU32(a.ptr(1), target.attrs.priority);
}

/** sched_get_priority_max(2). */
export function sched_get_priority_max(_t: Task, a: Args): number {
  const policy = a.i32(0);
  if (isRealtime(policy)) return 99;
  return [SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_DEADLINE].includes(policy) ? 0 : -EINVAL;
}

/** sched_get_priority_min(2). */
export function sched_get_priority_min(_t: Task, a: Args): number {
  const policy = a.i32(0);
  if (isRealtime(policy)) return 1;
  return [SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_DEADLINE].includes(policy) ? 0 : -EINVAL;
}

/** sched_rr_get_interval(2): 100 ms for SCHED_RR, the fair scheduler's slice for the others, 0 for SCHED_FIFO. */
export function sched_rr_get_interval(t: Task, a: Args): number {
  const pid = a.i32(0);
  if (pid < 0) return -EINVAL;
  const target = find(t, pid);
  if (target === undefined) return -ESRCH;
  const { policy } = target.attrs;
  const v = new DataView(new ArrayBuffer(16));
  v.setBigInt64(8, BigInt(policy === SCHED_RR ? 100_000_000 : policy === SCHED_FIFO ? 0 : 4_000_000), true);
  return t.mm.copyOut(a.ptr(1), new Uint8Array(v.buffer));
}

/** sched_setattr(2), but SCHED_DEADLINE. */
export function sched_setattr(t: Task, a: Args): number {
  const pid = a.i32(0);
  if (a.ptr(1) === 0 || pid < 0 || a.u32(2) !== 0) return -EINVAL;
  let size = t.mm.u32(a.ptr(1));
  if (size < 0) return -EFAULT;
  if (size === 0) size = SCHED_ATTR_SIZE_VER0;
  if (size < SCHED_ATTR_SIZE_VER0 || size > 4096) {
    return t.mm.putU32(a.ptr(1), SCHED_ATTR_SIZE_VER1) !== 0 ? -EFAULT : -E2BIG;
  }
  const bytes = t.mm.copyIn(a.ptr(1), size);
  if (bytes === null) return -EFAULT;
  if (bytes.subarray(SCHED_ATTR_SIZE_VER1).some((b) => b !== 0)) {
    return t.mm.putU32(a.ptr(1), SCHED_ATTR_SIZE_VER1) !== 0 ? -EFAULT : -E2BIG;
  }
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = Number(v.getBigUint64(8, true));
  if (v.getInt32(4, true) < 0) return -EINVAL;
  const target = find(t, pid);
  if (target === undefined) return -ESRCH;
  if ((flags & ~(SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS)) !== 0)
    return -EINVAL;
  const at = target.attrs;
  const policy = (flags & SCHED_FLAG_KEEP_POLICY) !== 0 ? at.policy : v.getUint32(4, true);
  const keep = (flags & SCHED_FLAG_KEEP_PARAMS) !== 0;
  const reset = (flags & SCHED_FLAG_RESET_ON_FORK) !== 0 ? SCHED_RESET_ON_FORK : 0;
  const nice = keep || isRealtime(policy) ? null : v.getInt32(16, true);
  return setScheduler(t, target, policy | reset, keep ? at.priority : v.getUint32(20, true), nice);
}

/** sched_getattr(2). */
export function sched_getattr(t: Task, a: Args): number {
  const pid = a.i32(0);
  const size = a.u32(2);
  if (a.ptr(1) === 0 || pid < 0 || size > 4096 || size < SCHED_ATTR_SIZE_VER0 || a.u32(3) !== 0)
    return -EINVAL;
  const target = find(t, pid);
  if (target === undefined) return -ESRCH;
  const n = Math.min(size, SCHED_ATTR_SIZE_VER1);
  const v = new DataView(new ArrayBuffer(SCHED_ATTR_SIZE_VER1));
  const at = target.attrs;
  v.setUint32(0, n, true);
  v.setUint32(4, at.policy, true);
  v.setBigUint64(8, at.resetOnFork ? 1n : 0n, true);
  if (isRealtime(at.policy)) v.setUint32(20, at.priority, true);
  else v.setInt32(16, at.nice, true);
  v.setUint32(52, 1024, true); // sched_util_max: SCHED_CAPACITY_SCALE
  return t.mm.copyOut(a.ptr(1), new Uint8Array(v.buffer, 0, n));
}

/** getcpu(2): one task runs at a time, so everything runs on cpu 0. */
export function getcpu(t: Task, a: Args): number {
  if (a.ptr(0) !== 0 && t.mm.putU32(a.ptr(0), 0) !== 0) return -EFAULT;
  if (a.ptr(1) !== 0 && t.mm.putU32(a.ptr(1), 0) !== 0) return -EFAULT;
  return 0;
}

/** System V semaphores (semget(2), semop(2), semctl(2); ipc/sem.c). */
import {
  E2BIG, EACCES, EAGAIN, EFAULT, EFBIG, EIDRM, EINTR, EINVAL, ENOSPC, ERANGE,
} from '../abi/errno.ts'; // prettier-ignore
import type { Kernel } from '../kernel.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { readTimespec } from '../time/timespec.ts';
import { WaitQueue, park, type SysResult } from '../wait.ts';
import {
  IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, S_IRUGO, S_IWUGO, charge, mayControl, mayUse, newPerm, seconds, updatePerm,
  writePerm, type IpcObject,
} from './ids.ts'; // prettier-ignore

export const SEMMNI = 32000;
const SEMMSL = 32000;
const SEMMNS = 1_024_000_000;
const SEMOPM = 500;
const SEMVMX = 32767;
const SEMAEM = SEMVMX;
export const SEM_UNDO = 0x1000;
export const GETPID = 11;
export const GETVAL = 12;
export const GETALL = 13;
export const GETNCNT = 14;
export const GETZCNT = 15;
export const SETVAL = 16;
export const SETALL = 17;
export const SEM_STAT = 18;
export const SEM_INFO = 19;
export const SEM_STAT_ANY = 20;

const SET_COST = 512;
const SEM_COST = 16;

/** struct sembuf. */
interface SemOp {
  readonly num: number;
  readonly op: number;
  readonly flags: number;
}

/** A semop that waits: done for it by whoever makes it possible, first come first served. */
interface Pending {
  readonly task: Task;
  readonly ops: readonly SemOp[];
  readonly alters: boolean;
  /** The operation that could not be done. */
  blocking: SemOp;
  /** Result, once it has one. */
  status: number | null;
  readonly done: WaitQueue;
}

export interface SemSet extends IpcObject {
  readonly values: Int32Array;
  /** Who operated on each last. */
  readonly pids: Int32Array;
  readonly pending: Pending[];
  /** Lists that hold adjustments for it. */
  readonly undos: Set<SemUndo>;
  /** Seconds since 1970. */
  otime: number;
  ctime: number;
}

/** What a process's exit takes back (sem_undo_list); shared by CLONE_SYSVSEM. */
export class SemUndo {
  users = 1;
  readonly adjustments = new Map<SemSet, Int32Array>();
}

/** semget(2). */
export function semget(t: Task, a: Args): number {
  const n = a.i32(1);
  if (n < 0 || n > SEMMSL) return -EINVAL;
  const fits = (s: SemSet): number => (n > s.values.length ? -EINVAL : 0);
  return t.kernel.ipc.sem.getOrMake(t, a.i32(0), a.i32(2), () => newSet(t, a.i32(0), n, a.i32(2)), fits);
}

function newSet(t: Task, key: number, n: number, flags: number): SemSet | number {
  const k = t.kernel;
  if (n === 0) return -EINVAL;
  if (k.ipc.semaphores + n > SEMMNS || k.ipc.sem.count >= SEMMNI) return -ENOSPC;
  const err = charge(k, SET_COST + n * SEM_COST);
  if (err < 0) return err;
  const s: SemSet = {
    ...newPerm(t, key, flags), values: new Int32Array(n), pids: new Int32Array(n), pending: [], undos: new Set(), otime: 0,
    ctime: seconds(k),
  }; // prettier-ignore
  k.ipc.sem.add(s);
  k.ipc.semaphores += n;
  return s;
}

/** semop(2): semtimedop without a time. */
export function semop(t: Task, a: Args): SysResult {
  return operate(t, a, 0);
}

/** semtimedop(2). */
export function semtimedop(t: Task, a: Args): SysResult {
  return operate(t, a, a.ptr(3));
}

function operate(t: Task, a: Args, timeout: number): SysResult {
  if (t.parked !== null) return resume(t);
  const k = t.kernel;
  let deadline = Infinity;
  if (timeout !== 0 && t.mm.viewIn(timeout, 16) === null) return -EFAULT;
  const count = a.u32(2);
  if (count < 1 || a.i32(0) < 0) return -EINVAL;
  if (count > SEMOPM) return -E2BIG;
  const v = t.mm.viewIn(a.ptr(1), count * 6);
  if (v === null) return -EFAULT;
  if (timeout !== 0) {
    const ns = readTimespec(t.mm, timeout);
    if (ns < 0) return ns;
    deadline = k.clock.monotonic() + ns;
  }
  const ops: SemOp[] = [];
  for (let i = 0; i < count; i++) {
    const at = i * 6;
    ops.push({ num: v.getUint16(at, true), op: v.getInt16(at + 2, true), flags: v.getInt16(at + 4, true) });
  }
  const alters = ops.some((o) => o.op !== 0);
  const s = k.ipc.sem.get(a.i32(0));
  if (!s) return -EINVAL;
  if (ops.some((o) => o.num >= s.values.length)) return -EFBIG;
  if (!mayUse(t, s, alters ? S_IWUGO : S_IRUGO)) return -EACCES;
  if (ops.some((o) => o.flags & SEM_UNDO)) t.semUndo ??= new SemUndo();
  const r = attempt(t, s, ops);
  if (typeof r !== 'number') {
    const done = new WaitQueue(`semaphore ${s.id}`);
    const waiting: Pending = { task: t, ops, alters, blocking: r, status: null, done };
    s.pending.push(waiting);
    return park({ on: done, deadline, interrupted: EINTR, data: waiting });
  }
  if (r === 0) {
    s.otime = seconds(k);
    if (alters) update(k, s);
  }
  return r;
}

function resume(t: Task): SysResult {
  const p = t.parked!;
  const w = p.data as Pending;
  if (w.status !== null) return w.status;
  if (t.woken === 'event') return p;
  for (const s of t.kernel.ipc.sem.list()) {
    const i = s.pending.indexOf(w);
    if (i >= 0) s.pending.splice(i, 1);
  }
  return t.woken === 'timeout' ? -EAGAIN : -p.interrupted;
}

/** perform_atomic_semop: all operations or none. 0, -errno, or the one that would have to wait. */
function attempt(t: Task, s: SemSet, ops: readonly SemOp[]): number | SemOp {
  const values = new Map<number, number>();
  const undo = new Map<number, number>();
  const old = t.semUndo?.adjustments.get(s);
  for (const o of ops) {
    const now = values.get(o.num) ?? s.values[o.num];
    const next = now + o.op;
    if ((o.op === 0 && now !== 0) || next < 0) return (o.flags & IPC_NOWAIT) !== 0 ? -EAGAIN : o;
    if (next > SEMVMX) return -ERANGE;
    if ((o.flags & SEM_UNDO) !== 0) {
      const adjustment = (undo.get(o.num) ?? old?.[o.num] ?? 0) - o.op;
      if (adjustment < -SEMAEM - 1 || adjustment > SEMAEM) return -ERANGE;
      undo.set(o.num, adjustment);
    }
    values.set(o.num, next);
  }
  for (const [num, value] of values) {
    s.values[num] = value;
    s.pids[num] = t.pid;
  }
  if (undo.size > 0) {
    const list = (t.semUndo ??= new SemUndo());
    let adjustments = list.adjustments.get(s);
    if (!adjustments) list.adjustments.set(s, (adjustments = new Int32Array(s.values.length)));
    s.undos.add(list);
    for (const [num, value] of undo) adjustments[num] = value;
  }
  return 0;
}

/** do_smart_update: does what has become possible, those that wait for zero first, until nothing more is. */
function update(k: Kernel, s: SemSet): void {
  for (;;) {
    let altered = false;
    for (const alters of [false, true]) {
      for (const w of s.pending.filter((p) => p.alters === alters)) {
        const r = attempt(w.task, s, w.ops);
        if (typeof r !== 'number') {
          w.blocking = r;
          continue;
        }
        finish(s, w, r);
        if (r !== 0) continue;
        s.otime = seconds(k);
        altered ||= w.alters;
        if (w.alters) break;
      }
      if (altered) break;
    }
    if (!altered) return;
  }
}

function finish(s: SemSet, w: Pending, status: number): void {
  s.pending.splice(s.pending.indexOf(w), 1);
  w.status = status;
  w.done.wake();
}

/** exit_sem: a task leaves; the last of those that share its adjustments makes them. */
export function exitSem(t: Task): void {
  const list = t.semUndo;
  t.semUndo = null;
  if (list === null || --list.users > 0) return;
  for (const [s, adjustments] of list.adjustments) {
    s.undos.delete(list);
    adjustments.forEach((by, num) => {
      if (by === 0) return;
      s.values[num] = Math.min(Math.max(s.values[num] + by, 0), SEMVMX);
      s.pids[num] = t.pid;
    });
    s.otime = seconds(t.kernel);
    update(t.kernel, s);
  }
}

function remove(k: Kernel, s: SemSet): void {
  for (const list of s.undos) list.adjustments.delete(s);
  k.ipc.sem.remove(s);
  k.ipc.semaphores -= s.values.length;
  k.kmem.uncharge(SET_COST + s.values.length * SEM_COST);
  for (const w of [...s.pending]) finish(s, w, -EIDRM);
}

/** semctl(2). */
export function semctl(t: Task, a: Args): number {
  const id = a.i32(0);
  const num = a.i32(1);
  const cmd = a.i32(2);
  const { kernel: k, mm } = t;
  const { sem } = k.ipc;
  const arg = a.ptr(3);
  if (id < 0) return -EINVAL;
  switch (cmd) {
    case IPC_INFO:
    case SEM_INFO: {
      const all = sem.list();
      const total = all.reduce((n, s) => n + s.values.length, 0);
      const [usz, aem] = cmd === SEM_INFO ? [all.length, total] : [20, SEMAEM];
      const info = Int32Array.of(SEMMNS, SEMMNI, SEMMNS, SEMMNS, SEMMSL, SEMOPM, SEMOPM, usz, SEMVMX, aem);
      return mm.copyOut(arg, new Uint8Array(info.buffer)) !== 0 ? -EFAULT : sem.highest;
    }
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY: {
      const s = cmd === IPC_STAT ? sem.get(id) : sem.at(id);
      if (!s) return -EINVAL;
      if (cmd !== SEM_STAT_ANY && !mayUse(t, s, S_IRUGO)) return -EACCES;
      if (mm.copyOut(arg, status(t, s)) !== 0) return -EFAULT;
      return cmd === IPC_STAT ? 0 : s.id;
    }
    case IPC_SET: {
      const v = mm.viewIn(arg, statusSize(t));
      if (v === null) return -EFAULT;
      const s = sem.get(id);
      if (!s) return -EINVAL;
      const err = mayControl(t, s) || updatePerm(s, v);
      if (err === 0) s.ctime = seconds(k);
      return err;
    }
    case IPC_RMID: {
      const s = sem.get(id);
      if (!s) return -EINVAL;
      const err = mayControl(t, s);
      if (err === 0) remove(k, s);
      return err;
    }
    case SETVAL:
      return setValue(t, id, num, a.i32(3));
    case GETALL:
    case SETALL:
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT:
      return values(t, id, num, cmd, arg);
  }
  return -EINVAL;
}

function setValue(t: Task, id: number, num: number, value: number): number {
  const k = t.kernel;
  if (value > SEMVMX || value < 0) return -ERANGE;
  const s = k.ipc.sem.get(id);
  if (!s || num < 0 || num >= s.values.length) return -EINVAL;
  if (!mayUse(t, s, S_IWUGO)) return -EACCES;
  for (const list of s.undos) list.adjustments.get(s)![num] = 0;
  s.values[num] = value;
  s.pids[num] = t.pid;
  s.ctime = seconds(k);
  update(k, s);
  return 0;
}

/** semctl_main. */
function values(t: Task, id: number, num: number, cmd: number, arg: number): number {
  const k = t.kernel;
  const s = k.ipc.sem.get(id);
  if (!s) return -EINVAL;
  if (!mayUse(t, s, cmd === SETALL ? S_IWUGO : S_IRUGO)) return -EACCES;
  const n = s.values.length;
  if (cmd === GETALL)
    return t.mm.copyOut(arg, new Uint8Array(Uint16Array.from(s.values).buffer)) !== 0 ? -EFAULT : 0;
  if (cmd === SETALL) {
    const v = t.mm.viewIn(arg, 2 * n);
    if (v === null) return -EFAULT;
    for (let i = 0; i < n; i++) if (v.getUint16(2 * i, true) > SEMVMX) return -ERANGE;
    for (let i = 0; i < n; i++) s.values[i] = v.getUint16(2 * i, true);
    s.pids.fill(t.pid);
    for (const list of s.undos) list.adjustments.get(s)!.fill(0);
    s.ctime = seconds(k);
    update(k, s);
    return 0;
  }
  if (num < 0 || num >= n) return -EINVAL;
  if (cmd === GETVAL) return s.values[num];
  if (cmd === GETPID) return s.pids[num];
  const zero = cmd === GETZCNT;
  return s.pending.filter((w) => w.blocking.num === num && (w.blocking.op === 0) === zero).length;
}

/** struct semid64_ds has a word after each time on x86_64 only. */
const statusSize = (t: Task): number => (t.regs.arch === 'x86_64' ? 104 : 88);

function status(t: Task, s: SemSet): Uint8Array {
  const v = new DataView(new ArrayBuffer(statusSize(t)));
  const step = t.regs.arch === 'x86_64' ? 16 : 8;
  writePerm(v, s);
  v.setBigInt64(48, BigInt(s.otime), true);
  v.setBigInt64(48 + step, BigInt(s.ctime), true);
  v.setBigUint64(48 + 2 * step, BigInt(s.values.length), true);
  return new Uint8Array(v.buffer);
}

/** A line of /proc/sysvipc/sem. */
export function semLine(s: SemSet): string {
  const n = (value: number, width: number): string => String(value).padStart(width);
  return (
    `${n(s.key, 10)} ${n(s.id, 10)}  ${s.mode.toString(8).padStart(4)} ${n(s.values.length, 10)} ${n(s.uid, 5)} ${n(s.gid, 5)} ` +
    `${n(s.cuid, 5)} ${n(s.cgid, 5)} ${n(s.otime, 10)} ${n(s.ctime, 10)}\n`
  );
}

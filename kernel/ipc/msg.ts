/** System V message queues (msgget(2), msgop(2), msgctl(2); ipc/msg.c). */
import {
  E2BIG, EACCES, EAGAIN, EFAULT, EIDRM, EINVAL, ENOMSG, ENOSPC, EPERM, ERESTARTNOHAND,
} from '../abi/errno.ts'; // prettier-ignore
import type { Kernel } from '../kernel.ts';
import { RECORD_COST } from '../mm/kernel-memory.ts';
import type { Args } from '../syscall/args.ts';
import { CAP_SYS_RESOURCE, hasCapability } from '../task/creds.ts';
import type { Task } from '../task/task.ts';
import { WaitQueue, park, type SysResult } from '../wait.ts';
import {
  IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, S_IRUGO, S_IWUGO, charge, mayControl, mayUse, newPerm, seconds, updatePerm,
  writePerm, type IpcObject,
} from './ids.ts'; // prettier-ignore

const MSGMAX = 8192;
const MSGMNB = 16384;
export const MSGMNI = 32000;
export const MSG_NOERROR = 0o10000;
export const MSG_EXCEPT = 0o20000;
export const MSG_COPY = 0o40000;
export const MSG_STAT = 11;
export const MSG_INFO = 12;
export const MSG_STAT_ANY = 13;
const LONG_MAX = 2n ** 63n - 1n;
const QUEUE_COST = 512;

interface Message {
  readonly type: bigint;
  readonly bytes: Uint8Array;
}

/** A msgrcv that waits; who sends something it wants hands it over. */
interface Receiver {
  readonly task: Task;
  readonly wants: Selector;
  readonly room: number;
  readonly truncates: boolean;
  got: Message | number | null;
  readonly done: WaitQueue;
}

/** Which message msgrcv takes. */
interface Selector {
  readonly how: 'any' | 'equal' | 'other' | 'upto' | 'number';
  readonly type: bigint;
}

export interface MsgQueue extends IpcObject {
  readonly messages: Message[];
  bytes: number;
  /** msg_qbytes. */
  limit: number;
  readonly receivers: Receiver[];
  /** Woken when there may be room. */
  readonly room: WaitQueue;
  lspid: number;
  lrpid: number;
  /** Seconds since 1970. */
  stime: number;
  rtime: number;
  ctime: number;
}

/** msgget(2). */
export function msgget(t: Task, a: Args): number {
  return t.kernel.ipc.msg.getOrMake(t, a.i32(0), a.i32(1), () => {
    const k = t.kernel;
    if (k.ipc.msg.count >= MSGMNI) return -ENOSPC;
    const err = charge(k, QUEUE_COST);
    if (err < 0) return err;
    const q: MsgQueue = {
      ...newPerm(t, a.i32(0), a.i32(1)), messages: [], bytes: 0, limit: MSGMNB, receivers: [], room: new WaitQueue('message queue'),
      lspid: 0, lrpid: 0, stime: 0, rtime: 0, ctime: seconds(k),
    }; // prettier-ignore
    k.ipc.msg.add(q);
    return q;
  });
}

/** msgsnd(2). */
export function msgsnd(t: Task, a: Args): SysResult {
  const k = t.kernel;
  const id = a.i32(0);
  const size = a.i64(2);
  if (t.parked !== null && t.woken === 'signal') return -t.parked.interrupted;
  const type = t.mm.u64(a.ptr(1));
  if (type === null) return -EFAULT;
  if (size > MSGMAX || size < 0 || id < 0) return -EINVAL;
  if (BigInt.asIntN(64, type) < 1n) return -EINVAL;
  const bytes = t.mm.copyIn(a.ptr(1) + 8, size);
  if (bytes === null) return -EFAULT;
  const q = t.parked === null ? k.ipc.msg.get(id) : (t.parked.data as MsgQueue);
  if (!q) return -EINVAL;
  if (q.removed) return -EIDRM;
  if (!mayUse(t, q, S_IWUGO)) return -EACCES;
  if (size + q.bytes > q.limit || q.messages.length + 1 > q.limit) {
    if ((a.i32(3) & IPC_NOWAIT) !== 0) return -EAGAIN;
    return park({ on: q.room, interrupted: ERESTARTNOHAND, data: q });
  }
  const m = { type, bytes };
  if (!handOver(q, m)) {
    const err = charge(k, RECORD_COST + size);
    if (err < 0) return err;
    q.messages.push(m);
    q.bytes += size;
  }
  q.lspid = t.pid;
  q.stime = seconds(k);
  return 0;
}

const matches = (w: Selector, m: Message): boolean =>
  w.how === 'any' ||
  w.how === 'number' ||
  (w.how === 'upto' ? m.type <= w.type : (m.type === w.type) === (w.how === 'equal'));

/** pipelined_send: gives the message to the first receiver that wants it; one without room for it gets E2BIG. */
function handOver(q: MsgQueue, m: Message): boolean {
  for (const r of [...q.receivers]) {
    if (!matches(r.wants, m)) continue;
    q.receivers.splice(q.receivers.indexOf(r), 1);
    const fits = r.room >= m.bytes.length || r.truncates;
    r.got = fits ? m : -E2BIG;
    r.done.wake();
    if (!fits) continue;
    q.lrpid = r.task.pid;
    q.rtime = seconds(r.task.kernel);
    return true;
  }
  return false;
}

/** msgrcv(2). */
export function msgrcv(t: Task, a: Args): SysResult {
  const k = t.kernel;
  const id = a.i32(0);
  const flags = a.i32(4);
  const truncates = (flags & MSG_NOERROR) !== 0;
  const room = a.i64(2);
  if (t.parked !== null) return received(t, a, room);
  if (id < 0 || room < 0) return -EINVAL;
  if ((flags & MSG_COPY) !== 0 && ((flags & MSG_EXCEPT) !== 0 || (flags & IPC_NOWAIT) === 0)) return -EINVAL;
  const q = k.ipc.msg.get(id);
  if (!q) return -EINVAL;
  if (!mayUse(t, q, S_IRUGO)) return -EACCES;
  const wants = selector(BigInt.asIntN(64, a.big(3)), flags);
  const found = find(q, wants);
  if (found >= 0) {
    const m = q.messages[found];
    if (room < m.bytes.length && !truncates) return -E2BIG;
    if (wants.how !== 'number') {
      q.messages.splice(found, 1);
      q.bytes -= m.bytes.length;
      q.lrpid = t.pid;
      q.rtime = seconds(k);
      k.kmem.uncharge(RECORD_COST + m.bytes.length);
      q.room.wake();
    }
    return deliver(t, a, m, room);
  }
  if ((flags & IPC_NOWAIT) !== 0) return -ENOMSG;
  const w: Receiver = {
    task: t,
    wants,
    room,
    truncates,
    got: null,
    done: new WaitQueue(`message of queue ${id}`),
  };
  q.receivers.push(w);
  return park({ on: w.done, interrupted: ERESTARTNOHAND, data: { q, w } });
}

function selector(type: bigint, flags: number): Selector {
  if ((flags & MSG_COPY) !== 0) return { how: 'number', type };
  if (type === 0n) return { how: 'any', type };
  if (type < 0n) return { how: 'upto', type: type === -LONG_MAX - 1n ? LONG_MAX : -type };
  return { how: (flags & MSG_EXCEPT) !== 0 ? 'other' : 'equal', type };
}

/** Place of the message: the first that matches, for 'upto' the first of the lowest type there is. −1: none. */
function find(q: MsgQueue, wants: Selector): number {
  if (wants.how === 'number')
    return wants.type >= 0n && wants.type < q.messages.length ? Number(wants.type) : -1;
  let best = -1;
  for (const [i, m] of q.messages.entries()) {
    if (!matches(wants, m)) continue;
    if (wants.how !== 'upto') return i;
    if (best < 0 || m.type < q.messages[best].type) best = i;
  }
  return best;
}

function received(t: Task, a: Args, room: number): SysResult {
  const p = t.parked!;
  const { q, w } = p.data as { q: MsgQueue; w: Receiver };
  if (w.got === null) {
    if (t.woken === 'event') return p;
    q.receivers.splice(q.receivers.indexOf(w), 1);
    return -p.interrupted;
  }
  return typeof w.got === 'number' ? w.got : deliver(t, a, w.got, room);
}

/** do_msg_fill. */
function deliver(t: Task, a: Args, m: Message, room: number): number {
  const n = Math.min(room, m.bytes.length);
  if (t.mm.putU64(a.ptr(1), m.type) !== 0) return -EFAULT;
  return t.mm.copyOut(a.ptr(1) + 8, m.bytes.subarray(0, n)) !== 0 ? -EFAULT : n;
}

function remove(k: Kernel, q: MsgQueue): void {
  k.ipc.msg.remove(q);
  k.kmem.uncharge(QUEUE_COST + q.bytes + q.messages.length * RECORD_COST);
  q.messages.length = 0;
  for (const w of q.receivers.splice(0)) {
    w.got = -EIDRM;
    w.done.wake();
  }
  q.room.wake();
}

/** msgctl(2). */
export function msgctl(t: Task, a: Args): number {
  const id = a.i32(0);
  const cmd = a.i32(1);
  if (id < 0 || cmd < 0) return -EINVAL;
  const { kernel: k, mm } = t;
  const { msg } = k.ipc;
  const out = a.ptr(2);
  switch (cmd) {
    case IPC_INFO:
    case MSG_INFO: {
      const all = msg.list();
      const count = all.reduce((n, q) => n + q.messages.length, 0);
      const bytes = all.reduce((n, q) => n + q.bytes, 0);
      const v = new DataView(new ArrayBuffer(32));
      const now = cmd === MSG_INFO;
      [
        now ? all.length : (MSGMNI * MSGMNB) / 1024,
        now ? count : MSGMNB,
        MSGMAX,
        MSGMNB,
        MSGMNI,
        16,
        now ? bytes : MSGMNB,
      ].forEach((n, i) => v.setInt32(4 * i, n, true));
      v.setUint16(28, 0xffff, true);
      return mm.copyOut(out, new Uint8Array(v.buffer)) !== 0 ? -EFAULT : msg.highest;
    }
    case IPC_STAT:
    case MSG_STAT:
    case MSG_STAT_ANY: {
      const q = cmd === IPC_STAT ? msg.get(id) : msg.at(id);
      if (!q) return -EINVAL;
      if (cmd !== MSG_STAT_ANY && !mayUse(t, q, S_IRUGO)) return -EACCES;
      if (mm.copyOut(out, status(q)) !== 0) return -EFAULT;
      return cmd === IPC_STAT ? 0 : q.id;
    }
    case IPC_SET: {
      const v = mm.viewIn(out, 120);
      if (v === null) return -EFAULT;
      const q = msg.get(id);
      if (!q) return -EINVAL;
      const limit = Number(v.getBigUint64(88, true));
      const err =
        mayControl(t, q) ||
        (limit > MSGMNB && !hasCapability(t, CAP_SYS_RESOURCE) ? -EPERM : 0) ||
        updatePerm(q, v);
      if (err !== 0) return err;
      q.limit = limit;
      q.ctime = seconds(k);
      q.room.wake();
      return 0;
    }
    case IPC_RMID: {
      const q = msg.get(id);
      if (!q) return -EINVAL;
      const err = mayControl(t, q);
      if (err === 0) remove(k, q);
      return err;
    }
  }
  return -EINVAL;
}

/** struct msqid64_ds. */
function status(q: MsgQueue): Uint8Array {
  const v = new DataView(new ArrayBuffer(120));
  writePerm(v, q);
  v.setBigInt64(48, BigInt(q.stime), true);
  v.setBigInt64(56, BigInt(q.rtime), true);
  v.setBigInt64(64, BigInt(q.ctime), true);
  v.setBigUint64(72, BigInt(q.bytes), true);
  v.setBigUint64(80, BigInt(q.messages.length), true);
  v.setBigUint64(88, BigInt(q.limit), true);
  v.setInt32(96, q.lspid, true);
  v.setInt32(100, q.lrpid, true);
  return new Uint8Array(v.buffer);
}

/** A line of /proc/sysvipc/msg. */
export function msgLine(q: MsgQueue): string {
  const n = (value: number, width: number): string => String(value).padStart(width);
  return (
    `${n(q.key, 10)} ${n(q.id, 10)}  ${q.mode.toString(8).padStart(4)}  ${n(q.bytes, 10)} ${n(q.messages.length, 10)} ` +
    `${n(q.lspid, 5)} ${n(q.lrpid, 5)} ${n(q.uid, 5)} ${n(q.gid, 5)} ${n(q.cuid, 5)} ${n(q.cgid, 5)} ` +
    `${n(q.stime, 10)} ${n(q.rtime, 10)} ${n(q.ctime, 10)}\n`
  );
}

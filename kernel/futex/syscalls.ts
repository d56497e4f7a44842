/** futex(2), futex_waitv(2) and the robust-list calls: decoding, checks in Linux's order, and what a wake-up means. */
import {
  EAGAIN, EFAULT, EINVAL, ENOSYS, EPERM, ERESTARTNOINTR, ERESTARTSYS, ERESTART_RESTARTBLOCK, ESRCH, ETIMEDOUT,
} from '../abi/errno.ts'; // prettier-ignore
import { mayKill } from '../signal/send.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { readTimespec, readTimespecExact } from '../time/timespec.ts';
import type { Park, SysResult, WaitQueue } from '../wait.ts';
import { FUTEX_BITSET_MATCH_ANY, FutexWaiter, checkValue, type FutexKey, type FutexSpace } from './futex.ts';
import { ROBUST_LIST_HEAD_SIZE } from './robust.ts';

export const FUTEX_WAIT = 0;
export const FUTEX_WAKE = 1;
export const FUTEX_REQUEUE = 3;
export const FUTEX_CMP_REQUEUE = 4;
export const FUTEX_WAKE_OP = 5;
export const FUTEX_LOCK_PI = 6;
export const FUTEX_UNLOCK_PI = 7;
export const FUTEX_TRYLOCK_PI = 8;
export const FUTEX_WAIT_BITSET = 9;
export const FUTEX_WAKE_BITSET = 10;
export const FUTEX_WAIT_REQUEUE_PI = 11;
export const FUTEX_CMP_REQUEUE_PI = 12;
export const FUTEX_LOCK_PI2 = 13;
export const FUTEX_PRIVATE_FLAG = 128;
export const FUTEX_CLOCK_REALTIME = 256;

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const FUTEX_32 = 2;
const FUTEX_WAITV_MAX = 128;

/** futex(2). */
export function futex(t: Task, a: Args): SysResult {
  const op = a.i32(1);
  const cmd = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
  const address = a.ptr(0);
  const shared = (op & FUTEX_PRIVATE_FLAG) === 0;
  const realtime = (op & FUTEX_CLOCK_REALTIME) !== 0;
  if (t.parked !== null) return resume(t, a, cmd);

  // The timeout is looked at before anything else is.
  let when = NEVER;
  const timed =
    cmd === FUTEX_WAIT || cmd === FUTEX_WAIT_BITSET || cmd === FUTEX_LOCK_PI || cmd === FUTEX_LOCK_PI2 ||
    cmd === FUTEX_WAIT_REQUEUE_PI; // prettier-ignore
  if (timed && a.ptr(3) !== 0) {
    const r =
      cmd === FUTEX_WAIT ? relative(t, a.ptr(3)) : absolute(t, a.ptr(3), realtime || cmd === FUTEX_LOCK_PI);
    if (typeof r === 'number') return r;
    when = r;
  }
  if (realtime && cmd !== FUTEX_WAIT_BITSET && cmd !== FUTEX_WAIT_REQUEUE_PI && cmd !== FUTEX_LOCK_PI2)
    return -ENOSYS;

  switch (cmd) {
    case FUTEX_WAIT:
      return wait(t, address, shared, a.u32(2), when, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAIT_BITSET:
      return wait(t, address, shared, a.u32(2), when, a.u32(5));
    case FUTEX_WAKE:
      return wake(t, address, shared, a.i32(2), FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE_BITSET:
      return wake(t, address, shared, a.i32(2), a.u32(5));
    case FUTEX_REQUEUE:
      return requeue(t, address, shared, a.i32(2), a.ptr(4), a.i32(3), null);
    case FUTEX_CMP_REQUEUE:
      return requeue(t, address, shared, a.i32(2), a.ptr(4), a.i32(3), a.u32(5));
    case FUTEX_WAKE_OP:
      return wakeOp(t, address, shared, a);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
      return lockPi(t, address, shared, when, false);
    case FUTEX_TRYLOCK_PI:
      return lockPi(t, address, shared, NEVER, true);
    case FUTEX_UNLOCK_PI: {
      const key = futexKey(t, address, shared);
      return typeof key === 'number' ? key : t.kernel.futexes.pi.unlock(t, address, key);
    }
    case FUTEX_WAIT_REQUEUE_PI:
      return waitRequeuePi(t, address, shared, a.u32(2), when, a.ptr(4));
    case FUTEX_CMP_REQUEUE_PI:
      return cmpRequeuePi(t, address, shared, a.i32(2), a.ptr(4), a.i32(3), a.u32(5));
    default:
      return -ENOSYS;
  }
}

/** When a wait ends: monotonic nanoseconds, and for a date of CLOCK_REALTIME what must follow changes of that clock. */
interface When {
  readonly deadline: number;
  readonly on: readonly WaitQueue[] | undefined;
}
const NEVER: When = { deadline: Infinity, on: undefined };

function relative(t: Task, address: number): When | number {
  const ns = readTimespec(t.mm, address);
  return ns < 0 ? ns : { deadline: t.kernel.clock.monotonic() + ns, on: undefined };
}

function absolute(t: Task, address: number, realtime: boolean): When | number {
  const ns = readTimespecExact(t.mm, address);
  if (typeof ns === 'number') return ns;
  if (!realtime) return { deadline: Number(ns), on: undefined };
  return { deadline: t.kernel.timers.realtimeToMonotonic(ns), on: [t.kernel.timers.clockWasSet] };
}

/** -EINVAL when not aligned, -EFAULT when no user address (or, shared, nothing is mapped). */
export function futexKey(t: Task, address: number, shared: boolean): FutexKey | number {
  const at = keyAt(t, address, shared);
  if (typeof at === 'number' && at < 0) return at;
  return { space: spaceOf(t, shared), at };
}

function keyAt(t: Task, address: number, shared: boolean): number | string {
  const { behaviour } = t.kernel;
  if (address % 4 !== 0 && behaviour.futexAlignment) return -EINVAL;
  if (behaviour.futexByAddress) return address < t.mm.taskSize ? address : -EFAULT;
  if (shared) return t.mm.futexKey(address);
  return address < t.mm.taskSize ? address : -EFAULT;
}

function spaceOf(t: Task, shared: boolean): FutexSpace {
  const table = t.kernel.futexes;
  return shared || t.kernel.behaviour.futexByAddress ? table.sharedSpace : table.space(t.mm);
}

function wait(
  t: Task,
  address: number,
  shared: boolean,
  value: number,
  when: When,
  bitset: number,
): SysResult {
  if (bitset === 0) return -EINVAL;
  const at = keyAt(t, address, shared);
  if (typeof at === 'number' && at < 0) return at;
  const compared = checkValue(t.mm, address, value);
  if (compared !== 0) return compared;
  const code = when.deadline === Infinity ? ERESTARTSYS : ERESTART_RESTARTBLOCK;
  const w = new FutexWaiter(t, address, bitset, when.deadline, code, null, when.on);
  t.kernel.futexes.enqueue(w, spaceOf(t, shared), at);
  return w;
}

function wake(t: Task, address: number, shared: boolean, count: number, bitset: number): number {
  if (bitset === 0) return -EINVAL;
  const at = keyAt(t, address, shared);
  if (typeof at === 'number' && at < 0) return at;
  return t.kernel.futexes.wake(spaceOf(t, shared), at, count, bitset);
}

function requeue(
  t: Task,
  address: number,
  shared: boolean,
  wakeCount: number,
  address2: number,
  moveCount: number,
  expected: number | null,
): number {
  if (wakeCount < 0 || moveCount < 0) return -EINVAL;
  const from = futexKey(t, address, shared);
  if (typeof from === 'number') return from;
  const to = futexKey(t, address2, shared);
  if (typeof to === 'number') return to;
  if (expected !== null) {
    const compared = checkValue(t.mm, address, expected);
    if (compared !== 0) return compared;
  }
  return t.kernel.futexes.requeue(from, to, wakeCount, moveCount);
}

function wakeOp(t: Task, address: number, shared: boolean, a: Args): number {
  const first = futexKey(t, address, shared);
  if (typeof first === 'number') return first;
  const second = futexKey(t, a.ptr(4), shared);
  if (typeof second === 'number') return second;
  return t.kernel.futexes.wakeOp(t.mm, first, second, a.ptr(4), a.i32(2), a.i32(3), a.i32(5));
}

function lockPi(t: Task, address: number, shared: boolean, when: When, tryOnly: boolean): SysResult {
  const key = futexKey(t, address, shared);
  if (typeof key === 'number') return key;
  const { pi } = t.kernel.futexes;
  const locked = pi.lockAtomic(t, address, key, false);
  if (locked.result !== 0) return locked.result === 1 ? 0 : locked.result;
  if (tryOnly) {
    pi.abandon(locked.state!);
    return -EAGAIN;
  }
  const w = new FutexWaiter(t, address, 0, when.deadline, ERESTARTNOINTR, null, when.on);
  w.piAddress = address;
  pi.wait(w, locked.state!);
  return w;
}

function waitRequeuePi(
  t: Task,
  address: number,
  shared: boolean,
  value: number,
  when: When,
  address2: number,
): SysResult {
  if (address === address2) return -EINVAL;
  const to = futexKey(t, address2, shared);
  if (typeof to === 'number') return to;
  const key = futexKey(t, address, shared);
  if (typeof key === 'number') return key;
  const compared = checkValue(t.mm, address, value);
  if (compared !== 0) return compared;
  if (key.space === to.space && key.at === to.at) return -EINVAL;
  const w = new FutexWaiter(t, address, FUTEX_BITSET_MATCH_ANY, when.deadline, ERESTARTNOINTR, null, when.on);
  w.piAddress = address2;
  w.requeueTo = to;
  t.kernel.futexes.enqueue(w, key.space, key.at);
  return w;
}

function cmpRequeuePi(
  t: Task,
  address: number,
  shared: boolean,
  wakeCount: number,
  address2: number,
  moveCount: number,
  expected: number,
): number {
  if (wakeCount < 0 || moveCount < 0) return -EINVAL;
  if (address === address2 || wakeCount !== 1) return -EINVAL;
  const from = futexKey(t, address, shared);
  if (typeof from === 'number') return from;
  const to = futexKey(t, address2, shared);
  if (typeof to === 'number') return to;
  if (from.space === to.space && from.at === to.at) return -EINVAL;
  return t.kernel.futexes.pi.requeue(t, from, address, to, moveCount, expected);
}

/** The wait of this call ended, or the call is being restarted. */
function resume(t: Task, a: Args, cmd: number): SysResult {
  const w = t.parked as FutexWaiter;
  if (w.woken) return 0;
  const { futexes } = t.kernel;
  if (t.woken === 'event') {
    // CLOCK_REALTIME was set, or restart_syscall goes on with the wait: the date stays, its distance may not.
    const when = moved(t, a, w);
    if (w.space !== null) {
      w.deadline = when.deadline;
      return w;
    }
    return wait(t, w.data.futex, (a.i32(1) & FUTEX_PRIVATE_FLAG) === 0, a.u32(2), when, w.bitset);
  }
  const requeued = w.requeueTo === null;
  if (w.pi !== null) futexes.pi.giveUp(w);
  else futexes.dequeue(w);
  if (t.woken === 'timeout') return -ETIMEDOUT;
  // Moved to the lock already: the caller looks at its condition again (futex_wait_requeue_pi).
  if (cmd === FUTEX_WAIT_REQUEUE_PI && requeued) return -EAGAIN;
  return -w.interrupted;
}

function moved(t: Task, a: Args, w: FutexWaiter): When {
  if (w.on.length === 0) return { deadline: w.deadline, on: undefined };
  const r = absolute(t, a.ptr(3), true);
  return typeof r === 'number' ? { deadline: w.deadline, on: w.on } : r;
}

/** futex_waitv(2): waits until one of several futexes is woken; its index. */
export function futex_waitv(t: Task, a: Args): SysResult {
  if (t.parked !== null) return resumeWaitv(t, t.parked);
  const address = a.ptr(0);
  const count = a.u32(1);
  if (a.u32(2) !== 0 || count === 0 || count > FUTEX_WAITV_MAX || address === 0) return -EINVAL;
  let when = NEVER;
  if (a.ptr(3) !== 0) {
    const clock = a.i32(4);
    if (clock !== CLOCK_REALTIME && clock !== CLOCK_MONOTONIC) return -EINVAL;
    const r = absolute(t, a.ptr(3), clock === CLOCK_REALTIME);
    if (typeof r === 'number') return r;
    when = r;
  }
  const list: { address: number; value: number; shared: boolean; key: FutexKey | null }[] = [];
  for (let i = 0; i < count; i++) {
    const v = t.mm.viewIn(address + 24 * i, 24);
    if (v === null) return -EFAULT;
    const flags = v.getUint32(16, true);
    if ((flags & ~(FUTEX_32 | FUTEX_PRIVATE_FLAG)) !== 0 || v.getUint32(20, true) !== 0) return -EINVAL;
    if ((flags & FUTEX_32) === 0) return -EINVAL;
    // val is 64 bits wide; a 32-bit futex compares its low half.
    list.push({
      address: Number(v.getBigUint64(8, true)),
      value: v.getUint32(0, true),
      shared: (flags & FUTEX_PRIVATE_FLAG) === 0,
      key: null,
    });
  }
  for (const f of list) {
    const key = futexKey(t, f.address, f.shared);
    if (typeof key === 'number') return key;
    f.key = key;
  }
  for (const f of list) {
    const compared = checkValue(t.mm, f.address, f.value);
    if (compared !== 0) return compared;
  }
  const members: FutexWaiter[] = [];
  const group = { task: t, members };
  for (const f of list) {
    const w = new FutexWaiter(t, f.address, FUTEX_BITSET_MATCH_ANY, Infinity, ERESTARTSYS, group);
    t.kernel.futexes.enqueue(w, f.key!.space, f.key!.at);
    members.push(w);
  }
  return waitOnAll(when, group);
}

interface WaitvPark extends Park {
  readonly data: { readonly task: Task; readonly members: FutexWaiter[] };
}

function waitOnAll(when: When, data: WaitvPark['data']): WaitvPark {
  return { park: true, on: when.on ?? [], deadline: when.deadline, interrupted: ERESTARTSYS, data };
}

function resumeWaitv(t: Task, parked: Park): SysResult {
  const { members } = (parked as WaitvPark).data;
  let woken = -1;
  members.forEach((w, i) => {
    if (w.woken) woken = i;
  });
  if (woken < 0 && t.woken === 'event') {
    const r = absolute(t, t.args.ptr(3), true);
    return waitOnAll(
      typeof r === 'number' ? { deadline: parked.deadline, on: parked.on } : r,
      (parked as WaitvPark).data,
    );
  }
  for (const w of members) t.kernel.futexes.dequeue(w);
  if (woken >= 0) return woken;
  return t.woken === 'timeout' ? -ETIMEDOUT : -ERESTARTSYS;
}

/** set_robust_list(2). */
export function set_robust_list(t: Task, a: Args): number {
  if (a.size(1) !== ROBUST_LIST_HEAD_SIZE) return -EINVAL;
  t.robustList = a.ptr(0);
  t.robustListLength = ROBUST_LIST_HEAD_SIZE;
  return 0;
}

/** get_robust_list(2). */
export function get_robust_list(t: Task, a: Args): number {
  const pid = a.i32(0);
  const target = pid === 0 ? t : t.kernel.processes.task(pid);
  if (target === undefined) return -ESRCH;
  if (target !== t && !mayKill(t, target, 0)) return -EPERM;
  if (t.mm.putU64(a.ptr(2), ROBUST_LIST_HEAD_SIZE) !== 0) return -EFAULT;
  return t.mm.putU64(a.ptr(1), target.robustList);
}

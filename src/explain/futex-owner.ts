/**
 * Whose lock a futex is. The kernel knows only of PI futexes and robust lists; the rest is read from memory, where the C
 * library's layout says whose thread id a lock holds, and believed only if that names a living thread of the process.
 */
import type { FutexWaiter } from '../../kernel/futex/futex.ts';
import { FUTEX_TID_MASK, FUTEX_WAITERS } from '../../kernel/futex/pi.ts';
import { A64_REG, REG } from '../../kernel/ports.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { OwnerSource } from './types.ts';

export interface Owner {
  readonly tid: number;
  readonly how: OwnerSource;
}

const ROBUST_LIST_LIMIT = 2048;
const NEAR = 4096;
/** glibc's low-level lock, taken and contended: what its waiters go to sleep on. */
const LLL_CONTENDED = 2;
/** pthread_mutex_t of glibc, 64 bits: lock, count, owner, nusers, kind. */
const GLIBC_OWNER = 8;
const GLIBC_NUSERS = 12;
const GLIBC_KIND = 16;
/** PTHREAD_MUTEX_{NORMAL,RECURSIVE,ERRORCHECK,ADAPTIVE}_NP, robust, PI, PP, process-shared, elision. */
const GLIBC_KIND_BITS = 0x3 | 0x10 | 0x20 | 0x40 | 0x80 | 0x100 | 0x200;
/** pthread_mutex_t of musl: type, lock. The type's low bits: normal, recursive, error-checking; 4: robust, 8: PI, 128: shared. */
const MUSL_TYPE = -4;
const MUSL_TYPE_BITS = 0x3 | 4 | 8 | 128;

/** `waiter` sleeps at `address` and went to sleep on `expected`. A number: the thread that holds it has ended. */
export function ownerOf(
  waiter: FutexWaiter,
  t: Task,
  address: number,
  expected: number | null,
): Owner | number | null {
  const pi = waiter.pi?.owner;
  if (pi) return { tid: pi.tid, how: 'pi' };
  const value = t.mm.u32(address);
  if (value < 0) return null;
  return (
    robustOwner(t, address, value) ?? glibcOwner(t, address, value, expected) ?? muslOwner(t, address, value)
  );
}

const living = (t: Task, tid: number): Task | null => {
  const other = t.kernel.processes.tasks.get(tid);
  return other !== undefined && other.state !== 'dead' && other.state !== 'zombie' ? other : null;
};

/** The word's thread id, when that thread has the word on its robust list. */
function robustOwner(t: Task, address: number, value: number): Owner | null {
  const owner = living(t, value & FUTEX_TID_MASK);
  if (owner === null || owner.robustList === 0) return null;
  const { mm, robustList: head } = owner;
  const offset = mm.u64(head + 8);
  if (offset === null) return null;
  let at = Number((mm.u64(head) ?? 0n) & ~1n);
  for (let n = 0; at !== 0 && at !== head && n < ROBUST_LIST_LIMIT; n++) {
    const word = at + Number(BigInt.asIntN(64, offset));
    if (word === address && mm === t.mm) return { tid: owner.tid, how: 'robust' };
    if (word !== address && mm !== t.mm && mm.futexKey(word) === t.mm.futexKey(address))
      return { tid: owner.tid, how: 'robust' };
    at = Number((mm.u64(at) ?? 0n) & ~1n);
  }
  return null;
}

function glibcOwner(t: Task, address: number, value: number, expected: number | null): Owner | number | null {
  if (expected !== LLL_CONTENDED || value !== LLL_CONTENDED) return null;
  const owner = t.mm.u32(address + GLIBC_OWNER);
  const users = t.mm.i32(address + GLIBC_NUSERS);
  const kind = t.mm.i32(address + GLIBC_KIND);
  if (owner > 0 && users !== null && users > 0 && kind !== null && (kind & ~GLIBC_KIND_BITS) === 0) {
    const task = living(t, owner);
    if (task !== null && task.group === t.group) return { tid: owner, how: 'glibc' };
    // Numbers of threads are near one another: what is far from it is something else than a mutex.
    if (task === null && owner >= t.pid && owner - t.pid < NEAR) return owner;
  }
  // _IO_lock_t: lock, count, and the owner's thread pointer.
  const pointer = t.mm.u64(address + 8);
  if (pointer === null || pointer === 0n) return null;
  for (const task of t.group.tasks) {
    if (living(t, task.tid) !== null && threadPointer(task) === pointer)
      return { tid: task.tid, how: 'glibc' };
  }
  return null;
}

/** What glibc calls THREAD_SELF: the thread pointer itself on x86_64; on aarch64 struct pthread lies right below it. */
function threadPointer(t: Task): bigint {
  return t.regs.arch === 'x86_64' ? t.regs.get(REG.fs_base) : t.regs.get(A64_REG.tpidr) - AARCH64_PTHREAD;
}
/** sizeof(struct pthread) of glibc 2.36 for aarch64, rounded up to its alignment. */
const AARCH64_PTHREAD = 0x740n;

function muslOwner(t: Task, address: number, value: number): Owner | null {
  const type = t.mm.i32(address + MUSL_TYPE);
  if (type === null || (type & ~MUSL_TYPE_BITS) !== 0 || (type & 7) === 0) return null;
  if ((value & FUTEX_WAITERS) === 0) return null;
  const task = living(t, value & FUTEX_TID_MASK);
  return task !== null && task.group === t.group ? { tid: task.tid, how: 'musl' } : null;
}

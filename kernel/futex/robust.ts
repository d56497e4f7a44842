/** Robust futexes: the list of locks a thread holds, walked by the kernel when it dies (get_robust_list(2)). */
import type { Task } from '../task/task.ts';
import type { FutexTable } from './futex.ts';
import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS } from './pi.ts';

/** ROBUST_LIST_LIMIT: a circular list must not hold the kernel up. */
const ROBUST_LIST_LIMIT = 2048;
/** sizeof(struct robust_list_head). */
export const ROBUST_LIST_HEAD_SIZE = 24;

/** An entry's address; bit 0 of the pointer says that it is a PI futex. */
interface Entry {
  readonly address: number;
  readonly pi: boolean;
}

function fetch(t: Task, address: number): Entry | null {
  const raw = t.mm.u64(address);
  if (raw === null) return null;
  return { address: Number(raw & ~1n), pi: (raw & 1n) !== 0n };
}

/** Marks every futex on the thread's list that it still owns, and wakes one waiter of each (exit_robust_list). */
export function exitRobustList(table: FutexTable, t: Task): void {
  const head = t.robustList;
  t.robustList = 0;
  if (head === 0) return;
  let entry = fetch(t, head);
  const offsetRaw = t.mm.u64(head + 8);
  const pending = fetch(t, head + 16);
  if (entry === null || offsetRaw === null || pending === null) return;
  const offset = Number(BigInt.asIntN(64, offsetRaw));
  for (let limit = ROBUST_LIST_LIMIT; entry.address !== head && limit > 0; limit--) {
    const next = fetch(t, entry.address); // before the death: the futex may be freed by who takes it
    if (entry.address !== pending.address && !died(table, t, entry.address + offset, entry.pi, false)) return;
    if (next === null) return;
    entry = next;
  }
  if (pending.address !== 0) died(table, t, pending.address + offset, pending.pi, true);
}

/** One futex (handle_futex_death); false: the list cannot be trusted. */
function died(table: FutexTable, t: Task, address: number, pi: boolean, pendingOp: boolean): boolean {
  if (address % 4 !== 0) return false;
  const value = t.mm.u32(address);
  if (value < 0) return false;
  const owner = value & FUTEX_TID_MASK;
  // It died between unlocking in user space and FUTEX_WAKE: the wake is made up for.
  if (pendingOp && !pi && owner === 0) {
    table.wakeAddress(t, address, 1);
    return true;
  }
  if (owner !== t.tid) return true;
  if (t.mm.putU32(address, ((value & FUTEX_WAITERS) | FUTEX_OWNER_DIED) >>> 0) < 0) return false;
  if (!pi && (value & FUTEX_WAITERS) !== 0) table.wakeAddress(t, address, 1);
  return true;
}

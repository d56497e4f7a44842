/**
 * Priority-inheritance futexes: locks whose word holds the owner's thread id, handed over by the kernel in order
 * (kernel/futex/pi.c). No priorities are lent: tasks have none, every waiter gets its turn.
 */
import { EDEADLK, EFAULT, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import { checkValue, type FutexKey, type FutexTable, type FutexWaiter } from './futex.ts';

export const FUTEX_WAITERS = 0x80000000;
export const FUTEX_OWNER_DIED = 0x40000000;
export const FUTEX_TID_MASK = 0x3fffffff;

/** A PI futex somebody waits for. Its waiters are on the key's list. */
export interface PiState {
  readonly key: FutexKey;
  /** null: it died, and nobody has taken over yet. */
  owner: Task | null;
}

export class PiLocks {
  private readonly table: FutexTable;
  /** States by owner, so that they can be passed on when it exits. */
  private readonly owned = new Map<Task, Set<PiState>>();

  constructor(table: FutexTable) {
    this.table = table;
  }

  /**
   * Tries to take the lock for `t` (futex_lock_pi_atomic). 1: taken. 0: somebody else has it; the returned state is
   * what to wait on. Else -errno.
   */
  lockAtomic(
    t: Task,
    address: number,
    key: FutexKey,
    setWaiters: boolean,
  ): { result: number; state?: PiState } {
    const mem = t.mm;
    const value = mem.u32(address);
    if (value < 0) return { result: -EFAULT };
    const tid = value & FUTEX_TID_MASK;
    if (tid === t.tid) return { result: -EDEADLK };
    const top = this.top(key);
    if (top !== null) {
      const state = top.pi;
      if (state === null) return { result: -EINVAL };
      const died = (value & FUTEX_OWNER_DIED) !== 0;
      const mismatch =
        state.owner === null ? !died || tid !== 0 : !(died && tid === 0) && tid !== state.owner.tid;
      return mismatch ? { result: -EINVAL } : { result: 0, state };
    }
    if (tid === 0) {
      const waiters = setWaiters ? FUTEX_WAITERS : 0;
      const taken = ((value & FUTEX_OWNER_DIED) | t.tid | waiters) >>> 0;
      return { result: mem.putU32(address, taken) < 0 ? -EFAULT : 1 };
    }
    const owner = t.kernel.processes.task(tid);
    if (mem.putU32(address, (value | FUTEX_WAITERS) >>> 0) < 0) return { result: -EFAULT };
    if (owner === undefined || owner.state === 'zombie' || owner.state === 'dead') return { result: -ESRCH };
    const state: PiState = { key, owner: null };
    this.setOwner(state, owner);
    return { result: 0, state };
  }

  /** Puts a waiter on the lock's list. */
  wait(w: FutexWaiter, state: PiState): void {
    w.pi = state;
    this.table.enqueue(w, state.key.space, state.key.at);
  }

  /** A wait ended without the lock (timeout, signal). */
  giveUp(w: FutexWaiter): void {
    const state = w.pi;
    this.table.dequeue(w);
    w.pi = null;
    if (state !== null && this.top(state.key) === null) this.setOwner(state, null);
  }

  /** Nobody is going to wait on a state lockAtomic made (FUTEX_TRYLOCK_PI). */
  abandon(state: PiState): void {
    if (this.top(state.key) === null) this.setOwner(state, null);
  }

  /** FUTEX_UNLOCK_PI: the longest waiter becomes the owner. */
  unlock(t: Task, address: number, key: FutexKey): number {
    const value = t.mm.u32(address);
    if (value < 0) return -EFAULT;
    if ((value & FUTEX_TID_MASK) !== t.tid) return -EPERM;
    const top = this.top(key);
    if (top === null) return t.mm.putU32(address, 0) < 0 ? -EFAULT : 0;
    if (top.pi === null || top.pi.owner !== t) return -EINVAL;
    if (t.mm.putU32(address, (FUTEX_WAITERS | top.task.tid) >>> 0) < 0) return -EFAULT;
    this.grant(top);
    return 0;
  }

  /**
   * FUTEX_CMP_REQUEUE_PI: the first waiter of `from` gets the lock at `to` if it is free; it and up to `moveCount`
   * others wait there otherwise. How many were woken or moved.
   */
  requeue(
    t: Task,
    from: FutexKey,
    address: number,
    to: FutexKey,
    moveCount: number,
    expected: number,
  ): number {
    const compared = checkValue(t.mm, address, expected);
    if (compared !== 0) return compared;
    let handled = 0;
    let state: PiState | null = null;
    const waiters = this.table.waiters(from.space, from.at);
    if (waiters.length > 0) {
      const first = waiters[0];
      const bad = this.checkRequeue(first, to);
      if (bad !== 0) return bad;
      const locked = this.lockAtomic(first.task, first.piAddress, to, moveCount > 0);
      if (locked.result < 0) return locked.result;
      state = locked.state ?? null;
      if (locked.result === 1) {
        this.table.release(first);
        handled = 1;
        waiters.shift();
      }
    }
    for (const w of waiters) {
      if (handled - 1 >= moveCount) break;
      const bad = this.checkRequeue(w, to);
      if (bad !== 0) return bad;
      if (state === null) {
        // The lock was just given to the first: it is the owner these wait for.
        const again = this.lockAtomic(w.task, w.piAddress, to, true);
        if (again.result < 0) return again.result;
        state = again.state!;
      }
      this.table.dequeue(w);
      w.requeueTo = null;
      this.wait(w, state);
      handled++;
    }
    return handled;
  }

  /** The owner exits: the next in line takes over and finds FUTEX_OWNER_DIED in the word (exit_pi_state_list). */
  ownerDied(t: Task): void {
    const states = this.owned.get(t);
    if (states === undefined) return;
    this.owned.delete(t);
    for (const state of states) {
      state.owner = null;
      const top = this.top(state.key);
      if (top?.pi !== state) continue;
      const address = top.piAddress;
      top.task.mm.putU32(address, (FUTEX_WAITERS | FUTEX_OWNER_DIED | top.task.tid) >>> 0);
      this.grant(top);
    }
  }

  private checkRequeue(w: FutexWaiter, to: FutexKey): number {
    const match = w.requeueTo !== null && w.requeueTo.space === to.space && w.requeueTo.at === to.at;
    return match ? 0 : -EINVAL;
  }

  private grant(w: FutexWaiter): void {
    const state = w.pi!;
    this.table.release(w);
    w.pi = null;
    this.setOwner(state, this.top(state.key) === null ? null : w.task);
  }

  private setOwner(state: PiState, owner: Task | null): void {
    if (state.owner !== null) {
      const others = this.owned.get(state.owner);
      if (others?.delete(state) && others.size === 0) this.owned.delete(state.owner);
    }
    state.owner = owner;
    if (owner === null) return;
    let states = this.owned.get(owner);
    if (states === undefined) this.owned.set(owner, (states = new Set()));
    states.add(state);
  }

  private top(key: FutexKey): FutexWaiter | null {
    return key.space.heads.get(key.at) ?? null;
  }
}

/**
 * Futexes, apart from the system call: queues of waiters by key, and what wakes or moves them (kernel/futex). Every
 * operation is one step of the machine, so reading a word and acting on it is atomic without a lock.
 */
import { EAGAIN, EFAULT, EINVAL, ENOSYS } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import type { Park, WaitQueue } from '../wait.ts';
import { PiLocks, type PiState } from './pi.ts';
import { exitRobustList } from './robust.ts';

/** The words futexes live in: what the mechanism asks of guest memory. Addresses are aligned to 4. */
export interface FutexMemory {
  /** The word, unsigned, or -EFAULT. */
  u32(address: number): number;
  /** 0 or -EFAULT. */
  putU32(address: number, value: number): number;
}

/** Bits a plain FUTEX_WAKE matches. */
export const FUTEX_BITSET_MATCH_ANY = 0xffffffff;

const NO_QUEUES: readonly WaitQueue[] = [];

/** Names a futex: an address within one address space, or a shared object's key. */
export interface FutexKey {
  /** The table of this address space, or of all shared keys. */
  readonly space: FutexSpace;
  readonly at: number | string;
}

/** Waiting lists of one address space (or of everything shared), by address. */
export class FutexSpace {
  /** Address → the first waiter of a ring. */
  readonly heads = new Map<number | string, FutexWaiter>();
  /** What to call it when someone asks who waits where. */
  readonly what: string;
  constructor(what: string) {
    this.what = what;
  }
}

/**
 * One task waiting on one futex. It is also the Park its handler returns, so that waiting costs one object. `woken`
 * tells the handler's next run why it ended.
 */
export class FutexWaiter implements Park {
  readonly park = true as const;
  readonly on: readonly WaitQueue[];
  deadline: number;
  interrupted: number;
  /** What it waits for, for people: the address it named. */
  readonly data: { readonly futex: number };
  readonly task: Task;
  bitset: number;
  polls = false;
  /** Where it waits: changed by a requeue. null when it is on no list (woken, or taken off). */
  space: FutexSpace | null = null;
  at: number | string = 0;
  next: FutexWaiter | null = null;
  prev: FutexWaiter | null = null;
  /** A FUTEX_WAKE (or requeue to an owned PI futex) ended the wait. */
  woken = false;
  /** What the waiter does when it is woken instead of running its task: futex_waitv's members. */
  readonly group: FutexWaitGroup | null;
  /** The PI lock this waiter wants to own; see pi.ts. */
  pi: PiState | null = null;
  /** Where the lock's word is in the waiter's memory. */
  piAddress = 0;
  /** FUTEX_WAIT_REQUEUE_PI: the only futex it may be moved to. */
  requeueTo: FutexKey | null = null;

  constructor(
    task: Task,
    address: number,
    bitset: number,
    deadline: number,
    interrupted: number,
    group: FutexWaitGroup | null = null,
    on: readonly WaitQueue[] = NO_QUEUES,
  ) {
    this.on = on;
    this.task = task;
    this.bitset = bitset;
    this.deadline = deadline;
    this.interrupted = interrupted;
    this.data = { futex: address };
    this.group = group;
  }
}

/** futex_waitv: one task on several futexes. */
export interface FutexWaitGroup {
  readonly task: Task;
  readonly members: FutexWaiter[];
}

export class FutexTable {
  private readonly shared = new FutexSpace('shared');
  readonly pi: PiLocks;

  constructor() {
    this.pi = new PiLocks(this);
  }

  /** The lists of one address space; made on first use. */
  space(owner: { futexes: FutexSpace | null }): FutexSpace {
    return (owner.futexes ??= new FutexSpace('private'));
  }

  get sharedSpace(): FutexSpace {
    return this.shared;
  }

  /** The task's robust list and PI locks, at exit and execve: what it holds is marked FUTEX_OWNER_DIED and passed on. */
  exitRobustList(t: Task): void {
    if (t.kernel.behaviour.robustLists) exitRobustList(this, t);
    this.pi.ownerDied(t);
  }

  /** FUTEX_WAKE of a shared futex, as the kernel does it for clear_child_tid and robust futexes. */
  wakeAddress(t: Task, address: number, count: number): number {
    const key = t.mm.futexKey(address);
    if (typeof key === 'number' && key < 0) return key;
    return this.wake(this.shared, key, count, FUTEX_BITSET_MATCH_ANY);
  }

  /** Puts a waiter at the end of the list of (space, at). */
  enqueue(w: FutexWaiter, space: FutexSpace, at: number | string): void {
    w.space = space;
    w.at = at;
    const head = space.heads.get(at);
    if (head === undefined) {
      w.next = w.prev = w;
      space.heads.set(at, w);
      return;
    }
    const tail = head.prev!;
    w.prev = tail;
    w.next = head;
    tail.next = w;
    head.prev = w;
  }

  /** Takes a waiter off its list; false when it was on none. */
  dequeue(w: FutexWaiter): boolean {
    const space = w.space;
    if (space === null) return false;
    if (w.next === w) space.heads.delete(w.at);
    else {
      w.prev!.next = w.next;
      w.next!.prev = w.prev;
      if (space.heads.get(w.at) === w) space.heads.set(w.at, w.next!);
    }
    w.space = null;
    w.next = w.prev = null;
    return true;
  }

  /** Wakes up to `count` waiters whose bitset meets `bitset`, oldest first; how many, or -EINVAL if one is a PI waiter. */
  wake(space: FutexSpace, at: number | string, count: number, bitset: number): number {
    let w = space.heads.get(at);
    let woken = 0;
    // A count of 0 or less wakes one, as futex_wake does: it compares after it has woken.
    while (w !== undefined) {
      const next: FutexWaiter = w.next!;
      const last = next === space.heads.get(at);
      if (w.pi !== null || w.requeueTo !== null) return woken > 0 ? woken : -EINVAL;
      if ((w.bitset & bitset) !== 0) {
        this.release(w);
        if (++woken >= count) break;
      }
      if (last) break;
      w = next;
    }
    return woken;
  }

  /** Ends one waiter's wait with success. */
  release(w: FutexWaiter): void {
    this.dequeue(w);
    w.woken = true;
    const task = w.group === null ? w.task : w.group.task;
    task.kernel.scheduler.wake(task, 'event');
  }

  /**
   * Wakes up to `wakeCount` waiters of `from` and moves up to `moveCount` others to `to`, unwoken. How many of both
   * together. Waiters of a futex moved onto itself stay where they are, but count.
   */
  requeue(from: FutexKey, to: FutexKey, wakeCount: number, moveCount: number): number {
    let handled = 0;
    const list = this.waiters(from.space, from.at);
    const same = from.space === to.space && from.at === to.at;
    for (const w of list) {
      if (handled - wakeCount >= moveCount) break;
      if (w.pi !== null || w.requeueTo !== null) return -EINVAL;
      if (++handled <= wakeCount) this.release(w);
      else if (!same) {
        this.dequeue(w);
        this.enqueue(w, to.space, to.at);
      }
    }
    return handled;
  }

  /** Waiters of one futex, oldest first. */
  waiters(space: FutexSpace, at: number | string): FutexWaiter[] {
    const out: FutexWaiter[] = [];
    const head = space.heads.get(at);
    for (let w = head; w !== undefined; w = w.next === head ? undefined : w.next!) out.push(w);
    return out;
  }

  /** FUTEX_WAKE_OP: changes the word at the second futex, wakes `count` of the first and, if the old word compares, `count2` of the second. */
  wakeOp(
    mem: FutexMemory,
    first: FutexKey,
    second: FutexKey,
    address2: number,
    count: number,
    count2: number,
    op: number,
  ): number {
    const compare = applyOp(mem, address2, op);
    if (compare < 0) return compare;
    let woken = this.wakePlain(first, count);
    if (woken < 0) return woken;
    if (compare === 1) {
      const more = this.wakePlain(second, count2);
      if (more < 0) return more;
      woken += more;
    }
    return woken;
  }

  private wakePlain(key: FutexKey, count: number): number {
    return this.wake(key.space, key.at, count, FUTEX_BITSET_MATCH_ANY);
  }
}

/** futex_atomic_op_inuser: 1 or 0, whether the old value compares; -EFAULT, -ENOSYS for an unknown operation. */
function applyOp(mem: FutexMemory, address: number, encoded: number): number {
  const op = (encoded >>> 28) & 7;
  const cmp = (encoded >>> 24) & 15;
  let arg = (encoded << 8) >> 20; // 12 bits, signed
  const cmpArg = (encoded << 20) >> 20;
  if ((encoded & 0x80000000) !== 0) arg = 1 << (arg & 31); // FUTEX_OP_OPARG_SHIFT; shifts are masked as Linux does
  const old = mem.u32(address);
  if (old < 0) return -EFAULT;
  let value: number;
  switch (op) {
    case 0:
      value = arg;
      break;
    case 1:
      value = old + arg;
      break;
    case 2:
      value = old | arg;
      break;
    case 3:
      value = old & ~arg;
      break;
    case 4:
      value = old ^ arg;
      break;
    default:
      return -ENOSYS;
  }
  if (mem.putU32(address, value >>> 0) < 0) return -EFAULT;
  const signed = old | 0;
  switch (cmp) {
    case 0:
      return signed === cmpArg ? 1 : 0;
    case 1:
      return signed !== cmpArg ? 1 : 0;
    case 2:
      return signed < cmpArg ? 1 : 0;
    case 3:
      return signed <= cmpArg ? 1 : 0;
    case 4:
      return signed > cmpArg ? 1 : 0;
    case 5:
      return signed >= cmpArg ? 1 : 0;
    default:
      return -ENOSYS;
  }
}

/** Reads the word and compares: 0, -EFAULT, or -EAGAIN when it is another value. */
export function checkValue(mem: FutexMemory, address: number, expected: number): number {
  const value = mem.u32(address);
  if (value < 0) return -EFAULT;
  return value === expected ? 0 : -EAGAIN;
}

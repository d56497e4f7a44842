/**
 * Advisory locks of one inode (fs/locks.c): POSIX record locks (owned by a process), open-file-description locks and
 * flock(2) (owned by an open file). Waiting is by `waiters`: whoever is woken tries again.
 */
import { LOCK_COST, type KernelMemory } from '../mm/kernel-memory.ts';
import type { Task } from '../task/task.ts';
import type { ThreadGroup } from '../task/thread-group.ts';
import { WaitQueue } from '../wait.ts';
import type { FdTable, File } from './file.ts';

export const F_RDLCK = 0;
export const F_WRLCK = 1;
export const F_UNLCK = 2;

/** Who holds a lock: a process's descriptor table (POSIX), or an open file (OFD, flock). */
export type LockOwner = FdTable | File;

export interface RecordLock {
  readonly owner: LockOwner;
  /** l_pid of F_GETLK; -1 for OFD locks. */
  readonly pid: number;
  readonly type: typeof F_RDLCK | typeof F_WRLCK;
  /** Bytes [start, end); end Infinity: to the end of the file, however it grows. */
  readonly start: number;
  readonly end: number;
}

export class FileLocks {
  /** By owner and start; those of one owner neither touch nor overlap with the same type. */
  records: RecordLock[] = [];
  /** flock(2): shared (F_RDLCK) or exclusive (F_WRLCK), by open file. */
  readonly flocks = new Map<File, { type: typeof F_RDLCK | typeof F_WRLCK; pid: number }>();
  /** Woken whenever a lock is given up or weakened. */
  readonly waiters = new WaitQueue('file lock');

  private readonly kmem: KernelMemory;
  private paid = 0;
  /** No lock ends beyond it. */
  private furthest = 0;

  constructor(kmem: KernelMemory) {
    this.kmem = kmem;
  }

  /** Whether a lock may be added, which can split another in two (-ENOLCK). */
  get room(): boolean {
    return this.kmem.used + 2 * LOCK_COST <= this.kmem.max;
  }
  private settle(): void {
    const due = (this.records.length + this.flocks.size) * LOCK_COST;
    this.kmem.uncharge(this.paid - due);
    this.paid = due;
  }

  get empty(): boolean {
    return this.records.length === 0 && this.flocks.size === 0 && this.waiters.empty;
  }

  /** The first record lock that stands in the way. */
  conflict(owner: LockOwner, type: number, start: number, end: number): RecordLock | null {
    if (start >= this.furthest) return null;
    for (const l of this.records) {
      if (l.owner === owner || l.end <= start || l.start >= end) continue;
      if (type === F_WRLCK || l.type === F_WRLCK) return l;
    }
    return null;
  }

  /** Sets or clears (F_UNLCK) a range of one owner's locks; conflicts were ruled out. */
  set(owner: LockOwner, pid: number, type: number, start: number, end: number): void {
    // Most are taken in order, beyond all others: nothing to merge or sort.
    const last = this.records[this.records.length - 1];
    if (type !== F_UNLCK && last !== undefined && this.furthest < start) {
      this.records.push({ owner, pid, type: type === F_WRLCK ? F_WRLCK : F_RDLCK, start, end });
      this.furthest = end;
      this.settle();
      return;
    }
    if (type !== F_UNLCK) this.furthest = Math.max(this.furthest, end);
    const out: RecordLock[] = [];
    let from = start;
    let to = end;
    let released = false;
    for (const l of this.records) {
      if (l.owner !== owner || l.end < start || l.start > end) {
        out.push(l);
        continue;
      }
      if (l.type === type) {
        from = Math.min(from, l.start); // same kind: they become one
        to = Math.max(to, l.end);
        continue;
      }
      if (l.end > start && l.start < end && l.type === F_WRLCK) released = true;
      if (l.end > start && l.start < end && type === F_UNLCK) released = true;
      if (l.start < start) out.push({ ...l, end: Math.min(l.end, start) });
      if (l.end > end) out.push({ ...l, start: Math.max(l.start, end) });
    }
    if (type !== F_UNLCK) {
      out.push({ owner, pid, type: type === F_WRLCK ? F_WRLCK : F_RDLCK, start: from, end: to });
    }
    this.records = out.sort((a, b) => a.start - b.start);
    this.settle();
    if (released) this.waiters.wake();
  }

  /** Everything an owner holds. */
  dropOwner(owner: LockOwner): void {
    const kept = this.records.filter((l) => l.owner !== owner);
    const had = kept.length !== this.records.length;
    this.records = kept;
    this.settle();
    if (had) this.waiters.wake();
  }

  /** flock(2) that cannot be granted now. */
  flockConflict(file: File, type: number): boolean {
    for (const [holder, l] of this.flocks) {
      if (holder !== file && (type === F_WRLCK || l.type === F_WRLCK)) return true;
    }
    return false;
  }

  flock(file: File, type: number, pid: number): void {
    const had = this.flocks.get(file);
    if (type === F_UNLCK) this.flocks.delete(file);
    else this.flocks.set(file, { type: type === F_WRLCK ? F_WRLCK : F_RDLCK, pid });
    this.settle();
    if (had && (type === F_UNLCK || type < had.type)) this.waiters.wake();
  }
}

/** The last reference to an open file is gone: its OFD and flock locks go. */
export function releaseFileLocks(file: File): void {
  const inode = file.inode;
  const locks = inode?.locks;
  if (!inode || !locks) return;
  locks.dropOwner(file);
  locks.flock(file, F_UNLCK, 0);
  if (locks.empty) inode.locks = null;
}

/** A process closed a descriptor of the file: all its POSIX locks on it go (fcntl(2)). */
export function releasePosixLocks(file: File, owner: FdTable): void {
  const inode = file.inode;
  if (!inode?.locks) return;
  inode.locks.dropOwner(owner);
  if (inode.locks.empty) inode.locks = null;
}

/** What a task parked on a record lock waits for: plain data in its Park, read by deadlock detection. */
export interface LockWait {
  readonly kind: 'posix-lock' | 'ofd-lock';
  readonly owner: LockOwner;
  readonly blocker: LockOwner;
}

/**
 * Whether waiting for `blocker` would close a circle of owners each waiting for the next (EDEADLK). Only POSIX locks
 * are looked at, as in Linux (posix_locks_deadlock).
 */
export function wouldDeadlock(t: Task, owner: LockOwner, blocker: LockOwner): boolean {
  let at = blocker;
  for (let hops = 0; hops < 10; hops++) {
    const next = waitsFor(t.kernel.processes.groups.values(), at);
    if (next === null) return false;
    if (next === owner) return true;
    at = next;
  }
  return false;
}

function waitsFor(groups: Iterable<ThreadGroup>, owner: LockOwner): LockOwner | null {
  for (const g of groups) {
    for (const task of g.tasks) {
      const data = task.parked?.data as LockWait | undefined;
      if (data?.kind === 'posix-lock' && data.owner === owner) return data.blocker;
    }
  }
  return null;
}

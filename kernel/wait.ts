/** Waiting: queues, and the plain-data record of what a parked task waits for. */
import type { Task } from './task/task.ts';

/** Something that sits on a wait queue: a parked task, or an epoll item. */
export interface Waiter {
  /**
   * Called when what the queue stands for changed. `events` is a POLL* mask, 0 for "anything". An exclusive waiter
   * that answers false has no use for the event: the next exclusive one is tried.
   */
  wake(queue: WaitQueue, events: number): boolean | void;
  /** Linux's WQ_FLAG_EXCLUSIVE: only one exclusive waiter is woken for each event. */
  readonly exclusive?: boolean;
}

/** An ordered set of waiters. Owned by the object waited on (a file, a futex key, a process). */
export class WaitQueue {
  private waiters: Waiter[] = [];
  /** `what` names it for people ("pipe:[12]", "child exit"). */
  readonly what: string;

  constructor(what: string) {
    this.what = what;
  }

  add(w: Waiter): void {
    this.waiters.push(w);
  }

  remove(w: Waiter): void {
    const i = this.waiters.indexOf(w);
    if (i >= 0) this.waiters.splice(i, 1);
  }

  get empty(): boolean {
    return this.waiters.length === 0;
  }

  /** Waiters in arrival order, for the hang explainer. */
  list(): readonly Waiter[] {
    return this.waiters;
  }

  /** Wakes every ordinary waiter and the first exclusive one. A waiter removes itself if it is done. */
  wake(events = 0): void {
    if (this.waiters.length === 0) return;
    let exclusiveDone = false;
    for (const w of this.waiters.slice()) {
      if (w.exclusive && exclusiveDone) continue;
      if (w.wake(this, events) !== false && w.exclusive) exclusiveDone = true;
    }
  }
}

/**
 * What a handler returns instead of a result when the caller must wait. Plain data: it can be printed and saved.
 * The scheduler puts the task on every queue in `on`; when one wakes it, the deadline passes or a signal arrives,
 * the same handler runs again with `task.parked` set to this record and `task.woken` to the reason. A handler that
 * is done returns its result; one that must wait on returns a Park again (keeping its deadline).
 */
export interface Park {
  readonly park: true;
  readonly on: readonly WaitQueue[];
  /** Monotonic nanoseconds (Clock.monotonic) after which the task is woken with reason 'timeout'; Infinity: never. */
  readonly deadline: number;
  /** A positive restart code or EINTR: what a signal turns this call into (ERESTARTSYS, ERESTARTNOHAND, EINTR…). */
  readonly interrupted: number;
  /** Whatever the handler wants back on its next run: plain data. */
  readonly data?: unknown;
  /** True: a signal does not end the wait (uninterruptible: vfork's parent). */
  readonly uninterruptible?: boolean;
  /** True: a busy wait. The task stays runnable and its handler runs again at its next turn, `deadline` or not. */
  readonly polls?: boolean;
  /** True: the task is an exclusive waiter on the queues (accept, epoll_wait): one of them is woken for each event. */
  readonly exclusive?: boolean;
}

export type WakeReason = 'event' | 'timeout' | 'signal';

/** What a syscall handler returns: a result, -errno, or a Park. */
export type SysResult = number | Park;

/** Result of calls that replace the registers themselves (rt_sigreturn, execve): rax is left as the handler set it. */
export const KEEP_REGS = Number.MIN_SAFE_INTEGER;

export function park(p: {
  on: WaitQueue | readonly WaitQueue[];
  deadline?: number;
  interrupted: number;
  data?: unknown;
  uninterruptible?: boolean;
  exclusive?: boolean;
}): Park {
  // Made at each wait: literals and assignments, for a spread costs ten times as much.
  const made: { -readonly [K in keyof Park]: Park[K] } = {
    park: true,
    on: p.on instanceof WaitQueue ? [p.on] : p.on,
    deadline: p.deadline ?? Infinity,
    interrupted: p.interrupted,
    data: p.data,
  };
  if (p.uninterruptible) made.uninterruptible = true;
  if (p.exclusive) made.exclusive = true;
  return made;
}

/** A parked task's place on a queue. */
export class TaskWaiter implements Waiter {
  readonly task: Task;
  readonly exclusive: boolean;
  constructor(task: Task, exclusive = false) {
    this.task = task;
    this.exclusive = exclusive;
  }
  wake(): void {
    this.task.kernel.scheduler.wake(this.task, 'event');
  }
}

/** Every task and process by number, and the numbers themselves. */
import type { Task } from './task.ts';
import type { ThreadGroup } from './thread-group.ts';

/** /proc/sys/kernel/pid_max of a 64-bit Linux with few cpus. */
export const PID_MAX = 32768;
/** After the first wrap, low numbers are left alone. */
const RESERVED_PIDS = 300;

export class ProcessTable {
  /** Live tasks (and zombie leaders) by thread id, in order of creation. */
  readonly tasks = new Map<number, Task>();
  /** Processes by pid, zombies included. */
  readonly groups = new Map<number, ThreadGroup>();
  /** The process the machine was started for. */
  first: ThreadGroup | null = null;
  /** forks since boot (/proc/stat). */
  created = 0;
  /**
   * Pid 1: the kernel's own init, the parent of the first process and of orphans. It is in no listing, never runs, is
   * deaf to signals, and takes the exit of its children at once. Its task is made when somebody asks for it.
   */
  readonly init: ThreadGroup;
  private readonly initTask: () => Task;
  private next: number;
  /** A process takes two numbers: the first thread answers to the second one too. */
  mainTid = false;

  constructor(firstPid: number, init: ThreadGroup, initTask: () => Task) {
    this.next = firstPid;
    this.init = init;
    this.initTask = initTask;
  }

  /** A number no task, process group or session uses; numbers are used in turn, not again at once. −1: none left. */
  allocate(): number {
    for (let tries = 0; tries < PID_MAX; tries++) {
      const n = this.next;
      this.next = n + 1 >= PID_MAX ? RESERVED_PIDS : n + 1;
      if (!this.inUse(n)) return n;
    }
    return -1;
  }

  /** The number of a new process. */
  allocateProcess(): number {
    const pid = this.allocate();
    if (this.mainTid && pid >= 0) this.allocate();
    return pid;
  }

  /** Whether nothing uses a number. */
  free(n: number): boolean {
    return n !== this.init.pid && !this.inUse(n);
  }

  task(tid: number): Task | undefined {
    return (
      this.tasks.get(tid) ??
      (this.mainTid ? this.groups.get(tid - 1)?.leader : undefined) ??
      (tid === 1 ? this.initTask() : undefined)
    );
  }

  group(pid: number): ThreadGroup | undefined {
    return this.groups.get(pid) ?? (pid === 1 ? this.initTask().group : undefined);
  }

  /** Processes of a process group, in order of creation. */
  pgrp(pgrp: number): ThreadGroup[] {
    return [...this.groups.values()].filter((g) => g.pgrp === pgrp);
  }

  session(sid: number): ThreadGroup[] {
    return [...this.groups.values()].filter((g) => g.session === sid);
  }

  /** Takes a dead process out of the tables: its number is free. */
  forget(g: ThreadGroup): void {
    this.groups.delete(g.pid);
    this.tasks.delete(g.pid);
    g.parent?.children.delete(g);
  }

  private inUse(n: number): boolean {
    if (this.tasks.has(n) || this.groups.has(n)) return true;
    for (const g of this.groups.values()) if (g.pgrp === n || g.session === n) return true;
    return false;
  }
}

/** Who a task is: pids, users and groups (credentials(7)). */
import type { Task } from './task.ts';

export function getpid(t: Task): number {
  return t.group.pid;
}

export function gettid(t: Task): number {
  return t.tid;
}

/** Says who waits for what, when nothing can run. */
import { FutexWaiter } from '../../kernel/futex/futex.ts';
import type { Task } from '../../kernel/task/task.ts';
import { fromBinary } from './guest-files.ts';

/** "101 (sh) in wait4 for children of 101" */
export const describeTask = (t: Task): string => `${t.tid} (${fromBinary(t.comm)}) ${describeWait(t)}`;

/** "in wait4 for children of 101" */
export function describeWait(t: Task): string {
  if (t.parked === null || t.state === 'stopped') return t.state;
  const on = t.parked.on.map((q) => q.what).filter((w, i, all) => all.indexOf(w) === i);
  if (t.parked instanceof FutexWaiter) {
    const { futex } = t.parked.data;
    on.push(`the futex at 0x${futex.toString(16)}, which holds ${t.mm.i32(futex) ?? 'nothing readable'}`);
  }
  const shown = on.length > 4 ? [...on.slice(0, 4), `${on.length - 4} more`] : on;
  return `in ${t.row?.name ?? 'a system call'} for ${shown.length > 0 ? shown.join(', ') : t.parked.deadline < Infinity ? 'its time to pass' : 'a signal'}`;
}

/** It sleeps until a signal comes (pause, sigsuspend) or job control lets it go on: a host can always do that. */
export function waitsForSignal(t: Task): boolean {
  if (t.state === 'stopped') return true;
  return t.state === 'parked' && t.parked!.on.length === 0 && !(t.parked instanceof FutexWaiter);
}

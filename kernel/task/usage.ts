/** Cpu time and resource usage. One retired instruction is one nanosecond of user time; time in the kernel counts as none. */
import { PAGE_SIZE } from '../ports.ts';
import type { Task } from './task.ts';
import { Usage, type ThreadGroup } from './thread-group.ts';

/** RUSAGE_SELF. */
export function processUsage(g: ThreadGroup): Usage {
  const u = new Usage();
  u.add(g.deadUsage);
  u.maxRss = g.deadUsage.maxRss;
  for (const t of g.tasks) {
    u.add(t);
    if (t.state !== 'zombie' && t.state !== 'dead') u.maxRss = Math.max(u.maxRss, maxRssKib(t.mm));
  }
  return u;
}

/** RUSAGE_THREAD. */
export function taskUsage(t: Task): Usage {
  const u = new Usage();
  u.add(t);
  u.maxRss = maxRssKib(t.mm);
  return u;
}

/** A waited-for child's usage, with that of its own waited-for children, goes to the parent's RUSAGE_CHILDREN. */
export function accountChild(parent: ThreadGroup, child: ThreadGroup): void {
  for (const u of [child.deadUsage, child.childUsage]) {
    parent.childUsage.add(u);
    parent.childUsage.maxRss = Math.max(parent.childUsage.maxRss, u.maxRss);
  }
}

/** struct rusage, the same on both architectures. */
export function rusageBytes(u: Usage): Uint8Array {
  const out = new Uint8Array(144);
  const v = new DataView(out.buffer);
  const put = (at: number, n: number): void => v.setBigInt64(at, BigInt(Math.floor(n)), true);
  put(0, u.retired / 1e9);
  put(8, (u.retired % 1e9) / 1000);
  put(32, u.maxRss);
  put(64, u.minorFaults);
  put(128, u.voluntarySwitches);
  put(136, u.involuntarySwitches);
  return out;
}

/** Largest resident set in KiB; the address space counts pages. */
export function maxRssKib(mm: { readonly maxRss: number }): number {
  return (mm.maxRss * PAGE_SIZE) / 1024;
}

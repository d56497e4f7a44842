/** Timeouts of the polling calls: relative times in, absolute monotonic nanoseconds inside, what is left out. */
import { EFAULT, EINVAL } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';

export type TimeFormat = 'timespec' | 'timeval';

/** Seconds after which a deadline is as good as never (2^53 ns is 104 days: enough for KTIME_MAX's purpose). */
const FOREVER = 9_000_000;
/** personality(2): select(2) and the like leave the caller's timeout as it was. */
const STICKY_TIMEOUTS = 0x4000000;

/** Absolute deadline of `ms` from now; negative is never (poll, epoll_wait). */
export function deadlineMs(t: Task, ms: number): number {
  if (ms < 0) return Infinity;
  return t.kernel.clock.monotonic() + ms * 1e6;
}

/**
 * Reads a struct timespec or timeval (two signed 64-bit words) and turns it into an absolute deadline. Returns -errno
 * (as a negative number: deadlines never are) on a fault or a value out of range; a null pointer is never.
 */
export function deadlineFrom(t: Task, address: number, format: TimeFormat): number {
  if (address === 0) return Infinity;
  const v = t.mm.viewIn(address, 16);
  if (!v) return -EFAULT;
  let sec = Number(v.getBigInt64(0, true));
  let nsec = Number(v.getBigInt64(8, true));
  if (format === 'timeval') {
    sec += Math.trunc(nsec / 1e6);
    nsec = (nsec % 1e6) * 1000;
  }
  if (sec < 0 || nsec < 0 || nsec >= 1e9) return -EINVAL;
  if (sec > FOREVER) return Infinity;
  return t.kernel.clock.monotonic() + sec * 1e9 + nsec;
}

/** Writes the time left until `deadline`, never below zero; 0 or -EFAULT. */
export function writeLeft(t: Task, address: number, deadline: number, format: TimeFormat): number {
  if (address === 0 || deadline === Infinity || t.attrs.personality & STICKY_TIMEOUTS) return 0;
  const left = Math.max(0, deadline - t.kernel.clock.monotonic());
  const sec = Math.floor(left / 1e9);
  const nsec = Math.floor(left - sec * 1e9);
  const out = new DataView(new ArrayBuffer(16));
  out.setBigInt64(0, BigInt(sec), true);
  out.setBigInt64(8, BigInt(format === 'timeval' ? Math.floor(nsec / 1000) : nsec), true);
  return t.mm.copyOut(address, new Uint8Array(out.buffer));
}

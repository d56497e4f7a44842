/** struct timespec and timeval in guest memory, both of two 64-bit words; inside, times are nanoseconds. */
import { EFAULT, EINVAL } from '../abi/errno.ts';
import type { UserMemory } from '../mm/user-memory.ts';

export const SECOND = 1_000_000_000;
/** Longest time told apart from "never": later than any machine lives, and exact as a number. */
export const MAX_NS = Number.MAX_SAFE_INTEGER;

/** A relative or monotonic time in nanoseconds (at most MAX_NS), -EFAULT, or -EINVAL if it is no proper time. */
export function readTimespec(m: UserMemory, address: number): number {
  const v = m.viewIn(address, 16);
  if (v === null) return -EFAULT;
  const sec = Number(v.getBigInt64(0, true));
  const nsec = Number(v.getBigInt64(8, true));
  if (sec < 0 || nsec < 0 || nsec >= SECOND) return -EINVAL;
  return Math.min(sec * SECOND + nsec, MAX_NS);
}

/** The same exactly: dates of CLOCK_REALTIME do not fit in 2^53 ns. */
export function readTimespecExact(m: UserMemory, address: number): bigint | number {
  const v = m.viewIn(address, 16);
  if (v === null) return -EFAULT;
  const sec = v.getBigInt64(0, true);
  const nsec = v.getBigInt64(8, true);
  if (sec < 0n || nsec < 0n || nsec >= 1_000_000_000n) return -EINVAL;
  return sec * 1_000_000_000n + nsec;
}

/** timeval in nanoseconds; negative or overfull microseconds are -EINVAL. */
export function readTimeval(m: UserMemory, address: number): number {
  const v = m.viewIn(address, 16);
  if (v === null) return -EFAULT;
  const sec = Number(v.getBigInt64(0, true));
  const usec = Number(v.getBigInt64(8, true));
  if (sec < 0 || usec < 0 || usec >= 1_000_000) return -EINVAL;
  return Math.min(sec * SECOND + usec * 1000, MAX_NS);
}

function write(m: UserMemory, address: number, sec: bigint, sub: bigint): number {
  const out = new DataView(new ArrayBuffer(16));
  out.setBigInt64(0, sec, true);
  out.setBigInt64(8, sub, true);
  return m.copyOut(address, new Uint8Array(out.buffer));
}

/** 0 or -EFAULT. */
export function writeTimespec(m: UserMemory, address: number, ns: bigint | number): number {
  const n = typeof ns === 'bigint' ? ns : BigInt(Math.floor(ns));
  return write(m, address, n / 1_000_000_000n, n % 1_000_000_000n);
}

export function writeTimeval(m: UserMemory, address: number, ns: bigint | number): number {
  const n = typeof ns === 'bigint' ? ns : BigInt(Math.floor(ns));
  return write(m, address, n / 1_000_000_000n, (n % 1_000_000_000n) / 1000n);
}

/** Resource limits (getrlimit(2)). Infinity stands for RLIM64_INFINITY. */
import type { Limits } from '../ports.ts';
import type { Rlimit } from './thread-group.ts';

export const RLIMIT_CPU = 0;
export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_RSS = 5;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;
export const RLIMIT_AS = 9;
export const RLIMIT_LOCKS = 10;
export const RLIMIT_SIGPENDING = 11;
export const RLIMIT_MSGQUEUE = 12;
export const RLIMIT_NICE = 13;
export const RLIMIT_RTPRIO = 14;
export const RLIMIT_RTTIME = 15;
export const RLIM_NLIMITS = 16;

/** What a login on Debian shows, within the machine's own limits (its fds are a hard limit, as fs.nr_open is). */
export function defaultRlimits(limits: Limits): Rlimit[] {
  const all = Array.from({ length: RLIM_NLIMITS }, (): Rlimit => ({ cur: Infinity, max: Infinity }));
  const set = (i: number, cur: number, max = cur): void => {
    all[i] = { cur, max };
  };
  set(RLIMIT_STACK, 8 << 20, Infinity);
  set(RLIMIT_CORE, 0, Infinity);
  set(RLIMIT_NPROC, limits.maxTasks);
  set(RLIMIT_NOFILE, Math.min(1024, limits.maxFds), limits.maxFds);
  set(RLIMIT_MEMLOCK, 8 << 20);
  set(RLIMIT_SIGPENDING, 15000);
  set(RLIMIT_MSGQUEUE, 819200);
  set(RLIMIT_NICE, 0);
  set(RLIMIT_RTPRIO, 0);
  return all;
}

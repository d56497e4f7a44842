/** futex(2) in StarryOS. */
import { EAGAIN, EINTR, EINVAL, ENOSYS } from '../../abi/errno.ts';
import {
  FUTEX_CLOCK_REALTIME, FUTEX_PRIVATE_FLAG, FUTEX_REQUEUE, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE, FUTEX_WAKE_BITSET,
  futexKey,
} from '../../futex/syscalls.ts'; // prettier-ignore
import { FUTEX_BITSET_MATCH_ANY, FutexWaiter } from '../../futex/futex.ts';
import type { Args } from '../../syscall/args.ts';
import type { Task } from '../../task/task.ts';
import type { SysResult } from '../../wait.ts';
import { panic } from '../panic.ts';
import type { Quirk, Wrap } from '../quirk.ts';
import { argument, before, waiting, withArg } from '../wrap.ts';

const SYSCALL = 'linux_syscall_api src/syscall_task/imp/futex.rs';
const QUEUES = 'Starry modules/axprocess/futex.rs';

const cmdOf = (a: Args): number => a.i32(1) & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
const isWait = (cmd: number): boolean => cmd === FUTEX_WAIT || cmd === FUTEX_WAIT_BITSET;
const isPrivate = (a: Args): boolean => (a.i32(1) & FUTEX_PRIVATE_FLAG) !== 0;

/**
 * The loop of futex_wait: queue, yield, look. Who was taken off the queue is woken; else the deadline counts, then a
 * signal, then the word, whose change alone is EAGAIN.
 */
const polling: Wrap = (linux) => (t, a) => {
  const w = t.parked;
  if (w instanceof FutexWaiter && w.polls && !w.woken && t.woken === 'event') {
    if (w.deadline < t.kernel.clock.monotonic()) t.woken = 'timeout';
    else if (t.sigPending) t.woken = 'signal';
    else if (t.mm.u32(w.data.futex) === a.u32(2)) return w;
    else {
      t.kernel.futexes.dequeue(w);
      return -EAGAIN;
    }
  }
  const r = linux(t, a);
  if (r instanceof FutexWaiter && isWait(cmdOf(a)) && t.parked === null) {
    r.polls = true;
    r.interrupted = EINTR;
  }
  return r;
};

/** jhash2 of (pid, page, offset) begun with the offset, as the kernel's queues are chosen by. */
function bucket(pid: number, address: number): number {
  const rot = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
  const offset = address % 4096;
  const init = (0xdeadbeef + 3 + offset) | 0;
  let a = (init + pid) | 0;
  let b = (init + (address - offset)) | 0;
  let c = (init + offset) | 0;
  c = ((c ^ b) - rot(b, 14)) | 0;
  a = ((a ^ c) - rot(c, 11)) | 0;
  b = ((b ^ a) - rot(a, 25)) | 0;
  c = ((c ^ b) - rot(b, 16)) | 0;
  a = ((a ^ c) - rot(c, 4)) | 0;
  b = ((b ^ a) - rot(a, 14)) | 0;
  c = ((c ^ b) - rot(b, 24)) | 0;
  return c & 255;
}

/** Plain waiters whose key falls in the bucket, in order of their tasks. */
function waitersInBucket(t: Task, wanted: number): { w: FutexWaiter; pid: number }[] {
  const out: { w: FutexWaiter; pid: number }[] = [];
  for (const other of t.kernel.processes.tasks.values()) {
    const w = other.parked;
    if (!(w instanceof FutexWaiter) || w.space === null || w.pi !== null || w.requeueTo !== null) continue;
    const pid = isPrivate(other.args) ? other.group.pid : 0;
    if (bucket(pid, w.data.futex) === wanted) out.push({ w, pid });
  }
  return out;
}

/**
 * futex_requeue: entries are popped off the bucket until enough of the right key were woken; those of other keys popped on
 * the way are not put back. Up to `val2` of the rest go to another bucket under their old key. Whoever does not
 * find itself where it queued believes it was woken, so all of these return 0.
 */
function requeue(t: Task, a: Args): number {
  const pid = isPrivate(a) ? t.group.pid : 0;
  const [from, to, wake, move] = [a.ptr(0), a.ptr(4), a.u32(2), a.u32(3)];
  const { futexes } = t.kernel;
  if (from === to) {
    const key = futexKey(t, from, !isPrivate(a));
    return typeof key === 'number' ? key : futexes.wake(key.space, key.at, wake, FUTEX_BITSET_MATCH_ANY);
  }
  let woken = 0;
  let moved = 0;
  for (const { w, pid: owner } of waitersInBucket(t, bucket(pid, from))) {
    if (woken !== wake || woken === 0) {
      if (owner === pid && w.data.futex === from) woken++;
    } else if (moved === move && moved > 0) break;
    else moved++;
    futexes.release(w);
  }
  return woken;
}

/** FUTEX_WAKE looks at no bitset: it wakes waiters with bitset 0 too. */
function wakeAny(t: Task, a: Args): number {
  const key = futexKey(t, a.ptr(0), !isPrivate(a));
  if (typeof key === 'number') return key;
  let n = 0;
  for (const w of t.kernel.futexes.waiters(key.space, key.at)) {
    if (n >= a.u32(2)) break;
    t.kernel.futexes.release(w);
    n++;
  }
  return n;
}

const zeroBitset: Wrap = (linux) => (t, a) => {
  const cmd = cmdOf(a);
  if (t.parked === null && cmd === FUTEX_WAKE) return wakeAny(t, a);
  if (t.parked !== null || cmd !== FUTEX_WAIT_BITSET || a.u32(5) !== 0) return linux(t, a);
  const r = withArg(linux, t, a, 5, FUTEX_BITSET_MATCH_ANY);
  if (r instanceof FutexWaiter) r.bitset = 0;
  return r;
};

const nullTimeout = (t: Task, a: Args): number | undefined => {
  if (!isWait(cmdOf(a)) || a.ptr(3) === 0) return undefined;
  return t.mm.u64(a.ptr(3)) === 0n && t.mm.u64(a.ptr(3) + 8) === 0n ? 0 : undefined;
};

/** Only these were known before 2024-07-07. */
const OLD_OPS = [FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE];
const KNOWN_OPS = [...OLD_OPS, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET];

const compared = (t: Task, a: Args): SysResult | undefined => {
  if (cmdOf(a) !== FUTEX_WAIT_BITSET) return undefined;
  const value = t.mm.u32(a.ptr(0));
  const bitset = a.u32(5);
  return value === a.u32(2) && (value & bitset) >>> 0 === bitset ? 0 : undefined;
};

export const futexQuirks: readonly Quirk[] = [
  {
    name: 'futex-polls',
    group: 'futex',
    symptom:
      'a waiter stays runnable and looks again each turn; a changed word alone ends its wait with EAGAIN; EINTR always',
    linux: 'it sleeps until FUTEX_WAKE, its deadline or a signal',
    source: `${QUEUES} futex_wait`,
    calls: { futex: polling },
  },
  {
    name: 'futex-timeout-zero',
    group: 'futex',
    symptom: 'a timeout of {0, 0} is none: the wait has no end',
    linux: 'ETIMEDOUT at once',
    source: `${SYSCALL} (timeout 0 stands for "no timeout")`,
    calls: { futex: argument(3, nullTimeout) },
  },
  {
    name: 'futex-requeue-loses',
    group: 'futex',
    symptom:
      'FUTEX_REQUEUE returns only the woken; the moved, and waiters of other futexes in the same hash bucket, wake too',
    linux: 'woken and moved are counted; nobody else is touched',
    source: `${QUEUES} futex_requeue`,
    calls: { futex: before((t, a) => (cmdOf(a) === FUTEX_REQUEUE ? requeue(t, a) : undefined)) },
  },
  {
    name: 'futex-bitset-zero',
    group: 'futex',
    symptom: 'FUTEX_WAIT_BITSET takes a bitset of 0',
    linux: 'EINVAL',
    source: QUEUES,
    calls: { futex: zeroBitset },
  },
  {
    name: 'futex-unaligned',
    group: 'futex',
    symptom: 'a futex may lie at any address',
    linux: 'EINVAL unless it is aligned to 4',
    source: QUEUES,
    behaviour: { futexAlignment: false },
  },
  {
    name: 'futex-ops-missing',
    group: 'futex',
    symptom: 'FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP and all PI operations: ENOSYS',
    linux: 'they work',
    source: SYSCALL,
    since: '2024-07-15',
    calls: { futex: before((_t, a) => (KNOWN_OPS.includes(cmdOf(a)) ? undefined : -ENOSYS)) },
  },
  {
    name: 'futex-one-space',
    group: 'futex',
    symptom:
      'futexes go by their bare address: a FUTEX_WAKE reaches another process that waits at the same address',
    linux: 'private futexes go by process, shared ones by what is mapped',
    source: 'linux_syscall_api before 650eca8',
    until: '2024-05-09',
    behaviour: { futexByAddress: true },
  },
  {
    name: 'futex-bitset-relative',
    group: 'futex',
    symptom: "FUTEX_WAIT_BITSET's absolute deadline is taken as relative: the wait lasts decades",
    linux: 'absolute',
    source: 'linux_syscall_api before 6963c04; futex_wait_bitset of the ZLM report',
    since: '2024-07-07',
    until: '2024-07-15',
    calls: {
      futex: waiting((t, a, p) => {
        if (t.parked !== null || !(p instanceof FutexWaiter) || cmdOf(a) !== FUTEX_WAIT_BITSET) return p;
        if (a.ptr(3) === 0) return p;
        const [sec, ns] = [t.mm.u64(a.ptr(3)), t.mm.u64(a.ptr(3) + 8)];
        p.deadline = t.kernel.clock.monotonic() + Number(sec) * 1e9 + Number(ns);
        return p;
      }),
    },
  },
  {
    name: 'futex-bitset-compared',
    group: 'futex',
    symptom: 'FUTEX_WAIT_BITSET returns 0 at once when the futex word has all bits of the bitset',
    linux: 'the bitset chooses wakers; it is not compared with the word',
    source: 'futex_wait_bitset of the ZLM report; linux_syscall_api aa8846f',
    since: '2024-07-12',
    until: '2024-07-15',
    calls: { futex: before(compared) },
  },
  {
    name: 'futex-wait-bitset-einval',
    group: 'futex',
    symptom:
      'FUTEX_WAIT_BITSET (op 393 with PRIVATE and CLOCK_REALTIME): EINVAL; glibc and ZLMediaKit ask again for ever',
    linux: 'waits',
    source:
      'the log of MediaServer -d: "id = 202, args = [31251224, 393, 0, 0, 0, 4294967295], return -22"; linux_syscall_api before 7090a9d',
    until: '2024-07-07',
    calls: { futex: before((_t, a) => (OLD_OPS.includes(cmdOf(a)) ? undefined : -EINVAL)) },
  },
  {
    name: 'futex-clock-realtime-panic',
    group: 'futex',
    symptom: 'FUTEX_CLOCK_REALTIME in an operation panics',
    linux: 'the deadline counts on CLOCK_REALTIME',
    source:
      'linux_syscall_api 7090a9d (from_bits(op).unwrap()), then 6963c04 ("FUTEX_CLOCK_REALTIME is not supported")',
    since: '2024-07-07',
    until: '2024-10-16',
    calls: {
      futex: before((t, a) =>
        a.i32(1) & FUTEX_CLOCK_REALTIME
          ? panic(
              t,
              'linux_syscall_api/src/syscall_task/imp/futex.rs',
              'FUTEX_CLOCK_REALTIME is not supported',
            )
          : undefined,
      ),
    },
  },
  {
    name: 'futex-private-enosys',
    group: 'futex',
    symptom: 'FUTEX_PRIVATE_FLAG is not masked away: every private operation is ENOSYS',
    linux: 'they work',
    source: 'Starry (monorepo) since d130bec, futex.rs',
    since: '2024-12-02',
    calls: { futex: before((_t, a) => (isPrivate(a) ? -ENOSYS : undefined)) },
  },
  {
    name: 'robust-list-ignored',
    group: 'futex',
    symptom: 'robust lists are kept and never walked: a mutex whose owner died stays locked',
    linux: 'FUTEX_OWNER_DIED, and a waiter is woken',
    source: SYSCALL,
    behaviour: { robustLists: false },
  },
];

/** Scheduling and time in StarryOS. */
import { EFAULT, EINVAL, ESRCH } from '../../abi/errno.ts';
import type { Args } from '../../syscall/args.ts';
import type { Task } from '../../task/task.ts';
import { writeTimespec } from '../../time/timespec.ts';
import type { Quirk } from '../quirk.ts';
import { answers, before, each, instead, waiting } from '../wrap.ts';
import { zeroSeeded } from './small-rng.ts';

const UTIL = 'linux_syscall_api src/syscall_task/imp/utils.rs';
const SCHEDULE = 'linux_syscall_api src/syscall_task/imp/schedule.rs';
const CLOCK_MONOTONIC = 1;
/** Ticks of the kernel's timer: 100 Hz. */
const TICK_NS = 10_000_000;

const byName = (t: Task, pid: number): Task | undefined =>
  pid === 0 ? t : (t.kernel.processes.task(pid) ?? t.kernel.processes.group(pid)?.leader);

/** The mask is cleared where it would be filled, and the result is the number of cpus, not of bytes. */
function emptyAffinity(t: Task, a: Args): number {
  if (byName(t, a.i32(0)) === undefined) return -ESRCH;
  const { cpus } = t.kernel.options;
  const mask = t.mm.u64(a.ptr(2));
  if (mask === null) return -EFAULT;
  const bits = BigInt(Math.min(cpus, a.size(1) * 4));
  return t.mm.putU64(a.ptr(2), mask & ~((1n << bits) - 1n) & ((1n << bits) - 1n)) < 0 ? -EFAULT : cpus;
}

/** Any permission will do; the values are checked and kept. */
function setScheduler(t: Task, a: Args): number {
  const [pid, policy, param] = [a.i64(0), a.i32(1), a.ptr(2)];
  if (pid < 0 || param === 0) return -EINVAL;
  const target = byName(t, pid);
  if (target === undefined) return -ESRCH;
  const priority = t.mm.i32(param);
  if (priority === null) return -EFAULT;
  if (![0, 1, 2, 3, 5, 6].includes(policy)) return -EINVAL;
  if ([0, 3, 5].includes(policy) ? priority !== 0 : priority < 1 || priority > 99) return -EINVAL;
  target.attrs.policy = policy;
  target.attrs.priority = priority;
  return 0;
}

const uts = {
  sysname: 'Starry',
  nodename: 'Starry - machine[0]',
  release: '10.0.0',
  version: '10.0.0',
  machine: 'RISC-V 64 on SIFIVE FU740',
  domainname: 'https://github.com/Azure-stars/arceos',
};

function uname(t: Task, a: Args): number {
  const out = new Uint8Array(6 * 65);
  Object.values(uts).forEach((s, field) => {
    for (let i = 0; i < s.length; i++) out[field * 65 + i] = s.charCodeAt(i);
  });
  return t.mm.copyOut(a.ptr(0), out);
}

function getrandom(t: Task, a: Args): number {
  const length = Math.min(a.size(1), 0x7ffff000);
  if (length === 0) return 0;
  const buf = t.mm.iov(a.ptr(0), length, true);
  if (typeof buf === 'number') return buf;
  const bytes = zeroSeeded(buf.length);
  let at = 0;
  for (const chunk of buf.chunks) {
    chunk.set(bytes.subarray(at, at + chunk.length));
    at += chunk.length;
  }
  return buf.length;
}

export const schedulingQuirks: readonly Quirk[] = [
  {
    name: 'no-preemption',
    group: 'scheduling',
    symptom:
      'a task runs until it waits or yields; one that loops over calls that do not wait starves all others',
    linux: 'every task gets its share',
    source:
      'Starry modules/axtask/api.rs (FIFO unless built with sched_rr or sched_cfs); the log of MediaServer -d',
    behaviour: { preemptive: false },
  },
  {
    name: 'getaffinity-empty',
    group: 'scheduling',
    symptom: 'sched_getaffinity clears the mask and returns the number of cpus',
    linux: 'the mask of allowed cpus, and its size in bytes',
    source: SCHEDULE,
    calls: { sched_getaffinity: instead(emptyAffinity) },
  },
  {
    name: 'setaffinity-ignored',
    group: 'scheduling',
    symptom: 'sched_setaffinity returns 0 whatever it is given, and nothing changes',
    linux: 'the mask is checked and honoured',
    source: 'linux_syscall_api src/syscall_task/mod.rs',
    calls: { sched_setaffinity: answers(0) },
  },
  {
    name: 'setscheduler-unprivileged',
    group: 'scheduling',
    symptom: 'anybody may set SCHED_FIFO 99; the priority is kept and never looked at',
    linux: 'EPERM without CAP_SYS_NICE or RLIMIT_RTPRIO',
    source: SCHEDULE,
    calls: { sched_setscheduler: instead(setScheduler) },
  },
  {
    name: 'sleep-100hz',
    group: 'time',
    symptom: 'sleeps end at the next tick of a 100 Hz clock',
    linux: 'within microseconds',
    source: 'Starry modules/axtask/timers.rs',
    calls: each(
      ['nanosleep', 'clock_nanosleep'],
      waiting((t, _a, p) =>
        t.parked === null ? { ...p, deadline: Math.ceil(p.deadline / TICK_NS) * TICK_NS } : p,
      ),
    ),
  },
  {
    name: 'clock-from-1970',
    group: 'time',
    symptom: 'every clock is the time since boot: it is the beginning of 1970, and any clock id is taken',
    linux: 'each clock its own; EINVAL for an id that is none',
    source: `${UTIL}; the log of MediaServer: "1970-01-01 00:00:14.663"`,
    behaviour: { dates: false },
    calls: {
      clock_gettime: instead((t, a) => writeTimespec(t.mm, a.ptr(1), t.kernel.clock.monotonic())),
    },
  },
  {
    name: 'clock-getres-monotonic',
    group: 'time',
    symptom: 'clock_getres knows CLOCK_MONOTONIC only, and a NULL result is EFAULT',
    linux: 'all clocks; NULL is allowed',
    source: UTIL,
    calls: {
      clock_getres: before((t, a) => {
        if (a.size(0) !== CLOCK_MONOTONIC) return -EINVAL;
        return t.mm.putU64(a.ptr(1), 0) < 0 ? -EFAULT : undefined;
      }),
    },
  },
  {
    name: 'getrandom-constant',
    group: 'time',
    symptom: 'getrandom gives the same bytes at every call: its generator is seeded with zeros each time',
    linux: 'random bytes',
    source: `${UTIL} (SmallRng::from_seed([0; 32]))`,
    calls: { getrandom: instead(getrandom) },
  },
  {
    name: 'uname-starry',
    group: 'tasks',
    symptom: `uname says ${uts.sysname} ${uts.release} on a "${uts.machine}", on every processor`,
    linux: 'Linux, its release, x86_64 or aarch64',
    source: 'linux_syscall_api src/ctypes.rs',
    calls: { uname: instead(uname) },
  },
];

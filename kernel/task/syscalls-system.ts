/** The machine as a whole: uname, sysinfo, host names, random bytes, membarrier, and what nobody may do here. */
import { EACCES, EBADF, EFAULT, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import { PAGE_SIZE } from '../ports.ts';
import type { Args } from '../syscall/args.ts';
import { CAP_SYSLOG, CAP_SYS_ADMIN, CAP_SYS_TTY_CONFIG, hasCapability } from './creds.ts';
import { mayAccess } from './pidfd.ts';
import type { Task } from './task.ts';

const UTS_LENGTH = 65;
const HOST_NAME_MAX = 64;
const PER_LINUX32 = 8;
const UNAME26 = 0x20000;

/** uname(2). */
export function uname(t: Task, a: Args): number {
  const { uts } = t.kernel;
  const persona = t.attrs.personality;
  const { arch } = t.regs;
  const machine = arch === 'x86_64' && (persona & 0xff) === PER_LINUX32 ? 'i686' : arch;
  // UNAME26: 6.1 shows as 2.6.(60 + minor), Documentation of setarch(8).
  const release = (persona & UNAME26) !== 0 ? uts.release.replace(/^\d+\.(\d+)\.\d+/, (_, m) => `2.6.${60 + Number(m)}`) : uts.release; // prettier-ignore
  const out = new Uint8Array(6 * UTS_LENGTH);
  [uts.sysname, uts.nodename, release, uts.version, machine, uts.domainname].forEach((s, field) => {
    for (let i = 0; i < s.length && i < UTS_LENGTH - 1; i++) out[field * UTS_LENGTH + i] = s.charCodeAt(i);
  });
  return t.mm.copyOut(a.ptr(0), out);
}

function newName(t: Task, a: Args): string | number {
  if (!hasCapability(t, CAP_SYS_ADMIN)) return -EPERM;
  const length = a.i32(1);
  if (length < 0 || length > HOST_NAME_MAX) return -EINVAL;
  const bytes = t.mm.copyIn(a.ptr(0), length);
  return bytes === null ? -EFAULT : String.fromCharCode(...bytes);
}

/** sethostname(2). */
export function sethostname(t: Task, a: Args): number {
  const name = newName(t, a);
  if (typeof name === 'number') return name;
  t.kernel.uts.nodename = name;
  return 0;
}

/** setdomainname(2). */
export function setdomainname(t: Task, a: Args): number {
  const name = newName(t, a);
  if (typeof name === 'number') return name;
  t.kernel.uts.domainname = name;
  return 0;
}

/** sysinfo(2). */
export function sysinfo(t: Task, a: Args): number {
  const k = t.kernel;
  const v = new DataView(new ArrayBuffer(112));
  v.setBigInt64(0, BigInt(Math.ceil(k.clock.monotonic() / 1e9)), true);
  // As /proc/loadavg: the runnable tasks of this moment, the caller aside.
  const load = Math.max(0, k.scheduler.runnable - 1) * 65536;
  for (const at of [8, 16, 24]) v.setBigUint64(at, BigInt(load), true);
  v.setBigUint64(32, BigInt(k.ram.total * PAGE_SIZE), true);
  v.setBigUint64(40, BigInt((k.ram.total - k.ram.used) * PAGE_SIZE), true);
  v.setUint16(80, Math.min(k.processes.tasks.size, 65535), true);
  v.setUint32(104, 1, true);
  return t.mm.copyOut(a.ptr(0), new Uint8Array(v.buffer));
}

/** getrandom(2). */
export function getrandom(t: Task, a: Args): number {
  const flags = a.u32(2);
  // GRND_NONBLOCK 1, GRND_RANDOM 2, GRND_INSECURE 4
  if ((flags & ~7) !== 0 || (flags & 6) === 6) return -EINVAL;
  const length = Math.min(a.size(1), 0x7ffff000);
  if (length === 0) return 0;
  const buf = t.mm.iov(a.ptr(0), length, true);
  if (typeof buf === 'number') return buf;
  for (const chunk of buf.chunks) t.kernel.entropy.fill(chunk);
  return buf.length;
}

const MEMBARRIER_GLOBAL = 1;
const MEMBARRIER_GLOBAL_EXPEDITED = 2;
const MEMBARRIER_REGISTER_GLOBAL_EXPEDITED = 4;
const MEMBARRIER_PRIVATE_EXPEDITED = 8;
const MEMBARRIER_REGISTER_PRIVATE_EXPEDITED = 16;
const MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE = 32;
const MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 64;
const MEMBARRIER_PRIVATE_EXPEDITED_RSEQ = 128;
const MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_RSEQ = 256;
const MEMBARRIER_ALL = 511;

/** membarrier(2): one task runs at a time, so every barrier has happened already; registration is still asked for. */
export function membarrier(t: Task, a: Args): number {
  const cmd = a.i32(0);
  const flags = a.u32(1);
  if (cmd === MEMBARRIER_PRIVATE_EXPEDITED_RSEQ ? (flags & ~1) !== 0 : flags !== 0) return -EINVAL;
  const g = t.group;
  switch (cmd) {
    case 0:
      return MEMBARRIER_ALL;
    case MEMBARRIER_GLOBAL:
    case MEMBARRIER_GLOBAL_EXPEDITED:
      return 0;
    case MEMBARRIER_REGISTER_GLOBAL_EXPEDITED:
    case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED:
    case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
    case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_RSEQ:
      g.membarrier |= cmd;
      return 0;
    case MEMBARRIER_PRIVATE_EXPEDITED:
    case MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE:
    case MEMBARRIER_PRIVATE_EXPEDITED_RSEQ:
      return (g.membarrier & (cmd << 1)) !== 0 ? 0 : -EPERM;
    default:
      return -EINVAL;
  }
}

/** kcmp(2). Different objects are ordered by who asks about which, which is an order as long as nothing changes. */
export function kcmp(t: Task, a: Args): number {
  const [x, y] = [t.kernel.processes.task(a.i32(0)), t.kernel.processes.task(a.i32(1))];
  if (x === undefined || y === undefined) return -ESRCH;
  if (!mayAccess(t, x.group) || !mayAccess(t, y.group)) return -EPERM;
  const order = (p: object, q: object, before: boolean): number => (p === q ? 0 : before ? 1 : 2);
  const [i, j] = [a.ptr(3), a.ptr(4)];
  switch (a.i32(2)) {
    case 0: {
      const [f, g] = [x.fds.get(i), y.fds.get(j)];
      if (f === undefined || g === undefined) return -EBADF;
      return order(f, g, x.tid !== y.tid ? x.tid < y.tid : i < j);
    }
    case 1:
      return order(x.mm, y.mm, x.mm.id < y.mm.id);
    case 2:
      return order(x.fds, y.fds, x.tid < y.tid);
    case 3:
      return order(x.fs, y.fs, x.tid < y.tid);
    case 4:
      return order(x.sighand, y.sighand, x.tid < y.tid);
    case 5:
    case 6:
      return 0; // nobody has an io context or semaphore undo list
    default:
      return -EINVAL;
  }
}

/** Size of the kernel log nobody writes to. */
const LOG_BUF_LEN = 262144;

/** syslog(2): the log is empty; unprivileged users may not see even that (dmesg_restrict). */
export function syslog(t: Task, a: Args): number {
  const type = a.i32(0);
  if (!hasCapability(t, CAP_SYSLOG)) return -EPERM;
  switch (type) {
    case 2:
    case 3:
    case 4:
      return a.ptr(1) === 0 || a.i32(2) < 0 ? -EINVAL : 0;
    case 8:
      return a.i32(2) < 1 || a.i32(2) > 8 ? -EINVAL : 0;
    case 10:
      return LOG_BUF_LEN;
    default:
      return type >= 0 && type <= 9 ? 0 : -EINVAL;
  }
}

/** vhangup(2): no console to hang up. */
export function vhangup(t: Task): number {
  return hasCapability(t, CAP_SYS_TTY_CONFIG) ? 0 : -EPERM;
}

const PTRACE_TRACEME = 0;
const PTRACE_ATTACH = 16;
const PTRACE_SEIZE = 0x4206;

/** ptrace(2): nobody becomes a tracer, so nobody has a tracee. */
export function ptrace(t: Task, a: Args): number {
  const request = a.i32(0);
  if (request === PTRACE_TRACEME) return -EPERM;
  if (t.kernel.processes.task(a.i32(1)) === undefined) return -ESRCH;
  return request === PTRACE_ATTACH || request === PTRACE_SEIZE ? -EPERM : -ESRCH;
}

/** Calls that need a capability no container has. */
export function notPermitted(): number {
  return -EPERM;
}

/** perf_event_open for a user who may not profile. */
export function accessDenied(): number {
  return -EACCES;
}

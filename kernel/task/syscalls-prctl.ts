/** prctl(2), arch_prctl(2), personality(2), set_tid_address(2). */
import { EFAULT, EINVAL, ENODEV, ENXIO, EPERM } from '../abi/errno.ts';
import { setAnonName } from '../mm/anon-name.ts';
import { REG } from '../ports.ts';
import { prctlSeccomp } from '../seccomp/seccomp.ts';
import type { Args } from '../syscall/args.ts';
import { ambient, boundingDrop, boundingRead } from './capabilities.ts';
import { CAP_SETPCAP, CAP_SYS_RESOURCE, hasCapability } from './creds.ts';
import type { Task } from './task.ts';

export const PR_SET_PDEATHSIG = 1;
export const PR_GET_PDEATHSIG = 2;
export const PR_GET_DUMPABLE = 3;
export const PR_SET_DUMPABLE = 4;
export const PR_GET_KEEPCAPS = 7;
export const PR_SET_KEEPCAPS = 8;
export const PR_GET_TIMING = 13;
export const PR_SET_TIMING = 14;
export const PR_SET_NAME = 15;
export const PR_GET_NAME = 16;
export const PR_GET_SECCOMP = 21;
export const PR_SET_SECCOMP = 22;
export const PR_CAPBSET_READ = 23;
export const PR_CAPBSET_DROP = 24;
export const PR_GET_TSC = 25;
export const PR_SET_TSC = 26;
export const PR_GET_SECUREBITS = 27;
export const PR_SET_SECUREBITS = 28;
export const PR_SET_TIMERSLACK = 29;
export const PR_GET_TIMERSLACK = 30;
export const PR_TASK_PERF_EVENTS_DISABLE = 31;
export const PR_TASK_PERF_EVENTS_ENABLE = 32;
export const PR_MCE_KILL = 33;
export const PR_MCE_KILL_GET = 34;
export const PR_SET_MM = 35;
export const PR_SET_CHILD_SUBREAPER = 36;
export const PR_GET_CHILD_SUBREAPER = 37;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_GET_NO_NEW_PRIVS = 39;
export const PR_GET_TID_ADDRESS = 40;
export const PR_SET_THP_DISABLE = 41;
export const PR_GET_THP_DISABLE = 42;
export const PR_CAP_AMBIENT = 47;
export const PR_GET_SPECULATION_CTRL = 52;
export const PR_SET_SPECULATION_CTRL = 53;
export const PR_SET_TAGGED_ADDR_CTRL = 55;
export const PR_GET_TAGGED_ADDR_CTRL = 56;
export const PR_SET_IO_FLUSHER = 57;
export const PR_GET_IO_FLUSHER = 58;
export const PR_SET_VMA = 0x53564d41;
export const PR_SET_VMA_ANON_NAME = 0;

const TASK_COMM_LEN = 16;
/** Securebits come in pairs: the bit and its lock. */
const SECURE_ALL_BITS = 0x55;
const SECURE_ALL_LOCKS = 0xaa;

const signalOrZero = (n: number): boolean => n >= 0 && n <= 64;

/** prctl(2). */
export function prctl(t: Task, a: Args): number {
  const at = t.attrs;
  const g = t.group;
  const [two, three, four, five] = [a.ptr(1), a.ptr(2), a.ptr(3), a.ptr(4)];
  /** Some options insist on zeros in the arguments they do not use. */
  const rest = three !== 0 || four !== 0 || five !== 0;
  switch (a.i32(0)) {
    case PR_SET_PDEATHSIG:
      if (!signalOrZero(two)) return -EINVAL;
      at.parentDeathSignal = two;
      return 0;
    case PR_GET_PDEATHSIG:
      return t.mm.putU32(two, at.parentDeathSignal);
    case PR_GET_DUMPABLE:
      return g.dumpable;
    case PR_SET_DUMPABLE:
      if (two !== 0 && two !== 1) return -EINVAL;
      g.dumpable = two;
      return 0;
    case PR_GET_KEEPCAPS:
      return at.keepCaps ? 1 : 0;
    case PR_SET_KEEPCAPS:
      if (two > 1) return -EINVAL;
      if ((at.securebits & 0x20) !== 0) return -EPERM; // SECURE_KEEP_CAPS_LOCKED
      at.keepCaps = two === 1;
      return 0;
    case PR_GET_TIMING:
      return 0;
    case PR_SET_TIMING:
      return two === 0 ? 0 : -EINVAL;
    case PR_SET_NAME:
      return setName(t, two);
    case PR_GET_NAME: {
      const out = new Uint8Array(TASK_COMM_LEN);
      for (let i = 0; i < t.comm.length; i++) out[i] = t.comm.charCodeAt(i);
      return t.mm.copyOut(two, out);
    }
    case PR_GET_SECCOMP:
      return t.seccomp?.mode ?? 0;
    case PR_SET_SECCOMP:
      return prctlSeccomp(t, two, three);
    case PR_CAPBSET_READ:
      return boundingRead(t, two);
    case PR_CAPBSET_DROP:
      return boundingDrop(t, two);
    case PR_GET_TSC:
      return t.regs.arch === 'x86_64' ? t.mm.putU32(two, at.tsc) : -EINVAL;
    case PR_SET_TSC:
      // 1 is PR_TSC_ENABLE; the cpu cannot make rdtsc fault.
      return two === 1 && t.regs.arch === 'x86_64' ? 0 : -EINVAL;
    case PR_GET_SECUREBITS:
      return at.securebits | (at.keepCaps ? 0x10 : 0);
    case PR_SET_SECUREBITS: {
      const locked = (at.securebits & SECURE_ALL_LOCKS) >> 1;
      if (
        (locked & (at.securebits ^ two)) !== 0 ||
        (at.securebits & SECURE_ALL_LOCKS & ~two) !== 0 ||
        (two & ~(SECURE_ALL_BITS | SECURE_ALL_LOCKS)) !== 0 ||
        !hasCapability(t, CAP_SETPCAP)
      ) {
        return -EPERM;
      }
      at.securebits = two;
      at.keepCaps = (two & 0x10) !== 0;
      return 0;
    }
    case PR_SET_TIMERSLACK:
      at.timerSlack = a.i64(1) <= 0 ? at.defaultTimerSlack : a.i64(1);
      return 0;
    case PR_GET_TIMERSLACK:
      return at.timerSlack;
    case PR_TASK_PERF_EVENTS_DISABLE:
    case PR_TASK_PERF_EVENTS_ENABLE:
      return 0;
    case PR_MCE_KILL:
      return mceKill(t, two, three, four, five);
    case PR_MCE_KILL_GET:
      return two !== 0 || rest ? -EINVAL : at.mceKill;
    case PR_SET_MM:
      return hasCapability(t, CAP_SYS_RESOURCE) ? -EINVAL : -EPERM;
    case PR_SET_CHILD_SUBREAPER:
      g.subreaper = two !== 0;
      return 0;
    case PR_GET_CHILD_SUBREAPER:
      return t.mm.putU32(two, g.subreaper ? 1 : 0);
    case PR_SET_NO_NEW_PRIVS:
      if (two !== 1 || rest) return -EINVAL;
      at.noNewPrivs = true;
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      return two !== 0 || rest ? -EINVAL : at.noNewPrivs ? 1 : 0;
    case PR_GET_TID_ADDRESS:
      return t.mm.putU64(two, t.clearChildTid);
    case PR_SET_THP_DISABLE:
      if (rest) return -EINVAL;
      at.thpDisable = two !== 0;
      return 0;
    case PR_GET_THP_DISABLE:
      return two !== 0 || rest ? -EINVAL : at.thpDisable ? 1 : 0;
    case PR_CAP_AMBIENT:
      return four !== 0 || five !== 0 ? -EINVAL : ambient(t, two, three);
    case PR_GET_SPECULATION_CTRL:
      if (rest) return -EINVAL;
      return two <= speculations(t) ? 0 : -ENODEV; // PR_SPEC_NOT_AFFECTED
    case PR_SET_SPECULATION_CTRL:
      if (four !== 0 || five !== 0) return -EINVAL;
      return two <= speculations(t) ? -ENXIO : -ENODEV;
    case PR_SET_IO_FLUSHER:
      if (!hasCapability(t, CAP_SYS_RESOURCE)) return -EPERM;
      if (rest || two > 1) return -EINVAL;
      at.ioFlusher = two === 1;
      return 0;
    case PR_GET_IO_FLUSHER:
      if (!hasCapability(t, CAP_SYS_RESOURCE)) return -EPERM;
      return two !== 0 || rest ? -EINVAL : at.ioFlusher ? 1 : 0;
    case PR_SET_TAGGED_ADDR_CTRL:
      // Nothing but PR_TAGGED_ADDR_ENABLE exists without MTE, and that is refused (abi.tagged_addr_disabled).
      return t.regs.arch === 'aarch64' && two === 0 && !rest ? 0 : -EINVAL;
    case PR_GET_TAGGED_ADDR_CTRL:
      return t.regs.arch === 'aarch64' && two === 0 && !rest ? 0 : -EINVAL;
    case PR_SET_VMA:
      return two === PR_SET_VMA_ANON_NAME ? setAnonName(t.mm, three, four, five) : -EINVAL;
    default:
      return -EINVAL;
  }
}

/** Highest PR_SPEC_* misfeature the architecture knows: arm64 has PR_SPEC_STORE_BYPASS alone. */
const speculations = (t: Task): number => (t.regs.arch === 'x86_64' ? 2 : 0);

function setName(t: Task, address: number): number {
  let name = '';
  for (let i = 0; i < TASK_COMM_LEN - 1; i++) {
    const byte = t.mm.copyIn(address + i, 1);
    if (byte === null) return -EFAULT;
    if (byte[0] === 0) break;
    name += String.fromCharCode(byte[0]);
  }
  t.comm = name;
  return 0;
}

/** PR_MCE_KILL_CLEAR (0) and PR_MCE_KILL_SET (1) of LATE 0, EARLY 1, DEFAULT 2. */
function mceKill(t: Task, op: number, policy: number, four: number, five: number): number {
  if (four !== 0 || five !== 0) return -EINVAL;
  if (op === 0 && policy === 0) t.attrs.mceKill = 2;
  else if (op === 1 && policy <= 2) t.attrs.mceKill = policy;
  else return -EINVAL;
  return 0;
}

const ARCH_SET_GS = 0x1001;
const ARCH_SET_FS = 0x1002;
const ARCH_GET_FS = 0x1003;
const ARCH_GET_GS = 0x1004;
const ARCH_GET_CPUID = 0x1011;
const ARCH_SET_CPUID = 0x1012;
const ARCH_GET_XCOMP_SUPP = 0x1021;
const ARCH_GET_XCOMP_PERM = 0x1022;
const TASK_SIZE = 0x7ffffffff000;

/** arch_prctl(2), x86_64 only. */
export function arch_prctl(t: Task, a: Args): number {
  const address = a.ptr(1);
  switch (a.i32(0)) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
      if (address >= TASK_SIZE) return -EPERM;
      t.regs.setNum(a.i32(0) === ARCH_SET_FS ? REG.fs_base : REG.gs_base, address);
      return 0;
    case ARCH_GET_FS:
      return t.mm.putU64(address, t.regs.get(REG.fs_base));
    case ARCH_GET_GS:
      return t.mm.putU64(address, t.regs.get(REG.gs_base));
    case ARCH_GET_CPUID:
      return 1;
    case ARCH_SET_CPUID:
      return -ENODEV;
    case ARCH_GET_XCOMP_SUPP:
    case ARCH_GET_XCOMP_PERM:
      return t.mm.putU64(address, 3); // x87 and SSE state
    default:
      return -EINVAL;
  }
}

const PER_MASK = 0xff;
const PER_LINUX32 = 8;

/** personality(2): kept and inherited; only the reported uname changes with it. */
export function personality(t: Task, a: Args): number {
  const old = t.attrs.personality;
  const next = a.u32(0);
  if (next === 0xffffffff) return old;
  // No AArch32 at EL0 (sys_arm64_personality).
  if (t.regs.arch === 'aarch64' && (next & PER_MASK) === PER_LINUX32) return -EINVAL;
  t.attrs.personality = next;
  return old;
}

/** set_tid_address(2). */
export function set_tid_address(t: Task, a: Args): number {
  t.clearChildTid = a.ptr(0);
  return t.tid;
}

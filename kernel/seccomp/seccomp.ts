/** seccomp(2): strict mode and filters (kernel/seccomp.c). */
import {
  EACCES, EBUSY, EFAULT, EINVAL, ENOMEM, ENOSYS, EOPNOTSUPP, ESRCH,
} from '../abi/errno.ts'; // prettier-ignore
import { installFile } from '../fs/file.ts';
import type { KernelMemory } from '../mm/kernel-memory.ts';
import { SIGKILL, SIGSYS, SYS_SECCOMP } from '../signal/numbers.ts';
import { forceSignal } from '../signal/send.ts';
import type { Args } from '../syscall/args.ts';
import { CAP_SYS_ADMIN, hasCapability } from '../task/creds.ts';
import { exitTask } from '../task/exit.ts';
import type { Task } from '../task/task.ts';
import { KEEP_REGS, type SysResult } from '../wait.ts';
import { BPF_MAXINSNS, INSN_SIZE, parseFilter, runFilter, type BpfProgram } from './bpf.ts';
import { Listener } from './notify.ts';

export const SECCOMP_MODE_STRICT = 1;
export const SECCOMP_MODE_FILTER = 2;
const SET_MODE_STRICT = 0;
const SET_MODE_FILTER = 1;
const GET_ACTION_AVAIL = 2;
const GET_NOTIF_SIZES = 3;
const FLAG_TSYNC = 1;
const FLAG_LOG = 2;
const FLAG_SPEC_ALLOW = 4;
const FLAG_NEW_LISTENER = 8;
const FLAG_TSYNC_ESRCH = 16;
const FLAG_WAIT_KILLABLE_RECV = 32;
const FLAGS =
  FLAG_TSYNC | FLAG_LOG | FLAG_SPEC_ALLOW | FLAG_NEW_LISTENER | FLAG_TSYNC_ESRCH | FLAG_WAIT_KILLABLE_RECV;

const RET_KILL_PROCESS = 0x80000000;
const RET_KILL_THREAD = 0;
const RET_TRAP = 0x30000;
const RET_ERRNO = 0x50000;
const RET_USER_NOTIF = 0x7fc00000;
const RET_TRACE = 0x7ff00000;
const RET_LOG = 0x7ffc0000;
const RET_ALLOW = 0x7fff0000;
const ACTIONS = [
  RET_KILL_PROCESS, RET_KILL_THREAD, RET_TRAP, RET_ERRNO, RET_USER_NOTIF, RET_TRACE, RET_LOG, RET_ALLOW,
]; // prettier-ignore
const MAX_ERRNO = 4095;
/** 256 KiB of instructions on the way of one call. */
const MAX_INSNS_PER_PATH = 32768;

/** What strict mode lets through, by name. */
const STRICT: ReadonlySet<string> = new Set(['read', 'write', 'exit', 'rt_sigreturn']);
const AUDIT_ARCH = { x86_64: 0xc000003e, aarch64: 0xc00000b7 } as const;

/** One filter and those installed before it, which forks and threads share. */
class Filter {
  users = 1;
  readonly program: BpfProgram;
  readonly before: Filter | null;
  /** Whom SECCOMP_RET_USER_NOTIF asks. */
  listener: Listener | null = null;
  private readonly kmem: KernelMemory;

  constructor(program: BpfProgram, before: Filter | null, kmem: KernelMemory) {
    this.program = program;
    this.before = before;
    this.kmem = kmem;
  }

  static cost(program: BpfProgram): number {
    return program.byteLength + 256;
  }

  /** Nobody has it any more. */
  gone(): void {
    this.kmem.uncharge(Filter.cost(this.program));
    this.listener?.orphan();
  }
}

/** A task gives its filters up: those nobody else has are gone. */
function put(filter: Filter | null): void {
  for (let f = filter; f !== null && --f.users === 0; f = f.before) f.gone();
}

/** A task's mode; null stands for none. Immutable: threads may share it. */
export interface Seccomp {
  readonly mode: number;
  readonly filter: Filter | null;
}

/** For a new task. */
export function inheritSeccomp(from: Task, to: Task): void {
  to.seccomp = from.seccomp;
  if (to.seccomp?.filter) to.seccomp.filter.users++;
}

export function releaseSeccomp(t: Task): void {
  put(t.seccomp?.filter ?? null);
  t.seccomp = null;
}

/** How many filters a task has, for /proc/PID/status. */
export function filterCount(t: Task): number {
  let n = 0;
  for (let f = t.seccomp?.filter ?? null; f; f = f.before) n++;
  return n;
}

/** Looks at the call about to be made: null lets it through, else its result (KEEP_REGS: none), or a wait. */
export function checkCall(t: Task, s: Seccomp): SysResult | null {
  if (s.mode === SECCOMP_MODE_STRICT) {
    if (t.row && STRICT.has(t.row.name)) return null;
    exitTask(t, SIGKILL);
    return KEEP_REGS;
  }
  const call = callData(t);
  const verdict = judge(call, s.filter);
  const data = verdict & 0xffff;
  switch ((verdict & 0xffff0000) >>> 0) {
    case RET_ALLOW:
    case RET_LOG:
      return null;
    case RET_ERRNO:
      return -Math.min(data, MAX_ERRNO);
    case RET_TRAP:
      trap(t, data, false);
      return KEEP_REGS;
    case RET_USER_NOTIF: {
      const listener = decider(call, s.filter, verdict)?.listener;
      return listener?.open ? listener.notify(t, new Uint8Array(call.buffer)) : -ENOSYS;
    }
    case RET_TRACE:
      return -ENOSYS; // nobody traces
    case RET_KILL_THREAD:
      if (t.group.live > 1) {
        exitTask(t, SIGSYS);
        return KEEP_REGS;
      }
  }
  trap(t, data, true);
  return KEEP_REGS;
}

/** SIGSYS; `fatal`: whatever its handler. */
function trap(t: Task, data: number, fatal: boolean): void {
  const arch = AUDIT_ARCH[t.regs.arch];
  const address = BigInt(t.regs.pc);
  forceSignal(t, { signo: SIGSYS, code: SYS_SECCOMP, errno: data, address, syscall: t.nr, arch }, fatal);
}

/** struct seccomp_data. */
function callData(t: Task): Uint32Array<ArrayBuffer> {
  const data = new Uint32Array(16);
  const pc = t.regs.pc;
  data[0] = t.nr;
  data[1] = AUDIT_ARCH[t.regs.arch];
  data[2] = pc >>> 0;
  data[3] = Math.floor(pc / 2 ** 32);
  for (let i = 0; i < 12; i++) data[4 + i] = t.args.words[i];
  return data;
}

const action = (v: number): number => (v & 0xffff0000) | 0;

/** Runs all filters, latest first: the strictest action decides, as a signed number. */
function judge(data: Uint32Array, filter: Filter | null): number {
  let verdict = RET_ALLOW;
  for (let f = filter; f; f = f.before) {
    const r = runFilter(f.program, data);
    if (action(r) < action(verdict)) verdict = r;
  }
  return verdict;
}

/** The filter that came to the verdict. */
function decider(data: Uint32Array, filter: Filter | null, verdict: number): Filter | null {
  let f = filter;
  while (f && action(runFilter(f.program, data)) !== action(verdict)) f = f.before;
  return f;
}

/** seccomp(2). */
export function seccomp(t: Task, a: Args): number {
  const flags = a.u32(1);
  const address = a.ptr(2);
  switch (a.u32(0)) {
    case SET_MODE_STRICT:
      return flags !== 0 || address !== 0 ? -EINVAL : setStrict(t);
    case SET_MODE_FILTER:
      return setFilter(t, flags, address);
    case GET_ACTION_AVAIL: {
      if (flags !== 0) return -EINVAL;
      const action = t.mm.u32(address);
      if (action < 0) return -EFAULT;
      return ACTIONS.includes(action) ? 0 : -EOPNOTSUPP;
    }
    case GET_NOTIF_SIZES:
      if (flags !== 0) return -EINVAL;
      return t.mm.copyOut(address, Uint8Array.of(80, 0, 24, 0, 64, 0)) !== 0 ? -EFAULT : 0;
  }
  return -EINVAL;
}

/** prctl(PR_SET_SECCOMP). */
export function prctlSeccomp(t: Task, mode: number, address: number): number {
  if (mode === SECCOMP_MODE_STRICT) return setStrict(t);
  return mode === SECCOMP_MODE_FILTER ? setFilter(t, 0, address) : -EINVAL;
}

function setStrict(t: Task): number {
  if (t.seccomp !== null && t.seccomp.mode !== SECCOMP_MODE_STRICT) return -EINVAL;
  t.seccomp = { mode: SECCOMP_MODE_STRICT, filter: null };
  return 0;
}

function setFilter(t: Task, flags: number, address: number): number {
  const has = (bit: number): boolean => (flags & bit) !== 0;
  if (has(~FLAGS)) return -EINVAL;
  // A result cannot be both a descriptor and a thread's number.
  if (has(FLAG_TSYNC) && has(FLAG_NEW_LISTENER) && !has(FLAG_TSYNC_ESRCH)) return -EINVAL;
  if (has(FLAG_WAIT_KILLABLE_RECV) && !has(FLAG_NEW_LISTENER)) return -EINVAL;
  const fprog = t.mm.viewIn(address, 16);
  if (fprog === null) return -EFAULT;
  const n = fprog.getUint16(0, true);
  if (n === 0 || n > BPF_MAXINSNS) return -EINVAL;
  if (!t.attrs.noNewPrivs && !hasCapability(t, CAP_SYS_ADMIN)) return -EACCES;
  const from = Number(fprog.getBigUint64(8, true));
  if (from === 0) return -EINVAL;
  const bytes = t.mm.copyIn(from, n * INSN_SIZE);
  if (bytes === null) return -EFAULT;
  const program = parseFilter(bytes);
  if (program === null) return -EINVAL;
  if (t.seccomp !== null && t.seccomp.mode !== SECCOMP_MODE_FILTER) return -EINVAL;
  const before = t.seccomp?.filter ?? null;
  let total = n;
  for (let f = before; f; f = f.before) total += f.program.length / 4 + 4;
  if (total > MAX_INSNS_PER_PATH) return -ENOMEM;
  if (has(FLAG_TSYNC)) {
    const other = cannotSync(t, before);
    if (other !== 0) return has(FLAG_TSYNC_ESRCH) ? -ESRCH : other;
  }
  const { kmem } = t.kernel;
  if (!kmem.charge(Filter.cost(program))) return -ENOMEM;
  const filter = new Filter(program, before, kmem);
  let fd = 0;
  if (has(FLAG_NEW_LISTENER)) {
    for (let f = before; f; f = f.before) if (f.listener?.open) fd = -EBUSY;
    if (fd === 0) {
      filter.listener = new Listener(t, has(FLAG_WAIT_KILLABLE_RECV));
      fd = installFile(t, filter.listener, true);
    }
    if (fd < 0) {
      kmem.uncharge(Filter.cost(program));
      return fd;
    }
  }
  t.seccomp = { mode: SECCOMP_MODE_FILTER, filter };
  if (has(FLAG_TSYNC)) synchronise(t);
  return fd;
}

/** seccomp_can_sync_threads: a thread whose filters are not among ours, 0 for none. */
function cannotSync(t: Task, ours: Filter | null): number {
  for (const o of t.group.tasks) {
    if (o === t || o.state === 'dead' || o.state === 'zombie' || o.seccomp === null) continue;
    let f = o.seccomp.mode === SECCOMP_MODE_FILTER ? ours : null;
    while (f && f !== o.seccomp.filter) f = f.before;
    if (f === null) return o.tid;
  }
  return 0;
}

function synchronise(t: Task): void {
  for (const o of t.group.tasks) {
    if (o === t || o.state === 'dead' || o.state === 'zombie') continue;
    releaseSeccomp(o);
    inheritSeccomp(t, o);
    if (t.attrs.noNewPrivs) o.attrs.noNewPrivs = true;
  }
}

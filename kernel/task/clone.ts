/** Making tasks: copy_process of kernel/fork.c, for fork, vfork, clone and clone3. */
import { EAGAIN, EEXIST, EFAULT, EINVAL, EMFILE, EPERM, ERESTARTNOINTR, ENOMEM } from '../abi/errno.ts';
import { REG } from '../ports.ts';
import { SemUndo } from '../ipc/sem.ts';
import { inheritKeyrings } from '../keys/keyrings.ts';
import { inheritSeccomp } from '../seccomp/seccomp.ts';
import { SignalHandlers, SignalQueue } from '../signal/state.ts';
import { WaitQueue } from '../wait.ts';
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, CAP_SYS_RESOURCE, hasCapability } from './creds.ts';
import { pidfdCreate } from './pidfd.ts';
import { PID_MAX } from './process-table.ts';
import { RLIMIT_NOFILE, RLIMIT_NPROC } from './rlimits.ts';
import { armCpuLimit } from '../time/itimer.ts';
import { Task } from './task.ts';
import { ThreadGroup } from './thread-group.ts';

export const CSIGNAL = 0xff;
export const CLONE_NEWTIME = 0x80;
export const CLONE_VM = 0x100;
export const CLONE_FS = 0x200;
export const CLONE_FILES = 0x400;
export const CLONE_SIGHAND = 0x800;
export const CLONE_PIDFD = 0x1000;
export const CLONE_PTRACE = 0x2000;
export const CLONE_VFORK = 0x4000;
export const CLONE_PARENT = 0x8000;
export const CLONE_THREAD = 0x10000;
export const CLONE_NEWNS = 0x20000;
export const CLONE_SYSVSEM = 0x40000;
export const CLONE_SETTLS = 0x80000;
export const CLONE_PARENT_SETTID = 0x100000;
export const CLONE_CHILD_CLEARTID = 0x200000;
export const CLONE_DETACHED = 0x400000;
export const CLONE_UNTRACED = 0x800000;
export const CLONE_CHILD_SETTID = 0x1000000;
export const CLONE_NEWCGROUP = 0x2000000;
export const CLONE_NEWUTS = 0x4000000;
export const CLONE_NEWIPC = 0x8000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;
/** 2^31: beyond signed 32 bits, so flags are handled as unsigned numbers. */
export const CLONE_IO = 0x80000000;
/** clone3 only: above 32 bits. */
export const CLONE_CLEAR_SIGHAND = 0x100000000;
export const CLONE_INTO_CGROUP = 0x200000000;

export const NAMESPACES =
  CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET; // prettier-ignore

/** struct kernel_clone_args, after either ABI's decoding. */
export interface CloneArgs {
  /** Low 32 bits of the flags, without CSIGNAL. */
  readonly flags: number;
  readonly clearSighand: boolean;
  readonly exitSignal: number;
  /** Stack pointer of the child; 0: the parent's. */
  readonly stack: number;
  readonly tls: bigint;
  readonly pidfd: number;
  readonly parentTid: number;
  readonly childTid: number;
  /** The number it is to have. */
  readonly tid?: number;
}

/** The combinations copy_process refuses. */
function checkFlags(t: Task, flags: number): number {
  const has = (bits: number): boolean => (flags & bits) !== 0;
  if (has(CLONE_NEWNS) && has(CLONE_FS)) return -EINVAL;
  if (has(CLONE_NEWUSER) && has(CLONE_FS)) return -EINVAL;
  if (has(CLONE_THREAD) && !has(CLONE_SIGHAND)) return -EINVAL;
  if (has(CLONE_SIGHAND) && !has(CLONE_VM)) return -EINVAL;
  if (has(CLONE_THREAD) && has(CLONE_NEWUSER | CLONE_NEWPID)) return -EINVAL;
  if (has(CLONE_PIDFD) && has(CLONE_DETACHED | CLONE_THREAD)) return -EINVAL;
  if (has(CLONE_NEWIPC) && has(CLONE_SYSVSEM)) return -EINVAL;
  // There is one namespace of each kind: as on a kernel built without them.
  if (has(NAMESPACES & ~CLONE_NEWUSER) && !hasCapability(t, CAP_SYS_ADMIN)) return -EPERM;
  if (has(NAMESPACES)) return -EINVAL;
  return 0;
}

/** Whether one more task is allowed: RLIMIT_NPROC for its user, and the machine's own limit. */
function checkLimits(t: Task): number {
  const k = t.kernel;
  const limit = t.group.rlimits[RLIMIT_NPROC].cur;
  if (limit !== Infinity && t.creds.uid !== 0 && !hasCapability(t, CAP_SYS_RESOURCE)) {
    let n = 0;
    for (const o of k.processes.tasks.values()) if (o.creds.uid === t.creds.uid) n++;
    if (n >= limit) return -EAGAIN;
  }
  return k.processes.tasks.size >= k.limits.maxTasks ? -EAGAIN : 0;
}

/** Makes a task and puts it on the run queue. The new task, or -errno. */
export function copyProcess(t: Task, a: CloneArgs): Task | number {
  const k = t.kernel;
  const has = (bits: number): boolean => (a.flags & bits) !== 0;
  const err = checkFlags(t, a.flags);
  if (err < 0) return err;
  // A signal that is already there is handled first, so that all processes of a group see it (copy_process).
  if (t.sigPending) return -ERESTARTNOINTR;
  const limited = checkLimits(t);
  if (limited < 0) return limited;
  // Registers and page tables come from what is kept back for them: a clone may not use that up.
  if (k.memory.spare < 1 || (!has(CLONE_VM) && !t.mm.canFork())) return -ENOMEM;
  const tid =
    a.tid === undefined
      ? has(CLONE_THREAD)
        ? k.processes.allocate()
        : k.processes.allocateProcess()
      : chosenTid(t, a.tid);
  if (tid < 0) return a.tid === undefined ? -EAGAIN : tid;
  let pidfd = -1;
  if (has(CLONE_PIDFD)) {
    pidfd = t.fds.lowest(0, t.group.rlimits[RLIMIT_NOFILE].cur);
    if (!t.fds.reserve(k.kmem)) return -ENOMEM;
    if (pidfd < 0 || t.mm.putU32(a.pidfd, pidfd) !== 0) {
      return pidfd < 0 ? -EMFILE : -EFAULT;
    }
  }

  const fds = has(CLONE_FILES) ? t.fds : t.fds.clone(k.kmem);
  if (fds === null) return -ENOMEM;
  const regs = k.cpu.newRegs(t.regs.arch);
  regs.copyFrom(t.regs);
  const sighand = has(CLONE_SIGHAND) ? t.sighand : new SignalHandlers(t.sighand.actions);
  if (has(CLONE_SIGHAND)) t.sighand.users++;
  if (a.clearSighand) resetHandlers(sighand);
  if (has(CLONE_FILES)) t.fds.users++;
  if (has(CLONE_FS)) t.fs.users++;
  const freshStack = has(CLONE_VM) && !has(CLONE_VFORK);
  const group = has(CLONE_THREAD) ? t.group : newGroup(t, tid, a);
  const mm = has(CLONE_VM) ? t.mm : t.mm.fork(group);
  if (has(CLONE_VM)) mm.users++;
  else k.programs.inherit(t.mm, mm);
  const child = new Task({
    kernel: k,
    tid,
    group,
    regs,
    mm,
    fds,
    fs: has(CLONE_FS) ? t.fs : t.fs.clone(),
    creds: t.creds,
    sighand,
    pending: new SignalQueue(),
    altstack: freshStack ? { sp: 0, size: 0, flags: 2 } : { ...t.altstack },
    comm: t.comm,
    attrs: t.attrs.forChild(has(CLONE_VM)),
  });
  child.sigmask = t.sigmask;
  inheritSeccomp(t, child);
  inheritKeyrings(t, child);
  if (has(CLONE_SYSVSEM)) {
    child.semUndo = t.semUndo ??= new SemUndo();
    child.semUndo.users++;
  }
  child.startTime = k.clock.monotonic();
  child.group.tasks.add(child);
  child.group.live++;
  if (!has(CLONE_THREAD)) {
    child.group.leader = child;
    child.group.startTime = child.startTime;
    child.group.parent!.children.add(child.group);
    k.processes.groups.set(tid, child.group);
  }
  k.processes.tasks.set(tid, child);
  k.processes.created++;

  const x86 = regs.arch === 'x86_64';
  regs.setNum(x86 ? REG.rax : 0, 0);
  if (a.stack !== 0) regs.sp = a.stack;
  if (has(CLONE_SETTLS)) regs.set(x86 ? REG.fs_base : 34, a.tls);
  if (has(CLONE_CHILD_CLEARTID)) child.clearChildTid = a.childTid;
  const shown = k.behaviour.mainTid && !has(CLONE_THREAD) ? tid + 1 : tid;
  if (has(CLONE_PARENT_SETTID)) t.mm.putU32(a.parentTid, shown);
  if (has(CLONE_CHILD_SETTID)) child.mm.putU32(a.childTid, shown);
  if (pidfd >= 0) t.fds.set(pidfd, pidfdCreate(child.group), true, t);
  if (has(CLONE_VFORK)) child.vforkDone = new WaitQueue(`vfork child ${tid}`);
  k.tracer?.attached(t, child);
  // A forked child usually execs at once: run first, it spares the parent's pages a copy.
  k.scheduler.add(child, !has(CLONE_VM) || has(CLONE_VFORK));
  return child;
}

/** The number clone3 asked for (alloc_pid). */
function chosenTid(t: Task, tid: number): number {
  if (tid < 1 || tid >= PID_MAX) return -EINVAL;
  if (!hasCapability(t, CAP_SYS_ADMIN | CAP_CHECKPOINT_RESTORE)) return -EPERM;
  return t.kernel.processes.free(tid) ? tid : -EEXIST;
}

function newGroup(t: Task, pid: number, a: CloneArgs): ThreadGroup {
  const from = t.group;
  const sibling = (a.flags & CLONE_PARENT) !== 0;
  const parent = sibling ? from.parent : from;
  const g = new ThreadGroup(pid, parent, new SignalQueue(), from.rlimits.map((r) => ({ ...r }))); // prettier-ignore
  armCpuLimit(g);
  g.parentThread = sibling ? from.parentThread : t;
  g.pgrp = from.pgrp;
  g.session = from.session;
  g.tty = from.tty;
  g.exe = from.exe;
  g.dumpable = from.dumpable;
  g.oomScoreAdj = from.oomScoreAdj;
  g.exitSignal = sibling ? from.exitSignal : a.exitSignal;
  return g;
}

/** Every handler back to SIG_DFL; ignored signals stay ignored unless `all` (flush_signal_handlers). */
export function resetHandlers(h: SignalHandlers, all = false): void {
  for (const action of h.actions) {
    if (all || action.handler !== 1) action.handler = 0;
    action.flags = 0;
    action.mask = 0n;
    action.restorer = 0;
  }
}

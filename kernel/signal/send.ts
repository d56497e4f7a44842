/**
 * Sending signals: to a thread, a process, a process group (send_signal_locked and complete_signal of
 * kernel/signal.c). A signal that would be ignored is dropped here; one that can be acted on ends its target's wait.
 */
import { EAGAIN, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { RECORD_COST } from '../mm/kernel-memory.ts';
import { panicMachine } from '../personality/panic.ts';
import type { Task } from '../task/task.ts';
import type { ThreadGroup } from '../task/thread-group.ts';
import { continueGroup } from './job-control.ts';
import {
  NSIG, SIGCONT, SIGKILL, SIGPIPE, SIGRTMIN, SIG_DFL, SIG_IGN, SIG_KERNEL_COREDUMP, SIG_KERNEL_IGNORE, SIG_KERNEL_ONLY,
  SIG_KERNEL_STOP, SI_USER, sigbit,
} from './numbers.ts'; // prettier-ignore
import { enqueue, enqueueBare, flush } from './queue.ts';
import type { SigInfo, SignalQueue } from './state.ts';

const RLIMIT_SIGPENDING = 11;
const CAP_KILL = 1n << 5n;

/** Sends to one thread (tgkill, faults). 0, or -EAGAIN when a real-time signal cannot be queued. */
export function sendSignal(t: Task, info: SigInfo): number {
  if (info.signo === SIGPIPE && info.code === SI_USER && !t.kernel.behaviour.sigpipe) return 0;
  return send(t, t.pending, info, false);
}

/** Sends to a process: any of its threads that does not block it takes it. 0 or -EAGAIN. */
export function sendToGroup(g: ThreadGroup, info: SigInfo): number {
  if (g.leader.kernel.behaviour.leaderOnly) return send(g.leader, g.leader.pending, info, false);
  return send(g.leader, g.pending, info, true);
}

/**
 * Sends to every process of a group that `from` may signal (null: the kernel sends). 0 when one of them could be
 * sent to, else the last error; -ESRCH when there is no such group. `signo` 0 only checks.
 */
export function sendToPgrp(kernel: Kernel, pgrp: number, info: SigInfo, from: Task | null = null): number {
  let success = false;
  let result = -ESRCH;
  for (const g of kernel.processes.groups.values()) {
    if (g.pgrp !== pgrp) continue;
    result = from === null ? sendToGroup(g, info) : sendChecked(from, g, info);
    if (result === 0) success = true;
  }
  return success ? 0 : result;
}

/** Checks permission, then sends; signal 0 stops after the check (group_send_sig_info). */
export function sendChecked(from: Task, g: ThreadGroup, info: SigInfo): number {
  const denied = checkKill(from, g.leader, info.signo);
  if (denied !== 0) return denied;
  return info.signo === 0 ? 0 : sendToGroup(g, info);
}

/** check_kill_permission: -EINVAL for no signal number, -EPERM, or 0. */
export function checkKill(from: Task, target: Task, signo: number): number {
  if (signo < 0 || signo > NSIG) return -EINVAL;
  return mayKill(from, target, signo) ? 0 : -EPERM;
}

/** Whether `t` may send `signo` to `target` (kill(2), NOTES). */
export function mayKill(t: Task, target: Task, signo: number): boolean {
  if (t.group === target.group) return true;
  const c = t.creds;
  const d = target.creds;
  if (c.euid === d.suid || c.euid === d.uid || c.uid === d.suid || c.uid === d.uid) return true;
  if ((c.capEffective & CAP_KILL) !== 0n) return true;
  return signo === SIGCONT && t.group.session === target.group.session;
}

/**
 * A signal the task cannot escape (a fault of its own): when it is blocked or ignored the disposition becomes
 * SIG_DFL, so the process ends (force_sig_info). `fatal`: even a handler is taken away.
 */
export function forceSignal(t: Task, info: SigInfo, fatal = false): void {
  const action = t.sighand.actions[info.signo - 1];
  const bit = sigbit(info.signo);
  const blocked = (t.sigmask & bit) !== 0n;
  if (blocked || fatal || action.handler === SIG_IGN) action.handler = SIG_DFL;
  if (blocked) t.sigmask &= ~bit;
  send(t, t.pending, info, false, true);
  recalcSigPending(t);
}

/** Whether the task has something to do before it returns to user mode; every change of mask or queue ends in it. */
export function recalcSigPending(t: Task): void {
  t.sigPending =
    ((t.pending.mask | t.group.pending.mask) & ~t.sigmask) !== 0n ||
    t.stopRequested ||
    t.group.groupExit !== null;
}

/** Changes the mask; signals that may now be taken are noticed at the return to user mode. */
export function setSigmask(t: Task, mask: bigint): void {
  t.sigmask = mask & ~SIG_KERNEL_ONLY;
  recalcSigPending(t);
}

/** The mask of ppoll, pselect6, epoll_pwait and sigsuspend: in force during the call, put back by deliverSignals. */
export function setTemporarySigmask(t: Task, mask: bigint): void {
  t.savedSigmask ??= t.sigmask;
  setSigmask(t, mask);
}

/** Every thread of the process is to leave with this wait status. The first status counts; `by` is not woken. */
export function beginGroupExit(g: ThreadGroup, status: number, by: Task | null): void {
  if (g.groupExit === null) g.groupExit = status;
  g.jobctl.stopCount = 0;
  for (const t of g.tasks) {
    t.stopRequested = false;
    if (t.state === 'zombie' || t.state === 'dead') continue;
    t.sigPending = true;
    if (t !== by) wakeTask(t, true);
  }
}

/** signal_wake_up: ends an interruptible wait; `kill` also ends a stop. */
export function wakeTask(t: Task, kill: boolean): void {
  t.sigPending = true;
  if (t.state === 'parked') t.kernel.scheduler.wake(t, 'signal');
  else if (kill && t.state === 'stopped') t.kernel.scheduler.resume(t);
}

/** Signals of all queues and timers: a user's, against RLIMIT_SIGPENDING, and everybody's. */
function queued(kernel: Kernel, uid: number): { own: number; all: number } {
  let own = 0;
  let all = 0;
  for (const g of kernel.processes.groups.values()) {
    let n = g.pending.infos.length;
    for (const t of g.tasks) n += t.pending.infos.length;
    if (g.timers !== null) n += g.timers.posix.size;
    all += n;
    if (g.leader.creds.uid === uid) own += n;
  }
  return { own, all };
}

/** Whether one more record may be queued for the target's user. Counting is lazy: few signals are ever pending. */
export function sigqueueAllowed(t: Task): boolean {
  const limit = t.group.rlimits[RLIMIT_SIGPENDING]?.cur ?? Infinity;
  const { own, all } = queued(t.kernel, t.creds.uid);
  // Root may lift its limit, and be many users: all records together are an eighth of what the kernel may hold.
  return own < limit && all * 8 * RECORD_COST < t.kernel.kmem.max;
}

function send(t: Task, q: SignalQueue, info: SigInfo, group: boolean, force = false): number {
  const signo = info.signo;
  if (t.group === t.kernel.processes.init) return 0; // SIGNAL_UNKILLABLE, and no handlers
  if (!prepare(t, signo, force)) return 0;
  const bit = sigbit(signo);
  const realtime = signo >= SIGRTMIN;
  if (!realtime && (q.mask & bit) !== 0n) return 0;
  // The limit is asked for only where it can refuse: what the kernel itself or kill(2) sends as a standard signal
  // is always recorded (override_rlimit).
  const limited = realtime || info.code < 0;
  if (limited && info.timerId === undefined && !sigqueueAllowed(t)) {
    if (realtime && info.code !== SI_USER) return -EAGAIN;
    enqueueBare(q, signo);
  } else {
    enqueue(q, info);
  }
  if (!t.sighand.signalfd.empty) t.sighand.signalfd.wake();
  complete(t, signo, group);
  return 0;
}

/** prepare_signal: stop and continue signals cancel each other when sent; false: nobody would notice this signal. */
function prepare(t: Task, signo: number, force: boolean): boolean {
  const g = t.group;
  if (g.groupExit !== null) return false;
  const bit = sigbit(signo);
  if ((bit & SIG_KERNEL_STOP) !== 0n) flushGroup(g, sigbit(SIGCONT));
  else if (signo === SIGCONT) {
    flushGroup(g, SIG_KERNEL_STOP);
    if (!t.kernel.behaviour.jobControl && t.sighand.actions[signo - 1].handler === SIG_DFL)
      panicMachine(t.kernel, 'modules/axprocess/src/signal.rs', 'not implemented');
    else continueGroup(g);
  }
  return force || !ignored(t, signo, bit);
}

function flushGroup(g: ThreadGroup, set: bigint): void {
  flush(g.pending, set);
  for (const t of g.tasks) flush(t.pending, set);
}

/** A blocked signal is kept: its disposition may change before it is unblocked. */
function ignored(t: Task, signo: number, bit: bigint): boolean {
  if ((t.sigmask & bit) !== 0n || (t.realSigmask !== null && (t.realSigmask & bit) !== 0n)) return false;
  // A tracer in ptrace's manner sees these too, and their arrival ends waits (sig_task_ignored).
  if (t.kernel.tracer?.seesIgnored?.(t) && signo !== SIGKILL) return false;
  const handler = t.sighand.actions[signo - 1].handler;
  if (handler === SIG_IGN && t.kernel.behaviour.ignoredDeafens) return false;
  return handler === SIG_IGN || (handler === SIG_DFL && (bit & SIG_KERNEL_IGNORE) !== 0n);
}

/** Whether a thread would take the signal now (wants_signal). */
function wants(t: Task, signo: number, bit: bigint): boolean {
  if ((t.sigmask & bit) !== 0n || t.state === 'zombie' || t.state === 'dead') return false;
  if (signo === SIGKILL) return true;
  if (t.state === 'stopped') return false;
  return t.kernel.scheduler.current === t || !t.sigPending;
}

/** complete_signal: picks the thread that acts on it and wakes it. */
function complete(t: Task, signo: number, group: boolean): void {
  const g = t.group;
  const bit = sigbit(signo);
  let target: Task | null = null;
  if (wants(t, signo, bit)) target = t;
  else if (group) {
    for (const other of g.tasks) {
      if (!wants(other, signo, bit)) continue;
      target = other;
      break;
    }
  }
  if (target === null) return; // all block it (or have work already): it is found when they look next
  // A fatal signal is acted on by the thread that takes it; only a thread that would not look soon is not waited for.
  if (
    signo === SIGKILL ||
    (target.parked?.uninterruptible && target.state === 'parked' && fatal(target, signo, bit))
  ) {
    beginGroupExit(g, signo, null);
    return;
  }
  wakeTask(target, false);
}

/** Ends the process without a core dump (sig_fatal). */
function fatal(t: Task, signo: number, bit: bigint): boolean {
  return (
    t.sighand.actions[signo - 1].handler === SIG_DFL &&
    (bit & (SIG_KERNEL_IGNORE | SIG_KERNEL_STOP | SIG_KERNEL_COREDUMP)) === 0n
  );
}

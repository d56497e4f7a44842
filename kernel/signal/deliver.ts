/**
 * What happens to a task's signals before it returns to user mode (get_signal, handle_signal and
 * arch_do_signal_or_restart): default actions, handler frames, and the fate of an interrupted system call.
 */
import { EINTR, ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS, ERESTART_RESTARTBLOCK } from '../abi/errno.ts';
import { dumpCore } from '../coredump/coredump.ts';
import { panicMachine } from '../personality/panic.ts';
import { emptyContext, keepRegs } from '../personality/signal-ways.ts';
import type { Task } from '../task/task.ts';
import { checkCpuTimers } from '../time/itimer.ts';
import { timerSignalDelivered } from '../time/posix-timer.ts';
import { signalAbi } from './abi.ts';
import { isOrphanedPgrp, stopGroup, stopThread } from './job-control.ts';
import {
  SA_NODEFER, SA_RESETHAND, SA_RESTART, SIGSEGV, SIGSTOP, SIG_DFL, SIG_IGN, SIG_KERNEL_COREDUMP, SIG_KERNEL_IGNORE,
  SIG_KERNEL_STOP, SI_KERNEL, SI_TKILL, sigbit,
} from './numbers.ts'; // prettier-ignore
import { dequeue, dequeueSynchronous } from './queue.ts';
import { beginGroupExit, forceSignal, recalcSigPending, setSigmask } from './send.ts';
import type { SigAction, SigInfo, TimerSignal } from './state.ts';

/** wait4, which restarts where handlers are plain. */
const NR_WAIT4 = { x86_64: 61, aarch64: 260 } as const;
/** In a wait status: a core was dumped. */
const WCOREFLAG = 0x80;

/**
 * What deliverSignals left the task in. 'gone': it must exit now, with wait status `group.groupExit`. 'paused': somebody looks
 * (Kernel.pausing); to be called again.
 */
export type Delivery = 'user' | 'gone' | 'stopped' | 'paused';

/**
 * Call before every return to user mode, with `t.restart` set when the call just made returned −ERESTART*. With
 * nothing to do it costs a few comparisons. 'stopped': the task has left the run queue; call again when it runs.
 */
export function deliverSignals(t: Task): Delivery {
  if (t.group.timers !== null) checkCpuTimers(t.group);
  // ppoll and friends that were not interrupted put the mask back before any signal is looked at.
  if (t.savedSigmask !== null && t.restart === 0 && !endedByEintr(t)) restoreSavedSigmask(t);
  const gate = t.kernel.signalGate;
  if (gate?.held(t)) t.sigPending = true;
  while (t.sigPending) {
    if (t.group.groupExit !== null) return 'gone';
    if (t.stopRequested) {
      t.kernel.tracer?.stopped(t, t.group.jobctl.stopSignal);
      stopThread(t);
      return 'stopped';
    }
    let info = gate?.held(t) ?? dequeueSignal(t, t.sigmask, true);
    recalcSigPending(t);
    if (info === null) break;
    if (gate !== null) {
      const verdict = gate.judge(t, info);
      if (verdict === 'pause') return 'paused';
      if (verdict === null) continue;
      info = verdict;
    }
    const outcome = act(t, info);
    if (outcome !== 'user') return outcome;
    if (t.kernel.pausing) return 'paused';
  }
  if (t.group.groupExit !== null) return 'gone';
  if (t.restart !== 0) restartWithoutHandler(t);
  if (t.savedSigmask !== null) restoreSavedSigmask(t);
  return 'user';
}

/**
 * Takes the next pending signal not in `blocked`: the thread's before the process's, those its own instruction raised
 * first. For signalfd and sigtimedwait pass the complement of the set waited for.
 */
export function dequeueSignal(t: Task, blocked: bigint, synchronousFirst = false): SigInfo | null {
  let info = synchronousFirst ? dequeueSynchronous(t.pending, blocked) : null;
  info ??= dequeue(t.pending, blocked) ?? dequeue(t.group.pending, blocked);
  if (info?.timerId !== undefined) timerSignalDelivered(t.group, info as TimerSignal);
  return info;
}

/** Puts back the mask that setTemporarySigmask replaced. */
export function restoreSavedSigmask(t: Task): void {
  const mask = t.savedSigmask!;
  t.savedSigmask = null;
  setSigmask(t, mask);
}

/** epoll_pwait and sigtimedwait end with EINTR itself when a signal comes: the handler runs under the temporary mask. */
function endedByEintr(t: Task): boolean {
  return t.sigPending && t.nr >= 0 && signalAbi(t.regs.arch).result(t) === -EINTR;
}

function act(t: Task, info: SigInfo): Delivery {
  const action = t.sighand.actions[info.signo - 1];
  const bit = sigbit(info.signo);
  t.kernel.tracer?.signal(t, info);
  const ways = t.kernel.behaviour;
  if (action.handler === SIG_IGN) {
    if (ways.ignoredDeafens) t.deaf = true;
    return 'user';
  }
  if (action.handler !== SIG_DFL) {
    if (t.deaf || (ways.nestedDropped && t.inHandler)) return 'user';
    const taken = { ...action };
    if ((action.flags & SA_RESETHAND) !== 0 && !ways.plainHandlers) action.handler = SIG_DFL;
    return handle(t, info, taken);
  }
  if ((bit & SIG_KERNEL_IGNORE) !== 0n) return 'user';
  if ((bit & SIG_KERNEL_STOP) !== 0n) {
    if (!ways.jobControl) {
      panicMachine(t.kernel, 'modules/axprocess/src/signal.rs', 'not implemented');
      return 'stopped';
    }
    if (info.signo !== SIGSTOP && isOrphanedPgrp(t.kernel, t.group.pgrp)) return 'user';
    stopGroup(t, info.signo);
    t.kernel.tracer?.stopped(t, info.signo);
    return 'stopped';
  }
  const core = (bit & SIG_KERNEL_COREDUMP) !== 0n && dumpCore(t, info);
  beginGroupExit(t.group, core ? info.signo | WCOREFLAG : info.signo, t);
  return 'gone';
}

/** Builds the frame (handle_signal). */
function handle(t: Task, info: SigInfo, action: SigAction): Delivery {
  const abi = signalAbi(t.regs.arch);
  const ways = t.kernel.behaviour;
  if (t.restart !== 0) {
    const again =
      t.restart === ERESTARTNOINTR ||
      (t.restart === ERESTARTSYS &&
        (action.flags & SA_RESTART) !== 0 &&
        (!ways.plainHandlers || t.nr === (t.regs.arch === 'x86_64' ? NR_WAIT4.x86_64 : NR_WAIT4.aarch64)));
    if (again) abi.rewind(t, t.nr);
    else abi.setResult(t, -EINTR);
    t.restart = 0;
  }
  t.nr = -1;
  const kept = ways.ucontextPcOnly ? keepRegs(t) : null;
  const told = ways.emptySiginfo ? { signo: info.signo, code: SI_TKILL, pid: 0, uid: 0 } : info;
  if (!abi.setupFrame(t, told, action, t.savedSigmask ?? t.sigmask)) {
    kept?.release();
    forceSegv(t, info.signo);
    return 'user'; // the loop finds the SIGSEGV
  }
  t.savedSigmask = null;
  if (kept !== null) {
    emptyContext(t);
    t.keptRegs?.release();
    t.keptRegs = kept;
  }
  t.inHandler = true;
  if (ways.plainHandlers || ways.nestedDropped) return 'user';
  let mask = t.sigmask | action.mask;
  if ((action.flags & SA_NODEFER) === 0) mask |= sigbit(info.signo);
  setSigmask(t, mask);
  return 'user';
}

/** A frame could not be written or read (force_sigsegv): a handler for SIGSEGV itself gets no second chance. */
export function forceSegv(t: Task, signo: number): void {
  forceSignal(t, { signo: SIGSEGV, code: SI_KERNEL, address: 0n }, signo === SIGSEGV);
}

/** No handler ran: the call is made again, as if nothing had happened. */
function restartWithoutHandler(t: Task): void {
  const abi = signalAbi(t.regs.arch);
  switch (t.restart) {
    case ERESTARTNOHAND:
    case ERESTARTSYS:
    case ERESTARTNOINTR:
      abi.rewind(t, t.nr);
      break;
    case ERESTART_RESTARTBLOCK:
      abi.rewind(t, abi.restartSyscall);
      break;
  }
  t.restart = 0;
}

/** Stopping and continuing processes, and telling the parent (kernel/signal.c, kernel/exit.c). */
import type { Kernel } from '../kernel.ts';
import type { Task } from '../task/task.ts';
import type { ThreadGroup } from '../task/thread-group.ts';
import { cpuTicks } from '../time/cpu-time.ts';
import {
  CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, SA_NOCLDSTOP, SA_NOCLDWAIT, SIGCHLD, SIGCONT,
  NSIG, SIGHUP, SIG_IGN, SI_KERNEL,
} from './numbers.ts'; // prettier-ignore
import { recalcSigPending, sendToGroup, sendToPgrp, wakeTask } from './send.ts';
import type { SigInfo } from './state.ts';

const live = (t: Task): boolean => t.state !== 'zombie' && t.state !== 'dead';

/**
 * The default action of a stop signal (do_signal_stop): the calling thread stops now, the others at their next return
 * to user mode; when the last has, the parent hears of it.
 */
export function stopGroup(t: Task, signo: number): void {
  const g = t.group;
  const j = g.jobctl;
  if (!t.stopRequested) {
    j.stopSignal = signo;
    j.stopCount = 0;
    for (const other of g.tasks) {
      if (!live(other) || other.state === 'stopped') continue;
      other.stopRequested = true;
      j.stopCount++;
      if (other !== t) wakeTask(other, false);
    }
  }
  stopThread(t);
}

/** Takes part in the group stop under way: the thread leaves the run queue until SIGCONT or SIGKILL. */
export function stopThread(t: Task): void {
  t.kernel.scheduler.stop(t);
  joinStop(t);
}

/** Counts a thread out of the stop under way, as stopped or as gone. */
function joinStop(t: Task): void {
  const g = t.group;
  const j = g.jobctl;
  t.stopRequested = false;
  recalcSigPending(t);
  if (j.stopCount === 0 || --j.stopCount > 0) return;
  if (g.stopped) return;
  g.stopped = true;
  g.stopReport = j.stopSignal;
  g.continueReport = false;
  notifyStop(g, CLD_STOPPED, j.stopSignal);
}

/** SIGCONT was sent: stopped threads run again whatever its disposition (prepare_signal). */
export function continueGroup(g: ThreadGroup): void {
  const j = g.jobctl;
  const wasStopped = g.stopped;
  const wasStopping = j.stopCount > 0;
  g.stopped = false;
  j.stopCount = 0;
  g.stopReport = 0;
  for (const t of g.tasks) {
    t.stopRequested = false;
    if (t.state !== 'stopped') continue;
    t.kernel.scheduler.resume(t);
    t.sigPending = true; // its interrupted call is looked at again
  }
  if (wasStopped) {
    g.continueReport = true;
    notifyStop(g, CLD_CONTINUED, SIGCONT);
  } else if (wasStopping) {
    notifyStop(g, CLD_STOPPED, j.stopSignal);
  }
}

/** SIGCHLD and wait4(2) for a stop or continue (do_notify_parent_cldstop). */
function notifyStop(g: ThreadGroup, code: number, status: number): void {
  const parent = g.parent;
  if (parent === null || parent === g.leader.kernel.processes.init) return;
  const action = parent.leader.sighand.actions[SIGCHLD - 1];
  if (action.handler !== SIG_IGN && (action.flags & SA_NOCLDSTOP) === 0) {
    sendToGroup(parent, childInfo(g, SIGCHLD, code, status));
  }
  parent.childEvents.wake();
}

function childInfo(g: ThreadGroup, signo: number, code: number, status: number): SigInfo {
  const ticks = cpuTicks(g);
  return { signo, code, pid: g.pid, uid: g.leader.creds.uid, status, utime: ticks.user, stime: ticks.system };
}

/**
 * The last thread of `g` is gone, with wait status `status`: sends the leader's exit signal to the parent and wakes its
 * wait4(2) (do_notify_parent). True: the parent does not want a zombie (SIGCHLD ignored or SA_NOCLDWAIT), reap it now.
 * Call it once the group can be waited for.
 */
export function notifyParent(g: ThreadGroup, status: number): boolean {
  const parent = g.parent;
  if (parent === null || parent === g.leader.kernel.processes.init) return true; // pid 1 reaps at once
  let signo = g.exitSignal;
  let autoreap = false;
  const action = parent.leader.sighand.actions[SIGCHLD - 1];
  if (signo === SIGCHLD && (action.handler === SIG_IGN || (action.flags & SA_NOCLDWAIT) !== 0)) {
    autoreap = true;
    if (action.handler === SIG_IGN) signo = 0;
  }
  // clone(2) takes any byte as exit signal; what is no signal is not sent (valid_signal in do_notify_parent).
  if (signo > 0 && signo <= NSIG) {
    const code = (status & 0x80) !== 0 ? CLD_DUMPED : (status & 0x7f) !== 0 ? CLD_KILLED : CLD_EXITED;
    const value = (status & 0x7f) !== 0 ? status & 0x7f : (status >> 8) & 0xff;
    sendToGroup(parent, childInfo(g, signo, code, value));
  }
  parent.childEvents.wake();
  return autoreap;
}

/** No member has a parent in another group of the same session, who could continue it (will_become_orphaned_pgrp). */
export function isOrphanedPgrp(kernel: Kernel, pgrp: number, ignoring: ThreadGroup | null = null): boolean {
  for (const g of kernel.processes.groups.values()) {
    if (g.pgrp !== pgrp || g === ignoring || g.parent === null) continue;
    if (g.leader.state === 'zombie' || g.leader.state === 'dead') continue;
    if (g.parent.pgrp !== pgrp && g.parent.session === g.session) return false;
  }
  return true;
}

/**
 * `g` exits (or loses `parent`): when that orphans its process group and a member is stopped, all get SIGHUP and SIGCONT
 * (kill_orphaned_pgrp, POSIX 3.2.2.2). Call with g's own parent for g's group, and for each child it leaves behind.
 */
export function hangUpOrphanedPgrp(
  kernel: Kernel,
  g: ThreadGroup,
  parent: ThreadGroup | null,
  leaving: boolean,
): void {
  if (parent === null || parent.pgrp === g.pgrp || parent.session !== g.session) return;
  if (!isOrphanedPgrp(kernel, g.pgrp, leaving ? g : null)) return;
  let stopped = false;
  for (const m of kernel.processes.groups.values()) if (m.pgrp === g.pgrp && m.stopped) stopped = true;
  if (!stopped) return;
  sendToPgrp(kernel, g.pgrp, { signo: SIGHUP, code: SI_KERNEL });
  sendToPgrp(kernel, g.pgrp, { signo: SIGCONT, code: SI_KERNEL });
}

/**
 * A thread is leaving: it no longer counts for a stop under way, and signals of the process it might have been chosen
 * for wake another thread (exit_signals). Call with the task still in `group.tasks` and no longer runnable.
 */
export function signalThreadExit(t: Task): void {
  const g = t.group;
  if (t.stopRequested) joinStop(t);
  if (g.groupExit !== null) return;
  const wanted = g.pending.mask & ~t.sigmask;
  if (wanted === 0n) return;
  for (const other of g.tasks) {
    if (other === t || !live(other) || (wanted & ~other.sigmask) === 0n) continue;
    wakeTask(other, false);
  }
}

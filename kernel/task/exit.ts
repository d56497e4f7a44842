/**
 * How tasks and processes end, after do_exit and its parts in kernel/exit.c: give back what the task held, hand its
 * children on, tell the parent, and leave a zombie until it is waited for.
 */
import { FdTable } from '../fs/file.ts';
import { exitSem } from '../ipc/sem.ts';
import { dropKeyrings } from '../keys/keyrings.ts';
import { hangUpOrphanedPgrp, notifyParent, signalThreadExit } from '../signal/job-control.ts';
import { releaseSeccomp } from '../seccomp/seccomp.ts';
import { SIGKILL, SI_KERNEL } from '../signal/numbers.ts';
import { beginGroupExit, sendToGroup } from '../signal/send.ts';
import type { Task } from './task.ts';
import type { ThreadGroup } from './thread-group.ts';
import { maxRssKib } from './usage.ts';

/** exit_group(2), and what a fatal signal does: every thread leaves with `status`; the caller is gone at once. */
export function exitGroup(t: Task, status: number): void {
  beginGroupExit(t.group, status, t);
  exitTask(t, t.group.groupExit ?? status);
}

/** Ends one task with a wait status (exit code << 8, or signal | 0x80 for a core). */
export function exitTask(t: Task, status: number): void {
  if (t.state === 'zombie' || t.state === 'dead') return;
  const g = t.group;
  const k = t.kernel;
  k.tracer?.leaving?.(t);
  abandonWait(t);
  t.exitCode = status;
  releaseMemory(t);
  exitSem(t);
  releaseSeccomp(t);
  k.scheduler.remove(t);
  t.state = 'dead';
  g.live--;
  dropKeyrings(t, g.live === 0);
  signalThreadExit(t);
  const fds = t.fds;
  t.fds = new FdTable();
  if (--fds.users === 0) fds.closeAll(t);
  t.fs.users--;
  t.sighand.users--;
  g.deadUsage.add(t);
  t.retired = t.minorFaults = t.voluntarySwitches = t.involuntarySwitches = 0; // counted in deadUsage from now on
  handOnChildren(t);
  if (t !== g.leader) {
    g.tasks.delete(t);
    k.processes.tasks.delete(t.tid);
    traceExit(t);
  }
  t.regs.release();
  if (g.live === 0) endGroup(g, t);
}

/**
 * Ends the wait of a task that will never return from its call: its handler runs once more, woken by 'signal', so that
 * it takes back whatever it left with the thing it waited on.
 */
export function abandonWait(t: Task): void {
  if (t.parked === null || t.row === null) return;
  if (t.state === 'parked') t.kernel.scheduler.remove(t);
  t.woken = 'signal';
  t.row.run!(t, t.args);
  t.parked = null;
}

/** mm_release and exit_mm: what user space is to find when the task is gone. Also at execve, for the old image. */
export function leaveMemory(t: Task): void {
  const k = t.kernel;
  k.futexes.exitRobustList(t);
  t.robustList = 0;
  if (t.clearChildTid !== 0) {
    if (t.mm.users > 1 && t.mm.putU32(t.clearChildTid, 0) === 0) k.futexes.wakeAddress(t, t.clearChildTid, 1);
    t.clearChildTid = 0;
  }
  vforkDone(t);
}

function releaseMemory(t: Task): void {
  const g = t.group;
  g.deadUsage.maxRss = Math.max(g.deadUsage.maxRss, maxRssKib(t.mm));
  leaveMemory(t);
  dropMemory(t);
}

/** The task no longer uses its address space; the last user frees it. */
export function dropMemory(t: Task): void {
  const { mm, kernel } = t;
  if (mm.users === 1) kernel.programs.drop(mm);
  mm.release();
}

/** Lets a vfork parent go on. */
export function vforkDone(t: Task): void {
  const q = t.vforkDone;
  t.vforkDone = null;
  q?.wake();
}

/** forget_original_parent: children go to another thread, a subreaper, or init; those that asked are signalled. */
function handOnChildren(t: Task): void {
  const g = t.group;
  for (const child of [...g.children]) {
    if (child.parentThread !== t) continue;
    for (const c of child.tasks) {
      const signo = c.attrs.parentDeathSignal;
      if (signo !== 0 && c.state !== 'dead') sendToGroup(child, { signo, code: SI_KERNEL });
    }
    const thread = g.live > 0 ? liveThread(g) : null;
    if (thread !== null) {
      child.parentThread = thread;
      continue;
    }
    const heir = newParent(g);
    g.children.delete(child);
    child.parent = heir;
    child.parentThread = heir.live > 0 ? liveThread(heir) : null;
    heir.children.add(child);
    if (child.zombie !== null) announce(child);
    else hangUpOrphanedPgrp(t.kernel, child, g, false);
  }
}

function liveThread(g: ThreadGroup): Task | null {
  for (const t of g.tasks) if (t.state !== 'dead' && t.state !== 'zombie') return t;
  return null;
}

/** find_new_reaper: the nearest living ancestor that asked for orphans, or init. */
function newParent(g: ThreadGroup): ThreadGroup {
  const init = g.leader.kernel.processes.init;
  for (let p = g.parent; p !== null && p !== init; p = p.parent) if (p.subreaper && p.live > 0) return p;
  return init;
}

/** The last thread of a process is gone. `last` is that thread. */
function endGroup(g: ThreadGroup, last: Task): void {
  const k = last.kernel;
  const leader = g.leader;
  const status = g.groupExit ?? leader.exitCode;
  leader.state = 'zombie';
  leader.exitCode = status;
  g.zombie = status;
  traceExit(leader);
  g.timers?.release(k.timers);
  if (g.tty !== null) leaveTerminal(g);
  hangUpOrphanedPgrp(k, g, g.parent, true);
  g.exited.wake();
  if (g === k.processes.first) k.exitStatus = status;
  announce(g);
}

function traceExit(t: Task): void {
  const tracer = t.kernel.tracer;
  if (tracer === null) return;
  const signo = t.exitCode & 0x7f;
  if (signo !== 0) tracer.killed(t, signo, (t.exitCode & 0x80) !== 0);
  else tracer.exited(t, t.exitCode >> 8);
}

/** Tells whoever waits that the process can be waited for; a parent that wants no zombie gets none. */
function announce(g: ThreadGroup): void {
  if (notifyParent(g, g.zombie!)) g.leader.kernel.processes.forget(g);
}

/** disassociate_ctty on exit: the session leader's terminal hangs up for the whole session. */
function leaveTerminal(g: ThreadGroup): void {
  const tty = g.tty!;
  g.tty = null;
  if (g.session === g.pid) tty.sessionEnded(g);
}

/** execve's de_thread: every other thread of the process dies now; `t` becomes the leader, under the leader's id. */
export function deThread(t: Task): void {
  const g = t.group;
  const k = t.kernel;
  for (const other of [...g.tasks]) {
    if (other === t) continue;
    if (other.state === 'dead' || other.state === 'zombie') continue;
    exitTask(other, SIGKILL);
  }
  if (g.leader === t) return;
  const old = g.leader;
  const oldTid = t.tid;
  g.tasks.delete(old);
  k.processes.tasks.delete(oldTid);
  t.tid = g.pid;
  k.processes.tasks.set(t.tid, t);
  g.leader = t;
  for (const child of g.children) if (child.parentThread === old) child.parentThread = t;
  old.state = 'dead';
  k.tracer?.superseded?.(t, oldTid);
}

/** System calls that send signals. */
import { EFAULT, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { SI_TKILL, SI_USER } from './numbers.ts';
import { checkKill, sendChecked, sendSignal, sendToPgrp } from './send.ts';
import { SIGINFO_SIZE, decodeSigInfo } from './siginfo.ts';
import type { SigInfo } from './state.ts';

const INT_MIN = -0x80000000;

/** siginfo of kill(2) and tgkill(2). */
export function userSigInfo(t: Task, signo: number, code = SI_USER): SigInfo {
  return { signo, code, pid: t.group.pid, uid: t.creds.uid };
}

/** kill(2). */
export function kill(t: Task, a: Args): number {
  const pid = a.i32(0);
  const info = userSigInfo(t, a.i32(1));
  const { processes } = t.kernel;
  if (pid > 0) {
    // Any thread's id names its process (kill_pid_info looks up a task).
    const group = processes.group(pid) ?? processes.task(pid)?.group;
    return group === undefined ? -ESRCH : sendChecked(t, group, info);
  }
  if (pid === INT_MIN) return -ESRCH;
  if (pid !== -1) return sendToPgrp(t.kernel, pid === 0 ? t.group.pgrp : -pid, info, t);
  let result = 0;
  let count = 0;
  for (const g of [...processes.groups.values()]) {
    if (g.pid <= 1 || g === t.group) continue;
    count++;
    const r = sendChecked(t, g, info);
    if (r !== -EPERM) result = r;
  }
  return count > 0 ? result : -ESRCH;
}

/** tgkill(2). */
export function tgkill(t: Task, a: Args): number {
  const tgid = a.i32(0);
  const tid = a.i32(1);
  if (tid <= 0 || tgid <= 0) return -EINVAL;
  return sendToThread(t, tgid, tid, userSigInfo(t, a.i32(2), SI_TKILL));
}

/** tkill(2). */
export function tkill(t: Task, a: Args): number {
  const tid = a.i32(0);
  if (tid <= 0) return -EINVAL;
  return sendToThread(t, 0, tid, userSigInfo(t, a.i32(1), SI_TKILL));
}

/** do_send_specific. `tgid` 0: whatever process the thread is in. */
function sendToThread(t: Task, tgid: number, tid: number, info: SigInfo): number {
  const target = t.kernel.processes.task(tid);
  if (target === undefined || (tgid !== 0 && target.group.pid !== tgid)) return -ESRCH;
  const denied = checkKill(t, target, info.signo);
  if (denied !== 0 || info.signo === 0) return denied;
  if (target.state === 'zombie' || target.state === 'dead') return 0;
  return sendSignal(target, info);
}

/** siginfo from the caller, who may not pretend to be the kernel or kill(2) towards others. */
function readSigInfo(t: Task, address: number, signo: number): SigInfo | number {
  const v = t.mm.viewIn(address, SIGINFO_SIZE);
  return v === null ? -EFAULT : decodeSigInfo(v, signo);
}

const forged = (info: SigInfo): boolean => info.code >= 0 || info.code === SI_TKILL;

/** rt_sigqueueinfo(2). */
export function rt_sigqueueinfo(t: Task, a: Args): number {
  const pid = a.i32(0);
  const info = readSigInfo(t, a.ptr(2), a.i32(1));
  if (typeof info === 'number') return info;
  if (forged(info) && t.tid !== pid) return -EPERM;
  const group = t.kernel.processes.group(pid) ?? t.kernel.processes.task(pid)?.group;
  return group === undefined ? -ESRCH : sendChecked(t, group, info);
}

/** rt_tgsigqueueinfo(2). */
export function rt_tgsigqueueinfo(t: Task, a: Args): number {
  const tgid = a.i32(0);
  const tid = a.i32(1);
  const info = readSigInfo(t, a.ptr(3), a.i32(2));
  if (typeof info === 'number') return info;
  if (tid <= 0 || tgid <= 0) return -EINVAL;
  if (forged(info) && t.tid !== tid) return -EPERM;
  return sendToThread(t, tgid, tid, info);
}

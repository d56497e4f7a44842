/** Signals that files send to their owner: SIGIO, or what F_SETSIG chose instead (fs/fcntl.c, send_sigio). */
import { EFAULT, EINVAL, ESRCH } from '../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { SIGIO, SIGURG, SI_KERNEL } from '../signal/numbers.ts';
import { sendSignal, sendToGroup } from '../signal/send.ts';
import type { SigInfo } from '../signal/state.ts';
import type { Task } from '../task/task.ts';
import type { WaitQueue, Waiter } from '../wait.ts';
import { O_ASYNC, POLLERR, POLLHUP, POLLIN, POLLOUT, type File } from './file.ts';

/** si_code of a file's signal. */
const POLL_IN = 1;
const POLL_OUT = 2;
export const POLL_MSG = 3;
/** si_band for each: POLLIN|POLLRDNORM, POLLOUT|POLLWRNORM|POLLWRBAND, POLLIN|POLLRDNORM|POLLMSG. */
const BAND: readonly number[] = [0, 0x41, 0x304, 0x441];

export function sendSigio(k: Kernel, file: File, fd: number, reason: number): void {
  const { ownerSignal } = file;
  const info: SigInfo =
    ownerSignal === 0
      ? { signo: SIGIO, code: SI_KERNEL }
      : { signo: ownerSignal, code: reason, band: BAND[reason], fd, poll: true };
  signalOwner(k, file, info);
}

/** SIGURG: urgent data came (send_sigurg). */
export function sendSigurg(k: Kernel, file: File): void {
  signalOwner(k, file, { signo: SIGURG, code: SI_KERNEL });
}

function signalOwner(k: Kernel, file: File, info: SigInfo): void {
  const { who, thread, uid, euid } = file.owner;
  if (who === 0) return;
  const allowed = (t: Task): boolean => {
    const c = t.creds;
    return euid === 0 || euid === c.suid || euid === c.uid || uid === c.suid || uid === c.uid;
  };
  if (who < 0) {
    for (const g of k.processes.pgrp(-who)) if (g.live > 0 && allowed(g.leader)) sendToGroup(g, info);
    return;
  }
  const t = k.processes.task(who);
  if (!t || !allowed(t)) return;
  if (thread) sendSignal(t, info);
  else if (t.group.live > 0) sendToGroup(t.group, info);
}

const F_OWNER_TID = 0;
const F_OWNER_PID = 1;
const F_OWNER_PGRP = 2;

/** F_SETOWN: a pid, or minus a process group. `force` false: an owner that is there stays. */
export function setOwner(t: Task, file: File, who: number, thread = false, force = true): number {
  if (who === -2147483648) return -EINVAL;
  const { processes } = t.kernel;
  if (who > 0 && !processes.tasks.has(who)) return -ESRCH;
  if (who < 0 && processes.pgrp(-who).length === 0) return -ESRCH;
  if (force || file.owner.who === 0) {
    const { uid, euid } = t.creds;
    file.owner = { who, thread, uid, euid };
  }
  return 0;
}

/** F_SETOWN_EX. */
export function setOwnerEx(t: Task, file: File, address: number): number {
  const v = t.mm.viewIn(address, 8);
  if (v === null) return -EFAULT;
  const type = v.getInt32(0, true);
  const pid = v.getInt32(4, true);
  if (type !== F_OWNER_TID && type !== F_OWNER_PID && type !== F_OWNER_PGRP) return -EINVAL;
  return setOwner(t, file, type === F_OWNER_PGRP ? -pid : pid, type === F_OWNER_TID);
}

/** F_GETOWN_EX. */
export function getOwnerEx(t: Task, file: File, address: number): number {
  const { who, thread } = file.owner;
  const type = who < 0 ? F_OWNER_PGRP : thread ? F_OWNER_TID : F_OWNER_PID;
  const out = new Int32Array([type, Math.abs(who)]);
  return t.mm.copyOut(address, new Uint8Array(out.buffer)) < 0 ? -EFAULT : 0;
}

/** What O_ASYNC leaves on a file's queue: each time it becomes readable or writable its owner is told. */
class AsyncNotice implements Waiter {
  private readonly kernel: Kernel;
  private readonly file: File;
  private readonly fd: number;

  constructor(kernel: Kernel, file: File, fd: number) {
    this.kernel = kernel;
    this.file = file;
    this.fd = fd;
  }

  wake(_queue: WaitQueue, events: number): void {
    const now = this.file.poll() & (events || ~0);
    if (now & (POLLIN | POLLHUP | POLLERR)) sendSigio(this.kernel, this.file, this.fd, POLL_IN);
    else if (now & POLLOUT) sendSigio(this.kernel, this.file, this.fd, POLL_OUT);
  }
}

/** F_SETFL and FIOASYNC: switches O_ASYNC (fasync_helper). The descriptor is what a signal will name. */
export function setAsync(t: Task, file: File, fd: number, on: boolean): void {
  file.flags = on ? file.flags | O_ASYNC : file.flags & ~O_ASYNC;
  if (!file.pollable || on === (file.async !== null)) return;
  if (file.async) file.waiters.remove(file.async);
  file.async = on ? new AsyncNotice(t.kernel, file, fd) : null;
  if (file.async) file.waiters.add(file.async);
}

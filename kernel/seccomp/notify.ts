/**
 * Calls that wait for a supervisor's answer (seccomp_unotify(2), seccomp_do_user_notification of kernel/seccomp.c). The
 * descriptor belongs to one filter; each call that filter hands on is a notification.
 */
import {
  EBADF, EFAULT, EINPROGRESS, EINTR, EINVAL, ENOENT, ENOMEM, ENOSYS, ERESTARTSYS,
} from '../abi/errno.ts'; // prettier-ignore
import {
  File, O_CLOEXEC, O_RDWR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, installFile,
} from '../fs/file.ts'; // prettier-ignore
import type { SyscallRow } from '../syscall/define.ts';
import { RLIMIT_NOFILE } from '../task/rlimits.ts';
import type { Task } from '../task/task.ts';
import { WaitQueue, park, type SysResult } from '../wait.ts';

// ioctl_list(2) has none of these: linux/seccomp.h.
const NOTIF_RECV = 0xc0502100;
const NOTIF_SEND = 0xc0182101;
const NOTIF_ID_VALID = 0x40082102;
/** The same with the wrong direction, as it was first. */
const NOTIF_ID_VALID_WRONG_DIR = 0x80082102;
/** Its size is in bits 16…29: the struct may grow. */
const NOTIF_ADDFD = 0x40002103;
const IOC_SIZE = 0x3fff0000;

const NOTIF_SIZE = 80;
const RESP_SIZE = 24;
const ADDFD_SIZE = 24;
const USER_NOTIF_FLAG_CONTINUE = 1;
const ADDFD_FLAG_SETFD = 1;
const ADDFD_FLAG_SEND = 2;

/** One call that waits. */
export interface Notification {
  readonly id: bigint;
  readonly task: Task;
  /** struct seccomp_data. */
  readonly data: Uint8Array;
  /** What the call is without the filter; null: nothing. */
  readonly row: SyscallRow | null;
  readonly listener: Listener;
  readonly done: WaitQueue;
  state: 'new' | 'sent' | 'replied';
  value: number;
  /** The call is made after all. */
  goOn: boolean;
}

/** A filter's descriptor. */
export class Listener extends File {
  readonly name = 'anon_inode:[seccomp notify]';
  /** Once received, a call's wait ends by its answer or death alone. */
  readonly killable: boolean;
  private readonly waiting: Notification[] = [];
  /** Calls nobody has asked for yet; those that gave up meanwhile count too. */
  private requests = 0;
  private nextId = 1n;
  /** No task has the filter any more. */
  private orphaned = false;
  private closedForGood = false;

  constructor(t: Task, killable: boolean) {
    super(O_RDWR, t.kernel.pseudo.anonInode, 'seccomp notifications');
    this.killable = killable;
  }

  /** Whether anybody holds the descriptor. */
  get open(): boolean {
    return !this.closedForGood;
  }

  /** Hands a call on; its task waits. */
  notify(task: Task, data: Uint8Array): SysResult {
    const { row } = task;
    const n: Notification = {
      id: this.nextId++, task, data, row, listener: this, done: new WaitQueue('seccomp supervisor'), state: 'new',
      value: 0, goOn: false,
    }; // prettier-ignore
    this.waiting.push(n);
    this.requests++;
    this.waiters.wake(POLLIN | POLLRDNORM);
    // Until it is answered, what carries the call on is not the call's own handler.
    task.row = { ...(row ?? UNKNOWN), run: resume };
    return this.wait(n);
  }

  wait(n: Notification): SysResult {
    const uninterruptible = this.killable && n.state === 'sent';
    return park({ on: n.done, interrupted: ERESTARTSYS, data: n, uninterruptible });
  }

  forget(n: Notification): void {
    const i = this.waiting.indexOf(n);
    if (i >= 0) this.waiting.splice(i, 1);
  }

  orphan(): void {
    this.orphaned = true;
    this.waiters.wake(POLLHUP);
  }

  override poll(): number {
    let events = this.orphaned ? POLLHUP : 0;
    for (const n of this.waiting) {
      if (n.state === 'new') events |= POLLIN | POLLRDNORM;
      if (n.state === 'sent') events |= POLLOUT | POLLWRNORM;
    }
    return events;
  }

  /** Nobody will answer any more. */
  override release(): void {
    this.closedForGood = true;
    for (const n of this.waiting) if (n.state !== 'replied') reply(n, -ENOSYS);
  }

  override ioctl(t: Task, cmd: number, arg: number): SysResult {
    switch (cmd) {
      case NOTIF_RECV:
        return this.receive(t, arg);
      case NOTIF_SEND:
        return this.send(t, arg);
      case NOTIF_ID_VALID:
      case NOTIF_ID_VALID_WRONG_DIR: {
        const id = t.mm.u64(arg);
        if (id === null) return -EFAULT;
        return this.find(id)?.state === 'sent' ? 0 : -ENOENT;
      }
    }
    if ((cmd & ~IOC_SIZE) === NOTIF_ADDFD) return this.addFd(t, arg, (cmd & IOC_SIZE) >> 16);
    return -EINVAL;
  }

  private find(id: bigint): Notification | undefined {
    return this.waiting.find((n) => n.id === id);
  }

  private receive(t: Task, arg: number): SysResult {
    if (t.parked === null) {
      const given = t.mm.copyIn(arg, NOTIF_SIZE);
      if (given === null) return -EFAULT;
      if (given.some((b) => b !== 0)) return -EINVAL;
    }
    if (this.requests === 0) {
      return t.woken === 'signal' ? -EINTR : park({ on: this.waiters, interrupted: EINTR });
    }
    this.requests--;
    const n = this.waiting.find((w) => w.state === 'new');
    if (n === undefined) return -ENOENT;
    const out = new Uint8Array(NOTIF_SIZE);
    const v = new DataView(out.buffer);
    v.setBigUint64(0, n.id, true);
    v.setUint32(8, n.task.tid, true);
    out.set(n.data, 16);
    if (t.mm.copyOut(arg, out) !== 0) {
      this.requests++;
      return -EFAULT;
    }
    n.state = 'sent';
    if (this.killable) n.done.wake(); // it waits on, in another way
    this.waiters.wake(POLLOUT | POLLWRNORM);
    return 0;
  }

  private send(t: Task, arg: number): number {
    const v = t.mm.viewIn(arg, RESP_SIZE);
    if (v === null) return -EFAULT;
    const [value, error, flags] = [v.getBigInt64(8, true), v.getInt32(16, true), v.getUint32(20, true)];
    if ((flags & ~USER_NOTIF_FLAG_CONTINUE) !== 0) return -EINVAL;
    const goOn = (flags & USER_NOTIF_FLAG_CONTINUE) !== 0;
    if (goOn && (error !== 0 || value !== 0n)) return -EINVAL;
    const n = this.find(v.getBigUint64(0, true));
    if (n === undefined) return -ENOENT;
    if (n.state !== 'sent') return -EINPROGRESS;
    n.goOn = goOn;
    reply(n, error !== 0 ? error : Number(value));
    return 0;
  }

  private addFd(t: Task, arg: number, size: number): number {
    if (size < ADDFD_SIZE || size >= 4096) return -EINVAL;
    const bytes = t.mm.copyIn(arg, size);
    if (bytes === null) return -EFAULT;
    if (bytes.subarray(ADDFD_SIZE).some((b) => b !== 0)) return -EINVAL;
    const v = new DataView(bytes.buffer, bytes.byteOffset);
    const [flags, source, wanted, fdFlags] = [8, 12, 16, 20].map((at) => v.getUint32(at, true));
    if ((fdFlags & ~O_CLOEXEC) !== 0) return -EINVAL;
    if ((flags & ~(ADDFD_FLAG_SETFD | ADDFD_FLAG_SEND)) !== 0) return -EINVAL;
    const exactly = (flags & ADDFD_FLAG_SETFD) !== 0;
    if (wanted !== 0 && !exactly) return -EINVAL;
    const file = t.fds.get(source);
    if (!file) return -EBADF;
    const n = this.find(v.getBigUint64(0, true));
    if (n === undefined) return -ENOENT;
    if (n.state !== 'sent') return -EINPROGRESS;
    const cloexec = (fdFlags & O_CLOEXEC) !== 0;
    const fd = exactly ? putFile(n.task, wanted, file, cloexec) : installFile(n.task, file, cloexec);
    if (fd >= 0 && (flags & ADDFD_FLAG_SEND) !== 0) reply(n, fd);
    return fd;
  }
}

function putFile(t: Task, fd: number, file: File, cloexec: boolean): number {
  if (fd >= t.group.rlimits[RLIMIT_NOFILE].cur) return -EBADF;
  if (!t.fds.reserve(t.kernel.kmem)) return -ENOMEM;
  t.fds.set(fd, file, cloexec, t);
  return fd;
}

function reply(n: Notification, value: number): void {
  n.state = 'replied';
  n.value = value;
  n.done.wake();
}

/** The handler of a call while its supervisor thinks. */
function resume(t: Task): SysResult {
  const n = t.parked!.data as Notification;
  if (n.state !== 'replied') {
    if (t.woken !== 'signal') return n.listener.wait(n);
    n.listener.forget(n);
    return -ERESTARTSYS;
  }
  n.listener.forget(n);
  t.row = n.row;
  if (!n.goOn) return n.value;
  t.parked = null;
  t.woken = null;
  return n.row?.run?.(t, t.args) ?? -ENOSYS;
}

/** A number no call has. */
const UNKNOWN: SyscallRow = {
  name: 'unknown',
  x86_64: null,
  aarch64: null,
  ret: 'int',
  args: [],
  support: { level: 'absent' },
};

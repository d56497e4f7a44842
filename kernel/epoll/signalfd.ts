/** signalfd (fs/signalfd.c): pending signals of whoever reads it, as 128-byte records. */
import { EAGAIN, EBADF, EFAULT, EINVAL } from '../abi/errno.ts';
import { File, O_CLOEXEC, O_NONBLOCK, O_RDWR, POLLIN, installFile } from '../fs/file.ts';
import type { Inode } from '../fs/inode.ts';
import type { Kernel } from '../kernel.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import { dequeueSignal } from '../signal/deliver.ts';
import { recalcSigPending } from '../signal/send.ts';
import type { SigInfo } from '../signal/state.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { WaitQueue, Waiter } from '../wait.ts';

const RECORD = 128;
const ALL = (1n << 64n) - 1n;
/** SIGKILL and SIGSTOP cannot be received so. */
const NEVER = (1n << 8n) | (1n << 18n);

export class SignalFd extends File implements Waiter {
  readonly name = 'anon_inode:[signalfd]';
  /** Signals it takes. */
  mask: bigint;
  private readonly kernel: Kernel;
  /** Queues of the processes that use it: after fork there may be several. */
  private readonly queues = new Set<WaitQueue>();

  constructor(t: Task, mask: bigint, inode: Inode | null, flags: number) {
    super(O_RDWR | flags, inode, 'signalfd');
    this.mask = mask;
    this.kernel = t.kernel;
    this.attach(t);
  }

  private attach(t: Task): void {
    const q = t.sighand.signalfd;
    if (this.queues.has(q)) return;
    this.queues.add(q);
    q.add(this);
  }

  /** Some signal was queued for a process that uses this file. */
  wake(): void {
    this.waiters.wake(POLLIN);
  }

  /** Ready when the calling task has a signal pending that the mask takes. */
  override poll(): number {
    const t = this.kernel.scheduler.current;
    if (!t) return 0;
    this.attach(t);
    return (t.pending.mask | t.group.pending.mask) & this.mask ? POLLIN : 0;
  }

  override read(buf: IoBuf, t: Task): number {
    const room = Math.floor(buf.length / RECORD);
    if (room === 0) return -EINVAL;
    this.attach(t);
    let n = 0;
    while (n < room) {
      const info = dequeueSignal(t, ALL & ~this.mask);
      if (!info) break;
      buf.put(record(info), n * RECORD);
      n++;
    }
    if (n === 0) return -EAGAIN;
    recalcSigPending(t);
    return n * RECORD;
  }

  override fdinfo(): string {
    return `sigmask:\t${this.mask.toString(16).padStart(16, '0')}\n`;
  }

  override release(): void {
    for (const q of this.queues) q.remove(this);
  }
}

/** struct signalfd_siginfo. */
function record(i: SigInfo): Uint8Array {
  const out = new Uint8Array(RECORD);
  const v = new DataView(out.buffer);
  v.setUint32(0, i.signo, true);
  v.setInt32(4, i.errno ?? 0, true);
  v.setInt32(8, i.code, true);
  v.setUint32(12, i.pid ?? 0, true);
  v.setUint32(16, i.uid ?? 0, true);
  v.setInt32(20, i.fd ?? 0, true);
  v.setUint32(24, i.timerId ?? 0, true);
  v.setUint32(28, i.band ?? 0, true);
  v.setUint32(32, i.overrun ?? 0, true);
  v.setInt32(40, i.status ?? 0, true);
  let value = i.value ?? 0n;
  if (i.raw) {
    // rt_sigqueueinfo's union: si_pid, si_uid, then si_value.
    const raw = new DataView(i.raw.buffer, i.raw.byteOffset, i.raw.byteLength);
    v.setUint32(12, raw.getUint32(0, true), true);
    v.setUint32(16, raw.getUint32(4, true), true);
    value = raw.getBigUint64(8, true);
  }
  v.setUint32(44, Number(value & 0xffffffffn), true);
  v.setBigUint64(48, BigInt.asUintN(64, value), true);
  v.setBigUint64(56, BigInt(i.utime ?? 0), true);
  v.setBigUint64(64, BigInt(i.stime ?? 0), true);
  v.setBigUint64(72, i.address ?? 0n, true);
  return out;
}

function make(t: Task, fd: number, maskAt: number, size: number, flags: number): number {
  if (size !== 8) return -EINVAL;
  const set = t.mm.u64(maskAt);
  if (set === null) return -EFAULT;
  if (flags & ~(O_CLOEXEC | O_NONBLOCK)) return -EINVAL;
  const mask = set & ~NEVER;
  if (fd === -1) {
    const file = new SignalFd(t, mask, t.kernel.pseudo.anonInode, flags & O_NONBLOCK);
    const r = installFile(t, file, (flags & O_CLOEXEC) !== 0);
    if (r < 0) file.release();
    return r;
  }
  const file = t.fds.opened(fd);
  if (!file) return -EBADF;
  if (!(file instanceof SignalFd)) return -EINVAL;
  file.mask = mask;
  file.wake();
  return fd;
}

/** signalfd(2) without flags. */
export function signalfd(t: Task, a: Args): number {
  return make(t, a.i32(0), a.ptr(1), a.size(2), 0);
}

export function signalfd4(t: Task, a: Args): number {
  return make(t, a.i32(0), a.ptr(1), a.size(2), a.i32(3));
}

/** Open ends of pipes and FIFOs, after fs/pipe.c of Linux 6.1: who is woken, and for which events, is epoll's ABI. */
import { EAGAIN, EFAULT, EINVAL, ENOMEM, ENOTTY, EPIPE } from '../../abi/errno.ts';
import type { IoBuf } from '../../mm/iobuf.ts';
import { PAGE_SIZE } from '../../ports.ts';
import type { Kernel } from '../../kernel.ts';
import type { Task } from '../../task/task.ts';
import { sendSignal } from '../../signal/send.ts';
import { WaitQueue } from '../../wait.ts';
import { realtime } from '../anon/pseudo-fs.ts';
import {
  F_GETPIPE_SZ, F_SETPIPE_SZ, File, O_DIRECT, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM,
} from '../file.ts'; // prettier-ignore
import type { Inode } from '../inode.ts';
import { Pipe } from './pipe.ts';

export const FIONREAD = 0x541b;
const SIGPIPE = 13;
const CAP_SYS_RESOURCE = 24n;

/** A task inside a blocking open(2) of a FIFO. It counts as an open end, as in fifo_open(). */
export interface Opener {
  readonly side: 'read' | 'write';
  /** Value of the other side's counter when it began to wait. */
  readonly seen: number;
}

/** The pipe shared by its ends: the buffer, and who holds which end. */
export class PipeShared {
  readonly pipe: Pipe;
  readonly kernel: Kernel;
  readonly ends = new Set<PipeFile>();
  /** Opens so far of each side; a change is what a waiting opener looks for (r_counter, w_counter). */
  readerOpens = 0;
  writerOpens = 0;
  private openReaders = 0;
  private openWriters = 0;
  readonly openers = new Map<Task, Opener>();
  readonly openWait: WaitQueue;

  constructor(kernel: Kernel, what: string) {
    this.kernel = kernel;
    this.pipe = new Pipe(kernel.kmem);
    this.openWait = new WaitQueue(`open of ${what}`);
  }

  get readers(): number {
    return this.openReaders + this.waiting('read');
  }
  get writers(): number {
    return this.openWriters + this.waiting('write');
  }

  attach(f: PipeFile): void {
    this.ends.add(f);
    if (f.readable) this.openReaders++;
    if (f.writable) this.openWriters++;
  }

  detach(f: PipeFile): void {
    this.ends.delete(f);
    if (f.readable) this.openReaders--;
    if (f.writable) this.openWriters--;
    if ((this.readers === 0) !== (this.writers === 0)) {
      this.wakeReaders(0);
      this.wakeWriters(0);
    }
    // What a FIFO still holds is lost when nobody has it open.
    if (this.ends.size === 0 && this.waiting('read') + this.waiting('write') === 0) this.pipe.destroy();
  }

  wakeReaders(events: number): void {
    for (const f of this.ends) if (f.readable) f.waiters.wake(events);
  }
  wakeWriters(events: number): void {
    for (const f of this.ends) if (f.writable) f.waiters.wake(events);
  }

  /** Openers of one side still inside their call. One whose task died or went on to something else is forgotten. */
  private waiting(side: Opener['side']): number {
    if (this.openers.size === 0) return 0;
    let n = 0;
    for (const [task, o] of this.openers) {
      if (task.parked?.data !== o || task.state === 'zombie' || task.state === 'dead')
        this.openers.delete(task);
      else if (o.side === side) n++;
    }
    return n;
  }
}

export class PipeFile extends File {
  readonly shared: PipeShared;
  /** Opened without a writer and O_NONBLOCK: no POLLHUP until a writer came and went. */
  private readonly hupAfter: number;

  constructor(shared: PipeShared, flags: number, inode: Inode, hupAfter = -1) {
    super(flags, inode, `pipe:[${inode.ino}]`);
    this.shared = shared;
    this.hupAfter = hupAfter;
    shared.attach(this);
  }

  override get name(): string {
    return this.path === null ? this.waiters.what : this.path.name;
  }
  override get pipe(): Pipe {
    return this.shared.pipe;
  }
  override get writesAll(): boolean {
    return true;
  }

  override poll(): number {
    const { pipe, readers, writers, writerOpens } = this.shared;
    pipe.pollUsage = true;
    let events = 0;
    if (this.readable) {
      if (!pipe.empty) events |= POLLIN | POLLRDNORM;
      if (writers === 0 && this.hupAfter !== writerOpens) events |= POLLHUP;
    }
    if (this.writable) {
      if (!pipe.full) events |= POLLOUT | POLLWRNORM;
      if (readers === 0) events |= POLLERR;
    }
    return events;
  }

  override read(buf: IoBuf, _t: Task): number {
    if (buf.length === 0) return 0;
    const { pipe } = this.shared;
    if (pipe.empty) return this.shared.writers === 0 ? 0 : -EAGAIN;
    const wasFull = pipe.full;
    const n = pipe.read(buf);
    if (this.inode) this.inode.atime = realtime(this.shared.kernel);
    this.afterConsume(wasFull);
    return n;
  }

  override write(buf: IoBuf, t: Task): number {
    if (buf.length === 0) return 0;
    const { pipe } = this.shared;
    if (this.shared.readers === 0) return this.broken(t);
    const wasEmpty = pipe.empty;
    // A write that goes on after a wait fills new slots only: it must not split what another writer merged.
    const n = pipe.write(buf, t.parked === null, (this.flags & O_DIRECT) !== 0);
    if (n > 0) this.afterProduce(wasEmpty);
    if (n > 0) return n;
    return pipe.full ? -EAGAIN : -ENOMEM;
  }

  /** SIGPIPE and -EPIPE: no reader is left. */
  broken(t: Task): number {
    sendSignal(t, { signo: SIGPIPE, code: 0, pid: t.pid, uid: t.creds.uid });
    return -EPIPE;
  }

  /** Wakeups after bytes left the pipe (read, splice): writers hear only that a full pipe has room. */
  afterConsume(wasFull: boolean): void {
    if (wasFull) this.shared.wakeWriters(POLLOUT | POLLWRNORM);
  }
  /** Wakeups after bytes came: readers hear of an empty pipe filling, and of every write once somebody polled. */
  afterProduce(wasEmpty: boolean): void {
    if (this.inode) this.inode.mtime = this.inode.ctime = realtime(this.shared.kernel);
    if (wasEmpty || this.shared.pipe.pollUsage) this.shared.wakeReaders(POLLIN | POLLRDNORM);
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    if (cmd === FIONREAD) return t.mm.putU32(arg, this.shared.pipe.bytes) < 0 ? -EFAULT : 0;
    return -ENOTTY;
  }

  override fcntl(t: Task, cmd: number, arg: number): number {
    const { pipe } = this.shared;
    if (cmd === F_GETPIPE_SZ) return pipe.maxUsage * PAGE_SIZE;
    if (cmd !== F_SETPIPE_SZ) return -EINVAL;
    const wasFull = pipe.full;
    const r = pipe.resize(arg, ((t.creds.capEffective >> CAP_SYS_RESOURCE) & 1n) === 1n);
    if (r >= 0) this.afterConsume(wasFull && !pipe.full);
    return r;
  }

  override release(): void {
    this.shared.detach(this);
  }
}

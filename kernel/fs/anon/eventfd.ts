/** eventfd(2): a 64-bit counter to wait on. After fs/eventfd.c of Linux 6.1. */
import { EAGAIN, EINVAL } from '../../abi/errno.ts';
import type { IoBuf } from '../../mm/iobuf.ts';
import type { Task } from '../../task/task.ts';
import { File, O_RDWR, POLLERR, POLLIN, POLLOUT } from '../file.ts';
import type { Inode } from '../inode.ts';

const ULLONG_MAX = 0xffffffffffffffffn;

export class EventFd extends File {
  readonly name = 'anon_inode:[eventfd]';
  count: bigint;
  private readonly semaphore: boolean;
  get isSemaphore(): boolean {
    return this.semaphore;
  }
  /** For fdinfo. */
  private readonly id: number;

  constructor(inode: Inode, count: number, semaphore: boolean, nonblock: number, id: number) {
    super(O_RDWR | nonblock, inode, 'eventfd');
    this.count = BigInt(count);
    this.semaphore = semaphore;
    this.id = id;
  }

  /** A write that must wait (the counter would pass its maximum) waits for the whole value. */
  override get writesAll(): boolean {
    return true;
  }

  override poll(): number {
    let events = 0;
    if (this.count > 0n) events |= POLLIN;
    if (this.count === ULLONG_MAX) events |= POLLERR;
    if (this.count < ULLONG_MAX - 1n) events |= POLLOUT;
    return events;
  }

  override read(buf: IoBuf, _t: Task): number {
    if (buf.length < 8) return -EINVAL;
    if (this.count === 0n) return -EAGAIN;
    const value = this.semaphore ? 1n : this.count;
    this.count -= value;
    const out = new Uint8Array(8);
    new DataView(out.buffer).setBigUint64(0, value, true);
    buf.put(out);
    this.waiters.wake(POLLOUT);
    return 8;
  }

  override write(buf: IoBuf, _t: Task): number {
    if (buf.length < 8) return -EINVAL;
    const bytes = new Uint8Array(8);
    buf.get(bytes);
    const value = new DataView(bytes.buffer).getBigUint64(0, true);
    if (value === ULLONG_MAX) return -EINVAL;
    if (ULLONG_MAX - this.count <= value) return -EAGAIN;
    this.count += value;
    this.waiters.wake(POLLIN);
    return 8;
  }

  /** Adds to the counter from inside the kernel (eventfd_signal): it saturates and never waits. */
  signal(n: bigint): void {
    this.count = ULLONG_MAX - this.count < n ? ULLONG_MAX : this.count + n;
    this.waiters.wake(POLLIN);
  }

  override fdinfo(): string {
    return `eventfd-count: ${this.count.toString(16).padStart(16)}\neventfd-id: ${this.id}\n`;
  }
}

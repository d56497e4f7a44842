/**
 * The receiving half of a TCP stream: bytes that came and were not read, the urgent one among them, and the kernel memory they
 * count for.
 */
import { EINVAL } from '../abi/errno.ts';
import type { KernelMemory } from '../mm/kernel-memory.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import { ByteQueue } from './byte-queue.ts';
import { MSG_PEEK, MSG_TRUNC } from './constants.ts';
import type { Received } from './socket.ts';
import { Urgent } from './urgent.ts';

/** net.ipv4.tcp_rmem[0]. */
const TCP_MEM_MIN = 4096;

export class Inbound {
  /** Bytes that came in all, and in how many writes: what would be segments with data. */
  received = 0;
  segments = 0;
  private readonly bytes = new ByteQueue();
  private readonly urgent = new Urgent();
  private readonly kmem: KernelMemory;
  /** SO_OOBINLINE: the urgent byte is read in its place. */
  private readonly inline: () => boolean;
  /** Bytes of the queue that count (sk_rmem_alloc). */
  private paid = 0;

  constructor(kmem: KernelMemory, inline: () => boolean) {
    this.kmem = kmem;
    this.inline = inline;
  }

  get length(): number {
    return this.bytes.length;
  }
  /** The reader stands at the urgent byte (SIOCATMARK). */
  get atMark(): boolean {
    return this.urgent.atMark;
  }
  /** POLLPRI. */
  get urgentWaiting(): boolean {
    return this.urgent.waiting;
  }
  /** Bytes that memory leaves room for: under pressure a queue is only what the smallest buffer is. */
  get roomInMemory(): number {
    if (this.kmem.tight) return Math.max(0, TCP_MEM_MIN - this.bytes.length);
    return this.kmem.max - this.kmem.used;
  }
  /** The urgent byte when it is the first: a read leaves it out. */
  private get hole(): number {
    return this.urgent.atMark && !this.inline() ? 1 : 0;
  }

  push(src: IoBuf, from: number, to: number): void {
    this.bytes.push(src, from, to);
    this.settle();
    this.received += to - from;
    this.segments++;
  }

  /** The last byte pushed is urgent. False: it was read already. */
  lastIsUrgent(): boolean {
    if (this.bytes.length === 0) return false;
    // An urgent byte the reader stands at is lost to the next one.
    if (this.hole > 0 && this.bytes.length > 1) this.bytes.skip(1);
    this.urgent.arrived(this.bytes.length, this.bytes.last);
    return true;
  }

  /** What is beyond the first `length` bytes is lost. */
  truncate(length: number): void {
    if (this.bytes.length > length) this.bytes.truncate(length);
    this.settle();
  }

  clear(): void {
    this.bytes.clear();
    this.settle();
  }
  /** The same, with what is known of the urgent byte. */
  restart(): void {
    this.urgent.clear();
    this.clear();
  }

  /** Bytes for recv(2), up to an urgent one; −1: there are none. */
  read(buf: IoBuf, flags: number): number {
    const peek = (flags & MSG_PEEK) !== 0;
    let { hole } = this;
    if (hole > 0 && !peek) {
      this.bytes.skip(1);
      this.urgent.advance(1);
      hole = 0;
    }
    if (this.bytes.length <= hole) return -1;
    const n = Math.min(buf.length, this.bytes.length - hole, this.urgent.before);
    if (flags & MSG_TRUNC && !peek) this.bytes.skip(n);
    else this.bytes.pull(n < buf.length ? buf.slice(0, n) : buf, peek, hole);
    if (!peek) this.urgent.advance(n);
    this.settle();
    return n;
  }

  /** recv(MSG_OOB). */
  readUrgent(buf: IoBuf, flags: number, r: Received): number {
    return this.inline() ? -EINVAL : this.urgent.receive(buf, flags, r);
  }

  /** Bytes that `read` would take of the first `window`. */
  available(window: number): number {
    const urgent = this.inline() ? Infinity : this.urgent.atMark ? 0 : this.urgent.before;
    return Math.min(this.bytes.length, window, urgent);
  }
  /** There are so many, the urgent one aside. */
  has(length: number): boolean {
    return this.bytes.length >= length + this.hole;
  }

  /** What the queue holds counts against what the kernel may. */
  private settle(): void {
    this.kmem.uncharge(this.paid - this.bytes.memory);
    this.paid = this.bytes.memory;
  }
}

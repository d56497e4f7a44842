/**
 * The pipe buffer of fs/pipe.c: a ring of slots, each a page or less. Small writes merge into the last slot, writes up
 * to PIPE_BUF land in one piece, O_DIRECT writes keep their boundaries. Knows nothing of tasks: see pipe-file.ts.
 */
import { EBUSY, EINVAL, EPERM } from '../../abi/errno.ts';
import { IoBuf } from '../../mm/iobuf.ts';
import type { KernelMemory } from '../../mm/kernel-memory.ts';
import { PAGE_SIZE } from '../../ports.ts';

/** Slots of a new pipe: 64 KiB. */
export const PIPE_DEF_BUFFERS = 16;
/** /proc/sys/fs/pipe-max-size as Linux sets it at boot. */
export const PIPE_MAX_SIZE = 1048576;

/** One slot. `merge`: later writes may append; `packet`: a read takes this slot alone. */
interface Slot {
  page: Uint8Array;
  offset: number;
  length: number;
  readonly merge: boolean;
  readonly packet: boolean;
}

export class Pipe {
  private slots: Slot[] = [];
  /** Index of the oldest slot in `slots`; kept low by shifting in bulk. */
  private tail = 0;
  private spare: Uint8Array | null = null;
  private readonly account: KernelMemory;
  /** Slots it may fill (pipe->max_usage). */
  maxUsage = PIPE_DEF_BUFFERS;
  /** Unread bytes, for FIONREAD. */
  bytes = 0;
  /** An epoll looked at it: from then on every write is an edge (pipe->poll_usage). */
  pollUsage = false;

  constructor(account: KernelMemory) {
    this.account = account;
  }

  get used(): number {
    return this.slots.length - this.tail;
  }
  get empty(): boolean {
    return this.used === 0;
  }
  get full(): boolean {
    return this.used >= this.maxUsage;
  }
  /** Whole pages that still fit. */
  get freeSlots(): number {
    return Math.max(0, this.maxUsage - this.used);
  }

  /** Moves bytes out; 0 when empty. A packet ends the read and what does not fit of it is dropped (pipe(2), O_DIRECT). */
  read(buf: IoBuf): number {
    let done = 0;
    while (this.used > 0 && done < buf.length) {
      const slot = this.slots[this.tail];
      const n = buf.put(slot.page.subarray(slot.offset, slot.offset + slot.length), done);
      done += n;
      if (slot.packet) {
        this.consume(slot.length);
        break;
      }
      this.consume(n);
    }
    return done;
  }

  /**
   * Moves bytes in; returns how many fitted. `merge`: the first odd bytes may join the last slot (the beginning of a
   * write, not its continuation after a wait). `packet`: the descriptor has O_DIRECT.
   */
  write(buf: IoBuf, merge: boolean, packet: boolean): number {
    let done = 0;
    const odd = buf.length % PAGE_SIZE;
    if (merge && odd > 0 && this.used > 0) {
      const last = this.slots[this.slots.length - 1];
      const end = last.offset + last.length;
      if (last.merge && end + odd <= PAGE_SIZE) {
        buf.get(last.page.subarray(end, end + odd));
        last.length += odd;
        this.bytes += odd;
        done = odd;
      }
    }
    while (done < buf.length && !this.full) {
      const n = Math.min(PAGE_SIZE, buf.length - done);
      const page = this.takePage();
      if (page === null) break;
      buf.get(page.subarray(0, n), done);
      this.slots.push({ page, offset: 0, length: n, merge: !packet, packet });
      this.bytes += n;
      done += n;
    }
    return done;
  }

  /** The oldest unread bytes, up to `max`, seen in place: what tee and splice read. Valid until the pipe changes. */
  peek(max: number): IoBuf {
    const chunks: Uint8Array[] = [];
    for (let i = this.tail; i < this.slots.length && max > 0; i++) {
      const s = this.slots[i];
      const n = Math.min(max, s.length);
      chunks.push(s.page.subarray(s.offset, s.offset + n));
      max -= n;
    }
    return new IoBuf(chunks);
  }

  /** Drops the oldest `n` unread bytes (after `peek`). */
  consume(n: number): void {
    while (n > 0 && this.used > 0) {
      const slot = this.slots[this.tail];
      const k = Math.min(n, slot.length);
      slot.offset += k;
      slot.length -= k;
      this.bytes -= k;
      n -= k;
      if (slot.length === 0) this.dropOldest();
    }
  }

  /** fcntl F_SETPIPE_SZ: the new size in bytes, or -errno. `privileged`: CAP_SYS_RESOURCE. */
  resize(size: number, privileged: boolean): number {
    if (size > 2 ** 31) return -EINVAL;
    let bytes = PAGE_SIZE;
    while (bytes < size) bytes *= 2;
    const wanted = bytes / PAGE_SIZE;
    if (wanted > this.maxUsage && bytes > PIPE_MAX_SIZE && !privileged) return -EPERM;
    if (wanted < this.used) return -EBUSY;
    this.maxUsage = wanted;
    return bytes;
  }

  /** Frees everything: the last file is gone. */
  destroy(): void {
    while (this.used > 0) this.dropOldest();
    if (this.spare !== null) this.account.uncharge(PAGE_SIZE);
    this.spare = null;
  }

  /** A page that counts, as the spare one does; null: there is no memory for it. */
  private takePage(): Uint8Array | null {
    const page = this.spare;
    this.spare = null;
    if (page !== null) return page;
    return this.account.charge(PAGE_SIZE) ? new Uint8Array(PAGE_SIZE) : null;
  }

  private dropOldest(): void {
    if (this.spare !== null) this.account.uncharge(PAGE_SIZE);
    this.spare = this.slots[this.tail].page;
    this.tail++;
    if (this.tail === this.slots.length) {
      this.slots.length = this.tail = 0;
    } else if (this.tail >= 64) {
      this.slots.splice(0, this.tail);
      this.tail = 0;
    }
  }
}

/** TCP's urgent byte: a place in the stream, and what is there, to be read by itself (tcp_check_urg, tcp_recv_urg). */
import { EINVAL } from '../abi/errno.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import { MSG_OOB, MSG_PEEK, MSG_TRUNC } from './constants.ts';
import type { Received } from './socket.ts';

export class Urgent {
  /** Bytes of the stream before it that were not read yet; −1: there is none. */
  private ahead = -1;
  /** It, until it is read by itself; −1: it was. */
  private byte = -1;

  /** The last of `queued` unread bytes is urgent. */
  arrived(queued: number, byte: number): void {
    this.ahead = queued - 1;
    this.byte = byte;
  }
  clear(): void {
    this.ahead = this.byte = -1;
  }
  /** The reader is at it (SIOCATMARK). */
  get atMark(): boolean {
    return this.ahead === 0;
  }
  /** POLLPRI. */
  get waiting(): boolean {
    return this.ahead >= 0 && this.byte >= 0;
  }
  /** Bytes a read may take: it stops short of the urgent one. */
  get before(): number {
    return this.ahead > 0 ? this.ahead : Infinity;
  }
  /** The reader took bytes. */
  advance(n: number): void {
    if (this.ahead >= 0) this.ahead = Math.max(this.ahead - n, -1);
  }

  /** recv(MSG_OOB). */
  receive(buf: IoBuf, flags: number, r: Received): number {
    if (!this.waiting) return -EINVAL;
    const byte = Uint8Array.of(this.byte);
    if (!(flags & MSG_PEEK)) this.byte = -1;
    r.flags |= MSG_OOB;
    if (buf.length === 0) {
      r.flags |= MSG_TRUNC;
      return 0;
    }
    if (!(flags & MSG_TRUNC)) buf.put(byte);
    return 1;
  }
}

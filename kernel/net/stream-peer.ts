/** Whom a TCP socket talks to: another one of this machine, or a connection of the host's. */
import type { IoBuf } from '../mm/iobuf.ts';
import type { Endpoint } from './address.ts';
import type { TcpSocket } from './tcp.ts';

/** The other end of a stream as a TCP socket sees it. */
export interface StreamPeer {
  /** Bytes it holds that its reader has not taken. */
  readonly queued: number;
  /** Of these, how many count as received (the rest is in flight: the sender's send queue). */
  readonly window: number;
  /** Takes bytes [from, to) of `src`. */
  push(src: IoBuf, from: number, to: number): void;
  /** The last byte pushed is urgent. */
  urgent?(): void;
  /** FIN. */
  fin(): void;
  /** RST. */
  reset(): void;
  /** The socket took bytes off its queue: the peer may send again. */
  drained(): void;
  /** The handshake is done, or was refused. */
  established(by: TcpSocket): void;
  refused(): void;
  /** Its own address, and the one it connects to. */
  readonly address: Endpoint;
  readonly target: Endpoint;
}

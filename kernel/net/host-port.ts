/** The host's side of the network: what the kernel asks of it, and the streams and ports it is given. */
import { IoBuf } from '../mm/iobuf.ts';
import type { Endpoint } from './address.ts';
import { ByteQueue } from './byte-queue.ts';
import type { NetStack } from './stack.ts';
import type { StreamPeer } from './stream-peer.ts';
import type { TcpSocket } from './tcp.ts';

/** Outgoing traffic, given only with `--net=host`. */
export interface HostNet {
  /** Opens a stream to an address outside: the host calls `open` or `fail` on `c` in its own time. */
  connect(c: HostConnection, to: Endpoint): void;
  /** Sends a datagram outside; answers come back through `NetStack.receiveDatagram`. */
  sendDatagram(from: Endpoint, to: Endpoint, data: Uint8Array): void;
  /** The guest's UDP port is free again. */
  datagramPortClosed(port: number): void;
}

/** What the host wants to hear of a connection. Called from inside the kernel: do not run guest code. */
export interface HostHandler {
  /** The guest took the connection (accept queue), or refused it. */
  connected?(): void;
  refused?(): void;
  /** The guest sent bytes: `take` them when there is room for them. */
  data?(): void;
  /** The guest will send no more. */
  end?(): void;
  /** The connection was reset by the guest. */
  reset?(): void;
  /** The guest read: `room` has grown from nothing. */
  drain?(): void;
}

/** What the host does to the network (HostTap.call). */
export const HOST_CALL = {
  // To a connection.
  write: 1,
  end: 2,
  abort: 3,
  take: 4,
  open: 5,
  fail: 6,
  // To the stack.
  connect: 7,
  clientPort: 8,
  addPeer: 9,
  removePeer: 10,
  peerSends: 11,
} as const;

/** Hears of what the host does, each time before it takes effect. */
export interface HostTap {
  /** `id`: HostConnection.id, or a guest port; `n`: bytes to take, an errno, or the client's port. */
  call(op: number, id: number, n: number, bytes?: Uint8Array): void;
  /** A datagram from an address outside. */
  datagram(from: Endpoint, to: Endpoint, data: Uint8Array): void;
}

/** Bytes from the guest kept for the host before the guest's writes wait. */
const WINDOW = 256 * 1024;
/** Bytes to the guest beyond which the host should stop reading. */
const HIGH_WATER = 256 * 1024;

/**
 * The host's end of a stream: a client of a published port, or the far end of an outgoing connection. All calls are
 * small and synchronous, made between slices of guest time; they wake the tasks that wait on the socket.
 */
export class HostConnection implements StreamPeer {
  /** Its own address as the guest sees it, and the guest's. */
  address: Endpoint;
  target: Endpoint;
  handler: HostHandler = {};
  private readonly out = new ByteQueue();
  private socket: TcpSocket | null = null;
  /** The guest's socket while an outgoing connection is being made. */
  dialer: TcpSocket | null = null;
  private readonly net: NetStack;
  /** Counts from 1, in the order in which they were made. */
  readonly id: number;
  /** Sent before the guest answered the connection. */
  private readonly early: Uint8Array[] = [];
  private earlyEnd = false;
  private stalled = false;
  /** The guest's half is closed, the host's half is closed, all is over. */
  private guestEnded = false;
  private hostEnded = false;
  private gone = false;

  constructor(net: NetStack, address: Endpoint, target: Endpoint) {
    this.net = net;
    this.id = ++net.hostConnections;
    this.address = address;
    this.target = target;
  }

  // The host's calls.

  /** Bytes that may be written before the host should pause. May go below zero: nothing written is lost. */
  get room(): number {
    if (this.gone) return HIGH_WATER;
    if (!this.socket) return HIGH_WATER - this.early.reduce((n, b) => n + b.length, 0);
    return HIGH_WATER - this.socket.queued;
  }
  /** Bytes for the guest. False: pause until `drain`. */
  write(bytes: Uint8Array): boolean {
    if (this.gone || this.hostEnded || bytes.length === 0) return true;
    this.net.tap?.call(HOST_CALL.write, this.id, 0, bytes);
    if (this.socket) this.socket.push(IoBuf.of(bytes), 0, bytes.length);
    else this.early.push(bytes.slice());
    const go = this.gone || this.room > 0;
    if (!go) this.stalled = true;
    return go;
  }
  /** The host will send no more. */
  end(): void {
    if (this.gone || this.hostEnded) return;
    this.net.tap?.call(HOST_CALL.end, this.id, 0);
    this.hostEnded = true;
    if (this.socket) this.socket.fin();
    else this.earlyEnd = true;
    this.maybeOver();
  }
  /** The host's connection broke. */
  abort(): void {
    if (this.gone) return;
    this.net.tap?.call(HOST_CALL.abort, this.id, 0);
    const s = this.socket;
    const dialer = this.dialer;
    this.over();
    if (s) s.reset();
    else if (dialer) dialer.refused();
    else this.net.forgetHost(this);
  }
  /** Bytes from the guest, at most `max`; empty when there are none. Frees room for the guest to write. */
  take(max = 65536): Uint8Array {
    if (this.out.length > 0) this.net.tap?.call(HOST_CALL.take, this.id, max);
    const bytes = this.out.take(max);
    if (bytes.length) this.socket?.drained();
    return bytes;
  }
  /** Bytes from the guest that were not taken yet, and whether more will come. */
  get pending(): number {
    return this.out.length;
  }
  get ended(): boolean {
    return this.guestEnded;
  }
  /** The guest has taken it. */
  get accepted(): boolean {
    return this.socket !== null;
  }
  get closed(): boolean {
    return this.gone;
  }

  /** An outgoing connection is open, or could not be made (`errno`, positive). */
  open(): void {
    if (this.gone || !this.dialer) return;
    this.net.tap?.call(HOST_CALL.open, this.id, 0);
    this.socket = this.dialer;
    this.dialer = null;
    this.socket.dialed();
  }
  fail(errno: number): void {
    this.net.tap?.call(HOST_CALL.fail, this.id, errno);
    const s = this.dialer;
    this.over();
    s?.refused(errno);
  }

  // The guest's side, as its socket sees it.

  get queued(): number {
    return this.out.length;
  }
  get window(): number {
    return WINDOW;
  }
  push(src: IoBuf, from: number, to: number): void {
    if (this.gone) return;
    this.out.push(src, from, to);
    this.handler.data?.();
  }
  fin(): void {
    this.guestEnded = true;
    this.handler.end?.();
    this.maybeOver();
  }
  reset(): void {
    if (this.gone) return;
    // The host may take what was sent before.
    this.handler.reset?.();
    this.over();
  }
  drained(): void {
    if (!this.stalled || this.room <= 0) return;
    this.stalled = false;
    this.handler.drain?.();
  }
  established(by: TcpSocket): void {
    this.socket = by;
    this.handler.connected?.();
    for (const b of this.early.splice(0)) by.push(IoBuf.of(b), 0, b.length);
    if (this.earlyEnd) by.fin();
  }
  refused(): void {
    this.over();
    this.handler.refused?.();
  }

  private maybeOver(): void {
    if (this.guestEnded && this.hostEnded) this.gone = true;
  }
  private over(): void {
    this.gone = true;
    this.early.length = 0;
    this.out.clear();
    this.socket = this.dialer = null;
  }
}

/** A client of a published UDP port: datagrams from the guest to it come back through `send`. */
export interface HostDatagramPeer {
  send(data: Uint8Array): void;
}

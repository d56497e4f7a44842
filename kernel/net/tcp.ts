/**
 * TCP between sockets of this machine, and to the host through `HostConnection`. There are no packets: what a segment
 * would do to its receiver is a call on the peer. States, errors and poll masks are net/ipv4/tcp.c's.
 */
import {
  EADDRINUSE, EAGAIN, EALREADY, ECONNABORTED, ECONNREFUSED, ECONNRESET, EINPROGRESS, EINVAL, EISCONN,
  ENETUNREACH, ENOTCONN, EOPNOTSUPP, EPIPE, ETIMEDOUT,
} from '../abi/errno.ts'; // prettier-ignore
import {
  POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM,
} from '../fs/file.ts'; // prettier-ignore
import { sendSigurg } from '../fs/sigio.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import type { Task } from '../task/task.ts';
import type { Endpoint } from './address.ts';
import { BROADCAST4, familyOf, isMulticast } from './address.ts';
import {
  AF_INET, AF_UNSPEC, IPPROTO_TCP, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_FASTOPEN, MSG_OOB, MSG_PEEK, RCV_SHUTDOWN, SEND_SHUTDOWN,
  SHUTDOWN_MASK, SOCK_STREAM, SOL_SOCKET, SOMAXCONN, SO_OOBINLINE, TCP_CLOSE, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_FIN_WAIT2, TCP_LISTEN,
  TCP_SYN_SENT,
} from './constants.ts'; // prettier-ignore
import type { HostConnection } from './host-port.ts';
import { InetSocket, optionKey } from './inet.ts';
import { portHash } from './ports.ts';
import type { PortTable } from './ports.ts';
import { WAKE_READABLE } from './socket.ts';
import type { Received, Sending } from './socket.ts';
import type { NetStack } from './stack.ts';
import type { StreamPeer } from './stream-peer.ts';
import { Inbound } from './tcp-inbound.ts';
import { tcpInfo } from './tcp-info.ts';
import { getTcpOption, setTcpOption, TCP_CM_INQ, TCP_INQ } from './tcp-options.ts';

/** net.ipv4.tcp_wmem and tcp_rmem defaults, and what autotuning makes of the send buffer once connected on loopback. */
const TCP_WMEM_DEFAULT = 16384;
const TCP_RMEM_DEFAULT = 131072;
const TCP_WMEM_CONNECTED = 2626560;
const TIME_WAIT_NS = 60e9;
/** Six SYN retransmissions: 1 + 2 + 4 + … + 64 s. */
const SYN_TIMEOUT_NS = 127e9;

const OOBINLINE = optionKey(SOL_SOCKET, SO_OOBINLINE);
const WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND;

type Phase = 'unconnected' | 'connecting' | 'connected';

export class TcpSocket extends InetSocket implements StreamPeer {
  peer: StreamPeer | null = null;
  /** struct socket's state, beside sk_state. */
  private phase: Phase = 'unconnected';
  private finReceived = false;
  private finSent = false;
  /** It sent its FIN first: TIME_WAIT will be on this side. */
  private closedFirst = false;
  /** Closed by its process: whatever arrives is answered with RST. */
  private orphan = false;
  private sndbufLocked = false;
  /** The host's end of an outgoing connection that is being made. */
  dialing: HostConnection | null = null;
  private backlog = 0;
  private readonly acceptQueue: TcpSocket[] = [];
  /** Connection attempts that found the accept queue full: their SYNs are being repeated. */
  private readonly syns: StreamPeer[] = [];
  private readonly rx: Inbound;
  private bytesSent = 0;
  /** Writes: what would be segments with data. */
  private segmentsOut = 0;
  fastOpenKey = new Uint8Array(0);

  constructor(net: NetStack, family: number) {
    super(net, family, SOCK_STREAM, IPPROTO_TCP);
    this.rx = new Inbound(net.kmem, () => this.options.values.get(OOBINLINE) === 1);
    this.options.sndbuf = TCP_WMEM_DEFAULT;
    this.options.rcvbuf = TCP_RMEM_DEFAULT;
  }

  get protocolName(): string {
    return this.family === AF_INET ? 'TCP' : 'TCPv6';
  }
  get receiving(): number {
    return this.rx.length;
  }
  /** A listener's connections that were not accepted yet, and how many may wait. */
  get pending(): readonly TcpSocket[] {
    return this.acceptQueue;
  }
  get capacity(): number {
    return this.backlog;
  }
  /** TCP_INFO as getsockopt and `ss` tell it. */
  info(): Uint8Array {
    const { state, window, backlog, bytesSent, segmentsOut } = this;
    const { received: bytesReceived, segments: segmentsIn } = this.rx;
    const queued = this.acceptQueue.length;
    const peerWindow = this.peer?.window ?? 0;
    return tcpInfo({
      state, window, backlog, bytesSent, bytesReceived, segmentsIn, segmentsOut, peerWindow, queued,
    }); // prettier-ignore
  }
  protected get table(): PortTable {
    return this.net.tcp;
  }
  override get listening(): boolean {
    return this.state === TCP_LISTEN;
  }
  get address(): Endpoint {
    return this.local!;
  }
  get target(): Endpoint {
    return this.remote!;
  }
  protected override get peerKnown(): boolean {
    return this.state !== TCP_CLOSE && this.state !== TCP_SYN_SENT && this.state !== TCP_LISTEN;
  }

  // Connecting.

  connect(t: Task, raw: Uint8Array, nonblock: boolean): number {
    if (raw.length < 2) return -EINVAL;
    if (familyOf(raw) === AF_UNSPEC) {
      this.disconnect();
      return 0;
    }
    if (this.phase === 'connected') return -EISCONN;
    if (this.phase === 'unconnected') {
      if (this.state !== TCP_CLOSE) return -EISCONN;
      const r = this.begin(t, raw);
      if (r < 0) return r;
      if (nonblock) return -EINPROGRESS;
    } else if (this.state === TCP_SYN_SENT && nonblock && t.parked === null) return -EALREADY;
    if (this.state === TCP_SYN_SENT) return -EAGAIN;
    if (this.state === TCP_CLOSE) {
      const errno = this.takeError() || ECONNABORTED;
      this.disconnect();
      return -errno;
    }
    this.phase = 'connected';
    return 0;
  }

  private begin(t: Task, raw: Uint8Array): number {
    const to = this.parse(raw);
    if (typeof to === 'number') return to;
    if (isMulticast(to.ip) || to.ip === BROADCAST4) return -ENETUNREACH;
    const way = this.route(to.ip);
    if (typeof way === 'number') return way;
    const r = this.autobind(t, true);
    if (r < 0) return r;
    this.local = { ip: way.from, port: this.binding!.port };
    this.binding!.ip = way.from;
    this.remote = { ...to, ip: way.to };
    this.phase = 'connecting';
    this.state = TCP_SYN_SENT;
    this.down = 0;
    this.finReceived = this.finSent = this.closedFirst = false;
    if (!this.net.isLocal(way.to)) this.net.connectOut(this, this.remote);
    else {
      const listener = this.net.listener(way.to, to.port, portHash(this.local.port));
      if (listener) listener.incoming(this);
      else this.refused();
    }
    return 0;
  }

  /** Nanoseconds a blocking connect waits for an answer. */
  get connectTimeout(): number {
    return Math.min(this.options.sndtimeo, SYN_TIMEOUT_NS);
  }
  /** Repeated SYNs were never answered. */
  connectTimedOut(): number {
    if (this.options.sndtimeo < SYN_TIMEOUT_NS) return -EINPROGRESS;
    this.fail(ETIMEDOUT);
    this.done();
    const errno = this.takeError();
    this.disconnect();
    return -errno;
  }

  /** A SYN reached this listener. */
  incoming(from: StreamPeer): void {
    if (this.acceptQueue.length > this.backlog) {
      this.syns.push(from);
      return;
    }
    const at = from.target;
    const child = new TcpSocket(this.net, this.family);
    if (!child.charge(this.net.kmem)) {
      from.refused();
      return;
    }
    Object.assign(child.options, this.options, { linger: { ...this.options.linger } });
    for (const [k, v] of this.options.values) child.options.values.set(k, v);
    child.sndbufLocked = this.sndbufLocked;
    child.v6only = this.v6only;
    child.uid = this.uid;
    child.local = { ip: at.ip, port: at.port };
    child.remote = from.address;
    child.binding = child.newBinding(at.ip, at.port);
    this.net.tcp.put(child.binding);
    child.peer = from;
    child.phase = 'connected';
    child.becomeEstablished();
    this.acceptQueue.push(child);
    this.waiters.wake(WAKE_READABLE);
    from.established(child);
  }

  private becomeEstablished(): void {
    this.state = TCP_ESTABLISHED;
    if (!this.sndbufLocked) this.options.sndbuf = TCP_WMEM_CONNECTED;
  }

  established(by: TcpSocket): void {
    this.peer = by;
    this.becomeEstablished();
    this.waiters.wake(0);
  }

  refused(errno = ECONNREFUSED): void {
    this.dialing = null;
    this.error = errno;
    this.done();
    this.waiters.wake(0);
  }

  /** The host made the outgoing connection. */
  dialed(): void {
    this.peer = this.dialing;
    this.dialing = null;
    this.becomeEstablished();
    this.waiters.wake(0);
  }

  /** Withdraws a connection attempt. */
  private hangUp(): void {
    for (const s of this.net.tcpListeners()) s.forgetSyn(this);
    const c = this.dialing;
    this.dialing = null;
    c?.reset();
  }

  /** tcp_done: the connection is over, both halves. */
  private done(): void {
    this.state = TCP_CLOSE;
    this.down = SHUTDOWN_MASK;
    this.peer = null;
  }

  /** tcp_disconnect: back to a fresh socket (its port is kept only if it was bound by name). */
  private disconnect(): void {
    if (this.state === TCP_LISTEN) this.stopListening();
    else if (this.peer) {
      this.peer.reset();
      this.peer = null;
    }
    this.hangUp();
    this.unbind();
    this.local = this.remote = null;
    this.rx.restart();
    this.state = TCP_CLOSE;
    this.phase = 'unconnected';
    this.down = 0;
    this.error = 0;
    this.finReceived = this.finSent = this.closedFirst = false;
    this.waiters.wake(0);
  }

  forgetSyn(peer: StreamPeer): void {
    const i = this.syns.indexOf(peer);
    if (i >= 0) this.syns.splice(i, 1);
  }

  // Listening.

  override listen(t: Task, backlog: number): number {
    if (this.phase !== 'unconnected' || (this.state !== TCP_CLOSE && this.state !== TCP_LISTEN))
      return -EINVAL;
    this.backlog = Math.min(backlog >>> 0, SOMAXCONN);
    if (this.state === TCP_LISTEN) {
      this.admit();
      return 0;
    }
    const r = this.autobind(t);
    if (r < 0) return r;
    // inet_csk_listen_start asks for the port once more: another listener may have come with SO_REUSEADDR.
    const b = this.binding!;
    this.net.tcp.remove(b);
    b.reuseAddr = this.options.reuseAddr;
    b.reusePort = this.options.reusePort;
    if (!this.net.tcp.add(b)) {
      this.net.tcp.put(b);
      return -EADDRINUSE;
    }
    b.listening = true;
    this.state = TCP_LISTEN;
    this.down = 0;
    this.net.listening(this);
    return 0;
  }

  override accept(_t: Task): TcpSocket | number {
    if (this.state !== TCP_LISTEN) return -EINVAL;
    const child = this.acceptQueue.shift();
    if (!child) return -EAGAIN;
    this.admit();
    return child;
  }

  private admit(): void {
    while (this.syns.length && this.acceptQueue.length <= this.backlog) {
      this.incoming(this.syns.shift()!);
    }
  }

  private stopListening(): void {
    for (const child of this.acceptQueue.splice(0)) {
      child.uncharge();
      child.abort();
    }
    for (const peer of this.syns.splice(0)) peer.refused();
    this.binding!.listening = false;
    this.net.notListening(this);
  }

  // The peer's side of the stream.

  get queued(): number {
    return this.orphan ? 0 : this.rx.length;
  }
  get window(): number {
    return this.options.rcvbuf >> 1;
  }

  push(src: IoBuf, from: number, to: number): void {
    if (this.orphan || this.state === TCP_CLOSE) {
      this.peer?.reset();
      this.peer = null;
      return;
    }
    this.rx.push(src, from, to);
    this.waiters.wake(WAKE_READABLE);
  }

  get roomInMemory(): number {
    return this.rx.roomInMemory;
  }

  urgent(): void {
    if (!this.orphan && this.rx.lastIsUrgent()) this.waiters.wake(POLLPRI);
  }
  override get atMark(): boolean {
    return this.rx.atMark;
  }

  fin(): void {
    this.finReceived = true;
    this.down |= RCV_SHUTDOWN;
    if (this.finSent) {
      this.state = TCP_CLOSE;
      this.down = SHUTDOWN_MASK;
    } else this.state = TCP_CLOSE_WAIT;
    this.waiters.wake(0);
  }

  reset(): void {
    this.dialing = null;
    if (this.state === TCP_CLOSE) {
      this.peer = null;
      return;
    }
    const errno =
      this.state === TCP_SYN_SENT ? ECONNREFUSED : this.state === TCP_CLOSE_WAIT ? EPIPE : ECONNRESET;
    // What was still on its way is lost; what had arrived can be read.
    this.rx.truncate(this.window);
    this.done();
    this.fail(errno);
  }

  drained(): void {
    if (!this.nospace || !this.writableNow) return;
    this.nospace = false;
    this.waiters.wake(WRITABLE);
  }

  // Data.

  /** Bytes not yet received by the peer: the send queue. */
  private get inFlight(): number {
    return this.peer ? Math.max(0, this.peer.queued - this.peer.window) : 0;
  }
  private get writableNow(): boolean {
    return this.inFlight * 3 <= this.options.sndbuf * 2;
  }

  /**
   * MSG_FASTOPEN: connects first. No server here gives cookies, as Linux's do not unless net.ipv4.tcp_fastopen says so: the
   * data follows the handshake. A wait in between leaves the socket connecting, or connected already.
   */
  private fastOpen(t: Task, s: Sending): number {
    if (t.parked !== null && this.phase === 'connected') return 0;
    const to = s.to ?? new Uint8Array(0);
    if (to.length >= 2 && familyOf(to) === AF_UNSPEC) return -EOPNOTSUPP;
    if (this.phase === 'connected') return -EISCONN;
    return this.connect(t, to, this.nonblocking || (s.flags & MSG_DONTWAIT) !== 0);
  }

  send(t: Task, buf: IoBuf, s: Sending): number {
    if (s.flags & MSG_FASTOPEN) {
      const r = this.fastOpen(t, s);
      if (r < 0) return r;
    }
    if (this.state === TCP_SYN_SENT) return -EAGAIN;
    if (this.error || this.down & SEND_SHUTDOWN) return -(this.takeError() || EPIPE);
    if (this.state !== TCP_ESTABLISHED && this.state !== TCP_CLOSE_WAIT) return -EPIPE;
    if (buf.length === 0) return 0;
    const peer = this.peer;
    if (!peer) return -EPIPE;
    const room = this.options.sndbuf - this.inFlight + Math.max(0, peer.window - peer.queued);
    if (this.inFlight >= this.options.sndbuf || room <= 0) {
      this.nospace = true;
      return -EAGAIN;
    }
    const n = Math.min(buf.length, room, peer instanceof TcpSocket ? peer.roomInMemory : Infinity);
    if (n === 0) {
      this.nospace = true;
      return -EAGAIN;
    }
    if (n < buf.length) this.nospace = true;
    this.bytesSent += n;
    this.segmentsOut++;
    peer.push(buf, 0, n);
    if (s.flags & MSG_OOB && n === buf.length) {
      peer.urgent?.();
      if (peer instanceof TcpSocket) sendSigurg(t.kernel, peer);
    }
    return n;
  }

  receive(_t: Task, buf: IoBuf, flags: number, r: Received): number {
    if (flags & MSG_ERRQUEUE) return -EAGAIN;
    if (this.state === TCP_LISTEN) return -ENOTCONN;
    if (flags & MSG_OOB) return this.rx.readUrgent(buf, flags, r);
    if (buf.length === 0) return 0;
    const n = this.rx.read(buf, flags);
    if (n < 0) {
      if (this.finReceived) return 0;
      if (this.error) return -this.takeError();
      if (this.down & RCV_SHUTDOWN) return 0;
      if (this.state === TCP_CLOSE) return -ENOTCONN;
      return -EAGAIN;
    }
    if (!(flags & MSG_PEEK)) this.peer?.drained();
    if (this.options.values.get(optionKey(IPPROTO_TCP, TCP_INQ))) this.tellRest(r);
    return n;
  }

  /** TCP_INQ: what is left to read goes beside the bytes; one more when the end was seen. */
  private tellRest(r: Received): void {
    const rest = Math.max(this.inq(), 0) || (this.finReceived ? 1 : 0);
    const data = new Uint8Array(Int32Array.of(rest).buffer);
    r.control = { files: [], creds: null, other: [{ level: IPPROTO_TCP, type: TCP_CM_INQ, data }] };
  }

  override inq(): number {
    if (this.state === TCP_LISTEN) return -EINVAL;
    return this.rx.available(Math.max(this.window, 1));
  }
  override outq(): number {
    return this.state === TCP_LISTEN ? -EINVAL : this.inFlight;
  }

  shutdown(how: number): number {
    if (how < 0 || how > 2) return -EINVAL;
    const bits = how + 1;
    if (this.phase === 'connecting') {
      const over = this.state === TCP_SYN_SENT || this.state === TCP_CLOSE;
      this.phase = over ? 'unconnected' : 'connected';
    }
    let r = 0;
    if (this.state === TCP_LISTEN) {
      if (bits & RCV_SHUTDOWN) this.disconnect();
    } else if (this.state === TCP_SYN_SENT) this.disconnect();
    else {
      if (this.state === TCP_CLOSE) r = -ENOTCONN;
      this.down |= bits;
      if (bits & SEND_SHUTDOWN) this.sendFin();
    }
    this.waiters.wake(0);
    return r;
  }

  private sendFin(): void {
    if (this.finSent || (this.state !== TCP_ESTABLISHED && this.state !== TCP_CLOSE_WAIT)) return;
    this.finSent = true;
    const passive = this.state === TCP_CLOSE_WAIT;
    this.state = passive ? TCP_CLOSE : TCP_FIN_WAIT2;
    if (passive) this.down = SHUTDOWN_MASK;
    else this.closedFirst = true;
    this.peer?.fin();
  }

  /** shutdown(SHUT_RDWR) of a kernel that ends a connection with RST. */
  resetConnection(): void {
    if (!this.peer || this.state === TCP_CLOSE) return;
    this.abort();
    this.down = SHUTDOWN_MASK;
    this.waiters.wake(0);
  }

  /** Answers with RST and forgets the connection. */
  private abort(): void {
    const peer = this.peer;
    this.done();
    this.rx.clear();
    this.unbind();
    peer?.reset();
  }

  override release(): void {
    this.multicast.release();
    if (this.state === TCP_LISTEN) {
      this.stopListening();
      this.state = TCP_CLOSE;
      this.unbind();
      return;
    }
    if (this.state === TCP_SYN_SENT) {
      this.hangUp();
      this.state = TCP_CLOSE;
      this.unbind();
      return;
    }
    const abortive =
      this.rx.length > 0 || (this.options.linger.on !== 0 && this.options.linger.seconds === 0);
    if (this.peer && this.state !== TCP_CLOSE && abortive) {
      this.abort();
      return;
    }
    const active = this.state === TCP_ESTABLISHED || this.closedFirst;
    this.orphan = true;
    this.rx.clear();
    this.sendFin();
    if (active && this.binding && this.peer) {
      this.net.tcp.timeWait(this.binding, this.net.now() + TIME_WAIT_NS);
      this.binding = null;
    } else this.unbind();
  }

  override poll(): number {
    if (this.state === TCP_LISTEN) return this.acceptQueue.length ? POLLIN | POLLRDNORM : 0;
    let mask = 0;
    if (this.down === SHUTDOWN_MASK || this.state === TCP_CLOSE) mask |= POLLHUP;
    if (this.down & RCV_SHUTDOWN) mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (this.state !== TCP_SYN_SENT) {
      if (this.rx.has(Math.min(this.options.rcvlowat, this.window))) mask |= POLLIN | POLLRDNORM;
      if (this.rx.urgentWaiting) mask |= POLLPRI;
      if (this.down & SEND_SHUTDOWN || this.writableNow) mask |= POLLOUT | POLLWRNORM;
      else this.nospace = true;
    }
    if (this.error) mask |= POLLERR;
    return mask;
  }

  override setOption(t: Task, level: number, name: number, value: Uint8Array): number {
    return level === IPPROTO_TCP
      ? setTcpOption(this, t, name, value)
      : super.setOption(t, level, name, value);
  }
  override getOption(t: Task, level: number, name: number, length: number): Uint8Array | number {
    return level === IPPROTO_TCP ? getTcpOption(this, name, length) : super.getOption(t, level, name, length);
  }

  /** SO_SNDBUF was set: autotuning leaves it alone from now on. */
  lockSndbuf(): void {
    this.sndbufLocked = true;
  }
}

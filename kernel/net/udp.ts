/** UDP on loopback, and to the host through published ports (net/ipv4/udp.c). */
import {
  EACCES, EAGAIN, ECONNREFUSED, EDESTADDRREQ, EINVAL, EMSGSIZE, ENETUNREACH, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPIPE,
} from '../abi/errno.ts'; // prettier-ignore
import {
  POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM,
} from '../fs/file.ts'; // prettier-ignore
import type { IoBuf } from '../mm/iobuf.ts';
import type { Task } from '../task/task.ts';
import type { Endpoint, Ip } from './address.ts';
import { BROADCAST4, familyOf, formatInet, isMulticast, parseInet } from './address.ts';
import {
  AF_INET, AF_INET6, AF_UNSPEC, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, MSG_ERRQUEUE, MSG_MORE, MSG_OOB, MSG_PEEK, MSG_TRUNC,
  RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK, SOCK_DGRAM, SOL_SOCKET, SO_BROADCAST, SO_TIMESTAMP, SO_TIMESTAMPNS,
  TCP_CLOSE, TCP_ESTABLISHED,
} from './constants.ts'; // prettier-ignore
import type { Control } from './control.ts';
import { ErrorQueue, IPV6_RECVERR, IP_RECVERR } from './error-queue.ts';
import { packetInfo, packetMessages, type Message, type PacketInfo } from './packet-info.ts';
import { InetSocket, optionKey } from './inet.ts';
import { intValue } from './inet-options.ts';
import type { PortTable } from './ports.ts';
import { WAKE_READABLE } from './socket.ts';
import type { Received, Sending } from './socket.ts';
import type { NetStack } from './stack.ts';
import { truesize } from './truesize.ts';

/** Largest payload: 65535 less the IP and UDP headers. */
const MAX_PAYLOAD = 65507;
const MAX_PACKET = 65535;
const IP_MULTICAST_LOOP = 34;
const IP_MULTICAST_ALL = 49;
const IPV6_MULTICAST_LOOP = 19;
const IPV6_MULTICAST_ALL = 29;
const UDP_CORK = 1;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;
const UDP_MAX_SEGMENTS = 128;

interface Datagram {
  readonly data: Uint8Array;
  readonly from: Endpoint;
  readonly to: Ip;
  readonly info: PacketInfo;
  readonly charge: number;
  /** CLOCK_REALTIME, nanoseconds. */
  readonly time: bigint;
}

export class UdpSocket extends InetSocket {
  private readonly rx: Datagram[] = [];
  private charged = 0;
  private readonly errors = new ErrorQueue();
  /** A datagram that is being put together. */
  private pending: {
    readonly to: Endpoint;
    readonly from: Endpoint;
    readonly info: PacketInfo;
    readonly segment: number;
    readonly parts: Uint8Array[];
    length: number;
  } | null = null;
  /** bind(2) named the address or port: a disconnect leaves them. */
  private named = false;

  constructor(net: NetStack, family: number, protocol = IPPROTO_UDP) {
    super(net, family, SOCK_DGRAM, protocol);
  }

  get protocolName(): string {
    return this.family === AF_INET ? 'UDP' : 'UDPv6';
  }
  get receiving(): number {
    return this.charged;
  }
  protected get table(): PortTable {
    return this.net.udp;
  }

  override bind(t: Task, raw: Uint8Array): number {
    const r = super.bind(t, raw);
    if (r === 0) this.named = true;
    return r;
  }

  /** A connected socket takes only its peer's datagrams, and before unconnected ones. */
  accepts(from: Endpoint): boolean {
    return !this.remote || (this.remote.port === from.port && this.remote.ip === from.ip);
  }
  /** ip_mc_sf_allow: what comes to a group is for its members, and for who did not say otherwise. */
  wants(group: Ip, index: number): boolean {
    if (this.multicast.isMember(group, index)) return true;
    const all =
      typeof group === 'number'
        ? optionKey(IPPROTO_IP, IP_MULTICAST_ALL)
        : optionKey(IPPROTO_IPV6, IPV6_MULTICAST_ALL);
    return this.options.values.get(all) !== 0;
  }
  override score(): number {
    return this.remote ? 4 : 0;
  }

  /** Destinations may be AF_INET on an AF_INET socket, either on an AF_INET6 one. */
  private destination(raw: Uint8Array): Endpoint | number {
    const family = familyOf(raw);
    if (this.family === AF_INET6 && family === AF_INET) return parseInet(raw, AF_INET);
    if (this.family === AF_INET && family === AF_UNSPEC && raw.length >= 16) {
      const inet = raw.slice(0, 16);
      inet[0] = AF_INET;
      return parseInet(inet, AF_INET);
    }
    return parseInet(raw, this.family);
  }

  connect(t: Task, raw: Uint8Array, _nonblock: boolean): number {
    if (raw.length < 2) return -EINVAL;
    if (familyOf(raw) === AF_UNSPEC) {
      this.disconnect();
      return 0;
    }
    const to = this.destination(raw);
    if (typeof to === 'number') return to;
    const bad = this.checkBroadcast(to.ip);
    if (bad < 0) return bad;
    const way = isMulticast(to.ip) ? this.multicastRoute(to) : this.route(to.ip);
    if (typeof way === 'number') return way;
    const r = this.autobind(t);
    if (r < 0) return r;
    this.remote = { ...to, ip: way.to };
    this.local = { ip: way.from, port: this.binding!.port };
    this.binding!.ip = way.from;
    this.state = TCP_ESTABLISHED;
    return 0;
  }

  private disconnect(): void {
    this.remote = null;
    this.state = TCP_CLOSE;
    if (!this.named) {
      this.unbind();
      this.local = null;
    }
  }

  private checkBroadcast(ip: Ip): number {
    if (ip !== BROADCAST4) return 0;
    return this.options.values.get(optionKey(SOL_SOCKET, SO_BROADCAST)) ? 0 : -EACCES;
  }

  send(t: Task, buf: IoBuf, s: Sending): number {
    if (buf.length > 0xffff) return -EMSGSIZE;
    if (s.flags & MSG_OOB) return -EOPNOTSUPP;
    let to = this.remote;
    if (s.to) {
      const d = this.destination(s.to);
      if (typeof d === 'number') return d;
      if (d.port === 0) return -EINVAL;
      to = d;
    }
    to ??= this.pending?.to ?? null;
    if (!to) return -EDESTADDRREQ;
    const info = packetInfo(this.family, this.options.values, to.ip, s.control);
    if (typeof info === 'number') return info;
    const bad = this.checkBroadcast(to.ip);
    if (bad < 0) return bad;
    if (to.ip === BROADCAST4) return -ENETUNREACH;
    if (this.pending) return this.append(buf, s.flags);
    const group = isMulticast(to.ip) ? this.multicastRoute(to) : null;
    const way = group ?? this.route(to.ip);
    if (typeof way === 'number') return way;
    if (info.from !== null && !this.net.isLocal(info.from)) return -EINVAL;
    if (this.down & SEND_SHUTDOWN) return -EPIPE;
    if (buf.length > MAX_PAYLOAD) {
      const port = this.remote?.port ?? 0;
      if (this.wantsErrors(way.to)) this.errors.local(EMSGSIZE, { ip: way.to, port }, MAX_PACKET, this.room);
      return -EMSGSIZE;
    }
    if (this.error) return -this.takeError();
    const segment = this.segmentSize(s.control);
    if (segment < 0 || (segment > 0 && buf.length > segment * UDP_MAX_SEGMENTS)) return -EINVAL;
    const r = this.autobind(t);
    if (r < 0) return r;
    const from = { ip: info.from ?? way.from, port: this.binding!.port };
    if (group !== null && typeof group !== 'number') {
      const loop = this.options.values.get(
        typeof group.to === 'number'
          ? optionKey(IPPROTO_IP, IP_MULTICAST_LOOP)
          : optionKey(IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
      );
      const endpoint = { ip: group.to, port: to.port };
      this.net.sendMulticast(this.table, from, endpoint, group.index, loop !== 0, buf.bytes(), info);
      return buf.length;
    }
    const end = { ip: way.to, port: to.port };
    const data = buf.bytes();
    if (this.corked(s.flags)) {
      this.pending = { to: end, from, info, segment, parts: [data], length: data.length };
      return data.length;
    }
    this.emit(from, end, data, info, segment);
    return data.length;
  }

  /** More of the datagram is to come: MSG_MORE or UDP_CORK. */
  private corked(flags: number): boolean {
    return (flags & MSG_MORE) !== 0 || this.options.values.get(optionKey(IPPROTO_UDP, UDP_CORK)) === 1;
  }
  /** Adds to the datagram that is being put together, wherever this part was addressed to; sends it if it is the last. */
  private append(buf: IoBuf, flags: number): number {
    const p = this.pending!;
    if (p.length + buf.length > MAX_PAYLOAD) {
      this.pending = null;
      return -EMSGSIZE;
    }
    p.parts.push(buf.bytes());
    p.length += buf.length;
    if (!this.corked(flags)) this.pushPending();
    return buf.length;
  }
  private pushPending(): void {
    const p = this.pending;
    if (!p) return;
    this.pending = null;
    const data = new Uint8Array(p.length);
    let at = 0;
    for (const part of p.parts) {
      data.set(part, at);
      at += part.length;
    }
    this.emit(p.from, p.to, data, p.info, p.segment);
  }

  /** UDP_SEGMENT, as a message or as an option: bytes of each datagram a send is cut into; 0: it is one. */
  private segmentSize(control: Control | null): number {
    let size = this.options.values.get(optionKey(IPPROTO_UDP, UDP_SEGMENT)) ?? 0;
    for (const m of control?.other ?? []) {
      if (m.level !== IPPROTO_UDP) continue;
      if (m.type !== UDP_SEGMENT || m.data.length !== 2) return -EINVAL;
      size = m.data[0] | (m.data[1] << 8);
    }
    return size;
  }

  private emit(from: Endpoint, end: Endpoint, all: Uint8Array, info: PacketInfo, segment: number): void {
    const size = segment > 0 && all.length > segment ? segment : Math.max(all.length, 1);
    let at = 0;
    do {
      this.emitOne(from, end, all.subarray(at, at + size), info);
      at += size;
    } while (at < all.length);
  }

  private emitOne(from: Endpoint, end: Endpoint, data: Uint8Array, info: PacketInfo): void {
    if (!this.transmit(from, end, data, info)) {
      // The ICMP "port unreachable" comes back at once. A connected socket hears of it, and one that asked (__udp4_lib_err).
      const asked = this.wantsErrors(end.ip);
      if (asked) this.errors.portUnreachable(ECONNREFUSED, end, data, this.room);
      if (asked || this.remote) this.fail(ECONNREFUSED);
    }
  }

  /** IP_RECVERR for what went by IPv4, IPV6_RECVERR for IPv6. */
  private wantsErrors(to: Ip): boolean {
    const [level, name] = typeof to === 'number' ? [IPPROTO_IP, IP_RECVERR] : [IPPROTO_IPV6, IPV6_RECVERR];
    return this.options.values.get(optionKey(level, name)) === 1;
  }
  /** Memory that is left for what the socket has yet to read. */
  private get room(): number {
    return this.options.rcvbuf - this.charged - this.errors.charged;
  }

  /** False: nobody takes it (ICMP port unreachable). */
  protected transmit(from: Endpoint, to: Endpoint, data: Uint8Array, info: PacketInfo): boolean {
    return this.net.sendDatagram(from, to, data, info);
  }

  /** A datagram for this socket; without room for it, it is lost. */
  deliver(data: Uint8Array, from: Endpoint, to: Ip, info: PacketInfo): void {
    const charge = truesize(data.length);
    if (charge > this.room || this.down & RCV_SHUTDOWN) return;
    if (!this.net.kmem.charge(charge)) return;
    this.charged += charge;
    this.rx.push({ data, from, to, info, charge, time: this.net.realtime() });
    this.waiters.wake(WAKE_READABLE);
  }

  receive(_t: Task, buf: IoBuf, flags: number, r: Received): number {
    if (flags & MSG_ERRQUEUE)
      return this.errors.receive(buf, this.family, r, (errno) => {
        this.error = errno;
      });
    if (this.error) return -this.takeError();
    const d = this.rx[0];
    if (!d) return this.down & RCV_SHUTDOWN ? 0 : -EAGAIN;
    const n = buf.put(d.data);
    if (n < d.data.length) {
      r.flags |= MSG_TRUNC;
      r.full = d.data.length;
    }
    r.from = formatInet(d.from, this.family);
    r.control = this.ancillary(d);
    if (!(flags & MSG_PEEK)) {
      this.rx.shift();
      this.charged -= d.charge;
      this.net.kmem.uncharge(d.charge);
    }
    return n;
  }

  /** What the socket asked to be told about each datagram. */
  private ancillary(d: Datagram): Control | null {
    const other: Message[] = [];
    if (this.options.timestamp) {
      const ns = this.options.timestamp === 2;
      const part = d.time % 1_000_000_000n;
      const words = BigInt64Array.of(d.time / 1_000_000_000n, ns ? part : part / 1000n);
      other.push({
        level: SOL_SOCKET,
        type: ns ? SO_TIMESTAMPNS : SO_TIMESTAMP,
        data: new Uint8Array(words.buffer),
      });
    }
    other.push(...packetMessages(this.family, this.options.values, d.to, d.info));
    return other.length ? { files: [], creds: null, other } : null;
  }

  shutdown(how: number): number {
    if (how < 0 || how > 2) return -EINVAL;
    this.down |= how + 1;
    this.waiters.wake(0);
    return this.state === TCP_CLOSE ? -ENOTCONN : 0;
  }

  protected override get peerKnown(): boolean {
    return this.remote !== null;
  }
  override inq(): number {
    return this.rx[0]?.data.length ?? 0;
  }
  override outq(): number {
    return 0;
  }

  override poll(): number {
    let mask = POLLOUT | POLLWRNORM | POLLWRBAND;
    if (this.error || this.errors.length) mask |= POLLERR;
    if (this.down & RCV_SHUTDOWN) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
    if (this.down === SHUTDOWN_MASK) mask |= POLLHUP;
    if (this.rx.length) mask |= POLLIN | POLLRDNORM;
    return mask;
  }

  override setOption(t: Task, level: number, name: number, value: Uint8Array): number {
    if (level !== IPPROTO_UDP) {
      const r = super.setOption(t, level, name, value);
      const errors =
        (level === IPPROTO_IP && name === IP_RECVERR) || (level === IPPROTO_IPV6 && name === IPV6_RECVERR);
      if (r === 0 && errors && !this.options.values.get(optionKey(level, name))) this.errors.clear();
      return r;
    }
    if (name !== UDP_CORK && name !== UDP_GRO && name !== UDP_SEGMENT) return -ENOPROTOOPT;
    const v = intValue(value, false);
    if (v === null || (name === UDP_SEGMENT && (v < 0 || v > 0xffff))) return -EINVAL;
    // UDP_GRO lets datagrams be merged; they are not.
    this.options.values.set(optionKey(level, name), name === UDP_SEGMENT ? v : v ? 1 : 0);
    if (name === UDP_CORK && v === 0) this.pushPending();
    return 0;
  }
  override getOption(t: Task, level: number, name: number, length: number): Uint8Array | number {
    if (level !== IPPROTO_UDP) return super.getOption(t, level, name, length);
    if (name !== UDP_CORK && name !== UDP_GRO && name !== UDP_SEGMENT) return -ENOPROTOOPT;
    return new Uint8Array(Int32Array.of(this.options.values.get(optionKey(level, name)) ?? 0).buffer);
  }

  /** Nothing listens on the port any more. */
  protected portFreed(port: number): void {
    this.net.host?.datagramPortClosed(port);
  }

  override release(): void {
    this.rx.length = 0;
    this.net.kmem.uncharge(this.charged);
    this.charged = 0;
    this.multicast.release();
    if (this.binding) this.portFreed(this.binding.port);
    this.unbind();
  }
}

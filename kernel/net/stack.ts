/** The machine's network: loopback and, for the host's sake, eth0. Ports, names, and the way between sockets. */
import { EAFNOSUPPORT, EINVAL, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '../abi/errno.ts';
import type { PseudoFs } from '../fs/anon/pseudo-fs.ts';
import type { Inode } from '../fs/inode.ts';
import type { KernelMemory } from '../mm/kernel-memory.ts';
import type { Clock } from '../ports.ts';
import type { Task } from '../task/task.ts';
import type { Endpoint, Ip } from './address.ts';
import { LOOPBACK4, LOOPBACK6, isLoopback, parseIp } from './address.ts';
import {
  AF_INET, AF_INET6, AF_MAX, AF_NETLINK, AF_PACKET, AF_UNIX, CAP_NET_RAW, IPPROTO_TCP, IPPROTO_UDP,
  IPPROTO_UDPLITE, SOCK_DGRAM, SOCK_MAX, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM,
} from './constants.ts'; // prettier-ignore
import type { HostDatagramPeer, HostNet, HostTap } from './host-port.ts';
import { HOST_CALL, HostConnection } from './host-port.ts';
import { Groups } from './multicast.ts';
import { NetlinkSocket } from './netlink.ts';
import type { PacketInfo } from './packet-info.ts';
import { EPHEMERAL_FIRST, EPHEMERAL_LAST, PortTable, portHash } from './ports.ts';
import type { Socket } from './socket.ts';
import { TcpSocket } from './tcp.ts';
import { UdpLiteSocket } from './udplite.ts';
import { UdpSocket } from './udp.ts';
import { InFlight } from './unix-gc.ts';
import { UnixSocket } from './unix.ts';

/** eth0 and the host on the other end of it, as QEMU's user network numbers them. */
export const ETH0_IP: Ip = parseIp('10.0.2.15')!;
export const GATEWAY_IP: Ip = parseIp('10.0.2.2')!;

/** Connections from the host kept for a port that nothing has listened on yet. */
const HELD_MAX = 128;

export interface NetOptions {
  /** Outgoing connections (`--net=host`); null: the network ends at the machine. */
  readonly host?: HostNet | null;
  /** eth0 exists: ports are published, or the host's network is open. */
  readonly eth0?: boolean;
}

/** What a datagram from the host says in its header. */
const FROM_HOST: PacketInfo = { from: null, ttl: 64, tos: 0 };

/** A network interface, for netlink and SIOCGIF*. */
export interface Interface {
  readonly index: number;
  readonly name: string;
  readonly loopback: boolean;
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly addresses: readonly { readonly ip: Ip; readonly prefix: number }[];
}

export class NetStack {
  readonly tcp: PortTable;
  readonly udp: PortTable;
  readonly udplite: PortTable;
  /** Abstract AF_UNIX names (the type, then the name from its NUL on), and sockets by the inode they are bound to. */
  readonly abstract = new Map<string, UnixSocket>();
  readonly unixNodes = new Map<Inode, UnixSocket>();
  /** Set by the machine before the guest starts. */
  host: HostNet | null;
  /** Hears of all that the host does here; null: nobody does. */
  tap: HostTap | null = null;
  /** Connections with the host there have been. */
  hostConnections = 0;
  eth0: boolean;
  private readonly pseudo: PseudoFs;
  private readonly clock: Clock;
  private readonly listeners = new Set<TcpSocket>();
  /** Connections waiting for the first listener of their port. */
  private readonly held = new Map<number, HostConnection[]>();
  private readonly everListened = new Set<number>();
  /** Netlink sockets by protocol and port id. */
  readonly netlink = new Map<number, NetlinkSocket>();
  /** Every AF_UNIX socket there is, connections nobody accepted included. */
  readonly unixSockets = new Set<UnixSocket>();
  private autoName = 0;
  /** Datagram clients on the host by the port they have on the gateway. */
  private readonly hostPeers = new Map<number, HostDatagramPeer>();
  private nextHostPort = EPHEMERAL_FIRST;

  readonly groups = new Groups();
  /** What sockets hold counts here. */
  readonly kmem: KernelMemory;
  /** Files inside of AF_UNIX messages. */
  readonly inFlight = new InFlight((f) => f instanceof UnixSocket);

  constructor(ports: { pseudo: PseudoFs; clock: Clock; kmem: KernelMemory }, options: NetOptions = {}) {
    this.pseudo = ports.pseudo;
    this.clock = ports.clock;
    this.kmem = ports.kmem;
    this.host = options.host ?? null;
    this.eth0 = options.eth0 ?? false;
    this.tcp = new PortTable(true, () => this.now());
    this.udp = new PortTable(false, () => this.now());
    this.udplite = new PortTable(false, () => this.now());
  }

  now(): number {
    return this.clock.monotonic();
  }
  realtime(): bigint {
    return BigInt(Math.floor(this.clock.monotonic())) + this.clock.realtimeOffset;
  }
  newInode(): Inode {
    return this.pseudo.inode(this.pseudo.sockfs, 0o140777, 0, 0);
  }

  /** socket(2) after its flags are off: the socket or -errno. */
  create(t: Task, family: number, type: number, protocol: number): Socket | number {
    if (family < 0 || family >= AF_MAX) return -EAFNOSUPPORT;
    if (type < 0 || type >= SOCK_MAX) return -EINVAL;
    const mayRaw = ((t.creds.capEffective >> CAP_NET_RAW) & 1n) === 1n;
    switch (family) {
      case AF_UNIX:
        if (protocol !== 0 && protocol !== AF_UNIX) return -EPROTONOSUPPORT;
        // SOCK_RAW means SOCK_DGRAM here (unix_create).
        if (type === SOCK_RAW) return this.owned(t, new UnixSocket(this, SOCK_DGRAM));
        if (type !== SOCK_STREAM && type !== SOCK_DGRAM && type !== SOCK_SEQPACKET) return -ESOCKTNOSUPPORT;
        return this.owned(t, new UnixSocket(this, type));
      case AF_INET:
      case AF_INET6: {
        if (protocol < 0 || protocol >= 263) return -EINVAL;
        if (type === SOCK_STREAM && (protocol === 0 || protocol === IPPROTO_TCP))
          return this.owned(t, new TcpSocket(this, family));
        if (type === SOCK_DGRAM && (protocol === 0 || protocol === IPPROTO_UDP))
          return this.owned(t, new UdpSocket(this, family));
        if (type === SOCK_DGRAM && protocol === IPPROTO_UDPLITE)
          return this.owned(t, new UdpLiteSocket(this, family));
        // Raw sockets are for those who may; there is no wire to put packets on, so nobody may.
        if (type === SOCK_RAW && protocol !== 0) return -EPERM;
        return type === SOCK_STREAM || type === SOCK_DGRAM || type === SOCK_RAW
          ? -EPROTONOSUPPORT
          : -ESOCKTNOSUPPORT;
      }
      case AF_NETLINK:
        return NetlinkSocket.create(this, type, protocol);
      case AF_PACKET:
        return mayRaw ? -EAFNOSUPPORT : -EPERM;
      default:
        return -EAFNOSUPPORT;
    }
  }

  private owned<T extends TcpSocket | UdpSocket | UnixSocket>(t: Task, s: T): T {
    s.uid = t.creds.uid;
    return s;
  }

  // Addresses.

  interfaces(): Interface[] {
    const lo: Interface = {
      index: 1, name: 'lo', loopback: true, mac: new Uint8Array(6), mtu: 65536,
      addresses: [{ ip: LOOPBACK4, prefix: 8 }, { ip: LOOPBACK6, prefix: 128 }],
    }; // prettier-ignore
    const eth0: Interface = {
      index: 2, name: 'eth0', loopback: false, mac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56), mtu: 1500,
      addresses: [{ ip: ETH0_IP, prefix: 24 }],
    }; // prettier-ignore
    return this.eth0 ? [lo, eth0] : [lo];
  }

  isLocal(ip: Ip): boolean {
    return isLoopback(ip) || (this.eth0 && ip === ETH0_IP);
  }
  /** The source address for packets that leave the machine; null: there is no route. */
  sourceFor(to: Ip): Ip | null {
    if (!this.eth0 || typeof to !== 'number') return null;
    const onLink = to >>> 8 === (ETH0_IP as number) >>> 8;
    return onLink || this.host ? ETH0_IP : null;
  }

  // TCP.

  listener(ip: Ip, port: number, hash: number): TcpSocket | null {
    return this.tcp.lookup(ip, port, hash, (s) => s.listening) as TcpSocket | null;
  }
  tcpListeners(): Iterable<TcpSocket> {
    return this.listeners;
  }
  listening(s: TcpSocket): void {
    this.listeners.add(s);
    const port = s.local!.port;
    this.everListened.add(port);
    const held = this.held.get(port);
    this.held.delete(port);
    for (const c of held ?? []) this.attach(c);
  }
  get hasListeners(): boolean {
    return this.listeners.size > 0;
  }
  notListening(s: TcpSocket): void {
    this.listeners.delete(s);
  }

  /** A guest's connection to an address outside the machine. */
  connectOut(s: TcpSocket, to: Endpoint): void {
    const c = new HostConnection(this, to, s.address);
    if (this.host && to.ip !== GATEWAY_IP) {
      s.dialing = c;
      c.dialer = s;
      this.host.connect(c, to);
    } else s.refused();
  }

  /**
   * A client on the host connects to a guest port. `client` is its port number. A port nothing has ever listened on
   * keeps its first clients waiting, so that a server may still be starting; afterwards they are refused.
   */
  hostConnect(port: number, client: number): HostConnection {
    this.tap?.call(HOST_CALL.connect, port, client);
    const c = new HostConnection(this, { ip: GATEWAY_IP, port: client }, { ip: ETH0_IP, port });
    const held = this.held.get(port) ?? [];
    if (this.everListened.has(port) || this.listensOn(port)) this.attach(c);
    else if (held.length < HELD_MAX) this.held.set(port, [...held, c]);
    else c.refused();
    return c;
  }
  /** Whether the connection waits for a port that nothing has ever listened on. */
  holds(c: HostConnection): boolean {
    return this.held.get(c.target.port)?.includes(c) ?? false;
  }
  listensOn(port: number): boolean {
    return [...this.listeners].some((s) => s.local!.port === port);
  }
  /** eth0's address first; a server that listens on localhost only is reached too, from localhost. */
  private attach(c: HostConnection): void {
    const { port } = c.target;
    for (const ip of this.eth0 ? [ETH0_IP, LOOPBACK4, LOOPBACK6] : [LOOPBACK4, LOOPBACK6]) {
      const l = this.listener(ip, port, portHash(c.address.port));
      if (!l) continue;
      c.target = { ip, port };
      if (ip !== ETH0_IP) c.address = { ip, port: c.address.port };
      l.incoming(c);
      return;
    }
    c.refused();
  }
  /** The host gave up on a connection that the guest had not taken. */
  forgetHost(c: HostConnection): void {
    for (const [port, list] of this.held) {
      const left = list.filter((x) => x !== c);
      if (left.length) this.held.set(port, left);
      else this.held.delete(port);
    }
    for (const l of this.listeners) l.forgetSyn(c);
  }

  // UDP.

  /** False: nobody takes it (ICMP port unreachable). */
  sendDatagram(from: Endpoint, to: Endpoint, data: Uint8Array, info: PacketInfo = FROM_HOST): boolean {
    if (!this.isLocal(to.ip)) {
      const peer = to.ip === GATEWAY_IP ? this.hostPeers.get(to.port) : undefined;
      if (peer) peer.send(data);
      else this.host?.sendDatagram(from, to, data);
      return true;
    }
    return this.receiveDatagram(from, to, data, info);
  }

  /** A datagram to a group leaves by an interface: members on it get a copy each, as far as the sender lets it loop. */
  sendMulticast(
    table: PortTable,
    from: Endpoint,
    to: Endpoint,
    index: number,
    loop: boolean,
    data: Uint8Array,
    info: PacketInfo,
  ): void {
    const { loopback } = this.interfaces().find((i) => i.index === index)!;
    // What is sent into lo comes out of it, whatever the sender says.
    if ((loop || loopback) && this.groups.has(index, to.ip))
      for (const s of table.all(to.ip, to.port) as Iterable<UdpSocket>)
        if (s.accepts(from) && s.wants(to.ip, index)) s.deliver(data, from, to.ip, info);
    if (!loopback) this.host?.sendDatagram(from, to, data);
  }

  /** A datagram has come to one of the machine's addresses. False: nobody takes it. */
  receiveDatagram(from: Endpoint, to: Endpoint, data: Uint8Array, info: PacketInfo = FROM_HOST): boolean {
    const s = this.udp.lookup(to.ip, to.port, portHash(from.port), (u) => (u as UdpSocket).accepts(from));
    if (!s) return false;
    (s as UdpSocket).deliver(data, from, to.ip, info);
    return true;
  }

  /** A datagram from outside has come to one of the machine's addresses. */
  outsideDatagram(from: Endpoint, to: Endpoint, data: Uint8Array): void {
    this.tap?.datagram(from, to, data);
    this.receiveDatagram(from, to, data);
  }

  /** A host client of a published UDP port gets a port on the gateway, under which the guest can answer it. */
  addHostPeer(peer: HostDatagramPeer): number {
    this.tap?.call(HOST_CALL.addPeer, 0, 0);
    while (this.hostPeers.has(this.nextHostPort)) this.advanceHostPort();
    const port = this.nextHostPort;
    this.advanceHostPort();
    this.hostPeers.set(port, peer);
    return port;
  }
  /** A port for a client within the host process. */
  nextClientPort(): number {
    this.tap?.call(HOST_CALL.clientPort, 0, 0);
    this.advanceHostPort();
    return this.nextHostPort;
  }
  private advanceHostPort(): void {
    this.nextHostPort = this.nextHostPort === EPHEMERAL_LAST ? EPHEMERAL_FIRST : this.nextHostPort + 1;
  }
  removeHostPeer(port: number): void {
    this.tap?.call(HOST_CALL.removePeer, port, 0);
    this.hostPeers.delete(port);
  }
  /** A datagram from the host client that has `client` on the gateway, to a guest port. False: nobody takes it. */
  hostDatagram(port: number, client: number, data: Uint8Array): boolean {
    this.tap?.call(HOST_CALL.peerSends, port, client, data);
    const from = { ip: GATEWAY_IP, port: client };
    return (
      this.sendDatagram(from, { ip: ETH0_IP, port }, data) ||
      this.sendDatagram(from, { ip: LOOPBACK4, port }, data)
    );
  }

  // AF_UNIX names.

  /** Sockets of different types may have the same name (unix_abstract_hash). */
  abstractKey(type: number, name: string): string {
    return `${type}${name}`;
  }
  /** Five hexadecimal digits after a NUL (unix_autobind). */
  freeAbstractName(type: number): string {
    for (;;) {
      this.autoName = (this.autoName + 1) & 0xfffff;
      const name = `\0${this.autoName.toString(16).padStart(5, '0')}`;
      if (!this.abstract.has(this.abstractKey(type, name))) return name;
    }
  }
  /** A socket that owned an abstract name is gone; accepted sockets only carry theirs. */
  forgetAbstract(path: Uint8Array, s: UnixSocket): void {
    const key = this.abstractKey(s.type, String.fromCharCode(...path));
    if (this.abstract.get(key) === s) this.abstract.delete(key);
  }
}

/** What TCP and UDP sockets share: addresses, binding, and options of the IP and IPv6 levels (net/ipv4/af_inet.c). */
import {
  EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENETUNREACH, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP,
} from '../abi/errno.ts'; // prettier-ignore
import type { Task } from '../task/task.ts';
import type { Endpoint, Ip } from './address.ts';
import {
  ANY4, ANY6, BROADCAST4, LOOPBACK4, LOOPBACK6, familyOf, formatInet, ipText, isAny, isLoopback, isMulticast,
  parseInet,
} from './address.ts'; // prettier-ignore
import {
  AF_INET, AF_INET6, AF_UNSPEC, CAP_NET_BIND_SERVICE, IPPROTO_IP, IPPROTO_IPV6, SOCK_DGRAM, TCP_CLOSE,
} from './constants.ts'; // prettier-ignore
import { getIntOption, setIntOption, IP_OPTIONS, IPV6_OPTIONS } from './inet-options.ts';
import { Multicast } from './multicast.ts';
import type { Binding, PortTable } from './ports.ts';
import { Socket } from './socket.ts';
import type { NetStack } from './stack.ts';

const IP_FREEBIND = 15;
const IP_TRANSPARENT = 19;
const IPV6_ADDRFORM = 1;
const IPV6_V6ONLY = 26;
export const optionKey = (level: number, name: number): number => level * 65536 + name;

export abstract class InetSocket extends Socket {
  /** Own address; null until bound (port 0 never shows). */
  local: Endpoint | null = null;
  remote: Endpoint | null = null;
  binding: Binding | null = null;
  /** IPV6_V6ONLY. */
  v6only = false;
  uid = 0;
  readonly multicast: Multicast;

  constructor(net: NetStack, family: number, type: number, protocol: number) {
    super(net, family, type, protocol);
    this.multicast = new Multicast(net);
  }

  /** Bytes or memory that wait to be read, as /proc/net counts them. */
  abstract get receiving(): number;
  protected abstract get table(): PortTable;
  /** More for a socket that is connected to just this peer (udp's compute_score). */
  score(_ip: Ip): number {
    return 0;
  }

  get anyAddress(): Ip {
    return this.family === AF_INET ? ANY4 : ANY6;
  }

  newBinding(ip: Ip, port: number): Binding {
    return {
      ip, port, v6only: this.v6only, inet4: this.family === AF_INET, reuseAddr: this.options.reuseAddr,
      reusePort: this.options.reusePort, uid: this.uid, listening: false, socket: this, until: 0, remote: null,
    }; // prettier-ignore
  }

  /** The sockaddr of a bind or connect as an endpoint, or -errno. */
  protected parse(raw: Uint8Array): Endpoint | number {
    return parseInet(raw, this.family);
  }

  bind(t: Task, raw: Uint8Array): number {
    if (this.family === AF_INET && raw.length < 16) return -EINVAL;
    let to: Endpoint | number;
    if (this.family === AF_INET && familyOf(raw) === AF_UNSPEC) {
      // Compatibility games of __inet_bind: AF_UNSPEC is taken with INADDR_ANY only.
      const inet = raw.slice(0, 16);
      inet[0] = AF_INET;
      to = parseInet(inet, AF_INET);
      if (typeof to !== 'number' && to.ip !== ANY4) return -EAFNOSUPPORT;
    } else to = this.parse(raw);
    if (typeof to === 'number') return to;
    if (this.family === AF_INET6 && this.v6only && typeof to.ip === 'number') return -EINVAL;
    if (!this.mayBind(to.ip)) return -EADDRNOTAVAIL;
    const privileged = to.port > 0 && to.port < 1024;
    if (privileged && !((t.creds.capEffective >> CAP_NET_BIND_SERVICE) & 1n)) return -EACCES;
    if (this.state !== TCP_CLOSE || this.binding) return -EINVAL;
    return this.take(t, to);
  }

  private mayBind(ip: Ip): boolean {
    const v = this.options.values;
    if (v.get(optionKey(IPPROTO_IP, IP_FREEBIND)) || v.get(optionKey(IPPROTO_IP, IP_TRANSPARENT)))
      return true;
    if (isAny(ip) || this.net.isLocal(ip)) return true;
    return this.type === SOCK_DGRAM && (isMulticast(ip) || ip === BROADCAST4);
  }

  private take(t: Task, to: Endpoint): number {
    this.uid = t.creds.uid;
    const b = this.newBinding(to.ip, to.port);
    if (!(to.port === 0 ? this.table.addEphemeral(b, false) : this.table.add(b))) return -EADDRINUSE;
    this.binding = b;
    this.local = { ...to, port: b.port };
    return 0;
  }

  /** Binds to any free port if nothing was bound (inet_autobind). 0 or -errno. */
  autobind(t: Task | null, connecting = false): number {
    if (this.binding) return 0;
    if (t) this.uid = t.creds.uid;
    const b = this.newBinding(this.anyAddress, 0);
    if (!this.table.addEphemeral(b, connecting)) return connecting ? -EADDRNOTAVAIL : -EADDRINUSE;
    this.binding = b;
    this.local = { ip: b.ip, port: b.port };
    return 0;
  }

  unbind(): void {
    if (!this.binding) return;
    this.table.remove(this.binding);
    this.binding = null;
  }

  /** Where packets to `ip` leave from: the source address, or -errno when there is no way. */
  protected route(ip: Ip): { to: Ip; from: Ip } | number {
    let to = ip;
    if (to === ANY4) to = LOOPBACK4;
    else if (to === ANY6) to = LOOPBACK6;
    if (this.family === AF_INET6 && this.v6only && typeof to === 'number') return -ENETUNREACH;
    const own = this.local?.ip;
    const bound = own !== undefined && !isAny(own) ? own : null;
    if (this.family === AF_INET6 && bound !== null && typeof bound !== typeof to) return -EINVAL;
    if (isLoopback(to)) return { to, from: bound ?? (typeof to === 'number' ? LOOPBACK4 : LOOPBACK6) };
    if (this.net.isLocal(to)) return { to, from: bound ?? to };
    const via = this.net.sourceFor(to);
    return via === null ? -ENETUNREACH : { to, from: bound ?? via };
  }

  /** The same for a group: also the interface, which an option, the address or the destination's scope names. */
  protected multicastRoute(to: Endpoint): { to: Ip; from: Ip; index: number } | number {
    const all = this.net.interfaces();
    const own = this.local?.ip;
    const bound = own !== undefined && !isAny(own) && !isMulticast(own) ? own : null;
    const v4 = typeof to.ip === 'number';
    const index = (v4 ? 0 : (to.scope ?? 0)) || this.multicast.index;
    const holder = all.find((i) => i.addresses.some(({ ip }) => ip === bound));
    // IPv4 leaves by the interface its address is of; without one by the default route, which lo never is.
    const by = index
      ? all.find((i) => i.index === index)
      : ((v4 ? holder : undefined) ?? all.find((i) => !i.loopback));
    const from = bound ?? by?.addresses.find(({ ip }) => typeof ip === typeof to.ip)?.ip;
    // IPv6 groups are routed by their prefix, which lo does not have.
    if (!by || from === undefined || (!v4 && by.loopback)) return -ENETUNREACH;
    return { to: to.ip, from, index: by.index };
  }

  getname(peer: boolean): Uint8Array | number {
    if (!peer) return formatInet(this.local ?? { ip: this.anyAddress, port: 0 }, this.family);
    if (!this.remote || !this.peerKnown) return -ENOTCONN;
    return formatInet(this.remote, this.family);
  }
  protected get peerKnown(): boolean {
    return true;
  }

  /** "127.0.0.1:80->127.0.0.1:40000" as strace -yy prints it after the protocol's name. */
  override traceName(): string {
    const side = (e: Endpoint | null): string => {
      if (!e) return '';
      return this.family === AF_INET ? `${ipText(e.ip)}:${e.port}` : `[${ipText6(e.ip)}]:${e.port}`;
    };
    if (!this.local) return `${this.protocolName}:[${this.inode!.ino}]`;
    return `${this.protocolName}:[${side(this.local)}${this.remote ? `->${side(this.remote)}` : ''}]`;
  }

  setOption(t: Task, level: number, name: number, value: Uint8Array): number {
    if (level === IPPROTO_IPV6) {
      if (this.family !== AF_INET6) return -ENOPROTOOPT;
      if (name === IPV6_V6ONLY) {
        if (value.length < 4) return -EINVAL;
        if (this.binding) return -EINVAL;
        this.v6only = value.some((b, i) => i < 4 && b !== 0);
        return 0;
      }
      if (name === IPV6_ADDRFORM) return -EINVAL;
      return (
        this.multicast.setOption(level, name, value) ??
        setIntOption(this.options.values, IPV6_OPTIONS, level, name, value, t)
      );
    }
    if (level === IPPROTO_IP)
      return (
        this.multicast.setOption(level, name, value) ??
        setIntOption(this.options.values, IP_OPTIONS, level, name, value, t)
      );
    return -ENOPROTOOPT;
  }

  getOption(_t: Task, level: number, name: number, length: number): Uint8Array | number {
    if (level === IPPROTO_IPV6) {
      if (this.family !== AF_INET6) return -EOPNOTSUPP;
      if (name === IPV6_V6ONLY) return new Uint8Array(Int32Array.of(this.v6only ? 1 : 0).buffer);
      return (
        this.multicast.getOption(level, name) ??
        getIntOption(this.options.values, IPV6_OPTIONS, level, name, length)
      );
    }
    if (level === IPPROTO_IP)
      return (
        this.multicast.getOption(level, name) ??
        getIntOption(this.options.values, IP_OPTIONS, level, name, length)
      );
    // do_ip_getsockopt's word for a level it does not know is another than ipv6_getsockopt's.
    return this.family === AF_INET6 ? -ENOPROTOOPT : -EOPNOTSUPP;
  }
}

const ipText6 = (ip: Ip): string => (typeof ip === 'number' ? `::ffff:${ipText(ip)}` : ipText(ip));

/**
 * AF_NETLINK: NETLINK_ROUTE's dumps of links, addresses and routes, as getifaddrs(3) and `ip` ask for them, and
 * NETLINK_SOCK_DIAG's of sockets, as `ss` does.
 */
import {
  EAGAIN, EADDRINUSE, EINVAL, ENOBUFS, ENODEV, ENOPROTOOPT, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
} from '../abi/errno.ts'; // prettier-ignore
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../fs/file.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import type { Task } from '../task/task.ts';
import type { Ip } from './address.ts';
import { familyOf, ipTo16, isLoopback } from './address.ts';
import {
  AF_INET, AF_INET6, AF_NETLINK, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_DGRAM, SOCK_RAW, SOL_NETLINK,
} from './constants.ts'; // prettier-ignore
import { interfaceFlags } from './interface-flags.ts';
import { attributeText, cstr, Writer } from './netlink-message.ts';
import { SOCK_DIAG_BY_FAMILY, sockDiag } from './sock-diag.ts';
import { Socket, WAKE_READABLE } from './socket.ts';
import type { Received, Sending } from './socket.ts';
import type { Interface, NetStack } from './stack.ts';
import { truesize } from './truesize.ts';

const NETLINK_ROUTE = 0;
const NETLINK_SOCK_DIAG = 4;
/** Bytes of a dump that one read gives, as far as messages are whole. */
const DUMP_PART = 8192;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTM_GETNEIGH = 30;
const RTM_NEWRULE = 32;
const RTM_GETRULE = 34;
const IFLA_IFNAME = 3;
const IFLA_ALT_IFNAME = 53;
/** Bytes of struct ifinfomsg, after which attributes come. */
const IFINFOMSG = 16;
const NLM_F_ACK = 4;
const NLM_F_MULTI = 2;
/** NLM_F_ROOT | NLM_F_MATCH. */
const NLM_F_DUMP = 0x300;
const HEADER = 16;

const ipBytes = (ip: Ip): Uint8Array => (typeof ip === 'number' ? ipTo16(ip).slice(12) : ipTo16(ip));

function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

export class NetlinkSocket extends Socket {
  /** Port id; 0: none yet. */
  pid = 0;
  groups = 0;
  private destination = 0;
  private readonly rx: Uint8Array[] = [];
  /** What is left of a dump: each part comes when the one before was read (netlink_dump). */
  private dump: Uint8Array[] = [];
  charged = 0;

  static create(net: NetStack, type: number, protocol: number): NetlinkSocket | number {
    if (type !== SOCK_RAW && type !== SOCK_DGRAM) return -ESOCKTNOSUPPORT;
    if (protocol !== NETLINK_ROUTE && protocol !== NETLINK_SOCK_DIAG) return -EPROTONOSUPPORT;
    return new NetlinkSocket(net, AF_NETLINK, type, protocol);
  }

  get protocolName(): string {
    return 'NETLINK';
  }

  bind(t: Task, raw: Uint8Array): number {
    if (raw.length < 12 || familyOf(raw) !== AF_NETLINK) return -EINVAL;
    const v = new DataView(raw.buffer, raw.byteOffset);
    const pid = v.getUint32(4, true);
    if (this.pid !== 0 && pid !== 0 && pid !== this.pid) return -EINVAL;
    this.groups = v.getUint32(8, true);
    return this.pid === 0 ? this.take(t, pid) : 0;
  }
  /** Port ids are unique; the process id is the first choice. */
  private take(t: Task, wanted: number): number {
    const { netlink } = this.net;
    const taken = (pid: number): boolean => netlink.get(this.key(pid)) !== undefined;
    if (wanted !== 0 && taken(wanted)) return -EADDRINUSE;
    let pid = wanted || t.pid;
    for (let n = -4097; taken(pid); n--) pid = n >>> 0;
    netlink.set(this.key(pid), this);
    this.pid = pid;
    return 0;
  }

  /** Each protocol has its own port ids. */
  private key(pid: number): number {
    return this.protocol * 2 ** 32 + pid;
  }

  connect(t: Task, raw: Uint8Array, _nonblock: boolean): number {
    if (raw.length < 12) return -EINVAL;
    this.destination = new DataView(raw.buffer, raw.byteOffset).getUint32(4, true);
    return this.pid === 0 ? this.take(t, 0) : 0;
  }

  private address(pid: number, groups: number): Uint8Array {
    const out = new Uint8Array(12);
    const v = new DataView(out.buffer);
    v.setUint16(0, AF_NETLINK, true);
    v.setUint32(4, pid, true);
    v.setUint32(8, groups, true);
    return out;
  }
  getname(peer: boolean): Uint8Array | number {
    return peer ? this.address(this.destination, 0) : this.address(this.pid, this.groups);
  }

  send(t: Task, buf: IoBuf, s: Sending): number {
    if (s.flags & MSG_OOB) return -EOPNOTSUPP;
    let to = this.destination;
    if (s.to) {
      if (s.to.length < 12 || familyOf(s.to) !== AF_NETLINK) return -EINVAL;
      to = new DataView(s.to.buffer, s.to.byteOffset).getUint32(4, true);
    }
    if (to !== 0) return -EPERM;
    if (buf.length > this.options.sndbuf - 32) return -ENOBUFS;
    if (this.pid === 0) this.take(t, 0);
    const bytes = buf.bytes();
    const v = new DataView(bytes.buffer);
    for (let at = 0; at + HEADER <= bytes.length;) {
      const length = v.getUint32(at, true);
      if (length < HEADER || length > bytes.length - at) break;
      this.serve(bytes.subarray(at, at + length));
      at += Math.ceil(length / 4) * 4;
    }
    return buf.length;
  }

  private message(type: number, flags: number, seq: number, body: Uint8Array): Uint8Array {
    const out = new Uint8Array(HEADER + body.length);
    const v = new DataView(out.buffer);
    v.setUint32(0, out.length, true);
    v.setUint16(4, type, true);
    v.setUint16(6, flags, true);
    v.setUint32(8, seq, true);
    v.setUint32(12, this.pid, true);
    out.set(body, HEADER);
    return out;
  }

  private serve(m: Uint8Array): void {
    const v = new DataView(m.buffer, m.byteOffset, m.length);
    const type = v.getUint16(4, true);
    const flags = v.getUint16(6, true);
    const seq = v.getUint32(8, true);
    if (type < RTM_NEWLINK) return;
    if (this.protocol === NETLINK_SOCK_DIAG) return this.serveDiag(m, type, flags, seq);
    const family = m.length > HEADER ? m[HEADER] : 0;
    const dump = (flags & NLM_F_DUMP) === NLM_F_DUMP;
    let parts: Uint8Array[] | null = null;
    let reply = 0;
    if (type === RTM_GETLINK && (dump || m.length >= HEADER + 8)) {
      const index = dump ? 0 : v.getInt32(HEADER + 4, true);
      const name =
        index === 0 ? attributeText(m.subarray(HEADER + IFINFOMSG), [IFLA_IFNAME, IFLA_ALT_IFNAME]) : null;
      if (!dump && index === 0 && name === null) return this.fault(m, seq, EINVAL);
      const chosen = this.net
        .interfaces()
        .filter((i) => dump || (name === null ? i.index === index : i.name === name));
      if (chosen.length) parts = chosen.map((i) => this.link(i));
      reply = RTM_NEWLINK;
      if (!parts) return this.fault(m, seq, ENODEV);
    } else if (type === RTM_GETADDR && dump) {
      parts = this.addresses(family);
      reply = RTM_NEWADDR;
    } else if (type === RTM_GETROUTE && dump) {
      parts = this.routes(family);
      reply = RTM_NEWROUTE;
    } else if (type === RTM_GETRULE && dump) {
      parts = family === AF_INET6 ? [] : this.rules();
      reply = RTM_NEWRULE;
    } else if (type === RTM_GETNEIGH && dump) {
      parts = []; // nobody was ever asked for an address
    } else {
      // Odd types of each group change something (NEW, DEL), and nothing here may be changed.
      return this.fault(m, seq, (type - RTM_NEWLINK) % 4 < 2 ? EPERM : EOPNOTSUPP);
    }
    const multi = dump ? NLM_F_MULTI : 0;
    const all = parts.map((p) => this.message(reply, multi, seq, p));
    if (dump) all.push(this.message(NLMSG_DONE, NLM_F_MULTI, seq, new Uint8Array(4)));
    this.queue(join(all));
    if (flags & NLM_F_ACK && !dump) this.fault(m, seq, 0);
  }

  private serveDiag(m: Uint8Array, type: number, flags: number, seq: number): void {
    // TCPDIAG_GETSOCK and DCCPDIAG_GETSOCK came before it.
    if (type < SOCK_DIAG_BY_FAMILY) return this.fault(m, seq, EOPNOTSUPP);
    if (type !== SOCK_DIAG_BY_FAMILY) return this.fault(m, seq, EINVAL);
    if ((flags & NLM_F_DUMP) !== NLM_F_DUMP) return this.fault(m, seq, EOPNOTSUPP);
    const found = sockDiag(this.net, m.subarray(HEADER));
    if (typeof found === 'number') return this.fault(m, seq, -found);
    const all = found.map((p) => this.message(SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, seq, p));
    all.push(this.message(NLMSG_DONE, NLM_F_MULTI, seq, new Uint8Array(4)));
    const parts: Uint8Array[][] = [[]];
    let size = 0;
    for (const one of all) {
      if (size + one.length > DUMP_PART) {
        parts.push([]);
        size = 0;
      }
      parts[parts.length - 1].push(one);
      size += one.length;
    }
    this.dump = parts.map(join);
    this.goOn();
  }
  private goOn(): void {
    const part = this.rx.length === 0 ? this.dump.shift() : undefined;
    if (part) this.queue(part);
  }

  private fault(request: Uint8Array, seq: number, errno: number): void {
    const body = new Uint8Array(4 + (errno ? request.length : HEADER));
    new DataView(body.buffer).setInt32(0, -errno, true);
    body.set(request.subarray(0, body.length - 4), 4);
    this.queue(this.message(NLMSG_ERROR, 0, seq, body));
  }

  /** Bytes from elsewhere in the kernel, as one datagram. */
  deliver(bytes: Uint8Array): void {
    this.queue(bytes);
  }

  private queue(bytes: Uint8Array): void {
    const charge = truesize(bytes.length);
    if (this.charged + charge > this.options.rcvbuf || !this.net.kmem.charge(charge)) {
      this.fail(ENOBUFS);
      return;
    }
    this.charged += charge;
    this.rx.push(bytes);
    this.waiters.wake(WAKE_READABLE);
  }

  /** struct ifinfomsg and its attributes. */
  private link(i: Interface): Uint8Array {
    return new Writer()
      .u8(0).u8(0).u16(i.loopback ? 772 : 1).u32(i.index).u32(interfaceFlags(i)).u32(0)
      .attr(3, cstr(i.name)) // IFLA_IFNAME
      .attr(13, 1000) // IFLA_TXQLEN
      .attr(27, 0) // IFLA_GROUP
      .attr(16, Uint8Array.of(i.loopback ? 0 : 6)) // IFLA_OPERSTATE
      .attr(17, Uint8Array.of(0)) // IFLA_LINKMODE
      .attr(4, i.mtu) // IFLA_MTU
      .attr(6, cstr(i.loopback ? 'noqueue' : 'pfifo_fast')) // IFLA_QDISC
      .attr(1, i.mac) // IFLA_ADDRESS
      .attr(2, i.loopback ? i.mac : new Uint8Array(6).fill(255)) // IFLA_BROADCAST
      .done(); // prettier-ignore
  }

  /** struct ifaddrmsg and its attributes. */
  private addresses(family: number): Uint8Array[] {
    const out: Uint8Array[] = [];
    for (const i of this.net.interfaces()) {
      for (const { ip, prefix } of i.addresses) {
        const f = typeof ip === 'number' ? AF_INET : AF_INET6;
        if (family !== 0 && family !== f) continue;
        const w = new Writer()
          .u8(f)
          .u8(prefix)
          .u8(0x80)
          .u8(isLoopback(ip) ? 254 : 0)
          .u32(i.index);
        w.attr(1, ipBytes(ip)); // IFA_ADDRESS
        if (f === AF_INET) {
          w.attr(2, ipBytes(ip)); // IFA_LOCAL
          if (!i.loopback) w.attr(4, ipBytes(((ip as number) | (0xffffffff >>> prefix)) >>> 0)); // IFA_BROADCAST
          w.attr(3, cstr(i.name)); // IFA_LABEL
        }
        // IFA_FLAGS: permanent; IFA_CACHEINFO: preferred and valid for ever.
        const forever = new Uint8Array(Uint32Array.of(0xffffffff, 0xffffffff, 0, 0).buffer);
        out.push(w.attr(8, 0x80).attr(6, forever).done());
      }
    }
    return out;
  }

  /** Which tables are looked at: local, main and default, for everything. */
  private rules(): Uint8Array[] {
    return [
      [0, 255],
      [32766, 254],
      [32767, 253],
    ].map(([priority, table]) => {
      const w = new Writer().u8(AF_INET).u8(0).u8(0).u8(0).u8(table).u8(0).u8(0).u8(1).u32(0);
      w.attr(15, table); // FRA_TABLE
      w.attr(14, 0xffffffff); // FRA_SUPPRESS_PREFIXLEN: none
      if (priority > 0) w.attr(6, priority); // FRA_PRIORITY
      return w.done();
    });
  }

  /** The main table's routes: the link's own network, and a default route when the host's network is open. */
  private routes(family: number): Uint8Array[] {
    if (family === AF_INET6 || !this.net.eth0) return [];
    const eth0 = this.net.interfaces()[1];
    const { ip, prefix } = eth0.addresses[0];
    const route = (length: number, scope: number): Writer =>
      new Writer()
        .u8(AF_INET)
        .u8(length)
        .u8(0)
        .u8(0)
        .u8(254)
        .u8(length ? 2 : 3)
        .u8(scope)
        .u8(1)
        .u32(0)
        .attr(15, 254);
    const network = ((ip as number) & (0xffffffff << (32 - prefix))) >>> 0;
    const out = [
      route(prefix, 253).attr(1, ipBytes(network)).attr(7, ipBytes(ip)).attr(4, eth0.index).done(),
    ];
    if (this.net.host)
      out.unshift(
        route(0, 0)
          .attr(5, ipBytes(network + 2))
          .attr(4, eth0.index)
          .done(),
      );
    return out;
  }

  receive(_t: Task, buf: IoBuf, flags: number, r: Received): number {
    if (flags & MSG_OOB) return -EOPNOTSUPP;
    if (this.error) return -this.takeError();
    const m = this.rx[0];
    if (!m) return -EAGAIN;
    const n = buf.put(m);
    if (n < m.length) {
      r.flags |= MSG_TRUNC;
      r.full = m.length;
    }
    r.from = this.address(0, 0);
    if (!(flags & MSG_PEEK)) {
      this.rx.shift();
      this.free(truesize(m.length));
      this.goOn();
    }
    return n;
  }

  shutdown(): number {
    return -EOPNOTSUPP;
  }
  override inq(): number {
    return this.rx[0]?.length ?? 0;
  }
  override poll(): number {
    let mask = POLLOUT | POLLWRNORM | POLLWRBAND;
    if (this.error) mask |= POLLERR;
    if (this.rx.length) mask |= POLLIN | POLLRDNORM;
    return mask;
  }
  setOption(_t: Task, level: number, name: number, value: Uint8Array): number {
    if (level !== SOL_NETLINK || name < 1 || name > 12) return -ENOPROTOOPT;
    return value.length < 4 ? -EINVAL : 0;
  }
  getOption(_t: Task, level: number, name: number): Uint8Array | number {
    if (level !== SOL_NETLINK || name < 1 || name > 12) return -ENOPROTOOPT;
    return new Uint8Array(4);
  }
  private free(bytes: number): void {
    this.charged -= bytes;
    this.net.kmem.uncharge(bytes);
  }
  override release(): void {
    this.rx.length = this.dump.length = 0;
    this.free(this.charged);
    if (this.pid) this.net.netlink.delete(this.key(this.pid));
  }
}

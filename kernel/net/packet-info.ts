/** What a datagram's IP header says, named by the sender in ancillary data or options and told to the receiver (ip(7), ipv6(7)). */
import { EINVAL } from '../abi/errno.ts';
import type { Ip } from './address.ts';
import { ANY4, ANY6, ipFrom16, ipTo16, isMulticast } from './address.ts';
import { AF_INET6, IPPROTO_IP, IPPROTO_IPV6 } from './constants.ts';
import type { Control } from './control.ts';
import { optionKey } from './inet.ts';

const LO_IFINDEX = 1;
const DEFAULT_TTL = 64;

const IP_TOS = 1;
const IP_TTL = 2;
const IP_PKTINFO = 8;
const IP_RECVTTL = 12;
const IP_RECVTOS = 13;
const IP_MULTICAST_TTL = 33;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const IPV6_RECVHOPLIMIT = 51;
const IPV6_HOPLIMIT = 52;
const IPV6_DONTFRAG = 62;
const IPV6_RECVTCLASS = 66;
const IPV6_TCLASS = 67;

export interface PacketInfo {
  /** Source address; null: the route's. */
  readonly from: Ip | null;
  /** Time to live, hop limit. */
  readonly ttl: number;
  /** Type of service, traffic class. */
  readonly tos: number;
}

type Values = ReadonlyMap<number, number>;

/** What a socket of `family` with these options sends to `to`, or -errno when the ancillary data is wrong. */
export function packetInfo(
  family: number,
  values: Values,
  to: Ip,
  control: Control | null,
): PacketInfo | number {
  const option = (level: number, name: number, otherwise: number): number =>
    values.get(optionKey(level, name)) ?? otherwise;
  const v4 = typeof to === 'number';
  const multicast = isMulticast(to);
  let from: Ip | null = null;
  let ttl = v4
    ? multicast
      ? option(IPPROTO_IP, IP_MULTICAST_TTL, 1)
      : option(IPPROTO_IP, IP_TTL, DEFAULT_TTL)
    : multicast
      ? option(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1)
      : option(IPPROTO_IPV6, IPV6_UNICAST_HOPS, DEFAULT_TTL);
  let tos = v4 ? option(IPPROTO_IP, IP_TOS, 0) : option(IPPROTO_IPV6, IPV6_TCLASS, 0);
  for (const m of control?.other ?? []) {
    const v = new DataView(m.data.buffer, m.data.byteOffset, m.data.length);
    const int = m.data.length === 4 ? v.getInt32(0, true) : null;
    if (m.level === IPPROTO_IP && v4) {
      // ip_cmsg_send
      if (m.type === IP_PKTINFO) {
        if (m.data.length !== 12) return -EINVAL;
        const ip = v.getUint32(4);
        if (ip !== ANY4) from = ip;
      } else if (m.type === IP_TTL) {
        if (int === null || int < 1 || int > 255) return -EINVAL;
        ttl = int;
      } else if (m.type === IP_TOS) {
        const tosNow = m.data.length === 1 ? m.data[0] : int;
        if (tosNow === null || tosNow < 0 || tosNow > 255) return -EINVAL;
        tos = tosNow;
      } else return -EINVAL;
    } else if (m.level === IPPROTO_IPV6 && family === AF_INET6) {
      // ip6_datagram_send_ctl; to an IPv4 address only the source counts (ip_cmsg_send).
      if (m.type === IPV6_PKTINFO) {
        if (m.data.length !== 20) return -EINVAL;
        const ip = ipFrom16(m.data);
        if (ip === ANY6) continue;
        if ((typeof ip === 'number') !== v4) return -EINVAL;
        from = ip;
      } else if (v4) continue;
      else if (int === null) return -EINVAL;
      else if (m.type === IPV6_HOPLIMIT) {
        if (int < -1 || int > 255) return -EINVAL;
        if (int >= 0) ttl = int;
      } else if (m.type === IPV6_TCLASS) {
        if (int < -1 || int > 255) return -EINVAL;
        if (int >= 0) tos = int;
      } else if (m.type === IPV6_DONTFRAG) {
        if (int < 0 || int > 1) return -EINVAL;
      } else return -EINVAL;
    }
  }
  return { from, ttl, tos };
}

/** A control message, encoded. */
export interface Message {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
}

const intData = (n: number): Uint8Array => new Uint8Array(Int32Array.of(n).buffer);

/** What a socket asked to be told of a datagram that came to `to` (ip_cmsg_recv, ip6_datagram_recv_ctl). */
export function packetMessages(family: number, values: Values, to: Ip, info: PacketInfo): Message[] {
  const out: Message[] = [];
  const on = (level: number, name: number): boolean => !!values.get(optionKey(level, name));
  if (family === AF_INET6 && on(IPPROTO_IPV6, IPV6_RECVPKTINFO)) {
    const data = new Uint8Array(20);
    data.set(ipTo16(to));
    data[16] = LO_IFINDEX;
    out.push({ level: IPPROTO_IPV6, type: IPV6_PKTINFO, data });
  }
  if (typeof to === 'number') {
    if (on(IPPROTO_IP, IP_PKTINFO)) {
      const data = new Uint8Array(12);
      const v = new DataView(data.buffer);
      v.setInt32(0, LO_IFINDEX, true);
      v.setUint32(4, to);
      v.setUint32(8, to);
      out.push({ level: IPPROTO_IP, type: IP_PKTINFO, data });
    }
    if (on(IPPROTO_IP, IP_RECVTTL)) out.push({ level: IPPROTO_IP, type: IP_TTL, data: intData(info.ttl) });
    if (on(IPPROTO_IP, IP_RECVTOS))
      out.push({ level: IPPROTO_IP, type: IP_TOS, data: Uint8Array.of(info.tos) });
  } else {
    if (on(IPPROTO_IPV6, IPV6_RECVHOPLIMIT))
      out.push({ level: IPPROTO_IPV6, type: IPV6_HOPLIMIT, data: intData(info.ttl) });
    if (on(IPPROTO_IPV6, IPV6_RECVTCLASS))
      out.push({ level: IPPROTO_IPV6, type: IPV6_TCLASS, data: intData(info.tos) });
  }
  return out;
}

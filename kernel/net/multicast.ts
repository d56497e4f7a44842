/**
 * Multicast groups (net/ipv4/igmp.c, net/ipv6/mcast.c): who is a member where, and the options that say so. There is no
 * wire to tell of it: what is sent to a group comes back to the members on the same machine.
 */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV } from '../abi/errno.ts';
import { ipFrom16, isMulticast, parseInet } from './address.ts';
import type { Ip } from './address.ts';
import { AF_INET, AF_INET6, IPPROTO_IP } from './constants.ts';
import type { NetStack } from './stack.ts';

const IP_MULTICAST_IF = 32;
const IP_ADD_MEMBERSHIP = 35;
const IP_DROP_MEMBERSHIP = 36;
const MCAST_JOIN_GROUP = 42;
const MCAST_LEAVE_GROUP = 45;
const IPV6_MULTICAST_IF = 17;
const IPV6_JOIN_GROUP = 20;
const IPV6_LEAVE_GROUP = 21;
/** struct group_req: the interface, padding, a sockaddr_storage. */
const GROUP_REQ = 136;
/** net.ipv4.igmp_max_memberships; the same is kept for IPv6, where socket memory is the limit. */
const MAX_MEMBERSHIPS = 20;
/** 224.0.0.1 and ff02::1: every interface is a member. */
const ALL_HOSTS4 = 0xe0000001;
const ALL_HOSTS6 = '\xff\x02' + '\0'.repeat(13) + '\x01';

/** Groups that interfaces take packets for: as long as a socket is a member. */
export class Groups {
  private readonly members = new Map<string, number>();

  change(index: number, group: Ip, by: 1 | -1): void {
    const key = `${index} ${group}`;
    const n = (this.members.get(key) ?? 0) + by;
    if (n > 0) this.members.set(key, n);
    else this.members.delete(key);
  }
  has(index: number, group: Ip): boolean {
    return group === ALL_HOSTS4 || group === ALL_HOSTS6 || this.members.has(`${index} ${group}`);
  }
}

/** One socket's memberships, and the interface it sends to groups from. */
export class Multicast {
  /** IP_MULTICAST_IF: an index (0: as routed), and the address it was named by. */
  index = 0;
  address = 0;
  private readonly joined: { readonly group: Ip; readonly index: number }[] = [];
  private readonly net: NetStack;

  constructor(net: NetStack) {
    this.net = net;
  }

  isMember(group: Ip, index: number): boolean {
    return this.joined.some((m) => m.group === group && m.index === index);
  }

  /** The interface an index, or an address of its own, names. 0: there is none. */
  private interfaceOf(index: number, address: number): number {
    const all = this.net.interfaces();
    if (index !== 0) return all.some((i) => i.index === index) ? index : 0;
    if (address !== 0) return all.find((i) => i.addresses.some(({ ip }) => ip === address))?.index ?? 0;
    return all.find((i) => !i.loopback)?.index ?? 0;
  }

  /** setsockopt(2) if the option is one of these; null: it is not. */
  setOption(level: number, name: number, value: Uint8Array): number | null {
    const v = new DataView(value.buffer, value.byteOffset, value.byteLength);
    if (name === MCAST_JOIN_GROUP || name === MCAST_LEAVE_GROUP) {
      if (value.length < GROUP_REQ) return -EINVAL;
      const to = parseInet(value.subarray(8), level === IPPROTO_IP ? AF_INET : AF_INET6);
      if (typeof to === 'number') return -EADDRNOTAVAIL;
      return this.change(name === MCAST_JOIN_GROUP, to.ip, v.getUint32(0, true), 0);
    }
    if (level === IPPROTO_IP) {
      if (name === IP_MULTICAST_IF) return this.setInterface(v);
      if (name !== IP_ADD_MEMBERSHIP && name !== IP_DROP_MEMBERSHIP) return null;
      if (value.length < 8) return -EINVAL;
      const index = value.length >= 12 ? v.getInt32(8, true) : 0;
      return this.change(name === IP_ADD_MEMBERSHIP, v.getUint32(0), index, v.getUint32(4));
    }
    if (name === IPV6_MULTICAST_IF) {
      if (value.length < 4) return -EINVAL;
      const index = v.getInt32(0, true);
      if (index !== 0 && this.interfaceOf(index, 0) === 0) return -ENODEV;
      this.index = index;
      return 0;
    }
    if (name !== IPV6_JOIN_GROUP && name !== IPV6_LEAVE_GROUP) return null;
    if (value.length < 20) return -EINVAL;
    return this.change(name === IPV6_JOIN_GROUP, ipFrom16(value), v.getInt32(16, true), 0);
  }

  /** getsockopt(2) likewise. */
  getOption(level: number, name: number): Uint8Array | null {
    if (level === IPPROTO_IP && name === IP_MULTICAST_IF) {
      const out = new Uint8Array(4);
      new DataView(out.buffer).setUint32(0, this.address);
      return out;
    }
    if (level !== IPPROTO_IP && name === IPV6_MULTICAST_IF)
      return new Uint8Array(Int32Array.of(this.index).buffer);
    return null;
  }

  /** struct in_addr, ip_mreq or ip_mreqn. */
  private setInterface(v: DataView): number {
    if (v.byteLength < 4) return -EINVAL;
    const address = v.byteLength >= 8 ? v.getUint32(4) : v.getUint32(0);
    const index = v.byteLength >= 12 ? v.getInt32(8, true) : 0;
    if (address === 0 && index === 0) {
      this.index = this.address = 0;
      return 0;
    }
    const found = this.interfaceOf(index, address);
    if (found === 0) return -EADDRNOTAVAIL;
    this.index = found;
    this.address = address;
    return 0;
  }

  private change(join: boolean, group: Ip, named: number, address: number): number {
    if (!isMulticast(group)) return -EINVAL;
    const index = this.interfaceOf(named, address);
    if (index === 0) return -ENODEV;
    const at = this.joined.findIndex((m) => m.group === group && m.index === index);
    if (join) {
      if (at >= 0) return -EADDRINUSE;
      if (this.joined.length >= MAX_MEMBERSHIPS) return -ENOBUFS;
      this.joined.push({ group, index });
      this.net.groups.change(index, group, 1);
      return 0;
    }
    if (at < 0) return -EADDRNOTAVAIL;
    this.joined.splice(at, 1);
    this.net.groups.change(index, group, -1);
    return 0;
  }

  release(): void {
    for (const { group, index } of this.joined.splice(0)) this.net.groups.change(index, group, -1);
  }
}

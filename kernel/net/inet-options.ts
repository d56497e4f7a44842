/** Integer options of the IP, IPv6 and TCP levels: what may be set, and what an untouched socket answers. */
import { EINVAL, ENOPROTOOPT, EPERM } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import { CAP_NET_ADMIN, CAP_NET_RAW, IPPROTO_TCP } from './constants.ts';

interface IntOption {
  readonly initial: number;
  /** Values outside are -EINVAL; booleans are any int, kept as 0 or 1. */
  readonly range?: readonly [min: number, max: number];
  readonly bool?: true;
  /** −1 puts the default back. */
  readonly reset?: true;
  readonly admin?: true;
  readonly readOnly?: true;
}
type Options = ReadonlyMap<number, IntOption>;

const bool = (initial = 0): IntOption => ({ initial, bool: true });
const int = (initial: number, min: number, max: number): IntOption => ({ initial, range: [min, max] });
const INT_MAX = 0x7fffffff;

/** ip(7). */
export const IP_OPTIONS: Options = new Map<number, IntOption>([
  [1, int(0, -INT_MAX - 1, INT_MAX)], // IP_TOS
  [2, { initial: 64, range: [1, 255], reset: true }], // IP_TTL
  [5, bool()], // IP_ROUTER_ALERT
  [6, bool()], // IP_RECVOPTS
  [7, bool()], // IP_RETOPTS
  [8, bool()], // IP_PKTINFO
  [10, int(1, 0, 5)], // IP_MTU_DISCOVER
  [11, bool()], // IP_RECVERR
  [12, bool()], // IP_RECVTTL
  [13, bool()], // IP_RECVTOS
  [14, { initial: 65536, readOnly: true }], // IP_MTU
  [15, bool()], // IP_FREEBIND
  [18, bool()], // IP_PASSSEC
  [19, { initial: 0, bool: true, admin: true }], // IP_TRANSPARENT
  [20, bool()], // IP_ORIGDSTADDR
  [21, int(0, 0, 255)], // IP_MINTTL
  [22, bool()], // IP_NODEFRAG
  [23, bool()], // IP_CHECKSUM
  [24, bool()], // IP_BIND_ADDRESS_NO_PORT
  [25, bool()], // IP_RECVFRAGSIZE
  [33, { initial: 1, range: [0, 255], reset: true }], // IP_MULTICAST_TTL
  [34, bool(1)], // IP_MULTICAST_LOOP
  [49, bool(1)], // IP_MULTICAST_ALL
]);

/** ipv6(7). */
export const IPV6_OPTIONS: Options = new Map<number, IntOption>([
  [16, { initial: 64, range: [0, 255], reset: true }], // IPV6_UNICAST_HOPS
  [18, { initial: 1, range: [0, 255], reset: true }], // IPV6_MULTICAST_HOPS
  [19, bool(1)], // IPV6_MULTICAST_LOOP
  [23, int(1, 0, 5)], // IPV6_MTU_DISCOVER
  [24, { initial: 65536, range: [1280, 65536] }], // IPV6_MTU
  [25, bool()], // IPV6_RECVERR
  [29, bool(1)], // IPV6_MULTICAST_ALL
  [49, bool()], // IPV6_RECVPKTINFO
  [51, bool()], // IPV6_RECVHOPLIMIT
  [53, bool()], // IPV6_RECVHOPOPTS
  [56, bool()], // IPV6_RECVRTHDR
  [58, bool()], // IPV6_RECVDSTOPTS
  [60, bool()], // IPV6_RECVPATHMTU
  [62, bool()], // IPV6_DONTFRAG
  [66, bool()], // IPV6_RECVTCLASS
  [67, { initial: 0, range: [0, 255], reset: true }], // IPV6_TCLASS
  [70, bool(1)], // IPV6_AUTOFLOWLABEL
  [72, int(0, 0, 0x3f)], // IPV6_ADDR_PREFERENCES
  [73, int(0, 0, 255)], // IPV6_MINHOPCOUNT
  [74, bool()], // IPV6_ORIGDSTADDR
  [75, { initial: 0, bool: true, admin: true }], // IPV6_TRANSPARENT
  [78, bool()], // IPV6_FREEBIND
]);

/** tcp(7); TCP_INFO, TCP_CONGESTION and TCP_MAXSEG are answered by the socket itself. */
export const TCP_OPTIONS: Options = new Map<number, IntOption>([
  [1, bool()], // TCP_NODELAY
  [3, bool()], // TCP_CORK
  [4, int(7200, 1, 32767)], // TCP_KEEPIDLE
  [5, int(75, 1, 32767)], // TCP_KEEPINTVL
  [6, int(9, 1, 127)], // TCP_KEEPCNT
  [7, int(6, 1, 127)], // TCP_SYNCNT
  [8, int(60, -INT_MAX - 1, INT_MAX)], // TCP_LINGER2
  [9, int(0, -INT_MAX - 1, INT_MAX)], // TCP_DEFER_ACCEPT
  [10, int(0, 0, INT_MAX)], // TCP_WINDOW_CLAMP
  [12, bool(1)], // TCP_QUICKACK
  [16, bool()], // TCP_THIN_LINEAR_TIMEOUTS
  [17, bool()], // TCP_THIN_DUPACK
  [18, int(0, 0, INT_MAX)], // TCP_USER_TIMEOUT
  [23, int(0, 0, INT_MAX)], // TCP_FASTOPEN
  [24, int(0, -INT_MAX - 1, INT_MAX)], // TCP_TIMESTAMP
  [25, int(0, -INT_MAX - 1, INT_MAX)], // TCP_NOTSENT_LOWAT
  [27, bool()], // TCP_SAVE_SYN
  [30, bool()], // TCP_FASTOPEN_CONNECT
  [34, bool()], // TCP_FASTOPEN_NO_COOKIE
  [36, bool()], // TCP_INQ
  [37, int(0, 0, INT_MAX)], // TCP_TX_DELAY
]);

const key = (level: number, name: number): number => level * 65536 + name;

/** An int from the caller's bytes; IP and IPv6 levels also take a single byte. */
export function intValue(value: Uint8Array, bytesAllowed: boolean): number | null {
  if (value.length >= 4) return new DataView(value.buffer, value.byteOffset).getInt32(0, true);
  return bytesAllowed && value.length >= 1 ? value[0] : null;
}

export function setIntOption(
  values: Map<number, number>,
  options: Options,
  level: number,
  name: number,
  value: Uint8Array,
  t: Task,
): number {
  const o = options.get(name);
  if (!o || o.readOnly) return -ENOPROTOOPT;
  const v = intValue(value, level !== IPPROTO_TCP);
  if (v === null) return -EINVAL;
  if (o.admin && v && !(t.creds.capEffective & ((1n << CAP_NET_ADMIN) | (1n << CAP_NET_RAW)))) return -EPERM;
  if (o.reset && v === -1) values.delete(key(level, name));
  else if (o.bool) values.set(key(level, name), v ? 1 : 0);
  else {
    if (v < o.range![0] || v > o.range![1]) return -EINVAL;
    values.set(key(level, name), v);
  }
  return 0;
}

export function getIntOption(
  values: ReadonlyMap<number, number>,
  options: Options,
  level: number,
  name: number,
  length: number,
): Uint8Array | number {
  const o = options.get(name);
  if (!o) return -ENOPROTOOPT;
  const v = values.get(key(level, name)) ?? o.initial;
  // do_ip_getsockopt: a short buffer gets a byte when the value fits one.
  if (level !== IPPROTO_TCP && length < 4 && length > 0 && v >= 0 && v <= 255) return Uint8Array.of(v);
  return new Uint8Array(Int32Array.of(v).buffer);
}

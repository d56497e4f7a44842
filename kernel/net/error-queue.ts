/** The error queue of IP_RECVERR and IPV6_RECVERR (ip(7)): what became of datagrams, read by recvmsg(MSG_ERRQUEUE). */
import { EAGAIN } from '../abi/errno.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import type { Endpoint, Ip } from './address.ts';
import { formatInet } from './address.ts';
import { AF_INET, IPPROTO_IP, IPPROTO_IPV6, MSG_ERRQUEUE, MSG_TRUNC } from './constants.ts';
import type { Received } from './socket.ts';
import { truesize } from './truesize.ts';

export const IP_RECVERR = 11;
export const IPV6_RECVERR = 25;
const SO_EE_ORIGIN_LOCAL = 1;
const SO_EE_ORIGIN_ICMP = 2;
const SO_EE_ORIGIN_ICMP6 = 3;
/** Destination unreachable: the port. */
const ICMP_PORT_UNREACH = [3, 3];
const ICMP6_PORT_UNREACH = [1, 4];
/** struct sock_extended_err. */
const EXTENDED_ERR = 16;

interface Entry {
  readonly errno: number;
  readonly origin: number;
  readonly kind: readonly number[];
  readonly info: number;
  /** Where the datagram went, and who complained. */
  readonly to: Endpoint;
  readonly offender: Ip | null;
  readonly data: Uint8Array;
  readonly charge: number;
}

export class ErrorQueue {
  private readonly entries: Entry[] = [];
  /** Memory they count for. */
  charged = 0;

  get length(): number {
    return this.entries.length;
  }

  private add(e: Omit<Entry, 'charge'>, room: number): void {
    const charge = truesize(e.data.length);
    if (charge > room) return;
    this.charged += charge;
    this.entries.push({ ...e, charge });
  }

  /** An ICMP "port unreachable" came back for `data` (ip_icmp_error). */
  portUnreachable(errno: number, to: Endpoint, data: Uint8Array, room: number): void {
    const v4 = typeof to.ip === 'number';
    const origin = v4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6;
    const kind = v4 ? ICMP_PORT_UNREACH : ICMP6_PORT_UNREACH;
    this.add({ errno, origin, kind, info: 0, to, offender: to.ip, data }, room);
  }
  /** The datagram did not leave the machine (ip_local_error). */
  local(errno: number, to: Endpoint, info: number, room: number): void {
    const origin = SO_EE_ORIGIN_LOCAL;
    this.add({ errno, origin, kind: [0, 0], info, to, offender: null, data: new Uint8Array(0) }, room);
  }

  clear(): void {
    this.entries.length = this.charged = 0;
  }

  /** The pending error after one was taken: the next one's, or none. Null: it stays what it is. */
  private afterwards(taken: Entry): number | null {
    const icmp = (e: Entry | undefined): boolean => e !== undefined && e.origin !== SO_EE_ORIGIN_LOCAL;
    if (icmp(this.entries[0])) return this.entries[0].errno;
    return icmp(taken) ? 0 : null;
  }

  /** ip_recv_error, ipv6_recv_error. MSG_PEEK takes it too. `pending` hears what SO_ERROR is from now on. */
  receive(buf: IoBuf, family: number, r: Received, pending: (errno: number) => void): number {
    const e = this.entries.shift();
    if (!e) return -EAGAIN;
    this.charged -= e.charge;
    const n = buf.put(e.data);
    if (n < e.data.length) r.flags |= MSG_TRUNC;
    r.flags |= MSG_ERRQUEUE;
    r.from = formatInet(e.to, family);
    const v4 = family === AF_INET;
    const data = new Uint8Array(EXTENDED_ERR + (v4 ? 16 : 28));
    const v = new DataView(data.buffer);
    v.setUint32(0, e.errno, true);
    data.set([e.origin, e.kind[0], e.kind[1]], 4);
    v.setUint32(8, e.info, true);
    if (e.offender !== null) data.set(formatInet({ ip: e.offender, port: 0 }, family), EXTENDED_ERR);
    const [level, type] = v4 ? [IPPROTO_IP, IP_RECVERR] : [IPPROTO_IPV6, IPV6_RECVERR];
    r.control = { files: [], creds: null, other: [{ level, type, data }] };
    const next = this.afterwards(e);
    if (next !== null) pending(next);
    return n;
  }
}

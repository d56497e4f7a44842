/** Every IP socket there is, as /proc/net and NETLINK_SOCK_DIAG list them. */
import type { Endpoint } from './address.ts';
import { AF_INET, AF_INET6, TCP_CLOSE, TCP_LISTEN, TCP_TIME_WAIT } from './constants.ts';
import type { InetSocket } from './inet.ts';
import type { PortTable } from './ports.ts';
import { TcpSocket } from './tcp.ts';

export interface InetEntry {
  readonly family: number;
  /** TCP's numbers. */
  readonly state: number;
  readonly local: Endpoint;
  readonly remote: Endpoint | null;
  /** A listener's: connections to accept, and how many may wait. */
  readonly receiving: number;
  readonly sending: number;
  readonly uid: number;
  /** 0: no process has it. */
  readonly ino: number;
  /** Nanoseconds until the end of TIME_WAIT. */
  readonly left: number;
  /** Null in TIME_WAIT. */
  readonly socket: InetSocket | null;
}

const familyOf = (inet4: boolean): number => (inet4 ? AF_INET : AF_INET6);

/** Connections and listeners; sockets that are only bound are in no table. */
export function tcpEntries(table: PortTable, now: number): InetEntry[] {
  const out: InetEntry[] = [];
  const unaccepted = new Set<InetSocket>();
  const all = [...table.list()];
  for (const { socket } of all)
    if (socket instanceof TcpSocket) for (const child of socket.pending) unaccepted.add(child);
  for (const b of all) {
    const local = { ip: b.ip, port: b.port };
    const s = b.socket as TcpSocket | null;
    if (s === null) {
      const left = b.until - now;
      out.push({
        family: familyOf(b.inet4), state: TCP_TIME_WAIT, local, remote: b.remote, receiving: 0, sending: 0, uid: 0,
        ino: 0, left, socket: null,
      }); // prettier-ignore
    } else if (s.state !== TCP_CLOSE) {
      const listens = s.state === TCP_LISTEN;
      out.push({
        family: s.family, state: s.state, local, remote: s.remote,
        receiving: listens ? s.pending.length : s.receiving, sending: listens ? s.capacity : s.outq(),
        uid: s.uid, ino: unaccepted.has(s) ? 0 : s.inode!.ino, left: 0, socket: s,
      }); // prettier-ignore
    }
  }
  // Listeners are in a table of their own, which comes first.
  const rank = (e: InetEntry): number => (e.state === TCP_LISTEN ? 0 : 1);
  return out.sort((x, y) => rank(x) - rank(y));
}

/** Sockets with a port; a connected one is ESTABLISHED. */
export function udpEntries(table: PortTable): InetEntry[] {
  const out: InetEntry[] = [];
  for (const b of table.list()) {
    const s = b.socket;
    if (!s) continue;
    out.push({
      family: s.family, state: s.state, local: { ip: b.ip, port: b.port }, remote: s.remote, receiving: s.receiving,
      sending: 0, uid: s.uid, ino: s.inode!.ino, left: 0, socket: s,
    }); // prettier-ignore
  }
  return out;
}

/** Which sockets hold which ports: the bind hash of one protocol, its conflict rules, and ephemeral ports. */
import type { Endpoint, Ip } from './address.ts';
import { ANY4, ANY6, isAny } from './address.ts';
import type { InetSocket } from './inet.ts';

/** net.ipv4.ip_local_port_range. */
export const EPHEMERAL_FIRST = 32768;
export const EPHEMERAL_LAST = 60999;

/** net.ipv4.tcp_max_tw_buckets: more are not waited for. */
const MAX_TIME_WAIT = 16384;

/** One socket's hold on a port. */
export interface Binding {
  ip: Ip;
  port: number;
  readonly v6only: boolean;
  /** An AF_INET socket: preferred over an AF_INET6 one that would take the same connection. */
  readonly inet4: boolean;
  reuseAddr: boolean;
  reusePort: boolean;
  readonly uid: number;
  listening: boolean;
  /** Null for what is left of a connection in TIME_WAIT, to `remote`, which ends at `until` (monotonic ns). */
  socket: InetSocket | null;
  until: number;
  remote: Endpoint | null;
}

/** Does a wildcard binding take packets for `ip`? */
function covers(any: Binding, ip: Ip): boolean {
  if (any.ip === ANY4) return typeof ip === 'number';
  if (any.ip === ANY6) return any.v6only ? typeof ip === 'string' : true;
  return any.ip === ip;
}

function overlap(a: Binding, b: Binding): boolean {
  return covers(a, b.ip) || covers(b, a.ip);
}

export class PortTable {
  private readonly ports = new Map<number, Binding[]>();
  private next: number;
  /** Bindings in TIME_WAIT. */
  private waiting = 0;
  /** TCP: SO_REUSEADDR does not help against a listener. */
  private readonly tcp: boolean;
  private readonly now: () => number;
  /** A foreign kernel's: whoever was bound first to a port takes what comes for it, whatever its address says beyond that it fits. */
  firstTakesAll = false;

  constructor(tcp: boolean, now: () => number) {
    this.tcp = tcp;
    // Apart, so that a TCP and a UDP socket of one program rarely get the same number.
    this.next = tcp ? EPHEMERAL_FIRST : EPHEMERAL_FIRST + 14000;
    this.now = now;
  }

  /** inet_csk_bind_conflict, udp's inet_rcv_saddr_equal walk. */
  private conflicts(b: Binding, against: Binding): boolean {
    if (!overlap(b, against)) return false;
    if (b.reusePort && against.reusePort && (b.uid === against.uid || against.socket === null)) return false;
    if (b.reuseAddr && against.reuseAddr) return this.tcp && against.listening;
    return true;
  }

  private at(port: number): Binding[] {
    const list = this.ports.get(port);
    if (!list) return [];
    const now = this.now();
    const live = list.filter((b) => b.socket !== null || b.until > now);
    this.waiting -= list.length - live.length;
    if (live.length === 0) this.ports.delete(port);
    else if (live.length < list.length) this.ports.set(port, live);
    return live;
  }

  /** Takes `b.port`; false when another binding forbids it. */
  add(b: Binding): boolean {
    if (this.at(b.port).some((o) => this.conflicts(b, o))) return false;
    this.put(b);
    return true;
  }

  /** Joins without asking: accepted connections share their listener's port. */
  put(b: Binding): void {
    const list = this.ports.get(b.port);
    if (list) list.push(b);
    else this.ports.set(b.port, [b]);
  }

  /** Gives `b` a free ephemeral port, in turn; false when all are taken. `connecting`: TIME_WAIT may be reused. */
  addEphemeral(b: Binding, connecting: boolean): boolean {
    const count = EPHEMERAL_LAST - EPHEMERAL_FIRST + 1;
    for (let i = 0; i < count; i++) {
      b.port = this.next;
      this.next = this.next === EPHEMERAL_LAST ? EPHEMERAL_FIRST : this.next + 1;
      const others = this.at(b.port);
      const taken = others.some((o) => (connecting && o.socket === null ? false : overlap(b, o)));
      if (taken) continue;
      this.put(b);
      return true;
    }
    return false;
  }

  remove(b: Binding): void {
    const list = this.ports.get(b.port);
    const i = list ? list.indexOf(b) : -1;
    if (i < 0) return;
    list!.splice(i, 1);
    if (list!.length === 0) this.ports.delete(b.port);
  }

  /** Forgets what has left TIME_WAIT. */
  private sweep(): void {
    for (const port of [...this.ports.keys()]) this.at(port);
  }

  /** The socket keeps nothing, the port stays taken until `until`, if there is room in the table. */
  timeWait(b: Binding, until: number): void {
    if (this.waiting >= MAX_TIME_WAIT) this.sweep();
    if (this.waiting >= MAX_TIME_WAIT) {
      this.remove(b);
      return;
    }
    this.waiting++;
    b.remote = b.socket?.remote ?? null;
    b.socket = null;
    b.listening = false;
    b.until = until;
  }

  /**
   * Who takes a packet for (ip, port): an exact address before a wildcard, AF_INET before AF_INET6, the newest of
   * equals; SO_REUSEPORT groups share by `hash`.
   */
  lookup(ip: Ip, port: number, hash: number, accepts: (s: InetSocket) => boolean): InetSocket | null {
    let best: Binding[] = [];
    let bestScore = -1;
    for (const b of this.ports.get(port) ?? []) {
      if (b.socket === null || !covers(b, ip) || !accepts(b.socket)) continue;
      if (this.firstTakesAll) return b.socket;
      const score = (isAny(b.ip) ? 0 : 2) + (b.inet4 ? 1 : 0) + b.socket.score(ip);
      if (score > bestScore) {
        best = [b];
        bestScore = score;
      } else if (score === bestScore) best.push(b);
    }
    const newest = best[best.length - 1];
    if (!newest) return null;
    if (!newest.reusePort) return newest.socket;
    const group = best.filter((b) => b.reusePort);
    return group[hash % group.length].socket;
  }

  /** Every socket that takes packets for (ip, port): a group's go to all of them. */
  *all(ip: Ip, port: number): Iterable<InetSocket> {
    for (const b of this.ports.get(port) ?? []) if (b.socket !== null && covers(b, ip)) yield b.socket;
  }

  /** Every binding that still holds, for /proc/net, `ss` and the hang explainer. */
  *list(): Iterable<Binding> {
    for (const port of [...this.ports.keys()]) yield* this.at(port);
  }
}

/** Spreads neighbouring ports evenly over a SO_REUSEPORT group (Knuth's multiplicative hash). */
export const portHash = (port: number): number => Math.imul(port, 0x9e3779b1) >>> 8;

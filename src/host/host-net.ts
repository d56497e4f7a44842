/**
 * The host's network joined to the guest's: published ports, outgoing connections, and clients within this process.
 * Everything here runs between slices of guest time; what comes in is handed to the kernel by small synchronous calls,
 * and `onActivity` says afterwards that a task may have been woken.
 */
import dgram from 'node:dgram';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT } from '../../kernel/abi/errno.ts';
import { ipText, parseIp } from '../../kernel/net/address.ts';
import type { Endpoint } from '../../kernel/net/address.ts';
import type { HostConnection, HostNet } from '../../kernel/net/host-port.ts';
import type { NetStack } from '../../kernel/net/stack.ts';
import { breathe, sleep } from './wait.ts';

/** A guest port to be reachable on the host. */
export interface Publication {
  /** Host address; 127.0.0.1 unless given. */
  readonly address?: string;
  /** Host port; 0 takes a free one. */
  readonly hostPort: number;
  readonly guestPort: number;
  readonly protocol?: 'tcp' | 'udp';
}

/** A published port could not be opened: one line that says why. */
export class PublishError extends Error {
  override readonly name = 'PublishError';
}

/** Clients of one published UDP port that are remembered for answers. */
const MAX_DATAGRAM_CLIENTS = 4096;
const BACKLOG = 1024;
/** How long a client may take nothing of what a guest that is over has sent. */
const STUCK_MS = 5000;

/**
 * How long a client of a published port waits for the guest to take it. The host has answered its SYN already; here goes what
 * the client's own retransmissions would do, which end after 127 s (tcp_syn_retries), and sooner when nothing has ever listened
 * on the port and the machine has had nothing to do for so long: its server is not starting, it is dead or was never there.
 */
const PATIENCE_MS = 127_000;
const IDLE_PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 1000;
/** Clients that wait at once: somaxconn. */
const MAX_WAITING = 4096;

const ERRNO_OF: Readonly<Record<string, number>> = {
  ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT,
}; // prettier-ignore

export class HostNetwork implements HostNet {
  /** Snapshots leave it alone. */
  readonly rewinds = false;
  /** Host ports in the order of the publications. */
  readonly ports: number[] = [];
  private readonly stack: NetStack;
  private readonly onActivity: () => void;
  private readonly servers: net.Server[] = [];
  private readonly sockets = new Map<net.Socket, HostConnection>();
  /** Datagrams on their way: a closed socket would lose them. */
  private sending = 0;
  private readonly datagrams: dgram.Socket[] = [];
  /** Sockets for the guest's outgoing datagrams, by guest port. */
  private readonly outgoing = new Map<number, dgram.Socket>();
  /** Clients the guest has not taken: since when, by the host's clock and by the machine's idle time, and what ends them. */
  private readonly waiting = new Map<HostConnection, { at: number; idle: number; kill: () => void }>();
  /** Sockets nothing is read from, since the guest does not: Node does not tell of a reset then. */
  private readonly paused = new Set<net.Socket>();
  private timer: NodeJS.Timeout | null = null;
  private readonly lookEveryMs: number;
  /** Milliseconds the machine has spent with nothing to do. Set by whoever runs it. */
  idleTime: () => number = () => 0;
  private closed = false;
  /** Connections the guest wrote to, or ended, since `flush`. */
  private readonly written = new Set<() => void>();

  constructor(stack: NetStack, onActivity: () => void, lookEveryMs = LOOK_EVERY_MS) {
    this.stack = stack;
    this.onActivity = onActivity;
    this.lookEveryMs = lookEveryMs;
  }

  /** Lets the guest connect to the outside. */
  openOutside(): void {
    this.stack.host = this;
    this.stack.eth0 = true;
  }

  /** Something outside this process may yet reach the guest. */
  get live(): boolean {
    return this.servers.length + this.sockets.size + this.datagrams.length + this.outgoing.size > 0;
  }

  /** Passes on what the guest sent: an answer written in pieces leaves as one. True: there was something. */
  flush(): boolean {
    if (this.written.size === 0) return false;
    const all = [...this.written];
    this.written.clear();
    for (const pump of all) pump();
    return true;
  }

  async publish(list: readonly Publication[]): Promise<void> {
    if (list.length > 0) this.stack.eth0 = true;
    try {
      for (const p of list) this.ports.push(await (p.protocol === 'udp' ? this.openUdp(p) : this.openTcp(p)));
    } catch (e) {
      this.close();
      throw e;
    }
  }

  private openTcp(p: Publication): Promise<number> {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const c = this.stack.hostConnect(p.guestPort, socket.remotePort ?? 0);
      this.join(socket, c);
      this.await(c);
      this.onActivity();
    });
    this.servers.push(server);
    const host = p.address ?? '127.0.0.1';
    return new Promise((resolve, reject) => {
      server.once('error', (e) => reject(publishError(p, host, e)));
      server.listen({ host, port: p.hostPort, backlog: BACKLOG }, () => {
        server.removeAllListeners('error');
        server.on('error', () => {}); // accept failed (EMFILE): the client sees it, the guest goes on
        resolve((server.address() as net.AddressInfo).port);
      });
    });
  }

  private openUdp(p: Publication): Promise<number> {
    const host = p.address ?? '127.0.0.1';
    const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4');
    this.datagrams.push(socket);
    /** Host client → its port on the guest's gateway, oldest first. */
    const clients = new Map<string, number>();
    socket.on('message', (data, from) => {
      const key = `${from.address} ${from.port}`;
      let port = clients.get(key);
      if (port === undefined) {
        port = this.stack.addHostPeer({ send: (out) => this.send(socket, out, from.port, from.address) });
        if (clients.size >= MAX_DATAGRAM_CLIENTS) {
          const [oldest, old] = clients.entries().next().value!;
          clients.delete(oldest);
          this.stack.removeHostPeer(old);
        }
      } else clients.delete(key);
      clients.set(key, port);
      this.stack.hostDatagram(p.guestPort, port, data);
      this.onActivity();
    });
    return new Promise((resolve, reject) => {
      socket.once('error', (e) => reject(publishError(p, host, e)));
      socket.bind({ address: host, port: p.hostPort }, () => {
        socket.removeAllListeners('error');
        socket.on('error', () => {});
        resolve(socket.address().port);
      });
    });
  }

  /** A client that the guest has not taken is not kept for ever. */
  private await(c: HostConnection): void {
    if (c.accepted || c.closed) return;
    const kill = c.handler.refused!;
    if (this.waiting.size >= MAX_WAITING) {
      kill();
      c.abort();
      return;
    }
    this.waiting.set(c, { at: performance.now(), idle: this.idleTime(), kill });
    this.lookAgain();
  }

  private lookAgain(): void {
    this.timer ??= setInterval(() => this.look(), this.lookEveryMs).unref();
  }

  private look(): void {
    // A write of nothing fails where the other side has reset the connection; it says so as any other would.
    for (const s of this.paused) if (s.writableLength === 0 && !s.writableEnded) s.write('');
    const [now, idle] = [performance.now(), this.idleTime()];
    for (const [c, since] of this.waiting) {
      if (c.accepted || c.closed) this.waiting.delete(c);
      else if (
        now - since.at > PATIENCE_MS ||
        (idle - since.idle > IDLE_PATIENCE_MS && this.stack.holds(c))
      ) {
        this.waiting.delete(c);
        since.kill();
        c.abort();
      }
    }
    if (this.waiting.size + this.paused.size > 0 || !this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  /** Moves bytes both ways between a host socket and the guest's; each side's fullness stops the other. */
  private join(socket: net.Socket, c: HostConnection): void {
    let full = false;
    let ended = false;
    this.sockets.set(socket, c);
    const pump = (): void => {
      while (!full && c.pending > 0) full = !socket.write(c.take());
      if (c.ended && c.pending === 0 && !ended) {
        ended = true;
        socket.end();
      }
    };
    const kill = (): void => {
      // What was sent before the reset has left already, on a real wire.
      if (this.written.delete(pump)) pump();
      if (!socket.destroyed) socket.resetAndDestroy();
    };
    const later = (): void => {
      // At the latest when the host has its turn again. There is room then, which somebody may wait for.
      if (this.written.size === 0) setImmediate(() => { if (this.flush()) this.onActivity(); }); // prettier-ignore
      this.written.add(pump);
    };
    const drain = (): void => {
      this.paused.delete(socket);
      socket.resume();
    };
    c.handler = { data: later, end: later, drain, reset: kill, refused: kill };
    if (c.closed) {
      kill();
      this.sockets.delete(socket);
      return;
    }
    socket.on('data', (bytes) => {
      if (!c.write(bytes)) {
        socket.pause();
        this.paused.add(socket);
        this.lookAgain();
      }
      this.onActivity();
    });
    socket.on('end', () => {
      c.end();
      this.onActivity();
    });
    socket.on('drain', () => {
      full = false;
      pump();
      this.onActivity();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.paused.delete(socket);
      this.written.delete(pump);
      if (!c.closed) c.abort();
      this.onActivity();
    });
    pump();
  }

  /** A connection from within this process to a guest port. */
  client(guestPort: number): GuestConnection {
    return new GuestConnection(
      this.stack.hostConnect(guestPort, this.stack.nextClientPort()),
      this.onActivity,
    );
  }

  // HostNet: what the guest sends out.

  connect(c: HostConnection, to: Endpoint): void {
    if (this.closed) {
      queueMicrotask(() => c.fail(ENETUNREACH));
      return;
    }
    const socket = net.connect({ host: ipText(to.ip), port: to.port, allowHalfOpen: true, noDelay: true });
    this.sockets.set(socket, c);
    const failed = (e: NodeJS.ErrnoException): void => {
      this.sockets.delete(socket);
      c.fail(ERRNO_OF[e.code ?? ''] ?? EHOSTUNREACH);
      this.onActivity();
    };
    // The guest gave up before the answer came.
    c.handler = { reset: () => socket.destroy() };
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      this.join(socket, c);
      c.open();
      this.onActivity();
    });
    socket.once('close', () => this.sockets.delete(socket));
  }

  sendDatagram(from: Endpoint, to: Endpoint, data: Uint8Array): void {
    if (this.closed) return;
    let socket = this.outgoing.get(from.port);
    if (!socket) {
      socket = dgram.createSocket(typeof to.ip === 'number' ? 'udp4' : 'udp6');
      this.outgoing.set(from.port, socket);
      socket.on('error', () => {});
      socket.on('message', (bytes, sender) => {
        const ip = parseIp(sender.address);
        if (ip !== null) this.stack.outsideDatagram({ ip, port: sender.port }, from, bytes);
        this.onActivity();
      });
    }
    this.send(socket, data, to.port, ipText(to.ip));
  }

  private send(socket: dgram.Socket, data: Uint8Array, port: number, address: string): void {
    this.sending++;
    socket.send(data, port, address, () => this.sending--);
  }

  datagramPortClosed(port: number): void {
    const socket = this.outgoing.get(port);
    this.outgoing.delete(port);
    // Behind what was just sent, which waits for its turn.
    if (socket) void this.sent().then(() => socket.close());
  }

  private async sent(): Promise<void> {
    for (let turns = 0; this.sending > 0 && turns < 1000; turns++) await breathe();
  }

  /**
   * The guest is over, and what it sent is on its way: resolves when it has left, ends of connections with it. Whoever takes nothing
   * for STUCK_MS does not get the rest.
   */
  async allSent(): Promise<void> {
    await this.sent();
    let least = Infinity;
    let since = performance.now();
    for (;;) {
      this.flush();
      const left = this.unsent;
      if (left === 0 || performance.now() - since > STUCK_MS) return;
      if (left < least) {
        least = left;
        since = performance.now();
      }
      await sleep(2).wait;
    }
  }

  private get unsent(): number {
    let n = 0;
    for (const [socket, c] of this.sockets) {
      if (socket.destroyed || socket.connecting) continue;
      n += c.pending + socket.writableLength;
      if (c.ended && !socket.writableFinished) n++;
    }
    return n;
  }

  /** The guest is over: nobody will take a client any more. What it said on its connections still leaves. */
  guestGone(): void {
    for (const s of this.servers.splice(0)) s.close();
    // A reset, as from a port where nothing listens, and not an end as from a server.
    for (const [c, { kill }] of this.waiting) if (!c.accepted && !c.closed) kill();
    this.waiting.clear();
  }

  /** Closes every port and connection. */
  close(): void {
    this.closed = true;
    this.guestGone();
    if (this.timer) clearInterval(this.timer);
    for (const s of this.sockets.keys()) s.destroy();
    this.sockets.clear();
    for (const s of [...this.datagrams.splice(0), ...this.outgoing.values()]) {
      try {
        s.close();
      } catch {
        // never bound
      }
    }
    this.outgoing.clear();
  }
}

function publishError(p: Publication, host: string, e: NodeJS.ErrnoException): PublishError {
  const what = `cannot publish ${host}:${p.hostPort}${p.protocol === 'udp' ? '/udp' : ''}`;
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: 'the port is taken; stop its user or choose another (0 takes a free one)',
    EACCES: 'ports below 1024 need privileges; choose a higher one',
    EADDRNOTAVAIL: 'this machine does not have that address',
  };
  return new PublishError(`${what}: ${why[e.code ?? ''] ?? e.message}`);
}

/** A stream to a guest socket. Ends and errors as a TCP socket's: ECONNREFUSED, ECONNRESET. */
export class GuestConnection extends Duplex {
  private readonly connection: HostConnection;
  private readonly onActivity: () => void;
  private waiting: (() => void) | null = null;
  private wantsData = false;
  private scheduled = false;
  private finished = false;
  private pair: ReadableWritablePair<Uint8Array, Uint8Array> | null = null;

  constructor(connection: HostConnection, onActivity: () => void) {
    super({ allowHalfOpen: true });
    this.connection = connection;
    this.onActivity = onActivity;
    const broken = (code: string): void => {
      const e: NodeJS.ErrnoException = new Error(`guest connection: ${code}`);
      e.code = code;
      this.destroy(e);
    };
    // The kernel calls these in the middle of a slice; user code is told afterwards.
    const later = (f: () => void) => (): void => queueMicrotask(f);
    connection.handler = {
      connected: later(() => this.emit('connect')),
      data: () => this.schedule(),
      end: () => this.schedule(),
      drain: later(() => this.proceed()),
      reset: later(() => broken('ECONNRESET')),
      refused: later(() => broken('ECONNREFUSED')),
    };
    if (connection.closed) queueMicrotask(() => broken('ECONNREFUSED'));
    else if (connection.accepted) queueMicrotask(() => this.emit('connect'));
    onActivity();
  }

  /** The same as web streams, which is what there is of it in a browser. */
  get web(): ReadableWritablePair<Uint8Array, Uint8Array> {
    this.pair ??= Duplex.toWeb(this) as unknown as ReadableWritablePair<Uint8Array, Uint8Array>;
    return this.pair;
  }

  private proceed(): void {
    const next = this.waiting;
    this.waiting = null;
    next?.();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      this.pump();
    });
  }

  private pump(): void {
    const c = this.connection;
    while (this.wantsData && c.pending > 0) this.wantsData = this.push(Buffer.from(c.take()));
    if (c.ended && c.pending === 0 && !this.finished) {
      this.finished = true;
      this.push(null);
    }
    this.onActivity();
  }

  override _read(): void {
    this.wantsData = true;
    if (this.connection.pending > 0 || this.connection.ended) this.schedule();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (e?: Error | null) => void): void {
    const go = this.connection.write(chunk);
    this.onActivity();
    if (go) done();
    else this.waiting = () => done();
  }

  override _final(done: (e?: Error | null) => void): void {
    this.connection.end();
    this.onActivity();
    done();
  }

  override _destroy(error: Error | null, done: (e?: Error | null) => void): void {
    if (!this.connection.closed) {
      this.connection.abort();
      this.onActivity();
    }
    done(error);
  }
}

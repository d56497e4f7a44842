/** AF_UNIX sockets (net/unix/af_unix.c): stream, datagram and sequenced-packet, named by path or abstract name. */
import {
  EADDRINUSE, EAGAIN, ECONNREFUSED, ECONNRESET, EEXIST, EINVAL, EISCONN, EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN, EOPNOTSUPP,
  EPERM, EPIPE,
} from '../abi/errno.ts'; // prettier-ignore
import {
  POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM,
} from '../fs/file.ts'; // prettier-ignore
import type { File } from '../fs/file.ts';
import type { Inode } from '../fs/inode.ts';
import { S_IFSOCK } from '../fs/inode.ts';
import { mknodAt } from '../fs/names.ts';
import { sendSigurg } from '../fs/sigio.ts';
import { AT_FDCWD } from '../fs/vfs.ts';
import { FD_COST } from '../mm/kernel-memory.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import type { Task } from '../task/task.ts';
import type { ThreadGroup } from '../task/thread-group.ts';
import { fieldText } from '../trace/args.ts';
import { quoteBytes } from '../trace/text.ts';
import { familyOf } from './address.ts';
import type { Control, Ucred } from './control.ts';
import { processOf, ucredOf } from './control.ts';
import {
  AF_UNIX, MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC, RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK, SOCK_DGRAM,
  SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, SOMAXCONN, SO_OOBINLINE, TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN,
} from './constants.ts'; // prettier-ignore
import { optionKey } from './inet.ts';
import { Socket, WAKE_READABLE } from './socket.ts';
import type { Received, Sending } from './socket.ts';
import type { NetStack } from './stack.ts';
import { DATAGRAM_HEAD, truesize } from './truesize.ts';
import { findUnix, isAbstract, unixAddress, unixName } from './unix-names.ts';

/** net.unix.max_dgram_qlen. */
const MAX_DGRAM_QLEN = 10;
/** Largest part of a stream write that becomes one message: SKB_MAX_HEAD(0) + 32 KiB of fragments. */
const STREAM_PART = 3776 + 32768;
/** Bytes that go into a buffer's head rather than into pages: SKB_MAX_HEAD(0) of streams, SKB_MAX_ALLOC of others. */
const STREAM_HEAD = 3776;

interface Message {
  readonly data: Uint8Array;
  /** Bytes of it already read (streams). */
  at: number;
  readonly charge: number;
  readonly sender: UnixSocket;
  readonly from: Uint8Array | null;
  readonly creds: Ucred;
  readonly process: ThreadGroup | null;
  control: Control | null;
}

/** Who made a connection, or listens: SO_PEERCRED and its kin (sk_peer_cred, sk_peer_pid). */
interface Identity {
  readonly ucred: Ucred;
  readonly process: ThreadGroup | null;
  readonly groups: readonly number[];
}
const NOBODY: Identity = { ucred: { pid: 0, uid: -1, gid: -1 }, process: null, groups: [] };
const identityOf = (t: Task): Identity => {
  const { pid, creds, group } = t;
  return { ucred: { pid, uid: creds.euid, gid: creds.egid }, process: group, groups: creds.groups };
};
/** Bytes of a message that were not read. */
const unread = (m: Message): number => m.data.length - m.at;

const WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND;

export class UnixSocket extends Socket {
  /** sun_path as bound: a path with its NUL, an abstract name from its NUL on; null: unnamed. */
  bound: Uint8Array | null = null;
  /** Where a path leads. */
  node: Inode | null = null;
  peer: UnixSocket | null = null;
  peerIdentity = NOBODY;
  private ownIdentity = NOBODY;
  private readonly rx: Message[] = [];
  /** The message in `rx` that is an urgent byte not read yet (oob_skb). */
  private oob: Message | null = null;
  /** Bytes this socket's unread messages hold of its send buffer (sk_wmem_alloc). */
  private charged = 0;
  /** Connections a listener lets wait, and those that do. */
  backlog = 0;
  readonly queue: UnixSocket[] = [];
  /** Made by connect, not accepted yet. */
  embryo = false;
  uid = 0;
  /** Senders and connecters that found this socket's queue full (peer_wait). */
  private readonly crowd = new Set<UnixSocket>();
  private dead = false;

  constructor(net: NetStack, type: number) {
    super(net, AF_UNIX, type, 0);
    net.unixSockets.add(this);
  }

  get protocolName(): string {
    const kind = this.type === SOCK_STREAM ? 'STREAM' : this.type === SOCK_DGRAM ? 'DGRAM' : 'SEQPACKET';
    return `UNIX-${kind}`;
  }
  /** strace -yy: UNIX-STREAM:[5->6,"/path"]; other types are plain UNIX. */
  override traceName(): string {
    const kind = this.type === SOCK_STREAM ? 'UNIX-STREAM' : 'UNIX';
    const to = this.peer !== null ? `->${this.peer.inode!.ino}` : '';
    const b = this.bound;
    if (b === null) return `${kind}:[${this.inode!.ino}${to}]`;
    const abstract = b.length > 0 && b[0] === 0;
    const path = abstract ? `@${quoteBytes(b.subarray(1), b.length - 1)}` : fieldText(b);
    return `${kind}:[${this.inode!.ino}${to},${path}]`;
  }
  private get wantsSender(): boolean {
    return this.options.passcred || this.options.passpidfd;
  }
  private get connected(): boolean {
    return this.type !== SOCK_DGRAM;
  }
  override get listening(): boolean {
    return this.state === TCP_LISTEN;
  }

  bind(t: Task, raw: Uint8Array): number {
    const name = unixName(raw);
    if (typeof name === 'number') return name;
    if (name === null) return this.autobind();
    if (this.bound) return -EINVAL;
    if (isAbstract(name)) {
      const key = this.net.abstractKey(this.type, name);
      if (this.net.abstract.has(key)) return -EADDRINUSE;
      this.net.abstract.set(key, this);
      this.bound = raw.slice(2);
      return 0;
    }
    const mode = S_IFSOCK | (0o777 & ~t.fs.umask);
    const node = mknodAt(t.kernel.vfs, t, AT_FDCWD, name, mode, 0);
    if (typeof node === 'number') return node === -EEXIST ? -EADDRINUSE : node;
    this.node = node;
    this.net.unixNodes.set(node, this);
    this.bound = Uint8Array.from(name + '\0', (c) => c.charCodeAt(0));
    return 0;
  }

  private autobind(): number {
    if (this.bound) return 0;
    const name = this.net.freeAbstractName(this.type);
    this.net.abstract.set(this.net.abstractKey(this.type, name), this);
    this.bound = Uint8Array.from(name, (c) => c.charCodeAt(0));
    return 0;
  }

  connect(t: Task, raw: Uint8Array, _nonblock: boolean): number {
    if (!this.connected) return this.connectDatagram(t, raw);
    if (this.wantsSender && !this.bound) this.autobind();
    const other = findUnix(this.net, t, this.type, raw);
    if (typeof other === 'number') return other;
    if (other.state !== TCP_LISTEN || other.down & RCV_SHUTDOWN) return -ECONNREFUSED;
    if (other.queue.length > other.backlog) {
      if (this.state !== TCP_CLOSE) return this.state === TCP_ESTABLISHED ? -EISCONN : -EINVAL;
      other.crowd.add(this);
      return -EAGAIN;
    }
    if (this.state !== TCP_CLOSE) return this.state === TCP_ESTABLISHED ? -EISCONN : -EINVAL;
    const child = new UnixSocket(this.net, this.type);
    if (!child.charge(this.net.kmem)) {
      child.release();
      return -ENOMEM;
    }
    child.options.sndbuf = other.options.sndbuf;
    child.options.passcred = other.options.passcred;
    child.options.passpidfd = other.options.passpidfd;
    child.bound = other.bound;
    child.peerIdentity = identityOf(t);
    child.embryo = true;
    child.uid = other.uid;
    this.peerIdentity = other.ownIdentity;
    UnixSocket.join(this, child);
    other.queue.push(child);
    other.waiters.wake(WAKE_READABLE);
    return 0;
  }

  private connectDatagram(t: Task, raw: Uint8Array): number {
    if (familyOf(raw) === 0) {
      this.peer = null;
      this.state = TCP_CLOSE;
      return 0;
    }
    const other = findUnix(this.net, t, this.type, raw);
    if (typeof other === 'number') return other;
    if (this.wantsSender && !this.bound) this.autobind();
    this.peer = other;
    this.state = TCP_ESTABLISHED;
    this.peerIdentity = NOBODY;
    return 0;
  }

  static join(a: UnixSocket, b: UnixSocket): void {
    a.peer = b;
    b.peer = a;
    a.state = b.state = TCP_ESTABLISHED;
  }

  /** socketpair(2): both ends belong to the caller. */
  static pair(t: Task, net: NetStack, type: number): [UnixSocket, UnixSocket] {
    const a = new UnixSocket(net, type);
    const b = new UnixSocket(net, type);
    UnixSocket.join(a, b);
    a.peerIdentity = b.peerIdentity = identityOf(t);
    a.uid = b.uid = t.creds.uid;
    return [a, b];
  }

  override listen(t: Task, backlog: number): number {
    if (!this.connected) return -EOPNOTSUPP;
    if (!this.bound || (this.state !== TCP_CLOSE && this.state !== TCP_LISTEN)) return -EINVAL;
    this.backlog = Math.min(backlog >>> 0, SOMAXCONN);
    this.state = TCP_LISTEN;
    this.ownIdentity = identityOf(t);
    this.wakeCrowd();
    return 0;
  }

  override accept(_t: Task): Socket | number {
    if (!this.connected) return -EOPNOTSUPP;
    if (this.state !== TCP_LISTEN) return -EINVAL;
    const child = this.queue.shift();
    if (!child) return this.down & RCV_SHUTDOWN ? -EINVAL : -EAGAIN;
    child.embryo = false;
    this.wakeCrowd();
    return child;
  }

  private wakeCrowd(): void {
    for (const s of [...this.crowd]) {
      this.crowd.delete(s);
      s.waiters.wake(WRITABLE);
    }
  }

  getname(peer: boolean): Uint8Array | number {
    if (!peer) return unixAddress(this.bound);
    return this.peer ? unixAddress(this.peer.bound) : -ENOTCONN;
  }

  /** Puts one message into `to`'s queue, charged to this socket; -ENOBUFS when the machine has no memory for it. */
  private deliver(t: Task, to: UnixSocket, part: IoBuf, control: Control | null): number {
    const charge = truesize(part.length, this.type === SOCK_STREAM ? STREAM_HEAD : DATAGRAM_HEAD);
    const files = control?.files ?? [];
    if (!this.net.kmem.charge(charge + files.length * FD_COST)) return -ENOBUFS;
    this.charged += charge;
    this.net.inFlight.sent(files);
    const data = part.bytes();
    const sender = control?.creds ? processOf(t, control.creds.pid) : t.group;
    to.rx.push({
      data, at: 0, charge, sender: this, from: this.bound ? unixAddress(this.bound) : null,
      creds: control?.creds ?? ucredOf(t), process: sender, control: files.length ? control : null,
    }); // prettier-ignore
    to.waiters.wake(WAKE_READABLE);
    return 0;
  }

  /** The files of a message are no longer in it. */
  private landed(m: Message): File[] {
    const files = m.control?.files ?? [];
    m.control = null;
    this.net.inFlight.left(files);
    this.net.kmem.uncharge(files.length * FD_COST);
    return files;
  }

  /** Files in unread messages, those of connections nobody accepted included. */
  *carried(): Iterable<File> {
    for (const m of this.rx) if (m.control) yield* m.control.files;
    for (const child of this.queue) yield* child.carried();
  }
  /** Takes them all out. */
  uncarry(): File[] {
    const out = this.rx.flatMap((m) => this.landed(m));
    for (const child of this.queue) out.push(...child.uncarry());
    return out;
  }

  override drop(): void {
    super.drop();
    if (this.refs > 0) this.net.inFlight.dropped(this);
  }

  /** A message left a receiver's queue: its sender has room again (sock_wfree). */
  private consumed(m: Message): void {
    this.net.kmem.uncharge(m.charge);
    m.sender.charged -= m.charge;
    if (m.sender.charged * 4 <= m.sender.options.sndbuf && !m.sender.dead) m.sender.waiters.wake(WRITABLE);
  }

  send(t: Task, buf: IoBuf, s: Sending): number {
    if (s.flags & MSG_OOB && (this.type !== SOCK_STREAM || buf.length === 0)) return -EOPNOTSUPP;
    if (this.wantsSender && !this.bound) this.autobind();
    return this.type === SOCK_STREAM ? this.sendStream(t, buf, s) : this.sendPacket(t, buf, s);
  }

  private sendStream(t: Task, buf: IoBuf, s: Sending): number {
    if (s.to) return this.state === TCP_ESTABLISHED ? -EISCONN : -EOPNOTSUPP;
    if (this.down & SEND_SHUTDOWN) return -EPIPE;
    const to = this.peer;
    if (!to) return -ENOTCONN;
    if (to.down & RCV_SHUTDOWN || to.dead) return -EPIPE;
    let sent = 0;
    let control = s.control;
    const plain = s.flags & MSG_OOB ? buf.length - 1 : buf.length;
    while (sent < plain) {
      if (this.charged >= this.options.sndbuf) {
        this.nospace = true;
        return sent || -EAGAIN;
      }
      const n = Math.min(plain - sent, (this.options.sndbuf >> 1) - 64, STREAM_PART);
      const r = this.deliver(t, to, buf.slice(sent, sent + n), control);
      if (r < 0) return sent || r;
      control = null;
      sent += n;
    }
    if (plain === buf.length) return sent;
    if (this.charged >= this.options.sndbuf) {
      this.nospace = true;
      return sent || -EAGAIN;
    }
    const r = this.deliver(t, to, buf.slice(sent), control);
    if (r < 0) return sent || r;
    to.oob = to.rx[to.rx.length - 1];
    sendSigurg(t.kernel, to);
    to.waiters.wake(POLLPRI);
    return buf.length;
  }

  private sendPacket(t: Task, buf: IoBuf, s: Sending): number {
    let to = this.peer;
    if (this.type === SOCK_SEQPACKET) {
      if (this.error) return -this.takeError();
      if (this.state !== TCP_ESTABLISHED) return -ENOTCONN;
    } else if (s.to) {
      const other = findUnix(this.net, t, this.type, s.to);
      if (typeof other === 'number') return other;
      to = other;
    } else if (!to) return -ENOTCONN;
    if (buf.length > this.options.sndbuf - 32) return -EMSGSIZE;
    if (this.error) return -this.takeError();
    if (this.down & SEND_SHUTDOWN) return -EPIPE;
    if (!to || to.dead) {
      if (this.type === SOCK_SEQPACKET) return -EPIPE;
      this.peer = null;
      this.state = TCP_CLOSE;
      return -ECONNREFUSED;
    }
    if (this.type === SOCK_DGRAM && to.peer && to.peer !== this) return -EPERM;
    if (to.down & RCV_SHUTDOWN) return -EPIPE;
    if (this.charged >= this.options.sndbuf) return -EAGAIN;
    if (to.peer !== this && to.rx.length > MAX_DGRAM_QLEN) {
      to.crowd.add(this);
      return -EAGAIN;
    }
    const r = this.deliver(t, to, buf, s.control);
    return r < 0 ? r : buf.length;
  }

  receive(t: Task, buf: IoBuf, flags: number, r: Received): number {
    if (flags & MSG_OOB && this.type !== SOCK_STREAM) return -EOPNOTSUPP;
    if (flags & MSG_ERRQUEUE) return -EAGAIN;
    return this.type === SOCK_STREAM
      ? this.receiveStream(buf, flags, r)
      : this.receivePacket(t, buf, flags, r);
  }

  private receiveStream(buf: IoBuf, flags: number, r: Received): number {
    if (this.state !== TCP_ESTABLISHED) return -EINVAL;
    if (buf.length === 0) return 0;
    if (flags & MSG_OOB) return this.receiveUrgent(buf, flags, r);
    let done = 0;
    let creds: Ucred | null = null;
    const peek = (flags & MSG_PEEK) !== 0;
    let process: ThreadGroup | null = null;
    for (let i = 0; done < buf.length;) {
      i = this.passUrgent(i, peek, done > 0);
      const m = this.rx[i];
      if (!m) break;
      if (unread(m) === 0) {
        i++;
        continue;
      }
      if (creds && (m.creds.pid !== creds.pid || m.creds.uid !== creds.uid || m.creds.gid !== creds.gid))
        break;
      if (this.wantsSender) {
        creds = m.creds;
        process = m.process;
      }
      if (r.from === null) r.from = m.from;
      const part = m.data.subarray(m.at, m.at + buf.length - done);
      buf.put(part, done);
      done += part.length;
      const files = m.control?.files;
      if (files?.length)
        r.control = {
          files: peek ? files.map((f) => f.retain()) : files,
          creds: null,
          other: [],
        };
      if (peek) i++;
      else {
        this.landed(m);
        m.at += part.length;
        if (unread(m) === 0) this.discard(i);
        else break;
      }
      if (files?.length) break;
    }
    if (creds) r.control = this.about(r.control?.files ?? [], creds, process);
    if (done > 0) return done;
    if (this.error) return -this.takeError();
    return this.down & RCV_SHUTDOWN ? 0 : -EAGAIN;
  }

  /** What goes beside the bytes: files, and who sent them as far as that was asked for. */
  private about(files: File[], creds: Ucred, process: ThreadGroup | null): Control {
    const { passcred, passpidfd } = this.options;
    return { files, creds: passcred ? creds : null, sender: passpidfd ? process : null, other: [] };
  }

  // The urgent byte (MSG_OOB) is a message of its own in the queue, and stays in it, empty, after it was read by itself:
  // the place in the stream is still a mark.

  private get inline(): boolean {
    return this.options.values.get(optionKey(SOL_SOCKET, SO_OOBINLINE)) === 1;
  }
  private discard(i: number): void {
    const [m] = this.rx.splice(i, 1);
    this.landed(m);
    this.consumed(m);
  }

  /** manage_oob: where a read that stands at message `i` goes on, which is past the end when it goes on nowhere. */
  private passUrgent(i: number, peek: boolean, copied: boolean): number {
    const end = this.rx.length;
    let m = this.rx[i];
    if (i >= end || (unread(m) > 0 && m !== this.oob)) return i;
    if (unread(m) === 0) {
      if (copied && (!this.oob || m === this.oob)) return end;
      if (peek) i++;
      else this.discard(i);
      if (i >= this.rx.length) return i;
      m = this.rx[i];
    }
    if (m !== this.oob) return i;
    if (copied) return end;
    if (peek) return this.inline ? i : i + 1;
    this.oob = null;
    // Unread and not wanted in the stream: it is lost.
    if (!this.inline) this.discard(i);
    return i;
  }

  /** recv(MSG_OOB) (unix_stream_recv_urg). */
  private receiveUrgent(buf: IoBuf, flags: number, r: Received): number {
    const m = this.oob;
    if (this.inline || !m) return -EINVAL;
    buf.put(m.data);
    r.flags |= MSG_OOB;
    if (flags & MSG_PEEK) return 1;
    this.oob = null;
    m.at = 1;
    const before = this.rx.indexOf(m) - 1;
    if (before >= 0 && unread(this.rx[before]) === 0) this.discard(before);
    return 1;
  }

  override get atMark(): boolean {
    const [first, second] = this.rx;
    if (!first) return false;
    return first === this.oob || (unread(first) === 0 && (!this.oob || second === this.oob));
  }

  private receivePacket(_t: Task, buf: IoBuf, flags: number, r: Received): number {
    if (this.type === SOCK_SEQPACKET && this.state !== TCP_ESTABLISHED) return -ENOTCONN;
    const m = this.rx[0];
    if (!m) {
      if (this.error) return -this.takeError();
      return this.down & RCV_SHUTDOWN ? 0 : -EAGAIN;
    }
    const n = buf.put(m.data);
    if (n < m.data.length) {
      r.flags |= MSG_TRUNC;
      r.full = m.data.length;
    }
    r.from = m.from;
    const files = m.control?.files ?? [];
    if (files.length || this.wantsSender)
      r.control = this.about(flags & MSG_PEEK ? files.map((f) => f.retain()) : files, m.creds, m.process);
    if (!(flags & MSG_PEEK)) {
      this.landed(m);
      this.rx.shift();
      this.consumed(m);
      this.wakeCrowd();
    }
    return n;
  }

  shutdown(how: number): number {
    if (how < 0 || how > 2) return -EINVAL;
    const bits = how + 1;
    this.down |= bits;
    const peer = this.connected ? this.peer : null;
    if (peer) {
      if (bits & RCV_SHUTDOWN) peer.down |= SEND_SHUTDOWN;
      if (bits & SEND_SHUTDOWN) peer.down |= RCV_SHUTDOWN;
      peer.waiters.wake(0);
    }
    this.waiters.wake(0);
    return 0;
  }

  override inq(): number {
    if (this.state === TCP_LISTEN) return -EINVAL;
    if (this.type === SOCK_DGRAM) return this.rx[0]?.data.length ?? 0;
    return this.rx.reduce((n, m) => n + unread(m), 0);
  }
  override outq(): number {
    return this.charged;
  }

  private get writableNow(): boolean {
    return this.state !== TCP_LISTEN && this.charged * 4 <= this.options.sndbuf;
  }

  override poll(): number {
    let mask = 0;
    if (this.error) mask |= POLLERR;
    if (this.down === SHUTDOWN_MASK) mask |= POLLHUP;
    if (this.down & RCV_SHUTDOWN) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
    if (this.rx.length || this.queue.length) mask |= POLLIN | POLLRDNORM;
    if (this.oob) mask |= POLLPRI;
    if (this.connected && this.state === TCP_CLOSE) mask |= POLLHUP;
    let writable = this.writableNow;
    const other = this.type === SOCK_STREAM ? null : this.peer;
    if (writable && other && other.peer !== this && other.rx.length > MAX_DGRAM_QLEN) {
      other.crowd.add(this);
      writable = false;
    }
    return writable ? mask | WRITABLE : mask;
  }

  setOption(): number {
    return -EOPNOTSUPP;
  }
  getOption(): number {
    return -EOPNOTSUPP;
  }

  override release(): void {
    this.dead = true;
    this.net.unixSockets.delete(this);
    if (this.node) this.net.unixNodes.delete(this.node);
    else if (this.bound) this.net.forgetAbstract(this.bound, this);
    for (const child of this.queue.splice(0)) {
      child.uncharge();
      child.release();
    }
    const files = this.rx.flatMap((m) => this.landed(m));
    const left = this.rx.some((m) => unread(m) > 0 || m.data.length === 0);
    for (const m of this.rx.splice(0)) this.consumed(m);
    const peer = this.peer;
    if (peer && this.connected) {
      peer.down = SHUTDOWN_MASK;
      if (left || this.embryo) peer.error = ECONNRESET;
      peer.waiters.wake(0);
    }
    this.peer = this.connected ? peer : null;
    this.state = TCP_CLOSE;
    this.wakeCrowd();
    this.net.inFlight.discard(files);
  }
}

/** What every socket is: an open file with options, an error, shutdown halves, and calls that never wait by themselves. */
import { EINVAL, EOPNOTSUPP, EPIPE } from '../abi/errno.ts';
import { File, O_RDWR, POLLERR, POLLIN, POLLPRI, POLLRDBAND, POLLRDNORM } from '../fs/file.ts';
import { sendSignal } from '../signal/send.ts';
import { SOCKET_COST } from '../mm/kernel-memory.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import type { Task } from '../task/task.ts';
import type { Control } from './control.ts';
import { SK_MEM_DEFAULT, SOCK_STREAM, TCP_CLOSE } from './constants.ts';
import { socketIoctl } from './ioctl.ts';
import type { NetStack } from './stack.ts';

const SIGPIPE = 13;

/** Keys under which `wake` says that data came (sock_def_readable). */
export const WAKE_READABLE = POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND;

/** What a receive reports beside the bytes. The protocol fills it in. */
export interface Received {
  /** The sender's sockaddr; null when there is none to report. */
  from: Uint8Array | null;
  control: Control | null;
  /** MSG_* for msg_flags. */
  flags: number;
  /** Real length of a datagram that did not fit (for MSG_TRUNC), otherwise 0. */
  full: number;
}

/** What a send carries beside the bytes. */
export interface Sending {
  /** Destination sockaddr as given; null: the connected peer. */
  readonly to: Uint8Array | null;
  readonly control: Control | null;
  readonly flags: number;
}

/** SOL_SOCKET options that only need remembering; protocol options are in `values`. */
export interface SocketOptions {
  reuseAddr: boolean;
  reusePort: boolean;
  linger: { on: number; seconds: number };
  /** Buffer limits in bytes as getsockopt tells them: twice what was asked for. */
  sndbuf: number;
  rcvbuf: number;
  rcvlowat: number;
  /** Nanoseconds; Infinity: wait for ever. */
  rcvtimeo: number;
  sndtimeo: number;
  passcred: boolean;
  passpidfd: boolean;
  /** SO_BINDTODEVICE: index of the interface; 0: any. */
  device: number;
  /** SO_TIMESTAMP 1, SO_TIMESTAMPNS 2. */
  timestamp: number;
  peekOff: number;
  /** Everything else by level × 65536 + name. */
  readonly values: Map<number, number>;
}

export abstract class Socket extends File {
  readonly net: NetStack;
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  /** Pending error (sk_err): the next call that looks takes it. */
  error = 0;
  /** RCV_SHUTDOWN, SEND_SHUTDOWN. */
  down = 0;
  /** sk_state; every protocol uses TCP's numbers. */
  state = TCP_CLOSE;
  /** A send found no room: the next drain wakes writers (SOCK_NOSPACE). */
  nospace = false;
  readonly options: SocketOptions = {
    reuseAddr: false,
    reusePort: false,
    linger: { on: 0, seconds: 0 },
    sndbuf: SK_MEM_DEFAULT,
    rcvbuf: SK_MEM_DEFAULT,
    rcvlowat: 1,
    rcvtimeo: Infinity,
    sndtimeo: Infinity,
    passcred: false,
    passpidfd: false,
    device: 0,
    timestamp: 0,
    peekOff: -1,
    values: new Map(),
  };

  constructor(net: NetStack, family: number, type: number, protocol: number) {
    super(O_RDWR, net.newInode(), 'socket');
    this.net = net;
    this.family = family;
    this.type = type;
    this.protocol = protocol;
  }

  protected override get cost(): number {
    return SOCKET_COST;
  }
  get name(): string {
    return `socket:[${this.inode!.ino}]`;
  }
  /** "TCP", "UDPv6", "UNIX-STREAM"…: what strace -yy and lsof call it. */
  abstract get protocolName(): string;

  /** Takes the pending error as a positive errno, 0 for none. */
  takeError(): number {
    const e = this.error;
    this.error = 0;
    return e;
  }
  /** sk_error_report. */
  fail(errno: number): void {
    this.error = errno;
    this.waiters.wake(POLLERR);
  }

  // None of these waits: -EAGAIN means that the caller has to.
  abstract bind(t: Task, address: Uint8Array): number;
  /** 0, -errno, -EAGAIN: in progress (wait on `waiters` and call again), -EINPROGRESS for non-blocking ones. */
  abstract connect(t: Task, address: Uint8Array, nonblock: boolean): number;
  listen(_t: Task, _backlog: number): number {
    return -EOPNOTSUPP;
  }
  accept(_t: Task): Socket | number {
    return -EOPNOTSUPP;
  }
  /** Own or peer's sockaddr. */
  abstract getname(peer: boolean): Uint8Array | number;
  abstract send(t: Task, buf: IoBuf, s: Sending): number;
  abstract receive(t: Task, buf: IoBuf, flags: number, r: Received): number;
  abstract shutdown(how: number): number;
  /** Unread bytes (FIONREAD) and bytes not yet taken by the other side (SIOCOUTQ), or -errno. */
  inq(): number {
    return -EINVAL;
  }
  outq(): number {
    return -EINVAL;
  }
  /** The next byte to be read is urgent (SIOCATMARK). */
  get atMark(): boolean {
    return false;
  }
  /** Protocol options; -ENOPROTOOPT where the level or name is unknown. */
  abstract setOption(t: Task, level: number, name: number, value: Uint8Array): number;
  abstract getOption(t: Task, level: number, name: number, length: number): Uint8Array | number;

  /** Stream semantics: sends go on until all is taken, receives may wait for more (MSG_WAITALL). */
  get stream(): boolean {
    return this.type === SOCK_STREAM;
  }
  /** The socket takes connections. */
  get listening(): boolean {
    return false;
  }

  override get writesAll(): boolean {
    return this.stream;
  }
  override readDeadline(t: Task): number {
    return t.parked !== null ? t.parked.deadline : t.kernel.clock.monotonic() + this.options.rcvtimeo;
  }
  override writeDeadline(t: Task): number {
    return t.kernel.clock.monotonic() + this.options.sndtimeo;
  }

  override read(buf: IoBuf, t: Task): number {
    // A datagram of zero bytes may be waiting, but read(fd, p, 0) is answered before the protocol sees it.
    if (buf.length === 0) return 0;
    return this.receive(t, buf, 0, { from: null, control: null, flags: 0, full: 0 });
  }
  override write(buf: IoBuf, t: Task): number {
    const n = this.send(t, buf, { to: null, control: null, flags: 0 });
    if (n === -EPIPE) this.brokenPipe(t);
    return n;
  }
  /** SIGPIPE for a send on a stream that cannot take any more. */
  brokenPipe(t: Task): void {
    if (this.type !== SOCK_STREAM) return;
    sendSignal(t, { signo: SIGPIPE, code: 0, pid: t.pid, uid: t.creds.uid });
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    return socketIoctl(this, t, cmd, arg);
  }
}

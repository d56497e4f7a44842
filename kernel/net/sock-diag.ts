/** NETLINK_SOCK_DIAG: what `ss` asks (sock_diag(7), net/ipv4/inet_diag.c, net/unix/diag.c). */
import { EINVAL, ENOENT } from '../abi/errno.ts';
import type { Endpoint } from './address.ts';
import { ipTo16 } from './address.ts';
import { tcpEntries, udpEntries, type InetEntry } from './census.ts';
import {
  AF_INET, AF_INET6, AF_UNIX, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, TCP_CLOSE, TCP_LISTEN,
} from './constants.ts'; // prettier-ignore
import { attributeNumber, Writer } from './netlink-message.ts';
import type { NetStack } from './stack.ts';
import { TcpSocket } from './tcp.ts';
import type { UnixSocket } from './unix.ts';

export const SOCK_DIAG_BY_FAMILY = 20;

/** struct inet_diag_req_v2. */
const INET_REQUEST = 56;
/** An attribute after it: protocols that do not fit a byte. */
const INET_DIAG_REQ_PROTOCOL = 3;
const INET_DIAG_MEMINFO = 1;
const INET_DIAG_INFO = 2;
const INET_DIAG_CONG = 4;
const INET_DIAG_SKMEMINFO = 7;
const INET_DIAG_SHUTDOWN = 8;
const INET_DIAG_SKV6ONLY = 11;
/** idiag_timer. */
const TIMER_TIME_WAIT = 3;

/** struct unix_diag_req. */
const UNIX_REQUEST = 24;
const UNIX_DIAG_NAME = 0;
const UNIX_DIAG_VFS = 1;
const UNIX_DIAG_PEER = 2;
const UNIX_DIAG_ICONS = 3;
const UNIX_DIAG_RQLEN = 4;
const UNIX_DIAG_MEMINFO = 5;
const UNIX_DIAG_SHUTDOWN = 6;
const UNIX_DIAG_UID = 7;
const UDIAG_SHOW_NAME = 1;
const UDIAG_SHOW_VFS = 2;
const UDIAG_SHOW_PEER = 4;
const UDIAG_SHOW_ICONS = 8;
const UDIAG_SHOW_RQLEN = 0x10;
const UDIAG_SHOW_MEMINFO = 0x20;
const UDIAG_SHOW_UID = 0x40;

const words = (...v: number[]): Uint8Array => new Uint8Array(Uint32Array.from(v).buffer);

/** The bodies of the messages a request is answered with, or -errno. */
export function sockDiag(net: NetStack, request: Uint8Array): Uint8Array[] | number {
  if (request.length < 2) return -EINVAL;
  const family = request[0];
  const v = new DataView(request.buffer, request.byteOffset, request.length);
  if (family === AF_UNIX) {
    if (request.length < UNIX_REQUEST) return -EINVAL;
    const states = v.getUint32(4, true);
    const show = v.getUint32(12, true);
    return [...net.unixSockets]
      .filter((s) => states & (1 << s.state) && !s.embryo)
      .map((s) => unixMessage(s, show));
  }
  // Families and protocols whose module is not there.
  if (family !== AF_INET && family !== AF_INET6) return -ENOENT;
  if (request.length < INET_REQUEST) return -EINVAL;
  const protocol = attributeNumber(request.subarray(INET_REQUEST), INET_DIAG_REQ_PROTOCOL) ?? request[1];
  const extensions = request[2];
  const states = v.getUint32(4, true);
  const port = { local: v.getUint16(8), remote: v.getUint16(10) };
  const all = entries(net, protocol);
  if (!all) return -ENOENT;
  return all
    .filter(
      (e) =>
        e.family === family &&
        states & (1 << e.state) &&
        (port.local === 0 || port.local === e.local.port) &&
        (port.remote === 0 || port.remote === e.remote?.port),
    )
    .map((e) => inetMessage(e, extensions));
}

function entries(net: NetStack, protocol: number): InetEntry[] | null {
  if (protocol === IPPROTO_TCP) return tcpEntries(net.tcp, net.now());
  if (protocol === IPPROTO_UDP) return udpEntries(net.udp);
  if (protocol === IPPROTO_UDPLITE) return udpEntries(net.udplite);
  return null;
}

function address(w: Writer, e: Endpoint | null, family: number): void {
  const bytes = e ? ipTo16(e.ip) : new Uint8Array(16);
  const own = family === AF_INET ? bytes.subarray(12) : bytes;
  for (let i = 0; i < 16; i++) w.u8(own[i] ?? 0);
}

/** struct inet_diag_msg and the attributes asked for (inet_sk_diag_fill). */
function inetMessage(e: InetEntry, extensions: number): Uint8Array {
  const w = new Writer();
  const swapped = (n: number): number => ((n & 255) << 8) | (n >> 8);
  w.u8(e.family)
    .u8(e.state)
    .u8(e.socket ? 0 : TIMER_TIME_WAIT)
    .u8(0);
  w.u16(swapped(e.local.port)).u16(swapped(e.remote?.port ?? 0));
  address(w, e.local, e.family);
  address(w, e.remote, e.family);
  w.u32(0).u32(e.ino).u32(0); // interface, cookie
  w.u32(Math.max(0, Math.ceil(e.left / 1e6))).u32(e.receiving);
  w.u32(e.sending).u32(e.uid).u32(e.ino);
  const s = e.socket;
  if (!s) return w.done();
  const asked = (attribute: number): boolean => (extensions & (1 << (attribute - 1))) !== 0;
  w.attr(INET_DIAG_SHUTDOWN, Uint8Array.of(s.down));
  if (e.family === AF_INET6 && (e.state === TCP_LISTEN || e.state === TCP_CLOSE))
    w.attr(INET_DIAG_SKV6ONLY, Uint8Array.of(s.v6only ? 1 : 0));
  const received = e.state === TCP_LISTEN ? 0 : e.receiving;
  const sent = e.state === TCP_LISTEN ? 0 : e.sending;
  if (asked(INET_DIAG_MEMINFO)) w.attr(INET_DIAG_MEMINFO, words(received, sent, 0, sent));
  if (asked(INET_DIAG_SKMEMINFO))
    w.attr(INET_DIAG_SKMEMINFO, words(received, s.options.rcvbuf, sent, s.options.sndbuf, 0, sent, 0, 0, 0));
  if (s instanceof TcpSocket) {
    if (asked(INET_DIAG_CONG))
      w.attr(
        INET_DIAG_CONG,
        Uint8Array.from('cubic\0', (c) => c.charCodeAt(0)),
      );
    if (asked(INET_DIAG_INFO)) w.attr(INET_DIAG_INFO, s.info());
  }
  return w.done();
}

/** struct unix_diag_msg and the attributes asked for (sk_diag_fill). */
function unixMessage(s: UnixSocket, show: number): Uint8Array {
  const w = new Writer();
  const ino = s.inode!.ino;
  w.u8(AF_UNIX).u8(s.type).u8(s.state).u8(0).u32(ino).u32(ino).u32(0);
  if (show & UDIAG_SHOW_NAME && s.bound) w.attr(UNIX_DIAG_NAME, s.bound);
  if (show & UDIAG_SHOW_VFS && s.node) w.attr(UNIX_DIAG_VFS, words(s.node.ino, s.node.fs.dev));
  if (show & UDIAG_SHOW_PEER && s.peer) w.attr(UNIX_DIAG_PEER, words(s.peer.inode!.ino));
  if (show & UDIAG_SHOW_ICONS && s.listening)
    w.attr(UNIX_DIAG_ICONS, words(...s.queue.map((child) => child.peer?.inode!.ino ?? 0)));
  if (show & UDIAG_SHOW_RQLEN)
    w.attr(
      UNIX_DIAG_RQLEN,
      s.listening ? words(s.queue.length, s.backlog) : words(Math.max(0, s.inq()), s.outq()),
    );
  if (show & UDIAG_SHOW_MEMINFO)
    w.attr(UNIX_DIAG_MEMINFO, words(0, s.options.rcvbuf, s.outq(), s.options.sndbuf, 0, s.outq(), 0, 0, 0));
  w.attr(UNIX_DIAG_SHUTDOWN, Uint8Array.of(s.down));
  if (show & UDIAG_SHOW_UID) w.attr(UNIX_DIAG_UID, words(s.uid));
  return w.done();
}

/** Sockets in StarryOS: smoltcp behind Linux's calls, IPv4 only. */
import {
  EADDRINUSE, EAFNOSUPPORT, EBADF, ECONNREFUSED, ECONNRESET, EFAULT, EINPROGRESS, EINTR, EISCONN, ENOTCONN, ENOTSOCK, EPERM,
} from '../../abi/errno.ts'; // prettier-ignore
import { O_CLOEXEC, O_NONBLOCK } from '../../fs/file.ts';
import { pipe2 } from '../../fs/pipe/syscalls.ts';
import { TCP_LISTEN } from '../../net/constants.ts';
import { Socket } from '../../net/socket.ts';
import { TcpSocket } from '../../net/tcp.ts';
import type { Args } from '../../syscall/args.ts';
import type { Task } from '../../task/task.ts';
import type { SysResult } from '../../wait.ts';
import { panic } from '../panic.ts';
import type { Quirk, Wrap } from '../quirk.ts';
import { after, argument, before, each, errno, withArg } from '../wrap.ts';

const IMP = 'linux_syscall_api src/syscall_net/imp.rs';
const SOCKET = 'linux_syscall_api src/syscall_net/socket.rs';
const AXNET = 'Starry modules/axnet/src/smoltcp_impl';

const AF_UNIX = 1;
const AF_INET = 2;
const AF_NETLINK = 16;
const SOCK_STREAM = 1;
const SOCK_RAW = 3;
const SOCK_SEQPACKET = 5;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ERROR = 4;
const SO_KEEPALIVE = 9;
const SHUT_RD = 0;
const SHUT_RDWR = 2;
const IOVLEN = 24;

const socketOf = (t: Task, a: Args): Socket | null => {
  const file = t.fds.opened(a.i32(0));
  return file instanceof Socket ? file : null;
};

/** Any family that is known is IPv4, raw and packet sockets are streams, and the protocol does not matter. */
const allInet: Wrap = (linux) => (t, a) => {
  const family = a.i32(0);
  if (family !== AF_UNIX && family !== AF_NETLINK) return linux(t, a);
  const flags = a.i32(1) & ~0xff;
  const type = a.i32(1) & 0xff;
  const kind = (type === SOCK_RAW || type === SOCK_SEQPACKET ? SOCK_STREAM : type) | flags;
  const plain = (u: Task, b: Args): SysResult => withArg(linux, u, b, 2, 0);
  return withArg((u, b) => withArg(plain, u, b, 1, kind), t, a, 0, AF_INET);
};

/** An address is read as a port at 2 and IPv4 bytes at 4, whatever its family says. */
const readAsInet: Wrap = (linux) => (t, a) => {
  const s = socketOf(t, a);
  const at = a.ptr(1);
  const family = t.mm.viewIn(at, 2)?.getUint16(0, true);
  if (s?.family !== AF_INET || (family !== AF_UNIX && family !== AF_NETLINK)) return linux(t, a);
  t.mm.putU16(at, AF_INET);
  const r = withArg(linux, t, a, 2, 16);
  t.mm.putU16(at, family);
  return r;
};

const onePipe: Wrap = () => (t, a) => {
  if (a.i32(0) !== AF_UNIX) return panic(t, 'linux_syscall_api/src/syscall_net/imp.rs', 'explicit panic');
  const flags = a.i32(1) & (O_NONBLOCK | O_CLOEXEC);
  return withArg((u, b) => withArg(pipe2, u, b, 0, a.ptr(3)), t, a, 1, flags);
};

/** Only the first piece of a message is sent. */
const firstPiece: Wrap = (linux) => (t, a) => {
  const at = a.ptr(1) + IOVLEN;
  const count = t.mm.u64(at);
  if (count === null || count < 2n) return linux(t, a);
  t.mm.putU64(at, 1);
  const r = linux(t, a);
  t.mm.putU64(at, count);
  return r;
};

/** The register that would be accept4's flags is read although accept has none. */
const staleFlags = after((t, a, r) => {
  const d = r >= 0 ? t.fds.descriptor(r) : undefined;
  if (!d) return r;
  if (a.u32(3) & O_NONBLOCK) d.file.flags |= O_NONBLOCK;
  if (a.u32(3) & O_CLOEXEC) d.cloexec = true;
  return r;
});

const option = (name: number, then: (t: Task, a: Args) => SysResult): Wrap =>
  before((t, a) => (a.i32(1) === SOL_SOCKET && a.i32(2) === name && socketOf(t, a) ? then(t, a) : undefined));

const noError = (t: Task, a: Args): number => {
  const length = t.mm.u32(a.ptr(4));
  if (length >= 4 && (t.mm.putU32(a.ptr(3), 0) < 0 || t.mm.putU32(a.ptr(4), 4) < 0)) return -EFAULT;
  return 0;
};

const abortive: Wrap = (linux) => (t, a) => {
  const s = socketOf(t, a);
  if (s === null) return linux(t, a);
  if (a.i32(1) === SHUT_RD) return 0;
  if (a.i32(1) === SHUT_RDWR && s instanceof TcpSocket) {
    s.resetConnection();
    return 0;
  }
  const r = linux(t, a);
  return r === -ENOTCONN ? 0 : r;
};

/** bind_check looks at the address alone, and an unspecified one is none. */
const addressTaken = before((t, a) => {
  const s = socketOf(t, a);
  const v = t.mm.viewIn(a.ptr(1), 8);
  if (s === null || v === null || v.getUint16(0, true) !== AF_INET || s.options.reuseAddr) return undefined;
  const ip = v.getUint32(4);
  const { tcp, udp } = t.kernel.net;
  const same = [...tcp.list(), ...udp.list()].some((b) => b.socket !== null && b.socket !== s && b.ip === ip);
  return ip !== 0 && same ? -EADDRINUSE : undefined;
});

const anyFailure = after((_t, _a, r) => (r < 0 && r !== -EBADF && r !== -ENOTSOCK ? -EPERM : r));

const REFUSED_BUT = [EINPROGRESS, EINTR, EISCONN, EBADF, ENOTSOCK];

export const networkQuirks: readonly Quirk[] = [
  {
    name: 'inet6-missing',
    group: 'network',
    symptom: 'socket(AF_INET6) is EAFNOSUPPORT, as is every family but AF_INET, AF_UNIX and AF_NETLINK',
    linux: 'IPv6 works',
    source: `${IMP} syscall_socket`,
    calls: {
      socket: before((_t, a) =>
        [AF_UNIX, AF_INET, AF_NETLINK].includes(a.i32(0)) ? undefined : -EAFNOSUPPORT,
      ),
    },
  },
  {
    name: 'unix-is-inet',
    group: 'network',
    symptom: 'AF_UNIX and AF_NETLINK sockets are IPv4 sockets: a path is read as port and address',
    linux: 'families of their own',
    source: `${SOCKET} Socket::new, socket_address_from`,
    calls: { socket: allInet, bind: readAsInet, connect: readAsInet },
  },
  {
    name: 'socketpair-one-way',
    group: 'network',
    symptom: 'socketpair makes a pipe: the first end only reads, the second only writes',
    linux: 'both ways',
    source: `${IMP} make_socketpair`,
    calls: { socketpair: onePipe },
  },
  {
    name: 'sendmsg-first-piece',
    group: 'network',
    symptom: 'sendmsg sends the first iovec only',
    linux: 'all of them',
    source: `${IMP} syscall_sendmsg`,
    calls: { sendmsg: firstPiece },
  },
  {
    name: 'message-flags-ignored',
    group: 'network',
    symptom: 'MSG_DONTWAIT, MSG_PEEK and all others are ignored',
    linux: 'honoured',
    source: IMP,
    calls: {
      ...each(
        ['sendto', 'recvfrom'],
        argument(3, () => 0),
      ),
      sendmsg: argument(2, () => 0),
    },
  },
  {
    name: 'accept-stale-flags',
    group: 'network',
    symptom: 'accept takes what is in the fourth argument register for flags: the socket may be non-blocking',
    linux: 'accept has no flags',
    source: `${IMP} syscall_accept4 serves both`,
    calls: { accept: staleFlags },
  },
  {
    name: 'so-error-zero',
    group: 'network',
    symptom: 'SO_ERROR is always 0: a failed connect looks like one that worked',
    linux: 'the pending error',
    source: SOCKET,
    calls: { getsockopt: option(SO_ERROR, noError) },
  },
  {
    name: 'so-type-panic',
    group: 'network',
    symptom: 'getsockopt(SO_TYPE) panics',
    linux: "the socket's type",
    source: IMP,
    calls: {
      getsockopt: option(SO_TYPE, (t) =>
        panic(
          t,
          'linux_syscall_api/src/syscall_net/imp.rs',
          '[setsockopt()] option 3 not supported in socket level',
        ),
      ),
    },
  },
  {
    name: 'keepalive-sets-rcvbuf',
    group: 'network',
    symptom: 'SO_KEEPALIVE 1 makes the receive buffer one byte long, as SO_RCVBUF tells',
    linux: 'it turns keep-alive on',
    source: SOCKET,
    calls: {
      setsockopt: option(SO_KEEPALIVE, (t, a) => {
        const value = t.mm.u32(a.ptr(3));
        if (value < 0) return -EFAULT;
        socketOf(t, a)!.options.rcvbuf = value;
        return 0;
      }),
    },
  },
  {
    name: 'shutdown-resets',
    group: 'network',
    symptom: 'shutdown(SHUT_RDWR) of a stream sends RST, SHUT_RD does nothing; without a connection it is 0',
    linux: 'FIN; ENOTCONN',
    source: `${IMP} syscall_shutdown`,
    calls: { shutdown: abortive },
  },
  {
    name: 'bind-compares-addresses',
    group: 'network',
    symptom:
      'bind to an address that any socket is bound to is EADDRINUSE, whatever the port; to 0.0.0.0 it never is',
    linux: 'address and port are compared',
    source: `${AXNET}/mod.rs bind_check`,
    calls: { bind: addressTaken },
  },
  {
    name: 'bind-failure-eperm',
    group: 'network',
    symptom: 'bind and listen fail with −1, which reads as EPERM',
    linux: 'EADDRINUSE, EADDRNOTAVAIL, EINVAL…',
    source: IMP,
    calls: each(['bind', 'listen'], anyFailure),
  },
  {
    name: 'connect-failure-refused',
    group: 'network',
    symptom: 'whatever keeps connect from working is ECONNREFUSED',
    linux: 'ENETUNREACH, ETIMEDOUT, EAFNOSUPPORT…',
    source: IMP,
    calls: {
      connect: after((_t, _a, r) => (r < 0 && r > -512 && !REFUSED_BUT.includes(-r) ? -ECONNREFUSED : r)),
    },
  },
  {
    name: 'reuseport-second-fails',
    group: 'network',
    symptom: 'a second socket cannot listen on a port, SO_REUSEPORT or not',
    linux: 'with SO_REUSEPORT connections are shared out',
    source: `${AXNET}/listen_table.rs`,
    calls: {
      listen: before((t, a) => {
        const s = socketOf(t, a);
        const port = s instanceof TcpSocket && s.state !== TCP_LISTEN ? (s.local?.port ?? 0) : 0;
        return port !== 0 && t.kernel.net.listensOn(port) ? -EADDRINUSE : undefined;
      }),
    },
  },
  {
    name: 'udp-first-socket',
    group: 'network',
    symptom: 'of several UDP sockets on a port the one bound first gets every datagram',
    linux: 'with SO_REUSEPORT they are shared out; an exact address comes before 0.0.0.0',
    source: `${AXNET}/mod.rs (smoltcp asks its sockets in order)`,
    behaviour: { udpFirst: true },
  },
  {
    name: 'listener-has-peer',
    group: 'network',
    symptom: 'getpeername of a listening socket is 0.0.0.0:0',
    linux: 'ENOTCONN',
    source: `${AXNET}/tcp.rs`,
    calls: {
      getpeername: before((t, a) => {
        const s = socketOf(t, a);
        if (!(s instanceof TcpSocket) || s.state !== TCP_LISTEN) return undefined;
        const length = t.mm.u32(a.ptr(2));
        if (length < 0) return -EFAULT;
        const address = Uint8Array.of(AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        if (t.mm.copyOut(a.ptr(1), address.subarray(0, Math.min(length, 16))) < 0) return -EFAULT;
        return t.mm.putU32(a.ptr(2), 16);
      }),
    },
  },
  {
    name: 'reset-reads-eperm',
    group: 'network',
    symptom: 'reading from a connection that was reset is EPERM',
    linux: 'ECONNRESET',
    source: 'linux_syscall_api src/syscall_fs/imp/io.rs syscall_read',
    calls: each(['read', 'readv', 'recvfrom'], errno(ECONNRESET, EPERM)),
  },
];

/** setsockopt(2) and getsockopt(2) of SOL_SOCKET (net/core/sock.c). */
import { EDOM, EINVAL, ENODATA, ENODEV, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPERM } from '../abi/errno.ts';
import { installFile } from '../fs/file.ts';
import { pidfdCreate } from '../task/pidfd.ts';
import type { Task } from '../task/task.ts';
import * as C from './constants.ts';
import { optionKey } from './inet.ts';
import { intValue } from './inet-options.ts';
import type { Socket } from './socket.ts';
import { TcpSocket } from './tcp.ts';
import { UnixSocket } from './unix.ts';

const SOCK_MIN_SNDBUF = 4608;
const SOCK_MIN_RCVBUF = 2304;
const INT_MAX = 0x7fffffff;
/** Timeouts past this many seconds are for ever (MAX_SCHEDULE_TIMEOUT / HZ). */
const FOREVER = 9_000_000;

/** Timeouts are kept in timer ticks, 250 a second. */
const JIFFY_US = 4000;
/** Longest name of an interface, its NUL included. */
const IFNAMSIZ = 16;

const admin = (t: Task): boolean => ((t.creds.capEffective >> C.CAP_NET_ADMIN) & 1n) === 1n;

/** Options that are kept and told back, without effect here: value as given, or 0 and 1. */
const KEPT_BOOL = new Set([
  C.SO_DEBUG, C.SO_DONTROUTE, C.SO_BROADCAST, C.SO_KEEPALIVE, C.SO_OOBINLINE, C.SO_NO_CHECK, C.SO_PASSSEC,
  C.SO_RXQ_OVFL, C.SO_WIFI_STATUS, C.SO_NOFCS, C.SO_SELECT_ERR_QUEUE, C.SO_LOCK_FILTER, C.SO_PREFER_BUSY_POLL,
]); // prettier-ignore
const KEPT_INT = new Set([
  C.SO_BUSY_POLL,
  C.SO_INCOMING_CPU,
  C.SO_BUF_LOCK,
  C.SO_ZEROCOPY,
  C.SO_TIMESTAMPING,
]);

/** Nanoseconds of a struct timeval, Infinity for none; -errno. */
function timeout(value: Uint8Array): number {
  if (value.length < 16) return -EINVAL;
  const v = new DataView(value.buffer, value.byteOffset);
  const sec = Number(v.getBigInt64(0, true));
  const usec = Number(v.getBigInt64(8, true));
  if (usec < 0 || usec >= 1_000_000) return -EDOM;
  if (sec < 0) return 0;
  if ((sec === 0 && usec === 0) || sec > FOREVER) return Infinity;
  return sec * 1e9 + Math.ceil(usec / JIFFY_US) * JIFFY_US * 1e3;
}

/** Only these carry credentials (sk_may_scm_recv). */
const carriesCredentials = (s: Socket): boolean => s.family === C.AF_UNIX || s.family === C.AF_NETLINK;

export function setSocketOption(s: Socket, t: Task, name: number, value: Uint8Array): number {
  if (name === C.SO_BINDTODEVICE) return bindToDevice(s, value);
  const v = intValue(value, false);
  if (v === null) return -EINVAL;
  const o = s.options;
  switch (name) {
    case C.SO_REUSEADDR:
      o.reuseAddr = v !== 0;
      break;
    case C.SO_REUSEPORT:
      o.reusePort = v !== 0;
      break;
    case C.SO_SNDBUF:
    case C.SO_SNDBUFFORCE: {
      if (name === C.SO_SNDBUFFORCE && !admin(t)) return -EPERM;
      const asked = name === C.SO_SNDBUF ? Math.min(v >>> 0, C.SK_MEM_MAX) : Math.max(v, 0);
      o.sndbuf = Math.max(Math.min(asked, INT_MAX / 2) * 2, SOCK_MIN_SNDBUF);
      if (s instanceof TcpSocket) s.lockSndbuf();
      s.waiters.wake(0x304);
      break;
    }
    case C.SO_RCVBUF:
    case C.SO_RCVBUFFORCE: {
      if (name === C.SO_RCVBUFFORCE && !admin(t)) return -EPERM;
      const asked = name === C.SO_RCVBUF ? Math.min(v >>> 0, C.SK_MEM_MAX) : Math.max(v, 0);
      o.rcvbuf = Math.max(Math.min(asked, INT_MAX / 2) * 2, SOCK_MIN_RCVBUF);
      break;
    }
    case C.SO_LINGER: {
      if (value.length < 8) return -EINVAL;
      const seconds = new DataView(value.buffer, value.byteOffset).getInt32(4, true);
      o.linger = { on: v ? 1 : 0, seconds };
      break;
    }
    case C.SO_RCVLOWAT:
      o.rcvlowat = v < 0 ? INT_MAX : v || 1;
      break;
    case C.SO_RCVTIMEO:
    case C.SO_RCVTIMEO_NEW:
    case C.SO_SNDTIMEO:
    case C.SO_SNDTIMEO_NEW: {
      const ns = timeout(value);
      if (ns < 0) return ns;
      if (name === C.SO_RCVTIMEO || name === C.SO_RCVTIMEO_NEW) o.rcvtimeo = ns;
      else o.sndtimeo = ns;
      break;
    }
    case C.SO_PASSCRED:
      if (!carriesCredentials(s)) return -EOPNOTSUPP;
      o.passcred = v !== 0;
      break;
    case C.SO_PASSPIDFD:
      if (s.family !== C.AF_UNIX) return -EOPNOTSUPP;
      o.passpidfd = v !== 0;
      break;
    case C.SO_BINDTOIFINDEX:
      if (v < 0) return -EINVAL;
      if (v > 0 && !s.net.interfaces().some((i) => i.index === v)) return -ENODEV;
      o.device = v;
      break;
    case C.SO_MAX_PACING_RATE:
      // All ones: no limit.
      o.values.set(optionKey(C.SOL_SOCKET, name), v);
      break;
    case C.SO_TIMESTAMP:
      o.timestamp = v ? 1 : 0;
      break;
    case C.SO_TIMESTAMPNS:
      o.timestamp = v ? 2 : 0;
      break;
    case C.SO_PRIORITY:
      if ((v < 0 || v > 6) && !admin(t)) return -EPERM;
      o.values.set(optionKey(C.SOL_SOCKET, name), v);
      break;
    case C.SO_MARK:
      if (!admin(t)) return -EPERM;
      o.values.set(optionKey(C.SOL_SOCKET, name), v);
      break;
    case C.SO_PEEK_OFF:
      return -EOPNOTSUPP;
    case C.SO_ATTACH_FILTER:
      return value.length < 16 ? -EINVAL : 0;
    case C.SO_DETACH_FILTER:
    case C.SO_BSDCOMPAT:
      return 0;
    default:
      if (KEPT_BOOL.has(name)) o.values.set(optionKey(C.SOL_SOCKET, name), v ? 1 : 0);
      else if (KEPT_INT.has(name)) o.values.set(optionKey(C.SOL_SOCKET, name), v);
      else return -ENOPROTOOPT;
  }
  return 0;
}

function bindToDevice(s: Socket, value: Uint8Array): number {
  const name = String.fromCharCode(...value).replace(/\0.*$/s, '');
  const device = s.net.interfaces().find((i) => i.name === name);
  if (name !== '' && !device) return -ENODEV;
  s.options.device = device?.index ?? 0;
  return 0;
}

const int = (...v: number[]): Uint8Array => new Uint8Array(Int32Array.from(v).buffer);

function timeval(ns: number): Uint8Array {
  if (ns === Infinity) return new Uint8Array(16);
  const words = BigInt64Array.of(BigInt(Math.floor(ns / 1e9)), BigInt(Math.floor((ns % 1e9) / 1e3)));
  return new Uint8Array(words.buffer);
}

/** The value, or -errno; the caller cuts it to the length asked for. */
export function getSocketOption(s: Socket, t: Task, name: number, length: number): Uint8Array | number {
  const o = s.options;
  switch (name) {
    case C.SO_TYPE:
      return int(s.type);
    case C.SO_PROTOCOL:
      return int(s.protocol);
    case C.SO_DOMAIN:
      return int(s.family);
    case C.SO_ERROR:
      return int(s.takeError());
    case C.SO_ACCEPTCONN:
      return int(s.listening ? 1 : 0);
    case C.SO_REUSEADDR:
      return int(o.reuseAddr ? 1 : 0);
    case C.SO_REUSEPORT:
      return int(o.reusePort ? 1 : 0);
    case C.SO_SNDBUF:
      return int(o.sndbuf);
    case C.SO_RCVBUF:
      return int(o.rcvbuf);
    case C.SO_LINGER:
      return int(o.linger.on, o.linger.seconds);
    case C.SO_RCVLOWAT:
      return int(o.rcvlowat);
    case C.SO_SNDLOWAT:
      return int(1);
    case C.SO_RCVTIMEO:
    case C.SO_RCVTIMEO_NEW:
      return timeval(o.rcvtimeo);
    case C.SO_SNDTIMEO:
    case C.SO_SNDTIMEO_NEW:
      return timeval(o.sndtimeo);
    case C.SO_PASSCRED:
      return carriesCredentials(s) ? int(o.passcred ? 1 : 0) : -EOPNOTSUPP;
    case C.SO_PASSPIDFD:
      return s.family === C.AF_UNIX ? int(o.passpidfd ? 1 : 0) : -EOPNOTSUPP;
    case C.SO_PEERPIDFD: {
      const peer = s instanceof UnixSocket ? s.peerIdentity.process : null;
      if (!peer) return -ENODATA;
      const file = pidfdCreate(peer);
      const fd = installFile(t, file, true);
      if (fd < 0) file.release();
      return fd < 0 ? fd : int(fd);
    }
    case C.SO_TIMESTAMP:
      return int(o.timestamp === 1 ? 1 : 0);
    case C.SO_TIMESTAMPNS:
      return int(o.timestamp === 2 ? 1 : 0);
    case C.SO_PEEK_OFF:
      return int(o.peekOff);
    case C.SO_PEERCRED: {
      const c = s instanceof UnixSocket ? s.peerIdentity.ucred : { pid: 0, uid: -1, gid: -1 };
      return int(c.pid, c.uid, c.gid);
    }
    case C.SO_PEERNAME: {
      const a = s.getname(true);
      return typeof a === 'number' ? -ENOTCONN : a;
    }
    case C.SO_PEERGROUPS: {
      const peer = s instanceof UnixSocket ? s.peerIdentity : null;
      return peer?.process ? int(...peer.groups) : -ENODATA;
    }
    case C.SO_PEERSEC:
      return -ENOPROTOOPT;
    case C.SO_BINDTODEVICE: {
      if (o.device === 0) return new Uint8Array(0);
      if (length < IFNAMSIZ) return -EINVAL;
      const device = s.net.interfaces().find((i) => i.index === o.device);
      return device ? Uint8Array.from(`${device.name}\0`, (c) => c.charCodeAt(0)) : -ENODEV;
    }
    case C.SO_BINDTOIFINDEX:
      return int(o.device);
    case C.SO_MAX_PACING_RATE: {
      const v = o.values.get(optionKey(C.SOL_SOCKET, name)) ?? -1;
      const wide = new Uint8Array(BigInt64Array.of(v === -1 ? -1n : BigInt(v >>> 0)).buffer);
      return length < 8 ? wide.subarray(0, 4) : wide;
    }
    case C.SO_TXTIME:
      return new Uint8Array(8);
    case C.SO_ATTACH_FILTER: // SO_GET_FILTER
      return new Uint8Array(0);
    case C.SO_RESERVE_MEM:
    case C.SO_RCVMARK:
      return int(0);
    case C.SO_TXREHASH:
      return int(1);
    case C.SO_PASSSEC:
      return carriesCredentials(s) ? int(o.values.get(optionKey(C.SOL_SOCKET, name)) ?? 0) : -EOPNOTSUPP;
    case C.SO_MEMINFO: {
      const queued = Math.max(s.inq(), 0);
      return int(queued, o.rcvbuf, Math.max(s.outq(), 0), o.sndbuf, 0, 0, 0, 0, 0);
    }
    case C.SO_COOKIE:
      return new Uint8Array(BigUint64Array.of(BigInt(s.inode!.ino)).buffer);
    case C.SO_NETNS_COOKIE:
      return new Uint8Array(BigUint64Array.of(1n).buffer);
    case C.SO_INCOMING_NAPI_ID:
    case C.SO_BSDCOMPAT:
      return int(0);
    case C.SO_PRIORITY:
    case C.SO_MARK:
      return int(o.values.get(optionKey(C.SOL_SOCKET, name)) ?? 0);
    default:
      if (!KEPT_BOOL.has(name) && !KEPT_INT.has(name)) return -ENOPROTOOPT;
      return int(o.values.get(optionKey(C.SOL_SOCKET, name)) ?? 0);
  }
}

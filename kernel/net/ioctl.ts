/** ioctl(2) on sockets: queue sizes and interface questions (netdevice(7)). */
import { EFAULT, EINVAL, ENODEV, ENOENT, ENOTTY, EOPNOTSUPP, EPERM } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import { ipTo16 } from './address.ts';
import { AF_INET, AF_UNIX, FIONREAD, SIOCOUTQ } from './constants.ts';
import { interfaceFlags } from './interface-flags.ts';
import type { Socket } from './socket.ts';
import type { Interface } from './stack.ts';

const SIOCATMARK = 0x8905;
const SIOCGSTAMP = 0x8906;
const SIOCGIFNAME = 0x8910;
const SIOCGIFCONF = 0x8912;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCGIFADDR = 0x8915;
const SIOCGIFDSTADDR = 0x8917;
const SIOCGIFBRDADDR = 0x8919;
const SIOCGIFNETMASK = 0x891b;
const SIOCGIFMETRIC = 0x891d;
const SIOCGIFMTU = 0x8921;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;
const SIOCGIFTXQLEN = 0x8942;

/** struct ifreq: 16 bytes of name, 24 of a union. */
const IFREQ = 40;
const UNION = 16;

export function socketIoctl(s: Socket, t: Task, cmd: number, arg: number): number {
  const putInt = (value: number): number => {
    if (value < 0) return value;
    return t.mm.putU32(arg, value) < 0 ? -EFAULT : 0;
  };
  switch (cmd) {
    case FIONREAD:
      return putInt(s.inq());
    case SIOCOUTQ:
      return putInt(s.outq());
    case SIOCATMARK:
      if (s.family === AF_UNIX && !s.stream) return -EOPNOTSUPP;
      return putInt(s.atMark ? 1 : 0);
    case SIOCGSTAMP:
      return -ENOENT;
    case SIOCGIFCONF:
      return ifconf(s, t, arg);
    case SIOCSIFFLAGS:
      return -EPERM;
    default:
      return cmd >= SIOCGIFNAME && cmd <= SIOCGIFTXQLEN ? ifreq(s, t, cmd, arg) : -ENOTTY;
  }
}

function nameOf(bytes: Uint8Array): string {
  let name = '';
  for (let i = 0; i < 15 && bytes[i] !== 0; i++) name += String.fromCharCode(bytes[i]);
  return name;
}

/** An interface's first AF_INET address as a sockaddr_in, turned by `f`. */
function inet(i: Interface, f: (ip: number, mask: number) => number): Uint8Array | null {
  const a = i.addresses.find((x) => typeof x.ip === 'number');
  if (!a) return null;
  const out = new Uint8Array(16);
  out[0] = AF_INET;
  out.set(ipTo16(f(a.ip as number, (0xffffffff << (32 - a.prefix)) >>> 0) >>> 0).slice(12), 4);
  return out;
}

function ifreq(s: Socket, t: Task, cmd: number, arg: number): number {
  const req = t.mm.copyIn(arg, IFREQ);
  if (!req) return -EFAULT;
  const v = new DataView(req.buffer, req.byteOffset, IFREQ);
  const all = s.net.interfaces();
  if (cmd === SIOCGIFNAME) {
    const i = all.find((x) => x.index === v.getInt32(UNION, true));
    if (!i) return -ENODEV;
    req.fill(0, 0, 16);
    for (let k = 0; k < i.name.length; k++) req[k] = i.name.charCodeAt(k);
    return t.mm.copyOut(arg, req);
  }
  const i = all.find((x) => x.name === nameOf(req));
  if (!i) return -ENODEV;
  req.fill(0, UNION);
  let address: Uint8Array | null = null;
  switch (cmd) {
    case SIOCGIFFLAGS:
      v.setInt16(UNION, interfaceFlags(i) & 0xffff, true);
      break;
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
      address = inet(i, (ip) => ip);
      break;
    case SIOCGIFBRDADDR:
      address = inet(i, (ip, mask) => (i.loopback ? 0 : ip | ~mask));
      break;
    case SIOCGIFNETMASK:
      address = inet(i, (_ip, mask) => mask);
      break;
    case SIOCGIFMETRIC:
      break;
    case SIOCGIFMTU:
      v.setInt32(UNION, i.mtu, true);
      break;
    case SIOCGIFHWADDR:
      v.setUint16(UNION, i.loopback ? 772 : 1, true);
      req.set(i.mac, UNION + 2);
      break;
    case SIOCGIFINDEX:
      v.setInt32(UNION, i.index, true);
      break;
    case SIOCGIFTXQLEN:
      v.setInt32(UNION, 1000, true);
      break;
    default:
      return -EINVAL;
  }
  if (address) req.set(address, UNION);
  return t.mm.copyOut(arg, req);
}

/** SIOCGIFCONF: every interface with an AF_INET address, as many as fit; a null buffer asks for the size. */
function ifconf(s: Socket, t: Task, arg: number): number {
  const v = t.mm.viewIn(arg, 16);
  if (!v) return -EFAULT;
  const room = v.getInt32(0, true);
  const buf = Number(v.getBigUint64(8, true));
  let used = 0;
  for (const i of s.net.interfaces()) {
    const address = inet(i, (ip) => ip);
    if (!address) continue;
    if (buf !== 0) {
      if (used + IFREQ > room) break;
      const req = new Uint8Array(IFREQ);
      for (let k = 0; k < i.name.length; k++) req[k] = i.name.charCodeAt(k);
      req.set(address, UNION);
      if (t.mm.copyOut(buf + used, req) < 0) return -EFAULT;
    }
    used += IFREQ;
  }
  return t.mm.putU32(arg, used) < 0 ? -EFAULT : 0;
}

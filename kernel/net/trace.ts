/** How strace 6.1 prints the arguments of socket calls. */
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { ArgType } from '../trace/arg-types.ts';
import { flags, iovecText, special, valued } from '../trace/args.ts';
import {
  addrText, bytesText, enumText, fdText, flagsText, quoteBytes, timespecText, traceFormat,
} from '../trace/text.ts'; // prettier-ignore
import { familyOf, ip16Text, ipText } from './address.ts';
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_TYPE_MASK } from './constants.ts';
import {
  type MessageHeader, mmsghdrValues, msghdrValue, type MultiMessage, type SockAddr, sockaddrValue,
} from './trace-values.ts'; // prettier-ignore
import {
  FAMILIES, IP_PROTOCOLS, LEVELS, MSG_FLAGS, NETLINK_PROTOCOLS, OPTIONS, SCM_TYPES, SOCK_FLAGS, SOCK_TYPES,
} from './trace-names.ts'; // prettier-ignore

/** SOCK_STREAM|SOCK_CLOEXEC. */
export const socketType = <N extends string>(name: N) =>
  special(name, (_t, a, i) => {
    const v = a.i32(i);
    const flags = v & ~SOCK_TYPE_MASK;
    const type = SOCK_TYPES.find(([n]) => n === (v & SOCK_TYPE_MASK));
    // strace prints the whole number when the type is unknown.
    if (!type) return enumText(v, SOCK_TYPES, 'SOCK_???');
    return flags ? `${type[1]}|${flagsText(flags, SOCK_FLAGS)}` : type[1];
  });

/** The protocol, by the family in argument 0. */
export const protocol = <N extends string>(name: N) =>
  special(name, (_t, a, i) => {
    const family = a.i32(0);
    if (family === AF_INET || family === AF_INET6) return enumText(a.i32(i), IP_PROTOCOLS, 'IPPROTO_???');
    if (family === AF_NETLINK) return enumText(a.i32(i), NETLINK_PROTOCOLS, 'NETLINK_???');
    return String(a.u32(i));
  });

/** A sockaddr already copied. */
export function sockaddrText(raw: Uint8Array): string {
  const v = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const family = familyOf(raw);
  const head = `{sa_family=${enumText(family, FAMILIES, 'AF_???')}`;
  const data = (): string =>
    raw.length > 2 ? `, sa_data=${quoteBytes(raw.subarray(2), raw.length - 2)}` : '';
  if (family === AF_INET && raw.length >= 16)
    return `${head}, sin_port=htons(${v.getUint16(2)}), sin_addr=inet_addr("${ipText(v.getUint32(4))}")}`;
  if (family === AF_INET6 && raw.length >= 24) {
    const scope = raw.length >= 28 ? `, sin6_scope_id=${scopeText(raw, v.getUint32(24, true))}` : '';
    return (
      `${head}, sin6_port=htons(${v.getUint16(2)}), sin6_flowinfo=htonl(${v.getUint32(4)}), ` +
      `inet_pton(AF_INET6, "${ip16Text(raw.subarray(8, 24))}", &sin6_addr)${scope}}`
    );
  }
  if (family === AF_UNIX) {
    if (raw.length <= 2) return `${head}}`;
    const path = raw.subarray(2, 110);
    if (path[0] === 0) return `${head}, sun_path=@${quoteBytes(path.subarray(1), path.length - 1)}}`;
    const end = path.indexOf(0);
    return `${head}, sun_path=${quoteBytes(path, end < 0 ? path.length : end)}}`;
  }
  if (family === AF_NETLINK && raw.length >= 12) {
    const groups = v.getUint32(8, true).toString(16).padStart(8, '0');
    return `${head}, nl_pid=${v.getInt32(4, true)}, nl_groups=${groups}}`;
  }
  return `${head}${data()}}`;
}

/** Link-local addresses have an interface, others a number. */
function scopeText(raw: Uint8Array, scope: number): string {
  const linkLocal =
    (raw[8] === 0xfe && (raw[9] & 0xc0) === 0x80) || (raw[8] === 0xff && (raw[9] & 0x0f) === 2);
  if (!linkLocal) return String(scope);
  return scope === 1 ? 'if_nametoindex("lo")' : scope === 2 ? 'if_nametoindex("eth0")' : String(scope);
}

function addressText(t: Task, p: number, length: number): string {
  if (p === 0) return 'NULL';
  if (length < 2 || length > 128) {
    // Longer ones print as far as a sockaddr_storage goes.
    if (length < 2) return addrText(p);
    length = 128;
  }
  const raw = t.mm.copyIn(p, length);
  if (!raw) return addrText(p);
  const cut = familyOf(raw) === AF_INET ? 16 : familyOf(raw) === AF_INET6 ? 28 : length;
  return sockaddrText(raw.subarray(0, cut));
}

/** A sockaddr the caller gives, its length in argument `lengthArg`. */
export const sockaddr = <N extends string>(name: N, lengthArg: number) =>
  valued(
    name,
    (t, a, i) => addressText(t, a.ptr(i), a.i32(lengthArg)),
    (t, a, i) => sockaddrValue(t, a.ptr(i), a.i32(lengthArg)),
  );

/** Room for an address the kernel fills in, as it was at entry: the call overwrites it with the real length. */
const noteLength = (lengthArg: number) => ({
  enter(t: Task, a: Args): void {
    t.traceNote = a.ptr(lengthArg) === 0 ? 0 : (t.mm.i32(a.ptr(lengthArg)) ?? 0);
  },
});

/** A sockaddr the kernel fills in. */
export const sockaddrOut = <N extends string>(name: N, lengthArg: number): ArgType<N, SockAddr | null> => ({
  name,
  out: true,
  ...noteLength(lengthArg),
  format(t, a, i, ret) {
    const p = a.ptr(i);
    if (p === 0) return 'NULL';
    const length = ret === null || ret < 0 ? null : t.mm.i32(a.ptr(lengthArg));
    if (length === null) return addrText(p);
    return addressText(t, p, Math.min(length, Number(t.traceNote)));
  },
  value: (t, a, i, ret) =>
    ret === null || ret < 0 ? null : sockaddrValue(t, a.ptr(i), t.mm.i32(a.ptr(lengthArg)) ?? 0),
});

/** [16], or [128 => 16] when the call changed it. */
export const lengthOut = <N extends string>(name: N): ArgType<N, number | null> => ({
  name,
  out: true,
  format(t, a, i, ret) {
    const p = a.ptr(i);
    if (p === 0) return 'NULL';
    const length = t.mm.i32(p);
    if (length === null) return addrText(p);
    if (ret === null || ret < 0 || length === t.traceNote) return `[${t.traceNote}]`;
    return `[${t.traceNote} => ${length}]`;
  },
  value: (t, a, i) => (a.ptr(i) === 0 ? null : t.mm.i32(a.ptr(i))),
});

export const level = <N extends string>(name: N) =>
  special(name, (_t, a, i) => enumText(a.i32(i), LEVELS, 'SOL_??'));

export const option = <N extends string>(name: N) =>
  special(name, (_t, a, i) => {
    const known = OPTIONS.get(a.i32(1));
    return known ? enumText(a.i32(i), known.table, known.unknown) : String(a.i32(i));
  });

const SO_LINGER = 13;
const SO_PEERCRED = 17;
const SO_RCVTIMEO_OLD = 20;
const SO_SNDTIMEO_OLD = 21;
const TCP_INFO = 11;
const TCP_CONGESTION = 13;
const TCP_ULP = 31;

/** Options whose value is text or bytes to strace. */
function isBytes(lev: number, name: number): boolean {
  if (lev === 1) return name === SO_RCVTIMEO_OLD || name === SO_SNDTIMEO_OLD || name === 25;
  return lev === 6 && (name === TCP_CONGESTION || name === TCP_ULP || name === TCP_INFO);
}

function optionText(t: Task, a: Args, p: number, length: number): string {
  const lev = a.i32(1);
  const name = a.i32(2);
  if (p === 0) return 'NULL';
  if (lev === 1 && name === SO_LINGER) {
    const v = length >= 8 ? t.mm.viewIn(p, 8) : null;
    return v ? `{l_onoff=${v.getInt32(0, true)}, l_linger=${v.getInt32(4, true)}}` : addrText(p);
  }
  if (lev === 1 && name === SO_PEERCRED) {
    const v = length >= 12 ? t.mm.viewIn(p, 12) : null;
    return v ? ucredText(v, 0) : addrText(p);
  }
  if (isBytes(lev, name) || length > 4) return bytesText(t, p, length);
  const v = length >= 4 ? t.mm.i32(p) : null;
  return v === null ? addrText(p) : `[${v}]`;
}

const ucredText = (v: DataView, at: number): string =>
  `{pid=${v.getInt32(at, true)}, uid=${v.getInt32(at + 4, true)}, gid=${v.getInt32(at + 8, true)}}`;

export const optionValue = <N extends string>(name: N) =>
  special(name, (t, a, i) => optionText(t, a, a.ptr(i), a.i32(4)));

export const optionOut = <N extends string>(name: N): ArgType<N> => ({
  name,
  out: true,
  ...noteLength(4),
  format(t, a, i, ret) {
    const p = a.ptr(i);
    if (ret === null || ret < 0) return addrText(p);
    return optionText(t, a, p, t.mm.i32(a.ptr(4)) ?? 0);
  },
});

/** [3, 4] of socketpair. */
export const fdPair = <N extends string>(name: N) =>
  valued(
    name,
    (t, a, i, ret) => {
      const v = ret === 0 ? t.mm.viewIn(a.ptr(i), 8) : null;
      return v
        ? `[${fdText(t, v.getInt32(0, true))}, ${fdText(t, v.getInt32(4, true))}]`
        : addrText(a.ptr(i));
    },
    (t, a, i, ret): readonly [number, number] | null => {
      const v = ret === 0 ? t.mm.viewIn(a.ptr(i), 8) : null;
      return v && [v.getInt32(0, true), v.getInt32(4, true)];
    },
    { out: true },
  );

export const msgFlags = <N extends string>(name: N) => flags(name, MSG_FLAGS, 'MSG_???');

function cmsgData(t: Task, lev: number, type: number, v: DataView, at: number, length: number): string {
  if (lev === 1 && type === 1) {
    const fds = [];
    for (let k = 0; k + 4 <= length; k += 4) fds.push(fdText(t, v.getInt32(at + k, true)));
    return `[${fds.join(', ')}]`;
  }
  if (lev === 1 && type === 2 && length >= 12) return ucredText(v, at);
  if (lev === 0 && type === 8 && length >= 12) {
    const index = v.getInt32(at, true);
    const name =
      index === 1 ? 'if_nametoindex("lo")' : index === 2 ? 'if_nametoindex("eth0")' : String(index);
    const ip = (o: number): string => `inet_addr("${ipText(v.getUint32(at + o))}")`;
    return `{ipi_ifindex=${name}, ipi_spec_dst=${ip(4)}, ipi_addr=${ip(8)}}`;
  }
  if (lev === 0 && length >= 4 && type === 2) return `[${v.getInt32(at, true)}]`;
  if (lev === 0 && type === 1 && length >= 1) return `[${v.getUint8(at).toString(16)}]`;
  if (lev === 1 && (type === 29 || type === 35) && length >= 16) {
    const unit = type === 29 ? 'usec' : 'nsec';
    return `{tv_sec=${v.getBigInt64(at, true)}, tv_${unit}=${v.getBigInt64(at + 8, true)}}`;
  }
  return quoteBytes(new Uint8Array(v.buffer, v.byteOffset + at, length), length);
}

function controlText(t: Task, p: number, length: number): string {
  const v = t.mm.viewIn(p, Math.min(length, 4096));
  if (!v) return addrText(p);
  const parts: string[] = [];
  for (let at = 0; at + 16 <= v.byteLength;) {
    const size = Number(v.getBigUint64(at, true));
    const lev = v.getInt32(at + 8, true);
    const type = v.getInt32(at + 12, true);
    const kinds = lev === 1 ? SCM_TYPES : (OPTIONS.get(lev)?.table ?? []);
    const unknown = lev === 1 ? 'SCM_???' : lev === 0 ? 'IP_???' : undefined;
    const body = Math.min(size, v.byteLength - at) - 16;
    const data = body > 0 ? `, cmsg_data=${cmsgData(t, lev, type, v, at + 16, body)}` : '';
    parts.push(
      `{cmsg_len=${size}, cmsg_level=${enumText(lev, LEVELS, 'SOL_??')}, cmsg_type=${enumText(type, kinds, unknown)}${data}}`,
    );
    if (size < 16) break;
    at += Math.ceil(size / 8) * 8;
  }
  return `[${parts.join(', ')}]`;
}

/** struct msghdr. `room`: the name length before the call, when it went in and came out; `bytes` of content to show. */
function msghdrText(t: Task, p: number, bytes: number, room: number | null): string | null {
  const v = t.mm.viewIn(p, 56);
  if (!v) return null;
  const num = (o: number): number => Number(v.getBigUint64(o, true));
  const nameLength = v.getInt32(8, true);
  const seen = room === null ? nameLength : Math.min(nameLength, room);
  const name = num(0) === 0 ? 'NULL' : addressText(t, num(0), seen);
  const length = room === null || room === nameLength ? String(nameLength) : `${room} => ${nameLength}`;
  const iov = num(24) === 0 ? 'NULL' : (iovecText(t, num(16), num(24), bytes) ?? addrText(num(16)));
  const control = num(40) === 0 || num(32) === 0 ? '' : `, msg_control=${controlText(t, num(32), num(40))}`;
  return (
    `{msg_name=${name}, msg_namelen=${length}, msg_iov=${iov}, msg_iovlen=${num(24)}${control}, ` +
    `msg_controllen=${num(40)}, msg_flags=${flagsText(v.getUint32(48, true), MSG_FLAGS, 'MSG_???')}}`
  );
}

export const msghdr = <N extends string>(name: N) =>
  valued(
    name,
    (t, a, i) => msghdrText(t, a.ptr(i), Infinity, null) ?? addrText(a.ptr(i)),
    (t, a, i) => msghdrValue(t, a.ptr(i), Infinity),
  );

export const msghdrOut = <N extends string>(name: N): ArgType<N, MessageHeader | null> => ({
  name,
  out: true,
  enter(t, a) {
    t.traceNote = t.mm.i32(a.ptr(1) + 8) ?? 0;
  },
  format(t, a, i, ret) {
    const p = a.ptr(i);
    if (ret === null || ret < 0) return t.mm.viewIn(p, 56) ? `{msg_namelen=${t.traceNote}}` : addrText(p);
    return msghdrText(t, p, ret, Number(t.traceNote)) ?? addrText(p);
  },
  value: (t, a, i, ret) => (ret === null || ret < 0 ? null : msghdrValue(t, a.ptr(i), ret)),
});

/** struct mmsghdr[]; printed after the call, with each message's length. */
const mmsghdrs = <N extends string>(
  name: N,
  content: (length: number) => number,
): ArgType<N, readonly MultiMessage[] | null> => ({
  name,
  out: true,
  format(t, a, i, ret) {
    const p = a.ptr(i);
    if (ret === null || ret < 0) return addrText(p);
    const f = traceFormat(t);
    const shown = f.verbose ? ret : Math.min(ret, f.strsize);
    const parts: string[] = [];
    for (let k = 0; k < shown; k++) {
      const at = p + 64 * k;
      const text = msghdrText(t, at, content(t.mm.u32(at + 56)), null);
      if (text === null) break;
      parts.push(`{msg_hdr=${text}, msg_len=${t.mm.u32(at + 56)}}`);
    }
    return `[${parts.join(', ')}${shown < ret ? ', ...' : ''}]`;
  },
  value: (t, a, i, ret) => (ret === null || ret < 0 ? null : mmsghdrValues(t, a.ptr(i), ret, content)),
});
export const mmsghdrsOut = <N extends string>(name: N) => mmsghdrs(name, (length) => length);
export const mmsghdrsIn = <N extends string>(name: N) => mmsghdrs(name, () => Infinity);

/** recvmmsg's timeout as it was given: the call replaces it with what is left. */
export const timeoutIn = <N extends string>(name: N): ArgType<N> => ({
  name,
  out: true,
  enter(t, a) {
    const p = a.ptr(4);
    t.traceNote = p === 0 ? 'NULL' : (timespecText(t, p) ?? addrText(p));
  },
  format: (t) => String(t.traceNote),
});

/** Bytes received: with MSG_TRUNC the result may be more than the buffer holds. */
export const received = <N extends string>(name: N) =>
  valued(
    name,
    (t, a, i, ret) =>
      ret === null || ret < 0 ? addrText(a.ptr(i)) : bytesText(t, a.ptr(i), Math.min(ret, a.size(2))),
    (t, a, i, ret) => (ret === null || ret < 0 ? null : t.mm.copyIn(a.ptr(i), Math.min(ret, a.size(2)))),
    { out: true },
  );

export function recvmmsgAux(t: Task, a: Args, ret: number): string | null {
  if (ret < 0) return null;
  const left = a.ptr(4) === 0 ? null : timespecText(t, a.ptr(4));
  if (ret === 0) return 'Timeout';
  return left === null ? null : `left ${left}`;
}

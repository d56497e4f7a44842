/** How strace 6.1 prints the arguments of socket calls. */
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { ArgType } from '../trace/arg-types.ts';
import { iovecText, special } from '../trace/args.ts';
import {
  addrText, bytesText, enumText, fdText, flagsText, quoteBytes, timespecText, traceFormat,
} from '../trace/text.ts'; // prettier-ignore
import { familyOf, ip16Text, ipText } from './address.ts';
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_TYPE_MASK } from './constants.ts';
import {
  FAMILIES, IP_PROTOCOLS, LEVELS, MSG_FLAGS, NETLINK_PROTOCOLS, OPTIONS, SCM_TYPES, SOCK_FLAGS, SOCK_TYPES,
} from './trace-names.ts'; // prettier-ignore

/** SOCK_STREAM|SOCK_CLOEXEC. */
export const socketType = (name: string): ArgType =>
  special(name, (_t, a, i) => {
    const v = a.i32(i);
    const flags = v & ~SOCK_TYPE_MASK;
    const type = SOCK_TYPES.find(([n]) => n === (v & SOCK_TYPE_MASK));
    // strace prints the whole number when the type is unknown.
    if (!type) return enumText(v, SOCK_TYPES, 'SOCK_???');
    return flags ? `${type[1]}|${flagsText(flags, SOCK_FLAGS)}` : type[1];
  });

/** The protocol, by the family in argument 0. */
export const protocol = (name: string): ArgType =>
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
  const data = (): string => (raw.length > 2 ? `, sa_data=${quoteBytes(raw.subarray(2), raw.length - 2)}` : '');
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
  const linkLocal = (raw[8] === 0xfe && (raw[9]! & 0xc0) === 0x80) || (raw[8] === 0xff && (raw[9]! & 0x0f) === 2);
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
export const sockaddr = (name: string, lengthArg: number): ArgType =>
  special(name, (t, a, i) => addressText(t, a.ptr(i), a.i32(lengthArg)));

/**
 * What the kernel fills in is printed after the call, but strace compares the length with what it was at entry: it is
 * put aside by the length argument's entry pass, here by looking at what the call asked for.
 */
const asked = new WeakMap<Task, { at: number; length: number }>();

export const sockaddrOut = (name: string, lengthArg: number): ArgType => ({
  name,
  out: true,
  enter(t: Task, a: Args) {
    asked.set(t, { at: a.ptr(lengthArg), length: t.mm.i32(a.ptr(lengthArg)) ?? 0 });
  },
  format(t, a, i, ret) {
    const p = a.ptr(i);
    if (p === 0) return 'NULL';
    if (ret === null || ret < 0) return addrText(p);
    const length = t.mm.i32(a.ptr(lengthArg));
    const room = asked.get(t)?.length ?? length ?? 0;
    return length === null ? addrText(p) : addressText(t, p, Math.min(length, room));
  },
});

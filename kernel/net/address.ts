/** IP addresses and sockaddr structures. */
import { EAFNOSUPPORT, EINVAL } from '../abi/errno.ts';
import { AF_INET, AF_INET6 } from './constants.ts';

/**
 * An IP address that compares with ===: an IPv4 address as an unsigned 32-bit number (IPv4-mapped IPv6 addresses are
 * kept so too), an IPv6 one as a binary string of 16 characters.
 */
export type Ip = number | string;

export const ANY4 = 0;
export const LOOPBACK4 = 0x7f000001;
export const BROADCAST4 = 0xffffffff;
export const ANY6 = '\0'.repeat(16);
export const LOOPBACK6 = '\0'.repeat(15) + '\x01';

const MAPPED = '\0'.repeat(10) + '\xff\xff';

/** Where a datagram or connection comes from or goes to. */
export interface Endpoint {
  readonly ip: Ip;
  readonly port: number;
  /** sin6_flowinfo and sin6_scope_id, as given. */
  readonly flowinfo?: number;
  readonly scope?: number;
}

export const isAny = (ip: Ip): boolean => ip === ANY4 || ip === ANY6;
export const isLoopback = (ip: Ip): boolean =>
  typeof ip === 'number' ? ip >>> 24 === 127 : ip === LOOPBACK6;
export const isMulticast = (ip: Ip): boolean =>
  typeof ip === 'number' ? ip >>> 28 === 14 : ip.charCodeAt(0) === 0xff;

/** 16 bytes of an in6_addr; mapped ones become IPv4. */
export function ipFrom16(bytes: Uint8Array, at = 0): Ip {
  let s = '';
  for (let i = 0; i < 16; i++) s += String.fromCharCode(bytes[at + i]);
  if (!s.startsWith(MAPPED)) return s;
  return ((bytes[at + 12] << 24) | (bytes[at + 13] << 16) | (bytes[at + 14] << 8) | bytes[at + 15]) >>> 0;
}

/** The in6_addr of an address as an AF_INET6 socket sees it. */
export function ipTo16(ip: Ip): Uint8Array {
  const out = new Uint8Array(16);
  if (typeof ip === 'string') for (let i = 0; i < 16; i++) out[i] = ip.charCodeAt(i);
  else if (ip !== ANY4) {
    out[10] = out[11] = 0xff;
    new DataView(out.buffer).setUint32(12, ip);
  }
  return out;
}

/** Dotted, or the shortest hexadecimal form (inet_ntop). */
export function ipText(ip: Ip): string {
  if (typeof ip === 'number') return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
  return ip16Text(ipTo16(ip));
}

/** inet_ntop(AF_INET6): the longest run of two or more zero groups becomes "::", mapped addresses end dotted. */
export function ip16Text(b: Uint8Array): string {
  const g = Array.from({ length: 8 }, (_, i) => (b[2 * i] << 8) | b[2 * i + 1]);
  let best = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && g[i + n] === 0) n++;
    if (n > length) {
      best = i;
      length = n;
    }
  }
  const dotted = best === 0 && (length === 6 || (length === 5 && g[5] === 0xffff));
  let out = '';
  const end = dotted ? 6 : 8;
  for (let i = 0; i < end; i++) {
    if (i === best) {
      out += '::';
      i += length - 1;
      continue;
    }
    out += (out === '' || out.endsWith(':') ? '' : ':') + g[i].toString(16);
  }
  if (!dotted) return out;
  return `${out}${out.endsWith(':') ? '' : ':'}${b[12]}.${b[13]}.${b[14]}.${b[15]}`;
}

/** Reads dotted IPv4 or IPv6 text; null when it is neither. */
export function parseIp(text: string): Ip | null {
  const v4 = parse4(text);
  if (v4 !== null || !text.includes(':')) return v4;
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const groups = halves.map((h) => (h === '' ? [] : h.split(':')));
  const bytes: number[][] = [];
  for (const half of groups) {
    const out: number[] = [];
    for (const [i, part] of half.entries()) {
      const tail = i === half.length - 1 && half === groups[groups.length - 1] ? parse4(part) : null;
      if (tail !== null) out.push(tail >>> 24, (tail >>> 16) & 255, (tail >>> 8) & 255, tail & 255);
      else if (/^[0-9a-fA-F]{1,4}$/.test(part)) out.push(parseInt(part, 16) >> 8, parseInt(part, 16) & 255);
      else return null;
    }
    bytes.push(out);
  }
  const have = bytes.reduce((n, h) => n + h.length, 0);
  if (halves.length === 1 ? have !== 16 : have > 14) return null;
  const all = new Uint8Array(16);
  all.set(bytes[0]);
  if (bytes[1]) all.set(bytes[1], 16 - bytes[1].length);
  return ipFrom16(all);
}

function parse4(text: string): number | null {
  const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!m) return null;
  let ip = 0;
  for (const part of m.slice(1)) {
    if (Number(part) > 255) return null;
    ip = ip * 256 + Number(part);
  }
  return ip;
}

/** sa_family of a raw sockaddr. */
export const familyOf = (raw: Uint8Array): number => (raw.length < 2 ? -1 : raw[0] | (raw[1] << 8));

/** Decodes sockaddr_in or sockaddr_in6 for a socket of `family`; -errno when it is neither or too short. */
export function parseInet(raw: Uint8Array, family: number): Endpoint | number {
  const v = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  if (family === AF_INET) {
    if (raw.length < 16) return -EINVAL;
    if (familyOf(raw) !== AF_INET) return -EAFNOSUPPORT;
    return { ip: v.getUint32(4), port: v.getUint16(2) };
  }
  if (raw.length < 24) return -EINVAL;
  if (familyOf(raw) !== AF_INET6) return -EAFNOSUPPORT;
  const scope = raw.length >= 28 ? v.getUint32(24, true) : 0;
  return { ip: ipFrom16(raw, 8), port: v.getUint16(2), flowinfo: v.getUint32(4), scope };
}

/** sockaddr_in or sockaddr_in6 as a socket of `family` reports it. */
export function formatInet(e: Endpoint, family: number): Uint8Array {
  const out = new Uint8Array(family === AF_INET ? 16 : 28);
  const v = new DataView(out.buffer);
  v.setUint16(0, family, true);
  v.setUint16(2, e.port);
  if (family === AF_INET) v.setUint32(4, typeof e.ip === 'number' ? e.ip : 0);
  else {
    v.setUint32(4, e.flowinfo ?? 0);
    out.set(ipTo16(e.ip), 8);
    v.setUint32(24, e.scope ?? 0, true);
  }
  return out;
}

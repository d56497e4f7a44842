/** Addresses and messages as values, for whoever reads arguments by name. */
import type { Task } from '../task/task.ts';
import { iovecValue } from '../trace/args.ts';
import { bits, i32, layout, readAt, u32, u64 } from '../trace/layout.ts';
import { enumText } from '../trace/text.ts';
import { type Named, textOfBinary } from '../trace/values.ts';
import { familyOf, ip16Text, ipText } from './address.ts';
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX } from './constants.ts';
import { FAMILIES, MSG_FLAGS } from './trace-names.ts';

type Family = (typeof FAMILIES)[number][1];

/** A socket's address; `sa_family` says which. */
export type SockAddr =
  | { readonly sa_family: 'AF_INET'; readonly sin_addr: string; readonly sin_port: number }
  | {
      readonly sa_family: 'AF_INET6';
      readonly sin6_addr: string;
      readonly sin6_port: number;
      readonly sin6_flowinfo: number;
      readonly sin6_scope_id: number;
    }
  /** One of the abstract namespace begins with a NUL; an unnamed socket's is empty. */
  | { readonly sa_family: 'AF_UNIX'; readonly sun_path: string }
  | { readonly sa_family: 'AF_NETLINK'; readonly nl_pid: number; readonly nl_groups: number }
  | {
      readonly sa_family: Exclude<Family, 'AF_INET' | 'AF_INET6' | 'AF_UNIX' | 'AF_NETLINK'>;
      readonly sa_data: Uint8Array;
    };

/** The address of that length; null when there is none that can be read. */
export function sockaddrValue(t: Task, p: number, length: number): SockAddr | null {
  const raw = p === 0 || length < 2 ? null : t.mm.copyIn(p, Math.min(length, 128));
  if (raw === null) return null;
  const v = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const family = familyOf(raw);
  if (family === AF_INET && raw.length >= 16)
    return { sa_family: 'AF_INET', sin_addr: ipText(v.getUint32(4)), sin_port: v.getUint16(2) };
  if (family === AF_INET6 && raw.length >= 24)
    return {
      sa_family: 'AF_INET6',
      sin6_addr: ip16Text(raw.subarray(8, 24)),
      sin6_port: v.getUint16(2),
      sin6_flowinfo: v.getUint32(4),
      sin6_scope_id: raw.length >= 28 ? v.getUint32(24, true) : 0,
    };
  if (family === AF_UNIX) return { sa_family: 'AF_UNIX', sun_path: unixPath(raw.subarray(2, 110)) };
  if (family === AF_NETLINK && raw.length >= 12)
    return { sa_family: 'AF_NETLINK', nl_pid: v.getUint32(4, true), nl_groups: v.getUint32(8, true) };
  type Other = Extract<SockAddr, { sa_data: unknown }>;
  return { sa_family: enumText(family, FAMILIES) as Other['sa_family'], sa_data: raw.subarray(2) };
}

function unixPath(bytes: Uint8Array): string {
  const end = bytes[0] === 0 ? -1 : bytes.indexOf(0);
  return textOfBinary(String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end))));
}

/** Ancillary data, as it is: SOL_SOCKET is level 1, SCM_RIGHTS type 1. */
export interface ControlMessage {
  readonly cmsg_level: number;
  readonly cmsg_type: number;
  readonly cmsg_data: Uint8Array;
}

/** struct msghdr with what its pointers lead to. */
export interface MessageHeader {
  readonly msg_name: SockAddr | null;
  readonly msg_namelen: number;
  readonly msg_iov: readonly Uint8Array[] | null;
  readonly msg_control: readonly ControlMessage[];
  readonly msg_flags: Named<(typeof MSG_FLAGS)[number][1]>;
}
/** struct mmsghdr. */
export interface MultiMessage {
  readonly msg_hdr: MessageHeader;
  readonly msg_len: number;
}

const MSGHDR = layout(56, {
  name: u64(0),
  namelen: i32(8),
  iov: u64(16),
  iovlen: u64(24),
  control: u64(32),
  controllen: u64(40),
  flags: bits(48, MSG_FLAGS),
});
const MMSGHDR_SIZE = 64;
const MSG_LEN = layout(4, { msg_len: u32(0) });
/** UIO_MAXIOV. */
const MOST = 1024;

/** `bytes`: of the content, at most. `room`: for the name, when the kernel filled it in. */
export function msghdrValue(t: Task, p: number, bytes: number, room = 128): MessageHeader | null {
  const h = readAt(t, p, MSGHDR);
  return (
    h && {
      msg_name: sockaddrValue(t, h.name, Math.min(h.namelen, room)),
      msg_namelen: h.namelen,
      msg_iov: iovecValue(t, h.iov, h.iovlen, bytes),
      msg_control: controlValue(t, h.control, h.controllen),
      msg_flags: h.flags,
    }
  );
}

export function mmsghdrValues(
  t: Task,
  p: number,
  count: number,
  content: (length: number) => number,
): readonly MultiMessage[] | null {
  const all: MultiMessage[] = [];
  for (let at = p; at < p + MMSGHDR_SIZE * Math.min(count, MOST); at += MMSGHDR_SIZE) {
    const length = readAt(t, at + 56, MSG_LEN);
    const header = length && msghdrValue(t, at, content(length.msg_len));
    if (!length || !header) return all.length === 0 ? null : all;
    all.push({ msg_hdr: header, msg_len: length.msg_len });
  }
  return p === 0 ? null : all;
}

function controlValue(t: Task, p: number, length: number): ControlMessage[] {
  const v = p === 0 ? null : t.mm.viewIn(p, Math.min(length, 4096));
  const messages: ControlMessage[] = [];
  for (let at = 0; v !== null && at + 16 <= v.byteLength;) {
    const size = Number(v.getBigUint64(at, true));
    if (size < 16) break;
    const end = Math.min(at + size, v.byteLength);
    messages.push({
      cmsg_level: v.getInt32(at + 8, true),
      cmsg_type: v.getInt32(at + 12, true),
      cmsg_data: new Uint8Array(v.buffer, v.byteOffset + at + 16, end - at - 16).slice(),
    });
    at += Math.ceil(size / 8) * 8;
  }
  return messages;
}

/** How strace 6.1 prints the arguments of the polling calls. */
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { special, struct, valued } from '../trace/args.ts';
import {
  bits,
  bits64,
  i32,
  ITIMERSPEC,
  layout,
  part,
  readArray,
  readAt,
  structure,
  u32,
} from '../trace/layout.ts';
import { POLL_EVENTS } from '../trace/tables.ts';
import type { Table } from '../trace/tables.ts';
import { addrText, fdText, flagsText, sigsetText, timespecText, traceFormat } from '../trace/text.ts';
import { epollEventLayout } from './syscalls.ts';
import type { TimeFormat } from './timeout.ts';

export const EPOLL_CTL = [[1, 'EPOLL_CTL_ADD'], [2, 'EPOLL_CTL_DEL'], [3, 'EPOLL_CTL_MOD']] as const satisfies Table; // prettier-ignore
export const EPOLL_FLAGS = [[0o2000000, 'EPOLL_CLOEXEC']] as const satisfies Table;

// strace prints timerfd_create's flags 1 and 2 by the names settime gives them.
export const TFD_CREATE_FLAGS = [
  [1, 'TFD_TIMER_ABSTIME'], [2, 'TFD_TIMER_CANCEL_ON_SET'], [0o2000000, 'TFD_CLOEXEC'], [0o4000, 'TFD_NONBLOCK'],
] as const satisfies Table; // prettier-ignore
export const TFD_SETTIME_FLAGS = TFD_CREATE_FLAGS;
export const SFD_FLAGS = [[0o2000000, 'SFD_CLOEXEC'], [0o4000, 'SFD_NONBLOCK']] as const satisfies Table; // prettier-ignore

const EPOLL_EVENTS = [
  [0x1, 'EPOLLIN'], [0x2, 'EPOLLPRI'], [0x4, 'EPOLLOUT'], [0x40, 'EPOLLRDNORM'], [0x80, 'EPOLLRDBAND'],
  [0x100, 'EPOLLWRNORM'], [0x200, 'EPOLLWRBAND'], [0x400, 'EPOLLMSG'], [0x8, 'EPOLLERR'], [0x10, 'EPOLLHUP'],
  [0x2000, 'EPOLLRDHUP'], [0x10000000, 'EPOLLEXCLUSIVE'], [0x20000000, 'EPOLLWAKEUP'],
  [0x40000000, 'EPOLLONESHOT'], [0x80000000, 'EPOLLET'],
] as const satisfies Table; // prettier-ignore

/** strace also knows the kernel-internal POLL_BUSY_LOOP (POLLMSG it does not print). */
const POLLFD_EVENTS = [...POLL_EVENTS, [0x8000, 'POLL_BUSY_LOOP']] as const satisfies Table;

function eventText(t: Task, address: number): string | null {
  const { size, data } = epollEventLayout(t);
  const v = t.mm.viewIn(address, size);
  if (!v) return null;
  const events = flagsText(v.getUint32(0, true), EPOLL_EVENTS);
  const u64 = (BigInt(v.getUint32(data + 4, true)) << 32n) | BigInt(v.getUint32(data, true));
  return `{events=${events}, data={u32=${v.getUint32(data, true)}, u64=${u64}}}`;
}

/** An array cut at -s elements. `each` gives null for memory that cannot be read. */
function arrayText(
  t: Task,
  address: number,
  count: number,
  size: number,
  each: (at: number) => string | null,
): string {
  const f = traceFormat(t);
  const shown = f.verbose ? count : Math.min(count, f.strsize);
  const parts: string[] = [];
  for (let i = 0; i < shown; i++) {
    const text = each(address + i * size);
    if (text === null)
      return i === 0 ? addrText(address) : `[${parts.join(', ')}, ... /* ${addrText(address + i * size)} */]`;
    parts.push(text);
  }
  if (shown < count) parts.push('...');
  return `[${parts.join(', ')}]`;
}

/** epoll_ctl's event: an address only when the operation does not read it. */
export const epollEvent = <N extends string>(name: N) =>
  valued(
    name,
    (t, a, i) => {
      const p = a.ptr(i);
      if (p === 0) return 'NULL';
      return (a.i32(1) === 2 ? null : eventText(t, p)) ?? addrText(p);
    },
    (t, a, i) => readAt(t, a.ptr(i), EVENT[t.regs.arch]),
  );

/** struct epoll_event, which is packed on x86_64. */
const eventLayout = (size: number, data: number) =>
  layout(size, {
    events: bits(0, EPOLL_EVENTS),
    data: part(data, layout(8, { fd: i32(0), u32: u32(0), u64: bits64(0) })),
  });
const EVENT = { x86_64: eventLayout(12, 4), aarch64: eventLayout(16, 8) };

/** The array epoll_wait fills. */
export const epollEvents = <N extends string>(name: N) =>
  valued(
    name,
    (t, a, i, ret) => {
      const p = a.ptr(i);
      if (ret === null || ret < 0) return addrText(p);
      return arrayText(t, p, ret, epollEventLayout(t).size, (at) => eventText(t, at));
    },
    (t, a, i, ret) => (ret === null || ret < 0 ? null : readArray(t, a.ptr(i), ret, EVENT[t.regs.arch])),
    { out: true },
  );

const POLLFD = layout(8, {
  fd: i32(0),
  events: bits(4, POLLFD_EVENTS, 16),
  revents: bits(6, POLLFD_EVENTS, 16),
});

/** struct pollfd[nfds] as the caller gives it. */
export const pollfds = <N extends string>(name: N) =>
  valued(
    name,
    (t, a, i) => {
      const nfds = a.u32(1);
      if (nfds === 0) return a.ptr(i) === 0 ? 'NULL' : '[]';
      if (a.ptr(i) === 0) return 'NULL';
      return arrayText(t, a.ptr(i), nfds, 8, (at) => {
        const v = t.mm.viewIn(at, 8);
        if (!v) return null;
        const fd = v.getInt32(0, true);
        if (fd < 0) return `{fd=${fd}}`;
        return `{fd=${fdText(t, fd)}, events=${flagsText(v.getUint16(4, true), POLLFD_EVENTS)}}`;
      });
    },
    (t, a, i) => readArray(t, a.ptr(i), a.u32(1), POLLFD),
  );

/** What came of it; strace prints paths in the arguments alone. */
function reventsText(t: Task, a: Args): string {
  const limit = traceFormat(t).verbose ? Infinity : traceFormat(t).strsize;
  const parts: string[] = [];
  const nfds = a.u32(1);
  for (let i = 0; i < nfds; i++) {
    const v = t.mm.viewIn(a.ptr(0) + i * 8, 8);
    if (!v) break;
    const revents = v.getUint16(6, true);
    if (v.getInt32(0, true) < 0 || revents === 0) continue;
    if (parts.length >= limit) {
      parts.push('...');
      break;
    }
    parts.push(`{fd=${v.getInt32(0, true)}, revents=${flagsText(revents, POLLFD_EVENTS)}}`);
  }
  return `[${parts.join(', ')}]`;
}

export function pollAux(t: Task, a: Args, ret: number): string | null {
  if (ret < 0) return null;
  return ret === 0 ? 'Timeout' : reventsText(t, a);
}

function leftText(t: Task, address: number, format: TimeFormat): string {
  const text = address === 0 ? null : timespecText(t, address, format === 'timeval' ? 'usec' : 'nsec');
  return text === null ? '' : `, left ${text}`;
}

export function ppollAux(t: Task, a: Args, ret: number): string | null {
  if (ret <= 0) return pollAux(t, a, ret);
  return reventsText(t, a) + leftText(t, a.ptr(2), 'timespec');
}

/** The set members below `n`, `[0 5]`; null when the set cannot be read. */
function fdsetText(
  t: Task,
  address: number,
  n: number,
  text: (fd: number) => string = (fd) => fdText(t, fd),
): string | null {
  const bytes = t.mm.copyIn(address, Math.ceil(Math.min(n, 1024 * 1024) / 64) * 8);
  if (!bytes) return null;
  const parts: string[] = [];
  for (let fd = 0; fd < n && fd < bytes.length * 8; fd++)
    if (bytes[fd >> 3] & (1 << (fd & 7))) parts.push(text(fd));
  return `[${parts.join(' ')}]`;
}

export const fdset = <N extends string>(name: N) =>
  special(name, (t, a, i) => {
    const p = a.ptr(i);
    const n = a.i32(0);
    if (p === 0) return 'NULL';
    if (n < 0) return addrText(p);
    return fdsetText(t, p, n) ?? addrText(p);
  });

export const selectAux =
  (format: TimeFormat) =>
  (t: Task, a: Args, ret: number): string | null => {
    if (ret < 0) return null;
    if (ret === 0) return 'Timeout';
    const parts: string[] = [];
    ['in', 'out', 'except'].forEach((what, i) => {
      const p = a.ptr(i + 1);
      const text = p === 0 ? null : fdsetText(t, p, a.i32(0), String);
      if (text !== null && text !== '[]') parts.push(`${what} ${text}`);
    });
    return parts.join(', ') + leftText(t, a.ptr(4), format);
  };

/** pselect6's {sigmask, sigsetsize}. */
export const pselectMask = <N extends string>(name: N) =>
  struct(name, (m, address) => {
    const v = m.viewIn(address, 16);
    if (!v) return null;
    const at = Number(v.getBigUint64(0, true));
    const set = at === 0 ? null : m.u64(at);
    return `{sigmask=${set === null ? addrText(at) : sigsetText(set)}, sigsetsize=${v.getBigUint64(8, true)}}`;
  });

export const itimerspec = <N extends string>(name: N, option: { out?: boolean } = {}) =>
  structure(
    name,
    (_m, address, t) => {
      const interval = timespecText(t, address);
      const value = timespecText(t, address + 16);
      return interval && value && `{it_interval=${interval}, it_value=${value}}`;
    },
    ITIMERSPEC,
    option,
  );

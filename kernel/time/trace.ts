/** Time structures as strace 6.1 prints them. */
import { ERESTART_RESTARTBLOCK } from '../abi/errno.ts';
import type { UserMemory } from '../mm/user-memory.ts';
import { special, type Table } from '../trace/args.ts';
import { i32, layout, oneOf, u64 } from '../trace/layout.ts';
import { addrText, enumText, timespecText } from '../trace/text.ts';
import { signalName } from '../trace/tables.ts';
import type { Task } from '../task/task.ts';

export const ITIMERS = [[0, 'ITIMER_REAL'], [1, 'ITIMER_VIRTUAL'], [2, 'ITIMER_PROF']] as const satisfies Table; // prettier-ignore
export const TIMER_FLAGS = [[1, 'TIMER_ABSTIME']] as const satisfies Table;
const SIGEV = [[0, 'SIGEV_SIGNAL'], [1, 'SIGEV_NONE'], [2, 'SIGEV_THREAD'], [4, 'SIGEV_THREAD_ID']] as const satisfies Table; // prettier-ignore

const pair = (t: Task, address: number, unit: 'nsec' | 'usec'): string | null => {
  const interval = timespecText(t, address, unit);
  const value = timespecText(t, address + 16, unit);
  return interval === null || value === null ? null : `{it_interval=${interval}, it_value=${value}}`;
};
export const itimervalText = (_m: UserMemory, address: number, t: Task): string | null =>
  pair(t, address, 'usec');
export const itimerspecText = (_m: UserMemory, address: number, t: Task): string | null =>
  pair(t, address, 'nsec');

export const TIMEZONE = layout(8, { tz_minuteswest: i32(0), tz_dsttime: i32(4) });
export function timezoneText(m: UserMemory, address: number): string | null {
  const v = m.viewIn(address, 8);
  return v === null ? null : `{tz_minuteswest=${v.getInt32(0, true)}, tz_dsttime=${v.getInt32(4, true)}}`;
}

/** struct sigevent; the thread is SIGEV_THREAD_ID's. */
export const SIGEVENT = layout(64, {
  sigev_value: u64(0),
  sigev_signo: i32(8),
  sigev_notify: oneOf(12, SIGEV),
  sigev_notify_thread_id: i32(16),
});
export function sigeventText(m: UserMemory, address: number): string | null {
  const v = m.viewIn(address, 64);
  if (v === null) return null;
  const value = v.getBigUint64(0, true);
  const notify = v.getInt32(12, true);
  let out = '{';
  if (value !== 0n) out += `sigev_value={sival_int=${v.getInt32(0, true)}, sival_ptr=${addrText(value)}}, `;
  const signo = v.getInt32(8, true);
  const named = notify === 0 || notify === 2 || notify === 4;
  out += `sigev_signo=${named ? signalName(signo) : signo}, sigev_notify=${enumText(notify, SIGEV, 'SIGEV_???')}`;
  if (notify === 4) out += `, sigev_notify_thread_id=${v.getInt32(16, true)}`;
  return `${out}}`;
}

/** The time left is written only when a signal ended a relative sleep. */
export const remainder = (i: number, flagsArg: number | null) =>
  special(
    'rem',
    (t, a, _i, ret) => {
      if (a.ptr(i) === 0) return 'NULL';
      const absolute = flagsArg !== null && (a.i32(flagsArg) & 1) !== 0;
      const written = ret === -ERESTART_RESTARTBLOCK && !absolute;
      return (written ? timespecText(t, a.ptr(i)) : null) ?? addrText(a.ptr(i));
    },
    { out: true },
  );

/** `1795232891 (2026-11-21T03:48:11+0000)`'s second half. */
export function dateText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, '+0000');
}

export const timePointer = special(
  'tloc',
  (t, a, _i, ret) => {
    if (a.ptr(0) === 0) return 'NULL';
    const v = ret === null || ret < 0 ? null : t.mm.u64(a.ptr(0));
    return v === null ? addrText(a.ptr(0)) : `[${v} /* ${dateText(Number(v))} */]`;
  },
  { out: true },
);

export function timexText(m: UserMemory, address: number): string | null {
  const v = m.viewIn(address, 208);
  if (v === null) return null;
  const long = (at: number): bigint => v.getBigInt64(at, true);
  const status = v.getInt32(40, true);
  return (
    `{modes=${v.getUint32(0, true)}, offset=${long(8)}, freq=${long(16)}, maxerror=${long(24)}, esterror=${long(32)}, ` +
    `status=${status === 0x40 ? 'STA_UNSYNC' : status}, constant=${long(48)}, precision=${long(56)}, ` +
    `tolerance=${long(64)}, time={tv_sec=${long(72)}, tv_usec=${long(80)}}, tick=${long(88)}, ppsfreq=${long(96)}, ` +
    `jitter=${long(104)}, shift=${v.getInt32(112, true)}, stabil=${long(120)}, jitcnt=${long(128)}, ` +
    `calcnt=${long(136)}, errcnt=${long(144)}, stbcnt=${long(152)}, tai=${v.getInt32(160, true)}}`
  );
}

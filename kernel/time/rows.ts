/** Rows of the time system calls. */
import { defineSyscalls, FULL, partial } from '../syscall/define.ts';
import { enumOf, flags, int, intPtr, struct, timespec, timeval, uint } from '../trace/args.ts';
import { ITIMERSPEC, ITIMERVAL, structure } from '../trace/layout.ts';
import { CLOCKS } from '../trace/tables.ts';
import {
  adjtimex, clock_adjtime, clock_getres, clock_gettime, clock_nanosleep, clock_settime, gettimeofday, nanosleep,
  settimeofday, time,
} from './syscalls-clock.ts'; // prettier-ignore
import {
  alarm, getitimer, setitimer, timer_create, timer_delete, timer_getoverrun, timer_gettime, timer_settime,
} from './syscalls-timer.ts'; // prettier-ignore
import {
  ITIMERS, SIGEVENT, TIMER_FLAGS, TIMEZONE, dateText, itimerspecText, itimervalText, remainder, sigeventText, timePointer, timexText, timezoneText,
} from './trace.ts'; // prettier-ignore

const clockid = enumOf('clockid', CLOCKS, 'CLOCK_???');
const READ_ONLY = partial('reading only: changes are refused with EPERM');

export const timeRows = defineSyscalls({
  nanosleep: {
    x86_64: 35, aarch64: 101, run: nanosleep, ret: 'int', support: FULL, blocks: true,
    args: [timespec('req'), remainder(1, null)],
  },
  clock_nanosleep: {
    x86_64: 230, aarch64: 115, run: clock_nanosleep, ret: 'int', blocks: true,
    support: partial('not on CPU-time clocks'),
    args: [clockid, flags('flags', TIMER_FLAGS, 'TIMER_???'), timespec('req'), remainder(3, 1)],
  },
  clock_gettime: {
    x86_64: 228, aarch64: 113, run: clock_gettime, ret: 'int', support: FULL,
    args: [clockid, timespec('tp', { out: true })],
  },
  clock_settime: {
    x86_64: 227, aarch64: 112, run: clock_settime, ret: 'int', support: FULL, args: [clockid, timespec('tp')],
  },
  clock_getres: {
    x86_64: 229, aarch64: 114, run: clock_getres, ret: 'int', support: FULL,
    args: [clockid, timespec('res', { out: true })],
  },
  clock_adjtime: {
    x86_64: 305, aarch64: 266, run: clock_adjtime, ret: 'int', support: READ_ONLY,
    args: [clockid, struct('buf', timexText, { out: true })], aux: timeState,
  },
  adjtimex: {
    x86_64: 159, aarch64: 171, run: adjtimex, ret: 'int', support: READ_ONLY,
    args: [struct('buf', timexText, { out: true })], aux: timeState,
  },
  gettimeofday: {
    x86_64: 96, aarch64: 169, run: gettimeofday, ret: 'int', support: FULL,
    args: [timeval('tv', { out: true }), structure('tz', timezoneText, TIMEZONE, { out: true })],
  },
  settimeofday: {
    x86_64: 164, aarch64: 170, run: settimeofday, ret: 'int', support: FULL,
    args: [timeval('tv'), structure('tz', timezoneText, TIMEZONE)],
  },
  time: {
    x86_64: 201, aarch64: null, run: time, ret: 'int', support: FULL, args: [timePointer],
    aux: (_t, _a, ret) => (ret >= 0 ? dateText(ret) : null),
  },
  alarm: { x86_64: 37, aarch64: null, run: alarm, ret: 'int', support: FULL, args: [uint('seconds')] },
  getitimer: {
    x86_64: 36, aarch64: 102, run: getitimer, ret: 'int', support: FULL,
    args: [enumOf('which', ITIMERS, 'ITIMER_???'), structure('curr_value', itimervalText, ITIMERVAL, { out: true })],
  },
  setitimer: {
    x86_64: 38, aarch64: 103, run: setitimer, ret: 'int', support: FULL,
    args: [
      enumOf('which', ITIMERS, 'ITIMER_???'), structure('new_value', itimervalText, ITIMERVAL),
      structure('old_value', itimervalText, ITIMERVAL, { out: true }),
    ],
  },
  timer_create: {
    x86_64: 222, aarch64: 107, run: timer_create, ret: 'int', support: FULL,
    args: [clockid, structure('sevp', sigeventText, SIGEVENT), intPtr('timerid', { out: true })],
  },
  timer_settime: {
    x86_64: 223, aarch64: 110, run: timer_settime, ret: 'int', support: FULL,
    args: [
      int('timerid'), flags('flags', TIMER_FLAGS, 'TIMER_???'), structure('new_value', itimerspecText, ITIMERSPEC),
      structure('old_value', itimerspecText, ITIMERSPEC, { out: true }),
    ],
  },
  timer_gettime: {
    x86_64: 224, aarch64: 108, run: timer_gettime, ret: 'int', support: FULL,
    args: [int('timerid'), structure('curr_value', itimerspecText, ITIMERSPEC, { out: true })],
  },
  timer_getoverrun: {
    x86_64: 225, aarch64: 109, run: timer_getoverrun, ret: 'int', support: FULL, args: [int('timerid')],
  },
  timer_delete: {
    x86_64: 226, aarch64: 111, run: timer_delete, ret: 'int', support: FULL, args: [int('timerid')],
  },
}); // prettier-ignore

function timeState(_t: unknown, _a: unknown, ret: number): string | null {
  return ret === 5 ? 'TIME_ERROR' : null;
}

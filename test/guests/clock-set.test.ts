/** Setting CLOCK_REALTIME: only here, as natively it would be this machine's. */
import { describe, expect, it } from 'vitest';
import { guestPath } from '../support/guests.ts';
import { runRing3 } from '../support/run.ts';

const EXPECTED = `\
timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL) = 0
timerfd_settime(cancelled, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &it, NULL) = 0
clock_settime(CLOCK_REALTIME, &t) = 0
ok: now(CLOCK_MONOTONIC).tv_sec - monotonic.tv_sec < 500
ok: now(CLOCK_REALTIME).tv_sec - t.tv_sec < 500
ok: (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 299
until 0, futex 110, condition 110, for 0
read(fd, &n, 8) = 8
read(cancelled, &n, 8) = -1 errno 125
expired 1, signals 1
left 0
clock_settime(CLOCK_REALTIME, &t) = 0
ok: left.it_value.tv_sec > 4000 && left.it_value.tv_sec <= 5001
ok: tv.tv_sec - t.tv_sec < 500
settimeofday(&tv, NULL) = 0
clock_settime(CLOCK_MONOTONIC, &t) = -1 errno 22
clock_settime(CLOCK_TAI, &t) = -1 errno 22
clock_settime(CLOCK_REALTIME, &t) = -1 errno 22
clock_settime(CLOCK_REALTIME, &t) = -1 errno 22
`;

describe.each(['x86_64', 'aarch64'])('setting the clock, %s', (arch) => {
  const guest = guestPath('clock-set', arch);

  it.skipIf(!guest).each([{ options: [] }, { options: ['--seed', '7'] }])(
    'wakes who waits for a moment, not who waits for a time $options',
    async ({ options }) => {
      const ring3 = await runRing3(guest!, [], { ring3: options });
      expect(ring3).toEqual({ stdout: EXPECTED, stderr: '', status: 0 });
    },
  );
});

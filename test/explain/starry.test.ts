/** ZLMediaKit's poller on StarryOS: the first line of the explanation is the cause of its hang. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LivelockError, Machine } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';

const poller = guestPath('poller');

async function cause(personality: string): Promise<string> {
  const m = await Machine.boot({
    program: readFileSync(poller!), argv: ['poller'], personality, seed: 1, cpu: 'interp', livelock: 5000,
  }); // prettier-ignore
  const e: unknown = await m.run().then(
    (status) => status,
    (error: unknown) => error,
  );
  m.dispose();
  if (!(e instanceof LivelockError)) throw new Error(`${personality} ended: ${JSON.stringify(e)}`);
  return e.explanation.cause;
}

describe.skipIf(poller === null)('the poller', () => {
  it('before 2024-07: sem_wait asks for futex 393 again and again', async () => {
    expect(await cause('starry@2024-05')).toMatch(
      /^livelock: 1000 \(program\) repeats futex\(0x[0-9a-f]+, FUTEX_WAIT_BITSET_PRIVATE\|FUTEX_CLOCK_REALTIME, 0, NULL, FUTEX_BITSET_MATCH_ANY\) = -1 EINVAL \(Invalid argument\) \(\d+ times in .*\); .* could run and do not get to$/,
    );
  });

  it('later: EPOLL_CTL_DEL without an event fails, epoll_wait reports it again, and the others starve', async () => {
    expect(await cause('starry')).toMatch(
      /^livelock: (\d+) \(program\) repeats epoll_ctl\(3, EPOLL_CTL_DEL, 6, NULL\) = -1 EFAULT \(Bad address\), epoll_wait\(3, \[\{events=EPOLLIN, data=\{u32=6, u64=6\}\}\], 1024, -1\) = 1 \(\d+ times in .*\); \d+ \(program\) and \d+ \(program\) could run and do not get to$/,
    );
  });

  it('on Linux runs to its end', async () => {
    await expect(cause('linux')).rejects.toThrow('linux ended: {"code":0');
  });
});

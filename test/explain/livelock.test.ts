/** Programs that run and get nowhere, and those that only look so. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LivelockError, Machine } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';

const hangs = guestPath('hangs');
const boot = (how: string, livelock?: number) =>
  Machine.boot({
    program: readFileSync(hangs!), argv: ['hangs', how], seed: 1, cpu: 'interp', ...(livelock ? { livelock } : {}),
  }); // prettier-ignore

async function livelockOf(how: string): Promise<LivelockError> {
  const m = await boot(how, 5000);
  const e: unknown = await m.run().then(
    (status) => status,
    (error: unknown) => error,
  );
  m.dispose();
  if (!(e instanceof LivelockError)) throw new Error(`no livelock: ${JSON.stringify(e)}`);
  return e;
}

describe.skipIf(hangs === null)('a livelock', () => {
  it('is the same failing call over and over: the cause names it', async () => {
    const { explanation } = await livelockOf('retry');
    expect(explanation.verdict).toBe('livelock');
    expect(explanation.cause).toMatch(
      /^livelock: 1001 \(program\) repeats futex\(0x[0-9a-f]+, 0xcd .*\) = -1 ENOSYS \(Function not implemented\), clock_gettime\(.*\) = 0 \(\d+ times in .*\)$/,
    );
    expect(explanation.involved).toEqual([1001]);
    const [loop] = explanation.livelock!.loops;
    expect(loop.round).toHaveLength(2);
    expect(loop.rounds).toBeGreaterThan(2000);
    expect(loop.instructions).toBeLessThan(200);
  });

  it('is an event that is reported and never taken', async () => {
    const { explanation } = await livelockOf('event-loop');
    expect(explanation.livelock!.loops[0].round).toEqual([
      'epoll_ctl(3, EPOLL_CTL_DEL, 999, NULL) = -1 EBADF (Bad file descriptor)',
      'epoll_wait(3, [{events=EPOLLIN, data={u32=0, u64=0}}], 1, -1) = 1',
    ]);
  });

  it('is not many calls that move bytes', async () => {
    const m = await boot('busy', 1000);
    expect(await m.run()).toMatchObject({ code: 0 });
  });

  it('is found from outside while the machine runs', async () => {
    const m = await boot('event-loop');
    expect(m.explain().livelock).toBe(null);
    const run = m.run();
    await new Promise((resolve) => setTimeout(resolve, 1));
    let e = m.explainBusy(1000);
    for (let i = 0; i < 50 && e.verdict !== 'livelock'; i++) e = m.explainBusy(1000);
    expect(e.cause).toMatch(/^livelock: 1000 \(program\) repeats epoll_ctl/);
    m.stop();
    await expect(run).rejects.toThrow('the machine was stopped');
  });
});

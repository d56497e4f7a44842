/** ZLMediaKit's poller pattern on Linux, and hanging on StarryOS in the two ways its logs show. */
import { expect, it } from 'vitest';
import { type BootOptions, Machine, StoppedError } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';

const DONE = 'poller started\nTCP server listening on [::]: 554\nserved\n';

/** Runs until `limit` calls were made; the last ones, arguments and results. */
async function run(options: BootOptions, limit: number): Promise<{ out: string; calls: string[] }> {
  const m = await Machine.boot({ seed: 1, ...options });
  const calls: string[] = [];
  let n = 0;
  m.on('syscall', (e) => {
    if (e.type !== 'exit') return;
    calls.push(`${e.tid} ${e.text}`);
    if (calls.length > 40) calls.shift();
    if (++n === limit) m.stop();
  });
  await m.run().catch((e: unknown) => {
    if (!(e instanceof StoppedError)) throw e;
  });
  const out = m.stdout;
  m.dispose();
  return { out, calls };
}

/** StarryOS has a number for rseq(2) on x86_64 only: on aarch64 glibc's attempt is a panic before main. */
const SET_ENV = { GLIBC_TUNABLES: 'glibc.pthread.rseq=0' };

const tail = (calls: readonly string[], n: number): string[] => calls.slice(-n).sort();

for (const arch of ['x86_64', 'aarch64']) {
  const program = guestPath('poller', arch);
  if (!program) console.log(`Left out: the poller on ${arch}: it is not built here`);
  it.skipIf(!program)(
    `${arch}: ZLMediaKit's poller ends on linux, and with preemption on starry`,
    async () => {
      expect((await run({ program: program! }, 1e9)).out).toBe(DONE);
      const mended = await run(
        { program: program!, personality: 'starry', noQuirks: ['no-preemption'], setEnv: SET_ENV },
        1e9,
      );
      expect(mended.out).toBe(DONE);
    },
  );

  it.skipIf(!program)(`${arch}: before 2024-07-07 futex 393 is EINVAL for ever`, async () => {
    const { out, calls } = await run(
      { program: program!, personality: 'starry@2024-07', setEnv: SET_ENV },
      600,
    );
    expect(out).toBe('');
    expect(calls).toHaveLength(40);
    expect(new Set(calls).size).toBe(1);
    expect(calls[0]).toMatch(
      /^1000 futex\(0x[0-9a-f]+, FUTEX_WAIT_BITSET_PRIVATE\|FUTEX_CLOCK_REALTIME, 0, NULL, FUTEX_BITSET_MATCH_ANY\) = -1 EINVAL/,
    );
  });

  it.skipIf(!program)(`${arch}: then EPOLL_CTL_DEL with NULL is EFAULT and starves the others`, async () => {
    const { out, calls } = await run({ program: program!, personality: 'starry', setEnv: SET_ENV }, 600);
    expect(out).toBe('poller started\nTCP server listening on [::]: 554\n');
    const [del, wait] = tail(calls, 2);
    expect(del).toMatch(/^1003 epoll_ctl\(3, EPOLL_CTL_DEL, 6, NULL\) = -1 EFAULT/);
    expect(wait).toMatch(
      /^1003 epoll_p?wait\(3, \[\{events=EPOLLIN, data=\{u32=6, u64=6\}\}\], 1024, -1(, NULL, 8)?\) = 1$/,
    );
    expect(new Set(calls)).toEqual(new Set([del, wait]));
  });
}

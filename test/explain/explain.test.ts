/** What the machine says of programs that hang: the cause in the first line, and as data. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DeadlockError, explanationText, Machine, type Explanation } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';

async function hang(how: string, path: string): Promise<Explanation> {
  const m = await Machine.boot({ program: readFileSync(path), argv: ['hangs', how], seed: 1, cpu: 'interp' });
  const e: unknown = await m.run().then(
    (status) => status,
    (error: unknown) => error,
  );
  m.dispose();
  if (!(e instanceof DeadlockError)) throw new Error(`${how} did not deadlock: ${JSON.stringify(e)}`);
  expect(e.message).toBe(explanationText(e.explanation).trimEnd());
  return e.explanation;
}

const MUTEX = /^deadlock: 1001 \(\S+\) and 1002 \(\S+\) wait for each other: 1001 for the mutex at 0x[0-9a-f]+ \(pears(\+0x4)?\), which 1002 holds; 1002 for the mutex at 0x[0-9a-f]+ \(apples(\+0x4)?\), which 1001 holds$/; // prettier-ignore

const CAUSES: readonly (readonly [how: string, cause: RegExp, libcs: readonly string[]])[] = [
  ['circle', MUTEX, ['glibc']],
  ['circle', /^deadlock: nobody is left who could unlock what others sleep on: 1001 \(\S+\) on the lock at 0x[0-9a-f]+ \(pears\+0x4\) and 1002 \(\S+\) on the lock at 0x[0-9a-f]+ \(apples\+0x4\) \(these locks do not say who holds them\); 1 more waits in vain with them$/, ['musl']],
  ['circle-robust', MUTEX, ['glibc', 'musl']],
  ['circle-pi', MUTEX, ['glibc']],
  ['circle-checked', MUTEX, ['glibc', 'musl']],
  ['signal-too-early', /^lost wakeup: 1001 \(\S+\) sleeps on the futex at 0x[0-9a-f]+.*, and nobody is left who could wake it: .*; 1 more waits in vain with it$/, ['glibc', 'musl']],
  ['forgotten-wake', /^lost wakeup: the futex at 0x[0-9a-f]+ \(word\) holds 1, 1001 \(\S+\) went to sleep when it held 0, and nobody who could wake it can run any more/, ['glibc', 'musl']],
  ['own-pipe', /^deadlock: 1000 \(\S+\) waits for itself: for data on pipe:\[\d+\] \(fd 3\), whose other end only it holds \(fd 4\)$/, ['glibc']],
  ['full-pipe', /^deadlock: 1000 \(\S+\) and 1001 \(\S+\) wait for each other: 1000 for the end of process 1001; 1001 for room in pipe:\[\d+\] \(fd 4\), which only 1000 could make ready$/, ['glibc']],
  ['epoll', /^deadlock: 1000 \(\S+\) waits for an event of anon_inode:\[eventfd\], pipe:\[\d+\] and pipe:\[\d+\] \(epoll fd 3\), and nobody is left who could make one happen$/, ['glibc']],
  ['file-locks', /^deadlock: 1000 \(\S+\) and 1001 \(\S+\) wait for each other: 1000 for a lock on \/tmp\/b.lock, which 1001 holds; 1001 for a lock on \/tmp\/a.lock, which 1000/, ['glibc']],
  ['own-lock', /^deadlock: 1000 \(\S+\) waits for itself: for the mutex at 0x[0-9a-f]+ \(apples\), which it holds already$/, ['glibc']],
  ['gone', /^deadlock: 1000 \(\S+\) waits for the mutex at 0x[0-9a-f]+ \(pears\), which 1001 held when it ended: nobody is left who could unlock it$/, ['glibc']],
  ['own-file', /^deadlock: 1000 \(\S+\) waits for itself: for a lock on \/tmp\/a.lock, which it holds already, through another descriptor$/, ['glibc']],
  ['semaphore', /^deadlock: 1000 \(\S+\) waits for System V semaphores 0, and nobody is left who could raise them$/, ['glibc']],
  ['message', /^deadlock: 1000 \(\S+\) waits for a message in System V queue 0, and nobody is left who could send one$/, ['glibc']],
  ['fifo', /^deadlock: 1000 \(\S+\) waits for somebody to open the other end of fifo:\[\d+\], and nobody is left who could do so$/, ['glibc']],
]; // prettier-ignore

const rows = ['x86_64', 'aarch64'].flatMap((arch) =>
  CAUSES.flatMap(([how, cause, libcs]) =>
    libcs.map((libc) => ({ arch, how, cause, libc, path: guestPath(libc === 'musl' ? 'hangs-musl' : 'hangs', arch) })),
  ),
); // prettier-ignore
const there = rows.filter((r) => r.path !== null);
if (there.length < rows.length) console.log('Left out: some hanging guests: not built here');

describe('a program that hangs', () => {
  it.each(there)('$how ($libc, $arch): the first line is the cause', async ({ how, cause, path }) => {
    expect((await hang(how, path!)).cause).toMatch(cause);
  });
});

const hangs = guestPath('hangs');
describe.skipIf(hangs === null)('an explanation', () => {
  it('has the futex, its value and its owner', async () => {
    const e = await hang('circle', hangs!);
    expect(e.verdict).toBe('deadlock');
    expect(e.involved).toEqual([1001, 1002]);
    const waits = e.tasks.map((t) => t.waits[0]);
    expect(waits[0]).toMatchObject({ type: 'futex', endOf: 1001, expected: 1001, value: 1001, owner: null });
    expect(waits[1]).toMatchObject({ type: 'futex', symbol: 'pears', value: 2, expected: 2, owner: { tid: 1002, how: 'glibc' } }); // prettier-ignore
    expect(e.tasks[1].wakers).toEqual([{ tid: 1002, by: 'unlock it' }]);
    expect(e.tasks[1].call).toMatchObject({ name: 'futex', nr: 202 });
    expect(structuredClone(e)).toEqual(e);
  });

  it('has the members of an epoll set and why none is ready', async () => {
    const [task] = (await hang('epoll', hangs!)).tasks;
    expect(task.waits).toMatchObject([
      {
        type: 'epoll',
        fd: 3,
        members: [
          { fd: 4, kind: 'eventfd', wants: 'POLLIN', ready: false, why: 'its counter is 0' },
          { fd: 5, kind: 'pipe', wants: 'POLLIN', ready: false, holders: [{ pid: 1000, fd: 6 }] },
          { fd: 6, ready: false, why: 'it is disabled until EPOLL_CTL_MOD (EPOLLONESHOT)' },
        ],
      },
    ]);
    expect(task.complete).toBe(true);
    expect(task.wakers).toEqual([]);
  });

  it('of a machine that waits for nothing wrong says what it waits for', async () => {
    const m = await Machine.boot({
      program: readFileSync(hangs!),
      argv: ['hangs', 'forgotten-wake'],
      seed: 1,
    });
    let e = await m.step();
    while (!(e.type === 'enter' && /nanosleep/.test(e.name))) e = await m.step();
    expect(m.explain()).toMatchObject({ verdict: 'running', involved: [1000, 1001] });
    m.dispose();
  });

  it('writes names as people do, whatever bytes they are', async () => {
    const m = await Machine.boot({
      program: readFileSync(hangs!),
      path: '/größe',
      argv: ['größe', 'busy'],
      seed: 1,
    });
    await m.step();
    expect(m.tasks[0].name).toBe('größe');
    expect(m.tasks[0].waiting).toMatch(/^1000 \(größe\) /);
    expect(explanationText(m.explain())).toMatch(/^ {2}1000 \(größe\) /m);
    m.dispose();
  });

  it('of one that has ended has no task to tell of', async () => {
    const m = await Machine.boot({ program: readFileSync(hangs!), argv: ['hangs', 'busy'], seed: 1 });
    await m.run();
    expect(m.explain().tasks).toEqual([]);
  });
});

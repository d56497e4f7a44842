/** Much at once: connections, descriptors, threads and processes inside of the guest, as natively; clients by the thousand. */
import { spawnSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { guestPath, nativeReason } from '../support/guests.ts';
import { runNative, runRing3 } from '../support/run.ts';
import { serve } from '../support/server.ts';

const DESCRIPTORS = 10_000;
const CLIENTS = 1000;

const EXPECTED: readonly (readonly [mode: string, n: number, stdout: string])[] = [
  ['connections', 1000, '1000 connected, 1000 answered\n1000 ended, the server had 1000 at once, status 0\n'],
  [
    'fds',
    DESCRIPTORS,
    `errno 24 at the limit, ${DESCRIPTORS} open, the last is the highest possible: 1
0 in /proc/self/fd besides
written 1 as epoll 1, poll 1 and select 1 say; all as they should: 1
child: exit 5
3 left
`,
  ],
  ['threads', 256, '256 threads, 12800 steps, turns left 0\n256 joined\n'],
  [
    'processes',
    200,
    '200 processes, sum of their numbers 19900\n200 ended as they should; another: waitpid(-1, NULL, 0) = -1 errno 10\n',
  ],
];

/** Descriptors a process of this host may have. */
const most = Number(spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'latin1' }).stdout) || Infinity;
const x86 = guestPath('load');

describe.skipIf(x86 === null || nativeReason() !== null)('natively', () => {
  if (most < DESCRIPTORS) console.log(`Left out: many descriptors natively: the host allows ${most}`);
  it.each(EXPECTED.filter(([, n]) => n <= most))('%s %d', async (mode, n, stdout) => {
    expect(await runNative(x86!, [mode, `${n}`])).toMatchObject({ stdout, status: 0 });
  });
});

describe.each(['x86_64', 'aarch64'])('%s', (arch) => {
  const load = guestPath('load', arch);
  if (!load) console.log(`Left out: much at once on ${arch}: no compiler for it here`);

  it.skipIf(!load).each(EXPECTED)('%s %d', async (mode, n, stdout) => {
    expect(await runRing3(load!, [mode, `${n}`])).toEqual({ stdout, stderr: '', status: 0 });
  });

  // Both ends of each are in this process.
  const room = most > 2 * CLIENTS + 200;
  if (!room) console.log(`Left out: ${CLIENTS} clients at once: the host allows ${most} descriptors`);
  it.skipIf(!load || !room)(`${CLIENTS} clients of a published port, all there at once`, async () => {
    const { machine, run, port } = await serve(load!, 7000, { argv: [load!, 'serve', '7000'] });
    const clients: Socket[] = [];
    const lines = new Map<Socket, (line: string) => void>();
    const ask = (s: Socket, text: string): Promise<string> =>
      new Promise((resolve) => {
        lines.set(s, resolve);
        s.write(text);
      });
    await Promise.all(
      Array.from(
        { length: CLIENTS },
        () =>
          new Promise<void>((resolve, reject) => {
            const s = connect(port, '127.0.0.1', resolve);
            s.on('error', reject);
            let got = '';
            s.on('data', (d: Buffer) => {
              got += d.toString('latin1');
              if (!got.endsWith('\n')) return;
              lines.get(s)!(got);
              got = '';
            });
            clients.push(s);
          }),
      ),
    );
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(clients.map((s, i) => ask(s, `${i} in round ${round}\n`)));
      expect(answers).toEqual(clients.map((_, i) => `${i} in round ${round}\n`));
    }
    expect(await ask(clients[0], '!state')).toBe(`${CLIENTS} clients, 0 descriptors besides\n`);
    const rest = clients.slice(1);
    await Promise.all(
      rest.map(
        (s) =>
          new Promise((resolve) => {
            s.once('close', resolve);
            s.end();
          }),
      ),
    );
    expect(await ask(clients[0], '!state')).toBe('1 clients, 0 descriptors besides\n');
    clients[0].end('!quit');
    await run;
    expect(machine.stdout).toBe(`listening\nserved ${CLIENTS}\n`);
    machine.dispose();
  });
});

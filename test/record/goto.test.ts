/** A replay is at each of its events what it was there the first time, from wherever one goes to it. */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { type BootOptions, Machine, MemoryRecording, Timeline } from '../../src/index.ts';
import { SeededEntropy } from '../../src/host/entropy.ts';
import { guestPath } from '../support/guests.ts';

const busybox = existsSync('/usr/bin/busybox') ? '/usr/bin/busybox' : null;

const look = (m: Machine): unknown => {
  const tasks = m.tasks.map((t) => [t.tid, t.waiting, t.instructions, m.regs(t.tid)]);
  return [m.position, m.stats.instructions, m.time, m.stdout, m.status, m.status === null ? tasks : []];
};

async function ask(port: number, text: string): Promise<string> {
  return await new Promise((resolve) => {
    let got = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(text));
    socket.on('data', (b) => void (got += b.toString()));
    socket.on('close', () => resolve(got));
    socket.on('error', (e) => resolve(e.message));
  });
}

async function same(
  options: BootOptions,
  meanwhile: (m: Machine) => Promise<void>,
  gotos: number,
): Promise<void> {
  const recording = new MemoryRecording();
  const m = await Machine.boot({ ...options, record: recording });
  await Promise.all([m.run(), meanwhile(m)]);
  const end = m.position;
  m.dispose();
  const random = new SeededEntropy('goto');
  const places = Array.from({ length: gotos }, () => 1 + random.below(end));
  const straight = await Machine.replay(recording);
  const seen = new Map<number, unknown>();
  for (const n of [...places].sort((a, b) => a - b)) {
    await straight.runTo(n);
    seen.set(n, look(straight));
  }
  straight.dispose();
  const replay = await Machine.replay(recording);
  const timeline = new Timeline(replay);
  for (const n of places) {
    await timeline.goto(n);
    expect(look(replay), `event ${n} of ${end}`).toEqual(seen.get(n));
  }
  expect(await timeline.goto(Infinity)).toBe(end);
  replay.dispose();
}

it.skipIf(busybox === null)('with clients and signals', async () => {
  await same(
    {
      program: busybox!,
      argv: ['sh', '-c', `trap 'echo told' USR1; busybox nc -ll -p 700 -e busybox tr a-z A-Z & wait; wait; echo end`],
      publish: [{ hostPort: 0, guestPort: 700 }],
      files: { '/bin/busybox': { mode: 0o755, data: await import('node:fs').then((fs) => fs.readFileSync(busybox!)) } },
      setEnv: { PATH: '/bin' },
    },
    async (m) => {
      expect(await ask(m.ports[0], 'first')).toBe('FIRST');
      m.kill('SIGUSR1');
      expect(await ask(m.ports[0], 'second')).toBe('SECOND');
      m.kill('SIGTERM');
    },
    25,
  ); // prettier-ignore
});

it.each(['threads-musl', 'signals-musl'])('with %s', async (name) => {
  await same({ program: guestPath(name)! }, async () => {}, 25);
});

/** What was recorded runs again: the same trace, output and end, with nothing of the host. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type BootOptions, DeadlockError, DivergenceError, Machine, MemoryRecording, type Recording, RecordingEndError, Timeline,
} from '../../src/index.ts'; // prettier-ignore
import { SeededEntropy } from '../../src/host/entropy.ts';
import { guestPath } from '../support/guests.ts';
import { withFolder } from '../support/run.ts';
import { ScriptedTerminal } from '../support/terminal.ts';
import { type Ran, state, tracing } from './ran.ts';

/** Runs and records; `meanwhile` is whoever is outside. */
async function record(
  options: BootOptions,
  meanwhile: (m: Machine) => Promise<void> | void = () => {},
): Promise<{ recording: MemoryRecording; ran: Ran }> {
  const recording = new MemoryRecording();
  const { tracer, text } = tracing();
  const m = await Machine.boot({ ...options, record: recording, tracer });
  const [end] = await Promise.allSettled([m.run(), meanwhile(m)]);
  if (end.status === 'rejected' && !(end.reason instanceof DeadlockError)) throw end.reason;
  const ran = state(m, text());
  m.dispose();
  return { recording, ran };
}

async function replay(recording: Recording, cpu = 'jit'): Promise<Ran> {
  const { tracer, text } = tracing();
  const m = await Machine.replay(recording, { tracer, cpu });
  await m.run();
  const ran = state(m, text());
  m.dispose();
  return ran;
}

const busybox = existsSync('/usr/bin/busybox') ? '/usr/bin/busybox' : null;
const shell = (script: string): Pick<BootOptions, 'program' | 'argv'> => ({
  program: busybox!,
  argv: ['sh', '-c', script],
});

describe('a replay', () => {
  it.each(['hello', 'racy-musl', 'threads-musl', 'signals-musl', 'fork-shm-musl'])(
    'of %s is the run again, interpreted and compiled',
    async (name) => {
      const { recording, ran } = await record({ program: guestPath(name)! });
      expect(ran.position).toBeGreaterThan(3);
      expect(recording.end).toEqual({ events: ran.position, rounds: ran.rounds, reason: 'exited' });
      expect(await replay(recording, 'interp')).toEqual(ran);
      expect(await replay(recording, 'jit:64:1')).toEqual(ran);
    },
  );

  it('has the input: bytes, pieces that come by and by, the end', async () => {
    const program = guestPath('stdio-musl')!;
    const given = await record({ program, stdin: 'one\ntwo\n' });
    expect(given.ran.stdout).toBe('   1 one\n   2 two\n');
    expect(await replay(given.recording)).toEqual(given.ran);

    async function* pieces(): AsyncGenerator<string> {
      for (const s of ['al', 'pha\nbe', 'ta\n']) {
        await new Promise((r) => setTimeout(r, 5));
        yield s;
      }
    }
    const slow = await record({ program, stdin: pieces() });
    expect(slow.ran.stdout).toBe('   1 alpha\n   2 beta\n');
    expect(await replay(slow.recording)).toEqual(slow.ran);
  });

  it('is the machine that was given: variables, files, user, limits', async () => {
    if (!busybox) return;
    const { recording, ran } = await record({
      ...shell('env; cat /etc/note; id; uname -n; date; echo $RANDOM; exit 7'),
      setEnv: { COLOUR: 'green' },
      files: { '/etc/note': 'a note\n', '/etc/bytes': new Uint8Array([255, 0]) },
      uid: 1000, gid: 100, hostname: 'box',
    }); // prettier-ignore
    expect(ran.status).toBe(7);
    expect(ran.stdout).toMatch(/COLOUR=green[^]*a note\nuid=1000[^]*box\n/);
    expect(await replay(recording)).toEqual(ran);
  });

  it('has the folders, which need not be there any more', async () => {
    if (!busybox) return;
    await withFolder(async (dir) => {
      mkdirSync(join(dir, 'sub'));
      writeFileSync(join(dir, 'sub/a'), 'contents\n'.repeat(5000));
      const { recording, ran } = await record({
        ...shell('cd /data; ls -la; cat sub/a | wc; echo new > b; mv b c; ln -s c d; rm -r sub; ls nothing; stat -c %s c'),
        mounts: [{ host: dir, guest: '/data' }],
      }); // prettier-ignore
      expect(ran.stdout).toContain('5000      5000     45000');
      expect(readdirSync(dir).sort()).toEqual(['c', 'd']);
      rmSync(dir, { recursive: true });
      expect(await replay(recording)).toEqual(ran);
      expect(existsSync(dir)).toBe(false);
    });
  });

  it('has contents that were read again only once, also when it goes back', async () => {
    if (!busybox) return;
    await withFolder(async (dir) => {
      const random = new SeededEntropy('contents');
      const content = (): Uint8Array => Uint8Array.from({ length: 300_000 }, () => random.below(256));
      writeFileSync(join(dir, 'a'), content());
      writeFileSync(join(dir, 'b'), content());
      const { recording, ran } = await record({
        ...shell('cd /data; cat a b | md5sum; cat a b | md5sum; cp a c; cat c b | md5sum; tail -c 100 b | md5sum'),
        mounts: [{ host: dir, guest: '/data' }],
      }); // prettier-ignore
      let size = 0;
      for (let i = 0, block; (block = recording.block(i)) !== null; i++) size += block.length;
      expect(size).toBeGreaterThan(600_000);
      expect(size).toBeLessThan(900_000);
      const again = await Machine.replay(recording);
      const timeline = new Timeline(again);
      for (const n of [ran.position, 40, Math.floor(ran.position / 2), ran.position, 10, ran.position - 1])
        await timeline.goto(n);
      await timeline.goto(Infinity);
      expect([again.stdout, again.position, again.stats.instructions]).toEqual([
        ran.stdout,
        ran.position,
        ran.instructions,
      ]);
      again.dispose();
    });
  });

  it('has the root folder', async () => {
    if (!busybox) return;
    await withFolder(async (dir) => {
      for (const d of ['bin', 'etc']) mkdirSync(join(dir, d));
      writeFileSync(join(dir, 'etc/greeting'), 'from the root\n');
      const cp = await import('node:fs/promises');
      await cp.copyFile(busybox, join(dir, 'bin/busybox'));
      await cp.chmod(join(dir, 'bin/busybox'), 0o755);
      const { recording, ran } = await record({
        program: 'busybox',
        argv: ['sh', '-c', 'busybox cat /etc/greeting; busybox ls -i / /bin; echo x > /etc/greeting; busybox cat /etc/greeting'],
        root: dir,
      }); // prettier-ignore
      expect(ran.stdout).toMatch(/^from the root\n[^]*x\n$/);
      rmSync(join(dir, 'bin'), { recursive: true });
      expect(await replay(recording)).toEqual(ran);
    });
  });

  it('has the clients of its ports', async () => {
    if (!busybox) return;
    const said: string[] = [];
    const { recording, ran } = await record(
      {
        program: busybox,
        argv: ['nc', '-ll', '-p', '700', '-e', busybox, 'tr', 'a-z', 'A-Z'],
        publish: [{ hostPort: 0, guestPort: 700 }],
      },
      async (m) => {
        for (const text of ['first client', 'and another']) {
          said.push(
            await new Promise<string>((resolve) => {
              let got = '';
              const socket = connect(m.ports[0], '127.0.0.1', () => socket.end(text));
              socket.on('data', (b) => void (got += b.toString()));
              socket.on('close', () => resolve(got));
              socket.on('error', (e) => resolve(e.message));
            }),
          );
        }
        m.kill('SIGTERM');
      },
    );
    expect(said).toEqual(['FIRST CLIENT', 'AND ANOTHER']);
    expect(ran.status).toBe(143);
    expect(await replay(recording)).toEqual(ran);
  });

  it('has what was typed', async () => {
    if (!busybox) return;
    const terminal = new ScriptedTerminal();
    const { recording, ran } = await record(
      { ...shell('trap "echo interrupted" INT; read a; echo got $a; read b; exit 4'), terminal },
      async () => {
        terminal.type('hallo\x7f\x7fo\r');
        await terminal.until('got halo');
        terminal.type('\x03');
        await terminal.until('interrupted');
        terminal.type('\r');
      },
    );
    expect(ran.status).toBe(4);
    let screen = '';
    const m = await Machine.replay(recording, {
      terminal: (bytes) => void (screen += Buffer.from(bytes).toString('latin1')),
    });
    expect((await m.run()).status).toBe(4);
    // The last key may have come when nobody read it any more.
    expect(screen).toContain('got halo\r\n^Cinterrupted');
    expect(terminal.screen.startsWith(screen)).toBe(true);
    m.dispose();
  });

  it('has the signals', async () => {
    if (!busybox) return;
    let seen = '';
    const { recording, ran } = await record(
      {
        ...shell("trap 'echo told' USR1; echo ready; read x; echo $?; read y"),
        stdin: (async function* () {
          await new Promise<void>(() => {});
          yield '';
        })(),
        stdout: (b) => void (seen += Buffer.from(b).toString()),
      },
      async (m) => {
        while (!seen.includes('ready')) await new Promise((r) => setTimeout(r, 2));
        m.kill('SIGUSR1');
        while (!seen.includes('told')) await new Promise((r) => setTimeout(r, 2));
        m.signalForeground(15);
      },
    );
    expect(ran.status).toBe(143);
    const again = await replay(recording);
    expect(again.stdout).toBe(seen);
    expect({ ...again, stdout: '' }).toEqual(ran);
  });

  it('has an output that was full', async () => {
    if (!busybox) return;
    // Takes ten bytes at a time, then none until it is asked again.
    let taken = '';
    let drained = (): void => {};
    const sink = {
      write: () => {},
      closed: false,
      full: false,
      take(bytes: Uint8Array) {
        if (sink.full) return 0;
        const part = Buffer.from(bytes.subarray(0, 10)).toString();
        taken += part;
        sink.full = true;
        setImmediate(() => {
          sink.full = false;
          drained();
        });
        return part.length;
      },
      onDrain: (callback: () => void) => {
        const before = drained;
        drained = () => {
          before();
          callback();
        };
      },
    };
    const { recording, ran } = await record({ ...shell('seq 1 40'), stdout: sink });
    expect(taken).toContain('\n39\n40\n');
    const again = await replay(recording);
    expect(again.stdout).toBe(taken);
    expect({ ...again, stdout: '' }).toEqual(ran);
  });

  it('is idle for as long as the run was, without waiting', async () => {
    if (!busybox) return;
    async function* late(): AsyncGenerator<string> {
      await new Promise((r) => setTimeout(r, 300));
      yield 'x\n';
    }
    const { recording, ran } = await record({
      ...shell('read a r < /proc/uptime; read x; read b r < /proc/uptime; echo $a $b'),
      stdin: late(),
    });
    const [before, after] = ran.stdout.split(' ').map(Number);
    expect(after - before).toBeGreaterThan(0.25);
    expect(await replay(recording)).toEqual(ran);
  });

  it('deadlocks as the run did', async () => {
    if (!busybox) return;
    const recording = new MemoryRecording();
    const m = await Machine.boot({
      ...shell('mkfifo /tmp/f; echo before; read x < /tmp/f'),
      record: recording,
    });
    await expect(m.run()).rejects.toThrow(DeadlockError);
    const again = await Machine.replay(recording);
    await expect(again.run()).rejects.toThrow(DeadlockError);
    expect(again.stdout).toBe('before\n');
    m.dispose();
    again.dispose();
  });

  it('goes to an event and on, and takes nothing from outside', async () => {
    const { recording, ran } = await record({ program: guestPath('threads-musl')! });
    const m = await Machine.replay(recording);
    await m.runTo(30);
    expect(m.position).toBeGreaterThanOrEqual(30);
    expect(m.position).toBeLessThan(ran.position);
    expect(() => m.kill('SIGTERM')).toThrow('takes nothing from outside');
    await m.run();
    expect(m.position).toBe(ran.position);
    expect(m.stdout).toBe(ran.stdout);
    m.dispose();
  });

  it('can be gone back in', async () => {
    const { recording, ran } = await record({
      program: guestPath('threads-musl')!,
      stdin: 'unread',
      limits: { memory: 2 ** 26 },
    });
    const m = await Machine.replay(recording);
    await m.runTo(20);
    const early = m.snapshot();
    const at = m.position;
    await m.runTo(60);
    const later = m.snapshot();
    await m.run();
    expect(m.position).toBe(ran.position);
    m.restore(early);
    expect(m.position).toBe(at);
    await m.run();
    expect([m.position, m.stdout, m.stats.instructions]).toEqual([
      ran.position,
      ran.stdout,
      ran.instructions,
    ]);
    m.restore(later);
    await m.run();
    expect([m.position, m.stdout, m.stats.instructions]).toEqual([
      ran.position,
      ran.stdout,
      ran.instructions,
    ]);
    m.dispose();
  });

  it('with input can be gone back in', async () => {
    const { recording, ran } = await record({ program: guestPath('stdio-musl')!, stdin: 'a\nb\nc\n' });
    const m = await Machine.replay(recording);
    const start = m.snapshot();
    for (let i = 0; i < 2; i++) {
      await m.run();
      expect([m.position, m.stdout, m.rounds]).toEqual([ran.position, ran.stdout, ran.rounds]);
      m.restore(start);
      expect(m.position).toBe(0);
    }
    m.dispose();
  });

  it('can be stepped', async () => {
    const { recording, ran } = await record({ program: guestPath('stdio-musl')!, stdin: 'a\nb\n' });
    const m = await Machine.replay(recording);
    let events = 0;
    while ((await m.step()).type !== 'end') events++;
    expect(events).toBe(ran.position);
    expect(m.stdout).toBe(ran.stdout);
    m.dispose();
  });

  it('has what its owner changed while stepping', async () => {
    const recording = new MemoryRecording();
    const m = await Machine.boot({
      program: guestPath('stdio-musl')!,
      stdin: 'one\ntwo\n',
      record: recording,
    });
    let e = await m.step();
    while (!(e.type === 'exit' && e.name === 'read' && e.result > 0)) e = await m.step();
    m.poke(Number(e.args[1]), Buffer.from('ONE'));
    m.writeFile('/tmp/x', 'y');
    await m.run();
    expect(m.stdout).toContain('ONE');
    const again = await replay(recording);
    expect(again.stdout).toBe(m.stdout);
    expect(again.position).toBe(m.position);
    m.dispose();
  });
});

describe('a recording', () => {
  /** The same with another seed: what is recorded and what runs differ. */
  const reseeded = (r: Recording, seed: string): Recording => ({
    header: { ...r.header, options: { ...r.header.options, seed } },
    end: r.end,
    block: (i) => r.block(i),
  });

  it('that does not fit says from which event on, and what differs', async () => {
    const { recording } = await record({ program: guestPath('racy-musl')!, seed: 1 });
    expect((await replay(reseeded(recording, '1'))).status).toBe(0);
    const error = await replay(reseeded(recording, '2')).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DivergenceError);
    const { event, message } = error as DivergenceError;
    expect(message).toMatch(
      new RegExp(
        `^the replay differs from the recording at event ${event}: 100\\d (calls|gets|exits) .*; in the recording 100\\d (calls|gets|exits)`,
      ),
    );
    // Up to there they are alike.
    const traces: string[] = [];
    for (const r of [recording, reseeded(recording, '2')]) {
      const { tracer, text } = tracing();
      const m = await Machine.replay(r, { tracer });
      await m.runTo(event - 1);
      traces.push(text());
      m.dispose();
    }
    expect(traces[0]).toBe(traces[1]);
  });

  it('with fewer inputs than were asked for differs, too', async () => {
    const { recording } = await record({ program: guestPath('stdio-musl')!, stdin: 'one\ntwo\n' });
    const bytes = recording.block(0)!;
    // The first record is the input: bytes of another length, the same afterwards.
    const other = Buffer.from(Buffer.from(bytes).toString('latin1').replace('one\ntwo', 'one two'), 'latin1');
    expect(Buffer.compare(other, bytes)).not.toBe(0);
    const m = await Machine.replay({
      header: recording.header,
      end: recording.end,
      block: (i) => (i === 0 ? other : recording.block(i)),
    });
    await expect(m.run()).rejects.toThrow(DivergenceError);
    m.dispose();
  });

  it('that was cut off goes as far as it goes', async () => {
    async function* pieces(): AsyncGenerator<string> {
      for (const s of ['one\n', 'two\n', 'three\n']) {
        await new Promise((r) => setTimeout(r, 220));
        yield s;
      }
    }
    const { recording, ran } = await record({ program: guestPath('stdio-musl')!, stdin: pieces() });
    let blocks = 0;
    while (recording.block(blocks) !== null) blocks++;
    expect(blocks).toBeGreaterThan(2);
    const positions: number[] = [];
    for (let kept = 0; kept < blocks; kept++) {
      const m = await Machine.replay({
        header: recording.header,
        end: null,
        block: (i) => (i < kept ? recording.block(i) : null),
      });
      const error = await m.run().catch((e: unknown) => e);
      expect(error).toBeInstanceOf(RecordingEndError);
      expect((error as Error).message).toBe(
        `the recording ends here, after event ${m.position}: the recorder was killed`,
      );
      positions.push(m.position);
      m.dispose();
    }
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    expect(positions.at(-1)).toBeGreaterThan(10);
    expect(positions.at(-1)).toBeLessThanOrEqual(ran.position);
  });
});

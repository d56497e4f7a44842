/** What a test or another owner of a machine does to it is in a recording, at the moment it was done. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BootOptions, Machine, MemoryRecording, NotReachedError } from '../../src/index.ts';
import { SeededEntropy } from '../../src/host/entropy.ts';
import { guestPath } from '../support/guests.ts';
import { withFolder } from '../support/run.ts';
import { type Ran, state, tracing } from './ran.ts';

async function ran(m: Machine, trace: () => string, shown: boolean): Promise<Ran> {
  await m.run();
  const all = state(m, trace());
  m.dispose();
  return shown ? { ...all, stdout: '' } : all;
}

/** Runs to the end while `play` does what it likes first; the replay must be the same run. */
async function same(
  options: BootOptions | string,
  play: (m: Machine) => Promise<void> | void,
  cpu = 'jit',
): Promise<Ran> {
  const given = typeof options === 'string' ? { program: guestPath(options)!, stdin: 'one\ntwo\n' } : options;
  const recording = new MemoryRecording();
  const { tracer, text } = tracing();
  const m = await Machine.boot({ seed: 1, ...given, record: recording, tracer });
  await play(m);
  const shown = given.stdout !== undefined;
  const first = await ran(m, text, shown);
  const again = tracing();
  expect(
    await ran(await Machine.replay(recording, { tracer: again.tracer, cpu }), again.text, shown),
  ).toEqual(first);
  return first;
}

const bytes = (s: string): Uint8Array => new TextEncoder().encode(s);

describe.each(['x86_64', 'aarch64'] as const)('a recording on %s has', (arch) => {
  const guest = (name: string): BootOptions => ({
    program: guestPath(name, arch)!,
    stdin: 'one\ntwo\n',
  });

  it('arguments, results and memory changed at stops', async () => {
    const { stdout, trace } = await same(guest('stdio-musl'), async (m) => {
      const first = await m.nextSyscall('writev');
      first.setArg('iovcnt', 1);
      first.poke(Number(first.args.iov === null ? 0 : first.raw[1]), first.peek(Number(first.raw[1]), 8));
      expect((await first.finish()).result).toBe(5);
      const second = await m.nextSyscall('writev');
      second.skip('EAGAIN');
      await second.finish();
      const third = await m.nextExit('writev');
      third.setResult(4);
    });
    expect(stdout).toContain('   1 ');
    expect(trace).toContain('(INJECTED: args)');
    expect(trace).toContain('= -1 EAGAIN (Resource temporarily unavailable) (INJECTED)');
  });

  it('strings for arguments, registers, files and signals', async () => {
    const { trace, status } = await same(guest('stdio-musl'), async (m) => {
      const call = await m.nextSyscall('writev');
      call.setArg('iov', new Uint8Array(16));
      const done = await call.finish();
      expect(done.result).toBe(0);
      m.writeFile('/tmp/note', 'a note\n');
      done.setReg(arch === 'x86_64' ? 'rax' : 'x0', 9n);
      (await m.nextSyscall()).signal('SIGUSR1');
    });
    expect(trace).toContain('+++ killed by SIGUSR1 +++');
    expect(status).toBe(138);
  });

  it('what hooks did', async () => {
    const { stdout, trace } = await same(guest('stdio-musl'), (m) => {
      let writes = 0;
      m.hook('writev', {
        enter: (call) => {
          if (++writes === 1) call.setArg('iovcnt', 1);
          else if (writes === 3) call.skip('EPIPE');
        },
        exit: (call) => {
          if (writes === 2) call.setResult(3);
        },
      });
      m.hook(['read', 'readv'], { exit: (call) => (call.result === 0 ? call.signal('SIGTERM') : undefined) });
    });
    expect(stdout).toMatch(/^ {3}1 /);
    expect(trace).toContain('EPIPE');
    expect(trace).toContain('--- SIGTERM');
  });

  it('what listeners did', async () => {
    let asked = 0;
    const { trace } = await same(guest('stdio-musl'), (m) => {
      let end = (): void => {};
      m.on('syscall', (e) => {
        if (e.type === 'exit' && /^readv?$/.test(e.name) && e.result > 0) {
          const at = e.name === 'read' ? Number(e.args[1]) : null;
          if (at !== null) m.poke(at, bytes('ONE'));
          m.writeFile('/tmp/seen', 'yes');
          end = m.inject('writev:error=EIO:when=1');
        }
        if (e.type === 'exit' && e.name === 'writev' && ++asked === 1) {
          end();
          m.kill('SIGTERM');
        }
      });
    });
    expect(trace).toContain('EIO (Input/output error) (INJECTED)');
    expect(trace).toContain('--- SIGTERM');
  });
});

describe('a recording has', () => {
  it('who ran alone', async () => {
    await same('threads-musl', async (m) => {
      const clone = await m.nextExit('clone');
      const call = await m.nextSyscall(undefined, { tid: clone.tid });
      for (let i = 0; i < 3; i++) await m.step({ task: clone.result });
      expect(() => call.skip(0)).toThrow(/moved on/);
      const wait = await m.nextSyscall('futex', { where: (c) => c.args.op.FUTEX_WAIT });
      await wait.serve();
      await m.step({ task: wait.tid }).catch((e: unknown) => expect(e).toBeInstanceOf(NotReachedError));
    });
  });

  it('what was done between a call and a signal, and between two signals', async () => {
    await same('signals-musl', async (m) => {
      let cut = 0;
      for (;;) {
        const e = await m.step();
        if (e.type === 'end') break;
        if (e.type !== 'signal' && !(e.type === 'exit' && e.result === -4)) continue;
        // Pending with the one that is acted on now.
        if (++cut < 8) m.kill(cut % 2 === 0 ? 'SIGUSR1' : 'SIGUSR2');
        m.poke(Number(m.regs().rsp) - 512, bytes('cut'));
        if (cut === 5) m.setReg('r15', 0x1234n);
      }
      expect(cut).toBeGreaterThan(20);
    });
  });

  it('a signal from an output function, at the end of the round', async () => {
    let m: Machine | null = null;
    let refused = '';
    let told = false;
    const { status } = await same(
      {
        program: guestPath('stdio-musl')!,
        stdin: 'one\ntwo\n',
        stdout: () => {
          if (m === null || told) return;
          told = true;
          m.kill('SIGTERM');
          try {
            m.poke(0x400000, bytes('x'));
          } catch (e) {
            refused = (e as Error).message;
          }
        },
      },
      (machine) => void (m = machine),
    );
    expect(status).toBe(143);
    expect(refused).toMatch(
      /^cannot write memory here: the machine is being recorded, and this moment has no place/,
    );
  });

  it('nothing between two instructions, and says so', async () => {
    await same('stdio-musl', async (m) => {
      await m.nextSyscall('writev');
      await m.stepInstructions(3);
      expect(() => m.setReg('rax', 1n)).toThrow(/^cannot set a register here: the machine is being recorded/);
      m.kill('SIGCHLD');
    });
  });

  it('faults that were injected at boot, whatever is traced', async () => {
    const { trace } = await same(
      { program: guestPath('stdio-musl')!, stdin: 'one\n', inject: ['writev:error=EIO:when=1'] },
      () => {},
    );
    expect(trace).toContain('EIO');
  });

  it.each(['threads-musl', 'signals-musl', 'pipes-musl', 'fork-shm-musl'])(
    'whatever is done to %s at random',
    async (name) => {
      for (let run = 0; run < 2; run++) {
        const random = new SeededEntropy(`changes ${name} ${run}`);
        await same(
          { program: guestPath(name)!, seed: run, limits: { time: 2e9 } },
          async (m) => {
            for (let i = 0; i < 20 && m.status === null; i++) {
              for (let n = random.below(12); n > 0; n--) await m.step();
              if (m.status !== null) break;
              const alive = m.tasks.filter((t) => t.state !== 'zombie' && t.state !== 'dead');
              const { tid } = alive[random.below(alive.length)];
              switch (random.below(7)) {
                case 0:
                  m.kill(['SIGURG', 'SIGCHLD', 'SIGWINCH'][random.below(3)]);
                  break;
                case 1:
                  m.poke(Number(m.regs(tid).rsp) - 512, new Uint8Array([i]), tid);
                  break;
                case 2:
                  await m.step({ task: tid }).catch(() => undefined);
                  break;
                case 3:
                  m.writeFile(`/tmp/${random.below(3)}`, String(i));
                  break;
                case 4: {
                  const end = m.inject(`write,writev:delay_enter=${1 + random.below(50)}:when=1`);
                  if (random.below(2) === 0) end();
                  break;
                }
                case 5: {
                  const call = await m.nextSyscall(undefined, { tid }).catch(() => null);
                  if (call?.is('sched_yield')) call.skip(0);
                  else if (call && /^(write|getpid|gettid)/.test(call.name))
                    await call.finish().catch(() => null);
                  break;
                }
                case 6:
                  m.hook('futex', {
                    enter: (call) => call.poke(Number(call.regs.rsp) - 512, new Uint8Array(3)),
                  });
              }
            }
          },
          run % 2 === 0 ? 'jit:64:1' : 'interp',
        );
      }
    },
  );
});

const busybox = existsSync('/usr/bin/busybox') ? '/usr/bin/busybox' : null;
it.skipIf(busybox === null)(
  'files of host folders that the owner reads are in a recording, too',
  async () => {
    await withFolder(async (dir) => {
      writeFileSync(join(dir, 'a'), 'read by both\n');
      writeFileSync(join(dir, 'b'), 'read by nobody\n');
      const recording = new MemoryRecording();
      const m = await Machine.boot({
        program: busybox!,
        argv: ['sh', '-c', 'cat /data/a /data/a'],
        mounts: [{ host: dir, guest: '/data' }],
        record: recording,
      });
      await m.nextSyscall(['open', 'openat'], { where: (c) => c.args.pathname === '/data/a' });
      expect(m.readText('/data/a')).toBe('read by both\n');
      m.on('syscall', (e) => {
        if (e.type === 'enter' && e.name === 'exit_group') m.readFile('/data/a');
      });
      await m.run();
      m.dispose();
      const r = await Machine.replay(recording);
      await r.nextSyscall('exit_group');
      expect(r.readText('/data/a')).toBe('read by both\n');
      expect(() => r.readFile('/data/b')).toThrow(/EIO|Input\/output error/);
      await r.run();
      expect(r.stdout).toBe(m.stdout);
      expect(r.position).toBe(m.position);
      r.dispose();
    });
  },
);

describe('a replay', () => {
  it('takes no changes', async () => {
    const recording = new MemoryRecording();
    const m = await Machine.boot({ program: guestPath('stdio-musl')!, stdin: 'one\n', record: recording });
    await m.run();
    m.dispose();
    const r = await Machine.replay(recording);
    const call = await r.nextSyscall('writev');
    for (const [what, change] of [
      ['skip the call', () => call.skip(0)],
      ['change an argument', () => call.setArg('iovcnt', 1)],
      ['write memory', () => r.poke(Number(call.raw[1]), bytes('x'))],
      ['set a register', () => r.setReg('rax', 0n)],
      ['write a file', () => r.writeFile('/tmp/x', '')],
      ['inject faults', () => void r.inject('read:error=EIO')],
      ['send a signal', () => r.kill('SIGTERM')],
      ['connect', () => void r.connect(80)],
    ] as const)
      expect(change, what).toThrow(
        `cannot ${what}: a replay takes nothing from outside, it does what was recorded`,
      );
    await expect(r.step({ task: call.tid })).rejects.toThrow('cannot run a task alone: a replay takes');
    await r.run();
    r.dispose();
  });
});

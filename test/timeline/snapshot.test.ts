/** A machine put back to an earlier moment runs on as it did the first time. */
import { describe, expect, it } from 'vitest';
import { Machine } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';
import { rerun } from './rerun.ts';

/** Guests that together use most of the kernel: threads, signals, processes, files, sockets, timers, exec, /proc. */
const GUESTS = [
  'threads', 'signals', 'procs', 'pipes', 'epoll', 'files', 'proc-self', 'exec-chain', 'timers', 'go-hello',
]; // prettier-ignore
/** Compiled code stays where it is still right. */
const COMPILED = ['threads', 'selfmod'];

describe.each(['x86_64', 'aarch64'])('%s', (arch) => {
  it.each([
    ...GUESTS.map((name) => [name, 'interp'] as const),
    ...COMPILED.map((name) => [name, 'jit:1000:2'] as const),
  ])(
    '%s on %s runs again the same from anywhere',
    async (name, cpu) => {
      const program = guestPath(name, arch);
      if (program === null) {
        console.log(`Left out: ${name} on ${arch}: not built on this machine`);
        return;
      }
      const { difference, seen } = await rerun({ program, argv: [name], cpu, points: 3, times: 1 });
      expect(difference).toBeNull();
      expect(seen.position).toBeGreaterThan(20);
    },
    120_000,
  );
});

const boot = (guest: string, more: object = {}): Promise<Machine> =>
  Machine.boot({ program: guestPath(guest)!, seed: 1, countEvents: true, ...more });

describe('restore', () => {
  it('brings back memory, registers, output and what the machine says of itself', async () => {
    const m = await boot('threads');
    await m.runTo(400);
    const s = m.snapshot();
    expect([s.position, s.rounds, s.instructions]).toEqual([m.position, m.rounds, m.stats.instructions]);
    const before = { regs: m.regs(), stdout: m.stdout, memory: m.stats.memory, tasks: m.tasks };
    const sp = Number(m.regs().rsp);
    const stack = m.peek(sp, 64);
    m.poke(sp, new Uint8Array(64).fill(0x5a));
    m.setReg('rax', 77n);
    await m.run(); // into nowhere, on that stack
    m.restore(s);
    expect(m.status).toBeNull();
    expect({ regs: m.regs(), stdout: m.stdout, memory: m.stats.memory, tasks: m.tasks }).toEqual(before);
    expect(m.peek(sp, 64)).toEqual(stack);
    expect((await m.run()).status).toBe(42);
    m.dispose();
  });

  it('gives input that came later again', async () => {
    const m = await boot('stdio', { stdin: 'one\ntwo\n' });
    const s = m.snapshot();
    await m.run();
    expect(m.stdout).toBe('   1 one\n   2 two\n');
    m.restore(s);
    await m.run();
    expect(m.stdout).toBe('   1 one\n   2 two\n');
    m.dispose();
  });

  it('costs what changed', async () => {
    const m = await boot('threads-musl');
    await m.runTo(100);
    const first = m.snapshot();
    expect(m.snapshot().bytes).toBeLessThan(first.bytes / 5);
    m.dispose();
  });

  it('brings back the patience with a guest: its time, and calls in vain', async () => {
    const ends = async (more: object): Promise<string[]> => {
      const m = await boot('hangs', { argv: ['hangs', 'event-loop'], ...more });
      const seen: string[] = [];
      await m.runTo(1000);
      const s = m.snapshot();
      for (let i = 0; i < 3; i++) {
        const e = await m.run().catch((error: unknown) => error as Error);
        seen.push(`${(e as Error).name} ${m.stats.instructions}`);
        m.restore(s);
      }
      m.dispose();
      return seen;
    };
    const [first, ...again] = await ends({ livelock: 5000 });
    expect(first).toMatch(/^LivelockError [0-9]{5}/);
    expect(again).toEqual([first, first]);
    // How long the machine is looked at when its time is over is the host's.
    const late = await ends({ limits: { time: 2_000_000 } });
    expect(late.map((text) => text.split(' ')[0])).toEqual(Array(3).fill('TimeLimitError'));
  });

  it('says what it cannot do', async () => {
    const [a, b] = [await boot('hello'), await boot('hello')];
    const s = a.snapshot();
    expect(() => b.restore(s)).toThrow('the snapshot is of another machine');
    a.dispose();
    expect(() => a.restore(s)).toThrow('disposed');
    b.dispose();
  });
});

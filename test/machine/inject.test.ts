import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { BootError, type Injection, Machine, Strace, type MachineEvent } from '../../src/index.ts';
import { runRing3 } from '../support/run.ts';

const guest = (arch: string, name: string): string =>
  fileURLToPath(new URL(`../../guests/prebuilt/${arch}/${name}`, import.meta.url));
const stdio = guest('x86_64', 'stdio-musl');

/** The trace of stdio-musl, which copies its input, and what it printed. */
async function run(
  inject: readonly (string | Injection)[],
  { arch = 'x86_64', seed = undefined as number | undefined, stdin = 'one\ntwo\n' } = {},
): Promise<{ trace: string; stdout: string; said: string[] }> {
  let trace = '';
  const said: string[] = [];
  const tracer = new Strace({ write: (text) => (trace += text) });
  const m = await Machine.boot({
    program: guest(arch, 'stdio-musl'),
    stdin,
    inject,
    tracer,
    report: (line) => said.push(line),
    ...(seed === undefined ? {} : { seed }),
  });
  await m.run();
  tracer.finish();
  const { stdout } = m;
  m.dispose();
  return { trace, stdout, said };
}

describe.each(['x86_64', 'aarch64'])('faults on %s', (arch) => {
  it('reach the guest: a read that fails once', async () => {
    const { trace, stdout } = await run(['read,readv:error=EIO:when=1'], { arch });
    expect(trace).toMatch(/readv?\(0, .* = -1 EIO \(Input\/output error\) \(INJECTED\)\n/);
    expect(stdout).not.toContain('one');
  });

  it('write into its memory and change its results', async () => {
    const { stdout } = await run([{ calls: 'read,readv', retval: 0 }], { arch });
    expect(stdout).not.toContain('one');
    const { trace } = await run(['writev:signal=KILL:when=1'], { arch });
    expect(trace).toMatch(/writev\(.*= \?\n\+\+\+ killed by SIGKILL \+\+\+\n$/);
  });
});

describe('faults', () => {
  it('delay in virtual time', async () => {
    const times = async (inject: string[]): Promise<number> => {
      let trace = '';
      const tracer = new Strace({ write: (text) => (trace += text), timestamps: 3 });
      const m = await Machine.boot({ program: stdio, stdin: 'x\n', tracer, seed: 1, inject });
      await m.run();
      tracer.finish();
      const lines = trace.trim().split('\n');
      return Number(lines.at(-1)!.split(' ')[0]) - Number(lines[0].split(' ')[0]);
    };
    const plain = await times([]);
    expect(plain).toBeLessThan(0.1);
    expect(await times(['writev:delay_enter=30s:when=1'])).toBeCloseTo(plain + 30, 3);
    expect(await times(['writev:delay_enter=30s:delay_exit=10s:when=1'])).toBeCloseTo(plain + 40, 3);
  });

  it('a chance is drawn from the seed: the same seed, the same faults', async () => {
    const program = guest('x86_64', 'threads-musl');
    const faults = async (seed: number): Promise<string> => {
      const events: string[] = [];
      const m = await Machine.boot({ program, seed, inject: ['futex:delay_enter=1ms:chance=50%'] });
      m.on('syscall', (e) => {
        if (e.type === 'exit' && e.name === 'futex') events.push(e.text.includes('(DELAYED)') ? '1' : '0');
      });
      await m.run();
      m.dispose();
      return events.join('');
    };
    const one = await faults(1);
    expect(one).toContain('0');
    expect(one).toContain('1');
    expect(await faults(1)).toBe(one);
    expect(await faults(2)).not.toBe(one);
  });

  it('can come and go while the machine runs; the last one counts', async () => {
    const m = await Machine.boot({ program: stdio, stdin: 'one\n', inject: ['readv:error=EPERM'] });
    const undo = m.inject('readv,read:error=EBADMSG');
    const next = async (): Promise<string> => {
      for (;;) {
        const e: MachineEvent = await m.step();
        if (e.type === 'end') return 'end';
        if (e.type === 'exit' && e.name.startsWith('read')) return e.text;
      }
    };
    expect(await next()).toMatch(/ = -1 EBADMSG \(.*\) \(INJECTED\)$/);
    undo();
    await m.run();
    m.dispose();
  });

  it('that cannot be written are said once', async () => {
    const { said } = await run([{ calls: 'writev', pokeEnter: { 7: Uint8Array.of(1) } }]);
    expect(said).toEqual(['nothing was written to argument 7 of writev: it has only 3 arguments']);
    const { said: fd } = await run([{ calls: 'writev', pokeEnter: { 1: Uint8Array.of(1) } }]);
    expect(fd).toEqual(['nothing was written to argument 1 of writev: the guest cannot write at 0x1']);
  });

  it('that make no sense keep a machine from booting', async () => {
    const e = await Machine.boot({ program: stdio, inject: ['read:error=EFOO'] }).catch((x: unknown) => x);
    expect(e).toBeInstanceOf(BootError);
    expect((e as Error).message).toBe(
      "cannot inject 'read:error=EFOO': error: 'EFOO' is no error; write a name like ENOENT, or 1 to 4095",
    );
    const m = await Machine.boot({ program: stdio });
    expect(() => m.inject({ calls: 'raed', error: 5 })).toThrow(
      /cannot inject into raed: invalid system call 'raed'/,
    );
    m.dispose();
  });
});

describe('the command line', () => {
  it('run --inject and --fault', async () => {
    const r = await runRing3(stdio, [], {
      stdin: 'one\n',
      ring3: ['--fault', 'readv,read:error=EIO:when=1'],
    });
    expect(r.stdout).not.toContain('one');
    const ok = await runRing3(stdio, [], { stdin: 'one\n', ring3: ['--inject', 'writev:delay_enter=1'] });
    expect(ok.stdout).toContain('one');
  });

  it('says what is wrong, with status 2', async () => {
    const r = await runRing3(stdio, [], { ring3: ['--inject', 'read:error=EFOO'] });
    expect(r.status).toBe(2);
    expect(r.stderr).toBe(
      "ring3: option '--inject': 'read:error=EFOO': error: 'EFOO' is no error; write a name like ENOENT, or 1 to 4095\n",
    );
    const s = await runRing3(stdio, [], { ring3: ['-e', 'fault=read:retval=1'] }, 'strace');
    expect(s.status).toBe(2);
    expect(s.stderr).toMatch(
      /^ring3: option '-e fault=': 'read:retval=1': 'retval=' does not belong here; .*\n$/,
    );
  });
});

describe('a stop at an event', () => {
  it('is there and then: the exit of a woken call comes before the signal that follows it is acted on', async () => {
    // signals-musl interrupts calls of its own; at each exit the result register must still be the call's.
    const m = await Machine.boot({ program: guest('x86_64', 'signals-musl'), seed: 3 });
    let exits = 0;
    let interrupted = 0;
    for (;;) {
      const e = await m.step();
      if (e.type === 'end') break;
      if (e.type !== 'exit' || e.name === 'rt_sigreturn' || e.name === 'execve') continue;
      exits++;
      if (e.result < -500) interrupted++;
      expect([e.text, BigInt.asIntN(64, m.regs(e.tid).rax)]).toEqual([e.text, BigInt(e.result)]);
    }
    expect(exits).toBeGreaterThan(50);
    expect(interrupted).toBeGreaterThan(0);
    m.dispose();
  });
});

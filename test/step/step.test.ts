import { fileURLToPath } from 'node:url';
import { describe, expect, expectTypeOf, it } from 'vitest';
import '../../src/testing/vitest.ts';
import { type EnterStop, Machine, NotReachedError, type MachineEvent } from '../../src/index.ts';

const guest = (name: string, arch = 'x86_64'): string =>
  fileURLToPath(new URL(`../../guests/prebuilt/${arch}/${name}`, import.meta.url));
const text = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString();

async function boot(
  name: string,
  options: { stdin?: string; arch?: string; args?: string[] } = {},
): Promise<Machine> {
  const program = guest(name, options.arch);
  return await Machine.boot({
    program, seed: 1, stdin: options.stdin ?? 'one\ntwo\n', argv: [name, ...(options.args ?? [])],
  }); // prettier-ignore
}

describe.each(['x86_64', 'aarch64'])('a call on %s', (arch) => {
  it('is stopped at, looked at, and finished', async () => {
    const m = await boot('stdio-musl', { arch });
    const call = await m.nextSyscall('writev');
    expect(call.type).toBe('enter');
    expect(call.args.fd).toBe(1);
    expect(call.args.iovcnt).toBe(2);
    expect(call.args.iov!.map(text).join('')).toBe('   1 one\n');
    expect(m.stdout).toBe('');
    const done = await call.finish();
    expect(done).toTrace('writev(1, [{iov_base="   1 ", iov_len=5}, {iov_base="one\\n", iov_len=4}], 2) = 9');
    expect(done).toHaveReturned(9);
    expect(done.error).toBe(null);
    m.dispose();
  });

  it('may be skipped, failed, or given other arguments and memory', async () => {
    const m = await boot('stdio-musl', { arch });
    const call = await m.nextSyscall('writev');
    const before = { ...call.regs };
    call.setArg('iovcnt', 1);
    const done = await call.finish();
    expect(done).toTrace(/^writev\(1, \[\{iov_base="   1 ", iov_len=5\}\], 1\) = 5 \(INJECTED: args\)$/);
    // The guest's own registers are as it left them.
    const count = arch === 'x86_64' ? 'rdx' : 'x2';
    expect(done.regs[count]).toBe(before[count]);
    const next = await m.nextSyscall('writev');
    next.skip('EAGAIN');
    const skipped = await next.finish();
    expect(skipped).toHaveReturned('EAGAIN');
    expect(skipped).toTrace(/ = -1 EAGAIN \(Resource temporarily unavailable\) \(INJECTED\)$/);
    expect(m.stdout).toBe('   1 ');
    m.dispose();
  });

  it('has a result that may be changed behind it', async () => {
    const m = await boot('stdio-musl', { arch });
    const read = await m.nextExit(['read', 'readv'], { where: (call) => call.result > 0 });
    read.setResult(0);
    expect((await m.run()).signal).toBe(null);
    expect(m.stdout).not.toContain('one');
    m.dispose();
  });
});

describe('filters', () => {
  it('by name, set, pattern, task and predicate', async () => {
    const m = await boot('stdio-musl');
    expect((await m.nextSyscall('%memory')).name).toMatch(/^(brk|mmap)$/);
    expect((await m.nextSyscall(/^write/)).name).toBe('writev');
    const second = await m.nextSyscall('writev', {
      where: (call) => text(Buffer.concat(call.args.iov ?? [])).includes('two'),
    });
    expect(second.text).toContain('two');
    const end = m.nextSyscall('socket');
    await expect(end).rejects.toThrow(NotReachedError);
    await expect(end).rejects.toThrow('the program exited with 2 before it calls socket');
    m.dispose();
  });

  it('whoever waited for a call that did not come hears what came instead', async () => {
    const failure = async (wait: (m: Machine) => Promise<unknown>): Promise<string> => {
      const m = await boot('hello');
      const e = await wait(m).catch((error: unknown) => error);
      expect(e).toBeInstanceOf(NotReachedError);
      m.dispose();
      return (e as Error).message;
    };
    const over = 'the program exited with 0 before it';
    expect(await failure((m) => m.nextSyscall('writev'))).toBe(
      `${over} calls writev; until then it called write once`,
    );
    expect(await failure((m) => m.nextExit(['fork', 'exit']))).toBe(
      `${over} returns from fork or exit; until then it called exit_group once`,
    );
    expect(await failure((m) => m.nextSyscall('futex'))).toBe(
      `${over} calls futex; the last it called: write, exit_group`,
    );
    expect(await failure((m) => m.nextSyscall('write', { where: () => false }))).toBe(
      `${over} calls write; 'where' did not take the one there was`,
    );
    expect(await failure(async (m) => (await m.run(), await m.nextSyscall('write')))).toBe(
      `${over} calls write`,
    );
  });

  it('names of calls there are none of are refused', async () => {
    const m = await boot('hello');
    const wrong = 'raed' as 'read';
    await expect(m.nextSyscall(wrong)).rejects.toThrow("invalid system call 'raed'; 'ring3 syscalls' lists");
    m.dispose();
  });

  it('until a predicate holds, and signals', async () => {
    const m = await boot('signals-musl');
    const e = await m.until((x: MachineEvent) => x.type === 'enter' && x.name === 'rt_sigaction');
    expect(e.type).toBe('enter');
    expect((await m.nextSignal()).signal).toMatch(/^SIG/);
    await expect(m.nextSignal('RT_31')).rejects.toThrow(/before it gets SIGRT_31$/);
    m.dispose();
  });
});

describe('stops', () => {
  it('are history when the machine has moved on', async () => {
    const m = await boot('stdio-musl');
    const call = await m.nextSyscall('writev');
    await m.step();
    expect(() => call.skip(0)).toThrow(
      'cannot skip the call: the machine has moved on since it stopped there',
    );
    expect(text(call.args.iov?.[0])).toBe('   1 '); // what was seen stays
    const exit = await m.nextExit();
    await m.step();
    expect(() => exit.setResult(0)).toThrow('cannot change the result: the machine has moved on');
    m.dispose();
  });

  it('say what is wrong with a change', async () => {
    const m = await boot('stdio-musl');
    const call: EnterStop<'writev'> = await m.nextSyscall('writev');
    expect(() => call.setArg('nope' as 'fd', 1)).toThrow(
      'writev has no argument nope; it has fd, iov, iovcnt',
    );
    expect(() => call.skip('EFOO')).toThrow("'EFOO' is no error; write a name like EAGAIN, or a number");
    expect(() => call.signal('SIGFOO')).toThrow('no such signal: SIGFOO');
    m.dispose();
  });

  it('take strings and bytes as arguments', async () => {
    const m = await Machine.boot({
      program: guest('stdio-musl'), seed: 1, stdin: 'x\n',
    }); // prettier-ignore
    const call = await m.nextSyscall('writev');
    const iov = new Uint8Array(16);
    call.setArg('iov', iov);
    expect((await call.finish()).result).toBe(0);
    m.dispose();
  });

  it('narrow types by name', async () => {
    const m = await boot('stdio-musl');
    const any = await m.nextSyscall();
    expectTypeOf(any.args).toEqualTypeOf<Readonly<Record<string, unknown>>>();
    if (any.is('futex')) {
      expectTypeOf(any.args.op.FUTEX_WAIT_BITSET).toEqualTypeOf<boolean>();
      expectTypeOf(any.args.uaddr).toEqualTypeOf<number>();
    }
    const two = await m.nextSyscall(['write', 'writev']);
    expectTypeOf(two.name).toEqualTypeOf<'write' | 'writev'>();
    expectTypeOf(two.args.fd).toEqualTypeOf<number>();
    m.dispose();
  });
});

describe('threads', () => {
  it('one runs alone; a wait is seen with what it waits for', async () => {
    const m = await boot('threads-musl');
    const wait = await m.nextSyscall('futex', { where: (call) => call.args.op.FUTEX_WAIT });
    const parked = await wait.serve();
    if (parked.type === 'park') {
      expect(parked).toPark('futex(');
      expect(parked.waits[0].type).toBe('futex');
      expect(parked.args).toHaveProperty('uaddr', wait.args.uaddr);
      expect(m.tasks.find((t) => t.tid === wait.tid)!.state).toBe('parked');
      // Nobody else may run: it sleeps on.
      const still = await m.step({ task: wait.tid });
      expect(still).toPark(/^futex\(0x/);
      await expect(m.nextSyscall(undefined, { tid: wait.tid, alone: true })).rejects.toThrow(
        /sleeps before it calls a call, and nobody else may run/,
      );
    } else expect(parked).toHaveReturned('EAGAIN');
    expect((await m.run()).code).toBe(42);
    m.dispose();
  });

  it('a task held at its call while another runs makes it later', async () => {
    const trace = async (disturb: boolean): Promise<string> => {
      const m = await boot('threads-musl');
      const clone = await m.nextExit('clone');
      const child = clone.result;
      if (disturb) {
        const call = await m.nextSyscall(undefined, { tid: clone.tid });
        for (let i = 0; i < 3; i++) await m.step({ task: child });
        expect(() => call.skip(0)).toThrow(/moved on/);
      }
      const end = await m.run();
      const out = m.stdout;
      m.dispose();
      return `${end.code} ${out}`;
    };
    expect(await trace(true)).toBe(await trace(false));
  });
});

describe('hooks', () => {
  it('change calls while the machine runs', async () => {
    const m = await boot('stdio-musl');
    const seen: string[] = [];
    const undo = m.hook('writev', {
      enter: (call) => {
        const all = text(Buffer.concat(call.args.iov!));
        seen.push(all);
        if (all.includes('two')) call.skip(9);
      },
      exit: (call) => void seen.push(call.text.replace(/^.* = /, '')),
    });
    await m.run();
    expect(m.stdout).toBe('   1 one\n');
    expect(seen).toEqual([
      '   1 one\n', '9', '2 lines, 8 bytes, tty 0\n', '24', '   2 two\n', '9 (INJECTED)',
    ]); // prettier-ignore
    undo();
    m.dispose();
  });

  it('cannot run the machine', async () => {
    const m = await boot('stdio-musl');
    let said = '';
    m.hook('writev', { enter: (call) => void call.finish().catch((e: Error) => (said = e.message)) });
    await m.run();
    expect(said).toBe('a hook cannot run the machine');
    m.dispose();
  });
});

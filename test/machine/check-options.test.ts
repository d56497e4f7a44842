import { describe, expect, it } from 'vitest';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { BootError, type BootOptions, Machine, MemoryRecording } from '../../src/index.ts';

const hello = fileURLToPath(new URL('../../guests/prebuilt/x86_64/hello', import.meta.url));
const boot = async (options: unknown): Promise<Machine> => await Machine.boot(options as BootOptions);

describe('options of Machine.boot as JavaScript may give them', () => {
  it.each([
    [undefined, 'no program given'],
    [{}, 'no program given'],
    ['./hello', 'no program given'],
    [
      { program: hello, args: ['x'] },
      "no option 'args' of Machine.boot; it is argv, with the name of the program first",
    ],
    [{ program: hello, constructor: 1 }, "no option 'constructor' of Machine.boot; BootOptions lists them"],
    [{ program: hello, argv: 'hello' }, "option 'argv' of Machine.boot: give a list of strings"],
    [{ program: hello, argv: ['hello', 5] }, "option 'argv' of Machine.boot: give a list of strings"],
    [{ program: hello, env: ['A=b'] }, "option 'env' of Machine.boot: give an object"],
    [{ program: hello, seed: NaN }, "option 'seed' of Machine.boot: give a number or a string"],
    [{ program: hello, inject: 'read:error=EIO' }, "option 'inject' of Machine.boot: give a list"],
    [
      { program: hello, mounts: [{ host: './none', guest: '/x' }] },
      "option 'mounts' of Machine.boot: ./none does not exist; create it first",
    ],
    [{ program: hello, root: './none' }, "option 'root' of Machine.boot: ./none does not exist"],
    [{ program: hello, root: hello }, "option 'root' of Machine.boot: "],
    [{ program: hello, record: 'run.r3' }, "option 'record' of Machine.boot: give what recordTo(path) gives"],
  ])('%j', async (options, message) => {
    const failure = await boot(options).catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(BootError);
    expect((failure as Error).message).toContain(message);
  });

  it('a machine that is printed is a few lines', async () => {
    expect(inspect(await boot({ program: hello }))).toMatch(
      /^\{\s+machine: 'x86_64',\s+status: null,[^]{1,200}$/,
    );
  });

  it('undefined and null leave an option out', async () => {
    const machine = await boot({ program: hello, argv: undefined, stdin: null, terminal: null });
    expect(await machine.run()).toMatchObject({ code: 0 });
  });

  it('what a hook, a condition, a listener or an output throws comes out as it is', async () => {
    const mine = new Error('expected 1 to be 2');
    const fail = (): never => {
      throw mine;
    };
    for (const run of [
      (m: Machine) => (m.hook('write', { enter: fail }), m.run()),
      (m: Machine) => (m.hook('write', { exit: fail }), m.run()),
      (m: Machine) => (m.on('syscall', fail), m.run()),
      (m: Machine) => m.nextSyscall('write', { where: fail }),
      (m: Machine) => m.nextExit('write', { where: fail }),
    ])
      expect(await run(await boot({ program: hello })).catch((e: unknown) => e)).toBe(mine);
    const record = new MemoryRecording();
    for (const more of [{}, { record }]) {
      const machine = await boot({ program: hello, stdout: fail, ...more });
      expect(await machine.run().catch((e: unknown) => e)).toBe(mine);
      machine.dispose();
    }
    const again = await Machine.replay(record, { stdout: fail });
    expect(await again.run().catch((e: unknown) => e)).toBe(mine);
  });

  it('a path is no recording; there are no events of that name; a signal that there is not never comes', async () => {
    await expect(Machine.replay('run.r3' as never)).rejects.toThrow(/openRecording\(path\)/);
    const machine = await boot({ program: hello });
    expect(() => machine.on('syscalls' as 'syscall', () => {})).toThrow(/there are syscall, signal, exit/);
    await expect(machine.nextSignal('SIGFOO')).rejects.toThrow('no such signal: SIGFOO');
  });
});

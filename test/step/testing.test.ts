import { describe, expect, it, vi } from 'vitest';
import { fileURLToPath } from 'node:url';
import '../../src/testing/vitest.ts';
import { AssertionError, assertPark, assertReturned, assertTrace } from '../../src/testing/node-test.ts';
import { Machine, normaliseTrace, TraceRecorder } from '../../src/index.ts';

const stdio = fileURLToPath(new URL('../../guests/prebuilt/x86_64/stdio-musl', import.meta.url));
const exit = { type: 'exit', name: 'read', text: 'read(3, "x", 8)                          = 1', result: 1 };
const failed = { type: 'exit', name: 'read', text: 'read(3, 0x1, 8) = -1 EAGAIN (…)', result: -11 };
const park = { type: 'park', name: 'read', text: 'read(3, ' };
/** What a check that does not hold says. */
const message = (check: () => void): string => {
  try {
    check();
  } catch (e) {
    return (e as Error).message;
  }
  return 'nothing';
};

describe('matchers', () => {
  it('toTrace: text, patterns, lists, padding aside', () => {
    expect(exit).toTrace('read(3, "x", 8) = 1');
    expect(exit.text).toTrace(/^read\(3, .* = 1$/);
    expect([exit, 'close(3) = 0']).toTrace(['read(3, "x", 8) = 1', /^close/]);
    expect(exit).not.toTrace('read(3, "x", 8) = 2');
    expect(message(() => expect(exit).toTrace('read(4'))).toBe(
      'the trace reads otherwise:\n  expected read(4\n  found    read(3, "x", 8) = 1',
    );
    expect(message(() => expect([exit]).toTrace([/^read/, 'close(3) = 0']))).toBe(
      'the trace reads otherwise in line 2:\n  expected close(3) = 0\n  found    nothing more',
    );
    expect(message(() => expect(exit).not.toTrace(/read/))).toBe('the trace is not to read /read/');
    expect({ lines: ['close(3) = 0'] }).toTrace(['close(3) = 0']); // a TraceRecorder
  });

  it('toPark', () => {
    expect(park).toPark('read(3, ');
    expect(park).toPark();
    expect(park).not.toPark(/write/);
    expect(message(() => expect(exit).toPark('read(3'))).toMatch(
      /^expected a task to sleep in a call; found 'read/,
    );
    expect(message(() => expect(park).toPark('write(1'))).toMatch(
      /sleeps in another call:\n {2}expected write\(1\n/,
    );
  });

  it('toHaveReturned: numbers and errors; and what vitest means by it for spies', () => {
    expect(exit).toHaveReturned(1);
    expect(exit).toHaveReturned();
    expect(failed).toHaveReturned('EAGAIN');
    expect(failed).toHaveReturned(-11);
    expect(failed).not.toHaveReturned(0);
    expect(message(() => expect(failed).toHaveReturned(3))).toMatch(
      /expected 3\n {2}found {4}-11 \(EAGAIN\)$/,
    );
    expect(message(() => expect(park).toHaveReturned(3))).toBe(
      "expected a call that has returned; found 'read(3, ' (park): the task sleeps in it",
    );
    expect(message(() => expect(failed).toHaveReturned('EFOO'))).toBe(
      "'EFOO' is no error's name; write EAGAIN, or a number",
    );
    const spy = vi.fn(() => 1);
    expect(spy).not.toHaveReturned();
    spy();
    expect(spy).toHaveReturned();
  });

  it('say what to give instead of what no check can be made of, negated too', async () => {
    const machine = await Machine.boot({ program: stdio, seed: 1 });
    const write = machine.nextSyscall('writev');
    expect(message(() => expect(machine).toPark('futex'))).toBe(
      "expected a task to sleep in a call; found a Machine.\nWhat to give: await (await machine.nextSyscall('read')).serve()",
    );
    expect(message(() => expect(machine).not.toPark('futex'))).toMatch(/found a Machine/);
    expect(message(() => expect(write).toHaveReturned(3))).toMatch(/found a promise: await it\./);
    expect(message(() => expect(undefined).not.toTrace('x'))).toMatch(/found undefined\./);
    expect(message(() => expect(failed).not.toHaveReturned('ENONET!'))).toMatch(/no error's name/);
    const call = await write;
    expect(message(() => expect(call).toHaveReturned(3))).toMatch(/await call\.finish\(\)/);
    expect(message(() => expect(call).toPark())).toMatch(/await call\.serve\(\)/);
    machine.dispose();
  });

  it('the same as assertions', () => {
    assertTrace(exit, 'read(3, "x", 8) = 1');
    assertTrace([exit], [/read/]);
    assertPark(park, 'read(');
    assertReturned(failed, 'EAGAIN');
    expect(() => assertTrace(exit, 'x')).toThrow(AssertionError);
    expect(() => assertReturned(exit, 2)).toThrow(/returned something else/);
    expect(() => assertPark(exit)).toThrow(/expected a task to sleep/);
  });
});

describe('traces to keep', () => {
  it('names addresses, tasks, times and random bytes by their order', () => {
    expect(
      normaliseTrace(
        [
          '[1000] brk(NULL) = 0x5555000',
          '[1000] mmap(0x5555000, 8192, PROT_READ, MAP_ANONYMOUS, -1, 0) = 0x7ffff0000',
          '[1000] clone(child_stack=0x7ffff0000, flags=CLONE_VM|CLONE_THREAD) = 1001',
          '[1001] gettid()                         = 1001',
          '[1001] read(3, "at 0x12345678, pid 1001", 1000) = 1000',
          '[1001] clock_gettime(CLOCK_MONOTONIC, {tv_sec=5, tv_nsec=7}) = 0',
          '[1001] nanosleep({tv_sec=5, tv_nsec=7}, NULL) = 0',
          '[1001] getrandom("\\1\\"x", 3, 0) = 3',
          '[1000] tgkill(1000, 1001, SIGUSR1) = 0',
        ],
        [1000],
      ),
    ).toEqual([
      '[PID1] brk(NULL) = ADDR1',
      '[PID1] mmap(ADDR1, 8192, PROT_READ, MAP_ANONYMOUS, -1, 0) = ADDR2',
      '[PID1] clone(child_stack=ADDR2, flags=CLONE_VM|CLONE_THREAD) = PID2',
      '[PID2] gettid() = PID2',
      '[PID2] read(3, "at 0x12345678, pid 1001", 1000) = 1000',
      '[PID2] clock_gettime(CLOCK_MONOTONIC, {tv_sec=TIME, tv_nsec=TIME}) = 0',
      '[PID2] nanosleep({tv_sec=5, tv_nsec=7}, NULL) = 0',
      '[PID2] getrandom(RANDOM, 3, 0) = 3',
      '[PID1] tgkill(PID1, PID2, SIGUSR1) = 0',
    ]);
  });

  it('are the same for the same program, run natively timed or not', async () => {
    const trace = async (aslr: boolean): Promise<string> => {
      const m = await Machine.boot({ program: stdio, stdin: 'one\n', aslr });
      const recorder = new TraceRecorder(m);
      await m.run();
      recorder.stop();
      m.dispose();
      return String(recorder);
    };
    const one = await trace(false);
    expect(one).toContain(
      'writev(1, [{iov_base="   1 ", iov_len=5}, {iov_base="one\\n", iov_len=4}], 2) = 9',
    );
    expect(one).toMatch(/\+\+\+ exited with \d+ \+\+\+$/);
    expect(await trace(true)).toBe(one);
  });
});

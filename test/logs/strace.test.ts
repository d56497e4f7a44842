import { describe, expect, it } from 'vitest';
import { Strace } from '../../kernel/trace/strace.ts';
import { callText } from '../../src/logs/events.ts';
import { partsOf, readStrace } from '../../src/logs/strace.ts';
import { Machine } from '../../src/index.ts';
import { rootPath } from '../support/guests.ts';
import { fixture } from './fixtures.ts';

const only = (text: string) => readStrace(text).runs[0].calls;

describe('strace text', () => {
  it('gives calls, values and errors', () => {
    const [open, map, ctl, wake, exit] = only(`openat(AT_FDCWD, "/etc/a, (b", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)
mmap(0x9ca000, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x9ca000
epoll_ctl(7, EPOLL_CTL_DEL, 9, 0x7ffe) = 0
futex(0x1000, FUTEX_WAKE_BITSET_PRIVATE, 2, 0xff) = 1
exit_group(0)                           = ?
+++ exited with 0 +++
`);
    expect(open).toMatchObject({ error: 'ENOENT', result: -2n, nr: 257 });
    expect(open.args).toEqual(['AT_FDCWD', '"/etc/a, (b"', 'O_RDONLY|O_CLOEXEC']);
    expect(open.values).toEqual([0xffffffffffffff9cn, null, 0o2000000n]);
    expect(map.values).toEqual([0x9ca000n, 8192n, 3n, 0x32n, 0xffffffffffffffffn, 0n]);
    expect(map.result).toBe(0x9ca000n);
    expect(ctl.values).toEqual([7n, 2n, 9n, 0x7ffen]);
    expect(wake.values).toEqual([0x1000n, 138n, 2n, null, null, 0xffn]);
    expect(exit).toMatchObject({ result: null, exit: null });
  });

  it('puts interrupted lines together, by task', () => {
    const log = readStrace(`read(3, strace: Process 101 attached
 <unfinished ...>
[pid   101] write(4, "x", 1 <unfinished ...>
[pid   100] <... read resumed>"x", 8)   = 1
[pid   101] <... write resumed>)        = 1
[pid   101] +++ exited with 3 +++
--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=101} ---
wait4(-1, NULL, 0, NULL)                = 101
`);
    const [run] = log.runs;
    expect(log.unreadable).toEqual([]);
    expect(run.calls.map((c) => `${c.tid}: ${callText(c)}`)).toEqual([
      '100: read(3, "x", 8) = 1', '101: write(4, "x", 1) = 1', '100: wait4(-1, NULL, 0, NULL) = 101',
    ]);
    expect(run.calls[0]).toMatchObject({ entry: 2, exit: 4 });
    expect(run.events.filter((e) => e.type === 'task-end')).toMatchObject([{ tid: 101, code: 3 }]);
    expect(run.events.filter((e) => e.type === 'signal')).toMatchObject([{ tid: 100, signal: 'SIGCHLD' }]);
  });

  it.each([
    ['100   10:20:30.500000 getppid() = 7 <0.000042>', 100, 37230.5],
    ['[pid 100] 1700000000.250000 [ 110] getppid() = 7', 100, 1700000000.25],
    ['     0.000031 [00007ffff7ea1b3b] getppid() = 7', 0, null],
    ['getppid() = 7', 0, null],
  ])('takes the prefixes of %s', (text, tid, entered) => {
    const [c] = only(text);
    expect([c.tid, c.entered, callText(c)]).toEqual([tid, entered, 'getppid() = 7']);
    if (text.includes('<')) expect(c.ended! - c.entered!).toBeCloseTo(0.000042, 5);
  });

  it('tells calls that lack their result, and lets output be', () => {
    const log = readStrace('getpid() = 7\nread(3, "abc\nsome(thing) else\ngetpid() = 7\n');
    expect(log.unreadable).toMatchObject([{ line: 2 }]);
    expect(log.runs[0].output).toMatchObject([{ line: 3 }]);
    expect(log.runs[0].calls).toHaveLength(2);
  });

  it('cuts arguments at the commas between them only', () => {
    const text = 'f("a\\", (b", [1, {x=2, y=")"}], 3</tmp/a(b>, 1<<4 /* A, ) */, {a, b}) = 0';
    expect(partsOf(text)).toEqual({
      args: ['"a\\", (b"', '[1, {x=2, y=")"}]', '3</tmp/a(b>', '1<<4 /* A, ) */', '{a, b}'],
      rest: ' = 0',
    });
  });

  it('ends where the trace ends', () => {
    const log = fixture('tokio-echo.strace');
    expect(log.unreadable).toEqual([]);
    const last = log.runs[0].calls.at(-1)!;
    expect(callText(last)).toBe('futex(0xffff9af93fe8, FUTEX_WAIT_PRIVATE, 1, NULL <no return>'.replace('NULL ', 'NULL) '));
  });

  it('reads back every call of a run here', async () => {
    let text = '';
    const tracer = new Strace({ write: (t) => (text += t), follow: true, format: { strsize: 8 } });
    const machine = await Machine.boot({ program: rootPath('guests/prebuilt/x86_64/racy-musl'), seed: 3, tracer });
    let calls = 0;
    machine.on('syscall', (e) => (calls += e.type === 'enter' ? 1 : 0));
    await machine.run();
    tracer.finish();
    const log = readStrace(text, 'racy', machine.arch);
    expect(log.unreadable).toEqual([]);
    expect(log.runs[0].output).toEqual([]);
    // The first execve is nobody's call here.
    expect(log.runs[0].calls.length).toBe(calls + 1);
    expect(log.runs[0].tasks.length).toBeGreaterThan(3);
  });
}); // prettier-ignore

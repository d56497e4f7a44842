import { describe, expect, it } from 'vitest';
import { Strace } from '../../kernel/trace/strace.ts';
import { diffLogs, Machine, type Log } from '../../src/index.ts';
import { callText } from '../../src/logs/events.ts';
import { diffReport } from '../../src/logs/diff/report.ts';
import { readLog } from '../../src/logs/read.ts';
import { readStrace } from '../../src/logs/strace.ts';
import { rootPath } from '../support/guests.ts';
import { fixture } from './fixtures.ts';

const diff = (a: string, b: string) => diffLogs(readStrace(a, 'a'), readStrace(b, 'b'));
const kinds = (a: string, b: string) =>
  diff(a, b).differences.map((d) => `${d.soft ? 'soft ' : ''}${d.kind}`);

const SETUP = (base: string, fd: number, pid: number) => `getpid() = ${pid}
openat(AT_FDCWD, "/lib/libc.so", O_RDONLY|O_CLOEXEC) = ${fd}
mmap(NULL, 1515520, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_DENYWRITE, ${fd}, 0) = 0x${base}000000
mprotect(0x${base}150000, 61440, PROT_NONE) = 0
close(${fd}) = 0
clock_gettime(CLOCK_REALTIME, {tv_sec=${pid}, tv_nsec=5}) = 0
kill(${pid}, 0) = 0
`;

describe('two runs', () => {
  it('are the same when addresses, descriptors, pids and times go together', () => {
    const result = diff(SETUP('7f1234', 3, 100), SETUP('7f99ab', 4, 2001));
    expect(result.differences).toEqual([]);
    expect(result.pairs).toEqual([{ tasks: [0, 0], calls: 7 }]);
    const text = diffReport(readStrace('', 'a'), readStrace('', 'b'), result);
    expect(text).toMatch(/\nNo difference in 7 calls of 1 task\.\n$/);
  });

  it.each([
    ['another descriptor', 'close(3) = 0', 'close(0) = 0', 'fd: 3, 0'],
    [
      'another place in the mapping',
      '150000, 61440',
      '151000, 61440',
      'addr: 0x7f1234150000, 0x7f99ab151000',
    ],
    ['another process', 'kill(100, 0)', 'kill(1, 0)', 'pid: 100, 1'],
    ['other flags', 'O_RDONLY|O_CLOEXEC', 'O_RDWR', 'flags: O_RDONLY|O_CLOEXEC, O_RDWR'],
    ['another path', '/lib/libc.so', '/lib/libm.so', 'filename: "/lib/libc.so", "/lib/libm.so"'],
    [
      'NULL',
      'CLOCK_REALTIME, {tv_sec=100, tv_nsec=5}',
      'CLOCK_REALTIME, NULL',
      'tp: {tv_sec=100, tv_nsec=5}, NULL',
    ],
  ])('differ in %s', (_, from, to, text) => {
    const a = SETUP('7f1234', 3, 100);
    const b = SETUP('7f99ab', 4, 2001);
    // What b has at that place, with the change.
    const there = from.replace('100', '2001').replace(/\b3\b/, '4').replace('tv_sec=100', 'tv_sec=2001');
    expect(b).toContain(there);
    const { first, differences } = diff(a, b.replace(there, to));
    expect(differences.length).toBeGreaterThan(0);
    expect(first).toMatchObject({ kind: 'arguments', soft: false });
    expect(first!.text.replace('path:', 'filename:').replace('fd: 3', 'fd: 3')).toMatch(/^arguments: /);
    expect(first!.text.split(': ').at(-1)).toBe(text.split(': ').at(-1)!.replace('100, 1', '100, 1'));
  });

  it('differ in a result, with what Linux says', () => {
    const wait = 'epoll_wait(7, 0x1000, 64, -1) = 1\n';
    const { first } = diff(
      `${wait}epoll_ctl(7, EPOLL_CTL_DEL, 9, NULL) = -1 EFAULT (Bad address)\n`,
      `${wait}epoll_ctl(7, EPOLL_CTL_DEL, 9, NULL) = 0\n`,
    );
    expect(first).toMatchObject({
      kind: 'result',
      index: 1,
      text: 'result: -1 EFAULT, 0',
      linux: [{ side: 'a', says: { rule: 'epoll-del-event', man: 'epoll_ctl(2), EPOLL_CTL_DEL and BUGS' } }],
    });
    const other = diff('close(3) = -1 EBADF (Bad file descriptor)\n', 'close(3) = 0\n').first!;
    expect(other.linux).toMatchObject([
      { side: null, says: { man: 'close(2), ERRORS', why: 'EBADF means: the descriptor is not open.' } },
    ]);
  });

  it('differ by calls only one makes, and go on together behind them', () => {
    const a =
      'getuid() = 0\nopenat(AT_FDCWD, "/x", O_RDONLY) = 3\nfstat(3, 0x1000) = 0\nread(3, "", 10) = 0\nclose(3) = 0\ngetgid() = 5\n';
    const b = a.replace('fstat(3, 0x1000) = 0\n', '').replace('= 5', '= 6');
    expect(kinds(a, b)).toEqual(['only-a', 'result']);
    expect(diff(a, b).first!.a!.name).toBe('fstat');
    expect(kinds(b, a)).toEqual(['only-b', 'result']);
    // What the schedule or the clock alone decides is told apart.
    expect(kinds(a, a.replace('read', 'sched_yield() = 0\nread'))).toEqual(['soft only-b']);
    expect(
      kinds('futex(0x1000, FUTEX_WAKE_PRIVATE, 1) = 0\n', 'futex(0x2000, FUTEX_WAKE_PRIVATE, 1) = 1\n'),
    ).toEqual(['soft result']);
    // A log may begin later or end earlier than the other.
    expect(kinds(a.slice(a.indexOf('fstat')), a)).toEqual(['soft only-b', 'soft only-b']);
    expect(kinds(a, a.slice(0, a.indexOf('read')))).toEqual(['soft only-a', 'soft only-a', 'soft only-a']);
  });

  it('pair threads by the order they were made in', () => {
    const threads = (t: [number, number], writes: [string, string]) =>
      `[pid 100] clone(child_stack=0x1000, flags=CLONE_VM|CLONE_FILES|CLONE_THREAD) = ${t[0]}
[pid 100] clone(child_stack=0x2000, flags=CLONE_VM|CLONE_FILES|CLONE_THREAD) = ${t[1]}
[pid ${t[1]}] write(1, "${writes[1]}", 1) = 1
[pid ${t[0]}] write(1, "${writes[0]}", 1) = 1
`;
    const a = threads([101, 102], ['x', 'y']);
    expect(diff(a, threads([301, 302], ['x', 'y'])).differences).toEqual([]);
    const { differences } = diff(a, threads([301, 302], ['y', 'x']));
    expect(differences.map((d) => d.tasks)).toEqual([
      [102, 302],
      [101, 301],
    ]);
  });

  it('a call one of them never came back from', () => {
    const a = '[pid 1] read(3,  <unfinished ...>\n[pid 2] getuid() = 0\n';
    const b = '[pid 1] read(3, "x", 1) = 1\n[pid 2] getuid() = 0\n';
    expect(diff(a, b).first).toMatchObject({ kind: 'no-return', text: 'the first never came back from it' });
  });
});

describe('a StarryOS log beside Linux', () => {
  it('is the same but where StarryOS is not Linux', () => {
    // The dynamic linker maps the program: the same calls, with strings where the log has pointers.
    const linux = `writev(2, [{iov_base="x", iov_len=51}], 6) = 51
getcwd("/", 128) = 2
mmap(NULL, 16408, PROT_READ, MAP_PRIVATE|MAP_DENYWRITE, 3, 0) = 0x7f8a00000000
mmap(0x7f8a00001000, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x1000) = 0x7f8a00001000
mmap(0x7f8a00002000, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x2000) = 0x7f8a00002000
mmap(0x7f8a00003000, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x2000) = 0x7f8a00003000
`;
    const result = diffLogs(fixture('sleep-mmap.log'), readLog(linux, 'linux'));
    expect(result.differences.map((d) => [d.kind, d.soft, d.text])).toEqual([
      ['result', false, 'result: 67352736, 2'],
    ]);
    expect(result.first!.linux).toMatchObject([{ side: 'a', says: { rule: 'getcwd-length' } }]);
    const text = diffReport(fixture('sleep-mmap.log'), readLog(linux, 'linux'), result, { context: 1 });
    expect(text).toContain(`First difference:

call 2 of task 8 and 0: result: 67352736, 2
  A     1: writev(2, 0x3fffee60, 6) = 51
  B     1: writev(2, [{iov_base="x", iov_len=51}], 6) = 51
> A     3: getcwd(0x403b8a0, 128) = 67352736
> B     2: getcwd("/", 128) = 2
`);
    expect(text).toContain("  Linux  not A's result: the length of the path with its NUL, at most 128.");
  });
});

describe('runs here', () => {
  const trace = async (seed: number): Promise<Log> => {
    let text = '';
    const tracer = new Strace({ write: (t) => (text += t), follow: true });
    const machine = await Machine.boot({ program: rootPath('guests/prebuilt/x86_64/racy-musl'), seed, tracer });
    await machine.run();
    tracer.finish();
    return readStrace(text, `seed ${seed}`);
  };
  it('of one seed are the same; of two, only what threads do differs', async () => {
    const [a, b, c] = [await trace(1), await trace(1), await trace(2)];
    expect(diffLogs(a, b).differences).toEqual([]);
    const hard = diffLogs(a, c).differences.filter((d) => !d.soft);
    expect(hard.map((d) => callText((d.a ?? d.b)!))).toEqual([]);
  });
}); // prettier-ignore

import { describe, expect, it } from 'vitest';
import { checkLog } from '../../src/logs/check/check.ts';
import { checkReport } from '../../src/logs/check/report.ts';
import { readLog } from '../../src/logs/read.ts';
import { fixture } from './fixtures.ts';

const check = (text: string) => checkLog(readLog(text));
/** Rules broken by a log, in order. */
const rules = (text: string) => check(text).findings.map((f) => f.rule);
const at = (seconds: number) => `[ ${seconds.toFixed(6)} 0:5 axstarry::syscall:1] [syscall]`;

describe('the log of ZLMediaKit on StarryOS', () => {
  it('futex 393 is the first result Linux does not give, and the loop around it is seen', () => {
    const { findings, first } = checkLog(fixture('zlm-futex.log'));
    expect(first[0]).toMatchObject({
      rule: 'futex-op',
      line: 2,
      lines: [2, 4],
      certain: true,
      man: 'futex(2), FUTEX_WAIT_BITSET and FUTEX_CLOCK_REALTIME',
      linux: '0 when woken, EAGAIN when the word is not the expected value, EINTR',
    });
    expect(first[0]!.call).toMatchObject({ result: -22n, error: 'EINVAL' });
    expect(first[0]!.call!.values[1]).toBe(393n);
    expect(findings.map((f) => [f.kind, f.line])).toEqual([
      ['progress', 1],
      ['result', 2],
    ]);
  });

  it('epoll_ctl DEL is the first, and the task it starves is named', () => {
    const { findings, first } = checkLog(fixture('zlm-livelock.log'));
    expect(first[0]).toMatchObject({ rule: 'epoll-del-event', line: 24, tid: 15, certain: true });
    expect(first[0]!.call).toMatchObject({ name: 'epoll_ctl', result: -14n });
    const [loop] = findings.filter((f) => f.kind === 'progress');
    expect(loop.what).toMatch(
      /^task 15 repeats epoll_wait\(.*\) = 1, epoll_ctl\(.*\) = -1 EFAULT .*: 8 times/,
    );
    expect(loop.why).toMatch(/No other task runs meanwhile\. Task 13 is in futex\(.*\) since line 20\./);
    expect(findings).toHaveLength(2);
  });

  it('the area [0x1337000, 0x1336000] cannot be', () => {
    const { findings } = checkLog(fixture('zlm-mmap.log'));
    const states = findings.filter((f) => f.kind === 'state');
    expect(states.map((f) => [f.line, f.rule, f.what, f.linux])).toEqual([
      [15, 'area-range', 'mmap area [0x9ca000, 0x1337000]', 'the area [0x9ca000, 0xfd1000]'],
      [17, 'area-empty', 'shrink-left area [0x9ca000, 0x1337000]', 'the rest [0xfd1000, 0x1337000]'],
      [20, 'area-inverted', 'mmap area [0x1337000, 0x1336000]', 'the area [0xfd1000, 0x1336000]'],
    ]);
    // Of the calls' results only these are not Linux's.
    expect(findings.filter((f) => f.kind === 'result').map((f) => f.rule)).toEqual([
      'getcwd-length',
      'mmap-low',
    ]);
    expect(checkLog(fixture('sleep-mmap.log')).findings.filter((f) => f.kind === 'state')).toEqual([]);
  });

  it('exec does not return argc', () => {
    expect(checkLog(fixture('zlm-exec.log')).findings.map((f) => f.rule)).toEqual([
      'execve-result',
      'leader-pid',
    ]);
  });

  it('reads to people', () => {
    const log = fixture('zlm-livelock.log');
    const text = checkReport(log, checkLog(log));
    expect(text).toContain('zlm-livelock.log: StarryOS log, 51 lines, 24 calls by 2 tasks\n');
    expect(text).toContain(`
line 24: epoll_ctl(7, EPOLL_CTL_DEL, 0, NULL) = -1 EFAULT (Bad address)   <- first result that is not Linux's
  log    [ 42.934231 0:15 axstarry::syscall:51] [syscall] id = 233, args = [7, 2, 0, 0, 0, 268438480], return -14
  Linux  0, or ENOENT when fd 0 is not in the set
  why    EPOLL_CTL_DEL does not look at the event: it may be NULL (since Linux 2.6.9).
  see    epoll_ctl(2), EPOLL_CTL_DEL and BUGS
  again  lines 28, 32, 36, 40, 44, 48
`);
    expect(text).toMatch(
      /\n1 result that is not Linux's, 1 livelock\.\nFirst result that is not Linux's:\n {2}line 24: /,
    );
    const runs = fixture('excerpts.log.txt');
    expect(checkReport(runs, checkLog(runs), { brief: true })).toMatch(
      /--- run 3 of 3: lines 75 to 80 ---\n75: the program repeats futex/,
    );
  });
});

describe('Linux itself', () => {
  it('is not found fault with', () => {
    const result = checkLog(fixture('tokio-echo.strace'));
    expect(result).toEqual({ findings: [], first: [null] });
    expect(checkReport(fixture('tokio-echo.strace'), result)).toMatch(
      /Nothing in it that Linux would not do\.\n$/,
    );
  });
});

describe('single calls', () => {
  // Each pair: what Linux does not give, and beside it what it may give.
  it.each([
    [
      'futex(0x1000, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, 0) = 0',
      'futex-bitset',
      '= -1 EINVAL (Invalid argument)',
    ],
    ['futex(0x1002, FUTEX_WAKE, 1) = 0', 'futex-aligned', '= -1 EINVAL (Invalid argument)'],
    ['futex(0x1000, FUTEX_WAKE_PRIVATE, 1) = 2', 'futex-wake-count', '= 1'],
    [
      'futex(0x1000, FUTEX_WAIT_PRIVATE, 1, NULL) = -1 ETIMEDOUT (Connection timed out)',
      'futex-timeout',
      '= -1 EAGAIN (x)',
    ],
    [
      'futex(0x1000, FUTEX_REQUEUE_PRIVATE, 1, 1, 0x2000) = -1 ENOSYS (Function not implemented)',
      'futex-op',
      '= 2',
    ],
    ['epoll_ctl(3, EPOLL_CTL_ADD, 4, NULL) = 0', 'epoll-no-event', '= -1 EFAULT (Bad address)'],
    ['epoll_wait(3, 0x1000, 4, -1) = 0', 'wait-forever', '= 1'],
    ['epoll_wait(3, 0x1000, 4, 0) = 5', 'epoll-too-many', '= 4'],
    ['epoll_wait(3, 0x1000, 0, 0) = 0', 'epoll-maxevents', '= -1 EINVAL (Invalid argument)'],
    ['poll(NULL, 0, 10) = -1 EFAULT (Bad address)', 'poll-nothing', '= 0 (Timeout)'],
    ['read(3, "abc", 2) = 3', 'too-many-bytes', '= 2'],
    ['write(1, 0x1000, 0) = -1 EFAULT (Bad address)', 'zero-bytes', '= 0'],
    ['close(99) = -1 EPERM (Operation not permitted)', 'eperm', '= -1 EBADF (Bad file descriptor)'],
    ['dup2(3, 7) = 4', 'dup2-number', '= 7'],
    ['fcntl(3, F_DUPFD, 10) = 4', 'dupfd-minimum', '= 10'],
    ['lseek(3, 100, SEEK_SET) = 0', 'lseek-set', '= 100'],
    ['kill(12, 0) = -1 EINVAL (Invalid argument)', 'kill-einval', '= -1 ESRCH (No such process)'],
    ['kill(0, SIGTERM) = -1 ESRCH (No such process)', 'kill-own-group', '= 0'],
    ['kill(-5, SIGTERM) = -1 EINVAL (Invalid argument)', 'kill-group', '= -1 ESRCH (No such process)'],
    ['wait4(12, NULL, 0, NULL) = 13', 'wait-other', '= 12'],
    ['wait4(-1, NULL, 0, NULL) = 0', 'wait-zero', '= 12'],
    ['getpgid(0) = 0', 'pgid-zero', '= 12'],
    ['sched_getaffinity(0, 128, 0x1000) = 1', 'affinity-length', '= 8'],
    ['prctl(0x7777, 0) = 0', 'prctl-unknown', '= -1 EINVAL (Invalid argument)'],
    ['rt_sigaction(SIGKILL, 0x1000, NULL, 8) = 0', 'sigaction-fixed', '= -1 EINVAL (Invalid argument)'],
    ['clock_getres(CLOCK_REALTIME, 0x1000) = -1 EINVAL (Invalid argument)', 'clock-unknown', '= 0'],
    ['recvmsg(3, 0x1000, 0) = -1 ENOSYS (Function not implemented)', 'missing-call', '= 5'],
    [
      'mmap(NULL, 0, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000',
      'mmap-accepted',
      '= -1 EINVAL (Invalid argument)',
    ],
    [
      'mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0x1000) = -1 EINVAL (Invalid argument)',
      'mmap-refused',
      '= 0x7f0000000000',
    ],
    ['munmap(0x1234, 4096) = 0', 'munmap-accepted', '= -1 EINVAL (Invalid argument)'],
    ['mprotect(0x7f0000000001, 4096, PROT_READ) = 0', 'mprotect-accepted', '= -1 EINVAL (Invalid argument)'],
    ['brk(NULL) = -1 ENOMEM (Cannot allocate memory)', 'brk-error', '= 0x4000'],
  ])('%s', (wrong, rule, right) => {
    expect(rules(`${wrong}\ngetpid() = 5\n`)).toEqual([rule]);
    expect(rules(`${wrong.slice(0, wrong.lastIndexOf(') = ') + 2)}${right}\ngetpid() = 5\n`)).toEqual([]);
  });

  it('a wait that gave up too early is known by the times beside it', () => {
    const wait = (until: number) =>
      `${at(1)} id = EPOLL_WAIT, args = [3, 4096, 8, 500, 0, 0], entry\n${at(until)} id = 232, args = [3, 4096, 8, 500, 0, 0], return 0`;
    expect(rules(wait(1.02))).toEqual(['wait-too-short']);
    expect(rules(wait(1.5))).toEqual([]);
  });

  it('a panic is told with its words', () => {
    const text = `${at(1)} id = GETPID, args = [0, 0, 0, 0, 0, 0], entry\n[ 1.100000 0:5 axruntime::lang_items:6] panicked at 'unknown syscall id: 47'`;
    expect(check(text).findings).toMatchObject([{ rule: 'panic', line: 2, tid: 5, kind: 'state' }]);
  });
});

describe('memory', () => {
  const RW = 'PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0';
  it('what was unmapped is not protected, and nothing is mapped over what is there', () => {
    expect(rules(`mmap(NULL, 16384, ${RW}) = 0x7f0000000000
munmap(0x7f0000001000, 4096) = 0
mprotect(0x7f0000000000, 8192, PROT_READ) = 0
mmap(NULL, 8192, ${RW}) = 0x7f0000002000
mmap(NULL, 4096, ${RW}) = 0x7f0000001000
`)).toEqual(['mprotect-accepted', 'mmap-overlap']);
  });

  it('what was there before the log is not judged', () => {
    expect(rules('mprotect(0x7f0000000000, 8192, PROT_READ) = 0\nmunmap(0x7f0000001000, 4096) = 0\n')).toEqual([]);
  });

  it('the break moves both ways', () => {
    expect(rules('brk(NULL) = 0x10000\nbrk(0x30000) = 0x30000\nbrk(0x20000) = 0x30000\n')).toEqual(['brk-shrink']);
    expect(rules('brk(NULL) = 0x10000\nbrk(0x30000) = 0x10000\n')).toEqual(['brk-grow']);
    expect(rules('brk(NULL) = 0x10000\nbrk(0x30000) = 0x20000\n')).toEqual(['brk-other']);
    expect(rules('brk(NULL) = 0x10000\nbrk(0x30000) = 0x30000\nbrk(0x20000) = 0x20000\nbrk(NULL) = 0x20000\n')).toEqual([]);
  });

  it('fork copies, threads share, exec forgets', () => {
    const head = `mmap(NULL, 8192, ${RW}) = 0x7f0000000000\n`;
    const after = '[pid 8] munmap(0x7f0000000000, 8192) = 0\n[pid 7] mprotect(0x7f0000000000, 4096, PROT_READ) = 0\n';
    const clone = (flags: string) => `[pid 7] clone(child_stack=NULL, flags=${flags}SIGCHLD) = 8\n`;
    expect(rules(head + clone('') + after)).toEqual([]);
    expect(rules(head + clone('CLONE_VM|') + after)).toEqual(['mprotect-accepted']);
    const exec = 'munmap(0x7f0000000000, 8192) = 0\nexecve("/a", ["a"], 0x1000) = 0\nmprotect(0x7f0000000000, 4096, PROT_READ) = 0\n';
    expect(rules(head + exec)).toEqual([]);
  });

  it('a fault where nothing may be read, and the task went on', () => {
    const call = (t: number, args: string, ret: string) => `${at(t)} id = MMAP, args = [${args}], entry\n${at(t + 0.001)} id = 9, args = [${args}], return ${ret}\n`;
    const fault = '[ 2.500000 0:5 axhal::arch::x86_64::trap:21] User #PF @ 0x40c8f88, fault_vaddr=0x20008, error_code=0x4\n';
    const none = call(1, '131072, 4096, 0, 50, 4294967295, 0', '131072') + fault + call(3, '262144, 4096, 3, 50, 4294967295, 0', '262144');
    expect(rules(none)).toEqual(['fault-passed']);
    expect(rules(none.replace('4096, 0, 50', '4096, 3, 50').replace('4096, 0, 50', '4096, 3, 50'))).toEqual([]);
  });
}); // prettier-ignore

describe('descriptors', () => {
  const open = (fd: number, flags = 'O_RDONLY') => `openat(AT_FDCWD, "/f", ${flags}) = ${fd}\n`;
  it('are the lowest that are free, and free until closed', () => {
    expect(rules(`${open(3)}${open(3)}`)).toEqual(['fd-taken']);
    expect(rules(`${open(3)}${open(4)}close(3) = 0\n${open(5)}`)).toEqual(['fd-lowest']);
    expect(
      rules(`${open(3)}${open(4)}close(3) = 0\n${open(3)}${open(5)}dup2(5, 3) = 3\nclose(5) = 0\n${open(5)}`),
    ).toEqual([]);
  });
  it('are EBADF when closed, and only then', () => {
    expect(rules(`${open(3)}close(3) = 0\nread(3, "", 5) = 0\n`)).toEqual(['fd-closed']);
    expect(rules(`${open(3)}close(3) = -1 EBADF (Bad file descriptor)\n`)).toEqual(['fd-open']);
    expect(rules(`${open(3, 'O_WRONLY')}read(3, 0x1000, 5) = -1 EBADF (Bad file descriptor)\n`)).toEqual([]);
    expect(
      rules(`${open(3)}execve("/b", ["b"], 0x1000) = 0\nclose(3) = -1 EBADF (Bad file descriptor)\n`),
    ).toEqual([]);
  });
  it('are copied at fork, before the parent closes them', () => {
    const fork = (flags: string) => `[pid 7] openat(AT_FDCWD, "/f", O_RDONLY) = 3
[pid 7] clone(child_stack=NULL, flags=${flags}SIGCHLD) = 8
[pid 7] close(3) = 0
[pid 8] close(3) = 0
`;
    expect(rules(fork(''))).toEqual([]);
    expect(rules(fork('CLONE_FILES|'))).toEqual(['fd-closed']);
  });
  it('are in an epoll set once', () => {
    const set =
      'epoll_create1(0) = 3\neventfd2(0, 0) = 4\nepoll_ctl(3, EPOLL_CTL_ADD, 4, {EPOLLIN, {u32=0, u64=0}}) = 0\n';
    const add = 'epoll_ctl(3, EPOLL_CTL_ADD, 4, {EPOLLIN, {u32=0, u64=0}}) = ';
    expect(rules(`${set}${add}0\n`)).toEqual(['epoll-add-twice']);
    expect(rules(`${set}${add}-1 EEXIST (File exists)\n`)).toEqual([]);
    expect(rules(`${set}close(4) = 0\neventfd2(0, 0) = 4\n${add}0\n`)).toEqual([]);
    expect(rules(`${set}epoll_ctl(3, EPOLL_CTL_DEL, 9, NULL) = 0\n`)).toEqual(['epoll-not-there']);
    expect(
      rules(`${set}epoll_ctl(3, EPOLL_CTL_DEL, 4, NULL) = -1 ENOENT (No such file or directory)\n`),
    ).toEqual(['epoll-there']);
  });
});

describe('futexes', () => {
  const line = (tid: number, text: string) => `[ 1.000000 0:${tid} axstarry::syscall:1] ${text}\n`;
  const wait = (tid: number) => line(tid, '[syscall] id = FUTEX, args = [4096, 128, 2, 0, 0, 0], entry');
  const waited = (tid: number, result: number) => line(tid, `[syscall] id = 202, args = [4096, 128, 2, 0, 0, 0], return ${result}`);
  const saw = (tid: number, real: number) => line(tid, `real val: 0x${real}, expected val: 0x2`);
  const wake = (tid: number, result: number) =>
    line(tid, '[syscall] id = FUTEX, args = [4096, 129, 1, 0, 0, 0], entry') +
    line(tid, `[syscall] id = 202, args = [4096, 129, 1, 0, 0, 0], return ${result}`);
  it('what the kernel saw in the word decides', () => {
    expect(rules(wait(5) + saw(5, 2) + waited(5, -11))).toEqual(['futex-eagain']);
    expect(rules(wait(5) + saw(5, 1) + waited(5, 0))).toEqual(['futex-not-compared']);
    expect(rules(wait(5) + saw(5, 1) + waited(5, -11))).toEqual([]);
    expect(rules(wait(5) + saw(5, 2) + waited(5, 0))).toEqual([]);
    const changed = check(wait(5) + saw(5, 2) + saw(5, 3) + waited(5, -11)).findings[0];
    expect(changed.why).toBe('The word was the expected 0x2, so the task slept; that it became 0x3 later wakes nobody.');
  });
  it('a wake-up that is lost', () => {
    expect(check(wait(5) + saw(5, 2) + wake(6, 0)).findings).toMatchObject([
      { rule: 'futex-lost-wake', tid: 6, certain: false, why: 'Task 5 waits on this word since line 1 and never gets up.' },
    ]);
    expect(rules(wait(5) + saw(5, 2) + wake(6, 0) + waited(5, 0))).toEqual([]);
    expect(rules(wait(5) + saw(5, 2) + wake(6, 1) + waited(5, 0))).toEqual([]);
  });
  it('a wake-up of nobody', () => {
    const threads = 'clone(child_stack=0x1000, flags=CLONE_VM|CLONE_FILES|CLONE_THREAD) = 8';
    const woke = (n: number) => `[pid 7] execve("/a", ["a"], 0x1000) = 0\n[pid 7] ${threads}\n[pid 8] getuid() = 0\n[pid 7] futex(0x1000, FUTEX_WAKE_PRIVATE, 1) = ${n}\n`;
    expect(rules(woke(1))).toEqual(['futex-woke-nobody']);
    expect(rules(woke(0))).toEqual([]);
    // A thread the trace does not show may have waited.
    expect(rules(woke(1).replace('[pid 8] getuid() = 0\n', ''))).toEqual([]);
    const waiting = woke(1).replace('[pid 8] getuid() = 0', '[pid 8] futex(0x1000, FUTEX_WAIT_PRIVATE, 0, NULL <unfinished ...>');
    expect(rules(waiting)).toEqual([]);
  });
}); // prettier-ignore

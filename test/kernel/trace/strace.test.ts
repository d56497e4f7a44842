import { describe, expect, it } from 'vitest';
import {
  int,
  iovec,
  fd,
  inBytes,
  outBytes,
  path,
  ptr,
  sig,
  sigset,
  size,
  special,
  timespec,
} from '../../../kernel/trace/args.ts';
import { Strace, type StraceOptions } from '../../../kernel/trace/strace.ts';
import { BASE, fakeKernel, row } from './fake.ts';

// Every expected line is strace 6.1's own for the same situation on Linux.

const READ = row('read', { args: [fd('fd'), outBytes('buf'), size('count')] });
const WRITE = row('write', { args: [fd('fd'), inBytes('buf', 2), size('count')], x86_64: 1 });
const GETPID = row('getpid', { x86_64: 39 });
const BRK = row('brk', { args: [ptr('brk')], ret: 'addr', x86_64: 12 });
const PAUSE = row('pause', { x86_64: 34 });
const EXIT_GROUP = row('exit_group', { args: [int('status')], ret: 'none', x86_64: 231 });
const NANOSLEEP = row('nanosleep', { args: [timespec('req'), timespec('rem', { out: true })], x86_64: 35 });
const ACCESS = row('access', { args: [path('name'), int('mode')], x86_64: 21 });
const KILL = row('kill', { args: [int('pid'), sig('sig')], x86_64: 62 });

function start(options: Partial<StraceOptions> = {}) {
  let text = '';
  const tracer = new Strace({ write: (s) => (text += s), ...options });
  const tasks = fakeKernel(tracer);
  const first = tasks(100);
  tracer.start(first.task, './x', ['./x', 'a"b'], ['A=1', 'B=2'], 0x7ffe0000);
  return {
    tracer, tasks, first,
    text: () => {
      tracer.flush();
      return text;
    },
    /** Without the execve line. */
    lines: () => {
      tracer.flush();
      return text.split('\n').slice(1, -1);
    },
  }; // prettier-ignore
}

describe('lines', () => {
  it('begins with the execve that made the process', () => {
    expect(start().text()).toBe('execve("./x", ["./x", "a\\"b"], 0x7ffe0000 /* 2 vars */) = 0\n');
  });

  it('aligns results at column 40', () => {
    const s = start();
    s.first.enter(BRK, 0);
    s.first.exit(0x2a25f000);
    s.first.enter(GETPID);
    s.first.exit(100);
    expect(s.lines()).toEqual([
      'brk(NULL)                               = 0x2a25f000',
      'getpid()                                = 100',
    ]);
  });

  it('names errors and prints raw pointers for what was not written', () => {
    const s = start();
    s.first.memory.put(BASE, '/x\0');
    s.first.enter(ACCESS, BASE, 0);
    s.first.exit(-2);
    s.first.enter(READ, -1, 0x7ffc40318070, 5);
    s.first.exit(-9);
    s.first.enter(WRITE, -1, 16, 5);
    s.first.exit(-14);
    expect(s.lines()).toEqual([
      'access("/x", 0)                         = -1 ENOENT (No such file or directory)',
      'read(-1, 0x7ffc40318070, 5)             = -1 EBADF (Bad file descriptor)',
      'write(-1, 0x10, 5)                      = -1 EFAULT (Bad address)',
    ]);
  });

  it('escapes and cuts strings as strace does', () => {
    const s = start();
    const write = (text: string, n = text.length) => {
      s.first.memory.put(BASE, text);
      s.first.enter(WRITE, 1, BASE, n);
      s.first.exit(n);
    };
    write('\u00018\u00017\u0001\u00109a<>\x7f\xff"\\\t\r\n\0\u00019');
    write(String.fromCharCode(...Array.from({ length: 33 }, (_, i) => i)));
    write('', 0);
    expect(s.lines()).toEqual([
      'write(1, "\\18\\0017\\1\\209a<>\\177\\377\\"\\\\\\t\\r\\n\\0\\19", 20) = 20',
      'write(1, "\\0\\1\\2\\3\\4\\5\\6\\7\\10\\t\\n\\v\\f\\r\\16\\17\\20\\21\\22\\23\\24\\25\\26\\27\\30\\31\\32\\33\\34\\35\\36\\37"..., 33) = 33',
      'write(1, "", 0)                         = 0',
    ]);
  });

  it('prints -x and -xx strings', () => {
    for (const [hex, expected] of [
      [1, '"ab\\n"'],
      [2, '"\\x61\\x62\\x0a"'],
    ] as const) {
      const s = start({ format: { hex } });
      s.first.memory.put(BASE, 'ab\n');
      s.first.enter(WRITE, 1, BASE, 3);
      s.first.exit(3);
      expect(s.lines()[0]).toContain(expected);
    }
  });

  it('prints numbers no call has', () => {
    const s = start();
    s.first.enter(row('?', {}), 1, 2, 3, 4, 5, -1);
    s.first.exit(0);
    const t = s.first.task as { row: unknown; nr: number };
    t.row = null;
    t.nr = 0x1f4;
    s.tracer.enter(s.first.task);
    s.first.exit(-38);
    expect(s.lines().at(-1)).toBe(
      'syscall_0x1f4(0x1, 0x2, 0x3, 0x4, 0x5, 0xffffffffffffffff) = -1 ENOSYS (Function not implemented)',
    );
  });

  it('says what restarts and what never returns', () => {
    const s = start();
    s.first.enter(PAUSE);
    s.first.exit(-514);
    s.first.memory.bytes[0] = 1;
    s.first.enter(NANOSLEEP, BASE, 0);
    s.first.exit(-516);
    s.first.enter(EXIT_GROUP, 3);
    s.tracer.exited(s.first.task, 3);
    expect(s.lines()).toEqual([
      'pause()                                 = ? ERESTARTNOHAND (To be restarted if no handler)',
      'nanosleep({tv_sec=1, tv_nsec=0}, NULL)  = ? ERESTART_RESTARTBLOCK (Interrupted by signal)',
      'exit_group(3)                           = ?',
      '+++ exited with 3 +++',
    ]);
  });

  it('prints signals', () => {
    const s = start();
    const t = s.first.task;
    s.tracer.signal(t, { signo: 17, code: 1, pid: 9, uid: 0, status: 7, utime: 0, stime: 0 });
    s.tracer.signal(t, { signo: 17, code: 2, pid: 9, uid: 0, status: 6 });
    s.tracer.signal(t, { signo: 10, code: -1, pid: 9, uid: 0, value: 0x123456789n });
    s.tracer.signal(t, { signo: 12, code: -2, timerId: 0, overrun: 0, value: 0x123456789n });
    s.tracer.signal(t, { signo: 19, code: -6, pid: 9, uid: 0 });
    s.tracer.stopped(t, 19);
    s.tracer.signal(t, { signo: 14, code: 0x80 });
    s.tracer.signal(t, { signo: 11, code: 1, address: 0x1234n });
    s.tracer.killed(t, 11, false);
    expect(s.lines()).toEqual([
      '--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=9, si_uid=0, si_status=7, si_utime=0, si_stime=0} ---',
      '--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=9, si_uid=0, si_status=SIGABRT, si_utime=0, si_stime=0} ---',
      '--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_QUEUE, si_pid=9, si_uid=0, si_int=591751049, si_ptr=0x123456789} ---',
      '--- SIGUSR2 {si_signo=SIGUSR2, si_code=SI_TIMER, si_timerid=0, si_overrun=0, si_int=591751049, si_ptr=0x123456789} ---',
      '--- SIGSTOP {si_signo=SIGSTOP, si_code=SI_TKILL, si_pid=9, si_uid=0} ---',
      '--- stopped by SIGSTOP ---',
      '--- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---',
      '--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x1234} ---',
      '+++ killed by SIGSEGV +++',
    ]);
  });

  it('prints signal sets, inverted from 42 signals on', () => {
    const SET = row('rt_sigpending', { args: [sigset('set')] });
    const s = start();
    const view = new DataView(s.first.memory.bytes.buffer);
    for (const set of [0n, 0xffffffffffffffffn, 0x1ffffffffffn, 0x3ffffffffffn, 0x180000001n]) {
      view.setBigUint64(0, set, true);
      s.first.enter(SET, BASE);
      s.first.exit(0);
    }
    const sets = s.lines().map((l) => /\((.*)\)/.exec(l)![1]);
    expect(sets[0]).toBe('[]');
    expect(sets[1]).toBe('~[]');
    expect(sets[2]).toMatch(/^\[HUP INT .* SYS RTMIN RT_1 .* RT_9\]$/);
    expect(sets[3]).toMatch(/^~\[RT_11 RT_12 .* RT_32\]$/);
    expect(sets[4]).toBe('[HUP RTMIN RT_1]');
  });

  it('puts the comma before a late argument only when there is one', () => {
    const LATE = row('clone', {
      args: [
        int('flags'),
        special('tid', (_t, a, _i, ret) => (ret === null || a.i32(0) === 0 ? '' : 'tid=0x1'), { out: true }),
      ],
    });
    const s = start({ follow: true });
    s.first.enter(LATE, 17);
    s.first.exit(5);
    s.first.enter(LATE, 0);
    s.first.exit(6);
    expect(s.lines()).toEqual([
      'clone(17, tid=0x1)                      = 5',
      'clone(0)                                = 6',
    ]);
  });

  it('shows as much of a readv as was read', () => {
    const READV = row('readv', { args: [fd('fd'), iovec('iov', 2, { out: true }), size('vlen')] });
    const s = start();
    const view = new DataView(s.first.memory.bytes.buffer);
    s.first.memory.put(BASE + 100, 'abcdef');
    [
      [BASE + 100, 4],
      [BASE + 104, 4],
    ].forEach(([base, length], i) => {
      view.setBigUint64(16 * i, BigInt(base), true);
      view.setBigUint64(16 * i + 8, BigInt(length), true);
    });
    s.first.enter(READV, 0, BASE, 2);
    s.first.exit(6);
    expect(s.lines()).toEqual([
      'readv(0, [{iov_base="abcd", iov_len=4}, {iov_base="ef", iov_len=4}], 2) = 6',
    ]);
  });
});

describe('several tasks', () => {
  it('interrupts and resumes lines', () => {
    const s = start({ follow: true });
    const child = s.tasks(101);
    const CLONE = row('fork', {});
    s.first.enter(CLONE);
    s.tracer.attached(s.first.task, child.task);
    s.first.exit(101);
    s.first.enter(READ, 3, BASE, 1);
    s.first.memory.put(BASE, 'x');
    child.enter(KILL, 100, 10);
    child.exit(0);
    s.first.exit(1);
    child.enter(PAUSE);
    s.first.enter(GETPID);
    s.first.exit(100);
    child.exit(-514);
    child.enter(EXIT_GROUP, 7);
    s.tracer.exited(child.task, 7);
    s.first.enter(READ, 3, BASE, 1);
    s.tracer.killed(s.first.task, 9, false);
    expect(s.lines()).toEqual([
      'fork()                                  = 101',
      'strace: Process 101 attached',
      '[pid   100] read(3,  <unfinished ...>',
      '[pid   101] kill(100, SIGUSR1)          = 0',
      '[pid   100] <... read resumed>"x", 1)   = 1',
      '[pid   101] pause( <unfinished ...>',
      '[pid   100] getpid()                    = 100',
      '[pid   101] <... pause resumed>)        = ? ERESTARTNOHAND (To be restarted if no handler)',
      '[pid   101] exit_group(7)               = ?',
      '[pid   101] +++ exited with 7 +++',
      'read(3,  <unfinished ...>)              = ?',
      '+++ killed by SIGKILL +++',
    ]);
  });

  it('announces a vfork child before its parent returns', () => {
    const s = start({ follow: true });
    const child = s.tasks(101);
    s.first.enter(row('vfork', {}));
    s.tracer.attached(s.first.task, child.task);
    child.enter(EXIT_GROUP, 1);
    s.tracer.exited(child.task, 1);
    s.first.exit(101);
    expect(s.lines()).toEqual([
      'vfork(strace: Process 101 attached',
      ' <unfinished ...>',
      '[pid   101] exit_group(1)               = ?',
      '[pid   101] +++ exited with 1 +++',
      '<... vfork resumed>)                    = 101',
    ]);
  });

  it('prefixes every line of a file with the pid', () => {
    const s = start({ follow: true, toFile: true });
    const child = s.tasks(10101);
    s.tracer.attached(s.first.task, child.task);
    child.enter(GETPID);
    child.exit(10101);
    expect(s.text()).toBe(
      '100   execve("./x", ["./x", "a\\"b"], 0x7ffe0000 /* 2 vars */) = 0\n' +
        '10101 getpid()                          = 10101\n',
    );
  });

  it('gives each task its own file with -ff', () => {
    const files = new Map<number, string>();
    const tracer = new Strace({
      write: (text, tid) => files.set(tid, (files.get(tid) ?? '') + text),
      follow: true,
      separate: true,
      toFile: true,
    });
    const tasks = fakeKernel(tracer);
    const [a, b] = [tasks(1), tasks(2)];
    tracer.start(a.task, 'x', [], [], 0);
    tracer.attached(a.task, b.task);
    a.enter(PAUSE);
    b.enter(GETPID);
    b.exit(2);
    a.exit(-4);
    tracer.finish();
    expect([...files.keys()].sort()).toEqual([1, 2]);
    expect(files.get(2)).toBe('getpid()                                = 2\n');
    expect(files.get(1)).toContain(
      'pause()                                 = -1 EINTR (Interrupted system call)\n',
    );
  });

  it('leaves children alone without -f', () => {
    const s = start();
    const child = s.tasks(101);
    s.tracer.attached(s.first.task, child.task);
    child.enter(GETPID);
    child.exit(101);
    expect(s.lines()).toEqual([]);
  });
});

describe('options', () => {
  it('drops calls by status without leaving a trace of them', () => {
    const s = start({ status: new Set(['failed'] as const) });
    s.first.enter(GETPID);
    s.first.exit(100);
    s.first.enter(KILL, 1, 0);
    s.first.exit(-1);
    expect(s.text()).toBe('kill(1, 0)                              = -1 EPERM (Operation not permitted)\n');
  });

  it('prints times', () => {
    const s = start({ timestamps: 3, relative: true, durations: true });
    s.first.clock.now = 1_000_000;
    s.first.enter(GETPID);
    s.first.clock.now = 1_009_000;
    s.first.exit(100);
    expect(s.lines()).toEqual(['1600000000.001000 (+     0.001000) getpid() = 100 <0.000009>']);
    const day = start({ timestamps: 2, utcOffset: 3600 });
    day.first.enter(GETPID);
    day.first.exit(100);
    expect(day.lines()).toEqual(['13:26:40.000000 getpid()                = 100']);
  });

  it('counts calls in the table of -c', () => {
    const s = start({ summary: 'only' });
    for (const result of [1, -9, 1]) {
      s.first.enter(WRITE, 1, BASE, 1);
      s.first.clock.now += 3000;
      s.first.exit(result);
    }
    s.first.enter(GETPID);
    s.first.clock.now += 1000;
    s.first.exit(100);
    s.tracer.finish();
    expect(s.text()).toBe(
      [
        '% time     seconds  usecs/call     calls    errors syscall',
        '------ ----------- ----------- --------- --------- ----------------',
        ' 90.00    0.000009           3         3         1 write',
        ' 10.00    0.000001           1         1           getpid',
        '  0.00    0.000000           0         1           execve',
        '------ ----------- ----------- --------- --------- ----------------',
        '100.00    0.000010           2         5         1 total',
        '',
      ].join('\n'),
    );
  });
});

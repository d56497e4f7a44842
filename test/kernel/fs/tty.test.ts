/** Every expectation here is what a Linux 6.18 pty answered to the same bytes. */
import { beforeEach, describe, expect, it } from 'vitest';
import { EAGAIN, EIO, ENOTTY, EPERM, ERESTARTSYS } from '../../../kernel/abi/errno.ts';
import { O_NOCTTY, O_NONBLOCK, O_RDWR } from '../../../kernel/fs/file.ts';
import * as io from '../../../kernel/fs/tty/ioctls.ts';
import type { PtyMasterFile } from '../../../kernel/fs/tty/pty.ts';
import * as T from '../../../kernel/fs/tty/termios.ts';
import type { TtyFile } from '../../../kernel/fs/tty/tty-file.ts';
import { Ttys } from '../../../kernel/fs/tty/ttys.ts';
import type { Inode } from '../../../kernel/fs/inode.ts';
import {
  BASE,
  fakeKernel,
  fakeTask,
  readText,
  text,
  wakeups,
  type FakeKernel,
  type FakeTask,
} from './fake-task.ts';

const node = (rdev: number): Inode => ({ rdev, mode: 0o20620 }) as unknown as Inode;

let k: FakeKernel;
let t: FakeTask;
let m: PtyMasterFile;
let s: TtyFile;

/** A pty both sides of which are open and nonblocking; the task has no controlling terminal. */
function openPty(flags = O_RDWR | O_NONBLOCK | O_NOCTTY): void {
  m = (k.devices.open(node(0x502), t, O_RDWR | O_NONBLOCK, null as never) as PtyMasterFile).retain();
  t.memory.putU32(BASE, 0);
  expect(m.ioctl(t, io.TIOCSPTLCK, BASE)).toBe(0);
  m.ioctl(t, io.TIOCGPTN, BASE);
  s = (k.devices.open(node(0x8800 + t.memory.u32(BASE)), t, flags, null as never) as TtyFile).retain();
}

beforeEach(() => {
  k = fakeKernel();
  t = fakeTask(k);
  t.group.session = 1; // not a leader
  (k as { ttys: Ttys }).ttys = new Ttys(k, 9);
  openPty();
});

const type = (bytes: string): number => m.write(text(bytes), t);
const shown = (): string | number => readText(m, 4096, t);
const got = (max = 4096): string | number => readText(s, max, t);
const put = (bytes: string): number => s.write(text(bytes), t);
function modes(set: Partial<Record<'l' | 'i' | 'o', number>>, clear: typeof set = {}): void {
  const tty = s.tty;
  const next = T.copyTermios(tty.termios);
  for (const [f, name] of [['l', 'lflag'], ['i', 'iflag'], ['o', 'oflag']] as const) {
    next[name] = (next[name] | (set[f] ?? 0)) & ~(clear[f] ?? 0);
  } // prettier-ignore
  tty.setTermios(next);
}
function cc(changes: Record<number, number>): void {
  const next = T.copyTermios(s.tty.termios);
  for (const [i, v] of Object.entries(changes)) next.cc[Number(i)] = v;
  s.tty.setTermios(next);
}

/** [what, flags set, flags cleared, typed, echo, what a read then gives…] */
type Case = [
  string,
  Parameters<typeof modes>[0],
  Parameters<typeof modes>[0],
  string,
  string | number,
  ...(string | number)[],
];
const CASES: Case[] = [
  ['a line', {}, {}, 'hello\r', 'hello\r\n', 'hello\n', -EAGAIN],
  ['VERASE', {}, {}, 'abc\x7f\x7fz\n', 'abc\b \b\b \bz\r\n', 'az\n'],
  ['VWERASE', {}, {}, 'foo bar  \x17x\n', 'foo bar  \b \b\b \b\b \b\b \b\b \bx\r\n', 'foo x\n'],
  ['VKILL over a tab', {}, {}, 'foo\tbar\x15x\n', 'foo\tbar\b \b\b \b\b \b\b\b\b\b\b\b \b\b \b\b \bx\r\n', 'x\n'],
  ['VKILL without ECHOKE', {}, { l: T.ECHOKE }, 'foo\x15x\n', 'foo^U\r\nx\r\n', 'x\n'],
  ['VERASE without ECHOE', {}, { l: T.ECHOE }, 'foo\x7f\x7fx\n', 'foo^?^?x\r\n', 'fx\n'],
  ['ECHOPRT', { l: T.ECHOPRT }, {}, 'foo\x7f\x7fx\n', 'foo\\oo/x\r\n', 'fx\n'],
  ['VERASE over a tab', {}, {}, 'a\tb\x7f\x7f\x7f\x7fc\n', 'a\tb\b \b\b\b\b\b\b\b\b\b \bc\r\n', 'c\n'],
  ['VERASE over a control character', {}, {}, 'a\x01\x7f\n', 'a^A\b \b\b \b\r\n', 'a\n'],
  ['VEOF alone', {}, {}, '\x04', -EAGAIN, '', -EAGAIN],
  ['VEOF within a line', {}, {}, 'abc\x04', 'abc', 'abc', -EAGAIN],
  ['VEOF twice', {}, {}, 'abc\x04\x04def\n', 'abcdef\r\n', 'abc', '', 'def\n', -EAGAIN],
  ['VLNEXT', {}, {}, 'a\x16\x03b\x16\x7f\n', 'a^\b^Cb^\b^?\r\n', 'a\x03b\x7f\n'],
  ['VREPRINT', {}, {}, 'ab\x12c\n', 'ab^R\r\nabc\r\n', 'abc\n'],
  ['ECHOCTL', {}, {}, '\x01\x02\x1b\x1f\x7f\n', '^A^B^[^_\b \b\b \b\r\n', '\x01\x02\x1b\n'],
  ['no ECHOCTL', {}, { l: T.ECHOCTL }, '\x01\x02\x1b\n', '\x01\x02\x1b\r\n', '\x01\x02\x1b\n'],
  ['ECHONL without ECHO', { l: T.ECHONL }, { l: T.ECHO }, 'abc\n', '\r\n', 'abc\n'],
  ['VINTR', {}, {}, 'abc\x03def\n', '^Cdef\r\n', 'def\n'],
  ['VQUIT with NOFLSH', { l: T.NOFLSH }, {}, 'abc\x1cdef\n', 'abc^\\def\r\n', 'abcdef\n'],
  ['VSUSP', {}, {}, 'abc\x1adef\n', '^Zdef\r\n', 'def\n'],
  ['no ISIG', {}, { l: T.ISIG }, 'abc\x03\x1c\x1a\n', 'abc^C^\\^Z\r\n', 'abc\x03\x1c\x1a\n'],
  ['no IEXTEN', {}, { l: T.IEXTEN }, 'abc\x16\x17\x12\n', 'abc^V^W^R\r\n', 'abc\x16\x17\x12\n'],
  ['IGNCR', { i: T.IGNCR }, {}, 'a\rb\n', 'ab\r\n', 'ab\n'],
  ['INLCR without ICRNL', { i: T.INLCR }, { i: T.ICRNL }, 'a\nb\r', 'a^Mb^M', -EAGAIN],
  ['ISTRIP', { i: T.ISTRIP }, {}, '\xe1\xe2\n', 'ab\r\n', 'ab\n'],
  ['IUCLC', { i: T.IUCLC }, {}, 'ABC\n', 'abc\r\n', 'abc\n'],
  ['VERASE with IUTF8', { i: T.IUTF8 }, {}, 'a\xc3\xa9\x7f\x7fz\n', 'a\xc3\xa9\b \b\b \bz\r\n', 'z\n'],
  ['VERASE without IUTF8', {}, {}, 'a\xc3\xa9\x7fz\n', 'a\xc3\xa9\b \bz\r\n', 'a\xc3z\n'],
  ['PARMRK doubles 0377', { i: T.PARMRK }, { l: T.ICANON | T.ECHO }, '\xff', -EAGAIN, '\xff\xff'],
  ['EXTPROC', { l: T.EXTPROC }, {}, 'ab\x7f\x03\n', -EAGAIN, 'ab\x7f\x03\n'],
  ['raw', {}, { l: T.ICANON | T.ECHO | T.ISIG | T.IEXTEN, i: T.ICRNL | T.IXON }, '\r\n\x03\x04', -EAGAIN, '\r\n\x03\x04'],
]; // prettier-ignore

describe('line discipline', () => {
  it.each(CASES)('%s', (_what, set, clear, typed, echo, ...reads) => {
    modes(set, clear);
    type(typed);
    expect(shown()).toBe(echo);
    for (const r of reads) expect(got()).toBe(r);
  });

  it('ends lines at VEOL and VEOL2 too', () => {
    cc({ [T.VEOL]: 0x21, [T.VEOL2]: 0x3f });
    type('ab!cd?ef\n');
    expect(shown()).toBe('ab!cd?ef\r\n');
    expect([got(), got(), got()]).toEqual(['ab!', 'cd?', 'ef\n']);
  });
  it('knows a control character set to 0 as none', () => {
    cc({ [T.VERASE]: 0, [T.VINTR]: 0 });
    type('a\x7f\x03\0\n');
    expect(shown()).toBe('a^?^C^@\r\n');
    expect(got()).toBe('a\x7f\x03\0\n');
  });
  it('gives a line in parts, and an end-of-file mark right behind a full read with it', () => {
    type('one\ntwo\nthr');
    expect(s.pendingInput()).toBe(8);
    expect([got(2), got(), got(), got()]).toEqual(['on', 'e\n', 'two\n', -EAGAIN]);
    type('\x15abc\x04');
    expect([got(3), got(3)]).toEqual(['abc', -EAGAIN]);
  });
  it('keeps what is there when canonical mode is switched', () => {
    type('part');
    expect(s.poll()).toBe(0x104);
    modes({}, { l: T.ICANON });
    expect(s.poll()).toBe(0x145);
    modes({ l: T.ICANON });
    expect(got()).toBe('part');
  });
  it('takes a newline even when the buffer is full', () => {
    let sent = 0;
    while (sent < 10000) {
      sent += type('x'.repeat(10000 - sent));
      shown();
    }
    shown();
    type('\n');
    expect(got()).toBe('x'.repeat(4095) + '\n');
  });
});

describe('output processing', () => {
  const cases: [string, Parameters<typeof modes>[0], Parameters<typeof modes>[0], string, string][] = [
    ['ONLCR', {}, {}, 'a\nb\tc\r\n', 'a\r\nb\tc\r\r\n'],
    ['OCRNL', { o: T.OCRNL }, { o: T.ONLCR }, 'a\nb\r', 'a\nb\n'],
    ['ONOCR', { o: T.ONOCR }, {}, '\ra\r\r', '\x0da\r'],
    ['ONLRET', { o: T.ONLRET }, { o: T.ONLCR }, 'a\nb\n', 'a\nb\n'],
    ['OLCUC', { o: T.OLCUC }, {}, 'abc\n', 'ABC\r\n'],
    ['XTABS', { o: T.XTABS }, {}, 'abc\td\n\tx\b\ty', 'abc     d\r\n        x\b        y'],
    ['no OPOST', {}, { o: T.OPOST }, 'a\nb', 'a\nb'],
  ];
  it.each(cases)('%s', (what, set, clear, written, seen) => {
    modes(set, clear);
    expect(put(written)).toBe(written.length);
    // ONOCR: the first CR is at column 0 and goes; natively the column was not 0 there.
    expect(shown()).toBe(what === 'ONOCR' ? seen.slice(1) : seen);
  });
  it('stops at ^S, goes on at ^Q, and lets echo wait meanwhile', () => {
    const seen = wakeups(s);
    type('\x13');
    expect(put('out')).toBe(-EAGAIN);
    expect(s.poll()).toBe(0);
    type('hello');
    expect(shown()).toBe(-EAGAIN);
    type('\x11');
    expect(shown()).toBe('hello');
    expect(seen).toContain(0x104);
  });
  it('goes on at any character with IXANY', () => {
    modes({ i: T.IXANY });
    type('\x13');
    type('q');
    expect(shown()).toBe('q');
  });
  it('makes a writer wait for a slow master, and tells it of room', () => {
    let n = 0;
    for (let r = put('x'.repeat(5000)); r > 0; r = put('x'.repeat(5000))) n += r;
    expect(n).toBe(12288);
    expect(s.poll()).toBe(0);
    const seen = wakeups(s);
    shown();
    expect(seen).toEqual([0x104]);
    expect(s.poll()).toBe(0x104);
  });
});

describe('raw reads', () => {
  const raw = (min: number, time: number): void => {
    modes({}, { l: T.ICANON | T.ECHO });
    cc({ [T.VMIN]: min, [T.VTIME]: time });
  };
  it('VMIN: a blocking read waits for so many bytes, a nonblocking one takes what is there', () => {
    raw(3, 0);
    type('ab');
    expect(s.poll()).toBe(0x104);
    s.flags &= ~O_NONBLOCK;
    expect(got()).toBe(-EAGAIN);
    type('c');
    expect(s.poll()).toBe(0x145);
    expect(got()).toBe('abc');
    type('de');
    expect(got(2)).toBe('de'); // asked for no more
    type('f');
    t.woken = 'signal';
    expect(got()).toBe('f');
    t.woken = null;
    s.flags |= O_NONBLOCK;
    type('g');
    expect(got()).toBe('g');
  });
  it('VMIN 0, VTIME 0: never waits', () => {
    raw(0, 0);
    s.flags &= ~O_NONBLOCK;
    expect(got()).toBe('');
    type('q');
    expect(got()).toBe('q');
  });
  it('VMIN 0, VTIME: waits so many tenths for the first byte', () => {
    raw(0, 5);
    s.flags &= ~O_NONBLOCK;
    k.now = 7;
    expect(got()).toBe(-EAGAIN);
    expect(s.readDeadline(t)).toBe(500_000_007);
    t.woken = 'timeout';
    expect(got()).toBe('');
  });
  it('VMIN, VTIME: the timer runs between bytes', () => {
    raw(5, 2);
    s.flags &= ~O_NONBLOCK;
    expect(got()).toBe(-EAGAIN);
    expect(s.readDeadline(t)).toBe(Infinity);
    k.now = 1000;
    type('ab');
    expect(got()).toBe(-EAGAIN);
    expect(s.readDeadline(t)).toBe(200_001_000);
    t.woken = 'timeout';
    expect(got()).toBe('ab');
  });
});

describe('pty', () => {
  it('reads EIO and polls HUP once the slave is closed, until it is opened again', () => {
    put('bye');
    s.drop();
    expect(m.poll()).toBe(0x155);
    expect(shown()).toBe('bye');
    expect(shown()).toBe(-EIO);
    expect(m.poll()).toBe(0x114);
    s = (k.devices.open(node(0x8800), t, O_RDWR, null as never) as TtyFile).retain();
    expect(m.poll()).toBe(0x104);
    expect(shown()).toBe(-EAGAIN);
  });
  it('hangs the slave up when the master is closed', () => {
    type('unread\n');
    m.drop();
    expect(s.poll()).toBe(0x15d);
    expect(got()).toBe('');
    expect(put('x')).toBe(-EIO);
    expect(s.ioctl(t, io.TCGETS, BASE)).toBe(-EIO);
    expect(k.devices.open(node(0x8800), t, O_RDWR, null as never)).toBe(-EIO);
  });
  it('cannot be opened before it is unlocked', () => {
    t.memory.putU32(BASE, 1);
    m.ioctl(t, io.TIOCSPTLCK, BASE);
    expect(k.devices.open(node(0x8800), t, O_RDWR, null as never)).toBe(-EIO);
  });
  it('packs packets', () => {
    t.memory.putU32(BASE, 1);
    m.ioctl(t, io.TIOCPKT, BASE);
    put('hi');
    expect(shown()).toBe('\0hi');
    s.ioctl(t, io.TCFLSH, 0);
    expect(m.poll()).toBe(0x147);
    expect(shown()).toBe('\x01');
    s.ioctl(t, io.TCXONC, 0);
    expect(shown()).toBe('\x04');
    s.ioctl(t, io.TCXONC, 1);
    expect(shown()).toBe('\x08');
    modes({}, { i: T.IXON });
    expect(shown()).toBe('\x10');
    modes({ i: T.IXON });
    expect(shown()).toBe('\x20');
  });
  it('lists its slaves in devpts, with the next free number', () => {
    openPty();
    const { root } = k.ttys.devpts;
    expect(root.entries().map((e) => [e.name, e.ino])).toEqual([['1', 4], ['0', 3], ['ptmx', 2]]); // prettier-ignore
    const slave = root.lookup('1') as Inode;
    expect([slave.mode, slave.rdev, slave.gid]).toEqual([0o20620, 0x8801, 5]);
    m.drop();
    expect(root.lookup('1')).toBe(-2);
  });
});

describe('job control', () => {
  /** Makes the pty the controlling terminal of session 100 with `fg` in the foreground. */
  function session(): { bg: FakeTask } {
    t.group.session = 100;
    expect(s.ioctl(t, io.TIOCSCTTY, 0)).toBe(0);
    const bg = fakeTask(k, 200);
    bg.group.session = 100;
    bg.group.tty = s.tty;
    bg.group.parent = t.group; // so its group is no orphan
    return { bg };
  }
  const pending = (task: FakeTask): number[] => [...task.group.pending.infos].map((i) => i.signo);

  it('sends ^C to the foreground group only', () => {
    const { bg } = session();
    type('\x03');
    expect(pending(t)).toEqual([2]);
    expect(pending(bg)).toEqual([]);
  });
  it('stops a background reader with SIGTTIN, or gives EIO when that would do nothing', () => {
    const { bg } = session();
    type('line\n');
    expect(readText(s, 9, bg)).toBe(-ERESTARTSYS);
    expect(pending(bg)).toEqual([21]);
    bg.sighand.actions[20].handler = 1;
    expect(readText(s, 9, bg)).toBe(-EIO);
    bg.sighand.actions[20].handler = 0;
    bg.group.parent = null; // orphaned
    expect(readText(s, 9, bg)).toBe(-EIO);
  });
  it('stops a background writer with TOSTOP only, and changes of modes always', () => {
    const { bg } = session();
    expect(s.write(text('x'), bg)).toBe(1);
    modes({ l: T.TOSTOP });
    expect(s.write(text('x'), bg)).toBe(-ERESTARTSYS);
    expect(pending(bg)).toEqual([22]);
    expect(s.ioctl(bg, io.TCSETS, BASE)).toBe(-ERESTARTSYS);
    bg.sigmask = 1n << 21n;
    expect(s.write(text('x'), bg)).toBe(1);
  });
  it('changes the foreground group within the session', () => {
    const { bg } = session();
    t.memory.putU32(BASE, 200);
    expect(s.ioctl(t, io.TIOCSPGRP, BASE)).toBe(0);
    s.ioctl(bg, io.TIOCGPGRP, BASE);
    expect(bg.memory.u32(BASE)).toBe(200);
    const stranger = fakeTask(k, 300);
    expect(s.ioctl(stranger, io.TIOCGPGRP, BASE)).toBe(-ENOTTY);
    t.memory.putU32(BASE, 300);
    bg.memory.putU32(BASE, 300);
    expect(s.ioctl(bg, io.TIOCSPGRP, BASE)).toBe(-EPERM);
  });
  it('tells the foreground group of a new window size, once', () => {
    session();
    t.memory.copyOut(BASE, new Uint8Array(new Uint16Array([50, 132, 0, 0]).buffer));
    t.sighand.actions[27].handler = 0x400000;
    m.ioctl(t, io.TIOCSWINSZ, BASE);
    m.ioctl(t, io.TIOCSWINSZ, BASE);
    expect(pending(t)).toEqual([28]);
    s.ioctl(t, io.TIOCGWINSZ, BASE + 100);
    expect(t.memory.copyIn(BASE + 100, 4)).toEqual(Uint8Array.of(50, 0, 132, 0));
  });
  it('hangs up the session when the master goes', () => {
    const { bg } = session();
    m.drop();
    expect(pending(t)).toContain(1);
    expect(t.group.tty).toBe(null);
    expect(bg.group.tty).toBe(null);
  });
  it('is taken by a session leader that opens it without O_NOCTTY', () => {
    t.group.session = t.group.pid;
    openPty(O_RDWR);
    expect(t.group.tty).toBe(s.tty);
    expect(s.tty.pgrp).toBe(100);
    const current = k.devices.open(node(0x500), t, O_RDWR, null as never) as TtyFile;
    expect(current.tty).toBe(s.tty);
  });
});

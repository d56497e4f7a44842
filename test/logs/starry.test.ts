import { describe, expect, it } from 'vitest';
import { callText } from '../../src/logs/events.ts';
import { LogError, readLog } from '../../src/logs/read.ts';
import { readStarryLog } from '../../src/logs/starry.ts';
import { fixture, fixtureText } from './fixtures.ts';

const calls = (text: string) => readStarryLog(text).runs.flatMap((r) => r.calls);
const ENTRY =
  '[ 16.693719 0:6 axstarry::syscall:20] [syscall] id = MUNMAP, args = [24576, 4096, 4096, 1, 24576, 1], entry';
const RETURN =
  '[ 16.720599 0:6 axstarry::syscall:51] [syscall] id = 11, args = [24576, 4096, 4096, 1, 24576, 1], return 0';

describe('a StarryOS log', () => {
  it('reads as strace text, with what the kernel said at each call', () => {
    const [run] = fixture('shell-mmap.log').runs;
    expect(run.calls.map(callText)).toEqual([
      'setpgid(7, 7) = 0',
      'mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x6000',
      'munmap(0x6000, 4096) = 0',
      'ioctl(0, TCGETS, 0x3ffff8b8) = 0',
      'mmap(NULL, 16384, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x6000',
    ]);
    const mmap = run.calls[1];
    expect(mmap).toMatchObject({ tid: 6, nr: 9, entry: 4, exit: 8, entered: 16.693719, ended: 16.705622 });
    expect(mmap.values[4]).toBe(0xffffffffffffffffn);
    expect(mmap.notes.map((n) => (n.kind === 'area' ? [n.op, n.range] : n.text))).toEqual([
      ['mmap', { start: 0, end: 0x1000 }],
      'find free area',
      ['found', { start: 0x6000, end: 0x7000 }],
    ]);
    const faults = run.events.filter((e) => e.type === 'note' && e.note.kind === 'fault');
    expect(faults).toHaveLength(3);
    expect(faults[2]).toMatchObject({ note: { address: 0x7080, pc: 0x40c864d, write: true, user: true }, call: null });
  });

  it('keeps the tasks apart, and knows calls that have no entry or no return', () => {
    const [run] = fixture('zlm-livelock.log').runs;
    expect(run.tasks).toEqual([13, 15]);
    const [first] = run.calls.filter((c) => c.tid === 15);
    expect(callText(first)).toBe('epoll_wait(7, 0x1f29de0, 1024, -1) = 1');
    expect(first.entry).toBeNull();
    const open = run.calls.filter((c) => c.exit === null);
    expect(open.map((c) => `${c.tid} ${callText(c)}`)).toEqual([
      '13 futex(0x1dcdb1c, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, NULL, FUTEX_BITSET_MATCH_ANY) <no return>',
      '15 epoll_ctl(7, EPOLL_CTL_DEL, 0, NULL) <no return>',
    ]);
    expect(open[0].notes).toMatchObject([{ kind: 'futex-value', real: 0, expected: 0 }]);
    expect(run.output.map((o) => o.line)).toEqual([2, 13]);
  });

  it('finds a line of the kernel behind what a program printed, and one whose bracket is lost', () => {
    const [run] = fixture('zlm-exec.log').runs;
    expect(run.calls).toHaveLength(14);
    expect(run.calls[0]).toMatchObject({ name: 'rt_sigaction', tid: 8, entered: 11.332328 });
    expect(callText(run.calls[0])).toBe('rt_sigaction(SIGTTOU, 0x3ffff820, NULL, 8) = 0');
    const last = run.calls.at(-1)!;
    expect(callText(last)).toBe('writev(2, 0x3fffee50, 6) <no return>');
    expect(last.notes).toHaveLength(5);
    expect(run.output.map((o) => o.text)).toEqual(['7: ', 'files', './MediaServer', '[']);
  });

  it('tells which line it could not read', () => {
    const log = fixture('zlm-futex.log');
    expect(log.runs[0].calls.map((c) => c.result)).toEqual([-22n, -22n, null]);
    expect(log.runs[0].tasks).toEqual([0]);
    expect(log.unreadable).toEqual([
      {
        line: 6, why: 'neither an entry nor a return: it was cut short or printed over',
        text: '[syscall] id = 202, args = [31251224, 393, 0, 0, 0, 0]FEMU: Terminated',
      },
    ]);
  });

  it.each([
    ['colours', `\x1b[32m${ENTRY}\x1b[m\r\n\x1b[32m${RETURN}\x1b[m`],
    ['no prefix', `${ENTRY.slice(ENTRY.indexOf('[sys'))}\n${RETURN.slice(RETURN.indexOf('[sys'))}`],
    ['a return without arguments', `${ENTRY}\n[ 16.72 0:6 a::b:51] [syscall] id = 11,return 0`.replace('16.72 ', '16.720000 ')],
    ['a bare return', `${ENTRY}\n[ 16.720000 0:6 a::b:51] return 0`],
    ['another task between', `${ENTRY}\n${RETURN.replace('0:6', '1:9').replaceAll('24576', '8192')}\n${RETURN}`],
  ])('takes %s', (_, text) => {
    const [c] = calls(text).filter((x) => x.entry !== null);
    expect(callText(c)).toBe('munmap(0x6000, 4096) = 0');
    expect(c.exit).toBeGreaterThan(c.entry!);
  });

  it('knows the numbers of riscv64 and aarch64 by the names beside them', () => {
    const log = readStarryLog(ENTRY + '\n' + RETURN.replace('id = 11', 'id = 215'));
    expect(log.arch).toBe('aarch64');
    expect(log.runs[0].calls.map(callText)).toEqual(['munmap(0x6000, 4096) = 0']);
  });

  it('says nothing of a return it cannot place, but tells', () => {
    const log = readStarryLog(`${ENTRY}\n${RETURN}\n[ 16.730000 0:6 a::b:51] return 3`);
    expect(log.unreadable).toMatchObject([{ line: 3, why: 'task 6 is in no call it could be the return of' }]);
    expect(readStarryLog('[syscall] id = NOSUCH, args = [1], entry').unreadable).toMatchObject([
      { line: 1, why: 'no call NOSUCH is known' },
    ]);
    expect(readStarryLog('0 axstarry::syscall:51] [mmap] x').unreadable).toMatchObject([{ line: 1 }]);
  });

  it('reads excerpts in a document, and boots, as runs of their own', () => {
    const log = fixture('excerpts.log.txt');
    expect(log.runs.map((r) => [r.first, r.last, r.calls.length])).toEqual([
      [4, 40, 9], [44, 69, 6], [75, 80, 3],
    ]);
    const twice = fixtureText('zlm-exec.log');
    expect(readStarryLog(twice + twice).runs.map((r) => r.calls.length)).toEqual([14, 14]);
  });

  it('is told from strace text, and from what is neither', () => {
    expect(fixture('zlm-mmap.log').format).toBe('starry');
    expect(fixture('tokio-echo.strace').format).toBe('strace');
    expect(() => readLog('hello\n', 'x.log')).toThrow(LogError);
    expect(() => readLog('', 'x.log')).toThrow(/x\.log: no system calls/);
  });
}); // prettier-ignore

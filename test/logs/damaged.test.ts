/** Logs come from serial lines and by copy and paste: whatever is done to one, it is read, and nothing throws. */
import { describe, expect, it } from 'vitest';
import { checkLog } from '../../src/logs/check/check.ts';
import { checkReport } from '../../src/logs/check/report.ts';
import { diffLogs } from '../../src/logs/diff/diff.ts';
import { callText, type Log } from '../../src/logs/events.ts';
import { LogError, readLog } from '../../src/logs/read.ts';
import { replayMemory } from '../../src/logs/replay.ts';
import { Random } from '../support/random.ts';
import { fixtureText } from './fixtures.ts';

const NEXT = `[ 1.000001 0:7 starry::syscall:13] Syscall openat
[ 1.000002 0:7 starry_api::imp::fs::fd_ops:67] sys_openat <= -100 "/lib/libc.so" 0o2000000 0o0
[ 1.000003 0:7 starry::syscall:211] Syscall openat return Ok(3)
[ 1.000004 0:7 starry_api::imp::mm::mmap:90] sys_mmap: addr: 0, length: 2000, prot: MmapProt(PROT_READ | PROT_WRITE), flags: MmapFlags(MAP_PRIVATE | MAP_ANONYMOUS), fd: -1, offset: 0
[ 1.000005 0:7 starry::syscall:28] sys_mmap => Ok(1073741824)
[ 1.000006 0:8 starry::syscall:13] Syscall wait4
[ 1.000007 0:8 starry::syscall:211] Syscall wait4 return Err(AxErrorKind::NotFound)
`; // prettier-ignore
const LOGS = [
  NEXT,
  ...['zlm-mmap.log', 'zlm-livelock.log', 'excerpts.log.txt', 'tokio-echo.strace'].map(fixtureText),
];
const NOISE = ['\0', '(', ')', '[', ']', '{', '"', '\\', '=', ',', '<', '>', '-', '9', '0x', '\n', '\r', ' ', '[syscall] ', 'return ', '\x1b[32m', ' resumed> ', '<unfinished ...>', '99999999999999999999999', 'é', '\ufffd']; // prettier-ignore

/** One fault, as a serial line, an editor or an interleaved print makes them. */
function damage(text: string, e: Random): string {
  const lines = text.split('\n');
  const any = (): number => e.below(lines.length);
  const at = e.below(text.length);
  const word = NOISE[e.below(NOISE.length)];
  switch (e.below(8)) {
    case 0: // characters lost
      return text.slice(0, at) + text.slice(at + 1 + e.below(40));
    case 1: // one put in
      return text.slice(0, at) + word + text.slice(at);
    case 2: // one changed
      return text.slice(0, at) + word + text.slice(at + 1);
    case 3: // the end is missing
      return text.slice(0, at);
    case 4: // a line twice, elsewhere
      lines.splice(any(), 0, lines[any()]);
      return lines.join('\n');
    case 5: // a line lost
      lines.splice(any(), 1);
      return lines.join('\n');
    case 6: // one printed into another
      lines[any()] = `${lines[any()].slice(0, e.below(60))}${lines[any()].slice(e.below(60))}`;
      return lines.join('\n');
    default: // a piece of one log in another
      return text.slice(0, at) + LOGS[e.below(LOGS.length)].slice(e.below(500), 500 + e.below(1500)) + text.slice(at);
  }
} // prettier-ignore

function use(log: Log, whole: Log): void {
  const calls = log.runs.flatMap((r) => r.calls);
  for (const c of calls) expect(callText(c)).toContain(c.name);
  for (const u of log.unreadable) {
    expect(u.line).toBeGreaterThan(0);
    expect(u.line).toBeLessThanOrEqual(log.lines);
    expect(u.why).not.toBe('');
  }
  const result = checkLog(log);
  for (const f of result.findings) expect(f.line).toBeLessThanOrEqual(log.lines);
  expect(checkReport(log, result)).not.toBe('');
  diffLogs(log, whole);
  if (log.format === 'starry') replayMemory(log, { name: 'starry' });
}

describe('a damaged log', () => {
  it.each(LOGS.map((text, i) => [text.split('\n')[0].slice(0, 30), i]))('like %s…', (_, i) => {
    const e = new Random(Number(i) + 1);
    const whole = readLog(LOGS[Number(i)]);
    let read = 0;
    for (let n = 0; n < 25; n++) {
      let text = LOGS[Number(i)];
      for (let k = 1 + e.below(12); k > 0; k--) text = damage(text, e);
      try {
        use(readLog(text), whole);
        read++;
      } catch (error) {
        if (!(error instanceof LogError)) throw new Error(`damaged log ${n}:\n${text}`, { cause: error });
      }
    }
    // Most still have calls in them.
    expect(read).toBeGreaterThan(12);
  });
});

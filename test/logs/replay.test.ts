import { describe, expect, it } from 'vitest';
import { replayMemory } from '../../src/logs/replay.ts';
import { replayReport } from '../../src/logs/check/report.ts';
import { fixture } from './fixtures.ts';

const LOGS = ['zlm-mmap.log', 'sleep-mmap.log', 'shell-mmap.log', 'zlm-exec.log', 'excerpts.log.txt'];

describe('the memory calls of StarryOS logs, made again', () => {
  it.each(LOGS)('%s: starry returns every value of the log', (name) => {
    const calls = replayMemory(fixture(name), { name: 'starry' });
    expect(calls.length).toBeGreaterThan(0);
    expect(calls.filter((c) => !c.same)).toEqual([]);
    // So it does with the quirks of the time the log was written.
    expect(replayMemory(fixture(name), { name: 'starry@2024-07' }).filter((c) => !c.same)).toEqual([]);
  });

  it('takes only what the log cannot show to have been there', () => {
    const assumed = (name: string) =>
      replayMemory(fixture(name), { name: 'starry' }).flatMap((c) => (c.assumed ? [c.assumed] : []));
    expect(assumed('shell-mmap.log')).toEqual([{ start: 0x1000, end: 0x6000 }]);
    expect(assumed('zlm-mmap.log')).toEqual([]);
    expect(assumed('sleep-mmap.log')).toEqual([]);
  });

  it('linux gives other addresses, and so does starry without first fit', () => {
    const results = (choice: object) =>
      replayMemory(fixture('zlm-mmap.log'), choice).map((c) => [c.call.name, c.same, c.ours]);
    expect(results({ name: 'linux' })[0]).toEqual(['mmap', false, '0x7ffff6c9f000']);
    expect(results({ name: 'starry', noQuirks: ['mmap-first-fit'] })[0].slice(0, 2)).toEqual(['mmap', false]);
    expect(() => replayMemory(fixture('zlm-mmap.log'), { name: 'minix' })).toThrow(/no personality 'minix'/);
  });

  it('reads to people', () => {
    const log = fixture('shell-mmap.log');
    expect(replayReport(log, 'starry', replayMemory(log, { name: 'starry' }))).toBe(`shell-mmap.log: StarryOS log, 26 lines, 5 calls by 1 task
Calls on memory, made again on starry:
      (mapped before the log begins: [0x1000, 0x6000])
    8: mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x6000
   14: munmap(0x6000, 4096) = 0
   23: mmap(NULL, 16384, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x6000

3 of 3 calls return what the log says.
`);
  });
}); // prettier-ignore

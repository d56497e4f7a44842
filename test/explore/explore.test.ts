/** Faults that few schedules show are found, made short, and come again under the schedule that is handed out. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { explore, scheduleRunner, type Outcome } from '../../src/index.ts';
import { LOOKS, placesOf, schedulePolicy, searchSchedule } from '../../src/explore/policies.ts';
import { runOnce } from '../../src/explore/run.ts';
import { parseSchedule, scheduleText, type Schedule } from '../../src/explore/schedule.ts';
import { drawPlaces, sweepPlaces } from '../../src/explore/search.ts';
import { shrink } from '../../src/explore/shrink.ts';
import { SeededEntropy } from '../../src/host/entropy.ts';
import { guestPath } from '../support/guests.ts';

const races = guestPath('races');
const LIMITS = { time: 10e9, livelock: 20_000 };
const runner = (how: string, cpu = 'interp') =>
  scheduleRunner({ program: readFileSync(races!), argv: ['races', how], cpu, limits: { memory: 2 ** 26 } });
const text = (o: Outcome): string => new TextDecoder().decode(o.stdout);

describe('a schedule as text', () => {
  it.each(['none', '1001@5321+3>1002', '1001/5400.2>1000,1000@12>1001,1002/7>1000'])('%s', (line) => {
    expect(scheduleText(parseSchedule(line)!)).toBe(line);
  });

  it('has comments and white space in a file', () => {
    expect(parseSchedule('# found today\n1001@5>1000,\n  1000/9>1001\n')).toEqual([
      { tid: 1001, at: 5, kind: 'preempt', steps: 0, to: 1000 },
      { tid: 1000, at: 9, kind: 'choose', steps: 0, to: 1001 },
    ]);
  });

  it.each(['', 'x', '1001@>1000', '1001@5', '1@2>3 4', '1@2+3.4>5'])('is not %j', (line) => {
    expect(parseSchedule(line)).toBe(null);
  });
});

describe('places', () => {
  const seen = (tid: number, n: number) =>
    Array.from({ length: n }, (_, i) => ({ tid, at: 10 * i, span: 10 }));

  it('are drawn of each task alike, however many it has', () => {
    const drawn = drawPlaces(new SeededEntropy('places'), [seen(1000, 1000), seen(1001, 5)], 400);
    const of = drawn.filter((p) => p.tid === 1001).length;
    expect(of).toBeGreaterThan(150);
    expect(of).toBeLessThan(250);
    for (const p of drawn) expect(p.steps).toBeLessThan(10);
    expect(new Set(drawn.map((p) => p.steps)).size).toBe(10);
  });

  it('are swept evenly: of a task every instruction comes, the far ones as well as the near', () => {
    const swept = Array.from({ length: 200 }, (_, n) => sweepPlaces([seen(1000, 5), seen(1001, 2)], n)[0]);
    const of = (tid: number) => new Set(swept.filter((p) => p.tid === tid).map((p) => p.at + p.steps));
    expect([of(1000).size, of(1001).size]).toEqual([50, 20]);
  });

  it('of several runs are there once each', () => {
    const [a, b] = [seen(1000, 3), seen(1001, 2)];
    expect(placesOf([[...a, ...b], a])).toEqual([a, b]);
    expect(placesOf([[], []])).toEqual([]);
  });

  it('of a schedule of a search are part of its text', () => {
    const places = [seen(1000, 30), seen(1001, 20)];
    const texts = [2, 4, 8, 16].map((n) => searchSchedule(n, { length: 500, places }));
    expect(texts[0]).toMatch(/^priority:2:100[01]@\d+(\+\d+)?$/);
    for (const t of texts) expect(schedulePolicy(t, (seed) => new SeededEntropy(seed))).not.toBe(null);
    expect(texts).toEqual([2, 4, 8, 16].map((n) => searchSchedule(n, { length: 500, places })));
    expect(searchSchedule(2, { length: 500, places: [] })).toBe('priority:2:1:500');
  });

  it.skipIf(races === null)('in a loop are few, however often it goes round', async () => {
    const look = async (rounds: string): Promise<number[]> => {
      const run = scheduleRunner({ program: readFileSync(races!), argv: ['races', 'late', rounds], cpu: 'interp', limits: { memory: 2 ** 26 } }); // prettier-ignore
      const counts: number[] = [];
      for (const l of LOOKS) counts.push((await run(l, LIMITS)).places!.filter((p) => p.tid === 1002).length);
      return counts;
    };
    const [few, many] = [await look('100'), await look('6400')];
    // Six times twice as many rounds, and where the loop ran beside another task.
    const more = many.map((n, i) => n - few[i]);
    expect(Math.max(...more)).toBeGreaterThanOrEqual(6);
    expect(Math.max(...more)).toBeLessThanOrEqual(12);
  });
});

describe('shrinking', () => {
  const all: Schedule = Array.from({ length: 40 }, (_, i) => ({
    tid: 1000, at: 100 * i, kind: 'preempt', steps: i % 3, to: 1001,
  })); // prettier-ignore
  const has = (s: Schedule, at: number): boolean => s.some((d) => d.at === at);

  it.each([1, 4])('leaves the decisions that matter, %i at a time', async (jobs) => {
    const needed = [300, 1700, 3900];
    const fails = (s: Schedule) =>
      Promise.resolve(
        needed.every((at) => has(s, at)) && s.find((d) => d.at === 1700)!.steps === 2 ? s : null,
      );
    const r = await shrink(all, fails, { jobs });
    expect(r.schedule.map((d) => [d.at, d.steps])).toEqual([[300, 0], [1700, 2], [3900, 0]]); // prettier-ignore
    expect(r.runs).toBeLessThan(200);
  });

  it('of a fault that every schedule has leaves nothing', async () => {
    expect((await shrink(all, (s) => Promise.resolve(s), { jobs: 2 })).schedule).toEqual([]);
  });
});

describe.skipIf(races === null)('a run under a schedule', () => {
  it.each(['random:5:12', 'priority:6:2:3000', 'priority:6:1001@130+3,1002@400'])(
    'of %s is repeated by the decisions it took',
    async (drawn) => {
      const first = await runner('counter')(drawn, LIMITS);
      expect(first.schedule).toMatch(/>/);
      const again = await runner('counter')(first.schedule, LIMITS);
      expect(again).toEqual(first);
    },
  );

  it('does not depend on what runs the instructions', async () => {
    const first = await runner('deadlock')('random:11:12', LIMITS);
    expect(await runner('deadlock', 'jit:200:2')('random:11:12', LIMITS)).toEqual(first);
  });

  it('without decisions is fair: who waits in a loop gets what it waits for', async () => {
    const o = await runner('spin')('none', LIMITS);
    expect([o.what, text(o), o.schedule]).toEqual(['exit status 0', 'done\n', 'none']);
  });
});

/** Programs in which much can be put back wrongly: processes, signals, timers, files, sockets; what each is told. */
const GUESTS = [
  ['races', 'signal'], ['procs'], ['timers'], ['files'], ['ipc'],
].filter(([name]) => guestPath(name) !== null); // prettier-ignore

describe('a machine that is put back', () => {
  it.each(GUESTS)('runs as one that was booted: %s %s', async (name, ...args) => {
    const boot = { program: readFileSync(guestPath(name)!), argv: [name, ...args], cpu: 'interp', limits: { memory: 2 ** 26 } };
    const run = scheduleRunner(boot);
    for (const schedule of ['none', 'random:5:12', 'priority:6:2:3000', 'none']) {
      expect(await run(schedule, LIMITS)).toEqual(await runOnce(boot, schedule, LIMITS));
    }
  }); // prettier-ignore

  it.skipIf(races === null)('has the limits and the faults of each run', async () => {
    const boot = {
      program: readFileSync(races!), argv: ['races', 'right'], cpu: 'jit:200:2', limits: { memory: 2 ** 26 }, inject: ['write:error=EIO:when=1'],
    }; // prettier-ignore
    const run = scheduleRunner(boot);
    const whole = await run('none', LIMITS);
    expect([whole.what, text(whole)]).toEqual(['exit status 0', '']);
    for (const time of [whole.time / 2, LIMITS.time, 1000]) {
      const limits = { ...LIMITS, time };
      const o = await run('random:9:40', limits);
      expect(o).toEqual(await runOnce(boot, 'random:9:40', limits));
      expect(o.kind).toBe(time < whole.time ? 'hang' : 'exit');
    }
  });

  it.skipIf(races === null)('is not used where something outside takes part', async () => {
    const seen: string[] = [];
    const run = scheduleRunner({
      program: readFileSync(races!), argv: ['races', 'right'], cpu: 'interp', limits: { memory: 2 ** 26 },
      stdout: (bytes) => seen.push(new TextDecoder().decode(bytes)),
    }); // prettier-ignore
    for (let i = 0; i < 2; i++) expect((await run('none', LIMITS)).what).toBe('exit status 0');
    expect(seen).toEqual(['200\n', '200\n']);
  });
});

describe.skipIf(races === null)('explore', () => {
  it.each<[string, string, RegExp, number?]>([
    ['counter', 'output', /^the output differs from the usual$/],
    ['wakeup', 'hang', /^lost wakeup: 1001 \(program\) sleeps on the futex at 0x[0-9a-f]+ \(word\), and nobody is left who could wake it/],
    ['deadlock', 'hang', /^deadlock: 1001 \(program\) and 1002 \(program\) wait for each other: .*\(pears\), which 1002 holds; .*\(apples\), which 1001 holds$/],
    ['crash', 'crash', /^killed by SIGSEGV$/],
    ['late', 'hang', /^lost wakeup: 1001 \(program\) sleeps on the futex at 0x[0-9a-f]+ \(news/, 70],
    ['signal', 'hang', /^lost wakeup: 1000 \(program\) sleeps until a signal comes, and nobody is left who could send it/, 150],
  ])('finds the planted fault: %s', async (how, kind, what, seeds = 10) => {
    const r = await explore(runner(how), { seeds, jobs: 1 });
    expect(r.usual.what).toBe('exit status 0');
    expect(r.failures).toHaveLength(1);
    const [f] = r.failures;
    expect(f.kind).toBe(kind);
    expect(f.what).toMatch(what);
    // Two threads, and one moment that matters.
    expect(f.decisions).toBeLessThanOrEqual(3);
    const again = await runner(how)(f.schedule, LIMITS);
    expect(again.what).toBe(f.outcome.what);
    expect(text(again)).toBe(text(f.outcome));
  }, 60_000); // prettier-ignore

  it.each([['serve', /^waiting for the outside: 1000 \(program\) for a connection from outside to TCP:\[0\.0\.0\.0:8000\], where nobody is$/]])(
    'does not wait for the outside: %s',
    async (how, what) => {
      const { usual } = await explore(runner(how), { seeds: 1, jobs: 1 });
      expect([usual.kind, usual.what]).toEqual(['hang', expect.stringMatching(what)]);
    },
  ); // prettier-ignore

  it('finds nothing in a program that is right', async () => {
    const seen: number[] = [];
    const r = await explore(runner('right'), { seeds: 4, jobs: 1, progress: (p) => seen.push(p.done) });
    expect(r).toMatchObject({ runs: 5, outcomes: 1, failures: [] });
    expect(text(r.usual)).toBe('200\n');
    expect(seen).toEqual([1, 2, 3, 4]);
  });
});

/** Any event of a run can be gone to, and the machine is what it was then. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  Machine, MemoryRecording, Strace, Timeline, TimelineError, type BootOptions, type TerminalPort,
} from '../../src/index.ts'; // prettier-ignore
import { guestPath, rootPath } from '../support/guests.ts';

const boot = (name: string, arch = 'x86_64', more: Partial<BootOptions> = {}): Promise<Machine> =>
  Machine.boot({ program: guestPath(name, arch)!, argv: [name], seed: 3, countEvents: true, ...more });

type Page = (...known: unknown[]) => Promise<[number, Timeline]>;

/** What a machine looks like from outside. */
function look(m: Machine): unknown {
  const tasks = m.tasks.map((t) => ({ ...t, regs: m.status === null ? { ...m.regs(t.tid) } : null }));
  return {
    position: m.position, instructions: m.stats.instructions, rounds: m.rounds, memory: m.stats.memory, tasks,
    stdout: m.stdout, status: m.status,
  }; // prettier-ignore
}

/** Moments of a run nobody went back in, at each of some events. */
async function moments(m: Machine, every: number): Promise<Map<number, unknown>> {
  const seen = new Map<number, unknown>();
  for (let n = every; m.status === null; n += every) {
    await m.runTo(n);
    seen.set(m.position, look(m));
  }
  m.dispose();
  return seen;
}

describe.each([
  ['threads-musl', 'x86_64', 37],
  ['signals', 'aarch64', 41],
  ['procs', 'x86_64', 29],
] as const)('%s on %s', (name, arch, every) => {
  it('is at any of its events what it was the first time', async () => {
    const seen = await moments(await boot(name, arch), every);
    const m = await boot(name, arch);
    const timeline = new Timeline(m);
    const end = await timeline.goto(Infinity);
    expect(timeline.end).toBe(end);
    expect(look(m)).toEqual(seen.get(end));
    const places = [...seen.keys()];
    // Far and near, back and forth.
    for (let i = 0; i < 12; i++) {
      const n = places[(i * 7) % places.length];
      expect(await timeline.goto(n)).toBe(n);
      expect(look(m)).toEqual(seen.get(n));
    }
    m.dispose();
  });
});

describe('a timeline', () => {
  it('goes back event by event, and forward again', async () => {
    const m = await boot('racy-musl');
    const timeline = new Timeline(m);
    const end = await timeline.goto(Infinity);
    const before: unknown[] = [];
    while (timeline.position > end - 30) {
      const from = timeline.position;
      expect(await timeline.back()).toBeLessThan(from);
      before.push(look(m));
    }
    // Forward from the last of them: the same moments in the other order.
    for (let then = before.pop(); then !== undefined; then = before.pop()) {
      expect(look(m)).toEqual(then);
      await timeline.forward();
    }
    expect(await timeline.forward(1000)).toBe(end);
    expect(await timeline.back(1e9)).toBe(timeline.start);
    await expect(timeline.goto(-1)).rejects.toThrow('before the timeline');
    m.dispose();
  });

  it('keeps to its memory', async () => {
    const m = await boot('threads');
    await m.runTo(50);
    const memory = 2 * m.snapshot().bytes + 400_000;
    const timeline = new Timeline(m, { memory });
    for (let n = 60; m.status === null; n += 10) {
      await timeline.goto(n);
      expect(timeline.saved.bytes <= memory || timeline.saved.moments <= 4).toBe(true);
    }
    expect(await timeline.goto(55)).toBe(55);
    m.dispose();
  });

  it('can be changed: another future begins', async () => {
    const m = await boot('signals');
    const timeline = new Timeline(m);
    await timeline.goto(Infinity);
    const { stdout } = m;
    await timeline.goto(20);
    m.kill('SIGKILL');
    timeline.forget();
    const end = await timeline.goto(Infinity);
    expect(m.status).toEqual({ code: null, signal: 'SIGKILL', status: 137 });
    expect(end).toBeLessThan(40);
    expect(stdout.length).toBeGreaterThan(m.stdout.length);
    // The past is what it was.
    await timeline.back(5);
    expect(m.status).toBeNull();
    m.dispose();
  });

  it('keeps a change for those who go back before it and on again', async () => {
    const m = await boot('signals');
    const timeline = new Timeline(m);
    for (const at of [12, 20]) {
      await timeline.goto(at);
      m.writeFile(`/changed-${at}`, 'yes');
      timeline.forget();
    }
    const there = (n: number): boolean => {
      try {
        return m.readText(`/changed-${n}`) === 'yes';
      } catch {
        return false;
      }
    };
    const end = await timeline.goto(Infinity);
    for (const n of [11, 12, 13, 19, 20, 5, 21, 3, 15, end])
      expect([n, await timeline.goto(n), there(12), there(20)]).toEqual([n, n, n >= 12, n >= 20]);
    for (const n of [NaN, 1.5]) await expect(timeline.goto(n)).rejects.toThrow(RangeError);
    m.dispose();
  });

  it('notices that a run is another one', async () => {
    const m = await boot('signals');
    const timeline = new Timeline(m);
    for (const n of [20, 21, 20]) await timeline.goto(n);
    m.kill('SIGKILL');
    await expect(timeline.goto(21)).rejects.toThrow(TimelineError);
    m.dispose();
  });

  it('gives an output function nothing twice', async () => {
    let text = '';
    const stdout = (bytes: Uint8Array): void => void (text += new TextDecoder().decode(bytes));
    const m = await boot('threads', 'x86_64', { stdout });
    const timeline = new Timeline(m);
    const end = await timeline.goto(Infinity);
    const all = text;
    await timeline.goto(Math.floor(end / 3));
    await timeline.goto(end);
    await timeline.goto(5);
    expect(text).toBe(all);
    timeline.forget();
    await timeline.goto(Infinity);
    expect(text).toBe(all + all);
    m.dispose();
  });

  it('shows a trace, a terminal and messages nothing twice', async () => {
    const plain = { trace: '' };
    const shown = { trace: '', screen: '' };
    const messages: string[] = [];
    const tracer = (to: { trace: string }): Strace =>
      new Strace({ write: (text) => void (to.trace += text), follow: true });
    const terminal: TerminalPort = {
      connected: [false, true, false],
      live: false,
      size: () => ({ rows: 24, cols: 80, xpixel: 0, ypixel: 0 }),
      write: (bytes) => {
        shown.screen += new TextDecoder().decode(bytes);
        return bytes.length;
      },
      attach: () => {},
      restore: () => {},
    };
    const one = tracer(plain);
    const first = await boot('threads', 'x86_64', { tracer: one, terminal });
    await first.run();
    one.finish();
    first.dispose();
    const { screen } = shown;
    expect(screen).toMatch(/\r\n$/);

    Object.assign(shown, { screen: '' });
    const two = tracer(shown);
    const report = (line: string): void => void messages.push(line);
    const m = await boot('threads', 'x86_64', { tracer: two, terminal, report });
    const timeline = new Timeline(m);
    const end = await timeline.goto(Infinity);
    m.internals.kernel.report('at the end');
    for (let i = 1; i < 12; i++) await timeline.goto((i * 97) % end);
    await timeline.goto(end);
    m.internals.kernel.report('at the end');
    two.finish();
    expect(shown).toEqual({ screen, trace: plain.trace });
    expect(messages).toEqual(['at the end']);
    // Another future is told of, on lines of its own.
    await timeline.goto(end - 100);
    timeline.forget();
    await timeline.goto(Infinity);
    two.finish();
    const again = shown.trace.slice(plain.trace.length);
    const lines = again.split('\n').slice(1, -1);
    expect(lines.length).toBeGreaterThan(30);
    expect(plain.trace.endsWith(lines.slice(-20).join('\n') + '\n')).toBe(true);
    m.dispose();
  });

  it('leads through a replay as through the run', async () => {
    const recording = new MemoryRecording();
    async function* typed(): AsyncIterable<string> {
      for (const line of ['one', 'two', 'three']) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        yield `${line}\n`;
      }
    }
    const recorded = await boot('stdio', 'x86_64', { record: recording, stdin: typed() });
    await recorded.run();
    expect(() => recorded.restore(recorded.snapshot())).toThrow('being recorded');
    const { stdout, position } = recorded;
    recorded.dispose();
    const m = await Machine.replay(recording);
    const timeline = new Timeline(m);
    const seen = new Map<number, unknown>();
    for (let n = 1; n < position; n++) seen.set(await timeline.goto(n), look(m));
    expect(await timeline.goto(Infinity)).toBe(position);
    expect(m.stdout).toBe(stdout);
    for (const n of [...seen.keys()].reverse()) {
      await timeline.goto(n);
      expect(look(m)).toEqual(seen.get(n));
    }
    await timeline.goto(1);
    expect(await timeline.goto(Infinity)).toBe(position);
    expect(m.stdout).toBe(stdout);
    m.dispose();
  });

  it('is used as its page says', async () => {
    const page = readFileSync(rootPath('docs/timeline.md'), 'utf8');
    const code = /```js\nimport [^\n]*\n([^`]*)```/
      .exec(page)![1]
      .replace('./prog', guestPath('threads-musl')!);
    const seen: unknown[] = [];
    // The page's own text, as its reader would run it.
    const AsyncFunction = (async () => {}).constructor as new (...text: string[]) => Page;
    const run = new AsyncFunction('Machine', 'Timeline', 'console', `${code}; return [end, timeline];`);
    const [end, timeline] = await run(Machine, Timeline, { log: (...what: unknown[]) => seen.push(...what) });
    expect(timeline.end).toBe(end);
    expect(timeline.position).toBe(13);
    expect(seen).toHaveLength(3);
  });

  it('needs a machine that does the same again', async () => {
    const m = await boot('hello', 'x86_64', { seed: undefined });
    expect(() => new Timeline(m)).toThrow('give BootOptions.seed');
    m.dispose();
  });
});

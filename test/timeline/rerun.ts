/** Runs a guest, restores it to snapshots taken on the way and runs it again: nothing may differ from the first time. */
import { basename } from 'node:path';
import { readProgram } from '../../src/host/program.ts';
import { DeadlockError, Machine, type Snapshot, Strace, type BootOptions } from '../../src/index.ts';

export interface Rerun {
  readonly program: string;
  readonly argv?: readonly string[];
  readonly cpu: string;
  readonly boot?: Partial<BootOptions>;
  /** Snapshots on the way. */
  readonly points: number;
  /** Times each is restored. */
  readonly times?: number;
}

/** All that can be seen of a run from outside. */
interface Seen {
  readonly trace: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly end: string;
  readonly instructions: number;
  readonly rounds: number;
  readonly position: number;
}

class Subject {
  trace = '';
  machine!: Machine;
  private tracer!: Strace;

  static async boot(o: Rerun): Promise<Subject> {
    const s = new Subject();
    s.tracer = new Strace({ write: (text) => (s.trace += text), follow: true, timestamps: 3 });
    const file = readProgram(o.program, true);
    s.machine = await Machine.boot({
      program: file.bytes,
      mode: file.mode,
      path: `/bin/${basename(o.program)}`,
      argv: o.argv ?? [basename(o.program)],
      seed: 1,
      cpu: o.cpu,
      countEvents: true,
      tracer: s.tracer,
      limits: { memory: 256 << 20 },
      ...o.boot,
    });
    return s;
  }

  /** Flushed, so that `trace` holds all of it. */
  snapshot(): { state: Snapshot; traced: number } {
    this.tracer.flush();
    return { state: this.machine.snapshot(), traced: this.trace.length };
  }

  restore({ state, traced }: { state: Snapshot; traced: number }): void {
    this.machine.restore(state);
    this.trace = this.trace.slice(0, traced);
  }

  async finish(): Promise<Seen> {
    const { machine: m } = this;
    let end: string;
    try {
      end = JSON.stringify(await m.run());
    } catch (e) {
      if (!(e instanceof DeadlockError)) throw e;
      end = e.message;
    }
    this.tracer.flush();
    const { trace } = this;
    const { stdout, stderr, rounds, position } = m;
    return { trace, stdout, stderr, end, instructions: m.stats.instructions, rounds, position };
  }
}

/** What is different, in words; null: nothing. `seen`: the run without any snapshot. */
export async function rerun(
  o: Rerun,
): Promise<{ difference: string | null; seen: Seen; snapshots: Snapshot[] }> {
  const plain = await Subject.boot(o);
  const seen = await plain.finish();
  plain.machine.dispose();

  const s = await Subject.boot(o);
  const points: { state: Snapshot; traced: number }[] = [];
  for (let i = 0; i < o.points; i++) {
    await s.machine.runTo(Math.floor((seen.position * i) / o.points));
    points.push(s.snapshot());
  }
  const done = (difference: string | null): Awaited<ReturnType<typeof rerun>> => {
    s.machine.dispose();
    return { difference, seen, snapshots: points.map((p) => p.state) };
  };
  const first = differs(seen, await s.finish());
  if (first) return done(`taking snapshots changed the run: ${first}`);
  // Backwards, so that each is restored over a state it knows nothing of; then again in another order.
  const order = Array.from({ length: (o.times ?? 2) * points.length }, (_, i) => {
    const k = i % points.length;
    return i < points.length ? points.length - 1 - k : (k * 7 + 3) % points.length;
  });
  for (const k of order) {
    s.restore(points[k]);
    const found = differs(seen, await s.finish());
    if (found) return done(`from snapshot ${k} at event ${points[k].state.position}: ${found}`);
  }
  return done(null);
}

function differs(a: Seen, b: Seen): string | null {
  for (const key of ['trace', 'stdout', 'stderr', 'end', 'instructions', 'rounds', 'position'] as const) {
    const x = String(a[key]);
    const y = String(b[key]);
    if (x === y) continue;
    let i = 0;
    while (x[i] === y[i]) i++;
    const from = x.lastIndexOf('\n', i - 1) + 1;
    return `${key} at ${i}:\n  ${x.slice(from, from + 300)}\nnow:\n  ${y.slice(from, from + 300)}`;
  }
  return null;
}

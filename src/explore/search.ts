/** Schedules drawn by chance, from a seed: two ways, which find different faults. */
import type { Entropy } from '../../kernel/ports.ts';
import type { SchedulePolicy, Stop } from '../../kernel/task/schedule.ts';
import type { Task } from '../../kernel/task/task.ts';

/** Half of the stops are somewhere in the straight piece of code behind a preemption point, this far at most. */
const MOST_STEPS = 16;

const steps = (e: Entropy): number => (e.below(2) === 0 ? 0 : 1 + e.below(MOST_STEPS));

/** Quanta a task may be lucky to get in a row. */
const MOST_QUANTA = 10_000;
/** Weights are powers of two below 2 to this. */
const WEIGHTS = 9;

/**
 * Often: tasks run about `mean` instructions at a time, and who goes on is drawn. Each has a weight of its own, from 1 to 256, so that
 * in some schedules two keep step with one another while the rest hardly gets on.
 */
export class RandomPolicy implements SchedulePolicy {
  private readonly entropy: Entropy;
  private readonly mean: number;
  private readonly weights = new Map<number, number>();

  constructor(entropy: Entropy, mean: number) {
    this.entropy = entropy;
    this.mean = mean;
  }

  private weight(t: Task): number {
    let w = this.weights.get(t.tid);
    if (w === undefined) this.weights.set(t.tid, (w = 2 ** this.entropy.below(WEIGHTS)));
    return w;
  }

  private draw(queue: readonly Task[]): number {
    let at = this.entropy.below(queue.reduce((sum, q) => sum + this.weight(q), 0));
    return queue.findIndex((q) => (at -= this.weight(q)) < 0);
  }

  plan(t: Task, end: number, queue: readonly Task[]): Stop | null {
    if (queue.length === 0) return null;
    const own = this.weight(t);
    const all = queue.reduce((sum, q) => sum + this.weight(q), own);
    let at = t.retired;
    for (let n = 0; n < MOST_QUANTA && at < end; n++) {
      at += 1 + this.entropy.below(2 * this.mean);
      if (this.entropy.below(all) >= own) return { at, steps: steps(this.entropy) };
    }
    return null;
  }
  preempt(_t: Task, _stop: Stop, queue: readonly Task[]): number {
    return queue.length === 0 ? -1 : this.draw(queue);
  }
  choose(_last: Task, queue: readonly Task[]): number {
    return this.draw(queue);
  }
}

/**
 * Seldom: each task has a priority drawn at random, the highest runs, and at `depth` places drawn from the first `length` instructions
 * (of those retired while another could have run) the one that runs becomes the lowest (Burckhardt and others, "A
 * randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010).
 */
export class PriorityPolicy implements SchedulePolicy {
  private readonly entropy: Entropy;
  private readonly priorities = new Map<number, number>();
  /** Changes still to come, in instructions of contention. */
  private readonly changes: number[];
  /** Contention so far, up to `from` of the task that has the cpu. */
  private contended = 0;
  private running: { readonly t: Task; readonly from: number; readonly counts: boolean } | null = null;
  private lowest = 0;

  constructor(entropy: Entropy, depth: number, length: number) {
    this.entropy = entropy;
    this.changes = Array.from({ length: depth }, () => entropy.below(Math.max(1, length))).sort(
      (a, b) => a - b,
    );
  }

  private settle(): void {
    const r = this.running;
    if (r?.counts) this.contended += r.t.retired - r.from;
    this.running = null;
  }

  private priority(t: Task): number {
    let p = this.priorities.get(t.tid);
    if (p === undefined) this.priorities.set(t.tid, (p = 1 + this.entropy.below(2 ** 30)));
    return p;
  }

  private highest(queue: readonly Task[]): number {
    let best = 0;
    for (let i = 1; i < queue.length; i++) if (this.priority(queue[i]) > this.priority(queue[best])) best = i;
    return best;
  }

  plan(t: Task, _end: number, queue: readonly Task[]): Stop | null {
    this.settle();
    this.running = { t, from: t.retired, counts: queue.length > 0 };
    if (this.changes.length === 0 || queue.length === 0) return null;
    return { at: t.retired + Math.max(1, this.changes[0] - this.contended), steps: steps(this.entropy) };
  }

  preempt(t: Task, _stop: Stop, queue: readonly Task[]): number {
    this.changes.shift();
    this.priorities.set(t.tid, --this.lowest);
    return queue.length === 0 ? -1 : this.highest(queue);
  }

  choose(last: Task, queue: readonly Task[]): number {
    // Its quantum is used up, or it yields: it waits for somebody, who must get to run.
    if (queue[queue.length - 1] === last) this.priorities.set(last.tid, --this.lowest);
    return this.highest(queue);
  }
}

/** Counts how long others could have run, for PriorityPolicy's places; decides nothing. */
export class Contention implements SchedulePolicy {
  private counted = 0;
  private running: { readonly t: Task; readonly from: number } | null = null;

  /** Instructions retired while somebody else could run. */
  get instructions(): number {
    this.settle();
    return this.counted;
  }
  private settle(): void {
    if (this.running) this.counted += this.running.t.retired - this.running.from;
    this.running = null;
  }
  plan(t: Task, _end: number, queue: readonly Task[]): Stop | null {
    this.settle();
    if (queue.length > 0) this.running = { t, from: t.retired };
    return null;
  }
  preempt(): number {
    return -1;
  }
  choose(): number {
    return 0;
  }
}

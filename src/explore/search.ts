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

/** Where a task is put off the cpu: at a preemption point, `steps` instructions further. */
export interface Place {
  readonly tid: number;
  readonly at: number;
  readonly steps: number;
}

/** Quanta a task gets in a row before it is taken to wait in a loop for somebody; each time it is less. */
const PATIENCE = 16;

/**
 * Seldom: each task has a priority drawn at random, the highest runs, and at a few places the one that runs becomes the lowest
 * (Burckhardt and others, "A randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010). The places
 * are drawn from the first `length` instructions (of those retired while another could have run), or given.
 */
export class PriorityPolicy implements SchedulePolicy {
  protected readonly entropy: Entropy;
  private readonly priorities = new Map<number, number>();
  /** Changes still to come, in instructions of contention. */
  private readonly changes: number[];
  /** And at places of one task, by task, in order. */
  private readonly places = new Map<number, Place[]>();
  /** Contention so far, up to `from` of the task that has the cpu. */
  private contended = 0;
  private running: { readonly t: Task; readonly from: number; readonly counts: boolean } | null = null;
  private lowest = 0;
  /** Where the quantum of the one that runs ends, how many it had in a row, and how many it may have. */
  private end = Infinity;
  private quanta = 0;
  private patience = PATIENCE;

  constructor(
    entropy: Entropy,
    changes: { readonly depth: number; readonly length: number } | readonly Place[],
  ) {
    this.entropy = entropy;
    const drawn = 'depth' in changes ? changes : { depth: 0, length: 0 };
    this.changes = Array.from({ length: drawn.depth }, () => entropy.below(Math.max(1, drawn.length))).sort(
      (a, b) => a - b,
    );
    for (const p of 'depth' in changes ? [] : changes)
      this.places.set(p.tid, [...(this.places.get(p.tid) ?? []), p]);
    for (const list of this.places.values()) list.sort((a, b) => a.at - b.at || a.steps - b.steps);
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

  plan(t: Task, end: number, queue: readonly Task[]): Stop | null {
    this.settle();
    this.running = { t, from: t.retired, counts: queue.length > 0 };
    this.end = end;
    const list = this.places.get(t.tid);
    while (list !== undefined && list.length > 0 && list[0].at <= t.retired) list.shift();
    if (queue.length === 0) return null;
    if (list !== undefined && list.length > 0) return list[0];
    if (this.changes.length === 0) return null;
    return { at: t.retired + Math.max(1, this.changes[0] - this.contended), steps: steps(this.entropy) };
  }

  preempt(t: Task, _stop: Stop, queue: readonly Task[]): number {
    this.changes.shift();
    this.priorities.set(t.tid, --this.lowest);
    this.quanta = 0;
    return queue.length === 0 ? -1 : this.highest(queue);
  }

  choose(last: Task, queue: readonly Task[]): number {
    const mine = queue.length - 1;
    if (queue[mine] !== last) this.quanta = 0;
    else if (last.retired < this.end || ++this.quanta >= this.patience) {
      // It yields, or does nothing but look again and again: it waits for somebody, who must get to run.
      if (last.retired >= this.end) this.patience = Math.max(1, this.patience >> 1);
      this.quanta = 0;
      this.priorities.set(last.tid, --this.lowest);
    } else return mine;
    return this.highest(queue);
  }
}

/** A preemption point a task came to while others could run, and the instructions from there to its next one. */
export interface SeenPlace {
  readonly tid: number;
  readonly at: number;
  readonly span: number;
}

/** Of the visits to one place the first so many are kept, and then those whose number is a power of two. */
const FIRST_VISITS = 3;
/** Preemption points looked at one by one; after so many only every other, then every fourth, and so on. */
const CLOSE_LOOKS = 250_000;
/** What a task's way from one point to the next is told by: this much of both addresses. */
const WAY = 2 ** 26;

/** 'newest': of those who wait the one who came last. */
export type PlacesOrder = 'in turn' | 'newest' | 'priority';

/**
 * Looks where tasks can be put off the cpu, for `drawPlaces`; tasks run in an order of their own. A loop is as many
 * places as its body has: however often it goes round, it counts for little more than a straight line.
 */
export class PlacesPolicy extends PriorityPolicy {
  readonly watches = true;
  readonly seen: SeenPlace[] = [];
  private readonly visits = new Map<number, Map<number, number>>();
  private readonly before = new Map<number, { readonly pc: number; readonly at: number }>();
  /** Of tasks whose last point is to be kept: its `at`. */
  private readonly open = new Map<number, number>();
  private readonly order: PlacesOrder;
  private looks = 0;
  private gap = 1;

  constructor(entropy: Entropy, order: PlacesOrder) {
    super(entropy, []);
    this.order = order;
  }

  override plan(t: Task, end: number, queue: readonly Task[]): Stop | null {
    super.plan(t, end, queue);
    return queue.length === 0 ? null : { at: t.retired + this.gap, steps: 0 };
  }

  override preempt(t: Task, stop: Stop, _queue: readonly Task[]): number {
    if (++this.looks % CLOSE_LOOKS === 0) this.gap *= 2;
    const { tid } = t;
    const { pc } = t.regs;
    const opened = this.open.get(tid);
    if (opened !== undefined) this.seen.push({ tid, at: opened, span: stop.at - opened });
    this.open.delete(tid);
    let ways = this.visits.get(tid);
    if (ways === undefined) this.visits.set(tid, (ways = new Map<number, number>()));
    const way = ((this.before.get(tid)?.pc ?? 0) % WAY) * WAY + (pc % WAY);
    const n = (ways.get(way) ?? 0) + 1;
    ways.set(way, n);
    if (n <= FIRST_VISITS || Number.isInteger(Math.log2(n))) this.open.set(tid, stop.at);
    this.before.set(tid, { pc, at: stop.at });
    return -1;
  }

  override choose(last: Task, queue: readonly Task[]): number {
    if (this.order === 'priority') return super.choose(last, queue);
    const newest = queue.length - 1;
    return this.order === 'in turn' || queue[newest] === last ? 0 : newest;
  }
}

/** Instructions behind a preemption point a place may be, in a long straight piece of code. */
const MOST_SPAN = 256;

const width = (p: SeenPlace): number => Math.min(Math.max(p.span, 1), MOST_SPAN);

/** The instruction that is so far, from 0 to 1, along those behind the places of one task. */
function placeAt(of: readonly SeenPlace[], fraction: number): Place {
  let left = Math.floor(fraction * of.reduce((sum, p) => sum + width(p), 0));
  const at = of.find((p) => (left -= width(p)) < 0) ?? of[of.length - 1];
  return { tid: at.tid, at: at.at, steps: Math.max(0, left + width(at)) };
}

/** `n` places behind those seen: of a task drawn first, as each may be the one, however much of the code it runs. */
export function drawPlaces(entropy: Entropy, seen: readonly (readonly SeenPlace[])[], n: number): Place[] {
  return Array.from({ length: n }, () =>
    placeAt(seen[entropy.below(seen.length)], entropy.below(2 ** 30) / 2 ** 30),
  );
}

/** One place, the `n`th of a sequence that goes over each task's evenly, ever more closely (multiples of the golden ratio). */
export function sweepPlaces(seen: readonly (readonly SeenPlace[])[], n: number): Place[] {
  const golden = (Math.sqrt(5) - 1) / 2;
  return [placeAt(seen[n % seen.length], (Math.floor(n / seen.length) * golden) % 1)];
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

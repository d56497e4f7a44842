/**
 * Who runs next. One task runs at a time; it is preempted after a quantum of retired instructions. Round-robin by
 * default; when seeded, order and quanta come from the entropy port. Nothing here depends on host time, so a
 * schedule is a function of the seed and of what wakes whom.
 */
import type { Entropy } from '../ports.ts';
import { TaskWaiter, type Park, type WakeReason } from '../wait.ts';
import type { SchedulePolicy, Stop } from './schedule.ts';
import type { Task } from './task.ts';

/** Virtual time a look at what a polling wait is for takes. */
const POLL_NS = 10_000;

export class Scheduler {
  /** The task that has the cpu; null between tasks. It is in no queue. */
  current: Task | null = null;
  /** Instructions left of the current quantum. */
  left = 0;
  /** Instructions the current task is to do one by one before it is put off (a policy's stop); 0: none. */
  singly = 0;
  /** Runnable tasks but the current one, next first. */
  private readonly queue: Task[] = [];
  /** Set when the current task must give way at the next `pick`. */
  private resched = false;
  private readonly deadlines = new DeadlineHeap();
  private readonly entropy: Entropy;
  private readonly seeded: boolean;
  private readonly quantum: number;
  /** Quanta end, and a forked child runs first; else first come, first served until a task waits or yields. */
  private readonly preemptive: boolean;
  /** Decides whom it runs and for how long; null: nobody but the scheduler itself. */
  private readonly policy: SchedulePolicy | null;
  /** With a policy: who had the cpu last, where its quantum ends, and where it is to stop before. */
  private last: Task | null = null;
  private quantumEnd = 0;
  private planned: Stop | null = null;
  /** Where it came to that stop, in instructions it had retired. */
  private reached = 0;
  private stopped = false;

  constructor(
    entropy: Entropy,
    options: { seeded: boolean; quantum: number; preemptive?: boolean; schedule?: SchedulePolicy | null },
  ) {
    this.entropy = entropy;
    this.preemptive = options.preemptive ?? true;
    this.policy = options.schedule ?? null;
    this.seeded = options.seeded && this.preemptive && this.policy === null;
    this.quantum = options.quantum;
  }

  /** The task to run now: the current one until its quantum is used up, it waits or it yields. null: nobody can run. */
  pick(): Task | null {
    if (this.only !== null) return this.pickOnly(this.only);
    const c = this.current;
    if (c !== null) {
      if (!this.resched) return c;
      if (this.policy !== null && this.stopped) return this.atStop(c, this.policy);
      this.current = null;
      if (this.queue.length > 0) c.involuntarySwitches++;
      this.queue.push(c);
    }
    this.resched = false;
    const next = this.seeded
      ? this.takeAny()
      : this.policy !== null
        ? this.takeChosen(this.policy)
        : this.queue.shift();
    if (next === undefined) return null;
    this.current = next;
    if (this.policy !== null) {
      this.begin(next, this.policy);
      return next;
    }
    this.left = this.seeded ? 1 + this.entropy.below(2 * this.quantum) : this.quantum;
    return next;
  }

  /** Only these tasks may run: a debugger's wish, and not what would happen without it. null: all. */
  only: ((t: Task) => boolean) | null = null;

  private pickOnly(allowed: (t: Task) => boolean): Task | null {
    const c = this.current;
    if (c !== null) {
      if (allowed(c)) {
        if (this.left <= 0) this.left = this.quantum;
        return c;
      }
      this.queue.unshift(c);
      this.current = null;
    }
    const i = this.queue.findIndex(allowed);
    if (i < 0) return null;
    this.current = this.queue.splice(i, 1)[0];
    this.left = this.quantum;
    return this.current;
  }

  /** The cpu ran `instructions` of `t`: accounts for them. */
  ran(t: Task, instructions: number): void {
    t.retired += instructions;
    this.left -= instructions;
    if (this.left > 0) return;
    if (this.policy !== null) this.usedUp(t);
    else if (this.preemptive) this.resched = true;
    else this.left = this.quantum;
  }

  /** A new task joins. `first`: it runs before anyone else (a forked child), and the current task gives way. */
  add(t: Task, first: boolean): void {
    t.state = 'runnable';
    if (first && !this.seeded && this.preemptive) {
      this.queue.unshift(t);
      this.resched = true;
    } else this.enqueue(t);
  }

  /** The last in line. */
  private enqueue(t: Task): void {
    this.queue.push(t);
    // The current task is not alone any more: a policy may want to stop it.
    if (this.policy === null || this.queue.length > 1 || this.current === null || this.planned !== null)
      return;
    if (!this.resched) this.planFrom(this.current, this.policy);
  }

  /** sched_yield: the current task goes behind the others. */
  yield(): void {
    this.resched = true;
  }

  /** Runnable tasks, the current one included. */
  get runnable(): number {
    return this.queue.length + (this.current !== null ? 1 : 0);
  }

  /** Puts a task to sleep on what `p` names. */
  park(t: Task, p: Park): void {
    this.unqueue(t);
    if (p.polls) {
      t.kernel.clock.pass?.(POLL_NS);
      t.parked = p;
      t.woken = 'event';
      t.voluntarySwitches++;
      this.queue.push(t);
      return;
    }
    t.state = 'parked';
    t.parked = p;
    t.woken = null;
    t.voluntarySwitches++;
    for (const q of p.on) {
      const w = new TaskWaiter(t, p.exclusive === true);
      t.waiters.push(w);
      q.add(w);
    }
    if (p.deadline !== Infinity) this.deadlines.add(t, p.deadline);
  }

  /** Ends a wait: the task's call carries on when it is picked. A signal does not end an uninterruptible one. */
  wake(t: Task, reason: WakeReason): void {
    if (t.state !== 'parked') return;
    if (reason === 'signal' && t.parked!.uninterruptible && t.group.groupExit === null) return;
    this.unwait(t);
    t.woken = reason;
    t.state = 'runnable';
    this.enqueue(t);
  }

  /** Takes a task off the cpu for job control. It must not be parked: a wait ends before the stop does begin. */
  stop(t: Task): void {
    this.unqueue(t);
    t.state = 'stopped';
  }

  /** SIGCONT (or SIGKILL): a stopped task may run again. */
  resume(t: Task): void {
    if (t.state !== 'stopped') return;
    t.state = 'runnable';
    this.enqueue(t);
  }

  /** The task exits: it is in no queue afterwards. The caller sets the state. */
  remove(t: Task): void {
    this.unwait(t);
    this.unqueue(t);
  }

  nextDeadline(): number {
    return this.deadlines.first;
  }

  /** Wakes every task whose deadline is not after `now`, earliest first. */
  expire(now: number): void {
    while (!this.deadlines.empty && this.deadlines.first <= now) this.wake(this.deadlines.take(), 'timeout');
  }

  /** A task gets the cpu, by a policy. It may run one instruction less than it may retire: it stops behind, not before. */
  private begin(t: Task, policy: SchedulePolicy): void {
    this.last = t;
    this.quantumEnd = this.preemptive ? t.retired + this.quantum : Infinity;
    this.planFrom(t, policy);
  }

  private planFrom(t: Task, policy: SchedulePolicy): void {
    const stop = policy.plan(t, this.quantumEnd, this.queue);
    this.planned = stop !== null && stop.at > t.retired && stop.at < this.quantumEnd ? stop : null;
    this.stopped = false;
    this.singly = 0;
    this.left = Math.min((this.planned?.at ?? this.quantumEnd) - t.retired - 1, this.quantum);
  }

  private usedUp(t: Task): void {
    const stop = this.planned;
    if (stop === null || t.retired < stop.at) {
      if (t.retired >= this.quantumEnd) this.resched = true;
      else this.left = Math.min((stop?.at ?? this.quantumEnd) - t.retired - 1, this.quantum);
      return;
    }
    this.reached = t.retired;
    if (stop.steps > 0) this.singly = stop.steps;
    else this.stopped = this.resched = true;
  }

  /** The cpu did `instructions` of those `t` is to do singly. */
  walked(t: Task, instructions: number): void {
    t.retired += instructions;
    this.singly -= instructions;
    if (this.singly === 0) this.stopped = this.resched = true;
  }

  /** The current task is where a policy stopped it. */
  private atStop(c: Task, policy: SchedulePolicy): Task {
    this.resched = false;
    const chosen = policy.preempt(c, { at: this.reached, steps: c.retired - this.reached }, this.queue);
    if (chosen < 0) {
      this.planFrom(c, policy);
      return c;
    }
    c.involuntarySwitches++;
    const [next] = this.queue.splice(chosen, 1);
    this.queue.push(c);
    this.current = next;
    this.begin(next, policy);
    return next;
  }

  private takeChosen(policy: SchedulePolicy): Task | undefined {
    if (this.queue.length < 2 || this.last === null) return this.queue.shift();
    return this.queue.splice(policy.choose(this.last, this.queue), 1)[0];
  }

  private takeAny(): Task | undefined {
    if (this.queue.length < 2) return this.queue.shift();
    return this.queue.splice(this.entropy.below(this.queue.length), 1)[0];
  }

  private unwait(t: Task): void {
    if (t.waiters.length > 0) {
      const on = t.parked!.on;
      for (let i = 0; i < on.length; i++) on[i].remove(t.waiters[i]);
      t.waiters.length = 0;
    }
    this.deadlines.remove(t);
  }

  private unqueue(t: Task): void {
    if (this.current === t) {
      this.current = null;
      this.resched = false;
      return;
    }
    const i = this.queue.indexOf(t);
    if (i >= 0) this.queue.splice(i, 1);
  }
}

/** A binary heap of (deadline, arrival) with at most one entry a task; `Task.heapIndex` is its place in it. */
class DeadlineHeap {
  private readonly items: { at: number; order: number; task: Task }[] = [];
  private order = 0;

  get empty(): boolean {
    return this.items.length === 0;
  }

  get first(): number {
    return this.items.length > 0 ? this.items[0].at : Infinity;
  }

  add(task: Task, at: number): void {
    this.remove(task);
    this.items.push({ at, order: this.order++, task });
    this.up(this.items.length - 1);
  }

  take(): Task {
    const t = this.items[0].task;
    this.remove(t);
    return t;
  }

  remove(task: Task): void {
    const i = task.heapIndex;
    if (i < 0) return;
    task.heapIndex = -1;
    const last = this.items.pop()!;
    if (last.task === task) return;
    this.items[i] = last;
    last.task.heapIndex = i;
    this.up(i);
    this.down(last.task.heapIndex);
  }

  private before(i: number, j: number): boolean {
    const a = this.items[i];
    const b = this.items[j];
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  private swap(i: number, j: number): void {
    const a = this.items[i];
    this.items[i] = this.items[j]!;
    this.items[j] = a;
    this.items[i].task.heapIndex = i;
    a.task.heapIndex = j;
  }

  private up(i: number): void {
    this.items[i].task.heapIndex = i;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.before(i, parent)) return;
      this.swap(i, parent);
      i = parent;
    }
  }

  private down(i: number): void {
    for (;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < this.items.length && this.before(child, least)) least = child;
      }
      if (least === i) return;
      this.swap(i, least);
      i = least;
    }
  }
}

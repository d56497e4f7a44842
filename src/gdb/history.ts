/**
 * Going back: the machine is put to a saved moment before and runs on from there, to the last thing that gdb would have stopped
 * at, or to one instruction less.
 */
import type { Task } from '../../kernel/task/task.ts';
import type { Machine } from '../machine/machine.ts';
import { Timeline } from '../timeline/timeline.ts';

/** A moment of the run. Stops of one moment come in the order of their ranks. */
interface Place {
  readonly instructions: number;
  /** Machine.position. */
  readonly position: number;
  readonly rank: number;
  readonly tid: number;
}

export interface PastStop {
  readonly kind: string;
  readonly t: Task;
}

export interface HistoryHost<S extends PastStop> {
  /**
   * Runs until a stop that `filter` lets through (the result), `done` (asked now and then), ^C, or nothing can run (null).
   */
  run(filter: (stop: S) => boolean, done: () => boolean): Promise<S | null>;
  /** The machine is in an earlier state than a moment ago. */
  rewound(): void;
  readonly interrupted: boolean;
  /** Called with each task that is made. */
  newTask: ((t: Task) => void) | null;
}

/** Ranks: a task stops at a place before it is about to access watched memory there. */
const rankOf = (kind: string, before: boolean): number =>
  kind === 'break' || kind === 'step' ? 1 : kind === 'watch' && before ? 2 : 0;

const isBefore = (a: Place, b: Place): boolean =>
  a.instructions !== b.instructions
    ? a.instructions < b.instructions
    : a.position !== b.position
      ? a.position < b.position
      : a.rank < b.rank;

export class History<S extends PastStop> {
  private readonly machine: Machine;
  private readonly host: HistoryHost<S>;
  private readonly timeline: Timeline;
  private readonly start: number;
  /** Instructions done when something was changed first: of the moments saved since some have that change, some have not. */
  private changedAt = Infinity;
  /** Of stops that were noticed. */
  private readonly places = new WeakMap<S, Place>();

  /** Begins where the machine is, which must be deterministic and count its events. */
  constructor(machine: Machine, host: HistoryHost<S>) {
    this.machine = machine;
    this.host = host;
    this.timeline = new Timeline(machine);
    this.start = this.instructions;
  }

  dispose(): void {
    this.timeline.dispose();
  }

  /** Something was changed: what was to come will not, and what comes is no past of the program's own. */
  changed(): void {
    this.changedAt = Math.min(this.changedAt, this.instructions);
    this.timeline.forget(false);
  }

  /** Instructions done by all tasks, up to now. */
  private get instructions(): number {
    const { kernel, loop } = this.machine.internals;
    const { current } = kernel.scheduler;
    return this.machine.stats.instructions + (current === null ? 0 : loop.doneBy(current));
  }

  /** Where a stop is, to be called when it is noticed: what is under way then may count as an event before all stands still. */
  place(stop: S | null, t: Task): Place {
    const rank = stop === null ? 1 : rankOf(stop.kind, this.before);
    const place = { instructions: this.instructions, position: this.machine.position, rank, tid: t.tid };
    if (stop !== null) this.places.set(stop, place);
    return place;
  }

  /** Watchpoints stop before the access. */
  private get before(): boolean {
    return this.machine.arch === 'aarch64';
  }

  /** So many instructions that the saved moment the machine is at is not the one to go to. */
  private get earlier(): number {
    return this.machine.stats.instructions - 1;
  }

  private rewind(instructions: number): void {
    this.timeline.rewind(Math.min(instructions, this.changedAt));
    this.host.rewound();
  }

  /** One instruction of a task less. False: there is none before. */
  async stepBack(tid: number): Promise<boolean> {
    const t = this.task(tid);
    const done = t ? this.doneBy(t) : 0;
    if (done === 0) return false;
    return await this.reach(tid, done - 1, this.instructions - 1);
  }

  /** To where a task has done nothing yet: it is not there where the history begins. */
  async birth(tid: number): Promise<void> {
    await this.reach(tid, 0, this.instructions);
  }

  /** To where a task has done so many instructions, from a moment with at most `limit` done by all. */
  private async reach(tid: number, target: number, limit: number): Promise<boolean> {
    for (;;) {
      this.rewind(limit);
      const from = this.instructions;
      const t = this.task(tid);
      if (from > this.start && (from > limit || (t !== null && this.doneBy(t) > target))) {
        limit = this.earlier;
        continue;
      }
      let there = false;
      const count = (x: Task): void => {
        this.machine.debug.stopAfter(x, target - this.doneBy(x), () => (there = true));
      };
      if (t) count(t);
      // A task that is made on the way is counted from its beginning.
      else this.host.newTask = (x) => void (x.tid === tid && count(x));
      await this.host.run(
        () => false,
        () => there,
      );
      this.host.newTask = null;
      this.machine.debug.cancelCount();
      return there;
    }
  }

  /** To the last stop before this moment; null: there is none, and the machine is where the history begins. */
  async continueBack(told: S | null, t: Task): Promise<S | null> {
    const noted = told && this.places.get(told);
    // Behind an access, which is there to be undone; who went back to one is before it.
    const behind = noted && told?.kind === 'watch' && !this.before;
    const here = behind ? { ...noted, rank: noted.rank + 0.5 } : (noted ?? this.place(told, t));
    let end = here;
    for (let limit = here.instructions; ;) {
      this.rewind(limit);
      const from = this.instructions;
      const { earlier } = this;
      if (from > this.start && from >= end.instructions) {
        limit = earlier;
        continue;
      }
      let last: Place | null = null;
      await this.host.run(
        (stop) => {
          const at = this.place(stop, stop.t);
          if (isBefore(at, end) && at.instructions > from) last = at;
          return false;
        },
        () => this.instructions >= end.instructions,
      );
      if (this.host.interrupted) return null;
      if (last) return await this.land(earlier + 1, last);
      if (from <= this.start) {
        this.rewind(this.start);
        return null;
      }
      limit = earlier;
      end = { instructions: from + 1, position: -1, rank: 0, tid: 0 };
    }
  }

  /** `from`: of the saved moment before it, without what its task did since. */
  private async land(from: number, place: Place): Promise<S | null> {
    for (let limit = from; ; limit = this.earlier) {
      this.rewind(limit); // moments saved since may be behind it
      if (this.instructions < place.instructions || this.earlier < this.start) break;
    }
    const same = (stop: S): boolean => {
      const at = this.place(stop, stop.t);
      return !isBefore(at, place) && at.rank === place.rank && at.tid === place.tid;
    };
    const stop = await this.host.run(same, () => this.instructions > place.instructions);
    if (stop?.kind !== 'watch') return stop;
    // The access is what is undone: gdb is to find memory as it was. Of an Arm it does that step itself.
    const { tid } = stop.t;
    if (!this.before) await this.stepBack(tid);
    else {
      let there = false;
      this.machine.debug.stopAfter(stop.t, 1, () => (there = true));
      await this.host.run(
        () => false,
        () => there,
      );
      this.machine.debug.cancelCount();
    }
    const t = this.task(tid);
    return t ? { ...stop, t } : stop;
  }

  private task(tid: number): Task | null {
    return this.machine.internals.kernel.processes.tasks.get(tid) ?? null;
  }

  private doneBy(t: Task): number {
    return t.retired + this.machine.internals.loop.doneBy(t);
  }
}

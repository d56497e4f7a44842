/**
 * Going back and forth in a run. A deterministic machine is put back to a moment saved before and runs on from there: so any
 * event of its past can be reached, as fast as the next saved moment before it is near. Saved moments are close together
 * around where one has been lately and farther apart elsewhere, so that they fit into the memory they may take.
 *
 * Captured output (Machine.stdout) goes back and forth with the machine. What goes out (output functions, a terminal, the tracer's
 * text) goes out once.
 */
import type { Machine } from '../machine/machine.ts';
import { type Snapshot, Snapshots } from './snapshots.ts';

export interface TimelineOptions {
  /** Host memory for saved moments, bytes, about. Default: 256 MiB. A few are kept whatever they take. */
  readonly memory?: number;
}

/** The same event was reached by other ways than the first time: the run is no function of its inputs. */
export class TimelineError extends Error {
  override readonly name = 'TimelineError';
}

interface Save {
  readonly snapshot: Snapshot;
  readonly position: number;
  readonly instructions: number;
  /** Taken when event `position` had just happened, and not on the way to the next. */
  readonly exact: boolean;
  /** It holds a change, which running there from an earlier moment would not make again. */
  readonly changed: boolean;
  /** Host milliseconds of running that led here, about. */
  readonly at: number;
}

const MEMORY = 256 * 2 ** 20;
/** Host milliseconds of running between saved moments: so many times as long as saving one takes, within bounds. */
const LEAST_MS = 25;
const MOST_MS = 80;
const TIMES_COST = 8;
/** Saved moments that are kept whatever memory they take, and at most. */
const FEWEST = 4;
const MOST = 192;
/** Milliseconds of running that count as near. */
const NEAR_MS = 500;
/** Events whose moments are remembered, to notice when a run is another. */
const REMEMBERED = 4096;

export class Timeline {
  /** The first event one can be after: where the timeline began. */
  readonly start: number;
  private readonly machine: Machine;
  private readonly memory: number;
  private readonly stopSaving: () => void;
  /** In order of time. */
  private readonly saves: Save[] = [];
  private bytes = 0;
  /** Instructions at events that were reached, by number. */
  private readonly reached = new Map<number, number>();
  private last: { readonly position: number; readonly instructions: number } | null = null;
  private furthest: number;
  /** Running time until `since`, when the host's clock was read. */
  private at = 0;
  private since: number | null = null;
  private savedAt = 0;
  /** Host milliseconds the latest save took. */
  private cost = 0;

  /**
   * Begins where the machine stands. It must be deterministic (BootOptions.seed, or a replay) and count its events
   * (BootOptions.countEvents); throws Error otherwise.
   */
  constructor(machine: Machine, options: TimelineOptions = {}) {
    if (!machine.deterministic)
      throw new Error(
        'a timeline needs a machine that runs the same each time: give BootOptions.seed, or replay a recording',
      );
    this.machine = machine;
    this.memory = options.memory ?? MEMORY;
    this.start = this.furthest = machine.position;
    this.save(true);
    this.last = this.here;
    machine.outputOnce();
    this.stopSaving = machine.onRest(() => {
      this.rest();
    });
  }

  /** Machine.position. */
  get position(): number {
    return this.machine.position;
  }

  /** The number of the last event there is; null while the end was not reached. */
  end: number | null = null;

  /** Saved moments, and the host memory they take, in bytes, about. */
  get saved(): { readonly moments: number; readonly bytes: number } {
    return { moments: this.saves.length, bytes: this.bytes };
  }

  /**
   * Makes the machine what it was when event `n` had just happened (numbers as in Machine.position): at the entry of a call
   * the kernel has not acted yet. Beyond what ran so far it runs on, to the end of the machine if it comes first (Infinity:
   * all the way). Returns the number of the event it is at. Throws RangeError for events before the timeline, TimelineError,
   * and what Machine.runTo throws.
   */
  async goto(n: number): Promise<number> {
    if (!Number.isInteger(n) && n !== Infinity) throw new RangeError(`no number of an event: ${n}`);
    if (n < this.start)
      throw new RangeError(`event ${n} is before the timeline, which begins at event ${this.start}`);
    const { machine } = this;
    if (machine.position !== n || !this.isExact) {
      const from = this.before(n);
      const { instructions, position } = this.here;
      if (position >= n || from.instructions > instructions || from.position > position) this.restore(from);
      if (machine.position < n) await machine.runTo(n);
    }
    return this.arrived();
  }

  /** Goes `events` back, and no further than to the start. Returns the number of the event it is at. */
  async back(events = 1): Promise<number> {
    const from = this.position;
    for (let to = from - events; ; to--) {
      const n = await this.goto(Math.max(to, this.start));
      // Events that happen in one go have one moment.
      if (n < from || to <= this.start) return n;
    }
  }

  /** Goes `events` on, to the end at most. Returns the number of the event it is at. */
  forward(events = 1): Promise<number> {
    return this.goto(this.position + events);
  }

  /**
   * Puts the machine to the latest saved moment with at most so many instructions retired (Machine.stats.instructions): from
   * there it runs to any one of them.
   */
  rewind(instructions: number): void {
    let found = this.saves[0];
    for (const s of this.saves) if (s.instructions <= instructions) found = s;
    this.restore(found);
  }

  /**
   * What comes after this moment will be otherwise, for something was changed: it is forgotten. What leads there from an earlier
   * moment later takes the change with it. `kept` false: it does not, for a caller that sees to that. Throws Error while the machine
   * runs.
   */
  forget(kept = true): void {
    const { instructions, position } = this.here;
    const later = (s: Save): boolean =>
      s.instructions > instructions || (kept && s.instructions === instructions && s.position >= position);
    for (let i = this.saves.length - 1; i > 0 && later(this.saves[i]); i--) this.drop(i);
    if (kept) this.save(this.isExact, true);
    for (const n of this.reached.keys()) if (n > position) this.reached.delete(n);
    this.furthest = position;
    this.end = null;
    this.machine.outputOnce();
  }

  /** Lets go of everything that was saved. The machine stays where it is. */
  dispose(): void {
    this.stopSaving();
    this.saves.length = 0;
    this.reached.clear();
    this.bytes = 0;
  }

  private get here(): { readonly position: number; readonly instructions: number } {
    return { position: this.machine.position, instructions: this.machine.stats.instructions };
  }

  /** Is the machine at the very moment it was brought to? */
  private get isExact(): boolean {
    const { here, last } = this;
    return last?.position === here.position && last.instructions === here.instructions;
  }

  /** The latest saved moment from which event `n` is still to come, or just happened. */
  private before(n: number): Save {
    let found = this.saves[0];
    for (const s of this.saves) {
      if (s.position > n) break;
      if (s.position < n || s.exact) found = s;
    }
    return found;
  }

  private restore(s: Save): void {
    this.machine.restore(s.snapshot);
    this.at = this.savedAt = s.at;
    this.since = null;
    this.last = s.exact ? { position: s.position, instructions: s.instructions } : null;
  }

  private arrived(): number {
    this.rested();
    const { here, machine } = this;
    this.last = here;
    const known = this.reached.get(here.position);
    if (known !== undefined && known !== here.instructions)
      throw another(
        `${here.instructions} instructions until event ${here.position} where there were ${known}`,
      );
    if (machine.status !== null && here.position < this.furthest)
      throw another(`it ended at event ${here.position} and had been at ${this.furthest}`);
    this.furthest = Math.max(this.furthest, here.position);
    if (this.reached.size >= REMEMBERED) this.reached.delete(this.reached.keys().next().value!);
    this.reached.set(here.position, here.instructions);
    if (machine.status !== null) this.end = here.position;
    if (this.due) this.save(true);
    return here.position;
  }

  /** The machine runs and is between two slices. */
  private rest(): void {
    this.rested();
    if (this.due) this.save(false);
    this.since = performance.now();
  }

  private rested(): void {
    if (this.since !== null) this.at += performance.now() - this.since;
    this.since = null;
  }

  private get due(): boolean {
    return this.at - this.savedAt >= Math.min(Math.max(LEAST_MS, this.cost * TIMES_COST), MOST_MS);
  }

  private save(exact: boolean, changed = false): void {
    const { position, instructions } = this.here;
    this.savedAt = this.at;
    // Its place among those there are.
    let i = this.saves.length;
    while (i > 0 && this.saves[i - 1].instructions > instructions) i--;
    const before = this.saves[i - 1] as Save | undefined;
    if (!changed && before?.instructions === instructions && before.position === position) return;
    const began = performance.now();
    const snapshot = this.machine.snapshot();
    // A host that is busy with other things for once makes nothing of it.
    this.cost = Math.min(performance.now() - began, this.cost * 1.5 + 1);
    this.saves.splice(i, 0, { snapshot, position, instructions, exact, changed, at: this.at });
    this.bytes += snapshot.bytes;
    while (this.saves.length > MOST || (this.bytes > this.memory && this.saves.length > FEWEST)) this.thin();
  }

  /** Gives up the moment that is missed least: its neighbours are near each other, as seen from here. */
  private thin(): void {
    const { saves } = this;
    let least = Infinity;
    let which = 1;
    for (let i = 1; i < saves.length - 1; i++) {
      if (saves[i].changed) continue;
      const away = Math.abs(saves[i].at - this.at);
      const missed = (saves[i + 1].at - saves[i - 1].at) / (NEAR_MS + away);
      if (missed < least) [least, which] = [missed, i];
    }
    this.drop(which);
  }

  private drop(i: number): void {
    const [{ snapshot }] = this.saves.splice(i, 1);
    this.bytes -= Snapshots.freed(snapshot, this.saves[i - 1]?.snapshot, this.saves[i]?.snapshot);
  }
}

const another = (what: string): TimelineError =>
  new TimelineError(`the run is not the same again: ${what} (was something changed? then call forget)`);

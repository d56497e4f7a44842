/**
 * A schedule as data: where it differs from the scheduler's own (round-robin, 200,000 instructions each). Places are told in
 * the instructions a task has retired since it began, so that each decision keeps its sense when others are left out.
 */
import type { SchedulePolicy, Stop } from '../../kernel/task/schedule.ts';
import type { Task } from '../../kernel/task/task.ts';

export interface Decision {
  /** The task that has the cpu. */
  readonly tid: number;
  /** Instructions it has retired: for 'preempt' at a preemption point. */
  readonly at: number;
  /**
   * 'preempt': it is put off there, `steps` instructions further. 'choose': it gives the cpu up there (it waits, yields, ends, or
   * has used its quantum up), and the next is not the one who has waited longest; `steps` is how often it did so
   * at that place before.
   */
  readonly kind: 'preempt' | 'choose';
  readonly steps: number;
  /** Who goes on. */
  readonly to: number;
}

export type Schedule = readonly Decision[];

/** `1001@5321+3>1002` (put off), `1001/5321>1002` (gave up), separated by commas; `none`. */
export function scheduleText(schedule: Schedule): string {
  const one = (d: Decision): string => {
    const more = d.steps === 0 ? '' : d.kind === 'preempt' ? `+${d.steps}` : `.${d.steps}`;
    return `${d.tid}${d.kind === 'preempt' ? '@' : '/'}${d.at}${more}>${d.to}`;
  };
  return schedule.length === 0 ? 'none' : schedule.map(one).join(',');
}

/** The other way; null: it is none. White space between decisions and lines that begin with # do not count. */
export function parseSchedule(text: string): Schedule | null {
  const words = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join(',')
    .split(/[\s,]+/)
    .filter((w) => w !== '');
  if (words.length === 1 && words[0] === 'none') return [];
  const out: Decision[] = [];
  for (const w of words) {
    const m = /^(\d{1,9})(?:@(\d{1,15})(?:\+(\d{1,9}))?|\/(\d{1,15})(?:\.(\d{1,9}))?)>(\d{1,9})$/.exec(w);
    if (!m) return null;
    const kind = m[2] !== undefined ? 'preempt' : 'choose';
    out.push({
      tid: Number(m[1]),
      at: Number(m[2] ?? m[4]),
      kind,
      steps: Number((kind === 'preempt' ? m[3] : m[5]) ?? 0),
      to: Number(m[6]),
    });
  }
  return out.length === 0 ? null : out;
}

/** How often tasks gave the cpu up at one place. */
class Places {
  private readonly seen = new Map<number, { at: number; times: number }>();

  forget(): void {
    this.seen.clear();
  }

  /** How often before `t` gave up where it is now. */
  next(t: Task): number {
    const s = this.seen.get(t.tid);
    if (s?.at === t.retired) return ++s.times;
    this.seen.set(t.tid, { at: t.retired, times: 0 });
    return 0;
  }
}

/** Follows a schedule. A decision whose place does not come, or whose task cannot run, is passed over. */
export class ListPolicy implements SchedulePolicy {
  /** By task, in order of place. */
  private readonly stops = new Map<number, Decision[]>();
  private readonly choices = new Map<string, number>();
  private readonly places = new Places();

  constructor(schedule: Schedule) {
    for (const d of schedule) {
      if (d.kind === 'choose') this.choices.set(`${d.tid}/${d.at}.${d.steps}`, d.to);
      else this.stops.set(d.tid, [...(this.stops.get(d.tid) ?? []), d]);
    }
    for (const list of this.stops.values()) list.sort((a, b) => a.at - b.at || a.steps - b.steps);
  }

  plan(t: Task, end: number): Stop | null {
    const list = this.stops.get(t.tid);
    if (list === undefined) return null;
    while (list.length > 0 && list[0].at <= t.retired) list.shift();
    return list.length > 0 && list[0].at < end ? list[0] : null;
  }

  preempt(t: Task, stop: Stop, queue: readonly Task[]): number {
    const list = this.stops.get(t.tid);
    if (list?.[0]?.at !== stop.at) return -1;
    const { to } = list.shift()!;
    return queue.findIndex((q) => q.tid === to);
  }

  choose(last: Task, queue: readonly Task[]): number {
    const to = this.choices.get(`${last.tid}/${last.retired}.${this.places.next(last)}`);
    return to === undefined ? 0 : Math.max(0, queue.findIndex((q) => q.tid === to));
  }
} // prettier-ignore

/** Passes everything on to another policy, and keeps what it decided that the scheduler would not have. */
export class ScheduleRecorder implements SchedulePolicy {
  readonly decisions: Decision[] = [];
  private decides: SchedulePolicy;
  private readonly places = new Places();

  constructor(policy: SchedulePolicy) {
    this.decides = policy;
  }

  get policy(): SchedulePolicy {
    return this.decides;
  }

  /** Another policy decides from here on, where nothing was decided yet. */
  follow(policy: SchedulePolicy): void {
    this.decides = policy;
    this.decisions.length = 0;
    this.places.forget();
  }

  plan(t: Task, end: number, queue: readonly Task[]): Stop | null {
    return this.decides.plan(t, end, queue);
  }

  preempt(t: Task, stop: Stop, queue: readonly Task[]): number {
    const i = this.decides.preempt(t, stop, queue);
    if (i < 0 && this.decides.watches) return i;
    // A stop without a switch counts, too: timers are looked at.
    const to = i < 0 ? t.tid : queue[i].tid;
    this.decisions.push({ tid: t.tid, kind: 'preempt', at: stop.at, steps: stop.steps, to });
    return i;
  }

  choose(last: Task, queue: readonly Task[]): number {
    const steps = this.places.next(last);
    const i = this.decides.choose(last, queue);
    if (i > 0) this.decisions.push({ tid: last.tid, kind: 'choose', at: last.retired, steps, to: queue[i].tid });
    return i;
  }
} // prettier-ignore

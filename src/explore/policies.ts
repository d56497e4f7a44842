/** Schedules by name: what `--schedule` takes. */
import type { Entropy } from '../../kernel/ports.ts';
import type { SchedulePolicy } from '../../kernel/task/schedule.ts';
import { ListPolicy, parseSchedule } from './schedule.ts';
import { Contention, PriorityPolicy, RandomPolicy } from './search.ts';

/** For messages: how a schedule is written. */
export const SCHEDULE_FORMS =
  'none, a list like 1001@5321+3>1002,1001/5400>1000, random:SEED:MEAN or priority:SEED:CHANGES:LENGTH';

/**
 * The policy that `text` names: `none` (round-robin), a list of decisions, `random:SEED:MEAN` (tasks run MEAN instructions at a time) or
 * `priority:SEED:CHANGES:LENGTH` (the task of the highest priority runs, and CHANGES times within LENGTH instructions priorities change).
 * null: it is none of these. `draw` makes the random numbers of a seed.
 */
export function schedulePolicy(text: string, draw: (seed: string) => Entropy): SchedulePolicy | null {
  const m = /^(random|priority):([^:]+):([1-9]\d{0,8})(?::([1-9]\d{0,14}))?$/.exec(text);
  if (m?.[1] === 'random' && m[4] === undefined) return new RandomPolicy(draw(m[2]), Number(m[3]));
  if (m?.[1] === 'priority' && m[4] !== undefined)
    return new PriorityPolicy(draw(m[2]), Number(m[3]), Number(m[4]));
  if (m) return null;
  const schedule = parseSchedule(text);
  if (schedule === null) return null;
  return schedule.length === 0 ? new Contention() : new ListPolicy(schedule);
}

/** The schedule that seed `n` of a search stands for; `length`: instructions of contention of a run. */
export function searchSchedule(n: number, length: number): string {
  const round = Math.floor(n / 4);
  switch (n % 4) {
    case 1:
      return `random:${n}:${[4, 12, 40, 150][round % 4]}`;
    case 2:
      return `priority:${n}:1:${length}`;
    case 3:
      return `random:${n}:${[8, 25, Math.max(16, Math.round(length / 40)), Math.max(16, Math.round(length / 8))][round % 4]}`;
    default:
      return `priority:${n}:${2 + (round % 3)}:${length}`;
  }
}

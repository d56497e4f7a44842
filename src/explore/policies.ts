/** Schedules by name: what `--schedule` takes. */
import type { Entropy } from '../../kernel/ports.ts';
import type { SchedulePolicy } from '../../kernel/task/schedule.ts';
import { SeededEntropy } from '../host/entropy.ts';
import { ListPolicy, parseSchedule } from './schedule.ts';
import {
  Contention, drawPlaces, type Place, type PlacesOrder, PlacesPolicy, PriorityPolicy, RandomPolicy, type SeenPlace, sweepPlaces,
} from './search.ts'; // prettier-ignore

/** For messages: how a schedule is written. */
export const SCHEDULE_FORMS =
  'none, a list like 1001@5321+3>1002,1001/5400>1000, random:SEED:MEAN, priority:SEED:CHANGES:LENGTH or priority:SEED:TID@AT+STEPS,...';

/**
 * The policy that `text` names: `none` (round-robin), a list of decisions, `random:SEED:MEAN` (tasks run MEAN instructions at a time) or
 * `priority:SEED:CHANGES:LENGTH` (the task of the highest priority runs, and CHANGES times within LENGTH instructions priorities change) or
 * `priority:SEED:TID@AT+STEPS,...` (they change at these places). `places:N` looks where places are: for `explore` only.
 * null: it is none of these. `draw` makes the random numbers of a seed.
 */
export function schedulePolicy(text: string, draw: (seed: string) => Entropy): SchedulePolicy | null {
  const places = /^places:(\d{1,3})$/.exec(text);
  if (places) return new PlacesPolicy(draw(text), ORDERS[Number(places[1])] ?? 'priority');
  const at = /^priority:([^:]+):(\d{1,9}@[\d@+,]+)$/.exec(text);
  if (at) {
    const changes = parsePlaces(at[2]);
    return changes && new PriorityPolicy(draw(at[1]), changes);
  }
  const m = /^(random|priority):([^:]+):([1-9]\d{0,8})(?::([1-9]\d{0,14}))?$/.exec(text);
  if (m?.[1] === 'random' && m[4] === undefined) return new RandomPolicy(draw(m[2]), Number(m[3]));
  if (m?.[1] === 'priority' && m[4] !== undefined)
    return new PriorityPolicy(draw(m[2]), { depth: Number(m[3]), length: Number(m[4]) });
  if (m) return null;
  const schedule = parseSchedule(text);
  if (schedule === null) return null;
  return schedule.length === 0 ? new Contention() : new ListPolicy(schedule);
}

function parsePlaces(text: string): Place[] | null {
  const places = text.split(',').map((w) => /^(\d{1,9})@(\d{1,15})(?:\+(\d{1,9}))?$/.exec(w));
  if (places.includes(null)) return null;
  return places.map((m) => ({ tid: Number(m![1]), at: Number(m![2]), steps: Number(m![3] ?? 0) }));
}

const placesText = (places: readonly Place[]): string =>
  places.map((p) => `${p.tid}@${p.at}${p.steps === 0 ? '' : `+${p.steps}`}`).join(',');

/** The runs that show where tasks can be put off: in turn, the newest first, and by chance. */
const ORDERS: readonly PlacesOrder[] = ['in turn', 'newest'];
export const LOOKS = ['places:0', 'places:1', 'places:2', 'places:3'];

/** What the runs of a program are like, for those who draw schedules of it. */
export interface Terrain {
  /** Instructions of contention of a run. */
  readonly length: number;
  /** Where its tasks can be put off the cpu, by task; empty: not known. */
  readonly places: readonly (readonly SeenPlace[])[];
}

/** What several runs saw, each place once. */
export function placesOf(runs: readonly (readonly SeenPlace[])[]): Terrain['places'] {
  const byTask = new Map<number, Map<number, SeenPlace>>();
  for (const p of runs.flat()) {
    let of = byTask.get(p.tid);
    if (of === undefined) byTask.set(p.tid, (of = new Map<number, SeenPlace>()));
    if (!of.has(p.at)) of.set(p.at, p);
  }
  return [...byTask.values()].map((of) => [...of.values()]);
}

/** The schedule that seed `n` of a search stands for. */
export function searchSchedule(n: number, { length, places }: Terrain): string {
  const round = Math.floor(n / 4);
  const at = (depth: number): string =>
    placesText(drawPlaces(new SeededEntropy(`places ${n}`), places, depth));
  const known = places.length > 0;
  switch (n % 4) {
    case 1:
      return `random:${n}:${[4, 12, 40, 150][round % 4]}`;
    case 2:
      return `priority:${n}:${known ? placesText(sweepPlaces(places, round)) : `1:${length}`}`;
    case 3:
      return `random:${n}:${[8, 25, Math.max(16, Math.round(length / 40)), Math.max(16, Math.round(length / 8))][round % 4]}`;
    default:
      return `priority:${n}:${known && round % 4 < 3 ? at(1 + (round % 4)) : `${1 + (round % 4)}:${length}`}`;
  }
}

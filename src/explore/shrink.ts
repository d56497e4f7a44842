/** Makes a failing schedule short: delta debugging over its decisions (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002). */
import { parseSchedule, scheduleText, type Decision, type Schedule } from './schedule.ts';

/** Runs a schedule: the decisions it took when it failed in the same way, null when it did not. */
export type FailsWith = (schedule: Schedule) => Promise<Schedule | null>;

export interface ShrinkOptions {
  /** Schedules tried at a time. */
  readonly jobs: number;
  /** Told after each wave of runs: decisions left, and runs so far. */
  readonly progress?: (left: number, runs: number) => void;
  /** Runs at most. */
  readonly most?: number;
}

/** `schedule` must fail. Returns one from which no decision can be left out, and how many runs that took. */
export async function shrink(
  schedule: Schedule,
  fails: FailsWith,
  options: ShrinkOptions,
): Promise<{ schedule: Schedule; runs: number }> {
  // prettier-ignore
  let best = schedule;
  let runs = 0;
  const most = options.most ?? 5000;
  /** The first of `candidates` that fails; in their order, however many are tried at a time. */
  const first = async (candidates: readonly Schedule[]): Promise<Schedule | null> => {
    for (let i = 0; i < candidates.length && runs < most; i += options.jobs) {
      const wave = candidates.slice(i, i + options.jobs);
      const results = await Promise.all(wave.map(fails));
      runs += wave.length;
      options.progress?.(best.length, runs);
      const k = results.findIndex((r) => r !== null);
      if (k < 0) continue;
      // What it took of the candidate is all that counts.
      const taken = results[k]!;
      return taken.length <= wave[k].length ? taken : wave[k];
    }
    return null;
  };

  const none = best.length > 0 ? await first([[]]) : null;
  if (none !== null) best = none;
  for (let size = Math.ceil(best.length / 2); size >= 1 && best.length > 0 && runs < most;) {
    const candidates: Schedule[] = [];
    // From the end: what happened last often follows from the rest.
    for (let to = best.length; to > 0; to -= size) {
      candidates.push([...best.slice(0, Math.max(0, to - size)), ...best.slice(to)]);
    }
    const found = await first(candidates);
    if (found !== null && found.length < best.length) {
      best = found;
      size = Math.min(size, Math.ceil(best.length / 2));
    } else if (size === 1) break;
    else size = Math.ceil(size / 2);
  }
  // Between two instructions only where it must be.
  for (let i = 0; i < best.length && runs < most; i++) {
    const d: Decision = best[i];
    if (d.kind !== 'preempt' || d.steps === 0) continue;
    const found = await first([best.map((x, k) => (k === i ? { ...x, steps: 0 } : x))]);
    if (found !== null && found.length <= best.length) best = found;
  }
  return { schedule: best, runs };
}

/** From and to text: what a run hands out. */
export const asSchedule = (text: string): Schedule => parseSchedule(text) ?? [];
export { scheduleText };

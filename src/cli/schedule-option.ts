/** `--schedule`: a schedule, or a file that holds one. */
import { readFileSync } from 'node:fs';
import { SCHEDULE_FORMS, schedulePolicy } from '../explore/policies.ts';
import { SeededEntropy } from '../host/entropy.ts';
import { UsageError } from './options.ts';

const good = (text: string): boolean => schedulePolicy(text, (seed) => new SeededEntropy(seed)) !== null;

export function readSchedule(value: string): string {
  if (good(value)) return value;
  let text: string;
  try {
    text = readFileSync(value, 'utf8');
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'and no such file' : `and as a file it cannot be read (${code})`;
    const shown = value.length > 60 ? `${value.slice(0, 60)}…` : value;
    throw new UsageError(`option '--schedule': '${shown}' is no schedule ${why}; write ${SCHEDULE_FORMS}`);
  }
  const lines = text.split('\n').filter((l) => !l.startsWith('#'));
  const schedule = lines.join('\n').trim();
  if (good(schedule)) return schedule;
  throw new UsageError(
    `option '--schedule': the file ${value} holds no schedule; one is written ${SCHEDULE_FORMS}`,
  );
}

/** Which quirks a machine has: a personality by name and date, and single ones added or left out. */
import { LINUX, type Behaviour } from './behaviour.ts';
import type { Quirk } from './quirk.ts';
import { STARRY_QUIRKS } from './starry/index.ts';

export interface Personality {
  /** "linux", "starry@2024-11-04". */
  readonly name: string;
  /** In the order they are put around Linux's handlers. */
  readonly quirks: readonly Quirk[];
  readonly behaviour: Behaviour;
}

/** Asked for what there is not; the message says what there is. */
export class PersonalityError extends Error {}

/** The state of the sources most quirks were read from (linux_syscall_api b3d7cc4). */
export const STARRY_DATE = '2024-11-04';

/** All quirks there are, by group. */
export const QUIRKS: readonly Quirk[] = STARRY_QUIRKS;

export const LINUX_PERSONALITY: Personality = { name: 'linux', quirks: [], behaviour: LINUX };

/**
 * `name`: "linux", "starry" or "starry@YYYY-MM[-DD]", the state at the beginning of that month or day. `add` and `remove`:
 * names of quirks; what is added is there whatever the date, and removing wins. Throws PersonalityError.
 */
export function personality(
  name = 'linux',
  add: readonly string[] = [],
  remove: readonly string[] = [],
): Personality {
  const { label, base } = named(name);
  for (const n of [...add, ...remove]) if (!QUIRKS.some((q) => q.name === n)) throw unknownQuirk(n);
  const quirks = QUIRKS.filter((q) => !remove.includes(q.name) && (base.includes(q) || add.includes(q.name)));
  if (quirks.length === 0) return { ...LINUX_PERSONALITY, name: label };
  return {
    name: label,
    quirks,
    behaviour: {
      ...LINUX,
      ...readiness(quirks),
      ...Object.assign({}, ...quirks.map((q) => q.behaviour ?? {})),
    } as Behaviour,
  };
}

function readiness(quirks: readonly Quirk[]): Partial<Behaviour> {
  const filters = quirks.flatMap((q) => (q.ready ? [q.ready] : []));
  if (filters.length === 0) return {};
  return { readiness: (file) => filters.reduce((events, f) => f(file, events), file.poll()) };
}

function named(text: string): { label: string; base: readonly Quirk[] } {
  const m = /^([^@]*)(?:@(.*))?$/s.exec(text)!;
  const date = m[2];
  if (m[1] === 'linux' && date === undefined) return { label: 'linux', base: [] };
  if (m[1] !== 'starry') {
    throw new PersonalityError(
      m[1] === 'linux'
        ? `personality 'linux' has no dates; write linux, or starry@2024-07`
        : `no personality '${m[1]}'; there are linux, starry and starry@YYYY-MM`,
    );
  }
  const at = date === undefined ? STARRY_DATE : day(date);
  const base = QUIRKS.filter((q) => q.apart === undefined && existed(q, at));
  return { label: date === undefined ? 'starry' : `starry@${date}`, base };
}

/** "2024-07" is its first day. */
function day(text: string): string {
  const m = /^(\d{4})-(\d\d)(?:-(\d\d))?$/.exec(text);
  const date = m ? `${m[1]}-${m[2]}-${m[3] ?? '01'}` : '';
  const time = Date.parse(date);
  if (Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== date) {
    throw new PersonalityError(`'${text}' is no date; write starry@2024-07 or starry@2024-07-15`);
  }
  return date;
}

const existed = (q: Quirk, at: string): boolean =>
  (q.since === undefined || q.since <= at) && (q.until === undefined || at < q.until);

function unknownQuirk(name: string): PersonalityError {
  const close = QUIRKS.map((q) => ({ name: q.name, d: distance(name, q.name) })).sort((a, b) => a.d - b.d)[0];
  const parts = QUIRKS.filter((q) => name.length > 2 && q.name.includes(name)).map((q) => q.name);
  const hint =
    parts.length > 0
      ? `; do you mean ${parts.slice(0, 3).join(', ')}?`
      : close.d <= Math.max(2, name.length / 3)
        ? `; do you mean ${close.name}?`
        : '';
  return new PersonalityError(`no quirk '${name}'${hint === '' ? ';' : hint} 'ring3 quirks' lists them`);
}

/** Edits from one word to the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}

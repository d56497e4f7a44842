/** Which calls a test means: by name, by strace's sets, by pattern, by task, or by what they are called with. */
import { type CallFilter, parseCallSet } from '../../kernel/trace/groups.ts';
import { syscalls, type SyscallName } from '../../kernel/syscall/table.ts';
import type { Task } from '../../kernel/task/task.ts';

/** "futex", ["read", "readv"], what `-e trace=` takes ("%file", "!write"), a number of the guest's architecture, or a pattern of names. */
export type CallNames = SyscallName | number | readonly SyscallName[] | `%${string}` | `!${string}` | RegExp;

export interface TaskChoice {
  /** Only calls of this task (thread id). Others run as they would. */
  readonly tid?: number;
  /** Only calls of this process. */
  readonly pid?: number;
}

/** The names a filter can let through. */
export type NamesIn<F> = F extends SyscallName
  ? F
  : F extends readonly (infer N extends SyscallName)[]
    ? N
    : SyscallName;

export const isOf = ({ tid, pid }: TaskChoice, t: Task): boolean =>
  (tid === undefined || t.tid === tid) && (pid === undefined || t.pid === pid);

/** Says whether a call of this name, made by this task, is meant. Throws RangeError for names there are none of. */
export function callFilter(
  names: CallNames | undefined,
  who: TaskChoice = {},
): (t: Task, name: string) => boolean {
  const named = nameFilter(names);
  const known = new Map<string, boolean>();
  return (t, name) => {
    if (!isOf(who, t)) return false;
    let is = known.get(name);
    if (is === undefined) known.set(name, (is = named(name, t.nr)));
    return is;
  };
}

function nameFilter(names: CallNames | undefined): CallFilter {
  if (names === undefined) return () => true;
  if (names instanceof RegExp)
    return (name) => new RegExp(names.source, names.flags.replace(/[gy]/g, '')).test(name);
  const text = typeof names === 'object' ? names.join(',') : String(names);
  const set = parseCallSet(text, (name) => syscalls.has(name), true);
  if (typeof set !== 'function')
    throw new RangeError(`${set.error}; 'ring3 syscalls' lists the calls there are`);
  return set;
}

/** "futex", "read or readv", "a call": for messages. */
export function filterText(names: CallNames | undefined): string {
  if (names === undefined) return 'a call';
  if (names instanceof RegExp) return `a call like ${String(names)}`;
  if (typeof names === 'number') return `call ${names}`;
  return typeof names === 'string' ? names : names.join(' or ');
}

/** A quirk: one named way in which another kernel differs from Linux, as a small override that can be switched on alone. */
import type { File } from '../fs/file.ts';
import type { Handler, SyscallRow } from '../syscall/define.ts';
import type { Behaviour } from './behaviour.ts';

export const GROUPS = [
  'scheduling', 'time', 'futex', 'tasks', 'signals', 'epoll', 'files', 'memory', 'network',
] as const; // prettier-ignore
export type QuirkGroup = (typeof GROUPS)[number];

/** Puts something around a call's handler, or in its place. Made once a machine, at boot. */
export type Wrap = (linux: Handler, row: SyscallRow) => Handler;

export interface Quirk {
  /** Lower case, words joined by '-'; what `--quirk` takes. */
  readonly name: string;
  readonly group: QuirkGroup;
  /** What a program sees, in one line. */
  readonly symptom: string;
  /** What Linux does instead. */
  readonly linux: string;
  /** Where it comes from: a source file, a commit, a line of a log. */
  readonly source: string;
  /** First day (YYYY-MM-DD) the personality has it; absent: always had. */
  readonly since?: string;
  /** Day it was mended; absent: it never was. */
  readonly until?: string;
  /** The personality leaves it out unless it is asked for, and why. */
  readonly apart?: string;
  /** Handlers it changes, by the call's name. Several quirks of one call are put around it in the order of the list. */
  readonly calls?: Readonly<Record<string, Wrap>>;
  /** The same for any call: what to put around a row's handler, if anything. After `calls`. */
  readonly every?: (row: SyscallRow) => Wrap | undefined;
  /** Changes what poll and epoll see of a file (a POLL* mask). */
  readonly ready?: (file: File, events: number) => number;
  /** What it changes where a mechanism decides and not a handler. */
  readonly behaviour?: Partial<Behaviour>;
}

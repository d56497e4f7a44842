/**
 * How one argument reads in a trace. A row lists one per argument; `format` sees the task (its memory), all
 * arguments and, for arguments the kernel fills in, the result.
 */
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import type { Decoded } from './values.ts';

/** `Name` and `Value` are for whoever reads arguments by name (the step API): types come from the rows. */
export interface ArgType<Name extends string = string, Value = Decoded> {
  readonly name: Name;
  /** Printed only once the call returned (the kernel writes it). */
  readonly out?: boolean;
  /** What it names, for filters by path. */
  readonly kind?: 'path' | 'fd';
  /**
   * Called at entry of a traced call: what the call will overwrite and `format` needs is kept in `t.traceNote` (an
   * address length that goes in and comes out).
   */
  enter?(t: Task, a: Args): void;
  /**
   * `ret` is the result (negative: -errno), or null when the call has not returned. An empty string leaves the
   * argument out, its comma too (open's mode without O_CREAT).
   */
  format(t: Task, a: Args, i: number, ret: number | null): string;
  /** The argument as a value. Without it: what `format` says, read back. */
  value?(t: Task, a: Args, i: number, ret: number | null): Value;
}

/** An argument type of any name and value. */
export type AnyArgType = ArgType<string, unknown>;

/**
 * How one argument reads in a trace. A row lists one per argument; `format` sees the task (its memory), all
 * arguments and, for arguments the kernel fills in, the result.
 */
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';

export interface ArgType {
  readonly name: string;
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
}

/** A row of the system-call table. Dispatch, trace and the compatibility page are all generated from rows. */
import type { SysResult } from '../wait.ts';
import type { Task } from '../task/task.ts';
import type { AnyArgType } from '../trace/arg-types.ts';
import type { Args } from './args.ts';

export type Handler = (t: Task, a: Args) => SysResult;

/** How a result reads in a trace: decimal, address, hexadecimal bits, octal mode, or nothing (`= ?`). */
export type RetKind = 'int' | 'size' | 'addr' | 'fd' | 'hex' | 'octal' | 'none';

export interface Support {
  readonly level: 'full' | 'partial' | 'refused' | 'absent';
  /** What is missing, for the compatibility page. */
  readonly note?: string;
}
export const FULL: Support = { level: 'full' };
export const ABSENT: Support = { level: 'absent' };
export const partial = (note: string): Support => ({ level: 'partial', note });
/** Answered as an unprivileged or older kernel answers, on purpose. */
export const refused = (note: string): Support => ({ level: 'refused', note });

export interface SyscallSpec {
  /** Number on each architecture; null where the call does not exist. */
  readonly x86_64: number | null;
  readonly aarch64: number | null;
  /** Absent calls have none: they return -ENOSYS and are reported once. */
  readonly run?: Handler;
  /** A function where it depends on the arguments (fcntl). */
  readonly ret: RetKind | ((a: Args) => RetKind);
  readonly support: Support;
  readonly args: readonly AnyArgType[];
  /** What strace adds in parentheses after the result: "Timeout", "[{fd=3, revents=POLLIN}]"; null for nothing. */
  readonly aux?: (t: Task, a: Args, ret: number) => string | null;
  /** May put the caller to sleep (Go's //sys against //sysnb). */
  readonly blocks?: boolean;
}

export interface SyscallRow extends SyscallSpec {
  readonly name: string;
}

/** Keeps names and argument types while checking each row: the step API's types are made of them. */
export function defineSyscalls<const T extends Record<string, SyscallSpec>>(rows: T): T {
  return rows;
}

/**
 * What a log says happened: one form for StarryOS's logs, strace's text and runs of a machine here. Plain data.
 */
import type { Arch } from '../../kernel/ports.ts';

/** A system call as far as the log tells it. */
export interface LogCall {
  /** Who made it; 0 where the log does not say. */
  readonly tid: number;
  /** Linux's name: "rt_sigaction", not "SIGACTION". */
  readonly name: string;
  /** The number, where the log or the name gives one. */
  readonly nr: number | null;
  /** Arguments as unsigned 64-bit values; null where the log shows something else (a string, a structure). */
  readonly values: readonly (bigint | null)[];
  /** Arguments as strace prints them. */
  readonly args: readonly string[];
  /** The value, or -errno. null: the log has no return of it. */
  readonly result: bigint | null;
  /** "0x7f…", "-1 EFAULT (Bad address)", "3", "?". */
  readonly resultText: string;
  /** "EFAULT"; null: no error. */
  readonly error: string | null;
  /** Lines, from 1, of its entry and its return; null where that line is not in the log. */
  readonly entry: number | null;
  readonly exit: number | null;
  /** Seconds, on the log's own clock. */
  readonly entered: number | null;
  readonly ended: number | null;
  /** What the kernel said while it worked on the call. */
  readonly notes: readonly KernelNote[];
  /** The log's own words for it: the line of the return, or of the entry. */
  readonly source: string;
}

/** [start, end), bytes. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** What a kernel says of its memory areas. */
export type AreaOp =
  | 'mmap'
  | 'munmap'
  | 'mprotect'
  | 'found'
  | 'splitting'
  | 'split'
  | 'shrink-left'
  | 'shrink-right'
  | 'drop'
  | 'region';

interface NoteBase {
  readonly tid: number;
  readonly line: number;
  readonly time: number | null;
  readonly text: string;
}
export type KernelNote = NoteBase &
  (
    | { readonly kind: 'area'; readonly op: AreaOp; readonly range: Range; readonly to: Range | null }
    /** The futex word as the kernel found it. */
    | { readonly kind: 'futex-value'; readonly real: number; readonly expected: number }
    /** A page fault of the program. */
    | {
        readonly kind: 'fault';
        readonly pc: number;
        readonly address: number;
        readonly write: boolean;
        readonly user: boolean;
      }
    | { readonly kind: 'panic' }
    /** Anything else a part of the kernel had to say; `target`: "fatfs::dir". */
    | { readonly kind: 'text'; readonly target: string }
  );

export type LogEvent =
  | { readonly type: 'enter'; readonly call: LogCall; readonly line: number }
  | { readonly type: 'exit'; readonly call: LogCall; readonly line: number }
  /** `call`: the one its task was in. */
  | { readonly type: 'note'; readonly note: KernelNote; readonly call: LogCall | null; readonly line: number }
  | { readonly type: 'signal'; readonly tid: number; readonly signal: string; readonly line: number }
  | {
      readonly type: 'task-end';
      readonly tid: number;
      readonly code: number | null;
      readonly signal: string | null;
      readonly line: number;
    };

/** A line the reader knows for a system call or a kernel message and could not make out. */
export interface Unreadable {
  readonly line: number;
  readonly why: string;
  readonly text: string;
}

/** Lines of one boot, or of one excerpt: nothing is known of what was before. */
export interface LogRun {
  /** Lines, from 1. */
  readonly first: number;
  readonly last: number;
  readonly events: readonly LogEvent[];
  /** In the order of their first line. */
  readonly calls: readonly LogCall[];
  /** Tasks, in order of appearance. */
  readonly tasks: readonly number[];
  /** What the program printed into the log, with its line. */
  readonly output: readonly { readonly line: number; readonly text: string }[];
}

export type LogFormat = 'starry' | 'strace';

export interface Log {
  /** What it was read from, for messages. */
  readonly name: string;
  readonly format: LogFormat;
  readonly arch: Arch;
  readonly runs: readonly LogRun[];
  readonly unreadable: readonly Unreadable[];
  /** Lines in all. */
  readonly lines: number;
}

/** Calls that return to nobody. */
export const LEAVES: ReadonlySet<string> = new Set(['exit', 'exit_group', 'rt_sigreturn']);

/** The call in one line, as strace prints it: `futex(0x1dcdc38, FUTEX_WAKE, 1) = 0`. */
export function callText(c: LogCall): string {
  const head = `${c.name}(${c.args.join(', ')})`;
  if (c.exit !== null) return `${head} = ${c.resultText}`;
  return LEAVES.has(c.name) ? `${head} = ?` : `${head} <no return>`;
}

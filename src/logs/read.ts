/** Reads a log of either kind. */
import type { Log, LogFormat } from './events.ts';
import { looksLikeStarry, readStarryLog } from './starry.ts';
import { looksLikeStrace, readStrace } from './strace.ts';

/** The text is of no kind known. */
export class LogError extends Error {
  override readonly name = 'LogError';
}

/**
 * A log's calls and what else it says. `name`: what it was read from, for messages. `format`: what it is, when its look is
 * not to decide. Throws LogError when it is neither, or has no system calls in it.
 */
export function readLog(text: string, name = 'log', format: LogFormat | null = null): Log {
  const kind = format ?? (looksLikeStarry(text) ? 'starry' : looksLikeStrace(text) ? 'strace' : null);
  if (kind === null) {
    throw new LogError(
      `${name}: no system calls in it: neither StarryOS's "[syscall] id = …" or "Syscall …" nor strace's "call(…) = …"`,
    );
  }
  const log = kind === 'starry' ? readStarryLog(text, name) : readStrace(text, name);
  if (log.runs.every((run) => run.calls.length === 0)) {
    throw new LogError(`${name}: no system call in it could be read as ${kind === 'starry' ? 'a StarryOS log' : 'strace text'}`);
  }
  return log;
} // prettier-ignore

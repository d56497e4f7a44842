/** How a guest ended. */
import { signalName } from '../../kernel/trace/tables.ts';

export interface ExitStatus {
  /** Exit code, 0…255; null when a signal ended it. */
  readonly code: number | null;
  /** "SIGSEGV"; null when it exited. */
  readonly signal: string | null;
  /** What a shell shows: the code, or 128 + the signal's number. */
  readonly status: number;
}

/** From a wait(2) status. */
export function exitStatus(wait: number): ExitStatus {
  const signo = wait & 0x7f;
  if (signo === 0) return { code: (wait >> 8) & 255, signal: null, status: (wait >> 8) & 255 };
  return { code: null, signal: signalName(signo), status: 128 + signo };
}

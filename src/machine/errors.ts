/** Why a machine could not be started. The message is one line that says what is wrong and, where it can, what to do. */
import { explanationLines } from '../explain/text.ts';
import type { Explanation } from '../explain/types.ts';

export type BootErrorKind =
  /** The program does not exist. */
  | 'missing'
  /** It exists and cannot be run: a directory, no permission, text, another architecture, damaged. */
  | 'not-executable'
  /** A mount, port, user or limit the host or the machine cannot give. */
  | 'setup';

export class BootError extends Error {
  readonly kind: BootErrorKind;
  /** What is wrong with it, without its name. */
  readonly why: string;
  /** The one of BootOptions that is wrong; null: none, or the message says which. */
  readonly option: string | null;
  constructor(kind: BootErrorKind, why: string, option: string | null = null) {
    super(option === null ? why : `option '${option}' of Machine.boot: ${why}`);
    this.name = 'BootError';
    this.kind = kind;
    this.why = why;
    this.option = option;
  }
}

/**
 * Nothing in the guest can ever run again, and no input can come. The message says why in its first line, then what each task
 * waits for and who could wake it; `explanation` is the same as data.
 */
export class DeadlockError extends Error {
  readonly explanation: Explanation;
  constructor(explanation: Explanation) {
    super(explanationLines(explanation).join('\n'));
    this.name = 'DeadlockError';
    this.explanation = explanation;
  }
}

/** What runs only repeats calls that have no effect (BootOptions.livelock). The message is as DeadlockError's. */
export class LivelockError extends Error {
  readonly explanation: Explanation;
  constructor(explanation: Explanation) {
    super(explanationLines(explanation).join('\n'));
    this.name = 'LivelockError';
    this.explanation = explanation;
  }
}

/** The guest was still at it when its time was over (MachineLimits.time). */
export class TimeLimitError extends Error {
  readonly explanation: Explanation;
  constructor(nanoseconds: number, explanation: Explanation) {
    super(
      [
        `the guest still ran after ${nanoseconds / 1e9} s of its own time`,
        ...explanationLines(explanation),
      ].join('\n'),
    );
    this.name = 'TimeLimitError';
    this.explanation = explanation;
  }
}

/** `Machine.stop` ended the run. */
export class StoppedError extends Error {
  constructor() {
    super('the machine was stopped');
    this.name = 'StoppedError';
  }
}

/** A fault of the machine's own, not of the guest: `cause` is what was thrown, the message says who was doing what. */
export class InternalError extends Error {
  constructor(cause: unknown, doing: string) {
    super(`${String(cause)}${doing === '' ? '' : `, while ${doing}`}`, { cause });
    this.name = 'InternalError';
  }
}

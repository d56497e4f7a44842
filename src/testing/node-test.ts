/**
 * Assertions for node:test, or any runner: they throw AssertionError with what was expected and what was found.
 *
 *     import { assertTrace } from 'ring3/node-test';
 *     assertTrace(await machine.nextExit('openat'), 'openat(AT_FDCWD, "/etc/hosts", O_RDONLY) = 3');
 */
import { checkPark, checkReturned, checkTrace, type Traced, type Verdict } from './checks.ts';

/** As node:assert's: test runners show `expected` beside `actual`. */
export class AssertionError extends Error {
  readonly code = 'ERR_ASSERTION';
  readonly generatedMessage = false;
  readonly operator = 'deepStrictEqual';
  readonly expected: unknown;
  readonly actual: unknown;
  constructor(verdict: Verdict) {
    super(verdict.message);
    this.name = 'AssertionError';
    this.expected = verdict.expected;
    this.actual = verdict.actual;
  }
}

function demand(verdict: Verdict): void {
  if (!verdict.pass) throw new AssertionError(verdict);
}

/** The call reads like this, as strace prints it: the whole text, or a pattern; lists line by line. */
export function assertTrace(received: Traced, expected: string | RegExp): void;
export function assertTrace(received: readonly Traced[], expected: readonly (string | RegExp)[]): void;
export function assertTrace(
  received: unknown,
  expected: string | RegExp | readonly (string | RegExp)[],
): void {
  demand(checkTrace(received, expected));
}

/** The task sleeps in a call whose text begins like this, or matches. */
export function assertPark(received: unknown, expected?: string | RegExp): void {
  demand(checkPark(received, expected));
}

/** The call returned this: a number, or the name of an error ("EAGAIN"). */
export function assertReturned(received: unknown, expected?: number | bigint | string): void {
  demand(checkReturned(received, expected));
}

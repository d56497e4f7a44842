/**
 * Matchers for vitest: importing this module adds them to `expect`.
 *
 *     import 'ring3/vitest';
 *     expect(await machine.nextExit('openat')).toTrace('openat(AT_FDCWD, "/etc/hosts", O_RDONLY) = 3');
 */
import { expect } from 'vitest';
import { checkPark, checkReturned, checkTrace, type Verdict } from './checks.ts';

interface Mock {
  readonly mock: { readonly results: readonly { readonly type: string }[] };
}
const isMock = (x: unknown): x is Mock =>
  typeof x === 'function' && 'mock' in x && Array.isArray((x as unknown as Mock).mock.results);

const answer = ({ pass, message, ...rest }: Verdict) => ({ pass, message: () => message, ...rest });

expect.extend({
  toTrace: (received: unknown, expected: string | RegExp | readonly (string | RegExp)[]) =>
    answer(checkTrace(received, expected)),
  toPark: (received: unknown, expected?: string | RegExp) => answer(checkPark(received, expected)),
  // vitest has a matcher of this name for spies, which keeps its meaning.
  toHaveReturned: (received: unknown, expected?: number | bigint | string) => {
    if (!isMock(received)) return answer(checkReturned(received, expected));
    const pass = received.mock.results.some((r) => r.type === 'return');
    return { pass, message: () => `expected the spy ${pass ? 'not ' : ''}to have returned` };
  },
});

interface Ring3Matchers {
  /** The call reads like this, as strace prints it: the whole text, or a pattern; lists line by line. */
  toTrace(expected: string | RegExp | readonly (string | RegExp)[]): void;
  /** The task sleeps in a call whose text begins like this, or matches: `read(3, `. */
  toPark(expected?: string | RegExp): void;
  /** The call returned this: a number, or the name of an error ("EAGAIN"). */
  toHaveReturned(expected?: number | bigint | string): void;
}

declare module 'vitest' {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars, @typescript-eslint/no-explicit-any -- as vitest declares it
  interface Assertion<T = any> extends Ring3Matchers {
    toHaveReturned(expected?: number | bigint | string): void;
  }
  interface AsymmetricMatchersContaining extends Ring3Matchers {
    toTrace(expected: string | RegExp | readonly (string | RegExp)[]): void;
  }
}

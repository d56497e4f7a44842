/** What the matchers and assertions for tests say yes or no to, without a test runner. */
import { ERRNO, errnoNumber } from '../../kernel/abi/errno.ts';

export interface Verdict {
  readonly pass: boolean;
  /** Why it does not pass; for a negated check, why it should not have. */
  readonly message: string;
  readonly expected?: unknown;
  readonly actual?: unknown;
}

/** A stop, an event, or a line of a trace. */
export type Traced = { readonly text: string } | string;

const isStop = (x: unknown): x is { type: string; text: string; name: string; result?: number } =>
  typeof x === 'object' && x !== null && 'text' in x && typeof x.text === 'string';

/** One line, however wide its padding before `= result` is. */
const line = (x: Traced): string =>
  (typeof x === 'string' ? x : x.text).replace(/\) {2,}= /, ') = ').trimEnd();

const show = (x: unknown): string =>
  isStop(x)
    ? `'${x.text}' (${x.type})`
    : typeof x === 'string'
      ? `'${x}'`
      : typeof x === 'object' && x !== null && 'type' in x
        ? `the event '${String(x.type)}'`
        : String(x);

/** The call reads like that: the same text (a string), or text that matches. Lists are compared line by line. */
export function checkTrace(
  received: unknown,
  expected: string | RegExp | readonly (string | RegExp)[],
): Verdict {
  const lines = Array.isArray(received) ? (received as unknown[]) : [received];
  const wanted = Array.isArray(expected)
    ? (expected as readonly (string | RegExp)[])
    : [expected as string | RegExp];
  const texts = lines.map((x) => (isStop(x) || typeof x === 'string' ? line(x) : null));
  const bad = texts.findIndex((text) => text === null);
  if (bad >= 0) return { pass: false, message: `${show(lines[bad])} is no call of a trace` };
  const same = (i: number): boolean => {
    const want = wanted[i];
    return typeof want === 'string'
      ? texts[i] === line(want)
      : new RegExp(want.source, want.flags.replace(/[gy]/g, '')).test(texts[i]!);
  };
  const first = Array.from({ length: Math.max(texts.length, wanted.length) }, (_, i) => i).find(
    (i) => i >= texts.length || i >= wanted.length || !same(i),
  );
  const expectedLines = wanted.map(String);
  const comparison = { expected: expectedLines.join('\n'), actual: texts.join('\n') };
  if (first === undefined)
    return { pass: true, message: `the trace is not to read ${expectedLines.join('\n')}`, ...comparison };
  const at = texts.length > 1 || wanted.length > 1 ? ` in line ${first + 1}` : '';
  return {
    pass: false,
    message: `the trace reads otherwise${at}:\n  expected ${expectedLines[first] ?? 'nothing more'}\n  found    ${texts[first] ?? 'nothing more'}`,
    ...comparison,
  };
}

/** The task sleeps in a call whose text begins like that, or matches. */
export function checkPark(received: unknown, expected?: string | RegExp): Verdict {
  if (!isStop(received) || received.type !== 'park') {
    return { pass: false, message: `expected a task to sleep in a call; found ${show(received)}` };
  }
  const pass =
    expected === undefined ||
    (typeof expected === 'string'
      ? received.text.startsWith(expected)
      : new RegExp(expected.source, expected.flags.replace(/[gy]/g, '')).test(received.text));
  return {
    pass,
    message: pass
      ? `the task is not to sleep in ${received.text}`
      : `the task sleeps in another call:\n  expected ${String(expected)}\n  found    ${received.text}`,
    expected: String(expected),
    actual: received.text,
  };
}

/** The call returned this: a number, or an error by its name. Without `expected`: it returned at all. */
export function checkReturned(received: unknown, expected?: number | bigint | string): Verdict {
  if (!isStop(received) || received.type !== 'exit') {
    return { pass: false, message: `expected a call that has returned; found ${show(received)}` };
  }
  const { result } = received;
  let value = expected;
  if (typeof expected === 'string') {
    const errno = errnoNumber(expected);
    if (!(errno > 0))
      return { pass: false, message: `'${expected}' is no error's name; write EAGAIN, or a number` };
    value = -errno;
  }
  const pass = value === undefined || Number(value) === result;
  const name = (n: number | undefined): string =>
    n !== undefined && n < 0 && ERRNO[-n] ? `${n} (${ERRNO[-n][0]})` : String(n);
  return {
    pass,
    message: pass
      ? `the call is not to return ${name(result)}: ${received.text}`
      : `the call returned something else: ${received.text}\n  expected ${name(Number(value))}\n  found    ${name(result)}`,
    expected: value === undefined ? undefined : Number(value),
    actual: result,
  };
}

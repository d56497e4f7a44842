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

const isRecorder = (x: unknown): x is { lines: readonly string[] } =>
  typeof x === 'object' && x !== null && 'lines' in x && Array.isArray(x.lines);

/** One line, however wide its padding before `= result` is. */
const line = (x: Traced): string =>
  (typeof x === 'string' ? x : x.text).replace(/\) {2,}= /, ') = ').trimEnd();

const show = (x: unknown): string => {
  if (isStop(x)) return `'${x.text}' (${x.type})`;
  if (typeof x === 'string') return `'${x}'`;
  if (Array.isArray(x)) return 'a list';
  if (typeof x !== 'object' || x === null) return String(x);
  if ('then' in x && typeof x.then === 'function') return 'a promise: await it';
  if ('type' in x && typeof x.type === 'string') return `the event '${x.type}'`;
  return 'nextSyscall' in x ? 'a Machine' : 'another object';
};

/** For what no check can be made of, negated or not. */
const unfit = (wanted: string, received: unknown, instead: string): TypeError =>
  new TypeError(`${wanted}; found ${show(received)}.\nWhat to give: ${instead}`);

/** The call reads like that: the same text (a string), or text that matches. Lists are compared line by line. */
export function checkTrace(
  received: unknown,
  expected: string | RegExp | readonly (string | RegExp)[],
): Verdict {
  const lines: readonly unknown[] = isRecorder(received)
    ? received.lines
    : Array.isArray(received)
      ? received
      : [received];
  const wanted = Array.isArray(expected)
    ? (expected as readonly (string | RegExp)[])
    : [expected as string | RegExp];
  const texts = lines.map((x) => (isStop(x) || typeof x === 'string' ? line(x) : null));
  const bad = texts.findIndex((text) => text === null);
  if (bad >= 0)
    throw unfit(
      'expected a call, or a list of them',
      lines[bad],
      "a stop (await machine.nextExit('read')), an event of a call, a line of text, or a TraceRecorder",
    );
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
  const wanted = 'expected a task to sleep in a call';
  if (!isStop(received)) throw unfit(wanted, received, "await (await machine.nextSyscall('read')).serve()");
  if (received.type !== 'park') {
    const why =
      received.type === 'enter'
        ? 'the kernel has not acted on it yet; await call.serve() lets it'
        : 'it has returned';
    return { pass: false, message: `${wanted}; found ${show(received)}: ${why}` };
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
  let value = expected;
  if (typeof expected === 'string') {
    const errno = errnoNumber(expected);
    if (!(errno > 0)) throw new RangeError(`'${expected}' is no error's name; write EAGAIN, or a number`);
    value = -errno;
  }
  const wanted = 'expected a call that has returned';
  if (!isStop(received))
    throw unfit(wanted, received, "await machine.nextExit('read'), or await call.finish()");
  if (received.type !== 'exit') {
    const why =
      received.type === 'enter'
        ? 'the kernel has not acted on it yet; await call.finish() runs on until it has returned'
        : 'the task sleeps in it';
    return { pass: false, message: `${wanted}; found ${show(received)}: ${why}` };
  }
  const { result } = received;
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

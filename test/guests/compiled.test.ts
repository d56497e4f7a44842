/**
 * Guests interpreted and compiled: every sample of registers, flags, floating-point and vector state, the output, the
 * exit status, the instructions retired and the trace are the same.
 */
import { describe, expect, it } from 'vitest';
import { builtNames, guestPath, guestTable } from '../support/guests.ts';
import { difference } from '../support/sampled.ts';

/** Runs that are left out, with the reason. */
const LEFT_OUT: readonly (readonly [RegExp, string])[] = [
  [/ (go-webserver|tokio-echo|instruction-driver)/, 'they wait for somebody'],
];
/** And those left out unless RING3_JIT_GUESTS, a pattern, asks for them. */
const TOO_LONG: readonly (readonly [RegExp, string])[] = [
  [/ (rlimits|go-routines|go-spin|strings|floats|pipes|sockets\S* tcp|timers)/, 'millions of samples'],
  [/^aarch64 (?!.*-musl|bench|rust|aarch64|go)/, 'its twin with musl runs'],
];
const ONLY = process.env['RING3_JIT_GUESTS'];

interface Row {
  readonly title: string;
  readonly arch: string;
  readonly program: string;
  readonly argv: readonly string[];
  readonly stdin: string;
}

const rows: Row[] = [];
const leftOut = new Map<string, string[]>();
for (const arch of ['x86_64', 'aarch64'])
  for (const g of guestTable())
    for (const name of builtNames(g, arch)) {
      const program = guestPath(name, arch);
      if (program === null) continue;
      for (const run of g.runs ?? [{}]) {
        const args = 'args' in run ? (run.args ?? []) : [];
        const title = `${arch} ${[name, ...args].join(' ')}`;
        const why = [...LEFT_OUT, ...(ONLY === undefined ? TOO_LONG : [])].find(([p]) => p.test(title));
        if (why) leftOut.set(why[1], [...(leftOut.get(why[1]) ?? []), title]);
        else if (new RegExp(ONLY ?? '').test(title))
          rows.push({ title, arch, program, argv: [name, ...args], stdin: run.stdin ?? '' });
      }
    }
for (const [why, titles] of leftOut)
  console.log(`Left out of interpreter against compiler (${why}): ${titles.join(', ')}`);

describe('guests interpreted and compiled', () => {
  it.each(rows)('$title', async ({ arch, program, argv, stdin }) => {
    const { text, runs } = await difference({ program, argv, arch, boot: { stdin } }, [
      'jit:200:1000000000',
      'jit:200:1',
    ]);
    expect(text).toBeNull();
    expect(runs[0].regions).toBe(0);
    if (runs[1].instructions > 10_000 && !argv[0].includes('getpid')) {
      expect(runs[1].compiled).toBeGreaterThan(1000);
      expect(runs[1].hashes.length).toBeGreaterThan(20);
    }
  });
});

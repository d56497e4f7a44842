/** Every guest of guests/guests.json: the same output and exit status as on this machine's own Linux. */
import { describe, expect, it } from 'vitest';
import { builtNames, guestPath, guestTable, nativeReason, type GuestRun } from '../support/guests.ts';
import { runBoth, runRing3 } from '../support/run.ts';

interface Row {
  readonly name: string;
  readonly path: string;
  readonly run: GuestRun;
}

const rows: Row[] = [];
const missing: string[] = [];
for (const g of guestTable()) {
  if (g.compare === false) continue;
  for (const name of builtNames(g)) {
    const path = guestPath(name);
    if (!path) missing.push(name);
    else
      for (const run of g.runs ?? [g.expect ? { expect: g.expect } : {}])
        rows.push({ name: [name, ...(run.args ?? [])].join(' '), path, run });
  }
}
if (missing.length > 0) console.log(`Left out: guests not built here: ${missing.join(' ')}`);
const reason = nativeReason();
if (reason) console.log(`Left out: guests beside native runs: ${reason}`);

/** Without ring3's own notes, about calls it lacks. */
const stderrOf = (text: string): string => text.replace(/^ring3: .*\n/gm, '');

describe.skipIf(reason !== null)('guests, natively and here', () => {
  it.each(rows)('$name', async ({ path, run }) => {
    const { native, ring3 } = await runBoth(path, run.args ?? [], { stdin: run.stdin ?? '' });
    expect(ring3.stdout).toBe(native.stdout);
    expect(stderrOf(ring3.stderr)).toBe(native.stderr);
    expect(ring3.status).toBe(native.status);
  });
});

describe('guests with a fixed output', () => {
  it.each(rows.filter((r) => r.run.expect !== undefined))('$name', async ({ path, run }) => {
    const { stdout, stderr, exit } = run.expect!;
    const ring3 = await runRing3(path, run.args ?? [], { stdin: run.stdin ?? '' });
    if (stdout !== undefined) expect(ring3.stdout).toBe(stdout);
    if (stderr !== undefined) expect(ring3.stderr).toBe(stderr);
    if (exit !== undefined) expect(ring3.status).toBe(exit);
  });
});

/** The same seed gives the same run, byte for byte; another seed gives another. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestPath } from '../support/guests.ts';
import { runRing3, withFolder } from '../support/run.ts';

const racy = guestPath('racy-musl')!;
const threads = guestPath('threads-musl')!;
const signals = guestPath('signals-musl')!;

/** The trace and the output of one seeded run. */
async function traced(
  program: string,
  seed: string,
  args: readonly string[] = [],
  options: readonly string[] = [],
): Promise<string> {
  return withFolder(async (dir) => {
    const log = join(dir, 'trace');
    const r = await runRing3(
      program,
      args,
      { ring3: ['-f', '-ttt', '-T', '-o', log, '--seed', seed, ...options] },
      'strace',
    );
    return `${readFileSync(log, 'latin1')}\n--\n${r.stdout}\n--\n${r.stderr}\n--\n${r.status}`;
  });
}

describe('seeded runs', () => {
  it.each([
    ['racy', racy],
    ['threads', threads],
    ['signals', signals],
  ])('%s: three traces with one seed are the same bytes, times included', async (_name, program) => {
    const first = await traced(program, '42');
    expect(first.length).toBeGreaterThan(1000);
    expect(await traced(program, '42')).toBe(first);
    expect(await traced(program, '42')).toBe(first);
  });

  const script =
    'for i in 1 2 3; do (echo $i | cat; sleep 0.01) & done; wait; x=$(seq 1 50 | sort -r | head -3); echo $x $RANDOM; date';
  const busybox = existsSync('/usr/bin/busybox') ? '/usr/bin/busybox' : null;
  it.each([
    ['a shell script with background jobs', busybox, ['sh', '-c', script], []],
    ['Go hello', guestPath('go-hello'), [], []],
    ['Go, preempted by signals', guestPath('go-spin'), ['2'], []],
    // Idle once it listens: the host's clock ends it, and the trace must not show when.
    ['tokio echo server', guestPath('tokio-echo'), ['127.0.0.1:7000'], ['--timeout', '4']],
  ])('%s: likewise', async (name, program, args, options) => {
    if (program === null) {
      console.log(`Left out: seeded runs of ${name}: not on this machine`);
      return;
    }
    const first = await traced(program, '7', args, options);
    expect(first.length).toBeGreaterThan(1000);
    expect(await traced(program, '7', args, options)).toBe(first);
    expect(await traced(program, '7', args, options)).toBe(first);
  });

  it('different seeds differ in a racy guest', async () => {
    const outputs = new Set<string>();
    for (const seed of ['1', '2', '3', '4', '5']) {
      const { stdout, status } = await runRing3(racy, [], { ring3: ['--seed', seed] });
      expect(status).toBe(0);
      expect([...stdout].sort().join('').trim()).toBe(
        'a'.repeat(40) + 'b'.repeat(40) + 'c'.repeat(40) + 'd'.repeat(40),
      );
      outputs.add(stdout);
    }
    expect(outputs.size).toBeGreaterThan(1);
  });
});

/** Hot code compiled in a thread beside the guest. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CompileJob } from '../../cpu/index.ts';
import { Machine } from '../../src/index.ts';
import { backgroundCompiler } from '../../src/host/background.ts';
import { guestPath } from '../support/guests.ts';

async function run(path: string, cpu: string): Promise<Machine> {
  const machine = await Machine.boot({ program: path, argv: [path, '40'], cpu, stats: true });
  await machine.run();
  return machine;
}

describe.each(['x86_64', 'aarch64'] as const)('a guest of %s and its compiler', (arch) => {
  it('compute the same as the interpreter, to the instruction', async () => {
    const path = guestPath('bench-bytecode', arch)!;
    const compiled = await run(path, 'jit');
    const interpreted = await run(path, 'interp');
    expect(compiled.stdout).toBe(interpreted.stdout);
    expect(compiled.stats.instructions).toBe(interpreted.stats.instructions);
    const { compiler } = compiled.stats;
    expect(compiler!.failure).toBeNull();
    expect(compiler!.exits!.instructions).toBeGreaterThan(0);
  }, 120_000);
});

describe('a thread that ends', () => {
  it('answers what it was asked and takes no more', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'ring3-'));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const thread = join(dir, 'thread.cjs');
    writeFileSync(thread, 'throw new Error("out of order")');
    const compiler = backgroundCompiler({ thread, bundle: thread, tables: thread });
    const job: CompileJob = {
      seeds: [], keep: [], slot: 0, firstSlot: 0, pages: 1, counts: false, blocks: new Float64Array(),
      targets: [], windows: [], stack: -1, settled: true, wandering: [], bytes: null,
    }; // prettier-ignore
    compiler.post(job, new Uint8Array());
    let answer = compiler.poll();
    for (; !answer; answer = compiler.poll()) await sleep(5);
    expect(answer).toMatchObject({ region: null, module: null });
    expect(compiler.ready).toBe(false);
    expect(compiler.poll()).toBeNull();
  });
});

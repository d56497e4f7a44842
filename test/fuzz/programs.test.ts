/** Programs with random damage: each is refused in one line, or runs until it ends, dies of a signal or is stopped. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { BootError, DeadlockError, Machine, StoppedError } from '../../src/index.ts';
import { tinyElf } from '../kernel/harness.ts';
import { Random } from '../support/random.ts';

/** RING3_FUZZ_PROGRAMS=1000 RING3_FUZZ_SEED=7 npx vitest run test/fuzz/programs.test.ts */
const PROGRAMS = Number(process.env['RING3_FUZZ_PROGRAMS'] ?? 40);
const SEED = Number(process.env['RING3_FUZZ_SEED'] ?? 1);
const PATIENCE_MS = 300;

const originals = [
  'hello',
  'stdio',
  'fork-shm',
  'threads',
  'signals',
  'segv-recover',
  'selfmod',
  'pipes',
].flatMap((name) => {
  const path = (n: string): string =>
    fileURLToPath(new URL(`../../guests/prebuilt/x86_64/${n}`, import.meta.url));
  return [path(name), path(`${name}-musl`)].filter((p) => existsSync(p)).map((p) => readFileSync(p));
});

function damage(r: Random): Uint8Array {
  const bytes = Uint8Array.from(r.pick(originals));
  if (r.chance(0.1)) return bytes.subarray(0, r.below(bytes.length));
  const end = r.pick([64, 512, bytes.length, bytes.length]);
  for (let n = 1 + r.below(r.chance(0.3) ? 400 : 8); n > 0; n--) {
    const at = r.below(Math.min(end, bytes.length));
    bytes[at] = r.chance(0.5) ? r.below(256) : bytes[at] ^ (1 << r.below(8));
  }
  return bytes;
}

/** Noise to execute, with system calls, jumps and stack traffic strewn in, on pages that may be written. */
function noise(r: Random): Uint8Array {
  const elf = tinyElf();
  const v = new DataView(elf.buffer);
  v.setUint32(68, 7, true);
  v.setBigUint64(24, 0x400100n, true);
  const pieces = [[0x0f, 0x05], [0x50], [0x58], [0xeb, 0x02], [0xe8, 0, 0, 0, 0], [0xc3], [0x0f, 0x0b], [0xf3, 0xa4], [0x31, 0xc0], [0x54, 0x5f]]; // prettier-ignore
  for (let at = 0x100; at < elf.length - 8;) {
    const piece = r.chance(0.4) ? r.pick(pieces) : [r.below(256)];
    elf.set(piece, at);
    at += piece.length;
  }
  return elf;
}

/** What became of it, in a word. */
async function outcome(program: Uint8Array, seed: number): Promise<string> {
  let machine: Machine;
  try {
    machine = await Machine.boot({ program, limits: { memory: 32 << 20, tasks: 32 }, seed, clock: 'host' });
  } catch (e) {
    if (!(e instanceof BootError)) throw e;
    expect(e.message).not.toContain('\n');
    return 'refused';
  }
  const timer = setTimeout(() => machine.stop(), PATIENCE_MS);
  try {
    const status = await machine.run();
    return status.signal === null ? 'exited' : 'killed';
  } catch (e) {
    if (e instanceof StoppedError || e instanceof DeadlockError) return 'stopped';
    throw e;
  } finally {
    clearTimeout(timer);
    machine.dispose();
  }
}

describe('noise', () => {
  it(
    `${PROGRAMS * 4} pages of it can be executed`,
    async () => {
      const seen: Record<string, number> = {};
      for (let seed = SEED; seed < SEED + PROGRAMS * 4; seed++) {
        const what = await outcome(noise(new Random(seed)), seed).catch((e: unknown) => {
          throw new Error(`seed ${seed}: ${String(e)}`, { cause: e });
        });
        seen[what] = (seen[what] ?? 0) + 1;
      }
      expect(seen['killed']).toBeGreaterThan(PROGRAMS);
    },
    Math.max(120_000, PROGRAMS * 1000),
  );
});

describe('damaged programs', () => {
  it(
    `${PROGRAMS} of them hurt nobody`,
    async () => {
      expect(originals.length).toBeGreaterThan(1);
      const seen: Record<string, number> = {};
      for (let seed = SEED; seed < SEED + PROGRAMS; seed++) {
        try {
          const what = await outcome(damage(new Random(seed)), seed);
          seen[what] = (seen[what] ?? 0) + 1;
        } catch (e) {
          throw new Error(`seed ${seed}: ${String(e)}`, { cause: e });
        }
      }
      expect(seen['refused']).toBeGreaterThan(0);
      expect(seen['exited']).toBeGreaterThan(0);
      if (process.env['RING3_FUZZ_PROGRAMS']) process.stderr.write(`${JSON.stringify(seen)}\n`);
    },
    Math.max(120_000, PROGRAMS * 1000),
  );
});

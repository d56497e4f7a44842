/**
 * The fuzzer for as long as asked, outside of the test runner: bundled and started by scripts/fuzz.mjs. Prints one line of
 * JSON for each architecture; a finding is thrown with the seed and the calls before it.
 */
import type { Arch } from '../../kernel/ports.ts';
import { loadCores, World } from './world.ts';

const PER_WORLD = 20_000;
/** Milliseconds one call may take before it is told of. */
const SLOW = 2000;

export function fuzz(arch: Arch, wanted: number, firstSeed: number, report: (text: string) => void): object {
  const cores = loadCores();
  const good = new Set<string>();
  const slow: string[] = [];
  const started = Date.now();
  let [calls, succeeded, worlds, told] = [0, 0, 0, 0];
  for (let seed = firstSeed; calls < wanted; seed++) {
    const world = new World({
      seed, cores, arch, trace: seed % 8 === 0, respawn: true, slowMs: SLOW,
      slow: (text, ms) => slow.push(`seed ${seed}: ${text}: ${Math.round(ms)} ms`),
    }); // prettier-ignore
    try {
      while (world.calls < PER_WORLD && world.round());
      world.finish();
    } catch (e) {
      const error = e as Error;
      error.message = `${arch}, seed ${seed}: ${error.message}; after:\n${world.log.slice(-12).join('\n')}`;
      throw error;
    }
    calls += world.calls;
    succeeded += world.succeeded;
    worlds++;
    for (const name of world.good) good.add(name);
    if (calls - told >= 250_000) report(`${arch}: ${(told = calls)} calls, seed ${seed}`);
  }
  const seconds = Math.round((Date.now() - started) / 1000);
  return { arch, calls, worlds, succeeded, names: good.size, seconds, firstSeed, slow };
}

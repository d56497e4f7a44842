import { describe, expect, it } from 'vitest';
import { HostFolders } from './host-folder.ts';
import { loadCores, World } from './world.ts';

/** RING3_FUZZ_CALLS=1000000 RING3_FUZZ_SEED=7 npx vitest run test/fuzz */
const CALLS = Number(process.env['RING3_FUZZ_CALLS'] ?? 20_000);
const SEED = Number(process.env['RING3_FUZZ_SEED'] ?? 1);
const PER_WORLD = 2_000;

describe('random system calls', () => {
  it.each(['x86_64', 'aarch64'] as const)(
    `${CALLS} of them on %s throw nothing and return results`,
    (arch) => {
      const cores = loadCores();
      let calls = 0;
      let succeeded = 0;
      for (let seed = SEED; calls < CALLS; seed++) {
        const world = new World({ seed, cores, arch, trace: seed % 3 === 0 });
        try {
          while (world.calls < PER_WORLD && world.round());
          world.finish();
        } catch (e) {
          const error = e as Error;
          error.message = `seed ${seed}: ${error.message}; after:\n${world.log.slice(-12).join('\n')}`;
          throw error;
        }
        calls += Math.max(world.calls, 1);
        succeeded += world.succeeded;
      }
      expect(succeeded / calls).toBeGreaterThan(0.05);
    },
    Math.max(120_000, CALLS),
  );

  it(
    'with host folders change nothing outside them and nothing in a read-only one',
    () => {
      const cores = loadCores();
      let calls = 0;
      for (let seed = SEED; calls < CALLS / 4; seed++) {
        const folders = new HostFolders();
        const world = new World({ seed, cores, folders });
        try {
          while (world.calls < PER_WORLD && world.round());
          world.finish();
          expect(folders.damage(), `seed ${seed}`).toBeNull();
        } finally {
          folders.remove();
        }
        calls += Math.max(world.calls, 1);
      }
    },
    Math.max(120_000, CALLS),
  );
});

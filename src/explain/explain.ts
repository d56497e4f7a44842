/** Who waits for what, and why nothing goes on. */
import type { Kernel } from '../../kernel/kernel.ts';
import { findCause } from './cause.ts';
import { explainTask } from './tasks.ts';
import type { Explanation, Livelock } from './types.ts';
import { World } from './world.ts';

export interface ExplainOptions {
  /** Where connections could come from beside the guest itself: "connections from outside". Default: nowhere. */
  readonly connects?: string | null;
  /** Nobody is outside who would send signals or connect. Default: anybody may. */
  readonly closed?: boolean;
  /** What a watch over the calls found (LivelockDetector). */
  readonly livelock?: Livelock | null;
}

/**
 * Looks at every task of a kernel that is not running at this moment. Changes nothing; what it gives is plain data, and
 * `explanationText` makes text of it.
 */
export function explain(kernel: Kernel, options: ExplainOptions = {}): Explanation {
  const world = new World(kernel, options.connects ?? null, options.closed ?? false);
  const tasks = [...kernel.processes.tasks.values()].map((t) => explainTask(world, t));
  const livelock = options.livelock ?? null;
  return { ...findCause(tasks, livelock, world.closed), time: kernel.clock.monotonic(), tasks, livelock };
}

/** A thread that runs machines under the schedules it is sent, one after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { type RunLimits, scheduleRunner } from '../explore/run.ts';
import { BootError } from '../machine/errors.ts';
import type { BootOptions } from '../machine/options.ts';
import type { ThreadResult } from './explore-pool.ts';

export interface ThreadJob {
  readonly id: number;
  readonly schedule: string;
  readonly limits: RunLimits;
}

const run = scheduleRunner(workerData as BootOptions);
const port = parentPort!;

port.on('message', (job: ThreadJob) => {
  void run(job.schedule, job.limits).then(
    (outcome) => port.postMessage({ id: job.id, outcome } satisfies ThreadResult),
    (e: unknown) => {
      const error = {
        boot: e instanceof BootError ? { kind: e.kind, option: e.option } : null,
        message: e instanceof BootError ? e.why : e instanceof Error ? e.message : String(e),
      };
      port.postMessage({ id: job.id, error } satisfies ThreadResult);
    },
  );
});

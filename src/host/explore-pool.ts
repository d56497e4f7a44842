/** Runs schedules in threads: as many machines at a time as there are threads. */
import { Worker } from 'node:worker_threads';
import type { Outcome, RunLimits } from '../explore/run.ts';
import { BootError, type BootErrorKind, InternalError } from '../machine/errors.ts';
import type { BootOptions } from '../machine/options.ts';
import { find } from './core-files.ts';
import type { ThreadJob } from './explore-thread.ts';

export type ThreadResult =
  | { readonly id: number; readonly outcome: Outcome }
  | {
      readonly id: number;
      readonly error: {
        readonly boot: { readonly kind: BootErrorKind; readonly option: string | null } | null;
        /** Of a BootError: why. */
        readonly message: string;
      };
    };

interface Pending {
  readonly job: ThreadJob;
  readonly resolve: (o: Outcome) => void;
  readonly reject: (e: Error) => void;
}

export class ExplorePool {
  private readonly workers: Worker[] = [];
  private readonly idle: Worker[] = [];
  private readonly queue: Pending[] = [];
  private readonly running = new Map<Worker, Pending>();
  private last = 0;

  /** `boot`: what can be sent to a thread, so no streams, callbacks or file systems of the caller's. */
  constructor(boot: BootOptions, jobs: number) {
    const file = find('explore-thread.cjs');
    for (let i = 0; i < jobs; i++) {
      const worker = new Worker(file, { workerData: boot });
      worker.on('message', (result: ThreadResult) => this.done(worker, result));
      worker.on('error', (e) => this.died(worker, e));
      this.workers.push(worker);
      this.idle.push(worker);
    }
  }

  /** Throws BootError when there can be no such machine, InternalError for a fault of ring3's own. */
  readonly run = (schedule: string, limits: RunLimits): Promise<Outcome> =>
    new Promise((resolve, reject) => {
      this.queue.push({ job: { id: ++this.last, schedule, limits }, resolve, reject });
      this.next();
    });

  async close(): Promise<void> {
    await Promise.all(this.workers.map((w) => w.terminate()));
  }

  private next(): void {
    while (this.idle.length > 0 && this.queue.length > 0) {
      const worker = this.idle.pop()!;
      const pending = this.queue.shift()!;
      this.running.set(worker, pending);
      worker.postMessage(pending.job);
    }
  }

  private done(worker: Worker, result: ThreadResult): void {
    const pending = this.running.get(worker)!;
    this.running.delete(worker);
    this.idle.push(worker);
    if ('outcome' in result) pending.resolve(result.outcome);
    else if (result.error.boot !== null)
      pending.reject(new BootError(result.error.boot.kind, result.error.message, result.error.boot.option));
    else pending.reject(new InternalError(result.error.message, `schedule ${pending.job.schedule} ran`));
    this.next();
  }

  /** Out of memory, or a fault in the thread itself. */
  private died(worker: Worker, e: Error): void {
    const pending = this.running.get(worker);
    this.running.delete(worker);
    pending?.reject(new InternalError(e, `schedule ${pending.job.schedule} ran`));
  }
}

/** Tells why a machine's guest does not go on. */
import { explain } from '../explain/explain.ts';
import { LivelockDetector } from '../explain/livelock.ts';
import type { Explanation } from '../explain/types.ts';
import type { Assembly } from './assemble.ts';
import type { Driver } from './driver.ts';
import type { BootOptions } from './options.ts';

export class Diagnosis {
  private readonly assembly: Assembly;
  private readonly driver: Driver;
  private readonly changed: () => void;
  private readonly closed: boolean;
  /** Watches for a livelock: with BootOptions.livelock all the time. */
  detector: LivelockDetector | null = null;

  /** `changed`: there may be another detector. */
  constructor(assembly: Assembly, options: BootOptions, driver: Driver, changed: () => void) {
    this.assembly = assembly;
    this.driver = driver;
    this.changed = changed;
    this.closed = options.closed ?? false;
    if (options.livelock !== undefined)
      this.detector = new LivelockDetector(assembly.kernel, options.livelock, () => driver.livelock());
  }

  /** What of it belongs to a snapshot. */
  get state(): readonly object[] {
    return this.detector === null ? [] : [this.detector];
  }

  explain(): Explanation {
    const { kernel, network } = this.assembly;
    const { closed } = this;
    const reached = network.live || this.assembly.reachable();
    return explain(kernel, {
      connects: reached ? 'a connection from outside' : null,
      closed,
      livelock: this.detector?.found() ?? null,
    });
  }

  /** The same, after the guest has run on for up to `ms` milliseconds, watched. */
  explainBusy(ms: number): Explanation {
    if (this.detector !== null || !this.driver.canRunOn) return this.explain();
    this.detector = new LivelockDetector(this.assembly.kernel);
    this.changed();
    try {
      this.driver.runOn(ms);
      return this.explain();
    } finally {
      this.detector = null;
      this.changed();
    }
  }
}

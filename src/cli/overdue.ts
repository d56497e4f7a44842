/** A guest that cannot die of a signal because none of its tasks gets to it (a livelock without preemption) is ended at the second. */
import type { Machine } from '../machine/machine.ts';

/** As long after the first: a guest that has its turns is gone by then. */
const PATIENCE_MS = 1000;

export class OverdueDeath {
  private readonly machine: Pick<Machine, 'owesDeath'>;
  private readonly now: () => number;
  /** When each signal was sent that is still owed. */
  private readonly since = new Map<number, number>();
  /** The signal of which the machine is ended; null: none. */
  signo: number | null = null;

  constructor(machine: Pick<Machine, 'owesDeath'>, now = () => performance.now()) {
    this.machine = machine;
    this.now = now;
  }

  /** A signal is about to be sent. True: the guest should have died of the last one; it is not waited for. */
  sending(signo: number): boolean {
    const now = this.now();
    if (!this.machine.owesDeath(signo)) this.since.set(signo, now);
    else if (now - (this.since.get(signo) ?? now) >= PATIENCE_MS) this.signo = signo;
    return this.signo !== null;
  }
}

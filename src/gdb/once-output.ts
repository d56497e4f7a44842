/** Output of a machine that is put back and runs again: what has gone out does not go out again. */
import type { Output } from '../machine/options.ts';

export class OnceOutput implements Output {
  private readonly to: Output;
  /** Bytes the guest wrote until the moment the machine is at: part of its state. */
  private written = 0;
  /** Bytes that went out. */
  private gone = 0;

  constructor(to: Output) {
    this.to = to;
  }

  get closed(): boolean {
    return this.to.closed;
  }
  get full(): boolean {
    return this.to.full === true;
  }

  saveState(): unknown {
    return this.written;
  }
  restoreState(written: unknown): void {
    this.written = written as number;
  }

  readonly write = (bytes: Uint8Array): void => {
    const fresh = bytes.subarray(Math.min(bytes.length, Math.max(0, this.gone - this.written)));
    this.written += bytes.length;
    if (fresh.length === 0) return;
    this.gone = this.written;
    this.to.write(fresh);
  };

  onDrain(callback: () => void): void {
    this.to.onDrain?.(callback);
  }
}

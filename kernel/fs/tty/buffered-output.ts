/** A terminal's output on its way to the other side: an operation's is handed over when it is done, and can be dropped until then. */
import { ByteQueue } from './byte-queue.ts';

export abstract class BufferedOutput {
  /** What the other side has not taken. */
  readonly output = new ByteQueue();
  /** What the operation under way adds to it. */
  private readonly fresh = new ByteQueue();
  /** Bytes held back; beyond them writers wait. */
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  room(): number {
    return Math.max(0, this.limit - this.output.length - this.fresh.length);
  }
  put(bytes: Uint8Array): void {
    this.fresh.push(bytes);
  }
  flush(): void {
    this.fresh.clear();
  }
  deliver(): void {
    if (this.fresh.length === 0) return;
    this.output.push(this.fresh.take(this.fresh.length));
    this.delivered();
  }

  /** There is more output. */
  protected abstract delivered(): void;
}

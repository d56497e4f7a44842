/**
 * Echo: what typing shows. Text goes through output processing like any other; what the terminal cannot take now (it is
 * stopped, or its reader is slow) waits here in order, up to the size of n_tty's echo buffer.
 */
import { isControl, type OutputProcessor, type OutputSink } from './output.ts';
import { ECHOCTL, type Termios } from './termios.ts';

const ECHO_BUFFER = 4096;

export class Echo {
  private readonly out: OutputProcessor;
  private readonly sink: OutputSink;
  /** Bytes that wait: [byte, processed?]. */
  private waiting: { bytes: Uint8Array; cooked: boolean }[] = [];
  private waitingBytes = 0;
  /** Inside a \…/ pair of ECHOPRT. */
  erasing = false;

  constructor(out: OutputProcessor, sink: OutputSink) {
    this.out = out;
    this.sink = sink;
  }

  /** A byte as it is, through output processing. */
  raw(c: number, t: Termios): void {
    this.emit(Uint8Array.of(c), t, true);
  }

  /** A typed byte: control characters as ^X with ECHOCTL. */
  char(c: number, t: Termios): void {
    if (t.lflag & ECHOCTL && isControl(c) && c !== 9) {
      this.emit(Uint8Array.of(0x5e, c ^ 0x40), t, false);
      this.out.column += 2;
    } else this.emit(Uint8Array.of(c), t, true);
  }

  /** Rubs a character out on the screen. */
  rubOut(t: Termios): void {
    this.emit(Uint8Array.of(8, 32, 8), t, true);
  }

  /** Goes back over a tab that began `columns` after the last tab or (`fromStart`) after the line's beginning. */
  eraseTab(columns: number, fromStart: boolean, t: Termios): void {
    const n = 8 - ((fromStart ? columns + this.out.canonColumn : columns) & 7);
    this.out.column = Math.max(0, this.out.column - n);
    this.emit(new Uint8Array(n).fill(8), t, false);
  }

  /** Ends an ECHOPRT erasure. */
  finishErasing(t: Termios): void {
    if (!this.erasing) return;
    this.raw(0x2f, t);
    this.erasing = false;
  }

  /** The line begins at the present column. */
  markLineStart(): void {
    this.out.canonColumn = this.out.column;
  }

  /** Sends what waits, as far as the terminal takes it. */
  flush(t: Termios): void {
    while (this.waiting.length > 0) {
      const first = this.waiting[0];
      const n = this.send(first.bytes, t, first.cooked);
      this.waitingBytes -= n;
      if (n < first.bytes.length) {
        first.bytes = first.bytes.subarray(n);
        return;
      }
      this.waiting.shift();
    }
  }

  discard(): void {
    this.waiting = [];
    this.waitingBytes = 0;
  }

  get empty(): boolean {
    return this.waiting.length === 0;
  }

  private emit(bytes: Uint8Array, t: Termios, cooked: boolean): void {
    if (this.waiting.length === 0) {
      const n = this.send(bytes, t, cooked);
      if (n === bytes.length) return;
      bytes = bytes.subarray(n);
    }
    if (this.waitingBytes + bytes.length > ECHO_BUFFER) return;
    this.waiting.push({ bytes, cooked });
    this.waitingBytes += bytes.length;
  }

  private send(bytes: Uint8Array, t: Termios, cooked: boolean): number {
    if (cooked) return this.out.write(bytes, t, this.sink);
    const n = Math.min(bytes.length, this.sink.room());
    if (n > 0) this.sink.put(bytes.subarray(0, n));
    return n;
  }
}

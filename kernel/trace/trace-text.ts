/**
 * The text of a trace on its way out: collected in large pieces, for one output or for one a task. It stays as it is when the
 * machine is put back to an earlier moment; what is told again then can be left out.
 */

const FLUSH_AT = 65536;

export class TraceText {
  /** Snapshots leave it alone. */
  readonly rewinds = false;
  private readonly write: (text: string, tid: number) => void;
  private buffer = '';
  private readonly buffers: Map<number, string> | null;
  /** The number of what was told last. */
  private last = 0;
  /** What has been told is not told again. */
  private once = false;
  private muted = false;
  /** Whose line the output is in the middle of; null: it is at a line's start, or there is one for each task. */
  private middle: number | null = null;
  /** The line the trace is in the middle of is not the output's. */
  private broken = false;

  constructor(write: (text: string, tid: number) => void, separate: boolean) {
    this.write = write;
    this.buffers = separate ? new Map() : null;
  }

  /**
   * The text of the n-th thing follows: numbers go back with the machine. True: no line is open in the output, whatever the trace
   * was in the middle of.
   */
  tell(n: number): boolean {
    this.muted = this.once && n <= this.last;
    if (this.muted) return false;
    this.last = n;
    const { broken } = this;
    this.broken = false;
    return broken;
  }

  /** From here on nothing is told twice; `n`: the number of what was told last, as the machine is now. */
  onlyNew(n: number): void {
    this.once = true;
    if (n < this.last) this.breakLine();
    this.last = n;
  }

  /** The end is told, wherever the machine has been put. True: as of `tell`. */
  tellEnd(n: number): boolean {
    this.muted = false;
    if (n < this.last) this.breakLine();
    return this.broken;
  }

  emit(tid: number, text: string): void {
    if (this.muted) return;
    if (this.buffers) {
      const now = (this.buffers.get(tid) ?? '') + text;
      this.buffers.set(tid, now);
      if (now.length >= FLUSH_AT) this.flush();
      return;
    }
    this.middle = text.endsWith('\n') ? null : tid;
    this.buffer += text;
    if (this.buffer.length >= FLUSH_AT) this.flush();
  }

  flush(): void {
    if (this.buffers) {
      for (const [tid, text] of this.buffers) if (text !== '') this.write(text, tid);
      this.buffers.clear();
    } else if (this.buffer !== '') {
      const text = this.buffer;
      this.buffer = '';
      this.write(text, 0);
    }
  }

  private breakLine(): void {
    this.muted = false;
    if (this.middle !== null) this.emit(this.middle, ' <unfinished ...>\n');
    this.broken = true;
  }
}

/** A FIFO of bytes in chunks: what a pty or the host's terminal holds between its two sides. */
export class ByteQueue {
  private chunks: Uint8Array[] = [];
  length = 0;

  /** Takes the array itself: the caller must not change it. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.chunks.push(bytes);
    this.length += bytes.length;
  }

  /** The oldest chunk; empty when there is nothing. */
  peek(): Uint8Array {
    return this.chunks[0] ?? EMPTY;
  }

  drop(n: number): void {
    this.length -= n;
    while (n > 0) {
      const first = this.chunks[0];
      if (first.length > n) {
        this.chunks[0] = first.subarray(n);
        return;
      }
      n -= first.length;
      this.chunks.shift();
    }
  }

  /** Up to `max` bytes, removed. */
  take(max: number): Uint8Array {
    const out = new Uint8Array(Math.min(max, this.length));
    let done = 0;
    while (done < out.length) {
      const part = this.peek().subarray(0, out.length - done);
      out.set(part, done);
      done += part.length;
      this.drop(part.length);
    }
    return out;
  }

  clear(): void {
    this.chunks = [];
    this.length = 0;
  }
}

const EMPTY = new Uint8Array(0);

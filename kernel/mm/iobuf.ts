/** Scattered bytes of guest (or kernel) memory, viewed in place: what read(2) and write(2) move data through. */
export class IoBuf {
  readonly chunks: Uint8Array[];
  /** Bytes in all chunks. */
  readonly length: number;

  constructor(chunks: Uint8Array[]) {
    this.chunks = chunks;
    let n = 0;
    for (const c of chunks) n += c.length;
    this.length = n;
  }

  static of(bytes: Uint8Array): IoBuf {
    return new IoBuf([bytes]);
  }

  /** Copies `src` into the buffer from offset `at`; returns how many bytes fitted. */
  put(src: Uint8Array, at = 0): number {
    if (this.chunks.length === 1) {
      const c = this.chunks[0];
      const n = Math.min(src.length, c.length - at);
      c.set(n === src.length ? src : src.subarray(0, n), at);
      return n;
    }
    let done = 0;
    for (const c of this.chunks) {
      if (at >= c.length) {
        at -= c.length;
        continue;
      }
      const n = Math.min(c.length - at, src.length - done);
      if (n <= 0) break;
      c.set(src.subarray(done, done + n), at);
      done += n;
      at = 0;
    }
    return done;
  }

  /** Copies up to `dst.length` bytes out from offset `at`; returns how many. */
  get(dst: Uint8Array, at = 0): number {
    let done = 0;
    for (const c of this.chunks) {
      if (at >= c.length) {
        at -= c.length;
        continue;
      }
      const n = Math.min(c.length - at, dst.length - done);
      if (n <= 0) break;
      dst.set(c.subarray(at, at + n), done);
      done += n;
      at = 0;
    }
    return done;
  }

  /** A copy of all bytes. */
  bytes(): Uint8Array {
    const out = new Uint8Array(this.length);
    this.get(out);
    return out;
  }

  /** The part [start, end), viewing the same memory. */
  slice(start: number, end = this.length): IoBuf {
    const out: Uint8Array[] = [];
    let pos = 0;
    for (const c of this.chunks) {
      const from = Math.max(start - pos, 0);
      const to = Math.min(end - pos, c.length);
      if (from < to) out.push(c.subarray(from, to));
      pos += c.length;
    }
    return new IoBuf(out);
  }

  fill(value: number): void {
    for (const c of this.chunks) c.fill(value);
  }
}

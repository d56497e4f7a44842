/** Bytes on their way through a stream: a queue of chunks that readers take from in any portions. */
import { IoBuf } from '../mm/iobuf.ts';

/** Small writes share a chunk of this size. */
const CHUNK = 2048;
/** Larger ones come in parts, so that a little unread does not keep much. */
const MAX_CHUNK = 65536;

export class ByteQueue {
  private chunks: Uint8Array[] = [];
  /** First unread byte of the first chunk, and end of what is written in the last one. */
  private start = 0;
  private end = 0;
  length = 0;
  private held = 0;

  /** Bytes its chunks take, read and unread: none when it is empty, though it may keep a small one to go on with. */
  get memory(): number {
    return this.length === 0 ? 0 : this.held;
  }

  /** Copies bytes [from, to) of `src` in. */
  push(src: IoBuf, from: number, to: number): void {
    let at = from;
    // What fits in one chunk stays in one piece: a host gets it by one write.
    if (this.length === 0 && this.chunks.length > 0 && this.chunks[0].length - this.end < to - from)
      this.clear();
    while (at < to) {
      let last = this.chunks[this.chunks.length - 1];
      if (last === undefined || this.end === last.length) {
        last = new Uint8Array(Math.min(Math.max(CHUNK, to - at), MAX_CHUNK));
        this.held += last.length;
        this.chunks.push(last);
        this.end = 0;
      }
      const n = Math.min(to - at, last.length - this.end);
      src.get(last.subarray(this.end, this.end + n), at);
      this.end += n;
      at += n;
    }
    this.length += to - from;
  }

  pushBytes(bytes: Uint8Array): void {
    this.push(IoBuf.of(bytes), 0, bytes.length);
  }

  /** The newest byte. There must be one. */
  get last(): number {
    return this.chunks[this.chunks.length - 1][this.end - 1];
  }

  /** Copies up to `dst.length` bytes out; returns how many. With `peek` they stay, and `skip` of them are passed over. */
  pull(dst: IoBuf, peek = false, skip = 0): number {
    const n = Math.min(dst.length, this.length - skip);
    let at = 0;
    let i = 0;
    let start = this.start + skip;
    while (i < this.chunks.length - 1 && start >= this.chunks[i].length) start -= this.chunks[i++].length;
    while (at < n) {
      const c = this.chunks[i];
      const stop = i === this.chunks.length - 1 ? this.end : c.length;
      const part = c.subarray(start, Math.min(stop, start + n - at));
      dst.put(part, at);
      at += part.length;
      start += part.length;
      if (start === stop) {
        i++;
        start = 0;
      }
    }
    if (!peek) this.forget(i, start, n);
    return n;
  }

  /** Takes up to `max` bytes as one array, without copying where a chunk allows it. */
  take(max: number): Uint8Array {
    const first = this.chunks[0];
    if (this.length === 0) return new Uint8Array(0);
    const stop = this.chunks.length === 1 ? this.end : first.length;
    const out = first.subarray(this.start, Math.min(stop, this.start + max));
    const done = this.start + out.length === stop;
    // Nothing is written over what was given away: the chunk is gone on with behind it.
    this.forget(done ? 1 : 0, done ? 0 : this.start + out.length, out.length);
    return out;
  }

  /** Drops `n` bytes from the front. */
  skip(n: number): void {
    while (n > 0 && this.length > 0) n -= this.take(n).length;
  }

  /** Keeps only the first `n` bytes. */
  truncate(n: number): void {
    const kept = new Uint8Array(Math.min(n, this.length));
    this.pull(IoBuf.of(kept));
    this.clear();
    if (kept.length) this.pushBytes(kept);
  }

  clear(): void {
    this.chunks = [];
    this.start = this.end = this.length = this.held = 0;
  }

  private forget(chunks: number, start: number, bytes: number): void {
    this.length -= bytes;
    if (this.length === 0) {
      const last = this.chunks[this.chunks.length - 1];
      if (last === undefined || last.length > CHUNK || this.end === last.length) this.clear();
      else {
        this.chunks.splice(0, this.chunks.length - 1);
        this.held = last.length;
        this.start = this.end;
      }
      return;
    }
    if (chunks > 0) for (const c of this.chunks.splice(0, chunks)) this.held -= c.length;
    this.start = start;
  }
}

/** Bytes of a recording: numbers of variable length, strings and byte strings, one after the other. */

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const BILLION = 1_000_000_000n;

/** Grows as it is written. */
export class Writer {
  buffer: Uint8Array;
  /** Where the next byte goes. */
  at = 0;

  constructor(size = 4096) {
    this.buffer = new Uint8Array(size);
  }

  /** What was written. A view: valid until more is. */
  get bytes(): Uint8Array {
    return this.buffer.subarray(0, this.at);
  }

  /** Makes room for `n` bytes more. */
  room(n: number): void {
    if (this.at + n <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.at + n));
    grown.set(this.bytes);
    this.buffer = grown;
  }

  u8(n: number): void {
    this.room(1);
    this.buffer[this.at++] = n;
  }

  /** 0 … 2^53 − 1, seven bits a byte. */
  uint(n: number): void {
    this.room(10);
    while (n >= 0x80) {
      this.buffer[this.at++] = (n % 128) | 0x80;
      n = n < 2 ** 31 ? n >>> 7 : Math.floor(n / 128);
    }
    this.buffer[this.at++] = n;
  }

  /** −2^52 … 2^52 − 1; small magnitudes are short. */
  int(n: number): void {
    this.uint(n < 0 ? -2 * n - 1 : 2 * n);
  }

  /** Nanoseconds since 1970, before or after. */
  nanos(n: bigint): void {
    let seconds = n / BILLION;
    if (n < seconds * BILLION) seconds--;
    this.int(Number(seconds));
    this.uint(Number(n - seconds * BILLION));
  }

  raw(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }

  blob(bytes: Uint8Array): void {
    this.uint(bytes.length);
    this.raw(bytes);
  }

  /** Any string, as UTF-8. */
  text(s: string): void {
    this.blob(encoder.encode(s));
  }
}

/** A recording that does not read as one: it was damaged, or this reader is wrong. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

export class Reader {
  readonly buffer: Uint8Array;
  at = 0;

  constructor(buffer: Uint8Array) {
    this.buffer = buffer;
  }

  get atEnd(): boolean {
    return this.at >= this.buffer.length;
  }

  u8(): number {
    if (this.at >= this.buffer.length) throw new MalformedError('it ends in the middle of a record');
    return this.buffer[this.at++];
  }

  uint(): number {
    let n = 0;
    for (let scale = 1; ; scale *= 128) {
      const b = this.u8();
      n += (b & 0x7f) * scale;
      if (b < 0x80) return n;
      if (scale > 2 ** 60) throw new MalformedError('a number has too many digits');
    }
  }

  int(): number {
    const n = this.uint();
    return n % 2 === 1 ? -(n + 1) / 2 : n / 2;
  }

  nanos(): bigint {
    const seconds = this.int();
    return BigInt(seconds) * BILLION + BigInt(this.uint());
  }

  /** A copy. */
  blob(): Uint8Array {
    const n = this.uint();
    if (this.at + n > this.buffer.length) throw new MalformedError('it ends in the middle of a record');
    this.at += n;
    return this.buffer.slice(this.at - n, this.at);
  }

  text(): string {
    return decoder.decode(this.blob());
  }
}

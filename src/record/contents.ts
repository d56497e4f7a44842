/** Contents of files in a recording: what is read again is not written again. */
import { MalformedError, type Reader, type Writer } from './bytes.ts';
import { Block } from './block.ts';
import type { Recording } from './format.ts';

/** Fewer bytes are no longer than what would stand in their place. */
const LEAST = 64;
/** So many are known again; what comes later is written each time. */
const MOST = 2 ** 18;
/** Lengths of pieces. They are 2 KiB on average. */
const SHORTEST = 256;
const LONGEST = 32768;
const CUT_BITS = 11;

/** What a piece begins with: it follows; it follows, and has the next number; from here on it is the number of an earlier one. */
const FOLLOWS = 0;
const FOLLOWS_AND_COUNTS = 1;
const EARLIER = 2;

/** Equal for equal bytes, and for no others; null: not known. */
export type Digest = (bytes: Uint8Array) => string | null;

/** For each byte some bits: any will do, but they are always the same. */
const GEAR = Int32Array.from({ length: 256 }, (_, i) => {
  let h = Math.imul(i + 1, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  return h ^ (h >>> 13);
});

/**
 * Where the piece ends that begins at `from`: where the bytes before say so, so that the same contents fall into the same pieces
 * wherever a read began.
 */
export function pieceEnd(bytes: Uint8Array, from: number): number {
  const most = Math.min(from + LONGEST, bytes.length);
  let h = 0;
  for (let i = Math.min(from + SHORTEST, most); i < most; i++) {
    h = ((h << 1) + GEAR[bytes[i]]) | 0;
    if (h >>> (32 - CUT_BITS) === 0) return i + 1;
  }
  return most;
}

export class ContentWriter {
  private readonly numbers = new Map<string, number>();
  private readonly digest: Digest;

  constructor(digest: Digest) {
    this.digest = digest;
  }

  write(w: Writer, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const end = pieceEnd(bytes, at);
      this.piece(w, bytes.subarray(at, end));
      at = end;
    }
  }

  private piece(w: Writer, bytes: Uint8Array): void {
    const key = bytes.length < LEAST ? null : this.digest(bytes);
    const number = key === null ? undefined : this.numbers.get(key);
    if (number !== undefined) {
      w.uint(EARLIER + number);
      return;
    }
    if (key === null || this.numbers.size >= MOST) w.uint(FOLLOWS);
    else {
      w.uint(FOLLOWS_AND_COUNTS);
      this.numbers.set(key, this.numbers.size);
    }
    w.blob(bytes);
  }
}

interface Place {
  readonly block: number;
  readonly at: number;
  readonly length: number;
}

/** Blocks that contents were looked up in lately. */
const KEPT = 8;

export class ContentReader {
  private readonly recording: Recording;
  /** Where contents are, by number. A replay that was taken back finds what it read in the same places again. */
  private readonly places: Place[] = [];
  /** How many of them were read so far: part of where a replay is. */
  count = 0;
  private readonly blocks = new Map<number, Uint8Array>();

  constructor(recording: Recording) {
    this.recording = recording;
  }

  /** Reads as much as there is room for; `block`: the number of the block `r` is in. Throws MalformedError. */
  read(r: Reader, block: number, into: Uint8Array): void {
    for (let at = 0; at < into.length;) {
      const piece = this.piece(r, block);
      if (piece.length === 0 || at + piece.length > into.length)
        throw new MalformedError('contents are longer than what was read');
      into.set(piece, at);
      at += piece.length;
    }
  }

  private piece(r: Reader, block: number): Uint8Array {
    const what = r.uint();
    if (what >= EARLIER) return this.earlier(what - EARLIER);
    const length = r.uint();
    if (r.at + length > r.buffer.length) throw new MalformedError('it ends in the middle of a record');
    if (what === FOLLOWS_AND_COUNTS) this.places[this.count++] = { block, at: r.at, length };
    r.at += length;
    return r.buffer.subarray(r.at - length, r.at);
  }

  private earlier(number: number): Uint8Array {
    if (number >= this.count) throw new MalformedError('it refers to contents that are not there');
    const { block, at, length } = this.places[number];
    return this.bytesOf(block).subarray(at, at + length);
  }

  private bytesOf(block: number): Uint8Array {
    const known = this.blocks.get(block);
    if (known) return known;
    const bytes = this.recording.block(block);
    if (bytes === null) throw new MalformedError('it refers to contents that are not there');
    if (this.blocks.size >= KEPT) this.blocks.delete(this.blocks.keys().next().value!);
    const { buffer } = new Block(bytes).reader;
    this.blocks.set(block, buffer);
    return buffer;
  }
}

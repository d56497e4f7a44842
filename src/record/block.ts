/** A frame of records: events, and between them answers and inputs. */
import { MalformedError, Reader, Writer } from './bytes.ts';
import { EventDecoder } from './events.ts';
import type { Recording } from './format.ts';

/** Written: what is no event is told, so that a replay knows how far events go without reading them. */
export class BlockWriter {
  readonly records: Writer;
  /** Answers and inputs: how far from the end of the one before each begins, and how long it is. */
  private readonly marks = new Writer(256);
  private marked = 0;
  private markEnd = 0;

  constructor(size: number) {
    this.records = new Writer(size);
  }

  /** What was written since `begin` is no event. */
  mark(begin: number): void {
    const { at } = this.records;
    this.marks.uint(begin - this.markEnd);
    this.marks.uint(at - begin);
    this.markEnd = at;
    this.marked++;
  }

  /** The block; the next one begins. */
  take(): Uint8Array {
    const w = new Writer(10 + this.marks.at + this.records.at);
    w.uint(this.marked);
    w.raw(this.marks.bytes);
    w.raw(this.records.bytes);
    this.drop();
    return w.bytes;
  }

  drop(): void {
    this.records.at = this.marks.at = this.marked = this.markEnd = 0;
  }
}

/** Read. Throws MalformedError for bytes that are no block. */
export class Block {
  readonly reader: Reader;
  /** Begin and end of each answer and input. */
  private readonly marks: Int32Array;
  /** The first of them that is not behind the reader. */
  private next = 0;

  constructor(bytes: Uint8Array) {
    const r = (this.reader = new Reader(bytes));
    const count = r.uint();
    if (2 * count > bytes.length) throw new MalformedError('a block has more records than bytes');
    const marks = (this.marks = new Int32Array(2 * count));
    for (let i = 0, at = 0; i < marks.length; i++) marks[i] = at += r.uint();
    for (let i = 0; i < marks.length; i++) marks[i] += r.at;
  }

  /** Bytes of events between the reader and the next answer or input, or the end. */
  get events(): number {
    const { marks, reader } = this;
    while (this.next < marks.length && marks[this.next] < reader.at) this.next += 2;
    return (this.next < marks.length ? marks[this.next] : reader.buffer.length) - reader.at;
  }

  /** Reads all events before `end`. */
  decode(decoder: EventDecoder, end = this.reader.buffer.length): void {
    const { reader, marks } = this;
    for (let i = 0; ; i += 2) {
      const stop = Math.min(end, i < marks.length ? marks[i] : end);
      while (reader.at < stop) if (decoder.read(reader) === null) return;
      if (stop === end) return;
      reader.at = marks[i + 1];
    }
  }
}

export const NO_BLOCK = new Block(new Uint8Array(1));

/** A decoder that has read all events before a place in a recording. */
export function decoderAt(recording: Recording, block: number, at: number): EventDecoder {
  const decoder = new EventDecoder();
  for (let i = 0; i <= block; i++) {
    const bytes = recording.block(i);
    if (bytes !== null) new Block(bytes).decode(decoder, i === block ? at : undefined);
  }
  return decoder;
}

/** A recording that is kept in memory. */
import { Reader } from './bytes.ts';
import {
  decodeHeader, END_REASONS, FRAME, type Header, type Recording, type RecordingSink,
} from './format.ts'; // prettier-ignore

/** Records, and can be replayed at any time: as far as the machine had been when its frames were last written. */
export class MemoryRecording implements RecordingSink, Recording {
  /** Snapshots leave it alone. */
  readonly rewinds = false;
  private head: Header | null = null;
  private readonly blocks: Uint8Array[] = [];
  end: Recording['end'] = null;

  frame(kind: number, bytes: Uint8Array): void {
    const r = new Reader(bytes.slice());
    if (kind === FRAME.header) this.head = decodeHeader(r.buffer);
    else if (kind === FRAME.records) this.blocks.push(r.buffer);
    else this.end = { events: r.uint(), rounds: r.uint(), reason: END_REASONS[r.uint()] ?? 'failed' };
  }
  close(): void {}

  get header(): Header {
    if (this.head === null) throw new Error('nothing has been recorded');
    return this.head;
  }
  block(i: number): Uint8Array | null {
    return this.blocks[i] ?? null;
  }
}

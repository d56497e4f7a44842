/** A recording's file: what is where in it. */
import { MalformedError, Reader } from './bytes.ts';
import {
  decodeHeader, END_REASONS, FORMAT_VERSION, FRAME, type Header, MAGIC, type Recording,
} from './format.ts'; // prettier-ignore

/** MAGIC, and the version in two bytes. */
export const PREFIX = MAGIC.length + 2;
/** Kind, compressed and plain size. */
export const FRAME_HEAD = 9;
/** No frame is larger: a size beyond it is damage. */
const MOST = 2 ** 30;

export interface Frame {
  readonly kind: number;
  /** Where its compressed bytes are in the file, and how many. */
  readonly at: number;
  readonly packed: number;
  readonly size: number;
}

export interface FileLayout {
  readonly header: Frame;
  readonly blocks: readonly Frame[];
  readonly end: Frame | null;
  /** What follows could not be read, and why. */
  readonly damage: string | null;
}

/** The first bytes of a file. */
export function filePrefix(): Uint8Array {
  const prefix = new Uint8Array(PREFIX);
  prefix.set(new TextEncoder().encode(MAGIC));
  prefix[MAGIC.length] = FORMAT_VERSION;
  return prefix;
}

export function frameHead(kind: number, packed: number, size: number): Uint8Array {
  const head = new Uint8Array(FRAME_HEAD);
  head[0] = kind;
  const view = new DataView(head.buffer);
  view.setUint32(1, packed, true);
  view.setUint32(5, size, true);
  return head;
}

/** Finds a file's frames. `read` gives what there is of so many bytes at a place. A string says why it is no recording. */
export function layoutOf(size: number, read: (at: number, n: number) => Uint8Array): FileLayout | string {
  const prefix = read(0, PREFIX);
  if (new TextDecoder('latin1').decode(prefix.subarray(0, MAGIC.length)) !== MAGIC || prefix.length < PREFIX)
    return 'is no recording; make one with: ring3 record -o FILE PROG';
  const version = prefix[MAGIC.length] | (prefix[MAGIC.length + 1] << 8);
  if (version > FORMAT_VERSION)
    return `was recorded by a newer ring3 (format ${version}; this one reads ${FORMAT_VERSION}); replay it with that one`;
  if (version < FORMAT_VERSION)
    return `was recorded by an older ring3 (format ${version}; this one reads ${FORMAT_VERSION}); record it again`;
  const blocks: Frame[] = [];
  let header: Frame | null = null;
  let end: Frame | null = null;
  let damage: string | null = null;
  for (let at = PREFIX; at < size;) {
    const head = read(at, FRAME_HEAD);
    if (head.length < FRAME_HEAD) break;
    const view = new DataView(head.buffer, head.byteOffset);
    const [kind, packed, plain] = [head[0], view.getUint32(1, true), view.getUint32(5, true)];
    const known = kind === FRAME.header || kind === FRAME.records || kind === FRAME.end;
    if (!known || packed > MOST || plain > MOST || (header === null) !== (kind === FRAME.header)) {
      damage = `byte ${at} begins no frame`;
      break;
    }
    const frame = { kind, at: at + FRAME_HEAD, packed, size: plain };
    at += FRAME_HEAD + packed;
    if (at > size) break; // the recorder was killed in the middle of it
    if (kind === FRAME.header) header = frame;
    else if (kind === FRAME.records) blocks.push(frame);
    else end = frame;
  }
  return header === null ? 'is damaged: it has no header' : { header, blocks, end, damage };
}

/** The recording of a file. `unpack` gives a frame's bytes, or throws MalformedError. */
export function recordingOf(layout: FileLayout, unpack: (f: Frame) => Uint8Array): Recording | string {
  const { header, blocks, damage } = layout;
  let decoded: Header;
  let end: Recording['end'] = null;
  try {
    decoded = decodeHeader(unpack(header));
    if (layout.end) {
      const r = new Reader(unpack(layout.end));
      end = { events: r.uint(), rounds: r.uint(), reason: END_REASONS[r.uint()] ?? 'failed' };
    }
  } catch (e) {
    return `is damaged: ${(e as Error).message}`;
  }
  // The one a replay that goes back and forth is at.
  let cached: { i: number; bytes: Uint8Array } | null = null;
  return {
    header: decoded,
    end,
    block: (i) => {
      if (cached?.i === i) return cached.bytes;
      if (i >= blocks.length) {
        if (damage !== null) throw new MalformedError(damage);
        return null;
      }
      cached = { i, bytes: unpack(blocks[i]) };
      return cached.bytes;
    },
  };
}

/** Recordings as files: written frame by frame, read by number. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { deflateSync, inflateSync } from 'node:zlib';
import { BootError } from '../machine/errors.ts';
import { MalformedError, Reader } from '../record/bytes.ts';
import {
  decodeHeader, END_REASONS, FORMAT_VERSION, FRAME, type Header, MAGIC, type Recording, type RecordingSink,
} from '../record/format.ts'; // prettier-ignore

/** MAGIC, and the version in two bytes. */
const PREFIX = MAGIC.length + 2;
/** Kind, compressed and plain size. */
const FRAME_HEAD = 9;
/** No frame is larger: a size beyond it is damage. */
const MOST = 2 ** 30;
/** The fastest: recording goes on beside the guest. */
const LEVEL = 1;

const reason = (e: unknown): string => {
  const { errno, message } = e as NodeJS.ErrnoException;
  const known = getSystemErrorMap().get(errno ?? 0);
  return known ? `${known[1]} (${known[0]})` : message;
};

/** Throws BootError when the file cannot be made. `failed` is told once when it cannot be written any more. */
export function recordTo(path: string, failed: (why: string) => void): RecordingSink {
  let fd: number;
  try {
    fd = openSync(path, 'w', 0o666);
  } catch (e) {
    throw new BootError('setup', `cannot write the recording to ${path}: ${reason(e)}`);
  }
  let open = true;
  const close = (): void => {
    if (open) closeSync(fd);
    open = false;
  };
  const write = (bytes: Uint8Array): void => {
    if (!open) return;
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    } catch (e) {
      failed(`the recording in ${path} is not whole: ${reason(e)}`);
      close();
    }
  };
  const prefix = new Uint8Array(PREFIX);
  prefix.set(new TextEncoder().encode(MAGIC));
  prefix[MAGIC.length] = FORMAT_VERSION;
  let before: Uint8Array = prefix;
  return {
    frame: (kind, bytes) => {
      const packed = deflateSync(bytes, { level: LEVEL });
      const head = new Uint8Array(FRAME_HEAD);
      head[0] = kind;
      const view = new DataView(head.buffer);
      view.setUint32(1, packed.length, true);
      view.setUint32(5, bytes.length, true);
      // One write: a killed recorder leaves whole frames, or a last one that is cut off.
      write(Buffer.concat([before, head, packed]));
      before = new Uint8Array();
    },
    close,
  };
}

interface Frame {
  readonly kind: number;
  readonly at: number;
  readonly packed: number;
  readonly size: number;
}

/** Opens a recording. Throws BootError for what is none, or of a later format. */
export function openRecording(path: string): Recording {
  const no = (why: string): never => {
    throw new BootError('setup', `${path} ${why}`);
  };
  let fd: number;
  let size: number;
  try {
    fd = openSync(path, 'r');
    const st = fstatSync(fd);
    if (st.isDirectory()) return no('is a directory; name a recording');
    size = st.size;
  } catch (e) {
    if (e instanceof BootError) throw e;
    throw new BootError('setup', `cannot read the recording ${path}: ${reason(e)}`);
  }
  const read = (at: number, n: number): Uint8Array => {
    const bytes = new Uint8Array(n);
    let done = 0;
    while (done < n) {
      const got = readSync(fd, bytes, done, n - done, at + done);
      if (got === 0) break;
      done += got;
    }
    return bytes.subarray(0, done);
  };
  const prefix = read(0, PREFIX);
  if (new TextDecoder('latin1').decode(prefix.subarray(0, MAGIC.length)) !== MAGIC || prefix.length < PREFIX)
    return no('is no recording; make one with: ring3 record -o FILE PROG');
  const version = prefix[MAGIC.length] | (prefix[MAGIC.length + 1] << 8);
  if (version > FORMAT_VERSION)
    return no(
      `was recorded by a newer ring3 (format ${version}; this one reads ${FORMAT_VERSION}); replay it with that one`,
    );
  if (version < FORMAT_VERSION)
    return no(
      `was recorded by an older ring3 (format ${version}; this one reads ${FORMAT_VERSION}); record it again`,
    );
  const frames: Frame[] = [];
  let header: Frame | null = null;
  let last: Frame | null = null;
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
    else if (kind === FRAME.records) frames.push(frame);
    else last = frame;
  }
  const unpack = (f: Frame): Uint8Array => {
    try {
      const bytes = inflateSync(read(f.at, f.packed), { maxOutputLength: f.size + 1 });
      if (bytes.length === f.size) return bytes;
    } catch {
      // the line below says it
    }
    throw new MalformedError(`the ${f.packed} bytes at byte ${f.at} of ${path} are not what was written`);
  };
  if (header === null) return no('is damaged: it has no header');
  let decoded: Header;
  let end: Recording['end'] = null;
  try {
    decoded = decodeHeader(unpack(header));
    if (last) {
      const r = new Reader(unpack(last));
      end = { events: r.uint(), rounds: r.uint(), reason: END_REASONS[r.uint()] ?? 'failed' };
    }
  } catch (e) {
    return no(`is damaged: ${(e as Error).message}`);
  }
  // The ones a replay that goes back and forth is at.
  let cached: { i: number; bytes: Uint8Array } | null = null;
  return {
    header: decoded,
    end,
    block: (i) => {
      if (cached?.i === i) return cached.bytes;
      const f = frames[i];
      if (f === undefined) {
        if (damage !== null) throw new MalformedError(damage);
        return null;
      }
      cached = { i, bytes: unpack(f) };
      return cached.bytes;
    },
  };
}

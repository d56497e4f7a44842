/** Recordings as files: written frame by frame, read by number. */
import {
  closeSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { deflateSync, inflateSync } from 'node:zlib';
import { BootError } from '../machine/errors.ts';
import { MalformedError } from '../record/bytes.ts';
import { filePrefix, type Frame, frameHead, layoutOf, recordingOf } from '../record/file.ts';
import type { Recording, RecordingSink } from '../record/format.ts';

/** The fastest: recording goes on beside the guest. */
const LEVEL = 1;

const reason = (e: unknown): string => {
  const { errno, message } = e as NodeJS.ErrnoException;
  const known = getSystemErrorMap().get(errno ?? 0);
  return known ? `${known[1]} (${known[0]})` : message;
};

/**
 * A file of the recorder's own: who still writes to one of that name, or reads it, keeps that. Devices, pipes, and what a link
 * leads to are opened as they are.
 */
function create(path: string): number {
  for (let tries = 0; tries < 10; tries++) {
    try {
      return openSync(path, 'wx', 0o666);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e;
    }
    try {
      if (!lstatSync(path).isFile()) break;
      unlinkSync(path);
    } catch (e) {
      // Somebody else was faster; or the folder takes no changes, but perhaps the file does.
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT') break;
    }
  }
  return openSync(path, 'w', 0o666);
}

/** Throws BootError when the file cannot be made. `failed` is told once when it cannot be written any more, or was lost. */
export function recordTo(path: string, failed: (why: string) => void = () => {}): RecordingSink {
  let fd: number;
  try {
    fd = create(path);
  } catch (e) {
    throw new BootError('setup', `cannot write the recording to ${path}: ${reason(e)}`);
  }
  let open = true;
  let written = 0;
  const close = (): void => {
    if (!open) return;
    open = false;
    const st = fstatSync(fd);
    closeSync(fd);
    if (!st.isFile()) return;
    if (st.nlink === 0)
      failed(`the recording in ${path} is lost: the file was removed, or another begun there`);
    else if (st.size !== written)
      failed(`the recording in ${path} is damaged: something else wrote to the file`);
  };
  const write = (bytes: Uint8Array): void => {
    if (!open) return;
    try {
      for (let at = 0; at < bytes.length;) {
        const n = writeSync(fd, bytes, at);
        written += n;
        at += n;
      }
    } catch (e) {
      open = false;
      closeSync(fd);
      failed(`the recording in ${path} is not whole: ${reason(e)}`);
    }
  };
  let before = filePrefix();
  return {
    frame: (kind, bytes) => {
      const packed = deflateSync(bytes, { level: LEVEL });
      const head = frameHead(kind, packed.length, bytes.length);
      // One write: a killed recorder leaves whole frames, or a last one that is cut off.
      write(Buffer.concat([before, head, packed]));
      before = new Uint8Array();
    },
    close,
  };
}

/** Opens a recording; "-" and what has no size (a pipe) are read to their end first. Throws BootError for what is none, or of another format. */
export function openRecording(path: string): Recording {
  const no = (why: string): never => {
    throw new BootError('setup', `${path} ${why}`);
  };
  let fd: number;
  let size: number;
  let whole: Uint8Array | null = null;
  try {
    fd = path === '-' ? 0 : openSync(path, 'r');
    const st = fstatSync(fd);
    if (st.isDirectory()) return no('is a directory; name a recording');
    if (!st.isFile()) whole = readFileSync(fd);
    size = whole?.length ?? st.size;
  } catch (e) {
    if (e instanceof BootError) throw e;
    throw new BootError('setup', `cannot read the recording ${path}: ${reason(e)}`);
  }
  const read = (at: number, n: number): Uint8Array => {
    if (whole !== null) return whole.subarray(at, at + n);
    const bytes = new Uint8Array(n);
    let done = 0;
    while (done < n) {
      const got = readSync(fd, bytes, done, n - done, at + done);
      if (got === 0) break;
      done += got;
    }
    return bytes.subarray(0, done);
  };
  const layout = layoutOf(size, read);
  if (typeof layout === 'string') return no(layout);
  const unpack = (f: Frame): Uint8Array => {
    try {
      const bytes = inflateSync(read(f.at, f.packed), { maxOutputLength: f.size + 1 });
      if (bytes.length === f.size) return bytes;
    } catch {
      // the line below says it
    }
    throw new MalformedError(`the ${f.packed} bytes at byte ${f.at} of ${path} are not what was written`);
  };
  const recording = recordingOf(layout, unpack);
  return typeof recording === 'string' ? no(recording) : recording;
}

/** Recordings that are bytes, wherever they came from. */
import { BootError } from '../machine/errors.ts';
import { MalformedError } from './bytes.ts';
import { type Frame, layoutOf, recordingOf } from './file.ts';
import type { Recording } from './format.ts';

/** A recording from the bytes of its file; in a browser, too. Throws BootError for what is none, or of another format. */
export async function readRecording(bytes: Uint8Array): Promise<Recording> {
  const no = (why: string): never => {
    throw new BootError('setup', `what was given ${why}`);
  };
  const layout = layoutOf(bytes.length, (at, n) => bytes.slice(at, at + n));
  if (typeof layout === 'string') return no(layout);
  const { header, blocks, end } = layout;
  const plain = new Map<Frame, Uint8Array | null>();
  for (const f of [header, ...blocks, ...(end ? [end] : [])])
    plain.set(f, await inflate(bytes.subarray(f.at, f.at + f.packed), f.size));
  const recording = recordingOf(layout, (f) => {
    const got = plain.get(f);
    if (!got) throw new MalformedError(`the ${f.packed} bytes at byte ${f.at} are not what was written`);
    return got;
  });
  return typeof recording === 'string' ? no(recording) : recording;
}

/** Null: they are damaged, or not of that size. */
async function inflate(packed: Uint8Array, size: number): Promise<Uint8Array | null> {
  const stream = new Blob([packed as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream('deflate'));
  const all = new Uint8Array(size);
  let at = 0;
  try {
    const reader = stream.getReader();
    for (let got = await reader.read(); !got.done; got = await reader.read()) {
      if (at + got.value.length > size) return null;
      all.set(got.value, at);
      at += got.value.length;
    }
  } catch {
    return null;
  }
  return at === size ? all : null;
}

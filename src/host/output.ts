/** Writes to the host's own descriptors, in order and before going on, as a program running natively would. */
import { writeSync } from 'node:fs';
import type { Output } from '../machine/options.ts';

const PATIENCE_MS = 1;

/** One of the host's descriptors as a place for guest output. `before` runs ahead of each write (flushing a trace). */
export function fdOutput(fd: number, before: () => void = () => {}): Output {
  const output = {
    closed: false,
    write: (bytes: Uint8Array): void => {
      before();
      if (!writeAll(fd, bytes)) output.closed = true;
    },
  };
  return output;
}

/** False when nobody reads any more (EPIPE). A full pipe that does not block us is waited for. */
export function writeAll(fd: number, bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at, bytes.length - at);
    } catch (e) {
      const code = (e as NodeJS.ErrnoException).code;
      if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PATIENCE_MS);
      else if (code === 'EPIPE' || code === 'EBADF' || code === 'EIO') return false;
      else throw e;
    }
  }
  return true;
}

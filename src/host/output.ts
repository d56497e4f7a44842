/** Writes to the host's own descriptors, in order and before going on, as a program running natively would. */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { EIO } from '../../kernel/abi/errno.ts';
import type { Output } from '../machine/options.ts';

const LEAST_WAIT_MS = 1;
const MOST_WAIT_MS = 20;

/** One of the host's descriptors as a place for guest output. `before` runs ahead of each write (flushing a trace). */
export function fdOutput(fd: number, before: () => void = () => {}): Output {
  return new FdOutput(fd, before);
}

class FdOutput implements Output {
  closed = false;
  full = false;
  private readonly fd: number;
  private readonly before: () => void;
  private readonly callbacks: (() => void)[] = [];
  private wait = LEAST_WAIT_MS;

  constructor(fd: number, before: () => void) {
    this.fd = unblocked(fd);
    this.before = before;
  }

  readonly write = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length && !this.closed;) {
      const n = this.take(bytes.subarray(at));
      if (n < 0) return;
      if (n === 0) pause();
      at += n;
    }
  };

  readonly take = (bytes: Uint8Array): number => {
    this.before();
    try {
      const n = writeSync(this.fd, bytes, 0, bytes.length);
      this.wait = LEAST_WAIT_MS;
      return n;
    } catch (e) {
      const { code, errno } = e as NodeJS.ErrnoException;
      if (code === 'EAGAIN') {
        this.retryLater();
        return 0;
      }
      if (code === 'EPIPE') this.closed = true;
      return errno !== undefined && errno < 0 ? Math.max(errno, -4095) : -EIO;
    }
  };

  onDrain(callback: () => void): void {
    this.callbacks.push(callback);
  }

  /** node:fs cannot wait for room in a pipe: look again soon, and less often the longer nobody reads. */
  private retryLater(): void {
    if (this.full) return;
    this.full = true;
    setTimeout(() => {
      this.full = false;
      for (const f of this.callbacks) f();
    }, this.wait);
    this.wait = Math.min(this.wait * 2, MOST_WAIT_MS);
  }
}

/**
 * A pipe nobody reads must stop the guest that writes and not the machine: its own open file of the same pipe does not
 * block, and leaves whoever shares the descriptor alone. What is no pipe, or cannot be opened again, is used as it is.
 */
export function unblocked(fd: number): number {
  try {
    if (process.platform !== 'linux' || !fstatSync(fd).isFIFO()) return fd;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LEAST_WAIT_MS);
}

/**
 * False when it cannot be written: nobody reads any more, the disk is full. A full pipe that does not block is waited
 * for; `stalled` hears each millisecond how long that has taken, and 0 when it goes on.
 */
export function writeAll(fd: number, bytes: Uint8Array, stalled?: (ms: number) => void): boolean {
  let at = 0;
  let since = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at, bytes.length - at);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EAGAIN') return false;
      since ||= performance.now();
      pause();
      stalled?.(performance.now() - since);
    }
  }
  if (since) stalled?.(0);
  return true;
}

/** Brings the host's standard input to a guest's input queue, and only when the guest asks for it. */
import { fstatSync, readSync } from 'node:fs';
import { EIO } from '../../kernel/abi/errno.ts';
import type { InputPump } from '../machine/input-pump.ts';
import type { InputQueue } from '../machine/stdio.ts';

const CHUNK = 65536;

/** A host error as a guest's read gives it. */
function errnoOf(e: unknown): number {
  const { errno } = e as NodeJS.ErrnoException;
  return errno !== undefined && errno < 0 ? Math.max(errno, -4095) : -EIO;
}

/**
 * Feeds descriptor 0. Files are read in place when the guest reads. Pipes and sockets are read when the guest first
 * asks, and at most one chunk ahead; with `blocking` (a seeded machine, where the host's pace must not show) the machine
 * stands still until they have something.
 */
export function pumpStdin(queue: InputQueue, blocking: boolean): InputPump {
  let kind: 'file' | 'stream' | 'none';
  try {
    const st = fstatSync(0);
    kind = st.isFIFO() || st.isSocket() ? 'stream' : 'file';
  } catch {
    kind = 'none'; // stdin was closed
  }
  if (kind === 'none') {
    queue.end();
    return { live: false, stop: () => {} };
  }
  if (kind === 'file' || blocking) {
    queue.wanted = () => {
      const chunk = new Uint8Array(CHUNK);
      for (;;) {
        try {
          const n = readSync(0, chunk);
          if (n === 0) queue.end();
          else queue.push(chunk.subarray(0, n));
          return;
        } catch (e) {
          const code = (e as NodeJS.ErrnoException).code;
          if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
          else return queue.fail(errnoOf(e)); // a directory, a terminal that went away
        }
      }
    };
    return { live: false, stop: () => {} };
  }
  let started = false;
  const pump = { live: true, stop: () => void (started && process.stdin.pause()) };
  queue.wanted = () => {
    if (started) return;
    started = true;
    const { stdin } = process;
    const end = (): void => {
      pump.live = false;
      queue.end();
    };
    stdin.on('data', (chunk: Buffer) => {
      stdin.pause();
      queue.push(chunk);
    });
    stdin.on('end', end);
    stdin.on('error', (e) => {
      queue.fail(errnoOf(e));
      end();
    });
    queue.drained = () => stdin.resume();
    stdin.resume();
  };
  return pump;
}

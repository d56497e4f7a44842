/** Brings what a stream gives to a guest's input queue, and only when the guest asks for it. */
import type { InputQueue } from './stdio.ts';

/** What keeps the host's event loop busy; `stop` lets go of it. */
export interface InputPump {
  /** Whether input may still come without the guest doing anything. */
  readonly live: boolean;
  stop(): void;
}

/** As much is read ahead. */
const CHUNK = 65536;

/** Feeds text, bytes, or whatever an iterable yields. */
export function pumpSource(
  queue: InputQueue,
  source: string | Uint8Array | AsyncIterable<Uint8Array | string> | null,
  failed: (error: unknown) => void,
): InputPump {
  const bytes = (s: string | Uint8Array): Uint8Array =>
    typeof s === 'string' ? new TextEncoder().encode(s) : s;
  if (source === null || typeof source === 'string' || source instanceof Uint8Array) {
    if (source !== null) queue.push(bytes(source));
    queue.end();
    return { live: false, stop: () => {} };
  }
  const pump = { live: true, stop: () => {} };
  queue.wanted = () => {
    queue.wanted = null;
    void (async () => {
      try {
        for await (const chunk of source) {
          queue.push(bytes(chunk));
          if (queue.length > CHUNK) await new Promise<void>((resolve) => (queue.drained = resolve));
        }
      } catch (e) {
        failed(e);
      }
      pump.live = false;
      queue.end();
    })();
  };
  return pump;
}

/** Stands in for src/host/wait.ts. */

/** One turn of the event loop. Not by a timer: those are held back to 4 ms. */
export const breathe = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });

/** Waits `ms` milliseconds (Infinity: until cancelled), as exactly as a page's timers are. */
export function sleep(ms: number): { wait: Promise<void>; cancel: () => void } {
  let cancel = (): void => {};
  const wait = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, Math.min(ms, 2 ** 30));
    cancel = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  return { wait, cancel };
}

/** Calls `f` every `ms` milliseconds. Returns what ends it. */
export function every(ms: number, f: () => void): () => void {
  const timer = setInterval(f, ms);
  return () => clearInterval(timer);
}

/** Ways to give the host's event loop its turn. */

/** One turn of the event loop: sockets, timers and signals of the host get through. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** setTimeout's resolution: what is nearer is waited for by turning the event loop. */
const TIMER_MS = 1.5;

/** Waits `ms` milliseconds (Infinity: until cancelled), to well under a millisecond. */
export function sleep(ms: number): { wait: Promise<void>; cancel: () => void } {
  let cancelled = false;
  let timer: NodeJS.Timeout | undefined;
  const end = performance.now() + ms;
  const wait = new Promise<void>((resolve) => {
    const turn = (): void => {
      const left = end - performance.now();
      if (cancelled || left <= 0) resolve();
      else if (left > TIMER_MS) timer = setTimeout(turn, Math.min(left - 1, 2 ** 30));
      else setImmediate(turn);
    };
    turn();
  });
  return {
    wait,
    cancel: () => {
      cancelled = true;
      clearTimeout(timer);
    },
  };
}

/** Calls `f` every `ms` milliseconds, without keeping the process from ending. Returns what ends it. */
export function every(ms: number, f: () => void): () => void {
  const timer = setInterval(f, ms);
  timer.unref();
  return () => clearInterval(timer);
}

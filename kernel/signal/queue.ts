/** Queues of pending signals: what is added, what is taken first, what is thrown away (kernel/signal.c). */
import type { SigInfo, SignalQueue } from './state.ts';
import { SIG_SYNCHRONOUS, SIGRTMIN, SI_USER, lowestSignal, sigbit } from './numbers.ts';

/** Adds a signal. A standard signal that is already pending is merged with the one there. */
export function enqueue(q: SignalQueue, info: SigInfo): void {
  const bit = sigbit(info.signo);
  if (info.signo < SIGRTMIN && (q.mask & bit) !== 0n) return;
  q.mask |= bit;
  q.infos.push(info);
}

/** Marks a signal pending without its siginfo: the record would have gone over RLIMIT_SIGPENDING. */
export function enqueueBare(q: SignalQueue, signo: number): void {
  q.mask |= sigbit(signo);
}

/** Takes the oldest record of one signal; without a record Linux says SI_USER from nobody. */
export function take(q: SignalQueue, signo: number): SigInfo {
  const i = q.infos.findIndex((x) => x.signo === signo);
  if (i < 0) {
    q.mask &= ~sigbit(signo);
    return { signo, code: SI_USER, pid: 0, uid: 0 };
  }
  const info = q.infos[i];
  q.infos.splice(i, 1);
  if (signo < SIGRTMIN || !q.infos.some((x) => x.signo === signo)) q.mask &= ~sigbit(signo);
  return info;
}

/** Takes the next signal that is not in `blocked`: synchronous ones first, then the lowest number (next_signal). */
export function dequeue(q: SignalQueue, blocked: bigint): SigInfo | null {
  const ready = q.mask & ~blocked;
  if (ready === 0n) return null;
  const synchronous = ready & SIG_SYNCHRONOUS;
  return take(q, lowestSignal(synchronous !== 0n ? synchronous : ready));
}

/** Takes the oldest unblocked signal the thread's own instruction raised (dequeue_synchronous_signal). */
export function dequeueSynchronous(q: SignalQueue, blocked: bigint): SigInfo | null {
  if ((q.mask & ~blocked & SIG_SYNCHRONOUS) === 0n) return null;
  const info = q.infos.find((x) => x.code > SI_USER && (sigbit(x.signo) & SIG_SYNCHRONOUS & ~blocked) !== 0n);
  return info ? take(q, info.signo) : null;
}

/** Forgets every pending signal of a set. */
export function flush(q: SignalQueue, set: bigint): void {
  if ((q.mask & set) === 0n) return;
  q.mask &= ~set;
  for (let i = q.infos.length - 1; i >= 0; i--) {
    if ((sigbit(q.infos[i].signo) & set) !== 0n) q.infos.splice(i, 1);
  }
}

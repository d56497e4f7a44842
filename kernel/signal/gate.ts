/** Somebody who decides what becomes of signals before they are acted on, as a tracer at a signal-delivery-stop of ptrace(2). */
import type { Task } from '../task/task.ts';
import type { SigInfo } from './state.ts';

export interface SignalGate {
  /** A signal taken for the task on which `judge` has not decided. */
  held(t: Task): SigInfo | null;
  /** The signal to act on, null for none, or 'pause': it is held, and asked about again when the task is about to run. */
  judge(t: Task, info: SigInfo): SigInfo | null | 'pause';
}

/** The temporary signal mask of ppoll, pselect6 and epoll_pwait (set_user_sigmask, restore_saved_sigmask). */
import { EFAULT, EINVAL } from '../abi/errno.ts';
import { restoreSavedSigmask } from '../signal/deliver.ts';
import { setTemporarySigmask } from '../signal/send.ts';
import type { Task } from '../task/task.ts';

const SIGSET_SIZE = 8;

/** Swaps the mask in; 0 or -errno. A null pointer leaves the mask alone. */
export function setUserSigmask(t: Task, address: number, size: number): number {
  if (address === 0) return 0;
  if (size !== SIGSET_SIZE) return -EINVAL;
  const set = t.mm.u64(address);
  if (set === null) return -EFAULT;
  setTemporarySigmask(t, set);
  return 0;
}

/** The call is over and was not interrupted: the old mask comes back before any signal is delivered. */
export function restoreSigmask(t: Task): void {
  if (t.savedSigmask !== null) restoreSavedSigmask(t);
}

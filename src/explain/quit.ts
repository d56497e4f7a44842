/** When a person asks for an explanation: ^\ is the guest's own, so what it would do to the guest decides. */
import type { Kernel } from '../../kernel/kernel.ts';
import { ISIG, VINTR, VQUIT } from '../../kernel/fs/tty/termios.ts';
import { SIGQUIT, sigbit } from '../../kernel/signal/numbers.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { ThreadGroup } from '../../kernel/task/thread-group.ts';

const SIG_DFL = 0;

/** The byte that the guest's terminal makes SIGQUIT of now; null: none does (raw mode, or there is no terminal). */
export const quitKey = (kernel: Kernel): number | null => signalKey(kernel, VQUIT);
/** The same of SIGINT. */
export const interruptKey = (kernel: Kernel): number | null => signalKey(kernel, VINTR);

function signalKey(kernel: Kernel, which: number): number | null {
  const modes = kernel.ttys.console?.tty.termios;
  if (modes === undefined || (modes.lflag & ISIG) === 0) return null;
  return modes.cc[which] === 0 ? null : modes.cc[which];
}

/** Whether SIGQUIT from the terminal, or from outside, would end all processes it goes to. */
export function quitKills(kernel: Kernel): boolean {
  const groups = foreground(kernel);
  return groups.length > 0 && groups.every((g) => dies(g, SIGQUIT));
}

/**
 * Whether a process that signals from outside go to has had this one, has to die of it, and has not got to it: nobody lets it run
 * (a kernel without preemption does not), or the machine has not had a turn since.
 */
export function owesDeath(kernel: Kernel, signo: number): boolean {
  return foreground(kernel).some(
    (g) =>
      threadsOf(g).some((t) => t.state !== 'stopped') &&
      (g.groupExit !== null || (isPending(g, signo) && dies(g, signo))),
  );
}

const isPending = (g: ThreadGroup, signo: number): boolean =>
  [g, ...g.tasks].some(({ pending }) => (pending.mask & sigbit(signo)) !== 0n);

function foreground(kernel: Kernel): readonly ThreadGroup[] {
  const pgrp = kernel.ttys.console?.tty.pgrp ?? 0;
  const { first } = kernel.processes;
  return pgrp > 0 ? kernel.processes.pgrp(pgrp) : first ? [first] : [];
}

const threadsOf = (g: ThreadGroup): Task[] =>
  [...g.tasks].filter((t) => t.state !== 'zombie' && t.state !== 'dead');

function dies(g: ThreadGroup, signo: number): boolean {
  const threads = threadsOf(g);
  if (threads.length === 0) return true;
  if (threads[0].sighand.actions[signo - 1].handler !== SIG_DFL) return false;
  return threads.some((t) => (t.sigmask & sigbit(signo)) === 0n);
}

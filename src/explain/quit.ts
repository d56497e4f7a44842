/** When a person asks for an explanation: ^\ is the guest's own, so what it would do to the guest decides. */
import type { Kernel } from '../../kernel/kernel.ts';
import { ISIG, VQUIT } from '../../kernel/fs/tty/termios.ts';
import { SIGQUIT, sigbit } from '../../kernel/signal/numbers.ts';
import type { ThreadGroup } from '../../kernel/task/thread-group.ts';

const SIG_DFL = 0;

/** The byte that the guest's terminal makes SIGQUIT of now; null: none does (raw mode, or there is no terminal). */
export function quitKey(kernel: Kernel): number | null {
  const modes = kernel.ttys.console?.tty.termios;
  if (modes === undefined || (modes.lflag & ISIG) === 0) return null;
  return modes.cc[VQUIT] === 0 ? null : modes.cc[VQUIT];
}

/** Whether SIGQUIT from the terminal, or from outside, would end all processes it goes to. */
export function quitKills(kernel: Kernel): boolean {
  const pgrp = kernel.ttys.console?.tty.pgrp ?? 0;
  const { first } = kernel.processes;
  const groups = pgrp > 0 ? kernel.processes.pgrp(pgrp) : first ? [first] : [];
  return groups.length > 0 && groups.every(dies);
}

function dies(g: ThreadGroup): boolean {
  const threads = [...g.tasks].filter((t) => t.state !== 'zombie' && t.state !== 'dead');
  if (threads.length === 0) return true;
  if (threads[0].sighand.actions[SIGQUIT - 1].handler !== SIG_DFL) return false;
  return threads.some((t) => (t.sigmask & sigbit(SIGQUIT)) === 0n);
}

/** A kernel that panics: the machine says so and is over. */
import { EINTR } from '../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Task } from '../task/task.ts';
import type { Park } from '../wait.ts';

/** The machine's exit code after a panic: Rust's own. */
export const PANIC_STATUS = 101;

/** Stops the machine with a line as the foreign kernel's panic handler prints it. */
export function panicMachine(k: Kernel, where: string, message: string): void {
  if (k.exitStatus !== null) return;
  const seconds = (k.clock.monotonic() / 1e9).toFixed(6).padStart(10);
  const tid = k.scheduler.current?.tid ?? 0;
  k.report(
    `the guest's kernel panicked: [${seconds} 0:${tid} axruntime::lang_items] panicked at ${where}: ${message}`,
  );
  k.exitStatus = PANIC_STATUS << 8;
}

/** A call StarryOS has no number for, or no handler: its panic, and how to run on. */
export function unknownCall(t: Task, nr: number): Park {
  const parked = panic(t, 'linux_syscall_api/src/syscall.rs', `unknown syscall id: ${nr}`);
  const name = t.row === null ? 'a call Linux has not either' : t.row.name;
  t.kernel.report(`${nr} is ${name}; without the quirk unknown-call-panic it is answered as Linux does`);
  return parked;
}

/** The same from a call's handler: what it returns; the call is never heard of again. */
export function panic(t: Task, where: string, message: string): Park {
  panicMachine(t.kernel, where, message);
  return { park: true, on: [], deadline: Infinity, interrupted: EINTR, uninterruptible: true };
}

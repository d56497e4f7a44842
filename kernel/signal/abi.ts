/** What signal delivery needs of an architecture: frames, and how an interrupted call is started again. */
import type { Arch } from '../ports.ts';
import type { Task } from '../task/task.ts';
import { frameAarch64 } from './frame-aarch64.ts';
import { frameX86_64 } from './frame-x86_64.ts';
import type { SigAction, SigInfo } from './state.ts';

export interface SignalAbi {
  /** Number of restart_syscall(2). */
  readonly restartSyscall: number;
  /**
   * Pushes a frame that saves the registers and `mask`, and points the registers at the handler. False: the stack
   * cannot be written (or the action cannot return): nothing changed in the registers.
   */
  setupFrame(t: Task, info: SigInfo, action: SigAction, mask: bigint): boolean;
  /** Takes the registers back from the frame at the stack pointer; the mask it saved, or null for a bad frame. */
  restoreFrame(t: Task): bigint | null;
  /** Sends the SIGSEGV that answers a bad frame. */
  badFrame(t: Task): void;
  /** The result register, as a signed number. */
  result(t: Task): number;
  setResult(t: Task, value: number): void;
  /** Moves the pc back to the system-call instruction, with `nr` as the number and the first argument as it was. */
  rewind(t: Task, nr: number): void;
}

export function signalAbi(arch: Arch): SignalAbi {
  return arch === 'x86_64' ? frameX86_64 : frameAarch64;
}

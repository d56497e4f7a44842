/** Joins ports, kernel, cpu and host into a machine with its program loaded. */
import { X86Cpu } from '../../cpu/index.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { bootKernel } from '../../kernel/boot.ts';
import { HostClock, VirtualClock } from '../host/clock.ts';
import { loadCore } from '../host/core-files.ts';
import { HostEntropy, SeededEntropy } from '../host/entropy.ts';
import { type InputPump, pumpSource, pumpStdin } from '../host/input.ts';
import { readProgram } from '../host/program.ts';
import { Loop } from './loop.ts';
import type { BootOptions, Output } from './options.ts';
import { Capture, HostInputFile, HostOutputFile, InputQueue } from './stdio.ts';

/** A machine's parts, and what only the host knows of them. */
export interface Assembly {
  readonly kernel: Kernel;
  readonly loop: Loop;
  readonly virtual: VirtualClock | null;
  readonly pumps: readonly InputPump[];
  /** What the guest wrote, when nobody else takes it. */
  readonly stdout: Capture | null;
  readonly stderr: Capture | null;
  /** The program's bytes and where it begins in memory. */
  readonly program: Uint8Array;
  readonly entry: number;
  /** Registers who is told of input from the host. */
  onInput(callback: () => void): void;
  /** The machine has nothing to do: hand over what is buffered. */
  idle(): void;
  /** Input may come from outside without anybody in this process doing anything. */
  live(): boolean;
  /** Somebody in this process could still reach the guest (a listening socket and Machine.connect). */
  reachable(): boolean;
  /** Foreground process group of the machine's terminal; 0 without one. */
  foreground(): number;
  ports(): readonly number[];
  close(): void;
}

export {
  bootKernel,
  HostClock,
  VirtualClock,
  loadCore,
  HostEntropy,
  SeededEntropy,
  pumpSource,
  pumpStdin,
  readProgram,
  X86Cpu,
  Loop,
  Capture,
  HostInputFile,
  HostOutputFile,
  InputQueue,
};
export type { BootOptions, Output };
export async function assemble(_options: BootOptions): Promise<Assembly> {
  throw new Error('not yet');
}

/** A call's arguments by name, as values; and the way back, into the call. */
import { Args } from '../../kernel/syscall/args.ts';
import type { SyscallRow } from '../../kernel/syscall/define.ts';
import type { SyscallArgs, SyscallName } from '../../kernel/syscall/table.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { TraceFormat, Tracer } from '../../kernel/trace/tracer.ts';
import { decodeText } from '../../kernel/trace/values.ts';

/** The arguments of a call of these names; of any call: whatever they are. */
export type ArgsFor<N extends SyscallName> = SyscallName extends N
  ? Readonly<Record<string, unknown>>
  : N extends SyscallName
    ? SyscallArgs<N>
    : never;

/** Everything in full: what is cut cannot be read back. */
const FULL: TraceFormat = { strsize: 65536, hex: 0, verbose: true, fds: 0 };

/** Registers of clone's arguments, which its row has in the order strace prints them. */
const CLONE: Readonly<Record<string, readonly number[]>> = {
  x86_64: [1, 0, 2, 4, 3],
  aarch64: [1, 0, 2, 3, 4],
};

/** Index, among the six, of a row's argument. */
export function argumentRegister(t: Task, row: SyscallRow, i: number): number {
  return row.name === 'clone' ? CLONE[t.regs.arch][i] : i;
}

/** Reads all arguments. `ret`: the result, null when there is none yet. */
export function decodeArguments(
  t: Task,
  row: SyscallRow,
  args: Args,
  ret: number | null,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  const { kernel } = t;
  const tracer = kernel.tracer;
  kernel.tracer = { ...SILENT, format: FULL };
  try {
    row.args.forEach((type, i) => {
      if (type.value) {
        values[type.name] = type.value(t, args, i, ret);
        return;
      }
      const text = type.format(t, args, i, ret);
      const own = text.startsWith(`${type.name}=`) ? text.slice(type.name.length + 1) : text;
      values[type.name] = own === '' ? null : decodeText(own);
    });
  } finally {
    kernel.tracer = tracer;
  }
  return values;
}

const SILENT: Omit<Tracer, 'format'> = {
  enter() {},
  exit() {},
  signal() {},
  exited() {},
  killed() {},
  stopped() {},
  attached() {},
};

/** Room below the stack pointer that the x86-64 ABI lets a function use (its red zone), and a signal handler's frame. */
const BELOW_STACK = 16384;

/** Where, so many bytes: the task's own code keeps nothing there. */
const freeBytes = (t: Task, length: number): number =>
  Math.floor((t.regs.sp - BELOW_STACK - length) / 16) * 16;

/** A value as the 64 bits of an argument register. `poke` puts what is pointed at into memory, or throws. */
export function argumentBits(
  t: Task,
  value: number | bigint | string | Uint8Array,
  poke: (address: number, bytes: Uint8Array) => void,
): bigint {
  if (typeof value === 'string') value = new TextEncoder().encode(`${value}\0`);
  if (value instanceof Uint8Array) {
    const address = freeBytes(t, value.length);
    poke(address, value);
    value = address;
  }
  return BigInt.asUintN(64, BigInt(value));
}

export function copyArgs(args: Args): Args {
  const copy = new Args();
  copy.copyFrom(args);
  return copy;
}

export function setWords(args: Args, i: number, bits: bigint): void {
  args.words[2 * i] = Number(BigInt.asIntN(32, bits));
  args.words[2 * i + 1] = Number(BigInt.asIntN(32, bits >> 32n));
}

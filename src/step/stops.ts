/** Where a machine stands still for a test: at a call, behind it, asleep in it. What is seen may be changed. */
import { errnoNumber, ERRNO } from '../../kernel/abi/errno.ts';
import type { Args } from '../../kernel/syscall/args.ts';
import type { SyscallRow } from '../../kernel/syscall/define.ts';
import type { SyscallName } from '../../kernel/syscall/table.ts';
import type { Task } from '../../kernel/task/task.ts';
import { signalNumber } from '../../kernel/trace/tables.ts';
import type { Wait } from '../explain/types.ts';
import type { Machine } from '../machine/machine.ts';
import type { RegisterName, Registers } from '../machine/registers.ts';
import { argumentBits, argumentRegister, type ArgsFor, copyArgs, decodeArguments } from './arguments.ts';

/** How changes reach a call: at once from a hook, when it goes on from a stop. */
export interface Editor {
  setArg(register: number, bits: bigint): void;
  /** The result register; at an entry the call is not made. */
  setResult(bits: bigint, error: boolean): void;
  /** To the task. */
  signal(signo: number): void;
  /** Lets the kernel serve the call and stops at once. */
  serve(): Promise<ExitStop | ParkStop>;
  /** Runs until this task's call has returned. */
  finish(): Promise<ExitStop>;
  /** Throws when the machine has moved on since. */
  check(what: string): void;
}

/** A result: a number, or the name of an error ("EAGAIN"). */
export type ResultValue = number | bigint | string;

function resultBits(value: ResultValue): { bits: bigint; error: boolean } {
  if (typeof value !== 'string')
    return { bits: BigInt.asUintN(64, BigInt(value)), error: value < 0 && value > -4096 };
  const errno = errnoNumber(value);
  if (!(errno >= 1 && errno <= 4095))
    throw new RangeError(`'${value}' is no error; write a name like EAGAIN, or a number`);
  return { bits: BigInt.asUintN(64, BigInt(-errno)), error: true };
}

/** What all stops at calls have. Fields are as in the events of `Machine.step`, but `args` has names and types. */
abstract class CallStop<N extends SyscallName, A> {
  abstract readonly type: 'enter' | 'exit' | 'park';
  readonly tid: number;
  readonly pid: number;
  readonly name: N;
  readonly nr: number;
  /** The six argument registers, unsigned. */
  readonly raw: readonly bigint[];
  /** As strace prints it. */
  readonly text: string;
  protected readonly machine: Machine;
  protected readonly task: Task;
  protected readonly row: SyscallRow;
  protected readonly words: Args;
  protected readonly edit: Editor;
  private decoded: A | null = null;

  constructor(machine: Machine, t: Task, row: SyscallRow, text: string, edit: Editor) {
    this.tid = t.tid;
    this.pid = t.pid;
    this.name = row.name as N;
    this.nr = t.nr;
    this.words = copyArgs(t.args);
    this.raw = [0, 1, 2, 3, 4, 5].map((i) => this.words.big(i));
    this.text = text;
    this.machine = machine;
    this.task = t;
    this.row = row;
    this.edit = edit;
    // For people who print a stop: what it is about.
    for (const name of ['machine', 'task', 'row', 'words', 'edit', 'decoded'])
      Object.defineProperty(this, name, { enumerable: false, writable: true });
  }

  /** The arguments as values, by the names of the manual page: `call.args.op.FUTEX_WAIT`, `call.args.buf`. */
  get args(): A {
    return (this.decoded ??= decodeArguments(this.task, this.row, this.words, this.resultForArgs()) as A);
  }

  protected abstract resultForArgs(): number | null;

  /** Whether it is a call of this name; narrows the types of what is asked of it. */
  is<M extends SyscallName>(name: M): this is { readonly name: M; readonly args: ArgsFor<M> } {
    return (this.name as string) === name;
  }

  /** The process's memory: bytes at an address or symbol. Throws RangeError. */
  peek(where: number | string, length: number): Uint8Array {
    return this.machine.peek(where, length, this.tid);
  }
  poke(where: number | string, bytes: Uint8Array): void {
    this.edit.check('write memory');
    this.machine.poke(where, bytes, this.tid);
  }
  get regs(): Registers {
    return this.machine.regs(this.tid);
  }
  setReg(name: RegisterName, value: number | bigint): void {
    this.edit.check('set a register');
    this.machine.setReg(name, value, this.tid);
  }
  /** Sends this task a signal, as tgkill(2) does. */
  signal(signal: string | number): void {
    this.edit.check('send a signal');
    const signo = signalNumber(String(signal));
    if (!(signo >= 1 && signo <= 64)) throw new RangeError(`no such signal: ${signal}`);
    this.edit.signal(signo);
  }

  toString(): string {
    return this.text;
  }
}

/** A task is about to make a call: the kernel has not seen it yet. */
export class EnterStop<N extends SyscallName = SyscallName, A = ArgsFor<N>> extends CallStop<N, A> {
  readonly type = 'enter';

  protected resultForArgs(): null {
    return null;
  }

  /**
   * Gives the call another argument, by name or by index from 0; the guest's own registers stay as they are. A string or bytes
   * are put into the guest's memory, below its stack, and pointed at.
   */
  setArg(which: (keyof A & string) | number, value: number | bigint | string | Uint8Array): void {
    this.edit.check('change an argument');
    const i = typeof which === 'number' ? which : this.row.args.findIndex((a) => a.name === which);
    if (!(i >= 0 && i < 6)) {
      const names = this.row.args.map((a) => a.name).join(', ');
      throw new RangeError(`${this.name} has no argument ${which}; it has ${names === '' ? 'none' : names}`);
    }
    const register = typeof which === 'number' ? i : argumentRegister(this.task, this.row, i);
    this.edit.setArg(
      register,
      argumentBits(this.task, value, (address, bytes) => this.poke(address, bytes)),
    );
  }

  /** The call will not be made: the guest gets this result, a number or an error's name ("EAGAIN"). */
  skip(result: ResultValue): void {
    this.edit.check('skip the call');
    const { bits, error } = resultBits(result);
    this.edit.setResult(bits, error);
  }

  /** Lets the kernel act on the call and stops: it has returned, or the task sleeps in it. Nobody else runs. */
  async serve(): Promise<ExitStop<N, A> | ParkStop<N, A>> {
    this.edit.check('serve the call');
    return (await this.edit.serve()) as unknown as ExitStop<N, A> | ParkStop<N, A>;
  }

  /** Runs until this call has returned; others run meanwhile. */
  async finish(): Promise<ExitStop<N, A>> {
    this.edit.check('finish the call');
    return (await this.edit.finish()) as unknown as ExitStop<N, A>;
  }
}

/** A call has returned: the guest has not gone on, and no signal was acted on since. */
export class ExitStop<N extends SyscallName = SyscallName, A = ArgsFor<N>> extends CallStop<N, A> {
  readonly type = 'exit';
  /** The value, or -errno; below −511 a restart code, which the guest does not see. */
  readonly result: number;

  constructor(machine: Machine, t: Task, row: SyscallRow, text: string, edit: Editor, result: number) {
    super(machine, t, row, text, edit);
    this.result = result;
  }

  protected resultForArgs(): number {
    return this.result;
  }

  /** Name of the error it failed with; null: it did not. */
  get error(): string | null {
    return this.result < 0 && this.result > -4096
      ? (ERRNO[-this.result]?.[0] ?? `errno ${-this.result}`)
      : null;
  }

  /** The guest gets this result instead. What the call did stays done. */
  setResult(result: ResultValue): void {
    this.edit.check('change the result');
    const { bits, error } = resultBits(result);
    this.edit.setResult(bits, error);
  }
}

/** A task sleeps in a call. */
export class ParkStop<N extends SyscallName = SyscallName, A = ArgsFor<N>> extends CallStop<N, A> {
  readonly type = 'park';
  /** What it waits for; empty: a signal. */
  readonly waits: readonly Wait[];
  /** Nanoseconds until it wakes by itself; null: never. */
  readonly timeLeft: number | null;

  constructor(machine: Machine, t: Task, row: SyscallRow, text: string, edit: Editor) {
    super(machine, t, row, text, edit);
    const report = machine.explain().tasks.find((r) => r.tid === t.tid);
    this.waits = report?.waits ?? [];
    this.timeLeft = report?.timeLeft ?? null;
  }

  protected resultForArgs(): null {
    return null;
  }
}

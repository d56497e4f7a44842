/**
 * Calls that somebody outside the guest changes: fault injection, hooks, steps. `Kernel.tamper` is who does; what is done to
 * the call a task is in stands in `Task.tampering`, as plain data. Nobody is the fast case: one comparison a call.
 */
import { A64_REG, REG } from '../ports.ts';
import type { Task } from '../task/task.ts';
import { WaitQueue } from '../wait.ts';

/** Sees each call before the tracer does, and may change it. */
export interface Tamperer {
  /** A call begins: `nr`, `args` and `row` are set, nothing has happened. May write memory and set `t.tampering`. */
  enter(t: Task): void;
  /**
   * It is over with `result` in the result register; a parked call may have slept in between. Not called for a call that
   * does not return. May write memory; `replaceResult` gives it another result.
   */
  exit(t: Task, result: number): void;
}

/** Bytes to be written where an argument points. */
export interface Poke {
  /** Index of the argument, from 0. */
  readonly arg: number;
  readonly bytes: Uint8Array;
}

/** What is done to one call. */
export class Tampering {
  /** The result register, 64 bits; with it the call is not made. null: the call is made. */
  result: bigint | null = null;
  /** `result` is an error: -errno. Else it counts as success, whatever it is. */
  error = false;
  /** A call without side effects that is made in its stead; its result is thrown away. */
  instead: string | null = null;
  /** Nanoseconds the task is kept before the call, and before it runs on after it. */
  delayEnter = 0;
  delayExit = 0;
  /** Memory the caller gave was changed. */
  poked = false;
  /** To be written when the call is over. */
  pokeExit: readonly Poke[] = [];
  /** What the task waits for, when it is kept. */
  stage: 'entry' | 'called' | 'left' = 'entry';
}

/** The task's tampering, made if there is none. */
export function tamperingOf(t: Task): Tampering {
  return (t.tampering ??= new Tampering());
}

/** The call under way returns this instead; -errno when `error`. For the exit of a call, before the tracer sees it. */
export function replaceResult(t: Task, result: bigint, error: boolean): void {
  const tampering = tamperingOf(t);
  tampering.result = BigInt.asUintN(64, result);
  tampering.error = error;
  tampering.stage = 'called';
}

/** Where calls leave their result. */
export const resultRegister = (t: Task): number => (t.regs.arch === 'x86_64' ? REG.rax : A64_REG.x0);

/** What strace writes behind the result of such a call: ` (INJECTED: args, retval)`, ` (DELAYED)`. */
export function tamperText(t: Task): string {
  const { tampering } = t;
  if (tampering === null) return '';
  const { result, poked, delayEnter, delayExit } = tampering;
  const injected =
    result !== null
      ? poked
        ? ' (INJECTED: args, retval)'
        : ' (INJECTED)'
      : poked
        ? ' (INJECTED: args)'
        : '';
  return delayEnter > 0 || delayExit > 0 ? `${injected} (DELAYED)` : injected;
}

/** Keeps the task still for a while; only SIGKILL ends it earlier. Deadline: monotonic nanoseconds. */
export function keepStill(t: Task, nanoseconds: number): void {
  t.kernel.scheduler.park(t, {
    park: true,
    on: [new WaitQueue('end of an injected delay')],
    deadline: t.kernel.clock.monotonic() + nanoseconds,
    interrupted: 0,
    uninterruptible: true,
  });
}

/** Several in order. */
export class TamperList implements Tamperer {
  private readonly list: readonly Tamperer[];
  constructor(list: readonly Tamperer[]) {
    this.list = list;
  }
  enter(t: Task): void {
    for (const tamperer of this.list) tamperer.enter(t);
  }
  exit(t: Task, result: number): void {
    for (const tamperer of this.list) tamperer.exit(t, result);
  }
}

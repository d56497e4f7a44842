/** Runs a machine from one interesting call to the next, and lets tests change what they find there. */
import type { Kernel } from '../../kernel/kernel.ts';
import type { SyscallRow } from '../../kernel/syscall/define.ts';
import type { SyscallName } from '../../kernel/syscall/table.ts';
import type { Tamperer } from '../../kernel/syscall/tamper.ts';
import type { Task } from '../../kernel/task/task.ts';
import { callEntry, callExit, unknownRow } from '../../kernel/trace/call-text.ts';
import { signalName, signalNumber } from '../../kernel/trace/tables.ts';
import type { ExitEvent, MachineEvent, SignalEvent } from '../machine/events.ts';
import type { Loop } from '../machine/loop.ts';
import type { Machine } from '../machine/machine.ts';
import type { Intervention } from '../machine/intervention.ts';
import { SITE, type Site } from '../record/format.ts';
import { CallsMade } from './calls-made.ts';
import { callFilter, type CallNames, filterText, isOf, type NamesIn, type TaskChoice } from './filter.ts';
import { type Editor, EnterStop, ExitStop, ParkStop } from './stops.ts';
import type { Tampering } from './tampering.ts';

/** Which events the machine is to stop at. */
export interface Wanted {
  enter(t: Task): boolean;
  /** Asked at a call's entry: whether its exit may be wanted. */
  exit(t: Task): boolean;
  other(e: MachineEvent): boolean;
}

/** What a stepper needs of its machine. */
export interface StepPort {
  readonly machine: Machine;
  readonly kernel: Kernel;
  readonly loop: Loop;
  readonly tampering: Tampering;
  /** All changes go through it, so that a recording has them. */
  readonly changes: Intervention;
  /** Calls what the owner of the machine gave: what it throws is the owner's. */
  owners<T>(f: () => T): T;
  /** Runs to the next wanted event; null: `done` said so, or nothing that may run can. */
  next(wanted: Wanted | null, done?: () => boolean): Promise<MachineEvent | null>;
}

export interface StepOptions<N extends SyscallName, S> extends TaskChoice {
  /** Nobody but `tid` runs meanwhile. */
  readonly alone?: boolean;
  /** Only calls for which this holds; its argument is typed by the names asked for. */
  readonly where?: (call: S & { readonly name: N }) => boolean;
}

/** What happens at calls, while the machine runs. Handlers must not run it. */
export interface CallHook<N extends SyscallName> {
  /** The call begins: arguments, memory and result (`skip`) may be changed. */
  enter?(call: EnterStop<N>): void;
  /** It has returned, before the trace sees it. */
  exit?(call: ExitStop<N>): void;
}

/** The machine came to its end, or to a stand, before what was waited for. */
export class NotReachedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NotReachedError';
  }
}

const NOTHING: Wanted = { enter: () => false, exit: () => false, other: () => false };

export class Stepper {
  private readonly port: StepPort;
  /** Goes up whenever the machine moves: older stops are history. */
  private moves = 0;
  /** What takes back the changes of calls that are still held at their entries. */
  private readonly edits = new Set<() => void>();
  /** The task that runs alone; null: everybody may. */
  private lone: Task | null = null;

  constructor(port: StepPort) {
    this.port = port;
  }

  async nextSyscall<F extends CallNames>(
    names: F | undefined,
    options: StepOptions<NamesIn<F>, EnterStop<NamesIn<F>>> = {},
  ): Promise<EnterStop<NamesIn<F>>> {
    const meant = callFilter(names, options);
    const made = new CallsMade();
    let stop: EnterStop | null = null;
    const wanted: Wanted = {
      ...NOTHING,
      enter: (t) => {
        const name = nameOf(t);
        if (isOf(options, t)) made.saw(name);
        if (!meant(t, name)) return false;
        const s = new EnterStop(this.port.machine, t, rowOf(t), callEntry(t), this.held(t));
        if (options.where && !this.port.owners(() => (options.where as (s: unknown) => boolean)(s))) {
          made.refuse();
          return false;
        }
        stop = s;
        return true;
      },
    };
    await this.go(wanted, options, `calls ${filterText(names)}`, () => made.text(names));
    void stop!.args; // decoded now: memory will not stay as it is
    return stop! as unknown as EnterStop<NamesIn<F>>;
  }

  async nextExit<F extends CallNames>(
    names: F | undefined,
    options: StepOptions<NamesIn<F>, ExitStop<NamesIn<F>>> = {},
  ): Promise<ExitStop<NamesIn<F>>> {
    const meant = callFilter(names, options);
    const made = new CallsMade();
    let stop: ExitStop | null = null;
    const wanted: Wanted = {
      ...NOTHING,
      enter: (t) => {
        if (isOf(options, t)) made.saw(nameOf(t));
        return false;
      },
      exit: (t) => meant(t, nameOf(t)),
      other: (e) => {
        if (e.type !== 'exit' || !meant(this.task(e.tid), e.name)) return false;
        const s = this.exitStop(e);
        if (options.where && !this.port.owners(() => (options.where as (s: unknown) => boolean)(s))) {
          made.refuse();
          return false;
        }
        stop = s;
        return true;
      },
    };
    await this.go(wanted, options, `returns from ${filterText(names)}`, () => made.text(names));
    void stop!.args;
    return stop! as unknown as ExitStop<NamesIn<F>>;
  }

  async nextSignal(signal: string | undefined, who: TaskChoice = {}): Promise<SignalEvent> {
    const signo = signal === undefined ? 0 : signalNumber(signal);
    if (signal !== undefined && !(signo >= 1)) throw new RangeError(`no such signal: ${signal}`);
    const full = signal === undefined ? undefined : signalName(signo);
    const other = (e: MachineEvent): boolean =>
      e.type === 'signal' &&
      (full === undefined || e.signal === full) &&
      (who.tid === undefined || e.tid === who.tid) &&
      (who.pid === undefined || e.pid === who.pid);
    return (await this.go({ ...NOTHING, other }, who, `gets ${full ?? 'a signal'}`)) as SignalEvent;
  }

  async until(predicate: (e: MachineEvent) => boolean): Promise<MachineEvent> {
    for (;;) {
      const e = await this.port.machine.step();
      if (predicate(e)) return e;
      if (e.type === 'end') throw this.over('does what was waited for');
    }
  }

  /** The next event of one task, nobody else running; or that it sleeps, and cannot go on alone. */
  async stepAlone(tid: number): Promise<MachineEvent | ParkStop> {
    const t = this.task(tid);
    const own = (x: Task): boolean => x === t;
    const wanted: Wanted = { enter: own, exit: own, other: (e) => !('tid' in e) || e.tid === t.tid };
    return await this.alone(t, async () => {
      const e = await this.next(wanted);
      if (e !== null) return e;
      if (t.state === 'parked') return this.parkStop(t);
      throw new NotReachedError(`task ${tid} (${t.comm}) is ${t.state} and cannot run`);
    });
  }

  hook<F extends CallNames>(
    names: F | undefined,
    handlers: CallHook<NamesIn<F>>,
    who: TaskChoice = {},
  ): () => void {
    const meant = callFilter(names, who);
    const { machine, changes } = this.port;
    const tamperer: Tamperer = {
      enter: (t) => {
        if (!handlers.enter || !meant(t, nameOf(t))) return;
        const stop = new EnterStop<NamesIn<F>>(
          machine,
          t,
          rowOf(t),
          callEntry(t),
          this.atOnce(t, SITE.begin),
        );
        changes.at(SITE.begin, () => this.port.owners(() => handlers.enter?.(stop)));
      },
      exit: (t, result) => {
        if (!handlers.exit || !meant(t, nameOf(t))) return;
        const entry = callEntry(t);
        const text = entry + callExit(t, result, entry);
        const stop = new ExitStop<NamesIn<F>>(machine, t, rowOf(t), text, this.atOnce(t, SITE.leave), result);
        changes.at(SITE.leave, () => this.port.owners(() => handlers.exit?.(stop)));
      },
    };
    return this.port.tampering.add(tamperer);
  }

  /** Called before the machine runs, by whoever lets it. */
  moved(): void {
    this.moves++;
  }

  /** The machine is at another moment: no call is held any more. */
  restored(): void {
    this.moves++;
    for (const remove of this.edits) remove();
  }

  /** Nothing can run while some are held back: the machine is not idle, it is done for now. */
  stuckAlone(): boolean {
    const t = this.lone;
    return t !== null && t.state !== 'runnable' && !(t.state === 'parked' && t.parked!.deadline < Infinity);
  }

  private async next(wanted: Wanted | null, done?: () => boolean): Promise<MachineEvent | null> {
    return await this.port.next(wanted, done);
  }

  private async go(
    wanted: Wanted,
    options: TaskChoice & { alone?: boolean },
    what: string,
    instead?: () => string,
  ): Promise<MachineEvent> {
    const ended = this.port.machine.status !== null;
    const run = async (): Promise<MachineEvent> => {
      const e = await this.next(wanted);
      if (e?.type === 'end') throw this.over(what, ended ? undefined : instead);
      if (e !== null) return e;
      const t = this.task(options.tid!);
      throw new NotReachedError(
        `task ${t.tid} (${t.comm}) sleeps before it ${what}, and nobody else may run: ${this.port.machine.tasks.find((i) => i.tid === t.tid)!.waiting}`,
      );
    };
    if (!options.alone) return await run();
    if (options.tid === undefined) throw new RangeError('alone: say which task, with tid');
    return await this.alone(this.task(options.tid), run);
  }

  private async alone<T>(t: Task, body: () => Promise<T>): Promise<T> {
    const { changes } = this.port;
    changes.only(t);
    this.lone = t;
    try {
      return await body();
    } finally {
      changes.only(null);
      this.lone = null;
    }
  }

  private over(what: string, instead?: () => string): NotReachedError {
    const { code, signal } = this.port.machine.status!;
    const how = signal === null ? `exited with ${code}` : `was killed by ${signal}`;
    return new NotReachedError(`the program ${how} before it ${what}${instead ? `; ${instead()}` : ''}`);
  }

  private task(tid: number): Task {
    const t = this.port.kernel.processes.task(tid);
    if (!t) throw new RangeError(`no such task in the guest: ${tid}`);
    return t;
  }

  private exitStop(e: ExitEvent): ExitStop {
    const t = this.task(e.tid);
    const row = this.port.kernel.syscalls[t.regs.arch][e.nr] ?? unknownRow(e.nr);
    return new ExitStop(this.port.machine, t, row, e.text, this.returned(t), e.result);
  }

  private parkStop(t: Task): ParkStop {
    const stop = new ParkStop(this.port.machine, t, rowOf(t), callEntry(t), this.returned(t));
    void stop.args;
    return stop;
  }

  private checker(t: Task): (what: string) => void {
    const at = this.moves;
    return (what) => {
      if (this.moves > at)
        throw new Error(`cannot ${what}: the machine has moved on since ${nameOf(t)} of ${t.tid} was seen`);
    };
  }

  /** Edits of a call that is held at its entry: they are made when it is served. */
  private held(t: Task): Editor {
    const { loop, tampering, changes } = this.port;
    const args = new Map<number, bigint>();
    let result: { bits: bigint; error: boolean } | null = null;
    let registered = false;
    const at = this.moves;
    const check = (what: string): void => {
      if (this.moves !== at || loop.held !== t)
        throw new Error(`cannot ${what}: the machine has moved on since it stopped there`);
    };
    const register = (): void => {
      if (registered) return;
      registered = true;
      const end = tampering.add({
        enter: (who) => {
          if (who !== t) return;
          remove();
          changes.at(SITE.begin, () => {
            for (const [i, bits] of args) changes.argument(t, i, bits);
            if (result !== null) changes.result(t, result.bits, result.error, SITE.begin);
          });
        },
        exit: () => {},
      });
      const remove = (): void => {
        end();
        this.edits.delete(remove);
      };
      this.edits.add(remove);
    };
    return {
      check,
      signal: (signo) => changes.signalTask(t, signo),
      setArg: (i, bits) => {
        changes.now('change an argument');
        args.set(i, bits);
        register();
      },
      setResult: (bits, error) => {
        changes.now('skip the call');
        result = { bits, error };
        register();
      },
      serve: async () => {
        let served = false;
        loop.hooks.afterSyscall = (who) => who === t && (served = true);
        let exit: ExitStop | null = null;
        const own = (x: Task): boolean => x === t;
        const other = (e: MachineEvent): boolean =>
          e.type === 'exit' && e.tid === t.tid && (exit = this.exitStop(e)) !== null;
        try {
          await this.next({ ...NOTHING, exit: own, other }, () => served);
        } finally {
          delete loop.hooks.afterSyscall;
        }
        if (exit !== null) {
          void (exit as ExitStop).args;
          return exit;
        }
        if (t.state === 'parked') return this.parkStop(t);
        throw new NotReachedError(
          `${t.row?.name ?? 'the call'} of ${t.tid} did not return: the task is ${t.state}`,
        );
      },
      finish: async () => await this.nextExit(undefined, { tid: t.tid }),
    };
  }

  /** Edits behind a call. */
  private returned(t: Task): Editor {
    const { changes } = this.port;
    const no = async (): Promise<never> => {
      throw new Error('the call has returned already');
    };
    return {
      signal: (signo) => changes.signalTask(t, signo),
      check: this.checker(t),
      setArg: () => {},
      setResult: (bits, error) => changes.result(t, bits, error, null),
      serve: no,
      finish: no,
    };
  }

  /** Edits from a hook. */
  private atOnce(t: Task, site: Site): Editor {
    const { changes } = this.port;
    const no = async (): Promise<never> => {
      throw new Error('a hook cannot run the machine');
    };
    return {
      check: () => {},
      signal: (signo) => changes.signalTask(t, signo),
      setArg: (i, bits) => changes.argument(t, i, bits),
      setResult: (bits, error) => changes.result(t, bits, error, site),
      serve: no,
      finish: no,
    };
  }
}

function nameOf(t: Task): string {
  return t.row?.name ?? `syscall_0x${(t.nr >>> 0).toString(16)}`;
}

function rowOf(t: Task): SyscallRow {
  return t.row ?? unknownRow(t.nr);
}

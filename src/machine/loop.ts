/**
 * The one loop: pick a task, run the cpu, hand its exit to the kernel. Synchronous: it returns when nothing can run, when
 * the machine is over, when its host asked for the floor, or when somebody wants to look.
 */
import { EXIT, type PageTable, type SteppingCore, type TaskRegs } from '../../cpu/index.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { MachineCpu } from './cpus.ts';

/** Why `run` came back. */
export type LoopEnd =
  /** The first process is gone: kernel.exitStatus. */
  | 'over'
  /** Nobody can run before kernel.nextDeadline() or an event from the host. */
  | 'idle'
  /** The time slice is used up: let the host's event loop breathe, then come back. */
  | 'slice'
  /** `stop` was asked for (by a hook). */
  | 'stopped';

/** Hooks of whoever watches or steps the machine. All optional: an absent one costs a comparison. */
export interface LoopHooks {
  /** The task is at a system call that was not begun. True: stop here; the next `run` begins it. */
  beforeSyscall?(t: Task): boolean;
  /** The call returned, parked or the task is gone. True: stop. */
  afterSyscall?(t: Task): boolean;
  /** Instructions retired by the cpu (the virtual clock). */
  ran?(instructions: number): void;
  /** Now and then between system calls, and before `run` returns: what the guest sent may leave. True: something did. */
  flush?(): boolean;
  /** An instruction the cpu does not know; its bytes at t.regs.pc. */
  undefinedInstruction?(t: Task): void;
  /** The debugger's: the cpu stopped with the task in the middle of a run, which goes on as if it had not. True: stop here. */
  debug?(t: Task): boolean;
  /** The loop is in round `inputRound`, at this place: what a recording has for it comes in now. False: nothing did. */
  input?(place: Place): boolean;
}

/** Where in a round the loop is; together with `rounds` this orders all that comes from outside. */
export const PLACE = {
  /** The task is ready to run, its woken call and its signals are dealt with. */
  prepared: 0,
  /** It is at a system call that was not begun. */
  call: 1,
  /** The round is over; timers that were due have fired. */
  between: 2,
} as const;
export type Place = (typeof PLACE)[keyof typeof PLACE];

/** Rounds between looks at the clock. */
const CLOCK_EVERY = 65;
/** Rounds between looks at the host's clock. */
const SLICE_EVERY = 64;

export class Loop {
  readonly kernel: Kernel;
  readonly cpu: MachineCpu;
  hooks: LoopHooks = {};
  /** Asks `run` to return 'stopped' at the next opportunity. */
  stop = false;
  /**
   * Rounds begun: times a task was picked to run, or timers fired because nobody could. On a virtual clock this is a function
   * of the seed and of what came in from outside, whatever runs the instructions, however fast the host is and whoever steps.
   */
  rounds = 0;
  /** The round in which `hooks.input` is to be called; −1: none. */
  inputRound = -1;
  /** The round after which deadlines are looked at again: part of the schedule. */
  private clockAt = 0;
  /** A system call that a hook held back. */
  private pending: Task | null = null;
  /** Tasks whose calls were held back and which may not run now (Scheduler.only); null: none. */
  private shelved: Set<Task> | null = null;
  /** A task that was ready to run when the loop had to stop. */
  private prepared: Task | null = null;
  /** It was not quite ready: somebody stopped it on its way to user mode. */
  private early = false;
  /** Instructions the prepared task did before its debugger stopped it: they count when its run is over. */
  private begun = 0;

  constructor(kernel: Kernel, cpu: MachineCpu) {
    this.kernel = kernel;
    this.cpu = cpu;
  }

  /** Its place in the run (Stateful). */
  saveState(): object {
    const { rounds, clockAt, pending, shelved, prepared, early, begun, inputRound } = this;
    return {
      rounds,
      clockAt,
      pending,
      shelved: shelved && new Set(shelved),
      prepared,
      early,
      begun,
      inputRound,
    };
  }
  restoreState(state: object): void {
    Object.assign(this, state);
    this.shelved = this.shelved && new Set(this.shelved);
    this.stop = false;
  }

  /** Runs for about `milliseconds` of host time (Infinity: until something else ends it). */
  run(milliseconds: number): LoopEnd {
    const end = this.turn(milliseconds);
    this.hooks.flush?.();
    return end;
  }

  /** The task that is held at a call it has not begun. */
  get held(): Task | null {
    return this.pending;
  }

  /** Where it stands while it does not run. */
  get place(): Place {
    return this.pending ? PLACE.call : this.prepared ? PLACE.prepared : PLACE.between;
  }

  /** It stands in the middle of a task's way to user mode: between a woken call's end and a signal, or two signals. */
  get cut(): boolean {
    return this.prepared !== null && this.early;
  }

  /** It stands between two instructions of a task's run. */
  get midRun(): boolean {
    return this.begun > 0;
  }

  private turn(milliseconds: number): LoopEnd {
    const { kernel, cpu } = this;
    const { scheduler, clock } = kernel;
    const end = milliseconds === Infinity ? Infinity : performance.now() + milliseconds;
    let untilSlice = 0;
    if (this.pending) {
      const t = this.pending;
      this.pending = null;
      if (this.serve(t)) return 'stopped';
    }
    for (;;) {
      if (kernel.exitStatus !== null) return 'over';
      if (this.rounds >= this.clockAt && this.prepared === null) {
        this.clockAt = this.rounds + CLOCK_EVERY;
        const now = clock.monotonic();
        if (kernel.nextDeadline() <= now) kernel.expire(now);
      }
      if (this.rounds === this.inputRound && this.prepared === null) this.hooks.input?.(PLACE.between);
      if (this.stop) {
        this.stop = false;
        return 'stopped';
      }
      if (--untilSlice < 0) {
        untilSlice = SLICE_EVERY;
        this.hooks.flush?.();
        if (end !== Infinity && performance.now() > end) return 'slice';
      }
      let t = this.prepared;
      const { only } = scheduler;
      if (t !== null && scheduler.current === t && (only === null || only(t))) this.prepared = null;
      else {
        if (this.begun > 0) this.endRun();
        this.prepared = null;
        t = scheduler.pick();
        if (t === null) {
          // What leaves makes room, which somebody may wait for.
          if (this.hooks.flush?.()) continue;
          const now = clock.monotonic();
          if (kernel.nextDeadline() > now) return 'idle';
          this.rounds++;
          kernel.expire(now);
          continue;
        }
        this.rounds++;
      }
      if (this.shelved !== null && this.shelved.has(t)) {
        this.shelved.delete(t);
        if (this.shelved.size === 0) this.shelved = null;
        if (t.group.groupExit === null) {
          if (this.serve(t)) return 'stopped';
          continue;
        }
      }
      if (this.begun > 0 && t.group.groupExit !== null) this.endRun(t);
      if (this.begun === 0 && !kernel.prepareUser(t)) {
        // Cut short by somebody who looks: it goes on with this task, in this round.
        if (this.stop && scheduler.current === t) {
          this.prepared = t;
          this.early = true;
        }
        continue;
      }
      if (this.rounds === this.inputRound && this.begun === 0 && this.hooks.input?.(PLACE.prepared)) {
        this.prepared = t;
        this.early = false;
        continue;
      }
      // A hook may have asked to stop at what happened on the way (a woken call's exit, a signal).
      if (this.stop) {
        this.prepared = t;
        this.early = false;
        continue;
      }
      let exit: number;
      if (scheduler.singly > 0) exit = this.walk(t);
      else {
        exit = cpu.run(
          t.regs as unknown as TaskRegs,
          t.mm.pageTable as unknown as PageTable,
          scheduler.left - this.begun,
        );
        const retired = this.begun + cpu.retired;
        if (exit === EXIT.debug) {
          this.begun = retired;
          this.prepared = t;
          this.early = false;
          if (this.hooks.debug?.(t)) return 'stopped';
          continue;
        }
        this.begun = 0;
        scheduler.ran(t, retired);
        if (this.hooks.ran) this.hooks.ran(retired);
      }
      if (exit === EXIT.syscall) {
        if (this.hooks.beforeSyscall?.(t)) {
          this.pending = t;
          return 'stopped';
        }
        if (this.serve(t)) return 'stopped';
        continue;
      }
      this.clockAt = Math.min(this.clockAt, this.rounds + 1);
      untilSlice = Math.min(untilSlice, 1);
      this.act(t, exit);
    }
  }

  /** A run that a debugger stopped does not go on: the task did so much and no more. This is not what it would have done alone. */
  endRun(t: Task | null = this.prepared): void {
    if (t === null || this.begun === 0) return;
    const { begun } = this;
    this.begun = 0;
    this.kernel.scheduler.ran(t, begun);
    this.hooks.ran?.(begun);
  }

  /** Instructions the task did since its run began and a debugger stopped it. */
  doneBy(t: Task): number {
    return this.prepared === t ? this.begun : 0;
  }

  /** A schedule stops a task between two instructions: those before it are done one by one. */
  private walk(t: Task): number {
    const cpu = this.cpu as MachineCpu & SteppingCore;
    const { scheduler } = this.kernel;
    const table = t.mm.pageTable as unknown as PageTable;
    let walked = 0;
    let exit: number = EXIT.stop;
    while (walked < scheduler.singly && exit === EXIT.stop) {
      exit = cpu.step(t.regs as unknown as TaskRegs, table);
      walked += cpu.retired;
    }
    scheduler.walked(t, walked);
    if (this.hooks.ran) this.hooks.ran(walked);
    return exit === EXIT.stop ? EXIT.preempt : exit;
  }

  private serve(t: Task): boolean {
    if (this.rounds === this.inputRound) this.hooks.input?.(PLACE.call);
    const { only } = this.kernel.scheduler;
    if (only !== null && !only(t)) {
      (this.shelved ??= new Set()).add(t);
      return false;
    }
    this.kernel.syscall(t);
    return this.hooks.afterSyscall?.(t) ?? false;
  }

  private act(t: Task, exit: number): void {
    const { kernel, cpu } = this;
    const { pc } = t.regs;
    switch (exit) {
      case EXIT.preempt:
        return;
      case EXIT.fault:
        kernel.fault(t, cpu.faultAddress, cpu.faultAccess);
        return;
      case EXIT.divide:
        kernel.exception(t, 'divide', pc);
        return;
      case EXIT.undefined:
        this.hooks.undefinedInstruction?.(t);
        kernel.exception(t, 'undefined', pc);
        return;
      case EXIT.breakpoint:
        kernel.exception(t, 'breakpoint', pc);
        return;
      case EXIT.alignment:
        kernel.exception(t, 'alignment', Number(cpu.faultAddress));
        return;
      case EXIT.simd:
      case EXIT.x87:
        kernel.exception(t, 'fp', pc);
        return;
      default:
        kernel.exception(t, 'gp', pc);
    }
  }
}

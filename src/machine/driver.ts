/** Drives a machine's loop: slice by slice, waiting when nobody can run, until the guest ends or whoever asked has what he wants. */
import { LockstepDifference } from '../../cpu/index.ts';
import type { Explanation } from '../explain/types.ts';
import type { VirtualClock } from '../host/clock.ts';
import { breathe, every, sleep } from '../host/wait.ts';
import { MalformedError } from '../record/bytes.ts';
import { DivergenceError, RecordingEndError } from '../record/errors.ts';
import type { Assembly } from './assemble.ts';
import { DeadlockError, InternalError, LivelockError, StoppedError, TimeLimitError } from './errors.ts';
import type { LoopEnd } from './loop.ts';
import type { BootOptions } from './options.ts';
import { type ExitStatus, exitStatus } from './status.ts';
import { undefinedInstructionReporter } from './undefined-instruction.ts';
import { waitsForSignal } from './waiting.ts';

/** Host milliseconds the guest runs before the host's event loop gets its turn. */
const SLICE_MS = 10;
/** Host milliseconds between writes of what is recorded. */
const FLUSH_MS = 100;

/** What a driver asks and tells the rest of its machine. */
export interface DriverPort {
  /** A run begins: what was seen of the machine before is history. */
  begins(): void;
  /** Only one task may run, and it cannot: the machine is not idle, it is done for now. */
  stuckAlone(): boolean;
  explain(): Explanation;
  /** The same, when the guest has run on for a while. */
  explainBusy(): Explanation;
  /** The first process is gone. */
  ended(status: ExitStatus): void;
}

export class Driver {
  private readonly assembly: Assembly;
  private readonly port: DriverPort;
  private readonly virtual: VirtualClock | null;
  /** Instructions retired by all tasks. */
  instructions = 0;
  private running = false;
  private disposed = false;
  private stopRequested = false;
  private livelocked = false;
  private deadlockReported = false;
  private inLoop = false;
  /** When the guest's time is over, nanoseconds of the virtual clock; Infinity: never. */
  private givenTime = Infinity;
  /** The same; Infinity once that was said. */
  private endOfTime = Infinity;
  /** BootOptions.closed. */
  private readonly closed: boolean;
  /** Something came from outside since the last slice began. */
  private kicked = false;
  /** Ends the wait of an idle machine. */
  private wakeUp: (() => void) | null = null;
  /** Host milliseconds spent with nothing to do, and since when there has been nothing. */
  private idleMs = 0;
  private idleSince: number | null = null;
  private readonly resters = new Set<() => void>();
  private resting = false;
  /** Called when every task of the guest has stopped (job control) and nothing else can run. */
  whenStopped: (() => void) | null = null;

  constructor(assembly: Assembly, options: BootOptions, port: DriverPort) {
    this.assembly = assembly;
    this.port = port;
    this.virtual = assembly.virtual;
    this.timeLimit = options.limits?.time ?? Infinity;
    this.closed = options.closed ?? false;
    const { loop, network, recorder, replayer } = assembly;
    if (recorder) recorder.ended = every(FLUSH_MS, () => recorder.flush());
    loop.hooks.ran = (n) => {
      this.instructions += n;
      if (this.virtual === null) return;
      this.virtual.ran(n);
      if (this.virtual.monotonic() >= this.endOfTime) loop.stop = true;
    };
    const { report } = assembly.owners.options(options);
    if (report) loop.hooks.undefinedInstruction = undefinedInstructionReporter(report);
    const flush = (): boolean => network.flush();
    loop.hooks.flush = recorder ? () => recorder.outside(flush) : flush;
    if (replayer) loop.hooks.input = (place) => replayer.deliver(place);
    assembly.onInput(() => this.kick());
    network.idleTime = () => this.idleMs + (this.idleSince === null ? 0 : performance.now() - this.idleSince);
  }

  /** Nanoseconds of the virtual clock the guest has; Infinity: all there are. */
  set timeLimit(limit: number) {
    this.givenTime = this.endOfTime = limit;
  }

  /** How the guest ended; null while it has not. */
  get status(): ExitStatus | null {
    const { exitStatus: status } = this.assembly.kernel;
    return status === null ? null : exitStatus(status);
  }

  /** Nothing is in the middle of anything: the machine may be saved. */
  get canSave(): boolean {
    return !this.running || this.resting;
  }

  /** Throws Error while the machine runs or after its end. */
  checkRestore(): void {
    if (this.running) throw new Error('the machine is running: restore between run, runTo and step');
    if (this.disposed) throw new Error('the machine was disposed of');
  }

  /** It is at another moment now: what stopped it is not there any more. */
  restored(): void {
    this.stopRequested = this.livelocked = false;
    this.endOfTime = this.givenTime;
  }

  /** Calls `callback` between two slices and before the first. Returns what ends it. */
  onRest(callback: () => void): () => void {
    this.resters.add(callback);
    return () => this.resters.delete(callback);
  }

  /** Stops at once, in the middle of what happens between user mode and user mode. */
  pause(): void {
    this.assembly.loop.stop = true;
    this.assembly.kernel.pausing = true;
  }

  /** Something came from outside: an idle machine looks again. */
  kick(): void {
    this.kicked = true;
    this.wakeUp?.();
  }

  /** Ends what drives it, wherever the guest is: it throws StoppedError. */
  stop(): void {
    this.stopRequested = true;
    this.assembly.loop.stop = true;
    this.kick();
  }

  /** The same for a livelock that was found: LivelockError. */
  livelock(): void {
    this.livelocked = this.assembly.loop.stop = true;
  }

  /** Ends it for good. False: it has ended already. */
  dispose(): boolean {
    if (this.disposed) return false;
    this.disposed = true;
    const { kernel, recorder } = this.assembly;
    recorder?.end(kernel.exitStatus === null ? 'stopped' : 'exited');
    this.stop();
    return true;
  }

  /**
   * Runs until `done` says so: it is asked at the start, whenever something stops the loop, and every few milliseconds; or to the
   * end. Throws the errors that `Machine.run` tells of.
   */
  async drive(done: () => boolean): Promise<void> {
    if (this.running) throw new Error('the machine is running already');
    if (this.disposed) throw new Error('the machine was disposed of');
    const { kernel, recorder, replayer, network } = this.assembly;
    this.running = true;
    this.port.begins();
    try {
      while (kernel.exitStatus === null && !done()) {
        if (this.stopRequested) throw new StoppedError();
        this.replayEnd();
        replayer?.resting();
        if (this.resters.size > 0) this.rest();
        this.kicked = false;
        const end = this.slice(SLICE_MS);
        if (this.virtual !== null && this.virtual.monotonic() >= this.endOfTime) this.timeIsOver();
        if (this.livelocked) throw new LivelockError(this.port.explain());
        if (end === 'slice') await breathe();
        else if (end === 'idle' && !this.port.stuckAlone()) await this.idle();
      }
    } catch (e) {
      recorder?.end(recordedEnd(e));
      throw e;
    } finally {
      this.running = false;
    }
    if (kernel.exitStatus !== null) {
      recorder?.end('exited');
      network.guestGone();
      await network.allSent();
      this.port.ended(this.status!);
    }
  }

  /** Runs on for up to so many milliseconds in one go, while somebody can: for a look at what they do. Not while in the loop. */
  runOn(milliseconds: number): void {
    const { scheduler } = this.assembly.kernel;
    const end = performance.now() + milliseconds;
    for (let left = milliseconds; left > 0 && scheduler.runnable > 0; left = end - performance.now()) {
      if (this.slice(left) !== 'slice') break;
    }
  }

  /** Whether `runOn` would do anything. */
  get canRunOn(): boolean {
    const { kernel } = this.assembly;
    return !this.inLoop && kernel.scheduler.runnable > 0 && kernel.exitStatus === null;
  }

  private rest(): void {
    this.resting = true;
    for (const f of this.resters) f();
    this.resting = false;
  }

  /** The guest would go on, and its recording does not. */
  private replayEnd(): void {
    const { replayer } = this.assembly;
    if (!replayer?.ended || replayer.ended === 'exited') return;
    if (replayer.ended === 'deadlock') throw new DeadlockError(this.port.explain());
    throw replayer.endError();
  }

  private timeIsOver(): void {
    if (this.assembly.kernel.exitStatus !== null) return;
    const limit = this.endOfTime;
    this.endOfTime = Infinity;
    throw new TimeLimitError(limit, this.port.explainBusy());
  }

  private slice(milliseconds: number): LoopEnd {
    const { kernel, loop, recorder, replayer } = this.assembly;
    this.inLoop = true;
    kernel.pausing = false;
    try {
      if (recorder) recorder.busy = true;
      const end = loop.run(milliseconds);
      replayer?.compare();
      return end;
    } catch (e) {
      if (e instanceof MalformedError && replayer) throw replayer.malformed(e);
      if (e instanceof LockstepDifference || e instanceof DivergenceError || e instanceof RecordingEndError)
        throw e;
      if (this.assembly.owners.threw(e)) throw e;
      const t = kernel.scheduler.current;
      const doing = t?.row
        ? `${t.row.name} was served for ${t.tid} (${t.comm})`
        : t
          ? `${t.tid} (${t.comm}) ran`
          : '';
      throw new InternalError(e, doing);
    } finally {
      this.inLoop = false;
      if (recorder) recorder.busy = false;
    }
  }

  /** Nobody can run: waits for the next deadline or for the host. */
  private async idle(): Promise<void> {
    const { kernel, pumps, recorder, replayer } = this.assembly;
    if (replayer) {
      if (replayer.ended === null || replayer.ended === 'exited') replayer.idle();
      return;
    }
    const deadline = kernel.nextDeadline();
    const live = pumps.some((p) => p.live) || this.assembly.live();
    if (this.virtual) {
      // Let what the host already holds come in first; then time has nothing to wait for.
      if (live) await breathe();
      if (this.kicked) return;
      if (deadline !== Infinity && !(recorder && live))
        return this.skipTo(Math.min(deadline, this.endOfTime));
    }
    if (deadline === Infinity && !live && (this.closed || !this.waitsForSignals())) {
      if (this.closed || !this.assembly.reachable()) throw new DeadlockError(this.port.explain());
      this.reportDeadlock();
    }
    if (this.allStopped()) this.whenStopped?.();
    if (this.kicked) return;
    // The clock of a recorded machine goes on with the host's.
    const until = recorder ? Math.min(deadline, this.endOfTime) : deadline;
    const { wait, cancel } = sleep(until === Infinity ? Infinity : (until - kernel.clock.monotonic()) / 1e6);
    this.idleSince = performance.now();
    await new Promise<void>((resolve) => {
      this.wakeUp = resolve;
      void wait.then(resolve);
    });
    const idle = performance.now() - this.idleSince;
    this.idleMs += idle;
    this.idleSince = null;
    this.wakeUp = null;
    cancel();
    // What lies in wait on a virtual clock has its moment: not after it.
    if (recorder) this.skipTo(Math.min(until, kernel.clock.monotonic() + Math.floor(idle * 1e6)));
    // What else came at the same time comes in first: the guest then sees all of it in one epoll_wait.
    if (this.kicked) await breathe();
  }

  private skipTo(time: number): void {
    this.assembly.recorder?.timePasses(time);
    this.virtual!.skipTo(time);
  }

  private reportDeadlock(): void {
    if (this.deadlockReported) return;
    this.deadlockReported = true;
    this.assembly.kernel.report(
      `nothing in the guest can run until something from outside reaches it: ${this.port.explain().cause}`,
    );
  }

  /** Some task sleeps until a signal comes (pause, sigsuspend): a host can always send one. */
  private waitsForSignals(): boolean {
    return [...this.assembly.kernel.processes.tasks.values()].some(waitsForSignal);
  }

  private allStopped(): boolean {
    const tasks = [...this.assembly.kernel.processes.tasks.values()];
    return tasks.every((t) => t.state === 'stopped' || t.state === 'zombie' || t.state === 'dead');
  }
}

/** How a recording says that the machine ended so. */
function recordedEnd(e: unknown): 'deadlock' | 'stopped' | 'failed' {
  if (e instanceof DeadlockError) return 'deadlock';
  const stopped = e instanceof StoppedError || e instanceof LivelockError || e instanceof TimeLimitError;
  return stopped ? 'stopped' : 'failed';
}

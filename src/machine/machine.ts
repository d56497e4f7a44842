/** A Linux machine for one program: boots it, runs or steps it, and lets its host look inside. */
import type { Injection } from '../../kernel/inject/rule.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { GuestConnection } from '../host/host-net.ts';
import type { Arch } from '../../kernel/ports.ts';
import { sendToGroup, sendToPgrp } from '../../kernel/signal/send.ts';
import { readCall } from '../../kernel/syscall/dispatch.ts';
import type { Task } from '../../kernel/task/task.ts';
import { signalNumber } from '../../kernel/trace/tables.ts';
import type { Tracer } from '../../kernel/trace/tracer.ts';
import type { VirtualClock } from '../host/clock.ts';
import { SeededEntropy } from '../host/entropy.ts';
import type { InputPump } from '../host/input.ts';
import { breathe, every, sleep } from '../host/wait.ts';
import type { CallNames, NamesIn, TaskChoice } from '../step/filter.ts';
import type { EnterStop, ExitStop, ParkStop } from '../step/stops.ts';
import { type CallHook, type StepOptions, Stepper, type Wanted } from '../step/stepper.ts';
import { Tampering } from '../step/tampering.ts';
import { assemble, type Assembly } from './assemble.ts';
import { LockstepDifference, type CompilerStats } from '../../cpu/index.ts';
import { explain } from '../explain/explain.ts';
import { LivelockDetector } from '../explain/livelock.ts';
import { quitKey, quitKills } from '../explain/quit.ts';
import type { Explanation } from '../explain/types.ts';
import { Debugger } from '../debug/debugger.ts';
import { Contention } from '../explore/search.ts';
import { scheduleText } from '../explore/schedule.ts';
import { DeadlockError, InternalError, LivelockError, StoppedError, TimeLimitError } from './errors.ts';
import { Snapshots, type Snapshot } from '../timeline/snapshots.ts';
import { undefinedInstructionReporter } from './undefined-instruction.ts';
import { EventCount } from './event-count.ts';
import {
  enterEvent,
  EventTracer,
  type Listeners,
  type MachineEvent,
  type SignalEvent,
  TracerList,
} from './events.ts';
import { readGuestFile, writeGuestFile } from './guest-files.ts';
import type { Loop, LoopEnd } from './loop.ts';
import type { BootOptions, FileContent, ReplayOptions } from './options.ts';
import { MalformedError } from '../record/bytes.ts';
import type { Recording } from '../record/format.ts';
import { replayOptions } from '../record/options.ts';
import type { Recorder } from '../record/recorder.ts';
import { DivergenceError, RecordingEndError, type ReplayActions, Replayer } from '../record/replayer.ts';
import { readRegisters, registerIndex, type RegisterName, type Registers } from './registers.ts';
import { type ExitStatus, exitStatus } from './status.ts';
import { entryPoint, isPositionIndependent, readSymbols } from './symbols.ts';
import { describeTask, waitsForSignal } from './waiting.ts';

/** Host milliseconds the guest runs before the host's event loop gets its turn. */
const SLICE_MS = 10;
/** Host milliseconds between writes of what is recorded. */
const FLUSH_MS = 100;
const SI_KERNEL = 0x80;

export interface TaskInfo {
  readonly tid: number;
  readonly pid: number;
  /** comm: up to 15 bytes. */
  readonly name: string;
  readonly state: 'runnable' | 'parked' | 'stopped' | 'zombie' | 'dead';
  /** "101 (sh) in wait4 for children of 101". */
  readonly waiting: string;
  /** Instructions retired. */
  readonly instructions: number;
}

export interface MachineStats {
  /** Instructions retired by all tasks. */
  readonly instructions: number;
  /** Bytes of guest memory in use now. */
  readonly memory: number;
  /** What was compiled; null: nothing is, on this core. How it was used is counted with BootOptions.stats. */
  readonly compiler: CompilerStats | null;
}

type ListenerSets = { [K in keyof Listeners]: Set<Listeners[K]> };

export class Machine {
  private readonly kernel: Kernel;
  private readonly loop: Loop;
  private readonly virtual: VirtualClock | null;
  private readonly assembly: Assembly;
  private readonly pumps: readonly InputPump[];
  private readonly listeners: ListenerSets = { syscall: new Set(), signal: new Set(), exit: new Set() };
  private readonly userTracer: Tracer | null;
  private readonly events = new EventTracer((e) => this.heard(e));
  private readonly count: EventCount | null;
  private readonly tampering: Tampering;
  private readonly recorder: Recorder | null;
  private readonly replayer: Replayer | null;
  private readonly stepper: Stepper;
  /** What `steps` are wanted; null: all. */
  private wanted: Wanted | null = null;
  /** Steps seen and not yet handed out. */
  private readonly steps: MachineEvent[] = [];
  private debugging: Debugger | null = null;
  private stepping = false;
  private running = false;
  private stopRequested = false;
  private disposed = false;
  /** Ends the wait of an idle machine. */
  private wakeUp: (() => void) | null = null;
  private kicked = false;
  /** Host milliseconds spent with nothing to do, and since when there has been nothing. */
  private idleMs = 0;
  private idleSince: number | null = null;
  private symbolTable: Map<string, number> | null = null;
  private instructions = 0;
  private stoppedCallback: (() => void) | null = null;
  private deadlockReported = false;
  /** Watches for a livelock: with BootOptions.livelock all the time. */
  private detector: LivelockDetector | null = null;
  private livelocked = false;
  /** When the guest's time is over, nanoseconds of the virtual clock; Infinity: never. */
  private timeLimit: number;
  private inLoop = false;
  private snapshots: Snapshots | null = null;
  private readonly resters = new Set<() => void>();
  private resting = false;

  /**
   * Boots a machine with the program loaded and nothing executed yet. Throws BootError when the program, a mount or a
   * port cannot be had.
   */
  static async boot(options: BootOptions): Promise<Machine> {
    return new Machine(await assemble(options), options);
  }

  /**
   * Boots the machine of a recording. It runs as it did, event by event, and takes nothing from outside; `run` and `step` throw
   * DivergenceError where it does not, and RecordingEndError where the recording ends before the guest does.
   */
  static async replay(recording: Recording, options: ReplayOptions = {}): Promise<Machine> {
    const boot = replayOptions(recording.header.options, options);
    return new Machine(await assemble(boot, new Replayer(recording)), boot);
  }

  private constructor(assembly: Assembly, options: BootOptions) {
    this.assembly = assembly;
    this.kernel = assembly.kernel;
    this.loop = assembly.loop;
    this.virtual = assembly.virtual;
    this.pumps = assembly.pumps;
    this.userTracer = options.tracer ?? null;
    const { recorder, replayer } = assembly;
    this.recorder = recorder;
    if (recorder) recorder.ended = every(FLUSH_MS, () => recorder.flush());
    this.replayer = replayer;
    this.count = recorder?.log ?? replayer?.log ?? (options.countEvents ? new EventCount() : null);
    if (this.count) this.count.reached = () => this.pause();
    this.tampering = new Tampering(this.kernel, () =>
      assembly.seed === undefined ? this.kernel.entropy : new SeededEntropy(`inject ${assembly.seed}`),
    );
    this.stepper = new Stepper({
      machine: this,
      kernel: this.kernel,
      loop: this.loop,
      tampering: this.tampering,
      next: (wanted, done) => this.nextEvent(wanted, done),
    });
    for (const what of options.inject ?? []) this.tampering.inject(what);
    this.loop.hooks.ran = (n) => {
      this.instructions += n;
      if (this.virtual === null) return;
      this.virtual.ran(n);
      if (this.virtual.monotonic() > this.timeLimit) this.loop.stop = true;
    };
    this.timeLimit = options.limits?.time ?? Infinity;
    if (options.report) this.loop.hooks.undefinedInstruction = undefinedInstructionReporter(options.report);
    const flush = (): boolean => assembly.network.flush();
    this.loop.hooks.flush = recorder ? () => recorder.outside(flush) : flush;
    if (replayer) {
      this.loop.hooks.input = (place) => replayer.deliver(place);
      replayer.started(this.replayActions());
    }
    assembly.onInput(() => this.kick());
    assembly.network.idleTime = () =>
      this.idleMs + (this.idleSince === null ? 0 : performance.now() - this.idleSince);
    if (options.livelock !== undefined) {
      this.detector = new LivelockDetector(this.kernel, options.livelock, () => {
        this.livelocked = this.loop.stop = true;
      });
    }
    this.watch();
  }

  /** Runs to the end of the first process. Throws DeadlockError when nothing can ever run again, LivelockError as BootOptions.livelock says. */
  async run(): Promise<ExitStatus> {
    await this.drive(() => false);
    return this.status!;
  }

  /**
   * Runs to the next event: a call's entry (before the kernel acts: memory and registers may be changed) or its exit, a
   * signal, the end of a task; `end` when the machine is over, as often as it is asked.
   */
  async step(): Promise<MachineEvent>;
  /** The same of one task while nobody else runs; a ParkStop when it sleeps and cannot go on alone. */
  async step(options: { readonly task: number }): Promise<MachineEvent | ParkStop>;
  async step(options?: { readonly task: number }): Promise<MachineEvent | ParkStop> {
    return options ? await this.stepper.stepAlone(options.task) : (await this.nextEvent(null))!;
  }

  private async nextEvent(wanted: Wanted | null, done = (): boolean => false): Promise<MachineEvent | null> {
    while (this.steps.length > 0) {
      const e = this.steps.shift()!; // something that happened at the same time as what was told last
      if (wanted === null || wanted.other(e)) return e;
    }
    if (this.status === null) {
      this.stepping = true;
      this.wanted = wanted;
      this.watch();
      try {
        await this.drive(() => this.steps.length > 0 || done() || this.stepper.stuckAlone());
      } finally {
        this.stepping = false;
        this.wanted = null;
        this.watch();
      }
    }
    return this.steps.shift() ?? (this.status === null ? null : { type: 'end', status: this.status });
  }

  /**
   * Runs to the next call of these names and stops at its entry: arguments, memory and registers may be changed, the call
   * skipped. Throws NotReachedError when the program ends first, DeadlockError when nothing can run any more.
   */
  async nextSyscall<const F extends CallNames>(
    names?: F,
    options?: StepOptions<NamesIn<F>, EnterStop<NamesIn<F>>>,
  ): Promise<EnterStop<NamesIn<F>>> {
    return await this.stepper.nextSyscall(names, options);
  }

  /** Runs until a call of these names has returned; its result may be changed. Throws as `nextSyscall`. */
  async nextExit<const F extends CallNames>(
    names?: F,
    options?: StepOptions<NamesIn<F>, ExitStop<NamesIn<F>>>,
  ): Promise<ExitStop<NamesIn<F>>> {
    return await this.stepper.nextExit(names, options);
  }

  /** Runs until a signal ("SIGUSR1"; any unless given) is acted on. Throws as `nextSyscall`. */
  async nextSignal(signal?: string, who?: TaskChoice): Promise<SignalEvent> {
    return await this.stepper.nextSignal(signal, who);
  }

  /** Steps until `predicate` holds for an event, and returns it. Throws as `nextSyscall`. */
  async until(predicate: (e: MachineEvent) => boolean): Promise<MachineEvent> {
    return await this.stepper.until(predicate);
  }

  /** Calls handlers at calls of these names, however the machine is run; they may change the call. Returns what ends it. */
  hook<const F extends CallNames>(
    names: F | undefined,
    handlers: CallHook<NamesIn<F>>,
    who?: TaskChoice,
  ): () => void {
    return this.stepper.hook(names, handlers, who);
  }

  /**
   * Runs until `position` events have happened, or to the end. When that is the entry of a call, the kernel has not acted yet.
   * Needs BootOptions.countEvents.
   */
  async runTo(position: number): Promise<void> {
    const count = this.needCount();
    if (count.position >= position) return;
    count.target = position;
    this.watch();
    try {
      await this.drive(() => count.position >= position);
    } finally {
      count.target = Infinity;
      this.watch();
    }
  }

  /** Events so far: what `step` tells of, numbered from 1. Needs BootOptions.countEvents. */
  get position(): number {
    return this.needCount().position;
  }

  /** Rounds of the machine's loop so far (see Loop.rounds): what comes from outside is bound to them. */
  get rounds(): number {
    return this.loop.rounds;
  }

  private needCount(): EventCount {
    if (this.count === null)
      throw new Error('this machine does not count its events: boot it with countEvents');
    return this.count;
  }

  /**
   * Runs until `done` says so: it is asked at the start, whenever a hook of the debugger's answers true, and every few
   * milliseconds. False: the machine is over.
   */
  async runUntil(done: () => boolean): Promise<boolean> {
    await this.drive(done);
    return this.status === null;
  }

  /**
   * Runs until a task (the first process's, unless `tid`) has executed exactly `n` more instructions; other tasks may run in
   * between, as they would have. A call is executed whole. False: the task ended first.
   */
  async stepInstructions(n = 1, tid?: number): Promise<boolean> {
    const t = this.task(tid);
    let done = false;
    this.debug.stopAfter(t, n, () => (done = true));
    try {
      await this.drive(() => done || t.state === 'dead' || t.state === 'zombie');
    } finally {
      this.debug.cancelCount();
    }
    return done;
  }

  /** For what lives beside the machine in this package. @internal */
  get internals(): { kernel: Kernel; loop: Loop; pause: () => void; kick: () => void } {
    return { kernel: this.kernel, loop: this.loop, pause: () => this.pause(), kick: () => this.kick() };
  }

  /** Hooks on instructions and memory. Throws RangeError on a core without (unicorn, lockstep). */
  get debug(): Debugger {
    if (this.debugging) return this.debugging;
    const { debug } = this.loop.cpu;
    if (!debug) throw new RangeError('this cpu core has no debugger; take jit or interp');
    this.debugging = new Debugger(this.kernel, this.loop, debug, () => this.watch());
    return this.debugging;
  }

  /** How it ended; null while it has not. */
  get status(): ExitStatus | null {
    return this.kernel.exitStatus === null ? null : exitStatus(this.kernel.exitStatus);
  }

  /** What the guest wrote so far, as UTF-8. Empty when stdout went elsewhere. */
  get stdout(): string {
    return this.assembly.stdout?.text() ?? '';
  }
  get stderr(): string {
    return this.assembly.stderr?.text() ?? '';
  }
  get stdoutBytes(): Uint8Array {
    return this.assembly.stdout?.bytes() ?? new Uint8Array();
  }
  get stderrBytes(): Uint8Array {
    return this.assembly.stderr?.bytes() ?? new Uint8Array();
  }

  /** Calls `listener` at each event of a kind, as it happens; it must not run the machine. Returns what ends it. */
  on<K extends keyof Listeners>(kind: K, listener: Listeners[K]): () => void {
    const set = this.listeners[kind] as Set<Listeners[K]>;
    set.add(listener);
    this.watch();
    return () => {
      set.delete(listener);
      this.watch();
    };
  }

  /**
   * Injects faults into calls from now on, as strace's `-e inject=` does: an expression like "openat:error=ENOENT:when=3+2", or
   * an object. Of several that name a call the last counts. Returns what ends it; throws RangeError.
   */
  inject(what: string | Injection): () => void {
    return this.tampering.inject(what);
  }

  /** Tasks alive, in order of creation. */
  get tasks(): TaskInfo[] {
    return [...this.kernel.processes.tasks.values()].map((t) => ({
      tid: t.tid, pid: t.pid, name: t.comm, state: t.state, waiting: describeTask(t), instructions: t.retired,
    })); // prettier-ignore
  }

  /** Sends a signal ("SIGTERM" or a number) to a process, or to the first one. */
  kill(signal: string | number = 'SIGTERM', pid?: number): void {
    const signo = typeof signal === 'number' ? signal : signalNumber(signal);
    if (signo < 1) throw new RangeError(`no such signal: ${signal}`);
    const group = pid === undefined ? this.kernel.processes.first : this.kernel.processes.group(pid);
    if (!group) throw new RangeError(`no such process in the guest: ${pid}`);
    this.mayChange();
    this.recorder?.signal(signo, group.pid);
    sendToGroup(group, { signo, code: 0, pid: 0, uid: 0 });
    this.kick();
  }

  /** What a terminal's keys or the host's own signals do: the foreground group of the terminal, or the first process. */
  signalForeground(signo: number): void {
    this.mayChange();
    this.recorder?.foreground(signo);
    this.toForeground(signo);
  }

  private toForeground(signo: number): void {
    const pgrp = this.assembly.foreground();
    const info = { signo, code: SI_KERNEL };
    if (pgrp > 0) sendToPgrp(this.kernel, pgrp, info);
    else if (this.kernel.processes.first) sendToGroup(this.kernel.processes.first, info);
    this.kick();
  }

  /**
   * The whole machine as it is: memory, registers, the kernel with all it holds, time and randomness, what was captured of
   * stdout and stderr. Not what is outside: files of host folders, connections, what an output function was given. Input that
   * comes later is there again after `restore`, at once. Throws Error while the machine runs, and on cpu cores that cannot.
   */
  snapshot(): Snapshot {
    if (this.running && !this.resting)
      throw new Error('the machine is running: take snapshots between run, runTo and step, or in onRest');
    const { instructions, rounds } = this;
    return this.saved().take({ instructions, rounds, position: this.count?.position ?? null });
  }

  /** Makes the machine what it was when the snapshot was taken, in an ended one too. Throws Error while it runs. */
  restore(s: Snapshot): void {
    if (this.running) throw new Error('the machine is running: restore between run, runTo and step');
    if (this.disposed) throw new Error('the machine was disposed of');
    if (this.recorder) throw new Error('the machine is being recorded: a recording does not go back');
    this.saved().restore(s);
    if (this.count) this.count.target = Infinity;
    this.stopRequested = this.livelocked = false;
    this.watch();
  }

  /**
   * Calls `callback` whenever a run begins and every few milliseconds while it goes on, between two instructions, when
   * snapshots can be taken. Returns what ends it.
   */
  onRest(callback: () => void): () => void {
    this.resters.add(callback);
    return () => this.resters.delete(callback);
  }

  private rest(): void {
    this.resting = true;
    for (const f of this.resters) f();
    this.resting = false;
  }

  /** Output functions are given only what is written beyond this moment, and nothing twice, whatever is restored. */
  outputOnce(): void {
    this.assembly.outputOnce();
  }

  /** A run of it is a function of its inputs, all of which it was given at boot. */
  get deterministic(): boolean {
    return this.replayer !== null || (this.kernel.options.seeded && this.virtual !== null);
  }

  private saved(): Snapshots {
    if (this.snapshots) return this.snapshots;
    const { kernel, loop, assembly } = this;
    const own = {
      saveState: () => ({ instructions: this.instructions, steps: [...this.steps] }),
      restoreState: (state: { instructions: number; steps: MachineEvent[] }) => {
        this.instructions = state.instructions;
        this.steps.splice(0, this.steps.length, ...state.steps);
      },
    };
    const roots = [
      kernel,
      loop,
      assembly.stdout,
      assembly.stderr,
      this.userTracer,
      this.events,
      this.count,
      own,
    ];
    this.snapshots = new Snapshots(
      loop.cpu,
      roots.filter((r) => r !== null),
      [kernel.syscalls, assembly.network],
    );
    return this.snapshots;
  }

  /** Ends `run` and `step`, wherever the guest is: they throw StoppedError. */
  stop(): void {
    this.stopRequested = true;
    this.loop.stop = true;
    this.kick();
  }

  /** Bytes of a task's memory (the first process's, unless `tid`), at an address or a symbol. Throws RangeError. */
  peek(where: number | string, length: number, tid?: number): Uint8Array {
    const address = this.address(where);
    const bytes = this.task(tid).mm.copyIn(address, length);
    if (bytes === null) throw new RangeError(`no readable memory at ${hexOf(address)} (${length} bytes)`);
    return bytes;
  }

  /** Writes memory the guest itself could write. Throws RangeError. */
  poke(where: number | string, bytes: Uint8Array, tid?: number): void {
    const address = this.address(where);
    this.recorder?.poke(this.task(tid).tid, address, bytes);
    if (this.task(tid).mm.copyOut(address, bytes) < 0) {
      throw new RangeError(`no writable memory at ${hexOf(address)} (${bytes.length} bytes)`);
    }
  }

  /** The architecture its programs are for. */
  get arch(): Arch {
    return this.kernel.options.arches[0];
  }

  /**
   * Registers by name, unsigned 64 bits: rax … r15, rip, rflags, fs_base, gs_base on x86_64; x0 … x30, sp, pc, pstate,
   * tpidr on aarch64. Asking for one the architecture does not have throws RangeError.
   */
  regs(tid?: number): Registers {
    return readRegisters(this.task(tid).regs);
  }

  setReg(name: RegisterName, value: bigint, tid?: number): void {
    const task = this.task(tid);
    const index = registerIndex(task.regs.arch, name);
    this.recorder?.register(task.tid, index, value);
    task.regs.set(index, value);
    this.debugging?.moved(task);
  }

  /** A file of the guest, bytes. Throws GuestFileError. */
  readFile(path: string): Uint8Array {
    return readGuestFile(this.kernel.vfs, this.kernel.processes.first?.leader ?? null, path);
  }
  /** The same as UTF-8 text. */
  readText(path: string): string {
    return new TextDecoder().decode(this.readFile(path));
  }
  /** Writes a whole file, with the directories it needs. Throws GuestFileError. */
  writeFile(path: string, content: FileContent): void {
    this.recorder?.writeFile(path, content);
    writeGuestFile(this.kernel.vfs, this.kernel.processes.first?.leader ?? null, path, content);
  }

  /**
   * A stream to a guest port from within this process. Emits 'connect' when the guest accepted; ECONNREFUSED when
   * nothing listens there any more. A port nothing has listened on yet keeps the connection waiting.
   */
  connect(port: number): GuestConnection {
    this.mayChange();
    return this.assembly.network.client(port);
  }

  /** Host ports of what was published, in the order of BootOptions.publish. */
  get ports(): readonly number[] {
    return this.assembly.ports();
  }

  /** Nanoseconds of the guest's monotonic clock since it booted. */
  get time(): number {
    return this.kernel.clock.monotonic();
  }

  get stats(): MachineStats {
    return {
      instructions: this.instructions,
      memory: this.kernel.ram.used * 4096,
      compiler: this.loop.cpu.compilerStats ?? null,
    };
  }

  /** Lines for people: what ran, in `ms` of host time. */
  statsLines(ms: number): string[] {
    const { instructions, memory, compiler } = this.stats;
    const mips = instructions / 1000 / Math.max(ms, 0.001);
    const lines = [
      `${instructions} instructions in ${ms.toFixed(1)} ms (${mips.toFixed(1)} million a second), ${(memory / 2 ** 20).toFixed(1)} MiB in use`,
    ];
    if (!compiler) return lines;
    const { regions, bytes, milliseconds, evicted, failure, exits } = compiler;
    lines.push(
      `compiled ${regions} regions of ${compiler.instructions} instructions into ${bytes} bytes in ${milliseconds.toFixed(1)} ms`,
    );
    if (evicted > 0) lines.push(`${evicted} of them made room for others`);
    if (failure !== null) lines.push(`some code stays interpreted, the compiler failed: ${failure}`);
    if (!exits) return lines;
    const { instructions: inside, entered, ...causes } = exits;
    const share = ((100 * inside) / Math.max(instructions, 1)).toFixed(1);
    const list = Object.entries(causes).map(([cause, n]) => `${cause} ${n}`);
    lines.push(
      `${inside} instructions (${share} %) ran compiled, in ${entered} visits that ended by: ${list.join(', ')}`,
    );
    return lines;
  }

  /**
   * What every task waits for, who could wake it, and in `cause` what is wrong, if anything is. For a look from outside:
   * between two steps, or while `run` waits. `explanationText` makes text of it.
   */
  explain(): Explanation {
    const reached = this.assembly.network.live || this.assembly.reachable();
    return explain(this.kernel, {
      connects: reached ? 'a connection from outside' : null,
      livelock: this.detector?.found() ?? null,
    });
  }

  /**
   * The same, after the machine has run on for up to `ms` milliseconds of host time if somebody can run: calls that are
   * repeated in vain are seen then. To be called while `run` or `step` waits (from a timer, say), not by a listener.
   */
  explainBusy(ms = 100): Explanation {
    const { scheduler } = this.kernel;
    if (this.inLoop || this.detector !== null || scheduler.runnable === 0 || this.status !== null)
      return this.explain();
    this.detector = new LivelockDetector(this.kernel);
    this.watch();
    try {
      const end = performance.now() + ms;
      for (let left = ms; left > 0 && scheduler.runnable > 0; left = end - performance.now()) {
        if (this.runLoop(left) !== 'slice') break;
      }
      return this.explain();
    } finally {
      this.detector = null;
      this.watch();
    }
  }

  /** What BootOptions.schedule decided so far that the scheduler would not have: a schedule itself. '' without one. */
  get schedule(): string {
    const { schedule } = this.assembly;
    return schedule === null ? '' : scheduleText(schedule.decisions);
  }

  /** With the schedule "none": instructions retired while another task could have run. Otherwise null. */
  get contention(): number | null {
    const policy = this.assembly.schedule?.policy;
    return policy instanceof Contention ? policy.instructions : null;
  }

  /** The byte the guest's terminal makes SIGQUIT of; null: none does. */
  get quitKey(): number | null {
    return quitKey(this.kernel);
  }
  /** Whether SIGQUIT to the foreground would end all of it. */
  get quitKills(): boolean {
    return quitKills(this.kernel);
  }

  /** Called once, when every task of the guest has stopped (job control) and nothing else can run. */
  whenStopped(callback: () => void): void {
    this.stoppedCallback = callback;
  }

  /** Lets go of terminals, ports and streams. The machine cannot run afterwards; memory and files can be read. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.recorder?.end(this.kernel.exitStatus === null ? 'stopped' : 'exited');
    this.stop();
    for (const p of this.pumps) p.stop();
    this.assembly.close();
  }

  /** A replay is what it is. */
  private mayChange(): void {
    if (this.replayer)
      throw new Error('a replay takes nothing from outside: signals and connections are the recorded ones');
  }

  private replayActions(): ReplayActions {
    return {
      signal: (signo, pid) => {
        const group = this.kernel.processes.group(pid);
        if (group) sendToGroup(group, { signo, code: 0, pid: 0, uid: 0 });
      },
      foreground: (signo) => this.toForeground(signo),
      poke: (tid, address, bytes) => void this.task(tid).mm.copyOut(address, bytes),
      register: (tid, index, value) => this.task(tid).regs.set(index, value),
      writeFile: (path, content) => this.writeFile(path, content),
      time: (to) => this.virtual!.skipTo(to),
      stop: () => (this.loop.stop = true),
    };
  }

  private task(tid?: number): Task {
    const t = tid === undefined ? this.kernel.processes.first?.leader : this.kernel.processes.task(tid);
    if (!t) throw new RangeError(`no such task in the guest: ${tid}`);
    return t;
  }

  private address(where: number | string): number {
    if (typeof where === 'number') return where;
    const { program } = this.assembly;
    this.symbolTable ??= readSymbols(program);
    const value = this.symbolTable.get(where);
    if (value === undefined) throw new RangeError(`no symbol '${where}' in the program`);
    return isPositionIndependent(program) ? value + this.assembly.entry - entryPoint(program) : value;
  }

  /** Puts together who must hear of calls; nobody is the fast case. */
  private watch(): void {
    const list: Tracer[] = this.userTracer ? [this.userTracer] : [];
    const heard = Object.values(this.listeners).some((s) => s.size > 0);
    if (heard || this.stepping) list.push(this.events);
    this.events.only = heard || this.wanted === null ? null : (t): boolean => this.wanted!.exit(t);
    if (this.detector !== null) list.push(this.detector);
    const { count } = this;
    if (count) list.push(count);
    if (this.debugging) list.push(...this.debugging.tracers);
    const taped = this.recorder !== null || this.replayer !== null;
    this.kernel.tracer =
      list.length === 0 ? null : list.length === 1 && !taped ? list[0] : new TracerList(list, !taped);
    if (this.stepping || (count && count.target !== Infinity)) {
      this.loop.hooks.beforeSyscall = (t) => {
        if (!this.stepping && count!.position + 1 < count!.target) return false;
        readCall(t);
        if (this.wanted !== null && !this.wanted.enter(t)) return false;
        count?.hold();
        if (this.stepping) this.steps.push(enterEvent(t));
        return true;
      };
    } else delete this.loop.hooks.beforeSyscall;
    const follower = this.debugging?.follower;
    if (!follower) return;
    const others = this.loop.hooks.beforeSyscall;
    this.loop.hooks.beforeSyscall = (t) => {
      const stops = follower.atCall(t);
      return others?.(t) === true || stops;
    };
  }

  private heard(e: MachineEvent): void {
    if (e.type === 'enter' || e.type === 'exit') for (const f of this.listeners.syscall) f(e);
    else if (e.type === 'signal') for (const f of this.listeners.signal) f(e);
    else for (const f of this.listeners.exit) f(e);
    if (this.stepping && e.type !== 'enter' && (this.wanted === null || this.wanted.other(e))) {
      this.steps.push(e);
      this.pause();
    }
  }

  /** Stops at once, in the middle of what happens between user mode and user mode. */
  private pause(): void {
    this.loop.stop = true;
    this.kernel.pausing = true;
  }

  /** Something came from outside: an idle machine looks again. */
  private kick(): void {
    this.kicked = true;
    this.wakeUp?.();
  }

  private async drive(done: () => boolean): Promise<void> {
    if (this.running) throw new Error('the machine is running already');
    if (this.disposed) throw new Error('the machine was disposed of');
    this.running = true;
    this.stepper.moved();
    try {
      while (this.kernel.exitStatus === null && !done()) {
        if (this.stopRequested) throw new StoppedError();
        this.replayEnd();
        if (this.resters.size > 0) this.rest();
        this.kicked = false;
        const end = this.runLoop(SLICE_MS);
        if (this.virtual !== null && this.virtual.monotonic() > this.timeLimit) this.timeIsOver();
        if (this.livelocked) throw new LivelockError(this.explain());
        if (end === 'slice') await breathe();
        else if (end === 'idle' && !this.stepper.stuckAlone()) await this.idle();
      }
    } catch (e) {
      this.recorder?.end(
        e instanceof DeadlockError
          ? 'deadlock'
          : e instanceof StoppedError || e instanceof LivelockError || e instanceof TimeLimitError
            ? 'stopped'
            : 'failed',
      );
      throw e;
    } finally {
      this.running = false;
    }
    if (this.kernel.exitStatus !== null) {
      this.recorder?.end('exited');
      this.assembly.network.guestGone();
      const status = this.status!;
      for (const f of this.listeners.exit) f({ type: 'end', status });
    }
  }

  /** The guest would go on, and its recording does not. */
  private replayEnd(): void {
    const { replayer } = this;
    if (!replayer?.ended || replayer.ended === 'exited') return;
    if (replayer.ended === 'deadlock') throw new DeadlockError(this.explain());
    throw replayer.endError();
  }

  private timeIsOver(): void {
    if (this.status !== null) return;
    const limit = this.timeLimit;
    this.timeLimit = Infinity;
    throw new TimeLimitError(limit, this.explainBusy());
  }

  private runLoop(milliseconds: number): LoopEnd {
    this.inLoop = true;
    this.kernel.pausing = false;
    const { recorder } = this;
    try {
      if (recorder) recorder.busy = true;
      return this.loop.run(milliseconds);
    } catch (e) {
      if (e instanceof MalformedError && this.replayer) throw this.replayer.malformed(e);
      if (e instanceof LockstepDifference || e instanceof DivergenceError || e instanceof RecordingEndError)
        throw e;
      const t = this.kernel.scheduler.current;
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
    const { recorder } = this;
    if (this.replayer) {
      if (this.replayer.ended === null || this.replayer.ended === 'exited') this.replayer.idle();
      return;
    }
    const deadline = this.kernel.nextDeadline();
    const live = this.pumps.some((p) => p.live) || this.assembly.live();
    if (this.virtual) {
      // Let what the host already holds come in first; then time has nothing to wait for.
      if (live) await breathe();
      if (this.kicked) return;
      if (deadline !== Infinity && !(recorder && live)) return this.skipTo(deadline);
    }
    if (deadline === Infinity && !live && !this.waitsForSignals()) {
      if (!this.assembly.reachable()) throw new DeadlockError(this.explain());
      this.reportDeadlock();
    }
    if (this.allStopped()) this.stoppedCallback?.();
    if (this.kicked) return;
    const { wait, cancel } = sleep(
      deadline === Infinity ? Infinity : (deadline - this.kernel.clock.monotonic()) / 1e6,
    );
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
    if (recorder) this.skipTo(Math.min(deadline, this.kernel.clock.monotonic() + Math.floor(idle * 1e6)));
    // What else came at the same time comes in first: the guest then sees all of it in one epoll_wait.
    if (this.kicked) await breathe();
  }

  private skipTo(time: number): void {
    this.recorder?.timePasses(time);
    this.virtual!.skipTo(time);
  }

  private reportDeadlock(): void {
    if (this.deadlockReported) return;
    this.deadlockReported = true;
    this.kernel.report(
      `nothing in the guest can run until something from outside reaches it: ${this.explain().cause}`,
    );
  }

  /** Some task sleeps until a signal comes (pause, sigsuspend): a host can always send one. */
  private waitsForSignals(): boolean {
    return [...this.kernel.processes.tasks.values()].some(waitsForSignal);
  }

  private allStopped(): boolean {
    const tasks = [...this.kernel.processes.tasks.values()];
    return tasks.every((t) => t.state === 'stopped' || t.state === 'zombie' || t.state === 'dead');
  }
}

const hexOf = (n: number): string => `0x${n.toString(16)}`;

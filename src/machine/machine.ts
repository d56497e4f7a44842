/** A Linux machine for one program: boots it, runs or steps it, and lets its host look inside. */
import type { Injection } from '../../kernel/inject/rule.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Arch } from '../../kernel/ports.ts';
import { Debugger } from '../debug/debugger.ts';
import { interruptKey, owesDeath, quitKey, quitKills } from '../explain/quit.ts';
import type { Explanation } from '../explain/types.ts';
import { scheduleText } from '../explore/schedule.ts';
import { Contention, PlacesPolicy, type SeenPlace } from '../explore/search.ts';
import { SeededEntropy } from '../host/entropy.ts';
import type { GuestConnection } from '../host/host-net.ts';
import type { Recording } from '../record/format.ts';
import { replayOptions } from '../record/options.ts';
import { Replayer } from '../record/replayer.ts';
import type { CallNames, NamesIn, TaskChoice } from '../step/filter.ts';
import { type CallHook, type StepOptions, Stepper } from '../step/stepper.ts';
import type { EnterStop, ExitStop, ParkStop } from '../step/stops.ts';
import { Tampering } from '../step/tampering.ts';
import { Snapshots, type Snapshot } from '../timeline/snapshots.ts';
import { assemble, type Assembly, policyNamed } from './assemble.ts';
import { checkOptions } from './check-options.ts';
import { Diagnosis } from './diagnosis.ts';
import { Driver } from './driver.ts';
import { BootError } from './errors.ts';
import type { Listeners, MachineEvent, SignalEvent } from './events.ts';
import { Inspector, type MachineStats, statsLines, type TaskInfo } from './inspector.ts';
import { Intervention } from './intervention.ts';
import { Listening } from './listening.ts';
import type { Loop } from './loop.ts';
import type { BootOptions, FileContent, ReplayOptions } from './options.ts';
import type { RegisterName, Registers } from './registers.ts';
import type { ExitStatus } from './status.ts';

export type { MachineStats, TaskInfo } from './inspector.ts';

const never = (): boolean => false;

export class Machine {
  private readonly assembly: Assembly;
  private readonly kernel: Kernel;
  private readonly loop: Loop;
  private readonly driver: Driver;
  private readonly listening: Listening;
  private readonly inspector: Inspector;
  private readonly intervention: Intervention;
  private readonly diagnosis: Diagnosis;
  private readonly tampering: Tampering;
  private readonly stepper: Stepper;
  private debugging: Debugger | null = null;
  private snapshots: Snapshots | null = null;

  /**
   * Boots a machine with the program loaded and nothing executed yet. Throws BootError when the program, a mount or a
   * port cannot be had.
   */
  static async boot(options: BootOptions): Promise<Machine> {
    checkOptions(options);
    return new Machine(await assemble(options), options);
  }

  /**
   * Boots the machine of a recording. It runs as it did, event by event, and takes nothing from outside; `run` and `step` throw
   * DivergenceError where it does not, and RecordingEndError where the recording ends before the guest does.
   */
  static async replay(recording: Recording, options: ReplayOptions = {}): Promise<Machine> {
    if (typeof recording !== 'object')
      throw new BootError('setup', 'a replay takes a recording: await Machine.replay(openRecording(path))');
    const boot = replayOptions(recording.header.options, options);
    return new Machine(await assemble(boot, new Replayer(recording)), boot);
  }

  private constructor(assembly: Assembly, options: BootOptions) {
    const { kernel, loop } = assembly;
    this.assembly = assembly;
    this.kernel = kernel;
    this.loop = loop;
    this.driver = new Driver(assembly, options, {
      begins: () => this.stepper.moved(),
      stuckAlone: () => this.stepper.stuckAlone(),
      explain: () => this.explain(),
      explainBusy: () => this.explainBusy(),
      ended: (status) => this.listening.ended(status),
    });
    this.diagnosis = new Diagnosis(assembly, options, this.driver, () => this.listening.update());
    this.listening = new Listening(assembly, options, this.driver, () => ({
      detector: this.diagnosis.detector,
      debugging: this.debugging,
    }));
    this.inspector = new Inspector(assembly);
    this.tampering = new Tampering(kernel, () =>
      assembly.seed === undefined ? kernel.entropy : new SeededEntropy(`inject ${assembly.seed}`),
    );
    this.intervention = new Intervention(assembly, this.inspector, this.driver, this.tampering);
    this.stepper = new Stepper({
      machine: this,
      kernel,
      loop,
      tampering: this.tampering,
      changes: this.intervention,
      owners: (f) => assembly.owners.call(f),
      next: (wanted, done = never) => this.listening.next(wanted, done, () => this.stepper.stuckAlone()),
    });
    for (const what of options.inject ?? []) this.tampering.inject(what);
    this.listening.update();
  }

  /** Runs to the end of the first process. Throws DeadlockError when nothing can ever run again, LivelockError as BootOptions.livelock says. */
  async run(): Promise<ExitStatus> {
    await this.driver.drive(never);
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
    if (options) return await this.stepper.stepAlone(options.task);
    return (await this.listening.next(null, never, () => this.stepper.stuckAlone()))!;
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
    await this.listening.runTo(position);
  }

  /** Events so far: what `step` tells of, numbered from 1. Needs BootOptions.countEvents. */
  get position(): number {
    return this.listening.needPosition();
  }

  /** Rounds of the machine's loop so far (see Loop.rounds): what comes from outside is bound to them. */
  get rounds(): number {
    return this.loop.rounds;
  }

  /**
   * Runs until `done` says so: it is asked at the start, whenever a hook of the debugger's answers true, and every few
   * milliseconds. False: the machine is over.
   */
  async runUntil(done: () => boolean): Promise<boolean> {
    await this.driver.drive(done);
    return this.status === null;
  }

  /**
   * Runs until a task (the first process's, unless `tid`) has executed exactly `n` more instructions; other tasks may run in
   * between, as they would have. A call is executed whole. False: the task ended first.
   */
  async stepInstructions(n = 1, tid?: number): Promise<boolean> {
    const t = this.inspector.task(tid);
    let done = false;
    this.debug.stopAfter(t, n, () => (done = true));
    try {
      await this.driver.drive(() => done || t.state === 'dead' || t.state === 'zombie');
    } finally {
      this.debug.cancelCount();
    }
    return done;
  }

  /**
   * Another schedule from here on, and another limit to the guest's time: for those who let a moment before anything was
   * decided go on under many schedules. Throws BootError when `schedule` is none. @internal
   */
  reschedule(schedule: string, time: number): void {
    if (!this.assembly.schedule) throw new Error('a machine without a schedule gets none later');
    this.assembly.schedule.follow(policyNamed(schedule));
    this.driver.timeLimit = time;
  }

  /** Ends `run` and `step`, wherever the guest is: they throw StoppedError. */
  stop(): void {
    this.driver.stop();
  }

  /** For what lives beside the machine in this package. @internal */
  get internals(): { kernel: Kernel; loop: Loop; pause: () => void; kick: () => void } {
    const { kernel, loop, driver } = this;
    return { kernel, loop, pause: () => driver.pause(), kick: () => driver.kick() };
  }

  /** Hooks on instructions and memory. Throws RangeError on a core without (unicorn, lockstep). */
  get debug(): Debugger {
    if (this.debugging) return this.debugging;
    const { debug } = this.loop.cpu;
    if (!debug) throw new RangeError('this cpu core has no debugger; take jit or interp');
    this.debugging = new Debugger(this.kernel, this.loop, debug, () => this.listening.update());
    return this.debugging;
  }

  /** How it ended; null while it has not. */
  get status(): ExitStatus | null {
    return this.driver.status;
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
    return this.listening.on(kind, listener);
  }

  /**
   * Injects faults into calls from now on, as strace's `-e inject=` does: an expression like "openat:error=ENOENT:when=3+2", or
   * an object. Of several that name a call the last counts. Returns what ends it; throws RangeError.
   */
  inject(what: string | Injection): () => void {
    return this.intervention.inject(what);
  }

  /** Tasks alive, in order of creation. */
  get tasks(): TaskInfo[] {
    return this.inspector.tasks;
  }

  /** Sends a signal ("SIGTERM" or a number) to a process, or to the first one. */
  kill(signal: string | number = 'SIGTERM', pid?: number): void {
    this.intervention.kill(signal, pid);
  }

  /** What a terminal's keys or the host's own signals do: the foreground group of the terminal, or the first process. */
  signalForeground(signo: number): void {
    this.intervention.signalForeground(signo);
  }

  /**
   * The whole machine as it is: memory, registers, the kernel with all it holds, time and randomness, what was captured of
   * stdout and stderr. Not what is outside: files of host folders, connections, what an output function was given. Input that
   * comes later is there again after `restore`, at once. Throws Error while the machine runs, and on cpu cores that cannot.
   */
  snapshot(): Snapshot {
    if (!this.driver.canSave)
      throw new Error('the machine is running: take snapshots between run, runTo and step, or in onRest');
    const { instructions } = this.driver;
    return this.saved().take({ instructions, rounds: this.rounds, position: this.listening.position });
  }

  /** Makes the machine what it was when the snapshot was taken, in an ended one too. Throws Error while it runs. */
  restore(s: Snapshot): void {
    this.driver.checkRestore();
    if (this.assembly.recorder)
      throw new Error('the machine is being recorded: a recording does not go back');
    this.saved().restore(s);
    this.stepper.restored();
    this.tampering.changed();
    this.debugging?.restored();
    this.driver.restored();
    this.listening.restored();
  }

  /**
   * Calls `callback` whenever a run begins and every few milliseconds while it goes on, between two instructions, when
   * snapshots can be taken. Returns what ends it.
   */
  onRest(callback: () => void): () => void {
    return this.driver.onRest(callback);
  }

  /**
   * Output functions, a terminal, BootOptions.report and the tracer are given only what is beyond this moment, and nothing twice,
   * whatever is restored.
   */
  outputOnce(): void {
    this.assembly.outputOnce();
  }

  /** A run of it is a function of its inputs, all of which it was given at boot. */
  get deterministic(): boolean {
    const { replayer, virtual } = this.assembly;
    return replayer !== null || (this.kernel.options.seeded && virtual !== null);
  }

  private saved(): Snapshots {
    if (this.snapshots) return this.snapshots;
    const { kernel, loop, assembly, driver, listening, diagnosis } = this;
    const own = {
      saveState: () => ({ instructions: driver.instructions, steps: [...listening.steps] }),
      restoreState: (state: { instructions: number; steps: MachineEvent[] }) => {
        driver.instructions = state.instructions;
        listening.steps.splice(0, listening.steps.length, ...state.steps);
      },
    };
    this.snapshots = new Snapshots(
      loop.cpu,
      [kernel, loop, this.tampering, ...assembly.state, ...listening.state, ...diagnosis.state, own],
      [kernel.syscalls, assembly.network],
    );
    return this.snapshots;
  }

  /** Bytes of a task's memory (the first process's, unless `tid`), at an address or a symbol. Throws RangeError. */
  peek(where: number | string, length: number, tid?: number): Uint8Array {
    return this.inspector.peek(where, length, tid);
  }

  /** Writes memory the guest itself could write. Throws RangeError. */
  poke(where: number | string, bytes: Uint8Array, tid?: number): void {
    this.intervention.poke(where, bytes, tid);
  }

  /** The architecture its programs are for. */
  get arch(): Arch {
    return this.inspector.arch;
  }

  /**
   * Registers by name, unsigned 64 bits: rax … r15, rip, rflags, fs_base, gs_base on x86_64; x0 … x30, sp, pc, pstate,
   * tpidr on aarch64. Asking for one the architecture does not have throws RangeError.
   */
  regs(tid?: number): Registers {
    return this.inspector.regs(tid);
  }

  setReg(name: RegisterName, value: number | bigint, tid?: number): void {
    this.intervention.setReg(name, value, tid);
    this.debugging?.moved(this.inspector.task(tid));
  }

  /** A file of the guest, bytes. Throws GuestFileError. */
  readFile(path: string): Uint8Array {
    return this.inspector.readFile(path);
  }
  /** The same as UTF-8 text. */
  readText(path: string): string {
    return new TextDecoder().decode(this.readFile(path));
  }
  /** Writes a whole file, with the directories it needs. Throws GuestFileError. */
  writeFile(path: string, content: FileContent): void {
    this.intervention.writeFile(path, content);
  }

  /**
   * A stream to a guest port from within this process. Emits 'connect' when the guest accepted; ECONNREFUSED when
   * nothing listens there any more. A port nothing has listened on yet keeps the connection waiting. In a browser only its `web`
   * is there.
   */
  connect(port: number): GuestConnection {
    return this.intervention.connect(port);
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
    return this.inspector.stats(this.driver.instructions);
  }

  /** Lines for people: what ran, in `ms` of host time. */
  statsLines(ms: number): string[] {
    return statsLines(this.stats, ms);
  }

  /**
   * What every task waits for, who could wake it, and in `cause` what is wrong, if anything is. For a look from outside:
   * between two steps, or while `run` waits. `explanationText` makes text of it.
   */
  explain(): Explanation {
    return this.diagnosis.explain();
  }

  /**
   * The same, after the machine has run on for up to `ms` milliseconds of host time if somebody can run: calls that are
   * repeated in vain are seen then. To be called while `run` or `step` waits (from a timer, say), not by a listener.
   */
  explainBusy(ms = 100): Explanation {
    return this.diagnosis.explainBusy(ms);
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

  /** What a run that looks for places saw: for `explore`. @internal */
  get places(): readonly SeenPlace[] | null {
    const policy = this.assembly.schedule?.policy;
    return policy instanceof PlacesPolicy ? policy.seen : null;
  }

  /** The byte the guest's terminal makes SIGQUIT of; null: none does. */
  get quitKey(): number | null {
    return quitKey(this.kernel);
  }
  /** The same of SIGINT. */
  get interruptKey(): number | null {
    return interruptKey(this.kernel);
  }
  /** Whether the foreground has had this signal, has to die of it, and has not got to it. */
  owesDeath(signo: number): boolean {
    return owesDeath(this.kernel, signo);
  }
  /** Whether SIGQUIT to the foreground would end all of it. */
  get quitKills(): boolean {
    return quitKills(this.kernel);
  }

  /** Called once, when every task of the guest has stopped (job control) and nothing else can run. */
  whenStopped(callback: () => void): void {
    this.driver.whenStopped = callback;
  }

  /** Lets go of terminals, ports and streams. The machine cannot run afterwards; memory and files can be read. */
  dispose(): void {
    if (!this.driver.dispose()) return;
    for (const p of this.assembly.pumps) p.stop();
    this.assembly.close();
  }

  /** What console.log shows of it in Node: not the thousand fields it is made of. */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    const { arch, status, tasks, stdout, stderr } = this;
    return { machine: arch, status, tasks: tasks.map((t) => t.waiting), stdout, stderr };
  }
}

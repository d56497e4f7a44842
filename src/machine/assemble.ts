/** Joins ports, kernel, cpu and host into a machine with its program loaded. */
import { bootKernel } from '../../kernel/boot.ts';
import { HostInputFile, HostOutputFile } from '../../kernel/fs/dev/host-stream.ts';
import { type File, O_RDWR } from '../../kernel/fs/file.ts';
import type { HostTerminal } from '../../kernel/fs/tty/host-port.ts';
import { TtyFile } from '../../kernel/fs/tty/tty-file.ts';
import { Ttys } from '../../kernel/fs/tty/ttys.ts';
import type { Tty } from '../../kernel/fs/tty/tty.ts';
import type { CorePort } from '../../kernel/coredump/settings.ts';
import type { HostFs } from '../../kernel/fs/host-port.ts';
import type { Injection } from '../../kernel/inject/rule.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { personality, PersonalityError, type Personality } from '../../kernel/personality/personality.ts';
import type { Arch } from '../../kernel/ports.ts';
import type { SchedulePolicy } from '../../kernel/task/schedule.ts';
import type { Task } from '../../kernel/task/task.ts';
import { SCHEDULE_FORMS, schedulePolicy } from '../explore/policies.ts';
import { ScheduleRecorder } from '../explore/schedule.ts';
import { HostClock, VIRTUAL_EPOCH, VirtualClock } from '../host/clock.ts';
import { openHostFolder } from '../host/folder.ts';
import { HostNetwork, PublishError } from '../host/host-net.ts';
import { digest } from '../host/digest.ts';
import { hostCores } from '../host/core-dump.ts';
import { HostEntropy, SeededEntropy } from '../host/entropy.ts';
import { pumpStdin } from '../host/input.ts';
import { injectionRule } from '../step/tampering.ts';
import { makeCpu } from './cpus.ts';
import { BootError } from './errors.ts';
import { makeDirs, toBinary, writeGuestFile } from './guest-files.ts';
import { type InputPump, pumpSource } from './input-pump.ts';
import { Loop } from './loop.ts';
import type { BootOptions, Output, OutputSink, TerminalPort } from './options.ts';
import { hostRoot, mountHost, type OpenFolder } from './mounts.ts';
import { resolveOptions } from '../image/config.ts';
import { openImage } from '../image/image.ts';
import { Owners } from './owners.ts';
import { chooseArch, platformArch } from './program-arch.ts';
import { findInRoot, findProgram, type Program, spawnError } from './program.ts';
import { populateRoot } from './root.ts';
import type { Folder, Tape } from '../record/tape.ts';
import type { RecordedOptions } from '../record/format.ts';
import { Recorder } from '../record/recorder.ts';
import type { Replayer } from '../record/replayer.ts';
import { recordedOptions } from '../record/options.ts';
import { VERSION } from '../version.ts';
import { Capture, InputQueue, MessageOutlet, Outlet, SinkPort } from './stdio.ts';

/** A machine's parts, and what only the host knows of them. */
export interface Assembly {
  readonly owners: Owners;
  readonly kernel: Kernel;
  readonly loop: Loop;
  readonly virtual: VirtualClock | null;
  /** What a given schedule decided so far; null: the scheduler is on its own. */
  readonly schedule: ScheduleRecorder | null;
  readonly pumps: readonly InputPump[];
  /** What the guest wrote, when nobody else takes it. */
  readonly stdout: Capture | null;
  readonly stderr: Capture | null;
  /** The program's bytes and where it begins in memory. */
  readonly program: Uint8Array;
  readonly entry: number;
  readonly first: Task;
  /** Registers who is told of input from the host. */
  onInput(callback: () => void): void;
  /** Input may come from outside without anybody in this process doing anything. */
  live(): boolean;
  /** Somebody in this process could still reach the guest (a listening socket and Machine.connect). */
  reachable(): boolean;
  /** Foreground process group of the machine's terminal; 0 without one. */
  foreground(): number;
  ports(): readonly number[];
  /** Output functions, the terminal, messages and the trace get only what is beyond what they have, whatever is restored. */
  outputOnce(): void;
  /** What of the host's side goes back with the machine and is not reached from the kernel. */
  readonly state: readonly object[];
  readonly network: HostNetwork;
  readonly recorder: Recorder | null;
  readonly replayer: Replayer | null;
  /** What every choice is drawn from; undefined: the host's randomness. */
  readonly seed: number | string | undefined;
  close(): void;
}

const DEFAULT_MEMORY = 2 ** 30;
/** What may be asked for. */
export const LEAST_MEMORY = 16 * 2 ** 20;
export const GREATEST_MEMORY = 2 ** 32;
/** What there is at most: the reach of a WebAssembly memory, less its last page. */
const MOST_MEMORY = 2 ** 32 - 65536;
/** Linux's threads-max: as many as take an eighth of memory with 16 KiB each; and 4096. */
const defaultTasks = (memory: number): number => Math.min(4096, Math.floor(memory / (8 * 16384)));
const DEFAULT_FDS = 1048576;

function checkInjection(what: string | Injection): void {
  try {
    injectionRule(what);
  } catch (e) {
    throw new BootError('setup', (e as Error).message);
  }
}

/** What the machine is made of, when the host has been asked. */
interface Parts {
  readonly options: BootOptions & { env: Record<string, string> };
  readonly program: Program | null;
  /** The root file system that is no folder. */
  readonly image: HostFs | null;
  readonly arch: Arch;
}

async function findParts(given: BootOptions): Promise<Parts> {
  const program = given.root === undefined ? findProgram(given) : null;
  const image = given.root === undefined ? null : await openImage(given.root, platformArch(given));
  const options = resolveOptions(given, image);
  if (image && options.rootReadWrite)
    throw new BootError(
      'setup',
      `${options.root} is no folder; changes to an image stay in memory`,
      'rootReadWrite',
    );
  return { options, program, image, arch: chooseArch(options, program, options.env.PATH ?? '', image) };
}

/** Assembles the machine of a recording, from what is in it. */
function replayedParts(given: BootOptions, recorded: RecordedOptions, replayer: Replayer): Parts {
  const { program, root } = recorded;
  return {
    options: { ...given, env: { ...recorded.env } },
    program: program && { ...program, arch: recorded.arch, needs: null },
    image: root?.kind === 'image' ? replayer.files() : null,
    arch: recorded.arch,
  };
}

/** `replayer`: the machine is that of a recording, and `given` what it says (replayOptions). */
export async function assemble(given: BootOptions, replayer: Replayer | null = null): Promise<Assembly> {
  for (const what of given.inject ?? []) checkInjection(what);
  const recorder = given.record ? new Recorder(given.record, digest) : null;
  const tape: Tape | null = recorder ?? replayer;
  const recorded = replayer?.recording.header.options;
  const parts = recorded ? replayedParts(given, recorded, replayer) : await findParts(given);
  const { program, arch } = parts;
  // A schedule says what happens when: nothing else may be left to chance.
  const seed = given.seed ?? (given.schedule !== undefined ? 0 : recorder ? drawSeed() : undefined);
  const owners = new Owners();
  const options = owners.options({ ...parts.options, ...(seed === undefined ? {} : { seed }) });
  const wanted = options.limits?.memory ?? DEFAULT_MEMORY;
  if (!(wanted >= LEAST_MEMORY && wanted <= GREATEST_MEMORY)) {
    throw new BootError('setup', `limits.memory: ${wanted} bytes is out of range; give 16 MiB to 4 GiB`);
  }
  const memory = Math.min(wanted, MOST_MEMORY);
  const { root } = options;
  const seeded = seed !== undefined;
  // A recording without a seed of its own is of today: its folders' files are.
  const epoch = recorded
    ? BigInt(recorded.epoch)
    : recorder && given.seed === undefined
      ? hostTime()
      : VIRTUAL_EPOCH;
  const virtual =
    tape || (options.clock ?? (seeded ? 'virtual' : 'host')) === 'virtual' ? new VirtualClock(epoch) : null;
  const clock = virtual ?? new HostClock();
  const entropy = seed !== undefined ? new SeededEntropy(seed) : new HostEntropy();
  const schedule = scheduleOf(options);
  const cpus = options.cpus ?? 1;
  const { env } = options;
  recorder?.begin({
    ring3: VERSION,
    recorded: Date.now(),
    options: recordedOptions(options, { arch, program, image: parts.image !== null, epoch }),
  });
  const image = recorder && parts.image ? recorder.files(parts.image) : parts.image;
  const openFolder: OpenFolder = (path, option, fs) => {
    const open = (): Folder => openHostFolder(path, option, fs);
    return tape ? tape.folder(open) : open();
  };
  const cores = (): CorePort | null => {
    if (options.core === undefined) return null;
    const real: CorePort = replayer
      ? { pattern: toBinary(options.core), open: () => null }
      : hostCores(options.core, report);
    return tape ? tape.core(real) : real;
  };
  const bytes = Math.ceil(memory / 65536) * 65536;
  const core = options.cpu ?? 'jit';
  const {
    cpu,
    factory,
    options: cpuOptions,
  } = await makeCpu(arch, bytes, cpus, clock, core, {
    ...(options.stats ? { counts: true } : {}),
    ...(options.onSample ? { onSample: options.onSample } : {}),
    ...(options.onRegion ? { onRegion: options.onRegion } : {}),
  });
  const persona = personalityOf(options);
  const reports = new MessageOutlet(options.report ?? ((): void => {}));
  const report = reports.give;
  const kernel = bootKernel(
    {
      ram: factory.memory,
      cpu: factory,
      clock,
      entropy,
      limits: {
        maxTasks: options.limits?.tasks ?? defaultTasks(memory),
        maxFds: options.limits?.fds ?? DEFAULT_FDS,
        maxFileBytes: options.limits?.fileBytes ?? Math.floor(memory / 2),
      },
    },
    {
      cpus, hostname: options.hostname ?? 'ring3', seeded, aslr: options.aslr ?? false, schedule, ...cpuOptions,
      personality: persona,
      core: cores(), report,
    },
    root === undefined
      ? undefined
      : (vfs, mem) => hostRoot(image ?? root, options.rootReadWrite === true, vfs, mem, openFolder, seeded),
  ); // prettier-ignore
  const loop = new Loop(kernel, cpu);
  tape?.attach(loop, clock, kernel.syscalls);
  let heard = (): void => {};
  const onInput = (): void => heard();

  if (root === undefined) populateRoot(kernel, options);
  // Before the mounts: the program is copied into the machine's own root, never through a mount onto the host's file.
  if (program) writeGuestFile(kernel.vfs, null, program.path, { data: program.bytes, mode: program.mode });
  for (const mount of options.mounts ?? []) mountHost(kernel, mount, openFolder);
  const cwd = options.cwd ?? '/';
  if (!cwd.startsWith('/')) throw new BootError('setup', `cwd: '${cwd}' must start with /`);
  if (root === undefined || !options.rootReadWrite) makeDirs(kernel.vfs, cwd);
  for (const [path, content] of Object.entries(options.files ?? {}))
    writeGuestFile(kernel.vfs, null, path, content);

  const stdio = new Stdio(kernel, options, onInput, tape, replayer !== null);
  const asked = program?.name ?? (options.program as string);
  const name = program ? asked : findInRoot(kernel.vfs, asked, env.PATH ?? '');
  const argv = (options.argv ?? [asked]).map(toBinary);
  const envp = Object.entries(env).map(([k, v]) => toBinary(`${k}=${v}`));
  const first = kernel.spawnInit({
    path: toBinary(name),
    argv,
    envp,
    cwd: toBinary(cwd),
    uid: options.uid ?? 0,
    gid: options.gid ?? 0,
    stdio: stdio.files,
  });
  if (typeof first === 'number') {
    stdio.close();
    throw spawnError(program ?? { name, needs: null }, -first, cwd, root !== undefined);
  }
  stdio.started(first);
  const network = new HostNetwork(kernel.net, onInput);
  tape?.network(kernel.net);
  if (tape) kernel.vfs.aside = (path, read) => tape.reading(path, read);
  if (options.hostNetwork && !replayer) network.openOutside();
  await network.publish(replayer ? [] : (options.publish ?? [])).catch((e: unknown) => {
    stdio.close();
    throw e instanceof PublishError ? new BootError('setup', e.message) : e;
  });
  // The initial stack: argc, argv with its NULL, envp.
  options.tracer?.start?.(first, toBinary(name), argv, envp, first.regs.sp + 8 * (argv.length + 2));
  recorder?.started();
  return {
    owners,
    recorder,
    replayer,
    seed,
    kernel,
    loop,
    virtual,
    schedule,
    pumps: stdio.pumps,
    stdout: stdio.stdout,
    stderr: stdio.stderr,
    program: program?.bytes ?? new Uint8Array(),
    entry: first.regs.pc,
    first,
    onInput: (callback) => (heard = callback),
    live: () => stdio.live || network.live,
    reachable: () => kernel.net.hasListeners,
    foreground: () => stdio.foreground,
    state: [stdio.stdout, stdio.stderr, ...stdio.outlets, reports].filter((o) => o !== null),
    outputOnce: () => {
      for (const outlet of [...stdio.outlets, reports]) outlet.once();
      options.tracer?.once?.();
    },
    ports: () => network.ports,
    network,
    close: () => {
      stdio.close();
      network.close();
    },
  };
}

function personalityOf(o: BootOptions): Personality {
  try {
    return personality(o.personality, o.quirks, o.noQuirks);
  } catch (e) {
    throw e instanceof PersonalityError ? new BootError('setup', e.message) : e;
  }
}

/** A seed nobody chose. */
const drawSeed = (): string =>
  [...crypto.getRandomValues(new Uint32Array(2))].map((n) => n.toString(36)).join('');

const hostTime = (): bigint => BigInt(Date.now()) * 1_000_000n;

function scheduleOf(options: BootOptions): ScheduleRecorder | null {
  const { schedule, cpu } = options;
  if (schedule === undefined) return null;
  if (cpu?.startsWith('unicorn') || cpu?.startsWith('lockstep'))
    throw new BootError('setup', `schedule: a schedule needs the cpu jit or interp, not ${cpu}`);
  return new ScheduleRecorder(policyNamed(schedule));
}

/** What BootOptions.schedule names. Throws BootError. */
export function policyNamed(schedule: string): SchedulePolicy {
  const policy = schedulePolicy(schedule, (seed) => new SeededEntropy(`schedule ${seed}`));
  if (policy === null)
    throw new BootError('setup', `schedule: '${schedule.slice(0, 80)}' is none; write ${SCHEDULE_FORMS}`);
  return policy;
}

/** Descriptors 0, 1 and 2, and who is behind them. */
class Stdio {
  readonly files: File[] = [];
  readonly pumps: InputPump[] = [];
  private readonly outputs: Output[] = [];
  /** Output that is not captured. */
  readonly outlets: Outlet[] = [];
  readonly stdout: Capture | null;
  readonly stderr: Capture | null;
  private readonly terminal: TerminalPort | null;
  private readonly tty: Tty | null;

  constructor(
    kernel: Kernel,
    options: BootOptions,
    onInput: () => void,
    tape: Tape | null,
    replaying: boolean,
  ) {
    this.terminal = options.terminal ?? null;
    const terminal = this.terminal && this.connectable(this.terminal, onInput);
    this.tty =
      terminal && kernel.ttys.attachHost(tape ? tape.terminal(terminal) : terminal, options.uid ?? 0);
    const output = (fd: number, to: OutputSink | Output | undefined): Capture | null => {
      if (this.connect(kernel, fd)) return null;
      const capture = to === undefined ? new Capture() : null;
      const write = capture?.write ?? (typeof to === 'function' ? to : null);
      let sink: Output = write === null ? (to as Output) : { write, closed: false };
      // How much an output took is in the recording: this one takes all.
      if (replaying) sink = { write: sink.write, closed: false };
      this.outputs.push(sink);
      sink.onDrain?.(onInput);
      const port = new SinkPort(sink);
      if (!capture) this.outlets.push(port);
      this.files[fd] = new HostOutputFile(
        kernel,
        tape ? tape.output(fd, port) : port,
        fd === 1 ? 'stdout' : 'stderr',
      );
      return capture;
    };
    if (!this.connect(kernel, 0)) this.files[0] = this.input(kernel, options, onInput, tape, replaying);
    this.stdout = output(1, options.stdout);
    this.stderr = output(2, options.stderr);
  }

  private input(
    kernel: Kernel,
    options: BootOptions,
    onInput: () => void,
    tape: Tape | null,
    replaying: boolean,
  ): File {
    const queue = new InputQueue();
    const file = new HostInputFile(kernel, queue);
    queue.onReady(onInput);
    tape?.input(queue);
    if (replaying) return file;
    this.pumps.push(
      options.inheritStdin
        ? pumpStdin(queue, options.seed !== undefined && tape === null)
        : pumpSource(queue, options.stdin ?? null, (e) => kernel.report(`stdin failed: ${String(e)}`)),
    );
    return file;
  }

  /** The terminal as the kernel is to see it. */
  private connectable(port: TerminalPort, onInput: () => void): HostTerminal {
    const screen = new Outlet((bytes) => port.write(bytes));
    this.outlets.push(screen);
    return noticing(port, screen, onInput);
  }

  /** Puts the terminal at a descriptor it is connected to. */
  private connect(kernel: Kernel, fd: number): boolean {
    if (this.tty === null || !this.terminal!.connected[fd]) return false;
    const at = kernel.vfs.find(this.tty.name);
    if (typeof at === 'number') throw new BootError('setup', `the guest has no ${this.tty.name}`);
    const file = new TtyFile(this.tty, O_RDWR, at.inode);
    file.path = at;
    this.files[fd] = file;
    return true;
  }

  /** The first process is there: the terminal becomes its controlling one. */
  started(first: Task): void {
    if (this.tty !== null) Ttys.login(this.tty, first);
  }

  get live(): boolean {
    return (
      this.pumps.some((p) => p.live) ||
      this.outputs.some((o) => o.full === true) ||
      (this.terminal?.live ?? false)
    );
  }
  get foreground(): number {
    return this.tty?.pgrp ?? 0;
  }
  close(): void {
    for (const p of this.pumps) p.stop();
    this.terminal?.restore();
  }
}

/** The same terminal, written to by way of `screen`, with `onInput` called after everything it tells the guest. */
function noticing(port: TerminalPort, screen: Outlet, onInput: () => void): HostTerminal {
  return {
    size: () => port.size(),
    write: (bytes) => screen.write(bytes),
    attach: (end) =>
      port.attach({
        input: (bytes) => {
          const n = end.input(bytes);
          onInput();
          return n;
        },
        get onSpace() {
          return end.onSpace;
        },
        set onSpace(callback) {
          end.onSpace = callback;
        },
        resize: (size) => {
          end.resize(size);
          onInput();
        },
        drained: () => {
          end.drained();
          onInput();
        },
        hangup: () => {
          end.hangup();
          onInput();
        },
      }),
  };
}

/** Joins ports, kernel, cpu and host into a machine with its program loaded. */
import { planElf, type RefusalKind } from '../../loader/elf.ts';
import { parseScript } from '../../loader/script.ts';
import { HWCAP, HWCAP2, X86Cpu } from '../../cpu/index.ts';
import { ERRNO } from '../../kernel/abi/errno.ts';
import { bootKernel } from '../../kernel/boot.ts';
import type { File } from '../../kernel/fs/file.ts';
import { S_IFIFO } from '../../kernel/fs/inode.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Task } from '../../kernel/task/task.ts';
import { HostClock, VirtualClock } from '../host/clock.ts';
import { loadCore } from '../host/core-files.ts';
import { HostEntropy, SeededEntropy } from '../host/entropy.ts';
import { type InputPump, pumpSource, pumpStdin } from '../host/input.ts';
import { readProgram } from '../host/program.ts';
import { BootError } from './errors.ts';
import { makeDirs, toBinary, writeGuestFile } from './guest-files.ts';
import { Loop } from './loop.ts';
import type { BootOptions, Output, OutputSink } from './options.ts';
import { populateRoot } from './root.ts';
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
  close(): void;
}

/** Where a program given as bytes lies in the guest, unless it is told. */
const PROGRAM_PATH = '/bin/program';
const DEFAULT_MEMORY = 2 ** 30;
const LEAST_MEMORY = 16 * 2 ** 20;
/** Just under 4 GiB: the reach of a WebAssembly memory. */
const MOST_MEMORY = 2 ** 32 - 65536;
const DEFAULT_TASKS = 4096;
const DEFAULT_FDS = 1048576;
/** AT_MINSIGSTKSZ without AVX: what Linux says for the frame this cpu needs. */
const MINSIGSTKSZ = 1520;

const ADVICE: Readonly<Record<RefusalKind, string>> = {
  'not-elf': 'a script needs a #! line, or its interpreter as the program',
  truncated: 'build or copy it again',
  malformed: 'build or copy it again',
  'not-executable': 'link it with: gcc -static',
  'wrong-class': 'build it for 64-bit x86_64',
  'wrong-endian': 'build it for x86_64',
  'wrong-machine': 'build it for x86_64',
};

interface Program {
  readonly bytes: Uint8Array;
  /** Absolute guest path. */
  readonly path: string;
  /** The name execve gets: AT_EXECFN. */
  readonly name: string;
  readonly mode: number;
}

export async function assemble(options: BootOptions): Promise<Assembly> {
  const program = options.root === undefined ? findProgram(options) : null;
  const memory = options.limits?.memory ?? DEFAULT_MEMORY;
  if (memory < LEAST_MEMORY || memory > MOST_MEMORY) {
    throw new BootError(
      'setup',
      `cannot give the guest ${memory} bytes of memory: between 16m and 4g (less 64k) it is`,
    );
  }
  const seeded = options.seed !== undefined;
  const virtual = (options.clock ?? (seeded ? 'virtual' : 'host')) === 'virtual' ? new VirtualClock() : null;
  const clock = virtual ?? new HostClock();
  const entropy = seeded ? new SeededEntropy(options.seed!) : new HostEntropy();
  const cpus = options.cpus ?? 1;
  const cpu = new X86Cpu({
    ...loadCore(),
    memoryBytes: Math.ceil(memory / 65536) * 65536,
    cpus,
    tsc: () => BigInt(clock.monotonic()), // 1 GHz
  });
  const kernel = bootKernel(
    {
      ram: cpu.memory,
      cpu,
      clock,
      entropy,
      limits: {
        maxTasks: options.limits?.tasks ?? DEFAULT_TASKS,
        maxFds: options.limits?.fds ?? DEFAULT_FDS,
        maxFileBytes: options.limits?.fileBytes ?? Math.floor(memory / 2),
      },
    },
    {
      cpus, hostname: options.hostname ?? 'ring3', seeded, aslr: options.aslr ?? false, hwcap: HWCAP, hwcap2: HWCAP2,
      minsigstksz: MINSIGSTKSZ, report: options.report ?? (() => {}),
    },
  ); // prettier-ignore
  const loop = new Loop(kernel, cpu);
  let heard = (): void => {};
  const onInput = (): void => heard();

  populateRoot(kernel, options);
  const cwd = options.cwd ?? '/';
  makeDirs(kernel.vfs, cwd);
  for (const [path, content] of Object.entries(options.files ?? {}))
    writeGuestFile(kernel.vfs, null, path, content);
  if (program) writeGuestFile(kernel.vfs, null, program.path, { data: program.bytes, mode: program.mode });

  const stdio = new Stdio(kernel, options, onInput);
  const env = options.env ?? defaultEnvironment(options);
  const name = program?.name ?? (options.program as string);
  const argv = (options.argv ?? [name]).map(toBinary);
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
    throw spawnError(name, -first, cwd);
  }
  stdio.started(first);
  // The initial stack: argc, argv with its NULL, envp.
  options.tracer?.start?.(first, toBinary(name), argv, envp, first.regs.sp + 8 * (argv.length + 2));
  return {
    kernel,
    loop,
    virtual,
    pumps: stdio.pumps,
    stdout: stdio.stdout,
    stderr: stdio.stderr,
    program: program?.bytes ?? new Uint8Array(),
    entry: first.regs.pc,
    first,
    onInput: (callback) => (heard = callback),
    live: () => stdio.live,
    reachable: () => false,
    foreground: () => stdio.foreground,
    ports: () => [],
    close: () => stdio.close(),
  };
}

function defaultEnvironment(options: BootOptions): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOSTNAME: options.hostname ?? 'ring3',
    HOME: (options.uid ?? 0) === 0 ? '/root' : '/',
  };
}

/** Reads and checks the program. What cannot be an executable is refused here, where the reason can be told. */
function findProgram(options: BootOptions): Program {
  let bytes: Uint8Array;
  let where: string;
  let mode = options.mode ?? 0o755;
  if (typeof options.program === 'string') {
    const found = readProgram(options.program);
    bytes = found.bytes;
    where = found.path;
    mode = options.mode ?? found.mode;
  } else {
    bytes = options.program;
    where = options.hostPath ?? options.path ?? PROGRAM_PATH;
  }
  const name = options.path ?? where;
  if (parseScript(bytes.subarray(0, 256)) === null) {
    const plan = planElf(bytes);
    if (!plan.ok) {
      throw new BootError(
        'not-executable',
        `${name} cannot be run: it is ${plan.reason}; ${ADVICE[plan.kind]}`,
      );
    }
    if (plan.arch !== 'x86_64') {
      throw new BootError(
        'not-executable',
        `${name} cannot be run: it is a program for ${plan.arch}; build it for x86_64`,
      );
    }
    if (plan.interp !== null && (options.mounts ?? []).length === 0) {
      throw new BootError(
        'not-executable',
        `${name} is dynamically linked (it needs ${plan.interp}); link it with -static, or give it a root file system with --root`,
      );
    }
  }
  return { bytes, path: where, name, mode };
}

function spawnError(name: string, errno: number, cwd: string): BootError {
  const [code, text] = ERRNO[errno] ?? [String(errno), 'unknown error'];
  if (code === 'ENOENT')
    return new BootError('missing', `${name}: no such file in the guest (working directory ${cwd})`);
  return new BootError('not-executable', `${name}: the guest's kernel cannot run it: ${text} (${code})`);
}

/** Descriptors 0, 1 and 2, and who is behind them. */
class Stdio {
  readonly files: File[] = [];
  readonly pumps: InputPump[] = [];
  readonly stdout: Capture | null;
  readonly stderr: Capture | null;

  constructor(kernel: Kernel, options: BootOptions, onInput: () => void) {
    const inode = () =>
      kernel.pseudo.inode(kernel.pseudo.pipefs, S_IFIFO | 0o600, options.uid ?? 0, options.gid ?? 0);
    const queue = new InputQueue();
    const file = new HostInputFile(inode(), queue);
    const wake = queue.onChange;
    queue.onChange = () => {
      wake?.();
      onInput();
    };
    this.pumps.push(
      options.inheritStdin
        ? pumpStdin(queue, options.seed !== undefined)
        : pumpSource(queue, options.stdin ?? null, (e) => kernel.report(`stdin failed: ${String(e)}`)),
    );
    this.files.push(file);
    const output = (to: OutputSink | Output | undefined): { file: File; capture: Capture | null } => {
      const capture = to === undefined ? new Capture() : null;
      const sink = capture
        ? { write: capture.write, closed: false }
        : typeof to === 'function'
          ? { write: to, closed: false }
          : to!;
      return { file: new HostOutputFile(inode(), sink), capture };
    };
    const out = output(options.stdout);
    const err = output(options.stderr);
    this.stdout = out.capture;
    this.stderr = err.capture;
    this.files.push(out.file, err.file);
  }

  /** The first process is there: the terminal becomes its controlling one. */
  started(_first: Task): void {}

  get live(): boolean {
    return this.pumps.some((p) => p.live);
  }
  get foreground(): number {
    return 0;
  }
  close(): void {
    for (const p of this.pumps) p.stop();
  }
}

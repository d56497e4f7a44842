/** What a machine is told at boot. */
import type { FsLike } from '../host/host-fs.ts';
import type { CpuOptions } from '../../cpu/index.ts';
import type { Injection } from '../../kernel/inject/rule.ts';
import type { Tracer } from '../../kernel/trace/tracer.ts';
import type { RecordingSink } from '../record/format.ts';

/** A host folder shown in the guest. */
export interface MountSpec {
  /** Folder (or file) on the host. */
  readonly host: string;
  /** Absolute path in the guest. */
  readonly guest: string;
  readonly readOnly?: boolean;
  /** The file system `host` names a folder of: a memfs volume. Default: the host's. */
  readonly fs?: FsLike;
}

/** What a replay may be told; everything else is in the recording. */
export type ReplayOptions = Pick<
  BootOptions,
  'cpu' | 'stats' | 'onSample' | 'onRegion' | 'stdout' | 'stderr' | 'tracer' | 'report'
> & {
  /** Takes what the guest wrote to its terminal, when it had one. Default: dropped. */
  readonly terminal?: OutputSink;
};

/** A guest port reachable from the host. */
export interface PublishSpec {
  /** Host address to listen on; 127.0.0.1 unless given. */
  readonly address?: string;
  /** Host port; 0 takes a free one (Machine.ports tells which). */
  readonly hostPort: number;
  readonly guestPort: number;
  readonly protocol?: 'tcp' | 'udp';
}

/** Content of one guest file: text, bytes, or either with a mode (0o644 unless given). */
export type FileContent =
  | string
  | Uint8Array
  | { readonly data: string | Uint8Array; readonly mode?: number }
  | { readonly symlink: string };

/** Where the guest's input comes from. null: /dev/null. */
export type InputSource = string | Uint8Array | AsyncIterable<Uint8Array | string> | null;

/** Where output goes: called with each piece the guest writes. */
export type OutputSink = (bytes: Uint8Array) => void;

/** The same with an end: `closed` turns true when nobody reads any more (the guest gets SIGPIPE and EPIPE). */
export interface Output {
  readonly write: OutputSink;
  readonly closed: boolean;
  /**
   * Used instead of `write` where it is there: takes bytes and says how many, 0 when there is no room now, or a negative
   * errno. After 0, `full` is true until what `onDrain` was given has been called.
   */
  readonly take?: (bytes: Uint8Array) => number;
  readonly full?: boolean;
  onDrain?(callback: () => void): void;
}

export interface WindowSize {
  readonly rows: number;
  readonly cols: number;
  readonly xpixel: number;
  readonly ypixel: number;
}

/** The guest's end of a terminal; kernel/fs/tty/host-port.ts says when each is called. */
export interface TerminalEnd {
  input(bytes: Uint8Array): number;
  onSpace: (() => void) | null;
  resize(size: WindowSize): void;
  drained(): void;
  hangup(): void;
}

/** A terminal on the host's side, raw: editing, echo and signals are the guest's. */
export interface TerminalPort {
  /** Which of the guest's descriptors 0, 1, 2 it is. */
  readonly connected: readonly [boolean, boolean, boolean];
  /** Typed bytes may still come. */
  readonly live: boolean;
  size(): WindowSize;
  /** Takes output; returns how many bytes. */
  write(bytes: Uint8Array): number;
  attach(end: TerminalEnd): void;
  /** Back to how it was. */
  restore(): void;
}

export interface BootOptions {
  /**
   * The program: its bytes, or a path on the host (with `root`: in the guest's root). '' with a `root` that is an image: what
   * the image says.
   */
  readonly program: string | Uint8Array;
  /** The guest's name for the program. Default: the host path made absolute, or /bin/program for bytes. */
  readonly path?: string;
  /** Where the program lies on the host, when `program` holds its bytes: the guest finds it at this path. */
  readonly hostPath?: string;
  /** The machine's architecture, in docker's words. Default: the program's own, or its interpreter's. */
  readonly platform?: 'linux/amd64' | 'linux/arm64';
  /**
   * What runs the instructions: 'jit' (the default: an interpreter, and in a thread a compiler for what is hot; 'jit:SLICE:SAMPLES'
   * with another threshold and at once, see Heat), 'interp' (the interpreter alone), 'unicorn' (the native library through the package koffi,
   * or the package @alexaltea/unicorn-js), or 'unicorn:' and the path of a WebAssembly build with unicorn.js's interface.
   */
  readonly cpu?: string;
  /** Count how compiled code is used (Machine.stats); costs a little. */
  readonly stats?: boolean;
  /**
   * Called with the running task's registers, and instructions retired since it was last let run, whenever 'jit' looks for
   * hot code: with 'jit:SLICE:SAMPLES' about every SLICE instructions, at the same ones whatever SAMPLES is.
   */
  readonly onSample?: CpuOptions['onSample'];
  /** Is given each compiled region: its blocks and instructions, and the WebAssembly they became. */
  readonly onRegion?: (listing: string) => void;
  /** Permission bits of the program in the guest. Default 0o755. */
  readonly mode?: number;
  /** argv, argv[0] included. Default: the program's name alone. */
  readonly argv?: readonly string[];
  /** Environment. Default: PATH, HOME and HOSTNAME, and what the image sets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Changes to it; null takes a variable away. */
  readonly setEnv?: Readonly<Record<string, string | null>>;
  /** Working directory, made if it is missing (in memory: not with `rootReadWrite`). Default: the image's, or /. */
  readonly cwd?: string;
  /** Real, effective and saved ids. Default: the image's user, or 0:0. */
  readonly uid?: number;
  readonly gid?: number;
  /** Default: null. */
  readonly stdin?: InputSource;
  /** Default: kept, and read with Machine.stdout / Machine.stderr. */
  readonly stdout?: OutputSink | Output;
  readonly stderr?: OutputSink | Output;
  /** Connects a terminal to those of 0, 1, 2 it names; it wins over stdin, stdout and stderr. */
  readonly terminal?: TerminalPort | null;
  /** Reads the host's own descriptor 0 when the guest asks for input; wins over `stdin`. */
  readonly inheritStdin?: boolean;
  /** Files to be there at the start, by absolute guest path. */
  readonly files?: Readonly<Record<string, FileContent>>;
  readonly mounts?: readonly MountSpec[];
  /**
   * Host folder that is the guest's root file system, or a tar archive of one, an OCI image layout or `docker save` archive;
   * changes stay in memory unless `rootReadWrite`, which only a folder can have. It must not change
   * meanwhile. Missing /dev, /proc, /sys and /tmp are made (with `rootReadWrite`: in the folder).
   */
  readonly root?: string;
  readonly rootReadWrite?: boolean;
  readonly publish?: readonly PublishSpec[];
  /** Lets the guest open connections to the outside. */
  readonly hostNetwork?: boolean;
  /**
   * Makes the run a function of its inputs: virtual time from 2000-01-01, random bytes and scheduling drawn from the
   * seed. Numbers and strings are both taken; equal text is the same seed.
   */
  readonly seed?: number | string;
  /**
   * Whom the scheduler runs when: "none" (round-robin), a list of decisions as Machine.schedule gives it, or drawn by chance:
   * "random:SEED:MEAN", "priority:SEED:CHANGES:LENGTH", "priority:SEED:TID@AT+STEPS,..." (docs/explore.md). Everything else is drawn from `seed`, or 0.
   */
  readonly schedule?: string;
  /** 'virtual': time advances with retired instructions (10 ns each) and jumps to the next deadline when nothing
   *  runs. Default: 'virtual' with a seed, else 'host'. */
  readonly clock?: 'host' | 'virtual';
  /**
   * Takes a recording of the run, which Machine.replay plays: see recordTo. The machine is seeded then (with a seed drawn for
   * it unless there is one), on a virtual clock; while input may come from outside, a machine with nothing to do waits as long as the clock
   * says.
   */
  readonly record?: RecordingSink;
  /** Counts events, for Machine.position and Machine.runTo. Costs a few nanoseconds a call. Default: false. */
  readonly countEvents?: boolean;
  readonly hostname?: string;
  /** Processors the guest sees. Default 1. */
  readonly cpus?: number;
  readonly aslr?: boolean;
  readonly limits?: MachineLimits;
  /**
   * Where on the host the core of a process goes that dies of a signal like SIGSEGV: a path, with the % specifiers of core(5)
   * (`core.%e.%p`). RLIMIT_CORE does not count then. Default: cores go where the guest's core_pattern says ("core", in the
   * working directory), for processes that have raised RLIMIT_CORE from 0.
   */
  readonly core?: string;
  /**
   * Whose kernel it is: "linux", "starry", or "starry@2024-07" for its state at the beginning of that month (or day,
   * "starry@2024-07-15"). Default "linux".
   */
  readonly personality?: string;
  /** Quirks added to the personality, and left out of it, by name; `ring3 quirks` lists them. */
  readonly quirks?: readonly string[];
  readonly noQuirks?: readonly string[];
  /**
   * Ends the run with LivelockError when this many calls in a row had no effect and are a livelock: every task that runs
   * repeats the same few calls with the same results. Costs a little at each call. Default: that goes on for ever.
   */
  readonly livelock?: number;
  /**
   * Faults: expressions as strace's `-e inject=` takes them ("read:error=EIO:when=3+2"), or objects. As with strace, only calls
   * that `tracer` shows are touched, where there is one.
   */
  readonly inject?: readonly (string | Injection)[];
  /**
   * Nobody outside is going to signal the guest, connect to it, or let what it stopped go on: where nothing else is left, `run`
   * throws DeadlockError. Default: false, it waits for that.
   */
  readonly closed?: boolean;
  /** Sees every call, for strace. */
  readonly tracer?: Tracer;
  /** Lines for the person running the machine: missing system calls, deadlock reports. Default: dropped. */
  readonly report?: (line: string) => void;
}

export interface MachineLimits {
  /** Guest memory in all, bytes: 16 MiB to 4 GiB (less 64 KiB). Default 1 GiB. */
  readonly memory?: number;
  /** Tasks at a time. Default 4096, less with less memory (one for 128 KiB). */
  readonly tasks?: number;
  /** Open files a process. Default 1048576 hard, 1024 soft. */
  readonly fds?: number;
  /** Bytes in tmpfs files. Default: half of `memory`. */
  readonly fileBytes?: number;
  /**
   * Nanoseconds of the guest's virtual clock after which `run` and `step` throw TimeLimitError: the same moment in each run.
   * Default: none. On the host's clock it is not looked at.
   */
  readonly time?: number;
}

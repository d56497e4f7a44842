/** Options of `ring3 run`, and those of them that `ring3 strace` shares under their long names. */
import { GREATEST_MEMORY, LEAST_MEMORY } from '../machine/assemble.ts';
import { personality, PersonalityError } from '../../kernel/personality/personality.ts';
import { parseInjection } from '../../kernel/inject/rule.ts';
import { syscalls } from '../../kernel/syscall/table.ts';
import type { MountSpec, PublishSpec } from '../machine/options.ts';
import { type OptionSpec, parseCount, parseDuration, parseSize, UsageError } from './options.ts';

export interface MachineArgs {
  help: boolean;
  root: string | null;
  readWrite: boolean;
  env: [name: string, value: string | null][];
  workdir: string | null;
  user: string | null;
  mounts: MountSpec[];
  publish: PublishSpec[];
  seed: string | null;
  /** Nanoseconds; null: none. */
  timeout: number | null;
  /** Bytes. */
  maxMemory: number | null;
  cpus: number | null;
  hostname: string | null;
  aslr: boolean;
  cpu: string;
  hostNetwork: boolean;
  stats: boolean;
  dumpRegions: string | null;
  argv0: string | null;
  platform: 'linux/amd64' | 'linux/arm64' | null;
  core: string | null;
  gdb: { readonly address: string; readonly port: number } | null;
  personality: string;
  quirks: string[];
  noQuirks: string[];
  /** A schedule, or the file that holds one. */
  schedule: string | null;
  /** Calls in vain after which it is given up; null: never. */
  livelock: number | null;
  /** Expressions of inject=, checked. */
  inject: string[];
}

export const machineDefaults = (): MachineArgs => ({
  help: false, root: null, readWrite: false, env: [], workdir: null, user: null, mounts: [], publish: [], seed: null,
  timeout: null, maxMemory: null, cpus: null, hostname: null, aslr: false, cpu: 'jit', hostNetwork: false,
  stats: false, dumpRegions: null, argv0: null, platform: null, core: null, gdb: null,
  personality: 'linux', quirks: [], noQuirks: [], livelock: null, schedule: null, inject: [],
}); // prettier-ignore

/** Calls without effect that make a livelock, unless said otherwise. */
export const LIVELOCK_CALLS = 1_000_000;

/** `host:guest[:ro|rw]`. */
export function parseMount(text: string): MountSpec {
  const parts = text.split(':');
  const mode = parts.length === 3 ? parts[2] : 'rw';
  if (parts.length < 2 || parts.length > 3 || parts[0] === '' || (mode !== 'ro' && mode !== 'rw')) {
    throw new UsageError(`option '-v': '${text}' is no mount; write HOSTDIR:GUESTDIR or HOSTDIR:GUESTDIR:ro`);
  }
  if (!parts[1].startsWith('/')) {
    throw new UsageError(`option '-v': the guest path '${parts[1]}' must start with /`);
  }
  return { host: parts[0], guest: parts[1], readOnly: mode === 'ro' };
}

/** `[ip:][hostport:]guestport[/udp]`. */
export function parsePublish(text: string): PublishSpec {
  const m = /^(?:(?:(\[[0-9a-fA-F:]+\]|[0-9.]+):)?([0-9]*):)?([0-9]+)(?:\/(tcp|udp))?$/.exec(text);
  const guestPort = m ? Number(m[3]) : 0;
  const hostPort = m ? Number(m[2] === undefined ? m[3] : m[2] === '' ? 0 : m[2]) : 0;
  if (!m || guestPort < 1 || guestPort > 65535 || hostPort > 65535) {
    throw new UsageError(`option '-p': '${text}' is no port; write HOSTPORT:GUESTPORT, as 8080:80`);
  }
  const address = m[1]?.replace(/^\[|\]$/g, '') ?? '127.0.0.1';
  return { address, hostPort, guestPort, protocol: m[4] === 'udp' ? 'udp' : 'tcp' };
}

/** `PORT`, `:PORT` or `ADDRESS:PORT`, as gdbserver takes it. */
export function parseGdb(text: string): { address: string; port: number } {
  const m = /^(?:(\[[0-9a-fA-F:]+\]|[^:[\]]*):)?([0-9]{1,5})$/.exec(text);
  if (!m || Number(m[2]) > 65535)
    throw new UsageError(`option '--gdb': '${text}' is no port; write PORT or ADDRESS:PORT, as 1234`);
  const host = (m[1] ?? '').replace(/^\[|\]$/g, '');
  return { address: host === '' || host === 'localhost' ? '127.0.0.1' : host, port: Number(m[2]) };
}

function parseEnv(text: string): [string, string | null] {
  const eq = text.indexOf('=');
  if (eq === 0 || text === '') throw new UsageError(`option '-e': '${text}' has no name; write NAME=VALUE`);
  return eq < 0 ? [text, null] : [text.slice(0, eq), text.slice(eq + 1)];
}

function parseWorkdir(text: string): string {
  if (!text.startsWith('/')) {
    throw new UsageError(`option '-w': '${text}' must start with /; it is a folder of the guest`);
  }
  return text;
}

function parseMemory(text: string): number {
  const bytes = parseSize(text, '--max-memory');
  if (bytes < LEAST_MEMORY || bytes > GREATEST_MEMORY) {
    throw new UsageError(`option '--max-memory': '${text}' is out of range; give 16m to 4g`);
  }
  return bytes;
}

const oneOf = <T extends string>(value: string, option: string, values: readonly T[]): T => {
  const found = values.find((v) => v === value);
  if (found === undefined) {
    throw new UsageError(`option '${option}': '${value}' is not one of ${values.join(', ')}`);
  }
  return found;
};

function parseCpu(text: string): string {
  return /^(?:unicorn:.|jit:[1-9]\d*:[1-9]\d*$)/.test(text)
    ? text
    : oneOf(text, '--cpu', ['jit', 'interp', 'unicorn', 'lockstep', 'lockstep:jit']);
}

function checked(option: string, check: () => unknown): void {
  try {
    check();
  } catch (e) {
    throw e instanceof PersonalityError ? new UsageError(`option '${option}': ${e.message}`) : e;
  }
}

function parsePersonality(text: string): string {
  checked('--personality', () => personality(text));
  return text;
}

function parseQuirk(text: string): string {
  checked('--quirk', () => personality('linux', [text]));
  return text;
}

/** An expression of inject= or fault=, made one of inject=. */
export function parseInject(text: string, option: string, fault: boolean): string {
  const rule = parseInjection(text, (name) => syscalls.has(name), fault);
  if ('error' in rule) throw new UsageError(`option '${option}': '${text}': ${rule.error}`);
  return fault && !/:error=/.test(text) ? `${text}:error=ENOSYS` : text;
}

const PLATFORMS = ['linux/amd64', 'linux/arm64'] as const;

/** `short`: whether docker's one-letter names belong to these options (strace has its own meaning for them). */
export function machineOptions(short: boolean): OptionSpec<MachineArgs>[] {
  const names = (letter: string, ...long: string[]): string[] => (short ? [letter, ...long] : long);
  return [
    {
      names: names('-v', '--volume'), arg: 'HOST:GUEST[:ro]', apply: (o, v) => o.mounts.push(parseMount(v)),
      help: 'show the host folder HOST at GUEST; may be repeated',
    },
    {
      names: names('-p', '--publish'), arg: '[IP:]HOST:GUEST', apply: (o, v) => o.publish.push(parsePublish(v)),
      help: "pass connections to host port HOST on to the guest's port GUEST;\nIP is 127.0.0.1 unless given, HOST 0 takes a free port",
    },
    {
      names: names('-e', '--env'), arg: 'NAME[=VALUE]', apply: (o, v) => o.env.push(parseEnv(v)),
      help: "set a variable; without =VALUE it takes the host's",
    },
    { names: names('-w', '--workdir'), arg: 'DIR', apply: (o, v) => (o.workdir = parseWorkdir(v)), help: "the guest's working directory" },
    { names: names('-u', '--user'), arg: 'UID[:GID]', apply: (o, v) => (o.user = v), help: 'run as this user (0:0 unless given)' },
    { names: ['--root'], arg: 'DIR', apply: (o, v) => (o.root = v), help: "the guest's root file system: a folder, a tar archive (gzip, zstd, xz too), an OCI image\nlayout or what `docker save` writes; PROG is in it; an image's own command, variables,\nfolder and user are used where the command line names none;\nthe guest's changes stay in memory and end with it" },
    { names: ['--rw'], apply: (o) => (o.readWrite = true), help: 'let the guest change the folder given with --root;\n/dev, /proc, /sys and /tmp are made in it where it has none' },
    { names: ['--platform'], arg: 'linux/amd64|linux/arm64', apply: (o, v) => (o.platform = oneOf(v, '--platform', PLATFORMS)), help: "the machine's architecture: PROG's own unless given" },
    { names: ['--argv0'], arg: 'NAME', apply: (o, v) => (o.argv0 = v), help: 'what PROG sees as argv[0]' },
    { names: ['--hostname'], arg: 'NAME', apply: (o, v) => (o.hostname = v), help: 'the name uname gives (ring3)' },
    { names: ['--net'], arg: 'none|host', apply: (o, v) => (o.hostNetwork = oneOf(v, '--net', ['none', 'host']) === 'host'), help: 'host: let the guest connect to the outside; 127.0.0.1 stays its own' },
    { names: ['--seed'], arg: 'N', apply: (o, v) => (o.seed = v), help: 'run on virtual time, every random choice drawn from N:\nthe same seed gives the same run' },
    { names: ['--schedule'], arg: 'SCHEDULE|FILE', apply: (o, v) => (o.schedule = v), help: 'run tasks in this order, as ring3 explore found it; everything else is drawn\nfrom --seed (0)' },
    { names: ['--timeout'], arg: 'TIME', apply: (o, v) => (o.timeout = parseDuration(v, '--timeout')), help: 'kill the guest after TIME (10, 500ms, 2m): status 124' },
    { names: ['--livelock'], arg: 'CALLS', optional: true, apply: (o, v) => (o.livelock = v === '' ? LIVELOCK_CALLS : parseCount(v, '--livelock', 1000, 1e12)), help: 'give up (status 125) when all that runs has only repeated calls without\neffect for CALLS calls (1000000), and say which' },
    { names: ['--max-memory'], arg: 'SIZE', apply: (o, v) => (o.maxMemory = parseMemory(v)), help: 'memory the guest may use in all, 16m to 4g (1g)' },
    { names: ['--cpus'], arg: 'N', apply: (o, v) => (o.cpus = parseCount(v, '--cpus', 1, 64)), help: 'processors the guest sees (1)' },
    { names: ['--aslr'], apply: (o) => (o.aslr = true), help: 'randomise the address space' },
    { names: ['--cpu'], arg: 'jit|interp|unicorn|lockstep', apply: (o, v) => (o.cpu = parseCpu(v)), help: 'what runs the instructions (jit: interpreter and compiler);\nunicorn:FILE.js takes a build of unicorn.js;\nlockstep: interpreter and Unicorn, until they differ;\nlockstep:jit: interpreter and compiler' },
    { names: ['--dump-regions'], arg: 'FILE', apply: (o, v) => (o.dumpRegions = v), help: 'write what is compiled to FILE: instructions beside their WebAssembly' },
    { names: ['--personality'], arg: 'linux|starry[@YYYY-MM]', apply: (o, v) => (o.personality = parsePersonality(v)), help: 'whose kernel to be: starry has the quirks of StarryOS, as of a date' },
    { names: ['--quirk'], arg: 'NAME', apply: (o, v) => o.quirks.push(parseQuirk(v)), help: "add one quirk; 'ring3 quirks' lists them; may be repeated" },
    { names: ['--no-quirk'], arg: 'NAME', apply: (o, v) => o.noQuirks.push(parseQuirk(v)), help: 'leave one quirk of the personality out; may be repeated' },
    { names: ['--inject'], arg: 'SET:WHAT[:when=N]', apply: (o, v) => o.inject.push(parseInject(v, '--inject', false)), help: "tamper with calls as strace's -e inject= does; WHAT is error=E, retval=N, signal=S, syscall=C,\ndelay_enter=T, delay_exit=T, poke_enter=@argN=HEX, poke_exit=@argN=HEX;\nwhen=FIRST[..LAST][+[STEP]] counts a task's calls; chance=10% draws from --seed" },
    { names: ['--fault'], arg: 'SET[:error=E]', apply: (o, v) => o.inject.push(parseInject(v, '--fault', true)), help: 'make calls fail, with ENOSYS unless told: --inject with error= only' },
    { names: ['--core'], arg: 'FILE', apply: (o, v) => (o.core = v), help: 'write the core of a process that dies of SIGSEGV and the like to FILE, for gdb;\n%p, %e and so on in it as in core(5)' },
    { names: ['--gdb'], arg: '[ADDR:]PORT', apply: (o, v) => (o.gdb = parseGdb(v)), help: 'wait for gdb on this port of the host (127.0.0.1 unless ADDR; 0 takes a free one) before\nthe first instruction: gdb-multiarch PROG, then `target remote :PORT`' },
    { names: ['--stats'], apply: (o) => (o.stats = true), help: 'at the end, say how many instructions ran, how fast,\nand what was compiled and how it was used' },
    { names: names('-i', '--interactive'), apply: () => {}, help: 'accepted for docker users; stdin is always connected' },
    { names: names('-t', '--tty'), apply: () => {}, help: 'accepted for docker users; a terminal on stdin is always used as one' },
    { names: names('-h', '--help'), apply: (o) => (o.help = true), help: 'this text' },
  ]; // prettier-ignore
}

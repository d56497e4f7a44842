/** The cpu of a machine, and what its kernel says of it. */
import {
  A64Cpu,
  CPU_FLAGS,
  LockstepCpu,
  interpreterOf,
  HWCAP,
  HWCAP2,
  UNICORN_FLAGS,
  UnicornA64Cpu,
  UnicornX86Cpu,
  X86Cpu,
  aarch64,
  undefinedFlags,
  HEAT,
  type CpuOptions,
  type Heat,
  type Memory,
  type CpuCore,
  type SteppingCore,
} from '../../cpu/index.ts';
import type { KernelOptions } from '../../kernel/kernel.ts';
import { REG, type Arch, type Clock, type CpuFactory, type Ram } from '../../kernel/ports.ts';
import { backgroundCompilerOf, compilerOf, loadA64Core, loadCore } from '../host/core-files.ts';
import { loadUnicorn } from '../host/unicorn.ts';
import { BootError } from './errors.ts';

export type MachineCpu = CpuCore;

export interface CpuChoice {
  readonly cpu: MachineCpu;
  /** The same as the kernel sees it. */
  readonly factory: CpuFactory & { readonly memory: Ram };
  readonly options: Pick<KernelOptions, 'arches' | 'hwcap' | 'hwcap2' | 'minsigstksz' | 'cpuFlags'>;
}

/** AT_MINSIGSTKSZ without AVX, and without SVE: what Linux says for the frame this cpu needs. */
const MINSIGSTKSZ: Readonly<Record<Arch, number>> = { x86_64: 1520, aarch64: 4720 };

/**
 * `memoryBytes`: of guest RAM and the cpu's own; `cpus`: how many the guest is told of; `core`: `jit`, `interp`,
 * `unicorn` or `unicorn:` and the path of a WebAssembly build. Throws BootError when there is no such core here.
 */
export async function makeCpu(
  arch: Arch,
  memoryBytes: number,
  cpus: number,
  clock: Clock,
  core: string,
  watch: Watch = {},
): Promise<CpuChoice> {
  const heat = heatOf(core);
  const own = heat !== null || core === 'interp' || core === 'lockstep:jit';
  const cpu =
    heat !== null || core === 'interp'
      ? await interpreter(arch, memoryBytes, cpus, clock, { heat, ...watch })
      : core === 'lockstep' || core === 'lockstep:jit'
        ? await lockstep(arch, memoryBytes, cpus, clock, core === 'lockstep' ? 'unicorn' : 'jit', watch)
        : await unicorn(arch, memoryBytes, cpus, clock, core);
  const minsigstksz = MINSIGSTKSZ[arch];
  return {
    cpu,
    factory: cpu as CpuCore & CpuFactory,
    options:
      arch === 'x86_64'
        ? {
            arches: [arch],
            hwcap: HWCAP,
            hwcap2: own ? HWCAP2 : 0, // Unicorn's cpu has no FSGSBASE
            minsigstksz,
            cpuFlags: own ? CPU_FLAGS : UNICORN_FLAGS,
          }
        : {
            arches: [arch],
            hwcap: aarch64.HWCAP,
            hwcap2: aarch64.HWCAP2,
            minsigstksz,
            cpuFlags: aarch64.FEATURES.split(' '),
          },
  };
}

/** What is to be seen of compiled code at work. */
export type Watch = Pick<CpuOptions, 'counts' | 'onSample' | 'onRegion'>;

interface InterpreterOptions extends Watch {
  /** Without what Unicorn has not. */
  readonly likeUnicorn?: boolean;
  /** With the compiler. */
  readonly heat?: Partial<Heat> | null;
}

/** `jit`, or `jit:SLICE:SAMPLES` to have code compiled earlier or later; null: another core. */
function heatOf(core: string): Partial<Heat> | null {
  const m = /^jit(?::(\d+):(\d+))?$/.exec(core);
  if (!m) return null;
  return m[1]
    ? { slice: Number(m[1]), longest: Number(m[1]), samples: Number(m[2]), warmUp: 0, cost: 0 }
    : {};
}

/** aarch64's registers in the order of `Regs.get`. */
const A64_NAMES = [...Array.from({ length: 31 }, (_, i) => `x${i}`), 'sp', 'pc', 'pstate', 'tpidr'];

/** Compiled as early as it can be: what lockstep is to see. */
const AT_ONCE: Partial<Heat> = { slice: 500, longest: 500, samples: 2, warmUp: 0, cost: 0 };

/**
 * Two cores side by side in one memory, `second` against the interpreter: `jit`, what is compiled by the same cpu, or
 * `unicorn`.
 */
async function lockstep(
  arch: Arch,
  memoryBytes: number,
  cpus: number,
  clock: Clock,
  against: 'jit' | 'unicorn',
  watch: Watch,
): Promise<CpuCore> {
  let now = clock.monotonic();
  const still: Clock = Object.create(clock, { monotonic: { value: () => now } }) as Clock;
  const tick = (): void => {
    now = clock.monotonic();
  };
  if (against === 'jit') {
    const second = (await interpreter(arch, memoryBytes, cpus, still, {
      heat: AT_ONCE,
      ...watch,
    })) as Parameters<typeof interpreterOf>[0];
    const own = {
      first: interpreterOf(second),
      second,
      tick,
      alike: true,
      countsRounds: false,
      fpIgnored: [],
    };
    return new LockstepCpu(
      arch === 'x86_64'
        ? { ...own, names: Object.keys(REG), fpBytes: 512 }
        : { ...own, names: A64_NAMES, fpBytes: 528 },
    );
  }
  const first = (await interpreter(arch, memoryBytes, cpus, still, { likeUnicorn: true })) as SteppingCore;
  const second = (await unicorn(arch, memoryBytes, cpus, still, 'unicorn', first.memory)) as SteppingCore;
  return new LockstepCpu(
    arch === 'x86_64'
      ? {
          first, second, tick, names: Object.keys(REG), fpBytes: 512, countsRounds: true,
          // x87's last opcode and pointers (processors differ in when they set them), and what FXSAVE leaves unused.
          fpIgnored: [[6, 24], [28, 32], [416, 512]],
          undefinedFlags: { register: 'rflags', of: undefinedFlags },
        }
      : { first, second, tick, names: A64_NAMES, fpBytes: 528, countsRounds: false, fpIgnored: [] },
  ); // prettier-ignore
}

/** A browser has to fetch it (src/browser). */
type Loaded<T> = T | Promise<T>;

async function interpreter(
  arch: Arch,
  memoryBytes: number,
  cpus: number,
  clock: Clock,
  { likeUnicorn = false, heat = null, ...watch }: InterpreterOptions = {},
): Promise<CpuCore> {
  const nanoseconds = (): bigint => BigInt(clock.monotonic()); // both counters run at 1 GHz
  const compiling = <Isa>(isa: Isa): Partial<CpuOptions> => {
    if (!heat) return {};
    const all = { ...HEAT, ...heat };
    // A threshold that is named makes a run compile the same each time, which a thread would not.
    const background = heat.samples === undefined ? { background: backgroundCompilerOf(arch) } : {};
    return { compiler: compilerOf(arch, isa), ...background, heat: all, ...watch };
  };
  if (arch === 'x86_64') {
    const core = await (loadCore() as Loaded<ReturnType<typeof loadCore>>);
    return new X86Cpu({ ...core, ...compiling(core.isa), memoryBytes, cpus, tsc: nanoseconds, likeUnicorn });
  }
  const core = await (loadA64Core() as Loaded<ReturnType<typeof loadA64Core>>);
  return new A64Cpu({ ...core, ...compiling(core.isa), memoryBytes, counter: nanoseconds });
}

async function unicorn(
  arch: Arch,
  memoryBytes: number,
  cpus: number,
  clock: Clock,
  core: string,
  memory?: Memory,
): Promise<CpuCore> {
  const nanoseconds = (): bigint => BigInt(clock.monotonic());
  const path = core.startsWith('unicorn:') ? core.slice(8) : null;
  if (core !== 'unicorn' && !path) {
    throw new BootError(
      'setup',
      `cpu: '${core}' is no core; give jit, interp, unicorn, unicorn:FILE.js, lockstep or lockstep:jit`,
    );
  }
  const found = await loadUnicorn(path);
  if (typeof found === 'string') throw new BootError('setup', found);
  const options = { unicorn: found, memoryBytes, ...(memory ? { memory } : {}) };
  return arch === 'x86_64'
    ? new UnicornX86Cpu({ ...options, cpus, tsc: nanoseconds })
    : new UnicornA64Cpu({ ...options, counter: nanoseconds });
}

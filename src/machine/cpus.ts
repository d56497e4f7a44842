/** The cpu of a machine, and what its kernel says of it. */
import {
  A64Cpu,
  CPU_FLAGS,
  HWCAP,
  HWCAP2,
  UNICORN_FLAGS,
  UnicornA64Cpu,
  UnicornX86Cpu,
  X86Cpu,
  aarch64,
  type CpuCore,
} from '../../cpu/index.ts';
import type { KernelOptions } from '../../kernel/kernel.ts';
import type { Arch, Clock, CpuFactory, Ram } from '../../kernel/ports.ts';
import { loadA64Core, loadCore } from '../host/core-files.ts';
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
 * `memoryBytes`: of guest RAM and the cpu's own; `cpus`: how many the guest is told of; `core`: `interpreter`,
 * `unicorn` or `unicorn:` and the path of a WebAssembly build. Throws BootError when there is no such core here.
 */
export async function makeCpu(
  arch: Arch,
  memoryBytes: number,
  cpus: number,
  clock: Clock,
  core: string,
): Promise<CpuChoice> {
  const cpu =
    core === 'interpreter'
      ? interpreter(arch, memoryBytes, cpus, clock)
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
            hwcap2: core === 'interpreter' ? HWCAP2 : 0, // Unicorn's cpu has no FSGSBASE
            minsigstksz,
            cpuFlags: core === 'interpreter' ? CPU_FLAGS : UNICORN_FLAGS,
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

function interpreter(arch: Arch, memoryBytes: number, cpus: number, clock: Clock): CpuCore {
  const nanoseconds = (): bigint => BigInt(clock.monotonic()); // both counters run at 1 GHz
  return arch === 'x86_64'
    ? new X86Cpu({ ...loadCore(), memoryBytes, cpus, tsc: nanoseconds })
    : new A64Cpu({ ...loadA64Core(), memoryBytes, counter: nanoseconds });
}

async function unicorn(
  arch: Arch,
  memoryBytes: number,
  cpus: number,
  clock: Clock,
  core: string,
): Promise<CpuCore> {
  const nanoseconds = (): bigint => BigInt(clock.monotonic());
  const path = core.startsWith('unicorn:') ? core.slice(8) : null;
  if (core !== 'unicorn' && !path) {
    throw new BootError('setup', `cpu: '${core}' is no core; give interpreter, unicorn or unicorn:FILE.js`);
  }
  const found = await loadUnicorn(path);
  if (typeof found === 'string') throw new BootError('setup', found);
  return arch === 'x86_64'
    ? new UnicornX86Cpu({ unicorn: found, memoryBytes, cpus, tsc: nanoseconds })
    : new UnicornA64Cpu({ unicorn: found, memoryBytes, counter: nanoseconds });
}

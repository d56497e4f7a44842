/** The cpu of a machine, and what its kernel says of it. */
import {
  A64Cpu,
  CPU_FLAGS,
  HWCAP,
  HWCAP2,
  X86Cpu,
  aarch64,
  type Cpu,
  type TaskRegs,
} from '../../cpu/index.ts';
import type { KernelOptions } from '../../kernel/kernel.ts';
import type { Arch, Clock, CpuFactory, Ram } from '../../kernel/ports.ts';
import { loadA64Core, loadCore } from '../host/core-files.ts';

export type MachineCpu = Cpu<TaskRegs>;

export interface CpuChoice {
  readonly cpu: MachineCpu;
  /** The same as the kernel sees it. */
  readonly factory: CpuFactory & { readonly memory: Ram };
  readonly options: Pick<KernelOptions, 'arches' | 'hwcap' | 'hwcap2' | 'minsigstksz' | 'cpuFlags'>;
}

/** AT_MINSIGSTKSZ without AVX, and without SVE: what Linux says for the frame this cpu needs. */
const MINSIGSTKSZ: Readonly<Record<Arch, number>> = { x86_64: 1520, aarch64: 4720 };

/** `memoryBytes`: of guest RAM and the cpu's own; `cpus`: how many the guest is told of. */
export function makeCpu(arch: Arch, memoryBytes: number, cpus: number, clock: Clock): CpuChoice {
  const nanoseconds = (): bigint => BigInt(clock.monotonic()); // both counters run at 1 GHz
  const made =
    arch === 'x86_64'
      ? new X86Cpu({ ...loadCore(), memoryBytes, cpus, tsc: nanoseconds })
      : new A64Cpu({ ...loadA64Core(), memoryBytes, counter: nanoseconds });
  const cpu = made as unknown as MachineCpu;
  const minsigstksz = MINSIGSTKSZ[arch];
  return {
    cpu,
    factory: made,
    options:
      arch === 'x86_64'
        ? { arches: [arch], hwcap: HWCAP, hwcap2: HWCAP2, minsigstksz, cpuFlags: CPU_FLAGS }
        : {
            arches: [arch],
            hwcap: aarch64.HWCAP,
            hwcap2: aarch64.HWCAP2,
            minsigstksz,
            cpuFlags: aarch64.FEATURES.split(' '),
          },
  };
}

/** The cpus' public face: what `src` joins to the kernel. */
export { A64Cpu, type A64CpuOptions } from './a64-cpu.ts';
export { A64Regs } from './a64-regs.ts';
export type { Cpu, CpuOptions } from './cpu.ts';
export type { CpuCore, CpuState } from './port.ts';
export type { CpuDebug, DebugStop, Watch, WatchHit, WatchKind } from './debug.ts';
export { hasRelaxedMadd } from './jit/fused.ts';
export { HEAT, type Heat } from './jit/heat.ts';
export type { BackgroundCompiler, Compiled, CompileRegion, CompilerStats } from './jit/compiler.ts';
export type { CompiledRegion } from './jit/compile.ts';
export type { CompileJob } from './jit/job.ts';
export * from './unicorn/api.ts';
export { UnicornX86Cpu, type UnicornX86Options } from './unicorn/x86.ts';
export { UnicornA64Cpu } from './unicorn/a64.ts';
export { X86Cpu, type X86CpuOptions } from './x86-cpu.ts';
export { X86Regs } from './x86-regs.ts';
export type { TaskRegs } from './regs.ts';
export { freedBytes } from './memory/ram-image.ts';
export { Memory } from './memory/memory.ts';
export { PageTable, OutOfMemory } from './memory/page-table.ts';
export { EXIT } from './layout.ts';
export { loadIsa, type DecodeTables, type SerializedIsa } from './isa/x86_64/handlers.ts';
export {
  loadIsa as loadA64Isa,
  type DecodeTables as A64DecodeTables,
  type SerializedIsa as SerializedA64Isa,
} from './isa/aarch64/handlers.ts';
export { undefinedFlags } from './isa/x86_64/undefined-flags.ts';
export { CPU_FLAGS, HWCAP, HWCAP2, UNICORN_FLAGS } from './isa/x86_64/cpuid.ts';
export * as aarch64 from './isa/aarch64/sysregs.ts';
export { interpreterOf, LockstepCpu, LockstepDifference, type SteppingCore } from './lockstep.ts';

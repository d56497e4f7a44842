/** The cpu's public face: what `src` joins to the kernel. */
export { X86Cpu, type X86CpuOptions } from './x86-cpu.ts';
export { X86Regs } from './x86-regs.ts';
export { Memory } from './memory/memory.ts';
export { PageTable, OutOfMemory } from './memory/page-table.ts';
export { EXIT } from './layout.ts';
export { loadIsa, type DecodeTables, type SerializedIsa } from './isa/x86_64/handlers.ts';
export { CPU_FLAGS, HWCAP, HWCAP2 } from './isa/x86_64/cpuid.ts';

/**
 * Unicorn as this core calls it: the names and arguments of unicorn.js (`MUnicorn()` resolves to a `Unicorn` module,
 * errors are thrown), and what a native library adds to them where it can.
 */

export interface UnicornModule {
  readonly Unicorn: new (arch: number, mode: number) => UnicornEngine;
  /** A native library is told of the linear memory its engines map pages of. */
  attach?(memory: ArrayBuffer): void;
}

/** What a hook does: the arguments of unicorn.js's callbacks. */
export type InterruptHook = (engine: UnicornEngine, intno: number) => void;
export type InstructionHook = (engine: UnicornEngine) => unknown;
export type MemoryHook = (
  engine: UnicornEngine,
  type: number,
  address: number | bigint,
  size: number,
) => boolean;
export type BlockHook = (engine: UnicornEngine, address: number | bigint, size: number) => void;
export type UnicornHook = InterruptHook | InstructionHook | MemoryHook | BlockHook;

export interface UnicornEngine {
  mem_map(address: number, size: number, perms: number): void;
  mem_unmap(address: number, size: number): void;
  mem_read(address: number, size: number): Uint8Array;
  mem_write(address: number, bytes: Uint8Array): void;
  reg_read(id: number, size: number): Uint8Array;
  reg_write(id: number, bytes: Uint8Array): void;
  /** `extra`: the instruction, with HOOK_INSN. */
  hook_add(
    type: number,
    hook: UnicornHook,
    userData?: unknown,
    begin?: number,
    end?: number,
    extra?: number,
  ): unknown;
  /** Throws when emulation ended with an error. */
  emu_start(begin: number, until: number, timeout: number, count: number): void;
  emu_stop(): void;
  context_alloc(): unknown;
  context_save(context: unknown): void;
  context_restore(context: unknown): void;
  context_free(context: unknown): void;
  ctl_set_cpu_model(model: number): void;
  ctl_remove_cache(address: number, end: number): void;
  close(): void;

  // What only a native library has.

  /** Maps guest pages onto bytes of the linear memory itself. */
  map_linear?(address: number, size: number, perms: number, linear: number): void;
  /** Moves all of `registers` between the engine and linear memory in one call. */
  register_block?(registers: readonly RegisterPlace[]): RegisterBlock;
  /** Instructions begun since the last `emu_start`. */
  instructions?(): number;
  /** A hook that stops at an instruction, without a call into JavaScript. */
  stop_at?(instruction: number): void;
}

/** A register and where in linear memory its value lies. */
export interface RegisterPlace {
  readonly id: number;
  /** Linear address. */
  readonly at: number;
  readonly size: number;
}

export interface RegisterBlock {
  read(): void;
  write(): void;
}

export const UC = {
  ARCH_ARM64: 2,
  ARCH_X86: 4,
  MODE_ARM: 0,
  MODE_64: 8,
  HOOK_INTR: 1,
  HOOK_INSN: 2,
  HOOK_BLOCK: 8,
  HOOK_MEM_INVALID: 0x3f0,
  HOOK_INSN_INVALID: 1 << 14,
  MEM_READ_UNMAPPED: 19,
  MEM_WRITE_UNMAPPED: 20,
  MEM_FETCH_UNMAPPED: 21,
  MEM_WRITE_PROT: 22,
  MEM_READ_PROT: 23,
  MEM_FETCH_PROT: 24,
  CPU_ARM64_MAX: 3,
  X86_INS_CPUID: 113,
  X86_INS_SYSCALL: 699,
  X86_INS_IN: 218,
  X86_INS_OUT: 500,
} as const;

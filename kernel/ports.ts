/**
 * What the kernel asks of the world around it. `src` joins these to the cpu, the host and the clock;
 * the kernel never imports any of them.
 */

/** Page size of both guest architectures here, in bytes. */
export const PAGE_SIZE = 4096;

/** Protection bits of a page-table entry and of a memory access (same values as PROT_*). */
export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;

/**
 * Guest RAM: one fixed linear memory shared by all processes. Never grows, so views stay valid for the
 * machine's life. A frame is PAGE_SIZE bytes, named by its byte offset in `u8`.
 */
export interface Ram {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly view: DataView;
  /**
   * Takes `count` frames contiguous in RAM, zeroed, each with one reference: those at byte offset `at` when all of them
   * are free, else any. Returns the byte offset or -1.
   */
  alloc(count: number, at?: number): number;
  /**
   * Sets a stretch of RAM apart in which `count` frames may be asked for one by one and still lie together: the one at
   * byte offset `at`, else any. Only other places keep out of it. Returns its byte offset or -1.
   */
  place(count: number, at?: number): number;
  /** Gives back `count` frames' worth of a place, or part of it in multiples of 16 frames. Allocated frames stay. */
  unplace(at: number, count: number): void;
  /** Adds a reference to one frame. */
  retain(frame: number): void;
  /** Drops a reference to one frame; the last one frees it. */
  release(frame: number): void;
  /** References to one frame. */
  refs(frame: number): number;
  /** Frames in use and in all. */
  readonly used: number;
  readonly total: number;
}

/**
 * One address space as the cpu sees it: guest page → frame and protection. Reads, writes and fetches that find
 * no entry, or not the right, leave the cpu with a fault exit. Addresses are multiples of PAGE_SIZE below 2^47.
 */
export interface PageTable {
  /** Maps one page. The page table holds no reference of its own: the kernel's VMAs own the frames. */
  set(page: number, frame: number, prot: number): void;
  /** Frame of a page, or -1 when nothing is mapped there. */
  frame(page: number): number;
  /** Protection of a page as last set; PROT_NONE when nothing is mapped. */
  prot(page: number): number;
  /** Changes the protection of one mapped page. */
  protect(page: number, prot: number): void;
  /** Forgets pages in [start, end). */
  clear(start: number, end: number): void;
  /** Calls back for each mapped page in [start, end), lowest first. */
  forEach(start: number, end: number, fn: (page: number, frame: number, prot: number) => void): void;
  /** The kernel wrote to guest memory behind the cpu's back: drop decoded code on these bytes. */
  written(address: number, length: number): void;
  /** Set by the address space: maps an executable page nobody touched yet, so that the cpu can look at it. */
  prefault: ((page: number) => void) | null;
  /** Set by the address space: calls back for every page, of any process, through which this one's bytes may be written. */
  writers: ((page: number, fn: (table: PageTable, page: number) => void) => void) | null;
  /** Nobody will run in the address space again: from here on its pages only go. */
  abandon(): void;
  /** The address space is gone. */
  destroy(): void;
}

/** General registers by their position in the x86_64 context; the same names serve `Regs.get`. */
export const REG = {
  rax: 0, rcx: 1, rdx: 2, rbx: 3, rsp: 4, rbp: 5, rsi: 6, rdi: 7,
  r8: 8, r9: 9, r10: 10, r11: 11, r12: 12, r13: 13, r14: 14, r15: 15,
  rip: 16, rflags: 17, fs_base: 18, gs_base: 19,
} as const; // prettier-ignore

/** The same for aarch64. */
export const A64_REG = {
  x0: 0, x1: 1, x2: 2, x3: 3, x4: 4, x5: 5, x6: 6, x7: 7, x8: 8, x9: 9, x10: 10, x11: 11, x12: 12, x13: 13, x14: 14, x15: 15, x16: 16, x17: 17, x18: 18, x19: 19, x20: 20, x21: 21, x22: 22, x23: 23, x24: 24, x25: 25, x26: 26, x27: 27, x28: 28, x29: 29, x30: 30,
  sp: 31, pc: 32, pstate: 33, tpidr: 34,
} as const; // prettier-ignore

/** One task's user registers. Valid whether the task runs or not. */
export interface Regs {
  readonly arch: Arch;
  /** Register `i` (REG on x86_64, A64_REG on aarch64), unsigned 64 bits. */
  get(i: number): bigint;
  set(i: number, value: bigint): void;
  /** The same as a number: exact below 2^53. `setNum` stores negative values as two's complement. */
  num(i: number): number;
  setNum(i: number, value: number): void;
  /** Low and high signed 32-bit halves, without a bigint. */
  lo(i: number): number;
  hi(i: number): number;
  /** Program counter and stack pointer, exact below 2^53. */
  pc: number;
  sp: number;
  /** x86_64: the 512-byte fxsave image. aarch64: fpsr, fpcr, v0…v31 (528 bytes). */
  saveFp(out: Uint8Array): void;
  loadFp(image: Uint8Array): void;
  /** Copies everything from another task's registers (fork, clone). */
  copyFrom(other: Regs): void;
  /** All zero, as execve leaves them, floating point at its reset values. */
  reset(): void;
  /** Gives the block back. */
  release(): void;
}

export type Arch = 'x86_64' | 'aarch64';

/** Makes what a new task or address space needs. */
export interface CpuFactory {
  newRegs(arch: Arch): Regs;
  newPageTable(arch: Arch): PageTable;
}

/** Time, in nanoseconds. Injected, so a seeded machine runs on virtual time. */
export interface Clock {
  /** Nanoseconds since the machine booted. Monotonic; exact (below 2^53). */
  monotonic(): number;
  /** Realtime minus monotonic, nanoseconds since 1970. */
  readonly realtimeOffset: bigint;
  /** Time that passes without instructions, where time is counted by them: the kernel's own busy waits. */
  pass?(nanoseconds: number): void;
  /** Changes realtime (clock_settime). */
  setRealtimeOffset(offset: bigint): void;
}

/** Random bytes: the host's, or a seeded generator. */
export interface Entropy {
  fill(out: Uint8Array): void;
  /** Uniform integer in [0, n). */
  below(n: number): number;
}

/** Limits a guest cannot pass. */
export interface Limits {
  maxTasks: number;
  maxFds: number;
  /** Bytes all tmpfs files may hold together. */
  maxFileBytes: number;
}

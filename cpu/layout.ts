/**
 * Where the machine keeps its own things in linear memory, below the first guest frame. Everything the generated code
 * touches has a constant address, so it costs one instruction to reach. Offsets and sizes in bytes.
 */

/** The running task's cpu state. A task that does not run keeps a copy of the first CONTEXT_SIZE bytes elsewhere. */
export const STATE = 0x1000;

/** Offsets from STATE. General registers first: a byte register of any width is an offset (ah is rax + 1). */
export const S = {
  gpr: 0,
  rip: 128,
  fsBase: 136,
  gsBase: 144,
  /** Always zero: the base or index of an address that has none. */
  zero: 152,
  /** Address parts computed by a preparing record (segment bases, 32-bit addresses). */
  tmp: 160,
  /** Last result, shifted left so that its sign is bit 63; or all flags as an rflags image when ccOp < 0. */
  ccResult: 168,
  /** Carries out of every bit of the last addition (borrows, for a subtraction), shifted like ccResult. */
  ccCarry: 176,
  /** 64 − operand bits, or −1: ccResult is an rflags image; from CC_COMPILED on as between compiled regions (jit/x86-flags.ts). */
  ccOp: 184,
  /** 0, or 1 when DF is set. */
  df: 188,
  /** The remaining writable rflags bits: TF, NT, RF, AC, ID. */
  rflagsRest: 192,
  mxcsr: 196,
  /** xmm0…xmm15, 16 bytes each. */
  xmm: 256,
  /** x87 registers by physical number, 16 bytes each: 64-bit significand, then 16 bits of sign and exponent. MMX too. */
  fpr: 512,
  fpuControl: 640,
  /** Status word without TOP. */
  fpuStatus: 644,
  fpuTop: 648,
  /** Bit n set: physical register n holds a value. */
  fpuTags: 652,
  fpuOpcode: 656,
  fpuIp: 664,
  fpuDp: 672,
  /** Behind what a context switch saves, of any architecture. */

  /** Why and where the cpu stopped. */
  exitRec: 1088,
  faultAccess: 1092,
  faultAddress: 1096,
  faultSize: 1104,
  /** Instructions left before preemption. */
  fuel: 1112,
  /** Record of the jump cache's owner: base address of the current jump cache. */
  jumpCache: 1120,
  /** Root of the current page table. */
  pageTable: 1124,
  /** An SSE operation raised an exception that MXCSR does not mask. */
  simdPending: 1128,
  /** A crossing read that has no TLB slot to itself (cpu/bounce.ts): its guest address and where it lies, 0: none. */
  apartAddress: 1136,
  apartAt: 1144,
} as const;

export const CONTEXT_SIZE = 704;

/** Two decoded records for running one instruction alone: the instruction and a stop. */
export const SINGLE = STATE + 0x500;

/** Software TLB: TLB_ENTRIES entries of 16 bytes each: i64 page address, i32 (frame − page address) mod 2^32. */
export const TLB_ENTRIES = 1024;
export const TLB_READ = 0x4000;
export const TLB_WRITE = TLB_READ + TLB_ENTRIES * 16;
/** In faultAccess beside the kind: a read that must not use the slot of another read of the same instruction. */
export const APART = 8;
/** Private to generated code and its helpers (bounce page pairs, spilled temporaries, tables). */
export const BOUNCE = 0x10000;
export const SCRATCH = 0x14000;
export const TABLES = 0x18000;

/** Windows of the running address space, for compiled code (jit/windows.ts): WINDOW_BYTES each. */
export const WINDOWS = 0x20000;
export const WINDOW_COUNT = 16;
export const WINDOW_BYTES = 128;
/** Offsets in a window. */
export const W = {
  /** Guest address of its first byte. */
  lo: 0,
  /** Linear address − guest address, mod 2^32. */
  delta: 8,
  /** First distance from `lo` at which an access of each of WINDOW_SIZES does not fit; i64 each. */
  limits: 16,
} as const;
/** Bytes that compiled code asks a window for at once. */
export const WINDOW_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] as const;
/** What compiled regions leave in ccOp for each other, less their own kind of flags; the helper `settle` makes it one of the others. */
export const CC_COMPILED = 64;
/** How often compiled regions were entered and left, by cause (EXIT_CAUSES), when that is counted; i64 each. */
export const COUNTERS = 0x20800;
/** The first two: instructions retired in regions, and how often one was entered. */
export const EXIT_CAUSES = ['instructions', 'entered', 'memory', 'numbers', 'interpreter', 'link', 'indirect', 'lookup', 'preempt', 'other'] as const; // prettier-ignore
export type ExitCause = (typeof EXIT_CAUSES)[number];
/**
 * How often a supposition failed in compiled code, and the records of the last MISSES times: plain where an access missed
 * its window, + UNUSUAL where a number was out of the ordinary.
 */
export const UNUSUAL = 1;
export const MISS_COUNT = 0x20860;
export const MISSES = 16;
export const MISS_RECORDS = 0x20880;

/** The same for ways out of regions to code that is interpreted, by the first records of what is there. */
export const LEAK_COUNT = 0x208c0;
export const LEAK_RECORDS = 0x208e0;

/** The same for ways from one region to another: the record of the entry there, and the slot of the one that was left. */
export const CROSSING_COUNT = 0x20920;
export const CROSSINGS = 0x20940;
export const CROSSING_SIZE = 8;

/** First byte after the fixed areas. */
export const FIXED_END = 0x30000;

/** One decoded instruction ("record"). Offsets in it. */
export const R = {
  /** Table index of its handler, 16 bits. */
  handler: 0,
  /** Where a compiled region that took the handler's place is to begin, 16 bits. */
  entry: 2,
  /** Register operands: offsets from STATE. */
  r1: 4,
  r2: 6,
  /** Memory operand: offsets from STATE of base and index, log2 of the scale, displacement (sign-extended). */
  base: 8,
  index: 10,
  scale: 12,
  /** 0xff on a branch that goes backward (preemption point), else 0. */
  backward: 13,
  /** Instructions in the block up to and including this one (on records that end or may leave a block). */
  count: 14,
  /** Displacement; target address of a direct branch. */
  disp: 16,
  /** Immediate, cut to the operand size; return address of a call. */
  imm: 24,
  /** Decoded target and fall-through, 0 while unknown. */
  link0: 32,
  link1: 36,
  /** Where an instruction that has no links last accessed memory: guest address, 0 while it did not. */
  accessed: 32,
  /** Guest address of the instruction. */
  pc: 40,
} as const;
export const RECORD_SIZE = 48;

/** Slots of the handlers' table for compiled regions. Handlers and these are less than 65536. */
export const REGION_SLOTS = 8192;

/** Why `run` came back. */
export const EXIT = {
  stop: 0,
  syscall: 1,
  /** faultAddress, faultAccess, faultSize tell what could not be translated. */
  fault: 2,
  preempt: 3,
  /** rip is to be looked up (and decoded). */
  lookup: 4,
  undefined: 5,
  divide: 6,
  protection: 7,
  breakpoint: 8,
  /** An access crosses a page or touches a page with decoded code: carry this instruction out the slow way. */
  slow: 9,
  simd: 10,
  x87: 11,
  /** A block whose code changed. */
  stale: 12,
  /** An address (in faultAddress) or the pc is not aligned as it must be. */
  alignment: 13,
  /** The debugger asked for it: `CpuDebug.stop` says what. Never without one. */
  debug: 14,
} as const;

/** Page-table entry: frame byte offset (a multiple of 4096) and these low bits. */
export const PTE_PRESENT = 8;
/** Decoded code lies on this page: writes take the slow path. */
export const PTE_CODE = 16;
/** A debugger watches bytes of this page: every access takes the slow path. */
export const PTE_WATCH = 32;

/** The aarch64 side of the Unicorn core. Register numbers are those of unicorn/arm64.h. */
import { A64Regs } from '../a64-regs.ts';
import { A, A64_CONTEXT_SIZE } from '../isa/aarch64/layout.ts';
import { COUNTER_FREQUENCY, CTR, idRegister } from '../isa/aarch64/sysregs.ts';
import { EXIT, STATE } from '../layout.ts';
import type { PageTable } from '../memory/page-table.ts';
import type { TaskRegs } from '../regs.ts';
import { UC, type RegisterPlace, type UnicornEngine } from './api.ts';
import { UnicornCpu, type UnicornOptions } from './unicorn-cpu.ts';

const REG = {
  x0: 199, x29: 1, x30: 2, nzcv: 3, sp: 4, v0: 228, pc: 260, tpidr: 262, tpidrro: 263, cp: 290, fpcr: 291, fpsr: 292,
} as const; // prettier-ignore
/** Number of PSTATE among a task's registers. */
const PSTATE = 33;

const NZCV = STATE + A64_CONTEXT_SIZE;

const PLACES: readonly RegisterPlace[] = [
  ...Array.from({ length: 31 }, (_, i) => ({
    id: i < 29 ? REG.x0 + i : i === 29 ? REG.x29 : REG.x30,
    at: STATE + A.x + 8 * i,
    size: 8,
  })),
  { id: REG.sp, at: STATE + A.sp, size: 8 },
  { id: REG.pc, at: STATE + A.pc, size: 8 },
  { id: REG.nzcv, at: NZCV, size: 4 },
  { id: REG.tpidr, at: STATE + A.tpidr, size: 8 },
  { id: REG.tpidrro, at: STATE + A.tpidrro, size: 8 },
  { id: REG.fpcr, at: STATE + A.fpcr, size: 4 },
  { id: REG.fpsr, at: STATE + A.fpsr, size: 4 },
  ...Array.from({ length: 32 }, (_, i) => ({ id: REG.v0 + i, at: STATE + A.v + 16 * i, size: 16 })),
];

/** Where the code that enters user mode lies for a moment. */
const BOOT = 0x1000;
/** A count no other word of the engine's will equal: by it the native engine finds where the library counts. */
const BOOT_COUNT = 0x52494e47;

/** What EL0 may do: UCI, DZE, nTWE, nTWI, not UCT (the cache type is ours to say); the bits that read as one. */
const SCTLR = 0x30d00800n | (1n << 26n) | (1n << 18n) | (1n << 16n) | (1n << 14n);
/** TBI0: the top byte of an address is the program's own. */
const TCR = 1n << 37n;

export interface UnicornA64Options extends UnicornOptions {
  /** Virtual counter for CNTVCT_EL0, in ticks of CNTFRQ_EL0. */
  readonly counter?: () => bigint;
}

export class UnicornA64Cpu extends UnicornCpu<A64Regs> {
  protected readonly arch = UC.ARCH_ARM64;
  protected readonly mode = UC.MODE_ARM;
  protected readonly contextSize = A64_CONTEXT_SIZE;
  protected readonly places = PLACES;
  protected override readonly pcUnit = 4;

  private readonly counter: () => bigint;

  constructor(options: UnicornA64Options) {
    super(options);
    this.counter = options.counter ?? ((): bigint => 0n);
  }

  protected makeRegs(block: number, onRelease: (regs: TaskRegs) => void): A64Regs {
    return new A64Regs(this.memory, block, onRelease);
  }

  protected beforeRun(regs: A64Regs): void {
    this.memory.view.setUint32(NZCV, regs.num(PSTATE), true);
  }

  protected afterRun(): void {}

  protected storeFlags(regs: A64Regs): void {
    regs.setNum(PSTATE, this.memory.view.getUint32(NZCV, true));
  }

  /** Unicorn starts at EL1: an ERET leads to EL0. */
  protected prepare(engine: UnicornEngine): void {
    engine.ctl_set_cpu_model(UC.CPU_ARM64_MAX); // the others have no LSE atomics
    engine.mem_map(BOOT, 4096, 7);
    // msr cpacr_el1, x0; msr tcr_el1, x1; msr sctlr_el1, x2; msr elr_el1, x3; msr spsr_el1, x4; msr cntkctl_el1, x5; eret
    const code = [0xd5181040, 0xd5182041, 0xd5181002, 0xd5184023, 0xd5184004, 0xd518e105, 0xd69f03e0];
    const bytes = new Uint8Array(4 * code.length);
    const v = new DataView(bytes.buffer);
    code.forEach((w, i) => {
      v.setUint32(4 * i, w, true);
    });
    engine.mem_write(BOOT, bytes);
    const end = BOOT + 0x100;
    [3n << 20n, TCR, SCTLR, BigInt(end), 0n, 0n].forEach((x, i) => {
      const word = new Uint8Array(8);
      new DataView(word.buffer).setBigUint64(0, x, true);
      engine.reg_write(REG.x0 + i, word);
    });
    engine.emu_start(BOOT, end, 0, BOOT_COUNT);
    engine.ctl_remove_cache(BOOT, BOOT + 4096);
    engine.mem_unmap(BOOT, 4096);
  }

  protected isSyscall(): boolean {
    return false; // they come as interrupts
  }

  /** MRS of what Linux lets a program read, by its own values; the counter is the machine's. */
  protected emulate(regs: A64Regs, table: PageTable): boolean {
    const word = this.codeWord(table, regs.pc);
    if (word >>> 20 !== 0xd53) return false;
    const value = this.systemRegister((word >>> 5) & 0x7fff);
    if (value === null) return false;
    const rt = word & 31;
    if (rt !== 31) regs.set(rt, value);
    regs.pc += 4;
    return true;
  }

  /** `name`: op0 (low bit), op1, CRn, CRm, op2. */
  private systemRegister(name: number): bigint | null {
    switch (name) {
      case 0x5f02: // CNTVCT_EL0
        return this.counter();
      case 0x5f00: // CNTFRQ_EL0
        return BigInt(COUNTER_FREQUENCY);
      case 0x5801: // CTR_EL0
        return BigInt(CTR);
    }
    if (name >> 7 !== 0x80) return null; // op0 3, op1 0, CRn 0
    const value = idRegister((name >> 3) & 15, name & 7);
    return value === null ? null : BigInt(value);
  }

  protected interrupt(regs: A64Regs, intno: number): number {
    void regs;
    switch (intno) {
      case 2: // EXCP_SWI
        return EXIT.syscall;
      case 7: // EXCP_BKPT
        return EXIT.breakpoint;
      case 3: // EXCP_PREFETCH_ABORT
      case 4: // EXCP_DATA_ABORT
        return EXIT.alignment;
      default:
        return EXIT.undefined;
    }
  }

  protected blockLength(size: number): number {
    return Math.max(1, size >> 2);
  }
}

/** The x86_64 side of the Unicorn core. Register numbers are those of unicorn/x86.h. */
import { UNICORN_MISSING_ECX1, cpuid } from '../isa/x86_64/cpuid.ts';
import { CONTEXT_SIZE, EXIT, S, STATE } from '../layout.ts';
import type { PageTable } from '../memory/page-table.ts';
import type { TaskRegs } from '../regs.ts';
import { RFLAGS, X86Regs } from '../x86-regs.ts';
import { UC, type RegisterPlace, type UnicornEngine } from './api.ts';
import { UnicornCpu, type UnicornOptions } from './unicorn-cpu.ts';

const REG = {
  rip: 41, rsp: 44, eflags: 25, fpsw: 31, cr0: 50, cr4: 54, fp0: 82, xmm0: 122, gdtr: 243, fpcw: 246, fptag: 247,
  mxcsr: 249, fsBase: 250, gsBase: 251, rflags: 253, fip: 254, fdp: 256, fop: 258,
} as const; // prettier-ignore
/** rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi; r8 and on follow each other. */
const GPR = [35, 38, 40, 37, 44, 36, 43, 39, 106, 107, 108, 109, 110, 111, 112, 113];

/** Behind the context: registers Unicorn takes in another form. */
const RCX = 1;
const R11 = 11;
const RIP = 16;
const FLAGS = STATE + 0x480;
const FPSW = STATE + 0x488;
const FPTAG = STATE + 0x490;

const PLACES: readonly RegisterPlace[] = [
  ...GPR.map((id, i) => ({ id, at: STATE + S.gpr + 8 * i, size: 8 })),
  { id: REG.rip, at: STATE + S.rip, size: 8 },
  { id: REG.rflags, at: FLAGS, size: 8 },
  { id: REG.fsBase, at: STATE + S.fsBase, size: 8 },
  { id: REG.gsBase, at: STATE + S.gsBase, size: 8 },
  { id: REG.mxcsr, at: STATE + S.mxcsr, size: 4 },
  ...Array.from({ length: 16 }, (_, i) => ({ id: REG.xmm0 + i, at: STATE + S.xmm + 16 * i, size: 16 })),
  ...Array.from({ length: 8 }, (_, i) => ({ id: REG.fp0 + i, at: STATE + S.fpr + 16 * i, size: 10 })),
  { id: REG.fpcw, at: STATE + S.fpuControl, size: 2 },
  { id: REG.fpsw, at: FPSW, size: 2 },
  { id: REG.fptag, at: FPTAG, size: 2 },
  { id: REG.fop, at: STATE + S.fpuOpcode, size: 2 },
  { id: REG.fip, at: STATE + S.fpuIp, size: 8 },
  { id: REG.fdp, at: STATE + S.fpuDp, size: 8 },
];

/** Where the code that enters user mode lies for a moment. */
const BOOT = 0x1000;
/** A count no other word of the engine's will equal: by it the native engine finds where the library counts. */
const BOOT_COUNT = 0x52494e47;
const USER_CS = 0x33;
const USER_SS = 0x2b;

export interface UnicornX86Options extends UnicornOptions {
  /** Cpus CPUID tells of. */
  readonly cpus?: number;
  /** Time-stamp counter for RDTSC. */
  readonly tsc?: () => bigint;
}

export class UnicornX86Cpu extends UnicornCpu<X86Regs> {
  protected readonly arch = UC.ARCH_X86;
  protected readonly mode = UC.MODE_64;
  protected readonly contextSize = CONTEXT_SIZE;
  protected readonly places = PLACES;
  private readonly cpus: number;
  private readonly tsc: () => bigint;
  /** The hook of an engine that cannot stop by itself was called. */
  private syscallSeen = false;
  /** Of the last interrupt. */
  private vector = -1;

  constructor(options: UnicornX86Options) {
    super(options);
    this.cpus = options.cpus ?? 1;
    this.tsc = options.tsc ?? ((): bigint => 0n);
  }

  protected makeRegs(block: number, onRelease: (regs: TaskRegs) => void): X86Regs {
    return new X86Regs(this.memory, block, onRelease);
  }

  protected beforeRun(regs: X86Regs): void {
    const { view } = this.memory;
    view.setBigUint64(FLAGS, BigInt(regs.num(RFLAGS)), true);
    const top = view.getInt32(STATE + S.fpuTop, true) & 7;
    view.setUint16(FPSW, (view.getInt32(STATE + S.fpuStatus, true) & ~0x3800) | (top << 11), true);
    const tags = view.getInt32(STATE + S.fpuTags, true);
    let full = 0;
    for (let i = 0; i < 8; i++) if (!((tags >> i) & 1)) full |= 3 << (2 * i);
    view.setUint16(FPTAG, full, true);
  }

  protected afterRun(): void {
    const { view } = this.memory;
    const status = view.getUint16(FPSW, true);
    view.setInt32(STATE + S.fpuStatus, status & ~0x3800, true);
    view.setInt32(STATE + S.fpuTop, (status >> 11) & 7, true);
    const full = view.getUint16(FPTAG, true);
    let tags = 0;
    for (let i = 0; i < 8; i++) if (((full >> (2 * i)) & 3) !== 3) tags |= 1 << i;
    view.setInt32(STATE + S.fpuTags, tags, true);
  }

  /** SYSCALL leaves the return address in rcx and the flags in r11. */
  protected override atSyscall(regs: X86Regs): void {
    regs.set(RCX, regs.get(RIP));
    regs.set(R11, regs.get(RFLAGS));
  }

  protected storeFlags(regs: X86Regs): void {
    regs.setNum(RFLAGS, this.memory.view.getInt32(FLAGS, true));
  }

  protected prepare(engine: UnicornEngine): void {
    this.enterUserMode(engine);
    // Unicorn asks for no privilege before ports.
    for (const port of [UC.X86_INS_IN, UC.X86_INS_OUT]) {
      const privileged = (e: UnicornEngine): void => {
        this.note(EXIT.protection);
        e.emu_stop();
      };
      engine.hook_add(UC.HOOK_INSN, privileged, null, 1, 0, port);
    }
    if (engine.stop_at) {
      engine.stop_at(UC.X86_INS_SYSCALL);
      engine.hook_add(UC.HOOK_INSN, (e: UnicornEngine) => this.onCpuid(e), null, 1, 0, UC.X86_INS_CPUID);
      return;
    }
    // unicorn.js drops what an instruction's hook returns, so CPUID cannot be answered in its place there.
    const stop = (e: UnicornEngine): void => {
      this.syscallSeen = true;
      e.emu_stop();
    };
    engine.hook_add(UC.HOOK_INSN, stop, null, 1, 0, UC.X86_INS_SYSCALL);
  }

  /** Unicorn starts at privilege level 0: an IRETQ through a GDT made for it leads to 3. */
  private enterUserMode(engine: UnicornEngine): void {
    const page = new Uint8Array(4096);
    const v = new DataView(page.buffer);
    page.set([0x48, 0xcf]); // iretq
    const stack = 0x100;
    [BOOT + 0x10, USER_CS, 0x202, BOOT, USER_SS].forEach((x, i) => {
      v.setBigUint64(stack + 8 * i, BigInt(x), true);
    });
    const gdt = 0x200;
    v.setBigUint64(gdt + (USER_SS & ~7), 0x00cff3000000ffffn, true);
    v.setBigUint64(gdt + (USER_CS & ~7), 0x00affb000000ffffn, true);
    engine.mem_map(BOOT, 4096, 7);
    engine.mem_write(BOOT, page);
    const gdtr = new DataView(new ArrayBuffer(24)); // uc_x86_mmr
    gdtr.setBigUint64(8, BigInt(BOOT + gdt), true);
    gdtr.setUint32(16, 0x3f, true);
    engine.reg_write(REG.gdtr, new Uint8Array(gdtr.buffer));
    const word = (x: number): Uint8Array => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setUint32(0, x, true);
      return bytes;
    };
    engine.reg_write(REG.cr0, word(0x33)); // PE, MP, ET, NE: x87 exceptions are #MF
    engine.reg_write(REG.cr4, word(0x624)); // TSD, PAE, OSFXSR, OSXMMEXCPT: RDTSC traps, the time is ours
    engine.reg_write(REG.rsp, word(BOOT + stack));
    engine.emu_start(BOOT, BOOT + 0x10, 0, BOOT_COUNT);
    engine.ctl_remove_cache(BOOT, BOOT + 4096);
    engine.mem_unmap(BOOT, 4096);
  }

  /** What the interpreter says, less what Unicorn's cpu has not (its #UD would follow). */
  private onCpuid(engine: UnicornEngine): number {
    const word = (id: number): number => {
      const b = engine.reg_read(id, 8);
      return new DataView(b.buffer, b.byteOffset).getUint32(0, true);
    };
    const leaf = word(GPR[0]);
    const out = cpuid(leaf, word(GPR[1]), 0, this.cpus);
    let [, b, c] = out;
    if (leaf === 1) c &= ~UNICORN_MISSING_ECX1;
    if (leaf === 7) b = 0;
    [out[0], c, out[3], b].forEach((x, i) => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setUint32(0, x, true);
      engine.reg_write(GPR[i], bytes);
    });
    return 1;
  }

  protected isSyscall(table: PageTable, regs: X86Regs, engine: UnicornEngine): boolean {
    if (!engine.stop_at) {
      const seen = this.syscallSeen;
      this.syscallSeen = false;
      return seen;
    }
    return regs.pc >= 2 && this.codeWord(table, regs.pc - 2) % 65536 === 0x050f;
  }

  protected emulate(regs: X86Regs, table: PageTable): boolean {
    // INT n stops behind itself, and is a fault all the same: its gate is closed to user mode.
    if (this.codeWord(table, regs.pc - 2) % 65536 === (0xcd | (this.vector << 8))) {
      regs.pc -= 2;
      return false;
    }
    const word = this.codeWord(table, regs.pc);
    const rdtscp = word % 2 ** 24 === 0xf9010f;
    if (!rdtscp && word % 65536 !== 0x310f) return false;
    const now = BigInt.asUintN(64, this.tsc());
    regs.set(0, now & 0xffffffffn);
    regs.set(2, now >> 32n);
    if (rdtscp) regs.set(1, 0n);
    regs.pc += rdtscp ? 3 : 2;
    return true;
  }

  protected interrupt(_regs: X86Regs, intno: number): number {
    this.vector = intno;
    switch (intno) {
      case 0:
        return EXIT.divide;
      case 3:
        return EXIT.breakpoint;
      case 6:
        return EXIT.undefined;
      case 16:
        return EXIT.x87;
      case 17:
        return EXIT.alignment;
      default:
        return EXIT.protection;
    }
  }

  /** About four bytes an instruction. */
  protected blockLength(size: number): number {
    return Math.max(1, size >> 2);
  }
}

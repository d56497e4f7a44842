/** The x86_64 cpu: its registers, REP, and the soft-float, x87 and CPUID its generated code calls. */
import { Cpu, type CpuOptions } from './cpu.ts';
import { DE, IE, ZE } from './float/soft-float.ts';
import { sseOperation } from './float/sse.ts';
import { X87 } from './float/x87.ts';
import { RCX, RDI, ZF } from './isa/x86_64/builder.ts';
import { UNICORN_MISSING_ECX1, cpuid } from './isa/x86_64/cpuid.ts';
import type { DecodeTables, HOST_IMPORTS } from './isa/x86_64/handlers.ts';
import { X86Translator } from './isa/x86_64/translator.ts';
import { X87_FXSAVE } from './isa/x86_64/x87-calls.ts';
import { CONTEXT_SIZE, S, STATE } from './layout.ts';
import type { TaskRegs } from './regs.ts';
import { RFLAGS, X86Regs } from './x86-regs.ts';

const STATE32 = STATE >> 2;

export interface X86CpuOptions extends CpuOptions {
  readonly isa: DecodeTables;
  /** CPUID leaves out what Unicorn's cpu has not: both run side by side. */
  readonly likeUnicorn?: boolean;
  /** Cpus CPUID tells of. */
  readonly cpus?: number;
  /** Time-stamp counter for RDTSC. */
  readonly tsc?: () => bigint;
}

export class X86Cpu extends Cpu<X86Regs> {
  protected readonly contextSize = CONTEXT_SIZE;
  private readonly cpus: number;
  private readonly likeUnicorn: boolean;
  private readonly x87: X87;
  private readonly x86: X86Translator;

  constructor(options: X86CpuOptions) {
    const tsc = options.tsc ?? ((): bigint => 0n);
    const host: Record<(typeof HOST_IMPORTS)[number]['name'], (...args: never[]) => unknown> = {
      cpuid: () => {
        this.doCpuid();
      },
      rdtsc: () => tsc(),
      sse: (op: number, a: bigint, b: bigint) => this.doSse(op, a, b),
      x87: (n: number) => this.doX87(n),
    };
    let translator!: X86Translator;
    super(options, (memory) => {
      translator = new X86Translator(memory, options.isa);
      return { translator, host };
    });
    this.x86 = translator;
    this.cpus = options.cpus ?? 1;
    this.likeUnicorn = options.likeUnicorn ?? false;
    this.x87 = new X87(this.memory, STATE);
  }

  protected makeRegs(block: number, onRelease: (regs: TaskRegs) => void): X86Regs {
    return new X86Regs(this.memory, block, onRelease);
  }

  protected override alsoReads(regs: X86Regs): number | null {
    return /^(rep(n?e) )?cmpsb?$/.test(this.x86.definition.name) ? regs.num(RDI) : null;
  }

  protected override beginElement(regs: X86Regs): bigint {
    if (!this.x86.definition.repeats) return 0n;
    const count = regs.get(RCX);
    regs.set(RCX, 1n);
    return count;
  }

  protected override endElement(regs: X86Regs, count: bigint, done: boolean): boolean {
    const { repeats } = this.x86.definition;
    if (!repeats) return false;
    regs.set(RCX, done ? count - 1n : count);
    if (count === 1n) return false;
    return repeats === 'rep' || ((regs.num(RFLAGS) & ZF) !== 0) === (repeats === 'repe');
  }

  private doSse(op: number, a: bigint, b: bigint): bigint {
    const { i32 } = this.memory;
    const at = (STATE + S.mxcsr) >> 2;
    const mxcsr = i32[at];
    const { value, flags: raised } = sseOperation(op, a, b, mxcsr);
    // An unmasked exception of the operands comes before the operation: there is no result to be inexact or too small.
    const early = raised & (IE | DE | ZE);
    const flags = early & ~(mxcsr >> 7) ? early : raised;
    i32[at] = mxcsr | flags;
    if (flags & ~(mxcsr >> 7)) i32[(STATE + S.simdPending) >> 2] = 1;
    return value;
  }

  private doX87(op: number): number {
    if (op < X87_FXSAVE) return this.x87.execute(op);
    if (op === X87_FXSAVE) {
      this.x87.fxsave();
      return 1;
    }
    const mask = (op >> 4) & 7;
    // XRSTOR of a component the image does not hold: its initial values.
    if (mask & 4) this.x87.initialImage();
    return this.x87.fxrstor(mask & 3) ? 1 : 0;
  }

  private doCpuid(): void {
    const { i32 } = this.memory;
    const leaf = i32[STATE32];
    const [a, fullB, fullC, d] = cpuid(leaf, i32[STATE32 + 2], 0, this.cpus);
    const b = this.likeUnicorn && leaf === 7 ? 0 : fullB;
    const c = this.likeUnicorn && leaf === 1 ? fullC & ~UNICORN_MISSING_ECX1 : fullC;
    // rax, rbx, rcx, rdx: upper halves cleared.
    [a, c, d, b].forEach((v, reg) => {
      i32[STATE32 + reg * 2] = v;
      i32[STATE32 + reg * 2 + 1] = 0;
    });
  }
}

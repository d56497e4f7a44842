/** The aarch64 cpu: its registers, and the counter and soft-float its generated code asks for. */
import { A64Regs } from './a64-regs.ts';
import { Cpu, type CpuOptions } from './cpu.ts';
import { fpOperation } from './float/fp.ts';
import type { DecodeTables, HOST_IMPORTS } from './isa/aarch64/handlers.ts';
import { A, A64_CONTEXT_SIZE, TAG_BITS } from './isa/aarch64/layout.ts';
import { A64Translator } from './isa/aarch64/translator.ts';
import { STATE } from './layout.ts';
import type { TaskRegs } from './regs.ts';

export interface A64CpuOptions extends CpuOptions {
  readonly isa: DecodeTables;
  /** Virtual counter for CNTVCT_EL0, in ticks of CNTFRQ_EL0. */
  readonly counter?: () => bigint;
}

export class A64Cpu extends Cpu<A64Regs> {
  protected readonly contextSize = A64_CONTEXT_SIZE;
  protected override readonly pcAlignment = 3;
  protected override readonly tagBits = TAG_BITS;

  constructor(options: A64CpuOptions) {
    const counter = options.counter ?? ((): bigint => 0n);
    const host: Record<(typeof HOST_IMPORTS)[number]['name'], (...args: never[]) => unknown> = {
      counter,
      fp: (op: number, a: bigint, b: bigint, c: bigint) => this.doFp(op, a, b, c),
    };
    super(options, (memory) => ({ translator: new A64Translator(memory, options.isa), host }));
  }

  protected makeRegs(block: number, onRelease: (regs: TaskRegs) => void): A64Regs {
    return new A64Regs(this.memory, block, onRelease);
  }

  /** Another task may have written since: its exclusive store must fail. */
  protected override switched(): void {
    const { i32 } = this.memory;
    i32[(STATE + A.monitor) >> 2] = -1;
    i32[(STATE + A.monitor + 4) >> 2] = -1;
  }

  private doFp(op: number, a: bigint, b: bigint, c: bigint): bigint {
    const { i32 } = this.memory;
    const { value, flags } = fpOperation(op, a, b, c, i32[(STATE + A.fpcr) >> 2]);
    i32[(STATE + A.fpsr) >> 2] |= flags;
    return value;
  }
}

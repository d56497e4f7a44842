/** A cpu with some memory and no kernel. */
import {
  EXIT,
  X86Cpu,
  type CompileRegion,
  type CpuCore,
  type Heat,
  type PageTable,
  type X86Regs,
} from '../../cpu/index.ts';
import { compileRegion } from '../../cpu/jit/compile.ts';
import { x86RegionIsa } from '../../cpu/jit/x86-isa.ts';
import { loadCore } from '../../src/host/core-files.ts';

export const CODE = 0x10000000;
export const DATA = 0x20000000;
export const STACK = 0x30000000;
export const PAGE = 4096;
export const R = { rax: 0, rcx: 1, rdx: 2, rbx: 3, rsp: 4, rbp: 5, rsi: 6, rdi: 7 } as const;

const core = loadCore();
const isa = x86RegionIsa(core.isa);
const compile: CompileRegion = (request) => compileRegion(isa, request);

/** Any core. */
export class CoreRig<C extends CpuCore> {
  readonly cpu: C;
  readonly regs: ReturnType<C['newRegs']>;
  table: PageTable;

  constructor(cpu: C) {
    this.cpu = cpu;
    this.regs = this.cpu.newRegs() as ReturnType<C['newRegs']>;
    this.table = this.cpu.newPageTable();
  }

  /** Maps fresh pages; returns the first one's frame. */
  map(address: number, pages: number, prot: number): number {
    const at = this.cpu.memory.alloc(pages);
    for (let i = 0; i < pages; i++) this.table.set(address + i * PAGE, at + i * PAGE, prot);
    return at;
  }

  /** Writes as a kernel would: whatever the protection. */
  poke(address: number, bytes: Iterable<number>): void {
    let at = address;
    for (const b of bytes) {
      this.cpu.memory.u8[this.table.frame(at - (at % PAGE)) + (at % PAGE)] = b;
      at++;
    }
    this.table.written(address, at - address);
  }

  peek(address: number, length: number): number[] {
    return Array.from(
      { length },
      (_, i) =>
        this.cpu.memory.u8[this.table.frame(address + i - ((address + i) % PAGE)) + ((address + i) % PAGE)] ??
        -1,
    );
  }

  run(fuel = 1_000_000): string {
    return exitName(this.cpu.run(this.regs, this.table, fuel));
  }
}

export interface RigOptions {
  readonly codeBytes?: number;
  readonly memoryBytes?: number;
  /** With the compiler. */
  readonly heat?: Heat;
  readonly onRegion?: (listing: string) => void;
}

/** x86_64. */
export class Rig extends CoreRig<X86Cpu> {
  declare readonly regs: X86Regs;

  constructor(options: RigOptions = {}) {
    super(
      new X86Cpu({
        ...core,
        ...(options.heat ? { heat: options.heat, compiler: () => compile } : {}),
        ...(options.onRegion ? { onRegion: options.onRegion } : {}),
        memoryBytes: options.memoryBytes ?? 8 << 20,
        ...(options.codeBytes ? { codeBytes: options.codeBytes } : {}),
      }),
    );
  }

  /** CODE (rwx), DATA (rw, an unmapped page behind) and STACK (rw), two pages each; rsp in the middle of the stack. */
  usual(): this {
    this.map(CODE, 2, 7);
    this.map(DATA, 2, 3);
    this.map(STACK, 2, 3);
    this.regs.setNum(R.rsp, STACK + PAGE);
    this.regs.pc = CODE;
    return this;
  }

  step(): string {
    return exitName(this.cpu.step(this.regs, this.table));
  }

  /** Everything of the task that a program can see, to compare. */
  state(): string {
    const fx = new Uint8Array(512);
    this.regs.saveFp(fx);
    const gprs = Array.from({ length: 20 }, (_, i) => this.regs.get(i).toString(16));
    return `${gprs.join(' ')} ${Buffer.from(fx).toString('hex')}`;
  }
}

function exitName(exit: number): string {
  return Object.entries(EXIT).find(([, n]) => n === exit)?.[0] ?? String(exit);
}

/** "48 01 c3" as bytes. */
export function bytes(hex: string): number[] {
  return (hex.match(/[0-9a-f]{2}/gi) ?? []).map((h) => parseInt(h, 16));
}

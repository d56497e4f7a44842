/** The x86_64 cpu alone, with the memory guests/differential/driver.c has and states as it writes them. */
import { EXIT, X86Cpu, type PageTable, type X86Regs } from '../../cpu/index.ts';
import { loadCore } from '../../src/host/core-files.ts';
import { CODE, PAD, ZONE_BYTES } from './driver.ts';
import { listing } from './iced.ts';
import { FX, X86_AT as AT, X86_STATE_BYTES as STATE_BYTES } from './layouts.ts';
import type { Field, Target } from './runner.ts';
import { DataPages, PATIENT, runToExit, signalOf, type Core } from './sandbox.ts';
import { LANDING_B, type X86Case } from './x86-generate.ts';
import { drawX86 } from './x86-states.ts';

const NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15']; // prettier-ignore

const FIELDS: readonly Field[] = [
  { name: 'signal', at: AT.signal, bytes: 4 },
  ...NAMES.map((name, i) => ({ name, at: AT.gpr + 8 * i, bytes: 8 })),
  { name: 'rflags', at: AT.flags, bytes: 4 },
  { name: 'rip', at: AT.pc, bytes: 8 },
  { name: 'fault address', at: AT.address, bytes: 8 },
  { name: 'x87 control', at: AT.fx + FX.control, bytes: 2 },
  { name: 'x87 status', at: AT.fx + FX.status, bytes: 2 },
  { name: 'x87 tags', at: AT.fx + FX.tags, bytes: 1 },
  { name: 'x87 opcode and pointers', at: AT.fx + 6, bytes: 18 },
  { name: 'mxcsr', at: AT.fx + FX.mxcsr, bytes: 4 },
  ...Array.from({ length: 8 }, (_, i) => ({ name: `st${i}`, at: AT.fx + FX.st + 16 * i, bytes: 10 })),
  ...Array.from({ length: 16 }, (_, i) => ({ name: `xmm${i}`, at: AT.fx + FX.xmm + 16 * i, bytes: 16 })),
  ...Array.from({ length: 16 }, (_, i) => ({ name: `zone+${16 * i}`, at: AT.zone + 16 * i, bytes: 16 })),
];

/** Everything but what is reserved, MXCSR_MASK, si_code, and flags beside CF PF AF ZF SF DF OF. */
function meaningful(fp: boolean): Int32Array {
  const bytes = new Uint8Array(STATE_BYTES).fill(0xff);
  bytes.fill(0, AT.flags, AT.flags + 8);
  bytes.set([0xd5, 0x0c], AT.flags);
  bytes.fill(0, AT.signal + 4, AT.fx);
  if (fp) {
    bytes[AT.fx + 5] = 0;
    bytes.fill(0, AT.fx + 28, AT.fx + 32);
    for (let i = 0; i < 8; i++) bytes.fill(0, AT.fx + FX.st + 16 * i + 10, AT.fx + FX.st + 16 * i + 16);
    bytes.fill(0, AT.fx + 416, AT.zone);
  } else bytes.fill(0, AT.fx, AT.zone);
  return new Int32Array(bytes.buffer);
}
const WITH_FP = meaningful(true);
const WITHOUT_FP = meaningful(false);

/** FXSAVE image of a fresh task: what the driver runs the others with. */
const INITIAL_FP = new Uint8Array(512);
INITIAL_FP.set([0x7f, 0x03]);
INITIAL_FP.set([0x80, 0x1f], FX.mxcsr);

/** What stands for the driver's exits: int3, which changes no register. */
const INT3 = 0xcc;

export class X86Target implements Target<X86Case> {
  readonly stateBytes = STATE_BYTES;
  readonly fields = FIELDS;
  private readonly cpu: Core<X86Regs>;
  private readonly regs: X86Regs;
  private readonly table: PageTable;
  private readonly pages: DataPages;
  private readonly start: number;
  patience = PATIENT;
  private current: X86Case | null = null;

  /** `start`: where executions begin; from PAD they jump back to the code, which makes it hot. */
  constructor(
    cpu: Core<X86Regs> = new X86Cpu({ ...loadCore(), memoryBytes: 64 << 20, codeBytes: 8 << 20 }),
    start = CODE,
  ) {
    this.cpu = cpu;
    this.start = start;
    this.regs = this.cpu.newRegs();
    this.table = this.cpu.newPageTable();
    this.pages = new DataPages(this.cpu.memory, this.table);
    this.cpu.memory.u8.set([0xe9, 0xfb, 0xf7, 0xff, 0xff], this.pages.code + PAD - CODE); // jmp CODE
  }

  meaning(c: X86Case): Int32Array {
    return c.fp ? WITH_FP : WITHOUT_FP;
  }
  draw(c: X86Case, states: Int32Array, at: number, r: Parameters<typeof drawX86>[3]): void {
    drawX86(c, states, at, r);
  }
  listing(c: X86Case): string {
    return listing(c.code, CODE);
  }

  /** The memory that can be written. */
  get data(): Uint8Array {
    return this.pages.all;
  }

  reset(): void {
    this.pages.reset();
  }

  load(c: X86Case): void {
    const { u8 } = this.cpu.memory;
    u8.fill(INT3, this.pages.code, this.pages.code + LANDING_B + 32);
    u8.set(c.code, this.pages.code);
    this.table.written(CODE, Math.max(c.code.length, LANDING_B + 32));
    this.current = c;
  }

  run(before: Uint8Array, after: Uint8Array): number {
    const { regs, cpu, pages } = this;
    const c = this.current!;
    const { u8 } = cpu.memory;
    u8.set(before.subarray(AT.gpr, AT.gpr + 128), regs.base);
    const v = new DataView(before.buffer, before.byteOffset, STATE_BYTES);
    regs.setNum(17, v.getUint32(AT.flags, true));
    regs.loadFp(c.fp ? before.subarray(AT.fx, AT.fx + 512) : INITIAL_FP);
    pages.put(c.zone, before.subarray(AT.zone, AT.zone + ZONE_BYTES));
    regs.pc = this.start;
    regs.resumeGeneration = -1;
    const exit = runToExit(cpu, regs, this.table, this.patience);

    const o = new DataView(after.buffer, after.byteOffset, STATE_BYTES);
    let { pc } = regs;
    let signal = signalOf(exit);
    if (exit === EXIT.breakpoint) {
      pc -= 1;
      if (pc === CODE + c.code.length || pc === CODE + LANDING_B) signal = 0;
    }
    after.set(u8.subarray(regs.base, regs.base + 128), AT.gpr);
    o.setUint32(AT.flags, regs.num(17), true);
    o.setUint32(AT.pc, pc, true);
    o.setUint32(AT.pc + 4, Math.floor(pc / 4294967296), true);
    o.setBigUint64(AT.address, exit === EXIT.fault ? cpu.faultAddress : 0n, true);
    o.setUint32(AT.signal, signal, true);
    if (c.fp) regs.saveFp(after.subarray(AT.fx, AT.fx + 512));
    pages.get(c.zone, after.subarray(AT.zone, AT.zone + ZONE_BYTES));
    return exit;
  }
}

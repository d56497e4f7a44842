/** A task's aarch64 registers: x0…x30, sp 31, pc 32, pstate 33 (NZCV in bits 31…28), tpidr 34. */
import { IXC } from './float/arm-float.ts';
import { A, A64_CONTEXT_SIZE, FPCR_BITS, FPSR_BITS, FZ, RMODE } from './isa/aarch64/layout.ts';
import { TaskRegs } from './regs.ts';

const SP = 31;
const PC = 32;
const PSTATE = 33;
const TPIDR = 34;

export class A64Regs extends TaskRegs {
  readonly arch = 'aarch64' as const;

  protected get size(): number {
    return A64_CONTEXT_SIZE;
  }

  protected at(i: number): number {
    switch (i) {
      case PC:
        return this.base + A.pc;
      case PSTATE:
        return -1;
      case TPIDR:
        return this.base + A.tpidr;
      default:
        return this.base + A.x + 8 * i;
    }
  }

  get pc(): number {
    return this.num(PC);
  }
  set pc(v: number) {
    this.setNum(PC, v);
  }
  get sp(): number {
    return this.num(SP);
  }
  set sp(v: number) {
    this.setNum(SP, v);
  }

  protected getFlags(): number {
    const n = this.field(A.n + 4) < 0 ? 8 : 0;
    const z = (this.field(A.z) | this.field(A.z + 4)) === 0 ? 4 : 0;
    const carry = this.field(A.carry + 4);
    const c = carry < 0 ? 2 : 0;
    const v = (carry ^ (carry << 1)) < 0 ? 1 : 0;
    return ((n | z | c | v) << 28) >>> 0;
  }

  protected setFlags(pstate: number): void {
    const f = Math.floor(pstate / 2 ** 28) & 15;
    this.setField(A.n, 0);
    this.setField(A.n + 4, f & 8 ? -1 : 0);
    this.setField(A.z, f & 4 ? 0 : 1);
    this.setField(A.z + 4, 0);
    const c = (f >> 1) & 1;
    this.setField(A.carry, 0);
    this.setField(A.carry + 4, (c << 31) | ((c ^ (f & 1)) << 30));
  }

  /** fpsr, fpcr, eight bytes unused, v0…v31: 528 bytes, as struct user_fpsimd_state but with the control words first. */
  saveFp(out: Uint8Array): void {
    const v = new DataView(out.buffer, out.byteOffset, 528);
    v.setUint32(0, this.field(A.fpsr), true);
    v.setUint32(4, this.field(A.fpcr), true);
    v.setBigUint64(8, 0n, true);
    out.set(this.memory.u8.subarray(this.base + A.v, this.base + A.v + 512), 16);
  }

  loadFp(image: Uint8Array): void {
    const v = new DataView(image.buffer, image.byteOffset, 528);
    this.setField(A.fpsr, v.getUint32(0, true) & FPSR_BITS);
    this.setField(A.fpcr, v.getUint32(4, true) & FPCR_BITS);
    this.memory.u8.set(image.subarray(16, 528), this.base + A.v);
  }

  get settled(): boolean {
    return (this.field(A.fpcr) & (FZ | RMODE)) === 0 && (this.field(A.fpsr) & IXC) !== 0;
  }

  reset(): void {
    this.memory.u8.fill(0, this.base, this.base + this.size);
    this.setFlags(0);
    this.setField(A.monitor, -1);
    this.setField(A.monitor + 4, -1);
    this.resumeGeneration = -1;
  }
}

/** A task's x86_64 registers. */
import { ARITH_FLAGS, DF } from './isa/x86_64/builder.ts';
import { PE } from './float/soft-float.ts';
import { MXCSR_MODE, MXCSR_PLAIN } from './float/sse-ops.ts';
import { CONTEXT_SIZE, S } from './layout.ts';
import { TaskRegs } from './regs.ts';

const RIP = 16;
export const RFLAGS = 17;
const FS_BASE = 18;
const GS_BASE = 19;
/** rflags bits a program can have changed beside the arithmetic ones and DF: TF, NT, RF, AC, ID. */
const REST = 0x100 | 0x4000 | 0x10000 | 0x40000 | 0x200000;
export const MXCSR_DEFAULT = 0x1f80;

export class X86Regs extends TaskRegs {
  readonly arch = 'x86_64' as const;

  protected get size(): number {
    return CONTEXT_SIZE;
  }

  protected at(i: number): number {
    switch (i) {
      case RFLAGS:
        return -1;
      case RIP:
        return this.base + S.rip;
      case FS_BASE:
        return this.base + S.fsBase;
      case GS_BASE:
        return this.base + S.gsBase;
      default:
        return this.base + S.gpr + 8 * i;
    }
  }

  get pc(): number {
    return this.num(RIP);
  }
  set pc(v: number) {
    this.setNum(RIP, v);
  }
  get sp(): number {
    return this.num(4);
  }
  set sp(v: number) {
    this.setNum(4, v);
  }

  protected getFlags(): number {
    return this.arith() | 0x202 | this.field(S.rflagsRest) | (this.field(S.df) ? DF : 0);
  }

  protected setFlags(v: number): void {
    this.setField(S.ccResult, v & ARITH_FLAGS);
    this.setField(S.ccResult + 4, 0);
    this.setField(S.ccOp, -1);
    this.setField(S.df, v & DF ? 1 : 0);
    this.setField(S.rflagsRest, v & REST);
  }

  /** The lazy flags as an image; the same sums as the `arith_flags` helper. */
  private arith(): number {
    const op = this.field(S.ccOp);
    if (op < 0) return this.field(S.ccResult) & ARITH_FLAGS;
    const result = this.memory.view.getBigUint64(this.base + S.ccResult, true);
    const carry = this.memory.view.getBigUint64(this.base + S.ccCarry, true);
    const shift = BigInt(op);
    let low = Number((result >> shift) & 0xffn);
    low ^= low >> 4;
    low ^= low >> 2;
    low ^= low >> 1;
    const c63 = Number(carry >> 63n);
    const c62 = Number((carry >> 62n) & 1n);
    return (
      c63 |
      (low & 1 ? 0 : 4) |
      (Number((carry >> (shift + 3n)) & 1n) << 4) |
      (result === 0n ? 0x40 : 0) |
      (result >> 63n ? 0x80 : 0) |
      ((c63 ^ c62) << 11)
    );
  }

  saveFp(out: Uint8Array): void {
    const v = new DataView(out.buffer, out.byteOffset, 512);
    out.fill(0, 0, 512);
    const top = this.field(S.fpuTop) & 7;
    v.setUint16(0, this.field(S.fpuControl), true);
    v.setUint16(2, (this.field(S.fpuStatus) & ~0x3800) | (top << 11), true);
    v.setUint8(4, this.field(S.fpuTags) & 0xff);
    v.setUint16(6, this.field(S.fpuOpcode) & 0x7ff, true);
    const { u8 } = this.memory;
    out.set(u8.subarray(this.base + S.fpuIp, this.base + S.fpuIp + 8), 8);
    out.set(u8.subarray(this.base + S.fpuDp, this.base + S.fpuDp + 8), 16);
    v.setUint32(24, this.field(S.mxcsr), true);
    v.setUint32(28, 0xffff, true);
    for (let i = 0; i < 8; i++) {
      const at = this.base + S.fpr + 16 * ((top + i) & 7);
      out.set(u8.subarray(at, at + 10), 32 + 16 * i);
    }
    out.set(u8.subarray(this.base + S.xmm, this.base + S.xmm + 256), 160);
  }

  loadFp(image: Uint8Array): void {
    const v = new DataView(image.buffer, image.byteOffset, 512);
    const sw = v.getUint16(2, true);
    const top = (sw >> 11) & 7;
    this.setField(S.fpuControl, v.getUint16(0, true) | 0x40);
    this.setField(S.fpuStatus, sw & ~0x3800);
    this.setField(S.fpuTop, top);
    this.setField(S.fpuTags, v.getUint8(4));
    this.setField(S.fpuOpcode, v.getUint16(6, true) & 0x7ff);
    const { u8 } = this.memory;
    u8.set(image.subarray(8, 16), this.base + S.fpuIp);
    u8.set(image.subarray(16, 24), this.base + S.fpuDp);
    this.setField(S.mxcsr, v.getUint32(24, true) & 0xffff);
    for (let i = 0; i < 8; i++) {
      const at = this.base + S.fpr + 16 * ((top + i) & 7);
      u8.set(image.subarray(32 + 16 * i, 42 + 16 * i), at);
    }
    u8.set(image.subarray(160, 416), this.base + S.xmm);
  }

  get settled(): boolean {
    return (this.field(S.mxcsr) & (MXCSR_MODE | PE)) === (MXCSR_PLAIN | PE);
  }

  reset(): void {
    this.memory.u8.fill(0, this.base, this.base + CONTEXT_SIZE);
    this.setFlags(0);
    this.setField(S.mxcsr, MXCSR_DEFAULT);
    this.setField(S.fpuControl, 0x37f);
    this.resumeGeneration = -1;
  }
}

/** The x87 register stack, status and environment in the cpu's state block. SDM vol. 1, 8.1. */
import { S, SCRATCH } from '../layout.ts';
import type { Memory } from '../memory/memory.ts';
import { DE, F80, IE, PE, ZE, defaultNan, unpack, type Env } from './soft-float.ts';

export const SF = 0x40;
const ES = 0x80;
const BUSY = 0x8000;
export const C0 = 0x100;
export const C1 = 0x200;
export const C2 = 0x400;
export const C3 = 0x4000;
export const CC = C0 | C1 | C2 | C3;
const TOP = 0x3800;

/** Environment of one operation; `up` is set when the result was rounded away from zero. */
export interface X87Env extends Env {
  up?: boolean;
}

export class X87State {
  protected readonly memory: Memory;
  protected readonly base: number;

  constructor(memory: Memory, base: number) {
    this.memory = memory;
    this.base = base;
  }

  protected get(offset: number): number {
    return this.memory.i32[(this.base + offset) >>> 2];
  }
  protected put(offset: number, value: number): void {
    this.memory.i32[(this.base + offset) >>> 2] = value;
  }
  protected get top(): number {
    return this.get(S.fpuTop) & 7;
  }
  protected set top(v: number) {
    this.put(S.fpuTop, v & 7);
  }
  protected phys(i: number): number {
    return (this.top + i) & 7;
  }
  protected empty(i: number): boolean {
    return !(this.get(S.fpuTags) & (1 << this.phys(i)));
  }
  /** ST(i) as an 80-bit pattern, tag or no tag. */
  protected st(i: number): bigint {
    return this.loadExtended(this.base + S.fpr + 16 * this.phys(i));
  }
  protected setSt(i: number, v: bigint): void {
    const p = this.phys(i);
    this.storeExtendedAt(this.base + S.fpr + 16 * p, v);
    this.put(S.fpuTags, this.get(S.fpuTags) | (1 << p));
  }
  protected loadExtended(at: number): bigint {
    const { view } = this.memory;
    return (BigInt(view.getUint16(at + 8, true)) << 64n) | view.getBigUint64(at, true);
  }
  protected storeExtendedAt(at: number, v: bigint): void {
    const { view } = this.memory;
    view.setBigUint64(at, BigInt.asUintN(64, v), true);
    view.setUint16(at + 8, Number(v >> 64n) & 0xffff, true);
  }
  protected free(i: number): void {
    this.put(S.fpuTags, this.get(S.fpuTags) & ~(1 << this.phys(i)));
  }
  protected pop(): void {
    this.free(0);
    this.top++;
  }
  /** Pushes; a full stack gives the default NaN, or nothing at all when that exception is unmasked. */
  protected push(v: bigint): void {
    if (!this.empty(7)) {
      if (!this.overflow()) return;
      v = defaultNan(F80);
    } else this.cc(C1, 0);
    this.top--;
    this.setSt(0, v);
  }

  /** Sets exception flags and the summary bit that follows from them. */
  protected raise(flags: number): void {
    this.put(S.fpuStatus, this.get(S.fpuStatus) | flags);
    this.updateSummary();
  }
  protected updateSummary(): void {
    const s = this.get(S.fpuStatus) & ~(ES | BUSY);
    this.put(S.fpuStatus, s & 0x3f & ~this.get(S.fpuControl) ? s | ES | BUSY : s);
  }
  /** Replaces the condition bits in `mask`. */
  protected cc(mask: number, bits: number): void {
    this.put(S.fpuStatus, (this.get(S.fpuStatus) & ~mask) | bits);
  }
  protected masked(flag: number): boolean {
    return (this.get(S.fpuControl) & flag) !== 0;
  }
  /** None of the flags that keep an instruction from having its effect is raised unmasked. */
  protected proceeds(flags: number): boolean {
    return (flags & (IE | ZE | DE) & ~this.get(S.fpuControl)) === 0;
  }
  /** Stack underflow. True: masked, the default NaN is the result. */
  protected underflow(): boolean {
    this.cc(C1, 0);
    this.raise(IE | SF);
    return this.masked(IE);
  }
  protected overflow(): boolean {
    this.cc(C1, C1);
    this.raise(IE | SF);
    return this.masked(IE);
  }

  /** Rounding and precision as the control word has them. */
  protected env(): X87Env {
    const cw = this.get(S.fpuControl);
    const pc = (cw >> 8) & 3;
    return {
      rounding: (cw >> 10) & 3,
      flushToZero: false,
      denormalsAreZero: false,
      masked: cw & 0x3f,
      flags: 0,
      precision: pc === 0 ? 24 : pc === 2 ? 53 : 0,
    };
  }
  /** The same at full precision: loads, stores and most functions ignore PC. */
  protected fullEnv(): X87Env {
    return { ...this.env(), precision: 0 };
  }
  /** Raises what the operation collected, sets C1. True: its result may be stored. */
  protected settle(env: X87Env): boolean {
    // An unmasked exception of the operands comes before the operation: nothing was rounded.
    if (!this.proceeds(env.flags)) env.flags &= IE | DE | ZE;
    this.cc(C1, env.flags & PE && env.up ? C1 : 0);
    if (env.flags) this.raise(env.flags);
    return this.proceeds(env.flags);
  }

  protected statusWord(): number {
    return (this.get(S.fpuStatus) & ~TOP) | (this.top << 11);
  }
  protected setStatusWord(w: number): void {
    this.top = w >> 11;
    this.put(S.fpuStatus, w & ~TOP);
  }
  protected setControl(w: number): void {
    this.put(S.fpuControl, (w & 0x1f3f) | 0x40);
    this.updateSummary();
  }

  /** Full tag word by physical register: 0 valid, 1 zero, 2 special, 3 empty. */
  private tagWord(): number {
    let w = 0;
    for (let p = 0; p < 8; p++) {
      let tag = 3;
      if (this.get(S.fpuTags) & (1 << p)) {
        const u = unpack(F80, this.st((p - this.top) & 7));
        tag = u.kind === 'zero' ? 1 : u.kind === 'finite' && !u.denormal ? 0 : 2;
      }
      w |= tag << (2 * p);
    }
    return w;
  }

  /** The 28-byte protected-mode environment, to SCRATCH (SDM vol. 1, figure 8-9). */
  protected storeEnvironment(): void {
    const { view } = this.memory;
    const words = [
      0xffff0000 | this.get(S.fpuControl), 0xffff0000 | this.statusWord(), 0xffff0000 | this.tagWord(),
      this.get(S.fpuIp), (this.get(S.fpuOpcode) & 0x7ff) << 16, this.get(S.fpuDp), 0xffff0000,
    ]; // prettier-ignore
    words.forEach((w, i) => {
      view.setUint32(SCRATCH + 4 * i, w >>> 0, true);
    });
  }

  protected loadEnvironment(): void {
    const { view } = this.memory;
    const word = (i: number): number => view.getUint16(SCRATCH + 4 * i, true);
    this.setStatusWord(word(1));
    let tags = 0;
    for (let p = 0; p < 8; p++) if (((word(2) >> (2 * p)) & 3) !== 3) tags |= 1 << p;
    this.put(S.fpuTags, tags);
    this.put(S.fpuIp, view.getInt32(SCRATCH + 12, true));
    this.put(S.fpuOpcode, view.getUint16(SCRATCH + 18, true) & 0x7ff);
    this.put(S.fpuDp, view.getInt32(SCRATCH + 20, true));
    this.setControl(word(0));
  }

  protected init(): void {
    this.put(S.fpuControl, 0x37f);
    for (const f of [S.fpuStatus, S.fpuTop, S.fpuTags, S.fpuOpcode, S.fpuIp, S.fpuDp]) this.put(f, 0);
  }

  /** Writes the 512-byte FXSAVE image to SCRATCH. */
  fxsave(): void {
    const { view, u8 } = this.memory;
    u8.fill(0, SCRATCH, SCRATCH + 512);
    view.setUint16(SCRATCH, this.get(S.fpuControl), true);
    view.setUint16(SCRATCH + 2, this.statusWord(), true);
    view.setUint8(SCRATCH + 4, this.get(S.fpuTags) & 0xff);
    view.setUint16(SCRATCH + 6, this.get(S.fpuOpcode) & 0x7ff, true);
    u8.copyWithin(SCRATCH + 8, this.base + S.fpuIp, this.base + S.fpuIp + 8);
    u8.copyWithin(SCRATCH + 16, this.base + S.fpuDp, this.base + S.fpuDp + 8);
    view.setUint32(SCRATCH + 24, this.get(S.mxcsr), true);
    view.setUint32(SCRATCH + 28, 0xffff, true);
    for (let i = 0; i < 8; i++) {
      const at = this.base + S.fpr + 16 * this.phys(i);
      u8.copyWithin(SCRATCH + 32 + 16 * i, at, at + 10);
    }
    u8.copyWithin(SCRATCH + 160, this.base + S.xmm, this.base + S.xmm + 256);
  }

  /** The image of the initial state, in SCRATCH; MXCSR keeps its value (SDM vol. 1, 13.6). */
  initialImage(): void {
    const { view, u8 } = this.memory;
    u8.fill(0, SCRATCH, SCRATCH + 512);
    view.setUint16(SCRATCH, 0x37f, true);
    view.setUint32(SCRATCH + 24, this.get(S.mxcsr), true);
  }

  /** Loads the parts chosen by `mask` (1 x87, 2 SSE) from the image in SCRATCH. False: MXCSR has reserved bits (#GP). */
  fxrstor(mask: number): boolean {
    const { view, u8 } = this.memory;
    const mxcsr = view.getUint32(SCRATCH + 24, true);
    if (mask & 2 && mxcsr & ~0xffff) return false;
    if (mask & 1) {
      this.setStatusWord(view.getUint16(SCRATCH + 2, true));
      this.put(S.fpuTags, view.getUint8(SCRATCH + 4));
      this.put(S.fpuOpcode, view.getUint16(SCRATCH + 6, true) & 0x7ff);
      u8.copyWithin(this.base + S.fpuIp, SCRATCH + 8, SCRATCH + 16);
      u8.copyWithin(this.base + S.fpuDp, SCRATCH + 16, SCRATCH + 24);
      for (let i = 0; i < 8; i++) {
        const at = SCRATCH + 32 + 16 * i;
        u8.copyWithin(this.base + S.fpr + 16 * this.phys(i), at, at + 10);
      }
      this.setControl(view.getUint16(SCRATCH, true));
    }
    if (mask & 2) {
      this.put(S.mxcsr, mxcsr);
      u8.copyWithin(this.base + S.xmm, SCRATCH + 160, SCRATCH + 416);
    }
    return true;
  }
}

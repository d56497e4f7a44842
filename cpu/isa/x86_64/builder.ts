/** What x86_64 instruction definitions see: operands, flags, stack, exits. */
import type { Val, Var } from '../../builder.ts';
import { GuestBuilder } from '../../guest-builder.ts';
import { S } from '../../layout.ts';

export type OperandKind = 'reg' | 'mem' | 'imm' | 'xmm' | 'mmx' | 'rel';

/** One operand of one variant of an instruction. */
export interface Operand {
  readonly kind: OperandKind;
  /** Width in bits of the register, memory access or immediate. */
  readonly bits: number;
  /** Which record field names the register. */
  readonly slot: 1 | 2;
  /** Memory only: base + displacement, or base + index × scale + displacement. */
  readonly indexed: boolean;
  /** Is it read, written, or both: decides the translation of a memory operand. */
  readonly access: 'r' | 'w' | 'rw' | 'n';
  /** Memory only: must be 16-byte aligned, else #GP. */
  readonly aligned: boolean;
}

/** Condition codes in their encoding order (SDM vol. 1, appendix B). */
export const CONDITIONS = ['o', 'no', 'b', 'nb', 'z', 'nz', 'be', 'nbe', 's', 'ns', 'p', 'np', 'l', 'nl', 'le', 'nle'] as const; // prettier-ignore

export const CF = 1;
export const PF = 4;
export const AF = 0x10;
export const ZF = 0x40;
export const SF = 0x80;
export const TF = 0x100;
export const DF = 0x400;
export const OF = 0x800;
export const ARITH_FLAGS = CF | PF | AF | ZF | SF | OF;

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

export abstract class X86Builder extends GuestBuilder {
  /** Operand size in bits of this variant (the `v` of the encoding), 0 where it has none. */
  abstract readonly bits: number;

  // ---- state -----------------------------------------------------------------------------------------------------

  /** A general register by number as i64; narrower widths are zero-extended. */
  gpr(n: number, bits = 64): Val {
    return this.getState(bits === 64 ? 'i64.load' : `i64.load${bits}_u`, S.gpr + 8 * n);
  }
  /** Writes a register as hardware does: 32 bits clear the upper half, 8 and 16 leave the rest. */
  setGpr(n: number, value: Val, bits = 64): void {
    if (bits === 32) value = this.zext(value, 32);
    this.setState(bits >= 32 ? 'i64.store' : `i64.store${bits}`, S.gpr + 8 * n, value);
  }

  xmm(n: number): Val {
    return this.getState('v128.load', S.xmm + 16 * n);
  }
  setXmm(n: number, value: Val): void {
    this.setState('v128.store', S.xmm + 16 * n, value);
  }

  // ---- operands --------------------------------------------------------------------------------------------------

  /** An integer operand as zero-extended i64. */
  abstract read(o: Operand): Val;
  /** Writes an integer register or memory operand; upper bits of `value` do not matter. */
  abstract write(o: Operand, value: Val): void;
  /** An xmm register or a memory operand as v128. Memory narrower than 128 bits is zero-extended. */
  abstract readXmm(o: Operand): Val;
  /** Writes all 128 bits of an xmm register, or the low `o.bits` of the value to memory. */
  abstract writeXmm(o: Operand, value: Val): void;
  /** The 64 low bits of an mmx register or memory operand. */
  abstract readMmx(o: Operand): Val;
  abstract writeMmx(o: Operand, value: Val): void;
  /** Effective address of a memory operand, i64. */
  abstract ea(o: Operand): Val;
  /** Base of the segment a string instruction's source lies in, i64 (0 without an override). */
  abstract stringSegment(): Val;
  /** Offset from STATE of a register operand as i32. */
  abstract regOffset(o: Operand): Val;
  /** Bytes of a register operand with a load or store instruction's name, from `at` bytes on (i32, by the immediate). */
  abstract loadReg(load: string, o: Operand, at: Val): Val;
  abstract storeReg(store: string, o: Operand, value: Val, at: Val): void;

  readS(o: Operand): Val {
    return this.sext(this.read(o), o.bits);
  }

  // ---- stack -----------------------------------------------------------------------------------------------------

  push(value: Val, bits = 64): void {
    const sp = this.sub(this.gpr(RSP), bits / 8);
    this.store(bits === 64 ? 'i64.store' : `i64.store${bits}`, sp, value, bits / 8);
    this.setGpr(RSP, sp);
  }
  /** Reads the top of the stack without moving rsp. */
  top(bits = 64): Val {
    return this.load(bits === 64 ? 'i64.load' : `i64.load${bits}_u`, this.gpr(RSP), bits / 8);
  }
  dropStack(bytes: Val | number): void {
    this.setGpr(RSP, this.add(this.gpr(RSP), bytes));
  }

  // ---- flags -----------------------------------------------------------------------------------------------------

  protected left(v: Val, bits: number): Val {
    return bits === 64 ? v : this.shl(v, 64 - bits);
  }

  /** What the last flag-setting operation of this handler left, for a branch fused to it. */
  private lastFlags: { result: Val; carry: Val; bits: number } | null = null;

  /** Stores the lazy flag state: result and carry vector, both shifted left to bit 63. */
  setLazy(bits: number, result: Val, carry: Val): void {
    this.lastFlags = { result, carry, bits };
    this.setState('i64.store', S.ccResult, result);
    this.setState('i64.store', S.ccCarry, carry);
    this.setState('i32.store', S.ccOp, this.i32(64 - bits));
  }

  /** Flags of x + y = sum; with `carried` a carry came in. ADD, ADC, XADD. */
  flagsAdd(x: Val, y: Val, sum: Val, bits: number, _carried = false): void {
    const [a, b, r] = [this.left(x, bits), this.left(y, bits), this.left(sum, bits)];
    this.setLazy(bits, r, this.or(this.and(a, b), this.and(this.or(a, b), this.not(r))));
  }

  /** Flags of x − y = difference; with `carried` a borrow came in. SUB, SBB, CMP, CMPXCHG, SCAS, CMPS, NEG (x = 0). */
  flagsSub(x: Val, y: Val, difference: Val, bits: number, _carried = false): void {
    const [a, b, r] = [this.left(x, bits), this.left(y, bits), this.left(difference, bits)];
    const na = this.not(a);
    this.setLazy(bits, r, this.or(this.and(na, b), this.and(this.or(na, b), r)));
  }

  /** CF = OF = 0, the rest from the result. AND, OR, XOR, TEST. */
  flagsLogic(result: Val, bits: number): void {
    this.setLazy(bits, this.left(result, bits), this.i64(0));
  }

  /** As flagsAdd or flagsSub with y = 1, CF left as it was. */
  flagsIncDec(x: Val, result: Val, bits: number, decrement: boolean): void {
    this.setLazy(
      bits,
      this.left(result, bits),
      this.incDecCarry(x, result, bits, decrement, this.extU(this.carry())),
    );
  }

  /** The carry vector of x ± 1 with CF as given. */
  protected incDecCarry(x: Val, result: Val, bits: number, decrement: boolean, cf: Val): Val {
    const [a, b, r] = [this.left(x, bits), this.left(this.i64(1), bits), this.left(result, bits)];
    const na = decrement ? this.not(a) : a;
    const c = decrement
      ? this.or(this.and(na, b), this.and(this.or(na, b), r))
      : this.or(this.and(a, b), this.and(this.or(a, b), this.not(r)));
    // Bit 63 is to be CF, and OF = bit 63 xor bit 62 is to stay what this operation made it.
    const of = this.and(this.xor(c, this.shl(c, 1)), 1n << 63n);
    const top = this.shl(cf, 63);
    const second = this.shrU(this.xor(top, of), 1);
    const low = this.and(c, (1n << 62n) - 1n);
    return this.or(this.or(top, second), low);
  }

  /** ZF, SF, PF from the result; CF and OF given as i32 of 0 or 1; AF 0. Shifts and rotates through carry. */
  flagsShift(result: Val, cf: Val, of: Val, bits: number): void {
    const c = this.extU(cf);
    const carry = this.or(this.shl(c, 63), this.shl(this.xor(c, this.extU(of)), 62));
    this.setLazy(bits, this.left(result, bits), carry);
  }

  fusedCondition(cc: number): Val {
    if (!this.lastFlags) throw new Error('a fused compare must set the flags');
    const { result, carry, bits } = this.lastFlags;
    const v = this.lazyCondition(
      cc & ~1,
      result,
      () => carry,
      () => this.i64(64 - bits),
    );
    return cc & 1 ? this.eqz(v) : v;
  }

  /** All arithmetic flags as an rflags image (i32). */
  arithFlags(): Val {
    return this.callHelper('arith_flags')!;
  }
  /** Sets all arithmetic flags from an rflags image (i32; other bits are ignored). */
  setArithFlags(image: Val): void {
    this.setState('i64.store', S.ccResult, this.extU(this.and(image, ARITH_FLAGS)));
    this.setState('i32.store', S.ccOp, this.i32(-1));
  }
  /** CF, and OF when it is given (i32 of 0 or 1); the others stay. */
  setCarry(cf: Val, of?: Val): void {
    this.if(
      this.geS(this.getState('i32.load', S.ccOp), 0),
      () => {
        this.setState('i64.store', S.ccCarry, this.withCarry(this.getState('i64.load', S.ccCarry), cf, of));
      },
      () => {
        const old = this.wrap(this.getState('i64.load', S.ccResult));
        const changed = of ? this.or(cf, this.shl(of, 11)) : cf;
        const image = this.or(this.and(old, of ? ~(CF | OF) : ~CF), changed);
        this.setState('i64.store', S.ccResult, this.extU(image));
      },
    );
  }

  /** A carry vector with another CF (bit 63) and OF (bit 63 xor bit 62). */
  protected withCarry(carry: Val, cf: Val, of?: Val): Val {
    const top = this.shl(this.extU(cf), 63);
    const overflow = of
      ? this.shl(this.extU(of), 63)
      : this.and(this.xor(carry, this.shl(carry, 1)), 1n << 63n);
    const second = this.shrU(this.xor(top, overflow), 1);
    return this.or(this.or(top, second), this.and(carry, (1n << 62n) - 1n));
  }

  /** Replaces the flags in `mask` by those of `image` (i32), leaves the others. */
  changeFlags(mask: number, image: Val): void {
    this.setArithFlags(this.or(this.and(this.arithFlags(), ~mask), this.and(image, mask)));
  }

  /** CF as i32 0 or 1. */
  carry(): Val {
    return this.condition(2);
  }

  /** Condition `cc` (0…15 in encoding order) as i32 0 or 1. */
  condition(cc: number): Val {
    const out: Var = this.var('i32');
    const result = this.getState('i64.load', S.ccResult);
    this.if(
      this.geS(this.getState('i32.load', S.ccOp), 0),
      () => {
        this.set(
          out,
          this.lazyCondition(
            cc & ~1,
            result,
            () => this.getState('i64.load', S.ccCarry),
            () => this.extU(this.getState('i32.load', S.ccOp)),
          ),
        );
      },
      () => {
        this.set(out, this.rawCondition(cc & ~1, this.wrap(result)));
      },
    );
    const v = this.get(out);
    return cc & 1 ? this.eqz(v) : v;
  }

  /** Condition of an even `cc` from the lazy state; `shift` is 64 − operand bits as i64. */
  protected lazyCondition(cc: number, r: Val, c: () => Val, shift: () => Val): Val {
    const overflow = (): Val => this.xor(c(), this.shl(c(), 1)); // in bit 63
    switch (cc) {
      case 0:
        return this.ltS(overflow(), 0);
      case 2:
        return this.ltS(c(), 0);
      case 4:
        return this.eqz(r);
      case 6:
        return this.or(this.ltS(c(), 0), this.eqz(r));
      case 8:
        return this.ltS(r, 0);
      case 10: {
        const low = this.and(this.wrap(this.shrU(r, shift())), 0xff);
        return this.eqz(this.and(this.popcnt(low), 1));
      }
      case 12:
        return this.ltS(this.xor(r, overflow()), 0);
      default:
        return this.or(this.ltS(this.xor(r, overflow()), 0), this.eqz(r));
    }
  }

  protected rawCondition(cc: number, f: Val): Val {
    const bit = (mask: number): Val => this.nez(this.and(f, mask));
    const less = (): Val => this.ne(bit(SF), bit(OF));
    switch (cc) {
      case 0:
        return bit(OF);
      case 2:
        return bit(CF);
      case 4:
        return bit(ZF);
      case 6:
        return bit(CF | ZF);
      case 8:
        return bit(SF);
      case 10:
        return bit(PF);
      case 12:
        return less();
      default:
        return this.or(less(), bit(ZF));
    }
  }
}

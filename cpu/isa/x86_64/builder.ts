/** What x86_64 instruction definitions see: operands, flags, stack, exits. */
import { Builder, type Val, type Var } from '../../builder.ts';
import { EXIT, S } from '../../layout.ts';

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

export type ExitKind = 'undefined' | 'divide' | 'protection' | 'breakpoint' | 'syscall' | 'simd' | 'x87';

export abstract class X86Builder extends Builder {
  /** Operand size in bits of this variant (the `v` of the encoding), 0 where it has none. */
  abstract readonly bits: number;

  // ---- state -----------------------------------------------------------------------------------------------------

  /** Reads and writes a field of the cpu state by its offset, with a load or store instruction's name. */
  abstract getState(load: string, offset: number): Val;
  abstract setState(store: string, offset: number, value: Val): void;

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
  /** The immediate (or the low byte of a third operand) as i64. */
  abstract imm(): Val;
  /** Base of the segment a string instruction's source lies in, i64 (0 without an override). */
  abstract stringSegment(): Val;
  /** Offset from STATE of a register operand as i32, for definitions that index the state themselves. */
  abstract regOffset(o: Operand): Val;

  readS(o: Operand): Val {
    return this.sext(this.read(o), o.bits);
  }

  // ---- memory ----------------------------------------------------------------------------------------------------

  /**
   * Linear (host) address as i32 of `size` bytes at a guest address. Does not come back when they cannot be accessed:
   * so it must come before the instruction's first write to any state.
   */
  abstract translate(address: Val, size: number, access: 'r' | 'w'): Val;

  /** As `translate` for reading, but independent of the TLB slot an earlier read of the same instruction uses. */
  abstract translateApart(address: Val, size: number): Val;

  /** Loads with a load instruction's name (i64.load16_u…) from a guest address. */
  load(name: string, address: Val, size: number): Val {
    return this.rawLoad(name, this.translate(address, size, 'r'));
  }
  store(name: string, address: Val, value: Val, size: number): void {
    this.rawStore(name, this.translate(address, size, 'w'), value);
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

  private left(v: Val, bits: number): Val {
    return bits === 64 ? v : this.shl(v, 64 - bits);
  }

  /** Stores the lazy flag state: result and carry vector, both shifted left to bit 63. */
  setLazy(bits: number, result: Val, carry: Val): void {
    this.setState('i64.store', S.ccResult, result);
    this.setState('i64.store', S.ccCarry, carry);
    this.setState('i32.store', S.ccOp, this.i32(64 - bits));
  }

  /** Flags of x + y (+ carry) = sum. ADD, ADC, XADD. */
  flagsAdd(x: Val, y: Val, sum: Val, bits: number): void {
    const [a, b, r] = [this.left(x, bits), this.left(y, bits), this.left(sum, bits)];
    this.setLazy(bits, r, this.or(this.and(a, b), this.and(this.or(a, b), this.not(r))));
  }

  /** Flags of x − y (− borrow) = difference. SUB, SBB, CMP, CMPXCHG, SCAS, CMPS, NEG (x = 0). */
  flagsSub(x: Val, y: Val, difference: Val, bits: number): void {
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
    const cf = this.extU(this.carry());
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
    this.setLazy(bits, r, this.or(this.or(top, second), low));
  }

  /** ZF, SF, PF from the result; CF and OF given as i32 of 0 or 1; AF 0. Shifts and rotates through carry. */
  flagsShift(result: Val, cf: Val, of: Val, bits: number): void {
    const c = this.extU(cf);
    const carry = this.or(this.shl(c, 63), this.shl(this.xor(c, this.extU(of)), 62));
    this.setLazy(bits, this.left(result, bits), carry);
  }

  /** All arithmetic flags as an rflags image (i32). */
  abstract arithFlags(): Val;
  /** Sets all arithmetic flags from an rflags image (i32; other bits are ignored). */
  setArithFlags(image: Val): void {
    this.setState('i64.store', S.ccResult, this.extU(this.and(image, ARITH_FLAGS)));
    this.setState('i32.store', S.ccOp, this.i32(-1));
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

  private rawCondition(cc: number, f: Val): Val {
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

  // ---- leaving ---------------------------------------------------------------------------------------------------

  /** Ends the instruction here without effect: an exception (or a syscall). */
  abstract raise(kind: ExitKind): void;
  /** Raises when the condition (i32) holds. */
  raiseIf(cond: Val, kind: ExitKind): void {
    this.if(cond, () => {
      this.raise(kind);
    });
  }

  // Only in definitions that end a block.
  /** Goes to the record's direct target. `retire`: this is the path's last act. */
  abstract jumpDirect(): void;
  /** Goes on behind this instruction (a branch not taken). */
  abstract fallThrough(): void;
  /** Goes to an address known only now (i64). */
  abstract jumpIndirect(target: Val): void;
  /** The address behind this instruction, i64 (only in `call`). */
  abstract nextPc(): Val;
  /** Goes on with the next instruction. Every path of a definition that does not end otherwise ends so by itself. */
  abstract next(): void;

  /** Calls the host: `name` is one of the imports (cpuid, rdtsc…); they work on the state in memory. */
  abstract callHost(name: string, ...args: Val[]): Val | null;
  /** Calls a shared helper function defined beside the handlers (see helpers.ts). */
  abstract callHelper(name: string, ...args: Val[]): Val | null;
}

export const EXIT_OF: Readonly<Record<ExitKind, number>> = {
  undefined: EXIT.undefined,
  divide: EXIT.divide,
  protection: EXIT.protection,
  breakpoint: EXIT.breakpoint,
  syscall: EXIT.syscall,
  simd: EXIT.simd,
  x87: EXIT.x87,
};

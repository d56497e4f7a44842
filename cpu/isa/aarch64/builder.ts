/** What aarch64 instruction definitions see: registers, flags, exits. */
import type { Val } from '../../builder.ts';
import { GuestBuilder } from '../../guest-builder.ts';
import type { Fields, Reg } from './define.ts';
import { A } from './layout.ts';

/** Condition codes in their encoding order (Arm ARM C1.2.4). */
export const CONDITIONS = ['eq', 'ne', 'cs', 'cc', 'mi', 'pl', 'vs', 'vc', 'hi', 'ls', 'ge', 'lt', 'gt', 'le', 'al', 'nv'] as const; // prettier-ignore

const TOP = 1n << 63n;

export abstract class A64Builder extends GuestBuilder {
  /** The fields this handler is made for. */
  abstract readonly f: Fields;

  /** 64 or 32 by the sf field. */
  get width(): 32 | 64 {
    return this.f['sf'] ? 64 : 32;
  }

  // ---- registers

  /** Offset from STATE of a register operand, i32. */
  abstract offset(r: Reg): Val;
  /** A register's bytes with a load instruction's name, from `at` bytes on. */
  abstract loadReg(load: string, r: Reg, at?: number): Val;
  abstract storeReg(store: string, r: Reg, value: Val, at?: number): void;
  /** The same with the distance `at` (i32) known only when the instruction is decoded. */
  abstract loadRegAt(load: string, r: Reg, at: Val): Val;
  abstract storeRegAt(store: string, r: Reg, value: Val, at: Val): void;

  /** A general register as i64; 32 bits are zero-extended. */
  x(r: Reg, bits = 64): Val {
    return this.loadReg(bits === 64 ? 'i64.load' : `i64.load${bits}_u`, r);
  }
  /** Writes a general register; a 32-bit result clears the upper half. */
  setX(r: Reg, value: Val, bits = 64): void {
    this.storeReg('i64.store', r, bits === 64 ? value : this.zext(value, bits));
  }
  /** The low `bits`, sign-extended to 64. */
  sx(r: Reg, bits: number): Val {
    return this.loadReg(bits === 64 ? 'i64.load' : `i64.load${bits}_s`, r);
  }

  v(r: Reg): Val {
    return this.loadReg('v128.load', r);
  }
  setV(r: Reg, value: Val): void {
    this.storeReg('v128.store', r, value);
  }
  /** Keeps the low half and clears the upper (a 64-bit vector result) unless Q. */
  setVq(r: Reg, value: Val, q: number): void {
    const half = Array.from({ length: 16 }, (_, i) => (i < 8 ? 255 : 0));
    this.setV(r, q ? value : this.op('v128.and', value, this.v128(half)));
  }
  /** The low bits of a vector register as i64, zero-extended. */
  low(r: Reg, bits: number): Val {
    return this.loadReg(bits === 64 ? 'i64.load' : `i64.load${bits}_u`, r);
  }
  /** Writes a scalar (i64, its low bits count) and clears the rest of the register. */
  setLow(r: Reg, value: Val, bits: number): void {
    this.storeReg('i64.store', r, this.zext(value, bits));
    this.storeReg('i64.store', r, this.i64(0), 8);
  }
  f64v(r: Reg): Val {
    return this.loadReg('f64.load', r);
  }
  f32v(r: Reg): Val {
    return this.loadReg('f32.load', r);
  }

  // ---- flags

  private last: { n: Val; z: Val; carry: Val } | null = null;

  /** N, Z, C and V as A.n, A.z and A.carry hold them, i64 each. */
  setFlags(n: Val, z: Val, carry: Val): void {
    this.last = { n, z, carry };
    this.setState('i64.store', A.n, n);
    this.setState('i64.store', A.z, z);
    this.setState('i64.store', A.carry, carry);
  }

  /** Flags of x − y = difference. */
  flagsSub(x: Val, y: Val, difference: Val, bits: number): void {
    this.flagsSum(x, this.not(y), difference, bits);
  }
  /** Flags of x + y = sum. */
  flagsAdd(x: Val, y: Val, sum: Val, bits: number): void {
    this.flagsSum(x, y, sum, bits);
  }
  /** Flags of x + y + carry = sum; subtraction is x + ~y + 1. */
  flagsSum(x: Val, y: Val, sum: Val, bits: number): void {
    const up = (v: Val): Val => (bits === 64 ? v : this.shl(v, 64 - bits));
    const [a, b, r] = [up(x), up(y), up(sum)];
    this.setFlags(r, r, this.or(this.and(a, b), this.and(this.or(a, b), this.not(r))));
  }
  flagsLogic(result: Val, bits: number): void {
    const r = bits === 64 ? result : this.shl(result, 64 - bits);
    this.setFlags(r, r, this.i64(0));
  }

  /** Flags set in one of two ways. */
  flagsEither(cond: Val, then: () => void, otherwise: () => void): void {
    this.if(cond, then, otherwise);
  }

  /** Flags from an i64 with N, Z, C, V in bits 3…0. */
  setNzcv(image: Val): void {
    const c = this.shl(image, 62);
    // V is whether bits 63 and 62 of carry differ: bit 62 is C xor V.
    const low = this.and(this.xor(this.shrU(c, 1), this.shl(image, 62)), 1n << 62n);
    this.setFlags(this.shl(image, 60), this.and(this.xor(image, 4), 4), this.or(this.and(c, TOP), low));
  }

  /** N, Z, C, V in bits 3…0 of an i64. */
  nzcv(): Val {
    const n = this.getState('i64.load', A.n);
    const z = this.getState('i64.load', A.z);
    return this.imageOf(n, z, this.getState('i64.load', A.carry));
  }

  protected imageOf(n: Val, z: Val, c: Val): Val {
    const bit = (v: Val, to: number): Val => this.shl(this.shrU(v, 63), to);
    return this.or(
      this.or(bit(n, 3), this.shl(this.extU(this.eqz(z)), 2)),
      this.or(bit(c, 1), bit(this.xor(c, this.shl(c, 1)), 0)),
    );
  }

  /** C as i64, 0 or 1. */
  carry(): Val {
    return this.shrU(this.getState('i64.load', A.carry), 63);
  }

  /** Condition `cc` as i32, 0 or 1. */
  condition(cc: number): Val {
    return this.test(
      cc,
      () => this.getState('i64.load', A.n),
      () => this.getState('i64.load', A.z),
      () => this.getState('i64.load', A.carry),
    );
  }

  fusedCondition(cc: number): Val {
    const { last } = this;
    if (!last) throw new Error('a fused compare must set the flags');
    return this.test(
      cc,
      () => last.n,
      () => last.z,
      () => last.carry,
    );
  }

  protected test(cc: number, n: () => Val, z: () => Val, c: () => Val): Val {
    const overflow = (): Val => {
      const carry = c();
      return this.xor(carry, this.shl(carry, 1));
    };
    const positive = (): Val => this.geS(this.xor(n(), overflow()), 0);
    const even = (): Val => {
      switch (cc >> 1) {
        case 0:
          return this.eqz(z());
        case 1:
          return this.ltS(c(), 0);
        case 2:
          return this.ltS(n(), 0);
        case 3:
          return this.ltS(overflow(), 0);
        case 4:
          return this.and(this.ltS(c(), 0), this.nez(z()));
        case 5:
          return positive();
        case 6:
          return this.and(positive(), this.nez(z()));
        default:
          return this.i32(1);
      }
    };
    return cc & 1 && cc !== 15 ? this.eqz(even()) : even();
  }
}

/**
 * The x87 unit: every instruction on the state block in memory, exact to its flags (SDM vol. 1 ch. 8, vol. 2). Generated
 * code moves memory operands through a scratch area and calls `execute` with the instruction's opcode and modrm byte.
 */
import { ARITH_FLAGS } from '../isa/x86_64/builder.ts';
import { S, SCRATCH } from '../layout.ts';
import * as soft from './soft-float.ts';
import { X87Functions } from './x87-functions.ts';
import { C0, C1, C2, C3, CC, type X87Env } from './x87-state.ts';

const { F32, F64, F80, IE, DE, OE, PE, UE } = soft;
const UNORDERED = C0 | C2 | C3;

/** FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ: rounded to nearest, and whether that is above the true value. */
const CONSTANTS: readonly [significand: bigint, signExponent: bigint, above: boolean | null][] = [
  [0x8000000000000000n, 0x3fffn, null],
  [0xd49a784bcd1b8afen, 0x4000n, false],
  [0xb8aa3b295c17f0bcn, 0x3fffn, true],
  [0xc90fdaa22168c235n, 0x4000n, true],
  [0x9a209a84fbcff799n, 0x3ffdn, true],
  [0xb17217f7d1cf79acn, 0x3ffen, true],
  [0n, 0n, null],
];

/** DC and DE: the reversed and plain forms of subtraction and division change places. */
const swapReverse = (digit: number): number => (digit >= 4 ? digit ^ 1 : digit);

export class X87 extends X87Functions {
  /** Carries out `op` = (opcode − D8) << 8 | modrm. Returns 0: no such instruction, 1: done, 3: done and SCRATCH holds
   *  what is to be written to memory. */
  execute(op: number): number {
    const esc = op >> 8;
    const modrm = op & 0xff;
    if (modrm >= 0xc0) return this.registerForm(esc, modrm) ? 1 : 0;
    return this.memoryForm(esc, (modrm >> 3) & 7);
  }

  // ---- memory operands

  private memoryForm(esc: number, digit: number): number {
    switch (esc) {
      case 0:
        this.arithFloat(digit, F32);
        return 1;
      case 4:
        this.arithFloat(digit, F64);
        return 1;
      case 2:
        this.arithMemory(digit, this.integer(32), this.env());
        return 1;
      case 6:
        this.arithMemory(digit, this.integer(16), this.env());
        return 1;
      case 1:
        return this.formD9(digit);
      case 3:
        return this.formDB(digit);
      case 5:
        return this.formDD(digit);
      default:
        return this.formDF(digit);
    }
  }

  private raw(bits: number): bigint {
    return BigInt.asUintN(bits, this.memory.view.getBigUint64(SCRATCH, true));
  }
  /** A signed integer operand as F80: always exact. */
  private integer(bits: number): bigint {
    return soft.fromInteger(F80, this.fullEnv(), BigInt.asIntN(bits, this.raw(bits)));
  }
  /** A float operand as F80; its own IE and DE go to env. */
  private float(f: soft.Format, env: X87Env): bigint {
    const bits = this.raw(f === F32 ? 32 : 64);
    const u = soft.unpack(f, bits);
    if (u.kind === 'nan' && !u.quiet) env.flags |= IE;
    if (u.denormal) env.denormalOperand = true;
    return soft.convert(f, F80, { ...env, precision: 0, flags: 0 }, bits);
  }

  private arithFloat(digit: number, f: soft.Format): void {
    const env = this.env();
    let y = this.float(f, env);
    if (env.flags & IE) y &= ~(1n << 62n); // signaling still: a quiet NaN in ST(0) goes before it
    this.arithMemory(digit, y, env);
  }

  private arithMemory(digit: number, y: bigint, env: X87Env): void {
    if (digit !== 2 && digit !== 3) {
      this.arith(digit, 0, y, env, false);
      return;
    }
    if (this.empty(0)) {
      const masked = this.underflow();
      this.cc(CC, UNORDERED);
      if (!masked) return;
    } else if (!this.compare(this.st(0), y, true, env)) return;
    if (digit === 3) this.pop();
  }

  /** ST(dest) = ST(dest) op y; digits 5 and 7 are reversed. True: done. */
  private arith(digit: number, dest: number, y: bigint, env: X87Env, yEmpty: boolean): boolean {
    if (this.empty(dest) || yEmpty) {
      if (!this.underflow()) return false;
      this.setSt(dest, soft.defaultNan(F80));
      return true;
    }
    const x = this.st(dest);
    const rule = soft.x87Nan;
    let r: bigint;
    if (digit === 0) r = soft.add(F80, env, x, y, false, rule);
    else if (digit === 1) r = soft.mul(F80, env, x, y, rule);
    else if (digit === 4) r = soft.add(F80, env, x, y, true, rule);
    else if (digit === 5) r = soft.add(F80, env, y, x, true, rule);
    else if (digit === 6) r = soft.div(F80, env, x, y, rule);
    else r = soft.div(F80, env, y, x, rule);
    if (!this.settle(env)) return false;
    this.setSt(dest, r);
    return true;
  }

  /** C3 C2 C0 of x ? y. True: the instruction goes on (to its pops). */
  private compare(x: bigint, y: bigint, signaling: boolean, env: X87Env): boolean {
    const o = soft.compare(F80, env, x, y, signaling);
    if (env.flags) this.raise(env.flags);
    this.cc(CC, o === 2 ? UNORDERED : o === 0 ? C3 : o < 0 ? C0 : 0);
    return this.proceeds(env.flags);
  }

  private loadFloat(f: soft.Format): void {
    const env = this.fullEnv();
    if (!this.empty(7)) {
      this.push(0n);
      return;
    }
    const v = this.float(f, env);
    if (env.denormalOperand) env.flags |= DE;
    // A denormal is loaded even when its exception is unmasked.
    if (this.settle(env) || env.flags === DE) this.push(v);
  }

  /** ST(0) rounded to f, in SCRATCH. */
  private storeFloat(f: soft.Format): boolean {
    const env = this.fullEnv();
    let v: bigint;
    if (this.empty(0)) {
      if (!this.underflow()) return false;
      v = soft.defaultNan(f);
    } else {
      v = soft.convert(F80, f, env, this.st(0));
      env.flags &= ~DE; // a denormal source shows as an underflow of the result
      const unmasked = env.flags & (OE | UE) & ~this.get(S.fpuControl);
      if (unmasked) env.flags &= ~PE; // memory is left alone, so nothing was rounded
      if (!this.settle(env) || unmasked) return false;
    }
    this.memory.view.setBigUint64(SCRATCH, v, true);
    return true;
  }

  private storeInt(bits: 16 | 32 | 64, truncate: boolean): boolean {
    const env = this.env();
    let v = 1n << BigInt(bits - 1);
    if (this.empty(0)) {
      if (!this.underflow()) return false;
    } else {
      v = soft.toInteger(F80, env, this.st(0), bits, truncate);
      if (!this.settle(env)) return false;
    }
    this.memory.view.setBigUint64(SCRATCH, v, true);
    return true;
  }

  private storeExtended(): boolean {
    let v = soft.defaultNan(F80);
    if (!this.empty(0)) {
      v = this.st(0);
      this.cc(C1, 0);
    } else if (!this.underflow()) return false;
    this.storeExtendedAt(SCRATCH, v);
    return true;
  }

  /** Answer of a store: 3 when memory is to be written, and then the pop. */
  private done(stored: boolean, pops: boolean): number {
    if (stored && pops) this.pop();
    return stored ? 3 : 1;
  }

  private formD9(digit: number): number {
    const { view } = this.memory;
    switch (digit) {
      case 0:
        this.loadFloat(F32);
        return 1;
      case 2:
      case 3:
        return this.done(this.storeFloat(F32), digit === 3);
      case 4:
        this.loadEnvironment();
        return 1;
      case 5:
        this.setControl(Number(this.raw(16)));
        return 1;
      case 6:
        this.storeEnvironment();
        this.put(S.fpuControl, this.get(S.fpuControl) | 0x3f);
        this.updateSummary();
        return 3;
      case 7:
        view.setUint16(SCRATCH, this.get(S.fpuControl), true);
        return 3;
      default:
        return 0;
    }
  }

  private formDB(digit: number): number {
    switch (digit) {
      case 0:
        this.push(this.integer(32));
        return 1;
      case 1:
      case 2:
      case 3:
        return this.done(this.storeInt(32, digit === 1), digit !== 2);
      case 5:
        this.push(this.loadExtended(SCRATCH));
        return 1;
      case 7:
        return this.done(this.storeExtended(), true);
      default:
        return 0;
    }
  }

  private formDD(digit: number): number {
    switch (digit) {
      case 0:
        this.loadFloat(F64);
        return 1;
      case 1:
        return this.done(this.storeInt(64, true), true);
      case 2:
      case 3:
        return this.done(this.storeFloat(F64), digit === 3);
      case 4: {
        this.loadEnvironment();
        const tags = this.get(S.fpuTags);
        for (let i = 0; i < 8; i++) this.setSt(i, this.loadExtended(SCRATCH + 28 + 10 * i));
        this.put(S.fpuTags, tags);
        return 1;
      }
      case 6:
        this.storeEnvironment();
        for (let i = 0; i < 8; i++) this.storeExtendedAt(SCRATCH + 28 + 10 * i, this.st(i));
        this.init();
        return 3;
      case 7:
        this.memory.view.setUint16(SCRATCH, this.statusWord(), true);
        return 3;
      default:
        return 0;
    }
  }

  private formDF(digit: number): number {
    switch (digit) {
      case 0:
      case 5:
        this.push(this.integer(digit === 0 ? 16 : 64));
        return 1;
      case 1:
      case 2:
      case 3:
        return this.done(this.storeInt(16, digit === 1), digit !== 2);
      case 4:
        this.loadDecimal();
        return 1;
      case 6:
        return this.done(this.storeDecimal(), true);
      default:
        return this.done(this.storeInt(64, false), true);
    }
  }

  /** FBLD: 18 packed decimal digits and a sign byte. */
  private loadDecimal(): void {
    const { u8 } = this.memory;
    let v = 0n;
    for (let i = 8; i >= 0; i--) {
      const byte = u8[SCRATCH + i];
      v = v * 100n + BigInt((byte >> 4) * 10 + (byte & 15));
    }
    const negative = (u8[SCRATCH + 9] & 0x80) !== 0;
    if (v === 0n) this.push(soft.zeroBits(F80, negative ? 1 : 0));
    else this.push(soft.fromInteger(F80, this.fullEnv(), negative ? -v : v));
  }

  private storeDecimal(): boolean {
    const env = this.env();
    const { u8 } = this.memory;
    const indefinite = (): true => {
      u8.fill(0, SCRATCH, SCRATCH + 7);
      u8.set([0xc0, 0xff, 0xff], SCRATCH + 7);
      return true;
    };
    if (this.empty(0)) return this.underflow() && indefinite();
    const x = this.st(0);
    const v = BigInt.asIntN(64, soft.toInteger(F80, env, x, 64, false));
    let rest = v < 0n ? -v : v;
    if (env.flags & IE || rest > 999999999999999999n) {
      env.flags = IE;
      return this.settle(env) && indefinite();
    }
    if (!this.settle(env)) return false;
    for (let i = 0; i < 9; i++) {
      const two = Number(rest % 100n);
      rest /= 100n;
      u8[SCRATCH + i] = (Math.floor(two / 10) << 4) | (two % 10);
    }
    u8[SCRATCH + 9] = x >> 79n ? 0x80 : 0;
    return true;
  }

  // ---- register forms

  private registerForm(esc: number, modrm: number): boolean {
    const i = modrm & 7;
    const digit = (modrm >> 3) & 7;
    switch (esc) {
      case 0:
        if (digit === 2 || digit === 3) this.compareStack(i, true, digit - 2);
        else this.arith(digit, 0, this.st(i), this.env(), this.empty(i));
        return true;
      case 1:
        return this.registerD9(modrm, digit, i);
      case 2:
        if (modrm === 0xe9) this.compareStack(1, false, 2);
        else if (digit < 4) this.conditionalMove(i, digit, false);
        else return false;
        return true;
      case 3:
        return this.registerDB(modrm, digit, i);
      case 4:
        if (digit === 2 || digit === 3) this.compareStack(i, true, digit - 2);
        else this.arith(swapReverse(digit), i, this.st(0), this.env(), this.empty(0));
        return true;
      case 5:
        return this.registerDD(digit, i);
      case 6:
        if (digit === 2) this.compareStack(i, true, 1);
        else if (digit === 3) {
          if (modrm !== 0xd9) return false;
          this.compareStack(1, true, 2);
        } else if (this.arith(swapReverse(digit), i, this.st(0), this.env(), this.empty(0))) this.pop();
        return true;
      default:
        if (modrm === 0xe0) this.memory.view.setUint16(this.base + S.gpr, this.statusWord(), true);
        else if (digit === 5 || digit === 6) {
          if (this.compareFlags(i, digit === 6)) this.pop();
        } else if (digit === 0) {
          this.free(i);
          this.cc(C1, 0);
          this.pop();
        } else if (digit === 1) this.exchange(i);
        else if (digit === 2 || digit === 3) this.copyTo(i, true);
        else return false;
        return true;
    }
  }

  private registerDB(modrm: number, digit: number, i: number): boolean {
    if (modrm === 0xe2) this.put(S.fpuStatus, this.get(S.fpuStatus) & 0x7f00);
    else if (modrm === 0xe3) this.init();
    else if (modrm === 0xe0 || modrm === 0xe1 || modrm === 0xe4)
      return true; // 8087 and 287 leftovers: nothing happens
    else if (digit < 4) this.conditionalMove(i, digit, true);
    else if (digit === 5 || digit === 6) this.compareFlags(i, digit === 6);
    else return false;
    return true;
  }

  private registerDD(digit: number, i: number): boolean {
    switch (digit) {
      case 0:
        this.free(i);
        this.cc(C1, 0);
        return true;
      case 1:
        this.exchange(i); // undocumented alias, as the others below
        return true;
      case 2:
      case 3:
        this.copyTo(i, digit === 3);
        return true;
      case 4:
      case 5:
        this.compareStack(i, false, digit - 4);
        return true;
      default:
        return false;
    }
  }

  /** FST, FSTP to a register. */
  private copyTo(i: number, pops: boolean): void {
    let v = soft.defaultNan(F80);
    if (!this.empty(0)) {
      v = this.st(0);
      this.cc(C1, 0);
    } else if (!this.underflow()) return;
    this.setSt(i, v);
    if (pops) this.pop();
  }

  /** FXCH fills empty registers with the default NaN first. */
  private exchange(i: number): void {
    const nan = soft.defaultNan(F80);
    this.cc(C1, 0);
    if (this.empty(0) || this.empty(i)) {
      if (!this.underflow()) return;
      if (this.empty(0)) this.setSt(0, nan);
      if (this.empty(i)) this.setSt(i, nan);
    }
    const x = this.st(0);
    this.setSt(0, this.st(i));
    this.setSt(i, x);
  }

  private compareStack(i: number, signaling: boolean, pops: number): void {
    if (this.empty(0) || this.empty(i)) {
      const masked = this.underflow();
      this.cc(CC, UNORDERED);
      if (!masked) return;
    } else if (!this.compare(this.st(0), this.st(i), signaling, this.env())) return;
    for (let n = 0; n < pops; n++) this.pop();
  }

  /** FCOMI and relatives: ZF PF CF. True: go on to the pop. */
  private compareFlags(i: number, signaling: boolean): boolean {
    let image = 0x45;
    let goesOn: boolean;
    if (this.empty(0) || this.empty(i)) goesOn = this.underflow();
    else {
      const env = this.env();
      const o = soft.compare(F80, env, this.st(0), this.st(i), signaling);
      if (env.flags) this.raise(env.flags);
      goesOn = this.proceeds(env.flags);
      image = o === 2 ? 0x45 : o === 0 ? 0x40 : o < 0 ? 1 : 0;
    }
    this.put(S.ccResult, image & ARITH_FLAGS);
    this.put(S.ccResult + 4, 0);
    this.put(S.ccOp, -1);
    return goesOn;
  }

  /** FCMOVcc: digit 0 CF, 1 ZF, 2 CF or ZF, 3 PF; `negated` for the FCMOVN forms. */
  private conditionalMove(i: number, digit: number, negated: boolean): void {
    const mask = [1, 0x40, 0x41, 4][digit];
    if (this.empty(0) || this.empty(i)) {
      if (this.underflow()) this.setSt(0, soft.defaultNan(F80));
      return;
    }
    if (((this.flagsImage() & mask) !== 0) !== negated) this.setSt(0, this.st(i));
  }

  /** CF, ZF and PF out of the lazy flags. */
  private flagsImage(): number {
    const op = this.get(S.ccOp);
    if (op < 0) return this.get(S.ccResult);
    const { view } = this.memory;
    const result = view.getBigUint64(this.base + S.ccResult, true);
    let low = Number((result >> BigInt(op)) & 0xffn);
    low ^= low >> 4;
    low ^= low >> 2;
    low ^= low >> 1;
    const carry = Number(view.getBigUint64(this.base + S.ccCarry, true) >> 63n);
    return carry | (low & 1 ? 0 : 4) | (result === 0n ? 0x40 : 0);
  }

  private registerD9(modrm: number, digit: number, i: number): boolean {
    const nan = soft.defaultNan(F80);
    if (digit === 0) {
      if (!this.empty(i)) this.push(this.st(i));
      else if (this.underflow()) {
        this.top--;
        this.setSt(0, nan);
      }
      return true;
    }
    if (digit === 1) {
      this.exchange(i);
      return true;
    }
    if (digit === 3) {
      // FSTPNCE: an empty register is no exception.
      if (this.empty(0)) {
        this.cc(C1, 0);
        this.pop();
      } else this.copyTo(i, true);
      return true;
    }
    if (modrm >= 0xe8 && modrm <= 0xee) {
      this.push(this.constant(modrm - 0xe8));
      return true;
    }
    if (modrm === 0xf6 || modrm === 0xf7) {
      this.cc(C1, 0);
      this.top += modrm === 0xf6 ? -1 : 1;
      return true;
    }
    if (modrm >= 0xf0) {
      this.function(modrm);
      return true;
    }
    switch (modrm) {
      case 0xd0:
        return true;
      case 0xe0:
      case 0xe1:
        if (this.empty(0)) {
          if (this.underflow()) this.setSt(0, nan);
          return true;
        }
        this.cc(C1, 0);
        this.setSt(0, modrm === 0xe0 ? this.st(0) ^ (1n << 79n) : this.st(0) & ~(1n << 79n));
        return true;
      case 0xe4:
        if (!this.empty(0)) this.compare(this.st(0), 0n, true, this.env());
        else {
          this.underflow();
          this.cc(CC, UNORDERED);
        }
        return true;
      case 0xe5:
        this.examine();
        return true;
      default:
        return false;
    }
  }

  /** Constants are rounded by RC from a value with more bits. */
  private constant(n: number): bigint {
    const [sig, se, above] = CONSTANTS[n];
    const nearest = (se << 64n) | sig;
    const rc = this.env().rounding;
    if (above === true && (rc === soft.DOWN || rc === soft.ZERO)) return nearest - 1n;
    if (above === false && rc === soft.UP) return nearest + 1n;
    return nearest;
  }

  /** FXAM. */
  private examine(): void {
    const u = soft.unpack(F80, this.st(0));
    let bits: number;
    if (this.empty(0)) bits = C3 | C0;
    else if (u.kind === 'invalid') bits = 0;
    else if (u.kind === 'nan') bits = C0;
    else if (u.kind === 'inf') bits = C2 | C0;
    else if (u.kind === 'zero') bits = C3;
    else bits = u.denormal ? C3 | C2 : C2;
    this.cc(CC, bits | (u.sign ? C1 : 0));
  }
}

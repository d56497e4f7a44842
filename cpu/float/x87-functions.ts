/** D9 F0…FF: square root, rounding, scaling, remainders and the transcendental functions. SDM vol. 2. */
import { S } from '../layout.ts';
import * as soft from './soft-float.ts';
import { BITS, Constants, ONE, atan, expm1, ln, sinCos } from './transcendental.ts';
import { C0, C1, C2, C3, CC, X87State, type X87Env } from './x87-state.ts';

const { F80, IE, DE, ZE, PE } = soft;
const B = BigInt(BITS);
const LEAD = 1n << 63n;
const ONE_80 = (0x3fffn << 64n) | LEAD;
const SIGN_80 = 1n << 79n;
/** π as processors reduce arguments by it: 66 bits (SDM vol. 1, 8.3.8), here in fixed point. */
const PI_66 = 0xc90fdaa22168c234cn << BigInt(BITS - 66);

/** Exponent of the leading bit, plus one. */
const topOf = (u: soft.Unpacked): number => u.exp + soft.bitLength(u.sig);

export class X87Functions extends X87State {
  private readonly constants = new Constants();

  protected function(modrm: number): void {
    const two = [0xf1, 0xf3, 0xf5, 0xf8, 0xf9, 0xfd].includes(modrm);
    const pops = modrm === 0xf1 || modrm === 0xf3 || modrm === 0xf9;
    const pushes = modrm === 0xf2 || modrm === 0xf4 || modrm === 0xfb;
    const nan = soft.defaultNan(F80);
    if ([0xf2, 0xf5, 0xf8, 0xfb, 0xfe, 0xff].includes(modrm)) this.cc(C2, 0);
    if (this.empty(0) || (two && this.empty(1))) {
      if (!this.underflow()) return;
      if (pops) {
        this.setSt(1, nan);
        this.pop();
      } else {
        this.setSt(0, nan);
        if (pushes) {
          this.top--;
          this.setSt(0, nan);
        }
      }
      return;
    }
    if (pushes && !this.empty(7)) {
      if (!this.overflow()) return;
      this.setSt(0, nan);
      this.top--;
      this.setSt(0, nan);
      return;
    }
    const env = modrm === 0xfa || modrm === 0xfc ? this.env() : this.fullEnv();
    const x = this.st(0);
    const replace = (r: bigint): void => {
      if (this.settleFunction(env)) this.setSt(0, r);
    };
    const combine = (r: bigint): void => {
      if (!this.settleFunction(env)) return;
      this.setSt(1, r);
      this.pop();
    };
    switch (modrm) {
      case 0xf0:
        replace(this.exp2m1(env, x));
        return;
      case 0xf1:
      case 0xf9:
        combine(modrm === 0xf1 ? this.yLog2(env, x, this.st(1)) : this.yLog2Plus1(env, x, this.st(1)));
        return;
      case 0xf3:
        combine(this.arctangent(env, this.st(1), x));
        return;
      case 0xf4:
        this.extract(env, x);
        return;
      case 0xf5:
      case 0xf8:
        this.remainder(env, x, this.st(1), modrm === 0xf5);
        return;
      case 0xfa:
        replace(soft.sqrt(F80, env, x, soft.x87Nan));
        return;
      case 0xfc:
        replace(soft.roundToIntegral(F80, env, x, false, soft.x87Nan));
        return;
      case 0xfd:
        replace(this.scale(env, x, this.st(1)));
        return;
      default:
        this.trigonometric(modrm, env, x);
    }
  }

  /** An invalid operation or a pole hides that an operand is denormal. */
  private settleFunction(env: X87Env): boolean {
    if (env.flags & (IE | ZE)) env.flags &= ~DE;
    return this.settle(env);
  }

  /** NaNs and unsupported operands; null for numbers (denormals noted). */
  private special(env: X87Env, x: bigint, y: bigint | null = null): bigint | null {
    const u = soft.unpack(F80, x);
    const v = y === null ? null : soft.unpack(F80, y);
    if (u.kind === 'invalid' || v?.kind === 'invalid') return this.invalid(env);
    if (u.kind === 'nan' || v?.kind === 'nan') {
      if ((u.kind === 'nan' && !u.quiet) || (v?.kind === 'nan' && !v.quiet)) env.flags |= IE;
      return soft.x87Nan(F80, u, v);
    }
    if (u.denormal || v?.denormal) env.flags |= DE;
    return null;
  }

  private invalid(env: X87Env): bigint {
    env.flags |= IE;
    return soft.defaultNan(F80);
  }

  private scale(env: X87Env, x: bigint, y: bigint): bigint {
    const bad = this.special(env, x, y);
    if (bad !== null) return bad;
    const u = soft.unpack(F80, x);
    const v = soft.unpack(F80, y);
    if (v.kind === 'inf') {
      if (v.sign === 0) return u.kind === 'zero' ? this.invalid(env) : soft.infinity(F80, u.sign);
      return u.kind === 'inf' ? this.invalid(env) : soft.zeroBits(F80, u.sign);
    }
    if (u.kind !== 'finite') return x;
    let n = 0;
    if (v.kind === 'finite') {
      const size =
        v.exp >= 0 ? v.sig << BigInt(Math.min(v.exp, 64)) : v.exp < -63 ? 0n : v.sig >> BigInt(-v.exp);
      n = Number(size > 100000n ? 100000n : size) * (v.sign ? -1 : 1);
    }
    return soft.round(F80, env, u.sign, u.sig, u.exp + n);
  }

  private extract(env: X87Env, x: bigint): void {
    const bad = this.special(env, x);
    const u = soft.unpack(F80, x);
    let exponent: bigint;
    let significand = x;
    if (bad !== null) exponent = significand = bad;
    else if (u.kind === 'inf') exponent = soft.infinity(F80, 0);
    else if (u.kind === 'zero') {
      env.flags |= ZE;
      exponent = soft.infinity(F80, 1);
    } else {
      exponent = soft.fromInteger(F80, { ...env, flags: 0 }, BigInt(topOf(u) - 1));
      significand =
        (BigInt(u.sign) << 79n) | (0x3fffn << 64n) | (u.sig << BigInt(64 - soft.bitLength(u.sig)));
    }
    if (!this.settle(env)) return;
    this.setSt(0, exponent);
    this.push(significand);
  }

  /** FPREM (quotient truncated) and FPREM1 (to nearest). A step takes at most 63 off the exponents' difference. */
  private remainder(env: X87Env, x: bigint, y: bigint, nearest: boolean): void {
    this.cc(C1, 0);
    const bad = this.special(env, x, y);
    const u = soft.unpack(F80, x);
    const v = soft.unpack(F80, y);
    const finish = (r: bigint, bits: number): void => {
      if (env.flags & IE) env.flags &= ~DE;
      if (!this.proceeds(env.flags)) env.flags &= IE | DE | ZE;
      if (env.flags) this.raise(env.flags);
      if (!this.proceeds(env.flags)) return;
      this.setSt(0, r);
      this.cc(CC, bits);
    };
    // Exact always, but a tiny result is an underflow where that is not masked.
    const exact = (sign: 0 | 1, r: bigint, exp: number): bigint =>
      r === 0n ? soft.zeroBits(F80, u.sign) : soft.round(F80, env, sign, r, exp);
    // Without a quotient C3 and C0 stay what they were.
    const before = this.get(S.fpuStatus) & (C3 | C0);
    if (bad !== null) finish(bad, before);
    else if (u.kind === 'inf' || v.kind === 'zero') finish(this.invalid(env), before);
    else if (u.kind === 'zero') finish(x, 0);
    else if (v.kind === 'inf')
      finish(exact(u.sign, u.sig, u.exp), 0); // a pseudo-denormal becomes normal
    else {
      const d = topOf(u) - topOf(v);
      const exp = Math.min(u.exp, v.exp);
      const a = u.sig << BigInt(u.exp - exp);
      const b = v.sig << BigInt(v.exp - exp);
      if (d >= 64) {
        const n = 32 + (d % 32);
        finish(exact(u.sign, a % (b << BigInt(d - n)), exp), C2);
        return;
      }
      let q = a / b;
      let r = a % b;
      let { sign } = u;
      if (nearest && (2n * r > b || (2n * r === b && q & 1n))) {
        q++;
        r = b - r;
        sign = (1 - sign) as 0 | 1;
      }
      const low = Number(q & 7n);
      finish(exact(sign, r, exp), (low & 4 ? C0 : 0) | (low & 2 ? C3 : 0) | (low & 1 ? C1 : 0));
    }
  }

  private fixed(u: soft.Unpacked): bigint {
    const shift = u.exp + BITS;
    const v = shift >= 0 ? u.sig << BigInt(shift) : u.sig >> BigInt(-shift);
    return u.sign ? -v : v;
  }

  /** v · 2^exp, known to be inexact, rounded. */
  private inexact(env: X87Env, v: bigint, exp = -BITS): bigint {
    return soft.round(F80, env, v < 0n ? 1 : 0, v < 0n ? -v : v, exp, true);
  }

  private exp2m1(env: X87Env, x: bigint): bigint {
    const bad = this.special(env, x);
    if (bad !== null) return bad;
    const u = soft.unpack(F80, x);
    if (u.kind === 'zero') return x;
    if (u.kind === 'inf') return u.sign ? ONE_80 | SIGN_80 : x;
    const top = topOf(u);
    // ±1 give exact results; outside [−1, 1] the result is undefined and hardware leaves the operand.
    if (top === 1 && u.sig === LEAD) return u.sign ? SIGN_80 | (0x3ffen << 64n) | LEAD : ONE_80;
    if (top > 0) {
      env.flags |= PE;
      return x;
    }
    if (top < -70) return this.inexact(env, (u.sign ? -u.sig : u.sig) * this.constants.ln2, u.exp - BITS);
    return this.inexact(env, expm1((this.fixed(u) * this.constants.ln2) >> B));
  }

  /** FYL2X. */
  private yLog2(env: X87Env, x: bigint, y: bigint): bigint {
    const bad = this.special(env, x, y);
    if (bad !== null) return bad;
    const u = soft.unpack(F80, x);
    const v = soft.unpack(F80, y);
    if (u.kind === 'zero') {
      if (v.kind === 'zero') return this.invalid(env);
      if (v.kind !== 'inf') env.flags |= ZE;
      return soft.infinity(F80, 1 - v.sign);
    }
    if (u.sign) return this.invalid(env);
    if (u.kind === 'inf') return v.kind === 'zero' ? this.invalid(env) : soft.infinity(F80, v.sign);
    const isOne = u.sig === LEAD && u.exp === -63;
    const below = topOf(u) <= 0;
    if (v.kind === 'inf') return isOne ? this.invalid(env) : soft.infinity(F80, below ? 1 - v.sign : v.sign);
    if (isOne) return soft.zeroBits(F80, v.sign);
    if (v.kind === 'zero') return soft.zeroBits(F80, below ? 1 - v.sign : v.sign);
    let e = topOf(u) - 1;
    let m = u.sig << BigInt(BITS - (soft.bitLength(u.sig) - 1));
    const ySig = v.sign ? -v.sig : v.sig;
    if (m === ONE) {
      // A power of two: the logarithm is an integer.
      const product = BigInt(e) * ySig;
      return soft.round(F80, env, product < 0n ? 1 : 0, product < 0n ? -product : product, v.exp);
    }
    if (m > ONE + (ONE >> 1n)) {
      m >>= 1n;
      e++;
    }
    return this.inexact(env, (BigInt(e) * ONE + (ln(m) << B) / this.constants.ln2) * ySig, v.exp - BITS);
  }

  /** FYL2XP1: y · log2(x + 1) for |x| < 1 − √½. */
  private yLog2Plus1(env: X87Env, x: bigint, y: bigint): bigint {
    const bad = this.special(env, x, y);
    if (bad !== null) return bad;
    const u = soft.unpack(F80, x);
    const v = soft.unpack(F80, y);
    if (u.kind === 'inf') return u.sign || v.kind === 'zero' ? this.invalid(env) : soft.infinity(F80, v.sign);
    if (u.kind === 'zero') return v.kind === 'inf' ? this.invalid(env) : soft.zeroBits(F80, u.sign ^ v.sign);
    if (v.kind !== 'finite')
      return v.kind === 'inf' ? soft.infinity(F80, u.sign ^ v.sign) : soft.zeroBits(F80, u.sign ^ v.sign);
    const top = topOf(u);
    if (top > 0) return x; // undefined there
    const ySig = v.sign ? -v.sig : v.sig;
    if (top < -70) {
      // log2(1 + x) = x / ln 2 to more bits than are kept.
      const q = (((u.sign ? -u.sig : u.sig) << (2n * B)) / this.constants.ln2) * ySig;
      return this.inexact(env, q, u.exp + v.exp - BITS);
    }
    return this.inexact(env, ((ln(ONE + this.fixed(u)) << B) / this.constants.ln2) * ySig, v.exp - BITS);
  }

  /** FPATAN: the angle of (x, y). */
  private arctangent(env: X87Env, y: bigint, x: bigint): bigint {
    const bad = this.special(env, y, x);
    if (bad !== null) return bad;
    const u = soft.unpack(F80, y);
    const v = soft.unpack(F80, x);
    const { pi } = this.constants;
    const give = (angle: bigint): bigint => this.inexact(env, u.sign ? -angle : angle);
    if (u.kind === 'zero') return v.sign ? give(pi) : soft.zeroBits(F80, u.sign);
    if (v.kind === 'inf') {
      if (u.kind === 'inf') return give(v.sign ? (3n * pi) / 4n : pi / 4n);
      return v.sign ? give(pi) : soft.zeroBits(F80, u.sign);
    }
    if (u.kind === 'inf' || v.kind === 'zero') return give(pi / 2n);
    const d = topOf(u) - topOf(v);
    if (d < -70 && !v.sign)
      return soft.round(F80, env, u.sign, (u.sig << B) / v.sig, u.exp - v.exp - BITS, true);
    let angle: bigint;
    if (d > 70) angle = pi / 2n;
    else if (d < -70) angle = 0n;
    else {
      const shift = u.exp - v.exp;
      const n = shift >= 0 ? u.sig << BigInt(shift) : u.sig;
      const m = shift >= 0 ? v.sig : v.sig << BigInt(-shift);
      angle = n <= m ? atan((n << B) / m) : pi / 2n - atan((m << B) / n);
    }
    return give(v.sign ? pi - angle : angle);
  }

  /** FSIN, FCOS, FSINCOS, FPTAN. */
  private trigonometric(modrm: number, env: X87Env, x: bigint): void {
    this.cc(C2, 0);
    const bad = this.special(env, x);
    const u = soft.unpack(F80, x);
    const pair = modrm === 0xf2 || modrm === 0xfb;
    const put = (first: bigint, second: bigint): void => {
      if (!this.settle(env)) return;
      this.setSt(0, first);
      if (pair) this.push(second);
    };
    if (bad !== null || u.kind === 'inf') {
      const nan = bad ?? this.invalid(env);
      put(nan, nan);
      return;
    }
    if (u.kind === 'zero') {
      put(modrm === 0xff ? ONE_80 : x, ONE_80);
      return;
    }
    const top = topOf(u);
    if (top > 63) {
      this.cc(C1 | C2, C2); // |x| ≥ 2^63: the program must reduce it
      return;
    }
    if (top < -68) {
      // sin x = tan x = x and cos x = 1, just not exactly.
      const cosine = this.inexact({ ...env, flags: 0 }, (1n << 140n) - 1n, -140);
      // tan is above x, sin below.
      const slightly = (u.sig << 80n) + (modrm === 0xf2 ? 1n : -1n);
      const sine = modrm === 0xff ? 0n : this.inexact(env, u.sign ? -slightly : slightly, u.exp - 80);
      env.flags |= PE;
      put(modrm === 0xff ? cosine : sine, modrm === 0xf2 ? ONE_80 : cosine);
      return;
    }
    const half = PI_66 / 2n;
    const f = this.fixed(u);
    let n = (2n * f + half) / (2n * half);
    if ((2n * f + half) % (2n * half) < 0n) n--;
    let [s, c] = sinCos(f - n * half);
    const quadrant = Number(((n % 4n) + 4n) % 4n);
    if (quadrant === 1) [s, c] = [c, -s];
    else if (quadrant === 2) [s, c] = [-s, -c];
    else if (quadrant === 3) [s, c] = [-c, s];
    if (modrm === 0xff) put(this.inexact(env, c), 0n);
    else if (modrm === 0xf2) put(this.inexact(env, (s << B) / c), ONE_80);
    else {
      const cosine = modrm === 0xfb ? this.inexact(env, c) : 0n;
      put(this.inexact(env, s), cosine);
    }
  }
}

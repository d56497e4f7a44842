/** Shifts, rotates, double shifts. SDM vol. 2; counts are masked to 5 or 6 bits. */
import type { Val } from '../../../builder.ts';
import { AF, OF, RCX, type Operand, type X86Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';

type Kind = 'rol' | 'ror' | 'rcl' | 'rcr' | 'shl' | 'shr' | 'sar';

const FORMS: readonly [Kind, number][] = [
  ['rol', 0], ['ror', 1], ['rcl', 2], ['rcr', 3], ['shl', 4], ['shr', 5], ['shl', 6], ['sar', 7],
]; // prettier-ignore

/** The masked count as i64. */
function countOf(b: X86Builder, o: Operand | null, bits: number): Val {
  const raw = o ? b.read(o) : b.gpr(RCX, 8);
  return b.and(raw, bits === 64 ? 63 : 31);
}

/** Bit `n` (i64) of x as i32. */
function bitAt(b: X86Builder, x: Val, n: Val | number): Val {
  return b.and(b.wrap(b.shrU(x, n)), 1);
}

function shift(b: X86Builder, kind: Kind, dst: Operand, count: Val): void {
  const bits = dst.bits;
  const x = b.read(dst);
  const msb = (v: Val): Val => bitAt(b, v, bits - 1);
  const doIt = (): void => {
    switch (kind) {
      case 'shl': {
        // For narrow operands the count may pass the width: i64 keeps the bits that fall out.
        const wide = b.shl(x, count);
        const cf = bits === 64 ? bitAt(b, x, b.sub(b.i64(64), count)) : bitAt(b, wide, bits);
        b.write(dst, wide);
        b.flagsShift(wide, cf, b.xor(msb(wide), cf), bits);
        return;
      }
      case 'shr': {
        const r = b.shrU(x, count);
        const cf = bitAt(b, b.shrU(x, b.sub(count, 1)), 0);
        b.write(dst, r);
        b.flagsShift(r, cf, msb(x), bits);
        return;
      }
      case 'sar': {
        const s = b.sext(x, bits);
        const r = b.shrS(s, count);
        const cf = bitAt(b, b.shrS(s, b.sub(count, 1)), 0);
        b.write(dst, r);
        b.flagsShift(r, cf, b.i32(0), bits);
        return;
      }
      case 'rol':
      case 'ror': {
        const left = kind === 'rol';
        const r = rotate(b, x, count, bits, left);
        b.write(dst, r);
        const cf = left ? bitAt(b, r, 0) : msb(r);
        const of = left ? b.xor(msb(r), cf) : b.xor(msb(r), bitAt(b, r, bits - 2));
        b.setCarry(cf, of);
        return;
      }
      case 'rcl':
      case 'rcr':
        rotateCarry(b, kind === 'rcl', dst, x, count);
        return;
    }
  };
  // Count 0 leaves the flags alone, but a 32-bit register is still zero-extended.
  b.if(
    b.eqz(count),
    () => {
      if (bits === 32 && dst.kind === 'reg') b.write(dst, x);
    },
    doIt,
  );
}

function rotate(b: X86Builder, x: Val, count: Val, bits: number, left: boolean): Val {
  if (bits === 64) return left ? b.rotl(x, count) : b.rotr(x, count);
  if (bits === 32) {
    const c = b.wrap(count);
    return b.extU(left ? b.rotl(b.wrap(x), c) : b.rotr(b.wrap(x), c));
  }
  const n = b.and(count, bits - 1);
  const other = b.and(b.sub(b.i64(bits), n), bits - 1);
  const [l, r] = left ? [n, other] : [other, n];
  return b.zext(b.or(b.shl(x, l), b.shrU(x, r)), bits);
}

/** Rotates bits + 1 bits, CF on top. */
function rotateCarry(b: X86Builder, left: boolean, dst: Operand, x: Val, count: Val): void {
  const bits = dst.bits;
  const cin = b.extU(b.carry());
  // 8 and 16 bits: the count is taken modulo 9 or 17.
  const n = bits < 32 ? b.remU(count, bits + 1) : count;
  const write = (r: Val, cf: Val): void => {
    const z = b.zext(r, bits);
    b.write(dst, z);
    const top = bitAt(b, z, bits - 1);
    const of = left ? b.xor(top, cf) : b.xor(top, bitAt(b, z, bits - 2));
    b.setCarry(cf, of);
  };
  b.if(
    b.eqz(n),
    () => {
      write(x, b.wrap(cin));
    },
    () => {
      // Left by n: x << n | cin << (n − 1) | x >> (bits + 1 − n); a shift by 64 (n = 1, 64 bits) is done in two.
      if (left) {
        const high = b.shrU(b.shrU(x, 1), b.sub(b.i64(bits), n));
        const r = b.or(b.or(b.shl(x, n), b.shl(cin, b.sub(n, 1))), high);
        write(r, bitAt(b, x, b.sub(b.i64(bits), n)));
      } else {
        const low = b.shl(b.shl(x, 1), b.sub(b.i64(bits), n));
        const r = b.or(b.or(b.shrU(x, n), b.shl(cin, b.sub(b.i64(bits), n))), low);
        write(r, bitAt(b, x, b.sub(n, 1)));
      }
    },
  );
}

function doubleShift(
  b: X86Builder,
  left: boolean,
  dst: Operand,
  src: Operand,
  countOperand: Operand | null,
): void {
  const bits = dst.bits;
  const count = countOperand
    ? b.and(b.imm(), bits === 64 ? 63 : 31)
    : b.and(b.gpr(RCX), bits === 64 ? 63 : 31);
  const x = b.read(dst);
  const y = b.read(src);
  b.if(
    b.eqz(count),
    () => {
      if (bits === 32 && dst.kind === 'reg') b.write(dst, x);
    },
    () => {
      let r: Val;
      let cf: Val;
      if (bits === 64) {
        const rest = b.sub(b.i64(64), count);
        r = left ? b.or(b.shl(x, count), b.shrU(y, rest)) : b.or(b.shrU(x, count), b.shl(y, rest));
        cf = left ? bitAt(b, x, rest) : bitAt(b, x, b.sub(count, 1));
      } else if (bits === 32) {
        const both = left ? b.or(b.shl(x, 32), y) : b.or(b.shl(y, 32), x);
        const moved = left ? b.shl(both, count) : b.shrU(both, count);
        r = left ? b.shrU(moved, 32) : b.zext(moved, 32);
        cf = left ? bitAt(b, x, b.sub(b.i64(32), count)) : bitAt(b, x, b.sub(count, 1));
      } else {
        // 16 bits, counts to 31: past 16 the result is undefined; hardware goes on with x behind y again.
        const x48 = b.or(b.shl(x, 32), b.or(b.shl(y, 16), x));
        const y48 = b.or(b.shl(x, 32), b.or(b.shl(y, 16), x));
        r = left ? b.zext(b.shrU(b.shl(x48, count), 32), 16) : b.zext(b.shrU(y48, count), 16);
        cf = left ? bitAt(b, b.shl(x48, count), 48) : bitAt(b, b.shrU(y48, b.sub(count, 1)), 0);
      }
      b.write(dst, r);
      b.flagsShift(r, cf, b.xor(bitAt(b, r, bits - 1), bitAt(b, x, bits - 1)), bits);
    },
  );
}

export const shifts: readonly Definition[] = [
  ...FORMS.map(([kind, n]) =>
    insn(n === 6 ? 'sal' : kind, [`C0 /${n} Eb Ib`, `C1 /${n} Ev Ib`, `D0 /${n} Eb 1`, `D1 /${n} Ev 1`], 'rw r', (b, dst, c) => {
      shift(b, kind, dst, countOf(b, c, dst.bits));
    }, { undefinedFlags: kind.startsWith('r') ? OF : AF | OF }),
  ),
  ...FORMS.map(([kind, n]) =>
    insn(`${n === 6 ? 'sal' : kind} cl`, [`D2 /${n} Eb`, `D3 /${n} Ev`], 'rw', (b, dst) => {
      shift(b, kind, dst, countOf(b, null, dst.bits));
    }, { undefinedFlags: kind.startsWith('r') ? OF : AF | OF }),
  ),
  insn('shld', '0F A4 /r Ev Gv Ib', 'rw r r', (b, dst, src, c) => {
    doubleShift(b, true, dst, src, c);
  }, { undefinedFlags: AF | OF }),
  insn('shld cl', '0F A5 /r Ev Gv', 'rw r', (b, dst, src) => {
    doubleShift(b, true, dst, src, null);
  }, { undefinedFlags: AF | OF }),
  insn('shrd', '0F AC /r Ev Gv Ib', 'rw r r', (b, dst, src, c) => {
    doubleShift(b, false, dst, src, c);
  }, { undefinedFlags: AF | OF }),
  insn('shrd cl', '0F AD /r Ev Gv', 'rw r', (b, dst, src) => {
    doubleShift(b, false, dst, src, null);
  }, { undefinedFlags: AF | OF }),
]; // prettier-ignore

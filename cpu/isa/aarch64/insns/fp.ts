/** Scalar floating point. Arm ARM C4.1.96. Half precision is for conversions alone (no FEAT_FP16). */
import type { Val } from '../../../builder.ts';
import { IOC } from '../../../float/arm-float.ts';
import { CURRENT, EXACT, UNSIGNED, WIDE, type FpOp, type FpType } from '../../../float/fp-ops.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';
import type { SmallKind } from '../immediates.ts';

import {
  anyInfinite,
  arithmetic,
  bitsOf,
  fromBits,
  integral,
  konst,
  mulAdd,
  nearest,
  ordinary,
  halfToSingle,
  raise,
  raiseInexact,
  roundingMode,
  safe,
  scalar,
  setScalar,
  settledNormal,
  singleToHalf,
  soft,
  toBits,
  supposing,
  type ScalarType,
} from './fp-arith.ts';

/** The type field's encoding. */
const TYPES: readonly (readonly [ScalarType, string])[] = [['f32', '00'], ['f64', '01']]; // prettier-ignore
const suffix = (t: FpType): string => ({ f16: 'h', f32: 's', f64: 'd' })[t];

/** A fast result as a number where `ok` holds, soft-float's bits otherwise. */
export function fastOr(b: A64Builder, ok: Val, fast: Val, slow: () => Val): Val {
  const guess = supposing(b);
  if (guess) {
    guess.leaveIf(b.eqz(ok));
    return fast;
  }
  const out = b.var(fast.type, fast);
  b.if(b.eqz(ok), () => {
    b.set(out, fromBits(b, fast.type as ScalarType, slow()));
  });
  return b.get(out);
}

/** Negation never changes anything but the sign, of NaNs too. */
export function negate(b: A64Builder, t: ScalarType, v: Val): Val {
  const sign = 1n << BigInt(bitsOf(t) - 1);
  return fromBits(b, t, b.xor(toBits(b, v), sign));
}

export type MinMax = 'max' | 'min' | 'maxnm' | 'minnm';
export function minMax(b: A64Builder, op: MinMax, t: ScalarType, x: Val, y: Val): Val {
  const fast = b.op(`${t}.${op.slice(0, 3)}`, x, y);
  return fastOr(b, b.and(ordinary(b, t, x), ordinary(b, t, y)), fast, () =>
    soft(b, op, t, toBits(b, x), toBits(b, y)),
  );
}

const TWO_SOURCES: readonly (readonly [string, string])[] = [
  ['mul', '0000'], ['div', '0001'], ['add', '0010'], ['sub', '0011'],
  ['max', '0100'], ['min', '0101'], ['maxnm', '0110'], ['minnm', '0111'], ['nmul', '1000'],
]; // prettier-ignore

const twoSources: readonly Definition[] = TYPES.flatMap(([t, type]) =>
  TWO_SOURCES.map(([op, opcode]) =>
    insn(`f${op} ${suffix(t)}`, `00011110 ${type} 1 Vm ${opcode} 10 Vn Vd`, 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
      const x = scalar(b, t, vn);
      const y = scalar(b, t, vm);
      if (/^m(ax|in)/.test(op)) setScalar(b, vd, minMax(b, op as MinMax, t, x, y));
      else if (op === 'nmul') setScalar(b, vd, negate(b, t, arithmetic(b, 'mul', t, x, y)));
      else setScalar(b, vd, arithmetic(b, op as 'add', t, x, y));
    }),
  ),
); // prettier-ignore

/** FRINTx: rounding, and whether IXC is raised. `rounding` CURRENT: FPCR's. */
export function roundInt(b: A64Builder, t: ScalarType, x: Val, rounding: number, exact: boolean): Val {
  let fast: Val;
  if (rounding === CURRENT) {
    const r = b.var(t);
    b.switch(
      roundingMode(b),
      [0, 1, 2].map((m) => () => {
        b.set(r, integral(b, t, x, m));
      }),
      () => {
        b.set(r, integral(b, t, x, 3));
      },
    );
    fast = b.get(r);
  } else fast = integral(b, t, x, rounding);
  const out = b.var(t, fast);
  b.if(
    ordinary(b, t, x),
    () => {
      if (exact) raiseInexact(b, b.op(`${t}.ne`, fast, x));
    },
    () => {
      const how = b.i64(rounding | (exact ? EXACT : 0));
      b.set(out, fromBits(b, t, soft(b, 'roundInt', t, toBits(b, x), how)));
    },
  );
  return b.get(out);
}

export const ROUNDINGS = { n: 0, p: 1, m: 2, z: 3, a: 4 } as const;
const FRINT: readonly (readonly [string, string, number, boolean])[] = [
  ['n', '001000', 0, false], ['p', '001001', 1, false], ['m', '001010', 2, false], ['z', '001011', 3, false],
  ['a', '001100', 4, false], ['x', '001110', CURRENT, true], ['i', '001111', CURRENT, false],
]; // prettier-ignore

/** Between single and double precision. */
export function widen(b: A64Builder, x: Val): Val {
  return fastOr(b, ordinary(b, 'f32', x), b.op('f64.promote_f32', x), () =>
    soft(b, 'toDouble', 'f32', toBits(b, x)),
  );
}
export function narrow(b: A64Builder, x: Val): Val {
  const r = b.op('f32.demote_f64', x);
  const exact = b.op('f64.eq', b.op('f64.promote_f32', r), x);
  const sure = b.and(safe(b, 'f32', r), b.or(settledNormal(b), exact));
  return fastOr(b, sure, r, () => {
    const out = b.var('i64');
    // The first inexact one, zeros and infinities.
    b.if(
      b.and(nearest(b), b.or(b.or(safe(b, 'f32', r), b.op('f64.eq', x, b.f64(0))), anyInfinite(b, 'f64', x))),
      () => {
        raiseInexact(b, b.eqz(exact));
        b.set(out, toBits(b, r));
      },
      () => {
        b.set(out, soft(b, 'toSingle', 'f64', toBits(b, x)));
      },
    );
    return b.get(out);
  });
}

const FORMATS: readonly (readonly [FpType, string, FpOp])[] = [
  ['f32', '00', 'toSingle'], ['f64', '01', 'toDouble'], ['f16', '11', 'toHalf'],
]; // prettier-ignore
const width = (t: FpType): 16 | 32 | 64 => (t === 'f16' ? 16 : bitsOf(t));

const oneSource: readonly Definition[] = [
  ...TYPES.flatMap(([t, type]) => [
    insn(`fmov ${suffix(t)}`, `00011110 ${type} 1 000000 10000 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
      b.setLow(vd, b.low(vn, bitsOf(t)), bitsOf(t));
    }),
    insn(`fabs ${suffix(t)}`, `00011110 ${type} 1 000001 10000 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
      b.setLow(vd, b.and(b.low(vn, bitsOf(t)), (1n << BigInt(bitsOf(t) - 1)) - 1n), bitsOf(t));
    }),
    insn(`fneg ${suffix(t)}`, `00011110 ${type} 1 000010 10000 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
      b.setLow(vd, b.xor(b.low(vn, bitsOf(t)), 1n << BigInt(bitsOf(t) - 1)), bitsOf(t));
    }),
    insn(`fsqrt ${suffix(t)}`, `00011110 ${type} 1 000011 10000 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
      const x = scalar(b, t, vn);
      setScalar(b, vd, arithmetic(b, 'sqrt', t, x, x));
    }),
    ...FRINT.map(([name, opcode, rounding, exact]) =>
      insn(`frint${name} ${suffix(t)}`, `00011110 ${type} 1 ${opcode} 10000 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
        setScalar(b, vd, roundInt(b, t, scalar(b, t, vn), rounding, exact));
      }),
    ),
  ]),
  ...FORMATS.flatMap(([from, type]) =>
    FORMATS.filter(([to]) => to !== from).map(([to, opc, op]) =>
      insn(`fcvt ${suffix(to)}, ${suffix(from)}`, `00011110 ${type} 1 0001 ${opc} 10000 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
        if (from === 'f32' && to === 'f64') setScalar(b, vd, widen(b, b.f32v(vn)));
        else if (from === 'f64' && to === 'f32') setScalar(b, vd, narrow(b, b.f64v(vn)));
        else if (from === 'f16' && to === 'f32') setScalar(b, vd, halfToSingle(b, b.low(vn, 16)));
        else if (from === 'f32' && to === 'f16') b.setLow(vd, singleToHalf(b, b.low(vn, 32)), 16);
        else b.setLow(vd, soft(b, op, from, b.low(vn, width(from))), width(to));
      }),
    ),
  ),
]; // prettier-ignore

/** FMADD, FMSUB, FNMADD, FNMSUB: ± addend ± product. */
const threeSources: readonly Definition[] = TYPES.flatMap(([t, type]) =>
  (['fmadd', 'fmsub', 'fnmadd', 'fnmsub'] as const).map((name, k) =>
    insn(`${name} ${suffix(t)}`, `00011111 ${type} ${k >> 1} Vm ${k & 1} Va Vn Vd`, 'w:Vd r:Vn r:Vm r:Va', (b, vd, vn, vm, va) => {
      const x = scalar(b, t, vn);
      const a = scalar(b, t, va);
      const product = k === 1 || k === 2 ? negate(b, t, x) : x;
      setScalar(b, vd, mulAdd(b, t, k >= 2 ? negate(b, t, a) : a, product, scalar(b, t, vm)));
    }),
  ),
); // prettier-ignore

/** NZCV of a comparison: 0110 equal, 1000 less, 0010 greater, 0011 unordered. */
function compareFlags(b: A64Builder, t: ScalarType, x: Val, y: Val, signaling: boolean): void {
  const eq = b.op(`${t}.eq`, x, y);
  const lt = b.op(`${t}.lt`, x, y);
  const n = b.var('i64', b.neg(b.extU(lt)));
  const z = b.var('i64', b.extU(b.eqz(eq)));
  const carry = b.var('i64', b.select(lt, b.i64(0), b.i64(3n << 62n)));
  b.if(b.eqz(b.and(ordinary(b, t, x), ordinary(b, t, y))), () => {
    const nzcv = soft(b, signaling ? 'compareSignaling' : 'compareQuiet', t, toBits(b, x), toBits(b, y));
    b.set(n, b.shl(nzcv, 60));
    b.set(z, b.and(b.xor(nzcv, 4), 4));
    // V is whether bits 63 and 62 differ; C is set whenever V is.
    const c = b.shl(b.and(nzcv, 2), 62);
    b.set(carry, b.or(c, b.and(b.shrU(c, 1), b.shl(b.xor(nzcv, 1), 62))));
  });
  b.setFlags(b.get(n), b.get(z), b.get(carry));
}

const comparisons: readonly Definition[] = TYPES.flatMap(([t, type]) => [
  ...([0, 1] as const).flatMap((e) =>
    ([0, 1] as const).map((zero) =>
      insn(
        `fcmp${e ? 'e' : ''}${zero ? ' zero' : ''} ${suffix(t)}`,
        `00011110 ${type} 1 ${zero ? 'xxxxx' : 'Vm'} 00 1000 Vn ${e}${zero} 000`,
        zero ? 'r:Vn' : 'r:Vn r:Vm',
        (b, vn, vm) => {
          compareFlags(b, t, scalar(b, t, vn), zero ? konst(b, t, 0) : scalar(b, t, vm), e === 1);
        },
        { fuses: true },
      ),
    ),
  ),
  ...([0, 1] as const).map((e) =>
    insn(`fccmp${e ? 'e' : ''} ${suffix(t)}`, `00011110 ${type} 1 Vm cond:4 01 Vn ${e} nzcv:4`, 'r:Vn r:Vm', (b, vn, vm) => {
      b.flagsEither(
        b.condition(b.f['cond']),
        () => {
          compareFlags(b, t, scalar(b, t, vn), scalar(b, t, vm), e === 1);
        },
        () => {
          b.setNzcv(b.extU(b.small()));
        },
      );
    }, { by: 'cond', small: 'nzcv' }),
  ),
  insn(`fcsel ${suffix(t)}`, `00011110 ${type} 1 Vm cond:4 11 Vn Vd`, 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
    b.setLow(vd, b.select(b.condition(b.f['cond']), b.low(vn, bitsOf(t)), b.low(vm, bitsOf(t))), bitsOf(t));
  }, { by: 'cond' }),
  insn(`fmov immediate ${suffix(t)}`, `00011110 ${type} 1 imm8:8 100 00000 Vd`, 'w:Vd', (b, vd) => {
    b.setLow(vd, b.imm(), 64);
  }, { imm: 'float' }),
]); // prettier-ignore

/** 2^n as a double, for n (i32) from −64 to 64. */
export const power = (b: A64Builder, n: Val): Val =>
  b.op('f64.reinterpret_i64', b.shl(b.extU(b.add(n, 1023)), 52));

/** Where a fixed-point number's fraction bits come from: none, or i32. */
export type Fraction = Val | null;

/** To an integer of 32 or 64 bits, saturated: i64, zero-extended. */
export function toInteger(
  b: A64Builder,
  t: ScalarType,
  x: Val,
  bits: 32 | 64,
  unsigned: boolean,
  rounding: number,
  fraction: Fraction = null,
): Val {
  const wide = t === 'f32' ? b.op('f64.promote_f32', x) : x;
  const scaled = fraction ? b.op('f64.mul', wide, power(b, fraction)) : wide;
  const r = integral(b, 'f64', scaled, rounding);
  const least = unsigned ? 0 : -(2 ** (bits - 1));
  const limit = unsigned ? 2 ** bits : 2 ** (bits - 1);
  const inRange = b.and(b.op('f64.ge', r, b.f64(least)), b.op('f64.lt', r, b.f64(limit)));
  const out = b.var('i64');
  b.if(
    ordinary(b, t, x),
    () => {
      raise(b, b.select(inRange, b.shl(b.op('f64.ne', r, scaled), 4), b.i32(IOC)));
      // Saturates as Arm does.
      const v = b.op(`i${bits}.trunc_sat_f64_${unsigned ? 'u' : 's'}`, r);
      b.set(out, bits === 32 ? b.extU(v) : v);
    },
    () => {
      const how = rounding | (unsigned ? UNSIGNED : 0) | (bits === 64 ? WIDE : 0);
      b.set(out, soft(b, 'toFixed', t, toBits(b, x), b.i64(how), fraction ? b.extU(fraction) : b.i64(0)));
    },
  );
  return b.get(out);
}

/** From an integer given as i64, extended from its width by its sign or with zeros. */
export function fromInteger(
  b: A64Builder,
  t: ScalarType,
  i: Val,
  bits: 32 | 64,
  unsigned: boolean,
  fraction: Fraction = null,
): Val {
  const converted = b.op(`${t}.convert_i64_${unsigned ? 'u' : 's'}`, i);
  // Dividing by a power of two loses nothing: no integer of 64 bits is that small.
  let r = converted;
  if (fraction) {
    const scale = power(b, b.neg(fraction));
    r = b.op(`${t}.mul`, converted, t === 'f64' ? scale : b.op('f32.demote_f64', scale));
  }
  if (bits === 32 && t === 'f64') return r;
  const precision = t === 'f64' ? 53 : 24;
  const magnitude = unsigned ? i : b.add(i, 1n << BigInt(precision));
  const small = b.leU(magnitude, 1n << BigInt(unsigned ? precision : precision + 1));
  return fastOr(b, b.or(settledNormal(b), small), r, () =>
    soft(b, 'fromFixed', t, i, b.i64(unsigned ? UNSIGNED : 0), fraction ? b.extU(fraction) : b.i64(0)),
  );
}

const RMODES = ['n', 'p', 'm', 'z'] as const;
/** FCVTxS, FCVTxU: rmode and opcode. */
const TO_INTEGER = [
  ...RMODES.flatMap((m, k) => ([0, 1] as const).map((u) => [`${m}${u ? 'u' : 's'}`, k, u, `${k >> 1}${k & 1} 00${u}`] as const)),
  ...([0, 1] as const).map((u) => [`a${u ? 'u' : 's'}`, 4, u, `00 10${u}`] as const),
]; // prettier-ignore

/** The same with and without fraction bits. */
function integers(fixed: boolean): Definition[] {
  const tail = fixed ? 'scale:6' : '000000';
  const bit = fixed ? '0' : '1';
  const name = fixed ? ' fixed' : '';
  const small: { small?: SmallKind } = fixed ? { small: 'fraction' } : {};
  // 32-bit integers have no more than 32 fraction bits.
  const sizes = fixed ? [['0', '1 scale:5'] as const, ['1', tail] as const] : [['0', tail] as const, ['1', tail] as const];
  return sizes.flatMap(([sf, last]) => {
    const bits = sf === '1' ? 64 : 32;
    const fractionOf = (b: A64Builder): Fraction => (fixed ? b.small() : null);
    return TYPES.flatMap(([t, type]) => [
      ...TO_INTEGER.filter(([mode]) => !fixed || mode.startsWith('z')).map(([mode, rounding, u, code]) =>
        insn(`fcvt${mode}${name} ${bits} ${suffix(t)}`, `${sf} 0011110 ${type} ${bit} ${code} ${last} Vn Rd`, 'w:Rd r:Vn', (b, rd, vn) => {
          b.setX(rd, toInteger(b, t, scalar(b, t, vn), bits, u === 1, rounding, fractionOf(b)));
        }, small),
      ),
      ...([0, 1] as const).map((u) =>
        insn(`${u ? 'u' : 's'}cvtf${name} ${suffix(t)} ${bits}`, `${sf} 0011110 ${type} ${bit} 00 01${u} ${last} Rn Vd`, 'w:Vd r:Rn', (b, vd, rn) => {
          const i = u ? b.x(rn, bits) : b.sx(rn, bits);
          setScalar(b, vd, fromInteger(b, t, i, bits, u === 1, fractionOf(b)));
        }, small),
      ),
    ]);
  });
} // prettier-ignore

const moves: readonly Definition[] = [
  ...([['0 0011110 00', 32, 's'], ['1 0011110 01', 64, 'd']] as const).flatMap(([code, bits, s]) => [
    insn(`fmov ${bits}, ${s}`, `${code} 1 00 110 000000 Vn Rd`, 'w:Rd r:Vn', (b, rd, vn) => {
      b.setX(rd, b.low(vn, bits));
    }),
    insn(`fmov ${s}, ${bits}`, `${code} 1 00 111 000000 Rn Vd`, 'w:Vd r:Rn', (b, vd, rn) => {
      b.setLow(vd, b.x(rn, bits), bits);
    }),
  ]),
  insn('fmov 64, v.d[1]', '1 0011110 10 1 01 110 000000 Vn Rd', 'w:Rd r:Vn', (b, rd, vn) => {
    b.setX(rd, b.loadReg('i64.load', vn, 8));
  }),
  insn('fmov v.d[1], 64', '1 0011110 10 1 01 111 000000 Rn Vd', 'w:Vd r:Rn', (b, vd, rn) => {
    b.storeReg('i64.store', vd, b.x(rn), 8);
  }),
]; // prettier-ignore

export const fp: readonly Definition[] = [
  ...twoSources,
  ...oneSource,
  ...threeSources,
  ...comparisons,
  ...integers(false),
  ...integers(true),
  ...moves,
];

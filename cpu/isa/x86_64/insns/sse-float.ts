/** SSE floating point. SDM vol. 1 ch. 11, vol. 2. */
import type { Val } from '../../../builder.ts';
import { S } from '../../../layout.ts';
import type { Operand, X86Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';
import { imm32 } from './sse-move.ts';

type Form = 'ps' | 'pd' | 'ss' | 'sd';
const PREFIX: Readonly<Record<Form, string>> = { ps: 'NP', pd: '66', ss: 'F3', sd: 'F2' };
const FORMS: readonly Form[] = ['ps', 'pd', 'ss', 'sd'];

const vectorOf = (f: Form): string => (f === 'ps' || f === 'ss' ? 'f32x4' : 'f64x2');
const source = (f: Form): string => (f === 'ss' ? 'Wd' : f === 'sd' ? 'Wq' : 'Wdq');
const isScalar = (f: Form): boolean => f === 'ss' || f === 'sd';

/** Puts lane 0 of `r` into `into`, for scalar forms; the whole of `r` for packed ones. */
function merge(b: X86Builder, f: Form, into: Val, r: Val): Val {
  if (f === 'ss') return b.shuffle(r, into, [0, 1, 2, 3, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31]);
  if (f === 'sd') return b.shuffle(r, into, [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31]);
  return r;
}

/** Quiet bit of every lane. */
function quiet(b: X86Builder, f: Form): Val {
  return vectorOf(f) === 'f32x4'
    ? b.op('i32x4.splat', b.i32(0x400000))
    : b.op('i64x2.splat', b.i64(1n << 51n));
}

/** x86's choice among NaNs (SDM vol. 1, table 4-7): the first operand's if it is one, else the second's, else the default. */
function fixNan(b: X86Builder, f: Form, x: Val, y: Val, r: Val): Val {
  const t = vectorOf(f);
  const isNan = (v: Val): Val => b.op(`${t}.ne`, v, v);
  const any = b.op('v128.any_true', isNan(r));
  const out = b.var('v128', r);
  b.if(any, () => {
    const q = quiet(b, f);
    const dflt =
      t === 'f32x4'
        ? b.op('i32x4.splat', b.i32(0xffc00000 | 0))
        : b.op('i64x2.splat', b.i64(0xfff8000000000000n));
    const second = b.op('v128.bitselect', b.op('v128.or', y, q), dflt, isNan(y));
    const nan = b.op('v128.bitselect', b.op('v128.or', x, q), second, isNan(x));
    b.set(out, b.op('v128.bitselect', nan, r, isNan(r)));
  });
  return b.get(out);
}

function binary(name: string, code: string, op: string): Definition[] {
  return FORMS.map((f) =>
    insn(`${name}${f}`, `${PREFIX[f]} 0F ${code} /r Vdq ${source(f)}`, 'rw r', (b, dst, src) => {
      const x = b.readXmm(dst!);
      const y = b.readXmm(src!);
      b.writeXmm(dst!, merge(b, f, x, fixNan(b, f, x, y, b.op(`${vectorOf(f)}.${op}`, x, y))));
    }),
  );
}

/** MIN and MAX return the second operand when either is NaN or both are zero. */
function minMax(name: 'min' | 'max', code: string): Definition[] {
  return FORMS.map((f) =>
    insn(`${name}${f}`, `${PREFIX[f]} 0F ${code} /r Vdq ${source(f)}`, 'rw r', (b, dst, src) => {
      const x = b.readXmm(dst!);
      const y = b.readXmm(src!);
      const keep = b.op(`${vectorOf(f)}.${name === 'min' ? 'lt' : 'gt'}`, x, y);
      b.writeXmm(dst!, merge(b, f, x, b.op('v128.bitselect', x, y, keep)));
    }),
  );
}

function unary(
  name: string,
  code: string,
  forms: readonly Form[],
  f: (b: X86Builder, form: Form, v: Val) => Val,
): Definition[] {
  return forms.map((form) =>
    insn(`${name}${form}`, `${PREFIX[form]} 0F ${code} /r Vdq ${source(form)}`, 'rw r', (b, dst, src) => {
      const y = b.readXmm(src!);
      b.writeXmm(dst!, merge(b, form, b.readXmm(dst!), f(b, form, y)));
    }),
  );
}

/** The eight predicates of CMPcc. */
function compare(b: X86Builder, f: Form, x: Val, y: Val): Val {
  const t = vectorOf(f);
  const i = b.and(imm32(b), 7);
  const out = b.var('v128');
  const kind = b.and(i, 3);
  b.fn.switch(
    kind,
    [
      () => { b.set(out, b.op(`${t}.eq`, x, y)); },
      () => { b.set(out, b.op(`${t}.lt`, x, y)); },
      () => { b.set(out, b.op(`${t}.le`, x, y)); },
    ],
    () => { b.set(out, b.op('v128.or', b.op(`${t}.ne`, x, x), b.op(`${t}.ne`, y, y))); },
  ); // prettier-ignore
  const r = b.get(out);
  return b.select(b.and(i, 4), b.op('v128.not', r), r);
}

function scalarOf(b: X86Builder, f: 'ss' | 'sd', o: Operand): Val {
  return b.lane(f === 'ss' ? 'f32x4.extract_lane' : 'f64x2.extract_lane', 0, b.readXmm(o));
}

/** COMIS: ZF PF CF of the comparison, the others cleared. */
function compareFlags(b: X86Builder, f: 'ss' | 'sd', dst: Operand, src: Operand): void {
  const t = f === 'ss' ? 'f32' : 'f64';
  const x = scalarOf(b, f, dst);
  const y = scalarOf(b, f, src);
  const unordered = b.or(b.op(`${t}.ne`, x, x), b.op(`${t}.ne`, y, y));
  const equal = b.or(b.op(`${t}.eq`, x, y), unordered);
  const less = b.or(b.op(`${t}.lt`, x, y), unordered);
  b.setArithFlags(b.or(b.or(b.shl(equal, 6), b.shl(unordered, 2)), less));
}

/** Float to integer: out of range and NaN give the integer indefinite (sign bit alone). */
function toInt(b: X86Builder, f: 'ss' | 'sd', src: Operand, bits: number, truncate: boolean): Val {
  let x = scalarOf(b, f, src);
  if (f === 'ss') x = b.op('f64.promote_f32', x);
  const r = truncate
    ? b.op('f64.trunc', x)
    : roundScalar(b, x, b.and(b.shrU(b.getState('i32.load', S.mxcsr), 13), 3));
  const limit = 2 ** (bits - 1);
  const inRange = b.and(b.op('f64.ge', r, b.f64(-limit)), b.op('f64.lt', r, b.f64(limit)));
  return b.select(inRange, b.op('i64.trunc_sat_f64_s', r), b.i64(1n << BigInt(bits - 1)));
}

/** Rounds an f64 to an integer by an RC field (0 nearest, 1 down, 2 up, 3 toward zero). */
function roundScalar(b: X86Builder, x: Val, rc: Val): Val {
  const out = b.var('f64');
  b.fn.switch(
    rc,
    (['nearest', 'floor', 'ceil'] as const).map((n) => () => {
      b.set(out, b.op(`f64.${n}`, x));
    }),
    () => {
      b.set(out, b.op('f64.trunc', x));
    },
  );
  return b.get(out);
}

function roundVector(b: X86Builder, t: string, v: Val, rc: Val): Val {
  const out = b.var('v128');
  b.fn.switch(
    rc,
    (['nearest', 'floor', 'ceil'] as const).map((n) => () => {
      b.set(out, b.op(`${t}.${n}`, v));
    }),
    () => {
      b.set(out, b.op(`${t}.trunc`, v));
    },
  );
  return b.get(out);
}

const zero = (b: X86Builder): Val => b.v128(new Uint8Array(16));

/** Packed float to int32: lanes out of range become 80000000. */
function packedToInt(b: X86Builder, v: Val, double: boolean, truncate: boolean): Val {
  const t = double ? 'f64x2' : 'f32x4';
  const rc = b.and(b.shrU(b.getState('i32.load', S.mxcsr), 13), 3);
  const r = truncate ? b.op(`${t}.trunc`, v) : roundVector(b, t, v, rc);
  if (!double) {
    const bad = b.op('v128.not', b.op('f32x4.lt', r, b.op('f32x4.splat', b.f32(2147483648))));
    const ints = b.op('i32x4.trunc_sat_f32x4_s', r);
    return b.op('v128.bitselect', b.op('i32x4.splat', b.i32(0x80000000 | 0)), ints, bad);
  }
  const bad = b.op('v128.not', b.op('f64x2.lt', r, b.op('f64x2.splat', b.f64(2147483648))));
  const ints = b.op('i32x4.trunc_sat_f64x2_s_zero', r);
  const badLow = b.shuffle(bad, zero(b), [0, 1, 2, 3, 8, 9, 10, 11, 16, 16, 16, 16, 16, 16, 16, 16]);
  return b.op('v128.bitselect', b.op('i32x4.splat', b.i32(0x80000000 | 0)), ints, badLow);
}

const pairs = (b: X86Builder, t: string, x: Val, y: Val): [Val, Val] =>
  t === 'f32x4'
    ? [
        b.shuffle(x, y, [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27]),
        b.shuffle(x, y, [4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31]),
      ]
    : [
        b.shuffle(x, y, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]),
        b.shuffle(x, y, [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31]),
      ];

export const sseFloat: readonly Definition[] = [
  ...binary('add', '58', 'add'),
  ...binary('mul', '59', 'mul'),
  ...binary('sub', '5C', 'sub'),
  ...binary('div', '5E', 'div'),
  ...minMax('min', '5D'),
  ...minMax('max', '5F'),
  ...unary('sqrt', '51', FORMS, (b, f, v) => fixNan(b, f, v, v, b.op(`${vectorOf(f)}.sqrt`, v))),
  ...FORMS.map((f) =>
    insn(`cmp${f}`, `${PREFIX[f]} 0F C2 /r Vdq ${source(f)} Ib`, 'rw r r', (b, dst, src) => {
      const x = b.readXmm(dst!);
      b.writeXmm(dst!, merge(b, f, x, compare(b, f, x, b.readXmm(src!))));
    }),
  ),
  ...(['ss', 'sd'] as const).flatMap((f) => {
    const p = f === 'ss' ? 'NP' : '66';
    return [
      insn(`ucomi${f}`, `${p} 0F 2E /r Vdq ${source(f)}`, 'r r', (b, x, y) => {
        compareFlags(b, f, x!, y!);
      }),
      insn(`comi${f}`, `${p} 0F 2F /r Vdq ${source(f)}`, 'r r', (b, x, y) => {
        compareFlags(b, f, x!, y!);
      }),
      insn(`cvtsi2${f}`, `${PREFIX[f]} 0F 2A /r Vdq Ey`, 'rw r', (b, dst, src) => {
        const i = b.readS(src!);
        const into = b.readXmm(dst!);
        b.writeXmm(dst!, f === 'ss'
          ? b.lane('f32x4.replace_lane', 0, into, b.op('f32.convert_i64_s', i))
          : b.lane('f64x2.replace_lane', 0, into, b.op('f64.convert_i64_s', i)));
      }),
      insn(`cvtt${f}2si`, `${PREFIX[f]} 0F 2C /r Gy ${source(f)}`, 'w r', (b, dst, src) => {
        b.write(dst!, toInt(b, f, src!, dst!.bits, true));
      }),
      insn(`cvt${f}2si`, `${PREFIX[f]} 0F 2D /r Gy ${source(f)}`, 'w r', (b, dst, src) => {
        b.write(dst!, toInt(b, f, src!, dst!.bits, false));
      }),
    ];
  }),
  insn('cvtss2sd', 'F3 0F 5A /r Vdq Wd', 'rw r', (b, dst, src) => {
    const y = b.readXmm(src!);
    b.writeXmm(dst!, merge(b, 'sd', b.readXmm(dst!), b.op('f64x2.promote_low_f32x4', y)));
  }),
  insn('cvtsd2ss', 'F2 0F 5A /r Vdq Wq', 'rw r', (b, dst, src) => {
    const y = b.readXmm(src!);
    b.writeXmm(dst!, merge(b, 'ss', b.readXmm(dst!), b.op('f32x4.demote_f64x2_zero', y)));
  }),
  insn('cvtps2pd', 'NP 0F 5A /r Vdq Wq', 'w r', (b, dst, src) => {
    b.writeXmm(dst!, b.op('f64x2.promote_low_f32x4', b.readXmm(src!)));
  }),
  insn('cvtpd2ps', '66 0F 5A /r Vdq Wdq', 'w r', (b, dst, src) => {
    b.writeXmm(dst!, b.op('f32x4.demote_f64x2_zero', b.readXmm(src!)));
  }),
  insn('cvtdq2ps', 'NP 0F 5B /r Vdq Wdq', 'w r', (b, dst, src) => {
    b.writeXmm(dst!, b.op('f32x4.convert_i32x4_s', b.readXmm(src!)));
  }),
  insn('cvtps2dq', '66 0F 5B /r Vdq Wdq', 'w r', (b, dst, src) => {
    b.writeXmm(dst!, packedToInt(b, b.readXmm(src!), false, false));
  }),
  insn('cvttps2dq', 'F3 0F 5B /r Vdq Wdq', 'w r', (b, dst, src) => {
    b.writeXmm(dst!, packedToInt(b, b.readXmm(src!), false, true));
  }),
  insn('cvtdq2pd', 'F3 0F E6 /r Vdq Wq', 'w r', (b, dst, src) => {
    b.writeXmm(dst!, b.op('f64x2.convert_low_i32x4_s', b.readXmm(src!)));
  }),
  insn('cvtpd2dq', 'F2 0F E6 /r Vdq Wdq', 'w r', (b, dst, src) => {
    b.writeXmm(dst!, packedToInt(b, b.readXmm(src!), true, false));
  }),
  insn('cvttpd2dq', '66 0F E6 /r Vdq Wdq', 'w r', (b, dst, src) => {
    b.writeXmm(dst!, packedToInt(b, b.readXmm(src!), true, true));
  }),
  // Estimates: hardware differs in the last bits of its tables; these are the exact quotients.
  ...unary('rcp', '53', ['ps', 'ss'], (b, f, v) => fixNan(b, f, v, v, b.op('f32x4.div', b.op('f32x4.splat', b.f32(1)), v))),
  ...unary('rsqrt', '52', ['ps', 'ss'], (b, f, v) =>
    fixNan(b, f, v, v, b.op('f32x4.div', b.op('f32x4.splat', b.f32(1)), b.op('f32x4.sqrt', v)))),
  ...([['ps', '08'], ['pd', '09'], ['ss', '0A'], ['sd', '0B']] as const).map(([f, code]) =>
    insn(`round${f}`, `66 0F 3A ${code} /r Vdq ${source(f)} Ib`, 'rw r r', (b, dst, src) => {
      const i = imm32(b);
      const rc = b.select(b.and(i, 4), b.and(b.shrU(b.getState('i32.load', S.mxcsr), 13), 3), b.and(i, 3));
      const y = b.readXmm(src!);
      const r = fixNan(b, f, y, y, roundVector(b, vectorOf(f), y, rc));
      b.writeXmm(dst!, merge(b, f, b.readXmm(dst!), r));
    }),
  ),
  ...([['ps', 'F2', 'f32x4'], ['pd', '66', 'f64x2']] as const).flatMap(([f, p, t]) => [
    insn(`hadd${f}`, `${p} 0F 7C /r Vdq Wdq`, 'rw r', (b, dst, src) => {
      const [even, odd] = pairs(b, t, b.readXmm(dst!), b.readXmm(src!));
      b.writeXmm(dst!, fixNan(b, f, even, odd, b.op(`${t}.add`, even, odd)));
    }),
    insn(`hsub${f}`, `${p} 0F 7D /r Vdq Wdq`, 'rw r', (b, dst, src) => {
      const [even, odd] = pairs(b, t, b.readXmm(dst!), b.readXmm(src!));
      b.writeXmm(dst!, fixNan(b, f, even, odd, b.op(`${t}.sub`, even, odd)));
    }),
    insn(`addsub${f}`, `${p} 0F D0 /r Vdq Wdq`, 'rw r', (b, dst, src) => {
      const x = b.readXmm(dst!);
      const y = b.readXmm(src!);
      const even = t === 'f32x4' ? b.op('i64x2.splat', b.i64(0xffffffff)) : b.lane('i64x2.replace_lane', 0, zero(b), b.i64(-1));
      const r = b.op('v128.bitselect', b.op(`${t}.sub`, x, y), b.op(`${t}.add`, x, y), even);
      b.writeXmm(dst!, fixNan(b, f, x, y, r));
    }),
  ]),
  insn('ldmxcsr', 'NP 0F AE /2 Md', 'r', (b, o) => {
    const v = b.wrap(b.read(o!));
    b.raiseIf(b.nez(b.and(v, ~0xffff)), 'protection');
    b.setState('i32.store', S.mxcsr, v);
  }, { special: true }),
  insn('stmxcsr', 'NP 0F AE /3 Md', 'w', (b, o) => {
    b.write(o!, b.extU(b.getState('i32.load', S.mxcsr)));
  }),
]; // prettier-ignore

/**
 * SSE floating point. SDM vol. 1 ch. 11, vol. 2. Every operation has its MXCSR rounding, flags and x86's NaNs; whole
 * vectors of ordinary numbers take the host's vector instructions.
 */
import type { Val } from '../../../builder.ts';
import { PE } from '../../../float/soft-float.ts';
import { SSE_OP } from '../../../float/sse-ops.ts';
import { S } from '../../../layout.ts';
import type { Operand, X86Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';
import type { ScalarType } from './sse-arith.ts';
import { convert, fromInt, host, plainMode, roundLane, toInt } from './sse-convert.ts';
import { guarded, inPlace, mxcsrChanged } from './sse-fast.ts';
import { enterMmx } from './sse-int.ts';
import { waitX87 } from './x87.ts';
import { imm32, laneMask } from './sse-move.ts';

type Form = 'ps' | 'pd' | 'ss' | 'sd';
const PREFIX: Readonly<Record<Form, string>> = { ps: 'NP', pd: '66', ss: 'F3', sd: 'F2' };
const FORMS: readonly Form[] = ['ps', 'pd', 'ss', 'sd'];

const vectorOf = (f: Form): 'f32x4' | 'f64x2' => (f === 'ps' || f === 'ss' ? 'f32x4' : 'f64x2');
const scalarOf = (f: Form): ScalarType => (f === 'ps' || f === 'ss' ? 'f32' : 'f64');
const source = (f: Form): string => (f === 'ss' ? 'Wd' : f === 'sd' ? 'Wq' : 'Wdq');
const isScalar = (f: Form): boolean => f === 'ss' || f === 'sd';
const laneCount = (f: Form): number => (isScalar(f) ? 1 : f === 'ps' ? 4 : 2);

const zero = (b: X86Builder): Val => b.v128(new Uint8Array(16));

/** Bits of lane `i` as i64. */
function laneBits(b: X86Builder, t: ScalarType, v: Val, i: number): Val {
  return t === 'f64' ? b.lane('i64x2.extract_lane', i, v) : b.extU(b.lane('i32x4.extract_lane', i, v));
}
function setLane(b: X86Builder, t: ScalarType, v: Val, i: number, bits: Val): Val {
  return t === 'f64'
    ? b.lane('i64x2.replace_lane', i, v, bits)
    : b.lane('i32x4.replace_lane', i, v, b.wrap(bits));
}

/** Computes each of the form's lanes; the others come from `into`. */
function lanes(b: X86Builder, f: Form, into: Val, compute: (i: number) => Val): Val {
  let v = into;
  for (let i = 0; i < laneCount(f); i++) v = setLane(b, scalarOf(f), v, i, compute(i));
  return v;
}

/** An unmasked exception keeps the destination as it was. */
function raisePending(b: X86Builder): void {
  b.raiseIf(b.getState('i32.load', S.simdPending), 'simd');
}

/** All lanes normal numbers (no zero, denormal, infinity, NaN). */
function allNormal(b: X86Builder, t: 'f32x4' | 'f64x2', values: readonly Val[]): Val {
  const min = t === 'f32x4' ? b.op('f32x4.splat', b.f32(2 ** -126)) : b.op('f64x2.splat', b.f64(2 ** -1022));
  const inf = t === 'f32x4' ? b.op('f32x4.splat', b.f32(Infinity)) : b.op('f64x2.splat', b.f64(Infinity));
  let ok: Val | null = null;
  for (const v of values) {
    const a = b.op(`${t}.abs`, v);
    const one = b.op('v128.and', b.op(`${t}.ge`, a, min), b.op(`${t}.lt`, a, inf));
    ok = ok ? b.op('v128.and', ok, one) : one;
  }
  return b.op('i32x4.all_true', ok!);
}

/** Neither NaN nor denormal in any lane: what comparisons and MIN/MAX take quietly. */
function allOrdinary(b: X86Builder, t: 'f32x4' | 'f64x2', values: readonly Val[]): Val {
  const min = t === 'f32x4' ? b.op('f32x4.splat', b.f32(2 ** -126)) : b.op('f64x2.splat', b.f64(2 ** -1022));
  let ok: Val | null = null;
  for (const v of values) {
    const a = b.op(`${t}.abs`, v);
    const one = b.op('v128.or', b.op(`${t}.ge`, a, min), b.op(`${t}.eq`, a, zero(b)));
    ok = ok ? b.op('v128.and', ok, one) : one;
  }
  return b.op('i32x4.all_true', ok!);
}

type Arith = 'add' | 'sub' | 'mul' | 'div';

/** x op y in the form's lanes, merged into `into`. */
function arith(b: X86Builder, f: Form, op: Arith | 'sqrt', x: Val, y: Val, into: Val): Val {
  const t = vectorOf(f);
  const slow = (): Val => {
    const r = lanes(b, f, into, (i) =>
      b.callHelper(`${op}_${scalarOf(f)}`, laneBits(b, scalarOf(f), x, i), laneBits(b, scalarOf(f), y, i))!,
    );
    raisePending(b);
    return r;
  };
  const guess = b.speculation;
  if (guess) {
    const form = { t: scalarOf(f), scalar: isScalar(f), vector: t };
    return guess.failed || guess.facts.tentative
      ? guarded(b, guess, form, op, x, y, into, slow)
      : inPlace(b, guess, form, op, x, y, into);
  }
  if (isScalar(f)) return slow();
  const out = b.var('v128');
  const fast = op === 'sqrt' ? b.op(`${t}.sqrt`, x) : b.op(`${t}.${op}`, x, y);
  const inexactAlready = b.nez(b.and(b.getState('i32.load', S.mxcsr), PE));
  const ok = b.and(
    b.and(plainMode(b), inexactAlready),
    allNormal(b, t, op === 'sqrt' ? [x, fast] : [x, y, fast]),
  );
  b.if(
    ok,
    () => {
      b.set(out, fast);
    },
    () => {
      b.set(out, slow());
    },
  );
  return b.get(out);
}

function binary(name: Arith, code: string): Definition[] {
  return FORMS.map((f) =>
    insn(`${name}${f}`, `${PREFIX[f]} 0F ${code} /r Vdq ${source(f)}`, 'rw r', (b, dst, src) => {
      const x = b.readXmm(dst);
      b.writeXmm(dst, arith(b, f, name, x, b.readXmm(src), x));
    }),
  );
}

/** MIN and MAX return the second operand when either is NaN or both are zero. */
function minMax(name: 'min' | 'max', code: string): Definition[] {
  return FORMS.map((f) =>
    insn(`${name}${f}`, `${PREFIX[f]} 0F ${code} /r Vdq ${source(f)}`, 'rw r', (b, dst, src) => {
      const t = vectorOf(f);
      const x = b.readXmm(dst);
      const y = b.readXmm(src);
      const slow = (): Val =>
        lanes(b, f, x, (i) =>
          host(b, SSE_OP[name], scalarOf(f), laneBits(b, scalarOf(f), x, i), laneBits(b, scalarOf(f), y, i)),
        );
      const fast = b.op('v128.bitselect', x, y, b.op(`${t}.${name === 'min' ? 'lt' : 'gt'}`, x, y));
      const out = b.var('v128');
      // A scalar form's other lanes may hold anything: at worst they send an ordinary number the slow way.
      b.if(
        allOrdinary(b, t, [x, y]),
        () => {
          b.set(out, isScalar(f) ? setLane(b, scalarOf(f), x, 0, laneBits(b, scalarOf(f), fast, 0)) : fast);
        },
        () => {
          b.set(out, slow());
          raisePending(b);
        },
      );
      b.writeXmm(dst, b.get(out));
    }),
  );
}

/** Order of two lanes (−1, 0, 1, 2 unordered) as i32, flags raised. */
function order(b: X86Builder, t: ScalarType, x: Val, y: Val, signaling: boolean): Val {
  return b.wrap(host(b, signaling ? SSE_OP.compareSignaling : SSE_OP.compareQuiet, t, x, y));
}

/** CMPcc: EQ LT LE UNORD and their negations. */
function compare(b: X86Builder, f: Form, x: Val, y: Val): Val {
  const t = vectorOf(f);
  const predicate = b.and(imm32(b), 7);
  const kind = b.and(predicate, 3);
  const negate = b.and(predicate, 4);
  const out = b.var('v128');
  b.if(
    allOrdinary(b, t, [x, y]),
    () => {
      b.switch(
        kind,
        ['eq', 'lt', 'le'].map((c) => () => {
          b.set(out, b.op(`${t}.${c}`, x, y));
        }),
        () => {
          b.set(out, zero(b)); // ordinary numbers are ordered
        },
      );
    },
    () => {
      const st = scalarOf(f);
      const r = lanes(b, f, zero(b), (i) => {
        const [u, v] = [laneBits(b, st, x, i), laneBits(b, st, y, i)];
        const o = b.var('i32');
        // LT, LE (and their negations) signal quiet NaNs too.
        b.if(
          b.or(b.eq(kind, 1), b.eq(kind, 2)),
          () => {
            b.set(o, order(b, st, u, v, true));
          },
          () => {
            b.set(o, order(b, st, u, v, false));
          },
        );
        const k = b.get(o);
        const lt = b.eq(k, -1);
        const eq = b.eqz(k);
        const un = b.eq(k, 2);
        const hit = b.select(
          b.eqz(kind),
          eq,
          b.select(b.eq(kind, 1), lt, b.select(b.eq(kind, 2), b.or(lt, eq), un)),
        );
        return b.neg(b.extU(hit));
      });
      raisePending(b);
      b.set(out, r);
    },
  );
  const r = b.get(out);
  const all = b.select(negate, b.op('v128.not', r), r);
  return isScalar(f) ? setLane(b, scalarOf(f), x, 0, laneBits(b, scalarOf(f), all, 0)) : all;
}

/** COMIS, UCOMIS: ZF PF CF of the comparison, the others cleared. */
function compareFlags(b: X86Builder, t: ScalarType, dst: Operand, src: Operand, signaling: boolean): void {
  const v = t === 'f32' ? 'f32x4' : 'f64x2';
  const x = b.readXmm(dst);
  const y = b.readXmm(src);
  const [xb, yb] = [laneBits(b, t, x, 0), laneBits(b, t, y, 0)];
  const value = (q: Val): Val => b.lane(`${v}.extract_lane`, 0, q);
  const image = b.var('i32');
  const ordinary = (q: Val): Val => {
    const a = b.op(`${t}.abs`, value(q));
    const min = t === 'f32' ? b.f32(2 ** -126) : b.f64(2 ** -1022);
    const z = t === 'f32' ? b.f32(0) : b.f64(0);
    return b.or(b.op(`${t}.ge`, a, min), b.op(`${t}.eq`, a, z));
  };
  b.if(
    b.and(ordinary(x), ordinary(y)),
    () => {
      const eq = b.op(`${t}.eq`, value(x), value(y));
      const lt = b.op(`${t}.lt`, value(x), value(y));
      b.set(image, b.or(b.shl(eq, 6), lt));
    },
    () => {
      const o = order(b, t, xb, yb, signaling);
      raisePending(b);
      const un = b.eq(o, 2);
      const eq = b.or(b.eqz(o), un);
      const lt = b.or(b.eq(o, -1), un);
      b.set(image, b.or(b.or(b.shl(eq, 6), b.shl(un, 2)), lt));
    },
  );
  b.setArithFlags(b.get(image));
}

/** Even and odd elements of x and y side by side. */
function pairs(b: X86Builder, t: string, x: Val, y: Val): [Val, Val] {
  return t === 'f32x4'
    ? [
        b.shuffle(x, y, [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27]),
        b.shuffle(x, y, [4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31]),
      ]
    : [
        b.shuffle(x, y, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]),
        b.shuffle(x, y, [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31]),
      ];
}

/** DPPS, DPPD: selected products summed pairwise, the sum put where the mask says. */
function dotProduct(b: X86Builder, f: 'ps' | 'pd', x: Val, y: Val): Val {
  const n = laneCount(f) as 2 | 4;
  const control = imm32(b);
  const t = vectorOf(f);
  const chosen = laneMask(b, n, b.shrU(control, 4));
  const products = b.op(
    'v128.and',
    arith(b, f, 'mul', b.op('v128.and', x, chosen), b.op('v128.and', y, chosen), x),
    chosen,
  );
  let [even, odd] = pairs(b, t, products, products);
  let sum = arith(b, f, 'add', even, odd, products);
  if (n === 4) {
    [even, odd] = pairs(b, t, sum, sum);
    sum = arith(b, f, 'add', even, odd, sum);
  }
  return b.op('v128.and', sum, laneMask(b, n, b.and(control, 15)));
}

export const sseFloat: readonly Definition[] = [
  ...binary('add', '58'),
  ...binary('mul', '59'),
  ...binary('sub', '5C'),
  ...binary('div', '5E'),
  ...minMax('min', '5D'),
  ...minMax('max', '5F'),
  ...FORMS.map((f) =>
    insn(`sqrt${f}`, `${PREFIX[f]} 0F 51 /r Vdq ${source(f)}`, 'rw r', (b, dst, src) => {
      const y = b.readXmm(src);
      b.writeXmm(dst, arith(b, f, 'sqrt', y, y, b.readXmm(dst)));
    }),
  ),
  ...FORMS.map((f) =>
    insn(`cmp${f}`, `${PREFIX[f]} 0F C2 /r Vdq ${source(f)} Ib`, 'rw r r', (b, dst, src) => {
      b.writeXmm(dst, compare(b, f, b.readXmm(dst), b.readXmm(src)));
    }),
  ),
  ...(['ss', 'sd'] as const).flatMap((f) => {
    const p = f === 'ss' ? 'NP' : '66';
    const t = scalarOf(f);
    return [
      insn(`ucomi${f}`, `${p} 0F 2E /r Vdq ${source(f)}`, 'r r', (b, x, y) => {
        compareFlags(b, t, x, y, false);
      }),
      insn(`comi${f}`, `${p} 0F 2F /r Vdq ${source(f)}`, 'r r', (b, x, y) => {
        compareFlags(b, t, x, y, true);
      }),
      insn(`cvtsi2${f}`, `${PREFIX[f]} 0F 2A /r Vdq Ey`, 'rw r', (b, dst, src) => {
        const r = fromInt(b, t, b.readS(src));
        raisePending(b);
        b.writeXmm(dst, setLane(b, t, b.readXmm(dst), 0, r));
      }),
      ...[true, false].map((truncate) =>
        insn(`cvt${truncate ? 't' : ''}${f}2si`, `${PREFIX[f]} 0F ${truncate ? '2C' : '2D'} /r Gy ${source(f)}`, 'w r', (b, dst, src) => {
          const r = toInt(b, t, laneBits(b, t, b.readXmm(src), 0), dst.bits as 32 | 64, truncate);
          raisePending(b);
          b.write(dst, r);
        }),
      ),
    ];
  }),
  insn('cvtss2sd', 'F3 0F 5A /r Vdq Wd', 'rw r', (b, dst, src) => {
    const r = convert(b, 'f32', laneBits(b, 'f32', b.readXmm(src), 0));
    raisePending(b);
    b.writeXmm(dst, setLane(b, 'f64', b.readXmm(dst), 0, r));
  }),
  insn('cvtsd2ss', 'F2 0F 5A /r Vdq Wq', 'rw r', (b, dst, src) => {
    const r = convert(b, 'f64', laneBits(b, 'f64', b.readXmm(src), 0));
    raisePending(b);
    b.writeXmm(dst, setLane(b, 'f32', b.readXmm(dst), 0, r));
  }),
  insn('cvtps2pd', 'NP 0F 5A /r Vdq Wq', 'w r', (b, dst, src) => {
    const v = b.readXmm(src);
    let r = zero(b);
    for (let i = 0; i < 2; i++) r = setLane(b, 'f64', r, i, convert(b, 'f32', laneBits(b, 'f32', v, i)));
    raisePending(b);
    b.writeXmm(dst, r);
  }),
  insn('cvtpd2ps', '66 0F 5A /r Vdq Wdq', 'w r', (b, dst, src) => {
    const v = b.readXmm(src);
    let r = zero(b);
    for (let i = 0; i < 2; i++) r = setLane(b, 'f32', r, i, convert(b, 'f64', laneBits(b, 'f64', v, i)));
    raisePending(b);
    b.writeXmm(dst, r);
  }),
  insn('cvtdq2ps', 'NP 0F 5B /r Vdq Wdq', 'w r', (b, dst, src) => {
    const v = b.readXmm(src);
    const r = lanes(b, 'ps', zero(b), (i) => fromInt(b, 'f32', b.extS(b.lane('i32x4.extract_lane', i, v))));
    raisePending(b);
    b.writeXmm(dst, r);
  }),
  insn('cvtdq2pd', 'F3 0F E6 /r Vdq Wq', 'w r', (b, dst, src) => {
    b.writeXmm(dst, b.op('f64x2.convert_low_i32x4_s', b.readXmm(src)));
  }),
  ...([
    ['cvtps2dq', '66 0F 5B', 'ps', false], ['cvttps2dq', 'F3 0F 5B', 'ps', true],
    ['cvtpd2dq', 'F2 0F E6', 'pd', false], ['cvttpd2dq', '66 0F E6', 'pd', true],
  ] as const).map(([name, code, f, truncate]) =>
    insn(name, `${code} /r Vdq Wdq`, 'w r', (b, dst, src) => {
      const v = b.readXmm(src);
      let r = zero(b);
      for (let i = 0; i < laneCount(f); i++)
        r = b.lane('i32x4.replace_lane', i, r, b.wrap(toInt(b, scalarOf(f), laneBits(b, scalarOf(f), v, i), 32, truncate)));
      raisePending(b);
      b.writeXmm(dst, r);
    }),
  ),
  // MMX halves of the packed conversions.
  ...(['ps', 'pd'] as const).flatMap((f) => {
    const p = PREFIX[f];
    const t = scalarOf(f);
    const q = f === 'ps' ? 'Wq' : 'Wdq';
    return [
      insn(`cvtpi2${f}`, `${p} 0F 2A /r Vdq Qq`, 'rw r', (b, dst, src) => {
        const i = b.readMmx(src);
        if (src.kind === 'mmx') {
          waitX87(b);
          enterMmx(b); // an operand in memory leaves the x87 state alone
        }
        const low = fromInt(b, t, b.sext(i, 32));
        const high = fromInt(b, t, b.shrS(i, 32));
        raisePending(b);
        b.writeXmm(dst, setLane(b, t, setLane(b, t, b.readXmm(dst), 0, low), 1, high));
      }),
      ...[true, false].map((truncate) =>
        insn(`cvt${truncate ? 't' : ''}${f}2pi`, `${p} 0F ${truncate ? '2C' : '2D'} /r Pq ${q}`, 'w r', (b, dst, src) => {
          waitX87(b);
          const v = b.readXmm(src);
          enterMmx(b);
          const low = toInt(b, t, laneBits(b, t, v, 0), 32, truncate);
          const high = toInt(b, t, laneBits(b, t, v, 1), 32, truncate);
          raisePending(b);
          b.writeMmx(dst, b.or(b.zext(low, 32), b.shl(high, 32)));
        }),
      ),
    ];
  }),
  // Estimates: every processor has its own tables; these are the correctly rounded quotients, and raise no flags. Denormal
  // operands count as zeros, and tiny results become zeros.
  ...(['ps', 'ss'] as const).flatMap((f) => {
    const flushed = (b: X86Builder, v: Val): Val => {
      const exponent = b.op('v128.and', v, b.op('i32x4.splat', b.i32(0x7f800000)));
      const sign = b.op('i32x4.splat', b.i32(0x80000000 | 0));
      const normal = b.op('i32x4.ne', exponent, b.op('i32x4.splat', b.i32(0)));
      return b.op('v128.and', v, b.op('v128.or', normal, sign));
    };
    const estimate = (name: string, code: string, compute: (b: X86Builder, v: Val) => Val): Definition =>
      insn(`${name}${f}`, `${PREFIX[f]} 0F ${code} /r Vdq ${source(f)}`, 'rw r', (b, dst, src) => {
        const v = b.readXmm(src);
        const r = flushed(b, compute(b, flushed(b, v)));
        const isNan = (q: Val): Val => b.op('f32x4.ne', q, q);
        const quiet = b.op('v128.or', v, b.op('i32x4.splat', b.i32(0x400000)));
        const nan = b.op('v128.bitselect', quiet, b.op('i32x4.splat', b.i32(0xffc00000 | 0)), isNan(v));
        const fixed = b.op('v128.bitselect', nan, r, isNan(r));
        b.writeXmm(dst, f === 'ps' ? fixed : setLane(b, 'f32', b.readXmm(dst), 0, laneBits(b, 'f32', fixed, 0)));
      }, { special: true });
    const one = (b: X86Builder): Val => b.op('f32x4.splat', b.f32(1));
    return [
      estimate('rcp', '53', (b, v) => b.op('f32x4.div', one(b), v)),
      estimate('rsqrt', '52', (b, v) => b.op('f32x4.div', one(b), b.op('f32x4.sqrt', v))),
    ];
  }),
  ...([['ps', '08'], ['pd', '09'], ['ss', '0A'], ['sd', '0B']] as const).map(([f, code]) =>
    insn(`round${f}`, `66 0F 3A ${code} /r Vdq ${source(f)} Ib`, 'rw r r', (b, dst, src) => {
      const v = b.readXmm(src);
      const control = imm32(b);
      const r = lanes(b, f, b.readXmm(dst), (i) => roundLane(b, scalarOf(f), laneBits(b, scalarOf(f), v, i), control));
      raisePending(b);
      b.writeXmm(dst, r);
    }),
  ),
  ...([['ps', 'F2', 'f32x4'], ['pd', '66', 'f64x2']] as const).flatMap(([f, p, t]) => [
    ...(['add', 'sub'] as const).map((op, k) =>
      insn(`h${op}${f}`, `${p} 0F ${['7C', '7D'][k]} /r Vdq Wdq`, 'rw r', (b, dst, src) => {
        const x = b.readXmm(dst);
        const [even, odd] = pairs(b, t, x, b.readXmm(src));
        b.writeXmm(dst, arith(b, f, op, even, odd, x));
      }),
    ),
    insn(`addsub${f}`, `${p} 0F D0 /r Vdq Wdq`, 'rw r', (b, dst, src) => {
      const x = b.readXmm(dst);
      const y = b.readXmm(src);
      const st = scalarOf(f);
      const r = lanes(b, f, x, (i) => b.callHelper(`${i & 1 ? 'add' : 'sub'}_${st}`, laneBits(b, st, x, i), laneBits(b, st, y, i))!);
      raisePending(b);
      b.writeXmm(dst, r);
    }),
  ]),
  ...([['ps', '40'], ['pd', '41']] as const).map(([f, code]) =>
    insn(`dp${f}`, `66 0F 3A ${code} /r Vdq Wdq Ib`, 'rw r r', (b, dst, src) => {
      b.writeXmm(dst, dotProduct(b, f, b.readXmm(dst), b.readXmm(src)));
    }),
  ),
  insn('ldmxcsr', 'NP 0F AE /2 Md', 'r', (b, o) => {
    const v = b.wrap(b.read(o));
    b.raiseIf(b.nez(b.and(v, ~0xffff)), 'protection');
    b.setState('i32.store', S.mxcsr, v);
    mxcsrChanged(b);
  }, { special: true }),
  insn('stmxcsr', 'NP 0F AE /3 Md', 'w', (b, o) => {
    b.write(o, b.extU(b.getState('i32.load', S.mxcsr)));
  }),
]; // prettier-ignore

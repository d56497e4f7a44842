/** What AdvSIMD floating-point definitions are made of: whole vectors by the host where it is certain, lanes elsewhere. */
import type { Val } from '../../../builder.ts';
import { CURRENT, EXACT, UNSIGNED, type FpOp, type FpType } from '../../../float/fp-ops.ts';
import type { A64Builder } from '../builder.ts';
import {
  bitsOf,
  fromBits,
  HALF,
  raise,
  raiseInexact,
  roundingMode,
  SAFE,
  settled,
  settledNormal,
  soft,
  supposing,
  toBits,
  type ScalarType,
} from './fp-arith.ts';
import { fromInteger, power, toInteger, type MinMax } from './fp.ts';
import { pick, zero, type Shape } from './simd-lanes.ts';

/** A form of an instruction: its lanes' type, and how many there are (q as in Shape). */
export interface Form {
  readonly t: ScalarType;
  readonly q: -1 | 0 | 1;
}

export const suffix = (t: FpType): string => ({ f16: 'h', f32: 's', f64: 'd' })[t];
export const vectorOf = (t: ScalarType): 'f32x4' | 'f64x2' => (t === 'f32' ? 'f32x4' : 'f64x2');
export const shape = (f: Form): Shape => ({ size: f.t === 'f32' ? 2 : 3, q: f.q });
export const count = (f: Form): number => (f.q < 0 ? 1 : f.t === 'f64' ? 2 : f.q ? 4 : 2);

/** The same number in every lane. */
export function splat(b: A64Builder, t: ScalarType, n: number): Val {
  const v = t === 'f32' ? new Float32Array(4).fill(n) : new Float64Array(2).fill(n);
  return b.v128(new Uint8Array(v.buffer));
}
export const signs = (b: A64Builder, t: ScalarType): Val => splat(b, t, -0);

/** A lane's bits as i64, zero-extended. */
export function laneBits(b: A64Builder, t: ScalarType, v: Val, i: number): Val {
  return t === 'f64' ? b.lane('i64x2.extract_lane', i, v) : b.extU(b.lane('i32x4.extract_lane', i, v));
}
export function setLane(b: A64Builder, t: ScalarType, v: Val, i: number, bits: Val): Val {
  return t === 'f64'
    ? b.lane('i64x2.replace_lane', i, v, bits)
    : b.lane('i32x4.replace_lane', i, v, b.wrap(bits));
}

/** Each lane computed from its bits; the others are zero. */
export function each(b: A64Builder, f: Form, compute: (lane: (v: Val) => Val, i: number) => Val): Val {
  let r = zero(b);
  for (let i = 0; i < count(f); i++)
    r = setLane(
      b,
      f.t,
      r,
      i,
      compute((v) => laneBits(b, f.t, v, i), i),
    );
  return r;
}

/** `fast` where `ok` holds, otherwise every lane by itself. */
export function fastOrEach(b: A64Builder, f: Form, ok: Val, fast: Val, compute: (lane: (v: Val) => Val) => Val): Val {
  const guess = supposing(b);
  if (guess) {
    guess.leaveIf(b.eqz(ok));
    return fast;
  }
  const out = b.var('v128', fast);
  b.if(b.eqz(ok), () => {
    b.set(out, each(b, f, compute));
  });
  return b.get(out);
} // prettier-ignore

export const all = (b: A64Builder, v: Val): Val => b.op('i32x4.all_true', v);
/** No denormals and no NaNs: what flush-to-zero leaves alone. */
export function ordinary(b: A64Builder, t: ScalarType, ...values: readonly Val[]): Val {
  const v = vectorOf(t);
  const least = splat(b, t, t === 'f64' ? 2 ** -1022 : 2 ** -126);
  const ok = values.map((x) =>
    b.op('v128.or', b.op(`${v}.ge`, b.op(`${v}.abs`, x), least), b.op(`${v}.eq`, x, zero(b))),
  );
  return all(b, ok.length === 2 ? b.op('v128.and', ok[0], ok[1]) : ok[0]);
}
/** Lanes that cannot have come from tiny results; those that are not part of the form pass. */
export function safeLanes(b: A64Builder, f: Form, r: Val): Val {
  const v = vectorOf(f.t);
  const a = b.op(`${v}.abs`, r);
  const ok = b.op('v128.and', b.op(`${v}.ge`, a, splat(b, f.t, SAFE[f.t])), b.op(`${v}.lt`, a, splat(b, f.t, Infinity)));
  const used = count(f) * (bitsOf(f.t) / 8);
  if (used === 16) return ok;
  return b.op('v128.or', ok, b.v128(Array.from({ length: 16 }, (_, i) => (i < used ? 0 : 0xff))));
} // prettier-ignore

// ---- operations

export type Compute = (b: A64Builder, f: Form, x: Val, y: Val) => Val;

/** `op` of the host; `helper` computes one lane when that is not certain. */
export const arithmeticOf =
  (op: 'add' | 'sub' | 'mul' | 'div', helper: FpOp = op): Compute =>
  (b, f, x, y) => {
    const v = vectorOf(f.t);
    const fast = b.op(`${v}.${op}`, x, y);
    const ok =
      op === 'mul' || op === 'div'
        ? safeLanes(b, f, fast)
        : b.op(`${v}.lt`, b.op(`${v}.abs`, fast), splat(b, f.t, Infinity));
    return fastOrEach(b, f, b.and(settled(b), all(b, ok)), fast, (lane) =>
      b.callHelper(`${helper}_${f.t}`, lane(x), lane(y))!,
    );
  };

export const difference: Compute = (b, f, x, y) =>
  b.op('v128.andnot', arithmeticOf('sub')(b, f, x, y), signs(b, f.t));

export const minMaxOf =
  (op: MinMax): Compute =>
  (b, f, x, y) => {
    const fast = b.op(`${vectorOf(f.t)}.${op.slice(0, 3)}`, x, y);
    return fastOrEach(b, f, ordinary(b, f.t, x, y), fast, (lane) => soft(b, op, f.t, lane(x), lane(y)));
  };

export const softOf =
  (op: FpOp): Compute =>
  (b, f, x, y) =>
    each(b, f, (lane) => soft(b, op, f.t, lane(x), lane(y)));

export type Relation = 'eq' | 'ge' | 'gt';
export const compareOf =
  (relation: Relation, absolute = false): Compute =>
  (b, f, a, c) => {
    const v = vectorOf(f.t);
    const [x, y] = absolute ? [a, c].map((o) => b.op('v128.andnot', o, signs(b, f.t))) : [a, c];
    const ok = ordinary(b, f.t, x, y);
    return fastOrEach(b, f, ok, b.op(`${v}.${relation}`, x, y), (lane) => {
      const nzcv = soft(b, relation === 'eq' ? 'compareQuiet' : 'compareSignaling', f.t, lane(x), lane(y));
      // 6 equal, 2 greater, 8 less, 3 unordered.
      const hit = relation === 'eq' ? b.eq(nzcv, 6) : relation === 'gt' ? b.eq(nzcv, 2) : b.eq(b.and(nzcv, 11), 2);
      return b.neg(b.extU(hit));
    });
  }; // prettier-ignore

export const UPPER = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15] as const;

/** a + x · y in every lane, rounded once. Singles through doubles, where products are exact. */
export function mulAddLanes(b: A64Builder, f: Form, a: Val, x: Val, y: Val): Val {
  const compute = (lane: (v: Val) => Val): Val =>
    b.callHelper(`mulAdd_${f.t}`, lane(a), lane(x), lane(y))!;
  if (b.fuses) {
    const r = b.op(`${vectorOf(f.t)}.relaxed_madd`, x, y, a);
    return fastOrEach(b, f, b.and(settled(b), all(b, safeLanes(b, f, r))), r, compute);
  }
  if (f.t === 'f64') return b.callHelper('mulAdd_f64x2', a, x, y)!;
  const halves = f.q === 1 ? [0, 1] : [0];
  const sums = halves.map((h) => {
    const [A, X, Y] = [a, x, y].map((v) =>
      b.op('f64x2.promote_low_f32x4', h ? b.shuffle(v, v, UPPER) : v),
    );
    return b.op('f64x2.add', A, b.op('f64x2.mul', X, Y));
  });
  const parts = sums.map((s) => b.op('f32x4.demote_f64x2_zero', s));
  const fast = parts.length === 1 ? parts[0] : pick(b, 3, parts[0], parts[1], [0, 2]);
  let ok = safeLanes(b, f, fast);
  for (const s of sums) {
    const dropped = b.op('v128.and', s, b.op('i64x2.splat', b.i64(HALF.mask)));
    ok = b.op('v128.and', ok, b.op('i64x2.ne', dropped, b.op('i64x2.splat', b.i64(HALF.value))));
  }
  return fastOrEach(b, f, b.and(settled(b), all(b, ok)), fast, compute);
} // prettier-ignore

/** Rounding of whole vectors, by FPRounding's modes. */
export function integralLanes(b: A64Builder, t: ScalarType, x: Val, rounding: number): Val {
  const v = vectorOf(t);
  if (rounding < 4) return b.op(`${v}.${(['nearest', 'ceil', 'floor', 'trunc'] as const)[rounding]}`, x);
  const whole = b.op(`${v}.trunc`, x);
  const far = b.op(`${v}.ge`, b.op(`${v}.abs`, b.op(`${v}.sub`, x, whole)), splat(b, t, 0.5));
  const one = b.op('v128.bitselect', x, splat(b, t, 1), signs(b, t));
  return b.op('v128.bitselect', b.op(`${v}.add`, whole, one), whole, far);
}

export type Unary = (b: A64Builder, f: Form, x: Val) => Val;

export const roundOf =
  (rounding: number, exact: boolean): Unary =>
  (b, f, x) => {
    const out = b.var('v128');
    const ok = ordinary(b, f.t, x);
    b.if(
      ok,
      () => {
        const modes = rounding === CURRENT ? [0, 1, 2, 3] : [rounding];
        const make = (m: number) => (): void => {
          b.set(out, integralLanes(b, f.t, x, m));
        };
        if (modes.length === 1) make(modes[0])();
        else b.switch(roundingMode(b), modes.slice(0, 3).map(make), make(3));
        if (exact)
          raiseInexact(b, b.op('v128.any_true', b.op(`${vectorOf(f.t)}.ne`, b.get(out), x)));
      },
      () => {
        const how = rounding | (exact ? EXACT : 0);
        b.set(out, each(b, f, (lane) => soft(b, 'roundInt', f.t, lane(x), b.i64(how))));
      },
    );
    return b.get(out);
  }; // prettier-ignore

/** 2^n in every lane as the form's type; n is i32. */
export function powerLanes(b: A64Builder, t: ScalarType, n: Val): Val {
  const p = power(b, n);
  return t === 'f64' ? b.op('f64x2.splat', p) : b.op('f32x4.splat', b.op('f32.demote_f64', p));
}

export function toIntegers(b: A64Builder, f: Form, x: Val, unsigned: boolean, rounding: number, fraction: Val | null): Val {
  const { t } = f;
  const alone = (lane: (v: Val) => Val): Val =>
    toInteger(b, t, fromBits(b, t, lane(x)), bitsOf(t), unsigned, rounding, fraction);
  if (t === 'f64' || f.q < 0) return each(b, f, alone);
  const scaled = fraction ? b.op('f32x4.mul', x, powerLanes(b, t, fraction)) : x;
  const r = integralLanes(b, t, scaled, rounding);
  const inRange = unsigned
    ? b.op('v128.and', b.op('f32x4.ge', r, zero(b)), b.op('f32x4.lt', r, splat(b, t, 2 ** 32)))
    : b.op('v128.and', b.op('f32x4.ge', r, splat(b, t, -(2 ** 31))), b.op('f32x4.lt', r, splat(b, t, 2 ** 31)));
  const out = b.var('v128');
  b.if(
    ordinary(b, t, x),
    () => {
      const lost = b.op('v128.any_true', b.op('v128.and', inRange, b.op('f32x4.ne', r, scaled)));
      raise(b, b.or(b.shl(lost, 4), b.eqz(all(b, inRange))));
      // Saturates as Arm does.
      b.set(out, b.op(`i32x4.trunc_sat_f32x4_${unsigned ? 'u' : 's'}`, r));
    },
    () => {
      const how = b.i64(rounding | (unsigned ? UNSIGNED : 0));
      b.set(out, each(b, f, (lane) => soft(b, 'toFixed', t, lane(x), how, fraction ? b.extU(fraction) : b.i64(0))));
    },
  );
  return b.get(out);
} // prettier-ignore

export function fromIntegers(b: A64Builder, f: Form, x: Val, unsigned: boolean, fraction: Val | null): Val {
  const { t } = f;
  const alone = (lane: (v: Val) => Val): Val => {
    const i = t === 'f32' && !unsigned ? b.sext(lane(x), 32) : lane(x);
    return toBits(b, fromInteger(b, t, i, bitsOf(t), unsigned, fraction));
  };
  if (t === 'f64' || f.q < 0) return each(b, f, alone);
  const converted = b.op(`f32x4.convert_i32x4_${unsigned ? 'u' : 's'}`, x);
  const fast = fraction ? b.op('f32x4.mul', converted, powerLanes(b, t, b.neg(fraction))) : converted;
  return fastOrEach(b, f, settledNormal(b), fast, (lane) =>
    soft(
      b,
      'fromFixed',
      t,
      unsigned ? lane(x) : b.sext(lane(x), 32),
      b.i64(unsigned ? UNSIGNED : 0),
      fraction ? b.extU(fraction) : b.i64(0),
    ),
  );
}

/**
 * SSE arithmetic in compiled code: the host's operation in place, as long as that is all there is to do (sse-arith.ts
 * says when). Results that passed their test are known to be no denormals, so that in a chain of operations each number
 * is looked at once.
 */
import type { Val } from '../../../builder.ts';
import type { Speculation } from '../../../facts.ts';
import { PE } from '../../../float/soft-float.ts';
import { MXCSR_MODE, MXCSR_PLAIN } from '../../../float/sse-ops.ts';
import { S } from '../../../layout.ts';
import { exponentOutside } from '../../error-free.ts';
import type { X86Builder } from '../builder.ts';
import type { ScalarType } from './sse-arith.ts';

export type Operation = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';

/** How the numbers of a form lie in their registers. */
export interface Lanes {
  readonly t: ScalarType;
  readonly scalar: boolean;
  readonly vector: 'f32x4' | 'f64x2';
}

const FORMAT = {
  f32: { fraction: 23, least: 2 ** -126, bits: 'i32' },
  f64: { fraction: 52, least: 2 ** -1022, bits: 'i64' },
} as const;

const SETTLED = 'settled';
/** The mode asks for nothing but what the host does, and inexact results need not be told from others any more. */
const isSettled = (b: X86Builder) => (): Val =>
  b.eq(b.and(b.getState('i32.load', S.mxcsr), MXCSR_MODE | PE), MXCSR_PLAIN | PE);

/** To be called where MXCSR may have got another mode or lost its flags. */
export function mxcsrChanged(b: X86Builder): void {
  b.speculation?.renew(SETTLED, 'i32', isSettled(b));
}

/** One lane's number, tested. */
class Scalar {
  private readonly b: X86Builder;
  private readonly t: ScalarType;
  constructor(b: X86Builder, t: ScalarType) {
    this.b = b;
    this.t = t;
  }
  of(v: Val): Val {
    return this.b.lane(this.t === 'f64' ? 'f64x2.extract_lane' : 'f32x4.extract_lane', 0, v);
  }
  private bits(x: Val): Val {
    return this.b.op(`${FORMAT[this.t].bits}.reinterpret_${this.t}`, x);
  }
  /** i32: not zero, but its exponent is. */
  denormal(x: Val): Val {
    const { b } = this;
    const magnitude = b.shl(this.bits(x), 1);
    return b.ltU(b.sub(magnitude, 1), (1n << BigInt(FORMAT[this.t].fraction + 1)) - 1n);
  }
}

/** The same number in every lane, in a local of the region. */
function constant(b: X86Builder, guess: Speculation, { t, vector }: Lanes, n: number): Val {
  return guess.atEntry(`${vector} ${n}`, 'v128', () =>
    b.op(`${vector}.splat`, t === 'f64' ? b.f64(n) : b.f32(n)),
  );
}
function magnitude(b: X86Builder, guess: Speculation, { t, vector }: Lanes, v: Val): Val {
  const ints = t === 'f64' ? 'i64x2' : 'i32x4';
  const mask = guess.atEntry(`${vector} magnitude`, 'v128', () =>
    b.op(`${ints}.splat`, t === 'f64' ? b.i64((1n << 63n) - 1n) : b.i32(0x7fffffff)),
  );
  return b.op('v128.and', v, mask);
}
const allLanes = (b: X86Builder, { t }: Lanes, ok: Val): Val =>
  t === 'f64' ? b.eq(b.op('i64x2.bitmask', ok), 3) : b.eq(b.op('i32x4.bitmask', ok), 15);

/** i32: all lanes of `result` are finite, and they and all lanes of `others` larger than the least normal number. */
function allLarge(b: X86Builder, guess: Speculation, form: Lanes, result: Val, others: readonly Val[]): Val {
  const { t, vector } = form;
  const size = magnitude(b, guess, form, result);
  const smallest = others.reduce((m, v) => b.op(`${vector}.pmin`, m, magnitude(b, guess, form, v)), size);
  return allLanes(b, form, b.op(
    'v128.and',
    b.op(`${vector}.gt`, smallest, constant(b, guess, form, FORMAT[t].least)),
    b.op(`${vector}.lt`, size, constant(b, guess, form, Infinity)),
  ));
} // prettier-ignore

/** A number or each lane of a vector: i32, or a mask. */
function exactZero(b: X86Builder, type: string, op: Operation, r: Val, x: Val, y: Val): Val {
  const v = type.includes('x');
  const none = v ? b.v128(new Uint8Array(16)) : type === 'f64' ? b.f64(0) : b.f32(0);
  const isZero = (q: Val): Val => b.op(`${type}.eq`, q, none);
  const both = (p: Val, q: Val): Val => (v ? b.op('v128.and', p, q) : b.and(p, q));
  const either = (p: Val, q: Val): Val => (v ? b.op('v128.or', p, q) : b.or(p, q));
  if (op === 'mul') return both(isZero(r), either(isZero(x), isZero(y)));
  return op === 'div' ? both(isZero(r), isZero(x)) : isZero(r);
}

/** i32: each lane of the result is large and finite or an exact zero, and no operand's is denormal. */
function allExact(b: X86Builder, guess: Speculation, form: Lanes, op: Operation, r: Val, x: Val, y: Val, operands: readonly Val[]): Val {
  const { t, vector } = form;
  const least = constant(b, guess, form, FORMAT[t].least);
  const size = magnitude(b, guess, form, r);
  const finite = b.op(`${vector}.lt`, size, constant(b, guess, form, Infinity));
  const large = b.op('v128.and', b.op(`${vector}.gt`, size, least), finite);
  let ok = b.op('v128.or', large, exactZero(b, vector, op, r, x, y));
  for (const v of operands) {
    const normal = b.op(`${vector}.ge`, magnitude(b, guess, form, v), least);
    ok = b.op('v128.and', ok, b.op('v128.or', normal, b.op(`${vector}.eq`, v, b.v128(new Uint8Array(16)))));
  }
  return allLanes(b, form, ok);
} // prettier-ignore

/** The host's result for numbers (f64…) or whole vectors (f64x2…). */
const compute = (b: X86Builder, type: string, op: Operation, x: Val, y: Val): Val =>
  op === 'sqrt' ? b.op(`${type}.sqrt`, y) : b.op(`${type}.${op}`, x, y);
/** A sum is exact where it is tiny. Other results must be too large to have been before they were rounded. */
const leastExponent = (op: Operation): number => (op === 'mul' || op === 'div' ? 2 : 1);
const operandsOf = (op: Operation, x: Val, y: Val): readonly Val[] =>
  op === 'sqrt' || x === y ? [y] : [x, y];

/** x op y (sqrt: of y). A scalar result is merged into `into`. */
export function inPlace(
  b: X86Builder,
  guess: Speculation,
  form: Lanes,
  op: Operation,
  x: Val,
  y: Val,
  into: Val,
): Val {
  const { t, scalar, vector } = form;
  const { facts } = guess;
  const property = `no denormal ${scalar ? t : vector}`;
  const unknown = operandsOf(op, x, y).filter(
    (v) => !facts.knows(v, property) && !facts.knows(v, `no denormal ${vector}`),
  );
  guess.leaveIf(b.eqz(guess.atEntry(SETTLED, 'i32', isSettled(b))));
  let result: Val;
  if (scalar) {
    const one = new Scalar(b, t);
    for (const v of unknown) guess.leaveIf(one.denormal(one.of(v)));
    const r = compute(b, t, op, one.of(x), one.of(y));
    b.fn.if(exponentOutside(b, t, r, leastExponent(op)), () => {
      guess.leaveIf(b.eqz(exactZero(b, t, op, r, one.of(x), one.of(y))));
    });
    result = b.lane(`${vector}.replace_lane`, 0, into, r);
  } else {
    result = compute(b, vector, op, x, y);
    b.fn.if(b.eqz(allLarge(b, guess, form, result, unknown)), () => {
      guess.leaveIf(b.eqz(allExact(b, guess, form, op, result, x, y, unknown)));
    });
  }
  for (const v of [result, ...unknown]) facts.know(v, property);
  return result;
}

/** The same where numbers are often not as supposed: `slow` then computes it with all that belongs to it. */
export function guarded(
  b: X86Builder,
  guess: Speculation,
  form: Lanes,
  op: Operation,
  x: Val,
  y: Val,
  into: Val,
  slow: () => Val,
): Val {
  const { t, scalar, vector } = form;
  const one = new Scalar(b, t);
  const out = b.var(scalar ? t : 'v128');
  b.block((done) => {
    b.block((otherwise) => {
      b.brIf(otherwise, b.eqz(guess.atEntry(SETTLED, 'i32', isSettled(b))));
      if (scalar) {
        for (const v of operandsOf(op, x, y)) b.brIf(otherwise, one.denormal(one.of(v)));
        const r = compute(b, t, op, one.of(x), one.of(y));
        b.brIf(otherwise, exponentOutside(b, t, r, leastExponent(op)));
        b.set(out, r);
      } else {
        const r = compute(b, vector, op, x, y);
        b.brIf(otherwise, b.eqz(allLarge(b, guess, form, r, operandsOf(op, x, y))));
        b.set(out, r);
      }
      b.br(done);
    });
    const r = slow();
    b.set(out, scalar ? one.of(r) : r);
    mxcsrChanged(b);
  });
  return scalar ? b.lane(`${vector}.replace_lane`, 0, into, b.get(out)) : b.get(out);
}

/** AdvSIMD floating point, vectors and scalars. Arm ARM C4.1.95. Single and double precision; half for conversions. */
import type { Val } from '../../../builder.ts';
import { CONVERT_ODD, CURRENT, type FpOp } from '../../../float/fp-ops.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition, type DefinitionOptions, type Reg } from '../define.ts';
import {
  arithmetic,
  bitsOf,
  halfToSingle,
  mulAdd,
  scalar,
  setScalar,
  settled,
  singleToHalf,
  soft,
  toBits,
  type ScalarType,
} from './fp-arith.ts';
import { minMax, narrow, negate } from './fp.ts';
import { pick, read, write, zero } from './simd-lanes.ts';
import {
  suffix,
  vectorOf,
  shape,
  count,
  splat,
  signs,
  laneBits,
  each,
  fastOrEach,
  all,
  ordinary,
  arithmeticOf,
  difference,
  minMaxOf,
  softOf,
  compareOf,
  mulAddLanes,
  roundOf,
  toIntegers,
  fromIntegers,
  type Form,
  type Compute,
  type Unary,
} from './simd-fp-lanes.ts';

/** Encodings' first bits and the sz bit of every form: Q is a field for singles, 1 for doubles. */
const TYPES: readonly (readonly [ScalarType, 0 | 1, string])[] = [['f32', 0, 'Q'], ['f64', 1, '1']]; // prettier-ignore

/** One definition a type of a vector instruction. `code`: (U, sz) → the encoding without its top "0 Q". */
function vectors(
  name: string,
  code: (sz: 0 | 1) => string,
  operands: string,
  build: (b: A64Builder, f: Form, ...regs: Reg[]) => void,
  options: DefinitionOptions = {},
): Definition[] {
  return TYPES.map(([t, sz, q]) =>
    insn(
      `${name} v.${suffix(t)}`,
      `0 ${q} ${code(sz)}`,
      operands,
      (b, ...regs) => {
        build(b, { t, q: t === 'f64' || b.f['Q'] ? 1 : 0 }, ...regs);
      },
      { ...options, by: `${q === 'Q' ? 'Q ' : ''}${options.by ?? ''}` },
    ),
  );
}
function scalars(
  name: string,
  code: (sz: 0 | 1) => string,
  operands: string,
  build: (b: A64Builder, f: Form, ...regs: Reg[]) => void,
  options: DefinitionOptions = {},
): Definition[] {
  return TYPES.map(([t, sz]) =>
    insn(`${name} ${suffix(t)}`, `01 ${code(sz)}`, operands, (b, ...regs) => {
      build(b, { t, q: -1 }, ...regs);
    }, options),
  );
} // prettier-ignore

const THREE = 'w:Vd r:Vn r:Vm';
const TWO = 'w:Vd r:Vn';

/** U, bit 23, opcode. */
type Code = readonly [0 | 1, 0 | 1, string];
const threeSame = ([u, a, opcode]: Code, sz: 0 | 1): string => `${u} 01110 ${a}${sz} 1 Vm ${opcode} 1 Vn Vd`;
const threeSameScalar = ([u, a, opcode]: Code, sz: 0 | 1): string =>
  `${u} 11110 ${a}${sz} 1 Vm ${opcode} 1 Vn Vd`;

const twoOperands = (b: A64Builder, f: Form, compute: Compute, vd: Reg, vn: Reg, vm: Reg): void => {
  write(b, vd, compute(b, f, read(b, vn, shape(f)), read(b, vm, shape(f))), shape(f));
};

const BINARY: readonly (readonly [string, Code, Compute])[] = [
  ['fadd', [0, 0, '11010'], arithmeticOf('add')],
  ['fsub', [0, 1, '11010'], arithmeticOf('sub')],
  ['fmul', [1, 0, '11011'], arithmeticOf('mul')],
  ['fdiv', [1, 0, '11111'], arithmeticOf('div')],
  ['fmax', [0, 0, '11110'], minMaxOf('max')],
  ['fmin', [0, 1, '11110'], minMaxOf('min')],
  ['fmaxnm', [0, 0, '11000'], minMaxOf('maxnm')],
  ['fminnm', [0, 1, '11000'], minMaxOf('minnm')],
];
/** Those with a scalar form of their own. */
const BINARY_BOTH: readonly (readonly [string, Code, Compute])[] = [
  ['fmulx', [0, 0, '11011'], arithmeticOf('mul', 'mulx')],
  ['fabd', [1, 1, '11010'], difference],
  ['fcmeq', [0, 0, '11100'], compareOf('eq')],
  ['fcmge', [1, 0, '11100'], compareOf('ge')],
  ['fcmgt', [1, 1, '11100'], compareOf('gt')],
  ['facge', [1, 0, '11101'], compareOf('ge', true)],
  ['facgt', [1, 1, '11101'], compareOf('gt', true)],
  ['frecps', [0, 0, '11111'], softOf('recps')],
  ['frsqrts', [0, 1, '11111'], softOf('rsqrts')],
];
const PAIRWISE: readonly (readonly [string, Code, Compute])[] = [
  ['faddp', [1, 0, '11010'], arithmeticOf('add')],
  ['fmaxp', [1, 0, '11110'], minMaxOf('max')],
  ['fminp', [1, 1, '11110'], minMaxOf('min')],
  ['fmaxnmp', [1, 0, '11000'], minMaxOf('maxnm')],
  ['fminnmp', [1, 1, '11000'], minMaxOf('minnm')],
];

/** Even and odd lanes of x and y one behind the other. */
function pairs(b: A64Builder, f: Form, x: Val, y: Val): [Val, Val] {
  const n = count(f);
  const size = shape(f).size;
  const total = 16 >> size;
  const from = (odd: 0 | 1): Val => {
    const places = Array.from({ length: n }, (_, i) => {
      const k = 2 * i + odd;
      return k < n ? k : total + k - n;
    });
    // A short form's upper lanes: those of x, which are zero.
    while (places.length < total) places.push(total - 1);
    return pick(b, size, x, y, places);
  };
  return [from(0), from(1)];
}

const arithmetics: readonly Definition[] = [
  ...[...BINARY, ...BINARY_BOTH].flatMap(([name, code, compute]) =>
    vectors(name, (sz) => threeSame(code, sz), THREE, (b, f, vd, vn, vm) => {
      twoOperands(b, f, compute, vd, vn, vm);
    }),
  ),
  ...BINARY_BOTH.flatMap(([name, code, compute]) =>
    scalars(name, (sz) => threeSameScalar(code, sz), THREE, (b, f, vd, vn, vm) => {
      twoOperands(b, f, compute, vd, vn, vm);
    }),
  ),
  ...PAIRWISE.flatMap(([name, code, compute]) =>
    vectors(name, (sz) => threeSame(code, sz), THREE, (b, f, vd, vn, vm) => {
      const [even, odd] = pairs(b, f, read(b, vn, shape(f)), read(b, vm, shape(f)));
      write(b, vd, compute(b, f, even, odd), shape(f));
    }),
  ),
  ...([['fmaxnmp', 0, '01100', 'maxnm'], ['fminnmp', 1, '01100', 'minnm'], ['faddp', 0, '01101', 'add'], ['fmaxp', 0, '01111', 'max'], ['fminp', 1, '01111', 'min']] as const).flatMap(
    ([name, a, opcode, op]) =>
      scalars(name, (sz) => `1 11110 ${a}${sz} 11000 ${opcode} 10 Vn Vd`, TWO, (b, { t }, vd, vn) => {
        const load = (i: number): Val => b.loadReg(`${t}.load`, vn, i * (bitsOf(t) / 8));
        const [x, y] = [load(0), load(1)];
        setScalar(b, vd, op === 'add' ? arithmetic(b, 'add', t, x, y) : minMax(b, op, t, x, y));
      }),
  ),
  ...([['fmaxnmv', 0, '01100', 'maxnm'], ['fminnmv', 1, '01100', 'minnm'], ['fmaxv', 0, '01111', 'max'], ['fminv', 1, '01111', 'min']] as const).map(
    ([name, a, opcode, op]) =>
      insn(name, `0 1 1 01110 ${a}0 11000 ${opcode} 10 Vn Vd`, TWO, (b, vd, vn) => {
        const load = (i: number): Val => b.loadReg('f32.load', vn, 4 * i);
        const low = minMax(b, op, 'f32', load(0), load(1));
        setScalar(b, vd, minMax(b, op, 'f32', low, minMax(b, op, 'f32', load(2), load(3))));
      }),
  ),
]; // prettier-ignore

/** FMLA, FMLS: the destination is the addend. */
const FUSED = 'w:Vd r:Vn r:Vm r:Vd';
function fused(b: A64Builder, f: Form, subtract: boolean, vd: Reg, addend: Reg, x: Val, y: Val): void {
  const factor = subtract ? b.op('v128.xor', x, signs(b, f.t)) : x;
  write(b, vd, mulAddLanes(b, f, read(b, addend, shape(f)), factor, y), shape(f));
}

const multiplyAdds: readonly Definition[] = ([0, 1] as const).flatMap((s) =>
  vectors(s ? 'fmls' : 'fmla', (sz) => threeSame([0, s, '11001'], sz), FUSED, (b, f, vd, vn, vm, va) => {
    fused(b, f, s === 1, vd, va, read(b, vn, shape(f)), read(b, vm, shape(f)));
  }),
); // prettier-ignore

/** By element: the index is H:L for singles, H for doubles (with L clear). */
const elementCode = (u: 0 | 1, opcode: string, top: string) => (sz: 0 | 1): string =>
  `${u} ${top} 1${sz} ${sz ? '0' : 'L:1'} Vm ${opcode} H:1 0 Vn Vd`; // prettier-ignore
const elementOf = (b: A64Builder, t: ScalarType): number =>
  t === 'f64' ? b.f['H'] : 2 * b.f['H'] + b.f['L'];
function elementVector(b: A64Builder, f: Form, vm: Reg): Val {
  const i = elementOf(b, f.t);
  const load = b.loadReg(`v128.load${bitsOf(f.t)}_splat`, vm, i * (bitsOf(f.t) / 8));
  if (f.q === 1) return load;
  // Only what belongs to the form: the rest must not look like a special value.
  return pick(b, 3, load, zero(b), [0, 2]);
}

const ELEMENT: readonly (readonly [string, 0 | 1, string])[] = [
  ['fmla', 0, '0001'], ['fmls', 0, '0101'], ['fmul', 0, '1001'], ['fmulx', 1, '1001'],
]; // prettier-ignore

/** `by` of the element's index, which doubles have in one bit. */
const byElement = (defs: readonly Definition[]): Definition[] =>
  defs.map((d) => ({ ...d, by: `${d.by ?? ''} H${d.encoding.includes('L:1') ? ' L' : ''}` }));

const elements: readonly Definition[] = ELEMENT.flatMap(([name, u, opcode]) => {
  const isFused = name.startsWith('fml');
  const operands = isFused ? FUSED : THREE;
  const compute = arithmeticOf('mul', name === 'fmulx' ? 'mulx' : 'mul');
  return [
    ...byElement(
      vectors(`${name} (element)`, elementCode(u, opcode, '01111'), operands, (b, f, vd, vn, vm, va) => {
        const x = read(b, vn, shape(f));
        const y = elementVector(b, f, vm);
        if (isFused) fused(b, f, name === 'fmls', vd, va, x, y);
        else write(b, vd, compute(b, f, x, y), shape(f));
      }),
    ),
    ...byElement(
      scalars(`${name} (element)`, elementCode(u, opcode, '11111'), operands, (b, f, vd, vn, vm, va) => {
        const { t } = f;
        const x = scalar(b, t, vn);
        const y = b.loadReg(`${t}.load`, vm, elementOf(b, t) * (bitsOf(t) / 8));
        if (isFused) setScalar(b, vd, mulAdd(b, t, scalar(b, t, va), name === 'fmls' ? negate(b, t, x) : x, y));
        else setScalar(b, vd, arithmetic(b, 'mul', t, x, y, name === 'fmulx' ? 'mulx' : 'mul'));
      }),
    ),
  ];
}); // prettier-ignore

// ---- one operand

const misc = ([u, a, opcode]: Code, sz: 0 | 1): string => `${u} 01110 ${a}${sz} 10000 ${opcode} 10 Vn Vd`;
const miscScalar = ([u, a, opcode]: Code, sz: 0 | 1): string =>
  `${u} 11110 ${a}${sz} 10000 ${opcode} 10 Vn Vd`;

const oneOperand = (b: A64Builder, f: Form, compute: Unary, vd: Reg, vn: Reg): void => {
  write(b, vd, compute(b, f, read(b, vn, shape(f))), shape(f));
};
const vectorUnary = (name: string, code: Code, compute: Unary): Definition[] =>
  vectors(name, (sz) => misc(code, sz), TWO, (b, f, vd, vn) => {
    oneOperand(b, f, compute, vd, vn);
  }); // prettier-ignore
const bothUnary = (name: string, code: Code, compute: Unary): Definition[] => [
  ...vectorUnary(name, code, compute),
  ...scalars(name, (sz) => miscScalar(code, sz), TWO, (b, f, vd, vn) => {
    oneOperand(b, f, compute, vd, vn);
  }),
]; // prettier-ignore

const squareRoot: Unary = (b, f, x) => {
  const v = vectorOf(f.t);
  const fast = b.op(`${v}.sqrt`, x);
  const ok = b.op(`${v}.lt`, b.op(`${v}.abs`, fast), splat(b, f.t, Infinity));
  return fastOrEach(b, f, b.and(settled(b), all(b, ok)), fast, (lane) =>
    b.callHelper(`sqrt_${f.t}`, lane(x), b.i64(0))!,
  );
};
const softUnary =
  (op: FpOp): Unary =>
  (b, f, x) =>
    each(b, f, (lane) => soft(b, op, f.t, lane(x)));

const ROUNDING_CODES: readonly (readonly [string, Code, number, boolean])[] = [
  ['frintn', [0, 0, '11000'], 0, false],
  ['frinta', [1, 0, '11000'], 4, false],
  ['frintm', [0, 0, '11001'], 2, false],
  ['frintx', [1, 0, '11001'], CURRENT, true],
  ['frintp', [0, 1, '11000'], 1, false],
  ['frintz', [0, 1, '11001'], 3, false],
  ['frinti', [1, 1, '11001'], CURRENT, false],
];
const INTEGER_CODES: readonly (readonly [string, 0 | 1, string, number])[] = [
  ['n', 0, '11010', 0], ['m', 0, '11011', 2], ['a', 0, '11100', 4], ['p', 1, '11010', 1], ['z', 1, '11011', 3],
]; // prettier-ignore

const unary: readonly Definition[] = [
  ...vectorUnary('fabs', [0, 1, '01111'], (b, f, x) => b.op('v128.andnot', x, signs(b, f.t))),
  ...vectorUnary('fneg', [1, 1, '01111'], (b, f, x) => b.op('v128.xor', x, signs(b, f.t))),
  ...vectorUnary('fsqrt', [1, 1, '11111'], squareRoot),
  ...ROUNDING_CODES.flatMap(([name, code, rounding, exact]) =>
    vectorUnary(name, code, roundOf(rounding, exact)),
  ),
  ...INTEGER_CODES.flatMap(([mode, a, opcode, rounding]) =>
    ([0, 1] as const).flatMap((u) =>
      bothUnary(`fcvt${mode}${u ? 'u' : 's'}`, [u, a, opcode], (b, f, x) =>
        toIntegers(b, f, x, u === 1, rounding, null),
      ),
    ),
  ),
  ...([0, 1] as const).flatMap((u) =>
    bothUnary(`${u ? 'u' : 's'}cvtf`, [u, 0, '11101'], (b, f, x) => fromIntegers(b, f, x, u === 1, null)),
  ),
  ...([
    ['fcmgt', 0, '01100', 'gt', false], ['fcmge', 1, '01100', 'ge', false], ['fcmeq', 0, '01101', 'eq', false],
    ['fcmle', 1, '01101', 'ge', true], ['fcmlt', 0, '01110', 'gt', true],
  ] as const).flatMap(([name, u, opcode, relation, swapped]) =>
    bothUnary(`${name} zero`, [u, 1, opcode], (b, f, x) =>
      swapped ? compareOf(relation)(b, f, zero(b), x) : compareOf(relation)(b, f, x, zero(b)),
    ),
  ),
  ...bothUnary('frecpe', [0, 1, '11101'], softUnary('recpe')),
  ...bothUnary('frsqrte', [1, 1, '11101'], softUnary('rsqrte')),
  ...scalars('frecpx', (sz) => miscScalar([0, 1, '11111'], sz), TWO, (b, f, vd, vn) => {
    oneOperand(b, f, softUnary('recpx'), vd, vn);
  }),
  ...([0, 1] as const).map((u) =>
    insn(u ? 'ursqrte' : 'urecpe', `0 Q ${misc([u, 1, '11100'], 0)}`, TWO, (b, vd, vn) => {
      oneOperand(b, { t: 'f32', q: b.f['Q'] ? 1 : 0 }, softUnary(u ? 'ursqrte' : 'urecpe'), vd, vn);
    }, { by: 'Q' }),
  ),
]; // prettier-ignore

/** Fixed-point conversions: 2 · esize − immh:immb fraction bits, as a shift to the right has. */
const fixedCode = (u: 0 | 1, top: string, opcode: string) => (sz: 0 | 1): string =>
  `${u} ${top} ${sz ? '1 immhb:6' : '01 immhb:5'} ${opcode} 1 Vn Vd`; // prettier-ignore

const fixedPoint: readonly Definition[] = ([0, 1] as const).flatMap((u) => {
  const from = (b: A64Builder, f: Form, vd: Reg, vn: Reg): void => {
    oneOperand(b, f, (_b, _f, x) => fromIntegers(b, f, x, u === 1, b.small()), vd, vn);
  };
  const to = (b: A64Builder, f: Form, vd: Reg, vn: Reg): void => {
    oneOperand(b, f, (_b, _f, x) => toIntegers(b, f, x, u === 1, 3, b.small()), vd, vn);
  };
  const options = { small: 'shiftRight' } as const;
  const s = u ? 'u' : 's';
  return [
    ...vectors(`${s}cvtf fixed`, fixedCode(u, '011110', '11100'), TWO, from, options),
    ...scalars(`${s}cvtf fixed`, fixedCode(u, '111110', '11100'), TWO, from, options),
    ...vectors(`fcvtz${s} fixed`, fixedCode(u, '011110', '11111'), TWO, to, options),
    ...scalars(`fcvtz${s} fixed`, fixedCode(u, '111110', '11111'), TWO, to, options),
  ];
});

// ---- between formats

const HALVES: Form = { t: 'f32', q: 1 };

/** Writes 64 bits (i64) into the lower half and clears the upper, or into the upper half alone. */
function writeHalf(b: A64Builder, vd: Reg, v: Val, upper: number): void {
  if (upper) b.storeReg('i64.store', vd, v, 8);
  else b.setLow(vd, v, 64);
}

function narrowTo32(b: A64Builder, vd: Reg, vn: Reg, odd: boolean): void {
  const bits = [0, 8].map((at) => {
    if (odd) return soft(b, 'toSingle', 'f64', b.loadReg('i64.load', vn, at), b.i64(CONVERT_ODD));
    return toBits(b, narrow(b, b.loadReg('f64.load', vn, at)));
  });
  writeHalf(b, vd, b.or(bits[0], b.shl(bits[1], 32)), b.f['Q']);
}

const formats: readonly Definition[] = [
  insn('fcvtl v.d', '0 Q 0 01110 01 10000 10111 10 Vn Vd', TWO, (b, vd, vn) => {
    const x = b.loadReg('v128.load64_zero', vn, b.f['Q'] ? 8 : 0);
    const f: Form = { t: 'f64', q: 1 };
    const fast = b.op('f64x2.promote_low_f32x4', x);
    const out = b.var('v128', fast);
    b.if(b.eqz(ordinary(b, 'f32', x)), () => {
      b.set(out, each(b, f, (_l, i) => soft(b, 'toDouble', 'f32', laneBits(b, 'f32', x, i))));
    });
    b.setV(vd, b.get(out));
  }, { by: 'Q' }),
  insn('fcvtl v.s', '0 Q 0 01110 00 10000 10111 10 Vn Vd', TWO, (b, vd, vn) => {
    const bits = [0, 1, 2, 3].map((i) => b.loadReg('i64.load16_u', vn, (b.f['Q'] ? 8 : 0) + 2 * i));
    b.setV(vd, each(b, HALVES, (_l, i) => toBits(b, halfToSingle(b, bits[i]))));
  }, { by: 'Q' }),
  insn('fcvtn v.s', '0 Q 0 01110 01 10000 10110 10 Vn Vd', TWO, (b, vd, vn) => {
    narrowTo32(b, vd, vn, false);
  }, { by: 'Q' }),
  insn('fcvtxn v.s', '0 Q 1 01110 01 10000 10110 10 Vn Vd', TWO, (b, vd, vn) => {
    narrowTo32(b, vd, vn, true);
  }, { by: 'Q' }),
  insn('fcvtxn s', '01 1 11110 01 10000 10110 10 Vn Vd', TWO, (b, vd, vn) => {
    b.setLow(vd, soft(b, 'toSingle', 'f64', b.low(vn, 64), b.i64(CONVERT_ODD)), 32);
  }),
  insn('fcvtn v.h', '0 Q 0 01110 00 10000 10110 10 Vn Vd', TWO, (b, vd, vn) => {
    let r: Val | null = null;
    for (let i = 0; i < 4; i++) {
      const h = b.shl(singleToHalf(b, b.loadReg('i64.load32_u', vn, 4 * i)), 16 * i);
      r = r ? b.or(r, h) : h;
    }
    writeHalf(b, vd, r!, b.f['Q']);
  }, { by: 'Q' }),
]; // prettier-ignore

export const simdFp: readonly Definition[] = [
  ...arithmetics,
  ...multiplyAdds,
  ...elements,
  ...unary,
  ...fixedPoint,
  ...formats,
];

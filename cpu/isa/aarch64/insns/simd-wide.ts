/** AdvSIMD operations between lanes of different widths, and by element. Arm ARM C4.1.96, "three different", "by element". */
import type { Val } from '../../../builder.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition, type Reg } from '../define.ts';
import { absoluteDifference, doublingHigh, multiply, polynomial } from './simd-arith.ts';
import {
  constant,
  halves,
  lanes,
  read,
  readHalf,
  saturated,
  saturating,
  vectorShape,
  widen,
  widenMul,
  width,
  write,
  writeNarrow,
  type Shape,
  type Size,
} from './simd-lanes.ts';

/** The lower (q 0) or upper half of x and of y to lanes twice as wide. `size`: the narrow one. */
type Widening = (b: A64Builder, x: Val, y: Val, size: Size, q: number, old: () => Val) => Val;

const wider = (size: Size): Size => (size + 1) as Size;
type Sign = 's' | 'u';

const addSub =
  (name: 'add' | 'sub', sign: Sign, xWide: boolean): Widening =>
  (b, x, y, size, q) =>
    lanes(b, wider(size), name, xWide ? x : widen(b, size, q, sign, x), widen(b, size, q, sign, y));

const difference =
  (sign: Sign, accumulate: boolean): Widening =>
  (b, x, y, size, q, old) => {
    const d = widen(b, size, q, 'u', absoluteDifference(b, size, sign, x, y));
    return accumulate ? lanes(b, wider(size), 'add', old(), d) : d;
  };

const product =
  (sign: Sign, accumulate?: 'add' | 'sub'): Widening =>
  (b, x, y, size, q, old) => {
    const p = widenMul(b, size, q, sign, x, y);
    return accumulate ? lanes(b, wider(size), accumulate, old(), p) : p;
  };

/** 2 x y saturates for the lowest number squared alone. */
const doubled =
  (accumulate?: 'add' | 'sub'): Widening =>
  (b, x, y, size, q, old) => {
    const wide = wider(size);
    const p = widenMul(b, size, q, 's', x, y);
    const over = lanes(b, wide, 'eq', p, constant(b, wide, 1n << BigInt(2 * width(size) - 2)));
    saturated(b, over);
    const twice = b.op('v128.xor', lanes(b, wide, 'shl', p, b.i32(1)), over);
    return accumulate ? saturating(b, wide, accumulate, 's', old(), twice) : twice;
  };

/** Name, U, opcode, operation, whether it saturates: then it takes 16 and 32 bits alone and has scalar forms. */
const DIFFERENT: readonly [string, 0 | 1, string, Widening, boolean?][] = [
  ...([['s', 0], ['u', 1]] as const).flatMap(([sign, U]): [string, 0 | 1, string, Widening][] => [
    [`${sign}addl`, U, '0000', addSub('add', sign, false)], [`${sign}addw`, U, '0001', addSub('add', sign, true)],
    [`${sign}subl`, U, '0010', addSub('sub', sign, false)], [`${sign}subw`, U, '0011', addSub('sub', sign, true)],
    [`${sign}abal`, U, '0101', difference(sign, true)], [`${sign}abdl`, U, '0111', difference(sign, false)],
    [`${sign}mlal`, U, '1000', product(sign, 'add')], [`${sign}mlsl`, U, '1010', product(sign, 'sub')],
    [`${sign}mull`, U, '1100', product(sign)],
  ]),
  ['sqdmlal', 0, '1001', doubled('add'), true], ['sqdmlsl', 0, '1011', doubled('sub'), true], ['sqdmull', 0, '1101', doubled(), true],
]; // prettier-ignore

function widening(b: A64Builder, f: Widening, size: Size, q: number, vd: Reg, x: Val, y: Val): void {
  b.setV(vd, f(b, x, y, size, q, () => b.v(vd))); // prettier-ignore
}

/** One lane in, one twice as wide out. */
function wideningScalar(b: A64Builder, f: Widening, size: Size, vd: Reg, x: Val, y: Val): void {
  const s: Shape = { size: wider(size), q: -1 };
  write(b, vd, f(b, x, y, size, 0, () => read(b, vd, s)), s); // prettier-ignore
}

const different: readonly Definition[] = DIFFERENT.flatMap(([name, U, opcode, f, saturates]) => [
  insn(`${name} (vector)`, `0 Q ${U} 01110 size:2 1 Vm ${opcode} 00 Vn Vd`, 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
    const q = b.f['Q'];
    const x = name.endsWith('w') ? b.v(vn) : readHalf(b, vn, q);
    widening(b, f, b.f['size'] as Size, q, vd, x, readHalf(b, vm, q));
  }, { by: 'Q size', where: (v) => v['size'] < 3 && (!saturates || v['size'] > 0) }),
  ...(saturates
    ? [insn(`${name} (scalar)`, `01 ${U} 11110 size:2 1 Vm ${opcode} 00 Vn Vd`, 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
        const size = b.f['size'] as Size;
        const s: Shape = { size, q: -1 };
        wideningScalar(b, f, size, vd, read(b, vn, s), read(b, vm, s));
      }, { by: 'size', where: (v) => v['size'] === 1 || v['size'] === 2 })]
    : []),
]); // prettier-ignore

/** The high halves of sums and differences. */
const highNarrow: readonly Definition[] = ([0, 1] as const).flatMap((round) =>
  (['add', 'sub'] as const).map((name, k) =>
    insn(`${round ? 'r' : ''}${name}hn`, `0 Q ${round} 01110 size:2 1 Vm 01${k}0 00 Vn Vd`, 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
      const s = vectorShape(b.f);
      const wide = wider(s.size);
      let v = lanes(b, wide, name, b.v(vn), b.v(vm));
      if (round) v = lanes(b, wide, 'add', v, constant(b, wide, 1n << BigInt(width(s.size) - 1)));
      writeNarrow(b, vd, halves(b, s.size, v, 1), s);
    }, { by: 'Q size', where: (v) => v['size'] < 3 }),
  ),
); // prettier-ignore

const polynomials: readonly Definition[] = [
  insn('pmull (8 bits)', '0 Q 0 01110 00 1 Vm 1110 00 Vn Vd', 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
    const wide = (r: Reg): Val => widen(b, 0, b.f['Q'], 'u', readHalf(b, r, b.f['Q']));
    b.setV(vd, polynomial(b, 1, wide(vn), wide(vm)));
  }, { by: 'Q' }),
  insn('pmull (64 bits)', '0 Q 0 01110 11 1 Vm 1110 00 Vn Vd', 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
    const half = (r: Reg): Val => b.loadReg('i64.load', r, 8 * b.f['Q']);
    b.setV(vd, b.callHelper('clmul', half(vn), half(vm))!);
  }, { by: 'Q' }),
]; // prettier-ignore

// ---- by element

/** Vm's number has four bits where a lane of 16 bits is chosen. */
const ELEMENTS = [[1, '01 L:1 M:1 Vm:4'], [2, '10 L:1 Vm']] as const; // prettier-ignore

type Same = (b: A64Builder, x: Val, y: Val, size: Size, old: () => Val) => Val;

/** Name, U, opcode, operation, whether there is a scalar form. */
const SAME: readonly [string, 0 | 1, string, Same, boolean][] = [
  ['mla', 1, '0000', (b, x, y, size, old) => lanes(b, size, 'add', old(), multiply(b, size, x, y)), false],
  ['mls', 1, '0100', (b, x, y, size, old) => lanes(b, size, 'sub', old(), multiply(b, size, x, y)), false],
  ['mul', 0, '1000', (b, x, y, size) => multiply(b, size, x, y), false],
  ['sqdmulh', 0, '1100', (b, x, y, size) => doublingHigh(b, size, false, x, y), true],
  ['sqrdmulh', 0, '1101', (b, x, y, size) => doublingHigh(b, size, true, x, y), true],
]; // prettier-ignore
const WIDE: readonly [string, 0 | 1, string, Widening, boolean][] = [
  ['smlal', 0, '0010', product('s', 'add'), false], ['umlal', 1, '0010', product('u', 'add'), false],
  ['smlsl', 0, '0110', product('s', 'sub'), false], ['umlsl', 1, '0110', product('u', 'sub'), false],
  ['smull', 0, '1010', product('s'), false], ['umull', 1, '1010', product('u'), false],
  ['sqdmlal', 0, '0011', doubled('add'), true], ['sqdmlsl', 0, '0111', doubled('sub'), true], ['sqdmull', 0, '1011', doubled(), true],
]; // prettier-ignore

const byElement: readonly Definition[] = ELEMENTS.flatMap(([size, field]) => {
  const element = (b: A64Builder, vm: Reg): Val =>
    b.loadRegAt(`v128.load${width(size)}_splat`, vm, b.small());
  const make = (
    name: string,
    U: number,
    opcode: string,
    scalar: boolean,
    f: (b: A64Builder, vd: Reg, vn: Reg, y: Val, s: Shape) => void,
  ): Definition[] => [
    insn(`${name} (${width(size)}-bit element)`, `0 Q ${U} 01111 ${field} ${opcode} H:1 0 Vn Vd`, 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
      f(b, vd, vn, element(b, vm), { size, q: b.f['Q'] as 0 | 1 });
    }, { by: 'Q', small: 'element' }),
    ...(scalar
      ? [insn(`${name} (scalar, ${width(size)}-bit element)`, `01 ${U} 11111 ${field} ${opcode} H:1 0 Vn Vd`, 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
          f(b, vd, vn, element(b, vm), { size, q: -1 });
        }, { small: 'element' })]
      : []),
  ]; // prettier-ignore
  return [
    ...SAME.flatMap(([name, U, opcode, f, scalar]) =>
      make(name, U, opcode, scalar, (b, vd, vn, y, s) => {
        write(b, vd, f(b, read(b, vn, s), y, s.size, () => read(b, vd, s)), s);
      })),
    ...WIDE.flatMap(([name, U, opcode, f, scalar]) =>
      make(name, U, opcode, scalar, (b, vd, vn, y, s) => {
        if (s.q < 0) wideningScalar(b, f, s.size, vd, read(b, vn, s), y);
        else widening(b, f, s.size, s.q, vd, readHalf(b, vn, s.q), y);
      })),
  ]; // prettier-ignore
});

export const simdWide: readonly Definition[] = [...different, ...highNarrow, ...polynomials, ...byElement];

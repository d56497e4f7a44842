/** AdvSIMD copies, immediates, permutations and table look-ups. Arm ARM C4.1.96. */
import type { Val } from '../../../builder.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition, type Fields, type Reg } from '../define.ts';
import { LANES, listed, pick, read, vectorShape, width, write, type Shape, type Size } from './simd-lanes.ts';
import { wholeRegister } from './simd-arith.ts';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

const SIZES = [0, 1, 2, 3] as const;

/** imm5 of a lane of a size: the index, then a one. */
const lane = (size: Size): string => `index:${4 - size} ${'1'.padEnd(size + 1, '0')}`;
const NAMES = 'bhsd';
const full = (size: Size, f: Fields): Shape => ({ size, q: f['Q'] as 0 | 1 });

/** The lane at a byte offset in every lane. */
const splatLane = (b: A64Builder, size: Size, r: Reg, at: Val): Val =>
  b.loadRegAt(`v128.load${width(size)}_splat`, r, at);

const loadLane = (b: A64Builder, size: Size, r: Reg, at: Val): Val =>
  b.loadRegAt(size === 3 ? 'i64.load' : `i64.load${width(size)}_u`, r, at);
const copies: readonly Definition[] = SIZES.flatMap((size) => [
  insn(`dup ${NAMES[size]} (element)`, `0 Q 0 01110000 ${lane(size)} 0 0000 1 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
    write(b, vd, splatLane(b, size, vn, b.small()), full(size, b.f));
  }, { by: 'Q', small: 'lane', where: (f) => size < 3 || f['Q'] === 1 }),
  insn(`dup ${NAMES[size]} (scalar)`, `01 0 11110000 ${lane(size)} 0 0000 1 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
    b.setLow(vd, loadLane(b, size, vn, b.small()), 64);
  }, { small: 'lane' }),
  insn(`dup ${NAMES[size]} (general)`, `0 Q 0 01110000 ${lane(size)} 0 0001 1 Rn Vd`, 'w:Vd r:Rn', (b, vd, rn) => {
    const v = b.x(rn);
    write(b, vd, b.op(`${LANES[size]}.splat`, size === 3 ? v : b.wrap(v)), full(size, b.f));
  }, { by: 'Q', where: (f) => size < 3 || f['Q'] === 1 }),
  insn(`ins ${NAMES[size]} (general)`, `0 1 0 01110000 ${lane(size)} 0 0011 1 Rn Vd`, 'w:Vd r:Rn', (b, vd, rn) => {
    const v = b.x(rn);
    b.setV(vd, b.lane(`${LANES[size]}.replace_lane`, b.f['index'], b.v(vd), size === 3 ? v : b.wrap(v)));
  }, { by: 'index' }),
  insn(`ins ${NAMES[size]} (element)`, `0 1 1 01110000 ${lane(size)} 0 imm4:4 1 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
    const n = 16 >> size;
    const order = range(n).map((i) => (i === b.f['index'] ? n : i));
    b.setV(vd, pick(b, size, b.v(vd), splatLane(b, size, vn, b.wrap(b.imm())), order));
  }, { by: 'index', imm: 'sourceLane' }),
  insn(`umov ${NAMES[size]}`, `0 ${size === 3 ? 1 : 0} 0 01110000 ${lane(size)} 0 0111 1 Vn Rd`, 'w:Rd r:Vn', (b, rd, vn) => {
    b.setX(rd, loadLane(b, size, vn, b.small()));
  }, { small: 'lane' }),
  ...(size < 3
    ? [insn(`smov ${NAMES[size]}`, `0 Q 0 01110000 ${lane(size)} 0 0101 1 Vn Rd`, 'w:Rd r:Vn', (b, rd, vn) => {
        b.setX(rd, b.loadRegAt(`i64.load${width(size)}_s`, vn, b.small()), b.f['Q'] ? 64 : 32);
      }, { by: 'Q', small: 'lane', where: (f) => size < 2 || f['Q'] === 1 })]
    : []),
]); // prettier-ignore

const MODIFIED = 'abc:3 cmode:4 01 defgh:5 Vd';
const immediates: readonly Definition[] = [
  // MOVI, MVNI, FMOV: the decoder makes the value.
  insn('movi', `0 Q op:1 0111100000 ${MODIFIED}`, 'w:Vd', (b, vd) => {
    const v = b.imm();
    b.storeReg('i64.store', vd, v);
    b.storeReg('i64.store', vd, b.f['Q'] ? v : b.i64(0), 8);
  }, { by: 'Q', imm: 'simdMove' }),
  ...([0, 1] as const).map((op) =>
    insn(`${op ? 'bic' : 'orr'} (vector, immediate)`, `0 Q ${op} 0111100000 ${MODIFIED}`, 'w:Vd', (b, vd) => {
      const s = full(3, b.f);
      write(b, vd, b.op(op ? 'v128.andnot' : 'v128.or', read(b, vd, s), b.op('i64x2.splat', b.imm())), s);
    }, { by: 'Q', imm: 'simdLogical' })),
]; // prettier-ignore

/** Which lanes a permutation takes: n lanes, part 0 or 1; those of the second operand from `second` on. */
type Permutation = (n: number, part: number, second: number) => number[];
const PERMUTATIONS: readonly [string, string, Permutation][] = [
  ['uzp', '01', (n, part, second) => range(n).map((i) => (2 * i < n ? 2 * i + part : second + 2 * i - n + part))],
  ['trn', '10', (n, part, second) => range(n).map((i) => (i & 1 ? second : 0) + (i & ~1) + part)],
  ['zip', '11', (n, part, second) => range(n).map((i) => (i & 1 ? second : 0) + (i >> 1) + (part * n) / 2)],
]; // prettier-ignore

const permutations: readonly Definition[] = PERMUTATIONS.flatMap(([name, opcode, order]) =>
  ([0, 1] as const).map((part) =>
    insn(`${name}${part + 1}`, `0 Q 001110 size:2 0 Vm 0 ${part}${opcode} 10 Vn Vd`, 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
      const s = vectorShape(b.f);
      const all = 16 >> s.size;
      write(b, vd, pick(b, s.size, read(b, vn, s), read(b, vm, s), order(s.q ? all : all / 2, part, all)), s);
    }, { by: 'Q size', where: wholeRegister }),
  ),
); // prettier-ignore

const extract = insn('ext', '0 Q 101110 00 0 Vm 0 imm4:4 0 Vn Vd', 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
  const n = b.f['Q'] ? 16 : 8;
  const from = b.f['imm4'];
  const bytes = range(n).map((i) => (from + i < n ? from + i : 16 + from + i - n));
  const s = full(0, b.f);
  write(b, vd, pick(b, 0, read(b, vn, s), read(b, vm, s), bytes), s);
}, { by: 'Q imm4', where: (f) => f['Q'] === 1 || f['imm4'] < 8 }); // prettier-ignore

/** A swizzle's lanes past the sixteenth read as zero: one for each register of the table. */
const tables: readonly Definition[] = (['tbl', 'tbx'] as const).map((name, op) =>
  insn(name, `0 Q 001110 00 0 Vm 0 len:2 ${op} 00 Vn Vd`, 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
    const s = full(0, b.f);
    const index = read(b, vm, s);
    const registers = b.f['len'] + 1;
    let r = b.op('i8x16.swizzle', b.v(vn), index);
    for (let i = 1; i < registers; i++) {
      const rest = b.op('i8x16.sub', index, b.op('i8x16.splat', b.i32(16 * i)));
      r = b.op('v128.or', r, b.op('i8x16.swizzle', b.v(listed(vn, i)), rest));
    }
    if (op) {
      const inside = b.op('i8x16.lt_u', index, b.op('i8x16.splat', b.i32(16 * registers)));
      r = b.op('v128.bitselect', r, read(b, vd, s), inside);
    }
    write(b, vd, r, s);
  }, { by: 'Q len' }),
); // prettier-ignore

export const simdMove: readonly Definition[] = [
  ...copies,
  ...immediates,
  ...permutations,
  extract,
  ...tables,
];

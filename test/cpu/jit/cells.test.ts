/** Registers in locals: loads and stores of every shape at every place do what they do to the state in memory. */
import { describe, expect, it } from 'vitest';
import { A64_CELLS } from '../../../cpu/jit/a64-region-builder.ts';
import { Arithmetic, Cells, type CellLayout } from '../../../cpu/jit/cells.ts';
import { X86_CELLS } from '../../../cpu/jit/x86-region-builder.ts';
import { STATE } from '../../../cpu/layout.ts';
import { Fn, type Val } from '../../../cpu/wasm/function.ts';
import { ModuleWriter } from '../../../cpu/wasm/module.ts';
import { Random } from '../../support/random.ts';

interface Shape {
  readonly name: string;
  readonly bytes: number;
  readonly type: Val['type'];
}
const shape = (name: string, bytes: number): Shape => ({
  name,
  bytes,
  type: name.split('.')[0] as Val['type'],
});
const NARROW = ['8', '16', '32'];
const LOADS_GENERAL = [
  shape('i64.load', 8), shape('f64.load', 8), shape('i32.load', 4),
  ...NARROW.flatMap((n) => ['u', 's'].map((s) => shape(`i64.load${n}_${s}`, Number(n) / 8))),
  ...['8', '16'].flatMap((n) => ['u', 's'].map((s) => shape(`i32.load${n}_${s}`, Number(n) / 8))),
]; // prettier-ignore
const LOADS_VECTOR = [
  ...LOADS_GENERAL, shape('v128.load', 16), shape('f32.load', 4),
  ...[32, 64].map((n) => shape(`v128.load${n}_zero`, n / 8)),
  ...[8, 16, 32, 64].map((n) => shape(`v128.load${n}_splat`, n / 8)),
]; // prettier-ignore
const STORES_GENERAL = [
  shape('i64.store', 8), shape('f64.store', 8), shape('i32.store', 4), shape('i32.store8', 1), shape('i32.store16', 2),
  ...NARROW.map((n) => shape(`i64.store${n}`, Number(n) / 8)),
]; // prettier-ignore
const STORES_VECTOR = [...STORES_GENERAL, shape('v128.store', 16), shape('f32.store', 4)];
const I32 = [shape('i32.load', 4), shape('i64.load32_u', 4), shape('i64.load32_s', 4)];
const I32_STORES = [shape('i32.store', 4), shape('i64.store32', 4)];

const SOURCE = 64;
const OUT = 16384;
const STORES: Readonly<Record<string, string>> = { i32: 'i32.store', i64: 'i64.store', f32: 'f32.store', f64: 'f64.store', v128: 'v128.store' }; // prettier-ignore

/** The same accesses through cells or to memory alone; what loads give goes to OUT. */
function program(layout: CellLayout, seed: number, through: boolean): Uint8Array {
  const r = new Random(seed);
  const fn = new Fn(['i32'], 'i32');
  const b = new Arithmetic(fn);
  const cells = new Cells(fn, layout);
  const zero = fn.konst('i32', 0);
  let out = OUT;
  const access = (): void => {
    const cell = r.pick(layout.cells);
    const vector = cell.type === 'v128';
    const store = r.chance(0.5);
    const s = r.pick(
      cell.type === 'i32'
        ? store ? I32_STORES : I32
        : vector ? (store ? STORES_VECTOR : LOADS_VECTOR) : store ? STORES_GENERAL : LOADS_GENERAL,
    ); // prettier-ignore
    const size = { i32: 4, i64: 8, v128: 16 }[cell.type];
    const at = cell.offset + s.bytes * r.below(size / s.bytes);
    if (store) {
      const value = fn.op(
        s.type === 'v128' ? 'v128.load' : `${s.type}.load`,
        [zero],
        SOURCE + 8 * r.below(16),
      );
      if (through) expect(cells.store(s.name, at, value), s.name).toBe(true);
      else fn.effect(s.name, [zero, value], STATE + at);
      return;
    }
    const value = through ? cells.load(s.name, at)! : fn.op(s.name, [zero], STATE + at);
    fn.effect(STORES[value.type], [zero, value], (out += 16));
  };
  const some = (depth: number): void => {
    for (let n = 4 + r.below(8); n > 0; n--) {
      const kind = r.below(depth < 3 ? 10 : 6);
      const bit = fn.op('i32.and', [
        fn.op('i32.shr_u', [fn.param(0), fn.konst('i32', r.below(16))]),
        fn.konst('i32', 1),
      ]);
      if (kind < 6) access();
      else if (kind < 8)
        cells.nested(false, (alternative) => {
          fn.if(
            bit,
            () => some(depth + 1),
            () => {
              alternative();
              some(depth + 1);
            },
          );
        });
      else if (kind === 8) {
        const left = fn.var('i32', fn.konst('i32', 2));
        cells.nested(true, () => {
          fn.loop((again) => {
            some(depth + 1);
            fn.set(left, b.sub(fn.get(left), 1));
            fn.brIf(again, fn.get(left));
          });
        });
      } else if (through)
        cells.through(() => {
          const [first] = layout.cells;
          fn.effect('i32.store', [zero, fn.konst('i32', 77)], STATE + first.offset);
        });
      else fn.effect('i32.store', [zero, fn.konst('i32', 77)], STATE + layout.cells[0].offset);
    }
  };
  some(0);
  if (through) {
    cells.forget();
    cells.spill();
    fn.prologue(() => {
      cells.fill();
    });
  }
  fn.return(zero);
  const module = new ModuleWriter();
  module.define(module.declare('f', ['i32'], 'i32'), fn);
  module.export('f', 0);
  return module.encode(4, 4);
}

function run(bytes: Uint8Array, seed: number, argument: number): Buffer {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 4 });
  const u8 = new Uint8Array(memory.buffer);
  const r = new Random(seed ^ 0x5555);
  for (let i = 0; i < SOURCE + 160; i++) u8[i] = r.below(256);
  for (let i = STATE; i < STATE + 2048; i++) u8[i] = r.below(256);
  const table = new WebAssembly.Table({ initial: 1, element: 'anyfunc' });
  const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  (new WebAssembly.Instance(module, { env: { memory, table } }).exports['f'] as (n: number) => number)(
    argument,
  );
  return Buffer.from(u8);
}

describe.each([
  ['x86_64', X86_CELLS],
  ['aarch64', A64_CELLS],
])('the cells of %s', (_, layout) => {
  it('hold what memory would', () => {
    for (let seed = 1; seed <= 80; seed++) {
      const [inCells, inMemory] = [program(layout, seed, true), program(layout, seed, false)];
      for (const argument of [0, 0xffff, 0x5a5a ^ seed]) {
        const [a, b] = [run(inCells, seed, argument), run(inMemory, seed, argument)];
        for (let i = 0; i < a.length; i++)
          if (a[i] !== b[i]) expect(`seed ${seed}, byte ${i}: ${a[i]}`).toBe(`${b[i]}`);
      }
    }
  });

  it('do not overlap, and nothing may lie in two', () => {
    const taken = new Set<number>();
    for (const c of layout.cells)
      for (let i = 0; i < { i32: 4, i64: 8, v128: 16 }[c.type]; i++) {
        expect(taken.has(c.offset + i)).toBe(false);
        taken.add(c.offset + i);
      }
    const [first] = layout.cells;
    expect(() => layout.find(first.offset + 4, 8)).toThrow('two cells');
    expect(layout.find(first.offset, 8)).toBe(0);
    expect(layout.find(layout.end, 8)).toBe(-1);
  });
});

/** Functions under construction: random statements over shared values compute what a model of them does. */
import { describe, expect, it } from 'vitest';
import { Fn, type Label, type Val, type Var } from '../../../cpu/wasm/function.ts';
import { ModuleWriter } from '../../../cpu/wasm/module.ts';
import { Random } from '../../support/random.ts';

type Type = 'i32' | 'i64';
/** What a statement did: a label it left for, or null: it went on. */
type Way = Label | null;
type Step = () => Way;

const wrap = (type: Type, v: bigint): bigint => BigInt.asUintN(type === 'i32' ? 32 : 64, v);
const signed = (type: Type, v: bigint): bigint => BigInt.asIntN(type === 'i32' ? 32 : 64, v);
const BINARY: Readonly<Record<string, (x: bigint, y: bigint, t: Type) => bigint>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  shl: (x, y, t) => x << (y & (t === 'i32' ? 31n : 63n)),
  shr_u: (x, y, t) => x >> (y & (t === 'i32' ? 31n : 63n)),
  shr_s: (x, y, t) => signed(t, x) >> (y & (t === 'i32' ? 31n : 63n)),
};
const COMPARE: Readonly<Record<string, (x: bigint, y: bigint, t: Type) => boolean>> = {
  eq: (x, y) => x === y,
  lt_u: (x, y) => x < y,
  ge_s: (x, y, t) => signed(t, x) >= signed(t, y),
};
const CELLS = 16;

/** One random function and its model. */
class Maker {
  readonly fn = new Fn(['i32', 'i64'], 'i64');
  private readonly r: Random;
  /** The model's values, variables and memory. */
  private readonly values = new Map<Val, bigint>();
  private readonly vars: { readonly v: Var; readonly type: Type; value: bigint }[] = [];
  private readonly params: bigint[] = [0n, 0n];
  memory: BigUint64Array = new BigUint64Array(CELLS);
  private budget = 60;
  private steps = 0;

  constructor(seed: number) {
    this.r = new Random(seed);
  }

  make(): (a: number, b: bigint, memory: BigUint64Array) => bigint {
    const { fn } = this;
    const params = [fn.param(0), fn.param(1)];
    for (let i = 0; i < 4; i++) {
      const type = i % 2 ? 'i64' : 'i32';
      this.vars.push({ v: fn.var(type), type, value: 0n });
    }
    const scope = [...params];
    const body = this.list(scope, [], 0);
    let sum = fn.konst('i64', 0);
    const wide = (v: Val): Val => (v.type === 'i32' ? fn.op('i64.extend_i32_u', [v]) : v);
    for (const v of [...this.vars.map((x) => fn.get(x.v)), ...scope])
      sum = fn.op('i64.add', [fn.op('i64.mul', [sum, fn.konst('i64', 31)]), wide(v)]);
    fn.return(sum);
    const last = [...scope];
    return (a, b, memory) => {
      this.memory = memory;
      this.values.clear();
      this.params[0] = wrap('i32', BigInt(a));
      this.params[1] = wrap('i64', b);
      for (const x of this.vars) x.value = 0n;
      this.steps = 0;
      for (const s of body) s();
      let total = 0n;
      for (const v of [...this.vars.map((x) => x.value), ...last.map((v) => this.value(v))])
        total = wrap('i64', total * 31n + v);
      return total;
    };
  }

  private value(v: Val): bigint {
    if (v.op === 'param') return this.params[v.imm as number];
    if (v.op === 'const') return wrap(v.type as Type, BigInt(v.imm as number | bigint));
    return this.values.get(v)!;
  }

  /** A value of the type that is known here. */
  private pick(scope: readonly Val[], type: Type): Val {
    const fits = scope.filter((v) => v.type === type);
    if (fits.length === 0 || this.r.chance(0.15)) return this.fn.konst(type, this.r.below(100));
    // Old ones too: they live longest.
    return this.r.chance(0.4) ? fits[this.r.below(Math.min(3, fits.length))] : this.r.pick(fits);
  }

  private list(scope: Val[], labels: readonly Label[], depth: number): Step[] {
    const steps: Step[] = [];
    for (let n = 2 + this.r.below(7); n > 0 && this.budget > 0; n--)
      steps.push(this.statement(scope, labels, depth));
    return steps;
  }

  private run(steps: readonly Step[]): Way {
    for (const s of steps) {
      const way = s();
      if (way) return way;
    }
    return null;
  }

  private statement(scope: Val[], labels: readonly Label[], depth: number): Step {
    const { fn, r } = this;
    this.budget--;
    const type = r.pick(['i32', 'i64'] as const);
    const define = (v: Val, f: () => bigint): Step => {
      scope.push(v);
      return () => {
        this.values.set(v, wrap(v.type as Type, f()));
        return null;
      };
    };
    const kind = r.below(depth < 4 ? 17 : 11);
    if (kind < 4) {
      const name = r.pick(Object.keys(BINARY));
      const [x, y] = [this.pick(scope, type), this.pick(scope, type)];
      return define(fn.op(`${type}.${name}`, [x, y]), () => BINARY[name](this.value(x), this.value(y), type));
    }
    const x = r.pick(this.vars);
    switch (kind) {
      case 4: {
        const name = r.pick(Object.keys(COMPARE));
        const [a, b] = [this.pick(scope, type), this.pick(scope, type)];
        return define(fn.op(`${type}.${name}`, [a, b]), () =>
          COMPARE[name](this.value(a), this.value(b), type) ? 1n : 0n,
        );
      }
      case 5: {
        const [c, a, b] = [this.pick(scope, 'i32'), this.pick(scope, type), this.pick(scope, type)];
        return define(fn.select(c, a, b), () => (this.value(c) !== 0n ? this.value(a) : this.value(b)));
      }
      case 6:
        return define(fn.get(x.v), () => x.value);
      case 7: {
        const v = this.pick(scope, x.type);
        fn.set(x.v, v);
        return () => {
          x.value = this.value(v);
          return null;
        };
      }
      case 8: {
        const at = this.pick(scope, 'i32');
        const place = fn.op('i32.shl', [
          fn.op('i32.and', [at, fn.konst('i32', CELLS - 1)]),
          fn.konst('i32', 3),
        ]);
        return define(fn.op('i64.load', [place]), () => this.memory[Number(this.value(at) & 15n)]);
      }
      case 9: {
        const [at, v] = [this.pick(scope, 'i32'), this.pick(scope, 'i64')];
        const place = fn.op('i32.shl', [
          fn.op('i32.and', [at, fn.konst('i32', CELLS - 1)]),
          fn.konst('i32', 3),
        ]);
        fn.effect('i64.store', [place, v]);
        return () => {
          this.memory[Number(this.value(at) & 15n)] = this.value(v);
          return null;
        };
      }
      case 10: {
        if (labels.length === 0) return () => null;
        const label = r.pick(labels);
        const c = this.pick(scope, 'i32');
        const odd = fn.op('i32.and', [c, fn.konst('i32', 1)]);
        fn.brIf(label, odd);
        return () => (this.value(c) & 1n ? label : null);
      }
      case 11:
      case 12: {
        const c = this.pick(scope, 'i32');
        let [then, otherwise]: Step[][] = [[], []];
        const both = r.chance(0.6);
        fn.if(
          c,
          () => (then = this.list([...scope], labels, depth + 1)),
          both ? () => (otherwise = this.list([...scope], labels, depth + 1)) : undefined,
        );
        return () => this.run(this.value(c) !== 0n ? then : otherwise);
      }
      case 13: {
        let body: Step[] = [];
        let exit!: Label;
        fn.block((label) => {
          exit = label;
          body = this.list([...scope], [...labels, label], depth + 1);
        });
        return () => {
          const way = this.run(body);
          return way === exit ? null : way;
        };
      }
      case 14: {
        const index = this.pick(scope, 'i32');
        const few = fn.op('i32.and', [index, fn.konst('i32', 3)]);
        const cases: Step[][] = [];
        let otherwise: Step[] = [];
        fn.switch(
          few,
          [0, 1].map((i) => () => (cases[i] = this.list([...scope], labels, depth + 1))),
          () => (otherwise = this.list([...scope], labels, depth + 1)),
        );
        return () => this.run(cases[Number(this.value(index) & 3n)] ?? otherwise);
      }
      default: {
        // A counted loop, which `continue`s at its end alone.
        const counter = fn.var('i32', fn.konst('i32', 1 + r.below(4)));
        const rounds = 1 + r.below(4);
        fn.set(counter, fn.konst('i32', rounds));
        let body: Step[] = [];
        fn.loop((again) => {
          body = this.list([...scope], labels, depth + 1);
          const left = fn.op('i32.sub', [fn.get(counter), fn.konst('i32', 1)]);
          fn.set(counter, left);
          fn.brIf(again, left);
        });
        return () => {
          for (let i = 0; i < rounds; i++) {
            if (++this.steps > 5000) throw new Error('the model runs away');
            const way = this.run(body);
            if (way) return way;
          }
          return null;
        };
      }
    }
  }
}

describe('functions', () => {
  it('random statements do what their model does', () => {
    for (let seed = 1; seed <= 800; seed++) {
      const maker = new Maker(seed);
      const model = maker.make();
      const module = new ModuleWriter();
      const index = module.declare('f', ['i32', 'i64'], 'i64');
      module.define(index, maker.fn);
      module.export('f', index);
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
      const table = new WebAssembly.Table({ initial: 1, element: 'anyfunc' });
      const bytes = module.encode(1, 1) as Uint8Array<ArrayBuffer>;
      const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory, table } });
      const f = instance.exports['f'] as (a: number, b: bigint) => bigint;
      const r = new Random(seed);
      for (let k = 0; k < 5; k++) {
        const [a, b] = [r.u32() | 0, BigInt.asIntN(64, (BigInt(r.u32()) << 32n) | BigInt(r.u32()))];
        const cells = new BigUint64Array(memory.buffer, 0, CELLS);
        cells.forEach((_, i) => (cells[i] = BigInt(r.u32()) * 0x1_0000_0001n));
        const expected = cells.slice();
        const want = model(a, b, expected);
        expect(BigInt.asUintN(64, f(a, b)), `seed ${seed}`).toBe(want);
        expect(cells.slice(), `seed ${seed}`).toEqual(expected);
      }
    }
  });

  it('a value computed before a loop is still there in its next round', () => {
    const fn = new Fn(['i32', 'i64'], 'i64');
    const shared = fn.op('i64.mul', [fn.param(1), fn.konst('i64', 3)]);
    const sum = fn.var('i64');
    const left = fn.var('i32', fn.param(0));
    fn.loop((again) => {
      fn.set(sum, fn.op('i64.add', [fn.get(sum), shared]));
      const other = fn.op('i64.mul', [fn.get(sum), fn.get(sum)]); // wants a temporary
      fn.set(sum, fn.op('i64.sub', [fn.op('i64.add', [fn.get(sum), other]), other]));
      const n = fn.op('i32.sub', [fn.get(left), fn.konst('i32', 1)]);
      fn.set(left, n);
      fn.brIf(again, n);
    });
    fn.return(fn.op('i64.add', [fn.get(sum), shared]));
    const module = new ModuleWriter();
    module.define(module.declare('f', ['i32', 'i64'], 'i64'), fn);
    module.export('f', 0);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const instance = new WebAssembly.Instance(
      new WebAssembly.Module(module.encode(1, 1) as Uint8Array<ArrayBuffer>),
      { env: { memory, table: new WebAssembly.Table({ initial: 1, element: 'anyfunc' }) } },
    );
    expect((instance.exports['f'] as (a: number, b: bigint) => bigint)(5, 7n)).toBe(6n * 21n);
  });
});

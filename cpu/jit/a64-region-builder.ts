/** The compiler's aarch64: register operands by the record's slots. */
import { constantOf, type Val } from '../builder.ts';
import { A64Builder } from '../isa/aarch64/builder.ts';
import type { Fields, Reg } from '../isa/aarch64/define.ts';
import { A } from '../isa/aarch64/layout.ts';
import { SLOTS } from '../interp/a64-handler-builder.ts';
import { CellLayout } from './cells.ts';
import { FLAGS_A, FLAGS_B, FLAGS_C, FLAGS_KIND, KIND, valuesOf, type Flags, type Kind } from './a64-flags.ts';
import { compiled, type RegionContext } from './region-builder.ts';

export const A64_CELLS = new CellLayout([
  ...Array.from({ length: 32 }, (_, i) => ({ offset: A.x + 8 * i, type: 'i64' as const })),
  ...Array.from({ length: 32 }, (_, i) => ({ offset: A.v + 16 * i, type: 'v128' as const })),
], ['i64', 'i64', 'i64', 'i32']); // prettier-ignore

export class A64RegionBuilder extends compiled(A64Builder) {
  readonly context: RegionContext;
  readonly f: Fields;

  constructor(context: RegionContext, fields: Fields) {
    super();
    this.context = context;
    this.f = fields;
  }

  private at(r: Reg): number {
    const offset = this.field(SLOTS[r.slot]);
    return r.behind ? ((offset + 16 * r.behind) & 511) | A.v : offset;
  }
  offset(r: Reg): Val {
    return this.i32(this.at(r));
  }
  loadReg(load: string, r: Reg, at = 0): Val {
    const offset = this.at(r);
    if (offset !== A.zero) return this.getState(load, offset + at);
    return load.startsWith('i64') ? this.i64(0) : this.fn.op(load, [this.i32(0)], 0x1000 + offset);
  }
  storeReg(store: string, r: Reg, value: Val, at = 0): void {
    const offset = this.at(r);
    if (offset !== A.sink) this.setState(store, offset + at, value);
  }
  loadRegAt(load: string, r: Reg, at: Val): Val {
    return this.loadReg(load, r, constant(at));
  }
  storeRegAt(store: string, r: Reg, value: Val, at: Val): void {
    this.storeReg(store, r, value, constant(at));
  }

  // ---- flags

  /** Whatever set them, they are left as values of N, Z and carry. */
  private plainly = false;

  private keep(kind: Kind, bits: number, a: Val, b: Val, c?: Val): void {
    const { cells } = this.context;
    const number = this.i32(KIND[kind] | ((64 - bits) << 4));
    cells.setDerived(FLAGS_A, a);
    if (kind !== 'logic') cells.setDerived(FLAGS_B, b);
    if (c) cells.setDerived(FLAGS_C, c);
    cells.setDerived(FLAGS_KIND, number);
    cells.notes.set(number, { kind, bits, a, b, c: c ?? b } satisfies Flags);
  }

  private get flags(): Flags | null {
    const { cells } = this.context;
    const kind = cells.knownDerived(FLAGS_KIND);
    return kind ? ((cells.notes.get(kind) as Flags | undefined) ?? null) : null;
  }

  override setFlags(n: Val, z: Val, carry: Val): void {
    this.keep('values', 64, n, z, carry);
  }
  override flagsAdd(x: Val, y: Val, sum: Val, bits: number): void {
    if (this.plainly) super.flagsAdd(x, y, sum, bits);
    else this.keep('add', bits, x, y);
  }
  override flagsSub(x: Val, y: Val, difference: Val, bits: number): void {
    if (this.plainly) super.flagsSub(x, y, difference, bits);
    else this.keep('sub', bits, x, y);
  }
  override flagsLogic(result: Val, bits: number): void {
    if (this.plainly) super.flagsLogic(result, bits);
    else this.keep('logic', bits, result, result);
  }
  override flagsEither(cond: Val, then: () => void, otherwise: () => void): void {
    const { cells } = this.context;
    this.plainly = true;
    this.if(cond, then, otherwise);
    this.plainly = false;
    // Both ways left values: what follows may rely on it.
    this.keep('values', 64, cells.derived(FLAGS_A), cells.derived(FLAGS_B), cells.derived(FLAGS_C));
  }

  /** N, Z and carry as the state has them. */
  private values(): { n: Val; z: Val; carry: Val } {
    const { cells } = this.context;
    const { flags } = this;
    if (flags) return valuesOf(this, flags.kind, this.i64(64 - flags.bits), flags.a, flags.b, flags.c);
    const number = cells.derived(FLAGS_KIND);
    const [a, b, c] = [cells.derived(FLAGS_A), cells.derived(FLAGS_B), cells.derived(FLAGS_C)];
    const shift = this.extU(this.shrU(number, 4));
    const kind = this.and(number, 15);
    const [values, sub, add, logic] = (['values', 'sub', 'add', 'logic'] as const).map((k) =>
      valuesOf(this, k, shift, a, b, c),
    );
    const pick = (f: 'n' | 'z' | 'carry'): Val =>
      this.select(
        this.eqz(kind),
        values[f],
        this.select(this.eq(kind, KIND.sub), sub[f], this.select(this.eq(kind, KIND.add), add[f], logic[f])),
      );
    return { n: pick('n'), z: pick('z'), carry: pick('carry') };
  }

  override carry(): Val {
    return this.shrU(this.values().carry, 63);
  }
  override nzcv(): Val {
    const { n, z, carry } = this.values();
    return this.imageOf(n, z, carry);
  }
  override fusedCondition(cc: number): Val {
    return this.condition(cc);
  }
  override condition(cc: number): Val {
    const { flags } = this;
    const even = flags && cc < 14 ? this.compared(flags, cc & ~1) : null;
    if (even) return cc & 1 ? this.eqz(even) : even;
    const { n, z, carry } = this.values();
    return this.test(
      cc,
      () => n,
      () => z,
      () => carry,
    );
  }

  /** An even condition as one comparison; null where that is not enough. */
  private compared({ kind, bits, a, b }: Flags, cc: number): Val | null {
    const cut = (v: Val): Val => (bits === 64 ? v : this.wrap(v));
    if (kind === 'values') return null;
    const x = cut(a);
    if (kind === 'sub') {
      const y = cut(b);
      switch (cc) {
        case 0:
          return this.eq(x, y);
        case 2:
          return this.geU(x, y);
        case 4:
          return this.ltS(this.sub(x, y), 0);
        case 8:
          return this.gtU(x, y);
        case 10:
          return this.geS(x, y);
        case 12:
          return this.gtS(x, y);
        default:
          return null;
      }
    }
    const r = kind === 'add' ? this.add(x, cut(b)) : x;
    if (cc === 0) return this.eqz(r);
    if (cc === 4) return this.ltS(r, 0);
    if (kind === 'add') return cc === 2 ? this.ltU(r, x) : null;
    switch (cc) {
      case 10:
        return this.geS(r, 0);
      case 12:
        return this.gtS(r, 0);
      default:
        return this.i32(0); // C and V are clear
    }
  }
}

function constant(v: Val): number {
  if (v.op !== 'const') throw new Error('a lane number must be in the instruction');
  return Number(constantOf(v));
}

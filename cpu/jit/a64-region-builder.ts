/** The compiler's aarch64: register operands by the record's slots. */
import { constantOf, type Val } from '../builder.ts';
import { A64Builder } from '../isa/aarch64/builder.ts';
import type { Fields, Reg } from '../isa/aarch64/define.ts';
import { A } from '../isa/aarch64/layout.ts';
import { SLOTS } from '../interp/a64-handler-builder.ts';
import { CellLayout } from './cells.ts';
import { compiled, type RegionContext } from './region-builder.ts';

export const A64_CELLS = new CellLayout([
  ...Array.from({ length: 32 }, (_, i) => ({ offset: A.x + 8 * i, type: 'i64' as const })),
  { offset: A.n, type: 'i64' },
  { offset: A.z, type: 'i64' },
  { offset: A.carry, type: 'i64' },
  ...Array.from({ length: 32 }, (_, i) => ({ offset: A.v + 16 * i, type: 'v128' as const })),
], []); // prettier-ignore

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
}

function constant(v: Val): number {
  if (v.op !== 'const') throw new Error('a lane number must be in the instruction');
  return Number(constantOf(v));
}

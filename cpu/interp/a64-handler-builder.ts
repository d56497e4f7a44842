/** The interpreter's aarch64: register operands by the record's slots. */
import { A64Builder } from '../isa/aarch64/builder.ts';
import type { Fields, Reg } from '../isa/aarch64/define.ts';
import { A } from '../isa/aarch64/layout.ts';
import { R, STATE } from '../layout.ts';
import type { Val } from '../wasm/function.ts';
import { interpreted, type HandlerContext } from './handler-builder.ts';

/** Where a record keeps the offsets of its register operands. */
export const SLOTS = [R.r1, R.r2, R.base, R.index] as const;

export class A64HandlerBuilder extends interpreted(A64Builder) {
  readonly context: HandlerContext;
  readonly f: Fields;

  constructor(context: HandlerContext, fields: Fields) {
    super();
    this.context = context;
    this.f = fields;
  }

  offset(r: Reg): Val {
    const offset = this.rawLoad('i32.load16_u', this.rec, SLOTS[r.slot]);
    if (r.behind === undefined || r.behind === 0) return offset;
    // A.v is a multiple of the vector registers' 512 bytes.
    return this.or(this.and(this.add(offset, 16 * r.behind), 511), A.v);
  }
  loadReg(load: string, r: Reg, at = 0): Val {
    return this.rawLoad(load, this.offset(r), STATE + at);
  }
  storeReg(store: string, r: Reg, value: Val, at = 0): void {
    this.rawStore(store, this.offset(r), value, STATE + at);
  }
  loadRegAt(load: string, r: Reg, at: Val): Val {
    return this.rawLoad(load, this.add(this.offset(r), at), STATE);
  }
  storeRegAt(store: string, r: Reg, value: Val, at: Val): void {
    this.rawStore(store, this.add(this.offset(r), at), value, STATE);
  }
}

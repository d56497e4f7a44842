/** The interpreter's aarch64: register operands by the record's slots. */
import { A64Builder } from '../isa/aarch64/builder.ts';
import type { Fields, Reg } from '../isa/aarch64/define.ts';
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
    return this.rawLoad('i32.load16_u', this.rec, SLOTS[r.slot]);
  }
  loadReg(load: string, r: Reg, at = 0): Val {
    return this.rawLoad(load, this.offset(r), STATE + at);
  }
  storeReg(store: string, r: Reg, value: Val, at = 0): void {
    this.rawStore(store, this.offset(r), value, STATE + at);
  }
}

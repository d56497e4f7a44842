/** The interpreter's x86_64: registers and memory operands by the record's fields. */
import { X86Builder, type Operand } from '../isa/x86_64/builder.ts';
import { R, STATE } from '../layout.ts';
import type { Val } from '../wasm/function.ts';
import { interpreted, type HandlerContext } from './handler-builder.ts';

const SIMD_WIDTH: Readonly<Record<number, string>> = {
  8: 'v128.load8_splat',
  16: 'v128.load16_splat',
  32: 'v128.load32_zero',
  64: 'v128.load64_zero',
  128: 'v128.load',
};

export class X86HandlerBuilder extends interpreted(X86Builder) {
  readonly bits: number;
  readonly context: HandlerContext;
  private readonly addresses = new Map<Operand, Val>();
  /** Linear address of a read-write memory operand. */
  private readonly linear = new Map<Operand, Val>();

  constructor(context: HandlerContext, bits: number) {
    super();
    this.context = context;
    this.bits = bits;
  }

  private slot(o: Operand): Val {
    return this.rawLoad('i32.load16_u', this.rec, o.slot === 1 ? R.r1 : R.r2);
  }
  regOffset(o: Operand): Val {
    return this.slot(o);
  }
  loadReg(load: string, o: Operand, at: Val): Val {
    return this.rawLoad(load, this.add(this.slot(o), at), STATE);
  }
  storeReg(store: string, o: Operand, value: Val, at: Val): void {
    this.rawStore(store, this.add(this.slot(o), at), value, STATE);
  }

  ea(o: Operand): Val {
    const known = this.addresses.get(o);
    if (known) return known;
    const base = this.rawLoad('i64.load', this.rawLoad('i32.load16_u', this.rec, R.base), STATE);
    let address = this.add(base, this.rawLoad('i64.load', this.rec, R.disp));
    if (o.indexed) {
      const index = this.rawLoad('i64.load', this.rawLoad('i32.load16_u', this.rec, R.index), STATE);
      address = this.add(address, this.shl(index, this.rawLoad('i64.load8_u', this.rec, R.scale)));
    }
    this.addresses.set(o, address);
    return address;
  }

  private place(o: Operand, access: 'r' | 'w'): Val {
    const known = this.linear.get(o);
    if (known) return known;
    const address = this.ea(o);
    if (o.aligned) this.raiseIf(this.nez(this.and(this.wrap(address), 15)), 'protection');
    const at = this.translate(address, Math.max(o.bits / 8, 1), o.access === 'rw' ? 'w' : access);
    this.linear.set(o, at);
    return at;
  }

  read(o: Operand): Val {
    const load = o.bits === 64 ? 'i64.load' : `i64.load${o.bits}_u`;
    switch (o.kind) {
      case 'imm':
      case 'rel':
        return this.imm();
      case 'mem':
        return this.rawLoad(load, this.place(o, 'r'));
      default:
        return this.rawLoad(load, this.slot(o), STATE);
    }
  }

  write(o: Operand, value: Val): void {
    const store = o.bits === 64 ? 'i64.store' : `i64.store${o.bits}`;
    if (o.kind === 'mem') {
      this.rawStore(store, this.place(o, 'w'), value);
      return;
    }
    if (o.bits === 32 && o.kind === 'reg')
      this.rawStore('i64.store', this.slot(o), this.zext(value, 32), STATE);
    else this.rawStore(store, this.slot(o), value, STATE);
  }

  readXmm(o: Operand): Val {
    if (o.kind === 'mem') {
      if (o.bits === 8 || o.bits === 16) {
        const v = this.rawLoad(`i32.load${o.bits}_u`, this.place(o, 'r'));
        return this.lane('i32x4.replace_lane', 0, this.v128(new Uint8Array(16)), v);
      }
      return this.rawLoad(SIMD_WIDTH[o.bits], this.place(o, 'r'));
    }
    return this.rawLoad('v128.load', this.slot(o), STATE);
  }

  writeXmm(o: Operand, value: Val): void {
    if (o.kind === 'mem') {
      const at = this.place(o, 'w');
      if (o.bits === 128) this.rawStore('v128.store', at, value);
      else this.fn.effect(`v128.store${o.bits}_lane`, [at, value], 0, 0);
      return;
    }
    this.rawStore('v128.store', this.slot(o), value, STATE);
  }

  readMmx(o: Operand): Val {
    if (o.kind === 'mem')
      return this.rawLoad(o.bits === 32 ? 'i64.load32_u' : 'i64.load', this.place(o, 'r'));
    return this.rawLoad('i64.load', this.slot(o), STATE);
  }

  writeMmx(o: Operand, value: Val): void {
    if (o.kind === 'mem') {
      this.rawStore(o.bits === 32 ? 'i64.store32' : 'i64.store', this.place(o, 'w'), value);
      return;
    }
    const at = this.slot(o);
    this.rawStore('i64.store', at, value, STATE);
    this.rawStore('i32.store16', at, this.i32(0xffff), STATE + 8); // MMX writes set the exponent to ones, SDM vol. 1, 9.2
  }

  stringSegment(): Val {
    return this.rawLoad('i64.load', this.rawLoad('i32.load16_u', this.rec, R.base), STATE);
  }
}

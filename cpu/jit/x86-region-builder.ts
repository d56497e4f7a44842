/** The compiler's x86_64: operands by the record's fields, flags as the operands they come from. */
import { constantOf, type Val } from '../builder.ts';
import { ARITH_FLAGS, X86Builder, type Operand } from '../isa/x86_64/builder.ts';
import { R, S } from '../layout.ts';
import { CellLayout } from './cells.ts';
import { compiled, type RegionContext } from './region-builder.ts';

export const X86_CELLS = new CellLayout([
  ...Array.from({ length: 16 }, (_, i) => ({ offset: S.gpr + 8 * i, type: 'i64' as const })),
  { offset: S.tmp, type: 'i64' },
  { offset: S.ccResult, type: 'i64' },
  { offset: S.ccCarry, type: 'i64' },
  { offset: S.ccOp, type: 'i32' },
  ...Array.from({ length: 16 }, (_, i) => ({ offset: S.xmm + 16 * i, type: 'v128' as const })),
]);

const SIMD_LOAD: Readonly<Record<number, string>> = {
  32: 'v128.load32_zero',
  64: 'v128.load64_zero',
  128: 'v128.load',
};

/** Whether a host function reads or writes cells. */
export function x86HostUsesCells(name: string, args: readonly Val[]): boolean {
  if (name !== 'x87') return name === 'cpuid';
  const [op] = args;
  if (op.op !== 'const') return true;
  const n = Number(op.imm);
  return n >= 0x800 || ((n & 0xc0) === 0xc0 && X87_BEYOND.has(n >> 8));
}

/** x87 instructions that work on general registers or flags too: FCMOV, FCOMI, FSTSW AX (their ESC opcodes − D8). */
const X87_BEYOND = new Set([2, 3, 7]);

export class X86RegionBuilder extends compiled(X86Builder) {
  readonly context: RegionContext;
  readonly bits: number;
  private readonly addresses = new Map<Operand, Val>();
  /** Linear address of a read-write memory operand. */
  private readonly linear = new Map<Operand, Val>();

  constructor(context: RegionContext, bits: number) {
    super();
    this.context = context;
    this.bits = bits;
  }

  private slot(o: Operand): number {
    return this.field(o.slot === 1 ? R.r1 : R.r2);
  }
  regOffset(o: Operand): Val {
    return this.i32(this.slot(o));
  }
  loadReg(load: string, o: Operand, at: Val): Val {
    return this.getState(load, this.slot(o) + Number(constantOf(at)));
  }
  storeReg(store: string, o: Operand, value: Val, at: Val): void {
    this.setState(store, this.slot(o) + Number(constantOf(at)), value);
  }

  /** A base or index register, null where there is none. */
  private part(field: number): Val | null {
    const offset = this.field(field);
    return offset === S.zero ? null : this.getState('i64.load', offset);
  }

  /** base + (index << scale) + displacement of the record's fields. */
  private sum(): Val {
    const { view, rec } = this.context;
    const base = this.part(R.base);
    const index = this.part(R.index);
    const scaled = index && this.shl(index, view.getUint8(rec + R.scale));
    const disp = view.getBigInt64(rec + R.disp, true);
    const registers = base && scaled ? this.add(base, scaled) : (base ?? scaled);
    return registers ? this.add(registers, disp) : this.i64(disp);
  }

  /** The preparing record before an instruction: tmp = address + segment, `cut` to 32 bits before. */
  prepare(cut: boolean): void {
    const { view, rec } = this.context;
    let a = cut ? this.and(this.sum(), 0xffffffffn) : null;
    if (!a) {
      // Its displacement is the instruction's.
      const base = this.part(R.base);
      const index = this.part(R.index);
      const scaled = index && this.shl(index, view.getUint8(rec + R.scale));
      a = base && scaled ? this.add(base, scaled) : (base ?? scaled ?? this.i64(0));
    }
    const segment = this.part(R.r1);
    this.setState('i64.store', S.tmp, segment ? this.add(a, segment) : a);
  }

  ea(o: Operand): Val {
    const known = this.addresses.get(o);
    if (known) return known;
    const address = this.sum();
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
        return this.getState(load, this.slot(o));
    }
  }

  write(o: Operand, value: Val): void {
    const store = o.bits === 64 ? 'i64.store' : `i64.store${o.bits}`;
    if (o.kind === 'mem') this.rawStore(store, this.place(o, 'w'), value);
    else if (o.bits === 32 && o.kind === 'reg')
      this.setState('i64.store', this.slot(o), this.zext(value, 32));
    else this.setState(store, this.slot(o), value);
  }

  readXmm(o: Operand): Val {
    if (o.kind !== 'mem') return this.getState('v128.load', this.slot(o));
    if (o.bits === 8 || o.bits === 16) {
      const v = this.rawLoad(`i32.load${o.bits}_u`, this.place(o, 'r'));
      return this.lane('i32x4.replace_lane', 0, this.v128(new Uint8Array(16)), v);
    }
    return this.rawLoad(SIMD_LOAD[o.bits], this.place(o, 'r'));
  }

  writeXmm(o: Operand, value: Val): void {
    if (o.kind !== 'mem') {
      this.setState('v128.store', this.slot(o), value);
      return;
    }
    const at = this.place(o, 'w');
    if (o.bits === 128) this.rawStore('v128.store', at, value);
    else this.fn.effect(`v128.store${o.bits}_lane`, [at, value], 0, 0);
  }

  readMmx(o: Operand): Val {
    const load = o.bits === 32 ? 'i64.load32_u' : 'i64.load';
    return o.kind === 'mem'
      ? this.rawLoad(load, this.place(o, 'r'))
      : this.getState('i64.load', this.slot(o));
  }

  writeMmx(o: Operand, value: Val): void {
    if (o.kind === 'mem') {
      this.rawStore(o.bits === 32 ? 'i64.store32' : 'i64.store', this.place(o, 'w'), value);
      return;
    }
    const at = this.slot(o);
    this.setState('i64.store', at, value);
    this.setState('i32.store16', at + 8, this.i32(0xffff)); // MMX writes set the exponent to ones, SDM vol. 1, 9.2
  }

  stringSegment(): Val {
    return this.part(R.base) ?? this.i64(0);
  }

  override arithFlags(): Val {
    const { cells } = this.context;
    return this.callHelper(
      'flags_image',
      cells.load('i64.load', S.ccResult)!,
      cells.load('i64.load', S.ccCarry)!,
      cells.load('i32.load', S.ccOp)!,
    )!;
  }

  override setArithFlags(image: Val): void {
    this.setState('i64.store', S.ccResult, this.extU(this.and(image, ARITH_FLAGS)));
    this.setState('i32.store', S.ccOp, this.i32(-1));
  }
}

/** The compiler's x86_64: operands by the record's fields, flags as the operands they come from. */
import { constantOf, type Val } from '../builder.ts';
import { ARITH_FLAGS, CF, OF, X86Builder, type Operand } from '../isa/x86_64/builder.ts';
import { R, S } from '../layout.ts';
import { CellLayout } from './cells.ts';
import { compiled, type RegionContext } from './region-builder.ts';
import { FLAGS_A, FLAGS_B, FLAGS_KIND, KIND, type Flags, type Kind } from './x86-flags.ts';

export const X86_CELLS = new CellLayout([
  ...Array.from({ length: 16 }, (_, i) => ({ offset: S.gpr + 8 * i, type: 'i64' as const })),
  { offset: S.tmp, type: 'i64' },
  ...Array.from({ length: 16 }, (_, i) => ({ offset: S.xmm + 16 * i, type: 'v128' as const })),
], ['i64', 'i64', 'i32']); // prettier-ignore

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

  // ---- flags

  private setFlags(kind: Kind, bits: number, a: Val, b: Val): void {
    const { cells } = this.context;
    const number = this.i32(KIND[kind] | (kind === 'image' ? 0 : (64 - bits) << 4));
    cells.setDerived(FLAGS_A, a);
    if (kind !== 'image' && kind !== 'logic') cells.setDerived(FLAGS_B, b);
    cells.setDerived(FLAGS_KIND, number);
    cells.notes.set(number, { kind, bits, a, b } satisfies Flags);
  }

  /** What set the flags, if that is known here. */
  private get flags(): Flags | null {
    const { cells } = this.context;
    const kind = cells.knownDerived(FLAGS_KIND);
    return kind ? ((cells.notes.get(kind) as Flags | undefined) ?? null) : null;
  }

  override setLazy(bits: number, result: Val, carry: Val): void {
    this.setFlags('lazy', bits, result, carry);
  }
  override flagsAdd(x: Val, y: Val, sum: Val, bits: number, carried = false): void {
    if (carried) super.flagsAdd(x, y, sum, bits);
    else this.setFlags('add', bits, x, y);
  }
  override flagsSub(x: Val, y: Val, difference: Val, bits: number, carried = false): void {
    if (carried) super.flagsSub(x, y, difference, bits);
    else this.setFlags('sub', bits, x, y);
  }
  override flagsLogic(result: Val, bits: number): void {
    this.setFlags('logic', bits, result, result);
  }
  override flagsIncDec(x: Val, _result: Val, bits: number, decrement: boolean): void {
    this.setFlags(decrement ? 'dec' : 'inc', bits, x, this.extU(this.carry()));
  }
  override setArithFlags(image: Val): void {
    const v = this.extU(this.and(image, ARITH_FLAGS));
    this.setFlags('image', 64, v, v);
  }
  override arithFlags(): Val {
    const { cells } = this.context;
    const { flags } = this;
    if (flags?.kind === 'image') return this.wrap(flags.a);
    return this.callHelper(
      'flags_of',
      cells.derived(FLAGS_A),
      cells.derived(FLAGS_B),
      cells.derived(FLAGS_KIND),
    )!;
  }
  override setCarry(cf: Val, of?: Val): void {
    const { flags } = this;
    if (!flags || flags.kind === 'image') {
      this.changeFlags(of ? CF | OF : CF, of ? this.or(cf, this.shl(of, 11)) : cf);
      return;
    }
    const { result, carry } = this.lazyOf(flags);
    this.setFlags('lazy', flags.bits, result(), this.withCarry(carry(), cf, of));
  }

  override fusedCondition(cc: number): Val {
    return this.condition(cc);
  }

  override condition(cc: number): Val {
    const { flags } = this;
    const even = cc & ~1;
    const v = !flags
      ? this.rawCondition(even, this.arithFlags())
      : flags.kind === 'image'
        ? this.rawCondition(even, this.wrap(flags.a))
        : (this.compared(flags, even) ?? this.computed(flags, even));
    return cc & 1 ? this.eqz(v) : v;
  }

  /** CF. Without a call where the flags are not known: INC and DEC ask for it, and mostly nobody asks them. */
  override carry(): Val {
    if (this.flags) return this.condition(2);
    const { cells } = this.context;
    const [a, b, number] = [cells.derived(FLAGS_A), cells.derived(FLAGS_B), cells.derived(FLAGS_KIND)];
    const shift = this.extU(this.shrU(number, 4));
    const kind = this.and(number, 15);
    const [x, y] = [this.shl(a, shift), this.shl(b, shift)];
    const is = (k: Kind): Val => this.eq(kind, KIND[k]);
    const ofAdd = this.select(is('add'), this.ltU(this.add(x, y), x), this.i32(0));
    const ofSub = this.select(is('sub'), this.ltU(x, y), ofAdd);
    const ofLazy = this.select(is('lazy'), this.wrap(this.shrU(b, 63)), ofSub);
    const ofImage = this.select(is('image'), this.and(this.wrap(a), 1), ofLazy);
    return this.select(this.geU(kind, KIND.inc), this.wrap(b), ofImage);
  }

  /** Result and carry vector as ccResult and ccCarry have them. */
  private lazyOf({ kind, bits, a, b }: Flags): { result: () => Val; carry: () => Val } {
    const up = (v: Val): Val => this.left(v, bits);
    const [x, y] = [up(a), up(b)];
    switch (kind) {
      case 'sub': {
        const r = this.sub(x, y);
        const not = this.not(x);
        return { result: () => r, carry: () => this.or(this.and(not, y), this.and(this.or(not, y), r)) };
      }
      case 'add': {
        const r = this.add(x, y);
        return {
          result: () => r,
          carry: () => this.or(this.and(x, y), this.and(this.or(x, y), this.not(r))),
        };
      }
      case 'logic':
        return { result: () => x, carry: () => this.i64(0) };
      case 'inc':
      case 'dec': {
        const result = kind === 'inc' ? this.add(a, 1) : this.sub(a, 1);
        return {
          result: () => up(result),
          carry: () => this.incDecCarry(a, result, bits, kind === 'dec', b),
        };
      }
      default:
        return { result: () => a, carry: () => b };
    }
  }

  private computed(flags: Flags, cc: number): Val {
    const { result, carry } = this.lazyOf(flags);
    return this.lazyCondition(cc, result(), carry, () => this.i64(64 - flags.bits));
  }

  /** An operand so that comparisons of its type see `bits`: shifted up to an i32's or i64's top. */
  private topOf(v: Val, bits: number): Val {
    if (bits === 64) return v;
    return this.shl(this.wrap(v), 32 - bits);
  }

  /** An even condition as one comparison; null where that is not enough. */
  private compared({ kind, bits, a, b }: Flags, cc: number): Val | null {
    const x = this.topOf(a, bits);
    const zeroOrSign = (r: Val): Val | null => (cc === 4 ? this.eqz(r) : cc === 8 ? this.ltS(r, 0) : null);
    switch (kind) {
      case 'sub': {
        const y = this.topOf(b, bits);
        switch (cc) {
          case 2:
            return this.ltU(x, y);
          case 4:
            return this.eq(x, y);
          case 6:
            return this.leU(x, y);
          case 8:
            return this.ltS(this.sub(x, y), 0);
          case 12:
            return this.ltS(x, y);
          case 14:
            return this.leS(x, y);
          default:
            return null;
        }
      }
      case 'add': {
        const sum = this.add(x, this.topOf(b, bits));
        return cc === 2 ? this.ltU(sum, x) : zeroOrSign(sum);
      }
      case 'logic':
        if (cc === 0 || cc === 2) return this.i32(0);
        if (cc === 6) return this.eqz(x);
        if (cc === 12) return this.ltS(x, 0);
        if (cc === 14) return this.leS(x, 0);
        return zeroOrSign(x);
      case 'inc':
      case 'dec':
        if (cc === 2) return this.wrap(b);
        return zeroOrSign(this.topOf(kind === 'inc' ? this.add(a, 1) : this.sub(a, 1), bits));
      default:
        return null;
    }
  }
}

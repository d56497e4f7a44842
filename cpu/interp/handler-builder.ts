/** The interpreter's reading of an instruction definition: operands come from the decoded record at run time. */
import type { Fn, Val } from '../wasm/function.ts';
import {
  APART,
  EXIT,
  PTE_PRESENT,
  R,
  RECORD_SIZE,
  S,
  STATE,
  TLB_READ,
  TLB_WRITE,
  TLB_ENTRIES,
} from '../layout.ts';
import { EXIT_OF, X86Builder, type ExitKind, type Operand } from '../isa/x86_64/builder.ts';

/** Function indices of what handlers call. */
export interface HandlerLinks {
  /** Type index of a handler: (record) → exit. */
  readonly handlerType: number;
  /** (record, address, size | access) → exit: fills the TLB and runs the record again, or leaves. */
  readonly miss: number;
  /** (record, target) → exit: looks the target up and goes there. */
  readonly indirect: number;
  readonly host: ReadonlyMap<string, { index: number; result: 'i32' | 'i64' | null }>;
  readonly helpers: ReadonlyMap<string, { index: number; result: Val['type'] | null }>;
}

const SIMD_WIDTH: Readonly<Record<number, string>> = {
  8: 'v128.load8_splat',
  16: 'v128.load16_splat',
  32: 'v128.load32_zero',
  64: 'v128.load64_zero',
  128: 'v128.load',
};

export class HandlerBuilder extends X86Builder {
  readonly fn: Fn;
  readonly bits: number;
  /** Address of the record being executed. */
  protected readonly rec: Val;
  private readonly links: HandlerLinks;
  private readonly addresses = new Map<Operand, Val>();
  /** Linear address of a read-write memory operand. */
  private readonly linear = new Map<Operand, Val>();
  /** Where a fused branch's own record lies. */
  private readonly branchOffset: number;

  constructor(fn: Fn, bits: number, links: HandlerLinks, rec: Val, branchOffset = 0) {
    super();
    this.fn = fn;
    this.bits = bits;
    this.links = links;
    this.rec = rec;
    this.branchOffset = branchOffset;
  }

  // ---- state

  getState(load: string, offset: number): Val {
    return this.rawLoad(load, this.i32(0), STATE + offset);
  }
  setState(store: string, offset: number, value: Val): void {
    this.rawStore(store, this.i32(0), value, STATE + offset);
  }

  private slot(o: Operand): Val {
    return this.rawLoad('i32.load16_u', this.rec, o.slot === 1 ? R.r1 : R.r2);
  }
  regOffset(o: Operand): Val {
    return this.slot(o);
  }

  // ---- operands

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

  imm(): Val {
    return this.rawLoad('i64.load', this.rec, R.imm);
  }

  // ---- memory

  translate(address: Val, size: number, access: 'r' | 'w'): Val {
    const tlb = access === 'w' ? TLB_WRITE : TLB_READ;
    const entry = this.and(this.wrap(this.shrU(address, 8)), (TLB_ENTRIES - 1) << 4);
    const tag = this.rawLoad('i64.load', entry, tlb);
    const page = this.and(size === 1 ? address : this.add(address, size - 1), ~0xfff);
    this.if(this.ne(page, tag), () => {
      this.fn.tailCall(this.links.miss, [
        this.rec,
        address,
        this.i32((size << 4) | (access === 'w' ? 2 : 1)),
      ]);
    });
    return this.add(this.wrap(address), this.rawLoad('i32.load', entry, tlb + 8));
  }

  translateApart(address: Val, size: number): Val {
    const entry = this.and(this.wrap(this.shrU(address, 8)), (TLB_ENTRIES - 1) << 4);
    const page = size === 1 ? address : this.add(address, size - 1);
    const out = this.var('i32');
    this.if(
      this.eq(this.and(page, ~0xfff), this.rawLoad('i64.load', entry, TLB_READ)),
      () => {
        this.set(out, this.add(this.wrap(address), this.rawLoad('i32.load', entry, TLB_READ + 8)));
      },
      () => {
        const offset = this.and(this.wrap(address), 0xfff);
        const pte = this.callHelper('walk', address)!;
        const fits = this.leU(this.add(offset, size), 4096);
        const usable = this.eq(this.and(pte, PTE_PRESENT | 1), PTE_PRESENT | 1);
        this.set(out, this.add(this.and(pte, ~0xfff), offset));
        this.if(this.eqz(this.and(fits, usable)), () => {
          const apart = this.getState('i32.load', S.apartAt);
          const served = this.eq(this.getState('i64.load', S.apartAddress), address);
          this.if(this.eqz(this.and(served, this.nez(apart))), () => {
            this.fn.tailCall(this.links.miss, [this.rec, address, this.i32((size << 4) | APART | 1)]);
          });
          this.set(out, apart);
        });
      },
    );
    return this.get(out);
  }

  // ---- flags

  /** What the last flag-setting operation of this handler left, for a branch fused to it. */
  private lastFlags: { result: Val; carry: Val; bits: number } | null = null;

  override setLazy(bits: number, result: Val, carry: Val): void {
    this.lastFlags = { result, carry, bits };
    super.setLazy(bits, result, carry);
  }

  fusedCondition(cc: number): Val {
    if (!this.lastFlags) throw new Error('a fused compare must set the flags');
    const { result, carry, bits } = this.lastFlags;
    const v = this.lazyCondition(
      cc & ~1,
      result,
      () => carry,
      () => this.i64(64 - bits),
    );
    return cc & 1 ? this.eqz(v) : v;
  }

  arithFlags(): Val {
    return this.callHelper('arith_flags')!;
  }

  // ---- leaving

  raise(kind: ExitKind): void {
    if (kind === 'syscall' || kind === 'breakpoint') this.retire();
    this.leave(EXIT_OF[kind]);
  }

  private leave(exit: number): void {
    this.setState('i32.store', S.exitRec, this.rec);
    this.fn.return(this.i32(exit));
  }

  /** Counts the block's instructions; returns what is left. */
  private retire(): Val {
    const left = this.sub(
      this.getState('i32.load', S.fuel),
      this.rawLoad('i32.load16_u', this.rec, this.branchOffset + R.count),
    );
    this.setState('i32.store', S.fuel, left);
    return left;
  }

  private follow(link: Val): void {
    this.fn.tailCallIndirect(this.links.handlerType, [link], this.rawLoad('i32.load', link, R.handler));
  }

  /** Preempted here when out of fuel: with `target` as the next pc. */
  private preemptIf(out: Val, target: () => Val): void {
    this.if(out, () => {
      this.setState('i64.store', S.rip, target());
      this.leave(EXIT.preempt);
    });
  }

  jumpDirect(): void {
    const left = this.retire();
    const target = (): Val => this.rawLoad('i64.load', this.rec, this.branchOffset + R.disp);
    const backward = this.rawLoad('i32.load8_s', this.rec, this.branchOffset + R.backward);
    this.preemptIf(this.ltS(this.and(left, backward), 0), target);
    this.goLink(R.link0, target);
  }

  fallThrough(): void {
    this.retire();
    this.goLink(R.link1, () => this.rawLoad('i64.load', this.rec, this.branchOffset + R.imm));
  }

  private goLink(linkOffset: number, target: () => Val): void {
    const link = this.rawLoad('i32.load', this.rec, this.branchOffset + linkOffset);
    this.if(link, () => {
      this.follow(link);
    });
    this.setState('i64.store', S.rip, target());
    this.setState('i32.store', S.faultAccess, this.i32(this.branchOffset + linkOffset));
    this.leave(EXIT.lookup);
  }

  jumpIndirect(target: Val): void {
    const left = this.retire();
    this.preemptIf(this.ltS(left, 0), () => target);
    this.fn.tailCall(this.links.indirect, [this.rec, target]);
  }

  nextPc(): Val {
    return this.rawLoad('i64.load', this.rec, R.imm);
  }

  next(): void {
    const rec = this.add(this.rec, RECORD_SIZE);
    this.follow(rec);
  }

  callHost(name: string, ...args: Val[]): Val | null {
    const f = this.links.host.get(name);
    if (!f) throw new Error(`no host import ${name}`);
    return this.fn.call(f.index, f.result, args);
  }

  callHelper(name: string, ...args: Val[]): Val | null {
    const f = this.links.helpers.get(name);
    if (!f) throw new Error(`no helper ${name}`);
    return this.fn.call(f.index, f.result, args);
  }
}

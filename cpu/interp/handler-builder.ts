/** The interpreter's reading of a definition: state and memory in linear memory, operands from the record at run time. */
import { EXIT_OF, type ExitKind, type GuestBuilder } from '../guest-builder.ts';
import {
  APART,
  EXIT,
  PTE_PRESENT,
  PTE_WATCH,
  R,
  RECORD_SIZE,
  S,
  STATE,
  TLB_READ,
  TLB_WRITE,
  TLB_ENTRIES,
} from '../layout.ts';
import type { Fn, Val } from '../wasm/function.ts';

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

/** What one handler is built from. */
export interface HandlerContext {
  readonly fn: Fn;
  readonly links: HandlerLinks;
  /** Address of the record being executed. */
  readonly rec: Val;
  /** Where a fused branch's own record lies, from `rec` on. */
  readonly branchOffset: number;
  /** The record's link fields are free for the address of its first access, which the compiler wants to know. */
  readonly notes: boolean;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- TypeScript asks for any[] of a mixin's base
type Base<T> = abstract new (...args: any[]) => T;

/** What `interpreted` implements. */
export type InterpretedParts = {
  -readonly [K in keyof GuestBuilder as K extends 'fusedCondition' ? never : K]: GuestBuilder[K];
} & { readonly rec: Val; readonly links: boolean };

/** Everything but registers and flags, over the builder of any architecture. */
export function interpreted<T extends Base<GuestBuilder>>(builder: T): T & Base<InterpretedParts> {
  abstract class Interpreted extends builder {
    abstract readonly context: HandlerContext;

    get fn(): Fn {
      return this.context.fn;
    }
    get rec(): Val {
      return this.context.rec;
    }

    // ---- state

    getState(load: string, offset: number): Val {
      return this.rawLoad(load, this.i32(0), STATE + offset);
    }
    setState(store: string, offset: number, value: Val): void {
      this.rawStore(store, this.i32(0), value, STATE + offset);
    }

    imm(): Val {
      return this.rawLoad('i64.load', this.rec, R.imm);
    }
    small(): Val {
      return this.rawLoad('i32.load8_u', this.rec, R.scale);
    }

    // ---- memory

    noted = false;
    /** Its handler uses the record's link fields. */
    links = false;

    translate(address: Val, size: number, access: 'r' | 'w'): Val {
      if (this.context.notes && !this.noted) this.rawStore('i64.store', this.rec, address, R.accessed);
      this.noted = true;
      const tlb = access === 'w' ? TLB_WRITE : TLB_READ;
      const entry = this.and(this.wrap(this.shrU(address, 8)), (TLB_ENTRIES - 1) << 4);
      const tag = this.rawLoad('i64.load', entry, tlb);
      const page = this.and(size === 1 ? address : this.add(address, size - 1), ~0xfff);
      this.if(this.ne(page, tag), () => {
        this.fn.tailCall(this.context.links.miss, [
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
          const usable = this.eq(this.and(pte, PTE_PRESENT | PTE_WATCH | 1), PTE_PRESENT | 1);
          this.set(out, this.add(this.and(pte, ~0xfff), offset));
          this.if(this.eqz(this.and(fits, usable)), () => {
            const apart = this.getState('i32.load', S.apartAt);
            const served = this.eq(this.getState('i64.load', S.apartAddress), address);
            this.if(this.eqz(this.and(served, this.nez(apart))), () => {
              this.fn.tailCall(this.context.links.miss, [
                this.rec,
                address,
                this.i32((size << 4) | APART | 1),
              ]);
            });
            this.set(out, apart);
          });
        },
      );
      return this.get(out);
    }

    // ---- leaving

    raise(kind: ExitKind): void {
      if (kind === 'syscall' || kind === 'breakpoint') this.retire();
      this.leave(EXIT_OF[kind]);
    }

    leave(exit: number): void {
      this.setState('i32.store', S.exitRec, this.rec);
      this.fn.return(this.i32(exit));
    }

    /** Counts the block's instructions; returns what is left. */
    retire(): Val {
      const left = this.sub(
        this.getState('i32.load', S.fuel),
        this.rawLoad('i32.load16_u', this.rec, this.context.branchOffset + R.count),
      );
      this.setState('i32.store', S.fuel, left);
      return left;
    }

    follow(link: Val): void {
      this.fn.tailCallIndirect(
        this.context.links.handlerType,
        [link],
        this.rawLoad('i32.load16_u', link, R.handler),
      );
    }

    /** Preempted here when out of fuel: with `target` as the next pc. */
    preemptIf(out: Val, target: () => Val): void {
      this.if(out, () => {
        this.setState('i64.store', S.rip, target());
        this.leave(EXIT.preempt);
      });
    }

    jumpDirect(): void {
      const left = this.retire();
      const target = (): Val => this.rawLoad('i64.load', this.rec, this.context.branchOffset + R.disp);
      const backward = this.rawLoad('i32.load8_s', this.rec, this.context.branchOffset + R.backward);
      this.preemptIf(this.ltS(this.and(left, backward), 0), target);
      this.goLink(R.link0, target);
    }

    fallThrough(): void {
      this.retire();
      this.goLink(R.link1, () => this.rawLoad('i64.load', this.rec, this.context.branchOffset + R.imm));
    }

    goLink(linkOffset: number, target: () => Val): void {
      this.links = this.context.branchOffset === 0;
      const link = this.rawLoad('i32.load', this.rec, this.context.branchOffset + linkOffset);
      this.if(link, () => {
        this.follow(link);
      });
      this.setState('i64.store', S.rip, target());
      this.setState('i32.store', S.faultAccess, this.i32(this.context.branchOffset + linkOffset));
      this.leave(EXIT.lookup);
    }

    jumpIndirect(target: Val): void {
      const left = this.retire();
      this.preemptIf(this.ltS(left, 0), () => target);
      this.fn.tailCall(this.context.links.indirect, [this.rec, target]);
    }

    nextPc(): Val {
      return this.rawLoad('i64.load', this.rec, R.imm);
    }

    next(): void {
      const rec = this.add(this.rec, RECORD_SIZE);
      this.follow(rec);
    }

    callHost(name: string, ...args: Val[]): Val | null {
      const f = this.context.links.host.get(name);
      if (!f) throw new Error(`no host import ${name}`);
      return this.fn.call(f.index, f.result, args);
    }

    callHelper(name: string, ...args: Val[]): Val | null {
      const f = this.context.links.helpers.get(name);
      if (!f) throw new Error(`no helper ${name}`);
      return this.fn.call(f.index, f.result, args);
    }
  }
  return Interpreted;
}

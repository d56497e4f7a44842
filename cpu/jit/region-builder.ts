/** The compiler's reading of a definition: operands are constants, registers are locals, other places are branches. */
import { EXIT_OF, type ExitKind, type GuestBuilder } from '../guest-builder.ts';
import { R, STATE, TLB_ENTRIES, TLB_READ, TLB_WRITE } from '../layout.ts';
import type { Fn, Label, Val } from '../wasm/function.ts';
import { constantOf } from '../builder.ts';
import { SETTLE } from '../interp/helpers.ts';
import type { Speculation } from '../facts.ts';
import type { Cells } from './cells.ts';

/** Where control goes from an instruction; what of it there is depends on the region around it. */
export interface Flow {
  /** Leaves before the instruction had an effect: the interpreter carries it out. */
  aside(): void;
  /** The same because an access is outside its window. */
  missed(): void;
  /** The same because a number is not ordinary. */
  unusual(): void;
  /** Leaves with an EXIT. `counts`: the instruction, and with it its block, has retired. */
  leave(exit: number, counts: boolean): void;
  direct(): void;
  fallThrough(): void;
  indirect(target: Val): void;
}

/** How an access finds its byte. */
export type Site =
  /** Through the TLB. */
  | { readonly kind: 'tlb' }
  /** Through a window, whose fields are in locals. Accesses that follow may begin up to `before` bytes below. */
  | {
      readonly kind: 'window';
      readonly lo: Val;
      readonly delta: Val;
      readonly limit: Val;
      readonly before: number;
      /** Is told the linear address `before` bytes below this access. */
      readonly found: (at: Val) => void;
    }
  /** An access before it made sure: its linear address is `at` + `by`. */
  | { readonly kind: 'known'; readonly at: Val; readonly by: number };

/** A linear address as another one and an offset that memory instructions can hold. */
interface Near {
  readonly at: Val;
  readonly by: number;
}

/** A function that region modules import. */
export interface Callee {
  readonly index: number;
  readonly result: Val['type'] | null;
}

/** What one instruction of a region is built from. */
export interface RegionContext {
  readonly fn: Fn;
  readonly cells: Cells;
  readonly flow: Flow;
  /** The machine's memory, where the instruction's record lies. */
  readonly view: DataView;
  readonly rec: number;
  /** The host has a fused multiply-add. */
  readonly fuses: boolean;
  callee(kind: 'host' | 'helper', name: string): Callee;
  /** The derived locals to and from the state in memory. */
  readonly derived: { spill(): void; fill(): void };
  /** What the instruction supposed failed often. */
  fails(): boolean;
  /** The instruction's next memory access. */
  site(address: Val, size: number, access: 'r' | 'w'): Site;
  /** Whether a host function reads or writes cells. */
  usesCells(name: string, args: readonly Val[]): boolean;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- TypeScript asks for any[] of a mixin's base
type Base<T> = abstract new (...args: any[]) => T;

/** What `compiled` implements. */
export type CompiledParts = {
  -readonly [K in keyof GuestBuilder as K extends 'fusedCondition' ? never : K]: GuestBuilder[K];
} & {
  field(offset: number): number;
  throughTlb(address: Val, size: number, access: 'r' | 'w'): Val;
  near(at: Val, by: number): Val;
};

/** Everything but registers and flags, over the builder of any architecture. */
export function compiled<T extends Base<GuestBuilder>>(builder: T): T & Base<CompiledParts> {
  abstract class Compiled extends builder {
    abstract readonly context: RegionContext;
    override get speculation(): Speculation {
      const { cells, flow } = this.context;
      const fails = (): boolean => this.context.fails();
      return {
        facts: cells.facts,
        get failed() {
          return fails();
        },
        leaveIf: (cond) => {
          this.fn.if(cond, () => {
            flow.unusual();
          });
        },
        atEntry: (name, type, build) => this.fn.get(cells.atEntry(name, type, build)),
        renew: (name, type, build) => {
          this.fn.set(cells.atEntry(name, type, build), build());
        },
      };
    }
    override get fuses(): boolean {
      return this.context.fuses;
    }

    get fn(): Fn {
      return this.context.fn;
    }

    /** A 16-bit field of the record. */
    field(offset: number): number {
      return this.context.view.getUint16(this.context.rec + offset, true);
    }

    // ---- state

    getState(load: string, offset: number): Val {
      return this.context.cells.load(load, offset) ?? this.fn.op(load, [this.i32(0)], STATE + offset);
    }
    setState(store: string, offset: number, value: Val): void {
      if (!this.context.cells.store(store, offset, value))
        this.fn.effect(store, [this.i32(0), value], STATE + offset);
    }

    imm(): Val {
      return this.i64(this.context.view.getBigInt64(this.context.rec + R.imm, true));
    }
    small(): Val {
      return this.i32(this.context.view.getUint8(this.context.rec + R.scale));
    }

    // ---- control inside an instruction: what locals hold is only known on each way

    override if(cond: Val, then: () => void, otherwise?: () => void): void {
      if (cond.op === 'const') {
        if (constantOf(cond) !== 0n) then();
        else otherwise?.();
        return;
      }
      this.context.cells.nested(false, (alternative) => {
        super.if(cond, then, () => {
          alternative();
          otherwise?.();
        });
      });
    }
    override block(body: (exit: Label) => void): void {
      this.context.cells.nested(false, () => {
        super.block(body);
      });
    }
    override loop(body: (again: Label) => void): void {
      this.context.cells.nested(true, () => {
        super.loop(body);
      });
    }
    override switch(index: Val, cases: readonly (() => void)[], otherwise: () => void): void {
      this.context.cells.nested(false, (alternative) => {
        super.switch(
          index,
          cases.map((c) => () => {
            alternative();
            c();
          }),
          () => {
            alternative();
            otherwise();
          },
        );
      });
    }

    // ---- memory

    translate(address: Val, size: number, access: 'r' | 'w'): Val {
      const site = this.context.site(address, size, access);
      if (site.kind === 'known') return this.near(site.at, site.by);
      if (site.kind === 'tlb') return this.throughTlb(address, size, access);
      const start = this.sub(address, site.before);
      this.fn.if(this.geU(this.sub(start, site.lo), site.limit), () => {
        this.context.flow.missed();
      });
      const at = this.add(this.wrap(start), site.delta);
      site.found(at);
      return this.near(at, site.before);
    }

    near(at: Val, by: number): Val {
      if (by === 0) return at;
      const v = this.add(at, by);
      this.context.cells.notes.set(v, { at, by } satisfies Near);
      return v;
    }
    override rawLoad(name: string, address: Val, offset = 0): Val {
      const near = this.context.cells.notes.get(address) as Near | undefined;
      return near ? super.rawLoad(name, near.at, offset + near.by) : super.rawLoad(name, address, offset);
    }
    override rawStore(name: string, address: Val, value: Val, offset = 0): void {
      const near = this.context.cells.notes.get(address) as Near | undefined;
      if (near) super.rawStore(name, near.at, value, offset + near.by);
      else super.rawStore(name, address, value, offset);
    }

    throughTlb(address: Val, size: number, access: 'r' | 'w'): Val {
      const tlb = access === 'w' ? TLB_WRITE : TLB_READ;
      const entry = this.and(this.wrap(this.shrU(address, 8)), (TLB_ENTRIES - 1) << 4);
      const tag = this.rawLoad('i64.load', entry, tlb);
      const page = this.and(size === 1 ? address : this.add(address, size - 1), ~0xfff);
      this.fn.if(this.ne(page, tag), () => {
        this.context.flow.aside();
      });
      return this.add(this.wrap(address), this.rawLoad('i32.load', entry, tlb + 8));
    }

    translateApart(address: Val, size: number): Val {
      return this.translate(address, size, 'r');
    }

    // ---- leaving

    raise(kind: ExitKind): void {
      this.context.flow.leave(EXIT_OF[kind], kind === 'syscall' || kind === 'breakpoint');
    }

    jumpDirect(): void {
      this.context.flow.direct();
    }
    fallThrough(): void {
      this.context.flow.fallThrough();
    }
    jumpIndirect(target: Val): void {
      this.context.flow.indirect(target);
    }
    nextPc(): Val {
      return this.imm();
    }
    next(): void {
      // The next instruction's code follows.
    }

    callHost(name: string, ...args: Val[]): Val | null {
      const f = this.context.callee('host', name);
      if (!this.context.usesCells(name, args)) return this.fn.call(f.index, f.result, args);
      let result: Val | null = null;
      const { cells, derived } = this.context;
      derived.spill();
      this.callHelper(SETTLE);
      cells.through(() => {
        result = this.fn.call(f.index, f.result, args);
      });
      derived.fill();
      return result;
    }
    callHelper(name: string, ...args: Val[]): Val | null {
      const f = this.context.callee('helper', name);
      return this.fn.call(f.index, f.result, args);
    }
  }
  return Compiled;
}

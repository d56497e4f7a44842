/** Builds an interpreter's WebAssembly module: one function a variant, tied together by tail calls. */
import type { GuestBuilder } from '../guest-builder.ts';
import { EXIT, R, REGION_SLOTS, S } from '../layout.ts';
import { Fn, type Val } from '../wasm/function.ts';
import { ModuleWriter } from '../wasm/module.ts';
import type { ValType } from '../wasm/ops.ts';
import type { HandlerContext, HandlerLinks } from './handler-builder.ts';
import { CORE_HELPERS, GO, buildIndirect, buildMiss, type Helper } from './helpers.ts';

/** A host function generated code may call; it reads and writes the cpu state in memory. */
export interface HostImport {
  readonly name: string;
  readonly params: readonly ValType[];
  readonly result: 'i32' | 'i64' | null;
}

/** A builder as the interpreter has it. */
export type InterpretedBuilder = GuestBuilder & { readonly rec: Val; readonly links: boolean };

export interface Handler<B> {
  readonly name: string;
  /** Makes its builder; absent: the set's. */
  readonly make?: (context: HandlerContext) => B;
  /** Where a fused branch's own record lies, from the handler's record on. */
  readonly branchOffset?: number;
  /** Ends every path. */
  readonly build: (b: B) => void;
}

/** An architecture, as far as its interpreter goes. */
export interface HandlerSet<B extends InterpretedBuilder> {
  readonly imports: readonly HostImport[];
  /** Upper bits of a data address that are ignored (Arm's TBI). */
  readonly tagBits: number;
  readonly helpers: readonly Helper<B>[];
  /** In the order of their numbers. */
  readonly handlers: readonly Handler<B>[];
  /** A builder for what is no variant. */
  readonly make: (context: HandlerContext) => B;
}

/** Handlers every architecture has, in this order, behind its variants. */
export const COMMON_HANDLERS: readonly Omit<Handler<InterpretedBuilder>, 'make'>[] = [
  {
    name: 'stop',
    build: (b) => {
      b.fn.return(b.i32(EXIT.stop));
    },
  },
  {
    name: 'stale',
    build: (b) => {
      b.setState('i64.store', S.rip, b.rawLoad('i64.load', b.rec, R.pc));
      b.setState('i32.store', S.faultAccess, b.i32(0));
      b.setState('i32.store', S.exitRec, b.rec);
      b.fn.return(b.i32(EXIT.lookup));
    },
  },
  {
    name: 'end',
    build: (b) => {
      b.fallThrough();
    },
  },
];

export interface GenerateOptions {
  /** 64 KiB pages of the imported memory. */
  readonly pages: { min: number; max: number };
  /** Function names, for profiles. */
  readonly names?: boolean;
}

export function generate<B extends InterpretedBuilder>(
  set: HandlerSet<B>,
  options: GenerateOptions,
): Uint8Array {
  const m = new ModuleWriter();
  const host = new Map(
    set.imports.map((h) => [
      h.name,
      { index: m.importFunction('host', h.name, h.params, h.result), result: h.result },
    ]),
  );
  const handlerType = m.type(['i32'], 'i32');
  const miss = m.declare('miss', ['i32', 'i64', 'i32'], 'i32');
  const indirect = m.declare('indirect', ['i32', 'i64'], 'i32');
  const all: Helper<B>[] = [...CORE_HELPERS, ...set.helpers];
  const helperMap = new Map(
    all.map((h) => [h.name, { index: m.declare(h.name, h.params, h.result), result: h.result }]),
  );
  const links: HandlerLinks = { handlerType, miss, indirect, host, helpers: helperMap };

  const make = (fn: Fn, rec = fn.param(0)): B => set.make({ fn, links, rec, branchOffset: 0, notes: false });
  for (const h of all) {
    const fn = new Fn(h.params, h.result);
    h.build(make(fn, fn.konst('i32', 0)), ...h.params.map((_, i) => fn.param(i)));
    m.define(helperMap.get(h.name)!.index, fn);
  }
  {
    const fn = new Fn(['i32', 'i64', 'i32'], 'i32');
    const walk = helperMap.get('walk')!.index;
    buildMiss(make(fn), fn.param(0), fn.param(1), fn.param(2), walk, handlerType, set.tagBits);
    m.define(miss, fn);
  }
  {
    const fn = new Fn(['i32', 'i64'], 'i32');
    buildIndirect(make(fn), fn.param(0), fn.param(1), handlerType);
    m.define(indirect, fn);
  }
  for (const h of set.handlers) {
    const index = m.declare(h.name, ['i32'], 'i32');
    const built = (notes: boolean): { fn: Fn; linked: boolean } => {
      const fn = new Fn(['i32'], 'i32');
      const branchOffset = h.branchOffset ?? 0;
      const b = (h.make ?? set.make)({ fn, links, rec: fn.param(0), branchOffset, notes });
      h.build(b);
      return { fn, linked: b.links };
    };
    const plain = built(false);
    m.define(index, plain.linked ? plain.fn : built(true).fn);
    m.table.push(index);
  }
  const run = m.declare('run', ['i32'], 'i32');
  {
    const fn = new Fn(['i32'], 'i32');
    fn.tailCallIndirect(handlerType, [fn.param(0)], fn.op('i32.load16_u', [fn.param(0)], R.handler));
    m.define(run, fn);
  }
  m.export('run', run);
  // How compiled regions go on at a record. They do not import the table: each instance would have a copy of it, for ever.
  const go = m.declare('go', GO.params, GO.result);
  {
    const fn = new Fn(GO.params, GO.result);
    fn.tailCallIndirect(handlerType, [fn.param(0)], fn.param(1));
    m.define(go, fn);
  }
  m.export('go', go);
  // For compiled regions: what handlers share, and room in the table.
  for (const h of all) m.export(h.name, helperMap.get(h.name)!.index);
  m.spareSlots = REGION_SLOTS;
  return m.encode(options.pages.min, options.pages.max, options.names);
}

/** Builds the interpreter's WebAssembly module: one function a variant, tied together by tail calls. */
import { EXIT, R, RECORD_SIZE, S, STATE } from '../layout.ts';
import { Fn } from '../wasm/function.ts';
import { ModuleWriter } from '../wasm/module.ts';
import type { ValType } from '../wasm/ops.ts';
import { enumerate, type Encoding, type Variant } from '../isa/x86_64/encoding.ts';
import type { Definition } from '../isa/x86_64/define.ts';
import { HandlerBuilder, type HandlerLinks } from './handler-builder.ts';
import { CORE_HELPERS, buildIndirect, buildMiss, type Helper } from './helpers.ts';

/** Host functions generated code may call; they read and write the cpu state in memory. */
export const HOST_IMPORTS: readonly {
  name: string;
  params: readonly ValType[];
  result: 'i32' | 'i64' | null;
}[] = [
  { name: 'cpuid', params: [], result: null },
  { name: 'rdtsc', params: [], result: 'i64' },
  /** Soft-float: operation (float/sse-ops.ts) and two bit patterns; raises flags in MXCSR. */
  { name: 'sse', params: ['i32', 'i64', 'i64'], result: 'i64' },
  /** One x87 instruction: (opcode − D8) << 8 | modrm; operands and results of memory forms in SCRATCH. */
  { name: 'x87', params: ['i32'], result: 'i32' },
];

/** Table indices: variants first, then these, then fused compare-and-branch pairs. */
export interface HandlerIds {
  readonly stop: number;
  readonly stale: number;
  /** Goes on at link0: a block that was cut. */
  readonly end: number;
  /** Preparing record: tmp = base + (index << scale) + segment. */
  readonly address: number;
  /** The same, displacement included and cut to 32 bits before the segment is added. */
  readonly address32: number;
  /** fused.get(variant) + condition: the compare and the branch in one. */
  readonly fused: ReadonlyMap<number, number>;
  readonly count: number;
}

/** What decoding needs of a definition. */
export type EncodingProperties = Pick<
  Definition,
  'name' | 'lock' | 'd64' | 'ends' | 'endsWithImmediate' | 'noRexB' | 'condition' | 'repeats'
>;

/** What a running cpu needs: encodings with their handlers' numbers. */
export interface DecodeTables {
  readonly encodings: readonly (Omit<Encoding, 'def'> & { readonly def: EncodingProperties })[];
  readonly ids: HandlerIds;
  /** Handler that raises #UD. */
  readonly undefinedHandler: number;
}

export interface InstructionSet extends DecodeTables {
  readonly encodings: readonly Encoding[];
  readonly variants: readonly Variant[];
}

/** Numbers everything without building it: what the decoder needs at run time. */
export function numberHandlers(defs: readonly Definition[]): InstructionSet {
  const { encodings, variants } = enumerate(defs);
  let n = variants.length;
  const stop = n++;
  const stale = n++;
  const end = n++;
  const address = n++;
  const address32 = n++;
  const fused = new Map<number, number>();
  variants.forEach((v, i) => {
    if (!canFuse(v)) return;
    fused.set(i, n);
    n += 16;
  });
  const undefinedHandler = variants.findIndex((v) => v.def.name === 'ud2');
  const ids = { stop, stale, end, address, address32, fused, count: n };
  return { encodings, variants, ids, undefinedHandler };
}

/** Register and immediate forms, and plain memory against immediate: what compilers put before a branch. */
function canFuse(v: Variant): boolean {
  if (!v.def.fuses || v.operands[0].bits === 16) return false;
  return v.operands.every((o) => o.kind !== 'mem' || !o.indexed);
}

export interface GenerateOptions {
  /** 64 KiB pages of the imported memory. */
  readonly pages: { min: number; max: number };
  /** Function names, for profiles. */
  readonly names?: boolean;
}

export function generate(
  defs: readonly Definition[],
  helpers: readonly Helper[],
  options: GenerateOptions,
): Uint8Array {
  const { variants, ids } = numberHandlers(defs);
  const m = new ModuleWriter();
  const host = new Map(
    HOST_IMPORTS.map((h) => [
      h.name,
      { index: m.importFunction('host', h.name, h.params, h.result), result: h.result },
    ]),
  );
  const handlerType = m.type(['i32'], 'i32');
  const miss = m.declare('miss', ['i32', 'i64', 'i32'], 'i32');
  const indirect = m.declare('indirect', ['i32', 'i64'], 'i32');
  const all = [...CORE_HELPERS, ...helpers];
  const helperMap = new Map(
    all.map((h) => [h.name, { index: m.declare(h.name, h.params, h.result), result: h.result }]),
  );
  const links: HandlerLinks = { handlerType, miss, indirect, host, helpers: helperMap };

  const make = (fn: Fn, bits = 0, branchOffset = 0): HandlerBuilder =>
    new HandlerBuilder(fn, bits, links, fn.param(0), branchOffset);
  for (const h of all) {
    const fn = new Fn(h.params, h.result);
    h.build(new HandlerBuilder(fn, 0, links, fn.konst('i32', 0)), ...h.params.map((_, i) => fn.param(i)));
    m.define(helperMap.get(h.name)!.index, fn);
  }
  {
    const fn = new Fn(['i32', 'i64', 'i32'], 'i32');
    buildMiss(make(fn), fn.param(0), fn.param(1), fn.param(2), helperMap.get('walk')!.index, handlerType);
    m.define(miss, fn);
  }
  {
    const fn = new Fn(['i32', 'i64'], 'i32');
    buildIndirect(make(fn), fn.param(0), fn.param(1), handlerType);
    m.define(indirect, fn);
  }
  const handler = (name: string, build: (fn: Fn) => void): void => {
    const index = m.declare(name, ['i32'], 'i32');
    const fn = new Fn(['i32'], 'i32');
    build(fn);
    m.define(index, fn);
    m.table.push(index);
  };
  for (const v of variants) {
    handler(v.key, (fn) => {
      const b = make(fn, v.bits);
      v.def.semantics(b, ...v.operands);
      if (!v.def.ends) b.next();
    });
  }
  handler('stop', (fn) => {
    fn.return(fn.konst('i32', EXIT.stop));
  });
  handler('stale', (fn) => {
    const b = make(fn);
    b.setState('i64.store', S.rip, b.rawLoad('i64.load', fn.param(0), R.pc));
    b.setState('i32.store', S.faultAccess, b.i32(0));
    b.setState('i32.store', S.exitRec, fn.param(0));
    fn.return(b.i32(EXIT.lookup));
  });
  handler('end', (fn) => {
    make(fn).fallThrough();
  });
  for (const cut of [false, true]) {
    handler(cut ? 'address32' : 'address', (fn) => {
      const b = make(fn);
      const reg = (field: number): ReturnType<typeof b.rawLoad> =>
        b.rawLoad('i64.load', b.rawLoad('i32.load16_u', fn.param(0), field), STATE);
      let a = b.add(reg(R.base), b.shl(reg(R.index), b.rawLoad('i64.load8_u', fn.param(0), R.scale)));
      if (cut) a = b.and(b.add(a, b.rawLoad('i64.load', fn.param(0), R.disp)), 0xffffffffn);
      b.setState('i64.store', S.tmp, b.add(a, reg(R.r1)));
      b.next();
    });
  }
  for (const [i] of ids.fused) {
    const v = variants[i];
    for (let cc = 0; cc < 16; cc++) {
      handler(`${v.key}+j${cc}`, (fn) => {
        const b = make(fn, v.bits, RECORD_SIZE);
        v.def.semantics(b, ...v.operands);
        b.if(b.fusedCondition(cc), () => {
          b.jumpDirect();
        });
        b.fallThrough();
      });
    }
  }
  const run = m.declare('run', ['i32'], 'i32');
  {
    const fn = new Fn(['i32'], 'i32');
    fn.tailCallIndirect(handlerType, [fn.param(0)], fn.op('i32.load', [fn.param(0)], R.handler));
    m.define(run, fn);
  }
  m.export('run', run);
  return m.encode(options.pages.min, options.pages.max, options.names);
}

/** The instruction set as plain data: what a running machine needs of it without the definitions' code. */
export interface SerializedIsa {
  readonly encodings: DecodeTables['encodings'];
  readonly ids: Omit<HandlerIds, 'fused'> & { readonly fused: readonly [number, number][] };
  readonly undefinedHandler: number;
}

export function serializeIsa(isa: InstructionSet): SerializedIsa {
  return {
    encodings: isa.encodings.map((e) => {
      const { name, lock, d64, ends, endsWithImmediate, noRexB, condition, repeats } = e.def;
      return { ...e, def: { name, lock, d64, ends, endsWithImmediate, noRexB, condition, repeats } };
    }),
    ids: { ...isa.ids, fused: [...isa.ids.fused] },
    undefinedHandler: isa.undefinedHandler,
  };
}

export function loadIsa(data: SerializedIsa): DecodeTables {
  return { ...data, ids: { ...data.ids, fused: new Map(data.ids.fused) } };
}

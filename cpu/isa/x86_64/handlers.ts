/** Numbers the handlers of x86_64's variants, and describes them to the interpreter's generator. */
import type { CommonIds } from '../../code-space.ts';
import { COMMON_HANDLERS, type Handler, type HandlerSet, type HostImport } from '../../interp/generate.ts';
import type { HandlerContext } from '../../interp/handler-builder.ts';
import { SETTLE, type Helper } from '../../interp/helpers.ts';
import { X86HandlerBuilder } from '../../interp/x86-handler-builder.ts';
import { CC_COMPILED, R, RECORD_SIZE, S, STATE } from '../../layout.ts';
import type { Val } from '../../wasm/function.ts';
import { AF, CF, OF, PF, SF, ZF, type X86Builder } from './builder.ts';
import type { Definition } from './define.ts';
import { enumerate, type Encoding, type Variant } from './encoding.ts';

/** Host functions handlers may call. */
export const HOST_IMPORTS = [
  { name: 'cpuid', params: [], result: null },
  { name: 'rdtsc', params: [], result: 'i64' },
  /** Soft-float: operation (float/sse-ops.ts) and two bit patterns; raises flags in MXCSR. */
  { name: 'sse', params: ['i32', 'i64', 'i64'], result: 'i64' },
  /** One x87 instruction: (opcode − D8) << 8 | modrm; operands and results of memory forms in SCRATCH. */
  { name: 'x87', params: ['i32'], result: 'i32' },
] as const satisfies readonly HostImport[];

/** Table indices: variants first, then these, then fused compare-and-branch pairs. */
export interface HandlerIds extends CommonIds {
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
  | 'name'
  | 'lock'
  | 'd64'
  | 'ends'
  | 'endsWithImmediate'
  | 'noRexB'
  | 'condition'
  | 'repeats'
  | 'addressAfterPop'
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

/** Arithmetic flags as an rflags image, of ccResult, ccCarry and ccOp. */
const flagsImage: Helper<X86Builder> = {
  name: 'flags_image',
  params: ['i64', 'i64', 'i32'],
  result: 'i32',
  build: (b, result, carry, op) => {
    b.if(b.ltS(op, 0), () => {
      b.fn.return(b.wrap(result));
    });
    const shift = b.extU(op);
    const bit = (cond: Val, mask: number): Val => b.shl(cond, Math.log2(mask));
    const low = b.and(b.wrap(b.shrU(result, shift)), 0xff);
    let f = b.wrap(b.shrU(carry, 63));
    f = b.or(f, bit(b.eqz(b.and(b.popcnt(low), 1)), PF));
    f = b.or(f, b.shl(b.and(b.wrap(b.shrU(b.shrU(carry, shift), 3)), 1), Math.log2(AF)));
    f = b.or(f, bit(b.eqz(result), ZF));
    f = b.or(f, bit(b.ltS(result, 0), SF));
    f = b.or(f, bit(b.ltS(b.xor(carry, b.shl(carry, 1)), 0), OF));
    b.fn.return(b.and(f, CF | PF | AF | ZF | SF | OF));
  },
};

/** The same of what compiled code keeps (jit/x86-flags.ts). */
const flagsOf: Helper<X86Builder> = {
  name: 'flags_of',
  params: ['i64', 'i64', 'i32'],
  result: 'i32',
  build: (b, x, y, kind) => {
    const shift = b.extU(b.shrU(kind, 4));
    const of = (result: Val, carry: Val): void => {
      b.fn.return(b.callHelper('flags_image', result, carry, b.shrU(kind, 4))!);
    };
    const [u, v] = [b.shl(x, shift), b.shl(y, shift)];
    /** INC and DEC: CF is y's, the others are those of u + step. */
    const step = (down: boolean): void => {
      const one = b.shl(b.i64(1), shift);
      const r = down ? b.sub(u, one) : b.add(u, one);
      const n = down ? b.not(u) : u;
      const c = down
        ? b.or(b.and(n, one), b.and(b.or(n, one), r))
        : b.or(b.and(u, one), b.and(b.or(u, one), b.not(r)));
      const image = b.callHelper('flags_image', r, c, b.shrU(kind, 4))!;
      b.fn.return(b.or(b.and(image, ~CF), b.wrap(y)));
    };
    b.switch(
      b.and(kind, 15),
      [
        (): void => {
          b.fn.return(b.wrap(x));
        },
        (): void => {
          of(x, y);
        },
        (): void => {
          const r = b.sub(u, v);
          const n = b.not(u);
          of(r, b.or(b.and(n, v), b.and(b.or(n, v), r)));
        },
        (): void => {
          const r = b.add(u, v);
          of(r, b.or(b.and(u, v), b.and(b.or(u, v), b.not(r))));
        },
        (): void => {
          of(u, b.i64(0));
        },
        (): void => {
          step(false);
        },
      ],
      () => {
        step(true);
      },
    );
  },
};

/** The same of the state. */
const arithFlags: Helper<X86Builder> = {
  name: 'arith_flags',
  params: [],
  result: 'i32',
  build: (b) => {
    const [result, carry] = [b.getState('i64.load', S.ccResult), b.getState('i64.load', S.ccCarry)];
    b.fn.return(b.callHelper('flags_image', result, carry, b.getState('i32.load', S.ccOp))!);
  },
};

/** Flags as compiled code left them become those of the state. */
const settle: Helper<X86Builder> = {
  name: SETTLE,
  params: [],
  result: null,
  build: (b) => {
    const op = b.getState('i32.load', S.ccOp);
    b.if(b.ltS(op, CC_COMPILED), () => {
      b.fn.return();
    });
    const number = b.sub(op, CC_COMPILED);
    const width = b.shrU(number, 4);
    const shift = b.extU(width);
    const [x, y] = [b.getState('i64.load', S.ccResult), b.getState('i64.load', S.ccCarry)];
    const [u, v] = [b.shl(x, shift), b.shl(y, shift)];
    const lazy = (result: Val, carry: Val): void => {
      b.setState('i64.store', S.ccResult, result);
      b.setState('i64.store', S.ccCarry, carry);
      b.setState('i32.store', S.ccOp, width);
    };
    const image = (): void => {
      b.setState('i64.store', S.ccResult, b.extU(b.callHelper('flags_of', x, y, number)!));
      b.setState('i32.store', S.ccOp, b.i32(-1));
    };
    b.switch(
      b.and(number, 15),
      [
        image,
        (): void => {
          lazy(x, y);
        },
        (): void => {
          const r = b.sub(u, v);
          const n = b.not(u);
          lazy(r, b.or(b.and(n, v), b.and(b.or(n, v), r)));
        },
        (): void => {
          const r = b.add(u, v);
          lazy(r, b.or(b.and(u, v), b.and(b.or(u, v), b.not(r))));
        },
        (): void => {
          lazy(u, b.i64(0));
        },
      ],
      image,
    );
  },
};

/** Helpers of handlers and compiled code beside the instruction families' own. */
export const FLAG_HELPERS: readonly Helper<X86Builder>[] = [flagsImage, flagsOf, arithFlags, settle];

/** tmp = base + (index << scale) + segment; with `cut` the displacement too, in 32 bits before the segment is added. */
function addressHandler(cut: boolean): Handler<X86HandlerBuilder> {
  return {
    name: cut ? 'address32' : 'address',
    build: (b) => {
      const reg = (field: number): Val =>
        b.rawLoad('i64.load', b.rawLoad('i32.load16_u', b.rec, field), STATE);
      let a = b.add(reg(R.base), b.shl(reg(R.index), b.rawLoad('i64.load8_u', b.rec, R.scale)));
      if (cut) a = b.and(b.add(a, b.rawLoad('i64.load', b.rec, R.disp)), 0xffffffffn);
      b.setState('i64.store', S.tmp, b.add(a, reg(R.r1)));
      b.next();
    },
  };
}

/** What the generator makes the interpreter's module of. */
export function handlerSet(
  defs: readonly Definition[],
  helpers: readonly Helper<X86Builder>[],
): HandlerSet<X86HandlerBuilder> {
  const { variants, ids } = numberHandlers(defs);
  const handlers: Handler<X86HandlerBuilder>[] = [
    ...variants.map((v) => ({
      name: v.key,
      make: (context: HandlerContext): X86HandlerBuilder => new X86HandlerBuilder(context, v.bits),
      build: (b: X86HandlerBuilder): void => {
        v.def.semantics(b, ...v.operands);
        if (!v.def.ends) b.next();
      },
    })),
    ...COMMON_HANDLERS,
    addressHandler(false),
    addressHandler(true),
  ];
  for (const [i] of ids.fused) {
    const v = variants[i];
    for (let cc = 0; cc < 16; cc++) {
      handlers.push({
        name: `${v.key}+j${cc}`,
        make: (context) => new X86HandlerBuilder(context, v.bits),
        branchOffset: RECORD_SIZE,
        build: (b) => {
          v.def.semantics(b, ...v.operands);
          b.if(b.fusedCondition(cc), () => {
            b.jumpDirect();
          });
          b.fallThrough();
        },
      });
    }
  }
  return {
    imports: HOST_IMPORTS,
    tagBits: 0,
    helpers: [...FLAG_HELPERS, ...helpers],
    handlers,
    make: (context) => new X86HandlerBuilder(context, 0),
  };
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
      const { name, lock, d64, ends, endsWithImmediate, noRexB, condition, repeats, addressAfterPop } = e.def;
      const def = { name, lock, d64, ends, endsWithImmediate, noRexB, condition, repeats, addressAfterPop };
      return { ...e, def };
    }),
    ids: { ...isa.ids, fused: [...isa.ids.fused] },
    undefinedHandler: isa.undefinedHandler,
  };
}

export function loadIsa(data: SerializedIsa): DecodeTables {
  return { ...data, ids: { ...data.ids, fused: new Map(data.ids.fused) } };
}

/** Numbers the handlers of aarch64's variants, and describes them to the interpreter's generator. */
import type { CommonIds } from '../../code-space.ts';
import { A64HandlerBuilder } from '../../interp/a64-handler-builder.ts';
import { COMMON_HANDLERS, type Handler, type HandlerSet, type HostImport } from '../../interp/generate.ts';
import type { HandlerContext } from '../../interp/handler-builder.ts';
import type { Helper } from '../../interp/helpers.ts';
import { RECORD_SIZE } from '../../layout.ts';
import { TAG_BITS } from './layout.ts';
import type { A64Builder } from './builder.ts';
import type { Definition } from './define.ts';
import { enumerate, type Encoding, type Variant } from './encoding.ts';

/** Host functions handlers may call. */
export const HOST_IMPORTS = [
  /** CNTVCT_EL0. */
  { name: 'counter', params: [], result: 'i64' },
  /** Soft-float: operation (float/fp-ops.ts) and three bit patterns; raises flags in FPSR. */
  { name: 'fp', params: ['i32', 'i64', 'i64', 'i64'], result: 'i64' },
] as const satisfies readonly HostImport[];

/** Conditions a compare is fused with: all but AL and NV. */
export const FUSED_CONDITIONS = 14;

export interface HandlerIds extends CommonIds {
  /** fused.get(variant) + condition: the compare and the branch in one. */
  readonly fused: ReadonlyMap<number, number>;
}

/** What a running cpu needs: encodings with their handlers' numbers. */
export interface DecodeTables {
  readonly encodings: readonly Encoding[];
  readonly ids: HandlerIds;
  readonly undefinedHandler: number;
}

export interface InstructionSet extends DecodeTables {
  readonly variants: readonly Variant[];
}

/** Numbers everything without building it: what the decoder needs at run time. */
export function numberHandlers(defs: readonly Definition[]): InstructionSet {
  const { encodings, variants } = enumerate(defs);
  let n = variants.length;
  const stop = n++;
  const stale = n++;
  const end = n++;
  const undefinedHandler = n++;
  const fused = new Map<number, number>();
  variants.forEach((v, i) => {
    if (!v.def.fuses) return;
    fused.set(i, n);
    n += FUSED_CONDITIONS;
  });
  return { encodings, variants, ids: { stop, stale, end, fused }, undefinedHandler };
}

/** What the generator makes the interpreter's module of. */
export function handlerSet(
  defs: readonly Definition[],
  helpers: readonly Helper<A64Builder>[],
): HandlerSet<A64HandlerBuilder> {
  const { variants, ids } = numberHandlers(defs);
  const maker =
    (v: Variant) =>
    (context: HandlerContext): A64HandlerBuilder =>
      new A64HandlerBuilder(context, v.fields);
  const handlers: Handler<A64HandlerBuilder>[] = [
    ...variants.map((v) => ({
      name: v.key,
      make: maker(v),
      build: (b: A64HandlerBuilder): void => {
        v.def.semantics(b, ...v.regs);
        if (!v.def.ends) b.next();
      },
    })),
    ...COMMON_HANDLERS,
    {
      name: 'undefined',
      build: (b): void => {
        b.raise('undefined');
      },
    },
  ];
  for (const [i] of ids.fused) {
    const v = variants[i];
    for (let cc = 0; cc < FUSED_CONDITIONS; cc++) {
      handlers.push({
        name: `${v.key}+b.${cc}`,
        make: maker(v),
        branchOffset: RECORD_SIZE,
        build: (b) => {
          v.def.semantics(b, ...v.regs);
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
    tagBits: TAG_BITS,
    helpers,
    handlers,
    make: (context) => new A64HandlerBuilder(context, {}),
  };
}

/** The instruction set as plain data: what a running machine needs of it without the definitions' code. */
export interface SerializedIsa {
  readonly encodings: readonly Encoding[];
  readonly ids: Omit<HandlerIds, 'fused'> & { readonly fused: readonly [number, number][] };
  readonly undefinedHandler: number;
}

export function serializeIsa(isa: InstructionSet): SerializedIsa {
  const { encodings, undefinedHandler } = isa;
  return { encodings, ids: { ...isa.ids, fused: [...isa.ids.fused] }, undefinedHandler };
}

export function loadIsa(data: SerializedIsa): DecodeTables {
  return { ...data, ids: { ...data.ids, fused: new Map(data.ids.fused) } };
}

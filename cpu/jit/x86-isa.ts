/** x86_64 for the compiler. */
import { CORE_HELPERS } from '../interp/helpers.ts';
import { HOST_IMPORTS, handlerSet, numberHandlers } from '../isa/x86_64/handlers.ts';
import { definitions, helpers } from '../isa/x86_64/instructions.ts';
import type { Instruction, RegionIsa } from './isa.ts';
import { X86RegionBuilder, X86_CELLS, x86HostUsesCells } from './x86-region-builder.ts';

export function x86RegionIsa(): RegionIsa {
  const { variants, ids, undefinedHandler } = numberHandlers(definitions);
  const instructions: (Instruction | undefined)[] = variants.map((v, i) =>
    i === undefinedHandler
      ? undefined
      : {
          kind: v.def.ends ? 'ends' : 'plain',
          flow: v.def.flow,
          emit: (context) => {
            v.def.semantics(new X86RegionBuilder(context, v.bits), ...v.operands);
          },
        },
  );
  instructions[ids.end] = {
    kind: 'ends',
    emit: (context) => {
      context.flow.fallThrough();
    },
  };
  for (const [id, cut] of [[ids.address, false], [ids.address32, true]] as const) {
    instructions[id] = {
      kind: 'prepares',
      emit: (context) => {
        new X86RegionBuilder(context, 0).prepare(cut);
      },
    };
  } // prettier-ignore
  for (const [i, first] of ids.fused)
    for (let cc = 0; cc < 16; cc++) {
      const v = variants[i];
      instructions[first + cc] = {
        kind: 'fused',
        emit: (context) => {
          const b = new X86RegionBuilder(context, v.bits);
          v.def.semantics(b, ...v.operands);
          b.if(b.fusedCondition(cc), () => {
            b.jumpDirect();
          });
          b.fallThrough();
        },
      };
    }
  const all = [...CORE_HELPERS, ...handlerSet(definitions, helpers).helpers];
  return {
    cells: X86_CELLS,
    instructions,
    host: HOST_IMPORTS,
    helpers: new Map(all.map((h) => [h.name, h])),
    usesCells: x86HostUsesCells,
  };
}

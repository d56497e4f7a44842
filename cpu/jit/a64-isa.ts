/** aarch64 for the compiler. */
import { CORE_HELPERS } from '../interp/helpers.ts';
import { FUSED_CONDITIONS, HOST_IMPORTS, handlerSet, numberHandlers } from '../isa/aarch64/handlers.ts';
import { definitions, helpers } from '../isa/aarch64/instructions.ts';
import { A64RegionBuilder, A64_CELLS } from './a64-region-builder.ts';
import type { Instruction, RegionIsa } from './isa.ts';

export function a64RegionIsa(): RegionIsa {
  const { variants, ids } = numberHandlers(definitions);
  const instructions: (Instruction | undefined)[] = variants.map((v) => ({
    kind: v.def.ends ? 'ends' : 'plain',
    flow: v.def.flow,
    emit: (context) => {
      v.def.semantics(new A64RegionBuilder(context, v.fields), ...v.regs);
    },
  }));
  instructions[ids.end] = {
    kind: 'ends',
    emit: (context) => {
      context.flow.fallThrough();
    },
  };
  for (const [i, first] of ids.fused)
    for (let cc = 0; cc < FUSED_CONDITIONS; cc++) {
      const v = variants[i];
      instructions[first + cc] = {
        kind: 'fused',
        emit: (context) => {
          const b = new A64RegionBuilder(context, v.fields);
          v.def.semantics(b, ...v.regs);
          b.if(b.fusedCondition(cc), () => {
            b.jumpDirect();
          });
          b.fallThrough();
        },
      };
    }
  const all = [...CORE_HELPERS, ...handlerSet(definitions, helpers).helpers];
  return {
    cells: A64_CELLS,
    instructions,
    host: HOST_IMPORTS,
    helpers: new Map(all.map((h) => [h.name, h])),
    usesCells: () => false,
  };
}

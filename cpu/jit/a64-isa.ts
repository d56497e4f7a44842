/** aarch64 for the compiler. */
import { CORE_HELPERS } from '../interp/helpers.ts';
import { variantFinder } from '../isa/aarch64/encoding.ts';
import { FUSED_CONDITIONS, HOST_IMPORTS, type DecodeTables } from '../isa/aarch64/handlers.ts';
import { definitions, helpers } from '../isa/aarch64/instructions.ts';
import { fillFlags, spillFlags } from './a64-flags.ts';
import { A64RegionBuilder, A64_CELLS } from './a64-region-builder.ts';
import { fuses } from './fused.ts';
import { fuser, lazily, type Instruction, type RegionIsa } from './isa.ts';

export function a64RegionIsa({ encodings, ids }: DecodeTables): RegionIsa {
  const variantOf = variantFinder(definitions, encodings);
  const fusedOf = fuser(ids.fused, FUSED_CONDITIONS);
  const make = (handler: number): Instruction | undefined => {
    if (handler === ids.end) return { kind: 'ends', emit: (c) => { c.flow.fallThrough(); } }; // prettier-ignore
    const fused = fusedOf(handler);
    const v = variantOf(fused ? fused.first : handler);
    if (!v) return undefined;
    return {
      name: v.def.name,
      kind: fused ? 'fused' : v.def.ends ? 'ends' : 'plain',
      flow: v.def.flow,
      emit: (context) => {
        const b = new A64RegionBuilder(context, v.fields);
        v.def.semantics(b, ...v.regs);
        if (!fused) return;
        b.if(b.fusedCondition(fused.condition), () => {
          b.jumpDirect();
        });
        b.fallThrough();
      },
    };
  };
  return {
    cells: A64_CELLS,
    instruction: lazily(make),
    host: HOST_IMPORTS,
    fuses: fuses(),
    helpers: new Map([...CORE_HELPERS, ...helpers].map((h) => [h.name, h])),
    usesCells: () => false,
    fillDerived: fillFlags,
    spillDerived: spillFlags,
  };
}

/** x86_64 for the compiler. */
import { CORE_HELPERS } from '../interp/helpers.ts';
import { variantFinder } from '../isa/x86_64/encoding.ts';
import { FLAG_HELPERS, HOST_IMPORTS, type DecodeTables } from '../isa/x86_64/handlers.ts';
import { definitions, helpers } from '../isa/x86_64/instructions.ts';
import { fuses } from './fused.ts';
import { fuser, lazily, type Instruction, type RegionIsa } from './isa.ts';
import { fillFlags, spillFlags } from './x86-flags.ts';
import { X86RegionBuilder, X86_CELLS, x86HostUsesCells } from './x86-region-builder.ts';

export function x86RegionIsa({ encodings, ids, undefinedHandler }: DecodeTables): RegionIsa {
  const variantOf = variantFinder(definitions, encodings);
  const fusedOf = fuser(ids.fused, 16);
  const make = (handler: number): Instruction | undefined => {
    if (handler === undefinedHandler) return undefined;
    if (handler === ids.end) return { kind: 'ends', emit: (c) => { c.flow.fallThrough(); } }; // prettier-ignore
    if (handler === ids.address || handler === ids.address32)
      return {
        kind: 'prepares',
        emit: (context) => {
          new X86RegionBuilder(context, 0).prepare(handler === ids.address32);
        },
      };
    const fused = fusedOf(handler);
    const v = variantOf(fused ? fused.first : handler);
    if (!v) return undefined;
    return {
      name: v.def.name,
      kind: fused ? 'fused' : v.def.ends ? 'ends' : 'plain',
      flow: v.def.flow,
      emit: (context) => {
        const b = new X86RegionBuilder(context, v.bits);
        v.def.semantics(b, ...v.operands);
        if (!fused) return;
        b.if(b.fusedCondition(fused.condition), () => {
          b.jumpDirect();
        });
        b.fallThrough();
      },
    };
  };
  return {
    cells: X86_CELLS,
    instruction: lazily(make),
    host: HOST_IMPORTS,
    fuses: fuses(),
    helpers: new Map([...CORE_HELPERS, ...FLAG_HELPERS, ...helpers].map((h) => [h.name, h])),
    usesCells: x86HostUsesCells,
    fillDerived: fillFlags,
    spillDerived: spillFlags,
  };
}

/** Entry of the x86_64 compiler's bundle. */
import type { DecodeTables } from '../isa/x86_64/handlers.ts';
import { compileRegion } from './compile.ts';
import type { CompileRegion } from './tier.ts';
import { x86RegionIsa } from './x86-isa.ts';

export function compiler(tables: DecodeTables): CompileRegion {
  const isa = x86RegionIsa(tables);
  return (request) => compileRegion(isa, request);
}

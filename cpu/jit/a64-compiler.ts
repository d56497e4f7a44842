/** Entry of the aarch64 compiler's bundle. */
import type { DecodeTables } from '../isa/aarch64/handlers.ts';
import { a64RegionIsa } from './a64-isa.ts';
import { compileRegion } from './compile.ts';
import type { CompileRegion } from './tier.ts';

export function compiler(tables: DecodeTables): CompileRegion {
  const isa = a64RegionIsa(tables);
  return (request) => compileRegion(isa, request);
}

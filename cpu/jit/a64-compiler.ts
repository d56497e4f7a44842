/** Entry of the aarch64 compiler's bundle. */
import { loadIsa, type DecodeTables, type SerializedIsa } from '../isa/aarch64/handlers.ts';
import { a64RegionIsa } from './a64-isa.ts';
import { compileRegion } from './compile.ts';
import type { CompileRegion } from './compiler.ts';

export function compiler(tables: DecodeTables): CompileRegion {
  const isa = a64RegionIsa(tables);
  return (request) => compileRegion(isa, request);
}

/** For a thread, which reads the tables itself. */
export const compilerOf = (tables: SerializedIsa): CompileRegion => compiler(loadIsa(tables));

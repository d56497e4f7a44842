/** Entry of the x86_64 compiler's bundle. */
import { loadIsa, type DecodeTables, type SerializedIsa } from '../isa/x86_64/handlers.ts';
import { compileRegion } from './compile.ts';
import type { CompileRegion } from './compiler.ts';
import { x86RegionIsa } from './x86-isa.ts';

export function compiler(tables: DecodeTables): CompileRegion {
  const isa = x86RegionIsa(tables);
  return (request) => compileRegion(isa, request);
}

/** For a thread, which reads the tables itself. */
export const compilerOf = (tables: SerializedIsa): CompileRegion => compiler(loadIsa(tables));

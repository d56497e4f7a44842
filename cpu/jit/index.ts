/** The compiler as a bundle of its own (dist/compiler.cjs): a program that is never hot does not load it. */
import { a64RegionIsa } from './a64-isa.ts';
import { compileRegion, type CompiledRegion, type CompileRequest } from './compile.ts';
import type { RegionIsa } from './isa.ts';
import { x86RegionIsa } from './x86-isa.ts';

const make =
  (isa: RegionIsa) =>
  (request: CompileRequest): CompiledRegion | null =>
    compileRegion(isa, request);

export const x86_64 = (): ReturnType<typeof make> => make(x86RegionIsa());
export const aarch64 = (): ReturnType<typeof make> => make(a64RegionIsa());

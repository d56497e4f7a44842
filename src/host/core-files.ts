/** Loads what the build made of the instruction definitions: the interpreter's module and the decoder's tables. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import {
  type BackgroundCompiler,
  type CompileRegion,
  hasRelaxedMadd,
  loadA64Isa,
  loadIsa,
  type A64DecodeTables,
  type DecodeTables,
  type SerializedA64Isa,
  type SerializedIsa,
} from '../../cpu/index.ts';
import { backgroundCompiler } from './background.ts';
import { loadBundle } from './bundle.ts';

export interface CoreFiles<Isa> {
  readonly module: WebAssembly.Module;
  readonly isa: Isa;
}

/** Beside the bundle, or in dist/ when running from the sources. */
export function find(name: string): string {
  for (const dir of ['./', '../../dist/']) {
    const path = fileURLToPath(new URL(dir + name, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new Error(`${name} is missing: build the project with: npm run build`);
}

const wasm = (arch: string): WebAssembly.Module => new WebAssembly.Module(readFileSync(find(`${arch}.wasm`)));
const tables = (arch: string): unknown => JSON.parse(readFileSync(find(`${arch}.tables.json`), 'utf8'));

/** The compiler of hot code in a thread of its own. */
export const backgroundCompilerOf = (arch: 'x86_64' | 'aarch64') => (): BackgroundCompiler | null => {
  allowFusing();
  return backgroundCompiler({
    thread: find('compiler-thread.cjs'),
    bundle: find(`compiler-${arch}.cjs`),
    tables: find(`${arch}.tables.json`),
  });
};

/** A fused multiply-add in one instruction instead of forty (cpu/jit/fused.ts). */
function allowFusing(): void {
  if (!hasRelaxedMadd()) setFlagsFromString('--experimental-wasm-relaxed-simd');
}

/** The compiler of hot code for a decoder's tables, fetched when it is called. */
export const compilerOf =
  <Isa>(arch: 'x86_64' | 'aarch64', isa: Isa) =>
  (): CompileRegion => {
    allowFusing();
    const path = find(`compiler-${arch}.cjs`);
    const bundle = loadBundle(path) as { compiler: (isa: Isa) => CompileRegion };
    return bundle.compiler(isa);
  };

/** x86_64. Throws when the project was not built. */
export function loadCore(): CoreFiles<DecodeTables> {
  return { module: wasm('x86_64'), isa: loadIsa(tables('x86_64') as SerializedIsa) };
}

/** aarch64. Throws when the project was not built. */
export function loadA64Core(): CoreFiles<A64DecodeTables> {
  return { module: wasm('aarch64'), isa: loadA64Isa(tables('aarch64') as SerializedA64Isa) };
}

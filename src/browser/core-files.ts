/** Stands in for src/host/core-files.ts: what the build made of the instruction definitions is fetched from beside the bundle. */
import {
  type A64DecodeTables,
  type BackgroundCompiler,
  type CompileRegion,
  type DecodeTables,
  loadA64Isa,
  loadIsa,
  type SerializedA64Isa,
  type SerializedIsa,
} from '../../cpu/index.ts';
import { compiler as a64Compiler } from '../../cpu/jit/a64-compiler.ts';
import { compiler as x86Compiler } from '../../cpu/jit/x86-compiler.ts';
import type { CoreFiles } from '../host/core-files.ts';
import { BootError } from '../machine/errors.ts';

async function fetched(name: string): Promise<Response> {
  const url = new URL(name, import.meta.url);
  const answer = await fetch(url).catch((e: unknown) => (e instanceof Error ? e.message : String(e)));
  if (typeof answer !== 'string' && answer.ok) return answer;
  const why = typeof answer === 'string' ? answer : `${answer.status} ${answer.statusText}`;
  throw new BootError('setup', `${url.href} cannot be had (${why}); it must lie beside ring3's own script`);
}

const wasm = async (arch: string): Promise<WebAssembly.Module> =>
  WebAssembly.compile(await (await fetched(`${arch}.wasm`)).arrayBuffer());
const tables = async (arch: string): Promise<unknown> => (await fetched(`${arch}.tables.json`)).json();

/** What was fetched serves all machines of the page. */
const cores: { x86_64?: Promise<CoreFiles<DecodeTables>>; aarch64?: Promise<CoreFiles<A64DecodeTables>> } =
  {};

/** x86_64. Throws BootError when a file is not there. */
export function loadCore(): Promise<CoreFiles<DecodeTables>> {
  cores.x86_64 ??= Promise.all([wasm('x86_64'), tables('x86_64')]).then(([module, isa]) => ({
    module,
    isa: loadIsa(isa as SerializedIsa),
  }));
  return cores.x86_64;
}

/** aarch64. Throws BootError when a file is not there. */
export function loadA64Core(): Promise<CoreFiles<A64DecodeTables>> {
  cores.aarch64 ??= Promise.all([wasm('aarch64'), tables('aarch64')]).then(([module, isa]) => ({
    module,
    isa: loadA64Isa(isa as SerializedA64Isa),
  }));
  return cores.aarch64;
}

/** Hot code is compiled in the machine's own thread, which is best a worker's. */
export const backgroundCompilerOf = () => (): BackgroundCompiler | null => null;

export const compilerOf =
  <Isa>(arch: 'x86_64' | 'aarch64', isa: Isa) =>
  (): CompileRegion =>
    arch === 'x86_64' ? x86Compiler(isa as DecodeTables) : a64Compiler(isa as A64DecodeTables);

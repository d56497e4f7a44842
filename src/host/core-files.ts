/** Loads what the build made of the instruction definitions: the interpreter's module and the decoder's tables. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadIsa, type DecodeTables, type SerializedIsa } from '../../cpu/index.ts';

export interface CoreFiles {
  readonly module: WebAssembly.Module;
  readonly isa: DecodeTables;
}

/** Beside the bundle, or in dist/ when running from the sources. Throws when the project was not built. */
export function loadCore(): CoreFiles {
  const find = (name: string): string => {
    for (const dir of ['./', '../../dist/']) {
      const path = fileURLToPath(new URL(dir + name, import.meta.url));
      if (existsSync(path)) return path;
    }
    throw new Error(`${name} is missing: build the project with: npm run build`);
  };
  return {
    module: new WebAssembly.Module(readFileSync(find('x86_64.wasm'))),
    isa: loadIsa(JSON.parse(readFileSync(find('x86_64.tables.json'), 'utf8')) as SerializedIsa),
  };
}

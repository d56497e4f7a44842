/** Build step: the interpreter module and the decoder's tables, from the instruction definitions. */
import { generate as generateModule, numberHandlers, serializeIsa } from './interp/generate.ts';
import { definitions, helpers } from './isa/x86_64/instructions.ts';

/** Files of dist/, by extension: x86_64.wasm and x86_64.tables.json. */
export function generate(): { wasm: Uint8Array; 'tables.json': string } {
  return {
    wasm: generateModule(definitions, helpers, { pages: { min: 1, max: 65536 } }),
    'tables.json': JSON.stringify(serializeIsa(numberHandlers(definitions))),
  };
}

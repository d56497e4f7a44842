/** Build step: the interpreters' modules and the decoders' tables, from the instruction definitions. */
import { generate as generateModule } from './interp/generate.ts';
import { handlerSet, numberHandlers, serializeIsa } from './isa/x86_64/handlers.ts';
import { definitions, helpers } from './isa/x86_64/instructions.ts';

/** Files of dist/ by name. */
export function generate(): Record<string, Uint8Array | string> {
  const pages = { min: 1, max: 65536 };
  return {
    'x86_64.wasm': generateModule(handlerSet(definitions, helpers), { pages }),
    'x86_64.tables.json': JSON.stringify(serializeIsa(numberHandlers(definitions))),
  };
}

/** Build step: the interpreters' modules and the decoders' tables, from the instruction definitions. */
import {
  handlerSet as a64HandlerSet,
  numberHandlers as numberA64,
  serializeIsa as serializeA64,
} from './isa/aarch64/handlers.ts';
import { definitions as a64, helpers as a64Helpers } from './isa/aarch64/instructions.ts';
import { generate as generateModule } from './interp/generate.ts';
import { handlerSet, numberHandlers, serializeIsa } from './isa/x86_64/handlers.ts';
import { definitions, helpers } from './isa/x86_64/instructions.ts';

/** Files of dist/ by name. */
export function generate(): Record<string, Uint8Array | string> {
  const pages = { min: 1, max: 65536 };
  return {
    'aarch64.wasm': generateModule(a64HandlerSet(a64, a64Helpers), { pages }),
    'aarch64.tables.json': JSON.stringify(serializeA64(numberA64(a64))),
    'x86_64.wasm': generateModule(handlerSet(definitions, helpers), { pages }),
    'x86_64.tables.json': JSON.stringify(serializeIsa(numberHandlers(definitions))),
  };
}

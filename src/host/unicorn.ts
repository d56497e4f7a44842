/** Finds a Unicorn: the native library, the optional peer @alexaltea/unicorn-js, or a build of it by path. */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type { UnicornModule } from '../../cpu/index.ts';
import { loadNativeUnicorn } from './unicorn-native.ts';

const PEER = '@alexaltea/unicorn-js';
const HOW =
  'cpu: Unicorn is not here; get it with: apt-get install libunicorn2 && npm install koffi ' +
  `(or npm install ${PEER}, or --cpu unicorn:FILE.js)`;

/** `path`: of a WebAssembly build; null: whatever there is. A string says what is missing. */
export async function loadUnicorn(path: string | null): Promise<UnicornModule | string> {
  const require = createRequire(import.meta.url);
  if (path !== null) {
    const file = resolve(path);
    try {
      return await instantiate(require(file));
    } catch (e) {
      return `cpu: ${file} is no build of unicorn.js: ${String(e).split('\n')[0]}`;
    }
  }
  const native = loadNativeUnicorn();
  if (native) return native;
  let module: unknown;
  try {
    module = require(PEER);
  } catch {
    return HOW;
  }
  return instantiate(module);
}

/** unicorn.js exports MUnicorn, a function whose promise gives the module. */
async function instantiate(module: unknown): Promise<UnicornModule> {
  const found = module as { default?: unknown; MUnicorn?: unknown };
  const factory = [found, found.default, found.MUnicorn].find((f) => typeof f === 'function') as
    (() => Promise<UnicornModule>) | undefined;
  if (!factory) throw new Error('it exports no function MUnicorn');
  const unicorn = await factory();
  if (typeof unicorn.Unicorn !== 'function') throw new Error('MUnicorn() gives no Unicorn');
  return unicorn;
}

/** Loads a CommonJS bundle of dist/ with the code cache the build made of it. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Script } from 'node:vm';

/** What the bundle at `path` exports. Without a cache, or with one of another version of Node, it only takes longer. */
export function loadBundle(path: string): unknown {
  const cache = path.replace(/\.cjs$/, '.cache');
  const cachedData = existsSync(cache) ? readFileSync(cache) : undefined;
  const source = `(function (module, exports, require) {${readFileSync(path, 'utf8')}\n})`;
  const script = new Script(source, { filename: path, ...(cachedData ? { cachedData } : {}) });
  const module = { exports: {} };
  const run = script.runInThisContext() as (m: unknown, e: unknown, r: NodeJS.Require) => void;
  run(module, module.exports, createRequire(path));
  return module.exports;
}

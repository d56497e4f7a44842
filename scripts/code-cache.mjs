// Usage: node scripts/code-cache.mjs ARGS…: runs dist/cli.cjs with these arguments and writes dist/cli.cache, which then
// holds the compiled code of what the run used. A run that compiles hot code in its own thread (--cpu jit:SLICE:SAMPLES)
// writes the cache of that compiler instead.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';

const filename = fileURLToPath(new URL('../dist/cli.cjs', import.meta.url));
const compilers = [];
/** Keeps hold of the bundles the command line loads (src/host/bundle.ts). */
class Script extends vm.Script {
  constructor(source, options) {
    super(source, options);
    compilers.push([options.filename, this]);
  }
}
const script = new vm.Script(readFileSync(filename, 'latin1'), { filename });
process.on('exit', () => {
  const made = compilers.length > 0 ? compilers : [[filename, script]];
  for (const [bundle, used] of made)
    writeFileSync(bundle.replace(/\.cjs$/, '.cache'), used.createCachedData());
});
const url = pathToFileURL(filename).href;
const require = createRequire(url);
script.runInThisContext()((id) => (id === 'node:vm' ? { ...vm, Script } : require(id)), url);

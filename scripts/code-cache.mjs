// Usage: node scripts/code-cache.mjs ARGS…: runs dist/cli.cjs with these arguments and writes dist/cli.cache, which then
// holds the compiled code of what the run used.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Script } from 'node:vm';

const filename = fileURLToPath(new URL('../dist/cli.cjs', import.meta.url));
const script = new Script(readFileSync(filename, 'latin1'), { filename });
process.on('exit', () => {
  writeFileSync(new URL('../dist/cli.cache', import.meta.url), script.createCachedData());
});
const url = pathToFileURL(filename).href;
script.runInThisContext()(createRequire(url), url);

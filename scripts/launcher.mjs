#!/usr/bin/env node
// dist/cli.js: runs the command line's bundle (cli.cjs) with the code cache the build made of it (cli.cache), which
// halves the time to start. Another version of Node refuses the cache and compiles the bundle.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

const filename = fileURLToPath(new URL('cli.cjs', import.meta.url));
let cachedData;
try {
  cachedData = readFileSync(new URL('cli.cache', import.meta.url));
} catch {
  cachedData = undefined; // not made: only slower
}
const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData });
script.runInThisContext()(createRequire(import.meta.url), import.meta.url);

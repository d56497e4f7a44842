#!/usr/bin/env node
// dist/ring3.cjs: runs the command line's bundle (cli.cjs) with the code cache the build made of it (cli.cache), which
// halves the time to start. Another version of Node refuses the cache and compiles the bundle. CommonJS, because Node
// starts it 6 ms sooner than an ES module.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');
const { Script } = require('node:vm');

const filename = join(__dirname, 'cli.cjs');
let cachedData;
try {
  cachedData = readFileSync(join(__dirname, 'cli.cache'));
} catch {
  cachedData = undefined; // not made: only slower
}
const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData });
script.runInThisContext()(require, pathToFileURL(filename).href);

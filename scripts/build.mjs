#!/usr/bin/env node
// Builds dist/: the cpu's wasm module from the instruction definitions, the CLI and the library.
// Usage: node scripts/build.mjs [--cpu-only] [--if-stale]   (stale: a source is newer than what it makes)
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { buildBrowser } from './browser.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

/** Newest modification time under a folder's TypeScript sources, milliseconds. */
function newest(dir) {
  let time = 0;
  if (!existsSync(dir)) return time;
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (entry.isFile() && entry.name.endsWith('.ts')) {
      time = Math.max(time, statSync(join(entry.parentPath, entry.name)).mtimeMs);
    }
  }
  return time;
}

const common = { bundle: true, format: 'esm', platform: 'node', target: 'node20', logLevel: 'warning' };

/** Runs cpu/gen.ts and writes the files it returns to dist/. */
async function buildCpu(ifStale) {
  const entry = 'cpu/gen.ts';
  if (!existsSync(entry)) return;
  if (ifStale && existsSync('dist/x86_64.wasm') && statSync('dist/x86_64.wasm').mtimeMs > newest('cpu'))
    return;
  const outfile = 'build/gen-cpu.mjs';
  await build({ ...common, entryPoints: [entry], outfile });
  const { generate } = await import(pathToFileURL(outfile).href);
  const parts = await generate();
  mkdirSync('dist', { recursive: true });
  for (const [name, bytes] of Object.entries(parts)) {
    if (bytes instanceof Uint8Array || typeof bytes === 'string') writeFileSync(`dist/${name}`, bytes);
  }
}

// elfy is CommonJS: inside an ES module its require('util') needs a real `require`.
const banner = `import { createRequire as __ring3Require } from 'node:module';
const require = __ring3Require(import.meta.url);`;

/** The compilers of hot code and the thread they work in: loaded when something is hot. */
async function buildCompilers(ifStale) {
  for (const [name, entry] of [
    ['compiler-x86_64', 'cpu/jit/x86-compiler.ts'],
    ['compiler-aarch64', 'cpu/jit/a64-compiler.ts'],
    ['compiler-thread', 'src/host/compiler-thread.ts'],
  ]) {
    const outfile = `dist/${name}.cjs`;
    if (ifStale && existsSync(outfile) && statSync(outfile).mtimeMs > Math.max(newest('cpu'), newest('src')))
      continue;
    rmSync(`dist/${name}.cache`, { force: true }); // V8 would take it for the new script's if the lengths agree
    await build({ ...minified, format: 'cjs', entryPoints: [entry], outfile });
  }
}

/** The thread that runs schedules for `ring3 explore`. */
async function buildExploreThread() {
  await build({
    ...minified,
    format: 'cjs',
    entryPoints: ['src/host/explore-thread.ts'],
    outfile: 'dist/explore-thread.cjs',
    define: { 'import.meta.url': '__ring3Url' },
    banner: { js: "const __ring3Url = require('node:url').pathToFileURL(__filename).href;" },
  });
}

const minified = { ...common, minify: true, keepNames: false, legalComments: 'none' };

/** The command line: a plain script, which a code cache can be made of, and a small module that starts it. */
async function buildCli() {
  rmSync('dist/cli.cache', { force: true });
  await build({
    ...minified,
    format: 'cjs',
    entryPoints: ['src/cli/main.ts'],
    outfile: 'dist/cli.cjs',
    define: { 'import.meta.url': '__ring3Url' },
    banner: { js: '(function (require, __ring3Url) {' },
    footer: { js: '})' },
  });
  copyFileSync('scripts/launcher.cjs', 'dist/ring3.cjs');
  chmodSync('dist/ring3.cjs', 0o755);
  const guest = 'guests/prebuilt/x86_64/hello';
  makeCodeCache(existsSync(guest) ? ['run', guest] : ['version']);
  for (const arch of ['x86_64', 'aarch64']) {
    const busy = `guests/prebuilt/${arch}/stdio-musl`;
    if (existsSync(busy)) makeCodeCache(['run', '--cpu', 'jit:200:1', busy]);
  }
}

function makeCodeCache(args) {
  const made = spawnSync(process.execPath, ['scripts/code-cache.mjs', ...args], { encoding: 'utf8' });
  if (made.status !== 0) console.warn(`no code cache: ${made.stderr}`);
}

/** Names stay: they are in the stack traces of those whose tests use the library. */
const named = { ...minified, minify: false, minifySyntax: true };

async function buildLibrary() {
  await build({
    ...named,
    entryPoints: ['src/index.ts'],
    outfile: 'dist/index.js',
    banner: { js: banner },
  });
}

/** What tests import beside the library: matchers and assertions. */
async function buildTesting() {
  const entryPoints = ['src/testing/vitest.ts', 'src/testing/node-test.ts'];
  await build({ ...named, entryPoints, outdir: 'dist', external: ['vitest'] });
}

async function buildBundles(ifStale) {
  const sources = Math.max(...['src', 'kernel', 'loader', 'cpu'].map(newest));
  const fresh = (out) => ifStale && existsSync(out) && statSync(out).mtimeMs > sources;
  if (!fresh('dist/cli.cjs')) await buildCli();
  if (!fresh('dist/index.js')) await buildLibrary();
  if (!fresh('dist/browser.js')) await buildBrowser();
  if (!fresh('dist/explore-thread.cjs')) await buildExploreThread();
  if (!fresh('dist/vitest.js')) await buildTesting();
}

const ifStale = process.argv.includes('--if-stale');
await buildCpu(ifStale);
await buildCompilers(ifStale);
if (!process.argv.includes('--cpu-only')) await buildBundles(ifStale);

#!/usr/bin/env node
// Builds dist/: the cpu's wasm module from the instruction definitions, the CLI and the library.
// Usage: node scripts/build.mjs [--cpu-only] [--if-stale]   (stale: a source is newer than what it makes)
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

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

/** Runs cpu/gen.ts and writes what it returns: `wasm` → dist/x86_64.wasm, any other name → dist/x86_64.NAME. */
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
    if (bytes instanceof Uint8Array || typeof bytes === 'string') writeFileSync(`dist/x86_64.${name}`, bytes);
  }
}

// elfy and memfs are CommonJS: inside an ES module their require('util') needs a real `require`.
const banner = `import { createRequire as __ring3Require } from 'node:module';
const require = __ring3Require(import.meta.url);`;

async function buildBundles(ifStale) {
  const entries = [
    { in: 'src/cli/main.ts', out: 'dist/cli.js', shebang: true },
    { in: 'src/index.ts', out: 'dist/index.js', shebang: false },
  ];
  for (const entry of entries) {
    if (!existsSync(entry.in)) continue;
    const sources = Math.max(...['src', 'kernel', 'loader', 'cpu'].map(newest));
    if (ifStale && existsSync(entry.out) && statSync(entry.out).mtimeMs > sources) continue;
    await build({
      ...common,
      entryPoints: [entry.in],
      outfile: entry.out,
      minify: true,
      keepNames: false,
      legalComments: 'none',
      banner: { js: entry.shebang ? `#!/usr/bin/env node\n${banner}` : banner },
    });
    if (entry.shebang) chmodSync(entry.out, 0o755);
  }
}

const ifStale = process.argv.includes('--if-stale');
await buildCpu(ifStale);
if (!process.argv.includes('--cpu-only')) await buildBundles(ifStale);

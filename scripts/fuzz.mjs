#!/usr/bin/env node
// Random system calls against the kernel on the real memory and page tables, as many as asked for, on both architectures.
// Usage: npm run fuzz -- [--calls N] [--seed N] [--arch x86_64|aarch64] [--record FILE]   (N like 10000000 or 1e7)
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '10000000' },
    seed: { type: 'string', default: '1' },
    arch: { type: 'string' },
    record: { type: 'string' },
  },
});
mkdirSync('build/fuzz', { recursive: true });
const outfile = 'build/fuzz/long.mjs'; // dist/ is two folders up, as from the sources
const banner =
  "import { createRequire as __ring3Require } from 'node:module';\nconst require = __ring3Require(import.meta.url);";
await build({
  entryPoints: ['test/fuzz/long.ts'], outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20', logLevel: 'warning',
  banner: { js: banner },
}); // prettier-ignore
const { fuzz } = await import(pathToFileURL(outfile).href);
for (const arch of values.arch ? [values.arch] : ['x86_64', 'aarch64']) {
  const r = fuzz(arch, Number(values.calls), Number(values.seed), (text) => console.error(text));
  console.log(JSON.stringify(r));
  if (!values.record) continue;
  if (!existsSync(values.record))
    writeFileSync(
      values.record,
      '# System call fuzzing\n\nRuns of `npm run fuzz`: random calls with plausible and hostile arguments. Nothing was thrown.\n\n' +
        '| date | architecture | calls | first seed | machines | calls that succeeded | different ones | seconds |\n|---|---|---:|---:|---:|---:|---:|---:|\n',
    );
  const date = new Date().toISOString().slice(0, 10);
  appendFileSync(
    values.record,
    `| ${date} | ${arch} | ${r.calls} | ${r.firstSeed} | ${r.worlds} | ${r.succeeded} | ${r.names} | ${r.seconds} |\n`,
  );
}

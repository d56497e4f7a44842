// dist/browser.js: the library as src/index.ts has it, with src/browser in the places of src/host and of Node's own modules.
import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';

const STANDS_IN = 'src/browser';

/** Modules one file stands in for. */
const ABSENT = ['program', 'input', 'core-dump', 'unicorn', 'recording-file'].map((n) => `src/host/${n}.ts`);

function standIn(path) {
  if (ABSENT.includes(path) || path === 'src/image/image.ts') return `${STANDS_IN}/absent.ts`;
  const other = path.replace(/^src\/host\//, `${STANDS_IN}/`);
  return other !== path && existsSync(other) ? other : null;
}

const NODE = {
  'node:fs': 'node-fs.ts',
  'node:path': 'node-path.ts',
  util: 'elfy-needs.ts',
  assert: 'elfy-needs.ts',
};

const standIns = {
  name: 'browser',
  setup({ onResolve }) {
    onResolve({ filter: /\.ts$/ }, ({ path, importer, resolveDir }) => {
      // What stands in for a module may use it.
      if (dirname(relative('.', importer)) === STANDS_IN) return null;
      const other = standIn(relative('.', resolve(resolveDir, path)));
      return other && { path: resolve(other) };
    });
    onResolve({ filter: /^(node:.*|util|assert)$/ }, ({ path, importer }) =>
      path in NODE
        ? { path: resolve(STANDS_IN, NODE[path]) }
        : {
            errors: [
              { text: `${path} is not there in a browser, and ${relative('.', importer)} is in its bundle` },
            ],
          },
    );
  },
};

export async function buildBrowser(outfile = 'dist/browser.js') {
  await build({
    entryPoints: [join('src', 'index.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
    plugins: [standIns],
  });
}

#!/usr/bin/env node
// The test command: installs what the suites need where it can (root on Debian), names what it must leave out, then
// builds, checks format, lint and types, and runs every suite. The last line is "N passed, N failed".
// Usage: node scripts/test.mjs [--no-install] [vitest filters…]
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fetchArm64 } from './debian-arm64.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const args = process.argv.slice(2);
const install = !args.includes('--no-install');
const filters = args.filter((a) => !a.startsWith('--'));
const RESULTS = 'build/test-results.json';

/** Debian package → the file that shows it is there, and what is left out without it. */
const NEEDS = [
  { pkg: 'gcc', file: '/usr/bin/gcc', suites: 'C guests built with glibc' },
  { pkg: 'libc6-dev', file: '/usr/lib/x86_64-linux-gnu/libc.a', suites: 'C guests built with glibc' },
  {
    pkg: 'musl-tools',
    file: '/usr/bin/musl-gcc',
    suites: 'C guests built with musl, rebuild of prebuilt guests',
  },
  {
    pkg: 'gcc-aarch64-linux-gnu',
    file: '/usr/bin/aarch64-linux-gnu-gcc',
    suites: 'guests built for aarch64',
  },
  { pkg: 'golang-go', file: '/usr/bin/go', suites: 'Go hello, Go net/http server' },
  { pkg: 'rustc', file: '/usr/bin/rustc', suites: 'Rust tokio echo server' },
  { pkg: 'cargo', file: '/usr/bin/cargo', suites: 'Rust tokio echo server' },
  {
    pkg: 'librust-tokio-dev',
    file: '/usr/share/cargo/registry',
    glob: /^tokio-\d/,
    suites: 'Rust tokio echo server',
  },
  { pkg: 'busybox-static', file: '/usr/bin/busybox', suites: 'busybox applets and shell scripts' },
  { pkg: 'bash-static', file: '/usr/bin/bash-static', suites: 'bash script' },
  { pkg: 'strace', file: '/usr/bin/strace', suites: 'traces against strace' },
  {
    pkg: 'qemu-user',
    file: '/usr/bin/qemu-x86_64',
    suites: 'bench column qemu-x86_64, aarch64 guests beside qemu-aarch64',
  },
  {
    pkg: 'libunicorn2',
    file: '/usr/lib/x86_64-linux-gnu/libunicorn.so.2',
    suites: 'guests on Unicorn (--cpu unicorn)',
  },
  { pkg: 'gdb-multiarch', file: '/usr/bin/gdb-multiarch', suites: 'core files in gdb' },
  { pkg: 'procps', file: '/usr/bin/ps', suites: 'guest process listing against the host' },
];
const present = (n) =>
  existsSync(n.file) &&
  (!n.glob ||
    execFileSync('ls', [n.file], { encoding: 'utf8' })
      .split('\n')
      .some((f) => n.glob.test(f)));

function installPackages() {
  let missing = NEEDS.filter((n) => !present(n));
  const debian = existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get');
  if (missing.length > 0 && install && debian && process.getuid?.() === 0) {
    const names = missing.map((n) => n.pkg);
    console.log(`Installing from Debian: ${names.join(' ')}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const apt = (...a) =>
      spawnSync('apt-get', ['-qq', '-o', 'Dpkg::Use-Pty=0', ...a], {
        env,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
    apt('update');
    // All at once; when one name is unknown here, one by one, so that the others still come.
    if (apt('install', '-y', '--no-install-recommends', ...names).status !== 0) {
      for (const name of names) apt('install', '-y', '--no-install-recommends', name);
    }
    missing = NEEDS.filter((n) => !present(n));
  }
  for (const n of missing)
    console.log(`Left out: ${n.suites} (${n.file} not found; Debian package ${n.pkg})`);
}

let passed = 0;
let failed = 0;

/** One step that counts as a check of its own. */
function check(name, command, commandArgs) {
  const started = Date.now();
  const r = spawnSync(command, commandArgs, { stdio: 'inherit' });
  const ok = r.status === 0;
  if (ok) passed++;
  else failed++;
  console.log(`${ok ? 'ok' : 'FAILED'}: ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return ok;
}

const node = (...a) => [process.execPath, a];
const bin = (name, ...a) => node(`node_modules/${name}`, ...a);

installPackages();
if (install) for (const line of fetchArm64()) console.log(line);
mkdirSync('build', { recursive: true });
rmSync(RESULTS, { force: true });
check('build', ...node('scripts/build.mjs'));
check('guests', ...node('scripts/guests.mjs'));
check('types', ...bin('typescript/bin/tsc', '-b'));
check('format', ...bin('prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'));
check('lint', ...bin('eslint/bin/eslint.js', '.'));
const vitest = spawnSync(
  ...bin(
    'vitest/vitest.mjs',
    'run',
    ...filters,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${RESULTS}`,
  ),
  { stdio: 'inherit' },
);
let skipped = 0;
if (existsSync(RESULTS)) {
  const results = JSON.parse(readFileSync(RESULTS, 'utf8'));
  passed += results.numPassedTests;
  failed += results.numFailedTests;
  skipped = results.numPendingTests + results.numTodoTests;
  // A file that does not load has no tests to count, but it has failed.
  failed += results.testResults.filter(
    (f) => f.status === 'failed' && f.assertionResults.length === 0,
  ).length;
}
if (vitest.status !== 0 && failed === 0) failed++;
if (skipped > 0) console.log(`${skipped} skipped`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

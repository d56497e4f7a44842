// What the benchmark runs: our own programs (guests/bench), Debian's (bench/debian.mjs), and what they read.
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debianRoot } from './debian.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The working directory of every program: inputs are named relative to it. */
export const INPUTS = join(root, 'build/bench/inputs');

/**
 * kind: `loop`, one of ours at a size for which native takes 0.1 to 0.5 s and qemu up to 6; `real`, one of Debian's, `applet` a short
 * one; `start`, nothing but start-up; `rate` and `trace`, calls a second, start-up taken off (`trace`: written to a
 * file by strace). `quick`: the size of a quick run where it would take long under qemu.
 */
export const PROGRAMS = [
  { name: 'sha256', guest: 'bench-sha256', size: 70_000, unit: 'KiB', kind: 'loop' },
  { name: 'crc32', guest: 'bench-crc32', size: 2000, unit: 'rounds', kind: 'loop' },
  { name: 'intmatrix', guest: 'bench-intmatrix', size: 400, unit: 'rounds', kind: 'loop' },
  { name: 'matrix', guest: 'bench-matrix', size: 2500, unit: 'rounds', kind: 'loop' },
  { name: 'nbody', guest: 'bench-nbody', size: 3500, unit: 'thousand steps', kind: 'loop' },
  { name: 'spectral', guest: 'bench-spectral', size: 2000, unit: 'rows', kind: 'loop' },
  { name: 'qsort', guest: 'bench-qsort', size: 3000, unit: 'thousand', kind: 'loop' },
  { name: 'fib', guest: 'bench-fib', size: 40, unit: 'n', kind: 'loop' },
  { name: 'strings', guest: 'bench-strings', size: 12000, unit: 'rounds', kind: 'loop' },
  { name: 'trees', guest: 'bench-trees', size: 110, unit: 'rounds', kind: 'loop' },
  { name: 'bytecode', guest: 'bench-bytecode', size: 190, unit: 'rounds', kind: 'loop' },
  { name: 'gzip', path: 'bin/busybox', args: ['gzip', '-c', 'text-16m'], kind: 'real' },
  { name: 'awk', path: 'bin/busybox', args: ['awk', '-f', 'words.awk', 'text-4m'], kind: 'real' },
  { name: 'lua', path: 'usr/bin/lua5.4', args: ['mix.lua', '12'], kind: 'real' },
  { name: 'sqlite', path: 'usr/bin/sqlite3', args: [':memory:', '.read sort.sql'], kind: 'real' },
  { name: 'openssl', path: 'usr/bin/openssl', args: ['dgst', '-sha256', 'text-64m'], kind: 'real' },
  { name: 'python start', path: 'usr/bin/python3.11', args: ['-c', 'print(1)'], kind: 'applet' },
  { name: 'hello', guest: 'hello', kind: 'start' },
  { name: 'busybox true', path: 'bin/busybox', args: ['true'], kind: 'applet' },
  { name: 'busybox ls', path: 'bin/busybox', args: ['ls', '-s'], kind: 'applet' },
  { name: 'busybox wc', path: 'bin/busybox', args: ['wc', 'text-64k'], kind: 'applet' },
  { name: 'busybox sort', path: 'bin/busybox', args: ['sort', 'text-64k'], kind: 'applet' },
  { name: 'busybox sed', path: 'bin/busybox', args: ['sed', 's/[aeiou]/#/g', 'text-64k'], kind: 'applet' },
  { name: 'busybox sh', path: 'bin/busybox', args: ['sh', 'loop.sh'], kind: 'applet' },
  { name: 'busybox md5sum', path: 'bin/busybox', args: ['md5sum', 'text-64k'], kind: 'applet' },
  { name: 'getpid', guest: 'bench-getpid-loop', size: 2_000_000, unit: 'calls', kind: 'rate' },
  // Under qemu's user mode an exec'ed program runs natively, unless it is started through the emulator again.
  {
    name: 'fork, exec, wait',
    guest: 'bench-spawn',
    size: 10_000,
    unit: 'processes',
    kind: 'rate',
    again: true,
  },
  {
    name: 'futex ping-pong',
    guest: 'bench-futex-pingpong',
    size: 100_000,
    unit: 'round trips',
    kind: 'rate',
  },
  {
    name: 'traced write, to a file',
    guest: 'bench-write-lines',
    size: 200_000,
    unit: 'lines',
    kind: 'trace',
  },
  // A host's client asks a published port; of the last one the client is in there too (bench/serve.mjs).
  {
    name: 'nginx, 2 workers',
    path: 'usr/sbin/nginx',
    server: 'nginx',
    size: 40_000,
    unit: 'requests',
    kind: 'server',
  },
  {
    name: 'nginx, 1 worker',
    path: 'usr/sbin/nginx',
    server: 'nginx-one',
    size: 40_000,
    unit: 'requests',
    kind: 'server',
  },
  {
    name: 'redis GET',
    path: 'usr/bin/redis-server',
    server: 'redis',
    size: 100_000,
    unit: 'requests',
    kind: 'server',
  },
  {
    name: 'redis GET, client inside',
    path: 'usr/bin/redis-server',
    server: 'redis-inside',
    size: 100_000,
    unit: 'requests',
    kind: 'server',
  },
];

/** The host path of a program. */
export const fileOf = (p, arch) =>
  p.guest ? join(root, 'build/guests', arch, p.guest) : join(debianRoot(arch), p.path);

/** `bytes` of text: lines of words of a made-up language, the same each time. */
function text(bytes) {
  let seed = 1;
  const random = (n) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor(((seed >>> 8) / 2 ** 24) * n);
  };
  const letters = 'etaoinshrdlucmfwypvbgkjqxz';
  const vocabulary = Array.from({ length: 5000 }, () =>
    Array.from({ length: 2 + random(8) }, () => letters[Math.floor((random(26) * random(26)) / 26)]).join(''),
  );
  const out = Buffer.alloc(bytes, '\n');
  for (let at = 0, words = 0; at < bytes; words++) {
    // Few words are frequent, most are rare.
    const word = vocabulary[Math.floor((random(5000) * random(5000)) / 5000)];
    at += out.write(word + (words % 12 === 11 ? '\n' : ' '), at);
  }
  out[bytes - 1] = 10;
  return out;
}

/** Makes what the programs read. */
export function makeInputs() {
  mkdirSync(INPUTS, { recursive: true });
  const own = join(root, 'bench/inputs');
  for (const name of readdirSync(own)) copyFileSync(join(own, name), join(INPUTS, name));
  for (const [name, bytes] of [
    ['text-64k', 2 ** 16],
    ['text-4m', 2 ** 22],
    ['text-16m', 2 ** 24],
    ['text-64m', 2 ** 26],
  ]) {
    const file = join(INPUTS, name);
    if (!existsSync(file) || statSync(file).size !== bytes) writeFileSync(file, text(bytes));
  }
}

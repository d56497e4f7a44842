// Who runs the programs: the machine itself, qemu's user mode, Unicorn alone (bench/unicorn.c), and ring3 with each of
// its cores.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debianRoot } from './debian.mjs';
import { INPUTS, fileOf } from './programs.mjs';

export const ARCHES = ['x86_64', 'aarch64'];
export const CLI = fileURLToPath(new URL('../dist/ring3.cjs', import.meta.url));
const STRACE = '/usr/bin/strace';
const SERVE = fileURLToPath(new URL('serve.mjs', import.meta.url));
const UNICORN = fileURLToPath(new URL('../build/bench/unicorn', import.meta.url));
export const qemuOf = (arch) => `/usr/bin/qemu-${arch}`;

/** In the order of the columns. `core` is what ring3 is told to use. */
export const ALL_SIDES = [
  { id: 'native', title: 'native' },
  { id: 'qemu', title: 'qemu' },
  { id: 'unicorn', title: 'Unicorn' },
  { id: 'core', title: 'ring3 on Unicorn', core: 'unicorn' },
  { id: 'interp', title: 'ring3 interp', core: 'interp' },
  { id: 'jit', title: 'ring3 jit', core: 'jit' },
];

function makeUnicorn() {
  const source = fileURLToPath(new URL('unicorn.c', import.meta.url));
  mkdirSync(dirname(UNICORN), { recursive: true });
  return spawnSync('gcc', ['-O2', '-o', UNICORN, source, '-l:libunicorn.so.2']).status === 0;
}

/** Those of `ids` that work here, and a line about each that doesn't. */
export function sides(ids, unicornJs) {
  const js = { id: 'unicornJs', title: 'Unicorn (wasm)', core: `unicorn:${unicornJs}` };
  const wanted = [...ALL_SIDES, ...(unicornJs ? [js] : [])].filter((s) => ids.includes(s.id) || s === js);
  const hello = fileOf({ guest: 'hello' }, 'x86_64');
  const works = (s) => {
    if (s.id === 'unicorn') return makeUnicorn();
    return !s.core || spawnSync(process.execPath, [CLI, 'run', '--cpu', s.core, hello]).status === 0;
  };
  return wanted.filter((s) => {
    if (works(s)) return true;
    console.log(`left out: ${s.title}: it does not work here (libunicorn2, gcc, koffi?)`);
    return false;
  });
}

/** The arguments a program gets; `size` for those that take one. */
const argsOf = (p, size) => p.args ?? (size === undefined ? [] : [String(size)]);

/** Natively, Debian's programs get the loader and the libraries of the same folder the others have as root. */
function native(p, size) {
  if (process.arch !== 'x64') return null;
  const file = fileOf(p, 'x86_64');
  const command = [file, ...argsOf(p, size)];
  if (!p.path || p.path === 'bin/busybox') return command;
  return nativeCommand(p.path, argsOf(p, size));
}

/** Natively, a program of Debian's for this machine. */
export function nativeCommand(path, args) {
  const dir = debianRoot('x86_64');
  const libraries = ['lib', 'usr/lib'].map((d) => join(dir, d, 'x86_64-linux-gnu')).join(':');
  return [join(dir, 'lib64/ld-linux-x86-64.so.2'), '--library-path', libraries, join(dir, path), ...args];
}

/**
 * The command by which a side runs a program, in INPUTS; null where this machine lacks something or it would take
 * minutes. `trace` is the file for what is traced.
 */
export function commandOf(side, p, arch, size, trace) {
  const file = fileOf(p, arch);
  if (!existsSync(file)) return null;
  if (p.kind === 'server') {
    // The client runs natively. Unicorn would be minutes warming up.
    if (process.arch !== 'x64' || arch !== 'x86_64' || !['native', 'qemu', 'jit'].includes(side.id))
      return null;
    if (side.id === 'qemu' && !existsSync(qemuOf(arch))) return null;
    return [process.execPath, SERVE, side.core ?? side.id, p.server, String(size)];
  }
  const traced = p.kind === 'trace';
  if (side.id === 'native') {
    const command = arch === 'x86_64' ? native(p, size) : null;
    if (!command || !traced) return command;
    return existsSync(STRACE) ? [STRACE, '-o', trace, ...command] : null;
  }
  if (side.id === 'qemu') {
    if (!existsSync(qemuOf(arch))) return null;
    const options = [
      ...(p.path ? ['-L', debianRoot(arch)] : []),
      ...(traced ? ['-strace', '-D', trace] : []),
    ];
    return [qemuOf(arch), ...options, file, ...argsOf(p, size), ...(p.again ? [qemuOf(arch)] : [])];
  }
  // Unicorn alone knows few system calls; where it runs, ring3's kernel over it says nothing more.
  if (side.id === 'unicorn')
    return p.kind === 'loop' || p.kind === 'start' ? [UNICORN, arch, file, ...argsOf(p, size)] : null;
  if (side.id === 'core' && p.kind === 'loop') return null;
  // Unicorn's WebAssembly build copies all pages in and out at each call.
  if (side.id === 'unicornJs' && p.kind !== 'loop' && p.kind !== 'start') return null;
  const options = [...(traced ? ['strace', '-o', trace] : ['run']), '--cpu', side.core];
  if (p.path) options.push('--root', debianRoot(arch), '-v', `${INPUTS}:/inputs:ro`, '-w', '/inputs');
  return [process.execPath, CLI, ...options, p.path ? `/${p.path}` : file, ...argsOf(p, size)];
}

/** `ring3 preflight`: what a program would need that is not there, found without running it. */
import { readFileSync, readlinkSync, lstatSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CPU_FLAGS } from '../../cpu/index.ts';
import { syscalls } from '../../kernel/syscall/table.ts';
import type { SyscallRow } from '../../kernel/syscall/define.ts';
import { parseScript } from '../../loader/script.ts';
import { elfNeeds, type ElfNeeds } from './elf-needs.ts';

/** Where ld.so looks (ld.so(8)), the multiarch folders of Debian included. */
const LIBRARY_DIRS = {
  x86_64: ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'],
  aarch64: ['/lib/aarch64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'],
}; // prettier-ignore
/** The C library and what comes with it: they hold every call there is, and what is used of them is what others import. */
const LIBC = /^(libc|ld|libpthread|librt|libdl|ld-linux-.*|ld-musl-.*|libc\.musl-.*)[.-]/;
/** Imports that are system calls by another name. */
const WRAPPERS: Readonly<Record<string, string>> = {
  mq_send: 'mq_timedsend', mq_receive: 'mq_timedreceive', aio_read: '', getcontext: '', io_queue_init: 'io_setup',
  semop: 'semop', fanotify_mark: 'fanotify_mark', pthread_create: 'clone3', posix_spawn: 'clone3',
}; // prettier-ignore
/** What x86-64-v2, v3 and v4 ask for (psABI, 3.1.1), as /proc/cpuinfo names it. */
const LEVELS: Readonly<Record<number, readonly string[]>> = {
  2: ['cx16', 'lahf_lm', 'popcnt', 'pni', 'sse4_1', 'sse4_2', 'ssse3'],
  3: ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe', 'xsave'],
  4: ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'],
};
const MAX_LINKS = 40;

export interface Preflight {
  readonly arch: 'x86_64' | 'aarch64' | null;
  /** Files looked at: the program, its interpreter, its libraries. */
  readonly files: readonly string[];
  /** One line for each thing that is not there: it will be missed when the program comes to it. */
  readonly missing: readonly string[];
  /** What is there, but not in full. */
  readonly partial: readonly string[];
  readonly notes: readonly string[];
}

/** A file of the guest: below `root`, links followed as the guest would; without a root, the host's. Null: not there. */
class Files {
  private readonly root: string | null;
  constructor(root: string | null) {
    this.root = root === null ? null : resolve(root);
  }

  /** The host's path. */
  find(path: string): string | null {
    if (this.root === null) return exists(resolve(path)) ? resolve(path) : null;
    const rest = path.split('/').filter((s) => s !== '');
    const at: string[] = [];
    for (let links = 0; rest.length > 0;) {
      const name = rest.shift()!;
      if (name === '.') continue;
      if (name === '..') {
        at.pop();
        continue;
      }
      const here = join(this.root, ...at, name);
      let link: string | null = null;
      try {
        if (lstatSync(here).isSymbolicLink()) link = readlinkSync(here);
      } catch {
        return null;
      }
      if (link === null) at.push(name);
      else if (++links > MAX_LINKS) return null;
      else {
        if (link.startsWith('/')) at.length = 0;
        rest.unshift(...link.split('/').filter((s) => s !== ''));
      }
    }
    return join(this.root, ...at);
  }

  get whole(): boolean {
    return this.root !== null;
  }
}

function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** `root`: the folder `--root` names. `path`: where a bare name is looked for. */
export function preflight(program: string, root: string | null, path: string): Preflight {
  const files = new Files(root);
  const missing: string[] = [];
  const notes: string[] = [];
  const seen = new Map<string, ElfNeeds | null>();
  let first: ElfNeeds | null = null;

  const look = (guest: string): ElfNeeds | null | undefined => {
    const host = files.find(guest);
    if (host === null) return undefined;
    const known = seen.get(guest);
    if (known !== undefined) return known;
    const bytes = read(host);
    const needs = bytes === null ? null : elfNeeds(bytes);
    seen.set(guest, needs);
    return needs;
  };

  let name = locate(files, program, path);
  for (let scripts = 0; scripts < 6; scripts++) {
    const host = files.find(name);
    const bytes = host === null ? null : read(host);
    if (bytes === null) {
      missing.push(`${name}: no such file`);
      break;
    }
    const script = parseScript(bytes.subarray(0, 256));
    if (script === null) {
      first = look(name) ?? null;
      if (first === null) missing.push(`${name}: no 64-bit ELF program for x86_64 or aarch64`);
      break;
    }
    notes.push(`${name} is a script for ${script.interpreter}`);
    name = script.interpreter;
  }
  if (first) libraries(name, first, files, look, missing, notes);
  const partial: string[] = [];
  if (first) {
    calls(first.arch, seen, missing, partial, notes);
    processor(seen, missing);
  }
  return { arch: first?.arch ?? null, files: [...seen.keys()], missing, partial, notes };
}

function read(path: string): Uint8Array | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

function locate(files: Files, program: string, path: string): string {
  if (program.includes('/') || !files.whole) return program;
  for (const dir of path.split(':')) if (files.find(`${dir}/${program}`) !== null) return `${dir}/${program}`;
  return program;
}

/** The interpreter and all libraries, breadth first as ld.so loads them. */
function libraries(
  program: string,
  first: ElfNeeds,
  files: Files,
  look: (guest: string) => ElfNeeds | null | undefined,
  missing: string[],
  notes: string[],
): void {
  if (first.interp === null) {
    notes.push('static: needs no files');
    return;
  }
  if (!files.whole) {
    missing.push(`${first.interp}: its interpreter; a dynamic program needs --root`);
    return;
  }
  if (look(first.interp) === undefined) missing.push(`${first.interp}: its interpreter, not in the root`);
  const queue: [by: string, needs: ElfNeeds][] = [[program, first]];
  const done = new Set<string>();
  for (let next = queue.shift(); next; next = queue.shift()) {
    const [by, needs] = next;
    const origin = dirname(by);
    const runpath = needs.runpath.map((d) => d.replaceAll(/\$ORIGIN|\$\{ORIGIN\}/g, origin));
    for (const lib of needs.needed) {
      if (done.has(lib)) continue;
      done.add(lib);
      const dirs = lib.includes('/')
        ? ['']
        : [...runpath, ...LIBRARY_DIRS[first.arch], dirname(first.interp)];
      const at = dirs.map((d) => `${d}/${lib}`).find((p) => look(p)?.arch === first.arch);
      if (at === undefined) missing.push(`${lib}: a library that ${by} needs`);
      else queue.push([at, look(at)!]);
    }
  }
}

/** Calls found in the code, and imported by name from the C library. */
function calls(
  arch: 'x86_64' | 'aarch64',
  seen: ReadonlyMap<string, ElfNeeds | null>,
  missing: string[],
  partial: string[],
  notes: string[],
): void {
  const byNumber = new Map([...syscalls.values()].map((r) => [r[arch], r] as const));
  const users = new Map<SyscallRow, Set<string>>();
  const use = (row: SyscallRow | undefined, by: string): void => {
    if (row) users.set(row, (users.get(row) ?? new Set()).add(by));
  };
  let unknown = 0;
  for (const [file, needs] of seen) {
    if (!needs) continue;
    const base = file.slice(file.lastIndexOf('/') + 1);
    if (LIBC.test(base)) continue;
    for (const nr of needs.calls.keys()) use(byNumber.get(nr), file);
    unknown += needs.unknown;
    for (const name of needs.imports) use(syscalls.get(WRAPPERS[name] ?? name), file);
  }
  const rows = [...users].sort((a, b) => (a[0].name < b[0].name ? -1 : 1));
  const [program] = seen.keys();
  for (const [row, by] of rows) {
    const { level, note } = row.support;
    const where = by.size === 1 && by.has(program) ? '' : ` (in ${[...by].join(', ')})`;
    if (level === 'absent') missing.push(`system call ${row.name}: not implemented${where}`);
    else if (level !== 'full') partial.push(`system call ${row.name}: ${note ?? level}${where}`);
  }
  notes.push(`${users.size} different system calls found`);
  if (unknown > 0)
    notes.push(`${unknown} system-call instructions whose number is not told by the code before them`);
}

function processor(seen: ReadonlyMap<string, ElfNeeds | null>, missing: string[]): void {
  for (const [file, needs] of seen) {
    if (needs?.arch !== 'x86_64') continue;
    for (let level = 2; level <= needs.level; level++) {
      const lacks = LEVELS[level].filter((f) => !CPU_FLAGS.includes(f));
      if (lacks.length > 0)
        missing.push(`x86-64-v${level}, which ${file} is built for: no ${lacks.join(', ')}`);
    }
  }
}

/** Where guests are, and what this host lacks to run them natively. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Path of a guest: built here, or else the one in the repository; null when it is neither. */
export function guestPath(name: string, arch = 'x86_64'): string | null {
  for (const dir of [`build/guests/${arch}`, `guests/prebuilt/${arch}`]) {
    const path = `${ROOT}${dir}/${name}`;
    if (existsSync(path)) return path;
  }
  return null;
}

/** Why x86_64 Linux binaries do not run on this host by themselves, or null when they do. */
export function nativeReason(): string | null {
  if (process.platform !== 'linux') return `native runs need Linux, this is ${process.platform}`;
  if (process.arch !== 'x64') return `native runs need x86_64, this is ${process.arch}`;
  return null;
}

export function rootPath(relative: string): string {
  return ROOT + relative;
}

/** One way to run a guest, as guests/guests.json writes it. */
export interface GuestRun {
  readonly args?: readonly string[];
  readonly stdin?: string;
  readonly expect?: { readonly stdout?: string; readonly stderr?: string; readonly exit?: number };
}

export interface Guest {
  readonly name: string;
  readonly source: string;
  readonly libc?: readonly string[];
  /** Where it can be built; everywhere unless given. */
  readonly arch?: readonly string[];
  /** False: its output is not fixed, or it needs a partner. */
  readonly compare?: boolean;
  readonly expect?: GuestRun['expect'];
  readonly runs?: readonly GuestRun[];
}

export function guestTable(): readonly Guest[] {
  const text = readFileSync(`${ROOT}guests/guests.json`, 'utf8');
  return (JSON.parse(text) as { guests: Guest[] }).guests;
}

/** Names under which a guest is built: one for each libc the architecture's compiler has. */
export function builtNames(g: Guest, arch = 'x86_64'): string[] {
  if (g.arch && !g.arch.includes(arch)) return [];
  const libcs = g.libc ?? ['glibc'];
  return libcs.map((libc) => (libc === 'musl' ? `${g.name}-musl` : g.name));
}

/**
 * Which architecture a machine must have, found before there is one: what the program's name leads to in the folders
 * the guest will see (`--root`, `-v`), through symlinks and `#!` lines. No link is followed by the host: each name is
 * looked up in the folder it is in, so nothing outside of them is read.
 */
import type { HostDir, HostFs } from '../../kernel/fs/host-port.ts';
import type { Arch } from '../../kernel/ports.ts';
import { BINPRM_BUF_SIZE, parseScript } from '../../loader/script.ts';
import { openHostFolder } from '../host/folder.ts';
import { NodeHostFs } from '../host/host-fs.ts';
import { BootError } from './errors.ts';
import { toBinary } from './guest-files.ts';
import type { BootOptions } from './options.ts';
import type { Program } from './program.ts';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const MAX_LINKS = 40;
const MAX_SCRIPTS = 5;

const PLATFORMS: Readonly<Record<string, Arch>> = { 'linux/amd64': 'x86_64', 'linux/arm64': 'aarch64' };

/** The architecture `platform` names; null when it is not given. */
export const platformArch = (options: BootOptions): Arch | null =>
  options.platform === undefined ? null : (PLATFORMS[options.platform] ?? null);

/** The architecture for these options; `program` where it was read already, `image` what `root` names unless that is a folder. Throws BootError. */
export function chooseArch(
  options: BootOptions,
  program: Program | null,
  path: string,
  image: HostFs | null = null,
): Arch {
  const wanted = platformArch(options);
  const found = program?.arch ?? lookForArch(options, program, path, image);
  if (found !== null && wanted !== null && found !== wanted) {
    const name = program?.name ?? String(options.program);
    throw new BootError('not-executable', `${name} is for ${found}, not for ${options.platform}`);
  }
  return found ?? wanted ?? 'x86_64';
}

function lookForArch(
  options: BootOptions,
  program: Program | null,
  path: string,
  image: HostFs | null,
): Arch | null {
  const view = new GuestView(options, image);
  try {
    if (program) return archOf(view, program.bytes, 1);
    const name = options.program as string;
    const head = view.read(name.includes('/') ? name : view.search(name, path), options.cwd ?? '/');
    return head === null ? null : archOf(view, head, 0);
  } finally {
    view.close();
  }
}

/** Of the program with these first bytes, or of the one that runs it. */
function archOf(view: GuestView, head: Uint8Array, scripts: number): Arch | null {
  const script = parseScript(head.subarray(0, BINPRM_BUF_SIZE));
  if (script !== null) {
    if (scripts > MAX_SCRIPTS) return null;
    const next = view.read(script.interpreter, '/');
    return next === null ? null : archOf(view, next, scripts + 1);
  }
  // e_ident of a little-endian ELF64 file; e_machine.
  const elf = [0x7f, 0x45, 0x4c, 0x46, 2, 1].every((b, i) => head[i] === b);
  const machine = elf && head.length >= 20 ? head[18] | (head[19] << 8) : 0;
  return machine === 62 ? 'x86_64' : machine === 183 ? 'aarch64' : null;
}

interface Layer {
  /** Where it is mounted. */
  readonly at: readonly string[];
  readonly host: HostFs;
  /** The mount is this one file of the folder. */
  readonly file: string | null;
}

/** The guest's files as far as they come from the host. Paths are binary strings. */
class GuestView {
  private readonly layers: Layer[] = [];
  private readonly files: ReadonlyMap<string, string | Uint8Array>;

  constructor(options: BootOptions, image: HostFs | null) {
    const { root } = options;
    if (image) this.layers.push({ at: [], host: image, file: null });
    else if (root !== undefined) this.layers.push({ at: [], ...openHostFolder(root, 'root') });
    for (const m of options.mounts ?? []) {
      this.layers.push({ at: split(toBinary(m.guest)), ...openHostFolder(m.host, 'mounts', m.fs) });
    }
    const files: [string, string | Uint8Array][] = [];
    for (const [path, c] of Object.entries(options.files ?? {})) {
      if (typeof c !== 'string' && !(c instanceof Uint8Array) && 'symlink' in c) continue;
      files.push([toBinary(path), typeof c === 'string' || c instanceof Uint8Array ? c : c.data]);
    }
    this.files = new Map(files);
  }

  close(): void {
    for (const l of this.layers) if (l.host instanceof NodeHostFs) l.host.dispose();
  }

  /** A bare name's first executable on a PATH, else the name. */
  search(name: string, path: string): string {
    for (const dir of path.split(':').filter((d) => d.startsWith('/'))) {
      const found = this.walk(`${dir}/${name}`, '/', (host, parent, last) => {
        const st = host.stat(parent, last);
        return typeof st !== 'number' && (st.mode & S_IFMT) === S_IFREG && (st.mode & 0o111) !== 0;
      });
      if (found === true) return `${dir}/${name}`;
    }
    return name;
  }

  /** The first bytes of a file, or null. */
  read(path: string, cwd: string): Uint8Array | null {
    const given = this.files.get(path);
    if (given !== undefined) return typeof given === 'string' ? new TextEncoder().encode(given) : given;
    return this.walk(path, cwd, (host, parent, last) => {
      const file = host.open(parent, last, { write: false });
      if (file < 0) return null;
      const head = new Uint8Array(BINPRM_BUF_SIZE);
      const n = host.read(file, head, 0);
      host.close(file);
      return head.subarray(0, Math.max(n, 0));
    });
  }

  /** Follows a path as the guest will, and hands over the folder and the name it ends in; null: nowhere. */
  private walk<T>(
    path: string,
    cwd: string,
    use: (host: HostFs, parent: HostDir, last: string) => T,
  ): T | null {
    const rest = split(path);
    let at = path.startsWith('/') ? [] : split(toBinary(cwd));
    for (let links = 0; rest.length > 0;) {
      const name = rest.shift()!;
      if (name === '.') continue;
      if (name === '..') {
        at.pop();
        continue;
      }
      const here = [...at, name];
      const target = this.in(here, (host, parent, last) => {
        const st = host.stat(parent, last);
        return typeof st !== 'number' && (st.mode & S_IFMT) === S_IFLNK ? host.readlink(parent, last) : null;
      });
      if (typeof target !== 'string') at = here;
      else {
        if (++links > MAX_LINKS) return null;
        if (target.startsWith('/')) at = [];
        rest.unshift(...split(target));
      }
    }
    return this.in(at, use);
  }

  /** Finds the layer a resolved path is in, and opens the folder that holds its last name. */
  private in<T>(path: readonly string[], use: (host: HostFs, parent: HostDir, last: string) => T): T | null {
    let layer: Layer | null = null;
    for (const l of this.layers) {
      const holds = l.at.length <= path.length && l.at.every((name, i) => name === path[i]);
      if (holds && (layer === null || l.at.length >= layer.at.length)) layer = l;
    }
    if (layer === null) return null;
    const { host, file } = layer;
    const inside = path.slice(layer.at.length);
    if (file !== null) return inside.length === 0 ? use(host, host.root, toBinary(file)) : null;
    if (inside.length === 0) return null;
    const opened: HostDir[] = [];
    let dir = host.root;
    for (const name of inside.slice(0, -1)) {
      dir = host.openDir(dir, name);
      if (dir < 0) break;
      opened.push(dir);
    }
    const result = dir < 0 ? null : use(host, dir, inside[inside.length - 1]);
    for (const d of opened) host.closeDir(d);
    return result;
  }
}

const split = (path: string): string[] => path.split('/').filter((s) => s !== '');

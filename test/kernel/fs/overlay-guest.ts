/** A guest whose root is an overlay over a folder of the host. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ERRNO } from '../../../kernel/abi/errno.ts';
import { O_CREAT, O_RDONLY, O_WRONLY } from '../../../kernel/fs/file.ts';
import { HostFileSystem } from '../../../kernel/fs/host-fs.ts';
import type { OverlayFs } from '../../../kernel/fs/overlay.ts';
import { NodeHostFs } from '../../../src/host/host-fs.ts';
import { Harness } from '../harness.ts';

const folders: string[] = [];
const hosts: NodeHostFs[] = [];

/** Gives back what `newFolder` and `Guest` made. */
export function cleanUp(): void {
  for (const h of hosts.splice(0)) h.dispose();
  for (const f of folders.splice(0)) fs.rmSync(f, { recursive: true, force: true });
}

export function newFolder(): string {
  const dir = fs.mkdtempSync(join(tmpdir(), 'ring3-overlay-'));
  fs.chmodSync(dir, 0o755);
  folders.push(dir);
  return dir;
}

/** When what `fill` makes was changed last, seconds. */
export const START = 1_000_000_000;

/** A little of everything, in `dir`/w. */
export function fill(dir: string): void {
  const w = join(dir, 'w');
  const file = (name: string, text: string, mode = 0o644): void => {
    fs.writeFileSync(join(w, name), text);
    fs.chmodSync(join(w, name), mode);
    fs.utimesSync(join(w, name), START, START);
  };
  fs.mkdirSync(join(w, 'a/b/c'), { recursive: true });
  fs.mkdirSync(join(w, 'd'));
  file('a/a', 'first');
  file('a/b/a', 'second '.repeat(2000), 0o755);
  file('a/b/c/d', '');
  file('b', 'linked');
  fs.linkSync(join(w, 'b'), join(w, 'a/d'));
  fs.linkSync(join(w, 'b'), join(w, 'd/b'));
  fs.symlinkSync('a/b', join(w, 'c'));
  fs.symlinkSync('../b', join(w, 'd/c'));
  fs.symlinkSync('nothing', join(w, 'd/d'));
}

export interface Seen {
  readonly ino: number;
  readonly dev: number;
  readonly nlink: number;
  readonly mode: number;
  readonly uid: number;
  readonly size: number;
  readonly mtime: number;
}

/** System calls of a guest whose root is an overlay over `folder`; results as Linux gives them. */
export class Guest {
  readonly h: Harness;
  readonly overlay: OverlayFs;
  private readonly at: number;

  constructor(folder: string, maxFileBytes = 4 << 20, Host = NodeHostFs) {
    this.h = new Harness({
      limits: { maxFileBytes },
      frames: 4096,
      root: (vfs, memory) => {
        const host = new Host(folder);
        hosts.push(host);
        return vfs.newOverlay(
          new HostFileSystem(host, { dev: vfs.newDev(), memory, readOnly: true, stable: true }),
        );
      },
    });
    this.overlay = this.h.kernel.vfs.root.mnt.fs as OverlayFs;
    this.at = this.h.scratch(this.h.init);
  }

  /** Strings go into the guest's memory: at most two, of less than 1 KiB. */
  call(name: string, ...args: (number | string)[]): number {
    let place = this.at;
    const words = args.map((a) => {
      if (typeof a === 'number') return a;
      place += 1024;
      return this.h.poke(this.h.init, place - 1024, a);
    });
    const r = this.h.call(this.h.init, name, ...words);
    if (r === null) throw new Error(`${name} waits`);
    return r;
  }
  /** Bytes the call stored in a buffer whose address it gets as the last of its arguments. */
  private out(length: number): Uint8Array {
    const bytes = this.h.init.mm.copyIn(this.at + 4096, length);
    if (bytes === null) throw new Error('scratch');
    return bytes;
  }
  get buffer(): number {
    return this.at + 4096;
  }

  open(path: string, flags: number, mode = 0): number {
    return this.call('open', path, flags, mode);
  }
  read(fd: number, length: number): string | number {
    const n = this.call('read', fd, this.buffer, length);
    return n < 0 ? n : Buffer.from(this.out(n)).toString('latin1');
  }
  write(fd: number, text: string): number {
    this.h.poke(this.h.init, this.buffer, text);
    return this.call('write', fd, this.buffer, text.length);
  }
  /** A whole file, or -errno. */
  cat(path: string): string | number {
    const fd = this.open(path, O_RDONLY);
    if (fd < 0) return fd;
    let out = '';
    for (;;) {
      const part = this.read(fd, 4000);
      if (typeof part === 'number') {
        this.call('close', fd);
        return part;
      }
      if (part === '') break;
      out += part;
    }
    this.call('close', fd);
    return out;
  }
  put(path: string, text: string, flags = O_WRONLY | O_CREAT): number {
    const fd = this.open(path, flags, 0o644);
    if (fd < 0) return fd;
    const n = this.write(fd, text);
    this.call('close', fd);
    return n;
  }
  stat(path: string, name = 'lstat'): Seen | number {
    const r = this.call(name, path, this.buffer);
    return r < 0 ? r : this.seen();
  }
  fstat(fd: number): Seen {
    expect(this.call('fstat', fd, this.buffer)).toBe(0);
    return this.seen();
  }
  private seen(): Seen {
    const b = this.out(144);
    const v = new DataView(b.buffer, b.byteOffset);
    return {
      dev: Number(v.getBigUint64(0, true)),
      ino: Number(v.getBigUint64(8, true)),
      nlink: Number(v.getBigUint64(16, true)),
      mode: v.getUint32(24, true),
      uid: v.getUint32(28, true),
      size: Number(v.getBigInt64(48, true)),
      mtime: Number(v.getBigInt64(88, true)),
    };
  }
  /** Names (without "." and "..") and their d_ino. */
  list(path: string): Map<string, number> | number {
    const fd = this.open(path, O_RDONLY);
    if (fd < 0) return fd;
    const names = new Map<string, number>();
    for (;;) {
      const n = this.call('getdents64', fd, this.buffer, 4000);
      if (n <= 0) {
        this.call('close', fd);
        if (n < 0) return n;
        break;
      }
      const b = this.out(n);
      const v = new DataView(b.buffer, b.byteOffset);
      for (let i = 0; i < n; i += v.getUint16(i + 16, true)) {
        let name = '';
        for (let k = i + 19; b[k] !== 0; k++) name += String.fromCharCode(b[k]);
        expect(names.has(name)).toBe(false);
        names.set(name, Number(v.getBigUint64(i, true)));
      }
    }
    expect(names.delete('.') && names.delete('..')).toBe(true);
    return names;
  }
  names(path: string): string[] {
    const list = this.list(path);
    return typeof list === 'number' ? [String(list)] : [...list.keys()].sort();
  }
  readlink(path: string): string | number {
    const n = this.call('readlink', path, this.buffer, 1000);
    return n < 0 ? n : Buffer.from(this.out(n)).toString('latin1');
  }
  get room(): number {
    return this.overlay.statfs().bfree;
  }
}

export const code = (r: number): string => ERRNO[-r][0];

/** The overlay of `--root`: operation by operation what a copy of the folder does, natively, and the folder stays. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } from '../../../kernel/fs/file.ts';
import { cleanUp, code, fill, Guest, newFolder, type Seen, START } from './overlay-guest.ts';

afterEach(cleanUp);

/** What a native call gives: its value, or the name of its errno. */
function native<T>(fn: () => T): T | string {
  try {
    return fn();
  } catch (e) {
    const name = (e as NodeJS.ErrnoException).code;
    if (name === undefined) throw e;
    return name;
  }
}

/** mulberry32: the same operations each time. */
function random(seed: number): (n: number) => number {
  let a = seed;
  return (n) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

/** Everything below a folder, with contents and times. */
function tree(dir: string): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  const visit = (path: string): void => {
    const st = fs.lstatSync(join(dir, path));
    const what = st.isDirectory()
      ? fs.readdirSync(join(dir, path)).sort()
      : st.isSymbolicLink()
        ? fs.readlinkSync(join(dir, path))
        : fs.readFileSync(join(dir, path), 'latin1');
    out[path] = [st.mode, st.nlink, st.mtimeMs, st.ctimeMs, st.ino, what];
    if (st.isDirectory()) for (const n of what as string[]) visit(path === '' ? n : `${path}/${n}`);
  };
  visit('');
  return out;
}

const { O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW } = fs.constants;
const FLAGS = [
  O_RDONLY, O_RDONLY, O_RDWR, O_WRONLY | O_CREAT, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_EXCL, O_WRONLY | O_TRUNC,
  O_RDWR | O_APPEND | O_CREAT, O_RDONLY | O_DIRECTORY, O_RDWR | O_NOFOLLOW, O_RDONLY | O_TRUNC,
]; // prettier-ignore
const MODES = [0o644, 0o600, 0o755, 0o700, 0o777, 0o4755];
const TARGETS = ['a', 'b', 'a/b', './c', '../b', 'b/c', 'nothing'];

describe.skipIf(process.platform !== 'linux')('overlay', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'does what a copy of the folder does, operation by operation (%i)',
    (seed) => {
      const lower = newFolder();
      const twin = newFolder();
      fill(lower);
      fill(twin);
      const before = tree(lower);
      const g = new Guest(lower);
      const below = random(seed);
      const pick = <T>(list: readonly T[]): T => list[below(list.length)];
      const somewhere = (): string => {
        let p = 'w';
        do p += `/${pick(['a', 'b', 'c', 'd'])}`;
        while (below(5) < 2);
        return below(20) === 0 ? `${p}/` : p;
      };
      const fds: { here: number; there: number; from: string }[] = [];
      const log: string[] = [];
      const same = (what: string, here: number | string, there: unknown): void => {
        const r = typeof here === 'number' && here < 0 ? code(here) : here;
        log.push(`${what} = ${String(r).slice(0, 40)}`);
        expect(r, log.slice(-30).join('\n')).toEqual(there);
      };
      const zero = (fn: () => void): number | string => native(() => (fn(), 0));
      const umask = process.umask(0o022);
      try {
        for (let n = 0; n < 500; n++) {
          const p = somewhere();
          const q = somewhere();
          const P = `/${p}`;
          const N = `${twin}/${p}`;
          const Q = `${twin}/${q}`;
          switch (below(18)) {
            case 0:
            case 1: {
              const flags = pick(FLAGS);
              const mode = pick(MODES);
              const here = g.open(P, flags, mode);
              const there = native(() => fs.openSync(N, flags, mode));
              same(
                `open ${p} ${flags.toString(8)}`,
                Math.min(here, 0),
                typeof there === 'number' ? 0 : there,
              );
              if (typeof there === 'number') fds.push({ here, there, from: p });
              if (fds.length > 4) {
                const [f] = fds.splice(below(fds.length), 1);
                g.call('close', f.here);
                fs.closeSync(f.there);
              }
              break;
            }
            case 2:
            case 3: {
              if (fds.length === 0) break;
              const f = pick(fds);
              const text = String.fromCharCode(97 + below(26)).repeat(1 + below(3000));
              same(
                `write ${f.from}`,
                g.write(f.here, text),
                native(() => fs.writeSync(f.there, text)),
              );
              break;
            }
            case 4: {
              if (fds.length === 0) break;
              const f = pick(fds);
              const length = 1 + below(4000);
              const into = Buffer.alloc(length);
              const there = native(() =>
                into.toString('latin1', 0, fs.readSync(f.there, into, 0, length, null)),
              );
              same(`read ${f.from}`, g.read(f.here, length), there);
              break;
            }
            case 5: {
              if (fds.length === 0) break;
              const f = pick(fds);
              const length = below(10_000);
              same(
                `ftruncate ${f.from}`,
                g.call('ftruncate', f.here, length),
                zero(() => fs.ftruncateSync(f.there, length)),
              );
              break;
            }
            case 6:
            case 7:
              same(
                `rename ${p} ${q}`,
                g.call('rename', P, `/${q}`),
                zero(() => fs.renameSync(N, Q)),
              );
              break;
            case 8:
              same(
                `unlink ${p}`,
                g.call('unlink', P),
                zero(() => fs.unlinkSync(N)),
              );
              break;
            case 9: {
              const mode = pick([0o755, 0o700, 0o2775]);
              same(
                `mkdir ${p}`,
                g.call('mkdir', P, mode),
                zero(() => fs.mkdirSync(N, mode)),
              );
              break;
            }
            case 10:
              same(
                `rmdir ${p}`,
                g.call('rmdir', P),
                zero(() => fs.rmdirSync(N)),
              );
              break;
            case 11:
              same(
                `link ${p} ${q}`,
                g.call('link', P, `/${q}`),
                zero(() => fs.linkSync(N, Q)),
              );
              break;
            case 12: {
              const target = pick(TARGETS);
              same(
                `symlink ${target} ${p}`,
                g.call('symlink', target, P),
                zero(() => fs.symlinkSync(target, N)),
              );
              break;
            }
            case 13: {
              const mode = pick(MODES) | 0o500;
              same(
                `chmod ${p}`,
                g.call('chmod', P, mode),
                zero(() => fs.chmodSync(N, mode)),
              );
              break;
            }
            case 14: {
              const list = g.list(P);
              const there = native(() => fs.readdirSync(N).sort().join());
              same(`readdir ${p}`, typeof list === 'number' ? list : [...list.keys()].sort().join(), there);
              break;
            }
            case 15: {
              const follow = below(2) === 0;
              const st = g.stat(P, follow ? 'stat' : 'lstat');
              const there = native(() => describeStat((follow ? fs.statSync : fs.lstatSync)(N)));
              same(`stat ${p}`, typeof st === 'number' ? st : describeStat(st), there);
              break;
            }
            case 16: {
              const time = START + below(1000);
              const at = g.buffer;
              const v = new DataView(new ArrayBuffer(16));
              v.setBigInt64(0, BigInt(time), true);
              v.setBigInt64(8, BigInt(time), true);
              g.h.init.mm.copyOut(at, new Uint8Array(v.buffer));
              same(
                `utime ${p}`,
                g.call('utime', P, at),
                zero(() => fs.utimesSync(N, time, time)),
              );
              break;
            }
            default:
              same(
                `readlink ${p}`,
                g.readlink(P),
                native(() => fs.readlinkSync(N)),
              );
          }
        }
        for (const f of fds) {
          same(`fstat ${f.from}`, describeStat(g.fstat(f.here)), describeStat(fs.fstatSync(f.there)));
          g.call('close', f.here);
          fs.closeSync(f.there);
        }
        compareTrees(g, twin, 'w', new Map());
      } finally {
        process.umask(umask);
      }
      expect(tree(lower)).toEqual(before);
    },
  );
});

const root = process.getuid?.() === 0;

/** What both sides must agree on. Directories' sizes and link counts are each file system's own business. */
function describeStat(st: Pick<Seen, 'mode' | 'nlink' | 'size' | 'uid'>): string {
  const dir = (st.mode & 0o170000) === 0o040000;
  return `${st.mode.toString(8)} ${dir ? '' : `${st.nlink} ${st.size}`} ${root ? st.uid : ''}`;
}

/** The whole trees; `inodes` maps the twin's inode numbers to the overlay's, one to one. */
function compareTrees(g: Guest, twin: string, path: string, inodes: Map<number, number>): void {
  const there = fs.lstatSync(join(twin, path));
  const here = g.stat(`/${path}`) as Seen;
  expect(describeStat(here), path).toBe(describeStat(there));
  if (!inodes.has(there.ino)) {
    expect([...inodes.values()], path).not.toContain(here.ino);
    inodes.set(there.ino, here.ino);
  }
  expect(here.ino, path).toBe(inodes.get(there.ino));
  if (there.isSymbolicLink()) expect(g.readlink(`/${path}`)).toBe(fs.readlinkSync(join(twin, path)));
  else if (there.isFile()) {
    expect(g.cat(`/${path}`), path).toBe(fs.readFileSync(join(twin, path), 'latin1'));
    // Times somebody set are the same; the others are each clock's own.
    const set = there.mtimeMs < (START + 2000) * 1000;
    if (set) expect(here.mtime, path).toBe(there.mtimeMs / 1000);
    else expect(here.mtime, path).not.toBe(START);
  } else {
    const list = g.list(`/${path}`) as Map<string, number>;
    expect([...list.keys()].sort(), path).toEqual(fs.readdirSync(join(twin, path)).sort());
    for (const [name, ino] of list) {
      expect((g.stat(`/${path}/${name}`) as Seen).ino).toBe(ino);
      compareTrees(g, twin, `${path}/${name}`, inodes);
    }
  }
}

/** Names that try to lead out of a mounted folder or a root: each call gives what Linux gives, and nothing outside is touched. */
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync,
} from 'node:fs'; // prettier-ignore
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestPath, nativeReason } from '../support/guests.ts';
import { runNative, runRing3, withFolder, type RunResult } from '../support/run.ts';

const hostile = guestPath('hostile-paths');
if (!hostile) console.log('Left out: hostile paths: no C compiler here');

/** What must not change: names, contents, owners, modes and times. */
function state(dir: string): string {
  const lines: string[] = [];
  const walk = (path: string): void => {
    const st = lstatSync(path);
    const what = st.isFile() ? readFileSync(path, 'latin1') : st.isSymbolicLink() ? readlinkSync(path) : '';
    lines.push(
      `${path} ${st.mode.toString(8)} ${st.nlink} ${st.uid} ${st.mtimeMs} ${st.ctimeMs} ${st.size} ${what}`,
    );
    if (st.isDirectory()) for (const name of readdirSync(path).sort()) walk(join(path, name));
  };
  walk(dir);
  return lines.join('\n');
}

/** outside/ with what is secret; in/ with ways to it; guest/ to be a root, with a place for the mount. */
async function withPlaces<T>(body: (top: string) => Promise<T>): Promise<T> {
  return withFolder(async (top) => {
    const at = (...names: string[]): string => join(top, ...names);
    mkdirSync(at('outside/d'), { recursive: true });
    for (const name of ['canary', 'only-outside', 'd/g']) writeFileSync(at('outside', name), 'SECRET');
    for (const name of ['m', 'proc']) mkdirSync(at('guest', name), { recursive: true });
    mkdirSync(at('in/d'), { recursive: true });
    writeFileSync(at('in/f'), 'inside');
    writeFileSync(at('in/d/g'), 'dg');
    linkSync(at('in/f'), at('in/hard'));
    spawnSync('mkfifo', [at('in/fifo')]);
    const links = {
      abs: at('outside'), absf: at('outside/canary'), rel: '../outside', relf: '../outside/canary', up: '..', root: '/',
      loop: 'loop', chain1: 'chain2', chain2: 'rel', dangling: '../outside/nothing', 'd/out': '../../outside',
      long: `${'./'.repeat(600)}../outside/canary`,
    }; // prettier-ignore
    for (const [name, target] of Object.entries(links)) symlinkSync(target, at('in', name));
    for (const dir of ['in', 'guest']) copyFileSync(hostile!, at(dir, 'prog'));
    const before = state(at('outside'));
    const result = await body(top);
    expect(state(at('outside'))).toBe(before);
    return result;
  });
}

/** Paths of the scratch folder differ from run to run, and so does nothing else. */
const plain = (r: RunResult, top: string): RunResult => ({ ...r, stdout: r.stdout.replaceAll(top, 'TOP') });

const mayChroot =
  nativeReason() === null &&
  hostile !== null &&
  spawnSync('unshare', ['-mpf', 'sh', '-c', 'mount -t proc proc /proc && chroot / true']).status === 0;
if (!mayChroot) console.log('Left out: hostile paths natively: no leave to mount and chroot here');

describe.skipIf(!hostile)('hostile paths', () => {
  it.each([
    ['a root', []],
    ['a root that may be written', ['--rw']],
  ])('in %s', async (_what, options) => {
    const look = (prog: string): string[] => [prog, 'look', '/'];
    const r = await withPlaces(async (top) => {
      const ring3 = ['--root', join(top, 'in'), ...options];
      return plain(await runRing3('/prog', look('').slice(1), { ring3 }), top);
    });
    expect(r.stdout).toMatch(/leaks 0\n$/);
    if (!mayChroot) return;
    const native = await withPlaces(async (top) =>
      plain(await runNative('/usr/sbin/chroot', [join(top, 'in'), ...look('/prog')]), top),
    );
    expect(r).toEqual(native);
  });

  it.each(['rw', 'ro'])('in a folder mounted %s', async (how) => {
    const r = await withPlaces(async (top) => {
      const ring3 = ['--root', join(top, 'guest'), '-v', `${join(top, 'in')}:/m:${how}`];
      const inside = join(top, 'in');
      const before = state(inside);
      const result = plain(await runRing3('/prog', ['look', '/m', 'proc'], { ring3 }), top);
      if (how === 'ro') expect(state(inside)).toBe(before);
      return result;
    });
    expect(r.stdout).toMatch(/leaks 0\n$/);
    if (!mayChroot) return;
    const native = await withPlaces(async (top) => {
      const script = `mount --bind '${top}/in' '${top}/guest/m' && ${how === 'ro' ? `mount -o remount,bind,ro '${top}/guest/m' &&` : ''}
        mount -t proc proc '${top}/guest/proc' && exec chroot '${top}/guest' /prog look /m proc`;
      return plain(await runNative('/usr/bin/unshare', ['-mpf', 'sh', '-c', script]), top);
    });
    expect(r).toEqual(native);
  });

  // The somebody outside is a native program.
  it.skipIf(nativeReason() !== null).each([
    ['a mounted folder', (top: string) => ['-v', `${top}/in:/m`], '/m', 2],
    ['a folder mounted read-only', (top: string) => ['-v', `${top}/in:/m:ro`], '/m', 2],
    ['a root that may be written', (top: string) => ['--root', `${top}/in`, '--rw'], '/', 2],
    ['a root', (top: string) => ['--root', `${top}/in`], '/', 1],
  ])('names in %s exchanged for links out all the time', async (_what, options, folder, outcomes) => {
    await withPlaces(async (top) => {
      const [swap, link] = [join(top, 'in/swap'), join(top, 'in/link')];
      mkdirSync(swap);
      writeFileSync(join(swap, 'canary'), 'inside');
      symlinkSync(join(top, 'outside'), link);
      const somebody = spawn(hostile!, ['exchange', swap, link], { stdio: ['pipe', 'pipe', 'inherit'] });
      await new Promise((resolve) => somebody.stdout.once('data', resolve));
      const gone = new Promise((resolve) => somebody.once('exit', resolve));
      const program = folder === '/' ? '/prog' : hostile!;
      const r = await runRing3(program, ['race', folder, '1000', ...(outcomes > 1 ? ['both'] : [])], {
        ring3: options(top),
        timeout: 110_000,
      });
      somebody.stdin.end();
      expect(await gone).toBe(0);
      expect(r.stdout).toBe('leaks 0\n');
      // Both were met, or nothing was tried. An overlay keeps what it saw first.
      const met = r.stderr.match(/\d+/g)!.map(Number);
      expect(met.filter((n) => n > 0).length).toBeGreaterThanOrEqual(outcomes);
    });
  });
});

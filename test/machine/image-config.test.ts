/** How an image says it is run, and what the command line says over it. */
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveOptions, type Configured, type ImageConfig } from '../../src/image/config.ts';
import { guestPath } from '../support/guests.ts';
import { runRing3, withFolder } from '../support/run.ts';

const FILES: Record<string, string> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/var/www:/bin/false\n',
  'etc/group': 'root:x:0:\nwww:x:44:\n',
};
const image = (config: ImageConfig): Configured => ({ config, text: (path) => FILES[path] ?? null });
const resolve = (config: ImageConfig, options: object = {}) =>
  resolveOptions({ program: '', root: 'image', ...options }, image(config));

describe("an image's configuration", () => {
  it('gives the command: Entrypoint, then Cmd', () => {
    expect(resolve({ Entrypoint: ['/init', '-x'], Cmd: ['serve'] })).toMatchObject({
      program: '/init', argv: ['/init', '-x', 'serve'],
    }); // prettier-ignore
    expect(resolve({ Cmd: ['sh'] }).argv).toEqual(['sh']);
    expect(() => resolve({})).toThrow(/names none/);
    expect(() => resolveOptions({ program: '', root: '/dir' }, null)).toThrow(/no program given/);
  });

  it('gives way to a program', () => {
    const o = resolve({ Entrypoint: ['/init'], Cmd: ['serve'] }, { program: '/bin/ls', argv: ['ls', '-l'] });
    expect(o).toMatchObject({ program: '/bin/ls', argv: ['ls', '-l'] });
  });

  it('sets variables over the defaults, and options over them', () => {
    const Env = ['PATH=/opt/bin', 'A=1', 'B=x=y', 'HOME=/data'];
    expect(resolve({ Cmd: ['a'], Env }, { setEnv: { A: '2', B: null, C: '3' } }).env).toEqual({
      PATH: '/opt/bin', HOSTNAME: 'ring3', HOME: '/data', A: '2', C: '3',
    }); // prettier-ignore
    expect(resolve({ Cmd: ['a'], Env }, { env: { ONLY: '1' } }).env).toEqual({ ONLY: '1' });
  });

  it('names the folder and the user, by name or number', () => {
    expect(resolve({ Cmd: ['a'], WorkingDir: '/srv', User: 'web' })).toMatchObject({
      cwd: '/srv', uid: 33, gid: 34, env: { HOME: '/var/www' },
    }); // prettier-ignore
    expect(resolve({ Cmd: ['a'], User: '33' })).toMatchObject({ uid: 33, gid: 34 });
    expect(resolve({ Cmd: ['a'], User: '1234' })).toMatchObject({ uid: 1234, gid: 0, env: { HOME: '/' } });
    expect(resolve({ Cmd: ['a'], User: 'web:www' })).toMatchObject({ uid: 33, gid: 44 });
    expect(resolve({ Cmd: ['a'], User: '5:6' })).toMatchObject({ uid: 5, gid: 6 });
    expect(resolve({ Cmd: ['a'], User: 'web' }, { uid: 0, gid: 0, cwd: '/' })).toMatchObject({
      cwd: '/', uid: 0, gid: 0, env: { HOME: '/root' },
    }); // prettier-ignore
    expect(() => resolve({ Cmd: ['a'], User: 'nobody' })).toThrow(/'nobody'.*choose with -u/);
    expect(() => resolve({ Cmd: ['a'], User: 'web:none' })).toThrow(/group 'none'/);
  });
});

describe('an image that is run without a program', { timeout: 60_000 }, () => {
  /** Puts a blob where a layout has it. */
  function blob(layout: string, bytes: Buffer | string): { digest: string } {
    const hash = createHash('sha256').update(bytes).digest('hex');
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
    writeFileSync(join(layout, 'blobs/sha256', hash), bytes);
    return { digest: `sha256:${hash}` };
  }

  it('runs what it says, in the OCI layout and as docker save writes it', () =>
    withFolder(async (dir) => {
      mkdirSync(join(dir, 'root/bin'), { recursive: true });
      copyFileSync(guestPath('hello')!, join(dir, 'root/bin/hello'));
      execFileSync('tar', ['-cf', 'layer.tar', '-C', 'root', '.'], { cwd: dir });
      const layer = readFileSync(join(dir, 'layer.tar'));
      const config = JSON.stringify({ config: { Cmd: ['hello'], Env: ['PATH=/nowhere:/bin'] } });
      const layout = join(dir, 'layout');
      const manifest = { config: blob(layout, config), layers: [blob(layout, layer)] };
      writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
      writeFileSync(
        join(layout, 'index.json'),
        JSON.stringify({ manifests: [blob(layout, JSON.stringify(manifest))] }),
      );
      writeFileSync(join(dir, 'config.json'), config);
      writeFileSync(
        join(dir, 'manifest.json'),
        JSON.stringify([{ Config: 'config.json', Layers: ['layer.tar'] }]),
      );
      execFileSync('tar', ['-cf', 'saved', 'manifest.json', 'config.json', 'layer.tar'], { cwd: dir });
      for (const root of [layout, join(dir, 'saved')]) {
        const r = await runRing3('hello', [], { ring3: ['--root', root] });
        expect(r).toMatchObject({ stdout: 'Hello from ring 3\n', status: 0 });
        const bare = await runRing3('--root', [root]);
        expect(bare).toMatchObject({ stdout: 'Hello from ring 3\n', status: 0 });
      }
      const none = await runRing3('--root', [join(dir, 'root')]);
      expect(none.status).toBe(125);
      expect(none.stderr).toMatch(/^ring3: no program given/);
    }));
});

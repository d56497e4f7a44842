/** Root file systems out of archives and images, made here with tar(1) and the compressors the host has. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync,
} from 'node:fs'; // prettier-ignore
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openImage } from '../../src/image/image.ts';
import type { ImageFs } from '../../src/image/image-fs.ts';
import { guestPath } from '../support/guests.ts';
import { runRing3, withFolder } from '../support/run.ts';

const tar = (cwd: string, ...args: string[]): void => {
  execFileSync('tar', ['--owner=7:7', '--group=8:8', '--mtime=@1000000000', ...args], { cwd });
};

/** A folder with one of each: a program, a link, a hard link, a long name, a name that is no UTF-8. */
function makeRoot(dir: string): void {
  mkdirSync(join(dir, 'bin'), { recursive: true });
  mkdirSync(join(dir, 'd'.repeat(90), 'e'.repeat(90)), { recursive: true });
  copyFileSync(guestPath('hello')!, join(dir, 'bin/hello'));
  symlinkSync('hello', join(dir, 'bin/link'));
  writeFileSync(join(dir, 'data'), 'x'.repeat(100_000));
  linkSync(join(dir, 'data'), join(dir, 'same'));
  writeFileSync(join(dir, 'd'.repeat(90), 'e'.repeat(90), 'f'.repeat(90)), 'deep');
  writeFileSync(Buffer.from(`${dir}/b\xffte`, 'latin1'), 'bytes');
}

function names(fs: ImageFs, path: string): string[] {
  let dir = fs.root;
  for (const part of path.split('/').filter((s) => s !== '')) dir = fs.openDir(dir, part);
  const list = fs.list(dir);
  return typeof list === 'number' ? [`-${list}`] : list.map((e) => e.name).sort();
}

function content(fs: ImageFs, name: string): string {
  const file = fs.open(fs.root, name, { write: false });
  const out = new Uint8Array(200_000);
  return file < 0 ? String(file) : Buffer.from(out.subarray(0, fs.read(file, out, 0))).toString('latin1');
}

const COMPRESSORS: [name: string, tool: string | null][] = [
  ['plain', null], ['gzip', '/usr/bin/gzip'], ['xz', '/usr/bin/xz'], ['zstd', '/usr/bin/zstd'],
]; // prettier-ignore
const here = COMPRESSORS.filter(([, tool]) => tool === null || existsSync(tool) || existsSync(tool.slice(4)));
for (const [name] of COMPRESSORS.filter((c) => !here.includes(c)))
  console.log(`Left out: ${name} archives: no ${name}`);

/** A layer of an image as bytes in a layout's folder; its descriptor. */
function addBlob(
  layout: string,
  bytes: Buffer,
  mediaType: string,
): { mediaType: string; digest: string; size: number } {
  const hash = createHash('sha256').update(bytes).digest('hex');
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  writeFileSync(join(layout, 'blobs/sha256', hash), bytes);
  return { mediaType, digest: `sha256:${hash}`, size: bytes.length };
}

/** Two layers: the second takes a file and a folder's contents away, changes one and adds one. */
function layers(dir: string): Buffer[] {
  for (const d of ['one/bin', 'one/gone', 'two/gone', 'two/bin'])
    mkdirSync(join(dir, d), { recursive: true });
  copyFileSync(guestPath('hello')!, join(dir, 'one/bin/hello'));
  for (const f of ['one/kept', 'one/removed', 'one/changed', 'one/gone/old'])
    writeFileSync(join(dir, f), 'one');
  for (const f of ['two/.wh.removed', 'two/gone/.wh..wh..opq']) writeFileSync(join(dir, f), '');
  for (const f of ['two/changed', 'two/gone/new', 'two/bin/more']) writeFileSync(join(dir, f), 'two');
  tar(dir, '-czf', '1.tgz', '-C', 'one', '.');
  tar(dir, '-cf', '2.tar', '-C', 'two', '.');
  return [readFileSync(join(dir, '1.tgz')), readFileSync(join(dir, '2.tar'))];
}

async function checkLayers(path: string): Promise<void> {
  const fs = (await openImage(path, null))!;
  expect(names(fs, '/')).toEqual(['bin', 'changed', 'gone', 'kept']);
  expect(names(fs, '/gone')).toEqual(['new']);
  expect(names(fs, '/bin')).toEqual(['hello', 'more']);
  expect(['changed', 'kept'].map((f) => content(fs, f))).toEqual(['two', 'one']);
  const r = await runRing3('/bin/hello', [], { ring3: ['--root', path] });
  expect(r).toMatchObject({ stdout: 'Hello from ring 3\n', status: 0 });
}

describe('a root out of an archive', { timeout: 60_000 }, () => {
  it.each(here)('%s', (_name, tool) =>
    withFolder(async (dir) => {
      makeRoot(join(dir, 'root'));
      tar(dir, '-cf', 'a', '-C', 'root', '.');
      const bytes =
        tool === null ? readFileSync(join(dir, 'a')) : execFileSync(tool.slice(9), ['-c', 'a'], { cwd: dir });
      writeFileSync(join(dir, 'archive'), bytes);
      const path = join(dir, 'archive');
      const fs = (await openImage(path, null))!;
      expect(names(fs, '/')).toEqual(['bin', 'b\xffte', 'data', 'd'.repeat(90), 'same'].sort());
      expect(names(fs, `/${'d'.repeat(90)}/${'e'.repeat(90)}`)).toEqual(['f'.repeat(90)]);
      expect(content(fs, 'same')).toBe('x'.repeat(100_000));
      expect(content(fs, 'b\xffte')).toBe('bytes');
      expect(fs.readlink(fs.openDir(fs.root, 'bin'), 'link')).toBe('hello');
      expect(fs.stat(fs.root, 'data')).toMatchObject({
        nlink: 2, uid: 7, gid: 8, size: 100_000, mtime: 1_000_000_000_000_000_000n,
      }); // prettier-ignore
      const r = await runRing3('/bin/link', [], { ring3: ['--root', path] });
      expect(r).toMatchObject({ stdout: 'Hello from ring 3\n', status: 0 });
    }),
  );

  it('that is cut off, or none at all, is refused with the reason', () =>
    withFolder(async (dir) => {
      makeRoot(join(dir, 'root'));
      tar(dir, '-czf', 'a', '-C', 'root', '.');
      truncateSync(join(dir, 'a'), 500);
      for (const [name, why] of [
        ['a', /end of file/],
        ['root/data', /tar/i],
        ['none', /does not exist/],
      ] as const) {
        const r = await runRing3('/bin/hello', [], { ring3: ['--root', join(dir, name)] });
        expect(r.status).toBe(125);
        expect(r.stderr).toMatch(/^ring3: option '--root': .*\n$/);
        expect(r.stderr).toMatch(why);
      }
      rmSync(join(dir, 'a'));
    }));
});

describe('an image', { timeout: 60_000 }, () => {
  it('in the OCI layout, as a folder and as an archive, for one of two architectures', () =>
    withFolder(async (dir) => {
      const layout = join(dir, 'layout');
      const [one, two] = layers(dir);
      const tgz = addBlob(layout, one, 'application/vnd.oci.image.layer.v1.tar+gzip');
      const plain = addBlob(layout, two, 'application/vnd.oci.image.layer.v1.tar');
      const manifest = (list: object[]): object =>
        addBlob(layout, Buffer.from(JSON.stringify({ schemaVersion: 2, layers: list })), 'application/vnd.oci.image.manifest.v1+json'); // prettier-ignore
      const manifests = [
        { ...manifest([plain]), platform: { architecture: 'arm64', os: 'linux' } },
        { ...manifest([tgz, plain]), platform: { architecture: 'amd64', os: 'linux' } },
      ];
      writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
      writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
      await checkLayers(layout);
      tar(dir, '-cf', 'image.tar', '-C', 'layout', '.');
      await checkLayers(join(dir, 'image.tar'));
      expect(names((await openImage(layout, 'aarch64'))!, '/bin')).toEqual(['more']);
    }));

  it('as docker save writes it', () =>
    withFolder(async (dir) => {
      const [one, two] = layers(dir);
      mkdirSync(join(dir, 'image/a'), { recursive: true });
      mkdirSync(join(dir, 'image/b'), { recursive: true });
      writeFileSync(join(dir, 'image/a/layer.tar'), one);
      writeFileSync(join(dir, 'image/b/layer.tar'), two);
      const manifest = [{ Config: 'c.json', RepoTags: ['x:latest'], Layers: ['a/layer.tar', 'b/layer.tar'] }];
      writeFileSync(join(dir, 'image/manifest.json'), JSON.stringify(manifest));
      tar(dir, '-cf', 'saved.tar', '-C', 'image', '.');
      await checkLayers(join(dir, 'saved.tar'));
    }));
});

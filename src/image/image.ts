/**
 * A root file system out of one file: a tar archive of it, or an image of layers as `docker save` and the OCI image layout
 * (image-layout.md, manifest.md and layer.md of opencontainers/image-spec) hold them, in a folder or an archive.
 */
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Arch } from '../../kernel/ports.ts';
import { BootError } from '../machine/errors.ts';
import type { ImageConfig } from './config.ts';
import { ImageFs } from './image-fs.ts';
import { addTar, type Chunks } from './tar.ts';
import { Blob, Tree } from './tree.ts';

const ARCHITECTURES: Readonly<Record<string, Arch>> = { amd64: 'x86_64', arm64: 'aarch64' };

/** Where the files of a layout are. */
interface Layout {
  text(path: string): string | null;
  open(path: string): Chunks | null;
}

interface Descriptor {
  readonly mediaType?: string;
  readonly digest: string;
  readonly platform?: { readonly architecture?: string; readonly os?: string };
}

/** The image at `path`, or null when that is a folder to be used as it is. `arch`: of several, the one for this. */
export async function openImage(path: string, arch: Arch | null): Promise<ImageFs | null> {
  const blob = new Blob();
  try {
    const directory = statSync(path).isDirectory();
    if (directory && !existsSync(join(path, 'oci-layout'))) {
      blob.close();
      return null;
    }
    const tree = directory ? null : new Tree(blob);
    if (tree) await addTar(tree, createReadStream(path, { highWaterMark: 1 << 18 }), false);
    const found = findLayers(tree ? archived(tree) : folder(path), arch);
    if (found === null && tree) return new ImageFs(tree);
    if (found === null || found.layers.length === 0) throw new Error('it has no layers');
    const root = new Tree(blob);
    for (const layer of found.layers) await addTar(root, layer, true);
    return new ImageFs(root, found.config);
  } catch (e) {
    blob.close();
    const code = (e as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw new BootError('setup', `${path} does not exist; create it first`, 'root');
    const why = e instanceof Error ? e.message : String(e);
    throw new BootError(
      'setup',
      `${path} is no folder, and no tar archive (plain, gzip, xz, zstd) or image: ${why}`,
      'root',
    );
  }
}

const archived = (tree: Tree): Layout => ({
  text: (path) => tree.text(path),
  open: (path) => {
    const n = tree.find(path);
    return n && !n.children ? tree.blob.chunks(n.offset, n.size) : null;
  },
});

const folder = (dir: string): Layout => ({
  text: (path) => (existsSync(join(dir, path)) ? readFileSync(join(dir, path), 'utf8') : null),
  open: (path) => (existsSync(join(dir, path)) ? createReadStream(join(dir, path)) : null),
});

interface Found {
  /** Lowest first. */
  readonly layers: Chunks[];
  readonly config: ImageConfig;
}

/** What an image is made of; null when this is none. */
function findLayers(l: Layout, arch: Arch | null): Found | null {
  const index = l.text('oci-layout') === null ? null : l.text('index.json');
  if (index !== null) return ociLayers(l, index, arch, 0);
  const manifest = l.text('manifest.json');
  if (manifest === null) return null;
  const parsed: unknown = JSON.parse(manifest);
  const first = Array.isArray(parsed)
    ? (parsed[0] as { Layers?: unknown; Config?: unknown } | undefined)
    : undefined;
  if (!first || !Array.isArray(first.Layers)) return null; // a file of that name in an ordinary archive
  const config = typeof first.Config === 'string' ? readConfig(l, first.Config) : {};
  return { layers: first.Layers.map((path) => opened(l, String(path))), config };
}

/** The `config` of an image's configuration file. */
function readConfig(l: Layout, path: string): ImageConfig {
  const text = l.text(path);
  return text === null ? {} : ((JSON.parse(text) as { config?: ImageConfig | null }).config ?? {});
}

function opened(l: Layout, path: string): Chunks {
  const chunks = l.open(path);
  if (chunks === null) throw new Error(`layer ${path} is not in it`);
  return chunks;
}

function blobPath(digest: string): string {
  if (!/^[a-z0-9]+:[a-f0-9]+$/.test(digest)) throw new Error(`'${digest}' is no digest`);
  return `blobs/${digest.replace(':', '/')}`;
}

function ociLayers(l: Layout, text: string, arch: Arch | null, depth: number): Found {
  const parsed = JSON.parse(text) as {
    manifests?: Descriptor[];
    layers?: Descriptor[];
    config?: Descriptor;
  };
  if (parsed.layers)
    return {
      layers: parsed.layers.map((d) => opened(l, blobPath(d.digest))),
      config: parsed.config ? readConfig(l, blobPath(parsed.config.digest)) : {},
    };
  const fits = (d: Descriptor, a: Arch): boolean => ARCHITECTURES[d.platform?.architecture ?? ''] === a;
  const all = parsed.manifests ?? [];
  const found =
    (arch ? all.find((d) => fits(d, arch)) : undefined) ?? all.find((d) => fits(d, 'x86_64')) ?? all.find((d) => fits(d, 'aarch64')) ?? all[0]; // prettier-ignore
  const next = found === undefined || depth > 4 ? null : l.text(blobPath(found.digest));
  if (next === null) throw new Error('its manifest is not in it');
  return ociLayers(l, next, arch, depth + 1);
}

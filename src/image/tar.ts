/** Reads a tar archive, compressed or not, into a Tree: a file system by itself, or a layer of an image over others. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import { extract, type Header } from 'tar-stream';
import { XzReadableStream } from 'xz-decompress';
import { S_IFDIR, S_IFLNK, S_IFREG, Tree, type Node } from './tree.ts';

const TYPES: Readonly<Partial<Record<Header['type'], number>>> = {
  file: S_IFREG, 'contiguous-file': S_IFREG, directory: S_IFDIR, symlink: S_IFLNK, 'character-device': 0o020000,
  'block-device': 0o060000, fifo: 0o010000,
}; // prettier-ignore
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** The first bytes, and everything. */
async function peek(source: Chunks): Promise<{ head: Buffer; all: AsyncGenerator<Uint8Array> }> {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < 6) {
    const r = await iterator.next();
    if (r.done) break;
    first.push(r.value);
    length += r.value.length;
  }
  const all = async function* (): AsyncGenerator<Uint8Array> {
    yield* first;
    for (;;) {
      const r = await iterator.next();
      if (r.done) return;
      yield r.value;
    }
  };
  return { head: Buffer.concat(first).subarray(0, 6), all: all() };
}

/** The bytes as they were before gzip, zstd or xz, by the first of them. */
async function decompressed(source: Chunks): Promise<Readable> {
  const { head, all } = await peek(source);
  const starts = (hex: string): boolean => head.toString('hex').startsWith(hex);
  const raw = Readable.from(all);
  if (starts('1f8b')) {
    const gunzip = createGunzip();
    raw.on('error', (e) => gunzip.destroy(e));
    return raw.pipe(gunzip);
  }
  if (starts('28b52ffd')) return Readable.from(zstd(raw));
  if (starts('fd377a585a00')) {
    const web = Readable.toWeb(raw) as ConstructorParameters<typeof XzReadableStream>[0];
    return Readable.fromWeb(new XzReadableStream(web) as Parameters<typeof Readable.fromWeb>[0]);
  }
  return raw;
}

async function* zstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let out: Uint8Array[] = [];
  const d = new Decompress((chunk) => out.push(chunk));
  for await (const chunk of source) {
    d.push(new Uint8Array(chunk)); // it keeps what it is given
    yield* out;
    out = [];
  }
  d.push(new Uint8Array(0), true);
  yield* out;
}

/** Names are bytes; a pax record has them as UTF-8 that was decoded. */
const binary = (header: Header, key: 'path' | 'linkpath', name: string): string =>
  (header.pax as Record<string, string> | null | undefined)?.[key] === undefined
    ? name
    : Buffer.from(name, 'utf8').toString('latin1');

/**
 * Adds an archive's files to the tree. `layer`: names that begin with .wh. take away what earlier
 * layers had, and nothing of this one.
 */
export async function addTar(tree: Tree, source: Chunks, layer: boolean): Promise<void> {
  const options = { highWaterMark: 1 << 16, filenameEncoding: 'latin1' }; // its types do not know of it
  const tar = extract(options);
  const flow = pipeline(await decompressed(source), tar);
  flow.catch(() => undefined); // reading the entries fails too, and says so
  const fresh = new Set<Node>();
  for await (const entry of tar) {
    const { header } = entry;
    const path = binary(header, 'path', header.name);
    const offset = tree.blob.end;
    for await (const chunk of entry) tree.blob.append(chunk as Uint8Array);
    add(tree, header, path, offset, layer ? fresh : null);
  }
  await flow;
}

function add(tree: Tree, header: Header, path: string, offset: number, layer: Set<Node> | null): void {
  const parts = Tree.split(path);
  const name = parts.at(-1) ?? '';
  if (layer && name.startsWith(WHITEOUT)) {
    const dir = parts.slice(0, -1);
    const gone = [...dir, name.slice(WHITEOUT.length)].join('/');
    if (name === OPAQUE) tree.prune(tree.directory(dir), layer);
    else if (!layer.has(tree.find(gone) ?? tree.root)) tree.remove(gone);
    return;
  }
  const linkname = binary(header, 'linkpath', header.linkname ?? '');
  if (header.type === 'link') {
    const to = tree.find(linkname);
    if (to === null || to.children || to === tree.find(path)) return;
    tree.put(path, to);
    layer?.add(to);
    to.nlink++;
    return;
  }
  const type = TYPES[header.type ?? 'file'];
  if (type === undefined) return;
  const mtime = BigInt(Math.floor(header.mtime?.getTime() ?? 0)) * 1_000_000n;
  const major = header.devmajor ?? 0;
  const minor = header.devminor ?? 0;
  const rdev = (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
  const node = tree.make({
    mode: type | ((header.mode ?? 0o644) & 0o7777), uid: header.uid ?? 0, gid: header.gid ?? 0, mtime, rdev, offset,
    size: type === S_IFREG ? tree.blob.end - offset : linkname.length, target: linkname,
  }); // prettier-ignore
  const put = tree.put(path, node);
  layer?.add(put);
}

/** Files out of archives: a tree of names, whose contents lie one after the other in a temporary file without a name. */
import { mkdtempSync, openSync, readSync, rmSync, writeSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;

/** What a name stands for; hard links share one. */
export interface Node {
  readonly ino: number;
  /** Type and permissions. */
  mode: number;
  uid: number;
  gid: number;
  /** Realtime nanoseconds. */
  mtime: bigint;
  readonly rdev: number;
  nlink: number;
  /** A regular file's place in the blob. */
  readonly offset: number;
  readonly size: number;
  /** Where a symlink leads. Binary string, as all names. */
  readonly target: string;
  readonly children: Map<string, Node> | null;
}

/** Bytes that were taken out of archives. */
export class Blob {
  private readonly fd: number;
  private length = 0;

  constructor() {
    const dir = mkdtempSync(join(tmpdir(), 'ring3-image-'));
    try {
      this.fd = openSync(join(dir, 'blob'), 'wx+', 0o600);
    } finally {
      rmSync(dir, { recursive: true }); // the descriptor keeps the file
    }
  }

  get end(): number {
    return this.length;
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.fd, bytes, done, bytes.length - done, this.length + done);
    this.length += bytes.length;
  }

  read(into: Uint8Array, offset: number): number {
    return readSync(this.fd, into, 0, into.length, offset);
  }

  *chunks(offset: number, size: number): Generator<Buffer> {
    for (let at = 0; at < size;) {
      const piece = Buffer.alloc(Math.min(1 << 16, size - at));
      const n = this.read(piece, offset + at);
      if (n <= 0) return;
      yield piece.subarray(0, n);
      at += n;
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}

export type NewNode = Partial<Omit<Node, 'ino' | 'nlink' | 'children'>> & { readonly mode: number };

/** Names and what they stand for. Paths are taken apart at slashes; "." and ".." never lead anywhere. */
export class Tree {
  readonly blob: Blob;
  readonly root: Node;
  private inodes = 1;

  constructor(blob: Blob) {
    this.blob = blob;
    this.root = this.make({ mode: S_IFDIR | 0o755 });
  }

  make(n: NewNode): Node {
    const directory = (n.mode & S_IFMT) === S_IFDIR;
    return {
      ino: this.inodes++, uid: 0, gid: 0, mtime: 0n, rdev: 0, nlink: directory ? 2 : 1, offset: 0, size: 0, target: '', ...n,
      children: directory ? new Map<string, Node>() : null,
    }; // prettier-ignore
  }

  static split(path: string): string[] {
    return path.split('/').filter((s) => s !== '' && s !== '.' && s !== '..');
  }

  /** The directory of a path's parts, made where it is missing. A file in the way is replaced. */
  directory(parts: readonly string[]): Map<string, Node> {
    let at = this.root;
    for (const name of parts) {
      let next = at.children!.get(name);
      if (!next?.children) at.children!.set(name, (next = this.make({ mode: S_IFDIR | 0o755 })));
      at = next;
    }
    return at.children!;
  }

  /** A node by its path, no link followed. */
  find(path: string): Node | null {
    let at: Node | undefined = this.root;
    for (const name of Tree.split(path)) at = at?.children?.get(name);
    return at ?? null;
  }

  /** Puts a node where the path says, and returns the one that is there then. A directory over a directory keeps what is in it. */
  put(path: string, node: Node): Node {
    const parts = Tree.split(path);
    const name = parts.pop();
    if (name === undefined) {
      return Object.assign(this.root, { mode: node.mode, uid: node.uid, gid: node.gid, mtime: node.mtime });
    }
    const dir = this.directory(parts);
    const old = dir.get(name);
    if (old?.children && node.children) {
      return Object.assign(old, { mode: node.mode, uid: node.uid, gid: node.gid, mtime: node.mtime });
    }
    if (old && !old.children) old.nlink--;
    dir.set(name, node);
    return node;
  }

  /** Takes everything below a directory away but what is in `keep`. */
  prune(dir: Map<string, Node>, keep: ReadonlySet<Node>): void {
    for (const [name, n] of dir) {
      if (!keep.has(n)) {
        dir.delete(name);
        if (!n.children) n.nlink--;
      } else if (n.children) this.prune(n.children, keep);
    }
  }

  remove(path: string): void {
    const parts = Tree.split(path);
    const name = parts.pop();
    const dir = name === undefined ? null : this.find(parts.join('/'))?.children;
    const old = dir?.get(name!);
    if (!old) return;
    if (!old.children) old.nlink--;
    dir!.delete(name!);
  }

  text(path: string): string | null {
    const n = this.find(path);
    if (n === null || (n.mode & S_IFMT) !== S_IFREG) return null;
    return Buffer.concat([...this.blob.chunks(n.offset, n.size)]).toString('utf8');
  }
}

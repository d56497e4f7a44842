/** Reads and writes the guest's file system from outside, as its root user. */
import { ERRNO } from '../../kernel/abi/errno.ts';
import { File, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from '../../kernel/fs/file.ts';
import { S_IFDIR, S_IFMT } from '../../kernel/fs/inode.ts';
import { mkdirAt, symlinkAt } from '../../kernel/fs/names.ts';
import { openPath } from '../../kernel/fs/open.ts';
import { TmpfsInode } from '../../kernel/fs/tmpfs-inode.ts';
import { AT_FDCWD, type Vfs } from '../../kernel/fs/vfs.ts';
import { IoBuf } from '../../kernel/mm/iobuf.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { FileContent } from './options.ts';

/** A guest's file could not be reached. `code` is Linux's: "ENOENT". */
export class GuestFileError extends Error {
  readonly code: string;
  constructor(path: string, errno: number) {
    const [code, message] = ERRNO[errno] ?? [`errno ${errno}`, 'unknown error'];
    super(`${path} in the guest: ${message} (${code})`);
    this.name = 'GuestFileError';
    this.code = code;
  }
}

const CHUNK = 1 << 20;

/** Text as the guest's names and files hold it: UTF-8, one char a byte. */
export const toBinary = (text: string): string => {
  const bytes = new TextEncoder().encode(text);
  let out = '';
  for (const b of bytes) out += String.fromCharCode(b);
  return out;
};

/** The other way. */
export const fromBinary = (binary: string): string =>
  new TextDecoder().decode(Uint8Array.from(binary, (c) => c.charCodeAt(0)));

function open(vfs: Vfs, path: string, flags: number, mode: number): File {
  const file = openPath(vfs, null, AT_FDCWD, toBinary(path), flags, mode);
  if (file instanceof File) return file.retain();
  throw new GuestFileError(path, typeof file === 'number' ? -file : 11);
}

/** Makes a directory and those above it, as mkdir -p. */
export function makeDirs(vfs: Vfs, path: string, mode = 0o755): void {
  let at = '';
  for (const part of path.split('/').filter((p) => p !== '')) {
    at += `/${part}`;
    const made = mkdirAt(vfs, null, AT_FDCWD, toBinary(at), mode);
    if (typeof made !== 'number') continue;
    const there = vfs.find(toBinary(at));
    if (typeof there === 'number') throw new GuestFileError(at, -made);
    if ((there.inode.mode & S_IFMT) !== S_IFDIR) throw new GuestFileError(at, 20);
  }
}

/** Writes a whole file, making the directories it needs. `t`: whose limits count where the file system asks. */
export function writeGuestFile(vfs: Vfs, t: Task | null, path: string, content: FileContent): void {
  const slash = path.lastIndexOf('/');
  if (slash > 0) makeDirs(vfs, path.slice(0, slash));
  if (typeof content === 'object' && 'symlink' in content) {
    const err = symlinkAt(vfs, null, toBinary(content.symlink), AT_FDCWD, toBinary(path));
    if (err < 0) throw new GuestFileError(path, -err);
    return;
  }
  const plain = typeof content === 'string' || content instanceof Uint8Array;
  const data = plain ? content : content.data;
  const mode = plain ? 0o644 : (content.mode ?? 0o644);
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  const file = open(vfs, path, O_CREAT | O_TRUNC | O_WRONLY, mode);
  try {
    let at = 0;
    while (at < bytes.length) {
      const part = IoBuf.of(bytes.subarray(at, at + CHUNK));
      const { inode } = file;
      const n = inode instanceof TmpfsInode ? inode.write(part, at, part.length) : file.pwrite(part, at, t!);
      if (n <= 0) throw new GuestFileError(path, n === 0 ? 5 : -n);
      at += n;
    }
  } finally {
    file.drop();
  }
}

/** A whole file's bytes. Works on /proc and devices too, up to their end. */
export function readGuestFile(vfs: Vfs, t: Task | null, path: string): Uint8Array {
  const read = (): Uint8Array => readAsGuest(vfs, t, path);
  return vfs.aside === null ? read() : vfs.aside(path, read);
}

/** The same as if a guest had asked for it. */
export function readAsGuest(vfs: Vfs, t: Task | null, path: string): Uint8Array {
  const file = open(vfs, path, O_RDONLY, 0);
  try {
    const parts: Uint8Array[] = [];
    let total = 0;
    for (;;) {
      const chunk = new Uint8Array(Math.min(CHUNK, Math.max(65536, file.inode?.size ?? 0)));
      const n = file.read(IoBuf.of(chunk), t!);
      if (n < 0) throw new GuestFileError(path, -n);
      if (n === 0) break;
      parts.push(chunk.subarray(0, n));
      total += n;
    }
    const out = new Uint8Array(total);
    let at = 0;
    for (const p of parts) {
      out.set(p, at);
      at += p.length;
    }
    return out;
  } finally {
    file.drop();
  }
}

/** File systems whose files are made when read: the inodes procfs and sysfs are built from. */
import { EACCES, EINVAL, ENODATA, ENOENT, EOPNOTSUPP, EPERM } from '../../abi/errno.ts';
import type { Kernel } from '../../kernel.ts';
import type { IoBuf } from '../../mm/iobuf.ts';
import type { Task } from '../../task/task.ts';
import { realtime } from '../anon/pseudo-fs.ts';
import type { Path } from '../dentry.ts';
import { File, O_ACCMODE, O_RDONLY } from '../file.ts';
import {
  Inode, ownsInode, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, type DirEntry, type FileSystem,
} from '../inode.ts'; // prettier-ignore

/** First inode number of files that are there from the start (PROC_DYNAMIC_FIRST). */
const STATIC_FIRST = 0xf0000000;
/** seq_file's buffer: what one read gives of a file made of records. */
const SEQ_PAGE = 4096;

export class GeneratedFs implements FileSystem {
  readonly type: string;
  readonly dev: number;
  readonly magic: number;
  readonly kernel: Kernel;
  root!: Inode;
  /** When it was made: the times of its permanent files. */
  readonly born: bigint;
  private statics = STATIC_FIRST;

  constructor(kernel: Kernel, type: string, dev: number, magic: number) {
    this.kernel = kernel;
    this.type = type;
    this.dev = dev;
    this.magic = magic;
    this.born = realtime(kernel);
  }
  staticIno(): number {
    return this.statics++;
  }
}

export abstract class GeneratedInode extends Inode {
  readonly fs: GeneratedFs;
  readonly ino: number;
  mode: number;

  constructor(fs: GeneratedFs, mode: number, ino = fs.staticIno()) {
    super();
    this.fs = fs;
    this.mode = mode;
    this.ino = ino;
    this.atime = this.mtime = this.ctime = ino >= STATIC_FIRST ? fs.born : realtime(fs.kernel);
  }
  get size(): number {
    return 0;
  }
  /** stdio takes what fstat says for its buffer: 1024 in /proc. */
  override get blksize(): number {
    return this.fs.type === 'proc' ? 1024 : 4096;
  }
  override open(_t: Task | null, _flags: number, _at: Path): File | number {
    return -EACCES;
  }
  /** procfs has no attributes at all; sysfs has none set. */
  override getxattr(): number {
    return this.fs.type === 'proc' ? -EOPNOTSUPP : -ENODATA;
  }
  override chmod(mode: number, t?: Task): number {
    if (t && !ownsInode(t, this)) return -EPERM;
    this.mode = (this.mode & S_IFMT) | (mode & 0o7777);
    return 0;
  }
}

/** What a file holds: text; records, of which a read gives whole ones as far as a page goes; bytes; or -errno. */
export type Content = string | readonly string[] | Uint8Array | number;
/** `t` is the reader. Text is a binary string. */
export type Generate = (t: Task) => Content;
/** Takes what one write(2) brings (text, trailing newline included). 0 or more: all is taken. Or -errno. */
export type Accept = (text: string, t: Task) => number;

export class GeneratedFile extends GeneratedInode {
  readonly generate: Generate;
  readonly accept: Accept | null;
  /** What write(2) gives where nothing is accepted: EIO in /proc, EINVAL in /proc/PID. */
  readonly refusal: number;
  /** st_size: 0 in /proc, a page in /sys. */
  private readonly shownSize: number;
  /** Checked at open: 0 or -errno. */
  readonly mayOpen: ((t: Task, flags: number) => number) | null;

  constructor(
    fs: GeneratedFs,
    perm: number,
    generate: Generate,
    options: {
      ino?: number;
      accept?: Accept | null;
      refusal?: number;
      size?: number;
      mayOpen?: (t: Task, flags: number) => number;
    } = {},
  ) {
    super(fs, S_IFREG | perm, options.ino);
    this.generate = generate;
    this.accept = options.accept ?? null;
    this.refusal = options.refusal ?? -EINVAL;
    this.mayOpen = options.mayOpen ?? null;
    this.shownSize = options.size ?? 0;
  }
  override get size(): number {
    return this.shownSize;
  }

  override open(t: Task | null, flags: number, _at: Path): File | number {
    if (t !== null && this.mayOpen !== null) {
      const err = this.mayOpen(t, flags);
      if (err < 0) return err;
    }
    return new GeneratedOpenFile(this, flags);
  }
  /** O_TRUNC and ftruncate change nothing, as in Linux. */
  override truncate(): number {
    return 0;
  }
}

class GeneratedOpenFile extends File {
  override readonly inode: GeneratedFile;
  /** Bytes as of the last read from the start, and where its records end. */
  private bytes: Uint8Array | null = null;
  private ends: number[] | null = null;
  private held = 0;

  constructor(inode: GeneratedFile, flags: number) {
    super(flags, inode, 'proc file');
    this.inode = inode;
  }
  get name(): string {
    return this.path === null ? 'proc file' : this.path.name;
  }

  override read(buf: IoBuf, t: Task): number {
    const n = this.pread(buf, this.pos, t);
    if (n > 0) this.pos += n;
    return n;
  }

  override pread(buf: IoBuf, offset: number, t: Task): number {
    if (offset === 0 || this.bytes === null) {
      const err = this.fill(t);
      if (err < 0) return err;
    }
    const bytes = this.bytes!;
    const end = this.ends === null ? bytes.length : this.seqEnd(offset, buf.length);
    return buf.put(bytes.subarray(offset, end));
  }

  private fill(t: Task): number {
    const content = this.inode.generate(t);
    if (typeof content === 'number') return content;
    this.held = 0;
    if (content instanceof Uint8Array) {
      this.bytes = content;
      this.ends = null;
    } else if (typeof content === 'string') {
      this.bytes = latin1(content);
      this.ends = null;
    } else {
      this.bytes = latin1(content.join(''));
      this.ends = [];
      let at = 0;
      for (const record of content) this.ends.push((at += record.length));
    }
    return 0;
  }

  /**
   * Where a read at `offset` ends in a file of records (seq_read_iter): the rest of the page held from the read before,
   * and if that is not all that was asked for, as many records more as fit a page; a record larger than that, whole.
   */
  private seqEnd(offset: number, length: number): number {
    const ends = this.ends!;
    if (this.held > offset && offset + length <= this.held) return offset + length;
    const from = Math.max(this.held, offset);
    let end = from;
    for (const e of ends) {
      if (e <= from) continue;
      // A full buffer counts as overflowed: one byte of it always stays free.
      if (end > from && e - from >= SEQ_PAGE) break;
      end = e;
      if (end - from >= length - (from - offset)) break;
    }
    this.held = end;
    return Math.min(end, offset + length);
  }

  override write(buf: IoBuf, t: Task): number {
    return this.take(buf, t, true);
  }
  override pwrite(buf: IoBuf, _offset: number, t: Task): number {
    return this.take(buf, t, false);
  }
  private take(buf: IoBuf, t: Task, advance: boolean): number {
    const { accept, refusal } = this.inode;
    if (accept === null) return refusal;
    const bytes = buf.slice(0, Math.min(buf.length, SEQ_PAGE)).bytes();
    const r = accept(String.fromCharCode(...bytes), t);
    if (r < 0) return r;
    if (advance) this.pos += buf.length;
    return buf.length;
  }

  override lseek(offset: number, whence: number): number {
    const base = whence === 0 ? 0 : whence === 1 ? this.pos : NaN;
    if (Number.isNaN(base) || base + offset < 0) return -EINVAL;
    return (this.pos = base + offset);
  }
}

function latin1(s: string): Uint8Array {
  const out = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) out[i] = s.charCodeAt(i);
  return out;
}

/** A directory; `children` are permanent, the two hooks add what comes and goes. */
export class GeneratedDir extends GeneratedInode {
  readonly children = new Map<string, Inode>();

  constructor(fs: GeneratedFs, perm = 0o555, ino?: number) {
    super(fs, S_IFDIR | perm, ino);
    this.nlink = 2;
  }
  /** Adds a permanent entry and returns it. */
  add<T extends Inode>(name: string, inode: T): T {
    this.children.set(name, inode);
    if (inode.type === S_IFDIR) this.nlink++;
    return inode;
  }
  override lookup(name: string, t: Task | null): Inode | number {
    return this.children.get(name) ?? this.dynamic(name, t);
  }
  override entries(t: Task | null): DirEntry[] | number {
    const out: DirEntry[] = [];
    for (const [name, inode] of this.children) out.push({ name, ino: inode.ino, type: inode.type });
    const more = this.dynamicEntries(t);
    return typeof more === 'number' ? more : out.concat(more);
  }
  protected dynamic(_name: string, _t: Task | null): Inode | number {
    return -ENOENT;
  }
  protected dynamicEntries(_t: Task | null): DirEntry[] | number {
    return [];
  }
  override mknod(): number {
    return -EACCES;
  }
  override mkdir(): number {
    return -EACCES;
  }
  override symlink(): number {
    return -EACCES;
  }
  override unlink(): number {
    return -EPERM;
  }
  override rmdir(): number {
    return -EPERM;
  }
}

export class GeneratedLink extends GeneratedInode {
  /** st_size: 0, but for the links of /proc/PID/fd. */
  shownSize = 0;
  private readonly target: (t: Task | null) => string | number;
  private readonly jump: ((t: Task | null) => Path | number | null) | null;

  /** `jump`: where following it leads without going by its text. */
  constructor(
    fs: GeneratedFs,
    target: (t: Task | null) => string | number,
    jump: ((t: Task | null) => Path | number | null) | null = null,
    ino?: number,
  ) {
    super(fs, S_IFLNK | 0o777, ino);
    this.target = target;
    this.jump = jump;
  }
  override get size(): number {
    return this.shownSize;
  }
  override readlink(t: Task | null): string | number {
    return this.target(t);
  }
  override magicLink(t: Task | null): Path | number | null {
    return this.jump === null ? null : this.jump(t);
  }
}

/** Whether an open asks for writing. */
export const wantsWrite = (flags: number): boolean => (flags & O_ACCMODE) !== O_RDONLY;

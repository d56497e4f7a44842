/** A folder of the host as the kernel asks for it, written down or read back: every call with its answer, in order. */
import type {
  HostDir, HostEntry, HostFs, HostHandle, HostOpen, HostStat,
} from '../../kernel/fs/host-port.ts'; // prettier-ignore
import { EIO } from '../../kernel/abi/errno.ts';
import type { Reader, Writer } from './bytes.ts';
import { RECORD } from './format.ts';
import type { Recorder } from './recorder.ts';
import type { Replayer } from './replayer.ts';

/** Which call of HostFs an answer is to. */
const CALL = {
  openDir: 1, stat: 2, list: 3, listable: 4, readlink: 5, open: 6, fstat: 7, read: 8, write: 9, truncate: 10, fsync: 11,
  mkdir: 12, symlink: 13, link: 14, unlink: 15, rmdir: 16, rename: 17, chmod: 18, chown: 19, utimes: 20, statfs: 21,
} as const; // prettier-ignore
type Call = keyof typeof CALL;

const NAMES = Object.fromEntries(Object.entries(CALL).map(([name, n]) => [n, name]));

type StatFs = Exclude<ReturnType<HostFs['statfs']>, number>;

export class RecordingFiles implements HostFs {
  readonly root: HostDir;
  private readonly real: HostFs;
  private readonly id: number;
  private readonly to: Recorder;

  constructor(real: HostFs, id: number, to: Recorder) {
    this.real = real;
    this.root = real.root;
    this.id = id;
    this.to = to;
  }

  private answer(call: Call, fill: (w: Writer) => void): void {
    this.to.answer(RECORD.files, (w) => {
      w.uint(this.id);
      w.u8(CALL[call]);
      fill(w);
    });
  }
  private number(call: Call, n: number): number {
    this.answer(call, (w) => w.int(n));
    return n;
  }
  /** A number (an -errno) or something else. */
  private result<T>(call: Call, value: T | number, fill: (w: Writer, value: T) => void): T | number {
    this.answer(call, (w) => {
      w.int(typeof value === 'number' ? value : 0);
      if (typeof value !== 'number') fill(w, value);
    });
    return value;
  }

  openDir(parent: HostDir, name: string): HostDir {
    return this.number('openDir', this.real.openDir(parent, name));
  }
  closeDir(dir: HostDir): void {
    this.real.closeDir(dir);
  }
  stat(dir: HostDir, name: string): HostStat | number {
    return this.result('stat', this.real.stat(dir, name), writeStat);
  }
  list(dir: HostDir): HostEntry[] | number {
    return this.result('list', this.real.list(dir), (w, entries) => {
      w.uint(entries.length);
      for (const e of entries) {
        w.text(e.name);
        w.uint(e.type);
      }
    });
  }
  listable(dir: HostDir): boolean {
    return this.number('listable', this.real.listable?.(dir) === false ? 0 : 1) === 1;
  }
  readlink(dir: HostDir, name: string): string | number {
    return this.result('readlink', this.real.readlink(dir, name), (w, s) => w.text(s));
  }
  open(dir: HostDir, name: string, how: HostOpen): HostHandle {
    return this.number('open', this.real.open(dir, name, how));
  }
  close(file: HostHandle): void {
    this.real.close(file);
  }
  fstat(file: HostHandle): HostStat | number {
    return this.result('fstat', this.real.fstat(file), writeStat);
  }
  read(file: HostHandle, into: Uint8Array, offset: number): number {
    const n = this.real.read(file, into, offset);
    this.answer('read', (w) => {
      w.int(n);
      if (n > 0) this.to.contents.write(w, into.subarray(0, n));
    });
    return n;
  }
  write(file: HostHandle, bytes: Uint8Array, offset: number): number {
    return this.number('write', this.real.write(file, bytes, offset));
  }
  truncate(file: HostHandle, length: number): number {
    return this.number('truncate', this.real.truncate(file, length));
  }
  fsync(file: HostHandle): number {
    return this.number('fsync', this.real.fsync(file));
  }
  mkdir(dir: HostDir, name: string, mode: number): number {
    return this.number('mkdir', this.real.mkdir(dir, name, mode));
  }
  symlink(dir: HostDir, name: string, target: string): number {
    return this.number('symlink', this.real.symlink(dir, name, target));
  }
  link(fromDir: HostDir, fromName: string, dir: HostDir, name: string): number {
    return this.number('link', this.real.link(fromDir, fromName, dir, name));
  }
  unlink(dir: HostDir, name: string): number {
    return this.number('unlink', this.real.unlink(dir, name));
  }
  rmdir(dir: HostDir, name: string): number {
    return this.number('rmdir', this.real.rmdir(dir, name));
  }
  rename(fromDir: HostDir, fromName: string, dir: HostDir, name: string): number {
    return this.number('rename', this.real.rename(fromDir, fromName, dir, name));
  }
  chmod(dir: HostDir, name: string, mode: number): number {
    return this.number('chmod', this.real.chmod(dir, name, mode));
  }
  chown(dir: HostDir, name: string, uid: number, gid: number): number {
    return this.number('chown', this.real.chown(dir, name, uid, gid));
  }
  utimes(dir: HostDir, name: string, atime: bigint, mtime: bigint): number {
    return this.number('utimes', this.real.utimes(dir, name, atime, mtime));
  }
  statfs(): StatFs | number {
    return this.result('statfs', this.real.statfs(), (w, s) => {
      for (const n of [s.bsize, s.blocks, s.bfree, s.files, s.ffree]) w.uint(n);
    });
  }
}

export class ReplayedFiles implements HostFs {
  readonly root: HostDir;
  private readonly id: number;
  private readonly from: Replayer;

  constructor(root: HostDir, id: number, from: Replayer) {
    this.root = root;
    this.id = id;
    this.from = from;
  }

  private answer<T>(call: Call, read: (r: Reader) => T, none: T): T {
    if (this.from.aside) return none;
    return this.from.answer(RECORD.files, `${call} in folder ${this.id}`, (r) => {
      const id = r.uint();
      const n = r.u8();
      if (id !== this.id || n !== CALL[call])
        this.from.diverged(
          `the host is asked for ${call} in folder ${this.id}, and in the recording for ${NAMES[n] ?? n} in folder ${id}`,
        );
      return read(r);
    });
  }
  private number(call: Call): number {
    return this.answer(call, (r) => r.int(), -EIO);
  }
  private result<T>(call: Call, read: (r: Reader) => T): T | number {
    return this.answer<T | number>(
      call,
      (r) => {
        const n = r.int();
        return n < 0 ? n : read(r);
      },
      -EIO,
    );
  }

  openDir(): HostDir {
    return this.number('openDir');
  }
  closeDir(): void {}
  stat(): HostStat | number {
    return this.result('stat', readStat);
  }
  list(): HostEntry[] | number {
    return this.result('list', (r) =>
      Array.from({ length: r.uint() }, () => ({ name: r.text(), type: r.uint() })),
    );
  }
  listable(): boolean {
    return this.number('listable') === 1;
  }
  readlink(): string | number {
    return this.result('readlink', (r) => r.text());
  }
  open(): HostHandle {
    return this.number('open');
  }
  close(): void {}
  fstat(): HostStat | number {
    return this.result('fstat', readStat);
  }
  read(_file: HostHandle, into: Uint8Array): number {
    return this.answer(
      'read',
      (r) => {
        const n = r.int();
        if (n <= 0) return n;
        if (n > into.length)
          this.from.diverged(`${into.length} bytes of a file are asked for, and ${n} came`);
        this.from.content(r, into.subarray(0, n));
        return n;
      },
      -EIO,
    );
  }
  write(): number {
    return this.number('write');
  }
  truncate(): number {
    return this.number('truncate');
  }
  fsync(): number {
    return this.number('fsync');
  }
  mkdir(): number {
    return this.number('mkdir');
  }
  symlink(): number {
    return this.number('symlink');
  }
  link(): number {
    return this.number('link');
  }
  unlink(): number {
    return this.number('unlink');
  }
  rmdir(): number {
    return this.number('rmdir');
  }
  rename(): number {
    return this.number('rename');
  }
  chmod(): number {
    return this.number('chmod');
  }
  chown(): number {
    return this.number('chown');
  }
  utimes(): number {
    return this.number('utimes');
  }
  statfs(): StatFs | number {
    return this.result('statfs', (r) => ({
      bsize: r.uint(), blocks: r.uint(), bfree: r.uint(), files: r.uint(), ffree: r.uint(),
    })); // prettier-ignore
  }
}

function writeStat(w: Writer, s: HostStat): void {
  for (const n of [s.dev, s.ino, s.mode, s.nlink, s.uid, s.gid, s.rdev, s.size, s.blocks]) w.uint(n);
  for (const n of [s.atime, s.mtime, s.ctime, s.btime]) w.nanos(n);
}

function readStat(r: Reader): HostStat {
  return {
    dev: r.uint(), ino: r.uint(), mode: r.uint(), nlink: r.uint(), uid: r.uint(), gid: r.uint(), rdev: r.uint(),
    size: r.uint(), blocks: r.uint(), atime: r.nanos(), mtime: r.nanos(), ctime: r.nanos(), btime: r.nanos(),
  }; // prettier-ignore
}

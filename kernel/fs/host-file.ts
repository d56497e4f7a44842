/** An open file of a mounted host folder (host-fs.ts). */
import { EIO } from '../abi/errno.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import type { MemObject } from '../mm/mem-object.ts';
import type { HostInode } from './host-fs.ts';
import type { HostHandle } from './host-port.ts';
import { RegularFile } from './regular-file.ts';

export class HostFile extends RegularFile {
  override readonly inode: HostInode;
  private readonly handle: HostHandle;

  constructor(flags: number, inode: HostInode, handle: HostHandle) {
    super(flags, inode);
    this.inode = inode;
    this.handle = handle;
  }

  override pread(buf: IoBuf, offset: number): number {
    return this.readAt(buf, offset);
  }
  protected readAt(buf: IoBuf, offset: number): number {
    const { host } = this.inode.fs;
    const cache = this.inode.mapped;
    let done = 0;
    for (const chunk of buf.chunks) {
      let at = 0;
      while (at < chunk.length) {
        const part = at === 0 ? chunk : chunk.subarray(at);
        const n = host.read(this.handle, part, offset + done);
        if (n < 0) return done > 0 ? done : n;
        if (n === 0) return done;
        cache?.readCached(offset + done, part.subarray(0, n));
        at += n;
        done += n;
      }
    }
    return done;
  }

  protected writeAt(buf: IoBuf, offset: number, length: number): number {
    const { host } = this.inode.fs;
    const cache = this.inode.mapped;
    let done = 0;
    for (const chunk of buf.chunks) {
      let at = 0;
      const want = Math.min(chunk.length, length - done);
      while (at < want) {
        const part = chunk.subarray(at, want);
        const n = host.write(this.handle, part, offset + done);
        if (n <= 0) return done > 0 ? done : n || -EIO;
        cache?.writeCached(offset + done, part.subarray(0, n));
        at += n;
        done += n;
      }
      if (done >= length) break;
    }
    return done;
  }

  /** A shared writable mapping needs a file open for writing: mmap checked that. */
  override mmap(): MemObject | number {
    return this.inode.pages(this);
  }
  override fsync(): number {
    const err = this.inode.mapped?.sync(0, Infinity) ?? 0;
    return this.inode.fs.host.fsync(this.handle) || err;
  }
  override release(): void {
    this.inode.closed(this.handle);
  }
}

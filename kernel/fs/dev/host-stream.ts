/**
 * A standard stream of the machine that is no terminal: the host's pipe, file or socket, or bytes a library user gives
 * and collects. Behind ports that src/host (or the Machine API) implements.
 */
import { EAGAIN, EPIPE } from '../../abi/errno.ts';
import type { Kernel } from '../../kernel.ts';
import type { IoBuf } from '../../mm/iobuf.ts';
import { SIGPIPE } from '../../signal/numbers.ts';
import { sendSignal } from '../../signal/send.ts';
import type { Task } from '../../task/task.ts';
import type { PseudoInode } from '../anon/pseudo-fs.ts';
import {
  File, O_RDONLY, O_WRONLY, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM,
} from '../file.ts'; // prettier-ignore
import { S_IFCHR, S_IFIFO, S_IFREG } from '../inode.ts';

/** What the guest's fstat shows of the host's stream. */
export interface HostStreamStat {
  /** S_IFIFO, S_IFREG, S_IFSOCK or S_IFCHR, with permission bits. */
  readonly mode: number;
  /** Bytes, for a regular file. */
  readonly size?: number;
}

/** The source of a guest's standard input. */
export interface HostInput extends HostStreamStat {
  /**
   * What is there now, at most `max` bytes: an empty array at the end, null when nothing has come yet, -errno when it
   * cannot be read. After null the host fetches some, and calls what `onReady` gave it. Bytes a guest does not ask for
   * stay with the host.
   */
  read(max: number): Uint8Array | number | null;
  /** Whether `read` would return at once; when not, the host fetches as after `read`. */
  ready(): boolean;
  onReady(callback: () => void): void;
  close?(): void;
}

/** The sink of a guest's standard output or error. */
export interface HostOutput extends HostStreamStat {
  /** Takes bytes (valid only during the call); how many, 0 when it is full, or -errno (-EPIPE: nobody reads). */
  write(bytes: Uint8Array): number;
  /** Whether `write` would take something. */
  writable(): boolean;
  /** `callback` is called when a full sink has room again, or broke. */
  onDrain(callback: () => void): void;
  close?(): void;
}

/** Bytes handed to a port in one call. */
const CHUNK = 65536;

abstract class HostStream extends File {
  override readonly inode: PseudoInode;

  constructor(kernel: Kernel, flags: number, stat: HostStreamStat, what: string) {
    const { pseudo } = kernel;
    const inode = pseudo.inode(pseudo.pipefs, stat.mode, 0, 0);
    super(flags, inode, what);
    this.inode = inode;
  }
  get name(): string {
    const type = this.inode.type;
    if (this.path !== null) return this.path.name;
    return type === S_IFIFO
      ? `pipe:[${this.inode.ino}]`
      : type === S_IFREG
        ? `/dev/${this.waiters.what}`
        : this.waiters.what;
  }
  override get pollable(): boolean {
    return this.inode.type !== S_IFREG;
  }
}

export class HostInputFile extends HostStream {
  private readonly port: HostInput;

  constructor(kernel: Kernel, port: HostInput, what = 'stdin') {
    super(kernel, O_RDONLY, port, what);
    this.port = port;
    this.inode.reopen = () => this;
    port.onReady(() => this.waiters.wake(POLLIN | POLLRDNORM));
  }
  override poll(): number {
    return this.port.ready() ? POLLIN | POLLRDNORM : 0;
  }
  override read(buf: IoBuf, _t: Task): number {
    if (buf.length === 0) return 0;
    const bytes = this.port.read(Math.min(buf.length, CHUNK));
    if (bytes === null) return -EAGAIN;
    return typeof bytes === 'number' ? bytes : buf.put(bytes);
  }
  override release(): void {
    this.port.close?.();
  }
}

export class HostOutputFile extends HostStream {
  private readonly port: HostOutput;
  private broken = false;

  constructor(kernel: Kernel, port: HostOutput, what = 'stdout') {
    super(kernel, O_WRONLY, port, what);
    this.port = port;
    this.inode.reopen = () => this;
    port.onDrain(() => this.waiters.wake(POLLOUT | POLLWRNORM));
  }
  override get writesAll(): boolean {
    return true;
  }
  override poll(): number {
    if (this.broken) return POLLERR | POLLOUT | POLLWRNORM | (this.inode.type === S_IFCHR ? POLLHUP : 0);
    return this.port.writable() ? POLLOUT | POLLWRNORM : 0;
  }
  override write(buf: IoBuf, t: Task): number {
    let done = 0;
    for (const chunk of buf.chunks) {
      for (let at = 0; at < chunk.length;) {
        const part = chunk.subarray(at, at + CHUNK);
        const n = this.port.write(part);
        if (n < 0) return done > 0 ? done : this.fail(n, t);
        at += n;
        done += n;
        if (n < part.length) return done > 0 ? done : -EAGAIN;
      }
    }
    return done;
  }
  private fail(errno: number, t: Task): number {
    if (errno === -EPIPE) {
      this.broken = true;
      sendSignal(t, { signo: SIGPIPE, code: 0, pid: t.pid, uid: t.creds.uid });
    }
    return errno;
  }
  override release(): void {
    this.port.close?.();
  }
}

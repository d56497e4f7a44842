/** Standard input and output that are no terminal: the guest sees pipes, the other end is the host's. */
import { EAGAIN, EPIPE, EFAULT, ENOTTY } from '../../kernel/abi/errno.ts';
import {
  File,
  O_RDONLY,
  O_WRONLY,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
} from '../../kernel/fs/file.ts';
import type { Inode } from '../../kernel/fs/inode.ts';
import type { IoBuf } from '../../kernel/mm/iobuf.ts';
import { sendSignal } from '../../kernel/signal/send.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { Output } from './options.ts';

const FIONREAD = 0x541b;
const SIGPIPE = 13;

/** Bytes on their way in. The host's side pushes; `wanted` asks it to begin, once the guest first looks for input. */
export class InputQueue {
  private readonly chunks: Uint8Array[] = [];
  private bytes = 0;
  /** No more will come. */
  ended = false;
  /** The guest reads or polls and there is nothing: called at each such time until something comes. */
  wanted: (() => void) | null = null;
  /** What was pushed has been read: the host may go on. */
  drained: (() => void) | null = null;
  /** Something came, or the end. */
  onChange: (() => void) | null = null;

  get length(): number {
    return this.bytes;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.ended) return;
    this.chunks.push(bytes);
    this.bytes += bytes.length;
    this.onChange?.();
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.onChange?.();
  }

  take(buf: IoBuf): number {
    let done = 0;
    while (done < buf.length && this.chunks.length > 0) {
      const chunk = this.chunks[0]!;
      const n = buf.put(chunk.subarray(0, buf.length - done), done);
      done += n;
      if (n === chunk.length) this.chunks.shift();
      else this.chunks[0] = chunk.subarray(n);
    }
    this.bytes -= done;
    if (this.bytes === 0 && done > 0) this.drained?.();
    return done;
  }
}

/** The read end of a pipe whose writer is the host. */
export class HostInputFile extends File {
  private readonly queue: InputQueue;

  constructor(inode: Inode, queue: InputQueue) {
    super(O_RDONLY, inode, `pipe:[${inode.ino}]`);
    this.queue = queue;
    queue.onChange = () => this.waiters.wake(this.poll());
  }

  override get name(): string {
    return this.waiters.what;
  }

  override read(buf: IoBuf): number {
    if (buf.length === 0) return 0;
    const { queue } = this;
    if (queue.length === 0 && !queue.ended) queue.wanted?.();
    if (queue.length > 0) return queue.take(buf);
    return queue.ended ? 0 : -EAGAIN;
  }

  override poll(): number {
    const { queue } = this;
    if (queue.length === 0 && !queue.ended) queue.wanted?.();
    return (queue.length > 0 ? POLLIN | POLLRDNORM : 0) | (queue.ended ? POLLHUP : 0);
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    if (cmd === FIONREAD) return t.mm.putU32(arg, this.queue.length) < 0 ? -EFAULT : 0;
    return -ENOTTY;
  }
}

/** The write end of a pipe whose reader is the host. It never fills: the host takes what it is given. */
export class HostOutputFile extends File {
  private readonly output: Output;

  constructor(inode: Inode, output: Output) {
    super(O_WRONLY, inode, `pipe:[${inode.ino}]`);
    this.output = output;
  }

  override get name(): string {
    return this.waiters.what;
  }
  override get writesAll(): boolean {
    return true;
  }

  override write(buf: IoBuf, t: Task): number {
    if (buf.length === 0) return 0;
    if (!this.output.closed) this.output.write(buf.bytes());
    if (!this.output.closed) return buf.length;
    sendSignal(t, { signo: SIGPIPE, code: 0, pid: t.pid, uid: t.creds.uid });
    return -EPIPE;
  }

  override poll(): number {
    return this.output.closed ? POLLERR : POLLOUT | POLLWRNORM;
  }
}

/** Collects what is written, for callers that want text at the end. */
export class Capture {
  private readonly chunks: Uint8Array[] = [];
  /** Bytes kept so far. */
  length = 0;

  readonly write = (bytes: Uint8Array): void => {
    this.chunks.push(bytes);
    this.length += bytes.length;
  };

  bytes(): Uint8Array {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const c of this.chunks) {
      out.set(c, at);
      at += c.length;
    }
    return out;
  }

  /** As UTF-8. */
  text(): string {
    return new TextDecoder().decode(this.bytes());
  }
}

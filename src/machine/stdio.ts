/** Standard input and output that are no terminal: the guest sees pipes, the other end is the host's. */
import { EPIPE } from '../../kernel/abi/errno.ts';
import type { HostInput, HostOutput } from '../../kernel/fs/dev/host-stream.ts';
import { S_IFIFO } from '../../kernel/fs/inode.ts';
import type { Output } from './options.ts';

const PIPE_MODE = S_IFIFO | 0o600;

interface SavedInput {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly ended: boolean;
  readonly error: number;
  /** How many chunks had been pushed. */
  readonly pushed: number;
}

/** Bytes on their way in. The host's side pushes; `wanted` asks it to begin, once the guest first looks for input. */
export class InputQueue implements HostInput {
  readonly mode = PIPE_MODE;
  private readonly chunks: Uint8Array[] = [];
  private bytes = 0;
  /** No more will come. */
  ended = false;
  /** What a read gives in place of the end: -errno. */
  private error = 0;
  /** The guest reads or polls and there is nothing: called at each such time until something comes. */
  wanted: (() => void) | null = null;
  /** Times the guest looked and there was nothing. */
  looks = 0;
  /** Hears what comes, before the guest can: bytes, or the end (error: 0 or -errno). For recording. */
  tap: ((bytes: Uint8Array | null, error: number) => void) | null = null;
  /** What was pushed has been read: the host may go on. */
  drained: (() => void) | null = null;
  private readonly readers: (() => void)[] = [];

  /** All that was pushed since a snapshot was first taken, which a restored one may have before it again. */
  private pushed: Uint8Array[] | null = null;
  /** Whoever pushes is put back as well, and pushes again what came after a snapshot. */
  rewound = false;

  get length(): number {
    return this.bytes;
  }

  saveState(): SavedInput {
    this.pushed ??= [];
    const { bytes, ended, error, rewound } = this;
    return { chunks: [...this.chunks], bytes, ended, error, pushed: rewound ? 0 : this.pushed.length };
  }

  restoreState(saved: SavedInput): void {
    const later = this.rewound ? [] : this.pushed!.slice(saved.pushed);
    this.chunks.splice(0, this.chunks.length, ...saved.chunks, ...later);
    this.bytes = saved.bytes + later.reduce((n, { length }) => n + length, 0);
    if (!this.rewound) return; // what ended stays ended
    this.ended = saved.ended;
    this.error = saved.error;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.ended) return;
    this.tap?.(bytes, 0);
    this.chunks.push(bytes);
    if (!this.rewound) this.pushed?.push(bytes);
    this.bytes += bytes.length;
    this.changed();
  }

  end(): void {
    if (this.ended) return;
    this.tap?.(null, this.error);
    this.ended = true;
    this.changed();
  }

  /** It cannot be read (any more): -errno. */
  fail(error: number): void {
    if (this.ended) return;
    this.error = error;
    this.end();
  }

  ready(): boolean {
    if (this.bytes === 0 && !this.ended) {
      this.looks++;
      this.wanted?.();
    }
    return this.bytes > 0 || this.ended;
  }

  read(max: number): Uint8Array | number | null {
    if (!this.ready()) return null;
    const first = this.chunks[0];
    if (first === undefined || max === 0) return this.error || new Uint8Array();
    const part = first.subarray(0, max);
    if (part.length === first.length) this.chunks.shift();
    else this.chunks[0] = first.subarray(max);
    this.bytes -= part.length;
    if (this.bytes === 0) this.drained?.();
    return part;
  }

  onReady(callback: () => void): void {
    this.readers.push(callback);
  }

  private changed(): void {
    for (const f of this.readers) f();
  }
}

/** Lets bytes out. What a machine that was put back writes again can be kept in. */
export class Outlet {
  /** Bytes the guest wrote: part of the machine's state. */
  private written = 0;
  /** What is no part of it: bytes that went out, and whether none of them may go out again. */
  private readonly gone = { rewinds: false, bytes: 0, once: false };
  private readonly out: (bytes: Uint8Array) => number;

  /** `out` takes bytes and says how many, or -errno. */
  constructor(out: (bytes: Uint8Array) => number) {
    this.out = out;
  }

  /** From here on only what is written beyond this goes out. */
  once(): void {
    this.gone.once = true;
    this.gone.bytes = this.written;
  }

  write(bytes: Uint8Array): number {
    const { gone, written } = this;
    const again = gone.once ? Math.max(0, Math.min(gone.bytes - written, bytes.length)) : 0;
    const fresh = again > 0 ? bytes.subarray(again) : bytes;
    const n = again > 0 && fresh.length === 0 ? 0 : this.out(fresh);
    if (n < 0 && again === 0) return n;
    const taken = again + Math.max(0, n);
    this.written += taken;
    if (this.written > gone.bytes) gone.bytes = this.written;
    return taken;
  }
}

/** The same for messages, which go out whole. */
export class MessageOutlet {
  private given = 0;
  private readonly gone = { rewinds: false, messages: 0, once: false };
  private readonly out: (message: string) => void;

  constructor(out: (message: string) => void) {
    this.out = out;
  }

  once(): void {
    this.gone.once = true;
    this.gone.messages = this.given;
  }

  readonly give = (message: string): void => {
    const { gone } = this;
    const again = gone.once && this.given < gone.messages;
    this.given++;
    if (again) return;
    gone.messages = this.given;
    this.out(message);
  };
}

/** A place for guest output as the kernel asks for it. */
export class SinkPort extends Outlet implements HostOutput {
  readonly mode = PIPE_MODE;
  private readonly sink: { readonly rewinds: false; readonly to: Output };

  constructor(to: Output) {
    super((bytes) => {
      if (to.take) return to.take(bytes);
      if (!to.closed) to.write(bytes);
      return to.closed ? -EPIPE : bytes.length;
    });
    this.sink = { rewinds: false, to };
  }

  /** A sink that broke says so at the next write. */
  writable(): boolean {
    return this.sink.to.full !== true;
  }
  onDrain(callback: () => void): void {
    this.sink.to.onDrain?.(callback);
  }
}

/** What was written, and what before it: snapshots hold one and have it all. */
interface Written {
  readonly bytes: Uint8Array;
  readonly before: Written | null;
  /** In all. */
  readonly length: number;
}

/** Collects what is written, for callers that want text at the end. */
export class Capture {
  private last: Written | null = null;

  /** Bytes kept so far. */
  get length(): number {
    return this.last?.length ?? 0;
  }

  readonly write = (bytes: Uint8Array): void => {
    const { last, length } = this;
    this.last = { bytes: bytes.slice(), before: last, length: length + bytes.length }; // guest memory: it changes
  };

  saveState(): unknown {
    return this.last;
  }
  restoreState(state: unknown): void {
    this.last = state as Written | null;
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.length);
    for (let w = this.last; w !== null; w = w.before) out.set(w.bytes, w.length - w.bytes.length);
    return out;
  }

  /** As UTF-8. */
  text(): string {
    return new TextDecoder().decode(this.bytes());
  }
}

/** Writes down what a machine does and everything that reaches it from outside. */
import type { CorePort } from '../../kernel/coredump/settings.ts';
import type { HostOutput } from '../../kernel/fs/dev/host-stream.ts';
import type { HostFs } from '../../kernel/fs/host-port.ts';
import type { HostTerminal, HostTerminalEnd } from '../../kernel/fs/tty/host-port.ts';
import { ipText, type Endpoint } from '../../kernel/net/address.ts';
import { HOST_CALL, type HostTap } from '../../kernel/net/host-port.ts';
import type { Injection } from '../../kernel/inject/rule.ts';
import type { NetStack } from '../../kernel/net/stack.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Place } from '../machine/loop.ts';
import type { FileContent } from '../machine/options.ts';
import type { InputQueue } from '../machine/stdio.ts';
import { BlockWriter } from './block.ts';
import { Writer } from './bytes.ts';
import { ContentWriter, type Digest } from './contents.ts';
import { EventLog, type EventReader } from './event-log.ts';
import { EventEncoder } from './events.ts';
import { RecordingFiles } from './files.ts';
import {
 encodeHeader, encodeJson, END_REASONS, type EndReason, FRAME, type Header, INPUT, RECORD, type RecordingSink, SITE, type Site,
} from './format.ts'; // prettier-ignore
import type { Folder, Tape, TapeLoop } from './tape.ts';

/** Bytes of records in a frame. */
const FRAME_SIZE = 1 << 17;

export class Recorder implements Tape, EventReader {
  /** The loop runs the guest: what happens now is an answer, not an input. */
  busy = false;
  private readonly block = new BlockWriter(FRAME_SIZE + 4096);
  readonly records = this.block.records;
  readonly log: EventLog = new EventLog(this);
  /** Of files that were read. */
  readonly contents: ContentWriter;
  private readonly sink: RecordingSink;
  private loop: TapeLoop | null = null;
  private lastRound = 0;
  /** Inputs that came while the machine was put together: they belong to its first round. */
  private early: (() => void)[] | null = [];
  private folders = 0;
  private done = false;
  /** Where in the middle of the loop somebody is asked who may change things; null: nowhere. */
  private site: Site | null = null;
  /** What has to wait for the end of the round, and where that is while it is done. */
  private deferred: (() => void)[] = [];
  private arriving: Place | null = null;
  /** Somebody reads a file, at a moment that has no place. */
  private unplaced = false;
  /** Called when nothing more comes. */
  ended: () => void = () => {};

  constructor(sink: RecordingSink, digest: Digest) {
    this.sink = sink;
    this.contents = new ContentWriter(digest);
  }

  /** The first frame. */
  begin(header: Header): void {
    this.sink.frame(FRAME.header, encodeHeader(header));
  }

  attach(loop: TapeLoop, clock: Clock): void {
    this.loop = loop;
    this.log.encoder = new EventEncoder(clock, this.records);
  }

  /** The machine is there; what came meanwhile counts as coming now. */
  started(): void {
    const early = this.early!;
    this.early = null;
    for (const write of early) write();
    this.sink.frame(FRAME.records, this.block.take()); // though it be empty: from here on there is a machine
  }

  /** Runs something that is the host's in the middle of the loop. */
  outside<T>(f: () => T): T {
    const { busy } = this;
    this.busy = false;
    try {
      return f();
    } finally {
      this.busy = busy;
    }
  }

  /** Runs somebody who may change things, in the middle of the loop: at this site. */
  at<T>(site: Site, f: () => T): T {
    const before = this.site;
    this.site = site;
    try {
      return f();
    } finally {
      this.site = before;
    }
  }

  /** Whether what comes in now has a place that can be recorded. */
  get placed(): boolean {
    return this.site !== null || this.arriving !== null || (!this.busy && this.loop?.midRun !== true);
  }

  /** Does it now if it has a place, else at the end of the round, which is one. */
  soon(f: () => void): void {
    if (this.placed) f();
    else {
      this.deferred.push(f);
      this.loop!.inputRound = this.loop!.rounds;
    }
  }

  /** The loop is at a place: what was put off comes in. False: there was nothing. */
  arrive(place: Place): boolean {
    const { deferred } = this;
    this.deferred = [];
    this.loop!.inputRound = -1;
    this.arriving = place;
    this.outside(() => {
      for (const f of deferred) f();
    });
    this.arriving = null;
    return deferred.length > 0;
  }

  /** What was written so far can be replayed from here on, whatever becomes of the recorder. */
  flush(): void {
    if (this.done) this.block.drop();
    else if (this.records.at > 0) this.sink.frame(FRAME.records, this.block.take());
  }

  happened(): void {
    if (this.records.at > FRAME_SIZE) this.flush();
  }

  /** What was written since `begin` is no event. */
  private mark(begin: number): void {
    this.block.mark(begin);
    if (this.records.at > FRAME_SIZE) this.flush();
  }

  /** Nothing more comes. */
  end(reason: EndReason): void {
    if (this.done) return;
    this.inputOf(INPUT.end, (w) => w.uint(END_REASONS.indexOf(reason)));
    this.flush();
    this.done = true;
    this.ended();
    const w = new Writer(32);
    w.uint(this.log.position);
    w.uint(this.loop?.rounds ?? 0);
    w.uint(END_REASONS.indexOf(reason));
    this.sink.frame(FRAME.end, w.bytes);
    this.sink.close();
  }

  reading(path: string, read: () => Uint8Array): Uint8Array {
    if (this.early !== null || this.done) return read();
    if (this.placed) {
      this.inputOf(INPUT.look, (w) => w.text(path));
      return read();
    }
    this.unplaced = true;
    try {
      return read();
    } finally {
      this.unplaced = false;
    }
  }

  /** The answer to what the guest asked for just now. (Whatever is written, room for events is left behind it.) */
  answer(kind: number, fill: (w: Writer) => void): void {
    if (this.done) return;
    if (this.unplaced)
      throw new Error(
        'cannot read a file of a host folder here: the machine is being recorded, and this moment has no place in a recording; do it at a stop of step or nextSyscall, in a hook, or in a listener of on()',
      );
    const { at } = this.records;
    this.records.u8(kind);
    fill(this.records);
    this.mark(at);
  }

  /** Something came by itself. */
  inputOf(kind: number, fill: (w: Writer) => void): void {
    if (this.done) return;
    const write = (): void => {
      const { rounds, place, cut } = this.loop!;
      const w = this.records;
      const { at } = w;
      const site = this.site ?? (cut && this.arriving === null ? SITE.cut : null);
      if (site === null) {
        w.u8(RECORD.input);
        w.uint((rounds - this.lastRound) * 3 + (this.arriving ?? place));
        this.lastRound = rounds;
      } else {
        w.u8(RECORD.change);
        w.u8(site);
      }
      w.u8(kind);
      fill(w);
      this.mark(at);
    };
    if (this.early) this.early.push(write);
    else write();
  }

  // Ports.

  folder(open: () => Folder): Folder {
    const { host, file } = open();
    const id = this.folders++;
    this.answer(RECORD.folder, (w) => {
      w.uint(id);
      w.uint(host.root);
      w.text(file ?? '');
    });
    return { host: new RecordingFiles(host, id, this), file };
  }

  files(real: HostFs): HostFs {
    return this.folder(() => ({ host: real, file: null })).host;
  }

  input(queue: InputQueue): void {
    queue.tap = (bytes, error) => {
      if (this.busy)
        this.answer(RECORD.read, (w) => {
          w.uint(queue.looks);
          writeInput(w, bytes, error);
        });
      else if (bytes) this.inputOf(INPUT.stdin, (w) => w.blob(bytes));
      else this.inputOf(INPUT.stdinEnd, (w) => w.uint(-error));
    };
  }

  output(fd: number, real: HostOutput): HostOutput {
    let writes = 0;
    return {
      mode: real.mode,
      ...(real.size === undefined ? {} : { size: real.size }),
      write: (bytes) => {
        writes++;
        const n = real.write(bytes);
        if (n !== bytes.length)
          this.answer(RECORD.written, (w) => {
            w.uint(fd);
            w.uint(writes);
            w.int(n);
          });
        return n;
      },
      writable: () => real.writable(),
      onDrain: (callback) =>
        real.onDrain(() => {
          this.inputOf(INPUT.drained, (w) => w.uint(fd));
          callback();
        }),
    };
  }

  terminal(real: HostTerminal): HostTerminal {
    const output = this.output(3, {
      mode: 0,
      write: (bytes) => real.write(bytes),
      writable: () => true,
      onDrain: () => {},
    });
    return {
      size: () => real.size(),
      write: (bytes) => output.write(bytes),
      attach: (end) => real.attach(this.terminalEnd(end)),
    };
  }

  private terminalEnd(end: HostTerminalEnd): HostTerminalEnd {
    let spaces = 0;
    return {
      input: (bytes) => {
        if (this.busy)
          this.answer(RECORD.typed, (w) => {
            w.uint(spaces);
            w.blob(bytes);
          });
        else this.inputOf(INPUT.typed, (w) => w.blob(bytes));
        return end.input(bytes);
      },
      get onSpace() {
        return end.onSpace;
      },
      set onSpace(callback) {
        end.onSpace = () => {
          spaces++;
          callback?.();
        };
      },
      resize: (size) => {
        this.inputOf(INPUT.resized, (w) => {
          for (const n of [size.rows, size.cols, size.xpixel, size.ypixel]) w.uint(n);
        });
        end.resize(size);
      },
      drained: () => {
        this.inputOf(INPUT.terminalDrained, () => {});
        end.drained();
      },
      hangup: () => {
        this.inputOf(INPUT.hangup, () => {});
        end.hangup();
      },
    };
  }

  core(real: CorePort): CorePort {
    const said = (yes: boolean): boolean => {
      this.answer(RECORD.core, (w) => w.u8(yes ? 1 : 0));
      return yes;
    };
    return {
      pattern: real.pattern,
      open: (name) => {
        const sink = real.open(name);
        said(sink !== null);
        return (
          sink && { write: (bytes, at) => said(sink.write(bytes, at)), close: (size) => sink.close(size) }
        );
      },
    };
  }

  network(net: NetStack): void {
    const tap: HostTap = {
      call: (op, id, n, bytes) => {
        const write = (w: Writer): void => {
          w.u8(op);
          w.uint(id);
          w.uint(n);
          if (bytes) w.blob(bytes);
        };
        // In the middle of the loop a host only empties what the guest has just reset.
        if (!this.busy) this.inputOf(INPUT.network, write);
        else if (op === HOST_CALL.take) this.answer(RECORD.taken, write);
        else
          throw new Error(
            'a connection into a machine that is being recorded takes nothing while the guest runs: use it between runs, not in a hook or listener',
          );
      },
      datagram: (from, to, bytes) =>
        this.inputOf(INPUT.datagram, (w) => {
          writeEndpoint(w, from);
          writeEndpoint(w, to);
          w.blob(bytes);
        }),
    };
    net.tap = tap;
  }

  // What the person or program that has the machine does to it.

  signal(signo: number, pid: number): void {
    this.inputOf(INPUT.signal, (w) => {
      w.uint(signo);
      w.uint(pid);
    });
  }
  foreground(signo: number): void {
    this.inputOf(INPUT.foreground, (w) => w.uint(signo));
  }
  poke(tid: number, address: number, bytes: Uint8Array): void {
    this.inputOf(INPUT.poke, (w) => {
      w.uint(tid);
      w.uint(address);
      w.blob(bytes);
    });
  }
  register(tid: number, index: number, value: bigint): void {
    this.inputOf(INPUT.register, (w) => {
      w.uint(tid);
      w.uint(index);
      w.text(value.toString());
    });
  }
  writeFile(path: string, content: FileContent): void {
    this.inputOf(INPUT.file, (w) => {
      w.text(path);
      const data = typeof content === 'string' || content instanceof Uint8Array ? { data: content } : content;
      if ('symlink' in data) {
        w.u8(1);
        w.text(data.symlink);
        return;
      }
      w.u8(0);
      w.uint('mode' in data && data.mode !== undefined ? data.mode : 0o644);
      w.blob(typeof data.data === 'string' ? new TextEncoder().encode(data.data) : data.data);
    });
  }
  taskSignal(tid: number, signo: number): void {
    this.inputOf(INPUT.taskSignal, (w) => {
      w.uint(tid);
      w.uint(signo);
    });
  }
  argument(tid: number, register: number, bits: bigint): void {
    this.inputOf(INPUT.argument, (w) => {
      w.uint(tid);
      w.uint(register);
      w.text(bits.toString());
    });
  }
  result(tid: number, bits: bigint, error: boolean): void {
    this.inputOf(INPUT.result, (w) => {
      w.uint(tid);
      w.text(bits.toString());
      w.u8(error ? 1 : 0);
    });
  }
  inject(id: number, what: string | Injection): void {
    this.inputOf(INPUT.inject, (w) => {
      w.uint(id);
      w.blob(encodeJson(what));
    });
  }
  uninject(id: number): void {
    this.inputOf(INPUT.uninject, (w) => w.uint(id));
  }
  only(tid: number): void {
    this.inputOf(INPUT.only, (w) => w.uint(tid));
  }
  /** The clock of an idle machine goes to this moment. */
  timePasses(to: number): void {
    this.inputOf(INPUT.time, (w) => w.uint(to));
  }
}

function writeInput(w: Writer, bytes: Uint8Array | null, error: number): void {
  w.u8(bytes ? 1 : 0);
  if (bytes) w.blob(bytes);
  else w.uint(-error);
}

function writeEndpoint(w: Writer, e: Endpoint): void {
  w.text(ipText(e.ip));
  w.uint(e.port);
}

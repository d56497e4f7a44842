/** Feeds a machine from a recording, and holds what it does against it. Nothing of the host is touched. */
import type { CorePort } from '../../kernel/coredump/settings.ts';
import type { HostOutput } from '../../kernel/fs/dev/host-stream.ts';
import type { HostFs } from '../../kernel/fs/host-port.ts';
import type { HostTerminal, HostTerminalEnd } from '../../kernel/fs/tty/host-port.ts';
import { HOST_CALL, type HostConnection } from '../../kernel/net/host-port.ts';
import type { NetStack } from '../../kernel/net/stack.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Tamperer } from '../../kernel/syscall/tamper.ts';
import type { Task } from '../../kernel/task/task.ts';
import { callEntry } from '../../kernel/trace/call-text.ts';
import { signalName } from '../../kernel/trace/tables.ts';
import type { Place } from '../machine/loop.ts';
import type { InputQueue } from '../machine/stdio.ts';
import { DivergenceError, RecordingEndError } from './errors.ts';
import { Block, decoderAt, NO_BLOCK } from './block.ts';
import { MalformedError, Reader, Writer } from './bytes.ts';
import { ContentReader } from './contents.ts';
import { EventLog, type EventReader } from './event-log.ts';
import { EventEncoder, MOST, type RecordedEvent } from './events.ts';
import { ReplayedFiles } from './files.ts';
import { CHECK_EVERY, type EndReason, RECORD, type Recording, SITE, type Site } from './format.ts';
import { endInput, type InputTargets, readInput, type ReplayActions } from './inputs.ts';
import type { Folder, TableOfCalls, Tape, TapeLoop } from './tape.ts';

/** What a replay asks of its machine: to do what came from outside, and to let it have a say. */
export interface ReplayPort extends ReplayActions {
  /** Let `Replayer.ended` be looked at soon. */
  stop(): void;
  /** Stop at the event that happens now, on a task's way to user mode; then call `Replayer.resting`. */
  pause(): void;
  /** Who changes calls as they were changed; null: nobody does now. */
  tamper(tamperer: Tamperer | null): void;
}

interface ReplayState {
  readonly block: number;
  readonly at: number;
  readonly lastRound: number;
  readonly nextPlace: Place;
  readonly folders: number;
  readonly ended: EndReason | 'cut off' | null;
  readonly damage: string | null;
  readonly spaces: number;
  readonly compared: number;
  readonly contents: number;
  readonly outputs: [number, OutputState][];
  readonly connections: [number, HostConnection][];
}

interface OutputState {
  writes: number;
  /** It took nothing, and has not said that it has room again. */
  full: boolean;
}

/** Bytes of events that are compared at a time, when nobody looks at each. */
const CHUNK = 4096;

/** All it knows is in its fields: a snapshot of them (and of the machine) can be gone back to. */
export class Replayer implements Tape, EventReader {
  readonly log: EventLog = new EventLog(this);
  readonly recording: Recording;
  private readonly contents: ContentReader;
  /** Why nothing more comes; null while something does. */
  ended: EndReason | 'cut off' | null = null;
  private damage: string | null = null;
  private current = NO_BLOCK;
  /** What the machine did since it was last compared: events, in `events.out`. They are the first behind event `compared`. */
  private events: EventEncoder | null = null;
  private compared = 0;
  /** Bytes of them at which to compare. */
  private room = 0;
  /** Each event is compared as it happens: somebody looks at it. */
  eager = false;
  private block = 0;
  private rows: TableOfCalls | null = null;
  private lastRound = 0;
  private nextPlace: Place = 0;
  private folders = 0;
  private loop: TapeLoop | null = null;
  private port: ReplayPort | null = null;
  private targets: InputTargets | null = null;
  /** Changes calls where they were changed; there only while that is what comes next. */
  private readonly tamperer: Tamperer = {
    enter: () => {
      while (this.change(SITE.begin));
    },
    exit: () => {
      while (this.change(SITE.leave));
    },
  };
  private tampers = false;
  private changing = false;
  private queue: InputQueue | null = null;
  private terminalEnd: HostTerminalEnd | null = null;
  private net: NetStack | null = null;
  /** By descriptor; 3: the terminal. */
  private readonly outputs = new Map<number, OutputState>();
  /** Times the terminal said it had room. */
  private spaces = 0;
  private readonly drains = new Map<number, () => void>();
  private readonly connections = new Map<number, HostConnection>();

  constructor(recording: Recording) {
    this.recording = recording;
    this.contents = new ContentReader(recording);
    this.look();
  }

  attach(loop: TapeLoop, clock: Clock, rows: TableOfCalls): void {
    this.loop = loop;
    this.rows = rows;
    this.events = new EventEncoder(clock, new Writer(CHUNK + 2 * MOST));
    this.log.encoder = this.events;
  }

  /** The machine is there. */
  started(port: ReplayPort): void {
    const { queue, drains, terminalEnd, net, connections } = this;
    this.port = port;
    this.targets = {
      actions: port, queue, drains, terminalEnd, net, connections,
      join: (c) => this.join(c),
      ends: (reason) => {
        this.ended = reason;
        port.stop();
      },
      diverged: (what) => this.diverged(what),
    }; // prettier-ignore
    this.look();
  }

  /** Finds what comes next, and tells the loop when that is an input. */
  private look(): void {
    while (this.reader.atEnd) {
      let bytes: Uint8Array | null;
      try {
        bytes = this.recording.block(this.block);
      } catch (e) {
        if (!(e instanceof MalformedError)) throw e;
        this.damage = e.message;
        bytes = null;
      }
      if (bytes === null) {
        this.current = NO_BLOCK;
        this.room = 0;
        if (this.loop) this.loop.inputRound = -1;
        this.ended ??= 'cut off';
        this.port?.stop();
        return;
      }
      this.block++;
      this.current = new Block(bytes);
    }
    const { events } = this.current;
    this.room = Math.min(events, CHUNK);
    if (this.loop === null) return;
    const { site } = this;
    if (this.port) this.tamper(site === SITE.begin || site === SITE.leave);
    if (events > 0 || this.kind !== RECORD.input) {
      this.loop.inputRound = -1;
      if (site === SITE.cut) this.port?.pause();
      return;
    }
    const { at } = this.reader;
    this.reader.at++;
    const position = this.reader.uint();
    this.reader.at = at;
    this.loop.inputRound = this.lastRound + Math.floor(position / 3);
    this.nextPlace = (position % 3) as Place;
  }

  private get reader(): Reader {
    return this.current.reader;
  }

  private get kind(): number {
    return this.reader.buffer[this.reader.at];
  }

  /** For snapshots of the machine (src/timeline): where in the recording it is. All events were compared. */
  saveState(): ReplayState {
    const { block, lastRound, nextPlace, folders, ended, damage, spaces, compared } = this;
    const { count: contents } = this.contents;
    return {
      block, at: this.current === NO_BLOCK ? 0 : this.reader.at, lastRound, nextPlace, folders, ended, damage, spaces, compared, contents,
      outputs: [...this.outputs].map(([fd, o]) => [fd, { ...o }]),
      connections: [...this.connections],
    }; // prettier-ignore
  }

  restoreState(state: ReplayState): void {
    this.contents.count = state.contents;
    this.changing = false;
    const { block, lastRound, nextPlace, folders, ended, damage, spaces, compared } = state;
    Object.assign(this, { block, lastRound, nextPlace, folders, ended, damage, spaces, compared });
    const bytes = block === 0 ? null : this.recording.block(block - 1);
    this.current = bytes === null || (ended !== null && state.at === 0) ? NO_BLOCK : new Block(bytes);
    if (this.current !== NO_BLOCK) this.reader.at = state.at;
    for (const [fd, o] of state.outputs) Object.assign(this.outputs.get(fd)!, o);
    this.connections.clear();
    for (const [id, c] of state.connections) this.connections.set(id, c);
    if (this.ended === null) this.look();
  }

  happened(t: Task): void {
    if (this.events!.out.at >= this.room || this.eager) this.compare(t);
  }

  /** Holds what the machine did since the last time against the recording. `t`: who did the last of it, just now. */
  compare(t: Task | null = null): void {
    const { events: done } = this;
    if (done === null) return;
    const { buffer: mine, at: n } = done.out;
    if (n === 0) return;
    if (this.changing) return;
    this.changing = true; // what it asks of the host comes before the event that this is, as it does
    while (this.change(SITE.event));
    this.changing = false;
    const { current } = this;
    const { reader } = current;
    const { buffer, at } = reader;
    const { events } = current;
    if (n > events) this.differs(t);
    for (let i = 0; i < n; i++) if (buffer[at + i] !== mine[i]) this.differs(t);
    reader.at = at + n;
    done.out.at = 0;
    this.compared = done.count;
    if (n === events) this.look();
    else this.room = Math.min(events - n, CHUNK);
  }

  /** Finds the first event that is another one in the recording. */
  private differs(t: Task | null): never {
    const recorded = decoderAt(this.recording, this.block - 1, this.reader.at);
    const my = recorded.copy();
    const mine = new Reader(this.events!.out.bytes);
    for (let event = this.compared + 1; ;) {
      if (this.reader.atEnd) this.look();
      this.needMore();
      const e = my.read(mine);
      if (e === null) this.diverged('the same is written in other bytes', event);
      const { at } = this.reader;
      const other = recorded.read(this.reader);
      if (other === null || this.describe(e) !== this.describe(other)) {
        this.reader.at = at;
        const shown = this.describe(e, mine.atEnd ? t : null);
        if (e.type === 'check' && other?.type === 'check')
          this.diverged(
            `the calls since event ${e.position - CHECK_EVERY} were the recorded ones, but not the instructions between them`,
            e.position,
          );
        if (other !== null) this.diverged(`${shown}; in the recording ${this.describe(other)}`, event);
        this.diverged(`${shown}; in the recording ${this.describeNext()} comes first`, event);
      }
      if (e.type !== 'check') event++;
    }
  }

  private needMore(): void {
    if (this.reader.atEnd) throw this.endError();
  }

  /** Its records make no sense. */
  malformed(e: MalformedError): RecordingEndError {
    this.ended ??= 'cut off';
    this.damage = e.message;
    return this.endError();
  }

  endError(): RecordingEndError {
    return new RecordingEndError(this.endText(), this.damage !== null);
  }

  /** Where and why it ends, for people. */
  private endText(): string {
    const at = `after event ${this.compared}`;
    switch (this.ended) {
      case 'cut off':
        return this.damage === null
          ? `the recording ends here, ${at}: the recorder was killed`
          : `the recording is damaged from here on, ${at}: ${this.damage}`;
      case 'stopped':
        return `the recording ends here, ${at}: the machine was stopped`;
      case 'exited':
        return `the guest ended here in the recording, ${at}`;
      default:
        return `the recording ends here, ${at}: ring3 failed while recording`;
    }
  }

  diverged(what: string, event = this.log.position + 1): never {
    throw new DivergenceError(event, what);
  }

  /** `t`: who is at it now, so that memory is as the event found it. */
  private describe(e: RecordedEvent, t: Task | null = null): string {
    const { arch } = this.recording.header.options;
    switch (e.type) {
      case 'enter': {
        if (t) return `${e.tid} calls ${callEntry(t)}`;
        const row = this.rows?.[arch][e.nr];
        const args = [...e.args].slice(0, row?.args.length ?? 6).map((a) => `0x${a.toString(16)}`);
        return `${e.tid} calls ${row?.name ?? `syscall_${e.nr}`}(${args.join(', ')})`;
      }
      case 'exit':
        return `${e.tid} gets ${e.result}`;
      case 'signal':
        return `${e.tid} gets the signal ${signalName(e.signo)}`;
      case 'task-end':
        return e.killed ? `${e.tid} is killed by ${signalName(e.code)}` : `${e.tid} exits with ${e.code}`;
      case 'check':
        return `a checkpoint (event ${e.position}, ${e.hash})`;
    }
  }

  private describeNext(): string {
    const { kind } = this;
    if (kind === RECORD.input)
      return `an input in round ${this.loop?.inputRound} (this is round ${this.loop?.rounds})`;
    return kind === RECORD.check
      ? 'a checkpoint'
      : kind < RECORD.check
        ? 'an event'
        : "an answer of the host's";
  }

  /** The recorded answer to what the guest asks of the host. */
  answer<T>(kind: number, what: string, read: (r: Reader) => T): T {
    this.compare();
    this.needMore();
    if (this.kind !== kind) {
      const next =
        this.kind >= RECORD.folder && this.kind < RECORD.input ? 'for something else' : 'for nothing';
      this.diverged(`the host is asked for ${what}, and in the recording ${next}`);
    }
    this.reader.at++;
    const value = read(this.reader);
    this.look();
    return value;
  }

  /** The same for answers that need not be there: taken when `fits` says that it is the one. */
  private maybe(kind: number, fits: (r: Reader) => boolean, use: (r: Reader) => void): boolean {
    this.compare();
    if (this.reader.atEnd || this.kind !== kind) return false;
    const { at } = this.reader;
    this.reader.at++;
    if (!fits(this.reader)) {
      this.reader.at = at;
      return false;
    }
    use(this.reader);
    this.look();
    return true;
  }

  /** The loop is where the next input belongs. False: it belongs to another place. */
  deliver(place: Place): boolean {
    const loop = this.loop!;
    let some = false;
    while (loop.rounds === loop.inputRound && place === this.nextPlace) {
      const { reader } = this;
      reader.at++;
      this.lastRound += Math.floor(reader.uint() / 3);
      this.act(null);
      some = true;
    }
    return some;
  }

  /** Nothing in the guest can run, and there is no input. */
  idle(): void {
    this.compare();
    this.needMore();
    this.diverged(`nothing in the guest can run, and the recording goes on with ${this.describeNext()}`);
  }

  /** Does what an input says. Its bytes are read, and what is next is known, before it takes effect. */
  private act(site: Site | null): void {
    const { reader } = this;
    const effect = readInput(reader.u8(), reader, this.targets!, site);
    this.look();
    effect();
  }

  /** The site of the change that is next; null: something else is. */
  private get site(): number | null {
    const { current } = this;
    const { at, buffer } = current.reader;
    return at < buffer.length && current.events === 0 && buffer[at] === RECORD.change ? buffer[at + 1] : null;
  }

  /** Does the next input if it came at this site. */
  private change(site: Site): boolean {
    if (this.site !== site) return false;
    this.reader.at += 2;
    this.act(site);
    return true;
  }

  /** The machine stands still: does what came in when it stood still here. */
  resting(): void {
    while (this.change(SITE.cut));
  }

  private tamper(tampers: boolean): void {
    if (tampers === this.tampers) return;
    this.tampers = tampers;
    this.port!.tamper(tampers ? this.tamperer : null);
  }

  /** Contents of a file, where an answer has them. */
  content(r: Reader, into: Uint8Array): void {
    this.contents.read(r, this.block - 1, into);
  }

  /** Nobody in the guest asked: what the host would say is not in the recording. */
  aside = false;
  /** What the owner of the recorded machine read, by path. */
  private readonly looked = new Map<string, Uint8Array>();

  reading(path: string, read: () => Uint8Array): Uint8Array {
    this.aside = true;
    try {
      return read();
    } catch (e) {
      const known = this.looked.get(path);
      if (known === undefined) throw e;
      return known;
    } finally {
      this.aside = false;
    }
  }

  /** The owner of the recorded machine read a file here, with this result. */
  wasRead(path: string, bytes: Uint8Array): void {
    this.looked.set(path, bytes);
  }

  // Ports.

  folder(): Folder {
    const id = this.folders++;
    return this.answer(RECORD.folder, 'a folder', (r) => {
      if (r.uint() !== id) this.diverged('another folder is opened than in the recording');
      const root = r.uint();
      const file = r.text();
      return { host: new ReplayedFiles(root, id, this), file: file === '' ? null : file };
    });
  }

  files(): HostFs {
    return this.folder().host;
  }

  input(queue: InputQueue): void {
    this.queue = queue;
    queue.rewound = true;
    queue.wanted = () => {
      this.maybe(
        RECORD.read,
        (r) => r.uint() === queue.looks,
        (r) => {
          if (r.u8() === 1) queue.push(r.blob());
          else endInput(queue, r.uint());
        },
      );
    };
  }

  output(fd: number, real: HostOutput): HostOutput {
    const state: OutputState = { writes: 0, full: false };
    this.outputs.set(fd, state);
    return {
      mode: real.mode,
      ...(real.size === undefined ? {} : { size: real.size }),
      write: (bytes) => {
        state.writes++;
        let n = bytes.length;
        this.maybe(
          RECORD.written,
          (r) => r.uint() === fd && r.uint() === state.writes,
          (r) => (n = r.int()),
        );
        this.compare(); // nothing is shown that was not so
        state.full = n === 0 && bytes.length > 0;
        if (n > 0) real.write(bytes.subarray(0, n));
        return n;
      },
      writable: () => !state.full,
      onDrain: (callback) =>
        this.drains.set(fd, () => {
          state.full = false;
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
      attach: (end) => {
        this.terminalEnd = end;
        end.onSpace = () => {
          this.spaces++;
          let bytes: Uint8Array | null = null;
          this.maybe(
            RECORD.typed,
            (r) => r.uint() === this.spaces,
            (r) => (bytes = r.blob()),
          );
          if (bytes !== null) end.input(bytes);
        };
      },
    };
  }

  core(real: CorePort): CorePort {
    const said = (): boolean => this.answer(RECORD.core, 'a core file', (r) => r.u8() === 1);
    return {
      pattern: real.pattern,
      open: () => (said() ? { write: said, close: () => {} } : null),
    };
  }

  network(net: NetStack): void {
    const { eth0, hostNetwork } = this.recording.header.options;
    this.net = net;
    net.eth0 = eth0;
    if (hostNetwork)
      net.host = { connect: (c) => this.join(c), sendDatagram: () => {}, datagramPortClosed: () => {} };
  }

  private join(c: HostConnection): void {
    this.connections.set(c.id, c);
    const emptied = (): void => {
      while (
        this.maybe(
          RECORD.taken,
          (r) => r.u8() === HOST_CALL.take && r.uint() === c.id,
          (r) => c.take(r.uint()),
        )
      );
    };
    c.handler = { reset: emptied, refused: emptied };
  }
}

/**
 * What a recording is made of. A file is MAGIC, the format's version, and frames: a header, then blocks of records, then
 * an end. Frames are compressed, each for itself, so whoever is killed while recording leaves all but the last one.
 * docs/recording.md describes the bytes.
 */
import { Reader, Writer } from './bytes.ts';
import type { FileContent, MachineLimits } from '../machine/options.ts';
import type { Injection } from '../../kernel/inject/rule.ts';
import type { Arch } from '../../kernel/ports.ts';

export const MAGIC = 'ring3rec';
/** Readers refuse others; changed when a reader would misunderstand. */
export const FORMAT_VERSION = 3;

/** Kinds of frames. */
export const FRAME = { header: 0x48, records: 0x52, end: 0x45 } as const;

/**
 * Kinds of records, in a record's first byte. Events are there to be compared with. Answers are results of what the guest's
 * own doing asked of the host; they follow in the order they were asked for. Inputs came by themselves, at a round and place
 * of the loop.
 */
export const RECORD = {
  // Events.
  enter: 1,
  exit: 2,
  signal: 3,
  /** A task exited, or was killed. */
  exited: 4,
  killed: 5,
  /** Every CHECK_EVERY events: a hash of the machine's time at each entry, which is its count of instructions. */
  check: 6,
  /** In all but `check`: the task is the one of the event before. */
  sameTask: 0x80,
  /** In `enter`: the call is one that was written already; in `exit`: the result is that of the exit before. */
  again: 0x40,

  // Answers.
  folder: 16,
  files: 17,
  /** The n-th write to an output was not taken whole. */
  written: 18,
  /** The n-th time the guest looked for input there was some, at once. */
  read: 19,
  /** The n-th time the terminal said it had room, it was given more. */
  typed: 20,
  /** A connection that the guest reset was emptied first. */
  taken: 21,
  core: 22,

  /** An input. */
  input: 32,
  /** An input that came at a SITE. */
  change: 33,
} as const;

/** Where an input came in that no round and place of the loop can name: its record stands among the events instead. */
export const SITE = {
  /** A call begins: those who tamper with it are asked (Tamperer.enter). Its event comes next. */
  begin: 0,
  /** It is over (Tamperer.exit). Its event comes next. */
  leave: 1,
  /** Listeners hear of the event that comes next. */
  event: 2,
  /** The machine was stopped at the event before, with the task on its way to user mode (Loop.cut). */
  cut: 3,
} as const;
export type Site = (typeof SITE)[keyof typeof SITE];

export const CHECK_EVERY = 1024;

/** Kinds of inputs. */
export const INPUT = {
  stdin: 1,
  stdinEnd: 2,
  /** An output that was full has room again. */
  drained: 3,
  typed: 4,
  resized: 5,
  terminalDrained: 6,
  hangup: 7,
  network: 8,
  datagram: 9,
  /** A signal for a process, or for the foreground. */
  signal: 10,
  foreground: 11,
  poke: 12,
  register: 13,
  file: 14,
  /** The machine had nothing to do until this time. */
  time: 15,
  /** The recording ends here; with an EndReason. */
  end: 16,
  /** A signal for one task. */
  taskSignal: 17,
  /** A call's argument, by register; and its result: at SITE.begin the call is not made. */
  argument: 18,
  result: 19,
  /** Faults are injected from now on, and no longer. */
  inject: 20,
  uninject: 21,
  /** One task runs alone; 0: all may again. */
  only: 22,
  /** The owner reads a file of the guest: what the host is asked for then follows. */
  look: 23,
} as const;

/** Why a recording ended. */
export type EndReason = 'exited' | 'stopped' | 'deadlock' | 'failed';
export const END_REASONS: readonly EndReason[] = ['exited', 'stopped', 'deadlock', 'failed'];

/** What the machine was made of: BootOptions with everything taken out that only the host has. */
export interface RecordedOptions {
  readonly arch: Arch;
  /** Null when the program is in the root folder. */
  readonly program: { bytes: Uint8Array; path: string; name: string; mode: number } | null;
  readonly programName: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly files: Readonly<Record<string, FileContent>>;
  readonly mounts: readonly { host: string; guest: string; readOnly: boolean }[];
  /** The host's name of it, and whether it was a folder. */
  readonly root: { path: string; kind: 'folder' | 'image'; readWrite: boolean } | null;
  readonly eth0: boolean;
  readonly hostNetwork: boolean;
  readonly seed: string;
  /** BootOptions.schedule; null (or, in older recordings, nothing): none. */
  readonly schedule?: string | null;
  /** Nanoseconds since 1970 when the machine booted, as decimal text. */
  readonly epoch: string;
  readonly cpu: string;
  readonly hostname: string | null;
  readonly cpus: number;
  readonly aslr: boolean;
  readonly limits: MachineLimits;
  readonly terminal: {
    connected: readonly [boolean, boolean, boolean];
    rows: number;
    cols: number;
    xpixel: number;
    ypixel: number;
  } | null;
  readonly core: string | null;
  readonly personality: string | null;
  readonly quirks: readonly string[];
  readonly noQuirks: readonly string[];
  readonly inject: readonly (string | Injection)[];
}

export interface Header {
  /** Of the ring3 that recorded. */
  readonly ring3: string;
  /** When, milliseconds since 1970. */
  readonly recorded: number;
  readonly options: RecordedOptions;
}

export const encodeHeader = (header: Header): Uint8Array => encodeJson(header);
export const decodeHeader = (bytes: Uint8Array): Header => decodeJson(bytes) as Header;

/** JSON, with byte strings beside it, and numbers of any size as text. */
export function encodeJson(object: unknown): Uint8Array {
  const blobs: Uint8Array[] = [];
  const text = JSON.stringify(object, function (this: Record<string, unknown>, key: string, value: unknown) {
    const own = this[key]; // Node's Buffer has become something else in `value`
    if (own instanceof Uint8Array) return { $bytes: blobs.push(own) - 1 };
    return typeof value === 'bigint' ? { $big: value.toString() } : value;
  });
  const w = new Writer();
  w.text(text);
  w.uint(blobs.length);
  for (const b of blobs) w.blob(b);
  return w.bytes;
}

export function decodeJson(bytes: Uint8Array): unknown {
  const r = new Reader(bytes);
  const text = r.text();
  const blobs = Array.from({ length: r.uint() }, () => r.blob());
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    const { $bytes, $big } = value as { $bytes?: unknown; $big?: unknown };
    if (typeof $big === 'string') return BigInt($big);
    return typeof $bytes === 'number' ? blobs[$bytes] : value;
  });
}

/** Takes the frames of a recording as they come. */
export interface RecordingSink {
  frame(kind: number, bytes: Uint8Array): void;
  close(): void;
}

/** A recording that can be played: all access by number, so that a replay can be taken back. */
export interface Recording {
  readonly header: Header;
  /**
   * The frame of records `i` (from 0), or null past the last: the number of answers and inputs in it, where each begins and how
   * long it is (beginnings are counted from the end before), and the records. Throws MalformedError for one that is damaged.
   */
  block(i: number): Uint8Array | null;
  /** Totals from the end frame; null: the recorder was killed, the recording goes as far as it goes. */
  readonly end: { events: number; rounds: number; reason: EndReason } | null;
}

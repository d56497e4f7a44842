/**
 * What a host folder's port holds open for the guest: directories and files, by numbers that are never given twice. A machine put
 * back to an earlier moment finds open what was open then: what it closes is closed on the host only when no saved moment has it, or
 * when there is too much of it; then it is opened again by its name, if it is still the same file.
 */
import type * as nodeFs from 'node:fs';

/** Directories and files kept open for saved moments only. */
const MAX_KEPT = 256;
const GONE = -1;

export type HeldCalls = Pick<typeof nodeFs, 'closeSync' | 'fstatSync' | 'openSync' | 'readlinkSync'>;

export interface Held {
  /** The host's descriptor; −1: there is none, or none any more. */
  fd: number;
  /** Where it is, a binary string: "/proc/self/fd/N" or a name of the host's. */
  path: string;
}

interface Entry extends Held {
  readonly number: number;
  /** How it was opened, without what would make a file. */
  readonly flags: number;
  /** A saved moment has it. */
  saved: boolean;
  /** It was closed to make room: what it was. */
  was: { readonly path: Buffer; readonly dev: bigint; readonly ino: bigint } | null;
}

/** The binary string of a path as bytes. */
const raw = (s: string): Buffer => Buffer.from(s, 'latin1');

export class HeldOpen {
  private readonly fs: HeldCalls;
  private readonly open = new Map<number, Entry>();
  /** Closed by the guest, open for saved moments; longest closed first. */
  private readonly kept = new Set<Entry>();
  private next = 1;
  /** The list given to the last snapshot, while it holds. */
  private list: readonly Entry[] | null = null;

  constructor(fs: HeldCalls) {
    this.fs = fs;
  }

  /** Takes what was just opened; its number. `path` as in Held: by way of the descriptor unless given. */
  add(fd: number, flags: number, path = `/proc/self/fd/${fd}`): number {
    const number = this.next++;
    this.open.set(number, { fd, path, number, flags, saved: false, was: null });
    this.list = null;
    return number;
  }

  get(number: number): Held | undefined {
    return this.open.get(number);
  }

  values(): Iterable<Held> {
    return this.open.values();
  }

  close(number: number): void {
    const entry = this.open.get(number);
    if (entry === undefined) return;
    this.open.delete(number);
    this.list = null;
    this.unused(entry);
  }

  /** Closes everything. */
  dispose(): void {
    for (const entry of [...this.open.values(), ...this.kept]) this.closeNow(entry);
    this.open.clear();
    this.kept.clear();
  }

  save(): unknown {
    if (this.list !== null) return this.list;
    for (const entry of this.open.values()) entry.saved = true;
    return (this.list = [...this.open.values()]);
  }

  restore(state: unknown): void {
    const list = state as readonly Entry[];
    const then = new Set(list);
    for (const entry of this.open.values()) if (!then.has(entry)) this.unused(entry);
    this.open.clear();
    for (const entry of list) {
      this.kept.delete(entry);
      if (entry.was !== null) this.reopen(entry);
      this.open.set(entry.number, entry);
    }
    this.list = list;
  }

  private unused(entry: Entry): void {
    if (!entry.saved) return this.closeNow(entry);
    if (entry.fd < 0) return;
    this.kept.add(entry);
    if (this.kept.size <= MAX_KEPT) return;
    for (const old of this.kept) {
      if (this.giveUp(old)) return;
    }
  }

  /** Closes what has a name, and notes it. */
  private giveUp(entry: Entry): boolean {
    try {
      const { dev, ino, nlink } = this.fs.fstatSync(entry.fd, { bigint: true });
      if (nlink === 0n) return false;
      const bySelf = entry.path.startsWith('/proc/self/fd/');
      const path = bySelf ? this.fs.readlinkSync(entry.path, { encoding: 'buffer' }) : raw(entry.path);
      entry.was = { path, dev, ino };
    } catch {
      return false; // it stays
    }
    this.kept.delete(entry);
    this.closeNow(entry);
    return true;
  }

  private reopen(entry: Entry): void {
    const { path, dev, ino } = entry.was!;
    try {
      const fd = this.fs.openSync(path, entry.flags);
      const now = this.fs.fstatSync(fd, { bigint: true });
      if (now.dev !== dev || now.ino !== ino) return this.fs.closeSync(fd);
      if (entry.path.startsWith('/proc/self/fd/')) entry.path = `/proc/self/fd/${fd}`;
      entry.fd = fd;
      entry.was = null;
    } catch {
      // it is not there any more: the guest gets errors
    }
  }

  private closeNow(entry: Entry): void {
    if (entry.fd < 0) return;
    try {
      this.fs.closeSync(entry.fd);
    } catch {
      // the host has closed it
    }
    entry.fd = GONE;
  }
}

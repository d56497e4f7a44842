/** Which tasks of a run share what, as far as its clone calls tell. */
import type { LogCall, LogRun } from '../events.ts';
import { View } from './finding.ts';

const CLONE_VM = 0x100;
const CLONE_FILES = 0x400;
const CLONE_THREAD = 0x10000;

export interface Birth {
  readonly parent: number;
  /** Line of the clone's return. */
  readonly line: number;
  readonly sharesMemory: boolean;
  readonly sharesFiles: boolean;
  readonly thread: boolean;
}

/** The flags of a call that makes a task; null: the log does not show them. */
function cloneFlags(call: LogCall): number | null {
  if (call.name === 'fork') return 0;
  if (call.name === 'vfork') return CLONE_VM | 0x4000;
  const shown = /flags=([A-Z_0-9a-fx|]+)/.exec(call.args.join(', '));
  if (shown) {
    const names = shown[1].split('|');
    const bit = (name: string, value: number): number => (names.includes(name) ? value : 0);
    return bit('CLONE_VM', CLONE_VM) | bit('CLONE_FILES', CLONE_FILES) | bit('CLONE_THREAD', CLONE_THREAD);
  }
  return call.name === 'clone' ? new View(call).u32(0) : null;
}

/** Tasks whose beginning is in the run. */
export function births(run: LogRun): Map<number, Birth> {
  const out = new Map<number, Birth>();
  for (const call of run.calls) {
    if (!['clone', 'clone3', 'fork', 'vfork'].includes(call.name)) continue;
    const result = Number(call.result ?? 0n);
    if (result <= 0 || call.exit === null) continue;
    const flags = cloneFlags(call);
    if (flags === null) continue;
    const thread = (flags & CLONE_THREAD) !== 0;
    // StarryOS gives the first thread of a process the number after the process's own.
    const tid = thread || run.tasks.includes(result) ? result : result + 1;
    out.set(tid, {
      parent: call.tid, line: call.exit, thread,
      sharesMemory: (flags & CLONE_VM) !== 0, sharesFiles: (flags & CLONE_FILES) !== 0,
    }); // prettier-ignore
  }
  return out;
}

/** Something tasks have together or alone: made on first use, copied or shared as clone says. */
export class PerTask<T> {
  private readonly state = new Map<number, T>();
  private readonly births: ReadonlyMap<number, Birth>;
  private readonly shares: (b: Birth) => boolean;
  private readonly fresh: (tid: number) => T;
  private readonly copy: (of: T, tid: number) => T;

  constructor(
    births: ReadonlyMap<number, Birth>,
    shares: (b: Birth) => boolean,
    fresh: (tid: number) => T,
    copy: (of: T, tid: number) => T,
  ) {
    this.births = births;
    this.shares = shares;
    this.fresh = fresh;
    this.copy = copy;
  }

  get(tid: number): T {
    const known = this.state.get(tid);
    if (known !== undefined) return known;
    const b = this.births.get(tid);
    const made =
      b === undefined || b.parent === tid
        ? this.fresh(tid)
        : this.shares(b)
          ? this.get(b.parent)
          : this.copy(this.get(b.parent), tid);
    this.state.set(tid, made);
    return made;
  }

  /** A call that may have made tasks returned: they get theirs now, before the parent changes it. */
  returned(call: LogCall): void {
    for (const [tid, b] of this.births) if (b.parent === call.tid && b.line === call.exit) this.get(tid);
  }

  /** execve: it has its own from here on. */
  renew(tid: number): void {
    this.state.set(tid, this.fresh(tid));
  }
}

/** Tasks whose beginning is not in the run, and who may share anything with each other. */
export const strangers = (run: LogRun, known: ReadonlyMap<number, Birth>): number[] =>
  run.tasks.filter((tid) => !known.has(tid) && run.calls.some((c) => c.tid === tid));

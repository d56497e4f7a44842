/** What `check` finds, as data. */
import type { LogCall } from '../events.ts';

export type FindingKind =
  /** A call returned what Linux does not return. */
  | 'result'
  /** What the kernel says of its own state cannot be. */
  | 'state'
  /** Tasks go round in circles, or wait for ever. */
  | 'progress'
  /** Worth knowing: Linux does it otherwise, and a program may never notice. */
  | 'remark';

/** What a rule says of one call. */
export interface Verdict {
  /** Name of the rule: "epoll-del-event". */
  readonly rule: string;
  readonly kind?: FindingKind;
  /** Linux never does this; false: only under unusual circumstances. Default true. */
  readonly certain?: boolean;
  /** What Linux gives: "0, or ENOENT when fd 0 is not in the set". */
  readonly linux: string;
  /** Why, in a sentence or two. */
  readonly why: string;
  /** Where Linux says so: "epoll_ctl(2), EPOLL_CTL_DEL". */
  readonly man: string;
  /** Said of the first call of a run only; others add their lines. */
  readonly once?: boolean;
}

export interface Finding extends Verdict {
  readonly kind: FindingKind;
  readonly certain: boolean;
  /** Index of the run. */
  readonly run: number;
  /** First line it is about, and all of them when it comes again. */
  readonly line: number;
  readonly lines: readonly number[];
  /** Who; 0: the log does not say. */
  readonly tid: number;
  /** The call, as strace prints it, or what the kernel said. */
  readonly what: string;
  /** The log's own line. */
  readonly source: string;
  readonly call: LogCall | null;
}

/** A call under examination: its arguments and result as numbers. */
export class View {
  readonly call: LogCall;
  constructor(call: LogCall) {
    this.call = call;
  }
  /** Unsigned 64 bits; null: the log shows something else. Inexact past 2^53. */
  u64(i: number): number | null {
    const v = this.call.values[i];
    return v === undefined || v === null ? null : Number(v);
  }
  i64(i: number): number | null {
    const v = this.call.values[i];
    return v === undefined || v === null ? null : Number(BigInt.asIntN(64, v));
  }
  i32(i: number): number | null {
    const v = this.call.values[i];
    return v === undefined || v === null ? null : Number(BigInt.asIntN(32, v));
  }
  u32(i: number): number | null {
    const v = this.call.values[i];
    return v === undefined || v === null ? null : Number(BigInt.asUintN(32, v));
  }
  get name(): string {
    return this.call.name;
  }
  /** "EFAULT"; null: it succeeded. */
  get error(): string | null {
    return this.call.error;
  }
  /** The value, or -errno. Only for calls that returned. */
  get result(): number {
    return Number(this.call.result ?? 0n);
  }
  get ok(): boolean {
    return this.result >= 0 || this.result <= -4096;
  }
  /** Seconds from entry to return; null: the log does not say. */
  get seconds(): number | null {
    const { entered, ended } = this.call;
    return entered === null || ended === null ? null : ended - entered;
  }
}

const ORDER: readonly FindingKind[] = ['result', 'state', 'progress', 'remark'];

/** Collects findings; the same one again only adds its line. */
export class Findings {
  private readonly all = new Map<string, Finding & { lines: number[] }>();
  run = 0;

  /** `what`: what to show, unless it is the call. */
  add(v: Verdict, call: LogCall | null, line: number, what: string, source: string, tid: number): void {
    const kind = v.kind ?? 'result';
    const key = (v.once ? [this.run, v.rule] : [this.run, v.rule, what, v.linux]).join('\0');
    const known = this.all.get(key);
    if (known) {
      known.lines.push(line);
      return;
    }
    const { run } = this;
    const lines = [line];
    this.all.set(key, {
      ...v, kind, certain: v.certain ?? true, run, line, lines, tid, what, source, call,
    }); // prettier-ignore
  }

  /** By run, and in it by line. */
  list(): Finding[] {
    return [...this.all.values()].sort(
      (a, b) => a.run - b.run || a.line - b.line || ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind),
    );
  }
}

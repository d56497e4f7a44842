/** Puts lines together into calls: each task is in one call at most, and its return may be many lines later. */
import type { KernelNote, LogCall, LogEvent, LogRun } from './events.ts';

/** A call while it is being read. */
export type OpenCall = { -readonly [K in keyof LogCall]: LogCall[K] } & { notes: KernelNote[] };

export interface Entry {
  readonly tid: number;
  readonly name: string;
  readonly nr: number | null;
  readonly values: readonly (bigint | null)[];
  readonly args: readonly string[];
  readonly line: number;
  readonly time: number | null;
  readonly source: string;
}

export interface Return {
  readonly line: number;
  readonly time: number | null;
  readonly result: bigint;
  readonly resultText: string;
  readonly error: string | null;
  readonly source: string;
}

export class RunBuilder {
  readonly first: number;
  last: number;
  private readonly events: LogEvent[] = [];
  private readonly calls: OpenCall[] = [];
  private readonly open = new Map<number, OpenCall>();
  private readonly tasks = new Set<number>();
  private readonly output: { line: number; text: string }[] = [];

  constructor(first: number) {
    this.first = this.last = first;
  }

  /** The call a task is in. */
  current(tid: number): OpenCall | undefined {
    return this.open.get(tid);
  }

  /** A call begins; one the task was in has no return in the log then. */
  enter(e: Entry): OpenCall {
    const call = this.add(e, e.line, e.time);
    this.open.set(e.tid, call);
    this.events.push({ type: 'enter', call, line: e.line });
    return call;
  }

  /** A call whose entry is not in the log has returned. */
  exitOnly(e: Entry, r: Return): OpenCall {
    const call = this.add(e, null, null);
    this.finish(call, r);
    return call;
  }

  exit(call: OpenCall, r: Return): void {
    if (this.open.get(call.tid) === call) this.open.delete(call.tid);
    this.finish(call, r);
  }

  note(note: KernelNote): void {
    const call = this.open.get(note.tid) ?? null;
    call?.notes.push(note);
    this.seen(note.tid);
    this.events.push({ type: 'note', note, call, line: note.line });
  }

  signal(tid: number, signal: string, line: number): void {
    this.seen(tid);
    this.events.push({ type: 'signal', tid, signal, line });
  }

  taskEnd(tid: number, code: number | null, signal: string | null, line: number): void {
    this.seen(tid);
    this.open.delete(tid);
    this.events.push({ type: 'task-end', tid, code, signal, line });
  }

  say(line: number, text: string): void {
    if (text.trim() !== '') this.output.push({ line, text });
  }

  /** null: there was nothing of a kernel in it. */
  build(): LogRun | null {
    if (this.events.length === 0) return null;
    const { first, last, events, calls, output } = this;
    return { first, last, events, calls, output, tasks: [...this.tasks] };
  }

  private add(e: Entry, entry: number | null, entered: number | null): OpenCall {
    const { tid, name, nr, values, args, source } = e;
    const call: OpenCall = {
      tid, name, nr, values, args, source, entry, entered,
      result: null, resultText: '?', error: null, exit: null, ended: null, notes: [],
    }; // prettier-ignore
    this.calls.push(call);
    this.seen(tid);
    return call;
  }

  private finish(call: OpenCall, r: Return): void {
    call.result = r.result;
    call.resultText = r.resultText;
    call.error = r.error;
    call.exit = r.line;
    call.ended = r.time;
    call.source = r.source;
    this.events.push({ type: 'exit', call, line: r.line });
  }

  private seen(tid: number): void {
    this.tasks.add(tid);
  }
}

/** "EFAULT" of a result that is an error, else null. */
export function errorOf(resultText: string): string | null {
  return /^-1 (E\w+)/.exec(resultText)?.[1] ?? null;
}

/**
 * Reads strace's text, as strace and `ring3 strace` write it: -f with its two forms of pids, -o, -t -tt -ttt -r, -T, -y,
 * -n, -i, calls that were interrupted on the page (`<unfinished ...>`, `<... resumed>`), and a program's output between.
 * Excerpts in a Markdown file are read as runs of their own.
 */
import { ERRNO } from '../../kernel/abi/errno.ts';
import type { Arch } from '../../kernel/ports.ts';
import { syscalls } from '../../kernel/syscall/table.ts';
import { type Entry, type OpenCall, RunBuilder } from './builder.ts';
import type { Log, LogRun, Unreadable } from './events.ts';
import { ModelKernel } from './model/kernel.ts';
import { number, Symbols } from './symbols.ts';

const PID = /^(?:\[pid +(\d+)\] |(\d+) +(?=[\w<+\-[(]))/;
const CLOCK = /^(\d\d):(\d\d):(\d\d)(?:\.(\d+))? /;
const EPOCH = /^(\d{9,})\.(\d+) /;
const RELATIVE = /^ *(\d+\.\d{6}) |^\(\+ *(\d+\.\d{6})\) /;
const NUMBER_OR_PC = /^\[ *(?:\d+|[0-9a-f]{8,16}|\?+)\] /;
const CALL = /^([a-z_][a-z0-9_]*)\(/i;
const RESUMED = /^<\.\.\. (\w+) resumed> ?/;
const UNFINISHED = / ?<unfinished \.\.\.>$/;
const RESULT = /^\s*= (\?|0x[0-9a-f]+|-?\d+)(?:<[^>]*>)?(.*)$/i;
const TIME_SPENT = / <(\d+\.\d+)>$/;
const SIGNAL = /^--- (SIG\w+) .*---$/;
const EXITED = /^\+\+\+ exited with (\d+) \+\+\+$/;
const KILLED = /^\+\+\+ killed by (SIG\w+)(?: \(core dumped\))? \+\+\+$/;
/** On a line of its own, or in the middle of another one, which goes on after it. */
const ATTACHED = /(?:strace|ring3): Process (\d+) attached.*$/;

/** Whether a text has system calls as strace prints them. */
export const looksLikeStrace = (text: string): boolean =>
  /^(?:\[pid +\d+\] |\d+ +)?(?:[\d:.]+ )?[a-z_][a-z0-9_]*\(.*\) += (?:-?\d|0x|\?)/m.test(text);

/** Reads a whole trace. `arch`: whose call numbers to give; the text itself does not say. */
export function readStrace(text: string, name = 'trace', arch: Arch = 'x86_64'): Log {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return new StraceReader(lines, name, arch).read();
}

class StraceReader {
  private readonly lines: readonly string[];
  private readonly name: string;
  private readonly arch: Arch;
  private readonly symbols: Symbols;
  private readonly runs: LogRun[] = [];
  private run = new RunBuilder(1);
  private readonly unreadable: Unreadable[] = [];
  /** Entry texts of calls whose line was interrupted. */
  private readonly begun = new Map<number, string>();
  /** The beginning of a line that was interrupted. */
  private held = '';
  private readonly live = new Set<number>();
  /** The first process; its number is not on lines before it has children. */
  private readonly main: number;

  constructor(lines: readonly string[], name: string, arch: Arch) {
    this.lines = lines;
    this.name = name;
    this.arch = arch;
    this.symbols = new Symbols(new ModelKernel(arch));
    this.main = mainTask(lines);
    this.live.add(this.main);
  }

  read(): Log {
    const { lines, name, arch, unreadable } = this;
    lines.forEach((text, i) => {
      if (text.startsWith('```')) this.nextRun(i + 2);
      else this.line(text, i + 1);
      this.run.last = i + 1;
    });
    this.nextRun(lines.length + 1);
    const { runs } = this;
    return { name, format: 'strace', arch, runs, unreadable, lines: lines.length };
  }

  private nextRun(first: number): void {
    const run = this.run.build();
    if (run) this.runs.push(run);
    this.run = new RunBuilder(first);
    this.begun.clear();
    this.live.clear();
    this.live.add(this.main);
  }

  private line(source: string, line: number): void {
    const attached = ATTACHED.exec(source);
    if (attached) {
      this.live.add(Number(attached[1]));
      this.held += source.slice(0, attached.index);
      return;
    }
    source = this.held + source;
    let text = source;
    this.held = '';
    const pid = PID.exec(text);
    let tid = this.live.size === 1 ? [...this.live][0] : this.main;
    if (pid) {
      tid = Number(pid[1] ?? pid[2]);
      text = text.slice(pid[0].length);
    }
    let time: number | null = null;
    for (;;) {
      const stamp = stampOf(text);
      if (!stamp) break;
      time ??= stamp.seconds;
      text = text.slice(stamp.length);
    }
    if (pid) this.live.add(tid);
    if (!this.event(text, tid, time, line, source)) this.run.say(line, source);
  }

  /** false: it is not strace's. */
  private event(text: string, tid: number, time: number | null, line: number, source: string): boolean {
    const signal = SIGNAL.exec(text);
    if (signal) {
      this.run.signal(tid, signal[1], line);
      return true;
    }
    const exited = EXITED.exec(text) ?? KILLED.exec(text);
    if (exited) {
      const killed = text.startsWith('+++ killed');
      this.run.taskEnd(tid, killed ? null : Number(exited[1]), killed ? exited[1] : null, line);
      this.live.delete(tid);
      return true;
    }
    const resumed = RESUMED.exec(text);
    if (resumed) {
      const before = this.begun.get(tid);
      this.begun.delete(tid);
      const open = this.run.current(tid);
      if (before === undefined || !open || open.name !== resumed[1]) {
        this.cannotRead(line, `${resumed[1]} of task ${tid} was not begun before`, source);
        return true;
      }
      this.whole(before + text.slice(resumed[0].length), tid, time, line, source, open);
      return true;
    }
    if (!CALL.test(text)) return false;
    if (UNFINISHED.test(text)) {
      const head = text.replace(UNFINISHED, '');
      this.begun.set(tid, head);
      this.run.enter(this.entry(head, partsOf(head).args, tid, time, line, source));
      return true;
    }
    return this.whole(text, tid, time, line, source, null);
  }

  /** A call with its result. `open`: its entry, if that stood on a line of its own. */
  private whole(
    text: string,
    tid: number,
    time: number | null,
    line: number,
    source: string,
    open: OpenCall | null,
  ): boolean {
    const { args, rest } = partsOf(text);
    const m = rest === null ? null : RESULT.exec(rest);
    if (!m) {
      const name = CALL.exec(text)?.[1] ?? '';
      if (!syscalls.has(name) && !name.startsWith('syscall_0x')) return false;
      if (line === this.lines.length && rest === null) {
        // The trace ends in the middle of the call.
        if (!open) this.run.enter(this.entry(text, args, tid, time, line, source));
        return true;
      }
      this.cannotRead(line, 'a call without its result: it was cut short or printed over', source);
      return true;
    }
    const spent = TIME_SPENT.exec(m[2]);
    const tail = m[2].replace(TIME_SPENT, '').trimEnd();
    const result = resultOf(m[1], tail);
    const e = this.entry(text, args, tid, time, line, source);
    const call = open ?? this.run.enter(e);
    call.args = e.args;
    call.values = e.values;
    if (result === null) return true; // = ?: it does not return
    const from = call.entered;
    const until = spent && from !== null ? from + Number(spent[1]) : open ? time : null;
    this.run.exit(call, {
      line, time: until, source,
      result: result.value, error: result.error, resultText: `${m[1]}${tail}`,
    }); // prettier-ignore
    return true;
  }

  private entry(
    text: string,
    args: string[],
    tid: number,
    time: number | null,
    line: number,
    source: string,
  ): Entry {
    const name = CALL.exec(text)![1];
    const nr = syscalls.get(name)?.[this.arch] ?? null;
    return { tid, name, nr, args, values: this.values(name, args), line, time, source };
  }

  private values(name: string, args: readonly string[]): (bigint | null)[] {
    const at = positions(name, args);
    const values: (bigint | null)[] = [];
    args.forEach((text, i) => {
      const index = at[i] ?? i;
      while (values.length < index) values.push(null);
      values[index] = this.symbols.value(name, index, text);
    });
    return values;
  }

  private cannotRead(line: number, why: string, text: string): void {
    this.unreadable.push({ line, why, text });
  }
}

/** strace leaves out what a futex operation does not use; these are the places of what it shows. */
function positions(name: string, args: readonly string[]): readonly number[] {
  if (name !== 'futex') return [];
  const op = args[1] ?? '';
  if (/FUTEX_WAKE_BITSET/.test(op)) return [0, 1, 2, 5];
  if (/FUTEX_WAIT_BITSET/.test(op)) return [0, 1, 2, 3, 5];
  if (/FUTEX_(UN|TRY)?LOCK_PI/.test(op)) return [0, 1, 3];
  return [];
}

function stampOf(text: string): { seconds: number | null; length: number } | null {
  const clock = CLOCK.exec(text);
  if (clock) {
    const [whole, h, m, s, us] = clock;
    return { seconds: +h * 3600 + +m * 60 + +s + Number(`0.${us ?? 0}`), length: whole.length };
  }
  const epoch = EPOCH.exec(text);
  if (epoch) return { seconds: Number(`${epoch[1]}.${epoch[2]}`), length: epoch[0].length };
  const relative = RELATIVE.exec(text);
  if (relative) return { seconds: null, length: relative[0].length };
  const other = NUMBER_OR_PC.exec(text);
  return other ? { seconds: null, length: other[0].length } : null;
}

/** Arguments, cut at the commas between them, and what follows the closing bracket (null: there is none). */
export function partsOf(text: string): { args: string[]; rest: string | null } {
  const args: string[] = [];
  let depth = 0;
  let from = text.indexOf('(') + 1;
  let i = from;
  const cut = (): void => {
    const part = text.slice(from, i).trim();
    if (part !== '') args.push(part);
  };
  for (; i < text.length; i++) {
    const ch = text[i];
    if (ch === '"') {
      for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === '\\') i++;
    } else if (ch === '<' && /[\dD]/.test(text[i - 1] ?? '') && text[i + 1] !== '<') {
      // A descriptor's path (-y): its own brackets are escaped. `1<<3` is a shift.
      while (i < text.length && text[i] !== '>') i++;
    } else if (text.startsWith('/*', i)) {
      const end = text.indexOf('*/', i);
      i = end < 0 ? text.length : end + 1;
    } else if (ch === '(' || ch === '[' || ch === '{') depth++;
    else if (ch === ')' && depth === 0) {
      cut();
      return { args, rest: text.slice(i + 1) };
    } else if (ch === ')' || ch === ']' || ch === '}') depth--;
    else if (ch === ',' && depth === 0) {
      cut();
      from = i + 1;
    }
  }
  cut();
  return { args, rest: null };
}

/** null: the call did not return. */
function resultOf(shown: string, tail: string): { value: bigint; error: string | null } | null {
  const error = /^ (E[A-Z0-9]+) /.exec(tail + ' ')?.[1] ?? null;
  if (shown === '?') {
    return error?.startsWith('ERESTART') ? { value: BigInt(-errnoOf('EINTR')), error: 'EINTR' } : null;
  }
  if (shown === '-1' && error !== null) return { value: BigInt(-errnoOf(error)), error };
  return { value: BigInt.asIntN(64, number(shown) ?? 0n), error: null };
}

function errnoOf(name: string): number {
  for (const [nr, row] of Object.entries(ERRNO)) if (row[0] === name) return Number(nr);
  return 1;
}

/** The number of the first process: the first one named that nobody announced; 0: none is named. */
function mainTask(lines: readonly string[]): number {
  const announced = new Set<number>();
  for (const text of lines) {
    const attached = ATTACHED.exec(text);
    if (attached) announced.add(Number(attached[1]));
    const pid = PID.exec(text);
    if (!pid) continue;
    const tid = Number(pid[1] ?? pid[2]);
    if (!announced.has(tid)) return tid;
  }
  return 0;
}

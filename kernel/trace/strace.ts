/**
 * A Tracer that writes strace 6.1's text. A line is written as the call goes: its name and the arguments known at
 * entry, then the rest and the result; when something else must be said meanwhile, the line is closed with
 * `<unfinished ...>` and taken up again as `<... name resumed>`. Text goes to `write` in
 * large pieces and whenever `flush` is called (before the guest's own output, so that both interleave as they should).
 */
import { REG } from '../ports.ts';
import type { SigInfo } from '../signal/state.ts';
import type { SyscallRow } from '../syscall/define.ts';
import type { Task } from '../task/task.ts';
import { KEEP_REGS } from '../wait.ts';
import { argsAtEntry, argsText, hasFailed, resultForArgs, resultText, unknownRow } from './call-text.ts';
import { siginfoText } from './siginfo.ts';
import { type CallCount, type SortKey, summaryTable } from './summary.ts';
import { signalName } from './tables.ts';
import { addrText, pathText, quoteText } from './text.ts';
import { TraceText } from './trace-text.ts';
import { DEFAULT_FORMAT, type TraceFormat, type Tracer } from './tracer.ts';

/** Statuses of `-e status=`. */
export type CallStatus = 'successful' | 'failed' | 'unfinished' | 'unavailable' | 'detached';

export interface StraceOptions {
  /** Receives the text; `tid` is the task it belongs to with `separate`, else 0. */
  readonly write: (text: string, tid: number) => void;
  readonly format?: Partial<TraceFormat>;
  /** -f: children and threads too. */
  readonly follow?: boolean;
  /** -ff with -o: one output for each task, no pid prefixes. */
  readonly separate?: boolean;
  /** The output is a file (-o): `-f` prefixes every line with the pid, and attaching is not announced. */
  readonly toFile?: boolean;
  /** -a: column of the `=`. */
  readonly column?: number;
  /** 1: -t, 2: -tt, 3: -ttt. */
  readonly timestamps?: 0 | 1 | 2 | 3;
  /** Seconds east of Greenwich, for -t and -tt. */
  readonly utcOffset?: number;
  /** -r. */
  readonly relative?: boolean;
  /** -T. */
  readonly durations?: boolean;
  /** -e trace=. */
  readonly trace?: (name: string, nr: number) => boolean;
  /** -e signal=. */
  readonly signals?: (signo: number) => boolean;
  /** -e status=, -z, -Z; null: all. */
  readonly status?: ReadonlySet<CallStatus> | null;
  /** -P: only calls that name one of these paths or a descriptor of one. */
  readonly paths?: readonly string[];
  /** -c: only the table; -C: the table too. */
  readonly summary?: 'only' | 'also' | null;
  readonly sort?: SortKey;
  /** -q: 1 leaves out attach messages, 2 also exits. */
  readonly quiet?: 0 | 1 | 2 | 3;
  /** -n: the call's number; -i: the instruction pointer. */
  readonly numbers?: boolean;
  readonly instructionPointer?: boolean;
}

/** A traced task. */
class Tracee {
  readonly task: Task;
  tid: number;
  /** The row of the call it is in, when that call is traced. */
  row: SyscallRow | null = null;
  /** Number of its latest call (-n). */
  nr = EXECVE_NR;
  /** Arguments printed so far. */
  argsDone = 0;
  /** Arguments stand on the line and the comma before the next, should there be one, does not. */
  comma = false;
  /** Columns written on the line that is open. */
  col = 0;
  /** The line was closed with <unfinished ...>. */
  unfinished = false;
  /** The text so far when the line may yet be dropped (-e status=), else null. */
  staged: string | null = null;
  enteredAt = 0;
  /** A child announced once this task's line is out of the way. */
  newborn: Tracee | null = null;

  constructor(task: Task) {
    this.task = task;
    this.tid = task.tid;
  }
}

const EXECVE_NR = 59;
const SPACES = ' '.repeat(80);

export class Strace implements Tracer {
  readonly format: TraceFormat;
  private readonly options: StraceOptions;
  private readonly column: number;
  private readonly stamped: boolean;
  private readonly timed: boolean;
  private readonly silent: boolean;
  private readonly tracees = new Map<Task, Tracee>();
  /** Whose line is open; null when the output is at a line's start. */
  private open: Tracee | null = null;
  private readonly text: TraceText;
  /** One output for each task. */
  private readonly separate: boolean;
  /** How often something was told: goes back with the machine. */
  private told = 0;
  private readonly wanted = new Map<SyscallRow, boolean>();
  private readonly counts = new Map<string, CallCount>();
  private readonly unknown = new Map<number, SyscallRow>();
  private lastStamp = -1;
  private offset = 0n;
  private offsetSeconds = 0;
  private offsetNanos = 0;

  constructor(options: StraceOptions) {
    this.options = options;
    this.format = { ...DEFAULT_FORMAT, ...options.format };
    this.column = options.column ?? 40;
    this.stamped =
      Boolean(options.timestamps) ||
      options.relative === true ||
      options.numbers === true ||
      options.instructionPointer === true;
    this.timed = options.durations === true || Boolean(options.summary);
    this.silent = options.summary === 'only';
    this.separate = options.separate ?? false;
    this.text = new TraceText(options.write, this.separate);
  }

  /** Starts with the machine's first task, and prints the execve that made it. `envp`: the strings of its environment. */
  start(t: Task, path: string, argv: readonly string[], envp: readonly string[], envpAddress: number): void {
    this.tracees.set(t, new Tracee(t));
    const tr = this.tellOf(t)!;
    const hex = this.format.hex;
    const row = EXECVE_ROW;
    if (!this.isWanted(t, row) || !this.wantsStatus('successful')) return;
    if (this.options.paths && !this.options.paths.includes(path)) return;
    if (this.silent || this.options.summary) this.count(row, 59, 0, false);
    if (this.silent) return;
    const quote = (s: string): string =>
      s.length > this.format.strsize
        ? quoteText(s.slice(0, this.format.strsize), hex) + '...'
        : quoteText(s, hex);
    const list = (items: readonly string[]): string => `[${items.map(quote).join(', ')}]`;
    const env = this.format.verbose
      ? list(envp)
      : `${addrText(envpAddress)} /* ${envp.length} var${envp.length === 1 ? '' : 's'} */`;
    this.begin(tr);
    this.put(tr, `execve(${quoteText(path, hex)}, ${list(argv)}, ${env}`);
    this.finishCall(tr, '0', this.now());
  }

  enter(t: Task): void {
    const tr = this.tellOf(t);
    if (tr === undefined) return;
    const row = t.row ?? this.unknownRow(t.nr);
    if (!this.isWanted(t, row) || (this.options.paths && !this.namesPath(t, row))) {
      tr.row = null;
      return;
    }
    tr.row = row;
    tr.nr = t.nr;
    if (this.timed) tr.enteredAt = this.now();
    if (this.silent) return;
    tr.unfinished = false;
    for (const type of row.args) type.enter?.(t, t.args);
    const entry = (tr.argsDone = argsAtEntry(row));
    const args = argsText(t, row, 0, entry, null);
    let text = row.name + '(' + args;
    // The comma before what is still to come; an argument that says '' will not.
    tr.comma = entry < row.args.length && args !== '';
    if (tr.comma && row.args[entry].format(t, t.args, entry, null) !== '') {
      text += ', ';
      tr.comma = false;
    }
    if (this.options.status) {
      tr.staged = text;
      return;
    }
    this.begin(tr);
    this.put(tr, text);
  }

  exit(t: Task, result: number): void {
    const tr = this.tellOf(t);
    if (tr === undefined) return;
    const row = tr.row;
    if (row === null) return;
    tr.row = null;
    const at = this.timed ? this.now() : 0;
    if (result === KEEP_REGS) result = 0;
    // Dispatch hands over the register of calls that replace them (rt_sigreturn), read as unsigned.
    if (result >= 2 ** 63 && t.tampering === null)
      result = t.regs.hi(REG.rax) * 4294967296 + (t.regs.lo(REG.rax) >>> 0);
    const failed = hasFailed(t, row, result);
    if (this.options.summary) this.count(row, t.nr, at - tr.enteredAt, failed, t.woken !== null);
    if (this.silent) return;
    if (this.options.status && !this.wantsStatus(failed ? 'failed' : 'successful')) {
      tr.staged = null;
      return;
    }
    this.reopen(tr, row);
    const text = argsText(t, row, tr.argsDone, row.args.length, resultForArgs(t, result));
    if (text !== '') this.put(tr, tr.comma ? `, ${text}` : text);
    this.finishCall(tr, resultText(t, row, result), at);
    if (tr.newborn) this.announce(tr);
  }

  /** Whether the call a task is about to make is one this trace shows. */
  shows(t: Task): boolean {
    if (!this.tracees.has(t)) return false;
    const row = t.row ?? this.unknownRow(t.nr);
    return this.isWanted(t, row) && !(this.options.paths && !this.namesPath(t, row));
  }

  seesIgnored(t: Task): boolean {
    return this.tracees.has(t);
  }

  signal(t: Task, info: SigInfo): void {
    const tr = this.tellOf(t);
    if (tr === undefined || this.silent) return;
    if (this.options.signals && !this.options.signals(info.signo)) return;
    this.wholeLine(tr, `--- ${signalName(info.signo)} ${siginfoText(info)} ---`);
  }

  stopped(t: Task, signo: number): void {
    const tr = this.tellOf(t);
    if (tr === undefined || this.silent) return;
    if (this.options.signals && !this.options.signals(signo)) return;
    this.wholeLine(tr, `--- stopped by ${signalName(signo)} ---`);
  }

  exited(t: Task, code: number): void {
    this.gone(t, `+++ exited with ${code} +++`, (this.options.quiet ?? 0) >= 2);
  }

  killed(t: Task, signo: number, core: boolean): void {
    this.gone(t, `+++ killed by ${signalName(signo)}${core ? ' (core dumped)' : ''} +++`, false);
  }

  superseded(t: Task, oldTid: number): void {
    const tr = this.tellOf(t);
    if (tr === undefined) return;
    if (this.separate && tr.row !== null && !this.silent) {
      this.emit(tr.tid, ` <pid changed to ${t.tid} ...>\n`);
      this.open = null;
      tr.unfinished = true;
    } else if (this.open === tr) this.closeUnfinished();
    tr.tid = t.tid;
    if (this.silent) return;
    this.wholeLine(tr, `+++ superseded by execve in pid ${oldTid} +++`);
  }

  attached(parent: Task, child: Task): void {
    const p = this.tracees.get(parent);
    if (p === undefined || !this.options.follow) return;
    const tr = new Tracee(child);
    this.tracees.set(child, tr);
    if (this.options.toFile || (this.options.quiet ?? 0) >= 1) return;
    p.newborn = tr;
  }

  /** Hands over everything written so far, an unfinished line too. */
  flush(): void {
    this.text.flush();
  }

  /** From here on nothing is told twice, whatever earlier moment the machine is put back to. */
  once(): void {
    this.text.onlyNew(this.told);
  }

  /** The guest is over: prints the summary, if one is wanted, and flushes. */
  finish(): void {
    if (this.text.tellEnd(this.told)) this.open = null;
    if (this.open) this.closeUnfinished();
    if (this.options.summary)
      this.emit(0, summaryTable([...this.counts.values()], this.options.sort ?? 'time'));
    this.flush();
  }

  /** Ends the line that a call under way has begun, for somebody who is to write next; in a file of its own nobody is. */
  endLine(): void {
    if (this.open && !this.options.toFile) this.closeUnfinished();
    this.flush();
  }

  /** Something is to be told of a task: what is known of it, if it is traced. */
  private tellOf(t: Task): Tracee | undefined {
    const tr = this.tracees.get(t);
    if (tr === undefined) return undefined;
    if (this.text.tell(++this.told) && this.open !== null) {
      this.open.unfinished = true;
      this.open = null;
    }
    return tr;
  }

  /** A number no row has: `syscall_0x1f4(0x1, …)`. */
  private unknownRow(nr: number): SyscallRow {
    let row = this.unknown.get(nr);
    if (row === undefined) {
      if (this.unknown.size > 1000) this.unknown.clear(); // a guest may try every number there is
      row = unknownRow(nr);
      this.unknown.set(nr, row);
    }
    return row;
  }

  private now(): number {
    for (const t of this.tracees.keys()) return t.kernel.clock.monotonic();
    return 0;
  }

  private isWanted(t: Task, row: SyscallRow): boolean {
    let wanted = this.wanted.get(row);
    if (wanted === undefined) {
      wanted = this.options.trace ? this.options.trace(row.name, t.nr) : true;
      this.wanted.set(row, wanted);
    }
    return wanted;
  }

  private wantsStatus(status: CallStatus): boolean {
    return !this.options.status || this.options.status.has(status);
  }

  /** -P: whether an argument is one of the paths, or a descriptor open on one. */
  private namesPath(t: Task, row: SyscallRow): boolean {
    const paths = this.options.paths!;
    return row.args.some((type, i) => {
      if (type.kind === 'path')
        return paths.some((p) => pathText(t, t.args.ptr(i)) === quoteText(p, this.format.hex));
      if (type.kind === 'fd') return paths.includes(t.fds.get(t.args.i32(i))?.name ?? '');
      return false;
    });
  }

  private count(row: SyscallRow, nr: number, time: number, failed: boolean, slept = false): void {
    let c = this.counts.get(row.name);
    if (c === undefined) {
      c = { name: row.name, nr, calls: 0, errors: 0, time: 0 };
      this.counts.set(row.name, c);
    }
    c.calls++;
    if (failed) c.errors++;
    // strace -c counts the time the kernel works for the call: waiting is not part of it.
    if (!slept) c.time += time;
  }

  /** Makes the next text start a line of this task. */
  private begin(tr: Tracee): void {
    if (this.open !== null && !this.separate) this.closeUnfinished();
    this.open = tr;
    tr.col = 0;
    const prefix = this.prefix(tr);
    if (prefix !== '') this.put(tr, prefix);
  }

  /** Goes back to a call's line, which is either still open or was closed, or never written (staged). */
  private reopen(tr: Tracee, row: SyscallRow): void {
    if (tr.staged !== null) {
      this.begin(tr);
      this.put(tr, tr.staged);
      tr.staged = null;
    } else if (tr.unfinished) {
      this.begin(tr);
      this.put(tr, `<... ${row.name} resumed>`);
      tr.unfinished = false;
    }
  }

  private closeUnfinished(): void {
    const tr = this.open!;
    this.open = null;
    if (tr.newborn) {
      // The child's first event comes before its parent's call returns (vfork).
      this.emit(tr.tid, `strace: Process ${tr.newborn.tid} attached\n`);
      tr.newborn = null;
    }
    this.emit(tr.tid, ' <unfinished ...>\n');
    tr.unfinished = true;
  }

  private announce(tr: Tracee): void {
    this.emit(tr.tid, `strace: Process ${tr.newborn!.tid} attached\n`);
    tr.newborn = null;
  }

  private finishCall(tr: Tracee, result: string, at: number): void {
    const pad = this.column - tr.col - 2;
    let text =
      pad > 0 ? `) ${pad < 80 ? SPACES.slice(0, pad) : ' '.repeat(pad)}= ${result}` : `) = ${result}`;
    if (this.options.durations) text += ` <${((at - tr.enteredAt) / 1e9).toFixed(6)}>`;
    this.emit(tr.tid, text + '\n');
    this.open = null;
  }

  private wholeLine(tr: Tracee, text: string): void {
    this.begin(tr);
    this.emit(tr.tid, text + '\n');
    this.open = null;
  }

  /** The call the task is in will not return: `= ?`. */
  leaving(t: Task): void {
    const tr = this.tellOf(t);
    if (tr === undefined || tr.row === null || this.silent) return;
    if (!this.options.status || this.wantsStatus('unfinished')) {
      this.reopen(tr, tr.row);
      if (tr.argsDone < tr.row.args.length) this.put(tr, ' <unfinished ...>');
      this.finishDead(tr);
    }
    tr.row = null;
  }

  private gone(t: Task, text: string, quiet: boolean): void {
    const tr = this.tellOf(t);
    if (tr === undefined) return;
    this.leaving(t);
    if (!this.silent && !quiet) this.wholeLine(tr, text);
    this.tracees.delete(t);
  }

  private finishDead(tr: Tracee): void {
    const pad = this.column - tr.col - 2;
    this.emit(tr.tid, `) ${pad > 0 ? ' '.repeat(pad) : ''}= ?\n`);
    this.open = null;
  }

  private prefix(tr: Tracee): string {
    let out = '';
    if (this.options.follow && !this.separate) {
      if (this.options.toFile) out = String(tr.tid).padEnd(5) + ' ';
      else if (this.tracees.size > 1) out = `[pid ${String(tr.tid).padStart(5)}] `;
    }
    if (this.stamped) out += this.stamp(tr);
    return out;
  }

  private stamp(tr: Tracee): string {
    const clock = tr.task.kernel.clock;
    const mono = clock.monotonic();
    let out = '';
    const kind = this.options.timestamps ?? 0;
    if (kind !== 0) {
      if (clock.realtimeOffset !== this.offset) {
        this.offset = clock.realtimeOffset;
        this.offsetSeconds = Number(this.offset / 1_000_000_000n);
        this.offsetNanos = Number(this.offset % 1_000_000_000n);
      }
      const nanos = mono + this.offsetNanos;
      const seconds = Math.floor(nanos / 1e9) + this.offsetSeconds;
      const micros = String(Math.floor((nanos % 1e9) / 1000)).padStart(6, '0');
      if (kind === 3) out = `${seconds}.${micros} `;
      else {
        const day = (((seconds + (this.options.utcOffset ?? 0)) % 86400) + 86400) % 86400;
        const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
        out = `${two(day / 3600)}:${two((day / 60) % 60)}:${two(day % 60)}${kind === 2 ? `.${micros}` : ''} `;
      }
    }
    if (this.options.relative) {
      const delta = this.lastStamp < 0 ? 0 : mono - this.lastStamp;
      this.lastStamp = mono;
      const text = (delta / 1e9).toFixed(6).padStart(13);
      out += kind === 0 ? `${text} ` : `(+${text}) `;
    }
    if (this.options.numbers) out += `[${String(tr.nr).padStart(4)}] `;
    if (this.options.instructionPointer) {
      const gone = tr.task.state === 'dead' || tr.task.state === 'zombie';
      out += `[${gone ? '?'.repeat(16) : tr.task.regs.pc.toString(16).padStart(16, '0')}] `;
    }
    return out;
  }

  private put(tr: Tracee, text: string): void {
    tr.col += text.length;
    this.emit(tr.tid, text);
  }

  private emit(tid: number, text: string): void {
    this.text.emit(tid, text);
  }
}

/** Stands for the table's own row in the line of the first execve, which no guest task ran. */
const EXECVE_ROW: SyscallRow = {
  name: 'execve',
  x86_64: 59,
  aarch64: 221,
  ret: 'int',
  support: { level: 'full' },
  args: [],
};

/**
 * Reads StarryOS's logs, as its kernels since 2023 write them (starry-next's forms are in `starry-next.ts`): with colours or without, every line with
 * `[seconds CPU:TASK module:line]` before it or none, returns with their arguments or without, what programs print in
 * between and even before a log line. Excerpts in a Markdown file are read as runs of their own.
 */
import type { Arch } from '../../kernel/ports.ts';
import { errorOf, RunBuilder, type Entry, type OpenCall } from './builder.ts';
import type { AreaOp, KernelNote, Log, LogRun, Range, Unreadable } from './events.ts';
import { Memo } from './memo.ts';
import { ModelKernel } from './model/kernel.ts';
import { looksLikeNext, nextLine, type NextLine, servedBy, serves, toldArguments } from './starry-next.ts';
import { CallNumbers, linuxName } from './starry-names.ts';
import { Symbols } from './symbols.ts';

/** Its time, cpu and task; programs' output may stand before it, and the first bracket may have been lost. */
const PREFIX = /(?:\[ *|^ *)(\d+\.\d{3,9}) (\d+)(?::(\d+))? ([A-Za-z_][\w:]*):(\d+)\] ?/;
const ENTRY = /^\[syscall\] id = (\w+), ?args = \[([\d, ]*)\], ?entry$/;
const RETURN = /^\[syscall\] id = (\d+), ?(?:args = \[([\d, ]*)\], ?)?return (-?\d+)$/;
const BARE_RETURN = /^(?:\[syscall\] )?return (-?\d+)$/;
const FAULT = /^User #PF @ (0x[0-9a-f]+), fault_vaddr=(?:VA:)?(0x[0-9a-f]+), error_code=(0x[0-9a-f]+)$/i;
const FUTEX_VALUE = /^real val: (0x[0-9a-f]+|\d+), expected val: (0x[0-9a-f]+|\d+)$/;
/** A line of starry-next without what stands before it. */
const BARE_NEXT = /^(?:Syscall \w+(?: return .*)?|sys_\w+ (?:=> (?:Ok|Err)\(|<= ).*)$/;
/** A line of the kernel that lost its beginning. */
const BROKEN = /\b[a-z_]\w*::\w[\w:]*:\d+\] /;
const COLOUR = /\x1b\[[0-9;]*[A-Za-z]/g;

/** Clocks of several cpus differ a little; a new boot differs a lot. Seconds. */
const NEW_BOOT = 1;
const X86_PF_WRITE = 2;
const X86_PF_USER = 4;

const RANGE = String.raw`\[(?:VA:)?(0x[0-9a-f]+), ?(?:VA:)?(0x[0-9a-f]+)[\])]`;
const AREAS: readonly (readonly [AreaOp, RegExp])[] = [
  ['mmap', new RegExp(`^\\[mmap\\] vaddr: ${RANGE}`, 'i')],
  ['munmap', new RegExp(`^\\[munmap\\] ${RANGE}`, 'i')],
  ['mprotect', new RegExp(`^\\[mprotect\\] addr: ${RANGE}`, 'i')],
  ['found', new RegExp(`^found area ${RANGE}`, 'i')],
  ['splitting', new RegExp(`^splitting for ${RANGE}`, 'i')],
  ['split', new RegExp(`^split ${RANGE} into`, 'i')],
  ['shrink-left', new RegExp(`^shrink[_ ]left ${RANGE} to ${RANGE}`, 'i')],
  ['shrink-right', new RegExp(`^shrink[_ ]right ${RANGE} to ${RANGE}`, 'i')],
  ['drop', new RegExp(`^drop ${RANGE}`, 'i')],
  ['region', new RegExp(`^\\[new region\\] [\\w ]+: ${RANGE}`, 'i')],
];

/** Whether a text has system calls in StarryOS's form. */
export const looksLikeStarry = (text: string): boolean =>
  /\[syscall\] id = \w+, ?(args|return)/.test(text) ||
  looksLikeNext(text) ||
  /\d \d+(:\d+)? \w[\w:]*:\d+\] /.test(text);

/** Reads a whole log. `name`: what messages call it. */
export function readStarryLog(text: string, name = 'log'): Log {
  const lines = text.replace(COLOUR, '').split(/\r*\n/);
  if (lines.at(-1) === '') lines.pop();
  return new StarryReader(lines, name).read();
}

class StarryReader {
  private readonly lines: readonly string[];
  private readonly name: string;
  private readonly arch: Arch;
  private readonly numbers: CallNumbers;
  private readonly model: ModelKernel;
  private readonly unreadable: Unreadable[] = [];
  private readonly runs: LogRun[] = [];
  private readonly symbols: Symbols;
  private readonly parsed = new Memo<bigint[] | null>();
  private readonly texts = new Memo<ReturnType<ModelKernel['text']>>();
  private run: RunBuilder;
  /** By task: the call its handler has told the result of, which may be told once more. */
  private readonly told = new Map<number, { readonly name: string; readonly result: bigint }>();
  private latest = -Infinity;

  constructor(lines: readonly string[], name: string) {
    this.lines = lines;
    this.name = name;
    this.arch = archOf(lines);
    this.numbers = new CallNumbers(this.arch);
    this.model = new ModelKernel(this.arch);
    this.symbols = new Symbols(this.model);
    this.run = new RunBuilder(1);
  }

  read(): Log {
    const { lines } = this;
    for (let i = 0; i < lines.length; i++) {
      if (lines[i].startsWith('```')) this.nextRun(i + 2);
      else this.line(lines[i].trimEnd(), i + 1);
      this.run.last = i + 1;
    }
    this.nextRun(lines.length + 1);
    const { name, arch, runs, unreadable } = this;
    return { name, format: 'starry', arch, runs, unreadable, lines: lines.length };
  }

  private nextRun(first: number): void {
    const run = this.run.build();
    if (run) this.runs.push(run);
    this.run = new RunBuilder(first);
    this.told.clear();
    this.latest = -Infinity;
  }

  private line(text: string, line: number): void {
    const m = PREFIX.exec(text);
    const before = m ? text.slice(0, m.index) : '';
    const time = m ? Number(m[1]) : null;
    if (time !== null) {
      if (time < this.latest - NEW_BOOT) this.nextRun(line);
      this.latest = Math.max(this.latest, time);
    }
    if (before !== '') this.run.say(line, before);
    if (!m) {
      const at = text.indexOf('[syscall] ');
      if (at < 0 && BARE_NEXT.test(text)) {
        this.message(text, 0, null, '', line, text);
        return;
      }
      if (at < 0) {
        if (BROKEN.test(text)) this.cannotRead(line, 'its time and task are missing', text);
        else this.run.say(line, text);
        return;
      }
      if (at > 0) this.run.say(line, text.slice(0, at));
      this.message(text.slice(at), 0, null, '', line, text);
      return;
    }
    this.message(text.slice(m.index + m[0].length).trim(), Number(m[3] ?? 0), time, m[4], line, text);
  }

  private message(
    text: string,
    tid: number,
    time: number | null,
    target: string,
    line: number,
    source: string,
  ): void {
    const entry = ENTRY.exec(text);
    if (entry) {
      const name = linuxName(entry[1]) ?? this.numbers.name(Number(entry[1]));
      const values = this.args(entry[2]);
      if (name === null || values === null) {
        this.cannotRead(line, name === null ? `no call ${entry[1]} is known` : 'its arguments', source);
        return;
      }
      const call = this.run.enter({
        tid, name, nr: this.numbers.number(name), values, args: [], line, time, source,
      }); // prettier-ignore
      this.render(call, null);
      return;
    }
    const ret = RETURN.exec(text) ?? BARE_RETURN.exec(text);
    if (ret) {
      this.returned(ret, tid, time, line, source);
      return;
    }
    if (text.startsWith('[syscall]')) {
      this.cannotRead(line, 'neither an entry nor a return: it was cut short or printed over', source);
      return;
    }
    const next = nextLine(text);
    if (next && this.next(next, tid, time, line, source)) return;
    this.run.note(parseNote(text, tid, time, target, line));
  }

  /** A line of starry-next. false: it is the kernel's own talk. */
  private next(n: NextLine, tid: number, time: number | null, line: number, source: string): boolean {
    const open = this.run.current(tid);
    const begin = (name: string): OpenCall => {
      const nr = this.numbers.number(name);
      return this.run.enter({ tid, name, nr, values: [], args: ['...'], line, time, source });
    };
    const end = (call: OpenCall, result: bigint): void =>
      this.run.exit(call, this.resultOf(call, { line, time, result, source }));
    const told = this.told.get(tid);
    if (n.kind !== 'arguments' && n.kind !== 'fault') this.told.delete(tid);
    switch (n.kind) {
      case 'entry':
        begin(n.name);
        return true;
      case 'return': {
        const name = n.name ?? open?.name;
        if (open && open.name === name) end(open, n.result);
        else if (told && (name === undefined || name === told.name) && told.result === n.result) return true;
        else if (name === undefined)
          this.cannotRead(line, `task ${tid} is in no call it could be the return of`, source);
        else this.endOnly(name, n.result, tid, time, line, source);
        return true;
      }
      case 'handled': {
        const name = open && serves(n.name, open.name) ? open.name : servedBy(n.name);
        if (name === null || (open && open.name !== name)) return false;
        if (open) end(open, n.result);
        else this.endOnly(name, n.result, tid, time, line, source);
        this.told.set(tid, { name, result: n.result });
        return true;
      }
      case 'arguments': {
        const name = open && serves(n.name, open.name) ? open.name : servedBy(n.name);
        if (name === null || (open && open.name !== name)) return false;
        const args = toldArguments(name, n.text, this.symbols);
        const call = open ?? begin(name);
        if (args === null) return false;
        call.values = args.values;
        call.args = this.shown(call, args.texts);
        return true;
      }
      case 'end':
        this.run.taskEnd(tid, n.code, n.signal, line);
        return true;
      case 'fault':
        this.run.note({ kind: 'fault', tid, time, line, text: source, pc: 0, address: n.address, write: n.write, user: true }); // prettier-ignore
        return true;
      case 'unreadable':
        this.cannotRead(line, n.why, source);
        return true;
    }
  }

  /** A return whose entry is not in the log. */
  private endOnly(name: string, result: bigint, tid: number, time: number | null, line: number, source: string): void {
    const e: Entry = { tid, name, nr: this.numbers.number(name), values: [], args: ['...'], line, time, source };
    this.run.exitOnly(e, this.resultOf(e, { line, time, result, source }));
  } // prettier-ignore

  private resultOf<T extends { result: bigint }>(call: Entry | OpenCall, ret: T) {
    const resultText = this.text(call, ret.result).result;
    return { ...ret, resultText, error: errorOf(resultText) };
  }

  /** Arguments as far as they were told: '?' for the others. */
  private shown(call: OpenCall, texts: readonly (string | null)[]): string[] {
    const values = call.values.map((v) => v ?? 0n);
    const one = (v: bigint | null, i: number): string =>
      texts[i] ?? (v === null ? '?' : this.model.argument(call.nr ?? -1, values, i));
    return call.values.map(one).filter((text) => text !== '');
  }

  private returned(m: RegExpExecArray, tid: number, time: number | null, line: number, source: string): void {
    const bare = m.length === 2;
    const nr = bare ? null : Number(m[1]);
    const values = bare || m[2] === undefined ? null : this.args(m[2]);
    const result = BigInt(bare ? m[1] : m[3]);
    const open = this.run.current(tid);
    const ours = open && (nr === null || nr === open.nr) && (values === null || same(values, open.values));
    if (ours) {
      this.run.exit(open, this.render(open, { line, time, result, source }));
      return;
    }
    if (nr === null) {
      this.cannotRead(line, `task ${tid} is in no call it could be the return of`, source);
      return;
    }
    const name = this.numbers.name(nr) ?? `syscall_0x${nr.toString(16)}`;
    const e: Entry = { tid, name, nr, values: values ?? [], args: [], line, time, source };
    const shown = this.text(e, result);
    this.run.exitOnly(
      { ...e, args: values === null ? ['...'] : shown.args },
      { line, time, result, source, resultText: shown.result, error: errorOf(shown.result) },
    );
  }

  private args(text: string): bigint[] | null {
    return this.parsed.of(text, () => parseArgs(text));
  }

  /** Fills in what a call reads like, before and after its return. */
  private render<T extends { result: bigint } | null>(call: OpenCall, ret: T) {
    const shown = this.text(call, ret === null ? null : ret.result);
    call.args = shown.args;
    return { ...ret!, resultText: shown.result, error: errorOf(shown.result) };
  }

  private text(c: Pick<Entry, 'nr' | 'values'>, result: bigint | null) {
    const values = c.values.map((v) => v ?? 0n);
    const nr = c.nr ?? -1;
    return this.texts.of(`${nr} ${values.join()} ${result}`, () => this.model.text(nr, values, result));
  }

  private cannotRead(line: number, why: string, text: string): void {
    this.unreadable.push({ line, why, text });
  }
}

/** The architecture whose numbers go with the names of the log. */
function archOf(lines: readonly string[]): Arch {
  const archs: readonly Arch[] = ['x86_64', 'aarch64'];
  const numbers = archs.map((arch) => new CallNumbers(arch));
  const score = [0, 0];
  // ArceOS says at boot what it runs on.
  const banner = lines.find((text) => /^arch = \w+/.test(text));
  if (banner !== undefined) return /x86_64/.test(banner) ? 'x86_64' : 'aarch64';
  let name: string | null = null;
  for (const text of lines) {
    const at = text.indexOf('[syscall] ');
    if (at < 0) continue;
    const message = text.slice(at).trim();
    const entry = ENTRY.exec(message);
    if (entry) {
      name = linuxName(entry[1]);
      continue;
    }
    const ret = RETURN.exec(message);
    if (ret && name !== null) {
      numbers.forEach((n, i) => (score[i] += n.number(name!) === Number(ret[1]) ? 1 : 0));
    }
    name = null;
  }
  // asm-generic's numbers, which riscv64 and loongarch64 have too.
  return score[1] > score[0] ? 'aarch64' : 'x86_64';
}

/** Six decimals; null: something else. */
function parseArgs(text: string): bigint[] | null {
  if (text.trim() === '') return [];
  const parts = text.split(',').map((s) => s.trim());
  return parts.every((s) => /^\d+$/.test(s)) ? parts.map(BigInt) : null;
}

const same = (a: readonly (bigint | null)[], b: readonly (bigint | null)[]): boolean =>
  a.length === b.length && a.every((v, i) => v === b[i]);

function parseNote(text: string, tid: number, time: number | null, target: string, line: number): KernelNote {
  const base = { tid, time, line, text };
  for (const [op, pattern] of AREAS) {
    const m = pattern.exec(text);
    if (!m) continue;
    const to = m[3] === undefined ? null : range(m[3], m[4]);
    return { ...base, kind: 'area', op, range: range(m[1], m[2]), to };
  }
  const fault = FAULT.exec(text);
  if (fault) {
    const code = Number(fault[3]);
    const user = (code & X86_PF_USER) !== 0;
    const write = (code & X86_PF_WRITE) !== 0;
    return { ...base, kind: 'fault', pc: Number(fault[1]), address: Number(fault[2]), write, user };
  }
  const value = FUTEX_VALUE.exec(text);
  if (value) return { ...base, kind: 'futex-value', real: Number(value[1]), expected: Number(value[2]) };
  if (/\bpanicked at\b|^Kernel panic|^panic:/i.test(text)) return { ...base, kind: 'panic' };
  return { ...base, kind: 'text', target };
}

const range = (start: string, end: string): Range => ({ start: Number(start), end: Number(end) });

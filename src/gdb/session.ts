/**
 * A gdb session on a machine: gdb's remote protocol, all-stop, over any stream of bytes. The machine stands still between
 * gdb's commands. Breakpoints, watchpoints and steps leave the guest's schedule alone; what does change it is what gdb asks
 * for outright: other registers or memory, signals withheld, some threads run without the others (as to step off a breakpoint
 * in a thread whose turn it is not).
 */
import { pathName } from '../../kernel/fs/dentry.ts';
import { sendSignal, sendToGroup } from '../../kernel/signal/send.ts';
import { encodeSigInfo } from '../../kernel/signal/siginfo.ts';
import type { SignalGate } from '../../kernel/signal/gate.ts';
import type { SigInfo } from '../../kernel/signal/state.ts';
import type { Task } from '../../kernel/task/task.ts';
import { DEFAULT_FORMAT, type Tracer } from '../../kernel/trace/tracer.ts';
import type { WatchKind } from '../../cpu/index.ts';
import type { Follower } from '../debug/debugger.ts';
import { DeadlockError, StoppedError } from '../machine/errors.ts';
import { fromBinary } from '../machine/guest-files.ts';
import type { Machine } from '../machine/machine.ts';
import { describeTask } from '../machine/waiting.ts';
import { GdbFiles } from './files.ts';
import { History } from './history.ts';
import { librariesXml } from './libraries.ts';
import { peek } from './memory.ts';
import { monitor } from './monitor.ts';
import { binaryOf, fromHex, hexText, PACKET_SIZE, PacketLink, slice, textOfHex, toHex } from './packets.ts';
import { gdbRegisters, type GdbRegisters, noteCall } from './registers.ts';
import { gdbSignal, linuxSignal } from './signals.ts';

const SIGINT = 2;
const SIGKILL = 9;
const SIGTRAP = 5;
const SI_USER = 0;
const SIGINFO_SIZE = 128;
const ok = 'OK';
const EFAULT = 'E0e';
const ESRCH = 'E03';
const EINVAL = 'E16';

/** Why the machine stands still. `t`: the task it is about. */
type Stop =
  | { readonly kind: 'signal'; readonly t: Task; readonly signo: number }
  | { readonly kind: 'break'; readonly t: Task; readonly hardware: boolean }
  | { readonly kind: 'watch'; readonly t: Task; readonly how: WatchKind; readonly address: number }
  | { readonly kind: 'step'; readonly t: Task }
  | { readonly kind: 'call'; readonly t: Task; readonly nr: number; readonly returned: boolean }
  | { readonly kind: 'fork' | 'vfork'; readonly t: Task; readonly child: Task }
  | { readonly kind: 'vforkdone'; readonly t: Task }
  | { readonly kind: 'exec'; readonly t: Task; readonly path: string }
  | { readonly kind: 'exit'; readonly pid: number; readonly code: number | null; readonly signo: number }
  | { readonly kind: 'end' }; // nothing can run

type TaskStop = Extract<Stop, { readonly t: Task }>;

/** How a session was over. */
export type SessionEnd = 'over' | 'detached' | 'killed';

interface Resume {
  readonly step: boolean;
  /** Linux's number; 0: none. */
  readonly signo: number;
  /** Addresses to step through. */
  readonly range: readonly [number, number] | null;
}

interface Watched {
  readonly remove: () => void;
  /** What the kernel may change without an access: the bytes as they were. */
  bytes: Uint8Array | null;
  readonly pid: number;
  readonly start: number;
  readonly end: number;
}

export class GdbSession {
  /** Settles when gdb is gone: detached, or after the last process. */
  readonly ended: Promise<SessionEnd>;
  private readonly machine: Machine;
  private readonly registers: GdbRegisters;
  private readonly link: PacketLink;
  private readonly files: GdbFiles;
  private finish!: (end: SessionEnd) => void;
  private over = false;
  /** Processes gdb has hold of, and how those ended that did. */
  private readonly attached = new Set<number>();
  private readonly ends = new Map<number, { code: number | null; signo: number }>();
  private readonly removers = new Map<string, () => void>();
  private readonly watched = new Map<string, Watched>();
  private features = new Set<string>();
  private passed = new Set<number>();
  /** Calls to stop at; null: none, empty: all. */
  private calls: ReadonlySet<number> | null = null;
  private current: Task | null = null;
  private threadList: string[] = [];
  private stop: Stop | null = null;
  /** The stop gdb was told of last. */
  private told: Stop | null = null;
  interrupted = false;
  newTask: ((t: Task) => void) | null = null;
  /** Which stops count; null: all. */
  private filter: ((stop: TaskStop) => boolean) | null = null;
  private readonly history: History<TaskStop> | null;
  private stepThread: string = '0';
  private running = false;
  private readonly heldSignals = new Map<Task, SigInfo>();
  /** What becomes of held signals: Linux's number, 0: nothing. */
  private readonly decided = new Map<Task, number>();
  /** Made by gdb: delivered without asking it. */
  private readonly own = new WeakSet<SigInfo>();
  private readonly vforks = new Set<Task>();

  /** The machine runs as it once did: gdb's `kill` only ends the session. */
  recorded = false;
  private readonly gate: SignalGate = {
    held: (t) => this.heldSignals.get(t) ?? null,
    judge: (t, info) => this.judge(t, info),
  };

  /** `send` takes bytes for gdb as a binary string. */
  constructor(machine: Machine, send: (bytes: string) => void) {
    this.machine = machine;
    this.registers = gdbRegisters(machine.arch);
    this.files = new GdbFiles(machine);
    this.ended = new Promise((resolve) => (this.finish = resolve));
    this.link = new PacketLink(send, {
      packet: (payload) => this.packet(payload),
      interrupt: () => {
        this.interrupt();
      },
    });
    const { kernel } = machine.internals;
    const first = kernel.processes.first!;
    this.attached.add(first.pid);
    this.current = first.leader;
    this.stop = this.told = { kind: 'signal', t: first.leader, signo: SIGTRAP };
    kernel.signalGate = this.gate;
    machine.debug.follow(this.follower());
    this.history = machine.deterministic ? new History<TaskStop>(machine, this) : null;
  }

  /** Bytes from gdb, as a binary string. */
  receive(bytes: string): void {
    this.link.receive(bytes);
  }

  /** The connection is gone without a word: what gdb had set is taken back, the guest stands still. */
  disconnected(): void {
    this.interrupt();
    this.release();
  }

  private release(): void {
    this.history?.dispose();
    for (const remove of this.removers.values()) remove();
    for (const w of this.watched.values()) w.remove();
    this.removers.clear();
    this.watched.clear();
    const { kernel } = this.machine.internals;
    kernel.signalGate = null;
    kernel.scheduler.only = null;
    this.machine.debug.cancelCount();
    this.machine.debug.follow(null);
    for (const [t, info] of this.heldSignals) sendSignal(t, info);
    this.heldSignals.clear();
  }

  private end(how: SessionEnd): void {
    if (this.over) return;
    this.over = true;
    this.release();
    this.finish(how);
  }

  // ---- what happens in the guest

  /** Something to stop at; false when gdb is on its way elsewhere, in the past. */
  private noticed(stop: Stop): boolean {
    if (this.filter !== null && !('t' in stop && this.filter(stop))) return false;
    this.stop ??= stop;
    return true;
  }

  private halt(stop: Stop): boolean {
    const stops = this.noticed(stop);
    if (stops) this.machine.internals.pause();
    return stops;
  }

  private interrupt(): void {
    this.interrupted = true;
    if (!this.running) return;
    const { loop, kick } = this.machine.internals;
    loop.stop = true;
    kick();
  }

  private follower(): Follower {
    const mine = (t: Task): boolean => this.attached.has(t.pid);
    const wanted = (t: Task): boolean => this.calls !== null && (this.calls.size === 0 || this.calls.has(t.nr));
    const ended = (t: Task, code: number | null, signo: number): void => {
      if (!mine(t)) return;
      if (t === t.group.leader || !this.ends.has(t.pid)) this.ends.set(t.pid, { code, signo });
      this.machine.internals.loop.stop = true; // `settle` sees whether the process is gone
    };
    const tracer: Tracer = {
      format: DEFAULT_FORMAT,
      enter: () => undefined,
      exit: (t, result) => {
        if (!mine(t)) return;
        this.lookAtWatched(t);
        if (/^execve(at)?$/.test(t.row?.name ?? '') && result === 0) this.execed(t);
        else if (this.vforks.delete(t)) this.halt({ kind: 'vforkdone', t });
        else if (wanted(t)) this.halt({ kind: 'call', t, nr: t.nr, returned: true });
      },
      signal: () => undefined,
      exited: (t, code) => {
        ended(t, code, 0);
      },
      killed: (t, signo) => {
        ended(t, null, signo);
      },
      stopped: () => undefined,
      attached: (parent, child) => {
        this.newTask?.(child);
        if (!mine(parent) || parent.group === child.group) return;
        const kind = child.vforkDone === null ? 'fork' : 'vfork';
        if (!this.features.has(`${kind}-events`)) return;
        if (!this.halt({ kind, t: parent, child })) return;
        this.attached.add(child.pid);
        if (kind === 'vfork') this.vforks.add(parent);
      },
    };
    return {
      tracer,
      atCall: (t) => {
        if (!mine(t) || this.calls === null) return false;
        noteCall(t);
        if (!wanted(t)) return false;
        return this.noticed({ kind: 'call', t, nr: t.nr, returned: false });
      },
    };
  }

  private execed(t: Task): void {
    const exe = t.group.exe;
    if (this.features.has('exec-events')) {
      this.halt({ kind: 'exec', t, path: exe === null ? '' : pathName(exe, null) });
    } else this.halt({ kind: 'signal', t, signo: SIGTRAP });
  }

  /** The kernel wrote for a task: what it did to watched bytes is a hit too. */
  private lookAtWatched(t: Task): void {
    for (const w of this.watched.values()) {
      if (w.pid !== t.pid || w.bytes === null) continue;
      const now = this.read(t, w.start, w.end - w.start);
      if (!now || now.every((b, i) => b === w.bytes![i])) continue;
      w.bytes = now;
      this.halt({ kind: 'watch', t, how: 'write', address: w.start });
    }
  }

  private judge(t: Task, info: SigInfo): SigInfo | null | 'pause' {
    if (!this.attached.has(t.pid) || info.signo === SIGKILL || this.own.has(info)) return info;
    const decision = this.decided.get(t);
    if (this.heldSignals.has(t) && decision !== undefined) {
      this.heldSignals.delete(t);
      this.decided.delete(t);
      if (decision === 0) return null;
      return decision === info.signo ? info : { signo: decision, code: SI_USER, pid: 0, uid: 0 };
    }
    if (this.passed.has(gdbSignal(info.signo))) return info;
    if (!this.halt({ kind: 'signal', t, signo: info.signo })) return info;
    this.heldSignals.set(t, info);
    return 'pause';
  }

  // ---- running

  /** Runs until something is to be told; tells it. */
  private async resume(actions: readonly (readonly [action: Resume, matches: (t: Task) => boolean])[]): Promise<string> {
    const { machine } = this;
    const { kernel, loop } = machine.internals;
    const all = this.tasks();
    const chosen = new Map<Task, Resume>();
    for (const t of all) {
      const found = actions.find(([, matches]) => matches(t));
      if (found) chosen.set(t, found[0]);
    }
    if (chosen.size === 0) return 'N';
    for (const [t, { signo }] of chosen) this.send(t, signo);
    const runs = (t: Task): boolean => !this.attached.has(t.pid) || chosen.has(t) || !all.includes(t);
    const { scheduler } = kernel;
    if (chosen.size < all.length) {
      scheduler.only = runs;
      if (scheduler.current !== null && !runs(scheduler.current)) loop.endRun();
    }
    const stepping = [...chosen].find(([, { step }]) => step);
    if (stepping) {
      const [t, { range }] = stepping;
      const done = (): boolean => {
        if (range && t.regs.pc >= range[0] && t.regs.pc < range[1] && !this.interrupted) {
          machine.debug.stopAfter(t, 1, done);
          return false;
        }
        this.stop ??= { kind: 'step', t };
        return true;
      };
      machine.debug.stopAfter(t, 1, done);
    }
    this.stop = null;
    this.interrupted = false;
    this.running = true;
    try {
      await machine.runUntil(() => this.settle() || this.interrupted);
    } catch (e) {
      if (e instanceof DeadlockError) {
        this.console(`${e.message}\n`);
        this.stop = { kind: 'end' };
      } else if (e instanceof StoppedError) this.stop ??= { kind: 'exit', pid: kernel.processes.first?.pid ?? 0, code: null, signo: SIGKILL };
      else throw e;
    } finally {
      this.running = false;
      scheduler.only = null;
      machine.debug.cancelCount();
    }
    this.settle();
    this.stop ??= { kind: 'signal', t: scheduler.current && this.attached.has(scheduler.current.pid) ? scheduler.current : this.tasks()[0], signo: SIGINT };
    return this.tell(this.stop);
  }

  /** bs, bc */
  private async back(p: string): Promise<string> {
    const { history, told } = this;
    const asked = this.find(this.stepThread) ?? this.current;
    if (!history || !asked || !['bs', 'bc'].includes(p)) return '';
    const { tid } = asked;
    this.interrupted = false;
    let stop: TaskStop | null = null;
    if (p === 'bc') stop = await history.continueBack(told && 't' in told ? told : null, asked);
    else if (await history.stepBack(tid)) stop = { kind: 'step', t: this.byTid(tid) };
    if (stop) return this.tell(stop);
    const t = this.byTid(tid);
    this.told = { kind: 'step', t };
    this.current = t;
    if (this.interrupted) return this.tell({ kind: 'signal', t, signo: SIGINT });
    return `T05replaylog:begin;thread:${this.id(t)};core:0;`;
  }

  private byTid(tid: number): Task {
    return this.tasks().find((t) => t.tid === tid) ?? this.tasks()[0];
  }

  /** For `history`. */
  async run(filter: (stop: TaskStop) => boolean, done: () => boolean): Promise<TaskStop | null> {
    this.stop = null;
    this.filter = filter;
    this.running = true;
    try {
      await this.machine.runUntil(() => this.stop !== null || this.interrupted || done());
    } catch (e) {
      if (!(e instanceof DeadlockError || e instanceof StoppedError)) throw e;
    } finally {
      this.running = false;
      this.filter = null;
    }
    const stop = this.stop as Stop | null;
    return stop && 't' in stop ? stop : null;
  }

  /** For `history`. */
  rewound(): void {
    const { machine } = this;
    this.heldSignals.clear();
    this.decided.clear();
    this.vforks.clear();
    this.ends.clear();
    const { kernel } = machine.internals;
    kernel.signalGate = this.gate;
    kernel.scheduler.only = null; // it may have been saved while one thread ran alone
    for (const w of this.watched.values()) {
      const t = w.bytes === null ? undefined : this.tasks().find((x) => x.pid === w.pid);
      if (t) w.bytes = this.read(t, w.start, w.end - w.start);
    }
  }

  /** A process that is gone is a stop too. True: there is one. */
  private settle(): boolean {
    if (this.stop !== null) return true;
    const { kernel } = this.machine.internals;
    for (const pid of this.attached) {
      const g = kernel.processes.groups.get(pid);
      if (kernel.exitStatus === null && g && g.live > 0) continue;
      const end = this.ends.get(pid) ?? { code: null, signo: SIGKILL };
      this.stop = { kind: 'exit', pid, ...end };
      return true;
    }
    return false;
  }

  /** What a thread takes along as it goes on: a signal, or none. */
  private send(t: Task, signo: number): void {
    if (this.heldSignals.has(t)) this.decided.set(t, signo);
    else if (signo !== 0) {
      const info: SigInfo = { signo, code: SI_USER, pid: 0, uid: 0 };
      this.own.add(info);
      this.machine.internals.loop.endRun(t);
      sendSignal(t, info);
    }
  }

  // ---- what gdb is told

  private id(t: Task): string {
    return this.idOf(t.pid, t.tid);
  }
  private idOf(pid: number, tid: number): string {
    const thread = tid.toString(16);
    return this.features.has('multiprocess') ? `p${pid.toString(16)}.${thread}` : thread;
  }

  private tell(stop: Stop): string {
    this.told = stop;
    if (stop.kind === 'exit') {
      this.attached.delete(stop.pid);
      const process = this.features.has('multiprocess') ? `;process:${stop.pid.toString(16)}` : '';
      const text = stop.signo === 0 ? `W${(stop.code ?? 0).toString(16).padStart(2, '0')}` : `X${gdbSignal(stop.signo).toString(16).padStart(2, '0')}`;
      this.current = null;
      if (this.attached.size === 0) this.link.afterwards(() => this.end('over'));
      return text + process;
    }
    const t = stop.kind === 'end' ? this.tasks()[0] : stop.t;
    this.current = t;
    const signo = stop.kind === 'signal' ? gdbSignal(stop.signo) : stop.kind === 'end' ? gdbSignal(SIGINT) : SIGTRAP;
    let why = '';
    if (stop.kind === 'break') why = stop.hardware ? 'hwbreak:;' : 'swbreak:;';
    else if (stop.kind === 'watch') why = `${{ write: 'watch', read: 'rwatch', access: 'awatch' }[stop.how]}:${stop.address.toString(16)};`;
    else if (stop.kind === 'call') why = `syscall_${stop.returned ? 'return' : 'entry'}:${stop.nr.toString(16)};`;
    else if (stop.kind === 'fork' || stop.kind === 'vfork') why = `${stop.kind}:${this.id(stop.child)};`;
    else if (stop.kind === 'vforkdone') why = 'vforkdone:;';
    else if (stop.kind === 'exec') why = `exec:${hexText(stop.path)};`;
    return `T${signo.toString(16).padStart(2, '0')}${why}thread:${this.id(t)};core:0;`;
  }

  /** Text in gdb's console, while a command runs. */
  private console(text: string): void {
    this.link.answer(`O${hexText(text)}`);
  }

  // ---- threads

  /** Of the processes gdb has hold of, in order of creation. */
  private tasks(): Task[] {
    const { tasks } = this.machine.internals.kernel.processes;
    return [...tasks.values()].filter((t) => this.attached.has(t.pid) && t.state !== 'dead' && t.state !== 'zombie');
  }

  /** A thread-id: which tasks it means. null: it is malformed. */
  private matcher(text: string): ((t: Task) => boolean) | null {
    const m = /^(?:p(-1|[0-9a-f]+)(?:\.|$))?(-1|[0-9a-f]*)$/.exec(text);
    if (!m) return null;
    const pid = m[1] === undefined || m[1] === '-1' ? null : parseInt(m[1], 16);
    const tid = m[2] === '-1' || m[2] === '' || m[2] === '0' ? null : parseInt(m[2], 16);
    return (t) => (pid === null || pid === 0 || t.pid === pid) && (tid === null || t.tid === tid);
  }

  private find(text: string): Task | null {
    const matches = this.matcher(text);
    const list = this.tasks();
    if (matches && this.current && list.includes(this.current) && matches(this.current)) return this.current;
    return (matches && list.find(matches)) ?? null;
  }

  // ---- memory

  private read(t: Task, address: number, length: number): Uint8Array | null {
    return peek(t, address, length);
  }

  /** As far as it goes. */
  private readSome(t: Task, address: number, length: number): Uint8Array | null {
    const whole = this.read(t, address, length);
    if (whole) return whole;
    const first = Math.min(length, 4096 - (address % 4096));
    return first < length ? this.read(t, address, first) : null;
  }

  // ---- commands

  private async packet(p: string): Promise<string | null> {
    try {
      return await this.command(p);
    } catch (e) {
      if (e instanceof RangeError) return EINVAL;
      this.end('detached');
      throw e;
    }
  }

  private async command(p: string): Promise<string | null> {
    switch (p[0]) {
      case '?':
        return this.told ? this.tell(this.told) : 'W00';
      case 'q':
      case 'Q':
        return this.query(p);
      case 'v':
        return await this.verbose(p);
      case 'H': {
        const t = this.find(p.slice(2));
        if (!t) return ESRCH;
        if (p[1] === 'g') this.current = t;
        else this.stepThread = p.slice(2);
        return ok;
      }
      case 'T':
        return this.find(p.slice(1)) ? ok : ESRCH;
      case 'g':
        return this.current ? this.registers.list.map((r) => toHex(r.read(this.current!))).join('') : ESRCH;
      case 'G':
      case 'P':
      case 'p':
        return this.register(p);
      case 'm':
      case 'M':
      case 'X':
        return this.memory(p);
      case 'Z':
      case 'z':
        return this.point(p);
      case 'c':
      case 's':
      case 'C':
      case 'S':
        return await this.simpleResume(p);
      case 'b':
        return await this.back(p);
      case 'D':
        return this.detach(p);
      case 'k':
        this.kill();
        return null;
      case '!':
        return '';
      default:
        return '';
    }
  }

  private query(p: string): string {
    const [name, rest = ''] = p.split(/:(.*)/s);
    switch (name) {
      case 'qSupported':
        this.features = new Set(rest.split(';').filter((f) => f.endsWith('+')).map((f) => f.slice(0, -1)));
        return [
          `PacketSize=${PACKET_SIZE.toString(16)}`, 'QStartNoAckMode+', 'multiprocess+', 'vContSupported+', 'QPassSignals+',
          'QCatchSyscalls+', 'fork-events+', 'vfork-events+', 'exec-events+', 'swbreak+', 'hwbreak+', 'no-resumed+',
          'qXfer:features:read+', 'qXfer:auxv:read+', 'qXfer:exec-file:read+', 'qXfer:siginfo:read+', 'qXfer:threads:read+',
          'qXfer:libraries-svr4:read+', ...(this.history ? ['ReverseStep+', 'ReverseContinue+'] : []),
        ].join(';'); // prettier-ignore
      case 'QStartNoAckMode':
        this.link.afterwards(() => (this.link.noAck = true));
        return ok;
      case 'qC':
        return this.current ? `QC${this.id(this.current)}` : 'QC0';
      case 'qAttached':
        return '0'; // gdb kills what it did not detach from
      case 'qSymbol':
        return ok;
      case 'qfThreadInfo':
        this.threadList = this.tasks().map((t) => this.id(t));
        return `m${this.threadList.join(',')}`;
      case 'qsThreadInfo':
        return 'l';
      case 'QPassSignals':
        this.passed = new Set(rest.split(';').filter(Boolean).map((x) => parseInt(x, 16)));
        return ok;
      case 'QCatchSyscalls':
        this.calls = rest.startsWith('1') ? new Set(rest.split(';').slice(1).map((x) => parseInt(x, 16))) : null;
        return ok;
      case 'qXfer':
        return this.transfer(rest);
      default:
        if (p.startsWith('qThreadExtraInfo,')) {
          const t = this.find(p.slice(17));
          return t ? hexText(extra(t)) : ESRCH;
        }
        if (p.startsWith('qRcmd,')) return hexText(monitor(this.machine, fromBinary(textOfHex(p.slice(6)))));
        return '';
    }
  } // prettier-ignore

  private transfer(what: string): string {
    const m = /^([a-z0-9-]+):read:([^:]*):([0-9a-f]+,[0-9a-f]+)$/.exec(what);
    if (!m) return '';
    const [, object, annex, range] = m;
    const t = this.current;
    switch (object) {
      case 'features':
        return annex === 'target.xml' ? slice(this.registers.xml, range) : 'E00';
      case 'auxv':
        return t ? slice(binaryOf(t.mm.auxv), range) : ESRCH;
      case 'exec-file': {
        const g = annex === '' ? t?.group : this.machine.internals.kernel.processes.groups.get(parseInt(annex, 16));
        return g?.exe ? slice(pathName(g.exe, null), range) : ESRCH;
      }
      case 'siginfo': {
        const info = t && this.heldSignals.get(t);
        if (!info) return ESRCH;
        const bytes = new Uint8Array(SIGINFO_SIZE);
        encodeSigInfo(new DataView(bytes.buffer), info);
        return slice(binaryOf(bytes), range);
      }
      case 'threads': {
        const list = this.tasks().map((x) => `<thread id="${this.id(x)}" core="0" name="${escapeXml(x.comm)}">${escapeXml(extra(x))}</thread>`);
        return slice(`<?xml version="1.0"?><threads>${list.join('')}</threads>`, range);
      }
      case 'libraries-svr4':
        return t ? slice(librariesXml(t), range) : ESRCH;
      default:
        return '';
    }
  } // prettier-ignore

  private async verbose(p: string): Promise<string | null> {
    if (p === 'vCont?') return 'vCont;c;C;s;S;r';
    if (p.startsWith('vCont;')) return await this.vCont(p.slice(6));
    if (p.startsWith('vFile:')) return this.files.command(p.slice(6));
    if (p.startsWith('vKill')) {
      this.link.afterwards(() => this.kill());
      return ok;
    }
    return '';
  }

  private async vCont(text: string): Promise<string> {
    const actions: [Resume, (t: Task) => boolean][] = [];
    for (const part of text.split(';')) {
      const m = /^([csCSr])([0-9a-f]*)(?:,([0-9a-f]+))?(?::(.*))?$/.exec(part);
      const matches = m && this.matcher(m[4] ?? '-1');
      if (!matches) return EINVAL;
      const number = parseInt(m[2] || '0', 16);
      actions.push([
        {
          step: m[1] === 's' || m[1] === 'S' || m[1] === 'r',
          signo: m[1] === 'C' || m[1] === 'S' ? linuxSignal(number) : 0,
          range: m[1] === 'r' ? [number, parseInt(m[3] ?? '0', 16)] : null,
        },
        matches,
      ]);
    }
    return await this.resume(actions);
  }

  /** c [addr], s [addr], C sig[;addr], S sig[;addr] */
  private async simpleResume(p: string): Promise<string> {
    const withSignal = p[0] === 'C' || p[0] === 'S';
    const [first, second] = p.slice(1).split(';');
    const address = withSignal ? second : first;
    const t = this.current;
    if (!t) return ESRCH;
    if (address) this.setPc(t, parseInt(address, 16));
    const signo = withSignal ? linuxSignal(parseInt(first, 16)) : 0;
    const go: Resume = { step: p[0] === 's' || p[0] === 'S', signo, range: null };
    return await this.resume([
      [go, (x) => x === t],
      [{ step: false, signo: 0, range: null }, () => true],
    ]);
  }

  private setPc(t: Task, pc: number): void {
    t.regs.pc = pc;
    this.machine.debug.moved(t);
  }

  private register(p: string): string {
    const t = this.current;
    if (!t) return ESRCH;
    const { list } = this.registers;
    if (p[0] === 'G') {
      const bytes = fromHex(p.slice(1));
      let at = 0;
      for (const r of list) {
        if (at + r.bytes > bytes.length) break;
        r.write(t, bytes.subarray(at, at + r.bytes));
        at += r.bytes;
      }
      this.machine.debug.moved(t);
      return ok;
    }
    const [number, value] = p.slice(1).split('=');
    const r = list[parseInt(number, 16)] as (typeof list)[number] | undefined;
    if (!r) return 'E01';
    if (p[0] === 'p') return toHex(r.read(t));
    const bytes = fromHex(value ?? '');
    if (bytes.length !== r.bytes) return EINVAL;
    r.write(t, bytes);
    this.machine.debug.moved(t);
    return ok;
  }

  private memory(p: string): string {
    const t = this.current;
    if (!t) return ESRCH;
    const [, a, l, data] = /^.([0-9a-f]+),([0-9a-f]+)(?::(.*))?$/s.exec(p) ?? [];
    if (a === undefined) return EINVAL;
    const address = parseInt(a, 16);
    const length = parseInt(l, 16);
    if (p[0] === 'm') {
      const bytes = this.readSome(t, address, Math.min(length, PACKET_SIZE / 2));
      return bytes ? toHex(bytes) : EFAULT;
    }
    const bytes = p[0] === 'X' ? Uint8Array.from(data ?? '', (c) => c.charCodeAt(0)) : fromHex(data ?? '');
    if (bytes.length !== length) return EINVAL;
    if (length === 0) return ok;
    return t.mm.copyOut(address, bytes) < 0 ? EFAULT : ok;
  }

  /** Z and z: breakpoints (0, 1) and watchpoints (2 write, 3 read, 4 access). */
  private point(p: string): string {
    const [, type, a, k] = /^.([0-4]),([0-9a-f]+),([0-9a-f]+)/.exec(p) ?? [];
    const t = this.current;
    if (type === undefined) return '';
    if (!t) return ESRCH;
    const { pid } = t;
    const address = parseInt(a, 16);
    const key = `${pid} ${type} ${address} ${k}`;
    if (p[0] === 'z') {
      this.removers.get(key)?.();
      this.removers.delete(key);
      this.watched.get(key)?.remove();
      this.watched.delete(key);
      return ok;
    }
    if (this.removers.has(key) || this.watched.has(key)) return ok;
    const { debug } = this.machine;
    if (type === '0' || type === '1') {
      this.removers.set(
        key,
        debug.onInstructions(address, address + 1, ({ tid }) => {
          const at = this.machine.internals.kernel.processes.task(tid)!;
          return this.noticed({ kind: 'break', t: at, hardware: type === '1' });
        }, { pid }),
      ); // prettier-ignore
      return ok;
    }
    const kind = ({ 2: 'write', 3: 'read', 4: 'access' } as const)[type as '2' | '3' | '4'];
    const end = address + parseInt(k, 16);
    if (end <= address) return EINVAL;
    const watched: Watched = {
      pid, start: address, end,
      bytes: kind === 'read' ? null : this.read(t, address, end - address),
      remove: debug.onMemory(address, end, kind, (hit) => {
        const at = this.machine.internals.kernel.processes.task(hit.tid)!;
        if (watched.bytes) watched.bytes = this.read(at, address, end - address);
        return this.noticed({ kind: 'watch', t: at, how: kind, address: Math.max(hit.address, address) });
        // gdb expects an Arm to stop before the instruction, and does it itself.
      }, { pid, before: this.machine.arch === 'aarch64' }),
    }; // prettier-ignore
    this.watched.set(key, watched);
    return ok;
  }

  private detach(p: string): string {
    const pid = p.startsWith('D;') ? parseInt(p.slice(2), 16) : null;
    for (const x of [...this.attached]) {
      if (pid !== null && x !== pid) continue;
      for (const [key, remove] of [...this.removers]) if (key.startsWith(`${x} `)) { remove(); this.removers.delete(key); }
      for (const [key, w] of [...this.watched]) if (w.pid === x) { w.remove(); this.watched.delete(key); }
      for (const [t, info] of [...this.heldSignals]) if (t.pid === x) { this.heldSignals.delete(t); sendSignal(t, info); }
      this.attached.delete(x);
      if (this.current?.pid === x) this.current = this.tasks()[0] ?? null;
    }
    if (this.attached.size === 0) this.link.afterwards(() => this.end('detached'));
    return ok;
  } // prettier-ignore

  private kill(): void {
    const { kernel, loop } = this.machine.internals;
    for (const pid of this.recorded ? [] : this.attached) {
      const g = kernel.processes.group(pid);
      if (g) sendToGroup(g, { signo: SIGKILL, code: SI_USER, pid: 0, uid: 0 });
    }
    loop.endRun();
    this.end('killed');
  }
} // prettier-ignore

const extra = (t: Task): string =>
  t.parked === null ? `${t.comm}: ${t.state}` : describeTask(t).replace(/^\d+ /, '');

const escapeXml = (text: string): string =>
  text.replace(/[^ -~]|[<>&"']/g, (c) => `&#${c.charCodeAt(0) < 32 ? 63 : c.charCodeAt(0)};`);

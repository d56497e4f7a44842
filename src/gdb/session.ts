/**
 * A gdb session on a machine: gdb's remote protocol, all-stop, over any stream of bytes. The machine stands still between
 * gdb's commands. Breakpoints, watchpoints and steps leave the guest's schedule alone; what does change it is what gdb asks
 * for outright: other registers or memory, signals withheld, some threads run without the others (as to step off a breakpoint
 * in a thread whose turn it is not).
 */
import { pathName } from '../../kernel/fs/dentry.ts';
import { sendToGroup } from '../../kernel/signal/send.ts';
import type { Task } from '../../kernel/task/task.ts';
import { DEFAULT_FORMAT, type Tracer } from '../../kernel/trace/tracer.ts';
import type { Follower } from '../debug/debugger.ts';
import { DeadlockError, LivelockError, StoppedError, TimeLimitError } from '../machine/errors.ts';
import type { Machine } from '../machine/machine.ts';
import { RecordingEndError } from '../record/errors.ts';
import { accessMemory, accessRegisters } from './access.ts';
import { GdbFiles } from './files.ts';
import { HeldSignals } from './held-signals.ts';
import { History } from './history.ts';
import { Inferiors } from './inferiors.ts';
import { hexUtf8, PacketLink } from './packets.ts';
import { Points } from './points.ts';
import { Queries } from './queries.ts';
import { gdbRegisters, type GdbRegisters, noteCall } from './registers.ts';
import { type Actions, simpleActions, vContActions } from './resume.ts';
import { exitReply, type Stop, stopReply, type TaskStop } from './stops.ts';

const SIGINT = 2;
const SIGKILL = 9;
const SIGTRAP = 5;
const SI_USER = 0;
const OK = 'OK';
const ESRCH = 'E03';
const EINVAL = 'E16';

/** How a session was over. */
export type SessionEnd = 'over' | 'detached' | 'killed';

export class GdbSession {
  /** Settles when gdb is gone: detached, or after the last process. Rejects with what the machine threw. */
  readonly ended: Promise<SessionEnd>;
  private readonly machine: Machine;
  private readonly registers: GdbRegisters;
  private readonly link: PacketLink;
  private readonly files: GdbFiles;
  private readonly inferiors: Inferiors;
  private readonly signals: HeldSignals;
  private readonly points: Points;
  private readonly queries: Queries;
  private readonly history: History<TaskStop> | null;
  private finish!: (end: SessionEnd) => void;
  private fail!: (e: Error) => void;
  private over = false;
  /** How processes ended that did. */
  private readonly ends = new Map<number, { code: number | null; signo: number }>();
  private stop: Stop | null;
  /** Stops of the same moment, which gdb is told of next. */
  private readonly later: TaskStop[] = [];
  /** The stop gdb was told of last. */
  private told: Stop | null;
  interrupted = false;
  newTask: ((t: Task) => void) | null = null;
  /** Which stops count; null: all. */
  private filter: ((stop: TaskStop) => boolean) | null = null;
  private stepThread = '0';
  /** The guest is not standing still. */
  running = false;
  private readonly vforks = new Set<Task>();
  /** The machine runs as it once did: gdb's `kill` only ends the session. */
  recorded = false;

  /** `send` takes bytes for gdb as a binary string. */
  constructor(machine: Machine, send: (bytes: string) => void) {
    this.machine = machine;
    this.registers = gdbRegisters(machine.arch);
    this.files = new GdbFiles(machine);
    this.ended = new Promise((resolve, reject) => {
      this.finish = resolve;
      this.fail = reject;
    });
    this.link = new PacketLink(send, {
      packet: (payload) => this.packet(payload),
      interrupt: () => {
        this.interrupt();
      },
    });
    const { kernel } = machine.internals;
    const inferiors = (this.inferiors = new Inferiors(machine));
    const first = kernel.processes.first!;
    inferiors.attached.add(first.pid);
    inferiors.current = first.leader;
    this.stop = this.told = { kind: 'signal', t: first.leader, signo: SIGTRAP };
    this.signals = new HeldSignals(inferiors, {
      arrives: (t, signo) => this.halt({ kind: 'signal', t, signo }),
      kills: (t) => this.lasts(t) && this.halt({ kind: 'last', t }),
    });
    this.points = new Points(machine, inferiors, (stop) => this.noticed(stop));
    kernel.signalGate = this.signals;
    machine.debug.follow(this.follower());
    this.history = machine.deterministic ? new History<TaskStop>(machine, this) : null;
    const { registers, signals, link } = this;
    this.queries = new Queries({
      machine,
      inferiors,
      registers,
      signals,
      link,
      reversible: this.history !== null,
    });
  }

  /** Bytes from gdb, as a binary string. */
  receive(bytes: string): void {
    this.link.receive(bytes);
  }

  /** The connection is gone without a word: what gdb had set is taken back. Settles when the guest stands still. */
  async disconnected(): Promise<void> {
    this.interrupt();
    await this.link.quiet();
    this.release();
  }

  private release(): void {
    this.history?.dispose();
    this.points.clear(null);
    const { kernel } = this.machine.internals;
    kernel.signalGate = null;
    kernel.scheduler.only = null;
    this.machine.debug.cancelCount();
    this.machine.debug.follow(null);
    this.signals.release(null);
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
    if ('t' in stop) this.history?.place(stop, stop.t);
    // A fork is a stop, and so is the return of its call.
    if (this.stop !== null && this.filter === null && isOfCall(stop)) this.later.push(stop);
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

  /** Would the end of a task's process leave gdb nothing to go back from? */
  private lasts(t: Task): boolean {
    return this.history !== null && this.filter === null && this.inferiors.endsWith(t);
  }

  private follower(): Follower {
    const mine = (t: Task): boolean => this.inferiors.has(t);
    const wanted = (t: Task): boolean => {
      const { calls } = this.queries;
      return calls !== null && (calls.size === 0 || calls.has(callNumber(t)));
    };
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
        this.points.look(t, (stop) => this.halt(stop));
        if (/^execve(at)?$/.test(t.row?.name ?? '') && result === 0) this.execed(t);
        else if (this.vforks.delete(t)) this.halt({ kind: 'vforkdone', t });
        else if (wanted(t)) this.halt({ kind: 'call', t, nr: callNumber(t), returned: true });
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
        if (!this.queries.features.has(`${kind}-events`)) return;
        if (!this.halt({ kind, t: parent, child })) return;
        this.inferiors.attached.add(child.pid);
        if (kind === 'vfork') this.vforks.add(parent);
      },
    };
    return {
      tracer,
      atCall: (t) => {
        if (!mine(t) || (this.queries.calls === null && this.history === null)) return false;
        noteCall(t);
        if (wanted(t)) return this.noticed({ kind: 'call', t, nr: t.nr, returned: false });
        return endsProcess(t) && this.lasts(t) && this.noticed({ kind: 'last', t });
      },
    };
  }

  private execed(t: Task): void {
    const exe = t.group.exe;
    if (this.queries.features.has('exec-events')) {
      this.halt({ kind: 'exec', t, path: exe === null ? '' : pathName(exe, null) });
    } else this.halt({ kind: 'signal', t, signo: SIGTRAP });
  }

  // ---- running

  /** Runs until something is to be told; tells it. */
  private async resume(actions: Actions): Promise<string> {
    const { machine, inferiors } = this;
    const { kernel, loop } = machine.internals;
    const { scheduler } = kernel;
    const all = inferiors.tasks();
    const chosen = new Map(
      all.flatMap((t) => {
        const found = actions.find(([, matches]) => matches(t));
        return found ? [[t, found[0]] as const] : [];
      }),
    );
    if (chosen.size === 0) return 'N';
    for (let next = this.later.shift(); next; next = this.later.shift())
      if (all.includes(next.t) && actions.every(([{ signo }]) => signo === 0)) return this.tell(next);
    // gdb would pass on the signal it was told the end with.
    const ending = this.told?.kind === 'last';
    for (const [t, { signo }] of chosen) {
      if (this.signals.resumes(t, ending ? 0 : signo) === 'as ever') continue;
      loop.endRun(t);
      this.history?.changed();
    }
    const runs = (t: Task): boolean => !inferiors.has(t) || chosen.has(t) || !all.includes(t);
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
      if (e instanceof StoppedError) {
        this.stop ??= { kind: 'exit', pid: kernel.processes.first?.pid ?? 0, code: null, signo: SIGKILL };
      } else if (isStandstill(e)) {
        this.console(`${e.message}\n`);
        this.stop = { kind: 'end' };
      } else throw e;
    } finally {
      this.running = false;
      scheduler.only = null;
      machine.debug.cancelCount();
    }
    this.settle();
    const at = scheduler.current;
    this.stop ??= { kind: 'signal', t: at && inferiors.has(at) ? at : inferiors.tasks()[0], signo: SIGINT };
    return this.tell(this.stop);
  }

  /** bs, bc */
  private async back(p: string): Promise<string> {
    const { history, told, inferiors } = this;
    const asked = inferiors.find(this.stepThread) ?? inferiors.current;
    if (!history || !asked || !['bs', 'bc'].includes(p)) return '';
    const { tid } = asked;
    this.interrupted = false;
    let stop: TaskStop | null = null;
    if (p === 'bc') stop = await history.continueBack(told && 't' in told ? told : null, asked);
    else if (await history.stepBack(tid)) stop = { kind: 'step', t: inferiors.byTid(tid)! };
    if (stop) return this.tell(stop);
    if (inferiors.tasks().length === 0) await history.birth(tid);
    const t = inferiors.byTid(tid)!;
    return this.tell(this.interrupted ? { kind: 'signal', t, signo: SIGINT } : { kind: 'begin', t });
  }

  /** For `history`. */
  async run(filter: (stop: TaskStop) => boolean, done: () => boolean): Promise<TaskStop | null> {
    this.stop = null;
    this.filter = filter;
    this.running = true;
    try {
      await this.machine.runUntil(() => this.stop !== null || this.interrupted || done());
    } catch (e) {
      if (!(e instanceof StoppedError || isStandstill(e))) throw e;
    } finally {
      this.running = false;
      this.filter = null;
    }
    const stop = this.stop as Stop | null;
    return stop && 't' in stop ? stop : null;
  }

  /** For `history`. */
  rewound(): void {
    this.vforks.clear();
    this.ends.clear();
    this.later.length = 0;
    const { kernel } = this.machine.internals;
    kernel.signalGate = this.signals;
    kernel.scheduler.only = null; // it may have been saved while one thread ran alone
    this.points.refresh();
  }

  /** A process that is gone is a stop too. True: there is one. */
  private settle(): boolean {
    if (this.stop !== null) return true;
    const { kernel } = this.machine.internals;
    for (const pid of this.inferiors.attached) {
      const g = kernel.processes.groups.get(pid);
      if (kernel.exitStatus === null && g && g.live > 0) continue;
      const end = this.ends.get(pid) ?? { code: null, signo: SIGKILL };
      this.stop = { kind: 'exit', pid, ...end };
      return true;
    }
    return false;
  }

  // ---- what gdb is told

  private tell(stop: Stop): string {
    const { inferiors } = this;
    this.told = stop;
    if (stop.kind === 'exit') {
      inferiors.attached.delete(stop.pid);
      inferiors.current = null;
      if (inferiors.attached.size === 0) this.link.afterwards(() => this.end('over'));
      return exitReply(stop, inferiors);
    }
    const t = stop.kind === 'end' ? inferiors.tasks()[0] : stop.t;
    inferiors.current = t;
    if (stop.kind === 'last')
      this.console('The program is about to end. Go back from here, or continue once more to let it end.\n');
    return stopReply(stop, t, inferiors);
  }

  /** Text in gdb's console, while a command runs. */
  private console(text: string): void {
    this.link.answer(`O${hexUtf8(text)}`);
  }

  // ---- commands

  private async packet(p: string): Promise<string | null> {
    try {
      return await this.command(p);
    } catch (e) {
      if (e instanceof RangeError) return EINVAL;
      this.over = true;
      this.release();
      this.fail(e as Error);
      return null;
    }
  }

  private async command(p: string): Promise<string | null> {
    const { inferiors } = this;
    const t = inferiors.current;
    switch (p[0]) {
      case '?':
        return this.told ? this.tell(this.told) : 'W00';
      case 'q':
      case 'Q':
        return this.queries.answer(p);
      case 'v':
        return await this.verbose(p);
      case 'H': {
        const found = inferiors.find(p.slice(2));
        if (!found) return ESRCH;
        if (p[1] === 'g') inferiors.current = found;
        else this.stepThread = p.slice(2);
        return OK;
      }
      case 'T':
        return inferiors.find(p.slice(1)) ? OK : ESRCH;
      case 'g':
      case 'G':
      case 'P':
      case 'p':
        return t ? accessRegisters(p, t, this.registers, () => this.changed(t)) : ESRCH;
      case 'm':
      case 'M':
      case 'X':
        return t ? accessMemory(p, t, () => this.changed(null)) : ESRCH;
      case 'Z':
      case 'z':
        return this.points.command(p);
      case 'c':
      case 's':
      case 'C':
      case 'S': {
        if (!t) return ESRCH;
        const { actions, pc } = simpleActions(p, t);
        if (pc !== null) {
          t.regs.pc = pc;
          this.changed(t);
        }
        return await this.resume(actions);
      }
      case 'b':
        return await this.back(p);
      case 'D':
        return this.detach(p.startsWith('D;') ? parseInt(p.slice(2), 16) : null);
      case 'k':
        this.kill();
        return null;
      default:
        return '';
    }
  }

  /** gdb changed memory, or a task's registers. */
  private changed(t: Task | null): void {
    if (t) this.machine.debug.moved(t);
    else this.points.refresh();
    this.history?.changed();
  }

  private async verbose(p: string): Promise<string | null> {
    if (p === 'vCont?') return 'vCont;c;C;s;S;r';
    if (p.startsWith('vCont;')) {
      const actions = vContActions(p.slice(6), this.inferiors);
      return actions ? await this.resume(actions) : EINVAL;
    }
    if (p.startsWith('vFile:')) return this.files.command(p.slice(6));
    if (p.startsWith('vKill')) {
      this.link.afterwards(() => this.kill());
      return OK;
    }
    return '';
  }

  /** Lets a process go, or all. */
  private detach(pid: number | null): string {
    const { inferiors } = this;
    for (const x of [...inferiors.attached]) {
      if (pid !== null && x !== pid) continue;
      this.points.clear(x);
      this.signals.release(x);
      inferiors.attached.delete(x);
      if (inferiors.current?.pid === x) inferiors.current = inferiors.tasks()[0] ?? null;
    }
    if (inferiors.attached.size === 0) this.link.afterwards(() => this.end('detached'));
    return OK;
  }

  /** Kills the processes gdb has hold of, and ends the session. */
  kill(): void {
    const { kernel, loop } = this.machine.internals;
    for (const pid of this.recorded ? [] : this.inferiors.attached) {
      const g = kernel.processes.group(pid);
      if (g) sendToGroup(g, { signo: SIGKILL, code: SI_USER, pid: 0, uid: 0 });
    }
    loop.endRun();
    if (!this.recorded) this.history?.changed();
    this.end('killed');
  }
}

/** What happens in a call, or ends it. */
const isOfCall = (stop: Stop): stop is TaskStop =>
  ['call', 'fork', 'vfork', 'vforkdone', 'exec'].includes(stop.kind);

/** Of the call a task makes or made: rt_sigreturn leaves none in the task. */
const callNumber = (t: Task): number => (t.nr >= 0 ? t.nr : (t.row?.[t.regs.arch] ?? t.nr));

/** The call a task is about to make ends its process. */
const endsProcess = (t: Task): boolean => {
  const name = t.row?.name;
  return name === 'exit_group' || (name === 'exit' && t.group.live === 1);
};

/** The machine does not run on, and is there to be looked at. */
const isStandstill = (e: unknown): e is Error =>
  e instanceof DeadlockError ||
  e instanceof LivelockError ||
  e instanceof TimeLimitError ||
  (e instanceof RecordingEndError && !e.damaged);

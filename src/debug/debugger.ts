/**
 * Stops and hooks inside a machine's programs: instructions, accesses to memory, exact counts. None of them changes what
 * the guest does or when: with a seed, a run that is looked at is the run that is not.
 */
import type { CpuDebug, PageTable, TaskRegs, Watch, WatchKind } from '../../cpu/index.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Task } from '../../kernel/task/task.ts';
import { DEFAULT_FORMAT, type Tracer } from '../../kernel/trace/tracer.ts';
import type { Loop } from '../machine/loop.ts';

/** A task is at an instruction, which it has not executed. */
export interface InstructionHit {
  readonly tid: number;
  readonly pid: number;
  /** Guest address of the instruction. */
  readonly address: number;
}

/** A task made an access (or is about to: `MemoryHook.before`). */
export interface MemoryHit {
  readonly tid: number;
  readonly pid: number;
  /** Address of the instruction. */
  readonly pc: number;
  /** What it accessed, in bytes. */
  readonly address: number;
  readonly size: number;
  readonly access: 'read' | 'write';
}

export interface HookOptions {
  /** Only this process; else every process, those that come later too. */
  readonly pid?: number;
}
export interface MemoryHookOptions extends HookOptions {
  /** Call before the instruction has any effect, not when it is done. */
  readonly before?: boolean;
}

/** Answering true makes the machine look whether it is to stop there, with the task where it is (`Machine.runUntil`). */
export type InstructionHook = (hit: InstructionHit) => boolean | void;
export type MemoryHook = (hit: MemoryHit) => boolean | void;

interface Entry {
  readonly pid: number | undefined;
  readonly start: number;
  readonly end: number;
  /** Watches have one. */
  readonly watch: Watch | null;
  readonly code: InstructionHook | null;
  readonly data: MemoryHook | null;
}

/** A debugger's session. */
export interface Follower {
  readonly tracer: Tracer;
  /** The task is about to make a call. True: the machine stops before it. */
  atCall(t: Task): boolean;
}

export class Debugger {
  private readonly kernel: Kernel;
  private readonly loop: Loop;
  private readonly cpu: CpuDebug;
  private readonly watchesChanged: () => void;
  private readonly entries = new Set<Entry>();
  /** What is set in each address space. */
  private readonly applied = new Map<PageTable, Set<Entry>>();
  /** Set by `follow`. */
  follower: Follower | null = null;
  private counted: Task | null = null;
  /** Instructions of the count that are done; for whoever asked. */
  private countDone: (() => boolean | void) | null = null;
  /** For the machine, while anything is set: new address spaces get the same stops. */
  readonly tracer: Tracer;

  /** `changed`: whether `active` may have changed. */
  constructor(kernel: Kernel, loop: Loop, cpu: CpuDebug, changed: () => void) {
    this.kernel = kernel;
    this.loop = loop;
    this.cpu = cpu;
    this.watchesChanged = changed;
    loop.hooks.debug = (t) => this.stopped(t);
    const nothing = (): void => undefined;
    this.tracer = {
      format: DEFAULT_FORMAT,
      enter: nothing,
      exit: (t, result) => {
        if (result === 0 && /^execve(at)?$/.test(t.row?.name ?? '')) this.apply();
      },
      signal: nothing,
      exited: nothing,
      killed: nothing,
      stopped: nothing,
      attached: () => {
        this.apply();
      },
    };
  }

  /** Who must hear of calls for it. */
  get tracers(): readonly Tracer[] {
    const list = this.entries.size > 0 ? [this.tracer] : [];
    return this.follower ? [...list, this.follower.tracer] : list;
  }

  /** Somebody who follows all tasks, call by call. */
  follow(follower: Follower | null): void {
    this.follower = follower;
    this.watchesChanged();
  }

  /**
   * Calls `hook` before every instruction that begins in [start, end), or at `start` alone; returns what ends it. Code in
   * the range runs a thousand times slower; what lies outside is not slowed down.
   */
  onInstructions(
    start: number,
    end: number,
    hook: InstructionHook,
    { pid }: HookOptions = {},
  ): () => void {
    return this.add({ pid, start, end, watch: null, code: hook, data: null });
  }

  /**
   * Calls `hook` when an instruction has accessed bytes of [start, end); returns what ends it. An instruction that changes
   * memory in place writes. What the kernel reads and writes for a task (read(2), a signal frame) is no access. Every access
   * to the pages of the range is slower.
   */
  onMemory(
    start: number,
    end: number,
    kind: WatchKind,
    hook: MemoryHook,
    { pid, before = false }: MemoryHookOptions = {},
  ): () => void {
    return this.add({ pid, start, end, watch: { start, end, kind, before }, code: null, data: hook });
  }

  /** Stops the machine when a task has done exactly `n` more instructions, unless `done` says false. One task at a time. */
  stopAfter(t: Task, n: number, done: () => boolean | void): void {
    this.cancelCount();
    this.counted = t;
    this.countDone = done;
    this.cpu.stopAfter(regsOf(t), n);
  }

  cancelCount(): void {
    if (this.counted) this.cpu.stopAfter(regsOf(this.counted), Infinity);
    this.counted = this.countDone = null;
  }

  /** The task's registers were changed from outside. */
  moved(t: Task): void {
    this.cpu.moved(regsOf(t));
  }

  /** The machine is in another state than a moment ago (a snapshot): everything is set again where it belongs. */
  restored(): void {
    this.counted = this.countDone = null;
    const { applied, cpu } = this;
    const live = this.live();
    // An address space that is gone, or not there yet, is no place for stops; one that is there again gets them anew.
    for (const table of applied.keys()) if (!live.has(table) || !cpu.has(table)) applied.delete(table);
    cpu.restored(live.keys(), (table) => applied.has(table));
    this.apply(live);
  }

  private add(entry: Entry): () => void {
    if (!(entry.end > entry.start)) throw new RangeError(`no bytes from ${entry.start} to ${entry.end}`);
    this.entries.add(entry);
    this.apply();
    this.watchesChanged();
    return () => {
      if (!this.entries.delete(entry)) return;
      for (const [table, set] of this.applied) if (set.delete(entry)) this.unset(table, entry);
      this.watchesChanged();
    };
  }

  /** Address spaces somebody may run in, and the processes. */
  private live(): Map<PageTable, Set<number>> {
    const live = new Map<PageTable, Set<number>>();
    for (const t of this.kernel.processes.tasks.values()) {
      if (t.state === 'dead' || t.state === 'zombie') continue;
      const table = tableOf(t);
      const pids = live.get(table);
      if (pids) pids.add(t.pid);
      else live.set(table, new Set([t.pid]));
    }
    return live;
  }

  /** Sets what is not set yet. */
  private apply(live = this.live()): void {
    for (const table of this.applied.keys()) if (!live.has(table)) this.applied.delete(table);
    for (const [table, pids] of live) {
      let set = this.applied.get(table);
      if (!set) this.applied.set(table, (set = new Set()));
      for (const entry of this.entries) {
        if (set.has(entry) || (entry.pid !== undefined && !pids.has(entry.pid))) continue;
        set.add(entry);
        if (entry.watch) this.cpu.addWatch(table, entry.watch);
        else if (entry.end === entry.start + 1) this.cpu.addBreak(table, entry.start);
        else this.cpu.addBreakRange(table, entry.start, entry.end);
      }
    }
  }

  private unset(table: PageTable, entry: Entry): void {
    if (entry.watch) this.cpu.removeWatch(table, entry.watch);
    else if (entry.end === entry.start + 1) this.cpu.removeBreak(table, entry.start);
    else this.cpu.removeBreakRange(table, entry.start, entry.end);
  }

  /** The cpu stopped with a task: tells whom it concerns. True: the machine is to stop too. */
  private stopped(t: Task): boolean {
    const { stop } = this.cpu;
    const set = [...(this.applied.get(tableOf(t)) ?? [])].filter((e) => e.pid === undefined || e.pid === t.pid);
    const { tid, pid } = t;
    let stops = false;
    if (stop.kind === 'count') {
      if (this.counted !== t) return false;
      const done = this.countDone;
      this.counted = this.countDone = null;
      return done?.() !== false;
    }
    if (stop.kind === 'break') {
      const { address } = stop;
      for (const e of set)
        if (e.code && address >= e.start && address < e.end && e.code({ tid, pid, address }) === true) stops = true;
      return stops;
    }
    for (const e of set)
      for (const { address, size, write, watch } of stop.hits)
        if (watch === e.watch && e.data?.({ tid, pid, pc: stop.pc, address, size, access: write ? 'write' : 'read' }) === true)
          stops = true;
    return stops;
  }
} // prettier-ignore

const regsOf = (t: Task): TaskRegs => t.regs as unknown as TaskRegs;
const tableOf = (t: Task): PageTable => t.mm.pageTable as unknown as PageTable;

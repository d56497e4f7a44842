/** Breakpoints and watchpoints: Z and z packets. */
import type { WatchKind } from '../../cpu/index.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { Machine } from '../machine/machine.ts';
import type { Inferiors } from './inferiors.ts';
import { peek } from './memory.ts';
import type { TaskStop } from './stops.ts';

interface Point {
  readonly pid: number;
  readonly remove: () => void;
  /** Watchpoints have one. */
  readonly watched: Watched | null;
}

interface Watched {
  readonly start: number;
  readonly end: number;
  /** What the kernel may change without an access: the bytes as they were. null: it is only read that counts. */
  bytes: Uint8Array | null;
}

const KINDS: Readonly<Record<string, WatchKind>> = { 2: 'write', 3: 'read', 4: 'access' };

export class Points {
  private readonly machine: Machine;
  private readonly inferiors: Inferiors;
  private readonly noticed: (stop: TaskStop) => boolean;
  private readonly points = new Map<string, Point>();

  /** `noticed` is told where a task stopped; false: it goes on. */
  constructor(machine: Machine, inferiors: Inferiors, noticed: (stop: TaskStop) => boolean) {
    this.machine = machine;
    this.inferiors = inferiors;
    this.noticed = noticed;
  }

  /** A Z or z packet: breakpoints (0, 1) and watchpoints (2 write, 3 read, 4 access). */
  command(p: string): string {
    const [, type, a, k] = /^.([0-4]),([0-9a-f]+),([0-9a-f]+)/.exec(p) ?? [];
    if (type === undefined) return '';
    const t = this.inferiors.current;
    if (!t) return 'E03';
    const key = `${t.pid} ${type} ${a} ${k}`;
    if (p[0] === 'z') this.drop(key);
    else if (!this.points.has(key)) {
      const start = parseInt(a, 16);
      const end = start + parseInt(k, 16);
      if (type === '0' || type === '1') this.points.set(key, this.breakpoint(t.pid, start, type === '1'));
      else if (end > start) this.points.set(key, this.watchpoint(t, start, end, KINDS[type]));
      else return 'E16';
    }
    return 'OK';
  }

  private breakpoint(pid: number, address: number, hardware: boolean): Point {
    const remove = this.machine.debug.onInstructions(
      address,
      address + 1,
      ({ tid }) => this.noticed({ kind: 'break', t: this.task(tid), hardware }),
      { pid },
    );
    return { pid, remove, watched: null };
  }

  private watchpoint(t: Task, start: number, end: number, how: WatchKind): Point {
    const { pid } = t;
    const watched: Watched = { start, end, bytes: how === 'read' ? null : peek(t, start, end - start) };
    const remove = this.machine.debug.onMemory(
      start,
      end,
      how,
      ({ tid, address }) => {
        const at = this.task(tid);
        if (watched.bytes) watched.bytes = peek(at, start, end - start);
        return this.noticed({ kind: 'watch', t: at, how, address: Math.max(address, start) });
      },
      { pid, before: this.machine.arch === 'aarch64' }, // gdb expects an Arm to stop before the instruction, and does it itself
    );
    return { pid, remove, watched };
  }

  private task(tid: number): Task {
    return this.machine.internals.kernel.processes.task(tid)!;
  }

  private drop(key: string): void {
    this.points.get(key)?.remove();
    this.points.delete(key);
  }

  /** Takes back those of a process; null: all. */
  clear(pid: number | null): void {
    for (const [key, point] of [...this.points]) if (pid === null || point.pid === pid) this.drop(key);
  }

  /** The kernel wrote for a task: calls back for what it did to watched bytes. */
  look(t: Task, changed: (stop: TaskStop) => void): void {
    for (const { pid, watched: w } of this.points.values()) {
      if (pid !== t.pid || w === null || w.bytes === null) continue;
      const now = peek(t, w.start, w.end - w.start);
      if (!now || now.every((b, i) => b === w.bytes![i])) continue;
      w.bytes = now;
      changed({ kind: 'watch', t, how: 'write', address: w.start });
    }
  }

  /** Memory is other than a moment ago, and nobody wrote. */
  refresh(): void {
    for (const { pid, watched: w } of this.points.values()) {
      const t = w?.bytes ? this.inferiors.tasks().find((x) => x.pid === pid) : undefined;
      if (t) w!.bytes = peek(t, w!.start, w!.end - w!.start);
    }
  }
}

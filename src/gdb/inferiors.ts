/** The processes gdb has hold of, and the names it has for their threads. */
import type { Task } from '../../kernel/task/task.ts';
import type { Machine } from '../machine/machine.ts';

export class Inferiors {
  /** Pids. */
  readonly attached = new Set<number>();
  /** The thread that commands are about. */
  current: Task | null = null;
  /** gdb understands pPID.TID. */
  multiprocess = false;
  private readonly machine: Machine;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  has(t: Task): boolean {
    return this.attached.has(t.pid);
  }

  /** Their threads in order of creation. */
  tasks(): Task[] {
    const { tasks } = this.machine.internals.kernel.processes;
    return [...tasks.values()].filter((t) => this.has(t) && t.state !== 'dead' && t.state !== 'zombie');
  }

  /** With the end of a task's process there is nothing left for gdb. */
  endsWith(t: Task): boolean {
    const { processes } = this.machine.internals.kernel;
    if (t.group === processes.first) return true; // the machine ends with it
    return [...this.attached].every((pid) => pid === t.pid || !((processes.groups.get(pid)?.live ?? 0) > 0));
  }

  id(t: Task): string {
    const tid = t.tid.toString(16);
    return this.multiprocess ? `p${t.pid.toString(16)}.${tid}` : tid;
  }

  byTid(tid: number): Task | null {
    const list = this.tasks();
    return list.find((t) => t.tid === tid) ?? list[0] ?? null;
  }

  /** A thread-id: which tasks it means. null: it is malformed. */
  matcher(text: string): ((t: Task) => boolean) | null {
    const m = /^(?:p(-1|[0-9a-f]+)(?:\.|$))?(-1|[0-9a-f]*)$/.exec(text);
    if (!m) return null;
    const pid = m[1] === undefined || m[1] === '-1' ? null : parseInt(m[1], 16);
    const tid = m[2] === '-1' || m[2] === '' || m[2] === '0' ? null : parseInt(m[2], 16);
    return (t) => (pid === null || pid === 0 || t.pid === pid) && (tid === null || t.tid === tid);
  }

  /** A task that a thread-id means: the current one, if it may be. */
  find(text: string): Task | null {
    const matches = this.matcher(text);
    const list = this.tasks();
    if (matches && this.current && list.includes(this.current) && matches(this.current)) return this.current;
    return (matches && list.find(matches)) ?? null;
  }
}

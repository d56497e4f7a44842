/** What explaining one task needs to know of all the others: who holds which file, who lives, what addresses are called. */
import type { File } from '../../kernel/fs/file.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { ThreadGroup } from '../../kernel/task/thread-group.ts';
import { Symbols } from './symbols.ts';
import type { Holder } from './types.ts';

export class World {
  readonly kernel: Kernel;
  readonly symbols: Symbols;
  /** Every task that has not ended. */
  readonly living: readonly Task[];
  /** Where connections could come from beside the guest itself; null: nowhere. */
  readonly connects: string | null;
  /** Only the guest itself sends signals. */
  readonly closed: boolean;
  private holdersOf: Map<File, Holder[]> | null = null;

  constructor(kernel: Kernel, connects: string | null, closed: boolean) {
    this.kernel = kernel;
    this.connects = connects;
    this.closed = closed;
    this.symbols = new Symbols(kernel);
    this.living = [...kernel.processes.tasks.values()].filter(
      (t) => t.state !== 'zombie' && t.state !== 'dead',
    );
  }

  /** Descriptors of a file, in all processes. */
  holders(file: File): readonly Holder[] {
    if (this.holdersOf === null) {
      this.holdersOf = new Map();
      const seen = new Set<object>();
      for (const t of this.living) {
        if (seen.has(t.fds)) continue;
        seen.add(t.fds);
        for (const fd of t.fds.list()) {
          const held = t.fds.get(fd)!;
          const list = this.holdersOf.get(held);
          if (list) list.push({ pid: t.pid, fd });
          else this.holdersOf.set(held, [{ pid: t.pid, fd }]);
        }
      }
    }
    return this.holdersOf.get(file) ?? [];
  }

  /** Threads of a process that have not ended. */
  threads(g: ThreadGroup): Task[] {
    return [...g.tasks].filter((t) => t.state !== 'zombie' && t.state !== 'dead');
  }

  threadsOf(pid: number): Task[] {
    const g = this.kernel.processes.group(pid);
    return g ? this.threads(g) : [];
  }
}

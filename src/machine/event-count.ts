/** Numbers a machine's events: the first is 1. */
import type { SigInfo } from '../../kernel/signal/state.ts';
import type { Task } from '../../kernel/task/task.ts';
import { DEFAULT_FORMAT, type TraceFormat, type Tracer } from '../../kernel/trace/tracer.ts';

/** What `Machine.step` would tell of, counted instead: entries and exits of calls, signals, ends of tasks. */
export class EventCount implements Tracer {
  readonly format: TraceFormat = DEFAULT_FORMAT;
  /** Events so far. */
  position = 0;
  /** The event at which `reached` is called; Infinity: never. */
  target = Infinity;
  reached: () => void = () => {};
  /** Tasks whose calls' entries were counted before they began. */
  private readonly held = new Set<Task>();

  /** A task is held at a call that was not begun: the entry has happened. */
  hold(t: Task): void {
    this.held.add(t);
    this.position++;
  }

  enter(t: Task): void {
    if (this.held.size === 0 || !this.held.delete(t)) this.happened();
  }
  exit(_t: Task, _result: number): void {
    this.happened();
  }
  signal(_t: Task, _info: SigInfo): void {
    this.happened();
  }
  exited(t: Task, _code: number): void {
    this.neverBegun(t);
    this.happened();
  }
  killed(t: Task, _signo: number, _core: boolean): void {
    this.neverBegun(t);
    this.happened();
  }
  stopped(): void {}
  attached(): void {}

  private neverBegun(t: Task): void {
    if (this.held.delete(t)) this.position--;
  }

  private happened(): void {
    if (++this.position >= this.target) this.reached();
  }
}

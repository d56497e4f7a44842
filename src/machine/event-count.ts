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
  /** The entry of the call that is served next was counted already. */
  private held = false;

  /** A task is held at a call that was not begun: the entry has happened. */
  hold(): void {
    this.held = true;
    this.position++;
  }

  enter(_t: Task): void {
    if (this.held) this.held = false;
    else this.happened();
  }
  exit(_t: Task, _result: number): void {
    this.happened();
  }
  signal(_t: Task, _info: SigInfo): void {
    this.happened();
  }
  exited(_t: Task, _code: number): void {
    this.happened();
  }
  killed(_t: Task, _signo: number, _core: boolean): void {
    this.happened();
  }
  stopped(): void {}
  attached(): void {}

  private happened(): void {
    if (++this.position >= this.target) this.reached();
  }
}

import type { SigInfo } from '../../kernel/signal/state.ts';
import type { Task } from '../../kernel/task/task.ts';
import { EventCount } from '../machine/event-count.ts';
import type { EventEncoder } from './events.ts';
import { CHECK_EVERY, RECORD } from './format.ts';

export interface EventReader {
  /** An event was written. `t`: whose it is. */
  happened(t: Task): void;
}

/** Numbers the events of a machine and writes them down, for its recorder or its replayer. */
export class EventLog extends EventCount {
  /** Given once there is a clock. */
  encoder: EventEncoder | null = null;
  private readonly reader: EventReader;

  constructor(reader: EventReader) {
    super();
    this.reader = reader;
  }

  override enter(t: Task): void {
    this.encoder!.enter(t);
    super.enter(t);
    this.written(t);
  }
  override exit(t: Task, result: number): void {
    this.encoder!.exit(t, result);
    super.exit(t, result);
    this.written(t);
  }
  override signal(t: Task, info: SigInfo): void {
    this.encoder!.signal(t, info.signo);
    super.signal(t, info);
    this.written(t);
  }
  override exited(t: Task, code: number): void {
    this.encoder!.ended(t, RECORD.exited, code);
    super.exited(t, code);
    this.written(t);
  }
  override killed(t: Task, signo: number, core: boolean): void {
    this.encoder!.ended(t, RECORD.killed, signo);
    super.killed(t, signo, core);
    this.written(t);
  }

  private written(t: Task): void {
    if (this.position % CHECK_EVERY === 0) this.encoder!.check(this.position);
    this.reader.happened(t);
  }
}

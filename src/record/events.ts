/**
 * Events as bytes: what a task's call differs in from the last one of the same number, so that loops are short. The
 * recorder and the replayer both encode what their run does; the replayer compares the bytes. This is done at each call:
 * it allocates nothing.
 */
import type { Clock } from '../../kernel/ports.ts';
import type { Task } from '../../kernel/task/task.ts';
import { type Reader, Writer } from './bytes.ts';
import { RECORD } from './format.ts';

/** Calls of higher numbers have no memory of their last arguments. */
const NUMBERS = 1024;
const HALVES = 12;
/** More than any event takes. */
const MOST = 128;
/** Results beyond are not told apart: numbers of 64 bits, of which a JavaScript number keeps 53. */
const LARGE = 2 ** 51;

export class EventCodec {
  /** Where events are written. Whoever reads them from there sets it back. */
  readonly out: Writer;
  private readonly clock: Clock;
  private lastTid = -1;
  /** Argument halves of the last call of each number. */
  private readonly lastArgs = new Int32Array((NUMBERS + 1) * HALVES);
  private hash = 0;
  /** What the last `enter` changed, for whoever has to read the event that was recorded in its place. */
  private readonly undoArgs = new Int32Array(HALVES);
  private undoMask = 0;
  private undoSlot = 0;
  private undoTid = -1;

  constructor(clock: Clock, out = new Writer(MOST)) {
    this.clock = clock;
    this.out = out;
  }

  enter(t: Task): void {
    const { out } = this;
    this.begin(RECORD.enter, t.tid);
    const { nr, row } = t;
    if (nr >= 0 && nr < 64) out.buffer[out.at++] = nr << 1;
    else out.int(nr);
    const { words } = t.args;
    const slot = (nr >= 0 && nr < NUMBERS ? nr : NUMBERS) * HALVES;
    const last = this.lastArgs;
    const halves = row === null ? HALVES : row.args.length << 1;
    let mask = 0;
    for (let i = 0; i < halves; i++) if (words[i] !== last[slot + i]) mask |= 1 << i;
    this.undoSlot = slot;
    this.undoMask = mask;
    if (mask === 0) {
      out.buffer[out.at++] = 0;
      return;
    }
    out.uint(mask);
    for (let i = 0; mask >>> i !== 0; i++) {
      if ((mask & (1 << i)) === 0) continue;
      const old = last[slot + i];
      this.undoArgs[i] = old;
      last[slot + i] = words[i];
      out.int((words[i] - old) | 0);
    }
  }

  exit(t: Task, result: number): void {
    this.begin(RECORD.exit, t.tid);
    const { out } = this;
    if (result >= 0 && result < 64) out.buffer[out.at++] = result << 1;
    else out.int(result < LARGE && result > -LARGE ? result : 0);
  }

  signal(t: Task, signo: number): void {
    this.begin(RECORD.signal, t.tid);
    this.out.uint(signo);
  }

  ended(t: Task, kind: typeof RECORD.exited | typeof RECORD.killed, code: number): void {
    this.begin(kind, t.tid);
    this.out.uint(code);
  }

  check(position: number): void {
    const { out } = this;
    out.u8(RECORD.check);
    out.uint(position);
    out.uint(this.hash >>> 0);
  }

  /** The hash is of the machine's time at each event, and so of the instructions between them. */
  private begin(kind: number, tid: number): void {
    const { out } = this;
    const h = Math.imul(this.hash ^ (this.clock.monotonic() | 0), 0x01000193);
    this.hash = h ^ (h >>> 15);
    out.room(MOST);
    this.undoMask = 0;
    this.undoTid = this.lastTid;
    if (tid === this.lastTid) out.buffer[out.at++] = kind | RECORD.sameTask;
    else {
      out.buffer[out.at++] = kind;
      out.uint(tid);
      this.lastTid = tid;
    }
  }

  /** Reads the recorded event in whose place the last encoded one stood. The codec is of no use afterwards. */
  read(r: Reader): RecordedEvent | null {
    for (let i = 0; this.undoMask >>> i !== 0; i++)
      if ((this.undoMask & (1 << i)) !== 0) this.lastArgs[this.undoSlot + i] = this.undoArgs[i];
    const first = r.u8();
    const kind = first & ~RECORD.sameTask;
    if (kind < RECORD.enter || kind > RECORD.killed) return null;
    const tid = (first & RECORD.sameTask) !== 0 ? this.undoTid : r.uint();
    switch (kind) {
      case RECORD.enter: {
        const nr = r.int();
        const slot = (nr >= 0 && nr < NUMBERS ? nr : NUMBERS) * HALVES;
        const mask = r.uint();
        const halves = this.lastArgs.slice(slot, slot + HALVES);
        for (let i = 0; mask >>> i !== 0; i++) if ((mask & (1 << i)) !== 0) halves[i] += r.int();
        return { type: 'enter', tid, nr, args: new BigUint64Array(halves.buffer) };
      }
      case RECORD.exit:
        return { type: 'exit', tid, result: r.int() };
      case RECORD.signal:
        return { type: 'signal', tid, signo: r.uint() };
      default:
        return { type: 'task-end', tid, killed: kind === RECORD.killed, code: r.uint() };
    }
  }
}

export type RecordedEvent =
  | { type: 'enter'; tid: number; nr: number; args: BigUint64Array }
  | { type: 'exit'; tid: number; result: number }
  | { type: 'signal'; tid: number; signo: number }
  | { type: 'task-end'; tid: number; killed: boolean; code: number };

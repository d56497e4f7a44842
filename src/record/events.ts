/**
 * Events as bytes: what a task's call differs in from the last one of the same number, so that loops are short. The
 * recorder and the replayer both encode what their run does; the replayer compares the bytes.
 */
import type { Task } from '../../kernel/task/task.ts';
import { type Reader, Writer } from './bytes.ts';
import { RECORD } from './format.ts';

/** Calls of higher numbers have no memory of their last arguments. */
const NUMBERS = 1024;
const HALVES = 12;

export class EventCodec {
  /** The event's bytes. */
  readonly out = new Writer(256);
  private lastTid = -1;
  /** Argument halves of the last call of each number. */
  private readonly lastArgs = new Int32Array((NUMBERS + 1) * HALVES);
  private hash = 0;
  /** What an `enter` changed, for whoever has to read the event that was recorded in its place. */
  private readonly undoArgs = new Int32Array(HALVES);
  private undoSlot = 0;
  private undoTid = -1;

  enter(t: Task, time: number): void {
    this.begin(RECORD.enter, t.tid, time);
    const { out } = this;
    const { nr } = t;
    out.int(nr);
    const { words } = t.args;
    const slot = slotOf(nr);
    const last = this.lastArgs;
    const halves = t.row === null ? HALVES : 2 * t.row.args.length;
    this.undoSlot = slot;
    let mask = 0;
    for (let i = 0; i < halves; i++) {
      this.undoArgs[i] = last[slot + i];
      if (words[i] !== last[slot + i]) mask |= 1 << i;
    }
    for (let i = halves; i < HALVES; i++) this.undoArgs[i] = last[slot + i];
    out.uint(mask);
    for (let i = 0; mask >>> i !== 0; i++) {
      if ((mask & (1 << i)) === 0) continue;
      out.int((words[i] - last[slot + i]) | 0);
      last[slot + i] = words[i];
    }
  }

  exit(t: Task, result: number, time: number): void {
    this.begin(RECORD.exit, t.tid, time);
    // Addresses and numbers both; what replaces the registers hands over 64 bits, of which a number keeps 53.
    const n = Number.isSafeInteger(result) && Math.abs(result) < 2 ** 51 ? result : 0;
    this.out.int(n);
  }

  signal(t: Task, signo: number, time: number): void {
    this.begin(RECORD.signal, t.tid, time);
    this.out.uint(signo);
  }

  ended(t: Task, kind: typeof RECORD.exited | typeof RECORD.killed, code: number, time: number): void {
    this.begin(kind, t.tid, time);
    this.out.uint(code);
  }

  check(position: number): void {
    this.out.at = 0;
    this.out.u8(RECORD.check);
    this.out.uint(position);
    this.out.uint(this.hash >>> 0);
  }

  private begin(kind: number, tid: number, time: number): void {
    this.hash = Math.imul(this.hash ^ (time | 0), 0x01000193);
    this.hash ^= this.hash >>> 15;
    const { out } = this;
    out.at = 0;
    this.undoTid = this.lastTid;
    this.undoSlot = -1;
    if (tid === this.lastTid) out.u8(kind | RECORD.sameTask);
    else {
      out.u8(kind);
      out.uint(tid);
      this.lastTid = tid;
    }
  }

  /** Reads the recorded event in whose place the last encoded one stood. The codec is of no use afterwards. */
  read(r: Reader): RecordedEvent | null {
    if (this.undoSlot >= 0) this.lastArgs.set(this.undoArgs, this.undoSlot);
    const first = r.u8();
    const kind = first & ~RECORD.sameTask;
    if (kind < RECORD.enter || kind > RECORD.killed) return null;
    const tid = (first & RECORD.sameTask) !== 0 ? this.undoTid : r.uint();
    switch (kind) {
      case RECORD.enter: {
        const nr = r.int();
        const slot = slotOf(nr);
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

const slotOf = (nr: number): number => (nr >= 0 && nr < NUMBERS ? nr : NUMBERS) * HALVES;

export type RecordedEvent =
  | { type: 'enter'; tid: number; nr: number; args: BigUint64Array }
  | { type: 'exit'; tid: number; result: number }
  | { type: 'signal'; tid: number; signo: number }
  | { type: 'task-end'; tid: number; killed: boolean; code: number };

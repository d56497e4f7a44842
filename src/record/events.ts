/**
 * Events as bytes. A call with the arguments that one like it had lately takes two or three; another one holds what it differs
 * in from the last of the same number. The recorder and the replayer both write what their run does, and the replayer compares
 * the bytes. This is done at each call: it allocates nothing.
 */
import type { Clock } from '../../kernel/ports.ts';
import type { Task } from '../../kernel/task/task.ts';
import { MalformedError, type Reader, type Writer } from './bytes.ts';
import { RECORD } from './format.ts';

/** Calls of higher numbers have no memory of their last arguments. */
const NUMBERS = 1024;
const HALVES = 12;
/** Calls that are remembered with all their arguments, in a byte's worth of places. */
const PLACES = 256;
const CALL = 1 + HALVES;
/** More than any event takes, with a check behind it. */
export const MOST = 128;
/** Results beyond are not told apart: numbers of 64 bits, of which a JavaScript number keeps 53. */
const LARGE = 2 ** 51;

/** An event as it was written down. */
export type RecordedEvent =
  | { type: 'enter'; tid: number; nr: number; args: BigUint64Array }
  | { type: 'exit'; tid: number; result: number }
  | { type: 'signal'; tid: number; signo: number }
  | { type: 'task-end'; tid: number; killed: boolean; code: number }
  | { type: 'check'; position: number; hash: number };

const slotOf = (nr: number): number => (nr >= 0 && nr < NUMBERS ? nr : NUMBERS) * HALVES;

/** Where a call is remembered: any spread will do, but it is the same for whoever writes and reads. */
function placeOf(nr: number, words: Int32Array, at: number, halves: number): number {
  let h = nr;
  for (let i = 0; i < halves; i += 2) h = (h << 3) ^ (h >>> 29) ^ words[at + i];
  return (h ^ (h >>> 8) ^ (h >>> 16)) & (PLACES - 1);
}

/** What has been written, as far as the next event may refer to it. */
class Memory {
  tid = -1;
  result = 0;
  /** Argument halves of the last call of each number that was written whole. */
  readonly args = new Int32Array((NUMBERS + 1) * HALVES);
  /** Calls that were written whole: number, halves. */
  readonly calls = new Int32Array(PLACES * CALL).fill(-1);
}

/** Writes events. */
export class EventEncoder {
  /** Whoever owns it keeps room for MOST bytes, and sets it back when it has read it. */
  readonly out: Writer;
  /** Events so far. */
  count = 0;
  private readonly clock: Clock;
  private readonly memory = new Memory();
  private hash = 0;

  constructor(clock: Clock, out: Writer) {
    this.clock = clock;
    this.out = out;
  }

  enter(t: Task): void {
    const h = Math.imul(this.hash ^ (this.clock.monotonic() | 0), 0x01000193);
    this.hash = h ^ (h >>> 15);
    const { nr, row } = t;
    const { words } = t.args;
    const halves = row === null ? HALVES : row.args.length << 1;
    const place = placeOf(nr, words, 0, halves);
    const { calls } = this.memory;
    const at = place * CALL;
    if (calls[at] === nr) {
      let i = 0;
      while (i < halves && calls[at + 1 + i] === words[i]) i++;
      if (i === halves) {
        this.begin(RECORD.enter | RECORD.again, t.tid);
        this.out.buffer[this.out.at++] = place;
        return;
      }
    }
    this.begin(RECORD.enter, t.tid);
    this.whole(nr, words, halves, at);
  }

  private whole(nr: number, words: Int32Array, halves: number, at: number): void {
    const { out } = this;
    const { args, calls } = this.memory;
    const slot = slotOf(nr);
    let mask = 0;
    for (let i = 0; i < halves; i++) if (words[i] !== args[slot + i]) mask |= 1 << i;
    out.int(nr);
    out.uint(halves);
    out.uint(mask);
    calls[at] = nr;
    for (let i = 0; i < halves; i++) {
      calls[at + 1 + i] = words[i];
      if ((mask & (1 << i)) === 0) continue;
      out.int((words[i] - args[slot + i]) | 0);
      args[slot + i] = words[i];
    }
  }

  exit(t: Task, result: number): void {
    const shown = result < LARGE && result > -LARGE ? result : 0;
    if (shown === this.memory.result) {
      this.begin(RECORD.exit | RECORD.again, t.tid);
      return;
    }
    this.begin(RECORD.exit, t.tid);
    this.memory.result = shown;
    this.out.int(shown);
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

  private begin(kind: number, tid: number): void {
    const { out, memory } = this;
    this.count++;
    if (tid === memory.tid) out.buffer[out.at++] = kind | RECORD.sameTask;
    else {
      out.buffer[out.at++] = kind;
      out.uint(tid);
      memory.tid = tid;
    }
  }
}

/** Reads events: all that were written, from the first on. */
export class EventDecoder {
  private readonly memory = new Memory();

  /** One that has read as much. */
  copy(): EventDecoder {
    const other = new EventDecoder();
    const { memory } = other;
    memory.tid = this.memory.tid;
    memory.result = this.memory.result;
    memory.args.set(this.memory.args);
    memory.calls.set(this.memory.calls);
    return other;
  }

  /** The next event, or null when something else is next: nothing was read then. */
  read(r: Reader): RecordedEvent | null {
    if (r.atEnd) return null;
    const { memory } = this;
    const first = r.u8();
    const again = (first & RECORD.again) !== 0;
    const kind = first & ~(RECORD.sameTask | RECORD.again);
    if (kind < RECORD.enter || kind > RECORD.check) {
      r.at--;
      return null;
    }
    if (kind === RECORD.check) return { type: 'check', position: r.uint(), hash: r.uint() };
    if ((first & RECORD.sameTask) === 0) memory.tid = r.uint();
    const { tid } = memory;
    switch (kind) {
      case RECORD.enter: {
        const at = again ? r.u8() * CALL : this.readWhole(r);
        const halves = memory.calls.slice(at + 1, at + CALL);
        return { type: 'enter', tid, nr: memory.calls[at], args: new BigUint64Array(halves.buffer) };
      }
      case RECORD.exit:
        if (!again) memory.result = r.int();
        return { type: 'exit', tid, result: memory.result };
      case RECORD.signal:
        return { type: 'signal', tid, signo: r.uint() };
      default:
        return { type: 'task-end', tid, killed: kind === RECORD.killed, code: r.uint() };
    }
  }

  private readWhole(r: Reader): number {
    const { args, calls } = this.memory;
    const [nr, halves, mask] = [r.int(), r.uint(), r.uint()];
    if (halves > HALVES) throw new MalformedError('a call has too many arguments');
    const slot = slotOf(nr);
    for (let i = 0; i < halves; i++) if ((mask & (1 << i)) !== 0) args[slot + i] += r.int();
    const at = placeOf(nr, args, slot, halves) * CALL;
    calls[at] = nr;
    for (let i = 0; i < halves; i++) calls[at + 1 + i] = args[slot + i];
    return at;
  }
}

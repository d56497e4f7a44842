/** Output side of the line discipline: OPOST processing and the column it keeps (termios(3), c_oflag). */
import { IUTF8, OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TABDLY, XTABS, type Termios } from './termios.ts';

const NL = 10;
const CR = 13;
const TAB = 9;
const BS = 8;

/** A control character as ECHOCTL and column counting see it. */
export const isControl = (c: number): boolean => c < 0x20 || c === 0x7f;
/** A byte inside a UTF-8 character, when the terminal is said to use that. */
export const isContinuation = (c: number, t: Termios): boolean =>
  (t.iflag & IUTF8) !== 0 && (c & 0xc0) === 0x80;

/** Where the processed bytes go. */
export interface OutputSink {
  /** Bytes it takes now. */
  room(): number;
  /** Takes bytes; the caller has asked `room` before. */
  put(bytes: Uint8Array): void;
}

export class OutputProcessor {
  column = 0;
  /** Column where the line being typed began: how far back erasing a tab goes. */
  canonColumn = 0;

  /** Writes as much of `src` as the sink takes; returns how many bytes of `src` that was. */
  write(src: Uint8Array, t: Termios, sink: OutputSink): number {
    if (!(t.oflag & OPOST)) {
      const n = Math.min(src.length, sink.room());
      if (n > 0) sink.put(src.subarray(0, n));
      return n;
    }
    let room = sink.room();
    const out = new Uint8Array(Math.min(room, 2 * src.length + 8));
    let used = 0;
    let i = 0;
    for (; i < src.length; i++) {
      const n = this.one(src[i], t, out, used, Math.min(room, 8));
      if (n < 0) break;
      used += n;
      room -= n;
      if (used + 8 > out.length) {
        sink.put(out.slice(0, used));
        used = 0;
      }
    }
    if (used > 0) sink.put(out.slice(0, used));
    return i;
  }

  /** Processes one byte into `out` at `at`. How many bytes came of it, −1 when they do not fit in `room`. */
  private one(c: number, t: Termios, out: Uint8Array, at: number, room: number): number {
    if (room < 1) return -1;
    const o = t.oflag;
    switch (c) {
      case NL:
        if (o & ONLRET) this.column = 0;
        if (o & ONLCR) {
          if (room < 2) return -1;
          this.canonColumn = this.column = 0;
          out[at] = CR;
          out[at + 1] = NL;
          return 2;
        }
        this.canonColumn = this.column;
        break;
      case CR:
        if (o & ONOCR && this.column === 0) return 0;
        if (o & OCRNL) {
          c = NL;
          if (o & ONLRET) this.canonColumn = this.column = 0;
          break;
        }
        this.canonColumn = this.column = 0;
        break;
      case TAB: {
        const spaces = 8 - (this.column & 7);
        if ((o & TABDLY) === XTABS) {
          if (room < spaces) return -1;
          this.column += spaces;
          out.fill(32, at, at + spaces);
          return spaces;
        }
        this.column += spaces;
        break;
      }
      case BS:
        if (this.column > 0) this.column--;
        break;
      default:
        if (isControl(c)) break;
        if (o & OLCUC && c >= 0x61 && c <= 0x7a) c -= 32;
        if (!isContinuation(c, t)) this.column++;
    }
    out[at] = c;
    return 1;
  }
}

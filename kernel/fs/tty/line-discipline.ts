/**
 * The line discipline N_TTY: from typed bytes to what read(2) gives, with echo, line editing and the signal characters
 * (termios(3)). Pure: it tells its owner of signals and flow control, and knows no tasks. Checked against a real pty.
 */
import { Echo } from './echo.ts';
import { isContinuation, isControl, OutputProcessor, type OutputSink } from './output.ts';
import {
  ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ECHONL, ECHOPRT, EXTPROC, ICANON, ICRNL, IEXTEN, IGNCR, INLCR, ISIG, ISTRIP,
  IUCLC, IXANY, IXON, NOFLSH, PARMRK, VEOF, VEOL, VEOL2, VERASE, VINTR, VKILL, VLNEXT, VMIN, VQUIT, VREPRINT, VSTART,
  VSTOP, VSUSP, VTIME, VWERASE, type Termios,
} from './termios.ts'; // prettier-ignore

/** Bytes of the read buffer. */
export const N_TTY_BUF_SIZE = 4096;
const NL = 10;
const CR = 13;
const TAB = 9;

export interface LineDisciplineOwner extends OutputSink {
  readonly termios: Termios;
  /** ^C, ^\, ^Z: a signal to the foreground group. */
  signal(what: 'intr' | 'quit' | 'susp'): void;
  /** Output stopped by the VSTOP character (or TCOOFF). */
  readonly stopped: boolean;
  /** Stopped by TCOOFF: typing does not start it again. */
  readonly stoppedByCall: boolean;
  stop(): void;
  start(): void;
  /** Drops output nobody has seen (a signal character without NOFLSH). */
  flushOutput(): void;
}

export class LineDiscipline {
  private readonly owner: LineDisciplineOwner;
  readonly out = new OutputProcessor();
  readonly echo: Echo;
  /** Ring of typed bytes; positions grow without end and are masked. */
  private readonly ring = new Uint8Array(N_TTY_BUF_SIZE);
  /** 1 at the ring positions that end a line. */
  private readonly ends = new Uint8Array(N_TTY_BUF_SIZE);
  private head = 0;
  private tail = 0;
  /** End of the last complete line. */
  private canonHead = 0;
  /** VLNEXT was typed: the next byte is taken as it is. */
  private literal = false;
  /** Ends of lines changed: somebody may read. Set by `receive`, cleared by its caller. */
  fresh = false;

  constructor(owner: LineDisciplineOwner) {
    this.owner = owner;
    this.echo = new Echo(this.out, owner);
  }

  private get canonical(): boolean {
    return (this.owner.termios.lflag & (ICANON | EXTPROC)) === ICANON;
  }
  private at(i: number): number {
    return this.ring[i % N_TTY_BUF_SIZE];
  }

  /** Bytes a read would find: whole lines, or everything in raw mode. */
  get available(): number {
    return (this.canonical ? this.canonHead : this.head) - this.tail;
  }
  /** Bytes in the buffer, half a line included. */
  get buffered(): number {
    return this.head - this.tail;
  }
  /** FIONREAD: as `available`, end-of-file marks left out. */
  get readable(): number {
    if (!this.canonical) return this.head - this.tail;
    let n = this.canonHead - this.tail;
    for (let i = this.tail; i < this.canonHead; i++) {
      if (this.ends[i % N_TTY_BUF_SIZE] && this.at(i) === 0) n--;
    }
    return n;
  }
  /** Whether poll says POLLIN: in raw mode VMIN bytes must be there, unless VTIME is set. */
  get pollIn(): boolean {
    const t = this.owner.termios;
    if (this.canonical) return this.canonHead !== this.tail;
    const min = !t.cc[VTIME] && t.cc[VMIN] > 0 ? t.cc[VMIN] : 1;
    return this.head - this.tail >= min;
  }

  /** Takes typed bytes while there is room; returns how many. */
  receive(bytes: Uint8Array): number {
    const t = this.owner.termios;
    let i = 0;
    while (i < bytes.length) {
      const room = this.room(t);
      // A full buffer without a complete line goes on taking bytes, each in place of the last: a newline must get in.
      const overflow = room <= 0 && this.lineless;
      if (room <= 0 && !overflow) break;
      if (overflow && room < 0) this.head--;
      this.one(bytes[i++], t);
    }
    if (!this.canonical && this.head !== this.tail) this.fresh = true;
    return i;
  }

  private get lineless(): boolean {
    return (this.owner.termios.lflag & ICANON) !== 0 && this.canonHead === this.tail;
  }
  private room(t: Termios): number {
    const free = N_TTY_BUF_SIZE - (this.head - this.tail);
    return (t.iflag & PARMRK ? Math.ceil(free / 3) : free) - 1;
  }
  /** Whether typed bytes would find room now. */
  get accepts(): boolean {
    return this.room(this.owner.termios) > 0 || this.lineless;
  }

  /**
   * Moves input out for one read(2): in canonical mode to the end of a line at most (an end-of-file mark is taken and
   * not given), else all there is. Returns the bytes; null when there is nothing (an empty result is end of file).
   */
  read(max: number): Uint8Array | null {
    const end = this.canonical ? this.canonHead : this.head;
    if (this.tail === end) return null;
    if (!this.canonical) {
      const n = Math.min(max, end - this.tail);
      return this.take(n, n);
    }
    let n = 0;
    while (n < max && this.tail + n < end && !this.ends[(this.tail + n) % N_TTY_BUF_SIZE]) n++;
    const last = this.tail + n;
    const ended = last < end && this.ends[last % N_TTY_BUF_SIZE] === 1;
    if (!ended) return this.take(n, n);
    // An end-of-file mark right behind a read that is full goes with it: the next read is not told of it.
    if (this.at(last) === 0) return this.take(n, n + 1);
    return n < max ? this.take(n + 1, n + 1) : this.take(n, n);
  }

  private take(give: number, consume: number): Uint8Array {
    const out = new Uint8Array(give);
    for (let i = 0; i < give; i++) out[i] = this.at(this.tail + i);
    for (let i = 0; i < consume; i++) this.ends[(this.tail + i) % N_TTY_BUF_SIZE] = 0;
    this.tail += consume;
    return out;
  }

  /** Drops all input (TCIFLUSH, a signal character). */
  flush(): void {
    this.tail = this.canonHead = this.head;
    this.ends.fill(0);
    this.literal = false;
  }

  /** The modes changed. Into canonical mode: what is there counts as a line; out of it: as plain bytes. */
  modesChanged(old: Termios): void {
    const t = this.owner.termios;
    if ((old.lflag ^ t.lflag) & (ICANON | EXTPROC)) {
      this.ends.fill(0);
      if (t.lflag & ICANON && this.head !== this.tail) {
        this.canonHead = this.head;
        this.ends[(this.head - 1) % N_TTY_BUF_SIZE] = 1;
      } else this.canonHead = this.tail;
      this.literal = false;
    }
    if (!(t.lflag & (ECHO | ECHONL))) this.echo.discard();
  }

  private put(c: number): void {
    this.ring[this.head % N_TTY_BUF_SIZE] = c;
    this.head++;
  }
  private putParity(c: number, t: Termios): void {
    if (c === 0xff && t.iflag & PARMRK) this.put(c);
    this.put(c);
  }

  private one(c: number, t: Termios): void {
    const { lflag, iflag, cc } = t;
    if (iflag & ISTRIP) c &= 0x7f;
    if (iflag & IUCLC && lflag & IEXTEN && c >= 0x41 && c <= 0x5a) c += 32;
    if (this.literal) {
      this.literal = false;
      this.plain(c, t, true);
      return;
    }
    if (lflag & EXTPROC) {
      this.put(c);
      return;
    }
    // A control character set to 0 (_POSIX_VDISABLE) is none; a typed NUL is always plain.
    const is = (i: number): boolean => c !== 0 && cc[i] === c;
    if (iflag & IXON) {
      if (is(VSTART)) {
        this.owner.start();
        this.echo.flush(t);
        return;
      }
      if (is(VSTOP)) {
        this.owner.stop();
        return;
      }
    }
    if (lflag & ISIG) {
      const what = is(VINTR) ? 'intr' : is(VQUIT) ? 'quit' : is(VSUSP) ? 'susp' : null;
      if (what !== null) {
        this.signalChar(c, what, t);
        return;
      }
    }
    if (iflag & IXON && iflag & IXANY && this.owner.stopped && !this.owner.stoppedByCall) {
      this.owner.start();
      this.echo.flush(t);
    }
    if (c === CR) {
      if (iflag & IGNCR) return;
      if (iflag & ICRNL) c = NL;
    } else if (c === NL && iflag & INLCR) c = CR;
    if (lflag & ICANON && this.edit(c, t)) return;
    this.plain(c, t);
  }

  private signalChar(c: number, what: 'intr' | 'quit' | 'susp', t: Termios): void {
    this.owner.signal(what);
    if (!(t.lflag & NOFLSH)) {
      this.flush();
      this.echo.discard();
      this.owner.flushOutput();
    }
    if (t.iflag & IXON) this.owner.start();
    if (t.lflag & ECHO) this.echo.char(c, t);
    else this.echo.flush(t);
  }

  /** An ordinary byte: echoed and kept. */
  private plain(c: number, t: Termios, literal = false): void {
    if (t.lflag & ECHO) {
      this.echo.finishErasing(t);
      if (c === NL && !literal) this.echo.raw(NL, t);
      else {
        if (this.canonHead === this.head) this.echo.markLineStart();
        this.echo.char(c, t);
      }
    }
    this.putParity(c, t);
  }

  /** Canonical mode's editing characters and line ends; false: `c` is none of them. */
  private edit(c: number, t: Termios): boolean {
    const { lflag, cc } = t;
    const extended = (lflag & IEXTEN) !== 0;
    const is = (i: number): boolean => c !== 0 && cc[i] === c;
    if (is(VERASE)) {
      this.erase('char', t);
    } else if (is(VKILL)) {
      this.kill(t);
    } else if (is(VWERASE) && extended) {
      this.erase('word', t);
    } else if (is(VLNEXT) && extended) {
      this.literal = true;
      if (lflag & ECHO) {
        this.echo.finishErasing(t);
        if (lflag & ECHOCTL) {
          this.echo.raw(0x5e, t);
          this.echo.raw(8, t);
        }
      }
    } else if (is(VREPRINT) && extended && lflag & ECHO) {
      this.echo.finishErasing(t);
      this.echo.char(c, t);
      this.echo.raw(NL, t);
      for (let i = this.canonHead; i < this.head; i++) this.echo.char(this.at(i), t);
    } else if (c === NL) {
      if (lflag & (ECHO | ECHONL)) this.echo.raw(NL, t);
      this.endLine(NL);
    } else if (is(VEOF)) {
      this.endLine(0);
    } else if (is(VEOL) || (is(VEOL2) && extended)) {
      if (lflag & ECHO) {
        if (this.canonHead === this.head) this.echo.markLineStart();
        this.echo.char(c, t);
      }
      if (c === 0xff && t.iflag & PARMRK) this.put(c);
      this.endLine(c);
    } else return false;
    return true;
  }

  private endLine(c: number): void {
    this.ends[this.head % N_TTY_BUF_SIZE] = 1;
    this.put(c);
    this.canonHead = this.head;
    this.fresh = true;
  }

  /** VKILL: the whole line goes. */
  private kill(t: Termios): void {
    if (this.head === this.canonHead) return;
    const { lflag } = t;
    if (!(lflag & ECHO)) {
      this.head = this.canonHead;
    } else if ((lflag & (ECHOK | ECHOKE | ECHOE)) === (ECHOK | ECHOKE | ECHOE)) {
      this.erase('line', t);
    } else {
      this.head = this.canonHead;
      this.echo.finishErasing(t);
      this.echo.char(t.cc[VKILL], t);
      if (lflag & ECHOK) this.echo.raw(NL, t);
    }
  }

  private erase(what: 'char' | 'word' | 'line', t: Termios): void {
    if (this.head === this.canonHead) return;
    let word = false;
    while (this.head !== this.canonHead) {
      let start = this.head - 1;
      while (isContinuation(this.at(start), t) && start > this.canonHead) start--;
      const c = this.at(start);
      if (isContinuation(c, t)) break; // the beginning of the character is in a line already given out
      if (what === 'word') {
        if (isAlnum(c)) word = true;
        else if (word) break;
      }
      const length = this.head - start;
      this.head = start;
      if (t.lflag & ECHO) this.showErased(c, start, length, what, t);
      if (what === 'char') break;
    }
    if (this.head === this.canonHead && t.lflag & ECHO) this.echo.finishErasing(t);
  }

  private showErased(
    c: number,
    start: number,
    length: number,
    what: 'char' | 'word' | 'line',
    t: Termios,
  ): void {
    const { lflag } = t;
    const { echo } = this;
    if (lflag & ECHOPRT) {
      if (!echo.erasing) {
        echo.raw(0x5c, t);
        echo.erasing = true;
      }
      echo.char(c, t);
      for (let i = 1; i < length; i++) echo.raw(this.at(start + i), t);
    } else if (what === 'char' && !(lflag & ECHOE)) {
      echo.char(t.cc[VERASE], t);
    } else if (c === TAB) {
      this.showErasedTab(t);
    } else {
      const control = isControl(c);
      if (control && lflag & ECHOCTL) echo.rubOut(t);
      if (!control || lflag & ECHOCTL) echo.rubOut(t);
    }
  }

  /** Columns the line takes up before the tab decide how wide the tab was. */
  private showErasedTab(t: Termios): void {
    let columns = 0;
    let i = this.head;
    while (i > this.canonHead) {
      const c = this.at(--i);
      if (c === TAB) {
        this.echo.eraseTab(columns, false, t);
        return;
      }
      if (isControl(c)) {
        if (t.lflag & ECHOCTL) columns += 2;
      } else if (!isContinuation(c, t)) columns++;
    }
    this.echo.eraseTab(columns, true, t);
  }
}

function isAlnum(c: number): boolean {
  if (c === 0x5f) return true; // BSD's ALTWERASE, as Linux does it
  if (c < 0x80) return (c >= 0x30 && c <= 0x39) || ((c | 32) >= 0x61 && (c | 32) <= 0x7a);
  return c >= 0xc0 && c !== 0xd7 && c !== 0xf7; // the kernel's ctype table is Latin-1's
}

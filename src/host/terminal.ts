/** The host's terminal, when one of our standard descriptors is one. Modes are put back however we end. */
import { spawnSync } from 'node:child_process';
import { ReadStream, WriteStream, isatty } from 'node:tty';
import type { TerminalEnd, TerminalPort, WindowSize } from '../machine/options.ts';
import { writeAll } from './output.ts';

export class HostTerminal implements TerminalPort {
  readonly connected: readonly [boolean, boolean, boolean];
  private readonly out: number;
  private readonly before: () => void;
  private end: TerminalEnd | null = null;
  private input: ReadStream | null = null;
  /** Typed bytes the guest's terminal did not take yet. */
  private held: Uint8Array | null = null;
  /** What stty -g said before we changed the modes. */
  private saved: string | null = null;
  private nodeRaw = false;
  private gone = false;
  /** Told of typed bytes before the guest gets them. */
  onTyped: ((bytes: Uint8Array) => void) | null = null;
  private readonly atExit = (): void => this.restore();
  private readonly resized = (): void => this.end?.resize(this.size());

  private constructor(connected: readonly [boolean, boolean, boolean], before: () => void) {
    this.connected = connected;
    this.before = before;
    this.out = connected[1] ? 1 : connected[2] ? 2 : 0;
  }

  /** null when none of 0, 1, 2 is a terminal. `before` runs ahead of each write. */
  static open(before: () => void): HostTerminal | null {
    const connected = [isatty(0), isatty(1), isatty(2)] as const;
    return connected.includes(true) ? new HostTerminal(connected, before) : null;
  }

  get live(): boolean {
    return this.connected[0] && !this.gone;
  }

  size(): WindowSize {
    let size = [80, 24];
    try {
      const tty = new WriteStream(this.out);
      size = tty.getWindowSize();
      tty.destroy();
    } catch {
      // no size to be had: 24 by 80 is what terminals were
    }
    return { rows: size[1], cols: size[0], xpixel: 0, ypixel: 0 };
  }

  write(bytes: Uint8Array): number {
    this.before();
    writeAll(this.out, bytes);
    return bytes.length;
  }

  attach(end: TerminalEnd): void {
    this.end = end;
    process.on('SIGWINCH', this.resized);
    end.onSpace = () => this.offer();
    if (!this.connected[0]) return;
    this.raw();
    const input = new ReadStream(0);
    this.input = input;
    input.on('data', (bytes: Uint8Array) => {
      this.onTyped?.(bytes);
      this.held = bytes;
      this.offer();
    });
    const hangup = (): void => {
      if (this.gone) return;
      this.gone = true;
      end.hangup();
    };
    input.on('end', hangup);
    input.on('error', hangup);
    input.resume();
  }

  private offer(): void {
    if (this.held === null) return;
    const n = this.end!.input(this.held);
    this.held = n < this.held.length ? this.held.subarray(n) : null;
    if (this.held === null) this.input?.resume();
    else this.input?.pause();
  }

  /** Characters reach the guest as they are typed: its own line discipline edits, echoes and makes signals. */
  private raw(): void {
    // Node's raw mode leaves output processing on, which would break full-screen guests; stty can turn it off.
    const stty = (...args: string[]): string | null => {
      const r = spawnSync('stty', args, { stdio: [0, 'pipe', 'ignore'], encoding: 'utf8' });
      return r.status === 0 ? r.stdout.trim() : null;
    };
    process.on('exit', this.atExit);
    const saved = stty('-g');
    if (saved !== null && stty('raw', '-echo') !== null) this.saved = saved;
    else {
      process.stdin.setRawMode(true);
      this.nodeRaw = true;
    }
  }

  /** Puts the terminal's modes back and lets go of it. Safe to call twice. */
  restore(): void {
    process.removeListener('exit', this.atExit);
    process.removeListener('SIGWINCH', this.resized);
    this.gone = true;
    if (this.saved !== null) {
      spawnSync('stty', [this.saved], { stdio: [0, 'ignore', 'ignore'] });
      this.saved = null;
    }
    if (this.nodeRaw) {
      process.stdin.setRawMode(false);
      this.nodeRaw = false;
    }
    this.input?.destroy();
    this.input = null;
  }
}

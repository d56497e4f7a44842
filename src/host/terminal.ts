/** The host's terminal, when one of our standard descriptors is one. Modes are put back however we end. */
import { spawnSync } from 'node:child_process';
import { ReadStream, WriteStream, isatty } from 'node:tty';
import type { TerminalPort } from '../machine/options.ts';
import { writeAll } from './output.ts';

export class HostTerminal implements TerminalPort {
  readonly connected: readonly [boolean, boolean, boolean];
  private readonly out: number;
  private input: ReadStream | null = null;
  private saved: string | null = null;
  private nodeRaw = false;
  private readonly before: () => void;
  private readonly atExit = (): void => this.restore();
  private winch: (() => void) | null = null;

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

  size(): { rows: number; cols: number } {
    try {
      const [cols, rows] = new WriteStream(this.out).getWindowSize();
      return { rows, cols };
    } catch {
      return { rows: 24, cols: 80 };
    }
  }

  write(bytes: Uint8Array): void {
    this.before();
    writeAll(this.out, bytes);
  }

  start(onInput: (bytes: Uint8Array) => void, onEnd: () => void): void {
    if (this.input !== null || !this.connected[0]) return;
    this.raw();
    const input = new ReadStream(0);
    this.input = input;
    input.on('data', onInput);
    input.on('end', onEnd);
    input.on('error', onEnd);
    input.resume();
  }

  pause(): void {
    this.input?.pause();
  }
  resume(): void {
    this.input?.resume();
  }

  onResize(resized: () => void): void {
    this.winch = resized;
    process.on('SIGWINCH', resized);
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
    if (this.winch) process.removeListener('SIGWINCH', this.winch);
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

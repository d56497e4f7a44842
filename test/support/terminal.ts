/** A terminal for tests: what a person would see and type. */
import type { TerminalEnd, TerminalPort, WindowSize } from '../../src/index.ts';

export class ScriptedTerminal implements TerminalPort {
  readonly connected = [true, true, true] as const;
  live = true;
  /** All the guest wrote, one character a byte. */
  screen = '';
  private seen = 0;
  private end: TerminalEnd | null = null;
  private waiting: (() => void) | null = null;

  size(): WindowSize {
    return { rows: 24, cols: 80, xpixel: 0, ypixel: 0 };
  }
  write(bytes: Uint8Array): number {
    this.screen += Buffer.from(bytes).toString('latin1');
    this.waiting?.();
    return bytes.length;
  }
  attach(end: TerminalEnd): void {
    this.end = end;
  }
  restore(): void {
    this.live = false;
  }

  type(keys: string): void {
    this.end!.input(Buffer.from(keys, 'latin1'));
  }

  /** Waits until `text` comes up in what was not looked at before. */
  async until(text: string, ms = 30_000): Promise<void> {
    const deadline = Date.now() + ms;
    for (;;) {
      const at = this.screen.indexOf(text, this.seen);
      if (at >= 0) {
        this.seen = at + text.length;
        return;
      }
      const left = deadline - Date.now();
      if (left <= 0)
        throw new Error(
          `the terminal never showed ${JSON.stringify(text)}; since then: ${JSON.stringify(this.screen.slice(this.seen))}`,
        );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.waiting = null;
    }
  }
}

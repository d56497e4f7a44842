/** ^\ and SIGQUIT: the guest gets them, and the person an explanation of what it hangs on. */
import { writeAll } from '../host/output.ts';
import type { HostTerminal } from '../host/terminal.ts';
import { explanationLines } from '../explain/text.ts';
import type { Explanation } from '../explain/types.ts';
import type { Machine } from '../machine/machine.ts';

/** Pressed twice within so many milliseconds: it is meant for ring3 as well. */
const TWICE_MS = 1000;

export class QuitKey {
  private readonly machine: Machine;
  private readonly terminal: HostTerminal | null;
  private readonly before: () => void;
  private last = -Infinity;

  /** `before` runs ahead of what is written. */
  constructor(machine: Machine, terminal: HostTerminal | null, before: () => void) {
    this.machine = machine;
    this.terminal = terminal;
    this.before = before;
    if (terminal) terminal.onTyped = (bytes) => this.typed(bytes);
  }

  private typed(bytes: Uint8Array): void {
    const key = this.machine.quitKey;
    if (key !== null) for (const byte of bytes) if (byte === key) this.pressed();
  }

  /**
   * SIGQUIT is about to reach the guest. It is explained if that ends the guest, which is the last chance to look; a guest
   * that lives on with it (a shell, a JVM) must be asked twice.
   */
  pressed(): void {
    const now = performance.now();
    const twice = now - this.last < TWICE_MS;
    this.last = now;
    if (twice || this.machine.quitKills) this.print(this.machine.explainBusy());
  }

  print(e: Explanation): void {
    this.before();
    printExplanation(e, this.terminal !== null);
  }
}

/** On stderr. `raw`: the terminal takes line ends as they are. */
export function printExplanation(e: Explanation, raw: boolean): void {
  const end = raw ? '\r\n' : '\n';
  const [cause, ...lines] = explanationLines(e);
  const text = [`ring3: ${cause}`, ...lines].map((l) => l + end).join('');
  writeAll(2, new TextEncoder().encode(raw ? end + text : text));
}

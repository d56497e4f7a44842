/** The machine's own terminal: a Tty whose other side is the host's, behind a port that src/host implements. */
import type { Kernel } from '../../kernel.ts';
import { makedev } from '../dev/devices.ts';
import { BufferedOutput } from './buffered-output.ts';
import { PTS_MAJOR } from './devpts.ts';
import type { WinSize } from './termios.ts';
import { Tty, type TtyDriver } from './tty.ts';

/** What the kernel asks of the host's terminal. The host puts it in raw mode: all editing and echo happen in the guest. */
export interface HostTerminal {
  /** Rows and columns now; pixels 0 where unknown. */
  size(): WinSize;
  /** Takes output bytes; returns how many. After fewer than given, the host calls `drained` when there is room. */
  write(bytes: Uint8Array): number;
  /** Called once: the host keeps it and calls it as things happen. */
  attach(end: HostTerminalEnd): void;
}

/** What the host tells the kernel. Called between runs of guest code, never from inside `write`. */
export interface HostTerminalEnd {
  /** Typed bytes. Returns how many were taken; the rest is offered again after `onSpace`. */
  input(bytes: Uint8Array): number;
  /** Set by the host: called when refused input may fit now. */
  onSpace: (() => void) | null;
  /** The window changed. */
  resize(size: WinSize): void;
  /** The host's output takes bytes again. */
  drained(): void;
  /** The host's terminal is gone. */
  hangup(): void;
}

/** Output held back while the host's terminal is slow; beyond it writers wait. */
const OUTPUT_LIMIT = 65536;

export class HostTty extends BufferedOutput implements TtyDriver, HostTerminalEnd {
  readonly tty: Tty;
  readonly pty = false;
  onSpace: (() => void) | null = null;
  private readonly port: HostTerminal;

  constructor(kernel: Kernel, port: HostTerminal, index: number) {
    super(OUTPUT_LIMIT);
    this.port = port;
    this.tty = new Tty(kernel, this, makedev(PTS_MAJOR, index), `/dev/pts/${index}`);
    this.tty.winsize = port.size();
    port.attach(this);
  }

  input(bytes: Uint8Array): number {
    return this.tty.receive(bytes);
  }
  resize(size: WinSize): void {
    this.tty.resize(size);
  }
  drained(): void {
    this.send();
    if (this.room() > 0) this.tty.outputDrained();
  }
  hangup(): void {
    this.tty.hangup();
  }

  protected delivered(): void {
    this.send();
  }
  private send(): void {
    while (this.output.length > 0) {
      const chunk = this.output.peek();
      const n = this.port.write(chunk);
      this.output.drop(n);
      if (n < chunk.length) return;
    }
  }
  inputDrained(): void {
    this.onSpace?.();
  }
  packet(): void {} // no master, no packets
}

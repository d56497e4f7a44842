/** What stands between a machine and its host while it is recorded or replayed. */
import type { CorePort } from '../../kernel/coredump/settings.ts';
import type { HostOutput } from '../../kernel/fs/dev/host-stream.ts';
import type { HostFs } from '../../kernel/fs/host-port.ts';
import type { HostTerminal } from '../../kernel/fs/tty/host-port.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { NetStack } from '../../kernel/net/stack.ts';
import type { EventCount } from '../machine/event-count.ts';
import type { Place } from '../machine/loop.ts';
import type { InputQueue } from '../machine/stdio.ts';

export interface Folder {
  readonly host: HostFs;
  /** The name in the folder, when the path was a file's. */
  readonly file: string | null;
}

/** Where the loop is; `round` is bound to what comes next (Loop.inputRound). */
export interface TapeLoop {
  readonly rounds: number;
  readonly place: Place;
  /** It stands in the middle of a task's way to user mode. */
  readonly cut: boolean;
  /** It stands between two instructions of a task's run. */
  readonly midRun: boolean;
  inputRound: number;
}

export type TableOfCalls = Kernel['syscalls'];

/** Both ends of a tape: Recorder writes it, Replayer reads it. */
export interface Tape {
  /** Sees every event of the machine. */
  readonly log: EventCount;
  attach(loop: TapeLoop, clock: Clock, rows: TableOfCalls): void;
  /** `open` is not called when replaying. */
  folder(open: () => Folder): Folder;
  files(real: HostFs): HostFs;
  input(queue: InputQueue): void;
  output(fd: number, real: HostOutput): HostOutput;
  terminal(real: HostTerminal): HostTerminal;
  core(real: CorePort): CorePort;
  network(net: NetStack): void;
  /** What the machine's owner reads (Vfs.aside). */
  reading(path: string, read: () => Uint8Array): Uint8Array;
}

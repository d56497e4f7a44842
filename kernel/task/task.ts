/** A task (thread) and its thread group (process), after Linux's task_struct and signal_struct. */
import type { Kernel } from '../kernel.ts';
import type { FdTable } from '../fs/file.ts';
import type { FsContext } from '../fs/vfs.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import type { Regs } from '../ports.ts';
import type { SignalHandlers, SignalQueue, AltStack } from '../signal/state.ts';
import { Args } from '../syscall/args.ts';
import type { SyscallRow } from '../syscall/define.ts';
import type { Park, TaskWaiter, WakeReason } from '../wait.ts';
import type { Credentials } from './creds.ts';
import type { ThreadGroup } from './thread-group.ts';

export type TaskState = 'runnable' | 'parked' | 'stopped' | 'zombie' | 'dead';

export class Task {
  readonly kernel: Kernel;
  readonly tid: number;
  /** The process it belongs to. Changes never; exec makes this task the leader. */
  group: ThreadGroup;
  regs: Regs;
  /** null once the task has exited. */
  mm: AddressSpace;
  fds: FdTable;
  fs: FsContext;
  creds: Credentials;
  /** Dispositions, shared by CLONE_SIGHAND. */
  sighand: SignalHandlers;
  /** Signals for this thread alone. */
  pending: SignalQueue;
  /** Blocked signals: bit n−1 for signal n. */
  sigmask = 0n;
  /** Mask to put back when the current call is over (sigsuspend, ppoll, epoll_pwait), null otherwise. */
  savedSigmask: bigint | null = null;
  altstack: AltStack;
  /** Up to 15 bytes, binary string. */
  comm: string;
  state: TaskState = 'runnable';

  /** The call being served (from its entry until its result is in the registers). */
  row: SyscallRow | null = null;
  nr = -1;
  readonly args = new Args();
  /** What it waits for, while parked and during the handler's next run. */
  parked: Park | null = null;
  woken: WakeReason | null = null;
  /** Its entries on the queues of `parked`. Owned by the scheduler. */
  waiters: TaskWaiter[] = [];

  /** set_tid_address / CLONE_CHILD_CLEARTID: zeroed and woken at exit; 0: none. */
  clearChildTid = 0;
  robustList = 0;
  robustListLength = 0;
  /** Instructions retired by this task. */
  retired = 0;
  /** wait status once dead. */
  exitCode = 0;
  /** Signal sent to the parent when it dies (leader only). */
  exitSignal = 0;

  constructor(init: {
    kernel: Kernel; tid: number; group: ThreadGroup; regs: Regs; mm: AddressSpace; fds: FdTable; fs: FsContext;
    creds: Credentials; sighand: SignalHandlers; pending: SignalQueue; altstack: AltStack; comm: string;
  }) {
    this.kernel = init.kernel;
    this.tid = init.tid;
    this.group = init.group;
    this.regs = init.regs;
    this.mm = init.mm;
    this.fds = init.fds;
    this.fs = init.fs;
    this.creds = init.creds;
    this.sighand = init.sighand;
    this.pending = init.pending;
    this.altstack = init.altstack;
    this.comm = init.comm;
  }

  /** Process id as the guest sees it. */
  get pid(): number {
    return this.group.pid;
  }
}
